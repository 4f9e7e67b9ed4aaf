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
            ValueError: a file of this machine is none, has no CRS, or lies elsewhere than its item says.
        """
        address = self._src.uri
        with open_address(address) if "://" in address else open_raster(address) as raster:
            _check_place(raster, self._src.geobox)
            return super().read(*arguments, **options)


def _check_place(raster: Any, told: Any) -> None:
    """Refuse a raster that is not where its item says: it would be read as if there were no data."""
    if raster.crs is None:
        raise ValueError(f"{raster.name} has no CRS: it is damaged, fetch it again.")
    if told is None or told.crs is None or not told.crs.epsg or raster.crs.to_epsg() != told.crs.epsg:
        return
    box, bounds = told.boundingbox, raster.bounds
    low, high = sorted((bounds.bottom, bounds.top))
    is_elsewhere = bounds.right <= box.left or box.right <= bounds.left or high <= box.bottom or box.top <= low
    if raster.shape == tuple(told.shape):  # one pixel may lie between ways to count
        pixel = max((box.right - box.left) / told.shape[1], (box.top - box.bottom) / told.shape[0])
        pairs = ((bounds.left, box.left), (bounds.right, box.right), (low, box.bottom), (high, box.top))
        is_elsewhere |= any(abs(real - expected) > pixel for real, expected in pairs)
    if is_elsewhere:
        raise ValueError(
            f"{raster.name} covers {bounds.left:g}, {low:g} to {bounds.right:g}, {high:g}, which is not "
            "what its item says: it is damaged, fetch it again."
        )


class GatedDriver(RioDriver):  # type: ignore[misc, unused-ignore]
    """Open rasters for odc-stac by [`GatedReader`]."""

    def open(self, src: Any, ctx: Any) -> GatedReader:
        """Return what reads a raster."""
        return GatedReader(src, ctx)
