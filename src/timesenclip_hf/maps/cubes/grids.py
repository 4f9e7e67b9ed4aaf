"""Describe where pixels lie: regular grids, their transforms and coordinate reference systems."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...extras import needs_extra
from ...gate.crs import read_crs

with needs_extra("map"):
    import rioxarray  # noqa: F401 (gives xarray its `.rio`)
    import xarray as xr
    from rasterio.crs import CRS
    from rasterio.transform import Affine
    from rasterio.warp import transform_bounds

# Coordinates of a regular grid may differ by this share of a pixel; those of 32 bits by what they cannot say as well.
GRID_TOLERANCE = 0.01
COARSEST_TOLERANCE = 0.2
DEGREES_AROUND = 360.0


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
        """Return a part of the grid, turned where a slice counts down, which keeps the size of its pixels."""
        known = self.steps is not None or len(self.y) > 1 or len(self.x) > 1
        steps = (self.down * (rows.step or 1), self.across * (columns.step or 1)) if known else None
        return Grid(self.y[rows], self.x[columns], steps)

    def pixels_at(self, y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows that hold the coordinates `y` and the columns that hold `x`; -1 outside."""
        if self.equals(Grid(y, x)):  # needs no size, which a single pixel may lack
            return np.arange(len(y)), np.arange(len(x))
        return _nearest(self.y, y, self.down), _nearest(self.x, x, self.across)

    def bounds_of(self, crs: CRS, west: float, south: float, east: float, north: float) -> tuple[float, ...]:
        """Return left, bottom, right and top, in the grid's CRS, of a box in degrees, which may cross 180°."""
        if not crs.is_geographic:
            return tuple(transform_bounds("EPSG:4326", crs, west, south, east, north))
        east += DEGREES_AROUND if west > east else 0.0
        # A grid may count from 0 to 360.
        middle = float(self.x[0] + self.x[-1]) / 2
        turns = DEGREES_AROUND * round((middle - (west + east) / 2) / DEGREES_AROUND)
        return west + turns, south, east + turns, north

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
    """Read the grid of a dataset with axes `y` and `x`; the size of a single pixel from the transform that it tells."""
    told = told_transform(dataset)
    steps = None if told is None else (told.e, told.a)
    return Grid(dataset["y"].values.astype(np.float64), dataset["x"].values.astype(np.float64), steps)


def told_transform(dataset: xr.Dataset | xr.DataArray) -> Affine | None:
    """Read the transform that a dataset tells beside its coordinates, as GDAL, stackstac or GeoZarr write it."""
    for attributes in _grid_mappings(dataset):
        numbers = str(attributes.get("GeoTransform", "")).split()
        if len(numbers) == 6:
            return Affine.from_gdal(*map(float, numbers))
    variables = [dataset, *dataset.data_vars.values()] if isinstance(dataset, xr.Dataset) else [dataset]
    for key in ("transform", "spatial:transform", "proj:transform"):
        for each in variables:
            told = each.attrs.get(key)
            if isinstance(told, (list, tuple, np.ndarray)) and len(told) in (6, 9):
                return Affine(*map(float, told[:6]))
    return None


def at_pixel_centres(dataset: xr.Dataset, source: str) -> tuple[xr.Dataset, list[str]]:
    """Give a dataset with axes `y` and `x` the centres of its pixels as coordinates, by the transform that it tells.

    Coordinates of the corners of pixels, as stackstac writes them, are moved by half a pixel; absent ones are made.

    Args:
        dataset: with its axes called `y` and `x`.
        source: what messages call it.

    Returns:
        The dataset, and sentences about what was done.

    Raises:
        ValueError: the grid is rotated, or the coordinates lie beside the transform by anything but half a pixel.
    """
    transform = told_transform(dataset)
    if transform is None:
        return dataset, []
    if transform.b or transform.d:
        raise ValueError(f"The grid of {source} is rotated: warp it to a north-up grid first.")
    moved, notes = {}, []
    for axis, start, step in (("y", transform.f, transform.e), ("x", transform.c, transform.a)):
        if axis not in dataset.coords:
            moved[axis] = start + step * (np.arange(dataset.sizes.get(axis, 0)) + 0.5)
            continue
        centres = dataset[axis].values.astype(np.float64)
        tolerance = tolerance_of(dataset[axis].values, step)
        spacing = abs(centres[-1] - centres[0]) / max(len(centres) - 1, 1)
        if len(centres) > 1 and abs(spacing / abs(step) - 1) > max(tolerance, GRID_TOLERANCE):
            notes.append(f"The transform of {source} is of pixels of {abs(step):g}, not {spacing:g}: it is left aside.")
            continue
        beside = abs((centres[0] - start) / step % 1 - 0.5)  # 0 at the centre of a pixel, 0.5 at its corner
        if 0.5 - beside <= tolerance:
            moved[axis] = centres + step / 2
        elif beside > tolerance:
            raise ValueError(
                f"The {axis} coordinates of {source} lie {beside:.2g} pixels beside the centres that its transform "
                "tells: correct one of the two."
            )
    if any(axis in dataset.coords for axis in moved):
        notes.append(f"The coordinates of {source} are corners of pixels: half a pixel is added, by its transform.")
    elif moved:
        notes.append(f"The coordinates of {source} are made by its transform.")
    return dataset.assign_coords(moved), notes


def tolerance_of(coordinates: np.ndarray, step: float) -> float:
    """Return by which share of a pixel coordinates may be off: more where 32 bits hold them."""
    if coordinates.dtype.kind != "f" or not len(coordinates):
        return GRID_TOLERANCE
    rounding = float(np.spacing(np.abs(coordinates).max())) / abs(step)
    return min(max(GRID_TOLERANCE, 2 * rounding), COARSEST_TOLERANCE)


def north_up(dataset: xr.Dataset) -> xr.Dataset:
    """Turn a dataset so that its first row is the northernmost and its first column the westernmost."""
    grid = grid_of(dataset)
    up, left = (grid._step(0) or -1.0) > 0, (grid._step(1) or 1.0) < 0
    if not (up or left):
        return dataset
    rows, columns = (slice(None, None, -1) if turned else slice(None) for turned in (up, left))
    turned = dataset.isel(y=rows, x=columns)
    crs = dataset.rio.crs
    return turned if crs is None else locate(turned, crs, grid.cut(rows, columns))


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


def _grid_mappings(dataset: xr.Dataset | xr.DataArray) -> Iterator[dict[str, Any]]:
    """Give the attributes of the variables that may describe the grid, those that are named so first."""
    variables = [dataset, *dataset.data_vars.values()] if isinstance(dataset, xr.Dataset) else [dataset]
    named = [str(each.attrs.get("grid_mapping", each.encoding.get("grid_mapping", ""))) for each in variables]
    held = dataset.variables if isinstance(dataset, xr.Dataset) else dataset.coords
    for name in (*named, "spatial_ref", "crs"):
        if name and name in held:
            yield held[name].attrs
