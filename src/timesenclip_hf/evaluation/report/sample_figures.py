"""Draw samples: where they are named wrong, and the year of one of them."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from ...extras import needs_extra
from ...models.timesenclip.compositing_timesenclip import MONTHS_PER_YEAR
from .figures import BLUE, GREEN, GRID, MONTHS, ORANGE, PURPLE, STYLE, VERMILLION, WIDTH, new_axes, shorten

with needs_extra("eval"):
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

SHOWN_BANDS = {
    "B03": (GREEN, "^", "green"),
    "B04": (VERMILLION, "s", "red"),
    "B08": (PURPLE, "o", "near infrared"),
    "B11": (ORANGE, "D", "short-wave infrared"),
}
# More points than this hide each other, so that the share of errors in cells is drawn instead.
MOST_POINTS = 3_000


@rc_context(STYLE)
def error_map(longitude: np.ndarray, latitude: np.ndarray, right: np.ndarray) -> Figure:
    """Draw where the samples lie, and which of them are named wrong.

    Args:
        longitude: degrees east, (samples,).
        latitude: degrees north, (samples,).
        right: whether each is named right.
    """
    wide, high = max(float(np.ptp(longitude)), 1e-4), max(float(np.ptp(latitude)), 1e-4)
    stretch = 1 / max(np.cos(np.radians(np.mean(latitude))), 0.1)
    shape = min(max(high * stretch / wide, 0.5), 1.4)
    figure, axes = new_axes(WIDTH, WIDTH * shape + 0.6)
    if len(right) > MOST_POINTS:
        # The mean of each cell, hexbin's default.
        cells = axes.hexbin(longitude, latitude, C=1.0 - right, gridsize=30, cmap="YlOrBr", vmin=0, vmax=1)
        figure.colorbar(cells, ax=axes, shrink=0.7, label="share named wrong")
    else:
        size = 14 if len(right) > 500 else 24
        good, bad = int(right.sum()), int((~right).sum())
        hits: dict[str, Any] = {"color": BLUE, "alpha": 0.55, "linewidths": 0, "label": f"right ({good:,})"}
        misses: dict[str, Any] = {"color": VERMILLION, "marker": "x", "linewidths": 1, "label": f"wrong ({bad:,})"}
        for rows, style in ((right, hits), (~right, misses)):
            axes.scatter(longitude[rows], latitude[rows], s=size, **style)
        figure.legend(loc="outside lower center", ncols=2)
    axes.set(xlabel="longitude (° east)", ylabel="latitude (° north)")
    axes.set_aspect(stretch, adjustable="datalim")
    axes.ticklabel_format(useOffset=False, style="plain")
    axes.locator_params(nbins=5)
    axes.grid(**GRID)
    axes.set_axisbelow(True)
    return figure


@rc_context(STYLE)
def series_figure(
    reflectance: np.ndarray,
    months: np.ndarray,
    band_names: Sequence[str],
    title: str,
    photos: Sequence[np.ndarray] = (),
) -> Figure:
    """Draw a year of one pixel: four bands, NDVI, what is missing, and photos of the point.

    Args:
        reflectance: (time, band) 0 to 1, NaN where missing.
        months: position of each time step in the year, (time,), 0 = January.
        band_names: of the band axis.
        title: what the point is, and is named.
        photos: up to four pictures (height, width, 3).
    """
    order = np.argsort(months)
    values, places = reflectance[order], np.asarray(months)[order]
    columns = {name: values[:, list(band_names).index(name)] for name in SHOWN_BANDS if name in band_names}
    shown = np.stack([*columns.values()], axis=1) if columns else values
    missing = np.isnan(shown).any(axis=1)
    ratios = [2.2, 1.2] + [1.5] * bool(photos)
    figure = Figure(figsize=(WIDTH, 3.9 + 1.45 * bool(photos)), layout="constrained")
    figure.suptitle(shorten(title, 80), fontsize=9, x=0.02, ha="left")
    grid = figure.add_gridspec(len(ratios), 1, height_ratios=ratios)
    upper = figure.add_subplot(grid[0])
    lower = figure.add_subplot(grid[1], sharex=upper)
    for name, column in columns.items():
        colour, marker, words = SHOWN_BANDS[name]
        upper.plot(places, column, color=colour, marker=marker, markersize=3.5, linewidth=1.2, label=f"{name} {words}")
    if {"B04", "B08"} <= columns.keys():
        red, near = columns["B04"], columns["B08"]
        with np.errstate(invalid="ignore", divide="ignore"):
            lower.plot(places, (near - red) / (near + red), color="black", marker="o", markersize=3.5, linewidth=1.2)
    half = MONTHS_PER_YEAR / max(len(places), 1) / 2
    for axes, month in product((upper, lower), places[missing]):
        axes.axvspan(
            month - half, month + half, facecolor="0.93", edgecolor="0.75", hatch="////", linewidth=0, zorder=0
        )
    highest = np.nanmax(shown, initial=0.0)
    upper.set(ylabel="reflectance", ylim=(0, max(1.1 * highest, 0.1)))
    lower.set(ylabel="NDVI", ylim=(-0.35, 1.0), xlim=(-0.6, 11.6), xticks=range(12), xticklabels=list(MONTHS))
    lower.axhline(0, color="0.8", linewidth=0.6, zorder=0)
    upper.tick_params(labelbottom=False)
    handles, _ = upper.get_legend_handles_labels()
    if missing.any():
        handles.append(Patch(facecolor="0.93", hatch="////", edgecolor="0.75", label="missing"))
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8)
    if photos:
        below: Any = grid[2].subgridspec(1, 4).subplots()
        for axes in below:
            axes.set_axis_off()
        for axes, photo in zip(below, photos, strict=False):
            axes.imshow(photo)
    return figure
