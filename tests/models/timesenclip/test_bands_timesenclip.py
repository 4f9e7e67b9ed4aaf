import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS, read_name


@pytest.mark.parametrize(
    ("name", "band", "date", "month"),
    [
        ("B02", "B02", None, None),
        ("S2-L2A-B8A", "B8A", None, None),
        ("red", "B04", None, None),
        ("swir_1", "B11", None, None),
        ("red_edge_1", "B05", None, None),
        ("SCL", "SCL", None, None),
        ("B02_2018-05-14", "B02", "2018-05-14", None),
        ("2018-05-14_b2", "B02", "2018-05-14", None),
        ("B11_20180514", "B11", "2018-05-14", None),
        ("nir_2018-05", "B08", "2018-05-01", None),
        ("20180514T105031_20180514T105300_T31UDS_B2", "B02", "2018-05-14", None),
        ("S2A_MSIL2A_20170617T113321_36_85_B12", "B12", "2017-06-17", None),
        ("scl_2018-05-14", "SCL", "2018-05-14", None),
        ("B02_01", "B02", None, 1),
        ("12_B8A", "B8A", None, 12),
        ("red_edge_1_05", "B05", None, 5),
    ],
)
def test_a_name_says_its_band_and_its_time(name, band, date, month):
    assert read_name(name) == (band, None if date is None else np.datetime64(date), month)


@pytest.mark.parametrize(
    "name", ["B01", "B09", "B10", "slope", "S1-SIGMA0-VH", "AGERA5-TMEAN", "LC", "id", "", "B02_B03"]
)
def test_what_is_none_of_the_bands_has_none(name):
    assert read_name(name).band is None


def test_a_day_that_no_calendar_has_is_named():
    with pytest.raises(ValueError, match="holds 2018-02-31, which is not a date"):
        read_name("B02_2018-02-31")


@given(
    band=st.sampled_from(BANDS),
    date=st.dates(min_value=np.datetime64("1985-01-01").item(), max_value=np.datetime64("2060-01-01").item()),
    gap=st.sampled_from(["_", "-", ".", " "]),
    day_gap=st.sampled_from(["", "-", "_"]),
    band_first=st.booleans(),
)
def test_any_band_and_date_are_read_in_any_order(band, date, gap, day_gap, band_first):
    text = date.strftime(f"%Y{day_gap}%m{day_gap}%d")
    name = f"{band}{gap}{text}" if band_first else f"{text}{gap}{band}"
    assert read_name(name) == (band, np.datetime64(date), None)
