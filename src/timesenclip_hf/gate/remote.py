"""Let odc-stac open GeoTIFF and JPEG 2000 only, whatever a server sends."""

from typing import Any

from ..extras import needs_extra
from .rasters import open_address, open_raster

with needs_extra("map"):
    from odc.loader._rio import RioDriver, RioReader


class GatedReader(RioReader):  # type: ignore[misc, unused-ignore]
    """Read a raster that GDAL opens by an allowed driver; what it has fetched for that is not fetched again."""

    def read(self, *arguments: Any, **options: Any) -> Any:
        """Read a window as odc-stac does.

        Raises:
            rasterio.errors.RasterioIOError: the raster cannot be reached, or is no GeoTIFF or JPEG 2000.
            ValueError: a file of this machine is none.
        """
        address = self._src.uri
        with open_address(address) if "://" in address else open_raster(address):
            return super().read(*arguments, **options)


class GatedDriver(RioDriver):  # type: ignore[misc, unused-ignore]
    """Open rasters for odc-stac by [`GatedReader`]."""

    def open(self, src: Any, ctx: Any) -> GatedReader:
        """Return what reads a raster."""
        return GatedReader(src, ctx)
