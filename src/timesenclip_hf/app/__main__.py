"""Classify simulated pixels from words, print labels with scores, and leave a picture of them."""

import argparse
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from transformers import pipeline
from transformers.utils import logging

from ..extras import needs_extra
from ..files import whole_file
from ..files.outputs import check_file
from ..models.timesenclip.pipeline_timesenclip import TASK
from ..simulator.photos.drawing import draw_photos, visit_states
from .example_points import SEED, example_points

with needs_extra("demo"):
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Red, near infrared and short-wave infrared by column: green leaf, its water, and the soil between tell most.
SHOWN_BANDS = {
    "B04 red": (2, "#c0392b"),
    "B08 near infrared": (6, "#7d3c98"),
    "B11 short-wave infrared": (8, "#b9770e"),
}


def draw(axes: Axes, series: np.ndarray, photo: np.ndarray, truth: str, result: list[dict[str, Any]]) -> None:
    """Draw the year of a pixel (month, band), a photo of its place, and the three best labels of the pipeline.

    `truth` is what the pixel was simulated as.
    """
    for name, (column, colour) in SHOWN_BANDS.items():
        axes.plot(range(12), series[:, column], marker="o", markersize=3, color=colour, label=name)
    axes.set(xticks=range(12), xticklabels=list("JFMAMJJASOND"), xlim=(-0.5, 11.5), ylim=(0, 0.95))
    axes.set_title(f"simulated: {truth}", fontsize=10)
    inset = axes.inset_axes((0.02, 0.63, 0.27, 0.35))
    inset.imshow(photo)
    inset.set(xticks=[], yticks=[])
    lines = [f"{entry['score']:.0%} {entry['label']}" for entry in result[:3]]
    axes.text(0.98, 0.97, "\n".join(lines), transform=axes.transAxes, ha="right", va="top", fontsize=9)


def parser() -> argparse.ArgumentParser:
    """Define the command line."""
    options = argparse.ArgumentParser(prog="python -m timesenclip_hf.app", description=__doc__)
    options.add_argument("picture", type=Path, nargs="?", default=Path("demo.png"), help="to write; demo.png if none")
    options.add_argument("--overwrite", action="store_true", help="replace a file that is there already")
    return options


def main(picture: str | PathLike[str] = "demo.png", *, overwrite: bool = False) -> None:
    """Run the demonstration and write its picture to a file."""
    check_file(picture, overwrite=overwrite)
    logging.disable_progress_bar()
    logging.set_verbosity_error()  # transformers advises against a default model, which is what is shown here
    points, labels, rows = example_points()
    results = pipeline(TASK, device="cpu")(points.series, candidate_labels=list(rows))
    right = sum(result[0]["label"] == label for result, label in zip(results, labels, strict=True))
    print(f"Simulated pixels, a year of Sentinel-2 each, against the words: {', '.join(rows)}")
    print(f"{right} of {len(results)} are named as what they were simulated as, among them:\n")
    print(f"{'simulated as':22}{'first':30}second")
    for label, row in rows.items():
        first, second = (f"{entry['label']} {entry['score']:.2f}" for entry in results[row][:2])
        print(f"{label:22}{first:30}{second}")

    figure = Figure(figsize=(17, 6.2), layout="constrained")
    panels = figure.subplots(2, 5, sharey=True)
    shown = list(rows.values())
    photos = draw_photos(points.class_index[shown], visit_states(points.ground)[shown], seed=SEED)
    for axes, (label, row), photo in zip(panels.flat, rows.items(), photos, strict=True):
        draw(axes, points.series[row], photo[2], label, results[row])
    for axes in panels[:, 0]:
        axes.set_ylabel("reflectance")
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    with whole_file(picture, overwrite=overwrite) as partial:
        figure.savefig(partial, dpi=110)
    print(f"\nPicture: {picture}")


if __name__ == "__main__":
    try:
        main(**vars(parser().parse_args()))
    except OSError as wrong:
        raise SystemExit(f"error: {wrong}") from None
