import numpy as np
import pytest
import xarray as xr

from tests.support.small_cubes import MONTHS, small_cube
from timesenclip_hf.app.series_answer import (
    CLOUDED,
    CLOUDED_MONTHS,
    answer_series,
    example_series,
    read_series,
)
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS

WORDS = "wheat, maize, rapeseed, woodland, buildings, water"


def test_examples_answer_with_probabilities_and_photos_of_like_places(page_model, index):
    answer = answer_series(page_model, example_series()["maize"], WORDS, index=index)
    assert answer.words.labels[answer.probabilities.argmax()] == "maize"
    assert answer.probabilities.sum() == pytest.approx(1, abs=1e-5)
    scores = [hit["score"] for hit in answer.nearest]
    assert scores == sorted(scores, reverse=True)
    assert all(len(hit["photos"]) == 2 for hit in answer.nearest)
    assert answer_series(page_model, example_series()["maize"], WORDS).nearest == []


def test_missing_months_are_named(page_model):
    assert answer_series(page_model, example_series()[CLOUDED], WORDS).series.missing_months == CLOUDED_MONTHS


def test_a_series_of_dates_misses_the_months_without_a_date(page_model):
    dates = np.array(["2018-03-02", "2018-03-20", "2018-07-01"], dtype="datetime64[D]")
    series = {"series": np.full((3, 10), 1500, dtype=np.uint16), "dates": dates}
    assert answer_series(page_model, series, WORDS).series.missing_months == [0, 1, 3, 4, 5, 7, 8, 9, 10, 11]


def test_netcdf_is_read_with_and_without_axes_in_space(tmp_path, page_model):
    cube = small_cube(2, 3)
    cube.to_netcdf(tmp_path / "cube.nc", engine="h5netcdf")
    pixels = read_series(tmp_path / "cube.nc")
    assert pixels.ids[4] == "row 1, column 1"
    pixel = xr.Dataset({band: ("time", cube[band].values[:, 1, 1]) for band in BANDS}, coords={"time": MONTHS})
    pixel.to_netcdf(tmp_path / "one.nc", engine="h5netcdf")
    (series,) = read_series(tmp_path / "one.nc").series
    expected = answer_series(page_model, pixels.series[4], WORDS).probabilities
    np.testing.assert_allclose(answer_series(page_model, series, WORDS).probabilities, expected, atol=1e-6)


def test_an_offset_is_subtracted_unless_the_series_says_its_own(page_model):
    raw = {"series": np.full((12, 10), 3000, dtype=np.uint16)}
    for series, reflectance in ((raw, 0.2), ({**raw, "offset": 0}, 0.3)):
        answer = answer_series(page_model, series, WORDS, offset=1000)
        assert answer.series.reflectance[0, 0, 0] == pytest.approx(reflectance)


def test_a_series_that_was_never_seen_is_refused(page_model):
    with pytest.raises(ValueError, match="The series has no clear observation"):
        answer_series(page_model, {"series": np.full((12, 10), np.nan, dtype=np.float32)}, WORDS)
