"""Evaluate calendars of the simulated covers: what stands on the ground on any day of the year.

Days of the tables are days of the year at 48 degrees north in an average year. Every place has a clock of its own that
brings its days there: by date, every degree further from the equator delays them by `Cover.delay` days, and six months
south of it; by season, the place's growing season begins where that of 48 degrees north does. Where seasons come twice
a year, the clock runs through its year twice. The covers and their quantities are in `covers`.
"""

from dataclasses import dataclass

import numpy as np

from .climates import DAYS, Weather
from .covers import QUANTITIES, Cover

# The growing season at 48 degrees north: its first and its last day.
_SEASON_START, _SEASON_END = 75.0, 320.0
# Where the clock of places with two seasons begins: their years are too short to begin in January.
_SHORT_YEAR_START = 50.0
# Days to the harvest of covers that have none.
_NEVER = 900.0


@dataclass(frozen=True)
class Calendar:
    """Hold the drawn lives of N points: `covers.QUANTITIES` as (N,) arrays, and each point's clock and weather.

    A clock shows `clock_start` on the day of the year `clock_origin`, and starts again after `clock_period` days.
    """

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


def draw_calendar(
    covers: list[Cover], chosen: np.ndarray, latitude: np.ndarray, weather: Weather, rng: np.random.Generator
) -> Calendar:
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
    clocks = np.array([cover.clock for cover in covers])[chosen]
    by_season = clocks != "date"
    values |= _draw_drought(by_season, weather, rng)
    # Weather moves whole seasons by about a week from year to year, each stage by some days more.
    delay = np.array([cover.delay for cover in covers])[chosen]
    shift = np.where(by_season, 0, delay * (np.abs(latitude) - 48)) + rng.normal(0, 6, num_points)
    # Autumn comes earlier to the north for plants that live for years; crops ripen later.
    perennial = values["harvest"] >= _NEVER
    last = np.where(by_season, _SEASON_START + weather.season_length - _SEASON_END, -0.6 * shift)
    # Crops ripen earlier where the season ends early.
    ripening = shift + np.where(by_season, 0.25 * np.clip(weather.season_length - 150, -60, 60), 0)
    values["leaf_on"] = values["leaf_on"] + shift + rng.normal(0, 4, num_points)
    leaf_off = values["leaf_off"] + np.where(perennial, last, ripening) + rng.normal(0, 4, num_points)
    values["leaf_off"] = np.maximum(leaf_off, values["leaf_on"] + 30)
    # Where plants never stop growing, those that live for years have no winter.
    endless = by_season & perennial & (weather.season_length > 330)
    values["leaf_on"] = np.where(endless, -_NEVER, values["leaf_on"])
    values["leaf_off"] = np.where(endless, _NEVER, values["leaf_off"])
    first_cut = np.where(endless, 40, values["leaf_on"]) + rng.uniform(25, 60, num_points)
    cut_days = first_cut[:, None] + np.cumsum(np.pad(rng.uniform(28, 55, (num_points, 4)), ((0, 0), (1, 0))), axis=1)
    clock = _draw_clock(clocks, latitude, weather)
    return Calendar(values | clock, cut_days, weather.wetness, weather.snow)


def _draw_drought(by_season: np.ndarray, weather: Weather, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw when leaves wither for want of water: at midsummer, or outside the season where there is no other clock."""
    num_points = len(by_season)
    return {
        "drought_day": rng.uniform(160, 235, num_points),
        "drought_span": rng.uniform(22, 58, num_points),
        "season_end": np.where(
            by_season, _SEASON_START + weather.season_length + rng.uniform(0, 30, num_points), np.nan
        ),
    }


def _draw_clock(clocks: np.ndarray, latitude: np.ndarray, weather: Weather) -> dict[str, np.ndarray]:
    """Set the clocks of N points."""
    by_season = clocks != "date"
    twice = by_season & (weather.season_period < DAYS) | (clocks == "twice")
    period = np.where(weather.season_period < DAYS, weather.season_period, DAYS / 2)
    start = np.where(twice, _SHORT_YEAR_START, 0.0)
    by_date = np.where(latitude < 0, DAYS / 2, 0.0)
    origin = np.where(by_season, weather.season_start - (_SEASON_START - start), by_date)
    return {"clock_start": start, "clock_origin": origin, "clock_period": np.where(twice, period, DAYS)}


def local_days(calendar: Calendar, days: np.ndarray) -> np.ndarray:
    """Read the points' clocks on days of the year, (N, D)."""
    c = calendar
    return np.asarray(c["clock_start"] + (days - c["clock_origin"]) % DAYS % c["clock_period"])


def days_of(calendar: Calendar, local: np.ndarray) -> np.ndarray:
    """Return days of the year, 0 to 365, on which the points' clocks show `local`, (N, D)."""
    return np.asarray((local - calendar["clock_start"] + calendar["clock_origin"]) % DAYS)


def _drought(c: Calendar, days: np.ndarray) -> np.ndarray:
    """Compute the share of leaves withered for want of water, (N, D)."""
    midsummer = np.exp(-(((days - c["drought_day"]) / c["drought_span"]) ** 2))
    season = _rise(days, _SEASON_START - 5, 7.0) * _rise(np.nan_to_num(c["season_end"]), days, 10.0)
    return np.asarray(c["drought"] * np.where(np.isnan(c["season_end"]), midsummer, 1 - season))


def standing_at(calendar: Calendar, days: np.ndarray) -> Standing:
    """Evaluate what stands on each point on days of the year, (N, D)."""
    c = calendar
    months = np.clip((days - 1) * 12 // DAYS, 0, 11).astype(np.int64)
    days = local_days(calendar, days)
    harvest_day = c["leaf_off"] + c["harvest"]
    annual = c["harvest"] < _NEVER
    grown = _rise(days, c["leaf_on"], c["leaf_on_pace"])
    aged = _rise(days, c["leaf_off"], c["leaf_off_pace"])
    standing = np.where(annual, _rise(harvest_day, days, 0.7), 1.0)
    season = np.where(annual, grown, grown * (1 - aged))

    drought = _drought(c, days)
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
