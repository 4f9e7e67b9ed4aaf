"""Write one cube in the forms that people have cubes in, each to give the map that the control gives, or none."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from tests.support.small_cubes import CRS, grid
from timesenclip_hf.maps import open_cube
from timesenclip_hf.maps.cubes.grids import north_up
from timesenclip_hf.maps.cubes.stac import open_stac
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS

YEAR, SIDE = 2019, 12
DATES = np.asarray([f"{YEAR}-{month:02d}-15" for month in range(1, 13)], dtype="datetime64[ns]")
EARTH_ENGINE = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")
EARTH_SEARCH = ("blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "swir16", "swir22")
DIGITAL_EARTH = ("blue", "green", "red", "red_edge_1", "red_edge_2", "red_edge_3", "nir_1", "nir_2", "swir_2", "swir_3")
FORCE = ("BLUE", "GREEN", "RED", "REDEDGE1", "REDEDGE2", "REDEDGE3", "BROADNIR", "NIR", "SWIR1", "SWIR2")


class CubeLayout(NamedTuple):
    """Describe a layout.

    Attributes:
        name: source and form.
        write: takes a folder and the control, and returns what `open_cube`, or `open_stac`, takes.
        options: of the opening besides; None where the cube must be refused.
        stac: items for `open_stac`.
    """

    name: str
    write: Callable[[Path, xr.Dataset], Any]
    options: Mapping[str, Any] | None = {}
    stac: bool = False

    def open(self, folder: Path, cube: xr.Dataset) -> xr.Dataset:
        """Write the control in this layout and open it; raise ValueError where the layout must be refused."""
        folder.mkdir(parents=True, exist_ok=True)
        return (open_stac if self.stac else open_cube)(self.write(folder, cube), **(self.options or {}))


def control(seed: int = 0) -> xr.Dataset:
    """Make bands as variables, digital numbers uint16 with 0 for no data, alike in squares of 2 x 2 pixels.

    So that bands of 20 m hold the same; one pixel in nine lacks two months.
    """
    random = np.random.default_rng(seed)
    variables = {}
    for band in BANDS:
        values = random.integers(150, 4000, (12, SIDE // 2, SIDE // 2), dtype=np.uint16)
        values[3:5, ::3, ::3] = 0
        variables[band] = (("time", "y", "x"), values.repeat(2, axis=1).repeat(2, axis=2), {"nodata": 0})
    return xr.Dataset(variables, coords={"time": DATES, **grid(SIDE, SIDE)}).rio.write_crs(CRS)


def layers_of(mapped: xr.Dataset) -> dict[str, np.ndarray]:
    """Return the layers of a map with north up, without their place, to be compared."""
    return {str(name): layer.values for name, layer in north_up(mapped).data_vars.items()}


def cube_layouts() -> list[CubeLayout]:
    """List all layouts, those of rasters, products and STAC among them."""
    from tests.support.product_layouts import product_layouts  # which takes the names of this module

    return [*_OBJECTS, *_FILES, *product_layouts(), *_REFUSED]


def renamed(cube: xr.Dataset, names: Sequence[str]) -> xr.Dataset:
    """Call the bands by other names."""
    return cube.rename(dict(zip(BANDS, names, strict=True)))


def stacked(cube: xr.Dataset, names: Sequence[str] = BANDS) -> xr.DataArray:
    """Lay the bands along an axis (time, band, y, x)."""
    array = renamed(cube, names)[list(names)].to_dataarray("band", name="reflectance")
    return array.transpose("time", "band", "y", "x").assign_attrs(nodata=0)


def each_band(cube: xr.Dataset, change: Callable[[xr.DataArray], xr.DataArray]) -> xr.Dataset:
    """Change every band, and its attributes, which `Dataset.map` would put back."""
    return cube.assign({name: change(band) for name, band in cube.data_vars.items() if band.ndim})


def numbers(cube: xr.Dataset, kind: Any, nodata: float, scale: float = 1.0, shift: float = 0.0) -> xr.Dataset:
    """Store the values as `(number + shift) * scale` of another type, with another value for no data."""

    def convert(band: xr.DataArray) -> xr.DataArray:
        values = np.where(band.values == 0, nodata, (band.values.astype(np.float64) + shift) * scale).astype(kind)
        return band.copy(data=values).assign_attrs(nodata=nodata)

    return each_band(cube, convert)


def degrees(cube: xr.Dataset) -> xr.Dataset:
    """Lay the pixels on a grid of longitude and latitude."""
    steps = (np.arange(SIDE) + 0.5) * 0.0001
    return cube.assign_coords(y=50.8 - steps, x=3.2 + steps).rio.write_crs("EPSG:4326")


def _netcdf(make: Callable[[xr.Dataset], xr.Dataset], **encoding: Any) -> Callable[..., Path]:
    def write(folder: Path, cube: xr.Dataset) -> Path:
        made = make(cube)
        names = [name for name, band in made.data_vars.items() if band.ndim]
        made.to_netcdf(folder / "cube.nc", engine="h5netcdf", encoding={name: dict(encoding) for name in names})
        return folder / "cube.nc"

    return write


def _one_a_date(folder: Path, cube: xr.Dataset) -> Path:
    for index in range(12):
        day = f"{YEAR}{index + 1:02d}15"
        cube.isel(time=index, drop=True).to_netcdf(folder / f"S2_{day}.nc", engine="h5netcdf")
    return folder


def _two_grids(folder: Path, cube: xr.Dataset) -> list[Path]:
    """Write the bands of 10 m and those of 20 m apart."""
    coarse = cube[list(BANDS[3:6] + BANDS[7:])].coarsen(y=2, x=2).max()
    fine = cube[[*BANDS[:3], "B08"]]
    parts = {
        "fine": fine.rio.write_crs(CRS),
        "coarse": coarse.map(lambda band: band.astype(np.uint16)).rio.write_crs(CRS),
    }
    for name, part in parts.items():
        each_band(part, lambda band: band.assign_attrs(nodata=0)).to_netcdf(folder / f"{name}.nc", engine="h5netcdf")
    return [folder / f"{name}.nc" for name in parts]


def _zarr(**options: Any) -> Callable[..., Path]:
    def write(folder: Path, cube: xr.Dataset) -> Path:
        cube.to_zarr(folder / "cube.zarr", **options)
        return folder / "cube.zarr"

    return write


def _packed(folder: Path, cube: xr.Dataset) -> Path:
    """Encode reflectance as CF does: numbers with `scale_factor` and `add_offset`."""
    decoded = each_band(numbers(cube, np.float64, np.nan, 1e-4), lambda band: band.drop_attrs())
    packing = {"dtype": "uint16", "scale_factor": 1e-4, "add_offset": -0.1, "_FillValue": 0}
    decoded.to_netcdf(folder / "cube.nc", engine="h5netcdf", encoding={band: dict(packing) for band in BANDS})
    return folder / "cube.nc"


def _openeo(cube: xr.Dataset) -> xr.Dataset:
    """Call axes as openEO does, with the CRS in a variable and rows from south to north."""
    plain = cube.rename(time="t").isel(y=slice(None, None, -1)).drop_vars("spatial_ref")
    return plain.assign(crs=((), 0, {"spatial_ref": cube.rio.crs.to_wkt()}))


def _xee(cube: xr.Dataset) -> xr.Dataset:
    """Order axes as xee does: time, longitude, latitude ascending; fractions with NaN, the CRS in an attribute."""
    made = renamed(degrees(numbers(cube, np.float32, np.nan)), EARTH_ENGINE).rename(x="lon", y="lat")
    made = made.isel(lat=slice(None, None, -1)).transpose("time", "lon", "lat").drop_vars("spatial_ref")
    return each_band(made, lambda band: band.drop_attrs()).assign_attrs(crs="EPSG:4326")


def _stackstac(folder: Path, cube: xr.Dataset) -> xr.DataArray:
    array = stacked(numbers(cube, np.float64, np.nan), EARTH_SEARCH).drop_vars("spatial_ref").drop_attrs()
    corners = array.assign_coords(x=array["x"] - 5, y=array["y"] + 5, epsg=32631)
    return corners.assign_attrs(crs="epsg:32631", transform=(10.0, 0.0, 500_000.0, 0.0, -10.0, 5_600_000.0))


def _odc(folder: Path, cube: xr.Dataset) -> xr.Dataset:
    made = renamed(cube, EARTH_SEARCH).chunk({"time": 1, "y": 5, "x": 7})
    made = made.rio.write_transform().rename(spatial_ref="spatial_ref")
    return each_band(made, lambda band: band.assign_attrs(units="1", grid_mapping="spatial_ref"))


def _scaled_by_hand(folder: Path, cube: xr.Dataset) -> xr.Dataset:
    """Divide the numbers and keep the attributes, which still name the scale."""
    made = numbers(cube, np.float32, np.nan, 1e-4)
    return each_band(made, lambda band: band.assign_attrs(scale_factor=1e-4))


def _digital_earth(folder: Path, cube: xr.Dataset) -> xr.Dataset:
    made = renamed(numbers(cube, np.int16, -999), [f"nbart_{name}" for name in DIGITAL_EARTH])
    clear = np.ones((12, SIDE, SIDE), np.uint8)
    return made.assign(oa_fmask=(("time", "y", "x"), clear), nbart_coastal_aerosol=made["nbart_blue"])


def _same(folder: Path, cube: xr.Dataset) -> xr.Dataset:
    return cube


_OBJECTS = [
    CubeLayout("xarray, a dataset", _same),
    CubeLayout("xarray, bands along an axis", lambda folder, cube: stacked(cube)),
    CubeLayout("xarray, bands in any order", lambda folder, cube: cube[[*reversed(BANDS), "spatial_ref"]]),
    CubeLayout(
        "xarray, dates in any order", lambda folder, cube: cube.isel(time=np.random.default_rng(1).permutation(12))
    ),
    CubeLayout("xarray, axes in any order", lambda folder, cube: cube.transpose("x", "time", "y")),
    CubeLayout("xarray, rows from south to north", lambda folder, cube: cube.isel(y=slice(None, None, -1))),
    CubeLayout("xarray, columns from east to west", lambda folder, cube: cube.isel(x=slice(None, None, -1))),
    CubeLayout("xarray, Dask arrays", lambda folder, cube: cube.chunk({"time": 3, "y": 5, "x": 4})),
    CubeLayout("xarray, unnamed bands", lambda folder, cube: stacked(cube).drop_vars("band"), {"bands": BANDS}),
    CubeLayout("xarray, no CRS", lambda folder, cube: cube.drop_vars("spatial_ref"), {"crs": CRS}),
    CubeLayout(
        "xarray, longitude and latitude", lambda folder, cube: degrees(cube).rename(x="longitude", y="latitude")
    ),
    CubeLayout("xarray, int16 with -9999", lambda folder, cube: numbers(cube, np.int16, -9999)),
    CubeLayout("xarray, int32 with -32768", lambda folder, cube: numbers(cube, np.int32, -32768)),
    CubeLayout("xarray, int64 with -9999", lambda folder, cube: numbers(cube, np.int64, -9999)),
    CubeLayout("xarray, names of Earth Search", lambda folder, cube: renamed(cube, EARTH_SEARCH)),
    CubeLayout("xarray, names of FORCE", lambda folder, cube: renamed(cube, FORCE)),
    CubeLayout("xarray, names of Digital Earth", lambda folder, cube: renamed(cube, DIGITAL_EARTH)),
    CubeLayout("xarray, float32 numbers", lambda folder, cube: numbers(cube, np.float32, np.nan)),
    CubeLayout("xarray, float32 reflectance", lambda folder, cube: numbers(cube, np.float32, np.nan, 1e-4)),
    CubeLayout("xarray, float64 reflectance", lambda folder, cube: numbers(cube, np.float64, np.nan, 1e-4)),
    CubeLayout("xarray, divided by hand", _scaled_by_hand),
    CubeLayout("xarray, other variables", lambda folder, cube: cube.assign(NDVI=cube["B08"] * 0.1, B01=cube["B02"])),
    CubeLayout("xarray, months", lambda folder, cube: cube.assign_coords(time=np.arange(1, 13))),
    CubeLayout(
        "xarray, dates as text", lambda folder, cube: cube.assign_coords(time=DATES.astype("datetime64[D]").astype(str))
    ),
    CubeLayout("xarray, local midnight", lambda folder, cube: cube.assign_coords(time=DATES - np.timedelta64(1, "h"))),
    CubeLayout("stackstac, coordinates of corners", _stackstac),
    CubeLayout("odc-stac, Dask arrays", _odc),
    CubeLayout("Digital Earth, int16 with fmask", _digital_earth),
    CubeLayout("xee, longitude first", lambda folder, cube: _xee(cube)),
]
_FILES = [
    CubeLayout("NetCDF", _netcdf(lambda cube: cube)),
    CubeLayout("NetCDF of openEO, rows from south to north", _netcdf(_openeo)),
    CubeLayout("NetCDF, packed as CF does", _packed),
    CubeLayout("NetCDF, compressed", _netcdf(lambda cube: cube, zlib=True)),
    CubeLayout("NetCDF, one a date", _one_a_date),
    CubeLayout("NetCDF, 10 m and 20 m", _two_grids),
    CubeLayout("NetCDF, names of Earth Engine", _netcdf(lambda cube: renamed(cube, EARTH_ENGINE))),
    CubeLayout("NetCDF, names in small letters", _netcdf(lambda cube: renamed(cube, [band.lower() for band in BANDS]))),
    CubeLayout("Zarr, format 2", _zarr(zarr_format=2)),
    CubeLayout("Zarr, format 2, consolidated", _zarr(zarr_format=2, consolidated=True)),
    CubeLayout("Zarr, format 3", _zarr(zarr_format=3, consolidated=False)),
]


def _irregular(folder: Path, cube: xr.Dataset) -> xr.Dataset:
    return cube.assign_coords(x=cube["x"].values + np.arange(SIDE) ** 2)


def _rotated(folder: Path, cube: xr.Dataset) -> xr.Dataset:
    return cube.assign_attrs(transform=(9.0, 3.0, 500_000.0, 3.0, -9.0, 5_600_000.0))


_REFUSED = [
    CubeLayout("xarray, 8-bit colours", lambda folder, cube: numbers(cube, np.uint8, 0, 0.05), None),
    CubeLayout("xarray, no bands", lambda folder, cube: renamed(cube, [f"layer{n}" for n in range(10)]), None),
    CubeLayout("xarray, an irregular grid", _irregular, None),
    CubeLayout("xarray, a rotated grid", _rotated, None),
    CubeLayout("xarray, no coordinates", lambda folder, cube: cube.drop_vars(["x", "y"]), None),
    CubeLayout("xarray, no dates", lambda folder, cube: cube.drop_vars("time"), None),
    CubeLayout(
        "xarray, coordinates beside their transform", lambda f, c: _stackstac(f, c).assign_coords(x=c["x"] + 2), None
    ),
    CubeLayout("xarray, each date twice", lambda folder, cube: [cube, cube], None),
]
