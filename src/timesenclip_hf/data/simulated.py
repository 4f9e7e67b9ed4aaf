"""LUCAS-like points from a simulator: a year of Sentinel-2 pixels and what a visitor sees on the ground.

Both come from one latent year per point (`simulated_phenology`), so that photos drawn from the ground state
and the reflectance series tell the same story. No real pixel enters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from timesenclip_hf.data.simulated_canopy import canopy_reflectance, leaf_optics
from timesenclip_hf.data.simulated_classes import CLASS_NAMES, SIMULATED_CLASSES
from timesenclip_hf.data.simulated_crops import CROPS
from timesenclip_hf.data.simulated_landscapes import LANDSCAPES
from timesenclip_hf.data.simulated_phenology import (
    Calendar,
    Cover,
    Standing,
    draw_calendar,
    standing_at,
)
from timesenclip_hf.data.simulated_surfaces import (
    ENDMEMBERS,
    GROUNDS,
    PETALS,
    WATERS,
    WETTED_GROUNDS,
    draw_mixture,
    wet,
)

COVERS = CROPS | LANDSCAPES
NUM_MONTHS = 12
NUM_BANDS = 10
_B8A = 7
_20_M_BANDS = [3, 4, 5, 7, 8, 9]
# Covers so narrow or so interspersed that a pixel seldom holds one of them alone.
_PATCHY = ("buildings", "greenhouses", "roads", "river")
# Four photo visits, each at a random day of its own part of the year.
_VISIT_WINDOWS = np.array([[70, 128], [128, 180], [180, 232], [232, 315]])
# Points per block of canopy computations: intermediate arrays of this size stay in the processor's cache.
_BLOCK = 48
# Leaf area hides the ground as exp(-k LAI) at nadir for leaves at all angles.
_HIDING = 0.6


@dataclass(frozen=True)
class GroundState:
    """What a visitor sees at each of four visits; every array is (N, 4) float32.

    Attributes:
        green: share of ground hidden by the green main canopy.
        dry: share hidden by ripe or dead parts of the standing canopy.
        flower: flowering intensity, 0 to 1.
        height: metres of the main cover.
        stubble: share under stalks left by a harvest.
        off_season: share in view under weeds, catch crops, volunteers or grass between crowns, green.
        snow: share under snow.
        wetness: soil moisture; 1 is flooded.
        soil_brightness: 0 (black) to 1 (bright sand), as wet as the ground is.
    """

    green: np.ndarray
    dry: np.ndarray
    flower: np.ndarray
    height: np.ndarray
    stubble: np.ndarray
    off_season: np.ndarray
    snow: np.ndarray
    wetness: np.ndarray
    soil_brightness: np.ndarray


@dataclass(frozen=True)
class SimulatedPoints:
    """N simulated points.

    Attributes:
        class_index: index into `CLASS_NAMES`, (N,) int64.
        latitude: degrees north, (N,).
        longitude: degrees east, (N,); carries no information about the cover.
        year: calendar year, (N,); carries no information about the cover.
        series: reflectance, (N, 12, 10) float32, January to December, bands B02 B03 B04 B05 B06 B07 B08 B8A
            B11 B12; NaN where not observed.
        visit_days: days of the year of four photo visits, (N, 4) int64.
        ground: what is seen at those visits.
    """

    class_index: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray
    year: np.ndarray
    series: np.ndarray
    visit_days: np.ndarray
    ground: GroundState


@dataclass(frozen=True)
class _Optics:
    """Fixed optical properties of N points; spectra are (N, 10), the rest (N,)."""

    green_leaf: tuple[np.ndarray, np.ndarray]
    under_leaf: tuple[np.ndarray, np.ndarray]
    dead_leaf: tuple[np.ndarray, np.ndarray]
    petals: np.ndarray
    dry_ground: np.ndarray
    wets: np.ndarray
    water: np.ndarray
    under_angle: np.ndarray


def simulate(num_points: int, *, seed: int, classes: Sequence[str] | None = None) -> SimulatedPoints:
    """Simulates points of the given classes (all by default), in the classes' relative shares.

    Args:
        num_points: number of points, at least one.
        seed: same seed and arguments, same points.
        classes: names out of `CLASS_NAMES`.

    Raises:
        ValueError: If `num_points` is below one or a class is unknown.
    """
    if num_points < 1:
        raise ValueError(f"num_points must be at least 1, got {num_points}.")
    rng = np.random.default_rng(seed)
    class_index = _draw_classes(num_points, classes, rng)
    covers = _draw_covers(class_index, rng)
    latitude = np.array([rng.uniform(*cover.latitude) for cover in covers])
    calendar = draw_calendar(covers, latitude, rng)
    optics = _draw_optics(covers, calendar, rng)

    looks = _draw_looks(latitude, rng)
    days = _composite_days(looks, rng)
    series = np.concatenate(
        [
            _reflectance(_rows(calendar, block), _rows_of_optics(optics, block), days[block], latitude[block])
            for block in _blocks(num_points)
        ]
    )
    series = _mix_with_neighbours(series, class_index, rng)
    series = _observe(series, looks, rng)
    series[rng.random(num_points) < 0.3, :, _B8A] = np.nan

    window = _VISIT_WINDOWS[:, 1] - _VISIT_WINDOWS[:, 0]
    visit_days = (_VISIT_WINDOWS[:, 0] + rng.random((num_points, 4)) * window).astype(np.int64)
    return SimulatedPoints(
        class_index=class_index,
        latitude=latitude,
        longitude=rng.uniform(-9, 25, num_points),
        year=rng.integers(2016, 2025, num_points),
        series=series.astype(np.float32),
        visit_days=visit_days,
        ground=_ground_state(calendar, optics, visit_days.astype(np.float64)),
    )


def _draw_classes(num_points: int, classes: Sequence[str] | None, rng: np.random.Generator) -> np.ndarray:
    names = CLASS_NAMES if classes is None else tuple(classes)
    if isinstance(classes, str) or not names:
        raise ValueError(f"classes must be a non-empty sequence of class names, got {classes!r}.")
    for name in names:
        if name not in CLASS_NAMES:
            near = get_close_matches(name, CLASS_NAMES, n=3, cutoff=0.3) or list(CLASS_NAMES)
            raise ValueError(f"Unknown simulated class {name!r}; the nearest known are: {', '.join(near)}.")
    chosen = np.array([CLASS_NAMES.index(name) for name in dict.fromkeys(names)])
    share = np.array([SIMULATED_CLASSES[index].share for index in chosen])
    return rng.choice(chosen, size=num_points, p=share / share.sum()).astype(np.int64)


def _draw_covers(class_index: np.ndarray, rng: np.random.Generator) -> list[Cover]:
    """Draws for each point one of its class's ways of life."""
    position = rng.random(len(class_index))
    drawn = []
    for index, place in zip(class_index, position, strict=True):
        ways = COVERS[CLASS_NAMES[index]]
        edges = np.cumsum([weight for weight, _ in ways])
        drawn.append(ways[int(np.searchsorted(edges[:-1], place))][1])
    return drawn


def _draw_optics(covers: list[Cover], calendar: Calendar, rng: np.random.Generator) -> _Optics:
    num_points = len(covers)
    v = calendar.values

    def draw(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, num_points)

    green = leaf_optics(
        v["layers"],
        v["chlorophyll"],
        v["chlorophyll"] * draw(0.16, 0.26),
        draw(0, 0.06),
        v["leaf_water"],
        v["dry_matter"],
    )
    under = leaf_optics(
        draw(1.3, 1.8), draw(24, 46), draw(5, 10), draw(0, 0.12), draw(0.011, 0.025), draw(0.004, 0.007)
    )
    dead = leaf_optics(
        draw(1.5, 2.3), draw(0, 5), draw(0.5, 4), v["dead_brown"], v["dead_water"], draw(0.005, 0.012)
    )
    dry_ground = np.empty((num_points, NUM_BANDS))
    kinds = np.array([cover.ground for cover in covers])
    for kind in GROUNDS:
        here = kinds == kind
        dry_ground[here] = draw_mixture(kind, int(here.sum()), rng)
    water = rng.dirichlet((1.0, 0.8, 0.8), num_points) @ np.stack([ENDMEMBERS[name] for name in WATERS])
    return _Optics(
        green_leaf=green,
        under_leaf=under,
        dead_leaf=dead,
        petals=np.stack([PETALS[cover.petals] for cover in covers]),
        dry_ground=dry_ground,
        wets=np.isin(kinds, WETTED_GROUNDS).astype(np.float64),
        water=water * np.exp(rng.normal(0, 0.15, (num_points, 1))),
        under_angle=draw(48, 66),
    )


def _blocks(num_points: int) -> list[slice]:
    return [slice(start, start + _BLOCK) for start in range(0, num_points, _BLOCK)]


def _rows(calendar: Calendar, block: slice) -> Calendar:
    values = {name: column[block] for name, column in calendar.values.items()}
    return Calendar(values, calendar.cut_days[block], calendar.wetness[block], calendar.snow[block])


def _rows_of_optics(optics: _Optics, block: slice) -> _Optics:
    def leaf(pair: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        return pair[0][block], pair[1][block]

    return _Optics(
        leaf(optics.green_leaf),
        leaf(optics.under_leaf),
        leaf(optics.dead_leaf),
        optics.petals[block],
        optics.dry_ground[block],
        optics.wets[block],
        optics.water[block],
        optics.under_angle[block],
    )


def _sun_zenith(latitude: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Sun zenith in degrees at Sentinel-2's overpass, an hour and a half before noon, (N, D)."""
    declination = np.radians(23.44) * np.sin(2 * np.pi * (days - 81) / 365)
    place = np.radians(latitude)[:, None]
    hour = np.radians(22.5)
    cosine = np.sin(place) * np.sin(declination) + np.cos(place) * np.cos(declination) * np.cos(hour)
    return np.degrees(np.arccos(np.clip(cosine, np.cos(np.radians(76)), 1)))


def _visible_ground(optics: _Optics, standing: Standing) -> np.ndarray:
    """Soil, stalks and water as they lie below all leaves, (N, D, 10)."""
    moisture = standing.wetness * optics.wets[:, None]
    ground = wet(optics.dry_ground[:, None], moisture)
    straw = wet(ENDMEMBERS["straw"] * np.ones_like(ground), 0.7 * moisture)
    stalks = np.clip(standing.stubble, 0, 1)[..., None]
    ground = ground * (1 - stalks) + straw * stalks
    flood = standing.flood[..., None]
    return ground * (1 - flood) + optics.water[:, None] * flood


def _canopy(
    leaf: tuple[np.ndarray, np.ndarray],
    dead_leaf: tuple[np.ndarray, np.ndarray],
    dead: np.ndarray,
    wetness: np.ndarray,
    lai: np.ndarray,
    angle: np.ndarray,
    size: np.ndarray,
    sun: np.ndarray,
    background: np.ndarray,
) -> np.ndarray:
    """Reflectance of canopies of green and dead leaves over a background, (N, D, 10)."""
    shape = background.shape
    share = dead[..., None]
    wetted = 0.7 * wetness
    r, t = (
        (fresh[:, None] * (1 - share) + wet(withered[:, None], wetted) * share).reshape(-1, NUM_BANDS)
        for fresh, withered in zip(leaf, dead_leaf, strict=True)
    )
    angles, sizes = (np.broadcast_to(value[:, None], lai.shape).ravel() for value in (angle, size))
    flat = canopy_reflectance(
        r, t, lai.ravel(), angles, sizes, sun.ravel(), background.reshape(-1, NUM_BANDS)
    )
    return flat.reshape(shape)


def _reflectance(calendar: Calendar, optics: _Optics, days: np.ndarray, latitude: np.ndarray) -> np.ndarray:
    """Reflectance of the points on their days without atmosphere or noise, (N, D, 10)."""
    v = calendar.values
    standing = standing_at(calendar, days)
    sun = _sun_zenith(latitude, days)
    below = _canopy(
        optics.under_leaf,
        optics.dead_leaf,
        standing.under_dead,
        standing.wetness,
        standing.under_lai,
        optics.under_angle,
        np.full(len(latitude), 0.2),
        sun,
        _visible_ground(optics, standing),
    )
    crown = _canopy(
        optics.green_leaf,
        optics.dead_leaf,
        standing.dead,
        standing.wetness,
        standing.lai,
        v["leaf_angle"],
        v["leaf_size"],
        sun,
        below,
    )
    blossom = (standing.flower * (1 - np.exp(-_HIDING * standing.lai)))[..., None]
    crown = crown * (1 - blossom) + optics.petals[:, None] * blossom
    cover = v["cover"][:, None, None]
    pixel = crown * cover + below * (1 - cover)
    # Shadows lengthen with the sun's zenith; 45 degrees is the reference at which `shade` is given.
    pixel = pixel * (1 - np.clip(v["shade"][:, None] * (sun / 45), 0, 0.85))[..., None]
    # Snow falls through crowns: trees hide most of it.
    white = (standing.snow * np.where(standing.height > 4, 0.4, 1.0))[..., None]
    return np.asarray(pixel * (1 - white) + ENDMEMBERS["snow"] * white)


def _draw_looks(latitude: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draws the number of clear looks per month, 0 to 3, (N, 12): few in northern winters, some long gaps."""
    num_points = len(latitude)
    month = 0.5 - 0.32 * np.cos(2 * np.pi * np.arange(NUM_MONTHS) / 12)  # 0.18 in January, 0.82 in July
    clearness = month + 0.22 - 0.016 * (latitude[:, None] - 45) + rng.normal(0, 0.18, (num_points, 1))
    looks = rng.binomial(3, np.clip(clearness, 0.25, 0.95))
    start, length = rng.integers(0, 12, num_points), rng.integers(1, 5, num_points)
    offset = (np.arange(NUM_MONTHS) - start[:, None]) % 12
    gap = (offset < length[:, None]) & (rng.random((num_points, 1)) < 0.2)
    looks[gap] = 0
    # Four months seen at the least: fewer than that is no series to learn from.
    blind = (looks > 0).sum(axis=1) < 4
    looks[blind] = np.maximum(looks[blind], [0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0])
    return looks


def _composite_days(looks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Day of the year that each monthly composite stands for; the fewer looks, the further from mid-month."""
    middle = (np.arange(NUM_MONTHS) + 0.5) * 365 / 12
    spread = 9 / np.sqrt(np.maximum(looks, 1))
    return middle + np.clip(rng.normal(0, 1, looks.shape) * spread, -15, 15)


def _mix_with_neighbours(series: np.ndarray, class_index: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lets a share of the pixels hold a part of another point's cover."""
    num_points = len(series)
    patchy = np.isin(class_index, [CLASS_NAMES.index(name) for name in _PATCHY])
    mixed = rng.random(num_points) < np.where(patchy, 0.8, 0.3)
    share = np.where(mixed, rng.uniform(0.03, 0.35, num_points), 0)[:, None, None] * np.ones(NUM_BANDS)
    # A pixel of the 20 m bands reaches beyond the 10 m pixel that it is laid over.
    beyond = mixed * rng.uniform(0, 0.25, num_points)
    share[:, :, _20_M_BANDS] += beyond[:, None, None]
    return np.asarray(series * (1 - share) + series[rng.permutation(num_points)] * share)


def _observe(series: np.ndarray, looks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Adds what the atmosphere and the sensor do to each look and takes the month's median, (N, 12, 10)."""
    shape = (*looks.shape, 3, 1)
    wavelength = np.array([490, 560, 665, 705, 740, 783, 842, 865, 1610, 2190])
    # Aerosol left by the correction: bluish; its strength is shared by the months of a point.
    hazy = rng.gamma(1.0, 0.012, (len(looks), 1, 1, 1)) + rng.gamma(0.6, 0.02, shape)
    veil = np.clip(hazy * (490 / wavelength) ** 1.6, 0, 0.6)
    # Thin cloud: white in the visible, darker towards 2.2 um where droplets and ice absorb.
    cloud_colour = np.array([0.62, 0.60, 0.59, 0.59, 0.58, 0.57, 0.56, 0.55, 0.40, 0.30])
    thick = rng.random(shape)
    cloud = np.where(thick < 0.1, rng.uniform(0.02, 0.25, shape), 0)
    cloudy_set = rng.random((len(looks), 1, 1, 1)) < 0.07  # products whose cloud mask failed
    cloud = np.where(cloudy_set & (thick > 0.75), rng.uniform(0.1, 0.8, shape), cloud)
    shadow = np.where(rng.random(shape) < 0.06, rng.uniform(0.1, 0.55, shape), 0)
    seen = series[:, :, None] * np.exp(rng.normal(0, 0.05, shape)) * (1 - shadow)
    seen = seen * (1 - veil) + 0.42 * veil
    seen = seen * (1 - cloud) + cloud_colour * cloud
    seen = seen * (1 + rng.normal(0, 0.03, seen.shape)) + rng.normal(0, 0.004, seen.shape)
    # View angle, calibration and terrain act on a whole series alike.
    seen = (
        seen
        * np.exp(rng.normal(0, 0.06, (len(looks), 1, 1, 1)))
        * (1 + rng.normal(0, 0.05, (len(looks), 1, 1, NUM_BANDS)))
    )
    first, second, third = seen[:, :, 0], seen[:, :, 1], seen[:, :, 2]
    median = np.maximum(np.minimum(first, second), np.minimum(np.maximum(first, second), third))
    count = looks[..., None]
    composite = np.where(count == 1, first, np.where(count == 2, (first + second) / 2, median))
    return np.where(count == 0, np.nan, np.clip(composite, 0.0005, 1.2))


def _ground_state(calendar: Calendar, optics: _Optics, days: np.ndarray) -> GroundState:
    standing = standing_at(calendar, days)
    hidden = calendar["cover"] * (1 - np.exp(-_HIDING * standing.lai))
    open_share = 1 - hidden
    weeds = open_share * (1 - np.exp(-_HIDING * standing.under_lai)) * (1 - standing.under_dead)
    ground = _visible_ground(optics, standing)
    states = {
        "green": hidden * (1 - standing.dead),
        "dry": hidden * standing.dead,
        "flower": standing.flower,
        "height": standing.height,
        "stubble": open_share * np.clip(standing.stubble, 0, 1),
        "off_season": weeds,
        "snow": standing.snow,
        "wetness": standing.wetness,
        # B03 and B04 of bright dry sand come to about 0.35.
        "soil_brightness": np.clip(ground[..., 1:3].mean(axis=-1) / 0.35, 0, 1),
    }
    return GroundState(**{name: values.astype(np.float32) for name, values in states.items()})
