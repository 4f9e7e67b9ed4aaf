"""Build one entry of results: the figures of a task with their intervals, beside the lines to beat."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..extras import needs_extra
from .metrics import average_precision, balanced_accuracy, mean_average_precision, top_k_hits
from .uncertainty import DEFAULT_RESAMPLING, Resampling, bootstrap, bootstrap_calibration, bootstrap_classification

with needs_extra("eval"):
    from sklearn.metrics import confusion_matrix

# Scores of one sample by itself; those of classes that were fitted to examples say so.
RAW, RAW_FITTED = "raw", "raw, fitted to examples"
TOP_K = (3, 5)


@dataclass(frozen=True)
class Scored:
    """Hold the scores (samples, classes) of the labelled samples of one task, beside the candidates and the truth.

    The truth is class indices (samples,), or booleans (samples, classes) where a sample has several classes.
    """

    labels: Sequence[str]
    logits: torch.Tensor
    truth: np.ndarray
    blocks: np.ndarray | None = None
    resampling: Resampling = DEFAULT_RESAMPLING
    is_fitted: bool = False


def make_entry(
    task: str,
    prompts: str,
    centring: str,
    scored: Scored,
    texts: Mapping[str, Sequence[str]],
    *,
    composites: int = 1,
    missing: str | None = None,
) -> dict[str, Any]:
    """Measure the scores of one task and say what they are of.

    The `texts` spell the prompts out. A centring of "none" gives raw scores; others are transductive, no probabilities,
    and have no calibration error.

    Returns:
        What it is of; `labels`; `absent` ones, left out of the means; `samples`; how many `blocks` the intervals are
        drawn from; and `metrics`, `{"value", "low", "high"}` each.

        With one class a sample these are `accuracy`, `balanced_accuracy` (mean recall) and `macro_f1` (mean F1) of the
        labels present, `top_3_accuracy` and `top_5_accuracy` where there are more labels than that; beside them stand
        `recall` by label, `confusion`, rows the truth, and the `baselines` of always answering the commonest label and
        of a blind guess. With several it is `mean_average_precision` with, as its `floor`, the mean share of samples
        with a class, which is what a ranking by chance gives; and `average_precision` by label.
    """
    raw, labels, blocks = centring == "none", scored.labels, scored.blocks
    absent, report = _one_class(scored, calibrated=raw) if scored.truth.ndim == 1 else _several_classes(scored)
    return {
        "task": task,
        "prompts": prompts,
        "composites": composites,
        "missing": missing,
        "scores": (RAW_FITTED if scored.is_fitted else RAW) if raw else f"transductive ({centring})",
        "labels": list(labels),
        "absent": [labels[index] for index in absent],
        "samples": len(scored.truth),
        **report,
        "blocks": None if blocks is None else len(np.unique(blocks)),
        "prompts_of": texts,
    }


def _one_class(scored: Scored, *, calibrated: bool) -> tuple[list[int], dict[str, Any]]:
    labels, truth, blocks, resampling = scored.labels, scored.truth, scored.blocks, scored.resampling
    hits = {f"top_{k}_accuracy": top_k_hits(scored.logits, truth, k) for k in TOP_K if k < len(labels)}
    guesses = scored.logits.numpy().argmax(axis=1)
    metrics = bootstrap_classification(guesses, truth, len(labels), blocks, hits=hits, resampling=resampling)
    if calibrated:
        error = bootstrap_calibration(scored.logits.softmax(dim=1), truth, blocks, resampling=resampling)
        metrics["expected_calibration_error"] = error
    confusion = confusion_matrix(truth, guesses, labels=range(len(labels)))
    counts = confusion.sum(axis=1)
    present, absent = np.flatnonzero(counts).tolist(), np.flatnonzero(counts == 0).tolist()
    recall = confusion.diagonal()[present] / counts[present]
    majority = {"accuracy": float(counts.max() / len(truth)), "balanced_accuracy": 1 / len(present)}
    return absent, {
        "metrics": metrics,
        "recall": {labels[index]: float(value) for index, value in zip(present, recall, strict=True)},
        "confusion": confusion.tolist(),
        "baselines": {"majority": majority, "chance": 1 / len(labels)},
    }


def _several_classes(scored: Scored) -> tuple[list[int], dict[str, Any]]:
    labels, scores, targets = scored.labels, scored.logits.numpy(), np.asarray(scored.truth, dtype=bool)
    precision = average_precision(scores, targets)

    def mean_precision(rows: np.ndarray) -> float:
        return mean_average_precision(scores[rows], targets[rows])

    interval = bootstrap(mean_precision, len(targets), scored.blocks, resampling=scored.resampling)
    present = np.flatnonzero(targets.any(axis=0)).tolist()
    return np.flatnonzero(~targets.any(axis=0)).tolist(), {
        "metrics": {"mean_average_precision": {**interval, "floor": float(targets[:, present].mean())}},
        "average_precision": {labels[index]: float(precision[index]) for index in present},
        "recall": {},
        "confusion": [],
        "baselines": {},
    }


def short_report(predicted: np.ndarray, truth: np.ndarray, num_classes: int) -> dict[str, float]:
    """Measure accuracy and balanced accuracy alone."""
    return {
        "accuracy": float(np.mean(predicted == truth)),
        "balanced_accuracy": balanced_accuracy(predicted, truth, num_classes),
    }
