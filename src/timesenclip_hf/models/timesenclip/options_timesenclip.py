"""Say how to read a series: one set of options for the feature extractor and everything that calls it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from .steps_timesenclip import Steps


@dataclass(frozen=True)
class SeriesOptions:
    """Say what the numbers of one or many series mean.

    Attributes:
        bands: names of the bands given, in any order and spelling; the checkpoint's own when left out. B01, B09 and B10
            may be among them and are left aside.
        dates: of each acquisition, (time,) or (series, time). Acquisitions become monthly medians of twelve months,
            each in its calendar place.
        months: places in the year instead of dates, (time,) or (series, time), 0 = January, below 12; time steps are
            kept as they are.
        start: date of the first time step, "2018-01-01", in place of dates: steps follow one another by `step`.
        step: "month", "half-month", "dekad", "week", or days such as "16days".
        scl: scene classification (time,) or (series, time), or one value a pixel of the patch.
        nodata: value that means "missing". Always missing: NaN, 65535, -9999, -10000, -32768, and an acquisition that
            is 0 in every band.
        units: "dn" (reflectance times 10,000, plus the offset), "reflectance" (0 to 1), "percent" (0 to 100), or
            "auto", which tells the first two apart and refuses the rest.
        processing_baseline: of the product, such as "04.00" or "N0400"; from 04.00 on 1000 is subtracted. One for all
            acquisitions, or one for each, (time,) or (series, time).
        offset: subtracted from digital numbers; 1000 or 0 instead of a baseline, one for all acquisitions or one for
            each, NaN where nobody knows. An acquisition of infinite offset is left out.
        year: calendar year to composite. Without it and `season`, the twelve months with the most observed ones; on a
            tie a calendar year, then the later.
        season: "2019-07", the month in which twelve months begin, in place of a year; "all" takes every date.
        minimum_months: a series with fewer clear calendar months than these counts as not observed.
        missing_bands: "fill" takes B8A from B08, or B08 from B8A, where one is missing; "estimate" also takes B05, B06
            and B07 from a regression on the other bands; "mask" gives the checkpoint 0 in place of any band, if it was
            trained with bands dropped; "error" refuses. The checkpoint's way when left out.
        screen: "clouds" leaves out acquisitions that are bright and flat, unlike the rest of their series, where no
            scene classes are given; "none" takes all. The checkpoint's way when left out.
    """

    bands: Sequence[str] | None = None
    dates: Sequence[Any] | np.ndarray | None = None
    months: Sequence[float] | np.ndarray | None = None
    start: str | None = None
    step: str | None = None
    scl: Any | None = None
    nodata: float | None = None
    units: str = "auto"
    processing_baseline: str | float | Sequence[str | float] | None = None
    offset: float | Sequence[float] | np.ndarray | None = None
    year: int | None = None
    season: str | None = None
    minimum_months: int = 1
    missing_bands: str | None = None
    screen: str | None = None


SERIES_OPTIONS = tuple(field.name for field in fields(SeriesOptions))
# What a dictionary may hold that describes a series.
SERIES_KEYS = ("series", *SERIES_OPTIONS)


def complete_options(options: SeriesOptions | None, settings: Mapping[str, Any]) -> SeriesOptions:
    """Return options, the defaults for `None`, with the fields of `settings` set anew; arrays are not copied.

    Raises:
        TypeError: there is no such field.
    """
    unknown = sorted(set(settings) - set(SERIES_OPTIONS))
    if unknown:
        raise TypeError(f"Unknown option {unknown[0]!r} of a series: use {', '.join(SERIES_OPTIONS)}.")
    return replace(options or SeriesOptions(), **settings)


def take_steps(options: SeriesOptions) -> tuple[Steps, SeriesOptions]:
    """Return when numbered steps were, and the options without it, for series that get their dates from it."""
    return Steps(options.start, options.step), replace(options, start=None, step=None)
