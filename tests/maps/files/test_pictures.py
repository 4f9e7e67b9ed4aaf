from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from tests.support.small_cubes import CRS
from tests.support.small_maps import LABELS, make_map
from timesenclip_hf.maps import write_png
from timesenclip_hf.maps.files.colours import class_colours
from timesenclip_hf.maps.files.pictures import LONGEST_SIDE, draw_map
from timesenclip_hf.taxonomies import load_taxonomy


def legend_boxes(figure):
    figure.draw_without_rendering()
    (legend,) = figure.legends
    return [(text.get_text(), text.get_window_extent()) for text in legend.get_texts()]


@pytest.mark.parametrize("crs", [CRS, "EPSG:4326"])
def test_a_picture_shows_every_class_in_its_colour(tmp_path, crs):
    mapped = make_map().rio.write_crs(crs)
    write_png(mapped, tmp_path / "new" / "map.png")
    with Image.open(tmp_path / "new" / "map.png") as picture:
        assert picture.width > 1000
        counts = {colour[:3]: count for count, colour in picture.getcolors(maxcolors=1_000_000)}
    for code, given in enumerate(class_colours(LABELS), start=1):
        assert counts[given.colour] > 1000 * (mapped["class"] == code).sum()


@pytest.mark.parametrize("classes", [1, 3, 44, 120])
def test_no_name_in_the_legend_is_cut_off_or_lies_on_another(classes):
    habitats = load_taxonomy("eunis_level2").class_names
    labels = [f"{habitats[index % 44]} {index // 44 or ''}".strip() for index in range(classes)]
    figure = draw_map(make_map(30, 30, labels=labels))
    boxes = legend_boxes(figure)
    assert len(boxes) == classes + 1
    assert all(text.strip() for text, _ in boxes)
    page = figure.bbox
    axes = [each.get_tightbbox() for each in figure.axes]
    for _, box in boxes:
        assert page.x0 <= box.x0 < box.x1 <= page.x1
        assert page.y0 <= box.y0 < box.y1 <= page.y1
        assert not any(box.overlaps(each) for each in axes)
    assert not any(first.overlaps(second) for (_, first), (_, second) in combinations(boxes, 2))
    assert figure.axes[0].get_window_extent().height > 300


def test_shares_are_of_all_pixels_also_where_a_large_map_is_thinned_out():
    mapped = make_map(1, 2 * LONGEST_SIDE + 7, labels=["land", "sea"])
    mapped["class"][:] = 1
    mapped["class"][0, 1::2] = 2  # every other pixel, of which none would be drawn
    texts = [text for text, _ in legend_boxes(draw_map(mapped.isel(y=[0] * 2)))]
    assert texts == ["land (50%)", "sea (50%)"]


def test_shares_below_a_percent_are_not_none():
    mapped = make_map(30, 30)
    mapped["class"][:] = 1
    mapped["class"][3, 4] = 2
    texts = [text for text, _ in legend_boxes(draw_map(mapped))]
    assert texts == ["maize (100%)", "broad-leaved woodland (<1%)", "water (0%)"]


def test_of_many_classes_those_without_a_pixel_are_counted_instead_of_shown():
    mapped = make_map(9, 9, labels=[f"class {number}" for number in range(1, 31)])
    mapped["class"][:] = 7
    mapped["class"][0, 0] = 30
    texts = [text for text, _ in legend_boxes(draw_map(mapped))]
    assert texts == ["class 7 (99%)", "class 30 (1%)", "28 classes without a pixel"]


@pytest.mark.parametrize("shape", [(4, 400), (400, 4)])
def test_a_strip_of_land_is_drawn_without_a_page_of_white(shape):
    figure = draw_map(make_map(*shape))
    figure.draw_without_rendering()
    assert 2 <= figure.get_figheight() <= 7
    assert figure.axes[0].get_window_extent().width > 3


def test_a_folder_is_not_replaced_by_a_picture(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder"):
        write_png(make_map(), tmp_path)


def test_a_picture_tells_scale_north_place_year_model_source_and_caveats():
    figure = draw_map(make_map(60, 60, model="you/model", unknown_words=["sorrel"]))
    on_map = [text.get_text() for text in figure.axes[0].texts]
    assert {"200 m", "N"} <= set(on_map)
    notes = " ".join(text.get_text() for text in figure.texts)
    for told in (
        *("° N, 3.0042° E", "EPSG:32631 (WGS 84 / UTM zone 31N)", "pixels of 10 m", "period 2018", "Model you/model"),
        *(
            "Contains modified Copernicus Sentinel-2 data 2018.",
            "by words alone",
            "not calibrated",
            "mean little: sorrel.",
        ),
    ):
        assert told in notes
    figure.draw_without_rendering()
    page, boxes = figure.bbox, [text.get_window_extent() for text in figure.texts]
    assert all(page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 for box in boxes)
    lowest = min(box.y0 for _, box in legend_boxes(figure))
    assert all(box.y1 <= lowest for box in boxes)
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_the_scale_bar_is_as_long_as_it_says():
    figure = draw_map(make_map(60, 60))
    figure.draw_without_rendering()
    axes = figure.axes[0]
    whole = next(line for line in axes.lines if line.get_color() == "black")
    start, end = whole.get_xdata()
    assert (end - start) * 1000 == pytest.approx(200, rel=1e-3)


def test_shapes_are_true_in_degrees_too():
    mapped = make_map(40, 40)
    steps = 0.0002 * np.arange(40)
    mapped = mapped.assign_coords(x=3 + steps, y=60 - steps).rio.write_crs("EPSG:4326")
    figure = draw_map(mapped)
    box, (width, height) = figure.axes[0].get_position(), figure.get_size_inches()
    assert (box.height * height) / (box.width * width) == pytest.approx(2, rel=0.01)
