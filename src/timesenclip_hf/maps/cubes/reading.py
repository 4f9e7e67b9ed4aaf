"""Read files into one cube: reflectance (time, band, y, x), scene classes, dates and CRS, at once or by pieces."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
from transformers.utils import logging

from ...extras import needs_extra
from ...gate.crs import read_crs
from ...models.timesenclip.bands_timesenclip import BANDS, SCENE_CLASSES
from ...models.timesenclip.steps_timesenclip import Steps
from .grids import Grid, grid_of, locate
from .layers import Layer, LayerSlice, Stack
from .naming import Naming
from .notes import notes_of_readers, with_notes
from .selection import Box, Chunks, read_box, read_chunks, read_period
from .sources import LAYOUT, CubeSource, list_sources, read_all

with needs_extra("map"):
    import xarray as xr
    from rasterio.crs import CRS

logger = logging.get_logger(__name__)


def open_cube(
    sources: CubeSource | Sequence[CubeSource],
    *,
    bands: Sequence[str] | None = None,
    crs: str | None = None,
    bbox: Box | str | None = None,
    dates: str | None = None,
    chunks: Chunks | None = None,
    start: str | None = None,
    step: str | None = None,
) -> xr.Dataset:
    """Read NetCDF, Zarr or raster files, folders, SAFE and EOPF products, or xarray objects, into one cube.

    Bands are found by name in any common spelling, as variables, along a band axis, in the descriptions of a
    GeoTIFF's bands or in file names; what is no Sentinel-2 band is left aside. Coarser bands are laid on the
    finest grid by nearest neighbour. Integers stay integers.

    Args:
        sources: one or more files of one area, such as the 10 m and the 20 m bands, or one file a date; or folders
            of rasters, NetCDF files or Zarr stores, products (L2A) as SAFE, EOPF Zarr or GeoZarr among them.
        bands: names of bands that the files leave unnamed, in their order.
        crs: coordinate reference system where the files name none.
        bbox: west, south, east, north in degrees; the pixels that it touches.
        dates: "2021", "2021-04/2021-09" or "2021-04-15/2021-09-30"; every acquisition when left out.
        chunks: leave the values in the files, as dask arrays of this side in pixels, or `{"y": 512, "x": 512}`, with
            all times and bands of a window in one chunk, which one task reads.
        start: date of the first time step, where steps are numbered and nothing else dates them, "2018-01-01".
        step: from one to the next: "month", "half-month", "dekad", "week", or days such as "16days".

    Returns:
        `reflectance` (time, band, y, x) and, where the files have it, `scl` (time, y, x). The time coordinate is
        `datetime64`, or integer months with 0 = January. A coordinate `offset` along time, where that of an
        acquisition is known (NaN where it is not): reflectance is (value - offset) / 10,000; `offset_reason` says
        what tells it. Attribute `nodata`, where known; attribute `notes`, sentences about what was understood.

    Raises:
        FileNotFoundError: no such file.
        ValueError: an axis, the bands or the CRS are missing, or the files do not fit together.
    """
    listed = list_sources(sources)
    sides = None if chunks is None else read_chunks(chunks)
    first = listed[0]
    if len(listed) == 1 and isinstance(first, xr.Dataset) and first.attrs.get("layout") == LAYOUT:
        return _selected(first, bbox, dates, sides)
    with ExitStack() as opened:
        layers = read_all(listed, Naming(bands, Steps(start, step)), opened)
        if dates is not None:
            kept = _within([layer.times for layer in layers], dates)
            layers = [layer.at(index) for index, layer in zip(kept, layers, strict=True) if index.any()]
        cube = merge_layers(layers, crs, bbox, sides)
        if sides is None:
            return cube.load()
        opened.pop_all()  # what is read later is closed by xarray
    return cube


def acquisition_offsets(cube: xr.Dataset) -> np.ndarray | None:
    """Return what to subtract from the values of each acquisition (time,), NaN where unknown; None where none is."""
    return cube["offset"].values if "offset" in cube.coords else None


def assemble_cube(
    reflectance: Any,
    scl: Any | None,
    coords: Mapping[str, Any],
    offsets: np.ndarray,
    nodata: float | None,
    crs: CRS | str,
    grid: Grid | None = None,
) -> xr.Dataset:
    """Make what [`open_cube`] returns.

    Args:
        reflectance: (time, band, y, x), in memory or of dask.
        scl: scene classes (time, y, x), or None.
        coords: of the four axes.
        offsets: of each acquisition (time,), NaN where unknown.
        nodata: value that means "missing", or None.
        crs: of `y` and `x`.
        grid: of `y` and `x`, where they are single and do not tell the size of a pixel.
    """
    layers: dict[str, Any] = {"reflectance": (("time", "band", "y", "x"), reflectance)}
    if scl is not None:
        layers["scl"] = (("time", "y", "x"), scl)
    cube = xr.Dataset(layers, coords=coords, attrs={"layout": LAYOUT})
    if not np.isnan(offsets).all():
        cube = cube.assign_coords(offset=("time", offsets.astype(np.float32)))
    if nodata is not None:
        cube.attrs["nodata"] = nodata
    return locate(cube, crs, grid)


def _within(axes: Sequence[np.ndarray], dates: str) -> list[np.ndarray]:
    """Tell which times of each axis lie in a period."""
    if any(times.dtype.kind != "M" for times in axes):
        raise ValueError("`dates` chooses among dates, but the cube has months only: leave it out.")
    first, last = read_period(dates)
    days = [times.astype("datetime64[D]") for times in axes]
    kept = [(axis >= first) & (axis <= last) for axis in days]
    if not any(index.any() for index in kept):
        together = np.concatenate(days)
        raise ValueError(f"No acquisition lies in {dates}: the dates are {together.min()} to {together.max()}.")
    return kept


def _selected(cube: xr.Dataset, bbox: Box | str | None, dates: str | None, sides: tuple[int, int] | None) -> xr.Dataset:
    """Cut a cube that was opened already."""
    notes = notes_of_readers(cube)
    if dates is not None:
        cube = cube.isel({"time": _within([cube["time"].values], dates)[0]})
    if bbox is not None:
        grid, crs = grid_of(cube), cube.rio.crs
        rows, columns = _window(grid, crs, bbox)
        cube = locate(cube.isel({"y": rows, "x": columns}), crs, grid.cut(rows, columns))
    if dates is not None or bbox is not None:
        cube = with_notes(cube, notes)
    return cube if sides is None else cube.chunk({"time": -1, "band": -1, "y": sides[0], "x": sides[1]})


def _window(grid: Grid, crs: CRS, bbox: Box | str | None) -> tuple[slice, slice]:
    """Return the rows and columns that a box touches."""
    if bbox is None:
        return slice(None), slice(None)
    left, bottom, right, top = grid.bounds_of(crs, *read_box(bbox))
    rows, columns = grid.touched_by(left, bottom, right, top)
    if rows.start == rows.stop or columns.start == columns.stop:
        raise ValueError(
            f"The box does not touch the cube: it is {left:.6g}, {bottom:.6g} to {right:.6g}, {top:.6g} in the cube's "
            f"CRS, which covers {grid.x.min():.6g}, {grid.y.min():.6g} to {grid.x.max():.6g}, {grid.y.max():.6g}."
        )
    return rows, columns


def merge_layers(
    layers: list[Layer], crs: str | None, bbox: Box | str | None, sides: tuple[int, int] | None
) -> xr.Dataset:
    """Lay layers on the finest grid as dask arrays, in one chunk where no sides of a window are given.

    Args:
        layers: of one area.
        crs: where they name none.
        bbox: west, south, east, north in degrees.
        sides: height and width of a window.

    Raises:
        ValueError: the layers do not fit together.
    """
    by_band: dict[str, list[Layer]] = {}
    for layer in layers:
        by_band.setdefault(layer.band, []).append(layer)
    names = [band for band in BANDS if band in by_band]
    if not names:
        raise ValueError(f"The files hold no Sentinel-2 band, only {', '.join(by_band)}: add the reflectance.")
    reflectance = [layer for band in names for layer in by_band[band]]
    finest = reflectance[0]
    if not all(layer.grid.equals(finest.grid) for layer in reflectance):  # else the size of pixels may be unknown
        finest = min(reflectance, key=lambda layer: abs(layer.grid.across))
    common_crs = _common_crs(layers, crs)
    grid = finest.grid.cut(*_window(finest.grid, common_crs, bbox))
    times, indices = _time_axis(by_band)
    nodata, dtype = _nodata_and_dtype(reflectance)

    def stack(bands: Sequence[str], dtype: np.dtype[Any], nodata: float | None) -> Any:
        parts = [[_on_grid(layer, indices[id(layer)], grid, finest) for layer in by_band[band]] for band in bands]
        shape = (len(times), len(bands), len(grid.y), len(grid.x))
        return Stack(parts, shape, dtype, nodata).to_dask(sides or shape[2:])

    offsets, reasons = _offsets(reflectance, indices, times)
    cube = assemble_cube(
        stack(names, dtype, nodata),
        # 0 is "no data" of the scene classification.
        stack([SCENE_CLASSES], np.dtype(np.uint8), 0)[:, 0] if SCENE_CLASSES in by_band else None,
        {"time": times, "band": names, "y": grid.y, "x": grid.x},
        offsets,
        nodata,
        common_crs,
        grid,
    )
    return with_notes(cube, [note for layer in layers for note in layer.notes], reasons)


def _on_grid(layer: Layer, times: np.ndarray, grid: Grid, finest: Layer) -> LayerSlice:
    """Find the pixel of a layer that each pixel of the grid lies in."""
    down, across = layer.grid.pixels_at(grid.y, grid.x)
    if (down < 0).any() or (across < 0).any():
        raise ValueError(
            f"{layer.band} of {layer.source} does not cover the grid of {finest.band} of {finest.source}: cut the "
            "files to the same extent, one tile a cube."
        )
    return LayerSlice(layer, times, down, across)


def _time_axis(by_band: Mapping[str, list[Layer]]) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Return the times of the cube, and by the `id` of each layer the index of its acquisitions along them."""
    times = {id(layer): layer.times for parts in by_band.values() for layer in parts}
    kinds = {axis.dtype.kind for axis in times.values()}
    if len(kinds) > 1:
        raise ValueError("Some acquisitions have dates and others months only: give all of them dates.")
    per_band = {band: np.concatenate([part.times for part in parts]) for band, parts in by_band.items()}
    for band, axis in per_band.items():
        values, counts = np.unique(axis, return_counts=True)
        if (counts > 1).any():
            day = str(values[counts > 1][0])[:10]
            corners = {(str(part.crs), part.grid.y[0], part.grid.x[0]) for part in by_band[band]}
            remedy = "give one tile a cube" if len(corners) > 1 else "give each acquisition once"
            raise ValueError(f"{band} of {day} is given twice: {remedy}.")
    sets = {tuple(np.sort(axis)) for axis in per_band.values()}
    if len(sets) > 1 and kinds == {"M"}:
        # Bands of one acquisition may carry times some seconds apart.
        days = [axis.astype("datetime64[D]") for axis in per_band.values()]
        if all(len(np.unique(axis)) == len(axis) for axis in days):
            times = {key: axis.astype("datetime64[D]").astype("datetime64[ns]") for key, axis in times.items()}
            sets = {tuple(np.sort(axis)) for axis in days}
    common = np.unique(np.concatenate(list(times.values())))
    if len(sets) > 1:
        everywhere = set.intersection(*(set(axis) for axis in sets))
        logger.warning(
            f"{len(common) - len(everywhere)} of {len(common)} acquisitions lack a band or the scene classification: "
            "they count as missing."
        )
    return common, {key: np.searchsorted(common, axis) for key, axis in times.items()}


def _nodata_and_dtype(layers: Sequence[Layer]) -> tuple[float | None, np.dtype[Any]]:
    scaled = [layer.scale is not None for layer in layers]
    if any(scaled):
        if not all(scaled):
            raise ValueError("Some bands have a scale factor and others none: give all of them in the same unit.")
        return None, np.dtype(np.float32)
    dtype = np.result_type(*(layer.dtype for layer in layers))
    if dtype.kind not in "iuf" or dtype.itemsize == 1:
        raise ValueError(f"{layers[0].source} holds {dtype} values, which cannot be reflectance.")
    nodata = next((layer.nodata for layer in layers if layer.nodata is not None), None)
    return nodata, np.dtype(np.float32) if dtype.kind == "f" else dtype


def _offsets(
    layers: Sequence[Layer], indices: Mapping[int, np.ndarray], times: np.ndarray
) -> tuple[np.ndarray, list[str]]:
    """Return what to subtract from each acquisition, NaN where it is not known, and what tells it."""
    offsets, reasons = np.full(len(times), np.nan), np.full(len(times), "", dtype=object)
    known = np.zeros(len(times), dtype=bool)
    for layer in layers:
        index = indices[id(layer)]
        offset = np.nan if layer.offset is None else layer.offset
        differ = known[index] & ~((offsets[index] == offset) | (np.isnan(offsets[index]) & np.isnan(offset)))
        if differ.any():
            day = str(times[index[differ][0]])[:10]
            raise ValueError(
                f"The bands of {day} have different offsets, that of {layer.band} in {layer.source} among them: give "
                "products of one kind together."
            )
        offsets[index], reasons[index], known[index] = offset, layer.reason, True
    return offsets, reasons.tolist()


def _common_crs(layers: Sequence[Layer], crs: str | None) -> CRS:
    named = {layer.crs: layer.source for layer in layers if layer.crs is not None}
    if not named:
        if crs is None:
            raise ValueError(f'{layers[0].source} names no coordinate reference system: say which, crs="EPSG:32631".')
        return read_crs(crs)
    if crs is not None and (told := read_crs(crs)) not in named:
        listed = " and ".join(each.to_string()[:40] for each in named)
        raise ValueError(
            f"The files lie in {listed}, not in {told.to_string()[:40]}: leave `crs` out, which is for files that name "
            "none."
        )
    if len(named) > 1:
        listed = ", ".join(f"{source} in {each.to_string()[:40]}" for each, source in named.items())
        raise ValueError(f"The files lie in several coordinate reference systems ({listed}): warp them to one grid.")
    return next(iter(named))
