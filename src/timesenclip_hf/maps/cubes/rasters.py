"""Read the bands of GeoTIFF and JPEG 2000 files, of folders and SAFE products of them, and the products' offsets."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ...gate.markup import parse_xml
from ...gate.rasters import open_raster
from ...models.timesenclip.bands_timesenclip import SCENE_CLASSES
from ...models.timesenclip.offsets_timesenclip import baseline_offset
from ...models.timesenclip.units_timesenclip import DN_PER_REFLECTANCE
from ...names.reading import NameParts, read_names
from .grids import Grid
from .layers import Layer
from .naming import Label, Naming, NoBandError, have_bands, name_layers, times_of_name

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
        with open_raster(self.path, limits=None) as raster:
            values: np.ndarray = raster.read(self.index, window=(rows, columns))
        return values


@dataclass(frozen=True)
class _Unnamed:
    """Hold a layer whose band and time are not known yet, what it goes by, and the scale and shift of its file."""

    label: Label
    layer: Layer
    scale: float
    shift: float

    def named(self, name: NameParts, notes: Sequence[str]) -> Layer:
        """Return the layer with its band and time."""
        band = str(name.band)
        offset = None if band == SCENE_CLASSES else self.layer.offset
        layer = replace(self.layer, band=band, times=times_of_name(name), offset=offset)
        layer = layer.scaled(self.scale, self.shift)
        return replace(layer, notes=(*notes, *layer.notes))


def raster_layers(paths: Sequence[Path], naming: Naming, folder: str | None = None) -> list[Layer]:
    """Read the Sentinel-2 bands and the scene classification of rasters.

    Args:
        paths: of the rasters, whose names are read together.
        naming: what the caller says of the names of bands and of numbered steps.
        folder: that all of them come from, of which each band is read at the finest resolution that it is there in.

    Raises:
        NoBandError: a raster has no Sentinel-2 band, or none of a folder's has one.
        ValueError: a raster cannot be read or is rotated, or names cannot be told apart.
    """
    read = [list(_bands_of(path, naming.bands)) for path in paths]
    parts, notes = name_layers([band.label for bands in read for band in bands], naming.steps)
    names = iter(parts)
    layers = []
    for bands in read:
        pairs = [(band, next(names)) for band in bands]
        named = [band.named(name, notes) for band, name in pairs if name.band is not None]
        if not named and folder is None:
            raise _no_band(bands[0].layer.source)
        layers += named
    if not layers:
        raise _no_band(f"the {len(paths)} rasters in {folder}")
    return layers if folder is None else _finest(layers)


def _no_band(subject: str) -> NoBandError:
    return NoBandError(
        f"No band of {subject} has the name of a Sentinel-2 band: name the files after band and date, describe the "
        'bands so (B02_2018-05-14), or name them in order, bands="B02,B03,...".'
    )


def _finest(layers: Sequence[Layer]) -> list[Layer]:
    """Keep of each band the finest resolution that it is there in."""
    finest: dict[tuple[Any, ...], Layer] = {}
    for layer in layers:
        key = (layer.band, layer.times[0], layer.crs, *(layer.grid.transform @ (0, 0)))
        if key not in finest or abs(layer.grid.across) < abs(finest[key].grid.across):
            finest[key] = layer
    return list(finest.values())


def find_rasters(folder: Path, *, required: bool = True) -> list[Path]:
    """Find the rasters below a folder that may hold a band; raise ValueError where there is none but has to be."""
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in RASTER_SUFFIXES and not NO_IMAGES & set(path.relative_to(folder).parts)
    )
    # JPEG 2000 has one band, named by the file; bands of other formats may have their own names.
    pictures = [path for path in paths if path.suffix.lower() == ".jp2"]
    names = read_names([path.stem for path in pictures], noun="files", times_of="none").parts
    others = {path for path, name in zip(pictures, names, strict=True) if name.band is None}
    paths = [path for path in paths if path not in others]
    if not paths and required:
        raise ValueError(
            f"The folder {folder.name} holds no Sentinel-2 band: give a Zarr store, a SAFE product (L2A, unpacked), or "
            f"rasters ending in {', '.join(RASTER_SUFFIXES)} named after band and date."
        )
    return paths


def _bands_of(path: Path, bands: Sequence[str] | None) -> Iterator[_Unnamed]:
    offset = _product_offset(path)
    with open_raster(path) as raster:
        names = [description or "" for description in raster.descriptions]
        if bands is not None and not have_bands(names):
            if len(bands) != raster.count:
                raise ValueError(f"{len(bands)} band names were given for the {raster.count} bands of {path.name}.")
            names = list(bands)
        transform = raster.transform
        if transform.b or transform.d:
            raise ValueError(f"The grid of {path.name} is rotated: warp it to a north-up grid first.")
        y = transform.f + transform.e * (np.arange(raster.height) + 0.5)
        x = transform.c + transform.a * (np.arange(raster.width) + 0.5)
        for index, name in enumerate(names):
            dtype, nodata = np.dtype(raster.dtypes[index]), raster.nodatavals[index]
            layer = Layer(
                band="",
                times=np.empty(0),
                grid=Grid(y, x, (transform.e, transform.a)),
                crs=raster.crs,
                dtype=dtype,
                nodata=PRODUCT_NODATA if nodata is None and offset is not None else nodata,
                array=RasterBand(path, index + 1, raster.shape, dtype),
                source=path.name,
                offset=None if offset is None or np.isnan(offset) else offset,
            )
            label = Label(name, path.stem, raster.count == 1)
            yield _Unnamed(label, layer, raster.scales[index], raster.offsets[index])


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
    product, root = path.parent.name, parse_xml(path)
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
