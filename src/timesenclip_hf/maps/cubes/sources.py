"""One band of one file: what NetCDF, Zarr and GeoTIFF have in common once their spellings are read."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...extras import needs_extra
from ...models.timesenclip.bands_timesenclip import SCENE_CLASSES, read_name
from ...models.timesenclip.compositing_timesenclip import parse_dates
from ...models.timesenclip.radiometry_timesenclip import DN_PER_REFLECTANCE
from .products import RASTER_SUFFIXES, find_rasters, is_zarr, product_offset

with needs_extra("map"):
    import rasterio
    import xarray as xr
    from rasterio.crs import CRS
    from rasterio.errors import CRSError, RasterioIOError

# Spellings of the axes, lower case, of openEO, Earth Engine exports, rioxarray, odc-stac and CF.
AXES = {
    "time": ("time", "t", "timestamp", "date", "dates", "datetime", "month"),
    "band": ("band", "bands"),
    "y": ("y", "lat", "latitude", "northing"),
    "x": ("x", "lon", "long", "longitude", "easting"),
}
NODATA_ATTRIBUTES = ("_FillValue", "missing_value", "nodata", "NoData")
# A grid is regular when its steps differ by less than this share of a pixel.
GRID_TOLERANCE = 0.01
# What a single pixel tells nothing of: Sentinel-2's finest grid, in metres.
FINEST_PIXEL = 10.0
# "No data" of ESA's products, which JPEG 2000 cannot say.
PRODUCT_NODATA = 0.0


@dataclass(frozen=True)
class Layer:
    """One band at one or more times; the values stay in the file until `read` is called.

    Attributes:
        band: "B02" ... "B12", or "SCL".
        times: (time,) `datetime64[ns]`, or integer months with 0 = January.
        y: centres of the rows.
        x: centres of the columns.
        crs: `None` where nothing says it.
        dtype: of the values.
        nodata: value that means "missing", or `None`.
        scale: reflectance is `value * scale + shift` where `scale` is given.
        shift: see `scale`.
        offset: to subtract from digital numbers, or `None` where nothing says it.
        array: (time, y, x), or (y, x) of a single look; in memory, in the file, or of dask.
        source: the file, for messages.
    """

    band: str
    times: np.ndarray
    y: np.ndarray
    x: np.ndarray
    crs: CRS | None
    dtype: np.dtype[Any]
    nodata: float | None
    scale: float | None
    shift: float
    offset: float | None
    array: Any
    source: str

    @property
    def resolution(self) -> float:
        """Width of a pixel, in the units of the CRS."""
        return abs(spacing(self.x, self.y))

    @property
    def is_dask(self) -> bool:
        """Whether the values are a dask array's."""
        return getattr(self.array, "chunks", None) is not None

    def read(self, rows: slice, columns: slice) -> np.ndarray:
        """The values of a window, (time, y, x)."""
        values = np.asarray(self.array[..., rows, columns]).view(self.dtype)
        return values if values.ndim == 3 else values[None]

    def during(self, first: np.datetime64, last: np.datetime64) -> "Layer | None":
        """The looks from one day to another, or `None`."""
        days = self.times.astype("datetime64[D]")
        kept = np.flatnonzero((days >= first) & (days <= last))
        if len(kept) in (0, len(days)):
            return self if len(kept) else None
        return replace(self, times=self.times[kept], array=self.array[kept])


@dataclass(frozen=True)
class RasterBand:
    """One band of a raster, opened for each window, so that it can be sent to another process."""

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


def spacing(centres: np.ndarray, other: np.ndarray) -> float:
    """Signed step of an axis; a single pixel takes the other axis's."""
    for axis in (centres, other):
        if len(axis) > 1:
            step = float(axis[-1] - axis[0]) / (len(axis) - 1)
            return step if axis is centres else abs(step)
    return FINEST_PIXEL


def read_layers(source: Any, bands: Sequence[str] | None, opened: ExitStack) -> Iterator[Layer]:
    """Every Sentinel-2 band and scene classification in a file, a folder or an xarray object.

    Args:
        source: a path, a `Dataset` or a `DataArray`.
        bands: names of bands that the source leaves unnamed, in its order.
        opened: closes the files.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it holds no band, or an axis is missing; the sentence says which.
    """
    if isinstance(source, xr.DataArray):
        source = source.to_dataset(name=source.name or "reflectance")
    if isinstance(source, xr.Dataset):
        yield from _from_dataset(source, bands, "the cube")
        return
    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(f"No such file: {path}.")
    if path.suffix.lower() in RASTER_SUFFIXES:
        yield from _from_raster(path, bands)
    elif path.is_dir() and not is_zarr(path):
        yield from _from_folder(path, bands)
    else:
        yield from _from_dataset(opened.enter_context(open_dataset(path)), bands, path.name)


def open_dataset(path: Path) -> xr.Dataset:
    """Opens NetCDF or Zarr lazily, with integers left as they are stored.

    Raises:
        ValueError: it is neither.
    """
    engine = "zarr" if path.is_dir() else None
    try:
        return xr.open_dataset(path, engine=engine, mask_and_scale=False)
    except (ValueError, OSError, KeyError, RuntimeError) as error:  # the last of HDF5, where its metadata is damaged
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if reason.startswith("did not find a match"):  # and the names of all of xarray's readers
            reason = "no reader knows its format"
        raise ValueError(
            f"{path.name} cannot be read as {'Zarr' if engine else 'NetCDF'} ({reason}): give NetCDF, Zarr, or "
            f"rasters ending in {', '.join(RASTER_SUFFIXES)}."
        ) from None


def named_axes(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset with its axes called time, band, y and x."""
    wanted = {spelling: axis for axis, spellings in AXES.items() for spelling in spellings}
    names = {dim: wanted[str(dim).lower()] for dim in dataset.dims if str(dim).lower() in wanted}
    twice = next((axis for axis in AXES if list(names.values()).count(axis) > 1), None)
    if twice is not None:
        raise ValueError(f"The cube has two axes that could be {twice}: {', '.join(map(str, dataset.dims))}.")
    return dataset.rename({old: new for old, new in names.items() if old != new})


def dataset_crs(dataset: xr.Dataset) -> CRS | None:
    """Coordinate reference system, from the grid mapping or from the attributes that products write instead."""
    variables = [dataset, *dataset.data_vars.values()]
    mappings = [str(one.attrs.get("grid_mapping", one.encoding.get("grid_mapping", ""))) for one in variables]
    for name in (*mappings, "spatial_ref", "crs"):
        if name and name in dataset.variables:
            attributes = dataset[name].attrs
            for key in ("crs_wkt", "spatial_ref", "epsg_code"):
                if attributes.get(key):
                    return read_crs(attributes[key])
    for one in variables:
        for key in ("crs", "proj:code", "epsg", "proj:epsg"):
            if one.attrs.get(key):
                return read_crs(one.attrs[key])
    return None


def read_crs(text: Any) -> CRS:
    """A CRS in any spelling that GDAL knows.

    Raises:
        ValueError: GDAL does not know it.
    """
    spelling = str(text)
    try:
        return CRS.from_user_input(f"EPSG:{spelling}" if spelling.isdigit() else spelling)
    except CRSError:
        raise ValueError(
            f"{spelling[:60]!r} is not a coordinate reference system: write for example EPSG:32631."
        ) from None


def _from_dataset(dataset: xr.Dataset, bands: Sequence[str] | None, source: str) -> Iterator[Layer]:
    dataset = named_axes(dataset)
    crs = dataset_crs(dataset)
    found = False
    for name, variable in dataset.data_vars.items():
        if not {"y", "x"} <= set(variable.dims):
            continue
        for label, part in _bands_of(str(name), variable, bands, source):
            if (band := read_name(label).band) is not None:
                found = True
                yield _layer(band, label, part, crs, source)
    if not found:
        names = ", ".join(str(name) for name, variable in dataset.data_vars.items() if variable.ndim)
        raise ValueError(
            f"{source} has no Sentinel-2 band with axes y and x among {names or 'no variables'}: name the variables "
            "or the band axis B02 ... B12."
        )


def _bands_of(
    name: str, variable: xr.DataArray, bands: Sequence[str] | None, source: str
) -> Iterator[tuple[str, xr.DataArray]]:
    if "band" not in variable.dims:
        yield name, variable
        return
    count = variable.sizes["band"]
    labels = [str(label) for label in variable["band"].values] if "band" in variable.coords else []
    # rioxarray numbers the bands of a GeoTIFF and keeps their names here.
    names = variable.attrs.get("long_name")
    if not any(read_name(label).band for label in labels) and isinstance(names, (list, tuple)) and len(names) == count:
        labels = [str(label) for label in names]
    if not any(read_name(label).band for label in labels):
        if bands is None and count > 1:
            raise ValueError(f'The {count} bands of {source} have no names: name them in order, bands="B02,B03,...".')
        if bands is not None and len(bands) != count:
            raise ValueError(f"{len(bands)} band names were given for the {count} bands of {source}.")
        labels = list(bands) if bands is not None else [name]
    for index, label in enumerate(labels):
        yield label, variable.isel(band=index)


def _layer(band: str, label: str, variable: xr.DataArray, crs: CRS | None, source: str) -> Layer:
    others = set(variable.dims) - {"time", "y", "x"}
    if others:
        raise ValueError(f"{label} in {source} has the axis {sorted(map(str, others))[0]!r} besides time, y and x.")
    if missing := [axis for axis in ("y", "x") if axis not in variable.coords]:
        raise ValueError(f"{source} has no coordinates along {' and '.join(missing)}: its pixels have no place.")
    attributes = variable.attrs
    # CF's way to store unsigned integers in formats that have none.
    unsigned = str(attributes.get("_Unsigned", "")).lower() == "true" and variable.dtype.kind == "i"
    dtype = np.dtype(f"u{variable.dtype.itemsize}") if unsigned else variable.dtype
    nodata = next((attributes[name] for name in NODATA_ATTRIBUTES if attributes.get(name) is not None), None)
    if nodata is not None and unsigned:
        nodata = np.asarray(nodata).astype(variable.dtype).view(dtype)
    return _scaled(
        Layer(
            band=band,
            times=_times(label, variable, source),
            y=_centres(variable["y"].values, source),
            x=_centres(variable["x"].values, source),
            crs=crs,
            dtype=dtype,
            nodata=None if nodata is None else float(np.ravel(nodata)[0]),
            scale=None,
            shift=0.0,
            offset=None,
            array=variable.transpose(..., "y", "x"),
            source=source,
        ),
        float(attributes.get("scale_factor", 1.0)),
        float(attributes.get("add_offset", 0.0)),
    )


def _from_folder(folder: Path, bands: Sequence[str] | None) -> Iterator[Layer]:
    """The bands of a folder, each at the finest of the resolutions that a SAFE product has it in."""
    finest: dict[tuple[Any, ...], Layer] = {}
    paths = find_rasters(folder)
    for path in paths:
        for layer in _bands_of_raster(path, bands):
            corner = (layer.x[0] - layer.resolution / 2, layer.y[0] + layer.resolution / 2)
            key = (layer.band, layer.times[0], layer.crs, *corner)
            if key not in finest or layer.resolution < finest[key].resolution:
                finest[key] = layer
    if not finest:
        raise ValueError(
            f"No band of the {len(paths)} rasters in {folder.name} has the name of a Sentinel-2 band: name the files "
            "or their bands after band and date (B02_2018-05-14)."
        )
    yield from finest.values()


def _from_raster(path: Path, bands: Sequence[str] | None) -> Iterator[Layer]:
    layers = list(_bands_of_raster(path, bands))
    if not layers:
        raise ValueError(
            f"No band of {path.name} has the name of a Sentinel-2 band: describe the bands (B02_2018-05-14), or name "
            'them in order, bands="B02,B03,...".'
        )
    yield from layers


def _bands_of_raster(path: Path, bands: Sequence[str] | None) -> Iterator[Layer]:
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
            said = read_name(name)
            band = said.band or (from_file.band if raster.count == 1 else None)
            if band is None:
                continue
            date, month = (said.date, said.month) if said[1:] != (None, None) else (from_file.date, from_file.month)
            dtype, nodata = np.dtype(raster.dtypes[index]), raster.nodatavals[index]
            layer = Layer(
                band=band,
                times=_one_time(date, month, path.name),
                y=y,
                x=x,
                crs=raster.crs,
                dtype=dtype,
                nodata=PRODUCT_NODATA if nodata is None and offset is not None else nodata,
                scale=None,
                shift=0.0,
                offset=None if offset is None or np.isnan(offset) or band == SCENE_CLASSES else offset,
                array=RasterBand(path, index + 1, raster.shape, dtype),
                source=path.name,
            )
            yield _scaled(layer, raster.scales[index], raster.offsets[index])


def _opened(path: Path) -> Any:
    try:
        return rasterio.open(path)
    except RasterioIOError as error:
        reason = str(error).splitlines()[0].removeprefix(f"{path}: ").removeprefix(f"'{path}' ").rstrip(".")
        raise ValueError(f"{path.name} cannot be read as a raster ({reason}): fetch or unpack it again.") from None


def _scaled(layer: Layer, scale: float, shift: float) -> Layer:
    """Keeps integers where the extractor reads them as they are; else says how to decode."""
    if layer.band == SCENE_CLASSES or (scale, shift) == (1.0, 0.0):
        return layer
    if layer.dtype.kind in "iu" and (np.isclose(scale * DN_PER_REFLECTANCE, 1) or scale == 1):
        return replace(layer, offset=-shift / scale) if shift else layer
    return replace(layer, scale=scale, shift=shift)


def _times(label: str, variable: xr.DataArray, source: str) -> np.ndarray:
    if "time" not in variable.dims:
        if "time" in variable.coords:
            return parse_dates(variable["time"].values.reshape(1)).astype("datetime64[ns]")
        said = read_name(label)
        if said[1:] == (None, None):
            said = read_name(Path(source).stem)
        return _one_time(said.date, said.month, source)
    if "time" not in variable.coords:
        raise ValueError(f"The time axis of {source} has no coordinates: give each look its date.")
    times = variable["time"].values
    if times.dtype.kind in "iu" and len(times) and times.min() >= 1 and times.max() <= 12:
        return times.astype(np.int64) - 1
    return times.astype("datetime64[ns]") if times.dtype.kind == "M" else parse_dates(times).astype("datetime64[ns]")


def _one_time(date: np.datetime64 | None, month: int | None, source: str) -> np.ndarray:
    if date is not None:
        return np.asarray([date], dtype="datetime64[ns]")
    if month is not None:
        return np.asarray([month - 1], dtype=np.int64)
    raise ValueError(
        f"{source} has no time axis: give each look its date, along a time axis, in the band names (B02_2018-05-14) or "
        "in the file name."
    )


def _centres(values: np.ndarray, source: str) -> np.ndarray:
    centres = np.asarray(values, dtype=np.float64)
    steps = np.diff(centres)
    if len(steps) and (steps[0] == 0 or np.abs(steps / steps.mean() - 1).max() > GRID_TOLERANCE):
        raise ValueError(f"The grid of {source} is not regular: resample it to equal steps first.")
    return centres
