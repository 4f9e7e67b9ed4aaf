"""Draw where the points of a dataset are, and how many rows each class has."""

import math
from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from textwrap import shorten

import numpy as np
from matplotlib.figure import Figure

from hub.dataset_counts import SplitCounts, known_classes, labels_of
from timesenclip_hf.words import in_figure

# Of splits: Okabe and Ito (2008), told apart by colour-blind readers too.
COLOURS = ("#009E73", "#E69F00", "#56B4E9", "#D55E00", "#F0E442", "#0072B2", "#CC79A7")
# More bars than this cannot be read in one picture.
MOST_BARS = 20
LONGEST_NAME = 45


def draw_map(counts: Mapping[str, SplitCounts], path: Path) -> None:
    """Draw every point on a map, coloured by split."""
    figure = Figure(figsize=(8, 6), dpi=120, layout="constrained")
    axes = figure.subplots()
    positions = {name: np.concatenate([np.empty((2, 0)), *split.positions], axis=1) for name, split in counts.items()}
    size = min(20.0, max(0.3, 20_000 / max(sum(split.rows for split in counts.values()), 1)))
    for colour, (name, points) in zip(cycle(COLOURS), positions.items(), strict=False):
        label = in_figure(f"{name} ({counts[name].rows:,})")
        axes.scatter(points[0], points[1], s=size, color=colour, linewidths=0, label=label)
    longitudes, latitudes = np.concatenate(list(positions.values()), axis=1)
    placeless = int((np.isnan(longitudes) | np.isnan(latitudes)).sum())
    latitudes = latitudes[~np.isnan(latitudes)]
    if len(latitudes):
        # A degree of longitude is this much shorter than one of latitude.
        axes.set_aspect(1 / max(0.1, math.cos(math.radians(float(np.median(latitudes))))))
    axes.set_xlabel("Longitude (°)")
    axes.set_ylabel("Latitude (°)")
    axes.ticklabel_format(useOffset=False)
    axes.margins(0.08)
    if placeless:
        axes.set_title(f"{placeless:,} rows have no position")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=len(counts), frameon=False, markerscale=2)
    figure.savefig(path)


def draw_classes(counts: Mapping[str, SplitCounts], path: Path) -> None:
    """Draw the rows of each class, one panel a class column, stacked by split."""
    known = known_classes(counts)
    heights = [0.9 + 0.24 * min(len(indices), MOST_BARS) for indices in known.values()] or [1.2]
    figure = Figure(figsize=(9, sum(heights) + 0.6), dpi=100, layout="constrained")
    panels = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    if not known:
        panels[0].text(0.5, 0.5, "no class is known of any row", ha="center", transform=panels[0].transAxes)
        panels[0].set_axis_off()
    for axes, (column, indices) in zip(panels, known.items(), strict=False):
        shown = indices[:MOST_BARS]
        left = np.zeros(len(shown))
        for colour, (name, split) in zip(cycle(COLOURS), counts.items(), strict=False):
            widths = np.asarray([split.classes[column][index] for index in shown])
            axes.barh(np.arange(len(shown)), widths, left=left, color=colour, label=name)
            left += widths
        names = [labels_of(counts, column)[index][1] for index in shown]
        shortened = [in_figure(shorten(name, LONGEST_NAME, placeholder="…")) for name in names]
        axes.set_yticks(np.arange(len(shown)), shortened)
        axes.invert_yaxis()
        commonest = "" if len(shown) == len(indices) else f", the {len(shown)} commonest of {len(indices)}"
        axes.set_title(column.replace("_", " ") + commonest, loc="left")
        axes.set_xlabel("rows")
        axes.locator_params(axis="x", nbins=6)
    if known:
        figure.legend(
            *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(counts), frameon=False
        )
    figure.savefig(path)
