"""Draw a map as a picture with its legend."""

import os
from pathlib import Path
from textwrap import shorten

import numpy as np

from ...extras import needs_extra
from ...files import whole_file
from ..cubes.grids import grid_of
from .legend import NO_CLASS, legend_of
from .overview import palette_of, share_of, thinned, title_of

with needs_extra("map"):
    import xarray as xr
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

# About as many fit into the width of the picture, in matplotlib's own font and size, beside the colours.
LEGEND_CHARACTERS = 132
# Of a label in the picture; the page has all of it.
LONGEST_LABEL = 44
# What a patch and its gaps take of a column of the legend.
PATCH_CHARACTERS = 7
# Of more classes than these the picture's legend leaves out those without a pixel.
FEW_CLASSES = 12
# Inches of each of the two maps: about what half of the width leaves, and how high they may be.
PANEL_WIDTH, PANEL_HEIGHTS = 4.3, (1.2, 4.4)


def write_png(mapped: xr.Dataset, path: str | os.PathLike[str], title: str | None = None) -> None:
    """Draw a map with a legend of its classes and their shares, and the probability beside it.

    A map with a longer side than 1,200 pixels is thinned out first; shares are counted before.

    Args:
        mapped: what [`map_cube`] returned.
        path: of the picture.
        title: over it; the year when left out.

    Raises:
        ValueError: the map does not name its classes.
        OSError: the file cannot be written.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial:
        draw_map(mapped, title).savefig(partial)


def draw_map(mapped: xr.Dataset, title: str | None = None) -> Figure:
    """Draw the picture of [`write_png`] as a figure."""
    mapped = thinned(mapped)
    patches = _patches(mapped)
    columns = max(1, LEGEND_CHARACTERS // (max(len(str(patch.get_label())) for patch in patches) + PATCH_CHARACTERS))
    columns = min(columns, len(patches))
    rows = -(-len(patches) // columns)
    panel = np.clip(PANEL_WIDTH * mapped.sizes["y"] / mapped.sizes["x"], *PANEL_HEIGHTS)
    figure = Figure(figsize=(11, 1.2 + panel + 0.21 * rows), dpi=130)
    figure.set_layout_engine("constrained", h_pad=0.1, w_pad=0.1)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    extent, unit = _extent(mapped)
    left.imshow(palette_of(mapped)[mapped["class"].values], extent=extent, interpolation="nearest")
    left.set_title(title or title_of(mapped))
    if "probability" in mapped:
        image = right.imshow(
            mapped["probability"].values, extent=extent, vmin=0, vmax=1, cmap="viridis", interpolation="nearest"
        )
        right.set_title("Probability of that class")
        figure.colorbar(image, ax=right, shrink=0.8)
    else:
        right.remove()
    for axes in figure.axes[:2]:
        axes.set_xlabel(f"Easting ({unit})" if unit != "°" else "Longitude (°)")
        axes.ticklabel_format(useOffset=False, style="plain")
        axes.locator_params(nbins=5)
    left.set_ylabel(f"Northing ({unit})" if unit != "°" else "Latitude (°)")
    figure.legend(handles=patches, loc="outside lower center", ncols=columns, frameon=False)
    return figure


def _patches(mapped: xr.Dataset) -> list[Patch]:
    """Make the legend: every class with its share, of many classes those that occur."""
    entries, counts = legend_of(mapped), mapped.attrs["counts"]
    shown = [entry for entry in entries if len(entries) <= FEW_CLASSES or counts[entry.code]]
    patches = []
    for entry in shown:
        label = f"{shorten(entry.label, LONGEST_LABEL, placeholder=' …')} ({share_of(mapped, entry.code)})"
        patches.append(Patch(facecolor=entry.hex_colour, edgecolor="0.3", label=label))
    if counts[NO_CLASS]:
        label = f"no clear month ({share_of(mapped, NO_CLASS)})"
        patches.append(Patch(facecolor="white", edgecolor="0.3", label=label))
    if len(shown) < len(entries):
        label = f"{len(entries) - len(shown)} classes without a pixel"
        patches.append(Patch(facecolor="none", edgecolor="none", label=label))
    return patches


def _extent(mapped: xr.Dataset) -> tuple[tuple[float, float, float, float], str]:
    """Return left, right, bottom, top as matplotlib wants them, in kilometres where the CRS is in metres."""
    transform = grid_of(mapped).transform
    right = transform.c + transform.a * mapped.sizes["x"]
    bottom = transform.f + transform.e * mapped.sizes["y"]
    geographic = mapped.rio.crs is not None and mapped.rio.crs.is_geographic
    factor = 1.0 if geographic else 1e-3
    extent = (transform.c * factor, right * factor, bottom * factor, transform.f * factor)
    return extent, "°" if geographic else "km"
