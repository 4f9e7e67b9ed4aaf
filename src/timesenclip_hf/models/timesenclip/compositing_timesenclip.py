"""Dates become months here, and nowhere else: parsing, choosing a year, masked medians.

The default composite masks before the median and leaves an empty period missing. Upstream's own recipe, which
puts zeros for masked looks and fills empty months, is kept as a named option, for parity only.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

MONTHS_PER_YEAR = 12
RECIPES = ("median", "timesenclip")
# Sorting is faster beyond so many looks, or for so few medians: `training/benchmarks/test_compositing.py` prints both.
LARGEST_NETWORK = 128
SMALLEST_ROW = 1024
# Values of each look worked on at a time, so that a month of looks stays in the second-level cache.
TILE = 1 << 16


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
    if values.dtype.kind in "iub":
        values = values.astype(np.result_type(values, np.float32))
    rows = np.moveaxis(values, axis, 0)
    shape, rows = rows.shape[1:], rows.reshape(len(rows), -1)
    if len(rows) > LARGEST_NETWORK or rows.shape[1] < SMALLEST_ROW:
        return _median_by_sorting(rows).reshape(shape)
    medians = np.empty(rows.shape[1], dtype=values.dtype)
    for start in range(0, rows.shape[1], TILE):
        tile = slice(start, start + TILE)
        medians[tile] = _median_by_network(np.array(rows[:, tile], order="C"))
    return medians.reshape(shape)


def _median_by_sorting(rows: np.ndarray) -> np.ndarray:
    ordered = np.sort(np.ascontiguousarray(rows.T), axis=1)  # NaN sorts last
    count = np.count_nonzero(~np.isnan(ordered), axis=1, keepdims=True)
    lower = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0), axis=1)
    upper = np.take_along_axis(ordered, count // 2, axis=1)
    return np.asarray((lower + upper) / 2)[:, 0]


def _median_by_network(rows: np.ndarray) -> np.ndarray:
    """Median over the first axis of an array that may be overwritten, by whole-row minima and maxima.

    The missing values of a column become -inf and +inf in turn, so that whatever their number, the median lies at
    the same one or two ranks: at both with an even number of values, at one with an odd number.
    """
    count = len(rows)
    if count == 1:
        return np.asarray(rows[0])
    odd_gaps = _fill_in_turn(rows)
    places, spare = list(rows), np.empty_like(rows[0])
    for first, second, keep_lower, keep_upper in _median_network(count):
        lower, upper = places[first], places[second]
        if keep_lower and keep_upper:
            np.minimum(lower, upper, out=spare)
            np.maximum(lower, upper, out=upper)
            places[first], spare = spare, lower
        elif keep_lower:
            np.minimum(lower, upper, out=lower)
        else:
            np.maximum(lower, upper, out=upper)
    lower, upper = places[(count - 1) // 2], places[(count - 1) // 2 + 1]
    if count % 2:
        upper = np.where(odd_gaps, upper, lower)
    else:
        lower = np.where(odd_gaps, upper, lower)
    with np.errstate(invalid="ignore"):  # a column without values is (inf - inf) / 2, which is NaN as it must be
        return np.asarray((lower + upper) / 2)


def _fill_in_turn(rows: np.ndarray) -> np.ndarray:
    """Puts -inf and +inf in turn for the NaN of each column; True where a column has an odd number of them.

    Bitwise, because `numpy.where` with a mask of clouds takes ten times as long.
    """
    words = rows.view(f"i{rows.itemsize}")
    lowest, sign = np.array([-np.inf, -0.0], dtype=rows.dtype).view(words.dtype)
    fill = np.full(rows.shape[1], lowest)
    missing, change = np.empty_like(fill), np.empty_like(fill)
    for row, word in zip(rows, words, strict=True):
        np.negative(np.isnan(row), out=missing, dtype=missing.dtype, casting="unsafe")  # every bit, or none
        np.bitwise_xor(word, fill, out=change)
        word ^= np.bitwise_and(change, missing, out=change)
        fill ^= np.bitwise_and(missing, sign, out=missing)
    return np.asarray(fill != lowest)


@lru_cache(maxsize=LARGEST_NETWORK)
def _median_network(count: int) -> tuple[tuple[int, int, bool, bool], ...]:
    """Comparisons that bring the ranks (count - 1) // 2 and the next to their places.

    Batcher's merge exchange (Knuth, The Art of Computer Programming 3, algorithm 5.2.2 M) without the comparisons
    that no wanted rank depends on. Each entry has the two places and whether the lower and the upper are used later.
    """
    top = 1 << (count - 1).bit_length() - 1
    pairs = []
    step = top
    while step:
        reach, rest, distance = top, 0, step
        while True:
            pairs += [(place, place + distance) for place in range(count - distance) if place & step == rest]
            if reach == step:
                break
            reach, rest, distance = reach // 2, step, reach - step
        step //= 2
    wanted = {(count - 1) // 2, (count - 1) // 2 + 1}
    network = []
    for first, second in reversed(pairs):
        if first in wanted or second in wanted:
            network.append((first, second, first in wanted, second in wanted))
            wanted |= {first, second}
    return tuple(reversed(network))


def composite(
    series: np.ndarray,
    observed: np.ndarray,
    periods: np.ndarray,
    *,
    num_periods: int = MONTHS_PER_YEAR,
    recipe: str = "median",
    axis: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Medians of the looks of each period.

    Args:
        series: (series, time, band[, height, width]), NaN where a value is missing; integers count as numbers, none
            as missing.
        observed: bool (series, time), (series, time, height, width) or the shape of `series`, True where a look
            counts.
        periods: int (time,) or (series, time), the period of each look, such as `month_of(dates)` for months,
            `month_of(dates) // 3` for quarters or zeros for the year; looks outside 0..num_periods-1 are left out.
        num_periods: 12 for months, 4 for quarters, 1 for the year.
        recipe: "median" masks first and leaves empty periods NaN; "timesenclip" is upstream's, which expects
            digital numbers: zeros for masked looks count in the median, an empty period takes the median of all
            looks, and 1 is added to everything.
        axis: where time is: 1, or 0 for one series or cube without the leading axis, (time, band[, height, width]),
            in which case nothing here has that axis.

    Returns:
        The composite (series, num_periods, band[, height, width]) and the number of clear looks (series, num_periods),
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
    looks, clear = _masked(series, observed, recipe)
    medians = np.full((len(series), num_periods, *series.shape[2:]), np.nan, dtype=series.dtype)
    counts = np.zeros((len(series), num_periods, *clear.shape[2:]), dtype=np.int64)
    for period in range(num_periods):
        inside = periods == period
        if not inside.any():
            continue
        medians[:, period] = masked_median(_gather(looks, inside, np.nan), axis=1)
        counts[:, period] = _gather(clear, inside, False).sum(axis=1)
    if recipe == "timesenclip":
        every = masked_median(looks, axis=1)[:, None]
        medians = np.where(np.isnan(medians), every, medians) + 1
    return medians, counts


def _masked(series: np.ndarray, observed: np.ndarray, recipe: str) -> tuple[np.ndarray, np.ndarray]:
    """The looks with what does not count taken out, and `observed` without a band axis."""
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


def _gather(looks: np.ndarray, inside: np.ndarray, filler: float | bool) -> np.ndarray:
    """The looks inside a period, filled up where series of dates of their own have fewer than others."""
    if inside.ndim == 1:
        return looks[:, inside]
    counts = inside.sum(axis=1)
    series, look = np.nonzero(inside)
    place = np.arange(len(series)) - np.repeat(np.cumsum(counts) - counts, counts)
    gathered = np.full((len(looks), counts.max(), *looks.shape[2:]), filler, dtype=looks.dtype)
    gathered[series, place] = looks[series, look]
    return gathered
