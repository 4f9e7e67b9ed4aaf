"""Where a map lies: its affine transform, its size on the ground and its outline in degrees."""

from itertools import pairwise
from typing import Any

import numpy as np

from ...extras import needs_extra
from ..cubes.sources import spacing

with needs_extra("map"):
    import rioxarray  # noqa: F401 (gives xarray its `.rio`)
    import xarray as xr
    from rasterio.transform import Affine
    from rasterio.warp import transform_geom

# Points along each side of an outline: straight sides bend when they become degrees.
POINTS_A_SIDE = 8
# Of a coordinate in degrees: a decimetre.
DECIMALS = 6


def grid_transform(mapped: xr.Dataset) -> Affine:
    """Affine transform of a grid given by the centres of its pixels."""
    x, y = mapped["x"].values, mapped["y"].values
    # Rows run from north to south unless the coordinates say otherwise.
    across, down = spacing(x, y), spacing(y, x) if len(y) > 1 else -abs(spacing(y, x))
    return Affine(across, 0, x[0] - across / 2, 0, down, y[0] - down / 2)


def square_kilometres(mapped: xr.Dataset) -> float | None:
    """Area of a pixel, `None` where the CRS is not in metres."""
    crs = mapped.rio.crs
    if crs is None or not crs.is_projected or crs.linear_units_factor[1] != 1:
        return None
    transform = grid_transform(mapped)
    return abs(float(transform.a) * float(transform.e)) / 1e6


def outline(mapped: xr.Dataset) -> dict[str, Any]:
    """The map's rectangle as a GeoJSON polygon in longitude and latitude."""
    transform, width, height = grid_transform(mapped), mapped.sizes["x"], mapped.sizes["y"]
    steps = np.linspace(0, 1, POINTS_A_SIDE, endpoint=False)
    corners = np.asarray([(0, 0), (0, height), (width, height), (width, 0), (0, 0)])
    sides = [start + steps[:, None] * (end - start) for start, end in pairwise(corners)]
    ring = [transform @ (float(x), float(y)) for x, y in np.concatenate([*sides, corners[:1]])]
    polygon: dict[str, Any] = transform_geom(
        mapped.rio.crs, "EPSG:4326", {"type": "Polygon", "coordinates": [ring]}, precision=DECIMALS
    )
    return polygon
