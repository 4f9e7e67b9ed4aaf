"""Draw spectra of what is no green canopy: soils, stalks, stone, towns, water; and hold those of snow and petals.

What libraries have measured is drawn from its statistics in the table `measured_spectra`, what none has around one
spectrum of the table `spectra`: reflectance as a fraction of one at B02 B03 B04 B05 B06 B07 B08 B8A B11 B12.
"""

from dataclasses import dataclass

import numpy as np

from .reading import read_record, read_table

_SPECTRA = read_table("spectra")
ENDMEMBERS: dict[str, np.ndarray] = {name: np.array(values) for name, values in _SPECTRA["endmembers"].items()}
PETALS: dict[str, np.ndarray] = {name: np.array(values) for name, values in _SPECTRA["petals"].items()}
# What the ground of a cover is made of: weights of its materials.
GROUNDS: dict[str, dict[str, float]] = _SPECTRA["grounds"]
# What the ground "soil" is in a climate: kinds of ground, each with its share.
CLIMATE_SOILS: dict[str, dict[str, float]] = _SPECTRA["climate_soils"]
WETTED_GROUNDS: list[str] = _SPECTRA["wetted_grounds"]
WATERS: list[str] = _SPECTRA["waters"]
_WET_LOSS = np.array(_SPECTRA["wet_loss"])
_ROUGHNESS: tuple[float, float] = tuple(_SPECTRA["roughness"])


@dataclass(frozen=True)
class Material:
    """Hold statistics of measured spectra, of the logit of reflectance; the table says how they were made."""

    count: int
    sieved: bool
    mean: tuple[float, ...]
    components: tuple[tuple[float, ...], ...]
    rest: tuple[float, ...]

    def draw(self, num_points: int, rng: np.random.Generator) -> np.ndarray:
        """Draw spectra as they were measured, (num_points, 10)."""
        spread = np.concatenate([np.array(self.components), np.diag(self.rest)])
        return np.asarray(
            1 / (1 + np.exp(-np.array(self.mean) - rng.standard_normal((num_points, len(spread))) @ spread))
        )


MEASURED: dict[str, Material] = {
    name: read_record(Material, entry, name) for name, entry in read_table("measured_spectra")["materials"].items()
}


def wet(dry: np.ndarray, wetness: np.ndarray) -> np.ndarray:
    """Darken dry ground (..., 10) by its moisture (...), 0 dry to 1 saturated."""
    return np.asarray(dry * (1 - wetness[..., None] * _WET_LOSS))


def draw_material(name: str, num_points: int, rng: np.random.Generator) -> np.ndarray:
    """Draw spectra of a material as it lies in the field, of `MEASURED` or else `ENDMEMBERS`, (num_points, 10)."""
    if name in MEASURED:
        spectra = MEASURED[name].draw(num_points, rng)
        if MEASURED[name].sieved:
            spectra *= _ROUGHNESS[0] * np.exp(rng.normal(0, _ROUGHNESS[1], (num_points, 1)))
        return spectra
    brightness = np.exp(rng.normal(0, 0.16, (num_points, 1)))
    tilt = rng.normal(0, 0.06, (num_points, 1)) * np.linspace(-1, 1, len(ENDMEMBERS[name]))
    return np.asarray(ENDMEMBERS[name] * brightness * (1 + tilt))


def draw_soils(kinds: np.ndarray, climates: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Put for the ground "soil" a kind of soil of the climate it lies in; names of kinds and climates are (N,)."""
    kinds = kinds.astype(object)
    for climate, soils in CLIMATE_SOILS.items():
        here = (kinds == "soil") & (climates == climate)
        kinds[here] = rng.choice(list(soils), int(here.sum()), p=list(soils.values()))
    return kinds


def draw_mixture(kind: str, num_points: int, rng: np.random.Generator) -> np.ndarray:
    """Draw ground spectra of a kind listed in `GROUNDS`, (num_points, 10)."""
    recipe = GROUNDS[kind]
    shares = rng.dirichlet(tuple(recipe.values()), num_points)
    spectra = np.zeros((num_points, len(_WET_LOSS)))
    for share, name in zip(shares.T, recipe, strict=True):
        spectra += share[:, None] * draw_material(name, num_points, rng)
    return spectra
