"""Compute what simulated points reflect on any day: leaves, canopies, ground, water, flowers and snow."""

from dataclasses import dataclass

import numpy as np

from .canopy import NUM_BANDS, canopy_reflectance, leaf_optics
from .climates import CLIMATE_NAMES
from .covers import Cover
from .grounds import ENDMEMBERS, GROUNDS, PETALS, WATERS, WETTED_GROUNDS, draw_material, draw_mixture, draw_soils, wet
from .phenology import Calendar, Standing, standing_at

# Leaf area hides the ground as exp(-k LAI) at nadir for leaves at all angles.
_HIDING = 0.6


@dataclass(frozen=True)
class Optics:
    """Hold the fixed optical properties of N points.

    Leaves are reflectance and transmittance, (N, 2, 10), other spectra (N, 10), the rest (N,).

    Attributes:
        green_leaf: of the main canopy.
        under_leaf: of what grows below or between it.
        dead_leaf: withered, of either.
        petals: of the flowers.
        dry_ground: without water.
        stalks: dry, of stubble.
        wets: 1 where the ground darkens when wet, 0 where not.
        water: what floods a point.
        under_angle: mean leaf inclination below, in degrees.
    """

    green_leaf: np.ndarray
    under_leaf: np.ndarray
    dead_leaf: np.ndarray
    petals: np.ndarray
    dry_ground: np.ndarray
    stalks: np.ndarray
    wets: np.ndarray
    water: np.ndarray
    under_angle: np.ndarray

    def rows(self, block: slice) -> "Optics":
        """Take the optics of a block of points."""
        return Optics(**{name: values[block] for name, values in vars(self).items()})


def hidden_share(lai: np.ndarray) -> np.ndarray:
    """Compute the share of the ground that leaf area hides from above."""
    return np.asarray(1 - np.exp(-_HIDING * lai))


def draw_optics(
    covers: list[Cover], chosen: np.ndarray, climate_index: np.ndarray, calendar: Calendar, rng: np.random.Generator
) -> Optics:
    """Draw the optical properties of N points.

    Args:
        covers: the distinct ways of life.
        chosen: each point's index into them, (N,).
        climate_index: each point's index into `CLIMATE_NAMES`, (N,).
        calendar: the points' years.
        rng: what draws.
    """
    num_points = len(chosen)
    v = calendar.values

    def draw(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, num_points)

    chlorophyll, carotenoids, brown = v["chlorophyll"], v["chlorophyll"] * draw(0.16, 0.26), draw(0, 0.06)
    green = leaf_optics(v["layers"], chlorophyll, carotenoids, brown, v["leaf_water"], v["dry_matter"])
    under_ranges = ((1.3, 1.8), (24, 46), (5, 10), (0, 0.12), (0.011, 0.025), (0.004, 0.007))
    under = leaf_optics(*(draw(low, high) for low, high in under_ranges))
    dead = leaf_optics(draw(1.5, 2.3), draw(0, 5), draw(0.5, 4), v["dead_brown"], v["dead_water"], draw(0.005, 0.012))
    dry_ground = np.empty((num_points, NUM_BANDS))
    kinds = draw_soils(
        np.array([cover.ground for cover in covers])[chosen], np.array(CLIMATE_NAMES)[climate_index], rng
    )
    for kind in GROUNDS:
        here = kinds == kind
        dry_ground[here] = draw_mixture(kind, int(here.sum()), rng)
    water = rng.dirichlet((1.0, 0.8, 0.8), num_points) @ np.stack([ENDMEMBERS[name] for name in WATERS])
    return Optics(
        green_leaf=np.stack(green, axis=1),
        under_leaf=np.stack(under, axis=1),
        dead_leaf=np.stack(dead, axis=1),
        petals=np.stack([PETALS[cover.petals] for cover in covers])[chosen],
        dry_ground=dry_ground,
        stalks=draw_material("straw", num_points, rng),
        wets=np.isin(kinds, WETTED_GROUNDS).astype(np.float64),
        water=water * np.exp(rng.normal(0, 0.15, (num_points, 1))),
        under_angle=draw(48, 66),
    )


def _sun_zenith(latitude: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Compute the sun's zenith in degrees at Sentinel-2's overpass, an hour and a half before noon, (N, D)."""
    declination = np.radians(23.44) * np.sin(2 * np.pi * (days - 81) / 365)
    north = np.radians(latitude)[:, None]
    cosine = np.sin(north) * np.sin(declination) + np.cos(north) * np.cos(declination) * np.cos(np.radians(22.5))
    return np.asarray(np.degrees(np.arccos(np.clip(cosine, np.cos(np.radians(76)), 1))))


def visible_ground(optics: Optics, standing: Standing) -> np.ndarray:
    """Mix soil, stalks and water as they lie below all leaves, (N, D, 10)."""
    moisture = standing.wetness * optics.wets[:, None]
    ground = wet(optics.dry_ground[:, None], moisture)
    stubble = np.clip(standing.stubble, 0, 1)[..., None]
    ground = ground * (1 - stubble) + wet(optics.stalks[:, None], 0.7 * moisture) * stubble
    flood = standing.flood[..., None]
    return np.asarray(ground * (1 - flood) + optics.water[:, None] * flood)


def _withering(leaf: np.ndarray, dead_leaf: np.ndarray, dead: np.ndarray, wetness: np.ndarray) -> np.ndarray:
    """Mix green leaves (N, 2, 10) and a share (N, D) of wet dead ones, (N, D, 2, 10)."""
    share = dead[..., None, None]
    return np.asarray(leaf[:, None] * (1 - share) + wet(dead_leaf[:, None], 0.7 * wetness[..., None]) * share)


def _canopy(
    leaves: np.ndarray, lai: np.ndarray, angle: np.ndarray, size: np.ndarray, sun: np.ndarray, background: np.ndarray
) -> np.ndarray:
    """Compute the reflectance of canopies over a background (N, D, 10); angles and sizes of leaves are (N,)."""
    r, t, below = (spectra.reshape(-1, NUM_BANDS) for spectra in (leaves[:, :, 0], leaves[:, :, 1], background))
    angles, sizes = (np.broadcast_to(value[:, None], lai.shape).ravel() for value in (angle, size))
    return canopy_reflectance(r, t, lai.ravel(), angles, sizes, sun.ravel(), below).reshape(background.shape)


def reflectance(calendar: Calendar, optics: Optics, days: np.ndarray, latitude: np.ndarray) -> np.ndarray:
    """Compute the reflectance of N points on their days of the year (N, D) without atmosphere or noise, (N, D, 10).

    Latitudes are in degrees north, (N,).
    """
    v = calendar.values
    standing = standing_at(calendar, days)
    sun = _sun_zenith(latitude, days)
    under = _withering(optics.under_leaf, optics.dead_leaf, standing.under_dead, standing.wetness)
    size = np.full(len(latitude), 0.2)
    below = _canopy(under, standing.under_lai, optics.under_angle, size, sun, visible_ground(optics, standing))
    leaves = _withering(optics.green_leaf, optics.dead_leaf, standing.dead, standing.wetness)
    crown = _canopy(leaves, standing.lai, v["leaf_angle"], v["leaf_size"], sun, below)
    blossom = (standing.flower * hidden_share(standing.lai))[..., None]
    crown = crown * (1 - blossom) + optics.petals[:, None] * blossom
    cover = v["cover"][:, None, None]
    pixel = crown * cover + below * (1 - cover)
    # Shadows lengthen with the sun's zenith; 45 degrees is the reference at which `shade` is given.
    pixel = pixel * (1 - np.clip(v["shade"][:, None] * sun / 45, 0, 0.7))[..., None]
    # Snow falls through crowns: trees hide most of it, and cast shadow on the rest.
    through = np.where(standing.height > 4, 0.8 * (1 - 0.8 * cover[..., 0] * hidden_share(standing.lai)), 1.0)
    white = (standing.snow * through)[..., None]
    return np.asarray(pixel * (1 - white) + ENDMEMBERS["snow"] * white)
