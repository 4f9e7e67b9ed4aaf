"""Define codes, names and colours of a map's classes, and how it was made, for files, pictures and metadata alike."""

import colorsys
import itertools
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from ...extras import needs_extra
from ...models.timesenclip.compositing_timesenclip import MONTHS_PER_YEAR, asked_window, describe_window
from ...models.timesenclip.options_timesenclip import SeriesOptions
from ...words import on_one_line

with needs_extra("map"):
    import xarray as xr

# Classes are 1, 2, ... in the order of the labels.
NO_CLASS = 0
# A pixel whose best probability is below a threshold.
UNCERTAIN = 255
MOST_CLASSES = 254
# Okabe and Ito (2008), told apart by colour-blind readers too; green first, since maps of land start with plants.
# Their black is left out: it is too close to what lies outside a map.
COLOURS = ("#009E73", "#E69F00", "#56B4E9", "#D55E00", "#F0E442", "#0072B2", "#CC79A7")
# Each next hue is the golden section of the circle away, so that any number of classes is spread out.
GOLDEN_SECTION = 0.618034
# Saturation and brightness of the hues in turn: neighbours on the circle differ in one of them at least.
SHADES = ((0.45, 0.95), (0.85, 0.6), (0.75, 0.85), (0.5, 0.4))
# Which no class has.
UNCERTAIN_COLOUR = (160, 160, 160)
# Attributes of a map that say how it was made.
FACTS = (
    *("year", "season", "minimum_months", "estimated_bands", "masked_bands", "screen", "model", "weights_sha256"),
    *("hypothesis_template", "fitted_to_examples", "smoothing", "reject_threshold", "failed_chunks"),
)


@dataclass(frozen=True)
class LegendEntry:
    """Describe one class of a map: its value in the class layer, its name, and red, green and blue, 0 to 255."""

    code: int
    label: str
    colour: tuple[int, int, int]

    @property
    def hex_colour(self) -> str:
        """Return the colour as "#009e73"."""
        return f"#{bytes(self.colour).hex()}"


def legend_of(mapped: xr.Dataset) -> list[LegendEntry]:
    """List the classes of a map in the order of their labels, then "uncertain" where the map has a threshold.

    Raises:
        ValueError: the map does not name its classes.
    """
    labels = mapped.attrs.get("labels")
    if labels is None:
        raise ValueError('The map does not name its classes: set `mapped.attrs["labels"]`, in order of the codes.')
    colours, names = class_colours(len(labels)), map(on_one_line, labels)
    entries = [LegendEntry(code, *pair) for code, pair in enumerate(zip(names, colours, strict=True), NO_CLASS + 1)]
    if mapped.attrs.get("reject_threshold") is not None:
        entries.append(LegendEntry(UNCERTAIN, "uncertain", UNCERTAIN_COLOUR))
    return entries


def facts_of(mapped: xr.Dataset) -> dict[str, Any]:
    """Return how the map was made, as far as it tells."""
    return {name: mapped.attrs[name] for name in FACTS if mapped.attrs.get(name) not in (None, [])}


def period_of(mapped: xr.Dataset) -> tuple[str, date, date] | None:
    """Return what twelve months a map is of: their name, first and last day; None for a map of months of no year."""
    try:
        start = asked_window(SeriesOptions(year=mapped.attrs.get("year"), season=mapped.attrs.get("season")))
    except ValueError:  # what somebody else wrote there
        start = None
    if start is None:
        return None
    following: date = (start + MONTHS_PER_YEAR).astype(date)
    return describe_window(start), start.astype(date), following - timedelta(days=1)


def as_text(fact: Any) -> str:
    """Write a fact in one line."""
    return on_one_line(", ".join(map(str, fact)) if isinstance(fact, (list, tuple)) else fact)


def class_colours(count: int) -> list[tuple[int, int, int]]:
    """Return red, green and blue of so many classes, all different; a class has one colour in every file."""
    colours = [(red, green, blue) for red, green, blue in (bytes.fromhex(text[1:]) for text in COLOURS)]
    indices = itertools.count(len(colours))
    while len(colours) < count:
        index = next(indices)
        red, green, blue = colorsys.hsv_to_rgb((index * GOLDEN_SECTION) % 1, *SHADES[index % len(SHADES)])
        if (colour := (round(255 * red), round(255 * green), round(255 * blue))) not in colours:
            colours.append(colour)
    return colours[:count]
