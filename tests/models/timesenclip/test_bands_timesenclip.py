import pytest

from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS, canonical_band, distinct_bands, read_bands


@pytest.mark.parametrize(
    ("name", "band"),
    [
        ("B2", "B02"),
        ("b02", "B02"),
        ("B08A", "B8A"),
        ("Blue", "B02"),
        ("red_edge_1", "B05"),
        ("Near Infrared narrow", "B8A"),
        ("nir08", "B8A"),
        ("swir22", "B12"),
        ("FRE_B2", "B02"),
        ("reflectance_B2", "B02"),
        ("SENTINEL2-L2A-B02", "B02"),
        ("nbart_green", "B03"),
        ("865nm", "B8A"),
        ("rhos_833", "B08"),
    ],
)
def test_a_band_goes_by_the_names_of_many_conventions(name, band):
    assert canonical_band(name) == band


@pytest.mark.parametrize("name", ["B99", "B01", "B02_01", "900nm", "nir_mean_std", "SR_B5", "rededge", ""])
def test_what_is_none_of_the_ten_bands_is_refused(name):
    with pytest.raises(ValueError, match=rf"^Unknown band '{name}': use B02 B03 B04 B05 B06 B07 B08 B8A B11 B12\.$"):
        canonical_band(name)


def test_bands_are_read_beside_one_another():
    names = ("BLU", "GRN", "RED", "RE1", "RE2", "RE3", "BNR", "NIR", "SW1", "SW2")
    assert distinct_bands(names) == list(BANDS)
    assert read_bands(["nbart_swir_2", "nbart_swir_3", "oa_fmask"]) == ["B11", "B12", None]


def test_a_band_that_is_named_twice_is_refused():
    with pytest.raises(ValueError, match="The band B08 is named twice"):
        distinct_bands(["B08", "nir"])
