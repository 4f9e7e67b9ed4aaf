"""Tell where on Earth a map lies: its centre, its scale, where north is; and write it as a cartographer would."""

import math
from dataclasses import dataclass

import numpy as np

from ...extras import needs_extra
from ...words import on_one_line
from ..cubes.grids import grid_of

with needs_extra("map"):
    import xarray as xr
    from rasterio.errors import RasterioError
    from rasterio.warp import transform

# Of the ellipsoid of WGS 84, metres (NIMA TR8350.2).
SEMI_MAJOR_AXIS, SQUARED_ECCENTRICITY = 6_378_137.0, 6.69437999014e-3
# Nodes along each side of the grid of degrees by which the page tells where a pixel lies: between the nodes of a
# Sentinel-2 tile in UTM a straight line is off by some metre.
NODES = 17


@dataclass(frozen=True)
class Ground:
    """Say where on Earth a map lies.

    Attributes:
        longitude: of its centre, degrees.
        latitude: of its centre, degrees.
        across: metres on the ground of one unit of x at the centre, and
        down: of one unit of y.
        north: where north is at the centre, in degrees clockwise from the top.
    """

    longitude: float
    latitude: float
    across: float
    down: float
    north: float

    @property
    def place(self) -> str:
        """Write the centre, such as "50.8120° N, 3.0170° E"."""
        return (
            f"{abs(self.latitude):.4f}° {'NS'[self.latitude < 0]}, {abs(self.longitude):.4f}° "
            f"{'EW'[self.longitude < 0]}"
        )


def ground_of(mapped: xr.Dataset) -> Ground | None:
    """Return where a map lies; None where its coordinates are no place in its coordinate reference system."""
    corner, far, step = _corners(mapped)
    x, y = (corner + far) / 2
    step = np.maximum(np.abs(far - corner) / 100, step)
    places = _degrees(mapped, [x, x - step[0], x + step[0], x, x], [y, y, y, y - step[1], y + step[1]])
    if places is None or not step.all():
        return None
    longitude, latitude = places[:, 0]
    east, north = (_steps(places[:, later] - places[:, earlier], latitude) for earlier, later in ((1, 2), (3, 4)))
    across, down = (math.hypot(*way) / (2 * size) for way, size in zip((east, north), step, strict=True))
    turned = (float(longitude) + 180) % 360 - 180
    # A step to the top of the map turns from the meridian by as much as north does from the top, the other way.
    turn = -math.degrees(math.atan2(*north))
    return Ground(turned, float(latitude), across, down, turn) if across > 0 and down > 0 else None


def node_degrees(mapped: xr.Dataset) -> list[list[float]] | None:
    """Return longitudes, then latitudes, at `NODES` x `NODES` points over a map, row by row from its upper left corner.

    Longitudes do not leap at 180 degrees. None where the coordinates are no places.
    """
    corner, far, _ = _corners(mapped)
    x, y = np.meshgrid(*(np.linspace(corner[axis], far[axis], NODES) for axis in (0, 1)))
    places = _degrees(mapped, x.ravel(), y.ravel())
    if places is None:
        return None
    longitudes = places[0].reshape(NODES, NODES)
    longitudes = np.unwrap(np.unwrap(longitudes, period=360, axis=0), period=360, axis=1)
    return [longitudes.ravel().round(6).tolist(), places[1].round(6).tolist()]


def crs_of(mapped: xr.Dataset) -> str:
    """Write the coordinate reference system in one line, such as "EPSG:32631 (WGS 84 / UTM zone 31N)"."""
    crs = mapped.rio.crs
    if crs is None:
        return "unknown coordinate reference system"
    quoted = crs.to_wkt().split('"')
    name, authority = quoted[1] if len(quoted) > 1 else "", crs.to_authority()
    return on_one_line(f"{':'.join(authority)} ({name})" if authority else name or "a coordinate reference system")


def round_length(metres: float) -> float:
    """Return the longest of 1, 2 or 5 times a power of ten that is no longer, for a scale bar."""
    power = 10.0 ** math.floor(math.log10(metres))
    return next(times * power for times in (5, 2, 1) if times * power <= metres * (1 + 1e-9))


def length_text(metres: float) -> str:
    """Write a length as "500 m" or "2 km"."""
    return f"{metres / 1000:,g} km" if metres >= 1000 else f"{metres:g} m"


def pixel_text(mapped: xr.Dataset, ground: Ground | None) -> str:
    """Write how large pixels are on the ground, such as "10 m" or "20 × 14 m"; empty where that is not known."""
    if ground is None:
        return ""
    grid = grid_of(mapped)
    sizes = dict.fromkeys((f"{abs(grid.across) * ground.across:.3g}", f"{abs(grid.down) * ground.down:.3g}"))
    return f"{' × '.join(sizes)} m"


def _corners(mapped: xr.Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the first and the last corner of the grid, and the size of its pixels."""
    affine = grid_of(mapped).transform
    ends = [np.asarray(affine @ end) for end in ((0.0, 0.0), (float(mapped.sizes["x"]), float(mapped.sizes["y"])))]
    return ends[0], ends[1], np.abs([affine.a, affine.e])


def _degrees(mapped: xr.Dataset, x: object, y: object) -> np.ndarray | None:
    """Return longitude and latitude (2, points), or None where these are no places."""
    crs, points = mapped.rio.crs, [np.asarray(each, dtype=np.float64).tolist() for each in (x, y)]
    if crs is None:
        return None
    try:
        places = np.asarray(transform(crs, "EPSG:4326", *points)[:2])
    except (RasterioError, ValueError):
        return None
    return places if np.isfinite(places).all() and np.abs(places[1]).max() <= 90 else None


def _steps(degrees: np.ndarray, latitude: float) -> tuple[float, float]:
    """Return metres to the east and to the north of a small step in degrees, on the ellipsoid."""
    bend = 1 - SQUARED_ECCENTRICITY * math.sin(math.radians(latitude)) ** 2
    longitude = (degrees[0] + 180) % 360 - 180
    east = math.radians(longitude) * math.cos(math.radians(latitude)) * SEMI_MAJOR_AXIS / math.sqrt(bend)
    return east, math.radians(degrees[1]) * SEMI_MAJOR_AXIS * (1 - SQUARED_ECCENTRICITY) / bend**1.5
