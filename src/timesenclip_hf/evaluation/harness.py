"""How good a checkpoint is, on what, and how sure that is: one dictionary that JSON holds."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from ..models.timesenclip.encoding_timesenclip import encode
from .calibration import Calibration, store_calibration
from .measurement import Encode, Measurement
from .protocol import Checkpoint, EvaluationSet, Protocol
from .report import EvaluatedSamples
from .uncertainty import average_over_seeds

VERSIONS = ("timesenclip-hf", "torch", "transformers", "numpy", "scikit-learn", "scipy")


@dataclass
class Evaluation:
    """What was measured.

    Attributes:
        results: `runs`, one a data set; `versions`. JSON holds it as it is.
        pictured: what the first checkpoint said of each sample, for pictures.
        calibrations: of the first checkpoint, by data set.
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
    """Evaluates checkpoints on data sets.

    Args:
        checkpoints: one, or several that differ by the seed of their training: their figures are averaged.
        sets: what to evaluate on; taken one after the other, so that a generator keeps one in memory.
        protocol: how.
        encode: what turns features into embeddings; [`encode`], or one that shares the work among processes.

    Raises:
        ValueError: no checkpoint; or labels, prompts or scores that cannot be used, which the sentence names.
    """
    if not checkpoints:
        raise ValueError("There is no checkpoint to evaluate: name one.")
    protocol = protocol or Protocol()
    described = [checkpoint.describe() for checkpoint in checkpoints]
    evaluation = Evaluation({"runs": [], "versions": {name: version(name) for name in VERSIONS}})
    for one in sets:
        runs = []
        for checkpoint, description in zip(checkpoints, described, strict=True):
            measurement = Measurement(checkpoint, one, protocol, encode)
            runs.append({"model": description, **measurement.run()})
            if checkpoint is checkpoints[0]:
                evaluation.pictured += measurement.pictured
                if measurement.calibration is not None:
                    evaluation.calibrations[one.samples.name] = measurement.calibration
        evaluation.results["runs"].append(runs[0] if len(runs) == 1 else average_runs(runs))
    return evaluation


def save_calibrated(checkpoint: Checkpoint, evaluation: Evaluation, folder: str | os.PathLike[str]) -> None:
    """Writes a checkpoint with the temperature and reject threshold that an evaluation fitted.

    Args:
        checkpoint: the first of the evaluation.
        evaluation: of one data set, with the suite "calibration".
        folder: to write.

    Raises:
        ValueError: no calibration was fitted, or several were.
    """
    fitted = evaluation.calibrations
    if len(fitted) != 1:
        raise ValueError(
            f"A checkpoint keeps the calibration of one data set, got {', '.join(fitted) or 'none'}: evaluate one, "
            'with the suite "calibration".'
        )
    store_calibration(checkpoint.model, next(iter(fitted.values())))
    checkpoint.model.save_pretrained(folder)
    checkpoint.processor.save_pretrained(folder)


def average_runs(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One run of several that differ by the seed of a training: the means of all their figures, and their spread.

    The bounds of an interval are averaged too, since they say how sure the figure of one training is; the `spread`
    beside a value (standard deviation, divided by the runs less one) says how much trainings differ. A calibration is
    of one training, so that it is left out.

    Args:
        runs: of the same data set and protocol.

    Raises:
        ValueError: the runs hold different figures.
    """
    whole = [run | {"model": None, "calibration": None} for run in runs]
    averaged = average_over_seeds({str(place): _numbers(run) for place, run in enumerate(whole)})
    models = [run["model"] for run in runs]
    model = {**models[0], **{name: ", ".join(one[name] for one in models) for name in ("name", "weights_hash")}}
    return {**_replaced(whole[0], averaged), "model": {**model, "seeds": len(runs)}}


def _numbers(value: Any, path: str = "") -> dict[str, float]:
    """Every number of nested dictionaries and lists, by its path."""
    if isinstance(value, dict):
        return {name: number for key in value for name, number in _numbers(value[key], f"{path}/{key}").items()}
    if isinstance(value, list):
        return {n: number for place, one in enumerate(value) for n, number in _numbers(one, f"{path}/{place}").items()}
    return {path: float(value)} if isinstance(value, int | float) and not isinstance(value, bool) else {}


def _replaced(value: Any, averaged: Mapping[str, Any], path: str = "") -> Any:
    """The same with the mean for each number that differs, and the spread beside each `value`."""
    if isinstance(value, dict):
        copy = {key: _replaced(one, averaged, f"{path}/{key}") for key, one in value.items()}
        return copy | ({"spread": averaged[f"{path}/value"]["std"]} if "value" in value else {})
    if isinstance(value, list):
        return [_replaced(one, averaged, f"{path}/{place}") for place, one in enumerate(value)]
    # What is the same everywhere, such as a count, stays the whole number that it is.
    return averaged[path]["mean"] if path in averaged and averaged[path]["std"] > 0 else value
