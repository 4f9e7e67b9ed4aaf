"""Measure checkpoints on pixels that nothing was trained on, alone or on several processes.

`accelerate launch -m training.measure --dataset simulated --dataset real --suite all --output runs/evaluation`

It is `timesenclip evaluate` that also knows the sets of real samples beside this checkout, "real"; `--help` lists the
options. Every figure stands beside the lines that it must beat: always naming the commonest class, and a blind guess.
Pixels of one field are alike, so that the number of pixels says little about the number of independent samples.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from timesenclip_hf import DEFAULT_CHECKPOINT
from timesenclip_hf.cli import app
from timesenclip_hf.cli.evaluate import DataGroup, ProtocolGroup, ReportGroup, run_evaluation
from timesenclip_hf.cli.options import with_groups
from timesenclip_hf.evaluation.baselines import ImageModel
from timesenclip_hf.evaluation.harness import OF, evaluate, evaluate_images
from timesenclip_hf.evaluation.image_measurement import ImageProtocol
from timesenclip_hf.evaluation.protocol import Checkpoint, EvaluationSet, Protocol
from timesenclip_hf.evaluation.report.reading import runs_of
from timesenclip_hf.evaluation.sets import SetOptions, open_sets, simulated_set
from timesenclip_hf.evaluation.sets.images import ImageSet
from training.real_sets import LEFT_OUT, real_data_folder, real_sets

# Raw scores of twelve months, the checkpoint's own prompts.
PLAIN = Protocol(composites=(12,), prompts=("generic",), centrings=("none",))
REAL = "real"


def simulated(model: Any, processor: Any, num_points: int = 6_000) -> dict[str, dict[str, Any]]:
    """Measure held-out simulated points: ten covers in plain words, all covers by their names, LUCAS land cover."""
    entries = _plain_entries(Checkpoint("checkpoint", model, processor), [simulated_set(num_points)])
    return {entry["task"]: _report(entry) for _, entry in entries}


def simulated_images(image_model: ImageModel, num_points: int = 6_000) -> dict[str, dict[str, Any]]:
    """Measure a CLIP on the patch around each of the points of [`simulated`]."""
    points = ImageSet.of_points(simulated_set(num_points, images=True))
    results = evaluate_images([image_model], [points], ImageProtocol(views=("generic",), centrings=("none",)))
    return {entry["task"]: _report(entry) for run in results["runs"] for entry in run["tasks"]}


def real(model: str | None = None) -> dict[str, dict[str, Any]]:
    """Measure every labelled set of real samples; the first task of a set goes by the name of the set."""
    reports: dict[str, dict[str, Any]] = {}
    for name, entry in _plain_entries(Checkpoint.load(model or DEFAULT_CHECKPOINT), real_sets(real_data_folder())):
        reports[f"{name}, {entry['task']}" if name in reports else name] = _report(entry)
    return reports


def largest_difference(results: Mapping[str, Any], recorded: Mapping[str, Any]) -> tuple[int, float]:
    """Compare the metrics of task entries with recorded ones.

    Returns:
        How many values both have, and their largest difference.

    Raises:
        ValueError: an entry is not among those recorded.
    """
    known = dict(_values(recorded))
    differences = []
    for name, value in _values(results):
        if name not in known:
            raise ValueError(f"{', '.join(map(str, name))} is not among the recorded figures: record them again.")
        differences.append(abs(value - known[name]))
    return len(differences), max(differences)


def describe(name: str, report: dict[str, Any]) -> str:
    """Write a few lines for a person."""
    lines = [
        f"{name}: balanced accuracy {report['balanced_accuracy']:.3f} "
        f"(majority {report['majority_balanced_accuracy']:.3f}, chance {report['chance']:.3f}), "
        f"accuracy {report['accuracy']:.3f} (majority {report['majority_accuracy']:.3f}), {report['samples']} pixels"
    ]
    lines += [f"  {label:<24} recall {recall:.3f}" for label, recall in report["recall"].items()]
    return "\n".join(lines)


@app.command()
@with_groups
def measure(data: DataGroup, scoring: ProtocolGroup, report: ReportGroup) -> None:
    """Evaluate checkpoints on simulated points, datasets and "real", and write a report."""
    left_out = LEFT_OUT if REAL in data.dataset else None
    run_evaluation(data, scoring, report, _open_sets, left_out)


def _open_sets(names: Sequence[str], options: SetOptions) -> Iterator[EvaluationSet]:
    for name in names:
        yield from real_sets(real_data_folder()) if name == REAL else open_sets([name], options)


def _plain_entries(checkpoint: Checkpoint, sets: Iterable[EvaluationSet]) -> Iterator[tuple[str, dict[str, Any]]]:
    for run in evaluate([checkpoint], sets, PLAIN).results["runs"]:
        yield from ((run["dataset"]["name"], entry) for entry in run["tasks"])


def _report(entry: dict[str, Any]) -> dict[str, Any]:
    """Flatten an entry, as [`describe`] reads it."""
    return {
        **{key: entry[key] for key in ("samples", "recall", "absent", "confusion")},
        **{metric: value["value"] for metric, value in entry["metrics"].items()},
        **{f"majority_{metric}": value for metric, value in entry["baselines"]["majority"].items()},
        "chance": entry["baselines"]["chance"],
    }


def _values(results: Mapping[str, Any]) -> Iterator[tuple[tuple[Any, ...], float]]:
    for run in runs_of(results):
        for entry in run["tasks"]:
            for metric, value in entry["metrics"].items():
                yield (run["dataset"]["name"], *(entry[name] for name in OF), metric), value["value"]


if __name__ == "__main__":
    app(["measure", *sys.argv[1:]], prog_name="python -m training.measure")
