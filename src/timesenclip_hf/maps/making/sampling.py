"""What holds for a whole cube, from a sample of it: the unit and the year, which no block may decide for itself."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from transformers.utils import logging

from ...extras import needs_extra
from ...models.timesenclip.compositing_timesenclip import choose_year, place_in_year, year_of
from ...models.timesenclip.feature_extraction_timesenclip import TimeSenCLIPFeatureExtractor
from ..cubes.reading import look_offsets
from .blocks import GridWindow, cut

with needs_extra("map"):
    import xarray as xr

logger = logging.get_logger(__name__)

# Squares of the sample along each axis, at the same places of the cube whatever its chunks; where the first ones show
# nothing, the next.
SQUARES = (4, 8)
SQUARE = 16


def settle(
    cube: xr.Dataset,
    extractor: TimeSenCLIPFeatureExtractor,
    *,
    year: int | None = None,
    offset: float | None = None,
    processing_baseline: str | float | None = None,
) -> dict[str, Any]:
    """Options of the feature extractor that make any block of the cube be read as the whole.

    Raises:
        ValueError: the cube cannot be reflectance, lacks bands, or has no look of the year.
        OSError: nothing of the sample can be read.
    """
    options: dict[str, Any] = {
        "bands": cube["band"].values.tolist(),
        "nodata": cube.attrs.get("nodata"),
        "processing_baseline": processing_baseline,
        "offset": offset,
    }
    if offset is None and processing_baseline is None:
        options["offset"] = look_offsets(cube)
    times = cube["time"].values
    dated = times.dtype.kind == "M"
    if year is not None and not dated:
        raise ValueError("`year` chooses among dates, but the looks have months only: leave it out.")
    months = place_in_year(times.astype("datetime64[D]")) if dated else times
    for squares in SQUARES:
        series, scl = _sample(cube, squares)
        # Every look by itself: refusals, warnings and what is clear come before any choice of a year.
        looks = extractor(series, scl=scl, months=months, composite="none", allow_empty=True, **options)["series_mask"]
        if looks.any():
            break
    units = extractor.judge_units(series, scl=scl, **{name: options[name] for name in ("bands", "nodata")})
    integers = series.dtype.kind in "iu"
    options["units"] = units or ("dn" if integers else "auto")
    options["judge"] = options["units"] == "auto"
    if not dated:
        return {**options, "months": times}
    years = np.unique(year_of(times))
    if year is None and len(years) > 1:
        year = int(choose_year(times, looks)[0])
        logger.warning(
            f"The dates span {years[0]} to {years[-1]}; {year}, with the most observed months, is mapped: pass `year` "
            "to choose."
        )
    if year is not None and year not in years:
        raise ValueError(f"No look is of {year}: the dates are of {', '.join(map(str, years))}.")
    return {**options, "dates": times, "year": year}


def _sample(cube: xr.Dataset, squares: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Series (pixel, time, band) and their scene classes (pixel, time)."""
    places = [_spread(cube.sizes[axis], squares) for axis in ("y", "x")]
    parts: list[tuple[np.ndarray, np.ndarray | None]] = []
    problem: Exception | None = None
    for rows, columns in product(*places):
        square = cut(cube, GridWindow(rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start))
        try:
            parts.append(_as_series(square.load()))
        except Exception as error:  # readers of many formats; the run names what it cannot read
            problem = error
    if not parts:
        raise OSError(f"Nothing of the cube can be read: {problem}") from problem
    scl = [classes for _, classes in parts if classes is not None]
    return np.concatenate([series for series, _ in parts]), np.concatenate(scl) if scl else None


def _spread(length: int, squares: int) -> Sequence[slice]:
    """Squares' places along an axis; side by side where it is short."""
    if length <= squares * SQUARE:
        return [slice(start, min(start + SQUARE, length)) for start in range(0, length, SQUARE)]
    starts = ((np.arange(squares) + 0.5) * length / squares - SQUARE / 2).astype(int).tolist()
    return [slice(start, start + SQUARE) for start in starts]


def _as_series(square: xr.Dataset) -> tuple[np.ndarray, np.ndarray | None]:
    values = square["reflectance"].values
    series = values.reshape(*values.shape[:2], -1).transpose(2, 0, 1)
    scl = square["scl"].values.reshape(len(values), -1).T if "scl" in square else None
    return series, scl
