"""Classifies simulated pixels from words, prints labels with scores, and leaves a picture of them."""

import sys
from typing import Any

import matplotlib
import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes
from transformers import pipeline
from transformers.utils import logging

from ..models.timesenclip.pipeline_timesenclip import TASK
from ..simulator import SimulatedPoints, simulate
from ..simulator.classes import CLASS_NAMES
from ..simulator.photos.drawing import draw_photos, visit_states
from ..taxonomies import load_taxonomy

MONTHS = "JFMAMJJASOND"
# Red, near infrared and short-wave infrared by column: green leaf, its water, and the soil between tell most.
SHOWN_BANDS = {
    "B04 red": (2, "#c0392b"),
    "B08 near infrared": (6, "#7d3c98"),
    "B11 short-wave infrared": (8, "#b9770e"),
}
# Points that nothing was trained on have a seed of their own (training/train.py uses 1 to 3).
SEED = 2018
# Months with a clear look that a pixel must have to be shown.
WELL_SEEN = 10


def one_point_of_each(points: SimulatedPoints, covers: list[str]) -> list[int]:
    """For each cover the row of its first point that was seen in most months."""
    names = np.asarray(CLASS_NAMES)[points.class_index]
    clear_months = (~np.isnan(points.series[:, :, 0])).sum(axis=1)
    return [int(np.flatnonzero((names == cover) & (clear_months >= WELL_SEEN))[0]) for cover in covers]


def draw(axes: Axes, series: np.ndarray, photo: np.ndarray, truth: str, result: list[dict[str, Any]]) -> None:
    """One panel: the year of the pixel, a photo of the place, and the three best labels."""
    for name, (column, colour) in SHOWN_BANDS.items():
        axes.plot(range(12), series[:, column], marker="o", markersize=3, color=colour, label=name)
    axes.set(
        xticks=range(12),
        xticklabels=list(MONTHS),
        xlim=(-0.5, 11.5),
        ylim=(0, 0.95),
        title=f"simulated: {truth}",
    )
    axes.title.set_fontsize(10)
    inset = axes.inset_axes((0.02, 0.63, 0.27, 0.35))
    inset.imshow(photo)
    inset.set(xticks=[], yticks=[])
    lines = [f"{entry['score']:.0%} {entry['label']}" for entry in result[:3]]
    axes.text(0.98, 0.97, "\n".join(lines), transform=axes.transAxes, ha="right", va="top", fontsize=9)


def main(picture: str = "demo.png") -> None:
    """Runs the demo.

    Args:
        picture: where the picture goes.
    """
    logging.disable_progress_bar()
    logging.set_verbosity_error()  # transformers advises against a default model, which is what is shown here
    covers = load_taxonomy("simulated_ten").names
    labels = list(covers.values())
    points = simulate(60 * len(covers), seed=SEED, classes=list(covers))
    truth = [covers[CLASS_NAMES[index]] for index in points.class_index]
    classify = pipeline(TASK, device="cpu")
    everything = classify(points.series, candidate_labels=labels)
    rows = one_point_of_each(points, list(covers))
    results = [everything[row] for row in rows]

    right = sum(result[0]["label"] == label for result, label in zip(everything, truth, strict=True))
    print(f"Simulated pixels, a year of Sentinel-2 each, against the words: {', '.join(labels)}")
    print(f"{right} of {len(truth)} are named as what they were simulated as, among them:\n")
    print(f"{'simulated as':22}{'first':30}second")
    for cover, result in zip(covers.values(), results, strict=True):
        first, second = (f"{entry['label']} {entry['score']:.2f}" for entry in result[:2])
        print(f"{cover:22}{first:30}{second}")

    matplotlib.use("Agg")
    figure, panels = pyplot.subplots(2, 5, figsize=(17, 6.2), sharey=True, constrained_layout=True)
    states = visit_states(points.ground)[rows]
    photos = draw_photos(points.class_index[rows], states, seed=SEED)
    for axes, row, cover, photo, result in zip(panels.flat, rows, covers.values(), photos, results, strict=True):
        draw(axes, points.series[row], photo[2], cover, result)
    panels[0, 0].set_ylabel("reflectance")
    panels[1, 0].set_ylabel("reflectance")
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(picture, dpi=110)
    print(f"\nPicture: {picture}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
