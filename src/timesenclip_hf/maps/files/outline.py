"""Outline a map in longitude and latitude, across 180° and around a pole as GeoJSON asks."""

from itertools import pairwise
from typing import Any

import numpy as np

from ...extras import needs_extra
from ..cubes.grids import DEGREES_AROUND, grid_of

with needs_extra("map"):
    import xarray as xr
    from rasterio.crs import CRS
    from rasterio.warp import transform_bounds, transform_geom

# Points along each side of an outline: straight sides bend when they become degrees.
POINTS_A_SIDE = 8
# Of a coordinate in degrees: a decimetre.
DECIMALS = 6


def outline(mapped: xr.Dataset) -> tuple[dict[str, Any], list[float]]:
    """Return a map's rectangle as GeoJSON, and west, south, east and north of it in degrees.

    What crosses 180° is cut there into several polygons, and its west is larger than its east (RFC 7946, 3.1.9 and
    5.2).
    """
    transform, width, height = grid_of(mapped).transform, mapped.sizes["x"], mapped.sizes["y"]
    (left, top), (right, bottom) = transform @ (0.0, 0.0), transform @ (float(width), float(height))
    if mapped.rio.crs.is_geographic:
        return _in_degrees(mapped.rio.crs, left, bottom, right, top)
    steps = np.linspace(0, 1, POINTS_A_SIDE, endpoint=False)
    corners = np.asarray([(left, top), (left, bottom), (right, bottom), (right, top), (left, top)])
    sides = [start + steps[:, None] * (end - start) for start, end in pairwise(corners)]
    polygon = {"type": "Polygon", "coordinates": [np.concatenate([*sides, corners[:1]]).tolist()]}
    geometry: dict[str, Any] = transform_geom(mapped.rio.crs, "EPSG:4326", polygon, precision=DECIMALS)
    bounds = transform_bounds(mapped.rio.crs, "EPSG:4326", left, bottom, right, top)
    return geometry, [round(number, DECIMALS) for number in bounds]


def _in_degrees(crs: CRS, left: float, bottom: float, right: float, top: float) -> tuple[dict[str, Any], list[float]]:
    """Outline a box of degrees, which may count up to 360."""
    turns = DEGREES_AROUND * np.floor((left + DEGREES_AROUND / 2) / DEGREES_AROUND)
    west, east = left - turns, right - turns
    pieces = [(west, min(east, 180.0))]
    if east > 180.0:
        pieces.append((-180.0, east - DEGREES_AROUND))
    rings = [[(w, top), (w, bottom), (e, bottom), (e, top), (w, top)] for w, e in pieces]
    shapes = [{"type": "Polygon", "coordinates": [ring]} for ring in rings]
    polygons = [transform_geom(crs, "EPSG:4326", shape, precision=DECIMALS)["coordinates"] for shape in shapes]
    geometry: dict[str, Any] = {"type": "Polygon", "coordinates": polygons[0]}
    if len(polygons) > 1:
        geometry = {"type": "MultiPolygon", "coordinates": polygons}
    bounds = [west, bottom, pieces[-1][1], top]
    return geometry, [round(float(number), DECIMALS) for number in bounds]
