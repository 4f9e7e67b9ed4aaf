"""Write the same pixels as a SAFE product, as ESA's EOPF Zarr and as the optimised GeoZarr that is made of it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from tests.support.safe_places import RESOLUTIONS, TILE
from timesenclip_hf.maps.cubes.grids import Grid

# ESA's packing since baseline 04.00, in both formats: reflectance = number * 0.0001 - 0.1, and 0 is no data.
SCALE, SHIFT = 0.0001, -0.1
OVERVIEWS = (120, 360, 720)
# Attributes of a real product in both formats, of which the file says the source and licence.
REAL_METADATA = Path(__file__).with_name("eopf_metadata.json")
# Where that product lies: its system, and the upper left corner of its first pixel.
REAL_CRS, REAL_CORNER = "EPSG:32629", (600_000, 4_600_020)


def product_name(cube: xr.Dataset, index: int, baseline: str = "05.11", level: str = "L2A") -> str:
    """Name a product of one acquisition of an opened cube, without a suffix."""
    day = str(cube["time"].values[index])[:10].replace("-", "")
    return f"S2A_MSI{level}_{day}T105031_N{baseline.replace('.', '')}_R051_{TILE}_{day}T125031"


def write_eopf(
    folder: Path,
    cube: xr.Dataset,
    index: int,
    *,
    baseline: str = "05.11",
    level: str = "L2A",
    nested_scale: bool = False,
) -> Path:
    """Write one acquisition of an opened cube, whose numbers have no offset, in the layout of EOPF (Zarr format 2).

    Args:
        folder: to write into.
        cube: from `open_cube`, of 12 x 12 pixels or a multiple.
        index: of the acquisition.
        baseline: of the processing; from 04.00 on 1000 is added.
        level: "L2A" or "L1C".
        nested_scale: tell the scale in `_eopf_attrs` only, as the first products did.
    """
    path = folder / f"{product_name(cube, index, baseline, level)}.zarr"
    _write_root(path, cube, index, baseline, level, zarr_format=2)
    shift = SHIFT if float(baseline) >= 4 else 0.0
    for metres, parent, bands in _levels(cube):
        arrays = {}
        for band in bands:
            stored = _stored(cube, index, band, metres, shift)
            scale = {} if band == "SCL" else {"scale_factor": SCALE, "add_offset": shift}
            attributes: dict[str, Any] = {
                "_eopf_attrs": {"fill_value": 0, "dimensions": ["y", "x"], **scale},
                "proj:epsg": cube.rio.crs.to_epsg(),
                "proj:transform": [*list(_grid(cube, metres).transform)[:6], 0, 0, 1],
                "proj:shape": list(stored.shape),
                **({} if nested_scale else scale),
            }
            arrays[band.lower()] = (("y", "x"), stored, attributes)
        level_of = xr.Dataset(arrays, coords=_coordinates(cube, metres))
        encoding = {name: {"_FillValue": 0} for name in arrays}
        level_of.to_zarr(
            path, group=f"{parent}/r{metres}m", mode="a", zarr_format=2, consolidated=False, encoding=encoding
        )
    _write_weather(path, zarr_format=2)
    zarr.consolidate_metadata(path)
    return path


def write_geozarr(
    folder: Path, cube: xr.Dataset, index: int, *, baseline: str = "05.11", dtype: str = "float64"
) -> Path:
    """Write one acquisition as optimised GeoZarr: float32 reflectance, NaN for no data, overviews, Zarr format 3.

    Args:
        folder: to write into.
        cube: from `open_cube`, of 12 x 12 pixels or a multiple.
        index: of the acquisition.
        baseline: of the processing.
        dtype: that reflectance is computed in before it is stored.
    """
    path = folder / f"{product_name(cube, index, baseline)}_geozarr.zarr"
    _write_root(path, cube, index, baseline, "L2A", zarr_format=3)
    for metres, parent, bands in _levels(cube):
        arrays = {}
        for band in bands:
            stored = _stored(cube, index, band, metres, SHIFT)
            values = stored if band == "SCL" else _reflectance(stored, dtype)
            arrays[band.lower()] = (("y", "x"), values, {"grid_mapping": "spatial_ref"})
        _write_level(path, f"{parent}/r{metres}m", arrays, cube, metres)
    # Coarser levels hold every band, averaged: what is read must be the finest.
    for metres in (20, 60, *OVERVIEWS):
        shape = [max(1, cube.sizes[axis] * 10 // metres) for axis in ("y", "x")]
        names = [band.lower() for band in RESOLUTIONS if band != "SCL" and RESOLUTIONS[band][0] < metres]
        arrays = {name: (("y", "x"), np.full(shape, 0.5, np.float32)) for name in names}
        _write_level(path, f"measurements/reflectance/r{metres}m", arrays, cube, metres)
    group = zarr.open_group(path / "measurements" / "reflectance", mode="a")
    sizes = (10, 20, 60, *OVERVIEWS)
    group.attrs.update(
        {
            "multiscales": {"layout": [{"asset": f"r{metres}m"} for metres in sizes]},
            "proj:code": f"EPSG:{cube.rio.crs.to_epsg()}",
            "spatial:dimensions": ["y", "x"],
            "spatial:bbox": list(cube.rio.bounds()),
        }
    )
    return path


def at_real_place(cube: xr.Dataset) -> xr.Dataset:
    """Move a dataset of bands on pixels of 10 m to where the product of the real metadata lies."""
    left, top = REAL_CORNER
    x, y = left + 10 * (np.arange(cube.sizes["x"]) + 0.5), top - 10 * (np.arange(cube.sizes["y"]) + 0.5)
    return cube.drop_vars("spatial_ref").assign_coords(y=y, x=x).rio.write_crs(REAL_CRS)


def give_real_metadata(path: Path, form: str) -> None:
    """Put the attributes of a real product in place of a store's own; its date and baseline stay where it tells them.

    Args:
        path: of a store that `write_eopf` or `write_geozarr` wrote, of pixels at the real product's place.
        form: "eopf" or "geozarr".
    """
    root = zarr.open_group(path, mode="a")
    own = root.attrs.asdict()["stac_discovery"]["properties"]
    for name, attributes in json.loads(REAL_METADATA.read_text(encoding="utf-8"))[form].items():
        if name == "" and attributes:
            told = attributes["stac_discovery"]["properties"]
            told |= {key: own[key] for key in ("start_datetime", "end_datetime", "eopf:baseline")}
        if name in root or name == "":
            node = root[name] if name else root
            node.attrs.put(attributes)
    if form == "eopf":
        zarr.consolidate_metadata(path)


def write_zarr_item(folder: Path, cube: xr.Dataset, index: int, path: Path) -> dict[str, Any]:
    """Describe a product as a STAC item does whose assets are groups of its store, in an address below a folder."""
    address = f"./{path.relative_to(folder)}"
    west, south, east, north = cube.rio.transform_bounds("EPSG:4326")
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    media_type = "application/vnd+zarr"
    groups = {f"SR_{metres}m": f"measurements/reflectance/r{metres}m" for metres in (10, 20)}
    assets = {name: {"href": f"{address}/{group}", "type": media_type} for name, group in groups.items()}
    assets["product"] = {"href": address, "type": media_type, "roles": ["data", "metadata"]}
    time = f"{str(cube['time'].values[index])[:10]}T10:50:31Z"
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": path.stem,
        "collection": "sentinel-2-l2a",
        "bbox": [west, south, east, north],
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"datetime": None, "start_datetime": time, "end_datetime": time},
        "links": [],
        "assets": assets,
    }


def _levels(cube: xr.Dataset) -> list[tuple[int, str, list[str]]]:
    """List the levels of a product: metres, group and bands."""
    levels = []
    for metres in (10, 20):
        bands = [band for band, sizes in RESOLUTIONS.items() if sizes[0] == metres and band != "SCL"]
        levels.append((metres, "measurements/reflectance", bands))
    return [*levels, (20, "conditions/mask/l2a_classification", ["SCL"])] if "scl" in cube else levels


def _stored(cube: xr.Dataset, index: int, band: str, metres: int, shift: float) -> np.ndarray:
    """Take every pixel, or every other one, with the offset of the packing."""
    step = metres // 10
    source = cube["scl"] if band == "SCL" else cube["reflectance"].sel(band=band)
    values = source.values[index, ::step, ::step]
    return values if band == "SCL" else np.where(values == 0, 0, values + round(-shift / SCALE)).astype(values.dtype)


def _reflectance(stored: np.ndarray, dtype: str) -> np.ndarray:
    kind = np.dtype(dtype).type
    values = stored.astype(dtype) * kind(SCALE) + kind(SHIFT)
    return np.where(stored == 0, np.nan, values).astype(np.float32)


def _coordinates(cube: xr.Dataset, metres: int) -> dict[str, np.ndarray]:
    grid = _grid(cube, metres)
    return {"y": grid.y, "x": grid.x}


def _grid(cube: xr.Dataset, metres: int) -> Grid:
    step = metres // 10
    y, x = cube["y"].values, cube["x"].values
    height, width = max(1, len(y) // step), max(1, len(x) // step)
    return Grid(
        y[0] + 5 - metres * (np.arange(height) + 0.5), x[0] - 5 + metres * (np.arange(width) + 0.5), (-metres, metres)
    )


def _write_level(path: Path, group: str, arrays: dict[str, Any], cube: xr.Dataset, metres: int) -> None:
    transform = list(_grid(cube, metres).transform)[:6]
    attributes = {"proj:code": f"EPSG:{cube.rio.crs.to_epsg()}", "spatial:transform": transform}
    dataset = xr.Dataset(arrays, coords=_coordinates(cube, metres), attrs=attributes)
    dataset.to_zarr(path, group=group, mode="a", zarr_format=3, consolidated=False)


def _write_root(path: Path, cube: xr.Dataset, index: int, baseline: str, level: str, zarr_format: Any) -> None:
    day = str(cube["time"].values[index])[:10]
    properties = {
        "datetime": None,
        "start_datetime": f"{day}T10:50:31.024000Z",
        "end_datetime": f"{day}T10:50:31.024000Z",
        "platform": "sentinel-2a",
        "product:type": f"S02MSI{level}",
        "processing:level": level,
        "eopf:baseline": baseline,
    }
    discovery = {"type": "Feature", "stac_version": "1.1.0", "id": path.stem, "properties": properties}
    other = {"horizontal_CRS_code": f"EPSG:{cube.rio.crs.to_epsg()}"}
    root = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    root.attrs.update({"stac_discovery": discovery, "other_metadata": other})


def _write_weather(path: Path, zarr_format: Any) -> None:
    """Write what lies beside the bands and is on another grid."""
    weather = xr.Dataset({"t": (("latitude", "longitude"), np.ones((2, 2), np.float32))})
    weather.to_zarr(path, group="conditions/meteorology/ecmwf", mode="a", zarr_format=zarr_format, consolidated=False)
