"""Dates become months here, and nowhere else: parsing, choosing a year, masked medians.

The default composite masks before the median and leaves an empty period missing. Upstream's own recipe, which
puts zeros for masked looks and fills empty months, is kept as a named option, for parity only.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

MONTHS_PER_YEAR = 12
RECIPES = ("median", "timesenclip")


def parse_dates(dates: Sequence[Any] | np.ndarray) -> np.ndarray:
    """Reads dates as `datetime64[D]`, keeping the shape.

    Args:
        dates: ISO strings ("2018-05-04", with or without a time), compact strings ("20180504"), `datetime`,
            `date` or `datetime64`.

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
        raise ValueError("A date is empty: give one date for each look.")
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
    """Calendar month, 0 = January, of `datetime64` dates."""
    return dates.astype("datetime64[M]").astype(np.int64) % MONTHS_PER_YEAR


def year_of(dates: np.ndarray) -> np.ndarray:
    """Calendar year of `datetime64` dates."""
    return dates.astype("datetime64[Y]").astype(np.int64) + 1970


def place_in_year(dates: np.ndarray) -> np.ndarray:
    """Fractional months in [0, 12) where a whole number is the middle of its calendar month.

    A learned month position stands for a composite of the whole month, so a look in the middle of January
    belongs at 0.0, one on 1 February half-way to 1.0.
    """
    month_start = dates.astype("datetime64[M]")
    day = (dates - month_start.astype("datetime64[D]")).astype(np.float64)
    length = ((month_start + 1).astype("datetime64[D]") - month_start.astype("datetime64[D]")).astype(np.float64)
    return np.asarray((month_of(dates) + (day + 0.5) / length - 0.5) % MONTHS_PER_YEAR, dtype=np.float32)


def choose_year(dates: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """The year with the most distinct observed months, the later on a tie.

    Args:
        dates: (time,), shared by all series, which then share one year; or (series, time).
        observed: (series, time), True where a look is clear.

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


def masked_median(values: np.ndarray, axis: int) -> np.ndarray:
    """Median of what is not NaN along an axis, NaN where nothing is: `numpy.nanmedian`, without its slow path."""
    ordered = np.sort(values, axis=axis)  # NaN sorts last
    count = np.count_nonzero(~np.isnan(values), axis=axis, keepdims=True)
    lower = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0), axis=axis)
    upper = np.take_along_axis(ordered, count // 2, axis=axis)
    return np.asarray(np.squeeze((lower + upper) / 2, axis=axis))


def composite(
    series: np.ndarray,
    observed: np.ndarray,
    periods: np.ndarray,
    *,
    num_periods: int = MONTHS_PER_YEAR,
    recipe: str = "median",
) -> tuple[np.ndarray, np.ndarray]:
    """Medians of the looks of each period.

    Args:
        series: float (series, time, ...), NaN where a value is missing.
        observed: bool (series, time) or any shape that `series` starts with, True where a look counts.
        periods: int (time,) or (series, time), the period of each look; looks outside 0..num_periods-1 are
            left out.
        num_periods: 12 for months, 4 for quarters, 1 for the year.
        recipe: "median" masks first and leaves empty periods NaN; "timesenclip" is upstream's, which expects
            digital numbers: zeros for masked looks count in the median, an empty period takes the median of all
            looks, and 1 is added to everything.

    Returns:
        The composite (series, num_periods, ...) and the number of clear looks (series, num_periods).

    Raises:
        ValueError: unknown recipe.
    """
    if recipe not in RECIPES:
        raise ValueError(f"Unknown composite {recipe!r}: choose one of {', '.join(RECIPES)}.")
    clear = observed.reshape(observed.shape + (1,) * (series.ndim - observed.ndim))
    # Upstream zeroes what it masks and takes the median over the zeros too.
    looks = np.where(clear, series, np.nan if recipe == "median" else 0)
    medians = np.full((len(series), num_periods, *series.shape[2:]), np.nan, dtype=series.dtype)
    counts = np.zeros((len(series), num_periods), dtype=np.int64)
    per_look = np.asarray(observed.reshape(*observed.shape[:2], -1).any(axis=2))
    for period in range(num_periods):
        inside = periods == period
        if not inside.any():
            continue
        if periods.ndim == 1:
            chosen, counted = looks[:, inside], per_look[:, inside]
        else:
            chosen = np.where(inside.reshape(inside.shape + (1,) * (series.ndim - 2)), looks, np.nan)
            counted = per_look & inside
        medians[:, period] = masked_median(chosen, axis=1)
        counts[:, period] = counted.sum(axis=1)
    if recipe == "timesenclip":
        every = masked_median(looks, axis=1)[:, None]
        medians = np.where(np.isnan(medians), every, medians) + 1
    return medians, counts
