"""Give acquisitions their times of the year and turn dated ones into composites; no other module does.

The default composite masks before the median and leaves an empty period missing. Upstream's own recipe, which puts
zeros for masked acquisitions and fills empty months, is kept as a named option, for parity only.
"""

import re
from dataclasses import replace
from typing import Any

import numpy as np
from transformers.utils import logging

from .dates_timesenclip import parse_dates
from .medians_timesenclip import masked_median
from .options_timesenclip import SeriesOptions, take_steps
from .steps_timesenclip import Steps

logger = logging.get_logger(__name__)

MONTHS_PER_YEAR = 12
# The season of all dates, whatever their year.
ALL_SEASONS = "all"
# Windows that a message names.
MOST_NAMED = 5
RECIPES = ("median", "timesenclip")


def place_in_months(
    dn: np.ndarray, observed: np.ndarray, options: SeriesOptions, recipe: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make the time steps that the pixel tower reads: digital numbers, what is observed of them, and their months.

    Args:
        dn: digital numbers (series, time, band[, height, width]), NaN where missing.
        observed: bool (series, time[, height, width]).
        options: with dates, or months, or neither for twelve time steps from January to December; and year or season.
        recipe: how acquisitions with dates become months, or "none" to keep them as they are.

    Raises:
        ValueError: dates or months do not fit the series, or nothing is of the year.
    """
    shape = dn.shape[:2]
    dates, months = times_of(options, shape)
    if dates is None:
        return dn, observed, months
    if options.season == ALL_SEASONS:
        inside = np.ones(dates.shape, dtype=bool)
    else:
        start = _window(dates, np.asarray(observed.reshape(*shape, -1).any(axis=2)), options)
        inside = in_window(dates, start if dates.ndim == 1 or len(start) == 1 else start[:, None])
    if recipe == "none":
        kept = np.broadcast_to(inside, shape).reshape(*shape, *(1,) * (observed.ndim - 2))
        return dn, observed & kept, months
    periods = np.where(inside, month_of(dates), -1)
    medians, _ = composite(dn, observed, periods, recipe=recipe)
    months = np.broadcast_to(np.arange(MONTHS_PER_YEAR, dtype=np.float32), medians.shape[:2]).copy()
    return medians, ~np.isnan(medians).any(axis=2), months


def times_of(options: SeriesOptions, shape: tuple[int, ...]) -> tuple[np.ndarray | None, np.ndarray]:
    """Return the dates of acquisitions, (time,) or (series, time), or None, and their places in the year.

    Args:
        options: with dates, or start and step, or months, or none of them for twelve time steps from January to
            December.
        shape: (series, time), which the places have.

    Raises:
        ValueError: dates or months do not fit the series, or a year or season is to be chosen among none.
    """
    steps, options = take_steps(options)
    if (options.dates is not None) + (options.months is not None) + (steps != Steps()) > 1:
        raise ValueError("Give `dates`, or `months`, or `start` and `step`: one of the three.")
    if steps != Steps():
        options = replace(options, dates=steps.dates(np.arange(shape[1])))
    chosen = [name for name in ("year", "season") if getattr(options, name) is not None]
    if len(chosen) > 1:
        raise ValueError("Give `year` or `season`, not both.")
    if options.dates is None:
        if chosen:
            raise ValueError(f"`{chosen[0]}` chooses among `dates`: give the dates too, or leave the {chosen[0]} out.")
        return None, _check_months(options.months, shape)
    dates = parse_dates(options.dates)
    if dates.shape not in (shape, shape[1:]):
        count = dates.shape[-1] if dates.ndim else 1
        raise ValueError(f"There are {count} dates for {shape[1]} acquisitions: give one date for each.")
    return dates, np.broadcast_to(place_in_year(dates), shape).copy()


def asked_window(options: SeriesOptions) -> np.datetime64 | None:
    """Return the first month of the year or season that is asked for; None where none is, or all are.

    Raises:
        ValueError: the season is no month.
    """
    if options.season in (None, ALL_SEASONS):
        return None if options.year is None else np.datetime64(f"{int(options.year):04d}-01", "M")
    match = re.fullmatch(r"(\d{4})-?(0[1-9]|1[0-2])", str(options.season).strip())
    if match is None:
        raise ValueError(
            f'`season` must be the month it begins in, such as "2019-07", or "all", got {options.season!r}.'
        )
    return np.datetime64("-".join(match.groups()), "M")


def in_window(dates: np.ndarray, start: np.ndarray | np.datetime64) -> np.ndarray:
    """Tell which dates lie in the twelve months that begin with `start`."""
    months = dates.astype("datetime64[M]")
    return np.asarray((months >= start) & (months < start + MONTHS_PER_YEAR))


def describe_window(start: np.datetime64) -> str:
    """Name twelve months by the first of them: "2018", or "2019-07 to 2020-06"."""
    return str(start)[:4] if month_of(start) == 0 else f"{start} to {start + (MONTHS_PER_YEAR - 1)}"


def year_of_window(start: np.datetime64) -> int:
    """Return the calendar year that twelve months belong to: that of the seventh, in which a harvest mostly lies."""
    return int(year_of(start + MONTHS_PER_YEAR // 2))


def _window(dates: np.ndarray, clear: np.ndarray, options: SeriesOptions) -> np.ndarray:
    """Return the first month of what is composited, (1,) or (series,): as asked for, or with most observed months."""
    start = asked_window(options)
    if start is not None:
        check_window(dates, start)
        return np.asarray([start])
    years = np.unique(year_of(dates))
    if len(years) == 1:
        return np.asarray([np.datetime64(f"{years[0]:04d}-01", "M")])
    chosen = choose_window(dates, clear)
    distinct = [describe_window(each) for each in np.unique(chosen)]
    named = ", ".join(distinct[:MOST_NAMED]) + (", ..." if len(distinct) > MOST_NAMED else "")
    logger.warning_once(
        f"The dates span {years[0]} to {years[-1]}; the year with the most observed months is used ({named}): pass "
        '`year=2018` or `season="2018-07"` to choose.'
    )
    return chosen


def check_window(dates: np.ndarray, start: np.datetime64) -> None:
    """Raise a ValueError where no date lies in the twelve months that begin with `start`."""
    if in_window(dates, start).any():
        return
    if month_of(start) == 0:
        present = ", ".join(map(str, np.unique(year_of(dates))))
    else:
        present = f"{dates.min().astype('datetime64[M]')} to {dates.max().astype('datetime64[M]')}"
    raise ValueError(f"No acquisition is of {describe_window(start)}: the dates are of {present}.")


def _check_months(months: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return months as an array (series, time), January to December in place of `None`."""
    if months is None:
        if shape[1] != MONTHS_PER_YEAR:
            raise ValueError(
                f"A series of {shape[1]} time steps needs `dates`, or `months` (0 = January), or `start` and `step`: "
                "only twelve are taken to be January to December."
            )
        months = np.arange(MONTHS_PER_YEAR)
    values = np.asarray(months, dtype=np.float32)
    if values.shape not in (shape, shape[1:]):
        raise ValueError(f"`months` must give one for each of {shape[1]} time steps, got the shape {values.shape}.")
    if not ((values >= 0) & (values < MONTHS_PER_YEAR)).all():
        raise ValueError(
            f"`months` must lie in [0, 12) with 0 = January, got {values.min():g} to {values.max():g}: subtract 1 if "
            "your January is 1."
        )
    return np.broadcast_to(values, shape).copy()


def month_of(dates: np.ndarray | np.datetime64) -> np.ndarray:
    """Return the calendar month, 0 = January, of `datetime64` dates."""
    return np.asarray(dates.astype("datetime64[M]").astype(np.int64) % MONTHS_PER_YEAR)


def year_of(dates: np.ndarray | np.datetime64) -> np.ndarray:
    """Return the calendar year of `datetime64` dates."""
    return np.asarray(dates.astype("datetime64[Y]").astype(np.int64) + 1970)


def place_in_year(dates: np.ndarray) -> np.ndarray:
    """Return `datetime64` dates as months in [0, 12), where an integer is the middle of its calendar month.

    A learned month position stands for a composite of a full month, so an acquisition in the middle of January belongs
    at 0.0, one on 1 February half-way to 1.0.
    """
    month_start = dates.astype("datetime64[M]")
    day = (dates - month_start.astype("datetime64[D]")).astype(np.float64)
    length = ((month_start + 1).astype("datetime64[D]") - month_start.astype("datetime64[D]")).astype(np.float64)
    return np.asarray((month_of(dates) + (day + 0.5) / length - 0.5) % MONTHS_PER_YEAR, dtype=np.float32)


def choose_window(dates: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Choose the twelve months with the most distinct observed ones, by the first: (1,) for shared dates or (series,).

    On a tie a calendar year comes before other windows, and the later before the earlier.

    Args:
        dates: (time,), shared by all series, which then share a window; or (series, time).
        observed: (series, time), True where an acquisition is clear.
    """
    if dates.ndim == 1:
        dates, observed = dates[None], np.asarray(observed.any(axis=0, keepdims=True))
    month = dates.astype("datetime64[M]")
    reach = MONTHS_PER_YEAR - 1
    span = np.arange(month.min() - reach, month.max() + reach + 1)
    seen = np.zeros((len(observed), len(span) + 1), dtype=np.int64)
    for index in np.flatnonzero(np.isin(span, month)):
        seen[:, index + 1] = (observed & (month == span[index])).any(axis=1)
    until = seen.cumsum(axis=1)
    counts = until[:, MONTHS_PER_YEAR:] - until[:, :-MONTHS_PER_YEAR]
    starts = span[: counts.shape[1]]
    latest_first = (2 * counts + (month_of(starts) == 0))[:, ::-1].argmax(axis=1)
    return np.asarray(starts[::-1][latest_first])


def count_months(months: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Count the calendar months with an observation, (series,) uint8, of places in the year (series, time)."""
    months = np.rint(months).astype(np.int64) % MONTHS_PER_YEAR
    seen = [((months == month) & observed).any(axis=1) for month in range(MONTHS_PER_YEAR)]
    return np.asarray(np.sum(seen, axis=0, dtype=np.uint8))


def composite(
    series: np.ndarray,
    observed: np.ndarray,
    periods: np.ndarray,
    *,
    num_periods: int = MONTHS_PER_YEAR,
    recipe: str = "median",
) -> tuple[np.ndarray, np.ndarray]:
    """Make medians of the acquisitions of each period.

    Args:
        series: (series, time, band[, height, width]), NaN where a value is missing; integers count as numbers, none as
            missing.
        observed: True where an acquisition counts, (series, time[, height, width]) or the shape of `series`.
        periods: int (time,) or (series, time), the period of each acquisition, such as `month_of(dates)` for months,
            `month_of(dates) // 3` for quarters or zeros for the year; acquisitions outside 0..num_periods-1 are left
            out.
        num_periods: 12 for months, 4 for quarters, 1 for the year.
        recipe: "median" masks first and leaves empty periods NaN; "timesenclip" is upstream's, for digital numbers:
            zeros for masked acquisitions count in the median, an empty period takes the median of all acquisitions, and
            1 is added to everything.

    Returns:
        The composite (series, num_periods, band[, height, width]) and the number of observations (series, num_periods),
        of every pixel, (series, num_periods, height, width), where `observed` is of pixels.

    Raises:
        ValueError: unknown recipe.
    """
    if recipe not in RECIPES:
        raise ValueError(f"Unknown composite {recipe!r}: choose one of {', '.join(RECIPES)}.")
    if series.dtype.kind in "iub":
        series = series.astype(np.result_type(series, np.float32))
    masked, clear = _masked(series, observed, recipe)
    medians = np.full((len(series), num_periods, *series.shape[2:]), np.nan, dtype=series.dtype)
    counts = np.zeros((len(series), num_periods, *clear.shape[2:]), dtype=np.int64)
    for period in range(num_periods):
        inside = periods == period
        if not inside.any():
            continue
        medians[:, period] = masked_median(_gather(masked, inside, np.nan), axis=1)
        counts[:, period] = _gather(clear, inside, False).sum(axis=1)
    if recipe == "timesenclip":
        every = masked_median(masked, axis=1)[:, None]
        medians = np.where(np.isnan(medians), every, medians) + 1
    return medians, counts


def _masked(series: np.ndarray, observed: np.ndarray, recipe: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the series with NaN for what does not count, and `observed` without a band axis."""
    if observed.ndim == series.ndim:
        clear, shown = np.asarray(observed.any(axis=2)), observed
    else:  # without a band axis, or without the pixels' too
        clear, shown = observed, np.expand_dims(observed, 2)
        shown = shown.reshape(shown.shape + (1,) * (series.ndim - shown.ndim))
    if recipe == "timesenclip":
        # Upstream zeroes what it masks and takes the median over the zeros too.
        return np.where(shown, series, series.dtype.type(0)), clear
    # A sum, because it is ten times as fast as a choice.
    return series + np.where(shown, series.dtype.type(0), series.dtype.type(np.nan)), clear


def _gather(values: np.ndarray, inside: np.ndarray, filler: float | bool) -> np.ndarray:
    """Take the acquisitions inside a period, filled up where series with dates of their own have fewer than others."""
    if inside.ndim == 1:
        return values[:, inside]
    counts = inside.sum(axis=1)
    series, times = np.nonzero(inside)
    rank = np.arange(len(series)) - np.repeat(np.cumsum(counts) - counts, counts)
    gathered = np.full((len(values), counts.max(), *values.shape[2:]), filler, dtype=values.dtype)
    gathered[series, rank] = values[series, times]
    return gathered
