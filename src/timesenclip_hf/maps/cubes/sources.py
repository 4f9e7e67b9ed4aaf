"""Read the layers of anything that holds a cube: files, folders of them, products, and xarray objects."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TypeAlias

from ...extras import needs_extra
from ...gate.kinds import is_zarr
from .datasets import dataset_layers, named_axes, open_dataset
from .eopf import is_product, product_layers, store_of, tree_layers
from .layers import Layer
from .naming import Naming, NoBandError
from .notes import name_few
from .rasters import RASTER_SUFFIXES, find_rasters, raster_layers

with needs_extra("map"):
    import xarray as xr

CubeSource: TypeAlias = str | PathLike[str] | xr.Dataset | xr.DataArray | xr.DataTree
SINGLE = (str, PathLike, xr.Dataset, xr.DataArray, xr.DataTree)
FILE_SUFFIXES = (".nc", ".nc4", ".h5", ".hdf5", ".cdf")
# Marks what `open_cube` returned, so that it is not read again.
LAYOUT = "timesenclip_hf cube"


def list_sources(sources: CubeSource | Sequence[CubeSource]) -> list[CubeSource]:
    """Return one or several sources as a list; raise ValueError for none."""
    listed: list[CubeSource] = [sources] if isinstance(sources, SINGLE) else list(sources)
    if not listed:
        raise ValueError("There is no cube: give at least one file.")
    return listed


def read_all(sources: Sequence[CubeSource], naming: Naming, opened: ExitStack) -> list[Layer]:
    """Read the layers of sources as [`read_layers`] does, the names of all single rasters together."""
    rasters = [Path(source) for source in sources if isinstance(source, (str, PathLike)) and _is_raster(Path(source))]
    others = [source for source in sources if not (isinstance(source, (str, PathLike)) and Path(source) in rasters)]
    layers = [layer for source in others for layer in read_layers(source, naming, opened)]
    return layers + (raster_layers(rasters, naming) if rasters else [])


def read_layers(source: CubeSource, naming: Naming, opened: ExitStack) -> list[Layer]:
    """Read every Sentinel-2 band and the scene classes of a source.

    Args:
        source: a file, a folder, a product, or an xarray object.
        naming: what the caller says of the names of bands and of numbered steps.
        opened: closes the files.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it cannot be read, or holds no band.
    """
    if isinstance(source, xr.DataTree):
        return tree_layers(source)
    if isinstance(source, (xr.Dataset, xr.DataArray)):
        return dataset_layers(_as_dataset(source), naming, "the cube")
    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(f"No such file: {path}.")
    store = Path(store_of(str(path)))
    if is_zarr(store) and is_product(store):
        return product_layers(store)
    if _is_raster(path):
        return raster_layers([path], naming)
    if path.is_dir() and not is_zarr(path):
        return _read_folder(path, naming, opened)
    _refuse_packed(path)
    return dataset_layers(opened.enter_context(open_dataset(path)), naming, path.name)


def _read_folder(folder: Path, naming: Naming, opened: ExitStack) -> list[Layer]:
    """Read the stores, NetCDF files and rasters below a folder; those without a band are left aside and named."""
    layers: list[Layer] = []
    aside: list[str] = []
    for path in _find_files(folder):
        try:
            layers += read_layers(path, naming, opened)
        except NoBandError:  # such as a map, or labels
            aside.append(path.name)
    rasters = find_rasters(folder, required=not layers and not aside)
    try:
        layers += raster_layers(rasters, naming, folder.name) if rasters else []
    except NoBandError:
        if not layers:
            raise
        aside += [path.name for path in rasters]
    if not layers:
        raise NoBandError(f"{folder.name} holds no Sentinel-2 band, only {name_few(aside)}: give a folder of bands.")
    note = (f"Left aside of {folder.name}, as without a Sentinel-2 band: {name_few(aside)}.",) if aside else ()
    return [replace(layer, notes=(*layer.notes, *note)) for layer in layers]


def _is_raster(path: Path) -> bool:
    return path.suffix.lower() in RASTER_SUFFIXES and path.is_file()


def _find_files(folder: Path) -> Iterator[Path]:
    """Find Zarr stores and NetCDF files at any depth."""
    for root, folders, files in os.walk(folder):
        stores = sorted(name for name in folders if is_zarr(Path(root, name)))
        folders[:] = sorted(set(folders) - set(stores))
        yield from (Path(root, name) for name in stores)
        yield from (Path(root, name) for name in sorted(files) if Path(name).suffix.lower() in FILE_SUFFIXES)


def _refuse_packed(path: Path) -> None:
    """Refuse what must be unpacked or exported first."""
    suffix = path.suffix.lower()
    if suffix == ".zip":
        raise ValueError(f"{path.name} is zipped: unpack it, and give the folder that comes out.")
    if suffix == ".dim":
        raise ValueError(f"{path.name} is BEAM-DIMAP of SNAP: export the product as GeoTIFF or NetCDF4-CF.")


def chunks_of(sources: CubeSource | Sequence[CubeSource]) -> dict[str, int] | None:
    """Return the sides of the largest chunks of sources that are made of Dask arrays, None where none is."""
    for source in list_sources(sources):
        if isinstance(source, (str, PathLike)) or source.attrs.get("layout") == LAYOUT:
            continue
        if isinstance(source, xr.DataTree):
            datasets = [node.to_dataset() for node in source.subtree if {"y", "x"} <= set(node.dims)]
        else:
            datasets = [named_axes(_as_dataset(source))]
        for dataset in datasets:
            sizes = dataset.unify_chunks().chunksizes
            if {"y", "x"} <= set(sizes):
                return {axis: max(sizes[axis]) for axis in ("y", "x")}
    return None


def _as_dataset(source: xr.Dataset | xr.DataArray) -> xr.Dataset:
    return source if isinstance(source, xr.Dataset) else source.to_dataset(name=source.name or "reflectance")
