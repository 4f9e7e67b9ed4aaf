"""Draw the pictures of classes, as matplotlib figures; hold the style of all pictures of a report.

Widths are those of a telephone held upright, so that text stays legible where the page is narrow; only large confusion
matrices are wider. Colours are Okabe and Ito's (2008) or run from light to dark, and never carry a meaning alone.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...extras import needs_extra
from ...words import in_figure, on_one_line

with needs_extra("eval"):
    from matplotlib import colormaps, rc_context
    from matplotlib.axes import Axes
    from matplotlib.colors import to_hex
    from matplotlib.figure import Figure

# Labels are written as they are: a dollar sign is no formula.
STYLE: Any = {
    "text.parse_math": False,
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "legend.frameon": False,
}
GRID: Any = {"color": "0.9", "linewidth": 0.6}
WIDTH = 5.2
DPI = 144
_, ORANGE, SKY, GREEN, _, BLUE, VERMILLION, PURPLE = (to_hex(colormaps["okabe_ito"](index)) for index in range(8))
MONTHS = "JFMAMJJASOND"
# Up to here a cell has room for its number, and up to here a column for its name.
MOST_NUMBERED_CELLS = 12
MOST_NAMED_COLUMNS = 20
LONGEST_LABEL = 40


def to_png(figure: Figure) -> bytes:
    """Write the figure as a PNG file; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with rc_context(STYLE):
        figure.savefig(buffer, format="png", dpi=DPI, bbox_inches="tight", pad_inches=0.06, metadata={"Software": None})
    return buffer.getvalue()


def new_axes(width: float, height: float) -> tuple[Figure, Axes]:
    """Make a figure of a width and height in inches with a single panel."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


@rc_context(STYLE)
def confusion_figure(confusion: Sequence[Sequence[float]], labels: Sequence[str]) -> Figure:
    """Draw where the samples of each class went, as shares of the class.

    Args:
        confusion: counts (classes, classes), rows the truth.
        labels: names of the classes.
    """
    counts = np.asarray(confusion, dtype=float)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.full_like(counts, np.nan), where=totals > 0)
    number = len(labels)
    names = [shorten(label) for label in labels]
    cell = 0.4 if number <= MOST_NUMBERED_CELLS else 0.28 if number <= MOST_NAMED_COLUMNS else 0.19
    margin = 0.35 + 0.07 * max(map(len, names))
    above = 0.3 if number > MOST_NAMED_COLUMNS else margin
    figure, axes = new_axes(max(number * cell + margin + 0.9, 3.6), number * cell + above + 0.5)
    axes.spines[:].set_visible(True)
    colours = colormaps["Blues"].with_extremes(bad="0.88")
    image = axes.imshow(shares, vmin=0, vmax=1, cmap=colours, interpolation="nearest")
    indices, small = range(number), 8 if number <= MOST_NAMED_COLUMNS else 7
    if number > MOST_NAMED_COLUMNS:
        numbered = [f"{name}  {index}" for index, name in enumerate(names, start=1)]
        axes.set_xticks(indices, [str(index + 1) for index in indices], fontsize=6, rotation=90)
        axes.set_yticks(indices, numbered, fontsize=small)
        axes.tick_params(labeltop=True, top=True, labelright=False)
        axes.set_xticks(np.arange(number + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(number + 1) - 0.5, minor=True)
        axes.grid(which="minor", color="0.9", linewidth=0.4)
        axes.tick_params(which="minor", length=0)
    else:
        turned: Any = {"rotation": 90, "ha": "center"} if number > 5 else {"rotation": 40, "ha": "right"}
        axes.set_xticks(indices, names, fontsize=small, **turned)
        axes.set_yticks(indices, names, fontsize=small)
    if number <= MOST_NUMBERED_CELLS:
        for row, column in np.argwhere(shares >= 0.005):
            dark = shares[row, column] > 0.55
            text = f"{100 * shares[row, column]:.0f}"
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color="white" if dark else "black")
    axes.set(xlabel="named as", ylabel="truth")
    bar = figure.colorbar(image, ax=axes, shrink=0.6, aspect=25, pad=0.02)
    bar.set_label("share of the class's samples" if number > 5 else "share")
    return figure


@rc_context(STYLE)
def class_bars(
    recall: Mapping[str, float], support: Mapping[str, float], *, mean: float | None = None, chance: float | None = None
) -> Figure:
    """Draw the recall of each class with its number of samples, the best on top.

    Args:
        recall: by label, of the classes that occur.
        support: samples of each.
        mean: of the recalls, drawn as a line.
        chance: recall of a blind guess, drawn as a line.
    """
    ranked = sorted(recall, key=lambda label: recall[label])
    figure, axes = new_axes(WIDTH, 0.75 + 0.21 * len(ranked))
    places = range(len(ranked))
    axes.barh(places, [recall[label] for label in ranked], color=SKY, edgecolor=BLUE, linewidth=0.6, height=0.72)
    axes.set_yticks(places, [shorten(label, 32) for label in ranked])
    beside = axes.secondary_yaxis("right")
    counts = [f" of {support[label]:,.0f}" if label in support else "" for label in ranked]
    beside.set_yticks(places, [f"{recall[label]:.2f}{count}" for label, count in zip(ranked, counts, strict=True)])
    beside.tick_params(length=0)
    beside.spines["right"].set_visible(False)
    axes.set(xlim=(0, 1.0), ylim=(-0.6, len(ranked) - 0.4), xlabel="recall")
    for value, style, name in ((mean, "-", "mean of the classes"), (chance, ":", "blind guess")):
        if value is not None:
            axes.axvline(value, color="black", linestyle=style, linewidth=1, label=f"{name} {value:.2f}")
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="outside lower center", ncols=2, fontsize=8)
    return figure


def shorten(label: str, longest: int = LONGEST_LABEL) -> str:
    """Cut a label to what a picture has room for, on one line."""
    text = on_one_line(label)
    return in_figure(text if len(text) <= longest else f"{text[: longest - 1]}…")
