"""Read the bands of GeoTIFF and JPEG 2000 files, of folders and SAFE products of them, and the products' offsets."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ...extras import needs_extra
from ...files import first_line
from ...models.timesenclip.bands_timesenclip import SCENE_CLASSES, read_name
from ...models.timesenclip.radiometry_timesenclip import DN_PER_REFLECTANCE, baseline_offset
from .grids import Grid
from .layers import Layer, single_time

with needs_extra("map"):
    import rasterio
    from rasterio.errors import RasterioIOError

RASTER_SUFFIXES = (".tif", ".tiff", ".jp2", ".vrt")
# Folders of a SAFE product beside its images: masks, and the weather that the atmosphere was corrected with.
NO_IMAGES = {"QI_DATA", "AUX_DATA"}
METADATA, METADATA_L1C = "MTD_MSIL2A.xml", "MTD_MSIL1C.xml"
# "No data" of ESA's products, which JPEG 2000 cannot tell.
PRODUCT_NODATA = 0.0
_PRODUCT = re.compile(r"MSIL2A.*_(N\d{4})(?!\d)")


@dataclass(frozen=True)
class RasterBand:
    """Hold one band of a raster, opened for each window, so that it can be sent to another process."""

    path: Path
    index: int
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    ndim = 2

    def __getitem__(self, window: Any) -> np.ndarray:
        rows, columns = (part.indices(side)[:2] for part, side in zip(window[-2:], self.shape, strict=True))
        with rasterio.open(self.path) as raster:
            values: np.ndarray = raster.read(self.index, window=(rows, columns))
        return values


def raster_layers(path: Path, bands: Sequence[str] | None) -> list[Layer]:
    """Read the Sentinel-2 bands and the scene classification of a raster, or of a folder of them at any depth.

    Args:
        path: of the raster or folder; of a folder, each band is read at the finest resolution that it is there in.
        bands: names of the bands of each raster, in order, where they leave them unnamed.

    Raises:
        ValueError: none is a Sentinel-2 band, or a raster cannot be read or is rotated.
    """
    paths = _find_rasters(path) if path.is_dir() else [path]
    layers = [layer for raster in paths for layer in _bands_of(raster, bands)]
    if not layers:
        subject = f"the {len(paths)} rasters in {path.name}" if path.is_dir() else path.name
        raise ValueError(
            f"No band of {subject} has the name of a Sentinel-2 band: name the files after band and date, describe the "
            'bands so (B02_2018-05-14), or name them in order, bands="B02,B03,...".'
        )
    if not path.is_dir():
        return layers
    finest: dict[tuple[Any, ...], Layer] = {}
    for layer in layers:
        key = (layer.band, layer.times[0], layer.crs, *(layer.grid.transform @ (0, 0)))
        if key not in finest or abs(layer.grid.across) < abs(finest[key].grid.across):
            finest[key] = layer
    return list(finest.values())


def _find_rasters(folder: Path) -> list[Path]:
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in RASTER_SUFFIXES
        and not NO_IMAGES & set(path.relative_to(folder).parts)
        # JPEG 2000 has one band, named by the file; bands of other formats may have their own names.
        and (path.suffix.lower() != ".jp2" or read_name(path.stem).band is not None)
    )
    if not paths:
        raise ValueError(
            f"The folder {folder.name} holds no Sentinel-2 band: give a Zarr store, a SAFE product (L2A, unpacked), or "
            f"rasters ending in {', '.join(RASTER_SUFFIXES)} named after band and date."
        )
    return paths


def _bands_of(path: Path, bands: Sequence[str] | None) -> Iterator[Layer]:
    offset = _product_offset(path)
    try:
        raster = rasterio.open(path)
    except RasterioIOError as error:
        reason = first_line(error).removeprefix(f"{path}: ").removeprefix(f"'{path}' ")
        raise ValueError(f"{path.name} cannot be read as a raster ({reason}): fetch or unpack it again.") from None
    with raster:
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


def _product_offset(path: Path) -> float | None:
    """Read what to subtract from the digital numbers of a raster inside a product.

    The metadata tell it (BOA_ADD_OFFSET); without them, the processing baseline in the name of the product. NaN where
    the product does not tell it, None where no product is around the raster.
    """
    for folder in path.absolute().parents:
        if (folder / METADATA).is_file():
            return _metadata_offset(folder / METADATA, (folder / METADATA).stat().st_mtime_ns)
        if (folder / METADATA_L1C).is_file() or "MSIL1C" in folder.name.upper():
            raise ValueError(f"{folder.name} is reflectance at the top of the atmosphere (L1C): give the L2A product.")
        if match := _PRODUCT.search(folder.name):
            return baseline_offset(match[1])
    match = _PRODUCT.search(path.name)
    return baseline_offset(match[1]) if match else None


@lru_cache(maxsize=1024)
def _metadata_offset(path: Path, changed: int) -> float:
    """Read the metadata once for all rasters of a product, and again when the file was `changed`."""
    product = path.parent.name
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        reason = f"The metadata {product}/{path.name} cannot be read ({error})"
        raise ValueError(f"{reason}: unpack the product again.") from None
    texts: dict[str, list[str]] = {}
    for element in root.iter():
        texts.setdefault(element.tag.rpartition("}")[2], []).append((element.text or "").strip())
    scale = next((float(text) for text in texts.get("BOA_QUANTIFICATION_VALUE", [])), DN_PER_REFLECTANCE)
    if scale != DN_PER_REFLECTANCE:
        raise ValueError(f"{product} holds reflectance times {scale:g} instead of {DN_PER_REFLECTANCE:g}: rescale it.")
    offset = one_offset((-float(text) for text in texts.get("BOA_ADD_OFFSET", [])), product)
    return baseline_offset(next(iter(texts.get("PROCESSING_BASELINE", [])), None)) if offset is None else offset


def one_offset(offsets: Iterable[float], source: str) -> float | None:
    """Return the offset that all bands of a product share, None without any; raise ValueError for several."""
    different = sorted(set(offsets))
    if len(different) > 1:
        listed = ", ".join(f"{offset:g}" for offset in different)
        raise ValueError(f"The bands of {source} have different offsets ({listed}): subtract them first.")
    return different[0] if different else None
