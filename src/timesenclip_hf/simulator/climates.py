"""Draw the weather of simulated places: temperature, rain, soil moisture, snow, clear skies and the growing season.

Climates, in the table `climates`, are monthly curves after Koeppen and Geiger's classes. South of the equator the year
is turned by six months. What plants and photos need follows from warmth and water, so that no cover states it again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from .reading import read_record, read_table

NUM_MONTHS = 12
DAYS = 365
# Plants grow above this monthly mean, in degrees Celsius.
_WARM = 5.0
# Water that roots can reach, in millimetres, and the share of it below which leaves wither.
_ROOT_ZONE, _DRY = 100.0, 0.25
# Steps of the year in which the growing season is looked for.
_STEPS = 73
_STEP_DAYS = DAYS / _STEPS


@dataclass(frozen=True)
class Climate:
    """Describe one climate; the table `climates` tells the fields."""

    name: str
    latitude: tuple[float, float]
    warmth: float
    swing: float
    rain: tuple[float, ...]
    rain_spread: float
    southern: float = 0.0
    onset: float = 8.0
    weight: float = 1.0
    two_seasons: bool = False


_TABLE = read_table("climates")
CLIMATES: tuple[Climate, ...] = tuple(
    read_record(Climate, {"name": name, **entry}, name) for name, entry in _TABLE["climates"].items()
)
CLIMATE_NAMES: tuple[str, ...] = tuple(climate.name for climate in CLIMATES)
# The climates of Europe, north of the equator.
EUROPE: tuple[str, ...] = tuple(_TABLE["europe"])


@dataclass(frozen=True)
class Weather:
    """Hold the drawn years of N places; months are January to December wherever a place lies.

    Attributes:
        wetness: of the soil's surface, 0 dry to 1 saturated, (N, 12).
        snow: share of the ground under it, (N, 12).
        clearness: chance of an acquisition without cloud, (N, 12).
        season_start: day of the year on which warmth and water let plants grow, (N,).
        season_length: days that they last, (N,).
        season_period: days from one season to the next, 365 where there is one a year, (N,).
    """

    wetness: np.ndarray
    snow: np.ndarray
    clearness: np.ndarray
    season_start: np.ndarray
    season_length: np.ndarray
    season_period: np.ndarray


def check_climates(climates: Sequence[str] | None) -> tuple[str, ...]:
    """Return the climates asked for, all where none are.

    Raises:
        ValueError: they are no list of names, or one is unknown.
    """
    if climates is None:
        return CLIMATE_NAMES
    if isinstance(climates, str) or not climates:
        raise ValueError(f"climates must be a non-empty sequence of climate names, got {climates!r}.")
    if unknown := [name for name in climates if name not in CLIMATE_NAMES]:
        near = get_close_matches(unknown[0], CLIMATE_NAMES, n=3, cutoff=0.3) or list(CLIMATE_NAMES)
        raise ValueError(f"Unknown climate {unknown[0]!r}; the nearest known are: {', '.join(near)}.")
    return tuple(dict.fromkeys(climates))


def draw_hemisphere(climate_index: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw on which side of the equator each place lies: 1 north, -1 south, (N,)."""
    southern = np.array([climate.southern for climate in CLIMATES])[climate_index]
    return np.asarray(np.where(rng.random(len(climate_index)) < southern, -1.0, 1.0))


def draw_weather(climate_index: np.ndarray, latitude: np.ndarray, rng: np.random.Generator) -> Weather:
    """Draw the year of each of N places from its climate and its latitude in degrees north."""
    num_points = len(climate_index)
    temperature, rain = _draw_temperature(climate_index, latitude, rng), _draw_rain(climate_index, latitude, rng)
    # What a wet surface would evaporate, in millimetres a month.
    thirst = 4.5 * np.clip(temperature, 0, None)
    surface = 0.85 * (1 - np.exp(-0.8 * rain / (thirst + 15)))
    level = surface - 0.06 + rng.normal(0, 0.12, (num_points, 1))
    wetness = np.clip(level + rng.normal(0, 0.16, (num_points, NUM_MONTHS)), 0, 1)
    start, length = _growing_season(temperature, rain, thirst)
    start = start + rng.normal(0, 8, num_points)
    two = np.array([climate.two_seasons for climate in CLIMATES])[climate_index]
    period = np.where(two, rng.uniform(165, 200, num_points), DAYS)
    return Weather(
        wetness=wetness,
        snow=_draw_snow(temperature, rain, rng),
        clearness=_clearness(surface, rain, latitude) + rng.normal(0, 0.16, (num_points, 1)),
        season_start=start % DAYS,
        season_length=np.minimum(length, np.where(two, 140.0, DAYS)),
        season_period=period,
    )


def _turned(curves: np.ndarray, latitude: np.ndarray) -> np.ndarray:
    """Turn monthly curves (N, 12) of the north by half a year where a place lies in the south."""
    return np.asarray(np.where(latitude[:, None] < 0, np.roll(curves, NUM_MONTHS // 2, axis=1), curves))


def _draw_temperature(climate_index: np.ndarray, latitude: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw monthly mean temperatures in degrees Celsius, (N, 12)."""
    warmth, swing = np.array([(climate.warmth, climate.swing) for climate in CLIMATES])[climate_index].T
    distance = np.abs(latitude)
    # About 27 degrees at the equator, 10 at 48 degrees and -6 at 68.
    mean = 27 - 0.0072 * distance**2 + warmth + rng.normal(0, 1.6, len(latitude))
    # January is the coldest month and July the warmest.
    season = np.cos(2 * np.pi * (np.arange(NUM_MONTHS) - 0.3) / NUM_MONTHS)
    year = mean[:, None] - (swing * distance * rng.uniform(0.9, 1.1, len(latitude)))[:, None] * season
    return np.asarray(_turned(year, latitude) + rng.normal(0, 1.2, year.shape))


def _draw_rain(climate_index: np.ndarray, latitude: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw monthly rain in millimetres, (N, 12)."""
    num_points = len(latitude)
    curves = np.array([climate.rain for climate in CLIMATES])[climate_index]
    spread, onset = np.array([(climate.rain_spread, climate.onset) for climate in CLIMATES])[climate_index].T
    shift = rng.normal(0, onset) * NUM_MONTHS / DAYS
    position = (np.arange(NUM_MONTHS) - shift[:, None]) % NUM_MONTHS
    before = np.floor(position).astype(np.int64) % NUM_MONTHS
    part = position - np.floor(position)
    rows = np.arange(num_points)[:, None]
    shifted = curves[rows, before] * (1 - part) + curves[rows, (before + 1) % NUM_MONTHS] * part
    factor = np.exp(rng.normal(0, spread)[:, None] + rng.normal(0, 0.25, shifted.shape))
    return np.asarray(_turned(shifted, latitude) * factor)


def _draw_snow(temperature: np.ndarray, rain: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw the share of ground under snow per month, (N, 12): it lies all winter where winters are cold."""
    likely = 1 / (1 + np.exp(np.clip((temperature + 2) / 1.5, -30, 30)))
    likely = likely * np.clip(rain / 12, 0.3, 1)
    lies = rng.random(temperature.shape) < 0.97 * likely
    depth = np.clip(-temperature / 8, 0, 0.7)
    return np.where(lies, rng.uniform(0.1 + depth, 1.0), 0.0)


def _clearness(surface: np.ndarray, rain: np.ndarray, latitude: np.ndarray) -> np.ndarray:
    """Compute the mean chance of clear sky per month, (N, 12): wet months are cloudy, and low suns are."""
    tilt = 23.44 * np.sin(2 * np.pi * ((np.arange(NUM_MONTHS) + 0.5) * DAYS / NUM_MONTHS - 81) / DAYS)
    low = np.clip((np.abs(latitude[:, None] - tilt) - 65) / 15, 0, 1)
    return np.asarray(0.96 - 0.6 * surface - 0.0012 * rain - 0.3 * low)


def _growing_season(temperature: np.ndarray, rain: np.ndarray, thirst: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the longest part of the year that is warm and moist: its first day and its length in days, (N,)."""
    store = np.full(len(rain), _ROOT_ZONE / 2)
    moist = np.empty_like(rain)
    for turn in range(2 * NUM_MONTHS):
        month = turn % NUM_MONTHS
        store = np.clip(store + rain[:, month] - thirst[:, month], 0, _ROOT_ZONE)
        moist[:, month] = np.maximum(store / _ROOT_ZONE - _DRY, rain[:, month] / (thirst[:, month] + 1) - 0.5)
    # Both in the middle of months; a step lies between two of them.
    position = (np.arange(_STEPS) + 0.5) * NUM_MONTHS / _STEPS - 0.5
    before = np.floor(position).astype(np.int64)
    part = position - before
    warm, water = (
        values[:, before % NUM_MONTHS] * (1 - part) + values[:, (before + 1) % NUM_MONTHS] * part
        for values in (temperature - _WARM, moist)
    )
    grows = (warm > 0) & (water > 0)
    run, best, end = (np.zeros(len(rain), dtype=np.int64) for _ in range(3))
    for step in range(2 * _STEPS):
        run = np.where(grows[:, step % _STEPS], run + 1, 0)
        longer = run > best
        best, end = np.where(longer, run, best), np.where(longer, step, end)
    # Where nothing ends, the year begins with its driest step; where nothing grows, two months after the wettest.
    always, never = best >= _STEPS, best == 0
    start = np.where(never, water.argmax(axis=1), np.where(always, water.argmin(axis=1), end - best + 1))
    length = np.where(never, 60.0, np.minimum(best, _STEPS) * _STEP_DAYS)
    return start * _STEP_DAYS, np.maximum(length, 30.0)
