"""Evaluate checkpoints on data sets: one dictionary that JSON holds, of how good they are and how sure that is.

Its figures alone are kept as a record: to be read by a person, and to be compared with.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ..files import whole_file, whole_folder
from ..files.outputs import CHECKPOINT_FILES
from ..models.timesenclip.encoding_timesenclip import encode
from .baselines import ImageModel
from .calibration import Calibration, store_calibration
from .embedded import Encode
from .image_measurement import ImageMeasurement, ImageProtocol
from .measurement import Measurement
from .protocol import Checkpoint, EvaluationSet, Protocol
from .report import EvaluatedSamples
from .report.reading import drawn_entries, figure, runs_of
from .report.writing import answers
from .sets.images import ImageSet
from .tasks import FITTED

VERSIONS = ("timesenclip-hf", "torch", "transformers", "numpy", "scikit-learn", "scipy")
# What an entry is of, and what it holds; matrices, prompts and the recalls of entries not drawn are in the report only.
OF = ("task", "prompts", "composites", "missing", "scores")
_HOLDS = ("samples", "metrics", "baselines", "blocks")
_DRAWN_HOLDS = ("absent", "recall")
_PARTS = ("model", "dataset", "notes", "retrieval", "robustness", "few_shot", "calibration", "not_run")


@dataclass
class Evaluation:
    """Hold what was measured: `results` (`runs`, one a data set, and `versions`) as JSON holds them.

    Of the first checkpoint there is what it answered for each sample, for pictures, and its calibrations, by data set.
    """

    results: dict[str, Any]
    pictured: list[EvaluatedSamples] = field(default_factory=list)
    calibrations: dict[str, Calibration] = field(default_factory=dict)


def evaluate(
    checkpoints: Sequence[Checkpoint],
    sets: Iterable[EvaluationSet],
    protocol: Protocol | None = None,
    *,
    encode: Encode = encode,
) -> Evaluation:
    """Evaluate checkpoints on data sets of series, taken one after the other, so that a generator keeps one in memory.

    Several checkpoints differ by the seed of their training: their figures are averaged. Features become embeddings by
    [`encode`], or by a function that shares the work among processes. A ValueError names labels, prompts or scores that
    cannot be used.
    """
    if not checkpoints:
        raise ValueError("There is no checkpoint to evaluate: name one.")
    described = [checkpoint.describe() for checkpoint in checkpoints]
    evaluation = Evaluation(_results([]))
    for dataset in sets:
        measured = [Measurement(checkpoint, dataset, protocol or Protocol(), encode) for checkpoint in checkpoints]
        runs = [{"model": model, **each.run()} for model, each in zip(described, measured, strict=True)]
        evaluation.results["runs"].append(runs[0] if len(runs) == 1 else average_runs(runs))
        evaluation.pictured += measured[0].pictured
        if measured[0].calibration is not None:
            evaluation.calibrations[dataset.samples.name] = measured[0].calibration
    return evaluation


def evaluate_images(
    models: Sequence[ImageModel],
    sets: Iterable[ImageSet],
    protocol: ImageProtocol | None = None,
    *,
    progress: bool = False,
) -> dict[str, Any]:
    """Evaluate CLIP models on labelled images; results have the form of those of series, for [`write_report`].

    Each model gives a run for each set; sets are taken one after the other, so that a generator keeps one in memory.
    """
    protocol = protocol or ImageProtocol()
    return _results(
        {"model": model.describe(), **ImageMeasurement(model, images, protocol, progress=progress).run()}
        for images in sets
        for model in models
    )


def save_calibrated(
    checkpoint: Checkpoint, evaluation: Evaluation, folder: str | os.PathLike[str], *, overwrite: bool = False
) -> None:
    """Write the first checkpoint of an evaluation, with the one calibration that was fitted, or raise ValueError.

    A folder with another checkpoint is replaced with `overwrite` only, one that holds anything else never.
    """
    fitted = evaluation.calibrations
    if len(fitted) != 1:
        raise ValueError(
            f"A checkpoint keeps the calibration of one data set, got {', '.join(fitted) or 'none'}: evaluate one, "
            'with the suite "calibration".'
        )
    store_calibration(checkpoint.model, next(iter(fitted.values())))
    with whole_folder(folder, overwrite=overwrite, names=CHECKPOINT_FILES) as partial:
        checkpoint.model.save_pretrained(partial)
        checkpoint.processor.save_pretrained(partial)


def average_runs(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Merge runs that differ by the seed of a training into one: the means of all figures, and their spread.

    The bounds of an interval are averaged too, since they say how sure the figure of one training is; the `spread`
    beside a value (standard deviation, divided by the runs less one) says how much trainings differ. A calibration is
    of one training, so that it is left out. Runs that hold different figures are a ValueError.
    """
    models = [run["model"] for run in runs]
    model = {**models[0], **{name: ", ".join(each[name] for each in models) for name in ("name", "weights_hash")}}
    averaged = _average([run | {"model": None, "calibration": None} for run in runs], "run")
    return {**averaged, "model": {**model, "seeds": len(runs)}}


def _results(runs: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {"runs": list(runs), "versions": {name: version(name) for name in VERSIONS}}


def _average(values: Sequence[Any], path: str) -> Any:
    """Merge values of one shape: the mean of each number that differs, the first of all else."""
    first = values[0]
    if len({value is None for value in values}) > 1:
        raise ValueError(f"Some runs lack {path}: evaluate all of them alike.")
    if isinstance(first, dict):
        if odd := set.union(*map(set, values)) - set.intersection(*map(set, values)):
            raise ValueError(f"The runs differ in {min(odd)!r} of {path}: evaluate all of them alike.")
        merged = {key: _average([value[key] for value in values], f"{path}/{key}") for key in first}
        if isinstance(first.get("value"), int | float):
            merged["spread"] = float(np.std([value["value"] for value in values], ddof=1))
        return merged
    if isinstance(first, list) and not any(isinstance(item, str) for item in first):
        if len({len(value) for value in values}) > 1:
            raise ValueError(f"The runs differ in the length of {path}: evaluate all of them alike.")
        return [_average(items, f"{path}/{index}") for index, items in enumerate(zip(*values, strict=True))]
    if isinstance(first, int | float) and not isinstance(first, bool):
        # What is the same everywhere, such as a count, stays the whole number that it is.
        return first if all(value == first for value in values) else float(np.mean(values))
    return first


def write_record(results: Mapping[str, Any], path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write the figures of results as JSON, rounded to six digits, a line for each dictionary without another.

    A file that is there is replaced with `overwrite`, or where it records what answers the same `asked`.
    """
    overwrite = overwrite or answers(Path(path), results.get("asked"))
    runs = []
    for run in runs_of(results):
        drawn = drawn_entries(run)
        tasks = [
            {name: entry[name] for name in (*OF, *_HOLDS, *(_DRAWN_HOLDS if entry in drawn else ()))}
            for entry in run["tasks"]
        ]
        runs.append({part: run[part] for part in _PARTS} | {"tasks": tasks})
    rounded = json.loads(json.dumps({**results, "runs": runs}), parse_float=lambda number: round(float(number), 6))
    text = json.dumps(rounded, indent=1, ensure_ascii=False)
    text = re.sub(r"\{[^{}\[\]]*\}", lambda flat: re.sub(r"\s*\n\s*", " ", flat[0]), text)
    with whole_file(path, overwrite=overwrite) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def summarise(results: Mapping[str, Any]) -> str:
    """Write a line a data set and task: raw balanced accuracy with its interval, beside the lines to beat."""
    lines = []
    for run in runs_of(results):
        lines.append(f"{run['dataset']['name']} ({run['dataset']['samples']:,} samples), {run['model']['name']}")
        for entry in drawn_entries(run):
            metrics, baselines = entry["metrics"], entry["baselines"]
            if "mean_average_precision" in metrics:
                text = f"mean average precision {figure(metrics['mean_average_precision'])}"
            else:
                majority, chance = baselines["majority"]["balanced_accuracy"], baselines["chance"]
                mean_recall = figure(metrics["balanced_accuracy"])
                text = f"balanced accuracy {mean_recall}, majority {majority:.3f}, chance {chance:.3f}"
            of = "fitted to examples" if entry["prompts"] == FITTED else f"{entry['prompts']} prompts"
            lines.append(f"  {entry['task']:<26} {text}, {of}")
        lines += [f"  {suite} was not run: {reason}" for suite, reason in run["not_run"].items()]
    return "\n".join(lines)
