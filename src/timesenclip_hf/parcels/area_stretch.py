"""Refuse maps whose coordinate reference system does not tell how large their pixels are."""

import numpy as np

from ..extras import needs_extra

with needs_extra("map"):
    from rasterio.crs import CRS
    from rasterio.transform import Affine
with needs_extra("data"):
    import pyproj

# Share by which a projection may change areas: UTM and the grids of countries stay below (0.2 % at the edge of a UTM
# zone, 0.6 % in Lambert-93), Web Mercator makes them 2.4 times as large at 50 degrees. Our own choice.
MOST_STRETCHED = 0.01


def check_stretch(crs: CRS | None, transform: Affine, shape: tuple[int, int], name: str) -> None:
    """Refuse a projection in which pixels are not as large as their sides say, at the corners or in the middle.

    Args:
        crs: of the grid; None, and what is neither projected nor geographic, is left to [`row_areas`].
        transform: from column and row to its coordinates.
        shape: rows and columns.
        name: what messages call the raster.

    Raises:
        ValueError: areas are changed by more than `MOST_STRETCHED`, or a geographic system does not count in degrees.
    """
    if crs is not None and crs.is_geographic and not np.isclose(crs.units_factor[1], np.pi / 180):
        raise ValueError(f"The coordinates of {name} are no degrees but {crs.units_factor[0]}: warp it to EPSG:4326.")
    if crs is None or not crs.is_projected:
        return
    rows, columns = shape
    corners = [(0, 0), (columns, 0), (0, rows), (columns, rows), (columns / 2, rows / 2)]
    projected = pyproj.CRS.from_wkt(crs.to_wkt())
    if projected.geodetic_crs is None:
        return
    xs, ys = np.transpose([transform @ corner for corner in corners])
    degrees = pyproj.Transformer.from_crs(projected, projected.geodetic_crs, always_xy=True).transform(xs, ys)
    scales = np.atleast_1d(pyproj.Proj(projected).get_factors(*degrees).areal_scale)
    worst = float(np.max(np.abs(scales[np.isfinite(scales)] - 1), initial=0.0))
    if worst > MOST_STRETCHED:
        raise ValueError(
            f"The projection of {name} changes areas by up to {worst:.0%}: warp it, by nearest neighbour, to one that "
            "keeps them, such as EPSG:6933 (the world) or EPSG:3035 (Europe)."
        )
