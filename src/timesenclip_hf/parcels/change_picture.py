"""Draw what changed between two years, and how probable it is."""

import numpy as np

from ..extras import needs_extra
from ..maps.files.legend import NO_CLASS, legend_of
from ..maps.files.pictures import draw_map
from ..words import on_one_line
from .change_table import TransitionTable, written

with needs_extra("map"):
    import xarray as xr
    from matplotlib.figure import Figure

# Changes in the legend, the commonest; the others are drawn in one colour.
MOST_SHOWN = 11
RARER, RARER_COLOUR = "rarer changes", "#6e6e6e"


def draw_change(changed: xr.Dataset) -> Figure:
    """Draw the transitions with their legend, and the probability of change beside them.

    Args:
        changed: thinned out, as [`read_overview`] makes it, with `class`, `probability` and the attributes of
            [`detect_change`].
    """
    first, second = (on_one_line(year) for year in changed.attrs["years"])
    figure = draw_map(_grouped(changed), f"Change from {first} to {second}")
    figure.axes[1].set_title("Probability of change")
    return figure


def _grouped(changed: xr.Dataset) -> xr.Dataset:
    """Name the commonest transitions with their hectares, and give the rarer ones a code together."""
    table, entries, counts = TransitionTable.of(changed.attrs), legend_of(changed), changed.attrs["counts"]
    hectares = {f"{before} to {after}": area for before, after, area, _ in table.transitions()}
    names = [
        f"{label}, {written(hectares[label])} ha" if label in hectares else label for label in changed.attrs["labels"]
    ]
    shown = MOST_SHOWN + 1 if len(names) > MOST_SHOWN + 1 else len(names)
    colours = {name: entry.hex_colour for name, entry in zip(names[:shown], entries, strict=False)}
    codes, classes = np.arange(256), changed["class"]
    if shown < len(names):
        left = table.changed_hectares - sum(hectares[label] for label in changed.attrs["labels"][1:shown])
        names = [*names[:shown], f"{RARER}, {written(left)} ha"]
        colours[names[-1]] = RARER_COLOUR
        codes = np.minimum(codes, shown + NO_CLASS + 1)
    grouped = np.bincount(codes, counts, minlength=256).astype(np.int64).tolist()
    drawn = changed.assign({"class": (classes.dims, codes[classes.values])})
    return drawn.assign_attrs(labels=names, class_colours=colours, counts=grouped)
