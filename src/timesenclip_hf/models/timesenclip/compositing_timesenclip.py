"""Give acquisitions their times of the year and turn dated ones into composites; no other module does.

The default composite masks before the median and leaves an empty period missing. Upstream's own recipe, which puts
zeros for masked acquisitions and fills empty months, is kept as a named option, for parity only.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from transformers.utils import logging

from .medians_timesenclip import masked_median
from .options_timesenclip import SeriesOptions

logger = logging.get_logger(__name__)

MONTHS_PER_YEAR = 12
RECIPES = ("median", "timesenclip")


def parse_dates(dates: Sequence[Any] | np.ndarray) -> np.ndarray:
    """Read dates as `datetime64[D]`, keeping the shape.

    Args:
        dates: ISO strings ("2018-05-04", with or without a time), compact strings ("20180504"), `datetime`, `date` or
            `datetime64`.

    Raises:
        ValueError: a value is not a date.
    """
    values = np.asarray(dates)
    if values.dtype.kind == "M":
        return values.astype("datetime64[D]")
    if values.dtype.kind in "iuf":
        raise ValueError(f"Dates must be ISO strings or dates, got numbers such as {values.flat[0]}.")
    parsed = np.array([_parse_date(value) for value in values.ravel()], dtype="datetime64[D]")
    if np.isnat(parsed).any():
        raise ValueError("A date is empty: give one date for each acquisition.")
    return parsed.reshape(values.shape)


def _parse_date(value: Any) -> np.datetime64:
    text = str(value).strip()
    text = f"{text[:4]}-{text[4:6]}-{text[6:]}" if len(text) == 8 and text.isdigit() else text[:10]
    try:
        return np.datetime64(text, "D")
    except ValueError:
        raise ValueError(f"{text!r} is not a date: write dates as YYYY-MM-DD.") from None


def place_in_months(
    dn: np.ndarray, observed: np.ndarray, options: SeriesOptions, recipe: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make the time steps that the pixel tower reads: digital numbers, what is observed of them, and their months.

    Args:
        dn: digital numbers (series, time, band[, height, width]), NaN where missing.
        observed: bool (series, time[, height, width]).
        options: with dates, or months, or neither for twelve time steps from January to December; and the year.
        recipe: how acquisitions with dates become months, or "none" to keep them as they are.

    Raises:
        ValueError: dates or months do not fit the series, or nothing is of the year.
    """
    shape = dn.shape[:2]
    if options.dates is not None and options.months is not None:
        raise ValueError("Give `dates` or `months`, not both.")
    if options.dates is None:
        if options.year is not None:
            raise ValueError("`year` chooses among `dates`: give the dates too, or leave the year out.")
        return dn, observed, _check_months(options.months, shape)
    dates = parse_dates(options.dates)
    if dates.shape not in (shape, shape[1:]):
        count = dates.shape[-1] if dates.ndim else 1
        raise ValueError(f"There are {count} dates for {shape[1]} acquisitions: give one date for each.")
    clear = np.asarray(observed.reshape(*shape, -1).any(axis=2))
    inside = year_of(dates) == _years(dates, clear, options.year)
    if recipe == "none":
        kept = np.broadcast_to(inside, shape).reshape(*shape, *(1,) * (observed.ndim - 2))
        return dn, observed & kept, np.broadcast_to(place_in_year(dates), shape).copy()
    periods = np.where(inside, month_of(dates), -1)
    medians, _ = composite(dn, observed, periods, recipe=recipe)
    months = np.broadcast_to(np.arange(MONTHS_PER_YEAR, dtype=np.float32), medians.shape[:2]).copy()
    return medians, ~np.isnan(medians).any(axis=2), months


def _years(dates: np.ndarray, clear: np.ndarray, year: int | None) -> np.ndarray:
    """Return the year to composite, (1,) or (series, 1): the one asked for, or the one with most observed months."""
    present = np.unique(year_of(dates))
    if year is not None:
        if year not in present:
            raise ValueError(f"No acquisition is of {year}: the dates are of {', '.join(map(str, present))}.")
        return np.asarray([year])
    if len(present) == 1:
        return present
    chosen = choose_year(dates, clear)
    logger.warning_once(
        f"The dates span {present[0]} to {present[-1]}; the year with the most observed months is used "
        f"({', '.join(map(str, np.unique(chosen)))}): pass `year=` to choose."
    )
    return chosen if dates.ndim == 1 else chosen[:, None]


def _check_months(months: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return months as an array (series, time), January to December in place of `None`."""
    if months is None:
        if shape[1] != MONTHS_PER_YEAR:
            raise ValueError(
                f"A series of {shape[1]} time steps needs `dates`, or `months` (0 = January): only twelve are taken to "
                "be January to December."
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


def month_of(dates: np.ndarray) -> np.ndarray:
    """Return the calendar month, 0 = January, of `datetime64` dates."""
    return dates.astype("datetime64[M]").astype(np.int64) % MONTHS_PER_YEAR


def year_of(dates: np.ndarray) -> np.ndarray:
    """Return the calendar year of `datetime64` dates."""
    return dates.astype("datetime64[Y]").astype(np.int64) + 1970


def place_in_year(dates: np.ndarray) -> np.ndarray:
    """Return `datetime64` dates as months in [0, 12), where an integer is the middle of its calendar month.

    A learned month position stands for a composite of a full month, so an acquisition in the middle of January belongs
    at 0.0, one on 1 February half-way to 1.0.
    """
    month_start = dates.astype("datetime64[M]")
    day = (dates - month_start.astype("datetime64[D]")).astype(np.float64)
    length = ((month_start + 1).astype("datetime64[D]") - month_start.astype("datetime64[D]")).astype(np.float64)
    return np.asarray((month_of(dates) + (day + 0.5) / length - 0.5) % MONTHS_PER_YEAR, dtype=np.float32)


def choose_year(dates: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Choose the year with the most distinct observed months, the later on a tie: (1,) for shared dates or (series,).

    Args:
        dates: (time,), shared by all series, which then share one year; or (series, time).
        observed: (series, time), True where an acquisition is clear.
    """
    if dates.ndim == 1:
        dates, observed = dates[None], np.asarray(observed.any(axis=0, keepdims=True))
    years = np.unique(year_of(dates))
    month, seen = dates.astype("datetime64[M]"), np.zeros((len(observed), len(years)), dtype=np.int64)
    for value in np.unique(month):
        seen[:, np.searchsorted(years, year_of(value))] += (observed & (month == value)).any(axis=1)
    latest_first = seen[:, ::-1].argmax(axis=1)
    return np.asarray(years[::-1][latest_first])


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
