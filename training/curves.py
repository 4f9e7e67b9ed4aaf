"""Draw the curves of a training run: `python -m training.curves RESULTS.json [--output FOLDER] [--overwrite]`.

One picture a stage, `curves_<stage>.png`: the loss, what the validations measured, the learning rate and, where there
is one, the inverse temperature, over the optimiser steps.
"""

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from timesenclip_hf.extras import needs_extra
from timesenclip_hf.files import whole_files

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CurveEntry = Mapping[str, float]

# Inches, and dots an inch: 1,200 pixels across, of which a page shows some 800.
WIDTH, ROW_HEIGHT, DPI = 8.0, 2.5, 150
# A curve of fewer points than this shows each.
FEW_POINTS = 40
# Settings that say among how many candidates the right one is searched, by stage.
CANDIDATES = {
    "photos_and_captions": ("clip_batch_size",),
    "series_and_photos": ("batch_size", "memory_bank_size"),
    "images_and_photos": ("batch_size", "memory_bank_size"),
}
PANELS = {"loss": "training loss", "learning_rate": "learning rate", "logit_scale": "inverse temperature"}


def draw_curves(results: Mapping[str, Any], folder: Path, *, overwrite: bool = False) -> list[Path]:
    """Draw every stage that was trained.

    Args:
        results: of `training.train`: `curves`, `evaluations`, `best` and `stopped` by stage, and `arguments`; all but
            the curves may lack.
        folder: for the pictures; made where it is not there.
        overwrite: replace pictures that are there.

    Returns:
        The pictures; none where nothing was logged.

    Raises:
        OSError: a picture cannot be written, or is there already and not to be replaced.
        ImportError: matplotlib is not installed.
    """
    with needs_extra("train"):
        from matplotlib.figure import Figure

    names = []
    with whole_files(folder, overwrite=overwrite) as partial:
        for stage, curve in results.get("curves", {}).items():
            if not curve:
                continue
            parts = (results.get(name, {}).get(stage) for name in ("evaluations", "best", "stopped"))
            evaluations, best, stopped = parts
            rows = 3 if evaluations else 2
            figure = Figure(figsize=(WIDTH, ROW_HEIGHT * rows), dpi=DPI, layout="constrained")
            _draw_stage(figure, curve, _chance(stage, results.get("arguments", {})), evaluations or [], best)
            title = f"{stage.replace('_', ' ').capitalize()}: {curve[-1]['step']:,} steps"
            figure.suptitle(f"{title}, then {stopped}" if stopped else title)
            names.append(f"curves_{stage}.png")
            figure.savefig(partial / names[-1])
    return [folder / name for name in names]


def _draw_stage(
    figure: "Figure",
    curve: Sequence[CurveEntry],
    chance: float | None,
    evaluations: Sequence[CurveEntry],
    best: CurveEntry | None,
) -> None:
    logged = [name for name in PANELS if name in curve[-1]]
    rows: Any = [["loss"] * (len(logged) - 1), logged[1:]]
    if evaluations:
        rows.insert(1, ["validation"] * len(rows[0]))
    panels = figure.subplot_mosaic(rows, height_ratios=[1, 1.3, 1] if evaluations else None)
    for axes in panels.values():
        axes.grid(alpha=0.3)
        axes.set_xlim(0, 1.02 * curve[-1]["step"])
        axes.set_xlabel("step")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.locator_params(axis="x", nbins=6, integer=True)
    for name in logged:
        panels[name].set_ylabel(PANELS[name])
        _plot(panels[name], curve, name)
    panels["learning_rate"].ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    if "logit_scale" in panels:
        panels["logit_scale"].ticklabel_format(axis="y", useOffset=False)
    if chance is not None:
        panels["loss"].axhline(chance, color="0.4", linestyle="--", label=f"chance, {chance:.2f}")
        panels["loss"].legend(frameon=False)
    if evaluations:
        _draw_validation(panels["validation"], evaluations, best)


def _draw_validation(axes: "Axes", evaluations: Sequence[CurveEntry], best: CurveEntry | None) -> None:
    names = [name for name in evaluations[-1] if name != "step"]
    for name in names:
        _plot(axes, evaluations, name, label=name.replace("_", " "))
    if best is not None:
        axes.axvline(best["step"], color="0.4", linestyle="--", label=f"kept, step {best['step']:,}")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("validation")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=3, frameon=False)


def _plot(axes: "Axes", entries: Sequence[CurveEntry], name: str, label: str | None = None) -> None:
    points = [(entry["step"], entry[name]) for entry in entries if name in entry]
    axes.plot(*zip(*points, strict=True), marker="." if len(points) < FEW_POINTS else None, label=label)


def _chance(stage: str, arguments: Mapping[str, Any]) -> float | None:
    """Return the loss of embeddings that tell nothing apart: the log of the number of candidates, log(B + K)."""
    settings = [arguments.get(name) for name in CANDIDATES.get(stage, ())]
    candidates = sum(value for value in settings if value is not None)
    # Soft positives are more than one among them.
    return math.log(candidates) if candidates and not arguments.get("soft_positives") else None


def parser() -> argparse.ArgumentParser:
    """Define the command line."""
    options = argparse.ArgumentParser(description="Draws the curves of a training run.")
    options.add_argument("results", type=Path, help="JSON that training.train wrote")
    options.add_argument("--output", type=Path, help="folder of the pictures; that of the results when left out")
    options.add_argument("--overwrite", action="store_true", help="replace pictures that are there")
    return options


def main() -> None:
    """Read a results file and draw it."""
    arguments = parser().parse_args()
    try:
        results = json.loads(arguments.results.read_text(encoding="utf-8"))
        if not isinstance(results, dict) or not results.get("curves"):
            raise ValueError(f"{arguments.results} has no curves: it must be what training.train wrote.")
        folder = arguments.output or arguments.results.parent
        for picture in draw_curves(results, folder, overwrite=arguments.overwrite):
            print(picture)
    except (ValueError, OSError, ImportError) as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
