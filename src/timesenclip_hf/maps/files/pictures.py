"""Thin maps out to what a picture can show, and draw them with their legend."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten, wrap
from typing import Any

import numpy as np

from ...extras import needs_extra
from ...files import whole_file
from ...gate.rasters import open_raster
from ...words import in_figure, on_one_line
from ..cubes.grids import Grid, grid_of, locate, north_up
from .cartography import crs_of, ground_of, length_text, pixel_text, round_length
from .legend import NO_CLASS, caveats_of, legend_of, period_of

with needs_extra("map"):
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.transforms import ScaledTranslation, offset_copy

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
# Inches of the page and of each of the two maps: where its space begins, and how wide and high it may be.
PAGE_WIDTH, PANEL_LEFTS, PANEL_WIDTH, PANEL_HEIGHT = 11.0, (0.85, 5.6), 4.4, 4.4
# Inches above the maps for their titles, below them for axes, scale and north, and of a line of the legend.
ABOVE, BELOW, LEGEND_LINE = 0.4, 0.88, 0.21
# Points below a map at which its scale bar and its north arrow stand, under the name of its axis.
MARGINALIA = 44
# At the foot: inches of a line, how many characters fit into one, and lines of caveats.
NOTE_LINE, NOTE_CHARACTERS, MOST_CAVEATS = 0.15, 185, 4


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
    """Add to a map's attributes the pixels of each code, and their size: in words, and where the CRS is in metres."""
    crs, area = mapped.rio.crs, None
    if crs is not None and crs.is_projected and crs.linear_units_factor[1] == 1:
        grid = grid_of(mapped)
        area = abs(grid.across * grid.down) / 1e6
    size = pixel_text(mapped, ground_of(mapped))
    return {**mapped.attrs, "counts": counts.tolist(), "square_kilometres": area, "pixel_size": size}


def title_of(mapped: xr.Dataset, name: str = "") -> str:
    """Return the title of a picture: the year, and the name of the label set where there are several."""
    period = period_of(mapped)
    title = f"Land cover {period[0] if period else mapped.attrs.get('year', '')}".strip()
    return f"{title}: {name}" if name else title


def place_of(mapped: xr.Dataset) -> list[str]:
    """List what a thinned map is of: its centre, coordinate reference system, pixels and months."""
    ground, period, size = ground_of(mapped), period_of(mapped), mapped.attrs["pixel_size"]
    return [
        *([f"Centre {ground.place}"] if ground else []),
        crs_of(mapped),
        *([f"pixels of {size}"] if size else []),
        f"period {period[0]}" if period else "months of no single year",
    ]


def source_of(mapped: xr.Dataset) -> str:
    """Return what the terms of Copernicus ask to be said of anything made of its data."""
    period = period_of(mapped)
    return f"Contains modified Copernicus Sentinel-2 data{f' {period[0]}' if period else ''}."


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
    ground, notes, patches = ground_of(mapped), _notes(mapped), _patches(mapped)
    columns = max(1, LEGEND_CHARACTERS // (max(len(str(patch.get_label())) for patch in patches) + PATCH_CHARACTERS))
    columns = min(columns, len(patches))
    stretch = ground.down / ground.across if ground is not None else 1.0
    ratio = stretch * mapped.sizes["y"] / mapped.sizes["x"]
    wide, high = min(PANEL_WIDTH, PANEL_HEIGHT / ratio), min(PANEL_HEIGHT, PANEL_WIDTH * ratio)
    foot = NOTE_LINE * len(notes) + 0.15
    under = foot + LEGEND_LINE * -(-len(patches) // columns) + BELOW
    height = under + high + ABOVE
    figure = Figure(figsize=(PAGE_WIDTH, height), dpi=130)
    has_score = "probability" in mapped

    def panel(left: float, width: float) -> Axes:
        return figure.add_axes((left / PAGE_WIDTH, under / height, width / PAGE_WIDTH, high / height))

    spare = (PANEL_WIDTH - wide) / 2
    left = panel((PANEL_LEFTS[0] if has_score else (PAGE_WIDTH - PANEL_WIDTH) / 2) + spare, wide)
    extent = _extent(mapped)
    drawing: Any = {"extent": extent, "interpolation": "nearest", "aspect": "auto"}
    left.imshow(palette_of(mapped)[mapped["class"].values], **drawing)
    left.set_title(in_figure(title or title_of(mapped)), fontweight="bold")
    if has_score:
        right = panel(PANEL_LEFTS[1] + spare, wide)
        image = right.imshow(mapped["probability"].values, vmin=0, vmax=1, cmap="viridis", **drawing)
        right.set_title("Probability of that class")
        figure.colorbar(image, cax=panel(PANEL_LEFTS[1] + PANEL_WIDTH - spare + 0.12, 0.16)).ax.tick_params(labelsize=8)
    _label_axes(figure.axes[: 1 + has_score], mapped, high)
    if ground is not None:
        _draw_scale(figure, left, ground.across * (1.0 if mapped.rio.crs.is_geographic else 1e3), extent)
        _draw_north(figure, left, ground.north)
    legend: Any = {"loc": "upper center", "bbox_to_anchor": (0.5, (under - BELOW) / height), "borderaxespad": 0}
    figure.legend(handles=patches, **legend, borderpad=0, ncols=columns, frameon=False)
    for number, (note, style) in enumerate(notes, start=1):
        at = (foot - 0.05 - NOTE_LINE * number) / height
        figure.text(0.2 / PAGE_WIDTH, at, in_figure(note), fontsize=7.5, va="bottom", **style)
    return figure


def _extent(mapped: xr.Dataset) -> tuple[float, float, float, float]:
    """Return west, east, south and north in what the axes count, degrees or kilometres."""
    unit = 1.0 if mapped.rio.crs is not None and mapped.rio.crs.is_geographic else 1e-3
    affine = grid_of(mapped).transform
    corners = [affine @ corner for corner in ((0, 0), (mapped.sizes["x"], mapped.sizes["y"]))]
    (west, north), (east, south) = np.multiply(corners, unit).tolist()
    return west, east, south, north


def _label_axes(panels: Sequence[Axes], mapped: xr.Dataset, inches: float) -> None:
    """Name the axes of the panels, which are so many inches high."""
    geographic = mapped.rio.crs is not None and mapped.rio.crs.is_geographic
    x_name, y_name = ("Longitude (°)", "Latitude (°)") if geographic else ("Easting (km)", "Northing (km)")
    for axes in panels:
        axes.set_xlabel(x_name, fontsize=8)
        axes.tick_params(labelsize=8, labelleft=axes is panels[0])
        axes.ticklabel_format(useOffset=False, style="plain")
        axes.locator_params(axis="x", nbins=5)
        axes.locator_params(axis="y", nbins=int(np.clip(inches / 0.4, 1, 5)))
    panels[0].set_ylabel(y_name, fontsize=8)


def _draw_scale(figure: Figure, axes: Axes, metres: float, extent: tuple[float, float, float, float]) -> None:
    """Draw a scale bar below the left end of a map; `metres` are those of one unit of x."""
    length = round_length(abs(extent[1] - extent[0]) * metres / 3)
    end = extent[0] + math.copysign(length / metres, extent[1] - extent[0])
    below = axes.get_xaxis_transform() + ScaledTranslation(0, -MARGINALIA / 72, figure.dpi_scale_trans)
    middle = (extent[0] + end) / 2
    for points, colour, width in (((extent[0], end), "black", 5.0), ((middle, end), "white", 3.4)):
        bar = Line2D(points, (0, 0), color=colour, linewidth=width, transform=below, clip_on=False)
        bar.set_solid_capstyle("butt")
        axes.add_artist(bar)
    axes.annotate(length_text(length), (end, 0), (5, 0), xycoords=below, textcoords="offset points", va="center")


def _draw_north(figure: Figure, axes: Axes, north: float) -> None:
    """Draw an arrow to the north, degrees clockwise from the top, below the right end of a map."""
    turn = math.radians(north)
    tip = np.asarray([math.sin(turn), math.cos(turn)]) * 9
    middle = np.asarray([-9, -MARGINALIA])
    arrow = {"arrowstyle": "-|>,head_width=0.28,head_length=0.6", "color": "black", "shrinkA": 0, "shrinkB": 0}
    ends = [offset_copy(axes.transAxes, figure, x, y, "points") for x, y in (middle - tip, middle + tip)]
    axes.annotate("", (1, 0), (1, 0), xycoords=ends[1], textcoords=ends[0], arrowprops=arrow, annotation_clip=False)
    x, y = middle - [15, 0]
    axes.annotate("N", (1, 0), (x, y), xycoords="axes fraction", textcoords="offset points", ha="center", va="center")


def _notes(mapped: xr.Dataset) -> list[tuple[str, dict[str, Any]]]:
    """List the lines at the foot of the picture with their style: place, origin, caveats."""
    model = mapped.attrs.get("model")
    lines = (place_of(mapped), [f"Model {on_one_line(model)}" if model else "", source_of(mapped)])
    told = [
        (part, {"color": "0.1"}) for line in lines for part in wrap("  ·  ".join(filter(None, line)), NOTE_CHARACTERS)
    ]
    caveats = wrap(" ".join(caveats_of(mapped)), NOTE_CHARACTERS, max_lines=MOST_CAVEATS, placeholder=" …")
    return told + [(line, {"color": "0.35", "style": "italic"}) for line in caveats]


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
