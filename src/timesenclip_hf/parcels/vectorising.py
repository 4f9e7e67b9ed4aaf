"""Turn a map of classes into polygons that share their borders: small patches merged, borders smoothed, no gaps."""

import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ..extras import needs_extra
from ..gate.rasters import open_raster
from ..maps.cubes.labels import Codes
from .class_maps import STRIP_PIXELS, ClassMap, read_class_map
from .pixel_areas import HECTARE

with needs_extra("data"):
    import geopandas
    import shapely
    from shapely.geometry import shape
with needs_extra("map"):
    import psutil
    from rasterio.features import rasterize, shapes, sieve
    from rasterio.transform import Affine
    from rasterio.windows import Window

# Columns beside the geometry.
CLASS, CODE, AREA, PIXELS, PROBABILITY = "class", "code", "area_ha", "pixels", "probability"
# Times that patches of a size are merged at most.
MOST_SIEVINGS = 20
# Bytes that a corner of the outlines takes until the polygons are simplified: the peak of a map of noise of 600 x 600
# pixels, of single pixels and few of one class together, is 2,600.
BYTES_OF_CORNER = 2_700
# Polygons whose outlines are laid out together.
POLYGONS_AT_ONCE = 10_000


@dataclass(frozen=True)
class VectoriseOptions:
    """Say how much detail polygons keep.

    Attributes:
        minimum_area: hectares of the smallest patch (pixels of a class, side by side) that stays; smaller ones go to
            the largest of their neighbours; 0 for all.
        simplify: pixels by which borders may be smoothed; 0 keeps the sides of the pixels.

    Raises:
        ValueError: a number is out of its range.
    """

    minimum_area: float = 0.0
    simplify: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.minimum_area < np.inf:
            raise ValueError(f"The minimum area is in hectares, from 0 on, got {self.minimum_area:g}.")
        if not 0 <= self.simplify < np.inf:
            raise ValueError(f"Borders are simplified by pixels, from 0 on, got {self.simplify:g}.")


DEFAULT_VECTORISING = VectoriseOptions()


def vectorise_map(
    path: str | os.PathLike[str], *, options: VectoriseOptions = DEFAULT_VECTORISING, codes: Codes | None = None
) -> geopandas.GeoDataFrame:
    """Turn a map into polygons of its classes that cover what it covers, without gaps or overlaps.

    Small patches are merged by GDAL's sieve, the smallest first, which gives each to the largest of its neighbours, not
    to that with the longest border; one without a neighbour that is large enough, as no data lies around it, stays.
    Outlines run along the sides of pixels (GDAL's polygonize, pixels connected by their sides) and are smoothed by the
    coverage simplification of GEOS (Visvalingam and Whyatt), which moves a border for both its sides at once. Where the
    map ends, and where it has no data, borders stay as they are, so that the polygons' union is the map's footprint.

    The classes are in memory as a whole, and all corners of the outlines: some 0.4 GB for 10,980 x 10,980 pixels,
    and up to 2.7 kB a corner.

    Args:
        path: GeoTIFF that `timesenclip map` wrote, or another of a single band of codes.
        options: minimum area and smoothing.
        codes: for each class its codes, as of [`parse_codes`], where the file does not name its classes.

    Returns:
        A polygon a row: `class` and its first `code`; `area_ha` and `pixels`, of the pixels that it was made of, before
        the smoothing; `probability`, the mean over those of its pixels that had its class from the start, where
        `map_scores.tif` lies beside `map.tif`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is no map of classes, or its scores are of another grid.
        OSError: the outlines would not fit into memory; the sentence says what they take.
    """
    known = read_class_map(path, codes)
    original = _read_classes(known)
    pixel = float(known.row_areas.mean()) / HECTARE
    merged = _sieved(original, int(np.ceil(round(options.minimum_area / pixel, 6))))
    corners = _find_corners(merged)
    _check_memory(corners, known.path.name)
    outlines, classes = _outlines(merged, corners)
    sums = _sum_zones(outlines, classes, original, known)
    pixels = np.rint(shapely.area(outlines)).astype(np.int64)
    if options.simplify > 0:
        outlines = shapely.coverage_simplify(outlines, options.simplify, simplify_boundary=False)
    columns: dict[str, Any] = {
        CLASS: np.asarray(known.labels, dtype=object)[classes],
        CODE: np.asarray([each[0] for each in known.codes])[classes],
        AREA: sums["square_metres"] / HECTARE,
        PIXELS: pixels,
    }
    if "probability" in sums:
        columns[PROBABILITY] = sums["probability"]
    placed = shapely.transform(outlines, lambda points: _to_crs(points, known.transform))
    return geopandas.GeoDataFrame(columns, geometry=placed, crs=known.crs.to_wkt())


def describe_polygons(polygons: geopandas.GeoDataFrame) -> str:
    """Write for each class how many polygons there are and how many hectares, the largest class first."""
    grouped = polygons.groupby(CLASS, sort=False)[AREA].agg(["size", "sum"]).sort_values("sum", ascending=False)
    rows = [f"{row['sum']:>14,.2f} ha in {int(row['size']):>7,} polygons  {name}" for name, row in grouped.iterrows()]
    return "\n".join([*rows, f"{polygons[AREA].sum():>14,.2f} ha in {len(polygons):>7,} polygons"])


def _read_classes(known: ClassMap) -> np.ndarray:
    """Read the index of each pixel's label, from 1 on, 0 without data, in the smallest type that holds them."""
    kind = np.uint8 if len(known.labels) < np.iinfo(np.uint8).max else np.int32
    classes = np.zeros(known.shape, dtype=kind)
    for start, strata in known.strips(np.arange(known.shape[0])):
        classes[start : start + len(strata)] = strata + 1
    return classes


def _sieved(classes: np.ndarray, least: int) -> np.ndarray:
    """Give patches of fewer than `least` pixels to their largest neighbour, the smallest first."""
    least = min(least, classes.size - 1)  # GDAL takes no more
    seen, size = classes > 0, 1
    while size < least:
        size = min(-(-size * 3 // 2), least)
        # GDAL gives patches to none that is small itself, so that what is left may find a neighbour the next time.
        for _ in range(MOST_SIEVINGS):
            merged = sieve(classes, size, mask=seen, connectivity=4)
            if np.array_equal(merged, classes):
                break
            classes = merged
    return classes


def _check_memory(corners: np.ndarray, name: str) -> None:
    """Refuse outlines that do not fit into the memory that is free."""
    needed = BYTES_OF_CORNER * int(corners.sum())
    free = psutil.virtual_memory().available
    if needed > free:
        raise OSError(
            f"The outlines of {name} take about {needed / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are free: raise "
            "the minimum area (--minimum-area), smooth the map (timesenclip map --smooth), or cut it into tiles."
        )


def _find_corners(classes: np.ndarray) -> np.ndarray:
    """Mark the corners of pixels (y + 1, x + 1) at which an outline turns or outlines meet."""
    corners, rows = (
        np.zeros((classes.shape[0] + 1, classes.shape[1] + 1), bool),
        max(1, STRIP_PIXELS // classes.shape[1]),
    )
    for start in range(0, len(corners), rows):
        # Lines of corners from `start` on, each between a row of pixels above and one below.
        first, last = start - 1, min(start + rows, len(corners))
        around = int(first < 0), int(last > classes.shape[0])
        strip = np.pad(classes[max(first, 0) : last], (around, (1, 1)))
        across, down = strip[:, 1:] != strip[:, :-1], strip[1:] != strip[:-1]
        sides = across[:-1].astype(np.uint8) + across[1:] + down[:, :-1] + down[:, 1:]
        # Straight on are a side above and one below, or one to the left and one to the right.
        corners[start:last] = (sides > 2) | ((sides == 2) & (across[:-1] != across[1:]))
    return corners


def _outlines(classes: np.ndarray, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the polygons of all patches, in units of pixels, and the index of each one's label.

    Polygons that share a border have the same corners along it, as a coverage must.
    """
    drawn = shapes(classes, mask=classes > 0, connectivity=4)
    outlines: list[np.ndarray] = []
    labels: list[int] = []
    while batch := list(islice(drawn, POLYGONS_AT_ONCE)):
        outlines.append(_with_corners(np.asarray([shape(outline) for outline, _ in batch], dtype=object), corners))
        labels += [int(value) - 1 for _, value in batch]
    return np.concatenate(outlines), np.asarray(labels, dtype=np.int64)


def _with_corners(outlines: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Give polygons all corners on their outlines, also those at which only others' outlines turn."""
    _, points, (ring_starts, polygon_starts) = shapely.to_ragged_array(shapely.segmentize(outlines, 1.0))
    points = np.rint(points)
    columns, rows = points.astype(np.int64).T
    kept = corners[rows, columns]
    counts = np.concatenate([[0], np.cumsum(kept)])
    offsets = counts[ring_starts], polygon_starts
    return np.asarray(shapely.from_ragged_array(shapely.GeometryType.POLYGON, points[kept], offsets), dtype=object)


def _sum_zones(
    outlines: np.ndarray, classes: np.ndarray, original: np.ndarray, known: ClassMap
) -> dict[str, np.ndarray]:
    """Sum the pixels' areas and average the probabilities of each polygon, strip by strip."""
    scores = known.path.with_stem(f"{known.path.stem}_scores")
    band = _probability_band(scores, known)
    count, width = len(outlines), known.shape[1]
    areas, summed, counted = np.zeros(count), np.zeros(count), np.zeros(count)
    tree, rows = shapely.STRtree(outlines), max(1, STRIP_PIXELS // width)
    for start in range(0, known.shape[0], rows):
        end = min(start + rows, known.shape[0])
        inside = tree.query(shapely.box(0, start, width, end), predicate="intersects")
        shape_, origin = (end - start, width), Affine.translation(0, start)
        drawn = [(outlines[index], index + 1) for index in inside.tolist()]
        zones = rasterize(drawn, shape_, transform=origin, dtype="int32") if drawn else np.zeros(shape_, np.int32)
        of_row = np.broadcast_to(known.row_areas[start:end, None], shape_)
        areas += np.bincount(zones.ravel(), of_row.ravel(), minlength=count + 1)[1:]
        if band is not None:
            values = _probabilities(scores, band, Window(0, start, width, end - start))
            counting = (zones > 0) & ~np.isnan(values)
            counting[counting] = original[start:end][counting] == classes[zones[counting] - 1] + 1
            summed += np.bincount(zones[counting], values[counting], minlength=count + 1)[1:]
            counted += np.bincount(zones[counting], minlength=count + 1)[1:]
    sums = {"square_metres": areas}
    if band is not None:
        sums["probability"] = np.divide(summed, counted, out=np.full(count, np.nan), where=counted > 0)
    return sums


def _probability_band(scores: Path, known: ClassMap) -> int | None:
    """Return the number of the band of probabilities in the file of scores; None without one."""
    if not scores.is_file():
        return None
    with open_raster(scores) as raster:
        if raster.shape != known.shape or not raster.transform.almost_equals(known.transform):
            raise ValueError(
                f"{scores.name} beside {known.path.name} is of another grid: move it away, or give the map that it "
                "belongs to."
            )
        return raster.descriptions.index("probability") + 1 if "probability" in raster.descriptions else None


def _probabilities(scores: Path, band: int, window: Window) -> np.ndarray:
    """Read probabilities, NaN without data."""
    with open_raster(scores, None) as raster:
        stored = raster.read(band, window=window, masked=True).astype(np.float64)
        values = stored * raster.scales[band - 1] + raster.offsets[band - 1]
    return np.asarray(values.filled(np.nan))


def _to_crs(points: np.ndarray, transform: Affine) -> np.ndarray:
    """Turn columns and rows (points, 2) into coordinates; points that are equal stay so."""
    columns, rows = points.T
    return np.column_stack(transform @ (columns, rows))
