"""Measure what is claimed of the sources of a map: parts stac, sources and refused, at most two minutes each.

Each maps the real Flanders series or, where that is absent, a made-up cube of its size, written as every source has it.
"""

import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from tests.support.safe_places import write_band, write_safe
from tests.support.small_cubes import MONTHS, small_cube, write_raster
from tests.support.stac_places import EARTH_SEARCH, PLANETARY_COMPUTER, save_items, stac_api, with_addresses, write_item
from timesenclip_hf.maps import map_cube
from timesenclip_hf.maps.cubes import open_cube
from timesenclip_hf.maps.cubes.reading import acquisition_offsets
from timesenclip_hf.maps.cubes.stac import open_stac
from timesenclip_hf.maps.cubes.stac_search import StacQuery
from timesenclip_hf.models.timesenclip.options_timesenclip import SeriesOptions
from training.evidence.claims import Ledger
from training.real_sets import real_data_folder

LABELS = ["maize", "grassland", "built-up"]
# How items tell what their numbers are, in turn: before the offset, with it, and with it taken off by the provider.
KINDS: list[tuple[int, dict[str, str], dict[str, Any]]] = [
    (0, PLANETARY_COMPUTER, {"s2:processing_baseline": "02.07"}),
    (1000, PLANETARY_COMPUTER, {"s2:processing_baseline": "05.00"}),
    (0, EARTH_SEARCH, {"s2:processing_baseline": "05.00", "earthsearch:boa_offset_applied": True}),
    (1000, EARTH_SEARCH, {"s2:processing_baseline": "04.00", "earthsearch:boa_offset_applied": False}),
]
# Acquisitions of the part `sources`: every third of a year, since a SAFE product has two dozen rasters of each.
EVERY = 3
SIDE = 64


def stac(ledger: Ledger) -> None:
    """Read a year of COGs, each item one of four kinds, against the numbers before any offset was added."""
    cube = _corrected_cube()
    expected = _map(cube)
    with tempfile.TemporaryDirectory() as folder:
        items = list(_mixed_items(Path(folder), cube))
        path = save_items(Path(folder), items)
        opened = open_stac(path)
        offsets = acquisition_offsets(opened)
        assert offsets is not None
        ledger.add(
            "acquisitions with and without the offset in one collection", np.unique(offsets).tolist(), "==", [0, 1000]
        )
        ledger.add(
            "of its acquisitions, those of the cube that was corrected by hand", opened.sizes["time"], "==", len(items)
        )
        for name, mapped in (
            ("a saved collection of COGs of mixed baselines", _map(opened)),
            ("the same read by pieces", _map(open_stac(path, chunks=24)).compute()),
        ):
            _compare(ledger, name, mapped, expected)
        with stac_api(with_addresses(Path(folder), items), page=25) as address:
            searched = open_stac(address, StacQuery(bbox=items[0]["bbox"], dates="2018"))
        cut = searched.sel(y=cube["y"], x=cube["x"])  # a box in degrees is a little wider than the square
        _compare(ledger, "the same found by an API", _map(cut), expected)
        wrong = _differing(_map(opened, SeriesOptions(offset=0)), expected)
        note = f"of {SIDE * SIDE}; what the offset of each acquisition is for"
        ledger.add("pixels of another class where every offset is ignored", wrong, ">=", 1, note)


def sources(ledger: Ledger) -> None:
    """Read the same pixels as NetCDF, Zarr, rasters by band and date, SAFE products and STAC items."""
    cube = _corrected_cube().isel(time=slice(None, None, EVERY))
    expected = _map(cube)
    with tempfile.TemporaryDirectory() as name:
        for source, opened in _written(Path(name), cube).items():
            _compare(ledger, source, _map(opened()), expected)
            _compare(ledger, f"{source}, by pieces", _map(opened(chunks=24)).compute(), expected)


def refused(ledger: Ledger) -> None:
    """Try sources that cannot be a cube."""
    answers = {name: _answer(bad) for name, bad in _bad_sources().items()}
    sentences = [name for name, answer in answers.items() if answer and "\n" not in answer]
    ledger.add(
        f"bad sources answered by one sentence, of {len(answers)}",
        len(sentences),
        "==",
        len(answers),
        ", ".join(answers),
    )


PARTS: dict[str, Callable[[Ledger], None]] = {"stac": stac, "sources": sources, "refused": refused}


@cache
def _corrected_cube() -> xr.Dataset:
    """Return a year of digital numbers without an offset."""
    try:
        folder = real_data_folder() / "worldcereal_flanders_2018" / "raw_nc"
    except FileNotFoundError:
        days = np.arange("2018-01-03", "2018-12-30", 5, dtype="datetime64[D]").astype("datetime64[ns]")
        made = small_cube(SIDE, SIDE, days)
        classes = np.random.default_rng(0).choice(np.array([4, 5, 9], np.uint8), (len(days), SIDE, SIDE))
        return open_cube(made.assign(SCL=(("time", "y", "x"), classes)))
    return open_cube(sorted(folder.glob("S2_L2A_*.nc")), dates="2018")


def _mixed_items(folder: Path, cube: xr.Dataset) -> Iterator[dict[str, Any]]:
    for index in range(cube.sizes["time"]):
        raised, names, properties = KINDS[index % len(KINDS)]
        fields = {"raster:bands": [{"scale": 0.0001, "offset": -0.1}]} if names is EARTH_SEARCH else {}
        item = write_item(folder, cube, index, names=names, raised=raised, asset_fields=fields)
        item["properties"] |= properties
        yield item


def _written(folder: Path, cube: xr.Dataset) -> dict[str, Callable[..., xr.Dataset]]:
    """Return how each source is opened."""
    plain = cube["reflectance"].drop_vars("offset", errors="ignore").to_dataset("band").assign(SCL=cube["scl"])
    plain = plain.rio.write_crs(cube.rio.crs)
    for name in plain.data_vars:
        plain[name].attrs.pop("grid_mapping", None)
    plain.to_netcdf(folder / "cube.nc", engine="h5netcdf")
    plain.to_zarr(folder / "cube.zarr", consolidated=False)
    places = plain["y"].values, plain["x"].values
    for index in range(cube.sizes["time"]):
        day = str(cube["time"].values[index])[:10]
        for name in (*cube["band"].values.tolist(), "SCL"):
            values = plain[name].values[index]
            write_band(folder / "rasters" / f"{name}_{day}.tif", values, *places, cube.rio.crs)
        newer = index % 2 == 1
        write_safe(folder / "safe", cube, index, baseline="05.10" if newer else "02.07", offset=1000 if newer else 0)
    items = save_items(folder, list(_mixed_items(folder, cube)))
    paths = {
        "NetCDF": folder / "cube.nc",
        "Zarr": folder / "cube.zarr",
        "a folder of GeoTIFFs by band and date": folder / "rasters",
        "SAFE products of two baselines": folder / "safe",
    }
    opened: dict[str, Callable[..., xr.Dataset]] = {
        name: lambda path=path, **options: open_cube(path, **options) for name, path in paths.items()
    }
    return opened | {"STAC items of mixed baselines": lambda **options: open_stac(items, **options)}


def _map(cube: xr.Dataset, reading: SeriesOptions | None = None) -> xr.Dataset:
    return map_cube(cube, LABELS, reading=reading or SeriesOptions(), progress=False)


def _compare(ledger: Ledger, name: str, mapped: xr.Dataset, expected: xr.Dataset) -> None:
    """Add two lines: classes, and probabilities."""
    ledger.add(f"pixels of another class from {name}", _differing(mapped, expected), "==", 0, f"of {SIDE * SIDE}")
    apart = np.abs(mapped["probability"].values - expected["probability"].values)
    largest = float(np.nanmax(apart)) if np.isfinite(apart).any() else 0.0
    ledger.add(f"largest difference of a probability from {name}", largest, "<=", 1e-5)


def _differing(mapped: xr.Dataset, expected: xr.Dataset) -> int:
    return int((mapped["class"].values != expected["class"].values).sum())


def _bad_sources() -> dict[str, Callable[[Path], Any]]:
    cube = open_cube(small_cube(6, 6, MONTHS[:2]))

    def items(folder: Path, spoil: Callable[[list[dict[str, Any]]], Any]) -> Path:
        made = [write_item(folder, cube, index, s2__processing_baseline="03.01") for index in range(2)]
        spoil(made)
        return save_items(folder, made)

    def gone(folder: Path) -> xr.Dataset:
        with stac_api([]) as address:
            pass
        return open_stac(address, StacQuery(bbox=(2, 50, 3, 51), dates="2018"))

    unnamed = xr.DataArray(np.ones((2, 3, 4, 4), np.uint16), dims=("time", "band", "y", "x"))
    return {
        "no time axis": lambda folder: open_cube(small_cube().isel(time=0, drop=True)),
        "bands missing": lambda folder: map_cube(open_cube(small_cube(bands=("B02", "B03"))), LABELS, progress=False),
        "bands unnamed": lambda folder: open_cube(unnamed),
        "CRS missing": lambda folder: open_cube(small_cube().drop_vars("spatial_ref")),
        "mixed CRS": lambda folder: open_cube([small_cube(), small_cube(times=MONTHS + 1).rio.write_crs("EPSG:32632")]),
        "a raster of other things": lambda folder: open_cube(
            write_raster(folder / "height.tif", np.ones((1, 4, 4), np.float32))
        ),
        "an empty folder": open_cube,
        "an L1C product": lambda folder: open_cube(write_safe(folder, open_cube(small_cube(12, 12)), 0, level="L1C")),
        "STAC: mixed CRS": lambda folder: open_stac(
            items(folder, lambda made: made[0]["properties"].update({"proj:code": "EPSG:32632"}))
        ),
        "STAC: CRS missing": lambda folder: open_stac(
            items(folder, lambda made: made[0]["properties"].pop("proj:code"))
        ),
        "STAC: empty search": lambda folder: open_stac(items(folder, lambda made: None), StacQuery(dates="2001")),
        "STAC: missing file of an asset": lambda folder: open_stac(
            items(folder, lambda made: made[0]["assets"]["B02"].update(href="./nowhere.tif"))
        ),
        "STAC: no answer": gone,
    }


def _answer(bad: Callable[[Path], Any]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        try:
            bad(Path(folder))
        except (ValueError, OSError) as error:
            return str(error)
    return ""
