"""Draw Sentinel-2 RGB patches around simulated points: what lies at the point, as its year says, and around it.

The colour of the point's own cover is its own reflectance in one clear month of the growing season; its neighbours'
colours are those of other simulated points in the same month. What is drawn is the pattern: parcels with straight
edges, crowns and rides, roofs and streets, shores. No real pixel enters.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from ..models.senclip.image_processing_senclip import to_eight_bit
from .classes import CLASS_NAMES, SIMULATED_CLASSES
from .patterns import NUMBERS, Field, Ground, clip, line
from .points import SimulatedPoints, simulate
from .reading import read_record, read_table

# Side of a patch in pixels of 10 m, EuroSAT's.
PATCH_SIZE = 64
# Indices in `series` of B04, B03, B02.
_RGB = [2, 1, 0]
# May to September, and six months later in the south: the months from which a patch takes its colours, as most ground
# photos are taken then.
_SEASON = np.isin(np.arange(12), [4, 5, 6, 7, 8])
# An acquisition this much brighter in blue than the point's median is haze or cloud that its mask has missed.
_HAZE = 1.6
# Blue reflectance above which a field is under haze in some month, and lends its colour to no patch.
_BRIGHT = 0.13
# Points that lend their colours to the surroundings; any seed but those of data sets. From so many of a climate on,
# they are of the climate of the patch.
_NEIGHBOURS, _NEIGHBOUR_SEED, _ENOUGH = 6_000, 902_417, 4


def simulate_patches(
    points: SimulatedPoints, *, seed: int, size: int = PATCH_SIZE, first: int = 0
) -> npt.NDArray[np.uint8]:
    """Draw the patch of every point as an 8-bit picture, stretched as every Sentinel-2 patch is by default.

    Args:
        points: from [`simulate`].
        seed: of the patterns; a patch depends on it, on the point and on the point's number only.
        size: side of a patch in pixels of 10 m.
        first: number of the first point, so that a long run can be split and give the same patches.

    Returns:
        uint8 (N, size, size, 3), red, green and blue.

    Raises:
        ValueError: `size` is below 16, too small for any pattern.
    """
    if size < 16:
        raise ValueError(f"`size` must be at least 16 pixels, got {size}.")
    return to_eight_bit(_patch_reflectance(points, seed, size, first))


def _patch_reflectance(points: SimulatedPoints, seed: int, size: int, first: int) -> npt.NDArray[np.float32]:
    """Draw the patches before they are stretched, (N, size, size, 3), B04, B03 and B02."""
    colours, clear = _colours(points)
    patches = np.empty((len(colours), size, size, 3), dtype=np.float32)
    rows = zip(points.class_index, points.climate_index, colours, clear, strict=True)
    for row, (cover, climate, colour, months) in enumerate(rows):
        rng = np.random.default_rng((seed, first + row))
        month = int(rng.choice(np.flatnonzero(months)))
        scene = _Scene(size, rng, colour[month], CLASS_NAMES[cover], int(climate), month)
        patches[row] = np.moveaxis(_draw(scene), 0, -1)
    return np.maximum(patches, 0)


def _colours(points: SimulatedPoints) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Take the RGB reflectance of each month (N, 12, 3), or of the nearest clear one; and tell the clear months.

    At least one month of the season, or of the year where none is, counts as clear.
    """
    rgb = points.series[..., _RGB]
    blue = np.where(np.isnan(rgb[..., 2]), np.inf, rgb[..., 2])
    usual = np.nanmedian(rgb[..., 2], axis=1)
    clear = blue <= _HAZE * usual[:, None]
    distance = np.abs(np.subtract.outer(np.arange(12), np.arange(12)))
    nearest = np.argmin(np.where(clear[:, None], distance, 99), axis=2)
    filled = np.take_along_axis(rgb, nearest[..., None], axis=1)
    season = clear & _season(points)
    season = np.where(season.any(axis=1, keepdims=True), season, clear)
    return filled, season


def _season(points: SimulatedPoints) -> npt.NDArray[np.bool_]:
    """Tell the months of the season, (N, 12)."""
    return np.asarray(np.where(points.latitude[:, None] < 0, np.roll(_SEASON, 6), _SEASON))


class _Scene(Ground):
    """Hold one patch to draw: its ground, the point's colour (3,), its cover, its climate's index and the month."""

    def __init__(
        self, size: int, rng: np.random.Generator, colour: npt.NDArray[np.float32], cover: str, climate: int, month: int
    ) -> None:
        super().__init__(size, rng)
        self.colour, self.cover, self.climate, self.month = colour, cover, climate, month

    def neighbours(self, count: int, *groups: str) -> npt.NDArray[np.float32]:
        """Draw colours of other points of some groups of covers in this month, (count, 3)."""
        pool = _pool(groups, self.climate)
        return np.asarray(pool[self.rng.integers(0, len(pool), count), self.month], dtype=np.float32)

    def chance(self, probability: float) -> bool:
        """Draw whether something happens."""
        return bool(self.rng.random() < probability)


_GROUPS: dict[str, Callable[[str], bool]] = {
    "fields": lambda lc1: "B" < lc1 < "B7" or lc1 == "BX1",
    "grass": lambda lc1: lc1[:1] == "E",
    "woods": lambda lc1: lc1[:1] == "C",
    "wild": lambda lc1: lc1[:1] in ("D", "E"),
    "town": lambda lc1: lc1 == "A11",
    "bare": lambda lc1: lc1[:1] == "F",
    "water": lambda lc1: lc1 == "G11",
}


@cache
def _neighbourhood() -> tuple[SimulatedPoints, npt.NDArray[np.float32]]:
    points = simulate(_NEIGHBOURS, seed=_NEIGHBOUR_SEED)
    return points, _colours(points)[0]


@cache
def _pool(groups: tuple[str, ...], climate: int) -> npt.NDArray[np.float32]:
    points, colours = _neighbourhood()
    codes = [cover.code for cover in SIMULATED_CLASSES]
    members = [index for index, code in enumerate(codes) if any(_GROUPS[group](code) for group in groups)]
    # What a mask has missed, and snow, would be a white field in every other patch.
    blue = np.where(_season(points), colours[..., 2], 0).max(axis=1)
    chosen = np.isin(points.class_index, members) & (blue < _BRIGHT)
    near = chosen & (points.climate_index == climate)
    return np.asarray(colours[near if near.sum() >= _ENOUGH else chosen])


@dataclass(frozen=True)
class _Parcels:
    """Describe how a cover's parcels lie; the table `patch_patterns` says what the fields mean."""

    length: float = 14.0
    aspect: float = 1.7
    wobble: float = 0.0
    hedges: float = 0.0
    share: float = 0.2
    rows: tuple[float, float] | None = None
    dots: tuple[float, float] | None = None


_TABLE = read_table("patch_patterns")
_PARCELS = {cover: read_record(_Parcels, entry, cover) for cover, entry in _TABLE["fields"].items()}


def _draw(scene: _Scene) -> Field:
    """Draw a scene as reflectance (3, size, size)."""
    if scene.cover in _PARCELS:
        colours = _farmland(scene, _PARCELS[scene.cover])
    elif scene.cover in _TABLE["woods"]:
        colours = _woodland(scene, **_TABLE["woods"][scene.cover])
    elif scene.cover in _TABLE["wild"]:
        colours = _wilderness(scene, **_TABLE["wild"][scene.cover])
    else:
        others = {"roads": _road, "lake": _lake, "river": _river, "quarry": _quarry}
        colours = others[scene.cover](scene) if scene.cover in others else _town(scene, scene.colour)
    return scene.seen(colours)


def _farmland(scene: _Scene, parcels: _Parcels | None) -> Field:
    """Draw parcels of the cover among others; with `None` the countryside around something else."""
    style = parcels or _Parcels(
        scene.rng.uniform(7, 16), wobble=scene.rng.choice([0.0, 0.0, 3.0]), hedges=0.3, share=0.0
    )
    number, edge = scene.parcels(style.length * scene.rng.uniform(0.9, 1.7), style.aspect, style.wobble)
    palette = scene.neighbours(32, *(("fields", "grass") if style.wobble < 2 else ("grass",)))
    same = scene.rng.random(32) < style.share
    # Neighbours with the same crop were sown on other days.
    palette[same] = scene.colour * np.exp(scene.rng.normal(0, 0.07, (int(same.sum()), 1)))
    if parcels is not None:
        same[0], palette[0] = True, scene.colour
    index = np.where(number == 0, 0, 1 + number % 31)
    brightness = 1 + np.float32(0.05) * scene.hills(12) + np.float32(0.02) * scene.grain()
    if style.rows is not None:
        brightness = brightness * np.where(same[index], scene.rows(number, *style.rows), 1)
    if style.dots is not None:
        brightness = brightness * np.where(same[index], scene.dots(*style.dots), 1)
    colours = palette.T[:, index] * brightness
    if style.hedges:
        grown = clip(0.5 + scene.hills(5) * np.float32(0.6)) * np.float32(style.hedges)
        colours = _lay(colours, scene.neighbours(1, "woods")[0], line(edge, 0.9) * grown)
    if scene.chance(0.45):
        across, along = scene.turned(scene.rng.uniform(0, np.pi))
        lane = across + np.float32(scene.rng.normal(0, 0.002)) * along**2 - np.float32(scene.rng.uniform(-26, 26))
        colours = _lay(colours, _paved(scene), line(lane, 0.7) * np.float32(0.8))
    return colours


def _woodland(scene: _Scene, crown: float, relief: float, planted: bool) -> Field:
    canopy = scene.crowns(crown, relief) * (1 + np.float32(0.06) * scene.hills(10))
    wood = scene.colour[:, None, None] * canopy
    if scene.cover == "mixed woodland":
        other = scene.neighbours(1, "woods")[0][:, None, None] * canopy
        wood = _lay(wood, other, clip(0.5 + scene.hills(4)))
    if planted:
        number, edge = scene.parcels(scene.rng.uniform(14, 26), 1.4)
        blocks = scene.rng.random(NUMBERS) < 0.85
        blocks[0] = True
        stands = np.exp(scene.rng.normal(0, 0.08, NUMBERS)).astype(np.float32)[number]
        rides = scene.neighbours(1, "grass")[0]
        wood = _lay(wood * stands, rides, line(edge, 0.6) * np.float32(0.8))
        share = blocks[number].astype(np.float32)
    else:
        share = clip(scene.inside_body(scene.rng.uniform(20, 55)) + 0.5)
    if share.min() == 1:
        return wood
    outside = scene.neighbours(1, "wild")[0][:, None, None] * canopy if planted else _farmland(scene, None)
    return _lay(outside, wood, share)


def _wilderness(scene: _Scene, length: float, patchy: float, rough: float) -> Field:
    hills = scene.hills(length)
    colours = scene.colour[:, None, None] * np.exp(np.float32(patchy) * hills + np.float32(rough) * scene.grain(0.6))
    if scene.cover in ("shrubland", "rocks"):
        other = scene.neighbours(1, "wild" if scene.cover == "rocks" else "woods")[0]
        colours = _lay(colours, other, clip(scene.grain(0.9) * np.float32(1.5) - np.float32(1.4)) * np.float32(0.8))
    if scene.cover in ("marsh", "peatbog"):
        water = scene.neighbours(1, "water")[0]
        pools = clip((scene.hills(5) + np.float32(0.4) * scene.grain(0.8)) * 4 - np.float32(5.5))
        colours = _lay(colours, water, pools)
    if scene.cover in ("rocks", "sand", "glacier"):
        # Relief in the sun: crests, dunes, crevasses.
        relief = scene.hills(6) + np.float32(0.5) * scene.hills(3)
        slope = relief - np.roll(relief, (1, 1), axis=(0, 1))
        colours = colours * np.exp(np.float32(0.35 if scene.cover == "rocks" else 0.1) * slope)
    if scene.chance(0.5):
        across, _ = scene.turned(scene.rng.uniform(0, np.pi))
        path = across + scene.hills(18) * 5 - np.float32(scene.rng.uniform(-20, 20))
        colours = _lay(colours, scene.neighbours(1, "bare")[0], line(path, 0.5) * np.float32(0.6))
    return colours


def _town(scene: _Scene, colour: Field) -> Field:
    """Draw streets, roofs between gardens, here and there a hall; a village in its fields, or houses all over."""
    number, edge = scene.parcels(scene.rng.uniform(6, 11), scene.rng.uniform(1, 2.2), scene.rng.uniform(0, 3))
    gardens = scene.neighbours(1, "grass", "woods")[0] * 0.8
    roofs = np.exp(np.float32(0.3) * scene.grain(0.55))
    red = (1 + np.float32(0.06) * scene.grain(0.6))[None] ** np.array([1, 0, -1], dtype=np.float32)[:, None, None]
    built = colour[:, None, None] * roofs * red * np.float32(1.15)
    green = clip(np.float32(scene.rng.normal(0.35, 0.15)) + np.float32(0.5) * scene.grain(0.7))
    built = _lay(built, gardens, green)
    halls = scene.rng.random(NUMBERS) < scene.rng.choice([0.02, 0.1, 0.3])
    hall = halls[number] & (edge > 1.2)
    shine = scene.rng.uniform(1.2, 3.2, NUMBERS).astype(np.float32)[number]
    metal = np.array([1, 1, 1.02], dtype=np.float32)[:, None, None]
    built = np.where(hall, np.mean(colour) * shine * metal, built)
    built = _lay(built, _paved(scene), line(edge, 0.9) * np.float32(0.8))
    share = clip(scene.inside_body(scene.rng.uniform(18, 60)) + 0.5)
    return built if share.min() == 1 else _lay(_farmland(scene, None), built, share)


def _road(scene: _Scene) -> Field:
    colours = _town(scene, scene.neighbours(1, "town")[0]) if scene.chance(0.3) else _farmland(scene, None)
    bend = np.float32(scene.rng.normal(0, 0.004)) * scene.along**2
    width = scene.rng.uniform(1.2, 2.6)
    road = line(scene.across + bend, width)
    colours = _lay(colours, scene.colour, road)
    if width > 1.9:  # a motorway's green median
        colours = _lay(colours, scene.neighbours(1, "grass")[0], line(scene.across + bend, 0.4))
    if scene.chance(0.4):
        colours = _lay(colours, scene.colour * 1.05, line(scene.along - scene.rng.uniform(-12, 12), 1.0))
    return colours


def _lake(scene: _Scene) -> Field:
    water = scene.colour[:, None, None] * (1 + np.float32(0.05) * scene.hills(25) + np.float32(0.02) * scene.grain())
    radius = np.exp(scene.rng.uniform(np.log(7), np.log(90)))
    inside = scene.inside_body(radius)
    if inside.min() >= 0.5:
        return water
    return _lay(_wooded_banks(scene, inside + np.float32(scene.rng.uniform(1, 5))), water, clip(inside + 0.5))


def _wooded_banks(scene: _Scene, inside: Field) -> Field:
    """Draw fields, and trees and bushes where `inside` is positive."""
    grown = clip(inside) * clip(0.5 + scene.hills(6))
    return _lay(_farmland(scene, None), scene.neighbours(1, "woods", "wild")[0], grown)


def _river(scene: _Scene) -> Field:
    inside = np.float32(scene.rng.uniform(1.2, 7)) - scene.from_course(7)
    water = scene.colour[:, None, None] * (1 + np.float32(0.04) * scene.hills(15))
    return _lay(_wooded_banks(scene, inside + np.float32(scene.rng.uniform(1, 4))), water, clip(inside + 0.5))


def _quarry(scene: _Scene) -> Field:
    radius = scene.rng.uniform(9, 26)
    steps = np.sin(np.hypot(scene.x, scene.y) * np.float32(0.9) + scene.hills(8))
    pit = scene.colour[:, None, None] * np.exp(np.float32(0.12) * steps + np.float32(0.12) * scene.hills(5))
    surroundings = _farmland(scene, None)
    wood = scene.neighbours(1, "woods")[0][:, None, None] * scene.crowns(1.0, 0.12)
    surroundings = _lay(surroundings, wood, clip(scene.hills(14) * 2 + 0.5))
    return _lay(surroundings, pit, clip(scene.inside_body(radius) + 0.5))


def _paved(scene: _Scene) -> Field:
    return np.full(3, scene.rng.uniform(0.09, 0.16), dtype=np.float32) * np.array([1.06, 1, 0.92], dtype=np.float32)


def _lay(below: Field, above: Field, share: Field) -> Field:
    """Lay a colour (3,) or colours (3, size, size) over others, by share (size, size)."""
    over = above[:, None, None] if above.ndim == 1 else above
    return np.asarray(below + (over - below) * share, dtype=np.float32)
