"""Read the bands of GeoTIFF and JPEG 2000 files, and of folders and products of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...gate.rasters import open_raster
from ...models.timesenclip.bands_timesenclip import SCENE_CLASSES
from ...names.reading import NameParts, read_names
from .grids import Grid
from .layers import Layer
from .naming import Label, Naming, NoBandError, check_bands, have_bands, name_layers, times_of_name
from .notes import name_few
from .products import Product, is_landsat, product_of
from .quality import quality_table

RASTER_SUFFIXES = (".tif", ".tiff", ".jp2", ".vrt")
# Folders of a SAFE product beside its images: masks, and the weather that the atmosphere was corrected with.
NO_IMAGES = {"QI_DATA", "AUX_DATA"}
# What must be unpacked or exported first: archives, and SNAP's BEAM-DIMAP.
PACKED = (".zip", ".gz", ".tgz", ".tar", ".7z", ".dim")
# MAJA's reflectance before the correction of slopes, where the corrected one, FRE, is there too.
_UNCORRECTED = "_SRE_"


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
    """Hold a layer whose band and time are not known yet, what it goes by, its file's scale and shift, its product."""

    label: Label
    layer: Layer
    scale: float
    shift: float
    product: Product | None

    def named(self, name: NameParts, notes: Sequence[str]) -> Layer:
        """Return the layer with its band and time."""
        band, times = str(name.band), times_of_name(name)
        if self.product is not None and self.product.time is not None and times.dtype.kind == "M":
            days = np.append(times, self.product.time).astype("datetime64[D]")
            times = times if days[0] != days[1] else self.product.time.reshape(1)
        offset = None if band == SCENE_CLASSES else self.layer.offset
        layer = replace(self.layer, band=band, times=times, offset=offset)
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
    others = [path for path in paths if is_landsat(path)]
    paths = [path for path in paths if not is_landsat(path)]
    if others and (folder is None or not paths):
        raise ValueError(f"{others[0].name} is of Landsat, whose bands are others: give Sentinel-2 L2A.")
    read = [list(_bands_of(path, naming.bands)) for path in paths]
    parts, notes = name_layers([band.label for bands in read for band in bands], naming.steps)
    if others:
        notes = [*notes, f"{len(others)} rasters of Landsat are left aside, {others[0].name} among them."]
    names = iter(parts)
    layers: list[tuple[Layer, Product | None]] = []
    aside: list[str] = []
    for bands in read:
        pairs = [(band, next(names)) for band in bands]
        named = [(band.named(name, notes), band.product) for band, name in pairs if name.band is not None]
        if not named and folder is None:
            raise _no_band(bands[0].layer.source)
        if not named:
            aside.append(bands[0].layer.source)
        layers += named
    if not layers:
        raise _no_band(f"the {len(paths)} rasters in {folder}")
    if folder is None:
        return [layer for layer, _ in layers]
    note = (f"Left aside of {folder}, as without a Sentinel-2 band: {name_few(aside)}.",) if aside else ()
    return [replace(layer, notes=(*layer.notes, *note)) for layer in _chosen(layers)]


def _no_band(subject: str) -> NoBandError:
    return NoBandError(
        f"No band of {subject} has the name of a Sentinel-2 band: name the files after band and date, describe the "
        'bands so (B02_2018-05-14), or name them in order, bands="B02,B03,...".'
    )


def _chosen(layers: Sequence[tuple[Layer, Product | None]]) -> list[Layer]:
    """Keep of each acquisition the newest processing, and of each of its bands the finest resolution.

    Several products of one acquisition and one processing, which a station cut apart, become acquisitions a second
    apart.
    """
    versions: dict[Any, dict[str, str]] = {}
    for layer, product in layers:
        held = versions.setdefault(_place(layer), {})
        held |= {"": ""} if product is None else {product.name: product.version}
    finest: dict[Any, Layer] = {}
    aside: set[str] = set()
    for layer, product in layers:
        held, name = versions[_place(layer)], "" if product is None else product.name
        newest = sorted(other for other, version in held.items() if version == max(held.values()))
        if name not in newest:
            aside.add(name or layer.source)
            continue
        key = (layer.band, newest.index(name), *_place(layer))
        if layer.times.dtype.kind == "M":
            layer = replace(layer, times=layer.times + np.timedelta64(newest.index(name), "s"))
        if key not in finest or _rank(layer) < _rank(finest[key]):
            finest[key] = layer
    notes = [f"Left aside, as there is a newer processing: {', '.join(sorted(aside))}."] if aside else []
    return [replace(layer, notes=(*layer.notes, *notes)) for layer in finest.values()]


def _place(layer: Layer) -> tuple[Any, ...]:
    """Return what layers of one acquisition and tile share."""
    return (layer.times[0], layer.crs, *(layer.grid.transform @ (0, 0)))


def _rank(layer: Layer) -> tuple[Any, ...]:
    """Order layers of one band: scene classes before quality masks, corrected ones first, finer ones first."""
    return (layer.table is not None, _UNCORRECTED in layer.source, abs(layer.grid.across))


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
        packed = sorted(path.name for path in folder.rglob("*") if path.suffix.lower() in PACKED)
        raise ValueError(
            f"The folder {folder.name} holds no Sentinel-2 band{f', but {name_few(packed)}' if packed else ''}: give a "
            "Zarr store, a SAFE product (L2A, unpacked), NetCDF, or rasters ending in "
            f"{', '.join(RASTER_SUFFIXES)} named after band and date."
        )
    return paths


def _bands_of(path: Path, bands: Sequence[str] | None) -> Iterator[_Unnamed]:
    product, table = product_of(path), quality_table(path.stem)
    with open_raster(path) as raster:
        names = [description or "" for description in raster.descriptions]
        check_bands(bands, names, path.name)
        if bands is not None and not have_bands(names, bands):
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
                nodata=product.nodata if nodata is None and product is not None else nodata,
                array=RasterBand(path, index + 1, raster.shape, dtype),
                source=path.name,
                offset=None if product is None or np.isnan(product.offset) else product.offset,
                reason="" if product is None else product.reason,
                table=table,
            )
            label = Label(name if table is None else SCENE_CLASSES, path.name, raster.count == 1, path.parent.name)
            yield _Unnamed(label, layer, raster.scales[index], raster.offsets[index], product)
