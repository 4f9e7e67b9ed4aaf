"""Draw curves: accuracy against damage and against labelled samples, confidence against accuracy."""

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from ...extras import needs_extra
from ..probing import ON_WORDS
from .figures import BLUE, GREEN, GRID, ORANGE, PURPLE, SKY, STYLE, VERMILLION, WIDTH, new_axes
from .reading import interval_of, words

with needs_extra("eval"):
    from matplotlib import rc_context
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

LINES = ((BLUE, "o"), (VERMILLION, "s"), (GREEN, "^"), (PURPLE, "D"), (ORANGE, "v"), (SKY, "P"))
METHODS = {
    "knn": "nearest neighbours",
    "fitted_words": "words fitted to the samples",
    "fitted_words_and_values": "words fitted, with monthly values",
    "boosting": "boosting on the raw series",
    "forest": "random forest on the raw series",
    "logistic": "logistic regression on the raw series",
}

Entries = Sequence[Mapping[str, Any]]


@rc_context(STYLE)
def robustness_figure(entries: Entries, metric: str, *, chance: float | None = None) -> Figure:
    """Draw a metric against the strength of each kind of damage, a panel for each kind.

    Args:
        entries: `perturbation`, `level` (a number, or a name such as a band's), `metrics`, perhaps `unit` of the level.
        metric: key of `metrics`.
        chance: of a blind guess, drawn as a line.
    """
    kinds = list(dict.fromkeys(str(entry["perturbation"]) for entry in entries))
    rows = -(-len(kinds) // 2)
    figure = Figure(figsize=(WIDTH, 0.45 + 1.75 * rows), layout="constrained")
    panels = figure.subplots(rows, 2, sharey=True, squeeze=False)
    for axes, kind in zip(panels.flat, kinds, strict=False):
        of_kind = [entry for entry in entries if str(entry["perturbation"]) == kind]
        _draw_curve(axes, of_kind, metric)
        axes.set_title(words(kind), loc="left")
        axes.set_xlabel(str(of_kind[0].get("unit", "level")), fontsize=8)
        if chance is not None:
            axes.axhline(chance, color="black", linestyle=":", linewidth=1)
    for axes in panels.flat[len(kinds) :]:
        axes.set_visible(False)
    for axes in panels[:, 0]:
        axes.set_ylabel(words(metric), fontsize=8)
    highest = np.nan_to_num([interval_of(entry["metrics"].get(metric)) for entry in entries]).max()
    panels[0, 0].set_ylim(0, min(1.02, 1.12 * highest) if highest > 0 else 1)
    if chance is not None:
        line = Line2D([], [], color="black", linestyle=":", linewidth=1, label=f"blind guess {chance:.2f}")
        figure.legend(handles=[line], loc="outside lower center", fontsize=8)
    return figure


@rc_context(STYLE)
def few_shot_figure(entries: Entries, metric: str, *, zero_shot: float | None = None) -> Figure:
    """Draw a metric against the labelled samples of a class, a line for each method.

    Args:
        entries: `method`, `shots` (a number or "all"), `metrics`.
        metric: key of `metrics`.
        zero_shot: the same metric without any label, drawn as a line, where the curves of fitted words begin.
    """
    if zero_shot is not None:
        begun = dict.fromkeys(str(entry["method"]) for entry in entries if entry["method"] in ON_WORDS)
        entries = [*({"method": method, "shots": 0, "metrics": {metric: zero_shot}} for method in begun), *entries]
    shots = sorted({str(entry["shots"]) for entry in entries}, key=lambda shot: (not shot.isdigit(), shot.zfill(9)))
    methods = list(dict.fromkeys(str(entry["method"]) for entry in entries))
    figure, axes = new_axes(WIDTH, 3.4)
    for turn, method in enumerate(methods):
        colour, marker = LINES[turn % len(LINES)]
        steps = sorted((e for e in entries if str(e["method"]) == method), key=lambda e: shots.index(str(e["shots"])))
        values = np.array([interval_of(entry["metrics"].get(metric)) for entry in steps])
        # Side by side, so that the intervals of two methods do not hide each other.
        aside = 0.06 * (turn - len(methods) / 2 + 0.5)
        places = np.array([shots.index(str(entry["shots"])) for entry in steps]) + aside
        style = "-" if turn < len(LINES) else "--"
        axes.errorbar(
            places, values[:, 0], yerr=_reach(values), color=colour, marker=marker, linestyle=style,
            markersize=4.5, linewidth=1.3, capsize=2, elinewidth=0.8, label=METHODS.get(method, words(method)),
        )  # fmt: skip
    if zero_shot is not None:
        axes.axhline(zero_shot, color="black", linestyle="--", linewidth=1, label=f"zero-shot {zero_shot:.2f}")
    axes.set_xticks(range(len(shots)), shots)
    axes.set(xlabel="labelled samples of a class", ylabel=words(metric), ylim=(0, 1.02))
    axes.grid(axis="y", **GRID)
    figure.legend(loc="outside lower center", ncols=2, fontsize=8)
    return figure


@rc_context(STYLE)
def reliability_figure(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> Figure:
    """Draw how often answers are right that the model is so sure of; on the diagonal it is as sure as it is right.

    Args:
        confidence: probability of each answer, (samples,).
        right: whether it was, (samples,).
        bins: of equal width, as in the expected calibration error.
    """
    edges = np.linspace(0, 1, bins + 1)
    # A bin holds its upper edge, as in `expected_calibration_error`.
    bin_of = np.searchsorted(edges[1:-1], confidence)
    counts = np.bincount(bin_of, minlength=bins)
    filled = counts > 0
    sums = (np.bincount(bin_of, weights=values, minlength=bins)[filled] for values in (confidence, right))
    means, shares = (total / counts[filled] for total in sums)
    figure = Figure(figsize=(4.2, 4.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    upper.plot((0, 1), (0, 1), color="0.45", linestyle="--", linewidth=1, label="as sure as right")
    upper.vlines(means, *np.sort([means, shares], axis=0), color=VERMILLION, linewidth=1, label="gap")
    upper.plot(means, shares, color=BLUE, marker="o", markersize=5, linewidth=1.3, label="this checkpoint")
    upper.set(ylabel="share that is right", ylim=(0, 1.02), xlim=(0, 1.02))
    upper.legend(fontsize=8, loc="upper left")
    lower.bar(edges[:-1], counts, width=1 / bins, align="edge", color=SKY, edgecolor="white")
    lower.set(xlabel="confidence", ylabel="samples")
    return figure


def _draw_curve(axes: Axes, entries: Entries, metric: str) -> None:
    """Draw numbers as a line with its interval; names as points side by side."""
    values = np.array([interval_of(entry["metrics"].get(metric)) for entry in entries])
    levels = [entry["level"] for entry in entries]
    axes.grid(axis="y", **GRID)
    if all(isinstance(level, Real) for level in levels):
        order = np.argsort(levels)
        places, values = np.asarray(levels)[order], values[order]
        axes.plot(places, values[:, 0], color=BLUE, marker="o", markersize=3.5, linewidth=1.2)
        whole_numbers = all(isinstance(level, Integral) for level in levels)
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10], integer=whole_numbers))
        axes.fill_between(places, values[:, 1], values[:, 2], color=BLUE, alpha=0.18, linewidth=0)
        return
    indices, names = range(len(levels)), ["none" if level == 0 else str(level) for level in levels]
    axes.errorbar(indices, values[:, 0], yerr=_reach(values), color=BLUE, fmt="o", markersize=3.5, elinewidth=0.8)
    axes.set_xticks(indices, names, rotation=90, fontsize=7)


def _reach(values: np.ndarray) -> np.ndarray:
    """Turn intervals (entries, 3) into what matplotlib wants: below and above the value, 0 where there is none."""
    reach = np.stack([values[:, 0] - values[:, 1], values[:, 2] - values[:, 0]])
    return np.asarray(np.maximum(np.nan_to_num(reach), 0))
