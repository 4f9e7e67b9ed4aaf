"""LUCAS-like points from a simulator: a year of Sentinel-2 pixels and what a visitor sees on the ground.

Both come from one latent year per point (`phenology`), so that photos drawn from the ground state
and the reflectance series tell the same story. No real pixel enters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from .canopy import NUM_BANDS, canopy_reflectance, leaf_optics
from .classes import CLASS_NAMES, SIMULATED_CLASSES
from .crops import CROPS
from .landscapes import LANDSCAPES
from .observation import composite_days, draw_looks, mix_with_neighbours, observe
from .phenology import Calendar, Cover, Standing, draw_calendar, standing_at
from .surfaces import ENDMEMBERS, GROUNDS, PETALS, WATERS, WETTED_GROUNDS, draw_mixture, wet

COVERS = CROPS | LANDSCAPES
_B8A = 7
# Covers so narrow or so interspersed that a pixel seldom holds one of them alone.
_PATCHY = [CLASS_NAMES.index(name) for name in ("buildings", "greenhouses", "roads", "river")]
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

    def rows(self, block: slice) -> "_Optics":
        """Returns the optics of a block of points."""

        def leaf(pair: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
            return pair[0][block], pair[1][block]

        return _Optics(
            leaf(self.green_leaf),
            leaf(self.under_leaf),
            leaf(self.dead_leaf),
            self.petals[block],
            self.dry_ground[block],
            self.wets[block],
            self.water[block],
            self.under_angle[block],
        )


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
    covers, chosen = _draw_covers(class_index, rng)
    southern, northern = np.array([cover.latitude for cover in covers])[chosen].T
    latitude = rng.uniform(southern, northern)
    calendar = draw_calendar(covers, chosen, latitude, rng)
    optics = _draw_optics(covers, chosen, calendar, rng)

    looks = draw_looks(latitude, rng)
    days = composite_days(looks, rng)
    series = np.empty((num_points, *looks.shape[1:], NUM_BANDS), dtype=np.float32)
    for start in range(0, num_points, _BLOCK):
        block = slice(start, start + _BLOCK)
        series[block] = _reflectance(calendar.rows(block), optics.rows(block), days[block], latitude[block])
    series = mix_with_neighbours(series, np.isin(class_index, _PATCHY), rng)
    series = observe(series, looks, rng)
    series[rng.random(num_points) < 0.3, :, _B8A] = np.nan

    window = _VISIT_WINDOWS[:, 1] - _VISIT_WINDOWS[:, 0]
    visit_days = (_VISIT_WINDOWS[:, 0] + rng.random((num_points, 4)) * window).astype(np.int64)
    return SimulatedPoints(
        class_index=class_index,
        latitude=latitude,
        longitude=rng.uniform(-9, 25, num_points),
        year=rng.integers(2016, 2025, num_points),
        series=series,
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


def _draw_covers(class_index: np.ndarray, rng: np.random.Generator) -> tuple[list[Cover], np.ndarray]:
    """Draws for each point one of its class's ways of life: all ways there are, and each point's index."""
    position = rng.random(len(class_index))
    covers: list[Cover] = []
    chosen = np.empty(len(class_index), dtype=np.int64)
    for index in np.unique(class_index):
        weights, ways = zip(*COVERS[CLASS_NAMES[index]], strict=True)
        here = class_index == index
        chosen[here] = len(covers) + np.searchsorted(np.cumsum(weights)[:-1], position[here])
        covers.extend(ways)
    return covers, chosen


def _draw_optics(covers: list[Cover], chosen: np.ndarray, calendar: Calendar, rng: np.random.Generator) -> _Optics:
    num_points = len(chosen)
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
    dead = leaf_optics(draw(1.5, 2.3), draw(0, 5), draw(0.5, 4), v["dead_brown"], v["dead_water"], draw(0.005, 0.012))
    dry_ground = np.empty((num_points, NUM_BANDS))
    kinds = np.array([cover.ground for cover in covers])[chosen]
    for kind in GROUNDS:
        here = kinds == kind
        dry_ground[here] = draw_mixture(kind, int(here.sum()), rng)
    water = rng.dirichlet((1.0, 0.8, 0.8), num_points) @ np.stack([ENDMEMBERS[name] for name in WATERS])
    return _Optics(
        green_leaf=green,
        under_leaf=under,
        dead_leaf=dead,
        petals=np.stack([PETALS[cover.petals] for cover in covers])[chosen],
        dry_ground=dry_ground,
        wets=np.isin(kinds, WETTED_GROUNDS).astype(np.float64),
        water=water * np.exp(rng.normal(0, 0.15, (num_points, 1))),
        under_angle=draw(48, 66),
    )


def _sun_zenith(latitude: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Sun zenith in degrees at Sentinel-2's overpass, an hour and a half before noon, (N, D)."""
    declination = np.radians(23.44) * np.sin(2 * np.pi * (days - 81) / 365)
    place = np.radians(latitude)[:, None]
    hour = np.radians(22.5)
    cosine = np.sin(place) * np.sin(declination) + np.cos(place) * np.cos(declination) * np.cos(hour)
    return np.asarray(np.degrees(np.arccos(np.clip(cosine, np.cos(np.radians(76)), 1))))


def _visible_ground(optics: _Optics, standing: Standing) -> np.ndarray:
    """Soil, stalks and water as they lie below all leaves, (N, D, 10)."""
    moisture = standing.wetness * optics.wets[:, None]
    ground = wet(optics.dry_ground[:, None], moisture)
    straw = wet(ENDMEMBERS["straw"] * np.ones_like(ground), 0.7 * moisture)
    stalks = np.clip(standing.stubble, 0, 1)[..., None]
    ground = ground * (1 - stalks) + straw * stalks
    flood = standing.flood[..., None]
    return np.asarray(ground * (1 - flood) + optics.water[:, None] * flood)


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
    flat = canopy_reflectance(r, t, lai.ravel(), angles, sizes, sun.ravel(), background.reshape(-1, NUM_BANDS))
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
    pixel = pixel * (1 - np.clip(v["shade"][:, None] * sun / 45, 0, 0.7))[..., None]
    # Snow falls through crowns: trees hide most of it.
    white = (standing.snow * np.where(standing.height > 4, 0.4, 1.0))[..., None]
    return np.asarray(pixel * (1 - white) + ENDMEMBERS["snow"] * white)


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
