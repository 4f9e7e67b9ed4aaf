"""Choose the twelve months that the series of a set are read of, one window for all of them where that suits all."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from transformers.utils import logging

from .timesenclip.compositing_timesenclip import (
    ALL_SEASONS,
    MONTHS_PER_YEAR,
    asked_window,
    check_window,
    choose_window,
    describe_window,
    month_of,
    year_of,
)
from .timesenclip.dates_timesenclip import parse_dates
from .timesenclip.feature_extraction_timesenclip import TimeSenCLIPFeatureExtractor
from .timesenclip.options_timesenclip import SeriesOptions

logger = logging.get_logger(__name__)

# A window suits a series that has at least this share of the months in it that it has in its best window.
SUITS = 0.5


def windows_of(
    reader: TimeSenCLIPFeatureExtractor, items: Any, dates: Sequence[np.ndarray], reading: SeriesOptions
) -> list[np.datetime64]:
    """Return the first of the twelve months that each series is read of.

    Where dates span several years and none is asked for, all series share the window with the most observed months,
    so that they can be compared; where it does not suit each of them, as with plots of different years, each has the
    window with the most of its own.

    Args:
        reader: tells which acquisitions are clear, where that decides.
        items: an array of series, or a list of arrays or of dictionaries, which may name a year or season each.
        dates: of each series.
        reading: how the series are read; a year or season is taken, if a date lies in it.

    Raises:
        ValueError: no date lies in the year or season, or all seasons are asked for.
    """
    if reading.season == ALL_SEASONS:
        raise ValueError('The rows of a dataset are of twelve months: give `season="2018-07"`, or leave it out.')
    together = np.concatenate([np.ravel(days) for days in dates])
    start = asked_window(reading)
    if start is not None:
        check_window(together, start)
    asked = [_asked_of(item) or start for item in items]
    years = np.unique(year_of(together))
    if None not in asked:
        return [window for window in asked if window is not None]
    if len(years) == 1:
        chosen: list[Any] = [np.datetime64(f"{years[0]:04d}-01", "M")] * len(asked)
    else:
        chosen = _choose(dates, _observed(reader, items, dates, reading))
        distinct = sorted(set(chosen))
        used = f"{describe_window(distinct[0])} is used for all series"
        if len(distinct) > 1:
            used = f"each series is read of the twelve months with the most of its own, {len(distinct)} windows in all"
        logger.warning(
            f"The dates span {years[0]} to {years[-1]}; {used}, with the most observed months: pass `year=2018` or "
            '`season="2018-07"` to choose.'
        )
    return [best if window is None else window for best, window in zip(chosen, asked, strict=True)]


def share_window(
    reader: TimeSenCLIPFeatureExtractor, items: Sequence[Any], reading: SeriesOptions
) -> tuple[Sequence[Any], SeriesOptions]:
    """Settle the windows of a list of series, so that any part of it is read alike.

    Args:
        reader: tells which acquisitions are clear.
        items: arrays, or dictionaries with their dates.
        reading: how they are read.

    Returns:
        The series and the options, of which one names the window; both as they are where dates are of one year, or
        where series have none.
    """
    shared: Any = reading.dates
    dates = [item.get("dates", shared) if isinstance(item, Mapping) else shared for item in items]
    if asked_window(reading) is not None or reading.season == ALL_SEASONS or any(days is None for days in dates):
        return items, reading
    if not dates or np.ndim(shared) > 1:
        return items, reading
    parsed = [parse_dates(days) for days in dates]
    if len(np.unique(year_of(np.concatenate(parsed)))) == 1:
        return items, reading
    windows = windows_of(reader, items, parsed, reading)
    if len(set(windows)) == 1:
        return items, replace(reading, season=str(windows[0]))
    named = [item if isinstance(item, Mapping) else {"series": item} for item in items]
    pairs = zip(named, windows, strict=True)
    return [{**item, "year": None, "season": str(window)} for item, window in pairs], reading


def _choose(dates: Sequence[np.ndarray], observed: Sequence[np.ndarray]) -> list[np.datetime64]:
    """Choose a window for all series, or each its own, by the months of their clear acquisitions."""
    months = [days[clear].astype("datetime64[M]") for days, clear in zip(dates, observed, strict=True)]
    every = np.concatenate(months)
    if not len(every):
        return [choose_window(np.concatenate(dates), np.concatenate(observed)[None])[0]] * len(dates)
    lowest, reach = every.min(), MONTHS_PER_YEAR - 1
    span = np.arange(lowest - reach, every.max() + 1)
    seen = np.zeros((len(months), len(span) + MONTHS_PER_YEAR), dtype=np.int32)
    rows = np.repeat(np.arange(len(months)), [len(part) for part in months])
    seen[rows, (every - lowest).astype(np.int64) + MONTHS_PER_YEAR] = 1
    until = seen.cumsum(axis=1)
    counts = until[:, MONTHS_PER_YEAR:] - until[:, :-MONTHS_PER_YEAR]  # (series, window)
    january = month_of(span) == 0
    common = len(span) - 1 - int((2 * counts.sum(axis=0) + january)[::-1].argmax())
    if (counts[:, common] >= SUITS * counts.max(axis=1)).all():
        return [span[common]] * len(months)
    best = len(span) - 1 - (2 * counts + january)[:, ::-1].argmax(axis=1)
    return list(span[best])


def _asked_of(item: Any) -> np.datetime64 | None:
    """Return the first month of the year or season that a series names."""
    if not isinstance(item, Mapping):
        return None
    return asked_window(SeriesOptions(year=item.get("year"), season=item.get("season")))


def _observed(
    reader: TimeSenCLIPFeatureExtractor, items: Any, dates: Sequence[np.ndarray], reading: SeriesOptions
) -> list[np.ndarray]:
    """Tell which acquisitions of each series are clear."""
    every = replace(reading, year=None, season=ALL_SEASONS, minimum_months=1)
    if not isinstance(items, np.ndarray):
        chosen = {"year": None, "season": None}
        items = [{**item, **chosen} if isinstance(item, Mapping) else item for item in items]
    masks = reader(items, every, composite="none", allow_empty=True)["series_mask"]
    return [mask[: len(days)] for mask, days in zip(masks, dates, strict=True)]
