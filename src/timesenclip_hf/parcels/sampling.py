"""Draw the stratified random sample of a map that its areas and accuracies are estimated from."""

from dataclasses import dataclass, replace

import numpy as np

from ..extras import needs_extra
from .class_maps import ClassMap
from .sample_sizes import (
    LEAST_PER_CLASS,
    Allocation,
    allocate,
    expected_confusion,
    expected_half_width,
    least_points,
    read_expected,
    shares_of,
    size_for,
    spreads,
)
from .stratified import LEAST_POINTS

with needs_extra("data"):
    import geopandas
with needs_extra("map"):
    from rasterio.warp import transform

WGS84 = "EPSG:4326"
# Columns of a sample, of ten letters at most, so that they outlive a Shapefile. The first is filled in by who visits.
CLASS, STRATUM, PIXELS, HECTARES = "class", "stratum", "stratum_px", "stratum_ha"
MAP_HASH, PIXEL, SEED, ALLOCATION = "map_hash", "pixel", "seed", "allocation"


@dataclass(frozen=True)
class SampleOptions:
    """Say how many points a sample has; one of the first three, or 50 of each class.

    Attributes:
        per_class: points of each class; all its pixels where it has fewer.
        points: points in all, dealt out by the allocation.
        half_width: half of the 95 % interval that is wanted, of the overall accuracy as a share such as 0.02; with `of`
            in hectares.
        of: class whose area the interval is wanted of.
        allocation: proportional to the areas of the classes, neyman or equal.
        minimum: points of each class at least, of `points` and `half_width`; 50 when left out.
        expected: user's accuracies that are expected: "0.9", or "maize=0.9;grassland=0.7"; 0.85 when left out.
    """

    per_class: int | None = None
    points: int | None = None
    half_width: float | None = None
    of: str | None = None
    allocation: Allocation = "proportional"
    minimum: int | None = None
    expected: str | None = None


@dataclass(frozen=True, eq=False)
class SamplePlan:
    """Hold how many points each class of a map gets, and what they are expected to tell.

    Attributes:
        class_map: the map.
        points: of each of its labels (labels,); 0 where it has no pixel.
        allocation: by which they were dealt out.
        overall: half of the expected 95 % interval of the overall accuracy.
        hectares: half of the expected 95 % interval of the area of each label (labels,).
    """

    class_map: ClassMap
    points: np.ndarray
    allocation: Allocation
    overall: float
    hectares: np.ndarray

    def __str__(self) -> str:
        rows = zip(self.class_map.labels, self.class_map.hectares, self.points, self.hectares, strict=True)
        width = max(5, *(len(label) for label in self.class_map.labels)) + 2
        lines = ["class".ljust(width) + "mapped ha".rjust(14) + "points".rjust(9) + "expected ±ha".rjust(15)]
        lines += [f"{label.ljust(width)}{size:14,.2f}{count:9,}{half:15,.2f}" for label, size, count, half in rows]
        return "\n".join(
            [*lines, f"{self.points.sum():,} points, {self.allocation}; expected overall accuracy ±{self.overall:.3f}"]
        )


def plan_sample(class_map: ClassMap, options: SampleOptions = SampleOptions()) -> SamplePlan:
    """Decide how many points each class of a map gets.

    Raises:
        ValueError: options contradict each other or the map, or a class has a single pixel.
    """
    options = _check(options)
    used = np.flatnonzero(class_map.pixels)
    pixels, sizes = class_map.pixels[used], class_map.hectares[used]
    if (pixels < LEAST_POINTS).any():
        name = class_map.labels[used[np.argmin(pixels)]]
        raise ValueError(
            f"The class {name!r} has a single pixel, of which no interval can be told: give it one name with another "
            '(--codes "maize=1;other=2,3").'
        )
    weights, names = sizes / sizes.sum(), [class_map.labels[index] for index in used]
    users = read_expected(options.expected, names)
    if class_map.has_rejected:  # a class that is never right, which no accuracy can be expected of
        users[-1] = 0.0
    confusion = expected_confusion(weights, users)
    points = _points(options, pixels, sizes, names, confusion)
    halves = [expected_half_width(points, weights, spreads(confusion, of)) for of in range(len(names))]
    every, hectares = np.zeros(len(class_map.labels), dtype=np.int64), np.zeros(len(class_map.labels))
    every[used], hectares[used] = points, np.multiply(halves, sizes.sum())
    overall = expected_half_width(points, weights, spreads(confusion))
    return SamplePlan(class_map, every, options.allocation, overall, hectares)


def _check(options: SampleOptions) -> SampleOptions:
    """Refuse options that contradict each other; make an equal allocation of points of each class."""
    told = [name for name in ("per_class", "points", "half_width") if getattr(options, name) is not None]
    if len(told) > 1:
        raise ValueError("Give one of --per-class, --points and --half-width, not several.")
    if options.of is not None and options.half_width is None:
        raise ValueError(f"--of names the class of --half-width: say how wide, in hectares of {options.of!r}.")
    if options.half_width is not None and not options.half_width > 0:
        raise ValueError(f"--half-width must be above 0, got {options.half_width:g}.")
    if told and told[0] != "per_class":
        return options
    if options.minimum is not None:
        raise ValueError("--minimum is for --points and --half-width: --per-class gives each class its number already.")
    return replace(options, per_class=options.per_class or LEAST_PER_CLASS, allocation="equal")


def _points(
    options: SampleOptions, pixels: np.ndarray, sizes: np.ndarray, names: list[str], confusion: np.ndarray
) -> np.ndarray:
    """Return the points of each class that has pixels."""
    if options.per_class is not None:
        return least_points(options.per_class, pixels)
    weights = sizes / sizes.sum()
    least = least_points(LEAST_PER_CLASS if options.minimum is None else options.minimum, pixels)
    if options.of is not None and options.of not in names:
        raise ValueError(f"The map has no pixel of {options.of!r}: --of is one of {', '.join(names)}.")
    of = None if options.of is None else names.index(options.of)
    spread = spreads(confusion, of)
    shares = shares_of(options.allocation, weights, spread)
    if options.half_width is not None:
        half_width = options.half_width / (1.0 if of is None else sizes.sum())
        return size_for(half_width, weights, spread, shares, least, pixels)
    assert options.points is not None
    if not least.sum() <= options.points <= pixels.sum():
        raise ValueError(
            f"--points must be from {least.sum():,}, the least of each class together (--minimum), to the "
            f"{pixels.sum():,} pixels of the map, got {options.points:,}."
        )
    return allocate(options.points, shares, least, pixels)


def draw_sample(plan: SamplePlan, *, seed: int = 0) -> geopandas.GeoDataFrame:
    """Draw pixels of each class by lot, without replacement; the same seed draws the same ones.

    A pixel is drawn with a chance in proportion to its area, so that in a map in degrees, too, every place of a stratum
    is as likely as any other and the points of a stratum count alike.

    Args:
        plan: of [`plan_sample`].
        seed: of the lot.

    Returns:
        Points, the middles of the pixels in EPSG:4326, in the order of another lot, so that who goes through them
        learns nothing of the map: `id`; `class`, empty, to be filled in with what is there; the stratum that each was
        drawn from, its pixels and hectares, the map's hash, the pixel's row and column, seed and allocation.
    """
    class_map = plan.class_map
    drawn = [_draw_ranks(class_map, stratum, int(count), seed) for stratum, count in enumerate(plan.points)]
    strata = np.repeat(np.arange(len(drawn)), [len(each[0]) for each in drawn])
    rows = np.concatenate([each[0] for each in drawn])
    columns = _columns(class_map, strata, rows, np.concatenate([each[1] for each in drawn]))
    order = np.random.default_rng([seed, len(drawn)]).permutation(len(rows))
    strata, rows, columns = strata[order], rows[order], columns[order]
    x, y = class_map.transform @ (columns + 0.5, rows + 0.5)
    longitude, latitude = transform(class_map.crs, WGS84, x, y)
    facts = {
        "id": np.arange(1, len(rows) + 1),
        CLASS: "",
        STRATUM: np.asarray(class_map.labels, dtype=object)[strata],
        PIXELS: class_map.pixels[strata],
        HECTARES: class_map.hectares[strata],
        MAP_HASH: class_map.map_hash,
        PIXEL: [pixel_name(row, column) for row, column in zip(rows, columns, strict=True)],
        SEED: seed,
        ALLOCATION: plan.allocation,
    }
    places = geopandas.points_from_xy(longitude, latitude)
    return geopandas.GeoDataFrame(facts, geometry=places, crs=WGS84)


def pixel_name(row: int, column: int) -> str:
    """Name a pixel by its row and column, both from 0, as a sample does."""
    return f"row {row}, column {column}"


def _draw_ranks(class_map: ClassMap, stratum: int, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw different pixels of a stratum: their rows, and each one's rank among the stratum's pixels of its row."""
    random = np.random.default_rng([seed, stratum])
    pixels, areas = class_map.row_pixels[:, stratum], class_map.row_areas
    if 2 * count >= pixels.sum():  # the largest of keys that grow with the area (Efraimidis and Spirakis 2006)
        rows = np.repeat(np.arange(len(pixels)), pixels)
        ranks = np.arange(len(rows)) - np.repeat(np.cumsum(pixels) - pixels, pixels)
        chosen = np.argsort(np.log(random.random(len(rows))) / (areas[rows] / areas.max()))[len(rows) - count :]
        return rows[chosen], ranks[chosen]
    reached = np.cumsum(pixels * areas)
    kept: dict[tuple[int, int], None] = {}
    while len(kept) < count:  # a pixel that was drawn already is drawn anew, as if it were not there
        rows = np.searchsorted(reached, random.random(count) * reached[-1], side="right")
        ranks = random.integers(0, pixels[rows])
        kept |= dict.fromkeys(zip(rows.tolist(), ranks.tolist(), strict=True))
    both = np.asarray(list(kept)[:count], dtype=np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _columns(class_map: ClassMap, strata: np.ndarray, rows: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Find the columns of pixels that are known by row and rank among the pixels of their stratum in it."""
    columns = np.full(len(rows), -1)
    for start, strip in class_map.strips(rows):
        for index in np.flatnonzero((rows >= start) & (rows < start + len(strip))):
            columns[index] = np.flatnonzero(strip[rows[index] - start] == strata[index])[ranks[index]]
    return columns
