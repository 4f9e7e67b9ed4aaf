"""Open rasters by the one driver of their kind, so that GDAL follows nothing that their content names."""

import os
from pathlib import Path
from typing import Any

from ..extras import needs_extra
from .admission import admit
from .crs import check_crs
from .kinds import JPEG2000, TIFF, VRT, kind_of
from .limits import PLAIN, Limits

with needs_extra("map"):
    import rasterio
    from rasterio.errors import RasterioError, RasterioIOError

DRIVERS = {TIFF: "GTiff", JPEG2000: "JP2OpenJPEG", VRT: "VRT"}


def open_raster(path: str | os.PathLike[str], limits: Limits | None = PLAIN) -> Any:
    """Open a GeoTIFF or JPEG 2000, or a VRT of such below its folder, with rasterio.

    Args:
        path: of the file.
        limits: that its header must keep; None where it was checked before, and is opened for a window.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is none of these, is not admitted, or cannot be read.
    """
    file = Path(path).absolute()
    driver = raster_driver(file, limits)
    try:
        raster = rasterio.open(file, driver=driver, sharing=False)
    except RasterioError as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        reason = reason.removeprefix(f"{file}: ").removeprefix(f"'{file}' ")
        raise ValueError(f"{file.name} cannot be read as a raster ({reason}): fetch or unpack it again.") from None
    try:
        check_crs(raster.crs)
    except ValueError:
        raster.close()
        raise
    return raster


def open_address(address: str) -> Any:
    """Open a GeoTIFF or JPEG 2000 at an address, and nothing that lies beside it.

    Raises:
        rasterio.errors.RasterioIOError: it cannot be reached, or is neither.
        ValueError: its coordinate reference system names a file or an address.
    """
    with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"):
        try:
            raster = rasterio.open(address, driver=DRIVERS[TIFF], sharing=False)
        except RasterioIOError:
            raster = rasterio.open(address, driver=DRIVERS[JPEG2000], sharing=False)
    check_crs(raster.crs)
    return raster


def raster_driver(path: Path, limits: Limits | None = PLAIN) -> str:
    """Return the name of GDAL's driver for a raster, by its content; as for `open_raster`, it is checked before."""
    kind = kind_of(path) if limits is None else admit(path, limits)
    if kind not in DRIVERS:
        raise ValueError(f"{path.name} is no raster but {kind}, whatever its name says: give GeoTIFF or JPEG 2000.")
    return DRIVERS[kind]
