import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS
from timesenclip_hf.models.timesenclip.steps_timesenclip import Steps
from timesenclip_hf.names.reading import read_names, refuse_twice

YEAR = Steps("2018", None)


def read(*names, steps=None, **options):
    """Bands with dates as text, or months."""
    parts = read_names(names, steps, **options).parts
    return [(part.band, part.month if part.date is None else str(part.date)) for part in parts]


@pytest.mark.parametrize(
    ("name", "band", "time"),
    [
        ("B02", "B02", None),
        ("S2-L2A-B8A", "B8A", None),
        ("red", "B04", None),
        ("swir_1", "B11", None),
        ("SCL", "SCL", None),
        ("B4, central wavelength 665 nm", "B04", None),
        ("B02_2018-05-14", "B02", "2018-05-14"),
        ("scl_2018-05-14", "SCL", "2018-05-14"),
        ("20180115105421_B2", "B02", "2018-01-15"),
        ("1515974400000_B2", "B02", "2018-01-15"),
        ("X2018.01.15_B2", "B02", "2018-01-15"),
        ("S2A_MSIL2A_20170617T113321_36_85_B12", "B12", "2017-06-17"),
        ("T31UDS_20180514T105031_B02_10m", "B02", "2018-05-14"),
        ("2018-2018_001-365_HL_TSA_SEN2L_BLU_TSS", "B02", "2018-01-01"),
        ("B02_20012018", "B02", "2018-01-20"),
        ("swir_1_2018_07", "B11", "2018-07-01"),
        ("2018_B2_01", "B02", "2018-01-01"),
        ("B2_2018_100m", "B02", None),
        ("B02_01", "B02", 1),
        ("12_B8A", "B8A", 12),
        ("red_edge_1_05", "B05", 5),
    ],
)
def test_a_name_says_its_band_and_its_time(name, band, time):
    assert read(name) == [(band, time)]


@pytest.mark.parametrize(
    "name",
    [
        "B01",
        "B09",
        "B10",
        "slope",
        "S1-SIGMA0-VH",
        "AGERA5-TMEAN",
        "LC",
        "id",
        "",
        "B02_B03",
        "B4_std",
        "red_list",
    ],
)
def test_what_is_none_of_the_bands_has_none(name):
    assert read(name) == [(None, None)]


@given(
    band=st.sampled_from(BANDS),
    date=st.dates(min_value=np.datetime64("1985-01-01").item(), max_value=np.datetime64("2060-01-01").item()),
    gap=st.sampled_from(["_", "-", ".", " "]),
    day_gap=st.sampled_from(["", "-", "_", "/"]),
    band_first=st.booleans(),
)
def test_any_band_and_date_are_read_in_any_order(band, date, gap, day_gap, band_first):
    text = date.strftime(f"%Y{day_gap}%m{day_gap}%d")
    assert read(f"{band}{gap}{text}" if band_first else f"{text}{gap}{band}") == [(band, str(date))]


@pytest.mark.parametrize(
    ("names", "bands"),
    [
        (["NIR", "BROADNIR"], ["B8A", "B08"]),
        (["nir", "nir08", "nir09"], ["B08", "B8A", None]),
        (["nir", "nir_2", "swir_1", "swir_2"], ["B08", "B8A", "B11", "B12"]),
        (["nbart_nir_1", "nbart_swir_2", "nbart_swir_3"], ["B08", "B11", "B12"]),
        (["nbart_swir_2"], ["B11"]),
        (["nir_1", "swir_2", "swir_3"], ["B08", "B11", "B12"]),
        (["NIR_NARROW", "SWIR_1", "SWIR_2"], ["B8A", "B11", "B12"]),
    ],
)
def test_the_other_names_of_a_set_tell_which_infrared_band_is_meant(names, bands):
    assert [band for band, _ in read(*names)] == bands


def test_what_the_other_names_told_is_said():
    assert read_names(["blue", "NIR", "BROADNIR"]).notes == ["NIR is read as B8A, as the names beside it tell."]


@pytest.mark.parametrize(
    ("names", "times"),
    [
        (["blue_1", "blue_2", "blue_12", "nir_1", "nir_2", "nir_12"], [1, 2, 12] * 2),
        (["blue_04", "nir_1_04", "nir_2_04", "swir_1_04"], [4] * 4),
        (["nir_04", "nir_08", "nir_09"], [4, 8, 9]),
    ],
)
def test_a_number_is_a_month_where_the_other_names_have_one_too(names, times):
    assert [time for _, time in read(*names)] == times


@pytest.mark.parametrize(
    ("names", "steps", "dates"),
    [
        (["B2", "B2_1", "B2_2"], Steps("2018-07", "month"), ["2018-07-01", "2018-08-01", "2018-09-01"]),
        (["B2_0", "B2_1", "B2_3"], Steps("2018-01-01", "16days"), ["2018-01-01", "2018-01-17", "2018-02-18"]),
        (["B2_1", "B2_3"], Steps("2018-01-20", "half-month"), ["2018-01-16", "2018-02-16"]),
        (["B2_w01", "B2_w53"], YEAR, ["2018-01-01", "2018-12-31"]),
        (["B2_doy001", "B2_doy182"], YEAR, ["2018-01-01", "2018-07-01"]),
        (["X0_B2", "X1_B2"], Steps("2018", "month"), ["2018-01-01", "2018-02-01"]),
        (["B2", "B2.1"], Steps("2018", "month"), ["2018-01-01", "2018-02-01"]),
        (["B2_2018_doy001", "B2_2019_doy182"], None, ["2018-01-01", "2019-07-01"]),
        (["B2_2018_1", "B2_2019_36"], Steps(None, "dekad"), ["2018-01-01", "2019-12-21"]),
        (["dekad_01", "dekad_02"], YEAR, ["2018-01-01", "2018-01-11"]),
    ],
)
def test_numbered_steps_are_dated_by_the_first_and_the_step(names, steps, dates):
    assert [time for _, time in read(*names, steps=steps, times_of="all")] == dates


@pytest.mark.parametrize(
    ("names", "steps", "sentence"),
    [
        (["B02_2018-02-31"], None, "The column B02_2018-02-31: '2018-02-31' is not a date"),
        (["B2_t0"], None, "column B2_t0 is numbered, and nothing says when the step was"),
        (["B02_1", "B02_2"], None, "columns B02_1 to B02_2 are numbered, and nothing says when the 2 steps were"),
        (["0_B2", "1_B2"], Steps(None, "week"), "such as --start 2018-01-01 --step week"),
        (["0_B2", "1_B2"], Steps("2019-07", None), "such as --start 2019-07 --step month"),
        (["B2_doy182"], None, "by days of a year that nobody names: give it, such as --start 2018-01-01"),
        (["B2_doy182"], Steps("2018", "month"), "by days of the year: leave the step out"),
        (["B2_doy400"], YEAR, "beyond the days of a year"),
        (["B2_w01"], Steps("2018", "month"), "numbered by week, but the step is month: leave it out"),
        (["B2_2018_1", "B2_2018_36"], None, "up to 36 in a year, .* such as --step dekad"),
        (["B2_2018_1"], Steps("2018", "dekad"), "numbered within years, which date them: leave the start out"),
        (["B2_1", "B2_1_1"], None, r"several numbers \(B2_1_1\), so their order is unknown"),
        (["1_1_B2", "2_2_B2"], None, r"Any of several numbers could count the steps of the columns \(2_2_B2\)"),
        (["B02_0115", "B02_0215"], None, r"0115 in the columns \(B02_0215\) is no number of a step"),
        ([f"b{number}" for number in range(1, 13)], None, "only count the bands, as the ninth of Sentinel-2 is B8A"),
        (["B2_w1", "B2_t1"], None, "numbered in several ways"),
        (["SWIR_1", "SWIR_2", "SWIR_3"], None, "several bands of Sentinel-2: name them B11 and B12"),
        (["nir_1", "nir_2", "swir_2"], None, "swir_2 could be B11 or B12"),
        (["blue", "red_edge"], None, "The column red_edge could be B05, B06 or B07"),
        (["SR_B2_2018-01-01", "SR_B5_2018-01-01"], None, r"are of another sensor \(SR_B2\): give the surface"),
        (["sur_refl_b02"], None, r"is of another sensor \(SUR_REFL_B02\)"),
        (["B02_2018-01-15_TOA"], None, r"is of reflectance at the top of the atmosphere \(TOA\)"),
    ],
)
def test_what_could_be_misread_is_asked_about_in_one_sentence(names, steps, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        read_names(names, steps)
    assert "\n" not in str(caught.value)


def test_bands_of_another_sensor_beside_those_of_sentinel_2_are_left_aside_and_named():
    read = read_names(["B02_2018-01-01", "LC08_B5_2018-01-02"])
    assert [part.band for part in read.parts] == ["B02", None]
    assert read.notes[0] == (
        "The column LC08_B5_2018-01-02 is not of Sentinel-2's surface reflectance (LC08) and left aside."
    )


def test_times_of_names_without_a_band_are_read_only_where_they_are_asked_for():
    assert read("S2_2018-05-14", "image_20180601") == [(None, None)] * 2
    assert read("S2_2018-05-14", "image_20180601", times_of="all") == [(None, "2018-05-14"), (None, "2018-06-01")]
    assert read("B02_2018-99-99", "0_B2", times_of="none") == [("B02", None)] * 2


def test_two_names_of_one_band_and_time_are_refused():
    names = ["B02_2018-01-01", "blue_20180101"]
    with pytest.raises(ValueError, match="it gives B02 of 2018-01-01 twice: B02_2018-01-01 and blue_20180101; keep"):
        refuse_twice(names, read_names(names).parts, "it")
