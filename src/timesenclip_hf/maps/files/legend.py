"""Define codes, names and colours of a map's classes, and how it was made, for files, pictures and metadata alike."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from ...extras import needs_extra
from ...models.timesenclip.compositing_timesenclip import MONTHS_PER_YEAR, asked_window, describe_window
from ...models.timesenclip.options_timesenclip import SeriesOptions
from ...words import on_one_line
from .colours import UNCERTAIN_COLOUR, class_colours

with needs_extra("map"):
    import xarray as xr

# Classes are 1, 2, ... in the order of the labels.
NO_CLASS = 0
# A pixel whose best probability is below a threshold.
UNCERTAIN = 255
MOST_CLASSES = 254
# Attributes of a map that say how it was made.
FACTS = (
    *("year", "season", "minimum_months", "estimated_bands", "masked_bands", "screen", "model", "weights_sha256"),
    *("hypothesis_template", "fitted_to_examples", "calibration_temperature", "smoothing", "reject_threshold"),
    *("unknown_words", "model_caveat", "failed_chunks"),
)


@dataclass(frozen=True)
class LegendEntry:
    """Describe one class of a map.

    Attributes:
        code: its value in the class layer.
        label: its name.
        colour: red, green and blue, 0 to 255.
        moved_from: the class to whose colour that of its words would be too close.
    """

    code: int
    label: str
    colour: tuple[int, int, int]
    moved_from: str = ""

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
    colours = class_colours(labels, mapped.attrs.get("class_colours"))
    entries = [
        LegendEntry(code, on_one_line(label), assigned.colour, on_one_line(assigned.moved_from))
        for code, (label, assigned) in enumerate(zip(labels, colours, strict=True), NO_CLASS + 1)
    ]
    if mapped.attrs.get("reject_threshold") is not None:
        entries.append(LegendEntry(UNCERTAIN, "uncertain", UNCERTAIN_COLOUR))
    return entries


def facts_of(mapped: xr.Dataset) -> dict[str, Any]:
    """Return how the map was made, as far as it tells."""
    facts = {name: mapped.attrs[name] for name in FACTS if mapped.attrs.get(name) not in (None, [])}
    return {**facts, "caveat": " ".join(caveats_of(mapped))}


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


def notes_of_colours(mapped: xr.Dataset) -> list[str]:
    """Say in sentences which classes have another colour than that of their words, and why."""
    return [
        f"{entry.label}: in another colour than elsewhere, as its own cannot be told from that of "
        f"{entry.moved_from} by all readers; `--colors` chooses."
        for entry in legend_of(mapped)
        if entry.moved_from
    ]


def caveats_of(mapped: xr.Dataset) -> list[str]:
    """Say in sentences what a reader of the map must know before trusting it."""
    is_fitted, attributes = bool(mapped.attrs.get("fitted_to_examples")), mapped.attrs
    named = "by a model fitted to examples" if is_fitted else "by words alone, without samples of this place"
    caveats = [f"Classes are named {named}."]
    if attributes.get("calibration_temperature") is None or is_fitted:
        caveats.append("Probabilities are not calibrated: they rank pixels, and are no chances of being right.")
    else:
        caveats.append("Probabilities were calibrated where the checkpoint was tested, not at this place.")
    if attributes.get("model_caveat"):
        caveats.append(on_one_line(attributes["model_caveat"]))
    if words := attributes.get("unknown_words"):
        caveats.append(f"Words that the checkpoint never read, so that their scores mean little: {as_text(words)}.")
    return caveats
