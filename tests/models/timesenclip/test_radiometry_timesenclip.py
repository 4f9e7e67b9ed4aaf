import logging

import numpy as np
import pytest

from timesenclip_hf.models.timesenclip import radiometry_timesenclip as radiometry
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS
from timesenclip_hf.models.timesenclip.options_timesenclip import SeriesOptions

# A maize field: bare dry soil in winter, a green canopy in summer (reflectance, our round numbers).
SOIL = [0.08, 0.11, 0.15, 0.19, 0.21, 0.23, 0.25, 0.27, 0.34, 0.29]
LEAF = [0.03, 0.06, 0.03, 0.10, 0.33, 0.42, 0.44, 0.46, 0.20, 0.10]


def maize(num_series: int = 3) -> np.ndarray:
    months = np.array([LEAF if 5 <= month <= 8 else SOIL for month in range(12)], dtype=np.float32)
    noise = np.random.default_rng(0).normal(1, 0.02, (num_series, 12, 10))
    return (months * noise).astype(np.float32)


def read(values: np.ndarray, **kwargs) -> np.ndarray:
    return radiometry.to_digital_numbers(values, None, list(BANDS), SeriesOptions(**kwargs))


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.WARNING)
    logger = logging.getLogger("transformers")
    logger.addHandler(caplog.handler)
    type(radiometry.logger).warning_once.cache_clear()
    yield caplog
    logger.removeHandler(caplog.handler)


def test_a_good_series_is_read_without_a_word_in_either_unit(log):
    numbers = np.round(maize() * 10_000).astype(np.uint16)
    np.testing.assert_allclose(read(maize()), read(numbers), atol=0.51)
    assert not log.records


def test_the_odd_implausible_acquisition_is_masked_and_counted(log):
    series = maize(10)
    series[4, 7, 0] = 2.3
    series[5, 2, 9] = -0.2
    dn = read(series)
    assert np.isnan(dn[4, 7]).all()
    assert np.isnan(dn[5, 2]).all()
    assert np.isnan(dn).sum() == 20
    assert "2 of 120 acquisitions are masked" in log.text


@pytest.mark.parametrize(
    ("values", "kwargs", "message"),
    [
        (maize() * 10_000, {"units": "reflectance"}, 'they seem to be digital numbers, pass `units="dn"`'),
        (maize() * 100, {}, "seem to be per cent: divide by 100"),
        (np.rint(maize() * 100).astype(np.int32), {}, 'seem to be per cent: divide by 100, or pass `units="percent"`'),
        (maize() * 100, {"units": "reflectance"}, "they seem to be per cent, divide by 100"),
        (maize(), {"units": "percent"}, 'with `units="percent"` but seem to be reflectance'),
        (maize() / 100, {}, "they seem to be scaled twice, multiply by 100"),
        (maize() / 10_000, {}, "they seem to be scaled twice, multiply by 10,000"),
        (maize() / 10_000, {"units": "reflectance"}, "they seem to be scaled twice, multiply by 10,000"),
        (maize() * 10, {}, "seem to be reflectance times 10"),
        ((maize() > 0.2).astype(np.int32), {}, "Whole numbers up to 1 cannot be reflectance: they seem to be classes"),
        (np.rint(maize() * 500).astype(np.int32), {}, "seem to be 8-bit colours"),
        (maize(), {"units": "dn"}, 'seem to be reflectance: pass `units="reflectance"`'),
        (-maize() * 50, {}, "they seem to be decibels or a normalised index"),
        ((maize() * 1e6).astype(np.int32), {}, "they seem to be radiances or another scale"),
        ((maize() * 2000).astype(np.int32), {"offset": 1000}, "the offset seems to be subtracted already"),
        (maize(), {"units": "per cent"}, "`units` must be one of auto, dn, reflectance, percent, got 'per cent'"),
        (
            (maize() * 1e4).astype(np.int32),
            {"processing_baseline": "new"},
            '`processing_baseline` must be written like "04.00"',
        ),
    ],
)
def test_where_no_reflectance_can_be_read_the_likely_unit_is_named(values, kwargs, message):
    with pytest.raises(ValueError, match=message) as error:
        read(values, **kwargs)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("scaled", [slice(0, 3), slice(0, 8), slice(8, 10)])
def test_bands_in_two_units_are_refused(scaled):
    values = np.round(maize() * 10_000)
    values[:, :, scaled] /= 10_000
    small, large = ", ".join(BANDS[scaled]), ", ".join(band for band in BANDS if band not in BANDS[scaled])
    with pytest.raises(ValueError, match=f"values of {small} are as small as reflectance and those of {large} as"):
        read(values)


@pytest.mark.parametrize("number", [-1, -999, -99999])
def test_one_number_below_zero_in_all_bands_is_no_data(number, log):
    values = np.round(maize() * 10_000).astype(np.int32)
    values[0] = values[1, :5] = number
    dn = read(values)
    assert np.isnan(dn[0]).all()
    assert np.isnan(dn[1, :5]).all()
    np.testing.assert_array_equal(dn[1, 5:], values[1, 5:])
    assert not log.records


def test_bands_that_are_zero_everywhere_are_warned_of(log):
    values = np.round(maize() * 10_000)
    values[:, :, 3:6] = 0
    read(values)
    assert "B05, B06, B07: 0 in every acquisition, leave out what is missing." in log.text


def test_two_saturated_acquisitions_of_a_single_series_are_masked():
    series = maize(1)
    series[0, 3:5, 0] = 2.3
    assert np.isnan(read(series)).all(axis=2)[0].tolist() == [month in (3, 4) for month in range(12)]


def test_whole_per_cent_is_read_where_the_user_says_so():
    percent = np.rint(maize() * 100)
    expected = read(percent.astype(np.float32) / 100)
    for kind in (np.uint16, np.int32, np.float64):
        np.testing.assert_allclose(read(percent.astype(kind), units="percent"), expected, atol=0.01)


LAKE = np.array([40, 25, 5, -10, -25, -30, -35, -40, -20, -15])


@pytest.mark.parametrize("kind", [np.int16, np.int32, np.float32, np.float64])
def test_slightly_negative_water_is_kept_alone_and_among_others(kind, log):
    lake = np.tile(LAKE, (1, 12, 1)).astype(kind)
    np.testing.assert_array_equal(read(lake), lake)
    among = np.concatenate([np.rint(maize() * 10_000).astype(kind), lake])
    np.testing.assert_array_equal(read(among)[-1], lake[0])
    np.testing.assert_allclose(read(np.float32(lake) / 10_000), lake, atol=0.02)
    assert "masked" not in log.text


def test_deep_water_alone_is_no_per_cent():
    sea = np.tile([140, 120, 80, 60, 50, 45, 40, 40, 20, 15], (4, 12, 1)).astype(np.uint16)
    np.testing.assert_array_equal(read(sea), sea)


def test_series_in_another_unit_than_the_others_are_masked_and_named(log):
    mixed = maize(30) * 10_000
    mixed[[3, 17]] /= 10_000
    dn = read(mixed)
    assert np.flatnonzero(np.isnan(dn).all(axis=(1, 2))).tolist() == [3, 17]
    assert "2 series (number 3, 17, counted from 0) cannot be reflectance in the unit of the others" in log.text
    other = maize(30)
    other[5] *= 10_000
    assert np.flatnonzero(np.isnan(read(other)).all(axis=(1, 2))).tolist() == [5]
    assert "1 series (number 5, counted from 0)" in log.text
    half = maize(30)
    half[:20] *= 10_000
    with pytest.raises(ValueError, match="33% of the acquisitions cannot be reflectance"):
        read(half)


def test_one_acquisition_in_another_unit_is_masked():
    series = maize(2)
    series[0, 4] *= 10_000
    assert np.isnan(read(series)).all(axis=2).sum(axis=1).tolist() == [1, 0]


def test_a_bright_cloud_among_three_acquisitions_is_masked_and_the_rest_used():
    series = np.rint(maize(1)[:, :3] * 10_000).astype(np.int32)
    series[0, 1] = 27_500
    assert np.isnan(read(series)).all(axis=2)[0].tolist() == [False, True, False]


def test_fractional_digital_numbers_are_read_and_said_to_be(log):
    np.testing.assert_allclose(read(maize() * 10_000), read(maize()), rtol=1e-5)
    assert 'pass `units="dn"` if that is right' in log.text


def test_an_offset_left_in_is_warned_of_and_one_taken_out_is_not(log):
    shifted = np.round(maize() * 10_000).astype(np.uint16) + 1000
    read(shifted, offset=1000)
    assert not log.records
    read(shifted)
    assert "pass `offset=1000`" in log.text
    read(maize() + np.float32(0.1))
    assert "Hardly any visible value lies below 0.1" in log.text
    assert "subtract 0.1 from the reflectance" in log.text


def test_swapped_red_and_blue_are_warned_of(log):
    read(maize()[:, :, [2, 1, 0, *range(3, 10)]])
    assert "B02 and B04 seem to be swapped" in log.text


@pytest.mark.real_data
def test_real_series_are_read_without_a_warning(real_data, log):
    for folder in ("worldcereal_france_2023_dekad", "worldcereal_eastafrica_2017_monthly"):
        read(np.load(real_data / folder / "series.npz", allow_pickle=True)["X"])
    assert not log.records, log.text


@pytest.mark.real_data
def test_real_series_with_red_and_blue_swapped_or_the_offset_left_in_are_warned_of(real_data, log):
    series = np.load(real_data / "worldcereal_france_2023_dekad" / "series.npz", allow_pickle=True)["X"]
    read(series[:, :, [2, 1, 0, *range(3, 10)]])
    assert "B02 and B04 seem to be swapped" in log.text
    read(np.where(series == 65535, 65535, series + 1000))
    assert "pass `offset=1000`" in log.text
