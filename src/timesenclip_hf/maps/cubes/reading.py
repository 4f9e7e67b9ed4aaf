"""Files to one cube: reflectance (time, band, y, x), scene classes, dates and CRS, in memory or read piece by piece."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from os import PathLike
from typing import Any, TypeAlias

import numpy as np
from transformers.utils import logging

from ...extras import needs_extra
from ...models.timesenclip.bands_timesenclip import BANDS, SCENE_CLASSES
from .assembly import LayerSlice, Stack
from .selection import Box, Chunks, box_in, inside, read_chunks, read_period
from .sources import Layer, read_crs, read_layers, spacing

with needs_extra("map"):
    import rioxarray  # noqa: F401 (gives xarray its `.rio`)
    import xarray as xr
    from rasterio.crs import CRS

logger = logging.get_logger(__name__)

CubeSource: TypeAlias = str | PathLike[str] | xr.Dataset | xr.DataArray
# Marks what `open_cube` returned, so that it is not read again.
LAYOUT = "timesenclip_hf cube"
AXIS_ORDER = ("time", "band", "y", "x")


def open_cube(
    sources: CubeSource | Sequence[CubeSource],
    *,
    bands: Sequence[str] | None = None,
    crs: str | None = None,
    bbox: Box | str | None = None,
    dates: str | None = None,
    chunks: Chunks | None = None,
) -> xr.Dataset:
    """Reads NetCDF, Zarr or raster files, folders, SAFE products, or xarray objects, into one cube.

    Bands are found by name in any common spelling, as variables, along a band axis, in the descriptions of a
    GeoTIFF's bands or in file names; what is no Sentinel-2 band is left aside. Coarser bands are laid on the
    finest grid by nearest neighbour. Integers stay integers.

    Args:
        sources: one or more files of one place, such as the 10 m and the 20 m bands, or one file a date; or folders
            of rasters, SAFE products (L2A) among them.
        bands: names of bands that the files leave unnamed, in their order.
        crs: coordinate reference system where the files name none.
        bbox: west, south, east, north in degrees; the pixels that it touches.
        dates: "2021", "2021-04/2021-09" or "2021-04-15/2021-09-30"; every look when left out.
        chunks: leave the values in the files, as dask arrays of this side in pixels, or `{"y": 512, "x": 512}`, with
            all looks and bands of a place in one chunk, which one task reads.

    Returns:
        `reflectance` (time, band, y, x) and, where the files have it, `scl` (time, y, x). The time coordinate is
        `datetime64`, or integer months with 0 = January. A coordinate `offset` along time, where a look's is known
        (NaN where it is not): reflectance is (value - offset) / 10,000. Attribute `nodata`, where known.

    Raises:
        FileNotFoundError: no such file.
        ValueError: an axis, the bands or the CRS are missing, or the files do not fit together.
    """
    given = [sources] if isinstance(sources, (str, PathLike, xr.Dataset, xr.DataArray)) else list(sources)
    if not given:
        raise ValueError("There is no cube: give at least one file.")
    sides = None if chunks is None else read_chunks(chunks)
    if len(given) == 1 and is_cube(given[0]):
        return _selected(given[0], bbox, dates, sides)  # type: ignore[arg-type]  # `is_cube` has looked
    with ExitStack() as opened:
        layers = [layer for source in given for layer in read_layers(source, bands, opened)]
        cube = _merge(_during(layers, dates), crs, bbox, sides)
        if chunks is not None:
            opened.pop_all()  # what is read later is closed by xarray
    return cube


def is_cube(source: CubeSource) -> bool:
    """Whether this is already what [`open_cube`] returns."""
    return isinstance(source, xr.Dataset) and source.attrs.get("layout") == LAYOUT


def look_offsets(cube: xr.Dataset) -> np.ndarray | None:
    """What to subtract from the values of each look (time,), NaN where it is not known; `None` where none is."""
    return cube["offset"].values if "offset" in cube.coords else None


def assemble_cube(
    reflectance: Any,
    scl: Any | None,
    coords: Mapping[str, Any],
    offsets: np.ndarray,
    nodata: float | None,
    crs: CRS | str,
) -> xr.Dataset:
    """What [`open_cube`] returns, from its arrays, its coordinates (time, band, y, x) and the offsets of its looks."""
    cube = xr.Dataset({"reflectance": (AXIS_ORDER, reflectance)}, coords=coords, attrs={"layout": LAYOUT})
    if scl is not None:
        cube["scl"] = (("time", "y", "x"), scl)
    if not np.isnan(offsets).all():
        cube = cube.assign_coords(offset=("time", offsets.astype(np.float32)))
    if nodata is not None:
        cube.attrs["nodata"] = nodata
    located: xr.Dataset = cube.rio.write_crs(crs)
    return located


def nearest_index(centres: np.ndarray, wanted: np.ndarray, step: float) -> np.ndarray:
    """For each place wanted, the pixel of a regular axis that it lies in; -1 outside.

    Args:
        centres: of the axis's pixels.
        wanted: places.
        step: signed width of the axis's pixels.
    """
    index = np.floor((wanted - centres[0]) / step + 0.5).astype(np.int64)
    return np.where((index >= 0) & (index < len(centres)), index, -1)


def _during(layers: list[Layer], dates: str | None) -> list[Layer]:
    if dates is None:
        return layers
    first, last = _period([layer.times for layer in layers], dates)
    kept = [part for layer in layers if (part := layer.during(first, last)) is not None]
    if not any(layer.band != SCENE_CLASSES for layer in kept):
        raise _no_look(np.concatenate([layer.times for layer in layers]), dates)
    return kept


def _period(times: Sequence[np.ndarray], dates: str) -> tuple[np.datetime64, np.datetime64]:
    if any(one.dtype.kind != "M" for one in times):
        raise ValueError("`dates` chooses among dates, but the looks have months only: leave it out.")
    return read_period(dates)


def _no_look(times: np.ndarray, dates: str) -> ValueError:
    days = times.astype("datetime64[D]")
    return ValueError(f"No look lies in {dates}: the dates are {days.min()} to {days.max()}.")


def _selected(cube: xr.Dataset, bbox: Box | str | None, dates: str | None, sides: tuple[int, int] | None) -> xr.Dataset:
    """Part of a cube that was opened already."""
    if dates is not None:
        times = cube["time"].values
        first, last = _period([times], dates)
        days = times.astype("datetime64[D]")
        during = (days >= first) & (days <= last)
        if not during.any():
            raise _no_look(times, dates)
        cube = cube.isel({"time": during})
    if bbox is not None:
        rows, columns = _window(cube["y"].values, cube["x"].values, cube.rio.crs, bbox)
        cube = cube.isel({"y": rows, "x": columns})
    return cube if sides is None else cube.chunk({"time": -1, "band": -1, "y": sides[0], "x": sides[1]})


def _window(y: np.ndarray, x: np.ndarray, crs: CRS, bbox: Box | str | None) -> tuple[slice, slice]:
    """The rows and columns that a box touches."""
    if bbox is None:
        return slice(None), slice(None)
    left, bottom, right, top = box_in(bbox, crs)
    rows, columns = inside(y, spacing(y, x), bottom, top), inside(x, spacing(x, y), left, right)
    if rows.start == rows.stop or columns.start == columns.stop:
        raise ValueError(
            f"The box does not touch the cube: it is {left:.6g}, {bottom:.6g} to {right:.6g}, {top:.6g} in the cube's "
            f"CRS, which covers {min(x[0], x[-1]):.6g}, {min(y[0], y[-1]):.6g} to {max(x[0], x[-1]):.6g}, "
            f"{max(y[0], y[-1]):.6g}."
        )
    return rows, columns


def _merge(layers: list[Layer], crs: str | None, bbox: Box | str | None, sides: tuple[int, int] | None) -> xr.Dataset:
    by_band: dict[str, list[Layer]] = {}
    for layer in layers:
        by_band.setdefault(layer.band, []).append(layer)
    names = [band for band in BANDS if band in by_band]
    if not names:
        raise ValueError(f"The files hold no Sentinel-2 band, only {', '.join(by_band)}: add the reflectance.")
    reflectance = [layer for band in names for layer in by_band[band]]
    grid = min(reflectance, key=lambda layer: layer.resolution)
    common_crs = _common_crs(layers, crs)
    rows, columns = _window(grid.y, grid.x, common_crs, bbox)
    y, x = grid.y[rows], grid.x[columns]
    times, places = _time_axis(by_band)
    nodata, dtype = _nodata_and_dtype(reflectance)

    def stack(bands: Sequence[str], dtype: np.dtype[Any], nodata: float | None) -> Stack:
        parts = [[_on_grid(layer, places[id(layer)], grid, y, x) for layer in by_band[band]] for band in bands]
        return Stack(parts, (len(times), len(bands), len(y), len(x)), dtype, nodata)

    values = stack(names, dtype, nodata)
    # 0 is "no data" of the scene classification.
    classes = stack([SCENE_CLASSES], np.dtype(np.uint8), 0) if SCENE_CLASSES in by_band else None
    return assemble_cube(
        values.load() if sides is None else values.to_dask(sides),
        classes if classes is None else (classes.load() if sides is None else classes.to_dask(sides))[:, 0],
        {"time": times, "band": names, "y": y, "x": x},
        _offsets(reflectance, places, times),
        nodata,
        common_crs,
    )


def _on_grid(layer: Layer, looks: np.ndarray, grid: Layer, y: np.ndarray, x: np.ndarray) -> LayerSlice:
    """Where each pixel of the grid lies in a layer."""
    down = nearest_index(layer.y, y, spacing(layer.y, layer.x))
    across = nearest_index(layer.x, x, spacing(layer.x, layer.y))
    if (down < 0).any() or (across < 0).any():
        raise ValueError(
            f"{layer.band} of {layer.source} does not cover the grid of {grid.band} of {grid.source}: cut the files to "
            "the same extent, one tile a cube."
        )
    return LayerSlice(layer, looks, down, across)


def _time_axis(by_band: Mapping[str, list[Layer]]) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """The times of the cube, and for each layer the places of its looks along them."""
    layers = [layer for parts in by_band.values() for layer in parts]
    if len({layer.times.dtype.kind for layer in layers}) > 1:
        raise ValueError("Some looks have dates and others months only: give all of them dates.")
    times = {id(layer): layer.times for layer in layers}
    per_band = {band: np.concatenate([part.times for part in parts]) for band, parts in by_band.items()}
    for band, looks in per_band.items():
        values, counts = np.unique(looks, return_counts=True)
        if (counts > 1).any():
            raise ValueError(f"{band} of {str(values[counts > 1][0])[:10]} is given twice: give each look once.")
    sets = {tuple(np.sort(looks)) for looks in per_band.values()}
    if len(sets) > 1 and layers[0].times.dtype.kind == "M":
        # Bands of one look may carry times some seconds apart.
        days = {band: looks.astype("datetime64[D]") for band, looks in per_band.items()}
        if all(len(np.unique(looks)) == len(looks) for looks in days.values()):
            times = {key: looks.astype("datetime64[D]").astype("datetime64[ns]") for key, looks in times.items()}
            sets = {tuple(np.sort(looks)) for looks in days.values()}
    axis = np.unique(np.concatenate(list(times.values())))
    if len(sets) > 1:
        everywhere = set.intersection(*(set(looks) for looks in sets))
        logger.warning(
            f"{len(axis) - len(everywhere)} of {len(axis)} looks lack a band or the scene classification: they count "
            "as missing."
        )
    return axis, {key: np.searchsorted(axis, looks) for key, looks in times.items()}


def _nodata_and_dtype(layers: Sequence[Layer]) -> tuple[float | None, np.dtype[Any]]:
    if any(layer.scale is not None for layer in layers):
        if not all(layer.scale is not None for layer in layers):
            raise ValueError("Some bands have a scale factor and others none: give all of them in the same unit.")
        return None, np.dtype(np.float32)
    dtype = np.result_type(*(layer.dtype for layer in layers))
    if dtype.kind not in "iuf" or dtype.itemsize == 1:
        raise ValueError(f"{layers[0].source} holds {dtype} values, which cannot be reflectance.")
    if dtype.kind == "f":
        dtype = np.dtype(np.float32)
    return next((layer.nodata for layer in layers if layer.nodata is not None), None), dtype


def _offsets(layers: Sequence[Layer], places: Mapping[int, np.ndarray], times: np.ndarray) -> np.ndarray:
    """What to subtract from each look, NaN where it is not known."""
    offsets = np.full(len(times), np.nan)
    said = np.zeros(len(times), dtype=bool)
    for layer in layers:
        looks = places[id(layer)]
        own = np.nan if layer.offset is None else layer.offset
        differ = said[looks] & ~((offsets[looks] == own) | (np.isnan(offsets[looks]) & np.isnan(own)))
        if differ.any():
            day = str(times[looks[differ][0]])[:10]
            raise ValueError(
                f"The bands of {day} have different offsets, that of {layer.band} in {layer.source} among them: give "
                "products of one kind together."
            )
        offsets[looks], said[looks] = own, True
    return offsets


def _common_crs(layers: Sequence[Layer], crs: str | None) -> CRS:
    named = {layer.crs: layer.source for layer in layers if layer.crs is not None}
    if not named:
        if crs is None:
            raise ValueError(f'{layers[0].source} names no coordinate reference system: say which, crs="EPSG:32631".')
        return read_crs(crs)
    if len(named) > 1:
        listed = ", ".join(f"{source} in {one.to_string()[:40]}" for one, source in named.items())
        raise ValueError(f"The files lie in several coordinate reference systems ({listed}): warp them to one grid.")
    return next(iter(named))
