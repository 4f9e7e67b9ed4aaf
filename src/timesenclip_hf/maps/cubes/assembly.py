"""Lay layers on one grid: a window of all their bands and times at once, in memory or as a dask array."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ...extras import needs_extra
from ...models.timesenclip.bands_timesenclip import SCENE_CLASSES
from .layers import Layer

with needs_extra("map"):
    import dask.array as da
    import xarray as xr

# Written where an acquisition lacks a band and the product names no value for it; the extractor always reads them as
# missing.
FILL_UNSIGNED = 65535
FILL_SIGNED = -9999

# Slices along time, band, y and x.
StackWindow: TypeAlias = tuple[slice, slice, slice, slice]


@dataclass(frozen=True)
class LayerSlice:
    """Hold a layer with its indices in a cube.

    Attributes:
        layer: one band at some of the cube's times.
        times: index of each of its acquisitions along the cube's time axis.
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


@dataclass(frozen=True)
class Stack:
    """Stack the bands of a cube; a slice of it reads the files, so that dask may hold it in place of an array.

    Attributes:
        bands: for each band the layers that it comes from.
        shape: (time, band, y, x).
        dtype: of the cube.
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
        if self.nodata is not None:
            return self.nodata
        return {"f": np.nan, "u": FILL_UNSIGNED, "i": FILL_SIGNED}[self.dtype.kind]

    def load(self) -> np.ndarray:
        """Read all of it, (time, band, y, x)."""
        return self[(slice(None),) * 4]

    def to_dask(self, sides: tuple[int, int]) -> Any:
        """Return a dask array (time, band, y, x) with all times and bands of a window of these sides in one chunk."""
        if any(part.layer.is_dask for parts in self.bands for part in parts):
            bands = [self._band_to_dask(parts, sides) for parts in self.bands]
            return da.stack(bands, axis=1).rechunk((*self.shape[:2], *sides))
        return dask_over(self, sides)

    def _band_to_dask(self, parts: Sequence[LayerSlice], sides: tuple[int, int]) -> Any:
        """Return one band (time, y, x), computed by the dask graphs that its layers bring along."""
        pieces: list[Any] = []
        order = np.full(self.shape[0], -1)
        for part in parts:
            array = _as_dask(part.layer.array, sides).view(part.layer.dtype)
            array = array if array.ndim == 3 else array[None]
            if not _is_identity(part.down, array.shape[1]):
                array = array[:, part.down]
            if not _is_identity(part.across, array.shape[2]):
                array = array[:, :, part.across]
            order[part.times] = np.arange(len(part.times)) + sum(len(piece) for piece in pieces)
            pieces.append(array.map_blocks(_decoded, **self._decoding(part.layer), dtype=self.dtype))
        if (order < 0).any():
            pieces.append(da.full((1, *self.shape[2:]), self.fill, dtype=self.dtype, chunks=(1, *sides)))
            order[order < 0] = sum(len(piece) for piece in pieces) - 1
        joined = da.concatenate(pieces)
        return joined if _is_identity(order, len(joined)) else joined[order]

    def _decoding(self, layer: Layer) -> dict[str, Any]:
        """Return the arguments of `_decoded`; plain numbers, because dask traverses objects."""
        foreign = layer.scale is not None or (layer.nodata != self.nodata and layer.band != SCENE_CLASSES)
        missing = layer.nodata if foreign else None
        return {"scale": layer.scale, "shift": layer.shift, "missing": missing, "fill": self.fill, "kind": self.dtype}


def dask_over(stack: Any, sides: tuple[int, int]) -> Any:
    """Return a dask array (time, band, y, x) that slices a stack, with all times and bands in one chunk."""
    empty = np.empty((0,) * 4, dtype=stack.dtype)
    chunks = (*stack.shape[:2], *sides)
    return da.from_array(stack, chunks=chunks, name=False, asarray=False, fancy=False, meta=empty)


def _decoded(
    values: np.ndarray, scale: float | None, shift: float, missing: float | None, fill: float, kind: np.dtype[Any]
) -> np.ndarray:
    """Bring a layer's values into the cube's unit and type."""
    absent = None if missing is None else values == missing
    if scale is not None:
        values = values * np.float32(scale) + np.float32(shift)
    if absent is not None:
        values = np.where(absent, np.nan if scale is not None else fill, values)
    if values.dtype.kind == "f" and kind.kind == "u":
        values = np.nan_to_num(values)
    return values.astype(kind, copy=False)


def _as_dask(array: Any, sides: tuple[int, int]) -> Any:
    if not isinstance(array, xr.DataArray):
        return da.from_array(array, chunks=sides, name=False, asarray=False, fancy=False)
    return array.data if array.chunks is not None else array.chunk(dict(zip(("y", "x"), sides, strict=True))).data


def _is_identity(index: np.ndarray, size: int) -> bool:
    return len(index) == size and bool((index == np.arange(size)).all())
