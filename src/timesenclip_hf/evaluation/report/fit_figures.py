"""Draw what a fit to examples changed: the recall of each class, and the score at each strength of the words."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...extras import needs_extra
from .figures import BLUE, GRID, ORANGE, STYLE, WIDTH, new_axes, shorten
from .reading import interval_of

with needs_extra("eval"):
    from matplotlib import rc_context
    from matplotlib.figure import Figure


@rc_context(STYLE)
def change_figure(words: Mapping[str, Any], fitted: Mapping[str, Any], examples: Mapping[str, int]) -> Figure:
    """Draw the recall of each class by words alone and fitted, the class with most examples on top.

    Args:
        words: recall by label, with its interval.
        fitted: as `words`.
        examples: number by label; labels without an example are not drawn.
    """
    ranked = sorted((label for label in examples if examples[label]), key=lambda label: examples[label])
    figure, axes = new_axes(WIDTH, 0.9 + 0.34 * len(ranked))
    places = np.arange(len(ranked))
    drawn = ((words, "words alone", ORANGE, "D", 0.14), (fitted, "fitted", BLUE, "o", -0.14))
    values = {name: np.asarray([interval_of(recall.get(label)) for label in ranked]) for recall, name, *_ in drawn}
    for _, name, colour, marker, aside in drawn:
        middle, low, high = values[name].T
        reach = np.maximum(np.nan_to_num(np.stack([middle - low, high - middle])), 0)
        style: Any = {"color": colour, "markersize": 5, "elinewidth": 1.2, "capsize": 2}
        axes.errorbar(middle, places + aside, xerr=reach, fmt=marker, label=name, **style)
    axes.set_yticks(places, [f"{shorten(label, 30)} ({examples[label]:,})" for label in ranked])
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.6, len(ranked) - 0.4), xlabel="recall in cross-validation")
    axes.grid(axis="x", **GRID)
    axes.set_axisbelow(True)
    figure.legend(loc="outside lower center", ncols=2)
    return figure


@rc_context(STYLE)
def strength_figure(curve: Sequence[Mapping[str, Any]], chosen: float | None) -> Figure:
    """Draw how likely the right class is at each strength of the pull towards the words, and which was chosen.

    Args:
        curve: `penalty`, None where the words are left as they are, and `score`, a geometric mean.
        chosen: penalty.
    """
    steps = sorted((step for step in curve if step["penalty"] is not None), key=lambda step: float(step["penalty"]))
    words = next((float(step["score"]) for step in curve if step["penalty"] is None), None)
    figure, axes = new_axes(WIDTH, 2.9)
    penalties, scores = (np.asarray([float(step[key]) for step in steps]) for key in ("penalty", "score"))
    axes.plot(penalties, scores, color=BLUE, marker="o", markersize=4.5, linewidth=1.3, label="fitted")
    if words is not None:
        axes.axhline(words, color=ORANGE, linestyle="--", linewidth=1.3, label=f"words alone {words:.2f}")
    if chosen is not None and chosen in penalties:
        best = scores[penalties == chosen]
        ring: Any = {"markerfacecolor": "none", "markeredgecolor": "black", "markersize": 11, "linestyle": "none"}
        axes.plot([chosen], best[:1], marker="o", label=f"chosen: {chosen:.3g}", **ring)
    axes.set_xscale("log")
    axes.set_xticks(penalties, [f"{penalty:g}" for penalty in penalties])
    axes.set_xticks([], minor=True)
    axes.set(xlabel="strength of the pull towards the words", ylabel="probability of the right class")
    axes.grid(axis="y", **GRID)
    figure.legend(loc="outside lower center", ncols=3, fontsize=8)
    return figure
