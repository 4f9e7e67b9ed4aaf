"""Give every acquisition its time of the year, and make monthly composites of dated ones."""

from typing import Any

import numpy as np
from transformers.utils import logging

from .compositing_timesenclip import (
    MONTHS_PER_YEAR,
    choose_year,
    composite,
    month_of,
    parse_dates,
    place_in_year,
    year_of,
)
from .options_timesenclip import SeriesOptions

logger = logging.get_logger(__name__)


def place_in_months(
    dn: np.ndarray, observed: np.ndarray, options: SeriesOptions, recipe: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make the time steps that the pixel tower reads.

    Args:
        dn: digital numbers (series, time, band[, height, width]), NaN where missing.
        observed: bool (series, time[, height, width]).
        options: with dates, or months, or neither for twelve time steps from January to December; and the year.
        recipe: how acquisitions with dates become months, or "none" to keep them as they are.

    Returns:
        Digital numbers and what is observed of them, both with the new time steps, and the months (series, time)
        float32, 0 = January.

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
        raise ValueError(
            f"There are {dates.shape[-1] if dates.ndim else 1} dates for {shape[1]} acquisitions: give one date for "
            "each."
        )
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
    """Return the year to composite, (1,) or (series, 1)."""
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
    """Return months as an array (series, time), or January to December where none are given."""
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
