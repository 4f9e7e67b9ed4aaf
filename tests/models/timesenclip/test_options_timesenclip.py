from dataclasses import fields

import numpy as np
import pytest

from timesenclip_hf import TimeSenCLIPFeatureExtractor
from timesenclip_hf.models.timesenclip.options_timesenclip import SERIES_KEYS, SeriesOptions, complete_options

SERIES = np.random.default_rng(0).integers(200, 4000, (3, 12, 10), dtype=np.uint16)


def test_the_keys_of_a_series_are_the_fields_of_its_options():
    assert ("series", *(field.name for field in fields(SeriesOptions))) == SERIES_KEYS


def test_an_unknown_setting_is_refused_in_one_sentence_that_names_the_others():
    expected = (
        r"^Unknown option 'band' of a series: use bands, dates, months, start, step, scl, nodata, units, "
        r"processing_baseline, offset, year, season, minimum_months, missing_bands, screen\.$"
    )
    with pytest.raises(TypeError, match=expected):
        complete_options(None, {"band": ["B02"]})
    for call in (TimeSenCLIPFeatureExtractor(), TimeSenCLIPFeatureExtractor().settle):
        with pytest.raises(TypeError, match=expected):
            call(SERIES, band=["B02"])


def test_arrays_are_passed_on_and_not_copied():
    scl, dates = np.zeros((3, 12), dtype=np.uint8), np.arange("2018-01", "2019-01", dtype="datetime64[M]")
    options = complete_options(SeriesOptions(scl=scl), {"dates": dates})
    assert options.scl is scl
    assert options.dates is dates


def test_options_and_settings_read_alike_and_settings_come_first():
    extractor = TimeSenCLIPFeatureExtractor()
    scl = np.random.default_rng(1).choice([4, 9], (3, 12))
    by_name = extractor(SERIES, scl=scl, offset=100, units="dn")
    for features in (
        extractor(SERIES, SeriesOptions(scl=scl, offset=100, units="dn")),
        extractor(SERIES, SeriesOptions(scl=scl, offset=1000, units="dn"), offset=100),
    ):
        for name, values in by_name.items():
            np.testing.assert_array_equal(features[name], values)


def test_what_a_series_says_of_itself_comes_before_the_options_of_all():
    extractor = TimeSenCLIPFeatureExtractor()
    items = [{"series": SERIES[0], "offset": 100}, {"series": SERIES[1]}]
    features = extractor(items, SeriesOptions(offset=200))
    np.testing.assert_array_equal(features["pixel_series"][0], extractor(SERIES[0], offset=100)["pixel_series"][0])
    np.testing.assert_array_equal(features["pixel_series"][1], extractor(SERIES[1], offset=200)["pixel_series"][0])
