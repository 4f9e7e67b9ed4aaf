"""Measure what is claimed about points and polygons that are classified by a cube.

A process of its own measures a map or its fields alone: `python -m training.evidence.parcels_fields map 868`.
"""

import json
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import dask.array as da
import geopandas
import numpy as np
import pandas
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import shapely
import torch
import xarray as xr

from tests.support.parcel_loops import drawn_polygons, pixels_of
from tests.support.small_cubes import CRS, MONTHS, grid, small_cube
from timesenclip_hf.classification import Embedded, PixelClassifier, PixelEncoder
from timesenclip_hf.data.sources.geometries import gdal_settings
from timesenclip_hf.maps import MapRun, RunOptions, compare, map_cube, open_cube, parse_codes, read_reference
from timesenclip_hf.maps.cubes.reading import assemble_cube
from timesenclip_hf.maps.making.run import peak_bytes
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS
from timesenclip_hf.models.timesenclip.options_timesenclip import SeriesOptions
from timesenclip_hf.parcels import ParcelOptions, ParcelRunOptions, classify_parcels, read_layer, write_layer
from training.evidence.claims import Ledger
from training.parcel_pictures import CODES, classify_fields, declared_fields, flanders_files

LABELS = ["maize", "grassland", "built-up"]
CORNER = (500_000, 5_600_000)
SAME = 1e-6
# A tile of Sentinel-2 has 10,980 pixels a side; a tenth of its area is measured, with a tenth of 100,000 fields.
TENTH, QUARTER, CHUNK = 3472, 1736, 256
PIXELS_OF_FIELD = TENTH**2 / 10_000
# Corners of a field, and the share of its square that its radius reaches.
CORNERS, REACH = 24, 0.55
VERTICES = 1_000_000
QUIET = ParcelRunOptions(progress=False)


def fields(ledger: Ledger) -> None:
    """Classify the connected parcels of the reference raster of Flanders 2018 by words, beside its pixels."""
    given = declared_fields()
    with tempfile.TemporaryDirectory() as folder:
        found = classify_fields(Path(folder))
    names = list(given.columns.drop("geometry"))
    shapes = [shapely.to_wkb(each.geometry.to_numpy()) for each in (found, given)]
    changed = sum(found[name].tolist() != given[name].tolist() for name in names)
    changed += int(not np.array_equal(*shapes)) + int(found.crs != given.crs) + abs(len(found) - len(given))
    note = f"{len(given)} fields; columns {', '.join(names)}, geometry, reference system, order and count"
    claim = "Flanders 2018: attributes, geometries, system, order or count of fields that differ"
    ledger.add(claim, changed, "==", 0, note)
    right = found["class"] == found["declared"]
    files, reference = flanders_files()
    cube = open_cube(files)
    mapped = map_cube(cube, LABELS, reading=SeriesOptions(year=2018), progress=False)
    compared = compare(mapped, read_reference(reference, parse_codes(CODES), cube))
    of_area = 100 * found["hectares"][right].sum() / found["hectares"].sum()
    note = f"{right.sum()} of {len(found)} connected parcels of the reference raster, {of_area:.1f} % of their area"
    ledger.add("Flanders 2018, by words: per cent of fields right", round(100 * right.mean(), 1), ">=", 75, note)
    note = f"{compared.table.sum()} pixels, those of the same fields"
    ledger.add("Flanders 2018, by words: per cent of pixels right", round(100 * compared.accuracy, 1), ">=", 75, note)


def brute_force(ledger: Ledger) -> None:
    """Compare means of polygons with a loop over pixels that knows nothing of chunks, by both rules and poolings."""
    height = width = 24
    places, cube = grid(height, width), open_cube(small_cube(height, width))
    parcels = geopandas.GeoDataFrame(geometry=drawn_polygons(100, 10 * width, CORNER), crs=CRS)
    classifier = PixelClassifier(LABELS)
    series = cube["reflectance"].values.reshape(len(MONTHS), len(BANDS), -1).transpose(2, 0, 1)
    reading = SeriesOptions(bands=cube["band"].values.tolist(), dates=cube["time"].values, units="dn")
    scores = classifier.probabilities(series, reading)[0].astype(np.float64).reshape(height, width, -1)
    for rule in ("centre", "touched"):
        options = ParcelOptions(pixels=rule)
        found = classify_parcels(parcels, cube.chunk({"y": 7, "x": 7}), LABELS, options=options, run=QUIET)
        furthest, misjudged = 0.0, 0
        for row, shape in enumerate(parcels.geometry):
            cells, is_small = pixels_of(shape, places["y"], places["x"], rule)
            answer = found.iloc[row]
            if len(cells) != answer["pixels"] or (cells and is_small != answer["by_touched_pixels"]):
                misjudged += 1
            elif cells:
                mean = np.mean([scores[cell] for cell in cells], axis=0)
                misjudged += LABELS[int(mean.argmax())] != answer["class"]
                furthest = max(furthest, abs(mean.max() - answer["probability"]))
        claim = f"{rule} rule: largest difference of a polygon's probability from that of a loop over pixels"
        ledger.add(claim, furthest, "<=", SAME, f"{len(parcels)} polygons on {height} x {width} pixels in chunks of 7")
        ledger.add(
            f"{rule} rule: polygons with other pixels, another class or mark than the loop gives", misjudged, "==", 0
        )


def many_fields(ledger: Ledger) -> None:
    """Classify 10,000 fields on a tenth of a tile, in processes of their own."""
    map_, tenth, quarter = _alone("map", TENTH), _alone("fields", TENTH), _alone("fields", QUARTER)
    busy, whole = ([each[name] for each in (tenth, map_)] for name in ("cpu_seconds", "seconds"))
    note = (
        f"{tenth['fields']} fields, {TENTH} x {TENTH} pixels of {len(MONTHS)} acquisitions, chunks of {CHUNK}, a tower "
        f"that is one product of matrices; {busy[0]:.0f} against {busy[1]:.0f} s of processor, {whole[0]:.0f} against "
        f"{whole[1]:.0f} s in all; {100 * tenth['share']:.0f} % of the pixels are in fields"
    )
    claim = "a tenth of 100,000 fields on a tenth of a tile: times the processor time of the map"
    ledger.add(claim, round(busy[0] / busy[1], 3), "<=", 1.25, note)
    grown = [each["grown_bytes"] / 1e6 for each in (quarter, tenth)]
    claim = "four times the fields on four times the area: megabytes of memory more at the peak"
    note = (
        f"{grown[0]:.0f} MB above the start with {quarter['fields']} fields, {grown[1]:.0f} MB with {tenth['fields']}"
    )
    ledger.add(claim, round(grown[1] - grown[0]), "<=", 100, note)


def round_trips(ledger: Ledger) -> None:
    """Send layers through files, the classification, and files again, and compare what was there."""
    cube = open_cube(small_cube(24, 24))
    written, differing, unopened, scores, told = 0, [], [], [], []
    with tempfile.TemporaryDirectory() as name:
        for form, road in _ROADS.items():
            folder = Path(name) / form.replace(" ", "_")
            folder.mkdir()
            frame, path = _troublesome(flat=form == "FlatGeobuf"), folder / f"fields.{road}"
            _write_2_0(frame, path) if form == "GeoParquet 2.0" else write_layer(frame, path)
            with _warnings() as warned:
                found = classify_parcels(
                    read_layer(path), cube, LABELS, options=ParcelOptions(id_column="номер"), run=QUIET
                )
            told.append(any("1 polygon has invalid rings and is repaired" in line for line in warned))
            output = folder / f"classes.{road}"
            write_layer(found, output)
            again = read_layer(output)
            differing += [f"{form}: {what}" for what in _differences(frame, again, 1e-14 if form == "GeoJSON" else 0)]
            scores.append(again["probability"].to_numpy())
            written += 1
            unopened += [form] * (not _opens(output, len(frame)))
    kinds = (
        "names in other scripts, nulls, parts, heights, invalid rings, degrees on a grid of metres, a million vertices"
    )
    claim = "layers through files, classes and files again: attributes, geometries, systems or orders that differ"
    ledger.add(claim, len(differing), "==", 0, ", ".join(differing) or f"{written} roads, {', '.join(_ROADS)}; {kinds}")
    ledger.add("layers of which invalid rings are repaired, counted and told", sum(told), "==", written)
    apart = max(float(np.nanmax(np.abs(each - scores[0]))) for each in scores)
    ledger.add("largest difference of a probability between forms of one layer", apart, "<=", SAME)
    note = "GDAL by pyogrio; the GDAL of wheels reads no Parquet, which pyarrow reads, and its metadata say 1.1"
    ledger.add("files written that another library does not open", len(unopened), "==", 0, ", ".join(unopened) or note)


_ROADS = {
    "GeoPackage": "gpkg",
    "GeoParquet 1.1": "parquet",
    "GeoParquet 2.0": "parquet",
    "GeoJSON": "geojson",
    "FlatGeobuf": "fgb",
}


def _troublesome(*, flat: bool) -> geopandas.GeoDataFrame:
    """Make fields with all that gets lost on the way; `flat` without heights, which FlatGeobuf has of one kind only."""
    west, north = CORNER
    angles = np.linspace(0, 2 * np.pi, VERTICES, endpoint=False)
    radius = 50 + 5 * np.sin(5 * angles)
    rough = shapely.Polygon(
        np.stack([west + 120 + radius * np.cos(angles), north - 120 + radius * np.sin(angles)], axis=1)
    )
    bow = shapely.Polygon([(west, north), (west + 60, north - 60), (west + 60, north), (west, north - 60)])
    box = shapely.box(west + 20, north - 220, west + 80, north - 160)
    two = shapely.MultiPolygon([box, shapely.box(west + 160, north - 60, west + 220, north - 10)])
    shapes = np.asarray([rough, bow, None, two, box], dtype=object)
    frame = geopandas.GeoDataFrame(
        {
            "номер": [11, 12, 13, 14, 2**60],
            "田": ["大麦", None, "", 'a, "b"', "שדה"],
            "kg": pandas.array([1, None, 3, -4, 5], dtype="Int64"),
            "organic": pandas.array([True, None, False, True, True], dtype="boolean"),
            "a name that is longer than ten letters": [0.1, np.nan, 1e-300, 2.0, 3.0],
        },
        geometry=shapes if flat else shapely.force_3d(shapes, 12.25),
        crs=CRS,
    )
    return frame.to_crs(4326)


def _write_2_0(frame: geopandas.GeoDataFrame, path: Path) -> None:
    """Write GeoParquet 2.0: a column of Parquet's own geometry type, no metadata."""
    table = pa.Table.from_pandas(pandas.DataFrame(frame.drop(columns="geometry")), preserve_index=False)
    kind = {"ARROW:extension:name": "geoarrow.wkb", "ARROW:extension:metadata": json.dumps({"crs": "EPSG:4326"})}
    cells = pa.array([None if shape is None else shapely.to_wkb(shape) for shape in frame.geometry], pa.binary())
    table = table.append_column(pa.field("geometry", pa.binary(), metadata=kind), cells)
    pq.write_table(table.replace_schema_metadata(None), path)


def _differences(before: geopandas.GeoDataFrame, after: geopandas.GeoDataFrame, tolerance: float) -> Iterator[str]:
    """Name what of a layer is not what it was."""
    for name in before.columns.drop("geometry"):
        ours, theirs = (frame[name].astype(object) for frame in (before, after))
        if ours.isna().tolist() != theirs.isna().tolist() or ours.dropna().tolist() != theirs.dropna().tolist():
            yield name
    shapes = [frame.geometry.to_numpy() for frame in (before, after)]
    known = ~shapely.is_missing(shapes[0])
    alike = shapely.equals_exact(shapes[0][known], shapes[1][known], tolerance=tolerance)
    heights = [shapely.get_coordinates(each, include_z=True)[:, 2] for each in shapes]
    kinds = [shapely.get_type_id(each).tolist() for each in shapes]
    if not alike.all() or kinds[0] != kinds[1] or not np.array_equal(heights[0], heights[1], equal_nan=True):
        yield "geometry"
    if not after.crs.equals(before.crs, ignore_axis_order=True) and after.crs.to_epsg() != 4979:  # with heights
        yield "reference system"


def _opens(path: Path, count: int) -> bool:
    """Tell whether another library reads a file, with all its features."""
    if path.suffix != ".parquet":
        with gdal_settings():
            return bool(pyogrio.read_info(path, force_feature_count=True)["features"] == count)
    described = json.loads(pq.read_schema(path).metadata[b"geo"])
    return bool(described["version"] == "1.1.0" and pq.read_metadata(path).num_rows == count)


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """Collect what the package warns of."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("timesenclip_hf")
    logger.addHandler(handler)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)


def _alone(kind: str, side: int) -> dict[str, Any]:
    """Measure a map or its fields in a process of its own."""
    words = [sys.executable, "-m", "training.evidence.parcels_fields", kind, str(side)]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise RuntimeError(ended.stderr[-2000:])
    measured: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return measured


def measure(kind: str, side: int) -> dict[str, Any]:
    """Map a cube of this side, or classify the fields on it; return seconds and how much memory it took at its peak."""
    cube, parcels = _large_cube(side), _many(side)
    with mock.patch.object(PixelEncoder, "embed", _next_to_nothing), tempfile.TemporaryDirectory() as folder:
        classify_parcels(parcels.iloc[:1], cube, LABELS, run=QUIET)  # loads the checkpoint
        before, started, busy = psutil.Process().memory_info().rss, time.perf_counter(), time.process_time()
        share = float("nan")
        if kind == "map":
            MapRun(cube, Path(folder) / "map.run", LABELS, run=RunOptions(chunk=CHUNK)).execute(progress=False)
        else:
            run = replace(QUIET, store=Path(folder) / "fields.run", chunk=CHUNK)
            found = classify_parcels(parcels, cube, LABELS, run=run)
            share = float(found["pixels"].sum()) / side**2
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - busy
    taken = {"seconds": seconds, "cpu_seconds": cpu_seconds, "grown_bytes": peak_bytes() - before}
    return {"fields": len(parcels), "share": share, **taken}


def _large_cube(side: int) -> xr.Dataset:
    """Make a cube whose chunks are made when they are read."""
    tile = np.random.default_rng(0).integers(100, 4000, (len(MONTHS), len(BANDS), CHUNK, CHUNK), dtype=np.uint16)
    chunks = [(CHUNK,) * (side // CHUNK) + ((side % CHUNK,) if side % CHUNK else ())] * 2

    def make(block_info: Any) -> np.ndarray:
        height, width = block_info[None]["chunk-shape"][2:]
        return np.array(tile[:, :, :height, :width])

    values = da.map_blocks(make, chunks=((len(MONTHS),), (len(BANDS),), *chunks), dtype=np.uint16)
    coordinates = {"time": MONTHS, "band": list(BANDS), **grid(side, side)}
    return assemble_cube(values, None, coordinates, np.full(len(MONTHS), np.nan), None, CRS)


def _many(side: int) -> geopandas.GeoDataFrame:
    """Draw uneven fields, one in each square of a grid over the cube, as dense as ten thousand on a tenth."""
    count = round(np.sqrt(side**2 / PIXELS_OF_FIELD))
    random, step = np.random.default_rng(1), 10 * side / count
    angles = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    radii = step * REACH * random.uniform(0.8, 1.0, (count**2, CORNERS))
    rows, columns = np.divmod(np.arange(count**2), count)
    x = CORNER[0] + (columns[:, None] + 0.5) * step + radii * np.cos(angles)
    y = CORNER[1] - (rows[:, None] + 0.5) * step + radii * np.sin(angles)
    shapes = shapely.polygons(np.stack([x, y], axis=-1))
    return geopandas.GeoDataFrame({"field": np.arange(count**2)}, geometry=shapes, crs=CRS)


def _next_to_nothing(self: PixelEncoder, series: np.ndarray, *_: Any, **__: Any) -> Embedded:
    """Stand in for encoding: one product of matrices, so that all else weighs as much as it ever can."""
    values = torch.from_numpy(series[:, 0].astype(np.float32) / 10_000)
    weights = torch.sin(torch.arange(values.shape[1] * self.model.config.projection_dim).float())
    embeds = torch.nn.functional.normalize(values @ weights.reshape(values.shape[1], -1), dim=-1)
    every = np.ones(len(series), dtype=bool)
    return Embedded(embeds, every, np.full(len(series), 12, np.uint8), None, np.zeros(len(series), np.float32))


PARTS = {"fields": fields, "brute_force": brute_force, "many_fields": many_fields, "round_trips": round_trips}

if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
