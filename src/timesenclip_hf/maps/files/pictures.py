"""Thin maps out to what a picture can show, and draw them with their legend."""

import os
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np

from ...extras import needs_extra
from ...files import whole_file
from ...gate.rasters import open_raster
from ...words import in_figure
from ..cubes.grids import Grid, grid_of, locate, north_up
from .legend import NO_CLASS, legend_of, period_of

with needs_extra("map"):
    import xarray as xr
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

# Pixels of a map along its longer side, from which on every second, third, ... is drawn.
LONGEST_SIDE = 1200
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


def read_overview(classes: Path, scores: Path | None, mapped: xr.Dataset, counts: np.ndarray) -> xr.Dataset:
    """Read a small map from the overviews of its GeoTIFFs; of the map itself only what they do not tell.

    The pixels of each code, `counts` (256,), become an attribute.
    """
    height, width = mapped.sizes["y"], mapped.sizes["x"]
    factor = max(1, max(height, width) / LONGEST_SIDE)
    shape = max(1, round(height / factor)), max(1, round(width / factor))
    with open_raster(classes) as raster:
        layers = {"class": (("y", "x"), raster.read(1, out_shape=shape))}
    if scores is not None:
        with open_raster(scores) as raster:
            for band, name in enumerate(raster.descriptions, start=1):
                stored = raster.read(band, out_shape=shape, masked=True).astype(np.float32)
                values = stored * raster.scales[band - 1] + raster.offsets[band - 1]
                layers[name] = ("y", "x"), values.filled(np.nan)
    transform = grid_of(mapped).transform
    down, across = transform.e * height / shape[0], transform.a * width / shape[1]
    y = transform.f + down * (np.arange(shape[0]) + 0.5)
    x = transform.c + across * (np.arange(shape[1]) + 0.5)
    small = xr.Dataset(layers, coords={"y": y, "x": x}, attrs=_counted(mapped, counts))
    return locate(small, mapped.rio.crs, Grid(y, x, (down, across)))


def thinned(mapped: xr.Dataset) -> xr.Dataset:
    """Return a map as [`read_overview`] does, from one in memory, north up; a thinned one as it is."""
    if "counts" in mapped.attrs:
        return mapped
    mapped = north_up(mapped)
    counts = np.bincount(mapped["class"].values.ravel(), minlength=256)
    step = -(-max(mapped.sizes["y"], mapped.sizes["x"]) // LONGEST_SIDE)
    small = mapped.isel(y=slice(None, None, step), x=slice(None, None, step))
    return small.assign_attrs(_counted(mapped, counts))


def _counted(mapped: xr.Dataset, counts: np.ndarray) -> dict[str, object]:
    """Add to a map's attributes the pixels of each code, and their size where the CRS is in metres."""
    crs, area = mapped.rio.crs, None
    if crs is not None and crs.is_projected and crs.linear_units_factor[1] == 1:
        grid = grid_of(mapped)
        area = abs(grid.across * grid.down) / 1e6
    return {**mapped.attrs, "counts": counts.tolist(), "square_kilometres": area}


def title_of(mapped: xr.Dataset, name: str = "") -> str:
    """Return the title of a picture: the year, and the name of the label set where there are several."""
    period = period_of(mapped)
    title = f"Land cover {period[0] if period else mapped.attrs.get('year', '')}".strip()
    return f"{title}: {name}" if name else title


def share_of(mapped: xr.Dataset, code: int) -> str:
    """Write the share of a code among the pixels of a thinned map, such as "34%" or "<1%"."""
    counts = mapped.attrs["counts"]
    share = counts[code] / sum(counts)
    return "0%" if not share else "<1%" if share < 0.01 else f"{share:.0%}"


def palette_of(mapped: xr.Dataset) -> np.ndarray:
    """Return colours (256, 3) uint8 by code; white where nothing was observed."""
    palette = np.full((256, 3), 255, dtype=np.uint8)
    for entry in legend_of(mapped):
        palette[entry.code] = entry.colour
    return palette


def write_png(
    mapped: xr.Dataset, path: str | os.PathLike[str], title: str | None = None, *, overwrite: bool = False
) -> None:
    """Draw a map with a legend of its classes and their shares, and the probability beside it.

    A map with a longer side than 1,200 pixels is thinned out first; shares are counted before.

    Args:
        mapped: what [`map_cube`] returned.
        path: of the picture.
        title: over it; the year when left out.
        overwrite: replace a file that is there.

    Raises:
        ValueError: the map does not name its classes.
        FileExistsError: a file is there already, and not to be replaced.
        OSError: the file cannot be written.
    """
    with whole_file(path, overwrite=overwrite) as partial:
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
    geographic = mapped.rio.crs is not None and mapped.rio.crs.is_geographic
    x_name, y_name = ("Longitude (°)", "Latitude (°)") if geographic else ("Easting (km)", "Northing (km)")
    transform = grid_of(mapped).transform
    corners = [transform @ corner for corner in ((0, 0), (mapped.sizes["x"], mapped.sizes["y"]))]
    (west, north), (east, south) = np.multiply(corners, 1.0 if geographic else 1e-3).tolist()
    drawing: Any = {"extent": (west, east, south, north), "interpolation": "nearest"}
    left.imshow(palette_of(mapped)[mapped["class"].values], **drawing)
    left.set_title(in_figure(title or title_of(mapped)))
    if "probability" in mapped:
        image = right.imshow(mapped["probability"].values, vmin=0, vmax=1, cmap="viridis", **drawing)
        right.set_title("Probability of that class")
        figure.colorbar(image, ax=right, shrink=0.8)
    else:
        right.remove()
    for axes in figure.axes[:2]:
        axes.set_xlabel(x_name)
        axes.ticklabel_format(useOffset=False, style="plain")
        axes.locator_params(nbins=5)
    left.set_ylabel(y_name)
    figure.legend(handles=patches, loc="outside lower center", ncols=columns, frameon=False)
    return figure


def _patches(mapped: xr.Dataset) -> list[Patch]:
    """Make the legend: every class with its share, of many classes those that occur."""
    entries, counts = legend_of(mapped), mapped.attrs["counts"]
    shown = [entry for entry in entries if len(entries) <= FEW_CLASSES or counts[entry.code]]
    rows = [(entry.hex_colour, shorten(entry.label, LONGEST_LABEL, placeholder=" …"), entry.code) for entry in shown]
    if counts[NO_CLASS]:
        rows.append(("white", "no clear month", NO_CLASS))
    patches = [
        Patch(facecolor=colour, edgecolor="0.3", label=in_figure(f"{label} ({share_of(mapped, code)})"))
        for colour, label, code in rows
    ]
    if len(shown) < len(entries):
        label = f"{len(entries) - len(shown)} classes without a pixel"
        patches.append(Patch(facecolor="none", edgecolor="none", label=label))
    return patches
