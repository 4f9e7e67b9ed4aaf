"""Make small cubes on a grid, and rasters, for the tests."""

from pathlib import Path

import numpy as np
import rasterio
import rioxarray  # noqa: F401 (gives xarray its `.rio`)
import xarray as xr
from rasterio.transform import from_origin

from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS

CRS = "EPSG:32631"
MONTHS = np.array([f"2018-{month:02d}-15" for month in range(1, 13)], dtype="datetime64[ns]")


def grid(height: int, width: int, size: float = 10.0) -> dict[str, np.ndarray]:
    """Return the centres of pixels, from a corner that all small cubes share."""
    return {"y": 5_600_000 - size * (np.arange(height) + 0.5), "x": 500_000 + size * (np.arange(width) + 0.5)}


def small_cube(
    height: int = 6,
    width: int = 5,
    times: np.ndarray = MONTHS,
    bands=BANDS,
    size: float = 10.0,
    seed: int = 0,
) -> xr.Dataset:
    """Make bands as variables (time, y, x), uint16, as most products keep them."""
    random = np.random.default_rng(seed)
    shape = (len(times), height, width)
    variables = {band: (("time", "y", "x"), random.integers(100, 4000, shape, dtype=np.uint16)) for band in bands}
    return xr.Dataset(variables, coords={"time": times, **grid(height, width, size)}).rio.write_crs(CRS)


def write_raster(path: Path, values: np.ndarray, names=None, *, crs=CRS, size: float = 10.0, **profile) -> Path:
    """Write a GeoTIFF of (band, y, x) with the upper left corner of the small cubes."""
    count, height, width = values.shape
    shape = {"count": count, "height": height, "width": width, "dtype": values.dtype}
    transform = from_origin(500_000, 5_600_000, size, size)
    with rasterio.open(path, "w", driver="GTiff", crs=crs, transform=transform, **shape, **profile) as raster:
        raster.write(values)
        if names is not None:
            raster.descriptions = names
    return path
