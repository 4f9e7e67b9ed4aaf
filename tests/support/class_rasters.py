"""Make maps of classes, and points on them whose class is known, for the tests."""

from pathlib import Path

import geopandas
import numpy as np
import rasterio
from rasterio.transform import from_origin

from timesenclip_hf.parcels import write_layer

UTM = from_origin(500_000, 5_600_000, 10, 10)
NAMES = ("maize", "grassland", "water")


def write_classes(
    path: Path, codes: np.ndarray, names=NAMES, *, crs="EPSG:32631", transform=UTM, nodata=0, tags=None
) -> Path:
    """Write codes (y, x) as a GeoTIFF that names its classes 1, 2, ... as `timesenclip map` does."""
    height, width = codes.shape
    shape = {"count": 1, "height": height, "width": width, "dtype": codes.dtype}
    with rasterio.open(path, "w", driver="GTiff", crs=crs, transform=transform, nodata=nodata, **shape) as raster:
        raster.write(codes, 1)
        named = {f"CLASS_{code}": name for code, name in enumerate(names, start=1)}
        raster.update_tags(**named, **(tags or {}))
    return path


def random_codes(shape=(40, 50), shares=(0.2, 0.3, 0.5), seed=0) -> np.ndarray:
    """Draw codes 1, 2, ... (y, x) uint8 in these shares."""
    codes = np.arange(1, len(shares) + 1)
    return np.random.default_rng(seed).choice(codes, size=shape, p=shares).astype(np.uint8)


def write_points(path: Path, pixels, classes, *, transform=UTM, crs="EPSG:32631", column="class", **columns) -> Path:
    """Write points in the middle of pixels (row, column) with a column of classes."""
    rows, across = np.asarray(pixels, dtype=float).T
    x, y = transform @ (across + 0.5, rows + 0.5)
    places = geopandas.points_from_xy(x, y)
    frame = geopandas.GeoDataFrame({column: list(classes), **columns}, geometry=places, crs=crs)
    write_layer(frame, path)
    return path


def visited(sample: geopandas.GeoDataFrame, truth: np.ndarray, names=NAMES) -> geopandas.GeoDataFrame:
    """Fill in the classes of a sample from the true codes (y, x)."""
    rows, columns = sample["pixel"].str.extract(r"row (\d+), column (\d+)").to_numpy(dtype=int).T
    return sample.assign(**{"class": np.asarray(["", *names], dtype=object)[truth[rows, columns]]})
