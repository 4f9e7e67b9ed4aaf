"""Lay points and polygons on the grid of a cube: which pixels each has, chunk by chunk.

A polygon has the pixels whose centre it holds, or by the rule "touched" those that it reaches into. A pixel may be of
several polygons, and then counts for each.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from transformers.utils import logging

from ..extras import needs_extra
from ..maps.making.windows import GridWindow

with needs_extra("data"):
    import geopandas
    import pyproj
    import shapely

with needs_extra("map"):
    from ..maps.cubes.grids import Grid

logger = logging.get_logger(__name__)

# A polygon touches a pixel where it reaches further into it than this share of its side: one that ends at a pixel's
# edge, but for the rounding of its coordinates, does not touch the pixel beyond.
REACH = 1e-6
# Pixels that are tried at once, and vertices from which an index of a polygon is kept for its next chunk.
TRIED, MANY_VERTICES = 1 << 20, 1000
_POINT, _POLYGONS = 0, (3, 6)


class Pairs(NamedTuple):
    """Say which pixels belong to which parcels, as pairs.

    Attributes:
        parcels: rows of the layer (pair,).
        rows: of the grid (pair,).
        columns: of the grid (pair,).
        touched: parcels (n,) that have these pixels because they touch them, as they hold no centre.
    """

    parcels: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    touched: np.ndarray


@dataclass(frozen=True)
class Footprints:
    """Hold the shapes of parcels on the grid of a cube.

    Attributes:
        shapes: (parcel,) points or polygons in the grid's reference system, after the inset; None for none.
        grid: of the cube.
        touched: whether every polygon has all pixels that it touches.
        is_gone: (parcel,) bool, polygons of which the inset leaves nothing: they stand here without it.
        ranges: (parcel, 4) the first row, the row behind the last, and columns alike, of pixels that may be theirs.
    """

    shapes: np.ndarray
    grid: Grid
    touched: bool
    is_gone: np.ndarray
    ranges: np.ndarray

    def chunks(self, side: tuple[int, int]) -> dict[tuple[int, int], np.ndarray]:
        """Return the chunks of this side that may hold pixels of parcels, each with the rows of these, in order."""
        rows, columns = self.ranges[:, :2], self.ranges[:, 2:]
        members: dict[tuple[int, int], list[int]] = defaultdict(list)
        for parcel in np.flatnonzero((rows[:, 1] > rows[:, 0]) & (columns[:, 1] > columns[:, 0])).tolist():
            first, last = rows[parcel] - (0, 1), columns[parcel] - (0, 1)
            for row in range(first[0] // side[0], first[1] // side[0] + 1):
                for column in range(last[0] // side[1], last[1] // side[1] + 1):
                    members[row, column].append(parcel)
        return {chunk: np.array(members[chunk]) for chunk in sorted(members)}

    def pixels_in(self, window: GridWindow, parcels: np.ndarray) -> Pairs:
        """Return the pixels in a window of the parcels of these rows."""
        pixels: list[tuple[int, np.ndarray, np.ndarray]] = []
        touched = []
        for parcel in parcels.tolist():
            rows, columns, is_small = self._pixels_of(parcel, window)
            pixels.append((parcel, rows, columns))
            if is_small and len(rows):
                touched.append(parcel)
            _forget(self.shapes[parcel])
        empty = np.empty(0, dtype=np.int64)
        return Pairs(
            np.concatenate([empty, *(np.full(len(rows), parcel) for parcel, rows, _ in pixels)]),
            np.concatenate([empty, *(rows for _, rows, _ in pixels)]),
            np.concatenate([empty, *(columns for _, _, columns in pixels)]),
            np.array(touched, dtype=np.int64),
        )

    def _pixels_of(self, parcel: int, window: GridWindow) -> tuple[np.ndarray, np.ndarray, bool]:
        """Return a parcel's rows and columns in a window, and whether it has them because it holds no centre."""
        reached = self.ranges[parcel]
        top, left = max(reached[0], window.row), max(reached[2], window.column)
        bottom, right = min(reached[1], window.row + window.height), min(reached[3], window.column + window.width)
        part = (top, bottom, left, right)
        if shapely.get_type_id(self.shapes[parcel]) == _POINT:
            return np.array([top]), np.array([left]), False
        if self.touched and not self.is_gone[parcel]:
            return *self._within(parcel, part, touched=True), False
        if not self.is_gone[parcel]:
            rows, columns = self._within(parcel, part)
            if len(rows) or (part != tuple(reached) and self._holds_centre(parcel)):
                return rows, columns, False
        return *self._within(parcel, part, touched=True), True

    def _within(
        self, parcel: int, part: tuple[int, int, int, int], touched: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows and columns of the pixels of a part of the grid that a polygon holds or touches."""
        top, bottom, left, right = part
        shape = self.shapes[parcel]
        shapely.prepare(shape)
        step = max(TRIED // max(right - left, 1), 1)
        pixels = []
        for first in range(top, bottom, step):
            rows, columns = np.mgrid[first : min(first + step, bottom), left:right].reshape(2, -1)
            y, x = self.grid.y[rows], self.grid.x[columns]
            if touched:
                high, wide = (abs(each) * (0.5 - REACH) for each in (self.grid.down, self.grid.across))
                is_theirs = shapely.intersects(shape, shapely.box(x - wide, y - high, x + wide, y + high))
            else:
                is_theirs = shapely.contains_xy(shape, x, y)
            pixels.append((rows[is_theirs], columns[is_theirs]))
        empty = np.empty(0, dtype=np.int64)
        return (
            np.concatenate([empty, *(rows for rows, _ in pixels)]),
            np.concatenate([empty, *(columns for _, columns in pixels)]),
        )

    def _holds_centre(self, parcel: int) -> bool:
        """Tell whether a polygon holds the centre of any pixel, of whatever chunk."""
        top, bottom, left, right = self.ranges[parcel].tolist()
        step = max(TRIED // max(right - left, 1), 1)
        parts = ((first, min(first + step, bottom), left, right) for first in range(top, bottom, step))
        return any(len(self._within(parcel, part)[0]) for part in parts)


def _forget(shape: Any) -> None:
    """Let go of the index of a polygon, but of one whose index takes long to make."""
    if shapely.get_num_coordinates(shape) < MANY_VERTICES:
        shapely.destroy_prepared(shape)


def lay_on_grid(
    parcels: geopandas.GeoDataFrame, grid: Grid, crs: Any, *, inset: float = 0.0, touched: bool = False
) -> Footprints:
    """Lay parcels on the grid of a cube; warn of those that are repaired, and of those outside.

    Args:
        parcels: points or polygons, in any reference system.
        grid: of the cube.
        crs: of the grid, of rasterio.
        inset: metres from the edge of each polygon that are left out.
        touched: give each polygon all pixels that it touches.

    Raises:
        ValueError: they are of kinds that are not read, or none of them overlaps the grid.
    """
    flat = shapely.force_2d(parcels.geometry.to_numpy())
    are_points = _check_kinds(flat)
    if are_points and inset:
        raise ValueError("An inset is for polygons, and the layer holds points: leave it out (--inset, `inset`).")
    shapes = _repaired(flat)
    system = pyproj.CRS.from_wkt(crs.to_wkt())
    series = geopandas.GeoSeries(shapes, crs=parcels.crs)
    is_missing = shapely.is_missing(shapes) | shapely.is_empty(shapes)
    is_gone = np.zeros(len(shapes), dtype=bool)
    if inset:
        less = _inset(series, system, inset)
        is_gone = shapely.is_empty(less.to_numpy()) & ~is_missing
        series = less.where(~is_gone, series.to_crs(system))
    shapes = series.to_crs(system).to_numpy()
    ranges = _ranges(shapes, grid)
    is_inside = (ranges[:, 1] > ranges[:, 0]) & (ranges[:, 3] > ranges[:, 2])
    if not is_inside.any():
        raise ValueError(
            f"No parcel overlaps the cube: the parcels lie at {_span(shapes)}, the cube at {_grid_span(grid)} "
            f"({system.to_string()[:40]}): check the coordinate reference systems."
        )
    if outside := int((~is_inside & ~is_missing).sum()):
        logger.warning(f"{outside:,} of {len(shapes):,} parcels lie outside the cube and have no class.")
    return Footprints(shapes, grid, touched, is_gone, ranges)


def _check_kinds(shapes: np.ndarray) -> bool:
    """Tell whether all shapes are points; raise a ValueError where they are neither all points nor all polygons."""
    kinds = shapely.get_type_id(shapes)
    is_known = np.isin(kinds, (-1, _POINT, *_POLYGONS))
    if not is_known.all():
        row = int(np.argmin(is_known))
        raise ValueError(
            f"The layer holds a {shapes[row].geom_type} in row {row + 1}: give points or polygons, as lines and "
            "collections have no pixels of their own."
        )
    is_point, is_polygon = kinds == _POINT, np.isin(kinds, _POLYGONS)
    if is_point.any() and is_polygon.any():
        row = int(np.argmax(is_point if is_polygon[np.argmax(is_point | is_polygon)] else is_polygon))
        raise ValueError(
            f"The layer holds points and polygons together (row {row + 1} is a {shapes[row].geom_type}): give them in "
            "two layers."
        )
    if not (is_point | is_polygon).any():
        raise ValueError("The layer has no geometry in any row: give points or polygons.")
    return bool(is_point.any())


def _repaired(shapes: np.ndarray) -> np.ndarray:
    """Repair polygons whose rings cross or overlap; what is written keeps the geometry as it was."""
    is_broken = ~shapely.is_valid(shapes) & ~shapely.is_missing(shapes)
    if not is_broken.any():
        return shapes
    count, row = int(is_broken.sum()), int(np.argmax(is_broken))
    reason = shapely.is_valid_reason(shapes[row]).partition("[")[0].lower()
    which = "1 polygon has invalid rings and is" if count == 1 else f"{count:,} polygons have invalid rings and are"
    logger.warning(
        f"{which} repaired to be laid on the cube (the first in row {row + 1}: {reason}); they stay as they were."
    )
    repaired = shapes.copy()
    repaired[is_broken] = shapely.make_valid(shapes[is_broken], method="structure", keep_collapsed=False)
    return repaired


def _inset(series: geopandas.GeoSeries, system: pyproj.CRS, metres: float) -> geopandas.GeoSeries:
    """Shrink polygons by metres, in the grid's reference system where that is of metres on the ground, or in UTM."""
    metric = system
    method = system.coordinate_operation.method_name if system.coordinate_operation is not None else ""
    stretches = "Mercator" in method and "Transverse" not in method
    if not system.is_projected or stretches or system.axis_info[0].unit_conversion_factor != 1:
        metric = series.estimate_utm_crs()
    return series.to_crs(metric).buffer(-metres).to_crs(system)


def _ranges(shapes: np.ndarray, grid: Grid) -> np.ndarray:
    """Return for each shape the rows and columns of the grid, first and behind the last, that its bounds reach."""
    bounds = shapely.bounds(shapes)
    ranges = np.zeros((len(shapes), 4), dtype=np.int64)
    known = np.isfinite(bounds).all(axis=1)
    edges = grid.transform
    for axis, (low, high) in enumerate((bounds[known][:, [1, 3]].T, bounds[known][:, [0, 2]].T)):
        start, step, count = ((edges.f, edges.e, len(grid.y)), (edges.c, edges.a, len(grid.x)))[axis]
        first, last = sorted(((low - start) / step, (high - start) / step), key=np.sum)
        cut = np.clip(np.stack([np.floor(first), np.floor(last) + 1]), 0, count)
        ranges[known, 2 * axis : 2 * axis + 2] = cut.T.astype(np.int64)
    return ranges


def _span(shapes: np.ndarray) -> str:
    bounds = shapely.bounds(shapes)
    bounds = bounds[np.isfinite(bounds).all(axis=1)]
    if not len(bounds):
        return "no place that the cube's reference system has"
    return _box(*bounds[:, :2].min(axis=0), *bounds[:, 2:].max(axis=0))


def _grid_span(grid: Grid) -> str:
    y, x = ((centres.min(), centres.max()) for centres in (grid.y, grid.x))
    return _box(x[0], y[0], x[1], y[1])


def _box(left: float, bottom: float, right: float, top: float) -> str:
    return f"x {left:.8g} to {right:.8g}, y {bottom:.8g} to {top:.8g}"
