"""Simulate LUCAS-like points: a year of Sentinel-2 pixels and what a visitor sees on the ground.

Both come from one latent year per point (`phenology`), so that photos and series tell the same story.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from .canopy import NUM_BANDS
from .classes import CLASS_NAMES, SIMULATED_CLASSES
from .climates import CLIMATE_NAMES, DAYS, EUROPE, check_climates, draw_hemisphere, draw_weather
from .covers import COVERS, Cover, latitude_range
from .observation import composite_days, draw_acquisitions, mix_with_neighbours, observe
from .optics import Optics, draw_optics, hidden_share, reflectance, visible_ground
from .phenology import Calendar, days_of, draw_calendar, standing_at

_B8A = 7
# Covers so narrow or so interspersed that a pixel seldom holds one of them alone.
_PATCHY = [CLASS_NAMES.index(name) for name in ("buildings", "greenhouses", "roads", "river")]
# Four photo visits, each on a random day of its own part of the year by the point's clock.
_VISIT_WINDOWS = np.array([[70, 128], [128, 180], [180, 232], [232, 315]])
# Points per block of canopy computations: intermediate arrays of this size stay in the processor's cache.
_BLOCK = 48


@dataclass(frozen=True)
class GroundState:
    """Hold what a visitor sees at each of four visits; every array is (N, 4) float32.

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
    """Hold N simulated points.

    Attributes:
        class_index: index into `CLASS_NAMES`, (N,) int64.
        climate_index: index into `climates.CLIMATE_NAMES`, (N,) int64.
        latitude: degrees north, (N,).
        longitude: degrees east, (N,); of Europe where the climate is, else anywhere: it says no more of the cover.
        year: calendar year, (N,); carries no information about the cover.
        series: reflectance, (N, 12, 10) float32, January to December, bands B02 B03 B04 B05 B06 B07 B08 B8A
            B11 B12; NaN where not observed.
        visit_days: days of the year of four photo visits, rising, (N, 4) int64.
        ground: what is seen at those visits.
    """

    class_index: np.ndarray
    climate_index: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray
    year: np.ndarray
    series: np.ndarray
    visit_days: np.ndarray
    ground: GroundState


def simulate(
    num_points: int, *, seed: int, classes: Sequence[str] | None = None, climates: Sequence[str] | None = None
) -> SimulatedPoints:
    """Simulate points of the given classes in the given climates (all by default), in the classes' relative shares.

    Args:
        num_points: at least one.
        seed: same seed and arguments, same points.
        classes: names out of `CLASS_NAMES`; by default those that occur in the climates.
        climates: names out of `climates.CLIMATE_NAMES`, such as `climates.EUROPE`.

    Raises:
        ValueError: `num_points` is below one, a class or a climate is unknown, or a class occurs in none of them.
    """
    if num_points < 1:
        raise ValueError(f"num_points must be at least 1, got {num_points}.")
    rng = np.random.default_rng(seed)
    class_index, covers, chosen, climate_index = _draw_lives(num_points, classes, check_climates(climates), rng)
    nearest, furthest = _latitudes(covers, chosen, climate_index)
    latitude = rng.uniform(nearest, furthest) * draw_hemisphere(climate_index, rng)
    weather = draw_weather(climate_index, latitude, rng)
    calendar = draw_calendar(covers, chosen, latitude, weather, rng)
    optics = draw_optics(covers, chosen, climate_index, calendar, rng)

    window = _VISIT_WINDOWS[:, 1] - _VISIT_WINDOWS[:, 0]
    visits = (_VISIT_WINDOWS[:, 0] + rng.random((num_points, 4)) * window).astype(np.int64)
    visit_days = np.sort(1 + (days_of(calendar, visits).astype(np.int64) - 1) % DAYS, axis=1)
    acquisitions = draw_acquisitions(weather.clearness, rng)
    days = composite_days(acquisitions, rng)
    series = np.empty((num_points, *acquisitions.shape[1:], NUM_BANDS), dtype=np.float32)
    for start in range(0, num_points, _BLOCK):
        block = slice(start, start + _BLOCK)
        series[block] = reflectance(calendar.rows(block), optics.rows(block), days[block], latitude[block])
    series = mix_with_neighbours(series, np.isin(class_index, _PATCHY), rng)
    series = observe(series, acquisitions, rng)
    series[rng.random(num_points) < 0.3, :, _B8A] = np.nan

    european = np.isin(climate_index, [CLIMATE_NAMES.index(name) for name in EUROPE])
    longitude = np.where(european, rng.uniform(-9, 25, num_points), rng.uniform(-180, 180, num_points))
    year = rng.integers(2016, 2025, num_points)
    ground = _ground_state(calendar, optics, visit_days.astype(np.float64))
    return SimulatedPoints(class_index, climate_index, latitude, longitude, year, series, visit_days, ground)


def _named_classes(classes: Sequence[str] | None) -> list[str]:
    names = CLASS_NAMES if classes is None else tuple(classes)
    if isinstance(classes, str) or not names:
        raise ValueError(f"classes must be a non-empty sequence of class names, got {classes!r}.")
    if unknown := [name for name in names if name not in CLASS_NAMES]:
        near = get_close_matches(unknown[0], CLASS_NAMES, n=3, cutoff=0.3) or list(CLASS_NAMES)
        raise ValueError(f"Unknown simulated class {unknown[0]!r}; the nearest known are: {', '.join(near)}.")
    return list(dict.fromkeys(names))


def _draw_lives(
    num_points: int, classes: Sequence[str] | None, climates: Sequence[str], rng: np.random.Generator
) -> tuple[np.ndarray, list[Cover], np.ndarray, np.ndarray]:
    """Draw each point's class, one of the class's ways of life, and one of the climates in which it lives so.

    Returns:
        Class indices (N,), all ways there are, each point's index among them (N,), and climate indices (N,).
    """
    names = _named_classes(classes)
    lives = {name: _lives_in(name, climates) for name in names}
    if classes is not None and (absent := [name for name in names if not lives[name]]):
        raise ValueError(f"{absent[0]!r} occurs in none of the climates {', '.join(climates)}: ask for others.")
    indices = np.array([CLASS_NAMES.index(name) for name in names if lives[name]])
    share = np.array([SIMULATED_CLASSES[index].share for index in indices])
    class_index = rng.choice(indices, size=num_points, p=share / share.sum()).astype(np.int64)
    position = rng.random(num_points)
    covers: list[Cover] = []
    chosen, climate_index = np.empty((2, num_points), dtype=np.int64)
    for index in np.unique(class_index):
        weights, ways, places = zip(*lives[CLASS_NAMES[index]], strict=True)
        here = class_index == index
        drawn = np.searchsorted(np.cumsum(weights)[:-1] / sum(weights), position[here], side="right")
        chosen[here] = len(covers) + drawn
        climate_index[here] = np.array(places)[drawn]
        covers.extend(ways)
    return class_index, covers, chosen, climate_index


def _lives_in(name: str, climates: Sequence[str]) -> list[tuple[float, Cover, int]]:
    """List the ways in which a class lives in some climates, each with its frequency and the climate's index."""
    return [
        (share * weight / sum(cover.climates.values()), cover, CLIMATE_NAMES.index(climate))
        for share, cover in COVERS[name]
        for climate, weight in cover.climates.items()
        if climate in climates
    ]


def _latitudes(covers: list[Cover], chosen: np.ndarray, climate_index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how far from the equator each point may lie, at the least and at the most, in degrees, each (N,)."""
    kinds, kind = np.unique(np.stack([chosen, climate_index]), axis=1, return_inverse=True)
    ranges = np.array([latitude_range(covers[way], CLIMATE_NAMES[climate]) for way, climate in kinds.T])
    nearest, furthest = ranges[kind.ravel()].T
    return nearest, furthest


def _ground_state(calendar: Calendar, optics: Optics, days: np.ndarray) -> GroundState:
    """Sum up what stands on the points on the days of their visits, (N, 4)."""
    standing = standing_at(calendar, days)
    hidden = calendar["cover"] * hidden_share(standing.lai)
    open_share = 1 - hidden
    ground = visible_ground(optics, standing)
    states = {
        "green": hidden * (1 - standing.dead),
        "dry": hidden * standing.dead,
        "flower": standing.flower,
        "height": standing.height,
        "stubble": open_share * np.clip(standing.stubble, 0, 1),
        "off_season": open_share * hidden_share(standing.under_lai) * (1 - standing.under_dead),
        "snow": standing.snow,
        "wetness": standing.wetness,
        # B03 and B04 of bright dry sand come to about 0.35.
        "soil_brightness": np.clip(ground[..., 1:3].mean(axis=-1) / 0.35, 0, 1),
    }
    return GroundState(**{name: values.astype(np.float32) for name, values in states.items()})
