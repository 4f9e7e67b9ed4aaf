import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from timesenclip_hf.models.timesenclip.compositing_timesenclip import (
    choose_window,
    composite,
    count_months,
    describe_window,
    in_window,
    place_in_year,
    year_of_window,
)
from timesenclip_hf.models.timesenclip.dates_timesenclip import parse_dates


@given(
    series=hnp.arrays(np.float64, (3, 17, 2), elements=st.floats(0, 1e4)),
    observed=hnp.arrays(bool, (3, 17)),
    periods=hnp.arrays(np.int64, (17,), elements=st.integers(-1, 11)),
)
def test_months_are_the_medians_of_their_observations(series, observed, periods):
    values, counts = composite(series, observed, periods)
    for row in range(3):
        for month in range(12):
            clear = series[row, observed[row] & (periods == month)]
            assert counts[row, month] == len(clear)
            expected = np.median(clear, axis=0) if len(clear) else np.full(2, np.nan)
            np.testing.assert_allclose(values[row, month], expected)
    per_series, same_counts = composite(series, observed, np.tile(periods, (3, 1)))
    np.testing.assert_array_equal(per_series, values)
    np.testing.assert_array_equal(same_counts, counts)


def test_quarters_and_years_are_periods_like_any_other():
    series = np.arange(12, dtype=float)[None, :, None]
    observed = np.ones((1, 12), dtype=bool)
    quarters, _ = composite(series, observed, np.arange(12) // 3, num_periods=4)
    np.testing.assert_array_equal(quarters[0, :, 0], [1, 4, 7, 10])
    year, counts = composite(series, observed, np.zeros(12, dtype=int), num_periods=1)
    assert (year.item(), counts.item()) == (5.5, 12)


def test_patches_are_composited_pixel_by_pixel_and_their_observations_counted():
    generator = np.random.default_rng(0)
    series, observed = generator.random((2, 20, 3, 4, 5)), generator.random((2, 20, 4, 5)) > 0.3
    periods = generator.integers(0, 12, 20)
    values, counts = composite(series, observed, periods)
    assert (values.shape, counts.shape) == ((2, 12, 3, 4, 5), (2, 12, 4, 5))
    pixel, pixel_counts = composite(series[..., 2, 3], observed[..., 2, 3], periods)
    np.testing.assert_array_equal(values[..., 2, 3], pixel)
    np.testing.assert_array_equal(counts[..., 2, 3], pixel_counts)
    every_band = np.repeat(observed[:, :, None], 3, axis=2)
    for same, same_counts in (
        composite(series, every_band, periods),
        composite(np.where(every_band, series, np.nan), observed, periods),
    ):
        np.testing.assert_array_equal(same, values)
        np.testing.assert_array_equal(same_counts, counts)


@pytest.mark.parametrize(("num_periods", "months"), [(12, 1), (4, 3), (1, 12)])
@pytest.mark.parametrize("recipe", ["median", "timesenclip"])
def test_integers_count_as_numbers(num_periods, months, recipe):
    generator = np.random.default_rng(1)
    cube = generator.integers(1, 9_000, (1, 40, 3, 16, 16)).astype(np.uint16)
    clear, periods = generator.random((1, 40, 16, 16)) > 0.5, generator.integers(0, 12, 40) // months
    how = {"num_periods": num_periods, "recipe": recipe}
    values, counts = composite(cube, clear, periods, **how)
    assert (values.shape, values.dtype) == ((1, num_periods, 3, 16, 16), np.float32)
    assert counts.shape == (1, num_periods, 16, 16)
    same, same_counts = composite(cube.astype(np.float32), clear, periods, **how)
    np.testing.assert_array_equal(values, same)
    np.testing.assert_array_equal(counts, same_counts)
    pixel, _ = composite(cube[..., 3, 4], clear[..., 3, 4], periods, **how)
    np.testing.assert_array_equal(values[..., 3, 4], pixel)


@pytest.mark.parametrize("recipe", ["median", "timesenclip"])
def test_series_with_dates_of_their_own_are_composited_as_each_would_be_alone(recipe):
    generator = np.random.default_rng(2)
    series, observed = generator.random((40, 30, 10)), generator.random((40, 30)) > 0.4
    periods = generator.integers(-1, 12, (40, 30))
    values, counts = composite(series, observed, periods, recipe=recipe)
    for row in range(40):
        alone, alone_counts = composite(series[[row]], observed[[row]], periods[row], recipe=recipe)
        np.testing.assert_array_equal(values[[row]], alone)
        np.testing.assert_array_equal(counts[[row]], alone_counts)


def test_upstreams_recipe_counts_masked_acquisitions_as_zero_and_fills_empty_months():
    series = np.array([100.0, 300.0, 500.0])[None, :, None]
    observed = np.array([[True, False, True]])
    values, _ = composite(series, observed, np.array([0, 0, 1]), recipe="timesenclip")
    assert values[0, 0, 0] == 50 + 1  # median of 100 and a zero
    assert values[0, 1, 0] == 500 + 1
    assert values[0, 2, 0] == 100 + 1  # no acquisition in March: median of 100, 0 and 500


def test_an_unknown_recipe_is_refused():
    with pytest.raises(ValueError, match="Unknown composite 'mean': choose one of median, timesenclip"):
        composite(np.ones((1, 1, 1)), np.ones((1, 1), dtype=bool), np.zeros(1, dtype=int), recipe="mean")


def test_the_middle_of_a_month_is_its_whole_number_and_new_year_lies_between_december_and_january():
    places = place_in_year(parse_dates(["2018-06-15", "2018-06-16", "2018-01-01", "2018-12-31"]))
    np.testing.assert_allclose(places, [5 - 0.5 / 30, 5 + 0.5 / 30, 12 - 0.5 + 0.5 / 31, 11.5 - 0.5 / 31], atol=1e-5)


def months(first: str, count: int) -> np.ndarray:
    return (np.datetime64(first) + np.arange(count)).astype("datetime64[D]") + 14


@pytest.mark.parametrize(
    ("dates", "start"),
    [
        (months("2018-03", 3), "2018-01"),
        (months("2017-09", 10), "2017-09"),  # all ten lie in one window, of which no calendar year has more than six
        (months("2017-08", 16), "2017-12"),  # twelve in a row; 2018 has eleven
        (months("2017-06", 24), "2018-01"),  # a calendar year comes before other windows of twelve
        (months("2017-01", 24), "2018-01"),  # and the later year before the earlier
        (np.concatenate([months("2017-01", 12), months("2018-01", 5)]), "2017-01"),
    ],
)
def test_the_twelve_months_with_the_most_observed_ones_are_chosen(dates, start):
    assert choose_window(dates, np.ones((1, len(dates)), dtype=bool)).astype(str).tolist() == [start]


def test_a_month_counts_where_it_is_clear_and_once():
    dates = parse_dates(["2017-01-01", "2017-02-01", "2018-01-01", "2018-01-11", "2019-01-01", "2019-02-01"])
    clear = np.ones((1, 6), dtype=bool)
    assert choose_window(dates, clear).astype(str).tolist() == ["2019-01"]
    clear[0, 4] = False
    assert choose_window(dates, clear).astype(str).tolist() == ["2017-01"]


def test_series_with_dates_of_their_own_choose_their_own_window():
    dates = parse_dates([["2017-01-01", "2017-02-01", "2018-03-01"], ["2017-01-01", "2018-02-01", "2018-03-01"]])
    assert choose_window(dates, np.ones((2, 3), dtype=bool)).astype(str).tolist() == ["2017-01", "2018-01"]


def test_a_window_is_named_and_belongs_to_the_year_of_its_seventh_month():
    for start, name, year in (
        ("2018-01", "2018", 2018),
        ("2019-07", "2019-07 to 2020-06", 2020),
        ("2017-12", None, 2018),
    ):
        assert year_of_window(np.datetime64(start)) == year
        assert name in (None, describe_window(np.datetime64(start)))
    inside = in_window(months("2019-06", 14), np.datetime64("2019-07"))
    assert inside.tolist() == [False, *[True] * 12, False]


def test_months_of_the_year_are_counted_once_and_those_near_new_year_as_january():
    places = np.array([[0, 0.2, 11.7, 5, 6], [0, 1, 2, 3, 4]])
    observed = np.array([[True, True, True, True, False], [False] * 5])
    assert count_months(places, observed).tolist() == [2, 0]
