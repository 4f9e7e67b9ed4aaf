"""Settle what holds for a whole cube from a sample of it: unit, offsets and year, which no block may decide."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from transformers.utils import logging

from ...extras import needs_extra
from ...models.timesenclip.compositing_timesenclip import (
    ALL_SEASONS,
    asked_window,
    check_window,
    choose_window,
    count_months,
    describe_window,
    in_window,
    month_of,
    place_in_year,
    year_of,
)
from ...models.timesenclip.feature_extraction_timesenclip import TimeSenCLIPFeatureExtractor, warn_of_few_months
from ...models.timesenclip.options_timesenclip import SeriesOptions
from ..cubes.reading import acquisition_offsets
from .options import DEFAULT_READING

with needs_extra("map"):
    import xarray as xr

logger = logging.get_logger(__name__)

# Squares of the sample along each axis, at the same spots of the cube whatever its chunks; where the first ones show
# nothing, the next.
SQUARES = (4, 8)
SQUARE = 16


def settle(
    cube: xr.Dataset, extractor: TimeSenCLIPFeatureExtractor, reading: SeriesOptions = DEFAULT_READING
) -> SeriesOptions:
    """Decide how the series of any block are read, so that each is read as the cube: bands, times, year, unit, ...

    Of `reading` are year or season, the unit, the minimum of months, the way of missing bands, and an offset or
    processing baseline instead of the cube's own. The unit is "auto" where the sample shows nothing, which leaves
    fractions to each block.

    Raises:
        ValueError: the cube cannot be reflectance, lacks bands, or has no acquisition of the year.
        OSError: nothing of the sample can be read.
    """
    times = cube["time"].values
    dated = times.dtype.kind == "M"
    if chosen := next((name for name in ("year", "season") if getattr(reading, name) is not None), None):
        if not dated:
            raise ValueError(f"`{chosen}` chooses among dates, but the acquisitions have months only: leave it out.")
        if (start := asked_window(reading)) is not None:
            check_window(times, start)
    corrected = reading.offset is not None or reading.processing_baseline is not None
    settled = replace(
        reading,
        start=None,  # what dated the cube
        step=None,
        bands=cube["band"].values.tolist(),
        dates=times if dated else None,
        months=None if dated else times,
        nodata=cube.attrs.get("nodata"),
        offset=reading.offset if corrected else acquisition_offsets(cube),
    )
    for squares in SQUARES:
        series, scl = sample_pixels(cube, squares)
        judged, notes = extractor.settle(series, settled, scl=scl)
        # Every acquisition by itself: what is clear comes before any choice of a year.
        each = replace(judged, year=None, season=ALL_SEASONS if dated else None)
        observed = extractor(series, each, composite="none", allow_empty=True, judge=False)["series_mask"]
        if observed.any():
            break
    for note in notes:
        logger.warning_once(note)
    if judged.units == "auto" and series.dtype.kind in "iu":
        judged = replace(judged, units="dn")
    settled = replace(judged, scl=None)
    if dated:
        settled = _with_window(settled, times, observed)
        if (start := asked_window(settled)) is not None:
            observed = observed & in_window(times, start)
    places = place_in_year(times.astype("datetime64[D]")) if dated else times
    warn_of_few_months(count_months(np.broadcast_to(places, observed.shape), observed))
    return settled


def check_reading(reading: SeriesOptions) -> None:
    """Raise a ValueError where bands, times, scene classes or no data are named: a cube says them itself."""
    for name in ("bands", "dates", "months", "scl", "nodata"):
        if getattr(reading, name) is not None:
            raise ValueError(f"`{name}` is what an open cube says by itself: leave it out.")


def _with_window(settled: SeriesOptions, times: np.ndarray, observed: np.ndarray) -> SeriesOptions:
    """Choose the twelve months that are mapped, where the dates are of several years and nobody chose."""
    years = np.unique(year_of(times))
    if len(years) == 1 or settled.season == ALL_SEASONS or asked_window(settled) is not None:
        return settled
    start = choose_window(times, observed)[0]
    logger.warning(
        f"The dates span {years[0]} to {years[-1]}; {describe_window(start)}, with the most observed months, is "
        "mapped: pass `year` or `season` to choose."
    )
    if month_of(start) == 0:
        return replace(settled, year=int(year_of(start)))
    return replace(settled, season=str(start))


def sample_pixels(cube: xr.Dataset, squares: int = SQUARES[0]) -> tuple[np.ndarray, np.ndarray | None]:
    """Read series (pixel, time, band) and their scene classes (pixel, time), of so many squares along each axis.

    Raises:
        OSError: nothing of the sample can be read.
    """
    parts: list[tuple[np.ndarray, np.ndarray | None]] = []
    problem: Exception | None = None
    for rows, columns in product(_spread(cube.sizes["y"], squares), _spread(cube.sizes["x"], squares)):
        try:
            square = cube.isel(y=rows, x=columns).load()
        except Exception as error:  # readers of many formats; the run names what it cannot read
            problem = error
            continue
        values = square["reflectance"].values
        scl = square["scl"].values.reshape(len(values), -1).T if "scl" in square else None
        parts.append((values.reshape(*values.shape[:2], -1).transpose(2, 0, 1), scl))
    if not parts:
        raise OSError(f"Nothing of the cube can be read: {problem}") from problem
    series, classes = zip(*parts, strict=True)
    return np.concatenate(series), None if classes[0] is None else np.concatenate(classes)


def _spread(length: int, squares: int) -> Sequence[slice]:
    """Spread squares along an axis, side by side where it is short."""
    if length <= squares * SQUARE:
        return [slice(start, min(start + SQUARE, length)) for start in range(0, length, SQUARE)]
    starts = ((np.arange(squares) + 0.5) * length / squares - SQUARE / 2).astype(int).tolist()
    return [slice(start, start + SQUARE) for start in starts]
