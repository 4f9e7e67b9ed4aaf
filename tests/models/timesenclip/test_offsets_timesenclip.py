import logging

import numpy as np
import pytest

from timesenclip_hf import SeriesOptions, TimeSenCLIPFeatureExtractor
from timesenclip_hf.models.timesenclip import feature_extraction_timesenclip as extraction
from timesenclip_hf.models.timesenclip.offsets_timesenclip import DatedNumbers, Stray, find_strays

EXTRACT = TimeSenCLIPFeatureExtractor()
DATES = [f"2018-{month:02d}-15" for month in range(1, 13)]
# A meadow through the year, brighter and greener in summer (digital numbers, our round numbers).
MEADOW = np.array([400, 600, 500, 900, 1800, 2200, 2400, 2600, 1900, 1100])


def meadows(count: int, seed: int = 0) -> np.ndarray:
    """Make digital numbers (count, 12, 10) that change slowly with the season and a little from place to place."""
    rng = np.random.default_rng(seed)
    season = 1 + 0.15 * np.cos((np.arange(12) - 6) * np.pi / 6)[:, None]
    noise = rng.normal(1, 0.05, (count, 1, 1)) * rng.normal(1, 0.02, (count, 12, 10))
    return np.rint(MEADOW * season * noise).astype(np.int32)


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.WARNING)
    logger = logging.getLogger("transformers")
    logger.addHandler(caplog.handler)
    type(extraction.logger).warning_once.cache_clear()
    yield caplog
    logger.removeHandler(caplog.handler)


def strays(dn: np.ndarray, offsets=0.0) -> list[Stray]:
    shape = dn.shape[:2]
    stack = DatedNumbers(
        dn.astype(np.float32),
        np.broadcast_to(np.arange(12.0), shape),
        np.broadcast_to(np.asarray(offsets, float), shape),
    )
    return find_strays([stack], visible=(0, 1, 2))


@pytest.mark.parametrize("month", [0, 5, 11])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_date_that_lies_an_offset_apart_in_many_series_is_certain(month, sign):
    dn = meadows(30)
    assert strays(dn) == []
    dn[:, month] += sign * 1000
    assert strays(dn) == [Stray(month, sign, certain=True)]


def test_two_dates_in_a_row_are_held_against_those_around_them():
    dn = meadows(30)
    dn[:, 4:6] += 1000
    assert [(stray.time, stray.certain) for stray in strays(dn)] == [(4, True), (5, True)]


def test_what_a_single_series_shows_is_certain_only_where_metadata_tells_the_date_apart():
    dn = meadows(1)
    dn[:, 5] += 1000
    assert strays(dn) == [Stray(5, 1, certain=False)]
    told = np.full(12, 1000.0)
    told[5] = 0
    assert strays(dn, told) == [Stray(5, 1, certain=True)]


def test_clouds_snow_green_summers_and_dark_water_are_no_offsets():
    rng = np.random.default_rng(1)
    cloudy = meadows(30)
    cloudy[:, 5] += rng.integers(200, 1800, (30, 1))  # as thick here as thin there
    snowy = meadows(30)
    snowy[:, 1] = [8000, 8000, 8000, 7800, 7600, 7500, 7400, 7200, 900, 800]
    green = meadows(30)
    green[:, 5:8, 4:8] += 1000
    water = np.broadcast_to([40, 25, 5, -10, -25, -30, -35, -40, -20, -15], (30, 12, 10)) + rng.integers(
        -8, 8, (30, 12, 10)
    )
    for dn in (cloudy, snowy, green, water):
        assert strays(dn) == []


def test_where_half_of_the_dates_are_raised_none_is_told_apart():
    dn = meadows(30)
    dn[:, ::2] += 1000
    assert strays(dn) == []


@pytest.mark.parametrize(
    ("flags", "raised", "words"),
    [
        # An item that says "not shifted" though it is, and one that says "shifted" though it is not.
        ([1000] * 5 + [0] + [1000] * 6, [1000] * 12, ("above", "offset 0; the offset 1000 is taken")),
        ([0] * 5 + [1000] + [0] * 6, [0] * 12, ("below", "offset 1000; the offset 0 is taken")),
    ],
)
def test_a_date_whose_flag_and_values_disagree_is_read_by_its_values_and_said(log, flags, raised, words):
    dn = meadows(30)
    expected = EXTRACT(dn, dates=DATES, offset=[0] * 12)
    raised = (dn + np.array(raised)[:, None]).astype(np.uint16)
    log.clear()
    features = EXTRACT(raised, dates=DATES, offset=flags)
    np.testing.assert_array_equal(features["pixel_series"], expected["pixel_series"])
    side, done = words
    assert (
        f"The values of 2018-06-15 lie 1000 {side} those before and after in every band, read with the {done}"
        in log.text
    )
    baselines = ["05.00" if flag else "03.01" for flag in flags]
    items = [
        {"series": series, "dates": DATES, "processing_baseline": baselines} for series in raised
    ]  # as a table has them
    np.testing.assert_array_equal(EXTRACT(items)["pixel_series"], expected["pixel_series"])


def test_a_date_from_which_the_offset_was_taken_twice_is_left_out(log):
    dn = meadows(30)
    dn[:, 5] -= 1000
    features = EXTRACT(dn, dates=DATES, offset=[0] * 12)
    assert features["series_mask"].all(axis=0).tolist() == [month != 5 for month in range(12)]
    assert "The values of 2018-06-15 lie 1000 below" in log.text
    assert "they are left out" in log.text


def test_an_offset_for_all_is_the_users_word_and_only_warned_of(log):
    dn = meadows(30)
    dn[:, 5] += 1000
    features = EXTRACT(dn, dates=DATES, offset=0)
    assert (features["pixel_series"][:, 5, 0] > features["pixel_series"][:, 4, 0] + 0.3).all()
    assert "The values of 2018-06-15 lie 1000 above" in log.text
    assert "give the offset of each acquisition, a column offset of a table or offset=[...] in Python" in log.text


def test_settled_options_hold_the_offset_of_each_date():
    dn = meadows(30)
    raised = dn + 1000
    flags = np.array([1000.0] * 5 + [0.0] + [1000.0] * 6)
    options, notes = EXTRACT.settle(raised, SeriesOptions(dates=DATES, offset=flags))
    assert options.offset.tolist() == [1000.0] * 12
    assert (options.units, len(notes)) == ("dn", 1)
    same = EXTRACT(raised[:3], options, judge=False)
    np.testing.assert_array_equal(same["pixel_series"], EXTRACT(dn[:3], dates=DATES, offset=0)["pixel_series"])


@pytest.mark.real_data
def test_no_date_of_real_composites_is_told_apart_and_a_raised_one_is(real_data):
    values = np.load(real_data / "worldcereal_eastafrica_2017_monthly" / "series.npz", allow_pickle=True)["X"]
    dn = np.where(values == 65535, np.nan, values).astype(np.float32)
    assert strays(dn) == []
    dn[:, 4] += 1000
    assert strays(dn) == [Stray(4, 1, certain=True)]
