"""Hold bands of files, whatever their format, and stack them on one grid, in memory or as a dask array."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from ...extras import needs_extra
from ...models.timesenclip.bands_timesenclip import SCENE_CLASSES
from ...models.timesenclip.units_timesenclip import DN_PER_REFLECTANCE
from ...words import damage_told
from .grids import Grid

with needs_extra("map"):
    import dask.array as da
    import xarray as xr
    from rasterio.crs import CRS

# Written where an acquisition lacks a band and the product names no value for it; the extractor always reads them as
# missing.
FILLS = {"f": np.nan, "u": 65535, "i": -9999}

# Slices along time, band, y and x.
StackWindow: TypeAlias = tuple[slice, slice, slice, slice]


@dataclass(frozen=True)
class Layer:
    """Hold one band of one file, "B02" ... "B12" or "SCL"; the values stay in the file until `read` is called.

    Attributes:
        times: (time,) `datetime64[ns]`, or integer months with 0 = January.
        nodata: value that means "missing", or None.
        array: (time, y, x), or (y, x) of a single acquisition; in memory, in the file, or of dask.
        source: the file, for messages.
        offset: to subtract from digital numbers, or None where nothing tells it.
        scale: reflectance is `value * scale + shift` where it is not None.
        reason: what tells the offset, for the notes of a cube.
        table: scene class of each value of a quality mask, or None.
        notes: sentences about how the file was read.
    """

    band: str
    times: np.ndarray
    grid: Grid
    crs: CRS | None
    dtype: np.dtype[Any]
    nodata: float | None
    array: Any
    source: str
    offset: float | None = None
    scale: float | None = None
    shift: float = 0.0
    reason: str = ""
    table: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    def read(self, rows: slice, columns: slice) -> np.ndarray:
        """Read the values of a window, (time, y, x).

        Raises:
            ValueError: the file is damaged there.
        """
        with damage_told(self.source):  # what unpacks chunks meets damage with almost any error
            values = np.asarray(self.array[..., rows, columns]).view(self.dtype)
        return values if values.ndim == 3 else values[None]

    def at(self, kept: np.ndarray) -> "Layer":
        """Keep some of the acquisitions, at least one: (time,), True for those."""
        if kept.all():
            return self  # also one without a time axis
        return replace(self, times=self.times[kept], array=self.array[np.flatnonzero(kept)])

    def scaled(self, scale: float, shift: float) -> "Layer":
        """Return the layer with a file's `value * scale + shift`: as an offset where numbers can stay as they are.

        Fractions in the usual scale stay, too: whether somebody has applied it already is told by the values.
        """
        if self.band == SCENE_CLASSES or (scale, shift) == (1.0, 0.0):
            return self
        if np.isclose(scale * DN_PER_REFLECTANCE, 1) or (scale == 1 and self.dtype.kind in "iu"):
            return replace(self, offset=-shift / scale, reason="add_offset of the file") if shift else self
        return replace(self, scale=scale, shift=shift)


@dataclass(frozen=True)
class LayerSlice:
    """Hold a layer with its indices in a cube.

    Attributes:
        times: index of each of the layer's acquisitions along the cube's time axis.
        down: the layer's row for each row of the cube.
        across: the layer's column for each column of the cube.
    """

    layer: Layer
    times: np.ndarray
    down: np.ndarray
    across: np.ndarray

    def read(self, rows: slice, columns: slice) -> np.ndarray:
        """Read a window of the cube, (time, y, x), in the numbers of the layer."""
        down, across = self.down[rows], self.across[columns]
        top, left = down.min(), across.min()
        values = self.layer.read(slice(top, down.max() + 1), slice(left, across.max() + 1))
        return values[:, (down - top)[:, None], across - left]

    def to_dask(self, sides: tuple[int, int]) -> Any:
        """Return all of it, (time, y, x), in the numbers of the layer, computed by the graph that an array brings."""
        array = self.layer.array
        if not isinstance(array, xr.DataArray):
            array = da.from_array(array, chunks=sides, name=False, asarray=False, fancy=False)
        else:
            array = (array if array.chunks else array.chunk({"y": sides[0], "x": sides[1]})).data
        array = array.view(self.layer.dtype)
        return (array if array.ndim == 3 else array[None])[:, self.down][:, :, self.across]


@dataclass(frozen=True)
class Stack:
    """Stack the bands of a cube; a slice of it reads the files, so that dask may hold it in place of an array.

    Attributes:
        bands: for each band the layers that it comes from.
        shape: (time, band, y, x).
        nodata: value that means "missing" in the cube, or None.
    """

    bands: Sequence[Sequence[LayerSlice]]
    shape: tuple[int, int, int, int]
    dtype: np.dtype[Any]
    nodata: float | None
    ndim = 4

    def __getitem__(self, window: StackWindow) -> np.ndarray:
        times, bands, rows, columns = window
        shape = (*self.shape[:2], len(range(self.shape[2])[rows]), len(range(self.shape[3])[columns]))
        values = np.full(shape, self.fill, dtype=self.dtype)
        for index, parts in enumerate(self.bands):
            for part in parts:
                values[part.times, index] = _decoded(part.read(rows, columns), **self._decoding(part.layer))
        return values[times, bands]

    @property
    def fill(self) -> float:
        """Return what is written where an acquisition lacks a band."""
        return FILLS[self.dtype.kind] if self.nodata is None else self.nodata

    def to_dask(self, sides: tuple[int, int]) -> Any:
        """Return a dask array (time, band, y, x) with all times and bands of a window of these sides in one chunk."""
        if any(getattr(part.layer.array, "chunks", None) for parts in self.bands for part in parts):
            bands = [self._band_to_dask(parts, sides) for parts in self.bands]
            return da.stack(bands, axis=1).rechunk((*self.shape[:2], *sides))
        return dask_over(self, sides)

    def _band_to_dask(self, parts: Sequence[LayerSlice], sides: tuple[int, int]) -> Any:
        """Return one band (time, y, x) in the numbers of the cube."""
        pieces = [
            part.to_dask(sides).map_blocks(_decoded, **self._decoding(part.layer), dtype=self.dtype) for part in parts
        ]
        times = np.concatenate([part.times for part in parts])
        if len(missing := np.setdiff1d(np.arange(self.shape[0]), times)):
            shape = (len(missing), *self.shape[2:])
            pieces.append(da.full(shape, self.fill, dtype=self.dtype, chunks=(1, *sides)))
        return da.concatenate(pieces)[np.argsort(np.concatenate([times, missing]))]

    def _decoding(self, layer: Layer) -> dict[str, Any]:
        """Return the arguments of `_decoded`; plain numbers, because dask traverses objects."""
        foreign = layer.scale is not None or (layer.nodata != self.nodata and layer.band != SCENE_CLASSES)
        missing = layer.nodata if foreign else None
        decoding = {"scale": layer.scale, "shift": layer.shift, "missing": missing, "fill": self.fill}
        return {**decoding, "kind": self.dtype, "table": layer.table}


def dask_over(stack: Any, sides: tuple[int, int]) -> Any:
    """Return a dask array (time, band, y, x) that slices a stack, with all times and bands in one chunk."""
    meta, chunks = np.empty((0,) * 4, dtype=stack.dtype), (*stack.shape[:2], *sides)
    return da.from_array(stack, chunks=chunks, name=False, asarray=False, fancy=False, meta=meta)


def _decoded(
    values: np.ndarray,
    scale: float | None,
    shift: float,
    missing: float | None,
    fill: float,
    kind: np.dtype[Any],
    table: np.ndarray | None,
) -> np.ndarray:
    """Bring a layer's values into the cube's unit and type, those of a quality mask into scene classes."""
    if table is not None:
        return np.asarray(table[np.nan_to_num(values).astype(np.int64) % len(table)], dtype=kind)
    absent = None if missing is None else values == missing
    if scale is not None:
        values = values * np.float32(scale) + np.float32(shift)
    if absent is not None:
        values = np.where(absent, np.nan if scale is not None else fill, values)
    if values.dtype.kind == "f" and kind.kind == "u":
        values = np.nan_to_num(values)
    return values.astype(kind, copy=False)
