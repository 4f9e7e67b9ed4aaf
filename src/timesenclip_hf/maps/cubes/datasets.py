"""Read the bands of NetCDF and Zarr files and of xarray objects, whatever their axes and variables are called."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...extras import needs_extra
from ...files import first_line
from ...gate import admit
from ...gate.kinds import HDF5, NETCDF, ZARR
from ...models.timesenclip.bands_timesenclip import SCENE_CLASSES
from ...models.timesenclip.steps_timesenclip import Steps
from ...models.timesenclip.units_timesenclip import PLAUSIBLE_REFLECTANCE
from ...names.reading import NameParts, read_names
from .grids import at_pixel_centres, dataset_crs, grid_of, tolerance_of
from .layers import Layer
from .naming import Label, Naming, NoBandError, check_bands, have_bands, name_layers, read_time_axis, times_of_name
from .quality import quality_table
from .rasters import RASTER_SUFFIXES

with needs_extra("map"):
    import xarray as xr
    from rasterio.crs import CRS

# Spellings of the axes, lower case, of openEO, Earth Engine exports, rioxarray, odc-stac and CF.
AXES = {
    "time": ("time", "t", "timestamp", "date", "dates", "datetime", "month"),
    "band": ("band", "bands"),
    "y": ("y", "lat", "latitude", "northing"),
    "x": ("x", "lon", "long", "longitude", "easting"),
}
NODATA_ATTRIBUTES = ("_FillValue", "missing_value", "nodata", "NoData")
# What reads each kind of file: told here, because xarray would ask every reader that is installed.
ENGINES = {HDF5: "h5netcdf", NETCDF: "scipy", ZARR: "zarr"}
_REMEDY = f"give NetCDF, Zarr, or rasters ending in {', '.join(RASTER_SUFFIXES)}"
# Fractions up to this are reflectance already, whatever scale their attributes still name.
HIGHEST_REFLECTANCE = PLAUSIBLE_REFLECTANCE[1]
# Pixels along the sides of a square that is enough to tell.
FEW_VALUES = 16


def open_dataset(path: Path) -> xr.Dataset:
    """Open NetCDF or Zarr lazily, with integers left as they are stored; raise ValueError for anything else."""
    kind = admit(path)
    if kind not in ENGINES:
        raise ValueError(f"{path.name} is no NetCDF or Zarr but {kind}, whatever its name says: {_REMEDY}.")
    return open_admitted(path, kind)


def open_admitted(path: Path, kind: str, group: str | None = None) -> xr.Dataset:
    """Open a file, or a group of a store, that was admitted; raise ValueError where it cannot be read."""
    options: dict[str, Any] = {"consolidated": False} if kind == ZARR else {}  # of a part of a store, none are
    try:
        return xr.open_dataset(path, engine=ENGINES[kind], group=group, mask_and_scale=False, **options)
    except Exception as error:  # the readers meet damage with almost any built-in error
        raise ValueError(f"{path.name} cannot be read as {kind} ({first_line(error)}): {_REMEDY}.") from None


def named_axes(dataset: xr.Dataset) -> xr.Dataset:
    """Rename the axes of a dataset to time, band, y and x; raise ValueError where two could be the same of these."""
    wanted = {spelling: axis for axis, spellings in AXES.items() for spelling in spellings}
    names = {dim: wanted[str(dim).lower()] for dim in dataset.dims if str(dim).lower() in wanted}
    for axis in AXES:
        if list(names.values()).count(axis) > 1:
            raise ValueError(f"The cube has two axes that could be {axis}: {', '.join(map(str, dataset.dims))}.")
    return dataset.rename({old: new for old, new in names.items() if old != new})


def dataset_layers(dataset: xr.Dataset, naming: Naming, source: str) -> list[Layer]:
    """Read the Sentinel-2 bands and the scene classification of a dataset.

    Args:
        dataset: bands as variables, or along a band axis.
        naming: what the caller says of the names of bands along such an axis and of numbered steps.
        source: what messages call the dataset.

    Raises:
        ValueError: no variable is a band, or an axis, its coordinates or the dates are missing.
    """
    dataset, notes = at_pixel_centres(named_axes(dataset), source)
    labelled = [
        (label, part)
        for name, variable in dataset.data_vars.items()
        if {"y", "x"} <= set(variable.dims)
        for label, part in _bands_of(str(name), variable, naming.bands, source)
    ]
    tables = {label: table for label, _ in labelled if (table := quality_table(label)) is not None}
    if any(label.upper() == SCENE_CLASSES for label, _ in labelled):
        tables = {}  # scene classes tell more
    labels = [SCENE_CLASSES if label in tables else label for label, _ in labelled]
    crs, layers = dataset_crs(dataset), []
    read = read_names(labels, noun="variables", times_of="none")
    single = [index for index, (_, part) in enumerate(labelled) if not {"time"} & ({*part.coords} | {*part.dims})]
    dated = name_layers([Label(labels[index], source, len(labels) == 1) for index in single], naming.steps)
    parts = read.parts
    for index, name in zip(single, dated.parts, strict=True):
        parts[index] = name
    aside = [label for (label, _), name in zip(labelled, parts, strict=True) if name.band is None]
    for name, (label, part) in zip(parts, labelled, strict=True):
        if name.band is not None:
            times, told = _times(name, part, naming.steps, source)
            layer = _layer(name.band, times, label, part, dataset, crs, source)
            layers.append(replace(layer, notes=(*told, *layer.notes), table=tables.get(label)))
    notes += [*read.notes, *dated.notes]
    if not layers:
        names = ", ".join(str(name) for name, variable in dataset.data_vars.items() if variable.ndim)
        if not {"y", "x"} <= set(dataset.dims):
            axes = ", ".join(map(str, dataset.dims)) or "none"
            raise NoBandError(f"{source} has no axes y and x: rename those of its pixels so; its axes are {axes}.")
        raise NoBandError(
            f"{source} has no Sentinel-2 band with axes y and x among {names or 'no variables'}: name the variables "
            "or the band axis B02 ... B12."
        )
    if aside:
        notes.append(f"Left aside of {source}, as no Sentinel-2 band: {', '.join(aside)}.")
    return [replace(layer, notes=(*notes, *layer.notes)) for layer in layers]


def _bands_of(
    name: str, variable: xr.DataArray, bands: Sequence[str] | None, source: str
) -> Iterator[tuple[str, xr.DataArray]]:
    """Give a variable under its name, or each band of its band axis under the band's."""
    if "band" not in variable.dims:
        yield name, variable
        return
    count = variable.sizes["band"]
    labels = [str(label) for label in variable["band"].values] if "band" in variable.coords else []
    # rioxarray numbers the bands of a GeoTIFF and keeps their names here.
    names = variable.attrs.get("long_name")
    if not have_bands(labels, bands) and isinstance(names, (list, tuple)) and len(names) == count:
        labels = [str(label) for label in names]
    check_bands(bands, labels, source)
    if not have_bands(labels, bands):
        if bands is None and count > 1:
            raise ValueError(f'The {count} bands of {source} have no names: name them in order, bands="B02,B03,...".')
        if bands is not None and len(bands) != count:
            raise ValueError(f"{len(bands)} band names were given for the {count} bands of {source}.")
        labels = list(bands) if bands is not None else [name]
    for index, label in enumerate(labels):
        # A list in an attribute has one for each band.
        of_band = {
            name: np.ravel(variable.attrs[name])[index]
            for name in (*NODATA_ATTRIBUTES, "scale_factor", "add_offset")
            if count > 1 and name in variable.attrs and np.size(variable.attrs[name]) == count
        }
        yield label, variable.isel(band=index).assign_attrs(of_band)


def _layer(
    band: str,
    times: np.ndarray,
    label: str,
    variable: xr.DataArray,
    dataset: xr.Dataset,
    crs: CRS | None,
    source: str,
) -> Layer:
    if others := set(variable.dims) - {"time", "y", "x"}:
        raise ValueError(f"{label} in {source} has the axis {min(map(str, others))!r} besides time, y and x.")
    if missing := [axis for axis in ("y", "x") if axis not in variable.coords]:
        raise ValueError(f"{source} has no coordinates along {' and '.join(missing)}: its pixels have no place.")
    grid = grid_of(dataset)
    for axis, centres in (("y", grid.y), ("x", grid.x)):
        steps = np.diff(centres)
        tolerance = tolerance_of(dataset[axis].values, float(steps.mean()) or 1.0) if len(steps) else 0.0
        if len(steps) and (steps[0] == 0 or np.abs(steps / steps.mean() - 1).max() > tolerance):
            raise ValueError(f"The grid of {source} is not regular: resample it to equal steps first.")
    attributes = variable.attrs
    scale, shift = (_number_of(attributes, name, f"{label} in {source}") for name in ("scale_factor", "add_offset"))
    # CF's way to store unsigned integers in formats that have none.
    unsigned = str(attributes.get("_Unsigned", "")).lower() == "true" and variable.dtype.kind == "i"
    dtype = np.dtype(f"u{variable.dtype.itemsize}") if unsigned else variable.dtype
    told = (_number_of(attributes, name, f"{label} in {source}") for name in NODATA_ATTRIBUTES)
    nodata = next((value for value in told if value is not None), None)
    if nodata is not None and unsigned:
        nodata = float(np.asarray(nodata).astype(variable.dtype).view(dtype))
    layer = Layer(
        band=band,
        times=times,
        grid=grid,
        crs=crs,
        dtype=dtype,
        nodata=nodata,
        array=variable.transpose(..., "y", "x"),
        source=source,
    )
    scaled = layer.scaled(1.0 if scale is None else scale, shift or 0.0)
    if scaled.scale is not None and dtype.kind == "f" and _are_reflectance(variable):
        return replace(layer, notes=(f"The scale in the attributes of {source} has been applied already.",))
    return scaled


def _number_of(attributes: Mapping[Any, Any], name: str, subject: str) -> float | None:
    """Return an attribute as a number, None where there is none; several that are equal are one."""
    if attributes.get(name) is None:
        return None
    try:
        numbers: set[float] = set(np.ravel(attributes[name]).astype(np.float64).tolist())
    except (TypeError, ValueError):
        numbers = set()
    if len(numbers) != 1 and not all(number != number for number in numbers or {0}):
        raise ValueError(f"{subject} has the attribute {name} {attributes[name]!r}: it must be one number.")
    return numbers.pop()


def _are_reflectance(variable: xr.DataArray) -> bool:
    """Tell by a few values whether fractions are reflectance already, though their attributes still name a scale."""
    middle = {
        axis: slice(max(0, (size - FEW_VALUES) // 2), (size + FEW_VALUES) // 2) if axis in ("y", "x") else [size // 2]
        for axis, size in variable.sizes.items()
    }
    values = variable.isel(middle).values  # of one chunk, where the cube is lazy
    present = values[np.isfinite(values) & (values > 0)]
    return bool(len(present)) and float(np.median(present)) <= HIGHEST_REFLECTANCE


def _times(name: NameParts, variable: xr.DataArray, steps: Steps, source: str) -> tuple[np.ndarray, list[str]]:
    """Return the times of a variable, of its time axis, its one time, or its name, and how they were read."""
    if "time" in variable.dims:
        values = variable["time"].values if "time" in variable.coords else None
        return read_time_axis(values, variable.sizes["time"], steps, source)
    if "time" in variable.coords:
        return read_time_axis(variable["time"].values.reshape(1), 1, steps, source)
    return times_of_name(name), []
