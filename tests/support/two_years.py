"""Simulate the same land in two years, and the same year under other clouds, as cubes on a grid.

`simulate` draws a year and how it is observed at once; here its parts are called one by one, so that a year can be
observed twice, and a pixel can have another cover in the second.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from tests.support.small_cubes import CRS, grid
from timesenclip_hf.maps import MapOptions, MapRun, open_cube
from timesenclip_hf.simulator import CLASS_NAMES
from timesenclip_hf.simulator import points as simulated
from timesenclip_hf.simulator.canopy import NUM_BANDS
from timesenclip_hf.simulator.climates import CLIMATE_NAMES, Weather, draw_weather
from timesenclip_hf.simulator.covers import Cover
from timesenclip_hf.simulator.observation import composite_days, draw_acquisitions, mix_with_neighbours, observe
from timesenclip_hf.simulator.optics import Optics, draw_optics, reflectance
from timesenclip_hf.simulator.phenology import Calendar, draw_calendar

# Of the simulator's reflectance, in its order.
BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
# Digital numbers of no data, which reflectance in ten thousandths never has.
NODATA = 0
CLIMATE = "temperate"
# Covers that people tell apart on a map of land.
COVERS = ("wheat", "maize", "rapeseed", "grassland", "broadleaved woodland", "spruce woodland", "buildings", "lake")


@dataclass(frozen=True)
class Year:
    """Hold what happens on the ground of N points in a year, before anything is observed."""

    class_index: np.ndarray
    latitude: np.ndarray
    weather: Weather
    calendar: Calendar
    optics: Optics


def draw_year(class_index: np.ndarray, seed: int, latitude: np.ndarray | None = None) -> Year:
    """Draw the lives of points of these classes (N,) in one climate, at these latitudes or at ones that suit them."""
    rng = np.random.default_rng(seed)
    covers, chosen = _draw_ways(class_index, rng)
    climate_index = np.full(len(class_index), CLIMATE_NAMES.index(CLIMATE))
    if latitude is None:
        latitude = rng.uniform(*simulated._latitudes(covers, chosen, climate_index))
    weather = draw_weather(climate_index, latitude, rng)
    calendar = draw_calendar(covers, chosen, latitude, weather, rng)
    return Year(class_index, latitude, weather, calendar, draw_optics(covers, chosen, climate_index, calendar, rng))


def _draw_ways(class_index: np.ndarray, rng: np.random.Generator) -> tuple[list[Cover], np.ndarray]:
    """Draw for each point one of its class's ways of life: all ways there are, and each point's index."""
    position, chosen = rng.random(len(class_index)), np.empty(len(class_index), dtype=np.int64)
    covers: list[Cover] = []
    for index in np.unique(class_index):
        weights, ways, _ = zip(*simulated._lives_in(CLASS_NAMES[index], (CLIMATE,)), strict=True)
        here = class_index == index
        drawn = np.searchsorted(np.cumsum(weights)[:-1] / sum(weights), position[here], side="right")
        chosen[here] = len(covers) + drawn
        covers.extend(ways)
    return covers, chosen


def observe_year(year: Year, seed: int, mixing: int = 0) -> np.ndarray:
    """Observe a year (N, 12, 10): clouds, haze, noise and the days of images by the seed, mixed pixels by their own."""
    rng = np.random.default_rng(seed)
    acquisitions = draw_acquisitions(year.weather.clearness, rng)
    days = composite_days(acquisitions, rng)
    clean = np.empty((len(days), 12, NUM_BANDS), dtype=np.float32)
    for start in range(0, len(days), simulated._BLOCK):
        block = slice(start, start + simulated._BLOCK)
        clean[block] = reflectance(
            year.calendar.rows(block), year.optics.rows(block), days[block], year.latitude[block]
        )
    patchy = np.isin(year.class_index, simulated._PATCHY)
    return observe(mix_with_neighbours(clean, patchy, np.random.default_rng(mixing)), acquisitions, rng)


def as_cube(series: np.ndarray, height: int, year: int) -> xr.Dataset:
    """Lay series (N, 12, 10) on a grid of so many rows, as digital numbers of monthly composites."""
    width = len(series) // height
    numbers = np.where(np.isnan(series), NODATA, np.rint(series * 10_000).clip(1, 65_535)).astype(np.uint16)
    bands = numbers.reshape(height, width, 12, NUM_BANDS).transpose(3, 2, 0, 1)
    times = np.array([f"{year}-{month:02d}-15" for month in range(1, 13)], dtype="datetime64[ns]")
    variables = {
        band: (("time", "y", "x"), values, {"_FillValue": NODATA}) for band, values in zip(BANDS, bands, strict=True)
    }
    return xr.Dataset(variables, coords={"time": times, **grid(height, width)}).rio.write_crs(CRS)


def patchy_change(height: int, width: int, share: float, seed: int, side: int = 4) -> np.ndarray:
    """Choose squares of changed pixels (height, width) bool, about so large a share of them."""
    rows, columns = -(-height // side), -(-width // side)
    squares = np.random.default_rng(seed).random((rows, columns)) < share
    return np.kron(squares, np.ones((side, side), bool))[:height, :width]


def two_years(height: int, width: int, share: float = 0.1, seed: int = 0, side: int = 4) -> tuple[np.ndarray, ...]:
    """Draw the classes of two years (height, width) by squares of a side, and which pixels changed, of a share."""
    rng = np.random.default_rng(seed)
    known = np.array([CLASS_NAMES.index(name) for name in COVERS])
    rows, columns = -(-height // side), -(-width // side)
    before = rng.choice(len(known), (rows, columns))
    after = (before + rng.integers(1, len(known), before.shape)) % len(known)
    first, second = (np.kron(each, np.ones((side, side), int))[:height, :width] for each in (before, after))
    changed = patchy_change(height, width, share, seed + 1, side)
    return known[first], known[np.where(changed, second, first)], changed


def run_of(series: np.ndarray, height: int, year: int, store: Path, **options) -> Path:
    """Map a year with its embeddings kept; return the folder of the run."""
    cube = open_cube(as_cube(series, height, year))
    kept = MapOptions(embeddings=options.pop("embeddings", "int8"))
    MapRun(cube, store, list(COVERS), options=kept, **options).execute(progress=False)
    return store
