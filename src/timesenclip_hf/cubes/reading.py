"""Files to one cube in memory: reflectance (time, band, y, x), scene classes, dates and CRS."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from os import PathLike
from typing import Any, TypeAlias

import numpy as np
from transformers.utils import logging

from ..extras import needs_extra
from ..models.timesenclip.feature_extraction_timesenclip import BANDS
from ..naming import SCENE_CLASSES
from .sources import Layer, read_crs, read_layers, spacing

with needs_extra("map"):
    import rioxarray  # noqa: F401 (gives xarray its `.rio`)
    import xarray as xr
    from rasterio.crs import CRS

logger = logging.get_logger(__name__)

Source: TypeAlias = str | PathLike[str] | xr.Dataset | xr.DataArray
# Marks what `open_cube` returned, so that it is not read again.
LAYOUT = "timesenclip_hf cube"
AXIS_ORDER = ("time", "band", "y", "x")
# Written where a look lacks a band and the product names no value for it; the extractor always reads them as missing.
FILL_UNSIGNED = 65535
FILL_SIGNED = -9999


def open_cube(
    sources: Source | Sequence[Source],
    *,
    bands: Sequence[str] | None = None,
    crs: str | None = None,
) -> xr.Dataset:
    """Reads NetCDF, Zarr or raster files, or xarray objects, into one cube.

    Bands are found by name in any common spelling, as variables, along a band axis, in the descriptions of a
    GeoTIFF's bands or in file names; what is no Sentinel-2 band is left aside. Coarser bands are laid on the
    finest grid by nearest neighbour. Integers stay integers.

    Args:
        sources: one or more files of one place, such as the 10 m and the 20 m bands, or one file a date.
        bands: names of bands that the files leave unnamed, in their order.
        crs: coordinate reference system where the files name none.

    Returns:
        `reflectance` (time, band, y, x) and, where the files have it, `scl` (time, y, x). The time coordinate is
        `datetime64`, or integer months with 0 = January. Attributes: `nodata` and `offset`, where known.

    Raises:
        FileNotFoundError: no such file.
        ValueError: an axis, the bands or the CRS are missing, or the files do not fit together.
    """
    given = [sources] if isinstance(sources, (str, PathLike, xr.Dataset, xr.DataArray)) else list(sources)
    if not given:
        raise ValueError("There is no cube: give at least one file.")
    if len(given) == 1 and is_cube(given[0]):
        return given[0]  # type: ignore[return-value]  # `is_cube` has looked
    with ExitStack() as opened:
        layers = [layer for source in given for layer in read_layers(source, bands, opened)]
        return _merge(layers, crs)


def is_cube(source: Source) -> bool:
    """Whether this is already what [`open_cube`] returns."""
    return isinstance(source, xr.Dataset) and source.attrs.get("layout") == LAYOUT


def nearest_index(centres: np.ndarray, wanted: np.ndarray, step: float) -> np.ndarray:
    """For each place wanted, the pixel of a regular axis that it lies in; -1 outside.

    Args:
        centres: of the axis's pixels.
        wanted: places.
        step: signed width of the axis's pixels.
    """
    index = np.floor((wanted - centres[0]) / step + 0.5).astype(np.int64)
    return np.where((index >= 0) & (index < len(centres)), index, -1)


def _merge(layers: list[Layer], crs: str | None) -> xr.Dataset:
    by_band: dict[str, list[Layer]] = {}
    for layer in layers:
        by_band.setdefault(layer.band, []).append(layer)
    names = [band for band in BANDS if band in by_band]
    if not names:
        raise ValueError(f"The files hold no Sentinel-2 band, only {', '.join(by_band)}: add the reflectance.")
    reflectance = [layer for band in names for layer in by_band[band]]
    grid = min(reflectance, key=lambda layer: layer.resolution)
    times, rows = _time_axis(by_band)
    nodata, dtype = _nodata_and_dtype(reflectance)
    shape = (len(times), len(names), len(grid.y), len(grid.x))
    values = np.full(shape, _fill(nodata, dtype), dtype=dtype)
    for position, band in enumerate(names):
        for layer in by_band[band]:
            _place(values[:, position], rows[id(layer)], layer, grid, nodata)
    cube = xr.Dataset(
        {"reflectance": (AXIS_ORDER, values)},
        coords={"time": times, "band": names, "y": grid.y, "x": grid.x},
        attrs=_attributes(reflectance, nodata),
    )
    if SCENE_CLASSES in by_band:
        classes = np.zeros((shape[0], *shape[2:]), dtype=np.uint8)  # 0 is "no data" of the scene classification
        for layer in by_band[SCENE_CLASSES]:
            _place(classes, rows[id(layer)], layer, grid, None)
        cube["scl"] = (("time", "y", "x"), classes)
    located: xr.Dataset = cube.rio.write_crs(_common_crs(layers, crs))
    return located


def _place(target: np.ndarray, rows: np.ndarray, layer: Layer, grid: Layer, nodata: float | None) -> None:
    """Lays one layer on the grid by nearest neighbour."""
    down = nearest_index(layer.y, grid.y, spacing(layer.y, layer.x))
    across = nearest_index(layer.x, grid.x, spacing(layer.x, layer.y))
    if (down < 0).any() or (across < 0).any():
        raise ValueError(
            f"{layer.band} of {layer.source} does not cover the grid of {grid.band} of {grid.source}: cut the files to "
            "the same extent."
        )
    values = layer.load()
    if layer.scale is not None:
        missing = np.zeros(values.shape, dtype=bool) if layer.nodata is None else values == layer.nodata
        values = np.where(missing, np.nan, values * np.float32(layer.scale) + np.float32(layer.shift))
    elif layer.nodata is not None and layer.nodata != nodata and layer.band != SCENE_CLASSES:
        values = np.where(values == layer.nodata, _fill(nodata, target.dtype), values)
    if values.dtype.kind == "f" and target.dtype.kind == "u":
        values = np.nan_to_num(values)
    target[rows] = values[:, down[:, None], across]


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


def _fill(nodata: float | None, dtype: np.dtype[Any]) -> float:
    if nodata is not None:
        return nodata
    return {"f": np.nan, "u": FILL_UNSIGNED, "i": FILL_SIGNED}[dtype.kind]


def _attributes(layers: Sequence[Layer], nodata: float | None) -> dict[str, str | float]:
    offsets = {layer.offset for layer in layers}
    if len(offsets) > 1:
        raise ValueError(
            f"The bands have different offsets ({', '.join(map(str, offsets))}): give products of one kind together."
        )
    known = {"nodata": nodata, "offset": offsets.pop()}
    return {"layout": LAYOUT, **{name: value for name, value in known.items() if value is not None}}


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
