import logging

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from transformers import AutoFeatureExtractor

from timesenclip_hf import TimeSenCLIPFeatureExtractor
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS, canonical_band
from timesenclip_hf.models.timesenclip.feature_extraction_timesenclip import MASKED_SCL, UPSTREAM_LOW, UPSTREAM_SCALE

EXTRACT = TimeSenCLIPFeatureExtractor()
DATES_2018 = [f"2018-{month:02d}-15" for month in range(1, 13)]


def reflectance(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.01, 0.5, shape).astype(np.float32)


def scaled(series: np.ndarray) -> np.ndarray:
    return np.clip((series * 10_000 - np.array(UPSTREAM_LOW)) / np.array(UPSTREAM_SCALE), 0, 1)


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.WARNING)
    logger = logging.getLogger("transformers")
    logger.addHandler(caplog.handler)
    for name in ("radiometry", "compositing", "feature_extraction"):
        module = __import__(f"timesenclip_hf.models.timesenclip.{name}_timesenclip", fromlist=["logger"])
        type(module.logger).warning_once.cache_clear()
    yield caplog
    logger.removeHandler(caplog.handler)


def test_the_default_scaling_is_upstreams():
    series = reflectance(3, 12, 10)
    features = EXTRACT(series)
    np.testing.assert_allclose(features["pixel_series"], scaled(series), atol=1e-5)
    assert features["series_mask"].all()
    np.testing.assert_array_equal(features["months"], np.tile(np.arange(12), (3, 1)))


def test_with_a_wider_clamp_what_is_bright_differs_and_the_rest_is_as_before():
    series = reflectance(2, 12, 10)
    series[1] = np.linspace(0.5, 0.8, 12)[:, None]  # snow, which upstream's clamp makes one value
    wide = TimeSenCLIPFeatureExtractor(clamp_max=4)(series)["pixel_series"]
    narrow = EXTRACT(series)["pixel_series"]
    np.testing.assert_array_equal(np.minimum(wide, 1), narrow)
    assert (narrow[1, :, 0] == 1).all()
    np.testing.assert_allclose(wide[1, :, 0], (np.linspace(5000, 8000, 12) - 67) / 2089, rtol=1e-5)


def test_saved_and_loaded_it_scales_the_same(tmp_path):
    extract = TimeSenCLIPFeatureExtractor(band_low=[1] * 10, band_scale=[5000] * 10, clamp_max=2, composite="none")
    extract.save_pretrained(tmp_path)
    loaded = TimeSenCLIPFeatureExtractor.from_pretrained(tmp_path)
    assert loaded.to_dict() == extract.to_dict()
    series = reflectance(2, 12, 10)
    np.testing.assert_array_equal(loaded(series)["pixel_series"], extract(series)["pixel_series"])


@settings(max_examples=20, deadline=None)
@given(order=st.permutations(range(10)))
def test_bands_named_in_any_order_give_the_same(order):
    series = reflectance(2, 12, 10)
    named = EXTRACT(series[:, :, order], bands=[BANDS[band] for band in order])
    np.testing.assert_array_equal(named["pixel_series"], EXTRACT(series)["pixel_series"])


def test_bands_of_sixty_metres_are_left_aside():
    series = reflectance(2, 12, 13)
    # The order of EuroSAT's thirteen bands.
    names = ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B09", "B10", "B11", "B12", "B8A"]
    chosen = EXTRACT(series[:, :, [names.index(band) for band in BANDS]])
    np.testing.assert_array_equal(EXTRACT(series, bands=names)["pixel_series"], chosen["pixel_series"])
    with pytest.raises(ValueError, match="Unknown band 'B01'"):
        canonical_band("B01")


@pytest.mark.parametrize(
    ("spelling", "band"),
    [
        ("B2", "B02"),
        ("b02", "B02"),
        ("blue", "B02"),
        ("B8a", "B8A"),
        ("B08A", "B8A"),
        ("nir08", "B8A"),
        ("nir", "B08"),
        ("B8", "B08"),
        ("rededge1", "B05"),
        ("red_edge_1", "B05"),
        ("swir-1", "B11"),
        ("B012", "B12"),
    ],
)
def test_a_band_is_known_in_any_usual_spelling(spelling, band):
    assert canonical_band(spelling) == band


def test_digital_numbers_and_reflectance_are_told_apart():
    series = reflectance(4, 12, 10)
    expected = EXTRACT(series)["pixel_series"]
    numbers = np.round(series * 10_000)
    for given_as in (numbers.astype(np.uint16), numbers.astype(np.int32), numbers):
        np.testing.assert_allclose(EXTRACT(given_as)["pixel_series"], expected, atol=3e-4)  # half a digital number


@pytest.mark.parametrize(
    "described",
    [
        {"processing_baseline": "04.00"},
        {"processing_baseline": "N0511"},
        {"processing_baseline": 5.09},
        {"offset": 1000},
        {"offset": -1000},
    ],
)
def test_the_offset_is_removed_from_the_baseline_or_as_said(described):
    numbers = np.round(reflectance(2, 12, 10) * 10_000).astype(np.uint16)
    shifted = EXTRACT(numbers + 1000, **described)
    np.testing.assert_allclose(shifted["pixel_series"], EXTRACT(numbers)["pixel_series"], atol=1e-6)


@pytest.mark.parametrize(
    "described", [{"processing_baseline": "03.01"}, {"processing_baseline": "N0214"}, {"offset": 0}]
)
def test_older_baselines_have_no_offset(described):
    numbers = np.round(reflectance(2, 12, 10) * 10_000).astype(np.uint16)
    np.testing.assert_array_equal(EXTRACT(numbers, **described)["pixel_series"], EXTRACT(numbers)["pixel_series"])


OFFSETS = [0, 1000] * 6


@pytest.mark.parametrize(
    "described",
    [
        {"offset": OFFSETS},
        {"offset": np.array(OFFSETS) * -1.0},
        {"offset": np.tile(OFFSETS, (3, 1))},
        {"processing_baseline": ["02.14", "N0400"] * 6},
        {"processing_baseline": [["03.01", 5.09] * 6] * 3},
    ],
)
def test_each_acquisition_may_have_its_own_offset(described):
    numbers = np.round(reflectance(3, 12, 10) * 10_000).astype(np.uint16)
    numbers[1, 3] = 65_535
    numbers[2, 5] = 77
    raised = np.where(np.isin(numbers, (65_535, 77)), numbers, numbers + np.array(OFFSETS)[:, None])
    raised = raised.astype(np.uint16)
    expected = EXTRACT(numbers, nodata=77)
    (name,) = described
    items = [{"series": values, name: setting} for values, setting in zip(raised, _each(described), strict=True)]
    for features in (EXTRACT(raised, nodata=77, **described), EXTRACT(items, nodata=77)):
        for feature, values in expected.items():
            np.testing.assert_array_equal(features[feature], values)


def _each(described):
    """Return what is described of all three series, for each of them."""
    (values,) = described.values()
    return values if np.ndim(values) == 2 else [values] * 3


def test_series_of_a_list_may_have_offsets_of_their_own_kinds():
    numbers = np.round(reflectance(4, 12, 10) * 10_000).astype(np.uint16)
    raised = np.stack(
        [numbers[0], numbers[1] + 1000, numbers[2] + np.array(OFFSETS, np.uint16)[:, None], numbers[3] + 1000]
    )
    described = [{"offset": 0}, {"offset": 1000}, {"offset": OFFSETS}, {"processing_baseline": "05.10"}]
    features = EXTRACT([{"series": values, **how} for values, how in zip(raised, described, strict=True)])
    np.testing.assert_array_equal(features["pixel_series"], EXTRACT(numbers)["pixel_series"])


def test_patches_are_read_with_the_offset_of_each_acquisition():
    numbers = np.round(reflectance(2, 12, 10, 3, 3) * 10_000).astype(np.uint16)
    raised = numbers + np.array(OFFSETS, np.uint16)[:, None, None, None]
    np.testing.assert_array_equal(EXTRACT(raised, offset=OFFSETS)["pixel_series"], EXTRACT(numbers)["pixel_series"])


def test_only_acquisitions_without_an_offset_are_judged(log):
    numbers = np.round(reflectance(3, 12, 10) * 10_000).astype(np.uint16) + 1000
    EXTRACT(numbers, offset=[1000] * 12)
    assert not log.records
    EXTRACT(numbers, offset=[1000] * 6 + [np.nan] * 6)
    assert "pass `offset=1000`" in log.text
    np.testing.assert_array_equal(
        EXTRACT(numbers, processing_baseline=[None, "99.99", "04.00"] * 4)["pixel_series"],
        EXTRACT(numbers, offset=[0, 0, 1000] * 4)["pixel_series"],
    )


@pytest.mark.parametrize(
    ("described", "sentence"),
    [
        (
            {"offset": [0, 1000]},
            r"`offset` must be one for all acquisitions or one for each of 12, got the shape \(2,\)",
        ),
        ({"processing_baseline": ["04.00"] * 3}, r"`processing_baseline` must be one for all acquisitions"),
        ({"processing_baseline": ["04.00", "new"] * 6}, r"must be written like \"04.00\" or \"N0400\", got 'new'"),
        ({"offset": ["none"] * 12}, r"`offset` must be a number such as 1000, got 'none'"),
    ],
)
def test_offsets_that_do_not_fit_are_refused_in_one_sentence(described, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        EXTRACT(np.full((2, 12, 10), 3000, np.uint16), **described)
    assert "\n" not in str(caught.value)


def test_a_missing_b8a_is_taken_from_b08_band_by_band_and_value_by_value():
    series = reflectance(2, 12, 10)
    series[:, :, 7] = series[:, :, 6]
    expected = EXTRACT(series)["pixel_series"]
    without = [band for band in range(10) if band != 7]
    named = EXTRACT(series[:, :, without], bands=[BANDS[band] for band in without])
    np.testing.assert_array_equal(named["pixel_series"], expected)
    holed = series.copy()
    holed[0, 3, 7] = holed[1, 5, 6] = np.nan
    features = EXTRACT(holed)
    np.testing.assert_array_equal(features["pixel_series"], expected)
    assert features["series_mask"].all()


def test_integers_without_b8a_are_still_digital_numbers(log):
    numbers = np.round(reflectance(2, 12, 9) * 10_000)
    names = [band for band in BANDS if band != "B8A"]
    for kind in (np.uint16, np.int16, np.int32):
        features = EXTRACT(numbers.astype(kind), bands=names)
        np.testing.assert_allclose(
            features["pixel_series"], EXTRACT(numbers / 10_000, bands=names)["pixel_series"], atol=1e-5
        )
    assert not log.records


def test_a_missing_band_is_refused_where_the_caller_says_so_or_nothing_can_stand_in():
    series = reflectance(1, 12, 9)
    names = [band for band in BANDS if band != "B8A"]
    with pytest.raises(ValueError, match='The series lacks B8A: add it, or pass `missing_bands="fill"`'):
        EXTRACT(series, bands=names, missing_bands="error")
    with pytest.raises(ValueError, match="The series lacks B11, which nothing can stand in for"):
        EXTRACT(series, bands=[band for band in BANDS if band != "B11"])


def test_a_month_with_any_other_band_missing_is_masked_and_its_input_zero():
    series = reflectance(1, 12, 10)
    series[0, 4, 2] = np.nan
    features = EXTRACT(series)
    assert features["series_mask"][0].tolist() == [month != 4 for month in range(12)]
    assert not features["pixel_series"][0, 4].any()


def test_removing_a_month_changes_no_other_months_input():
    series = reflectance(5, 12, 10)
    before = EXTRACT(series)
    series[:, 6] = np.nan
    after = EXTRACT(series)
    others = [month for month in range(12) if month != 6]
    np.testing.assert_array_equal(after["pixel_series"][:, others], before["pixel_series"][:, others])
    np.testing.assert_array_equal(after["series_mask"][:, others], before["series_mask"][:, others])


@pytest.mark.parametrize("empty", [65535, 0, -9999])
def test_usual_no_data_values_are_missing(empty):
    numbers = np.round(reflectance(1, 12, 10) * 10_000).astype(np.int32)
    numbers[0, 2] = empty
    assert EXTRACT(numbers)["series_mask"][0].tolist() == [month != 2 for month in range(12)]


def test_a_single_zero_is_a_dark_value_unless_it_is_named_as_no_data():
    numbers = np.round(reflectance(1, 12, 10) * 10_000).astype(np.int32)
    numbers[0, 2, 9] = 0
    assert EXTRACT(numbers)["series_mask"].all()
    assert EXTRACT(numbers, nodata=0)["series_mask"].sum() == 11


def test_dates_become_the_medians_of_their_observations():
    series = reflectance(2, 6, 10)
    scl = np.array([4, 4, 8, 5, 3, 4])
    dates = ["2018-01-03", "2018-01-20", "2018-01-28", "2018-06-01", "2018-06-11", "2018-06-21"]
    features = EXTRACT(series, dates=dates, scl=scl)
    assert features["pixel_series"].shape == (2, 12, 10)
    assert features["series_mask"][0].tolist() == [month in (0, 5) for month in range(12)]
    np.testing.assert_allclose(features["pixel_series"][:, 0], scaled(series[:, :2].mean(axis=1)), atol=1e-5)
    np.testing.assert_allclose(features["pixel_series"][:, 5], scaled(series[:, [3, 5]].mean(axis=1)), atol=1e-5)


def test_every_masked_scene_class_hides_its_acquisition():
    series = reflectance(1, 12, 10)
    features = EXTRACT(series, dates=DATES_2018, scl=np.arange(12))
    assert features["series_mask"][0].tolist() == [scene not in MASKED_SCL for scene in range(12)]


def test_the_order_of_acquisitions_does_not_matter():
    series, order = reflectance(2, 12, 10), np.random.default_rng(1).permutation(12)
    shuffled = EXTRACT(series[:, order], dates=np.array(DATES_2018)[order])
    np.testing.assert_array_equal(shuffled["pixel_series"], EXTRACT(series, dates=DATES_2018)["pixel_series"])


def test_of_several_years_the_fullest_is_taken_and_said_or_the_one_asked_for(log):
    series = reflectance(1, 14, 10)
    dates = ["2017-11-01", "2017-12-01", *DATES_2018]
    features = EXTRACT(series, dates=dates)
    np.testing.assert_array_equal(features["pixel_series"], EXTRACT(series[:, 2:])["pixel_series"])
    assert "the year with the most observed months is used (2018)" in log.text
    assert EXTRACT(series, dates=dates, year=2017)["series_mask"].sum() == 2


@pytest.mark.parametrize("year", [2019, 2020])
def test_a_season_is_the_calendar_years_control_with_its_months_in_their_places(year):
    series = reflectance(3, 24, 10)
    dates = (np.datetime64("2019-01") + np.arange(24)).astype("datetime64[D]") + 14
    season = EXTRACT(series, dates=dates, season=f"{year - 1}-07" if year == 2020 else "2019-01")
    control = np.concatenate([series[:, 12:18], series[:, 6:12]], axis=1) if year == 2020 else series[:, :12]
    np.testing.assert_array_equal(season["pixel_series"], EXTRACT(control)["pixel_series"])
    np.testing.assert_array_equal(season["months"], np.tile(np.arange(12), (3, 1)))


def test_a_series_across_new_year_keeps_all_of_its_months_and_says_so(log):
    series = reflectance(2, 12, 10)
    dates = (np.datetime64("2019-07") + np.arange(12)).astype("datetime64[D]") + 9
    features = EXTRACT(series, dates=dates)
    assert features["series_mask"].all()
    np.testing.assert_array_equal(features["pixel_series"], EXTRACT(np.roll(series, 6, axis=1))["pixel_series"])
    assert "the year with the most observed months is used (2019-07 to 2020-06)" in log.text
    kept = EXTRACT(series, dates=dates, season="all", composite="none")
    np.testing.assert_array_equal(kept["pixel_series"], EXTRACT(series)["pixel_series"])


def test_series_with_too_few_clear_months_count_as_not_observed(log):
    series = reflectance(3, 12, 10)
    series[0, 1:] = np.nan
    series[1, 3:] = np.nan
    assert EXTRACT(series)["series_mask"].sum(axis=1).tolist() == [1, 3, 12]
    assert "clear months" not in log.text
    features = EXTRACT(series, minimum_months=3, allow_empty=True)
    assert features["series_mask"].sum(axis=1).tolist() == [0, 3, 12]
    assert not features["pixel_series"][0].any()
    items = [{"series": values, "minimum_months": least} for values, least in zip(series, (1, 4, 12), strict=True)]
    assert EXTRACT(items, allow_empty=True)["series_mask"].sum(axis=1).tolist() == [1, 0, 12]
    with pytest.raises(ValueError, match="1 of 3 series have no observed month, the first is number 100"):
        EXTRACT(series, minimum_months=2, first=100)
    EXTRACT(series[:1])
    assert "1 of 1 series have fewer than 3 clear months of the year" in log.text


def test_a_strange_series_stops_no_other_and_is_named_by_its_number(log):
    items = [
        {"series": np.rint(reflectance(12 - index % 3, 10, seed=index) * 10_000).astype(np.int32)}
        for index in range(20)
    ]
    for index, item in enumerate(items):
        item["months"] = range(12 - index % 3)
    items[7] = {"series": np.tile([40, 25, 5, -10, -25, -30, -35, -40, -20, -15], (5, 1)), "months": range(3, 8)}
    items[9] = {"series": np.full((3, 10), 27_500), "months": [4, 5, 6]}
    items[11]["series"][4] = 27_500
    features = EXTRACT(items, allow_empty=True)
    assert features["series_mask"][7].sum() == 5
    assert not features["series_mask"][9].any()
    assert features["series_mask"][11].sum() == len(items[11]["series"]) - 1
    assert "1 series (number 9, counted from 0)" in log.text
    with pytest.raises(ValueError, match="1 of 20 series have no observed month, the first is number 9"):
        EXTRACT(items)


@settings(max_examples=15, deadline=None)
@given(
    order=st.permutations(range(6)),
    bands=st.permutations(range(10)),
    times=st.permutations(range(12)),
    kind=st.sampled_from([np.uint16, np.int16, np.int32, np.float32, np.float64]),
)
def test_no_permutation_of_series_bands_or_dates_and_no_type_changes_a_result(order, bands, times, kind):
    values = np.rint(reflectance(6, 12, 10) * 10_000)
    values[2, 5] = np.nan
    offsets = np.array([0, 1000] * 6)
    given_as = np.where(np.isnan(values), -9999 if kind in (np.int16, np.int32) else 65535, values + offsets[:, None])
    expected = EXTRACT(values, dates=DATES_2018, units="dn", offset=0)
    features = EXTRACT(
        given_as[np.ix_(order, times, bands)].astype(kind),
        dates=np.array(DATES_2018)[times],
        bands=[BANDS[band] for band in bands],
        offset=offsets[times],
    )
    for name, array in expected.items():
        np.testing.assert_array_equal(features[name], array[order])


def test_a_series_among_others_is_read_as_it_is_alone():
    items = [
        {"series": reflectance(14, 10, seed=1), "dates": ["2017-11-01", "2017-12-01", *DATES_2018]},
        {"series": reflectance(12, 10, seed=2)},
        {
            "series": reflectance(3, 10, seed=3),
            "dates": ["2016-02-01", "2017-02-01", "2017-03-01"],
            "scl": [4, 4, 9],
        },
        {"series": reflectance(12, 9, seed=4), "bands": [band for band in BANDS if band != "B8A"]},
        {"series": np.full((12, 10), 2000, dtype=np.uint16), "processing_baseline": "05.00"},
    ]
    together = EXTRACT(items)
    for index, item in enumerate(items):
        alone = EXTRACT(item)
        for name in ("pixel_series", "series_mask", "months"):
            np.testing.assert_array_equal(together[name][index], alone[name][0])


def test_shorter_series_are_padded_with_unobserved_time_steps():
    features = EXTRACT(
        [
            {"series": reflectance(2, 10), "months": [0, 3.5]},
            {"series": reflectance(5, 10), "months": range(5)},
        ]
    )
    assert features["pixel_series"].shape == (2, 5, 10)
    assert features["series_mask"].tolist() == [[True, True, False, False, False], [True] * 5]


def test_acquisitions_can_be_kept_at_their_own_times_of_the_year():
    features = EXTRACT(reflectance(1, 3, 10), dates=["2018-01-16", "2018-02-01", "2018-12-31"], composite="none")
    np.testing.assert_allclose(features["months"][0], [0.0, 0.518, 11.484], atol=1e-3)


def test_lists_tensors_and_arrays_are_read_alike():
    import torch

    series = reflectance(2, 12, 10)
    expected = EXTRACT(series)["pixel_series"]
    for form in (
        series.tolist(),
        list(series),
        torch.from_numpy(series),
        [{"series": values} for values in series],
    ):
        np.testing.assert_allclose(EXTRACT(form)["pixel_series"], expected, atol=1e-7)
    assert EXTRACT(series, return_tensors="pt")["series_mask"].dtype == torch.bool


@pytest.mark.parametrize("shape", [(12, 10), (12, 10, 3, 3)])
def test_a_flat_series_is_read_in_the_shape_that_its_times_and_bands_leave(shape):
    values = np.random.default_rng(0).integers(100, 4000, shape)
    extract = TimeSenCLIPFeatureExtractor()
    flat, shaped = (extract({"series": array, "months": range(12)}) for array in (values.ravel(), values))
    np.testing.assert_array_equal(flat["pixel_series"], shaped["pixel_series"])


def test_a_flat_series_that_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="119 values in a row are not 12 times 10 bands"):
        TimeSenCLIPFeatureExtractor()({"series": np.arange(119)})


def test_a_hidden_pixel_of_a_patch_takes_the_median_of_the_clear_ones():
    patch = reflectance(1, 12, 10, 3, 3)
    cloudy = patch.copy()
    cloudy[0, 5, :, 0, 0] = np.nan
    features = EXTRACT(cloudy)
    assert features["series_mask"].all()
    clear = np.sort(patch[0, 5].reshape(10, 9)[:, 1:], axis=1)
    expected = scaled((clear[:, 3] + clear[:, 4]) / 2)  # eight clear pixels
    np.testing.assert_allclose(features["pixel_series"][0, 5, :, 0, 0], expected, atol=1e-5)
    cloudy[0, 5, :, 1:] = np.nan
    assert not EXTRACT(cloudy)["series_mask"][0, 5]


@pytest.mark.parametrize(
    ("series", "kwargs", "message"),
    [
        (reflectance(12, 9), {}, "The series has 9 bands, the checkpoint wants 10"),
        (reflectance(12, 10), {"bands": ["B99", *BANDS[1:]]}, "Unknown band 'B99': use B02 B03"),
        (reflectance(12, 10), {"bands": ["B2", "B02", *BANDS[2:]]}, "The band B02 is named twice"),
        (reflectance(12, 10), {"bands": BANDS[:9]}, "9 band names were given for 10 bands"),
        (np.full((12, 10), np.nan), {}, "1 of 1 series have no observed month, the first is number 0"),
        (reflectance(12, 10), {"dates": DATES_2018[:11]}, "There are 11 dates for 12 acquisitions"),
        (
            reflectance(12, 10),
            {"dates": DATES_2018, "months": range(12)},
            "Give `dates`, or `months`, or `start` and `step`: one of the three",
        ),
        (
            reflectance(12, 10),
            {"dates": DATES_2018, "year": 2020},
            "No acquisition is of 2020: the dates are of 2018",
        ),
        (reflectance(12, 10), {"year": 2020}, "`year` chooses among `dates`"),
        (reflectance(12, 10), {"season": "2020-07"}, "`season` chooses among `dates`"),
        (reflectance(12, 10), {"dates": DATES_2018, "season": "2018-07", "year": 2018}, "`year` or `season`, not both"),
        (
            reflectance(12, 10),
            {"dates": DATES_2018, "season": "July"},
            "`season` must be the month it begins in, such as",
        ),
        (
            reflectance(12, 10),
            {"dates": DATES_2018, "season": "2019-07"},
            "No acquisition is of 2019-07 to 2020-06: the dates are of 2018-01 to 2018-12",
        ),
        (reflectance(12, 10), {"minimum_months": 13}, "`minimum_months` must be 1 to 12, got 13"),
        (reflectance(12, 10), {"months": range(1, 13)}, "subtract 1 if your January is 1"),
        (reflectance(7, 10), {}, "A series of 7 time steps needs `dates`, or `months`"),
        (reflectance(12, 10), {"scl": [4] * 5}, "`scl` must have one value for each of the 12 acquisitions"),
        (reflectance(10), {}, r"A series must be \(time, band\)"),
        (np.empty((0, 12, 10)), {}, r"The series is empty, of shape \(0, 12, 10\)"),
        ("B02", {}, "A series must be numbers"),
        (np.full((12, 10), 80, dtype=np.uint8), {}, "8-bit values cannot be reflectance"),
        ([[0.1, 0.2], [0.3]], {}, "different numbers of bands"),
        ([], {}, "There is no series"),
        ({"serie": 1}, {}, "Unknown key 'serie' in a series: use series, bands, dates"),
        ({"dates": DATES_2018}, {}, "must have the key 'series'"),
        (reflectance(12, 10), {"composite": "mean"}, "`composite` must be one of median, timesenclip, none"),
        (reflectance(12, 10), {"missing_bands": "zero"}, "`missing_bands` must be one of fill, estimate, mask, error"),
    ],
)
def test_what_cannot_be_read_is_named_in_one_sentence(series, kwargs, message):
    with pytest.raises(ValueError, match=message) as error:
        EXTRACT(series, **kwargs)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_a_clamp_that_is_no_positive_number_is_refused(value):
    with pytest.raises(ValueError, match=f"`clamp_max` must be a positive number, got {value}"):
        TimeSenCLIPFeatureExtractor(clamp_max=value)


def test_an_unequal_number_of_constants_is_refused():
    with pytest.raises(ValueError, match="must be equally long, got 10, 9 and 10"):
        TimeSenCLIPFeatureExtractor(band_low=[0] * 9)


def test_all_cloud_can_be_let_through_for_maps():
    series = reflectance(2, 12, 10)
    series[1] = np.nan
    features = EXTRACT(series, allow_empty=True)
    assert features["series_mask"].any(axis=1).tolist() == [True, False]
    assert np.isfinite(features["pixel_series"]).all()


def test_upstreams_composite_is_a_named_option():
    numbers = np.full((1, 2, 10), 3000, dtype=np.uint16)
    features = EXTRACT(numbers, dates=["2018-01-01", "2018-01-11"], scl=[4, 9], composite="timesenclip")
    assert features["series_mask"].all()
    expected = (1501 - np.array(UPSTREAM_LOW)) / np.array(UPSTREAM_SCALE)
    np.testing.assert_allclose(features["pixel_series"][0, 0], np.clip(expected, 0, 1), atol=1e-5)


def test_the_feature_extractor_loads_through_auto_classes(tmp_path):
    from timesenclip_hf import TimeSenCLIPConfig

    TimeSenCLIPConfig().save_pretrained(tmp_path)
    EXTRACT.save_pretrained(tmp_path)
    assert type(AutoFeatureExtractor.from_pretrained(tmp_path)) is TimeSenCLIPFeatureExtractor


NUMBERS = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True, width=32), st.floats(-1, 2, width=32), st.floats(0, 20000, width=32)
)


@settings(max_examples=150, deadline=None)
@given(
    series=hnp.arrays(
        np.float32, st.tuples(st.integers(0, 3), st.integers(0, 14), st.integers(8, 11)), elements=NUMBERS
    )
    | hnp.arrays(st.sampled_from([np.uint8, np.uint16, np.int16, np.int32]), (2, 12, 10)),
    units=st.sampled_from(["auto", "dn", "reflectance"]),
)
@example(series=np.float32([[[3.4e34, -0.5, *[0] * 8]]]), units="auto")  # overflows as digital numbers
@example(series=np.float32([[[-np.inf, *[1] * 9], [1] * 10, [1] * 10]]), units="dn")
def test_whatever_is_given_comes_out_finite_or_is_refused_in_one_sentence(series, units):
    refusal = None
    try:
        features = EXTRACT(series, units=units)
    except ValueError as error:
        refusal = str(error)
    if refusal is not None:
        assert "\n" not in refusal
        assert len(refusal) < 300
        return
    assert np.isfinite(features["pixel_series"]).all()
    assert features["series_mask"].any(axis=1).all()
    assert ((features["pixel_series"] >= 0) & (features["pixel_series"] <= 1)).all()
