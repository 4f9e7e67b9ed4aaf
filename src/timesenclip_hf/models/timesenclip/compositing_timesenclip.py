"""Turn dates into months and acquisitions into composites; no other module does.

The default composite masks before the median and leaves an empty period missing. Upstream's own recipe, which puts
zeros for masked acquisitions and fills empty months, is kept as a named option, for parity only.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .medians_timesenclip import masked_median

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
    texts = np.asarray([_iso(value) for value in values.ravel()], dtype=str)
    try:
        parsed = texts.astype("datetime64[D]")
    except ValueError:
        bad = next(str(text) for text in texts if not _is_date(str(text)))
        raise ValueError(f"{bad!r} is not a date: write dates as YYYY-MM-DD.") from None
    if np.isnat(parsed).any():
        raise ValueError("A date is empty: give one date for each acquisition.")
    return parsed.reshape(values.shape)


def _iso(value: Any) -> str:
    text = str(value).strip()
    if len(text) == 8 and text.isdigit():
        return f"{text[:4]}-{text[4:6]}-{text[6:]}"
    return text[:10]


def _is_date(text: str) -> bool:
    try:
        np.datetime64(text, "D")
    except ValueError:
        return False
    return True


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
    """Choose the year with the most distinct observed months, the later on a tie.

    Args:
        dates: (time,), shared by all series, which then share one year; or (series, time).
        observed: (series, time), True where an acquisition is clear.

    Returns:
        Years, (1,) for shared dates or (series,).
    """
    if dates.ndim == 1:
        dates, observed = dates[None], np.asarray(observed.any(axis=0, keepdims=True))
    years = np.unique(year_of(dates))
    months = year_of(dates) * MONTHS_PER_YEAR + month_of(dates)
    seen = np.zeros((len(observed), len(years)), dtype=np.int64)
    for column, year in enumerate(years):
        for month in range(MONTHS_PER_YEAR):
            seen[:, column] += (observed & (months == year * MONTHS_PER_YEAR + month)).any(axis=1)
    latest_first = seen[:, ::-1].argmax(axis=1)
    return np.asarray(years[::-1][latest_first])


def composite(
    series: np.ndarray,
    observed: np.ndarray,
    periods: np.ndarray,
    *,
    num_periods: int = MONTHS_PER_YEAR,
    recipe: str = "median",
    axis: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Make medians of the acquisitions of each period.

    Args:
        series: (series, time, band[, height, width]), NaN where a value is missing; integers count as numbers, none as
            missing.
        observed: bool (series, time), (series, time, height, width) or the shape of `series`, True where an acquisition
            counts.
        periods: int (time,) or (series, time), the period of each acquisition, such as `month_of(dates)` for months,
            `month_of(dates) // 3` for quarters or zeros for the year; acquisitions outside 0..num_periods-1 are left
            out.
        num_periods: 12 for months, 4 for quarters, 1 for the year.
        recipe: "median" masks first and leaves empty periods NaN; "timesenclip" is upstream's, which expects digital
            numbers: zeros for masked acquisitions count in the median, an empty period takes the median of all
            acquisitions, and 1 is added to everything.
        axis: where time is: 1, or 0 for one series or cube without the leading axis, (time, band[, height, width]), in
            which case nothing here has that axis.

    Returns:
        The composite (series, num_periods, band[, height, width]) and the number of observations (series, num_periods),
        of every pixel, (series, num_periods, height, width), where `observed` is of pixels.

    Raises:
        ValueError: unknown recipe or axis.
    """
    if recipe not in RECIPES:
        raise ValueError(f"Unknown composite {recipe!r}: choose one of {', '.join(RECIPES)}.")
    if axis not in (0, 1):
        raise ValueError(f"Time must be axis 0 or 1 of a series, got {axis}.")
    if axis == 0:
        medians, counts = composite(series[None], observed[None], periods, num_periods=num_periods, recipe=recipe)
        return medians[0], counts[0]
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
    elif observed.ndim == series.ndim - 1:
        clear, shown = observed, np.expand_dims(observed, 2)
    else:
        clear, shown = observed, observed.reshape(observed.shape + (1,) * (series.ndim - observed.ndim))
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
