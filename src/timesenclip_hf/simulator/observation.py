"""Observe the simulated ground as a satellite does: clear days, mixed pixels, haze, cloud, shadow, monthly medians.

Strengths and frequencies are our approximations of what is left in atmospherically corrected Sentinel-2
products after cloud masking.
"""

import numpy as np

from .canopy import NUM_BANDS
from .reading import read_table

NUM_MONTHS = 12
_20_M_BANDS = [3, 4, 5, 7, 8, 9]
_TABLE = read_table("bands")
_WAVELENGTH = np.array(_TABLE["wavelength"])
_CLOUD = np.array(_TABLE["cloud"], dtype=np.float32)
# Spread of each band's level from series to series. B08 is broad: its relation to its narrow neighbours differs the
# most between products, dates of processing and covers.
_BAND_SPREAD = np.array([0.06, 0.05, 0.05, 0.06, 0.05, 0.05, 0.08, 0.06, 0.06, 0.07], dtype=np.float32)
# Points observed at once, to bound memory; part of what a seed means.
_BLOCK = 512


def draw_acquisitions(clearness: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw the number of clear acquisitions per month, 0 to 3, by their chance (N, 12); some long gaps."""
    num_points = len(clearness)
    acquisitions = rng.binomial(3, np.clip(clearness, 0.18, 0.95))
    start, length = rng.integers(0, 12, num_points), rng.integers(1, 5, num_points)
    offset = (np.arange(NUM_MONTHS) - start[:, None]) % 12
    gap = (offset < length[:, None]) & (rng.random((num_points, 1)) < 0.2)
    acquisitions[gap] = 0
    # Four months seen at the least: fewer than that is no series to learn from.
    blind = (acquisitions > 0).sum(axis=1) < 4
    clearest = np.argsort(np.argsort(-clearness, axis=1), axis=1) < NUM_MONTHS // 2
    acquisitions[blind] = np.maximum(acquisitions[blind], clearest[blind])
    return np.asarray(acquisitions)


def composite_days(acquisitions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw the day that each monthly composite stands for; the fewer acquisitions, the further from mid-month."""
    middle = (np.arange(NUM_MONTHS) + 0.5) * 365 / 12
    spread = 9 / np.sqrt(np.maximum(acquisitions, 1))
    return np.asarray(middle + np.clip(rng.normal(0, 1, acquisitions.shape) * spread, -15, 15))


def mix_with_neighbours(series: np.ndarray, patchy: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Let a share of the pixels hold a part of another point's cover, (N, 12, 10); of patchy covers (N,) most do."""
    num_points = len(series)
    mixed = rng.random(num_points) < np.where(patchy, 0.8, 0.3)
    share = np.where(mixed, rng.uniform(0.03, 0.35, num_points), 0)[:, None, None] * np.ones(NUM_BANDS)
    # A pixel of the 20 m bands reaches beyond the 10 m pixel that it is laid over.
    share[:, :, _20_M_BANDS] += (mixed * rng.uniform(0, 0.25, num_points))[:, None, None]
    share = share.astype(np.float32)
    return np.asarray(series * (1 - share) + series[rng.permutation(num_points)] * share)


def observe(series: np.ndarray, acquisitions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add what atmosphere and sensor do to each acquisition and take each month's median, (N, 12, 10).

    Of reflectance at the ground (N, 12, 10) float32, and numbers of clear acquisitions (N, 12): none gives NaN.
    """
    blocks = [slice(start, start + _BLOCK) for start in range(0, len(series), _BLOCK)]
    return np.concatenate([_observe_block(series[block], acquisitions[block], rng) for block in blocks])


def _observe_block(series: np.ndarray, acquisitions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    num_points = len(series)
    shape = (*acquisitions.shape, 3, 1)

    def noise(size: tuple[int, ...], spread: float) -> np.ndarray:
        return np.asarray(rng.standard_normal(size, dtype=np.float32) * np.float32(spread))

    # Aerosol left by the correction: bluish; a part of its strength is shared by the months of a point.
    hazy = rng.gamma(1.0, 0.012, (num_points, 1, 1, 1)) + rng.gamma(0.6, 0.02, shape)
    veil = np.clip(hazy * (490 / _WAVELENGTH) ** 1.6, 0, 0.6).astype(np.float32)
    kind = rng.random(shape)
    cloud = np.where(kind < 0.1, rng.uniform(0.02, 0.25, shape), 0)
    # Where no scene classes are, or they fail, a share of the acquisitions is cloud: of most points next to none, of
    # some a third and more.
    missed = np.where(rng.random(num_points) < 0.3, rng.beta(0.8, 3.0, num_points), 0.01)[:, None, None, None]
    opaque = rng.random(shape) < missed
    cloud = np.where(opaque, rng.uniform(0.15, 1.0, shape), cloud).astype(np.float32)
    brightness = (np.exp(noise(shape, 0.25)) * np.where(opaque, 1.2, 1.0)).astype(np.float32)
    shadow = np.where(rng.random(shape) < 0.06, rng.uniform(0.1, 0.55, shape), 0)

    light = (np.exp(noise(shape, 0.05)) * (1 - shadow)).astype(np.float32)
    seen = series[:, :, None] * light * (1 - veil) + np.float32(0.42) * veil
    seen = seen * (1 - cloud) + _CLOUD * brightness * cloud
    seen = seen * (1 + noise(seen.shape, 0.03)) + noise(seen.shape, 0.004)
    # View angle, terrain, calibration, and all that the canopy model gets wrong act on a whole series alike:
    # without this spread a model learns relations between bands that only the simulator keeps.
    seen *= np.exp(noise((num_points, 1, 1, 1), 0.06)) * (1 + noise((num_points, 1, 1, NUM_BANDS), 1.0) * _BAND_SPREAD)
    first, second, third = seen[:, :, 0], seen[:, :, 1], seen[:, :, 2]
    median = np.maximum(np.minimum(first, second), np.minimum(np.maximum(first, second), third))
    count = acquisitions[..., None]
    composite = np.where(count == 1, first, np.where(count == 2, (first + second) / 2, median))
    return np.where(count == 0, np.float32(np.nan), np.clip(composite, 0.0005, 1.2))
