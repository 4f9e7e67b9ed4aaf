"""Say in sentences what was understood of a cube: bands, grid, dates, offsets and no data."""

from collections.abc import Sequence

import numpy as np

from ...extras import needs_extra
from ...models.timesenclip.bands_timesenclip import BANDS
from .grids import grid_of

with needs_extra("map"):
    import xarray as xr

# Dates, and names of files, that a sentence lists before it counts them.
FEW = 3


def with_notes(cube: xr.Dataset, notes: Sequence[str], reasons: Sequence[str] | None = None) -> xr.Dataset:
    """Return a cube whose attribute `notes` says what it holds, and then what its readers noted.

    Args:
        cube: from `assemble_cube`, or cut out of one.
        notes: of the readers.
        reasons: what tells the offset of each acquisition; those that the cube has when left out.
    """
    if reasons is not None and "offset" in cube.coords:
        cube = cube.assign_coords(offset_reason=("time", np.asarray(reasons, dtype=str)))
    return cube.assign_attrs(notes=[*describe(cube), *dict.fromkeys(notes)])


def notes_of_readers(cube: xr.Dataset) -> list[str]:
    """Return the notes of a cube that no cut of it changes."""
    return [note for note in cube.attrs.get("notes", []) if note not in describe(cube)]


def describe(cube: xr.Dataset) -> list[str]:
    """List what a cube holds, a sentence each."""
    return [_bands(cube), _grid(cube), _times(cube), *_offsets(cube), _nodata(cube)]


def _bands(cube: xr.Dataset) -> str:
    held = cube["band"].values.tolist()
    lacking = ", ".join(band for band in BANDS if band not in held)
    classes = "with scene classes" if "scl" in cube else "without scene classes, so that clouds are not masked"
    return f"Bands: {', '.join(held)}{f' (not {lacking})' if lacking else ''}, {classes}."


def _grid(cube: xr.Dataset) -> str:
    grid, crs = grid_of(cube), cube.rio.crs
    height, width = cube.sizes["y"], cube.sizes["x"]
    known = grid.steps is not None or max(height, width) > 1
    size = f"{abs(grid.across):.10g} x {abs(grid.down):.10g}" if known else "unknown size"
    rising = ", its rows from south to north" if known and grid.down > 0 else ""
    return f"Grid: {height} rows and {width} columns of {size} in {crs.to_string()[:60]}{rising}."


def _times(cube: xr.Dataset) -> str:
    times = cube["time"].values
    if times.dtype.kind != "M":
        return f"Times: {len(times)} steps, read as months {', '.join(f'{month + 1:g}' for month in times.tolist())}."
    days = times.astype("datetime64[D]")
    if len(days) == 1:
        return f"Times: 1 acquisition, of {days[0]}."
    return f"Times: {len(days)} acquisitions from {days.min()} to {days.max()}."


def _offsets(cube: xr.Dataset) -> list[str]:
    """Say which offset each acquisition has, and what tells it."""
    if "offset" not in cube.coords:
        return ["Offset: nothing tells one; the values are judged."]
    offsets = cube["offset"].values
    reasons = cube["offset_reason"].values if "offset_reason" in cube.coords else np.full(len(offsets), "")
    groups: dict[tuple[str, str], list[int]] = {}
    for index, (offset, reason) in enumerate(zip(offsets.tolist(), reasons.tolist(), strict=True)):
        groups.setdefault((f"{offset:g}", reason), []).append(index)
    sentences = []
    for (offset, reason), indices in groups.items():
        when = "on every date" if len(indices) == len(offsets) else f"on {_dates(cube['time'].values[indices])}"
        amount = "nothing tells it" if offset == "nan" else f"{offset} is subtracted"
        sentences.append(f"Offset: {amount} {when}{f' ({reason})' if reason else ''}.")
    return sentences


def _dates(times: np.ndarray) -> str:
    return name_few([str(day) for day in (times.astype("datetime64[D]") if times.dtype.kind == "M" else times + 1)])


def name_few(names: Sequence[str]) -> str:
    """List the first names and count the others."""
    rest = len(names) - FEW
    return ", ".join(names[:FEW]) + (f" and {rest} more" if rest > 0 else "")


def _nodata(cube: xr.Dataset) -> str:
    kind = cube["reflectance"].dtype
    told = f"{cube.attrs['nodata']:g}" if "nodata" in cube.attrs else "no value of its own"
    return f"Values: {kind}, no data is {told}."
