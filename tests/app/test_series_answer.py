import numpy as np
import pytest
import xarray as xr

from tests.support.small_cubes import MONTHS, small_cube
from timesenclip_hf.app.series_answer import (
    CLOUDED,
    CLOUDED_MONTHS,
    answer_series,
    example_series,
)
from timesenclip_hf.app.upload_reading import read_series
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS

WORDS = "wheat, maize, rapeseed, woodland, buildings, water"


def answer(page_model, series, **options):
    return answer_series(page_model, page_model.reader.read([series]), WORDS, **options)


def test_examples_answer_with_probabilities_and_photos_of_like_places(page_model, index):
    maize = answer(page_model, example_series()["maize"], index=index)
    assert maize.words.labels[maize.probabilities.argmax()] == "maize"
    assert maize.probabilities.sum() == pytest.approx(1, abs=1e-5)
    scores = [hit["score"] for hit in maize.nearest]
    assert scores == sorted(scores, reverse=True)
    assert all(len(hit["photos"]) == 2 for hit in maize.nearest)
    assert answer(page_model, example_series()["maize"]).nearest == []


def test_missing_months_are_named(page_model):
    assert answer(page_model, example_series()[CLOUDED]).series.missing_months == CLOUDED_MONTHS


def test_a_series_of_dates_misses_the_months_without_a_date(page_model):
    dates = np.array(["2018-03-02", "2018-03-20", "2018-07-01"], dtype="datetime64[D]")
    series = {"series": np.full((3, 10), 1500, dtype=np.uint16), "dates": dates}
    assert answer(page_model, series).series.missing_months == [0, 1, 3, 4, 5, 7, 8, 9, 10, 11]


def test_netcdf_is_read_with_and_without_axes_in_space(tmp_path, page_model):
    cube = small_cube(2, 3)
    cube.to_netcdf(tmp_path / "cube.nc", engine="h5netcdf")
    pixels = read_series(tmp_path / "cube.nc")
    assert pixels.ids[4] == "row 1, column 1"
    pixel = xr.Dataset({band: ("time", cube[band].values[:, 1, 1]) for band in BANDS}, coords={"time": MONTHS})
    pixel.to_netcdf(tmp_path / "one.nc", engine="h5netcdf")
    (series,) = read_series(tmp_path / "one.nc").series
    expected = answer(page_model, pixels.series[4]).probabilities
    np.testing.assert_allclose(answer(page_model, series).probabilities, expected, atol=1e-6)


def test_a_series_that_was_never_seen_is_refused(page_model):
    with pytest.raises(ValueError, match="The series has no clear observation"):
        answer(page_model, {"series": np.full((12, 10), np.nan, dtype=np.float32)})
