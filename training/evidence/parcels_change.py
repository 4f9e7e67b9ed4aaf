"""Measure what is claimed about change between two years, and about maps that become polygons."""

import tempfile
from pathlib import Path

import numpy as np
import rasterio
import shapely
from rasterio.features import rasterize
from rasterio.transform import from_origin
from sklearn.metrics import roc_auc_score

from tests.support.small_cubes import write_raster
from tests.support.two_years import COVERS, draw_year, observe_year, run_of, two_years
from timesenclip_hf.maps import MapOptions, MapRun, open_cube, open_map
from timesenclip_hf.models.timesenclip.options_timesenclip import SeriesOptions
from timesenclip_hf.parcels import VectoriseOptions, detect_change, vectorise_map
from timesenclip_hf.simulator import CLASS_NAMES
from training.change_pictures import LABELS, map_halves, take_halves
from training.evidence.claims import Ledger
from training.examples_pictures import YEAR
from training.parcel_pictures import flanders_files

HEIGHT, WIDTH = 64, 96
# Of the pixels, those whose cover is another one in the second year.
CHANGED = 0.1
LAND = "8 covers of a simulated land, {pixels:,} pixels, mapped in words; default threshold"
# Of the pixels of maps that are vectorised, one in so many is of another class than its patch, or of any.
SPECKS = {"patches with specks": 0.1, "noise": 1.0}


def roc(ledger: Ledger) -> None:
    """Compare two simulated years of which a known part has another cover, and the rest another weather."""
    before, after, changed = two_years(HEIGHT, WIDTH, CHANGED)
    first = draw_year(before.ravel(), 1)
    second = draw_year(after.ravel(), 2, first.latitude)
    with tempfile.TemporaryDirectory() as name:
        runs = _runs(Path(name), observe_year(first, 3), observe_year(second, 4))
        found, naive = detect_change(*runs, list(COVERS)), _naive(runs)
    hits, false = _rates(found["from"].values != found["to"].values, changed)
    note = f"{LAND.format(pixels=changed.size)}; {changed.mean():.1%} changed, the rest of another weather and year"
    claim = "simulated years, known changes: area under the ROC curve of the probability of change"
    ledger.add(claim, _area(changed, found["probability"].values), ">=", 0.9, note)
    ledger.add("the same of the distance of the embeddings", _area(changed, found["distance"].values), ">=", 0.9)
    note = f"{hits:.1%} of the changed pixels are found; comparing both maps calls {naive[~changed].mean():.1%} change"
    ledger.add("unchanged land of another year that counts as changed", round(false, 4), "<=", 0.02, note)
    held = "share of the land that is said to have changed, less the true share"
    ledger.add(held, round(abs(found.attrs["prior"] - changed.mean()), 4), "<=", 0.03)
    order = np.asarray([CLASS_NAMES.index(name) for name in COVERS])
    seen = changed & (found["from"].values != found["to"].values)
    right = (order[found["from"].values - 1] == before) & (order[found["to"].values - 1] == after)
    claim = "pixels rightly found to have changed whose two classes are both right"
    ledger.add(claim, round(float(right[seen].mean()), 3), ">=", 0.6)


def stable(ledger: Ledger) -> None:
    """Compare a year with itself under other clouds, simulated and real."""
    classes, _, _ = two_years(HEIGHT, WIDTH, 0)
    year = draw_year(classes.ravel(), 1)
    with tempfile.TemporaryDirectory() as name:
        runs = _runs(Path(name), observe_year(year, 3), observe_year(year, 4))
        found = detect_change(*runs, list(COVERS))
        differing = _naive(runs).mean()
    note = f"{LAND.format(pixels=classes.size)}; comparing both maps calls {differing:.1%} change"
    claim = "the same simulated year under other clouds: pixels that count as changed"
    ledger.add(claim, round(float((found["from"] != found["to"]).mean()), 4), "<=", 0.02, note)
    unchanged = "the same real year, by every other acquisition: pixels that count as changed"
    try:
        halves = take_halves()
    except OSError as error:
        ledger.skip(unchanged, "<=", 0.02, str(error))
        return
    with tempfile.TemporaryDirectory() as name:
        runs = map_halves(halves, Path(name))
        found = detect_change(*runs, LABELS)
        kept = _as_it_was(Path(name))
        differing = _naive((runs[0], kept)).mean()
        same = detect_change(runs[0], kept, LABELS)
    hits, false = _rates(found["from"].values != found["to"].values, halves.changed)
    note = f"Flanders 2018, {halves.changed.size:,} pixels; comparing both maps calls {differing:.1%} change"
    ledger.add(unchanged, round(float((same["from"] != same["to"]).mean()), 4), "<=", 0.02, note)
    note = f"{halves.changed.mean():.1%} of the pixels; {hits:.1%} of them are found, {false:.1%} of the others"
    claim = "fields of Flanders with another crop's series: area under the ROC curve of the probability of change"
    ledger.add(claim, _area(halves.changed, found["probability"].values), ">=", 0.75, note)
    claim = claim.replace("probability of change", "distance of the embeddings")
    ledger.add(claim, _area(halves.changed, found["distance"].values), ">=", 0.9)


def vectorise(ledger: Ledger) -> None:
    """Turn maps of patches and of noise into polygons, with and without merging and smoothing."""
    for name, share in SPECKS.items():
        values = _classes(share)
        footprint = (values > 0).sum() / 100
        with tempfile.TemporaryDirectory() as folder:
            path = _write(Path(folder) / "map.tif", values)
            plain = vectorise_map(path, options=VectoriseOptions(0, 0))
            smooth = vectorise_map(path, options=VectoriseOptions(0.2, 2))
        shapes = zip(plain.geometry, plain["code"], strict=True)
        drawn = rasterize(shapes, values.shape, transform=from_origin(500_000, 5_600_000, 10, 10))
        note = f"{name}: {len(plain):,} polygons of {values.size:,} pixels, {len(smooth):,} merged and smoothed"
        claim = f"{name}: pixel centres outside the polygons of their class, not smoothed"
        ledger.add(claim, int((drawn != values).sum()), "==", 0, note)
        for how, polygons in (("as they are", plain), ("merged and smoothed", smooth)):
            outlines = polygons.geometry.to_numpy()
            whole = bool(shapely.coverage_is_valid(outlines) and shapely.is_valid(outlines).all())
            ledger.add(f"{name}, {how}: no gap along a border and no overlap", whole, "==", True)
            union = shapely.area(shapely.union_all(outlines)) / 10_000
            difference = max(abs(union - footprint), abs(polygons["area_ha"].sum() - footprint)) / footprint
            claim = f"{name}, {how}: union and sum of areas over the map's footprint, less one"
            ledger.add(claim, float(difference), "<=", 1e-9)


def _runs(folder: Path, *years: np.ndarray) -> tuple[Path, Path]:
    """Map two years of series with their embeddings kept."""
    first, second = (
        run_of(series, HEIGHT, year, folder / f"{year}.run") for series, year in zip(years, (2019, 2024), strict=True)
    )
    return first, second


def _naive(runs: tuple[Path, Path]) -> np.ndarray:
    """Tell which pixels (y, x) have another likeliest class on the one map than on the other."""
    first, second = (open_map(run)["class"].values for run in runs)
    return np.asarray(first != second)


def _as_it_was(folder: Path) -> Path:
    """Map the second half of Flanders without the fields that were sown anew."""
    cube = open_cube(flanders_files()[0]).isel(time=slice(1, None, 2))
    options, reading = MapOptions(embeddings="int8"), SeriesOptions(year=int(YEAR))
    MapRun(cube, folder / "as_it_was.run", LABELS, options=options, reading=reading).execute(progress=False)
    return folder / "as_it_was.run"


def _area(changed: np.ndarray, scores: np.ndarray) -> float:
    return round(float(roc_auc_score(changed.ravel(), scores.ravel())), 4)


def _rates(found: np.ndarray, changed: np.ndarray) -> tuple[float, float]:
    """Return which share of the changed pixels is found, and which of the others is taken for change."""
    return float(found[changed].mean()), float(found[~changed].mean())


def _classes(share: float, shape: tuple[int, int] = (300, 280)) -> np.ndarray:
    """Draw classes, 0 for no data, by squares of 20 pixels with so large a share of single pixels among them."""
    rng = np.random.default_rng(0)
    squares = np.kron(rng.integers(0, 5, (shape[0] // 20, shape[1] // 20)), np.ones((20, 20), dtype=int))
    return np.where(rng.random(shape) < share, rng.integers(0, 5, shape), squares)


def _write(path: Path, values: np.ndarray) -> Path:
    """Write classes as a map that names them."""
    write_raster(path, values[None].astype(np.uint8), nodata=0)
    with rasterio.open(path, "r+") as raster:
        raster.update_tags(**{f"CLASS_{code}": f"class {code}" for code in range(1, int(values.max()) + 1)})
    return path


PARTS = {"roc": roc, "stable": stable, "vectorise": vectorise}
