"""Evaluates checkpoints on pixels that nothing was trained on, alone or on several processes.

`accelerate launch training/measure.py --dataset simulated --dataset real --suite all --output runs/evaluation`

It is `timesenclip evaluate` with the folder of real samples beside this checkout; `--help` lists the options. Every
figure stands beside the lines that it must beat: always naming the commonest class, and a blind guess. Pixels of one
field are alike, so that the number of pixels says little about the number of independent samples.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from timesenclip_hf import DEFAULT_CHECKPOINT
from timesenclip_hf.cli import app
from timesenclip_hf.evaluation.baselines import ImageModel
from timesenclip_hf.evaluation.harness import evaluate
from timesenclip_hf.evaluation.images import ImageSet, evaluate_images
from timesenclip_hf.evaluation.protocol import Checkpoint, EvaluationSet, Protocol
from timesenclip_hf.evaluation.sets import open_sets, simulated_set

ROOT = Path(__file__).resolve().parent.parent
# Raw scores of twelve months, the checkpoint's own prompts.
PLAIN = Protocol(num_looks=(12,), prompts=("generic",), centrings=("none",))


def simulated(model: Any, processor: Any, num_points: int = 6_000) -> dict[str, dict[str, Any]]:
    """Held-out simulated points: ten covers in plain words, all covers by their names, and the LUCAS land cover."""
    entries = _plain_entries(Checkpoint("checkpoint", model, processor), [simulated_set(num_points)])
    return {entry["task"]: _report(entry) for _, entry in entries}


def simulated_images(image_model: ImageModel, num_points: int = 6_000) -> dict[str, dict[str, Any]]:
    """The same points as [`simulated`]'s by the patch around each, for a CLIP."""
    points = ImageSet.of_points(simulated_set(num_points, images=True))
    results = evaluate_images([image_model], [points], views=("generic",), centrings=("none",))
    return {entry["task"]: _report(entry) for run in results["runs"] for entry in run["tasks"]}


def real(model: str | None = None) -> dict[str, dict[str, Any]]:
    """Every labelled set of real samples; the first task of a set goes by the name of the set."""
    sets = open_sets(["real"], real_data=real_data_folder())
    reports: dict[str, dict[str, Any]] = {}
    for name, entry in _plain_entries(Checkpoint.load(model or DEFAULT_CHECKPOINT), sets):
        reports[f"{name}, {entry['task']}" if name in reports else name] = _report(entry)
    return reports


def real_data_folder() -> Path:
    """The folder of real data.

    Raises:
        FileNotFoundError: it is absent.
    """
    folder = Path(os.environ.get("TIMESENCLIP_REAL_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        raise FileNotFoundError(
            f"There is no real data at {folder}: set TIMESENCLIP_REAL_DATA to the folder that holds it."
        )
    return folder


def describe(name: str, report: dict[str, Any]) -> str:
    """A few lines for a person."""
    lines = [
        f"{name}: balanced accuracy {report['balanced_accuracy']:.3f} "
        f"(majority {report['majority_balanced_accuracy']:.3f}, chance {report['chance']:.3f}), "
        f"accuracy {report['accuracy']:.3f} (majority {report['majority_accuracy']:.3f}), {report['samples']} pixels"
    ]
    lines += [f"  {label:<24} recall {recall:.3f}" for label, recall in report["recall"].items()]
    return "\n".join(lines)


def _plain_entries(checkpoint: Checkpoint, sets: Iterable[EvaluationSet]) -> Iterator[tuple[str, dict[str, Any]]]:
    for run in evaluate([checkpoint], sets, PLAIN).results["runs"]:
        yield from ((run["dataset"]["name"], entry) for entry in run["tasks"])


def _report(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry, flat, as [`describe`] reads it."""
    return {
        **{key: entry[key] for key in ("samples", "recall", "absent", "confusion")},
        **{metric: value["value"] for metric, value in entry["metrics"].items()},
        **{f"majority_{metric}": value for metric, value in entry["baselines"]["majority"].items()},
        "chance": entry["baselines"]["chance"],
    }


def main() -> None:
    """The command, with the real samples where this checkout expects them."""
    os.environ.setdefault("TIMESENCLIP_REAL_DATA", str(ROOT.parent / "shared" / "data"))
    app(["evaluate", *sys.argv[1:]], prog_name="training/measure.py")


if __name__ == "__main__":
    main()
