"""Choose the twelve months that the series of a dataset are of."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from transformers.utils import logging

from ...models.timesenclip.compositing_timesenclip import (
    ALL_SEASONS,
    asked_window,
    check_window,
    choose_window,
    describe_window,
    year_of,
)
from ...models.timesenclip.feature_extraction_timesenclip import TimeSenCLIPFeatureExtractor
from ...models.timesenclip.options_timesenclip import SeriesOptions

logger = logging.get_logger(__name__)


def windows_of(
    reader: TimeSenCLIPFeatureExtractor, items: Any, dates: Sequence[np.ndarray], reading: SeriesOptions
) -> list[np.datetime64]:
    """Return the first of the twelve months that each series is read of, those with the most observed ones in the set.

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
    if start is None and None in asked:
        if len(years) == 1:
            start = np.datetime64(f"{years[0]:04d}-01", "M")
        else:
            start = choose_window(together, _observed(reader, items, dates, reading)[None])[0]
            logger.warning(
                f"The dates span {years[0]} to {years[-1]}; {describe_window(start)}, with the most observed months, "
                'is read: pass `year=2018` or `season="2018-07"` to choose.'
            )
    return [start if window is None else window for window in asked]


def _asked_of(item: Any) -> np.datetime64 | None:
    """Return the first month of the year or season that a series names."""
    if not isinstance(item, Mapping):
        return None
    return asked_window(SeriesOptions(year=item.get("year"), season=item.get("season")))


def _observed(
    reader: TimeSenCLIPFeatureExtractor, items: Any, dates: Sequence[np.ndarray], reading: SeriesOptions
) -> np.ndarray:
    """Tell which acquisitions of all series, one after the other, are clear."""
    every = replace(reading, year=None, season=ALL_SEASONS)
    if not isinstance(items, np.ndarray):
        chosen = {"year": None, "season": None}
        items = [{**item, **chosen} if isinstance(item, Mapping) else item for item in items]
    masks = reader(items, every, composite="none", allow_empty=True, judge=False)["series_mask"]
    return np.concatenate([mask[: len(days)] for mask, days in zip(masks, dates, strict=True)])
