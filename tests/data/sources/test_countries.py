import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timesenclip_hf.data.sources.countries import BOXES, NO_PLACE, OUTSIDE, SWAPPED, check_place, nuts0


@given(country=st.sampled_from(sorted(BOXES)), across=st.floats(0, 1), up=st.floats(0, 1))
def test_swapped_coordinates_of_any_country_come_back_the_right_way_round(country, across, up):
    west, south, east, north = BOXES[country]
    longitude, latitude = west + across * (east - west), south + up * (north - south)
    longitude, latitude = min(longitude, east), min(latitude, north)
    assert check_place(country, longitude, latitude) == (longitude, latitude, "")
    if (west <= latitude <= east) and (south <= longitude <= north):
        return  # near the diagonal both readings lie in the country
    assert check_place(country, latitude, longitude) == (longitude, latitude, SWAPPED)


def test_a_place_outside_its_country_is_kept_and_named():
    assert check_place("BE", 20.0, 50.0) == (20.0, 50.0, OUTSIDE)


@pytest.mark.parametrize("place", [(math.nan, 50.0), (4.0, math.nan), (1_530_000.0, 4_774_000.0), (181.0, 95.0)])
def test_what_is_no_place_is_said_to_be_none(place):
    longitude, latitude, reason = check_place("BE", *place)
    assert math.isnan(longitude)
    assert math.isnan(latitude)
    assert reason == NO_PLACE


def test_countries_without_a_box_are_checked_by_range_only():
    assert check_place("KE", 37.0, -1.0) == (37.0, -1.0, "")
    assert check_place("", -1.0, 137.0) == (137.0, -1.0, SWAPPED)


def test_iso_codes_are_read_as_the_codes_of_the_survey():
    assert [nuts0(code) for code in ("gb", "GR ", "FR")] == ["UK", "EL", "FR"]
