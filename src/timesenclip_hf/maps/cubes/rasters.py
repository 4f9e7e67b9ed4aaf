"""Read the bands of GeoTIFF and JPEG 2000 files, and of folders and SAFE products of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...extras import needs_extra
from ...files import first_line
from ...models.timesenclip.bands_timesenclip import SCENE_CLASSES, read_name
from .grids import Grid
from .layers import Layer, single_time
from .products import find_rasters, product_offset

with needs_extra("map"):
    import rasterio
    from rasterio.errors import RasterioIOError

# "No data" of ESA's products, which JPEG 2000 cannot tell.
PRODUCT_NODATA = 0.0


@dataclass(frozen=True)
class RasterBand:
    """Hold one band of a raster, opened for each window, so that it can be sent to another process."""

    path: Path
    index: int
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    ndim = 2

    def __getitem__(self, window: Any) -> np.ndarray:
        rows, columns = window[-2:]
        with rasterio.open(self.path) as raster:
            values: np.ndarray = raster.read(
                self.index, window=(rows.indices(self.shape[0])[:2], columns.indices(self.shape[1])[:2])
            )
        return values


def raster_layers(path: Path, bands: Sequence[str] | None) -> list[Layer]:
    """Read the Sentinel-2 bands and the scene classification of one raster.

    Args:
        path: of the raster.
        bands: names of its bands, in order, where it leaves them unnamed.

    Raises:
        ValueError: none is a Sentinel-2 band, or the raster cannot be read or is rotated.
    """
    layers = list(_bands_of(path, bands))
    if not layers:
        raise ValueError(
            f"No band of {path.name} has the name of a Sentinel-2 band: describe the bands (B02_2018-05-14), or name "
            'them in order, bands="B02,B03,...".'
        )
    return layers


def folder_layers(folder: Path, bands: Sequence[str] | None) -> list[Layer]:
    """Read the bands of a folder, each at the finest of the resolutions that a SAFE product has it in.

    Args:
        folder: of rasters, at any depth.
        bands: names of the bands of each raster, in order, where they leave them unnamed.

    Raises:
        ValueError: none is a Sentinel-2 band, or a raster cannot be read or is rotated.
    """
    finest: dict[tuple[Any, ...], Layer] = {}
    paths = find_rasters(folder)
    for path in paths:
        for layer in _bands_of(path, bands):
            corner = layer.grid.transform @ (0, 0)
            key = (layer.band, layer.times[0], layer.crs, *corner)
            if key not in finest or abs(layer.grid.across) < abs(finest[key].grid.across):
                finest[key] = layer
    if not finest:
        raise ValueError(
            f"No band of the {len(paths)} rasters in {folder.name} has the name of a Sentinel-2 band: name the files "
            "or their bands after band and date (B02_2018-05-14)."
        )
    return list(finest.values())


def _bands_of(path: Path, bands: Sequence[str] | None) -> Iterator[Layer]:
    offset = product_offset(path)
    with _opened(path) as raster:
        names = [description or "" for description in raster.descriptions]
        if bands is not None and not any(read_name(name).band for name in names):
            if len(bands) != raster.count:
                raise ValueError(f"{len(bands)} band names were given for the {raster.count} bands of {path.name}.")
            names = list(bands)
        transform = raster.transform
        if transform.b or transform.d:
            raise ValueError(f"The grid of {path.name} is rotated: warp it to a north-up grid first.")
        y = transform.f + transform.e * (np.arange(raster.height) + 0.5)
        x = transform.c + transform.a * (np.arange(raster.width) + 0.5)
        from_file = read_name(path.stem)
        for index, name in enumerate(names):
            parts = read_name(name)
            band = parts.band or (from_file.band if raster.count == 1 else None)
            if band is None:
                continue
            dtype, nodata = np.dtype(raster.dtypes[index]), raster.nodatavals[index]
            layer = Layer(
                band=band,
                times=single_time(from_file if parts[1:] == (None, None) else parts, path.name),
                grid=Grid(y, x, (transform.e, transform.a)),
                crs=raster.crs,
                dtype=dtype,
                nodata=PRODUCT_NODATA if nodata is None and offset is not None else nodata,
                array=RasterBand(path, index + 1, raster.shape, dtype),
                source=path.name,
                offset=None if offset is None or np.isnan(offset) or band == SCENE_CLASSES else offset,
            )
            yield layer.scaled(raster.scales[index], raster.offsets[index])


def _opened(path: Path) -> Any:
    try:
        return rasterio.open(path)
    except RasterioIOError as error:
        reason = first_line(error).removeprefix(f"{path}: ").removeprefix(f"'{path}' ")
        raise ValueError(f"{path.name} cannot be read as a raster ({reason}): fetch or unpack it again.") from None
