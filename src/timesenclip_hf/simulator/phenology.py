"""Evaluate calendars of the simulated covers: what stands on the ground on any day of the year.

Days are days of the year at 48 degrees north in an average year; every degree further north delays them
by `Cover.delay` days. The covers and their quantities are in `covers`.
"""

from dataclasses import dataclass

import numpy as np

from .covers import QUANTITIES, Cover

# Days to the harvest of covers that have none.
_NEVER = 900.0


@dataclass(frozen=True)
class Calendar:
    """Hold the drawn lives of N points: `covers.QUANTITIES` as (N,) arrays, dates moved to the point's climate."""

    values: dict[str, np.ndarray]
    cut_days: np.ndarray
    wetness: np.ndarray
    snow: np.ndarray

    def __getitem__(self, name: str) -> np.ndarray:
        """Return a quantity as a column, (N, 1), ready to meet days, (N, D)."""
        return self.values[name][:, None]

    def rows(self, block: slice) -> "Calendar":
        """Take the calendars of a block of points."""
        values = {name: column[block] for name, column in self.values.items()}
        return Calendar(values, self.cut_days[block], self.wetness[block], self.snow[block])


@dataclass(frozen=True)
class Standing:
    """Hold what stands on the ground on given days; every array is (N, D)."""

    lai: np.ndarray
    dead: np.ndarray
    flower: np.ndarray
    height: np.ndarray
    under_lai: np.ndarray
    under_dead: np.ndarray
    stubble: np.ndarray
    flood: np.ndarray
    wetness: np.ndarray
    snow: np.ndarray


def _rise(days: np.ndarray, middle: np.ndarray | float, pace: np.ndarray | float) -> np.ndarray:
    """Evaluate a logistic curve that passes one half on day `middle`."""
    return np.asarray(1 / (1 + np.exp(np.clip((middle - days) / pace, -30, 30))))


def draw_calendar(covers: list[Cover], chosen: np.ndarray, latitude: np.ndarray, rng: np.random.Generator) -> Calendar:
    """Draw the year of each of N points from its cover's ranges, its latitude in degrees and that year's weather.

    `chosen` (N,) has each point's index into the distinct `covers`.
    """
    num_points = len(chosen)
    position = rng.random((num_points, len(QUANTITIES)))
    ranges = np.array([[cover.ranges[name] for name in QUANTITIES] for cover in covers])
    low, high = ranges[chosen, :, 0], ranges[chosen, :, 1]
    drawn = low + position * (high - low)
    values = {name: drawn[:, column] for column, name in enumerate(QUANTITIES)}
    # Most fields stay nearly bare between crops, a few carry thick catch crops.
    for name in ("under_spring", "under_autumn"):
        thick = np.where(rng.random(num_points) < 0.3, 2.0, 1.0)
        values[name] = values[name] * thick * np.sqrt(rng.random(num_points))
    values["drought_day"] = rng.uniform(160, 235, num_points)
    values["drought_span"] = rng.uniform(22, 58, num_points)
    # Weather moves whole seasons by about a week from year to year, each stage by some days more.
    delay = np.array([cover.delay for cover in covers])[chosen]
    shift = delay * (latitude - 48) + rng.normal(0, 6, num_points)
    # Autumn comes earlier to the north for plants that live for years; crops ripen later.
    perennial = values["harvest"] >= _NEVER
    values["leaf_on"] = values["leaf_on"] + shift + rng.normal(0, 4, num_points)
    leaf_off = values["leaf_off"] + np.where(perennial, -0.6 * shift, shift) + rng.normal(0, 4, num_points)
    values["leaf_off"] = np.maximum(leaf_off, values["leaf_on"] + 30)
    first_cut = values["leaf_on"] + rng.uniform(25, 60, num_points)
    cut_days = first_cut[:, None] + np.cumsum(np.pad(rng.uniform(28, 55, (num_points, 4)), ((0, 0), (1, 0))), axis=1)
    return Calendar(values, cut_days, _draw_wetness(latitude, rng), _draw_snow(latitude, rng))


def _draw_wetness(latitude: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw soil moisture per month, (N, 12): wet winters, dry summers, drier towards the south."""
    season = 0.40 * np.cos(2 * np.pi * (np.arange(12) - 0.0) / 12)
    level = 0.34 + 0.015 * (latitude - 48) + rng.normal(0, 0.12, len(latitude))
    return np.clip(level[:, None] + season + rng.normal(0, 0.16, (len(latitude), 12)), 0, 1)


def _draw_snow(latitude: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw the share of ground under snow per month, (N, 12)."""
    coldness = np.clip((latitude - 44) / 18, 0, 1) ** 1.5 + 0.5 * (rng.random(len(latitude)) < 0.08)
    month = np.array([1.0, 0.9, 0.5, 0.15, 0, 0, 0, 0, 0, 0.05, 0.3, 0.75])
    lies = rng.random((len(latitude), 12)) < 0.45 * coldness[:, None] * month
    return np.where(lies, rng.uniform(0.1, 1.0, (len(latitude), 12)), 0.0)


def standing_at(calendar: Calendar, days: np.ndarray) -> Standing:
    """Evaluate what stands on each point on its days, (N, D)."""
    c = calendar
    months = np.clip((days - 1) * 12 // 365, 0, 11).astype(np.int64)
    harvest_day = c["leaf_off"] + c["harvest"]
    annual = c["harvest"] < _NEVER
    grown = _rise(days, c["leaf_on"], c["leaf_on_pace"])
    aged = _rise(days, c["leaf_off"], c["leaf_off_pace"])
    standing = np.where(annual, _rise(harvest_day, days, 0.7), 1.0)
    season = np.where(annual, grown, grown * (1 - aged))

    drought = c["drought"] * np.exp(-(((days - c["drought_day"]) / c["drought_span"]) ** 2))
    lai = (c["winter_lai"] + (c["lai"] - c["winter_lai"]) * season) * (1 - 0.6 * drought)
    spent = 1 - c["flush"] * _rise(days, c["leaf_on"] + 68, 10.0)
    lai = lai * spent * np.where(annual, 1 - c["drop"] * aged, 1.0) * standing * _after_cuts(c, days)
    yellowed = c["dead"] + (c["winter_dead"] - c["dead"]) * (1 - grown)
    dead_of_annual = yellowed + (1 - yellowed) * aged
    # Leaves turn before they fall: a short pulse around the fall of what is green only in season.
    turning = 0.6 * np.exp(-(((days - c["leaf_off"]) / 12) ** 2)) * (c["winter_dead"] > 0.7)
    dead_of_perennial = c["winter_dead"] + (c["dead"] - c["winter_dead"]) * season + turning
    dead = np.where(annual, dead_of_annual, dead_of_perennial)
    dead = np.clip(dead + (1 - dead) * drought, 0, 1)

    flower = c["flower"] * np.exp(-(((days - c["leaf_on"] - c["flower_day"]) / c["flower_span"]) ** 2)) * standing
    tall = np.where(annual, 0.05 + 0.95 * grown, 1.0)
    height = np.where(standing > 0.5, c["height"] * tall, 0.12 * annual)
    under_lai, under_dead = _undergrowth(c, days, harvest_day, annual, drought)
    since = days - harvest_day
    tilled = c["leaf_on"] - c["killed"]
    stubble = np.where(since > 0, c["stubble"] * _rise(c["tillage"], since, 2.0), 0.0) * annual
    stubble = stubble + c["bare_stubble"] * _rise(tilled, days, 3.0) * annual * (c["winter_lai"] < 0.2)
    flood = c["flood"] + c["paddy"] * _rise(days, c["leaf_on"] - 55, 3.0) * _rise(c["leaf_off"] - 20, days, 4.0)
    wetness, snow = (np.take_along_axis(field, months, axis=1) for field in (c.wetness, c.snow))
    wetness = np.where(annual & (flood > 0.3), 1.0, np.maximum(wetness, flood))
    return Standing(lai, dead, flower, height, under_lai, under_dead, stubble, np.clip(flood, 0, 1), wetness, snow)


def _after_cuts(calendar: Calendar, days: np.ndarray) -> np.ndarray:
    """Compute the share of leaf area left by mowing and grazing, which grows back within about a month."""
    left = np.ones(days.shape)
    for index in range(calendar.cut_days.shape[1]):
        since = days - calendar.cut_days[:, index : index + 1]
        happens = (since >= 0) & (index < np.round(calendar["cuts"]))
        left *= 1 - np.where(happens, calendar["cut_depth"] * np.exp(-np.maximum(since, 0) / 20), 0)
    return left


def _undergrowth(
    c: Calendar, days: np.ndarray, harvest_day: np.ndarray, annual: np.ndarray, drought: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Compute leaf area and dead share of weeds, catch crops, volunteers and of grass below or between the canopy."""
    spring = c["under_spring"] * (0.7 + 0.3 * _rise(days, 85.0, 12.0))
    spring = spring * _rise(c["leaf_on"] - c["killed"], days, 2.0)
    # Sprouts need moisture and warmth: they come up to full height within about two months.
    sprouted = harvest_day + c["under_delay"]
    autumn = c["under_autumn"] * _rise(days, sprouted, 8.0) * _rise(sprouted + c["under_stay"], days, 2.0)
    sown = c["next_crop"] * _rise(days, np.maximum(harvest_day + 35, 326), 12.0)
    autumn = np.maximum(autumn, sown) * annual
    all_year = c["under"] * (0.75 + 0.25 * np.sin(2 * np.pi * (days - 60) / 365)) * (1 - 0.4 * drought)
    total = spring + autumn + all_year
    fresh = (spring + autumn + 1e-6) / (total + 1e-6)
    dead = np.clip(c["under_dead"] + (1 - c["under_dead"]) * drought, 0, 1)
    return total, dead * (1 - 0.7 * fresh)
