"""Write the control of `cube_layouts` as rasters, as products of agencies, and as STAC items."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from tests.support.cube_layouts import EARTH_ENGINE, FORCE, YEAR, CubeLayout, numbers
from tests.support.eopf_stores import write_eopf, write_geozarr, write_zarr_item
from tests.support.safe_places import write_band, write_safe
from tests.support.small_cubes import write_raster
from tests.support.stac_places import (
    DATA_SPACE,
    EARTH_SEARCH,
    PLANETARY_COMPUTER,
    TWENTY_METRES,
    save_items,
    write_item,
)
from timesenclip_hf.maps import open_cube
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS

MONTHS = range(12)


def product_layouts() -> list[CubeLayout]:
    """List the layouts of this module."""
    return [*_RASTERS, *_PRODUCTS, *_ITEMS, *_REFUSED]


def _planes(cube: xr.Dataset, month: int, kind: Any = np.uint16, nodata: float = 0) -> np.ndarray:
    made = numbers(cube, kind, nodata)
    return np.stack([made[band].values[month] for band in BANDS])


def _day(month: int) -> str:
    return f"{YEAR}{month + 1:02d}15"


def _all_in_one(names: Callable[[int, str], str], *, by_band: bool = False) -> Callable[..., Path]:
    """Write a GeoTIFF of all dates and bands."""

    def write(folder: Path, cube: xr.Dataset) -> Path:
        pairs = [(month, index) for month in MONTHS for index in range(10)]
        pairs = sorted(pairs, key=lambda pair: pair[::-1]) if by_band else pairs
        values = np.stack([cube[BANDS[index]].values[month] for month, index in pairs])
        return write_raster(
            folder / "stack.tif", values, [names(month, BANDS[index]) for month, index in pairs], nodata=0
        )

    return write


def _one_a_date(names: Sequence[str] | None) -> Callable[..., list[Path]]:
    def write(folder: Path, cube: xr.Dataset) -> list[Path]:
        paths = [folder / f"S2_{_day(month)}.tif" for month in MONTHS]
        return [write_raster(path, _planes(cube, month), names, nodata=0) for month, path in enumerate(paths)]

    return write


def _one_a_band(suffix: str) -> Callable[..., Path]:
    def write(folder: Path, cube: xr.Dataset) -> Path:
        for month in MONTHS:
            for band in BANDS:
                path = folder / _day(month) / f"T31UDS_{_day(month)}T105031_{band}_10m.{suffix}"
                write_band(path, cube[band].values[month], cube["y"].values, cube["x"].values, cube.rio.crs)
        return folder

    return write


def _products(write_one: Callable[..., Any], **options: Any) -> Callable[..., Path]:
    """Write a product a date, of an opened cube."""

    def write(folder: Path, cube: xr.Dataset) -> Path:
        opened = open_cube(cube)
        for month in MONTHS:
            write_one(folder, opened, month, **options)
        return folder

    return write


def _changing_baselines(folder: Path, cube: xr.Dataset) -> Path:
    opened = open_cube(cube)
    for month in MONTHS:
        later = month >= 6
        write_safe(folder, opened, month, baseline="04.00" if later else "03.01", offset=1000 if later else 0)
    return folder


def _tree(folder: Path, cube: xr.Dataset) -> list[xr.DataTree]:
    """Open products of EOPF by xarray, which applies their scale and offset."""
    _products(write_eopf)(folder, cube)
    return [xr.open_datatree(path, engine="zarr") for path in sorted(folder.glob("*.zarr"))]


def _maja(folder: Path, cube: xr.Dataset) -> Path:
    for month in MONTHS:
        scene = f"SENTINEL2A_{_day(month)}-105905-123_L2A_T31UDS_C_V2-2"
        (folder / scene).mkdir()
        for name, plane in zip(EARTH_ENGINE, _planes(cube, month, np.int16, -10000), strict=True):
            write_raster(folder / scene / f"{scene}_FRE_{name}.tif", plane[None])
            write_raster(folder / scene / f"{scene}_SRE_{name}.tif", plane[None] // 2)
    return folder


def _force(folder: Path, cube: xr.Dataset) -> Path:
    for month in MONTHS:
        path = folder / f"{_day(month)}_LEVEL2_SEN2A_BOA.tif"
        write_raster(path, _planes(cube, month, np.int16, -9999), FORCE, nodata=-9999)
    return folder


def _hls(folder: Path, cube: xr.Dataset) -> Path:
    for month in MONTHS:
        date = np.datetime64(f"{YEAR}-{month + 1:02d}-15")
        number = int((date - np.datetime64(f"{YEAR}-01-01")).astype(int)) + 1
        for band, plane in zip(BANDS, _planes(cube, month, np.int16, -9999), strict=True):
            path = folder / f"HLS.S30.T31UDS.{YEAR}{number:03d}T105421.v2.0.{band}.tif"
            write_raster(path, plane[None], nodata=-9999)
    return folder


def _items(
    names: dict[str, str], raised: int = 0, coarse: Sequence[str] = (), **properties: Any
) -> Callable[..., Path]:
    def write(folder: Path, cube: xr.Dataset) -> Path:
        opened = open_cube(cube)
        items = [
            write_item(folder, opened, month, names=names, raised=raised, coarse=coarse, **properties)
            for month in MONTHS
        ]
        return save_items(folder, items)

    return write


def _zarr_items(folder: Path, cube: xr.Dataset) -> Path:
    opened = open_cube(cube)
    paths = [write_eopf(folder, opened, month) for month in MONTHS]
    items = [write_zarr_item(folder, opened, month, path) for month, path in enumerate(paths)]
    (folder / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    return folder / "items.json"


def _zipped(folder: Path, cube: xr.Dataset) -> str:
    write_eopf(folder / "products", open_cube(cube), 0)
    return shutil.make_archive(str(folder / "product.zarr"), "zip", folder / "products")


def _landsat(folder: Path, cube: xr.Dataset) -> Path:
    names = [name for name in FORCE if "EDGE" not in name and name != "BROADNIR"]
    return write_raster(folder / "20190415_LEVEL2_LND08_BOA.tif", _planes(cube, 0)[:6], names)


_RASTERS = [
    CubeLayout(
        "GeoTIFF of all dates, B02_2019-01-15", _all_in_one(lambda month, band: f"{band}_{YEAR}-{month + 1:02d}-15")
    ),
    CubeLayout(
        "GeoTIFF of all dates, band by band", _all_in_one(lambda m, band: f"{band}_{YEAR}-{m + 1:02d}-15", by_band=True)
    ),
    CubeLayout(
        "GeoTIFF of Earth Engine, 20190115T105031_B02", _all_in_one(lambda m, band: f"{_day(m)}T105031_T31UDS_{band}")
    ),
    CubeLayout("GeoTIFF of months, B02_01", _all_in_one(lambda month, band: f"{band}_{month + 1:02d}")),
    CubeLayout("GeoTIFFs, one a date, bands described", _one_a_date(BANDS)),
    CubeLayout("GeoTIFFs, one a date, bands named by the caller", _one_a_date(None), {"bands": BANDS}),
    CubeLayout("GeoTIFFs, one a band and date, in folders", _one_a_band("tif")),
    CubeLayout("JPEG 2000, one a band and date, in folders", _one_a_band("jp2")),
]
_PRODUCTS = [
    CubeLayout("SAFE, baseline 02.07", _products(write_safe)),
    CubeLayout(
        "SAFE, baseline 05.11, its offset in the metadata", _products(write_safe, baseline="05.11", offset=1000)
    ),
    CubeLayout("SAFE without metadata", _products(write_safe, baseline="05.11", offset=1000, metadata=False)),
    CubeLayout("SAFE, baselines that change", _changing_baselines),
    CubeLayout("EOPF Zarr", _products(write_eopf)),
    CubeLayout("EOPF Zarr before the offset", _products(write_eopf, baseline="03.01")),
    CubeLayout("EOPF Zarr, decoded by xarray", _tree),
    CubeLayout("GeoZarr", _products(write_geozarr)),
    CubeLayout("MAJA, -10000 untagged", _maja),
    CubeLayout("FORCE", _force),
    CubeLayout("HLS S30", _hls),
]
_ITEMS = [
    CubeLayout(
        "STAC of Earth Search, offset applied",
        _items(EARTH_SEARCH, earthsearch__boa_offset_applied=True, s2__processing_baseline="05.09"),
        stac=True,
    ),
    CubeLayout(
        "STAC of Planetary Computer",
        _items(PLANETARY_COMPUTER, 1000, TWENTY_METRES, s2__processing_baseline="05.10"),
        stac=True,
    ),
    CubeLayout("STAC of the Copernicus Data Space", _items(DATA_SPACE, 1000, processing__version="05.11"), stac=True),
    CubeLayout("STAC of EOPF Zarr", _zarr_items, stac=True),
]
_REFUSED = [
    CubeLayout("SAFE, top of the atmosphere", _products(write_safe, level="L1C"), None),
    CubeLayout("EOPF Zarr, top of the atmosphere", _products(write_eopf, level="L1C"), None),
    CubeLayout("EOPF Zarr, zipped", _zipped, None),
    CubeLayout("FORCE of Landsat", _landsat, None),
]
