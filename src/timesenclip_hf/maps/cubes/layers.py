"""Hold one band of one file: what NetCDF, Zarr and GeoTIFF have in common once their spellings are read."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...extras import needs_extra
from ...models.timesenclip.bands_timesenclip import SCENE_CLASSES, NameParts
from ...models.timesenclip.radiometry_timesenclip import DN_PER_REFLECTANCE
from .grids import Grid

with needs_extra("map"):
    from rasterio.crs import CRS


@dataclass(frozen=True)
class Layer:
    """Hold one band at one or more times; the values stay in the file until `read` is called.

    Attributes:
        band: "B02" ... "B12", or "SCL".
        times: (time,) `datetime64[ns]`, or integer months with 0 = January.
        grid: of the pixels.
        crs: None where nothing tells it.
        dtype: of the values.
        nodata: value that means "missing", or None.
        array: (time, y, x), or (y, x) of a single acquisition; in memory, in the file, or of dask.
        source: the file, for messages.
        offset: to subtract from digital numbers, or None where nothing tells it.
        scale: reflectance is `value * scale + shift` where `scale` is given.
        shift: added after `scale`.
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

    @property
    def is_dask(self) -> bool:
        """Tell whether the values are a dask array's."""
        return getattr(self.array, "chunks", None) is not None

    def read(self, rows: slice, columns: slice) -> np.ndarray:
        """Read the values of a window, (time, y, x)."""
        values = np.asarray(self.array[..., rows, columns]).view(self.dtype)
        return values if values.ndim == 3 else values[None]

    def at(self, kept: np.ndarray) -> "Layer":
        """Keep some of the acquisitions, at least one: (time,), True for those."""
        if kept.all():
            return self  # also one without a time axis
        return replace(self, times=self.times[kept], array=self.array[np.flatnonzero(kept)])

    def scaled(self, scale: float, shift: float) -> "Layer":
        """Return the layer with a file's `value * scale + shift`: as an offset where integers can stay integers."""
        if self.band == SCENE_CLASSES or (scale, shift) == (1.0, 0.0):
            return self
        if self.dtype.kind in "iu" and (np.isclose(scale * DN_PER_REFLECTANCE, 1) or scale == 1):
            return replace(self, offset=-shift / scale) if shift else self
        return replace(self, scale=scale, shift=shift)


def single_time(name: NameParts, source: str) -> np.ndarray:
    """Return the times (1,) of a band without a time axis, from what its name tells.

    Raises:
        ValueError: the name holds neither a date nor a month.
    """
    if name.date is not None:
        return np.asarray([name.date], dtype="datetime64[ns]")
    if name.month is not None:
        return np.asarray([name.month - 1], dtype=np.int64)
    raise ValueError(
        f"{source} has no time axis: give each acquisition its date, along a time axis, in the band names "
        "(B02_2018-05-14) or in the file name."
    )
