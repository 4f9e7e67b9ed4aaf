import io

import numpy as np
import pytest
from PIL import Image

from timesenclip_hf.app.pictures import (
    FRAME,
    INDICES,
    enlargement,
    index_values,
    map_image,
    marked,
    score_gradient,
    score_image,
    series_chart,
)
from timesenclip_hf.app.series_reading import EncodedSeries
from timesenclip_hf.maps.files.colours import class_colours
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS


def series_of(months=12, missing=()):
    reflectance = np.tile(np.linspace(0.05, 0.5, 10, dtype=np.float32), (1, months, 1))
    observed = np.ones((1, months), dtype=bool)
    observed[0, list(missing)] = False
    reflectance[~observed] = np.nan
    return EncodedSeries(reflectance, observed, np.arange(months, dtype=np.float32)[None], BANDS)


def test_indices_are_normalised_differences():
    values = index_values(series_of(missing=[3]))
    for name, (first, second, *_) in INDICES.items():
        a, b = (np.linspace(0.05, 0.5, 10)[BANDS.index(band)] for band in (first, second))
        np.testing.assert_allclose(np.delete(values[name], 3), (a - b) / (a + b), rtol=1e-5)
        assert np.isnan(values[name][3])


def test_a_chart_is_a_picture_in_which_missing_months_show():
    full, gap = (
        np.asarray(Image.open(io.BytesIO(series_chart(series)))) for series in (series_of(), series_of(missing=[3]))
    )
    assert full.shape[1] > 500
    assert full.shape != gap.shape or (full != gap).any()


def test_a_map_has_the_colours_of_the_command_and_squares_for_pixels():
    classes = np.array([[0, 1], [2, 3]], dtype=np.uint8)
    labels = ["maize", "water", "woodland"]
    picture, factor = map_image(classes, labels), enlargement(2, 2)
    assert picture.shape == (2 * factor, 2 * factor, 3)
    corners = picture[factor // 2 :: factor, factor // 2 :: factor].reshape(4, 3).tolist()
    assert corners == [[255, 255, 255], *(list(each.colour) for each in class_colours(labels))]


def test_scores_run_from_the_first_to_the_last_colour_and_are_white_where_there_are_none():
    picture = score_image(np.array([[0.0, 1.0, np.nan]]))
    factor = enlargement(1, 3)
    first, last, none = picture[0, ::factor].tolist()
    assert ["#{:02x}{:02x}{:02x}".format(*colour) for colour in (first, last)] == [
        score_gradient()[0],
        score_gradient()[-1],
    ]
    assert none == [255, 255, 255]


@pytest.mark.parametrize(("row", "column"), [(0, 0), (1, 2), (2, 3)])
def test_a_mark_frames_its_pixel_and_leaves_it_as_it_is(row, column):
    classes = np.arange(12, dtype=np.uint8).reshape(3, 4) % 3 + 1
    picture, factor = map_image(classes, ["maize", "water", "woodland"]), enlargement(3, 4)
    framed = marked(picture, row, column, factor)
    inside = slice(row * factor, (row + 1) * factor), slice(column * factor, (column + 1) * factor)
    assert (framed[inside] == picture[inside]).all()
    changed = np.argwhere((framed != picture).any(axis=2))
    reach = max(FRAME)
    assert len(changed)
    assert (changed >= (row * factor - reach, column * factor - reach)).all()
    assert (changed < ((row + 1) * factor + reach, (column + 1) * factor + reach)).all()
