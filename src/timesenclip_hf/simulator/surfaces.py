"""Spread the spectra of what is not a green canopy: soils, stalks, stone, town, water, snow, petals.

Reflectance as a fraction of one at B02 B03 B04 B05 B06 B07 B08 B8A B11 B12, from the table `spectra`.
"""

import numpy as np

from .reading import read_table

_TABLE = read_table("spectra")
ENDMEMBERS: dict[str, np.ndarray] = {name: np.array(values) for name, values in _TABLE["endmembers"].items()}
PETALS: dict[str, np.ndarray] = {name: np.array(values) for name, values in _TABLE["petals"].items()}
# What the ground of a cover is made of: weights of its endmembers.
GROUNDS: dict[str, dict[str, float]] = _TABLE["grounds"]
WETTED_GROUNDS: list[str] = _TABLE["wetted_grounds"]
WATERS: list[str] = _TABLE["waters"]
_WET_LOSS = np.array(_TABLE["wet_loss"])


def wet(dry: np.ndarray, wetness: np.ndarray) -> np.ndarray:
    """Darken dry ground (..., 10) by its moisture (...), 0 dry to 1 saturated."""
    return np.asarray(dry * (1 - wetness[..., None] * _WET_LOSS))


def draw_mixture(kind: str, num_points: int, rng: np.random.Generator) -> np.ndarray:
    """Draw ground spectra of a kind listed in `GROUNDS`, (num_points, 10)."""
    recipe = GROUNDS[kind]
    shares = rng.dirichlet(tuple(recipe.values()), num_points)
    spectra = shares @ np.stack([ENDMEMBERS[name] for name in recipe])
    brightness = np.exp(rng.normal(0, 0.16, (num_points, 1)))
    tilt = rng.normal(0, 0.06, (num_points, 1)) * np.linspace(-1, 1, spectra.shape[1])
    return np.asarray(spectra * brightness * (1 + tilt))
