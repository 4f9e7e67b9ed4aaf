"""Simulate small cubes: fields, a town, woods and a lake, with clouds. No real pixel enters."""

from collections.abc import Mapping

import numpy as np

from ..extras import needs_extra
from ..models.timesenclip.bands_timesenclip import BANDS
from ..models.timesenclip.compositing_timesenclip import MONTHS_PER_YEAR
from ..models.timesenclip.units_timesenclip import DN_PER_REFLECTANCE
from ..simulator import simulate
from ..simulator.climates import EUROPE

with needs_extra("map"):
    import xarray as xr

    from ..maps.cubes.reading import assemble_cube

SIDE = 64
FIELDS = 48
YEAR = 2018
NO_DATA = 65535
# Covers of each landscape's fields with their shares.
LANDSCAPES: dict[str, Mapping[str, float]] = {
    "Farmland": {"wheat": 3, "maize": 3, "rapeseed": 2, "sunflower": 1, "grassland": 2, "broadleaved woodland": 1.5},
    "Wine country": {"vineyard": 4, "olive grove": 1, "wheat": 1.5, "sunflower": 2, "pine woodland": 2, "grassland": 1},
}
EXAMPLES = tuple(f"{name}, {SIDE} × {SIDE} pixels" for name in LANDSCAPES)
# Months with a clear observation that a point must have to lend its year to a field; the others are interpolated.
WELL_SEEN = 9
# Standard deviations of brightness within a field, shared by the bands and of each band, and the share of a pixel's
# light that comes from its four neighbours: our approximations.
BRIGHTNESS, NOISE, NEIGHBOURS = 0.05, 0.015, 0.3


def example_cube(name: str) -> xr.Dataset:
    """Simulate one of `EXAMPLES`, as [`open_cube`] returns it.

    Raises:
        ValueError: there is none of this name.
    """
    if name not in EXAMPLES:
        raise ValueError(f"There is no example {name!r}: choose one of {'; '.join(EXAMPLES)}.")
    index = EXAMPLES.index(name)
    return simulate_cube([*LANDSCAPES.values()][index], seed=YEAR + index)


def simulate_cube(covers: Mapping[str, float], *, seed: int, side: int = SIDE) -> xr.Dataset:
    """Simulate a square cube of monthly composites in digital numbers: fields by their shares, a lake and a town."""
    return simulate_land(covers, seed=seed, side=side)[0]


def simulate_land(
    covers: Mapping[str, float], *, seed: int, side: int = SIDE, fields: int = FIELDS
) -> tuple[xr.Dataset, np.ndarray]:
    """Simulate a cube as [`simulate_cube`] does, of so many fields; return the cover of each pixel (side, side) too."""
    rng = np.random.default_rng(seed)
    parcels = _parcels(side, fields, rng)
    shares = np.asarray(list(covers.values()))
    grown = rng.choice(list(covers), size=fields, p=shares / shares.sum())
    years = np.concatenate([_years(grown.tolist(), rng), _years(["lake", "buildings"], rng)])
    years = years[parcels]
    common = 1 + BRIGHTNESS * rng.standard_normal((side, side, 1, 1))
    years = _blurred(years * common * (1 + NOISE * rng.standard_normal(years.shape)))
    numbers = np.rint(np.clip(years, 0.0001, 1.2) * DN_PER_REFLECTANCE).astype(np.uint16)
    numbers[_clouds(side, rng)] = NO_DATA
    # A position of no meaning in UTM zone 31 north, pixels of 10 m.
    metres = 10.0 * (np.arange(side) + 0.5)
    dates = np.array([f"{YEAR}-{month + 1:02d}-15" for month in range(MONTHS_PER_YEAR)], dtype="datetime64[ns]")
    coords = {"time": dates, "band": list(BANDS), "y": 5_600_000 - metres, "x": 500_000 + metres}
    # Reflectance without an offset, as products before baseline 04.00 have it.
    unknown = np.full(MONTHS_PER_YEAR, np.nan)
    cube = assemble_cube(numbers.transpose(2, 3, 0, 1), None, coords, unknown, NO_DATA, "EPSG:32631")
    return cube, np.asarray([*grown, "lake", "buildings"])[parcels]


def _parcels(side: int, fields: int, rng: np.random.Generator) -> np.ndarray:
    """Lay out numbered fields (side, side); the number after the last is the lake and the next the town."""
    y, x = np.mgrid[:side, :side] / side
    turn = rng.uniform(0.2, 0.6)
    # Along and across the lie of the land, so that fields are longer than wide.
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    middles = rng.uniform((-0.1, -0.6), (1.4, 1.0), (4 * fields, 2))
    inside = [m for m in middles if 0 <= m[0] * np.cos(turn) - m[1] * np.sin(turn) <= 1][:fields]
    distance = [np.abs(along - a) * 0.6 + np.abs(across - b) for a, b in inside]
    parcels = np.argmin(distance, axis=0)
    lake = ((x - 0.75) / 0.17) ** 2 + ((y - 0.27) / 0.12) ** 2 < 1 + 0.3 * np.sin(9 * x + 5 * y)
    town = (np.abs(along - 0.42) < 0.17) & (np.abs(across - 0.42) < 0.1)
    return np.where(lake, fields, np.where(town, fields + 1, parcels))


def _years(covers: list[str], rng: np.random.Generator) -> np.ndarray:
    """Simulate for each cover the year of a point, (N, 12, band), its gaps interpolated."""
    years = np.empty((len(covers), MONTHS_PER_YEAR, len(BANDS)), dtype=np.float32)
    for cover in dict.fromkeys(covers):
        here = [index for index, name in enumerate(covers) if name == cover]
        seed = int(rng.integers(2**31))
        series = simulate(8 * len(here) + 24, seed=seed, classes=[cover], climates=EUROPE).series
        seen = ~np.isnan(series[:, :, 0])
        years[here] = [_filled(year) for year in series[seen.sum(axis=1) >= WELL_SEEN][: len(here)]]
    return years


def _filled(year: np.ndarray) -> np.ndarray:
    nir, narrow = BANDS.index("B08"), BANDS.index("B8A")
    year = np.where(np.isnan(year) & (np.arange(len(BANDS)) == narrow), year[:, [nir]], year)
    seen = np.flatnonzero(~np.isnan(year).any(axis=1))
    months = np.arange(MONTHS_PER_YEAR)
    return np.stack([np.interp(months, seen, band[seen], period=MONTHS_PER_YEAR) for band in year.T], axis=1)


def _blurred(years: np.ndarray) -> np.ndarray:
    padded = np.pad(years, ((1, 1), (1, 1), (0, 0), (0, 0)), mode="edge")
    around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    return np.asarray((1 - NEIGHBOURS) * years + NEIGHBOURS / 4 * around)


def _clouds(side: int, rng: np.random.Generator) -> np.ndarray:
    """Draw clouds (side, side, 12): a month or two wholly hidden, others in part, and a strip never seen."""
    y, x = np.mgrid[:side, :side] / side
    hidden = np.zeros((side, side, MONTHS_PER_YEAR), dtype=bool)
    hidden[..., rng.choice([0, 1, 10, 11], 2, replace=False)] = True
    for month in rng.choice(np.arange(1, 11), 5, replace=False):
        b, a, reach = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.2, 0.45)
        hidden[..., month] |= (x - a) ** 2 + (y - b) ** 2 < reach**2
    hidden[x - y > 1 - 5 / side] = True
    return hidden
