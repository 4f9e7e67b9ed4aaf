"""Measure the pixels of a grid: in metres by their sides, in degrees on the ellipsoid by their latitude."""

from typing import Any

import numpy as np

from ..extras import needs_extra

with needs_extra("data"):
    import pyproj
with needs_extra("map"):
    from rasterio.crs import CRS
    from rasterio.transform import Affine

# Square metres.
HECTARE = 10_000.0


def row_areas(crs: CRS | None, transform: Affine, shape: tuple[int, int], name: str) -> np.ndarray:
    """Return the area of a pixel of each row in square metres, (rows,).

    In a projected system it is the product of its sides, which leaves out what the projection stretches: of UTM less
    than 0.2 % of an area. In a geographic one it is the part of the ellipsoid between two meridians and two parallels.

    Args:
        crs: of the grid.
        transform: from column and row to its coordinates.
        shape: rows and columns.
        name: what messages call the raster.

    Raises:
        ValueError: there is no system, or one neither projected nor geographic; the grid is rotated in degrees, or
            reaches beyond a pole.
    """
    if crs is None:
        raise ValueError(f"{name} has no coordinate reference system, without which a pixel has no area: write one.")
    if crs.is_projected:
        metres = crs.linear_units_factor[1]
        return np.full(shape[0], abs(transform.determinant) * metres**2)
    if not crs.is_geographic:
        raise ValueError(f"The coordinates of {name} are neither degrees nor metres of a map: warp it to such a grid.")
    if transform.b or transform.d:
        raise ValueError(f"The grid of {name} is rotated: warp it to a north-up grid first.")
    edges = transform.f + transform.e * np.arange(shape[0] + 1)
    if np.abs(edges).max() > 90 + abs(transform.e) / 1000:
        raise ValueError(
            f"The rows of {name} reach {np.abs(edges).max():.1f} degrees, beyond a pole: correct its grid."
        )
    ellipsoid: Any = pyproj.CRS.from_wkt(crs.to_wkt()).ellipsoid
    major, minor = ellipsoid.semi_major_metre, ellipsoid.semi_minor_metre
    eccentricity = np.sqrt(1 - (minor / major) ** 2)
    sines = np.sin(np.radians(np.clip(edges, -90, 90)))
    # From the equator to a parallel, for a radian of longitude: Snyder, "Map Projections" (1987), equation 3-12.
    stretched = np.arctanh(eccentricity * sines) / eccentricity if eccentricity else sines
    zones = minor**2 / 2 * (sines / (1 - (eccentricity * sines) ** 2) + stretched)
    return np.asarray(np.abs(np.diff(zones)) * np.radians(abs(transform.a)))
