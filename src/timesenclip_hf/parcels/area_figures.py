"""Draw the areas of a map with their intervals, and its error matrix."""

import os
from textwrap import shorten
from typing import Any

import numpy as np

from ..extras import needs_extra
from ..files import whole_file
from ..words import in_figure
from .areas import AreaReport

with needs_extra("map"):
    from matplotlib import colormaps
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LONGEST_LABEL, LONGEST_COLUMN = 30, 20
# Of more classes the cells of the matrix have no room for numbers.
MOST_NUMBERED = 12
# Grey, and Okabe and Ito's (2008) orange and black: told apart by colour-blind readers, and by their markers.
MAPPED, EXPECTED, ESTIMATED = "0.55", "#E69F00", "black"
SQUARE_KILOMETRES = 1e5  # hectares from which an axis counts in square kilometres


def write_area_png(report: AreaReport, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Draw the picture of a report: areas with 95 % intervals, beside them the error matrix in shares of the area.

    Raises:
        OSError: the file cannot be written, or is there already and not to be replaced.
    """
    with whole_file(path, overwrite=overwrite) as partial:
        draw_areas(report).savefig(partial, metadata={"Software": None})


def draw_areas(report: AreaReport) -> Figure:
    """Draw the picture of [`write_area_png`] as a figure."""
    count, with_matrix = len(report.labels), report.estimate is not None
    height = 1.6 + max(2.2, 0.36 * count)
    if not with_matrix:
        figure = Figure(figsize=(6.2, height), dpi=130, layout="constrained")
        _draw_intervals(figure.subplots(), report)
    else:
        figure = Figure(figsize=(11, height + 0.5), dpi=130, layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
        _draw_intervals(left, report)
        _draw_matrix(right, report)
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.08)
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def _names(report: AreaReport, longest: int = LONGEST_LABEL) -> list[str]:
    return [in_figure(shorten(label, longest, placeholder=" …")) for label in report.labels]


def _draw_intervals(axes: Axes, report: AreaReport) -> None:
    """Draw for each class what is mapped, and what is estimated with its interval, the first class on top."""
    places = np.arange(len(report.labels))[::-1]
    in_km = report.hectares.sum() >= SQUARE_KILOMETRES
    unit = 0.01 if in_km else 1.0
    style: Any = {"linestyle": "none", "markersize": 7}
    axes.plot(report.hectares * unit, places, "D", color=MAPPED, fillstyle="none", label="pixels counted", **style)
    known = len(report.labels) - report.has_rejected
    if report.expected is not None:
        hectares, rows = report.expected.hectares[:known] * unit, places[:known]
        axes.plot(hectares, rows, "s", color=EXPECTED, fillstyle="none", label="expected by the map", **style)
    if (estimate := report.estimate) is not None:
        middle, low, high = (
            values[:known] * report.total * unit
            for values in (estimate.areas.value, estimate.areas.low, estimate.areas.high)
        )
        reach = np.stack([middle - low, high - middle])
        drawn: Any = {"color": ESTIMATED, "markersize": 5, "capsize": 3, "elinewidth": 1.4}
        axes.errorbar(middle, places[:known], xerr=reach, fmt="o", label="estimated, 95 % interval", **drawn)
    axes.set_yticks(places, _names(report))
    for tick, label in zip(axes.get_yticklabels(), report.labels, strict=True):
        if label in report.colours:
            square: Any = {"boxstyle": "square,pad=0.25", "facecolor": "none", "linewidth": 1.8}
            tick.set_bbox({**square, "edgecolor": report.colours[label]})
    axes.set(ylim=(-0.6, len(places) - 0.4), xlabel="km²" if in_km else "hectares")
    axes.set_xlim(left=0)
    axes.set_title("Area of each class", fontsize=11)
    axes.grid(axis="x", color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_matrix(axes: Axes, report: AreaReport) -> None:
    """Draw where the area went: rows as mapped, columns as found, shares of all area and numbers of points."""
    assert report.estimate is not None, "without an estimate there is no matrix"
    known = len(report.labels) - report.has_rejected
    shares, counts = report.estimate.shares[:, :known], report.estimate.counts[:, :known]
    largest = float(shares.max())
    axes.imshow(shares, cmap=colormaps["Blues"], vmin=0, vmax=largest, aspect="auto", interpolation="nearest")
    names = _names(report)
    axes.set_yticks(range(len(names)), names)
    columns = _names(report, LONGEST_COLUMN)[:known]
    axes.set_xticks(range(known), columns, rotation=35, ha="right", rotation_mode="anchor")
    if len(names) <= MOST_NUMBERED:
        for row, column in np.argwhere(counts):
            share = shares[row, column]
            text = f"{share:.1%}\n{counts[row, column]:,} pt" if len(names) <= 7 else f"{share:.1%}"
            colour = "white" if share > 0.65 * largest else "black"
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
    axes.set(xlabel="found at the point", ylabel="mapped as")
    overall = report.estimate.overall
    told = f"overall accuracy {overall.value:.2f} ± {overall.half_width:.2f}"
    axes.set_title(f"Shares of the area, points\n{told}", fontsize=11)
