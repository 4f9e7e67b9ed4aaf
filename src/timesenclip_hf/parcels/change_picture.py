"""Draw what changed between two years, and how probable it is."""

from pathlib import Path
from typing import Any

import numpy as np

from ..extras import needs_extra
from ..maps.files.legend import NO_CLASS, legend_of
from ..maps.files.pictures import palette_of
from ..words import in_figure
from .change_table import TransitionTable, written

with needs_extra("map"):
    import xarray as xr
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    from ..maps.cubes.grids import grid_of

# Changes in the legend, the commonest; the others are drawn in one colour.
MOST_SHOWN = 11
# What did not change lies behind what did.
UNCHANGED_COLOUR, OTHER_COLOUR = (232, 232, 228), (110, 110, 110)
# Inches of each of the two maps.
PANEL_WIDTH, PANEL_HEIGHTS = 4.3, (1.2, 4.4)
UNCHANGED = 1


def write_change_png(changed: xr.Dataset, path: Path) -> None:
    """Draw the transitions with their legend, and the probability of change beside them.

    Args:
        changed: thinned out, as [`read_overview`] makes it, with `class`, `probability` and the attributes of
            [`detect_change`].
        path: of the picture.
    """
    figure = Figure(figsize=(11, _height(changed)), dpi=130)
    figure.set_layout_engine("constrained", h_pad=0.1, w_pad=0.1)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    palette, patches = _colours(changed)
    drawing: Any = {"extent": _extent(changed), "interpolation": "nearest"}
    left.imshow(palette[changed["class"].values], **drawing)
    first, second = (in_figure(year) for year in changed.attrs["years"])
    left.set_title(f"Change from {first} to {second}")
    image = right.imshow(changed["probability"].values, vmin=0, vmax=1, cmap="viridis", **drawing)
    right.set_title("Probability of change")
    figure.colorbar(image, ax=right, shrink=0.8)
    names = ("Longitude (°)", "Latitude (°)") if changed.rio.crs.is_geographic else ("Easting (km)", "Northing (km)")
    for axes in (left, right):
        axes.set_xlabel(names[0])
        axes.ticklabel_format(useOffset=False, style="plain")
        axes.locator_params(nbins=5)
    left.set_ylabel(names[1])
    figure.legend(handles=patches, loc="outside lower center", ncols=min(3, len(patches)), frameon=False)
    figure.savefig(path)


def _height(changed: xr.Dataset) -> float:
    panel = float(np.clip(PANEL_WIDTH * changed.sizes["y"] / changed.sizes["x"], *PANEL_HEIGHTS))
    return 1.2 + panel + 0.21 * -(-min(len(changed.attrs["labels"]) + 1, MOST_SHOWN + 3) // 3)


def _extent(changed: xr.Dataset) -> tuple[float, float, float, float]:
    """Return west, east, south and north, in kilometres where the system is projected."""
    transform = grid_of(changed).transform
    corners = [transform @ corner for corner in ((0, 0), (changed.sizes["x"], changed.sizes["y"]))]
    scale = 1.0 if changed.rio.crs.is_geographic else changed.rio.crs.linear_units_factor[1] / 1000
    (west, north), (east, south) = np.multiply(corners, scale).tolist()
    return west, east, south, north


def _colours(changed: xr.Dataset) -> tuple[np.ndarray, list[Patch]]:
    """Return colours (256, 3) by code, and the legend: no change, the commonest changes, the rest together."""
    entries, palette = legend_of(changed), palette_of(changed)
    palette[UNCHANGED] = UNCHANGED_COLOUR
    shown, rest = entries[: MOST_SHOWN + 1], entries[MOST_SHOWN + 1 :]
    for entry in rest:
        palette[entry.code] = OTHER_COLOUR
    table = TransitionTable.of(changed.attrs)
    hectares = {f"{before} to {after}": area for before, after, area, _ in table.transitions()}
    left = table.changed_hectares
    rows = []
    for entry, label in zip(shown, changed.attrs["labels"], strict=False):
        if (area := hectares.get(label)) is not None:
            left -= area
        told = "" if area is None else f" ({written(area)} ha)"
        rows.append((palette[entry.code] / 255, f"{entry.label}{told}"))
    if rest:
        rows.append((np.divide(OTHER_COLOUR, 255), f"rarer changes ({written(left)} ha)"))
    if changed.attrs["counts"][NO_CLASS]:
        rows.append((np.ones(3), "no data in one of the years"))
    return palette, [Patch(facecolor=tuple(colour), edgecolor="0.3", label=in_figure(text)) for colour, text in rows]
