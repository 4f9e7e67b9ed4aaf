import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.small_cubes import MONTHS, small_cube
from timesenclip_hf import TimeSenCLIPFeatureExtractor
from timesenclip_hf.maps import open_cube
from timesenclip_hf.maps.making.sampling import _spread, check_reading, settle
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS
from timesenclip_hf.models.timesenclip.options_timesenclip import SeriesOptions

EXTRACTOR = TimeSenCLIPFeatureExtractor()


@given(st.integers(1, 20_000), st.sampled_from([4, 8]))
def test_squares_lie_inside_apart_and_cover_what_is_short(length, squares):
    spans = _spread(length, squares)
    covered = [index for span in spans for index in range(length)[span]]
    assert len(covered) == len(set(covered)) == min(length, squares * 16)


@pytest.mark.parametrize("chunks", [None, 7, 50])
def test_what_is_settled_does_not_depend_on_the_chunks(chunks):
    cube = open_cube(small_cube(150, 90), chunks=chunks)
    settled = settle(cube, EXTRACTOR)
    assert settled.units == "dn"
    assert settled.year is None
    assert settled.bands == list(BANDS)


def test_fractions_with_a_value_for_no_data_are_reflectance():
    """The value says nothing of the unit, however common it is."""
    cube = open_cube(small_cube(20, 20).astype(np.float32) / 10_000)
    cube["reflectance"][:, :, :, 3:] = -1.0
    cube.attrs["nodata"] = -1.0
    assert settle(cube, EXTRACTOR).units == "reflectance"


def test_fractions_beyond_reflectance_are_digital_numbers():
    assert settle(open_cube(small_cube(20, 20).astype(np.float32)), EXTRACTOR).units == "dn"


@pytest.mark.parametrize("integers", [True, False])
def test_where_the_sample_shows_nothing_more_is_sampled(integers):
    cube = small_cube(400, 400) if integers else small_cube(400, 400).astype(np.float32) / 10_000
    cube = open_cube(cube)
    # Only a square that the second sample hits: its first square starts at 400 / 16 - 8.
    seen = np.zeros((400, 400), dtype=bool)
    seen[17:33, 17:33] = True
    cube["reflectance"] = cube["reflectance"].where(seen, 0).astype(cube["reflectance"].dtype)
    assert settle(cube, EXTRACTOR).units == ("dn" if integers else "reflectance")


def test_a_cube_that_shows_nothing_is_left_to_its_blocks():
    fractions = small_cube(20, 20).astype(np.float32)
    settled = settle(open_cube(fractions * np.float32("nan")), EXTRACTOR)
    assert settled.units == "auto"
    assert settle(open_cube(small_cube(20, 20) * np.uint16(0)), EXTRACTOR).units == "dn"


def test_the_year_with_the_most_months_is_told_in_a_log_line(caplog):
    logging.getLogger("transformers").propagate = True
    times = np.concatenate([MONTHS[-4:] - np.timedelta64(365, "D"), MONTHS[:6]])
    cube = open_cube(small_cube(20, 20, times=times))
    assert settle(cube, EXTRACTOR).season == "2017-09"
    assert "2017-09 to 2018-08, with the most observed months" in caplog.text
    assert settle(cube, EXTRACTOR, SeriesOptions(year=2017)).year == 2017
    assert settle(cube, EXTRACTOR, SeriesOptions(season="2017-10")).season == "2017-10"
    summer = open_cube(small_cube(20, 20, times=np.concatenate([times[:4], MONTHS])))
    assert (settle(summer, EXTRACTOR).year, settle(summer, EXTRACTOR).season) == (2018, None)
    with pytest.raises(ValueError, match="No acquisition is of 2020: the dates are of 2017, 2018"):
        settle(cube, EXTRACTOR, SeriesOptions(year=2020))
    with pytest.raises(
        ValueError, match="No acquisition is of 2019-07 to 2020-06: the dates are of 2017-09 to 2018-06"
    ):
        settle(cube, EXTRACTOR, SeriesOptions(season="2019-07"))


def test_months_without_dates_have_no_year():
    cube = open_cube(small_cube(5, 5, times=np.arange(1, 13)))
    assert settle(cube, EXTRACTOR).months.tolist() == list(range(12))
    with pytest.raises(ValueError, match="`year` chooses among dates"):
        settle(cube, EXTRACTOR, SeriesOptions(year=2018))


def test_a_cube_that_cannot_be_read_at_all_is_an_error(tmp_path):
    cube = open_cube(small_cube(20, 20), chunks=10)

    def fail(values):
        raise OSError("the server is gone")

    broken = cube["reflectance"].data.map_blocks(fail, dtype=np.uint16, meta=np.empty((0,) * 4, np.uint16))
    with pytest.raises(OSError, match="Nothing of the cube can be read: the server is gone"):
        settle(cube.assign(reflectance=(cube["reflectance"].dims, broken)), EXTRACTOR)


@pytest.mark.parametrize("option", [{"bands": ["B02"]}, {"months": [1]}, {"nodata": 0}])
def test_what_the_cube_says_by_itself_cannot_be_told(option):
    with pytest.raises(ValueError, match=f"`{next(iter(option))}` is .*: leave it out"):
        check_reading(SeriesOptions(**option))
