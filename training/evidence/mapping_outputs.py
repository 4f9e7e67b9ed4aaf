"""Measure what is claimed of a map's files: parts cog, gdalinfo, legend, smoothing, embeddings, and whole_tile.

Each maps the real Flanders series or, where that is absent, a simulated cube of its size; `whole_tile` exports a map of
10,980 x 10,980 pixels that is made up window by window, which takes some minutes.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import rasterio
import xarray as xr

from tests.support.small_cubes import CRS, grid, small_cube
from tests.support.small_maps import LABELS
from timesenclip_hf import DEFAULT_CHECKPOINT
from timesenclip_hf.classification import PixelClassifier
from timesenclip_hf.maps import MapOptions, map_cube, open_cube, reject, write_map
from timesenclip_hf.maps.files.pictures import draw_map
from timesenclip_hf.maps.making.blocks import embeddings_from_int8
from timesenclip_hf.maps.making.smoothing import majority, majority_halo, potts
from timesenclip_hf.models.timesenclip.options_timesenclip import SeriesOptions
from timesenclip_hf.taxonomies import load_taxonomy
from training.evidence.claims import Ledger
from training.real_sets import real_data_folder

ROOT = Path(__file__).resolve().parents[2]
# Of the 44 habitats on the real series, kept for the page on maps.
PICTURE = ROOT / "docs" / "flanders_habitats.png"
COVERS = ["maize", "grassland", "built-up"]
HIERARCHY = {"farmland": ["maize", "grassland"], "settlement": ["built-up"]}
# Below this probability a pixel of the habitats is uncertain; 44 classes share it.
THRESHOLD = 0.2
# Sides of a Sentinel-2 tile at 10 m.
TILE_SIDE = 10_980
GIGABYTE = 1e9


def cog(ledger: Ledger) -> None:
    """Validate every GeoTIFF of two label sets, one of them with coarse classes, by the command of rio-cogeo."""
    with tempfile.TemporaryDirectory() as folder:
        files = write_map(_maps(), Path(folder) / "map.tif")
        rasters = [file for file in files if file.suffix == ".tif"]
        answers = [_run("rio", "cogeo", "validate", "--strict", str(file)) for file in rasters]
        valid = sum("is a valid cloud optimized GeoTIFF" in answer for answer in answers)
        ledger.add(f"GeoTIFFs that `rio cogeo validate --strict` passes, of {len(rasters)}", valid, "==", len(rasters))
        wrong = 0
        for name, mapped in _maps().items():
            with rasterio.open(Path(folder) / f"map_{name}.tif") as raster:
                wrong += int((raster.read(1) != mapped["class"].values).sum())
        ledger.add("pixels whose class is another in the file", wrong, "==", 0)


def gdalinfo(ledger: Ledger) -> None:
    """Names as GDAL's own command shows them, with the file beside the GeoTIFF and without."""
    names = "class names that `gdalinfo` shows as categories, of 44"
    if shutil.which("gdalinfo") is None:
        ledger.skip(names, "==", 44, "gdalinfo is not installed: apt-get install gdal-bin")
        return
    version = _run("gdalinfo", "--version").strip()
    mapped = _maps()["habitats"]
    with tempfile.TemporaryDirectory() as folder:
        write_map(mapped, Path(folder) / "map.tif")
        told = json.loads(_run("gdalinfo", "-json", str(Path(folder) / "map.tif")))
        (Path(folder) / "map.tif.aux.xml").unlink()
        alone = json.loads(_run("gdalinfo", "-json", str(Path(folder) / "map.tif")))
        text = _run("gdalinfo", str(Path(folder) / "map.tif"))
    labels, band = mapped.attrs["labels"], told["bands"][0]
    shown = sum(category == label for category, label in zip(band["categories"][1:], labels, strict=True))
    ledger.add(names, shown, "==", 44, version)
    table = {row["f"][0]: row["f"][1] for row in told["rat"]["row"]}
    expected = {**dict(enumerate(["no data", *labels])), 255: "uncertain"}
    right = sum(table[code] == label for code, label in expected.items())
    ledger.add("rows of the attribute table that are right, of 46", right, "==", 46)
    tags = alone["metadata"][""]
    kept = sum(tags[f"CLASS_{code}"] == label for code, label in enumerate(labels, start=1))
    ledger.add("class names that `gdalinfo` shows of the GeoTIFF alone, of 44", kept, "==", 44)
    ledger.add("the GeoTIFF alone has its colour table", "Color Table (RGB with 256 entries)" in text, "==", True)


def legend(ledger: Ledger) -> None:
    """Draw and keep the picture of 44 habitats; measure its names by matplotlib's own boxes."""
    mapped = _maps()["habitats"]
    figure = draw_map(mapped)
    figure.draw_without_rendering()
    texts = figure.legends[0].get_texts()
    boxes = [text.get_window_extent() for text in texts]
    panels = [axes.get_tightbbox() for axes in figure.axes]
    occurring = len(np.unique(mapped["class"].values))
    note = "and one for the classes that do not"
    ledger.add("names of the legend, one for each class that occurs", len(texts), "==", occurring + 1, note)
    page = figure.bbox
    inside = sum(page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1 for box in boxes)
    ledger.add("names of the legend that reach out of the picture", len(boxes) - int(inside), "==", 0)
    clashes = sum(box.overlaps(other) for box, other in combinations(boxes, 2))
    clashes += sum(box.overlaps(panel) for box in boxes for panel in panels if panel is not None)
    ledger.add("names of the legend that lie on another or on a map", int(clashes), "==", 0)
    smallest = min(text.get_fontsize() for text in texts)
    ledger.add("points of the smallest name", smallest, ">=", 8)
    figure.savefig(PICTURE)
    with tempfile.TemporaryDirectory() as folder:
        write_map(_maps(), Path(folder) / "map.tif")
        text = (Path(folder) / "map.html").read_text(encoding="utf-8")
    ledger.add("addresses that the page would fetch", text.count("http://") + text.count("https://"), "==", 0)


def smoothing(ledger: Ledger) -> None:
    """Real probabilities in chunks that overlap by the halo, against the raster at once."""
    probabilities = _probabilities()
    classes = (probabilities.argmax(axis=-1) + 1).astype(np.uint8)
    differing = {"majority": 0, "potts": 0}
    for side in (7, 16, 33, 64):
        for size in (3, 7):
            lazy = da.from_array(classes, chunks=side)
            halo = majority_halo(size)
            chunked = lazy.map_overlap(majority, depth=halo, boundary="none", size=size, dtype=np.uint8).compute()
            differing["majority"] += int((chunked != majority(classes, size)).sum())
        for sweeps in (1, 5):
            lazy = da.from_array(probabilities, chunks=(side, side, -1))
            chunked = lazy.map_overlap(
                potts, depth=(sweeps, sweeps, 0), boundary="none", sweeps=sweeps, dtype=np.float32
            ).compute()
            differing["potts"] += int((chunked != potts(probabilities, sweeps=sweeps)).sum())
    note = "chunks of 7, 16, 33 and 64 pixels"
    ledger.add("pixels whose class a majority filter in chunks makes another", differing["majority"], "==", 0, note)
    ledger.add("probabilities whose bits a Potts model in chunks changes", differing["potts"], "==", 0, note)


def embeddings(ledger: Ledger) -> None:
    """Embeddings of the real series in one byte a number, beside those in two."""
    kept = {kind: _map(COVERS, MapOptions(embeddings=kind)) for kind in ("float16", "int8")}
    half = kept["float16"]["embeddings"].values.astype(np.float32)
    scale = kept["int8"]["embedding_scale"].values
    codes = kept["int8"]["embeddings"].values
    error = np.abs(embeddings_from_int8(codes, scale) - half) / scale[..., None]
    # Half a step, and what float16 has lost by itself: 2^-11 of a number of at most 127 steps.
    largest = round(float(np.nanmax(error)), 4)
    ledger.add("largest error of an int8 embedding in steps", largest, "<=", round(0.5 + 127 / 2**11, 4))
    cosines = (embeddings_from_int8(codes, scale) * half).sum(axis=-1)
    cosines /= np.linalg.norm(half, axis=-1) * np.linalg.norm(embeddings_from_int8(codes, scale), axis=-1)
    ledger.add("smallest cosine of an int8 embedding and its own", round(float(np.nanmin(cosines)), 6), ">=", 0.999)


def whole_tile(ledger: Ledger) -> None:
    """Write a lazy map of a whole Sentinel-2 tile to files, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
        call = [sys.executable, "-m", "training.evidence.mapping_outputs", folder]
        done = subprocess.run(call, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        written = json.loads(done.stdout.splitlines()[-1])
        valid = _run("rio", "cogeo", "validate", "--strict", str(Path(folder) / "tile.tif"))
        with rasterio.open(Path(folder) / "tile.tif") as raster:
            overviews = raster.overviews(1)
            right = _is_right(raster)
        size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file()) / GIGABYTE
    note = f"{written['seconds']:.0f} s, {size:.2f} GB of files, overviews {overviews}"
    ledger.add("peak memory of exporting a lazy map of 10,980 x 10,980 pixels, GB", written["gigabytes"], "<=", 2, note)
    ledger.add("its classes are a valid COG", "is a valid cloud optimized GeoTIFF" in valid, "==", True)
    ledger.add("its classes read back at 1,000 random pixels", right, "==", 1000)


def make_tile() -> xr.Dataset:
    """Make up a map of a tile, each of its layers a function of the coordinates."""
    chunks = da.core.normalize_chunks(512, (TILE_SIDE, TILE_SIDE))
    classes, noise = (da.map_blocks(make, dtype=np.uint8, chunks=chunks) for make in (_block, _noise))
    layers = {name: noise.astype(np.float32) / 255 for name in ("probability", "entropy", "margin")}
    layers |= {"class": classes, "clear_months": noise % 13}
    mapped = xr.Dataset(
        {name: (("y", "x"), layer) for name, layer in layers.items()},
        coords=grid(TILE_SIDE, TILE_SIDE),
        attrs={"labels": LABELS, "year": 2018},
    )
    located: xr.Dataset = mapped.rio.write_crs(CRS)
    return located


def class_at(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Fields of 7 x 11 pixels in one of the classes 1 to 3."""
    classes: np.ndarray = ((rows // 7) * 31 + (columns // 11) * 17) % len(LABELS) + 1
    return classes.astype(np.uint8)


def _block(block_info: Any = None) -> np.ndarray:
    (top, bottom), (left, right) = block_info[None]["array-location"]
    return class_at(*np.ogrid[top:bottom, left:right])


def _noise(block_info: Any = None) -> np.ndarray:
    """Make up what cannot be compressed, as scores at their worst."""
    array = block_info[None]
    shape = [end - start for start, end in array["array-location"]]
    return np.random.default_rng(array["chunk-location"]).integers(0, 256, shape, dtype=np.uint8)


def _is_right(raster: rasterio.DatasetReader) -> int:
    rows, columns = np.random.default_rng(0).integers(0, TILE_SIDE, (2, 1000))
    places = [raster.xy(row, column) for row, column in zip(rows, columns, strict=True)]
    return int((np.ravel(list(raster.sample(places))) == class_at(rows, columns)).sum())


@cache
def _cube() -> xr.Dataset:
    try:
        files = sorted((real_data_folder() / "worldcereal_flanders_2018" / "raw_nc").glob("S2_*.nc"))
    except FileNotFoundError:
        return open_cube(small_cube(64, 64))
    return open_cube(files)


@cache
def _maps() -> dict[str, xr.Dataset]:
    """Three covers with coarse classes, and 44 habitats of which unsure pixels are named uncertain."""
    habitats = _map(load_taxonomy("eunis_level2").class_names)
    return {"covers": _map(None, MapOptions(hierarchy=HIERARCHY)), "habitats": reject(habitats, THRESHOLD)}


def _map(labels: list[str] | None, options: MapOptions | None = None) -> xr.Dataset:
    return map_cube(
        _cube(),
        labels,
        DEFAULT_CHECKPOINT,
        options=options or MapOptions(),
        reading=SeriesOptions(year=2018),
        progress=False,
    )


@cache
def _probabilities() -> np.ndarray:
    """Compute the probabilities of the 44 habitats (y, x, class)."""
    cube = _cube()
    num_times, bands, height, width = cube["reflectance"].shape
    scl = cube["scl"].values.reshape(num_times, -1).T if "scl" in cube else None
    probabilities, _ = PixelClassifier(load_taxonomy("eunis_level2").class_names, DEFAULT_CHECKPOINT).probabilities(
        cube["reflectance"].values.reshape(num_times, bands, -1).transpose(2, 0, 1),
        SeriesOptions(
            bands=cube["band"].values.tolist(),
            dates=cube["time"].values,
            nodata=cube.attrs.get("nodata"),
            year=2018,
            scl=scl,
        ),
    )
    return probabilities.reshape(height, width, -1)


def _run(*call: str) -> str:
    # What pip installs beside this Python need not be on the path.
    program = Path(sys.executable).with_name(call[0])
    done = subprocess.run(
        [str(program) if program.exists() else call[0], *call[1:]], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


PARTS: dict[str, Callable[[Ledger], None]] = {
    "cog": cog,
    "gdalinfo": gdalinfo,
    "legend": legend,
    "smoothing": smoothing,
    "embeddings": embeddings,
    "whole_tile": whole_tile,
}


if __name__ == "__main__":  # the process of `whole_tile`
    started = time.perf_counter()
    write_map(make_tile(), Path(sys.argv[1]) / "tile.tif")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIGABYTE
    print(json.dumps({"seconds": time.perf_counter() - started, "gigabytes": round(peak, 2)}))
