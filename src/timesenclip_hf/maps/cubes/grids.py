"""Describe where pixels lie: regular grids, their transforms and coordinate reference systems."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...extras import needs_extra

with needs_extra("map"):
    import rioxarray  # noqa: F401 (gives xarray its `.rio`)
    import xarray as xr
    from rasterio.crs import CRS
    from rasterio.errors import CRSError
    from rasterio.transform import Affine


@dataclass(frozen=True, eq=False)
class Grid:
    """Describe a regular grid by the centres of its pixels.

    Attributes:
        y: centres of the rows.
        x: centres of the columns.
        steps: signed height and width of a pixel, where a file tells them.
    """

    y: np.ndarray
    x: np.ndarray
    steps: tuple[float, float] | None = None

    @property
    def down(self) -> float:
        """Return the signed height of a pixel; a single row takes the columns' width, from north to south."""
        step = self._step(0)
        return -abs(self.across) if step is None else step

    @property
    def across(self) -> float:
        """Return the signed width of a pixel; a single column takes the rows' height, from west to east.

        Raises:
            ValueError: nothing tells the size of a single pixel.
        """
        if (step := self._step(1)) is not None:
            return step
        if (height := self._step(0)) is not None:
            return abs(height)
        raise ValueError(
            "The grid is a single pixel and nothing tells its size: write its transform into the file (the attribute "
            "GeoTransform, as `rio.write_transform` does), or give a larger piece."
        )

    @property
    def transform(self) -> Affine:
        """Return the affine transform from column and row to the coordinates of the CRS."""
        down, across = self.down, self.across
        return Affine(across, 0, self.x[0] - across / 2, 0, down, self.y[0] - down / 2)

    def equals(self, other: "Grid") -> bool:
        """Tell whether another grid has the same pixels."""
        return np.array_equal(self.y, other.y) and np.array_equal(self.x, other.x)

    def cut(self, rows: slice, columns: slice) -> "Grid":
        """Return a part of the grid, which keeps the size of its pixels."""
        known = self.steps is not None or len(self.y) > 1 or len(self.x) > 1
        return Grid(self.y[rows], self.x[columns], (self.down, self.across) if known else None)

    def pixels_at(self, y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows that hold the coordinates `y` and the columns that hold `x`; -1 outside."""
        if self.equals(Grid(y, x)):  # needs no size, which a single pixel may lack
            return np.arange(len(y)), np.arange(len(x))
        return _nearest(self.y, y, self.down), _nearest(self.x, x, self.across)

    def touched_by(self, left: float, bottom: float, right: float, top: float) -> tuple[slice, slice]:
        """Return the rows and columns that a box in the grid's CRS touches; empty where it touches none."""
        return _touched(self.y, self.down, bottom, top), _touched(self.x, self.across, left, right)

    def _step(self, axis: int) -> float | None:
        centres = (self.y, self.x)[axis]
        if len(centres) > 1:
            return float(centres[-1] - centres[0]) / (len(centres) - 1)
        return None if self.steps is None else self.steps[axis]


def _nearest(centres: np.ndarray, wanted: np.ndarray, step: float) -> np.ndarray:
    index = np.floor((wanted - centres[0]) / step + 0.5).astype(np.int64)
    return np.where((index >= 0) & (index < len(centres)), index, -1)


def _touched(centres: np.ndarray, step: float, low: float, high: float) -> slice:
    index = np.flatnonzero((centres + abs(step) / 2 > low) & (centres - abs(step) / 2 < high))
    return slice(int(index[0]), int(index[-1]) + 1) if len(index) else slice(0, 0)


def grid_of(dataset: xr.Dataset | xr.DataArray) -> Grid:
    """Read the grid of a dataset with axes `y` and `x`; the size of a single pixel from its `GeoTransform`."""
    # Left, width, 0, top, 0, height, as GDAL writes them.
    transforms = (str(attributes.get("GeoTransform", "")).split() for attributes in _grid_mappings(dataset))
    steps = next(((float(numbers[5]), float(numbers[1])) for numbers in transforms if len(numbers) == 6), None)
    return Grid(dataset["y"].values.astype(np.float64), dataset["x"].values.astype(np.float64), steps)


def locate(dataset: xr.Dataset, crs: CRS | str, grid: Grid | None = None) -> xr.Dataset:
    """Write a CRS into a dataset, and the transform of a grid whose single row or column does not tell its size."""
    located: xr.Dataset = dataset.rio.write_crs(crs)
    if grid is not None and grid.steps is not None and 1 in (len(grid.y), len(grid.x)):
        located = located.rio.write_transform(grid.transform)
    return located


def dataset_crs(dataset: xr.Dataset) -> CRS | None:
    """Read a CRS from the grid mapping, or from the attributes that products write instead; None without either."""
    variables = (dataset, *dataset.data_vars.values())
    texts = [each.get(key) for each in _grid_mappings(dataset) for key in ("crs_wkt", "spatial_ref", "epsg_code")]
    texts += [each.attrs.get(key) for each in variables for key in ("crs", "proj:code", "epsg", "proj:epsg")]
    return next((read_crs(text) for text in texts if text), None)


def read_crs(text: Any) -> CRS:
    """Read a CRS in any spelling that GDAL knows; raise ValueError for another."""
    spelling = str(text)
    try:
        return CRS.from_user_input(f"EPSG:{spelling}" if spelling.isdigit() else spelling)
    except CRSError:
        text = f"{spelling[:60]!r} is not a coordinate reference system: write for example EPSG:32631."
        raise ValueError(text) from None


def _grid_mappings(dataset: xr.Dataset | xr.DataArray) -> Iterator[dict[str, Any]]:
    """Give the attributes of the variables that may describe the grid, those that are named so first."""
    variables = [dataset, *dataset.data_vars.values()] if isinstance(dataset, xr.Dataset) else [dataset]
    named = [str(each.attrs.get("grid_mapping", each.encoding.get("grid_mapping", ""))) for each in variables]
    held = dataset.variables if isinstance(dataset, xr.Dataset) else dataset.coords
    for name in (*named, "spatial_ref", "crs"):
        if name and name in held:
            yield held[name].attrs
