"""Build one entry of results: the figures of a task with their intervals, beside the lines to beat."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.metrics import confusion_matrix

from .metrics import absent_classes, average_precision, balanced_accuracy, mean_average_precision, top_k_hits
from .uncertainty import (
    DEFAULT_RESAMPLING,
    Resampling,
    bootstrap,
    bootstrap_calibration,
    bootstrap_classification,
)

RAW = "raw"
TOP_K = (3, 5)


@dataclass(frozen=True)
class Scored:
    """Hold the scores of the labelled samples of one task.

    Attributes:
        labels: the candidates.
        logits: (samples, classes).
        truth: class indices (samples,), or booleans (samples, classes) where a sample has several classes.
        blocks: spatial block of each sample; single samples are drawn without.
        resampling: of the intervals.
    """

    labels: Sequence[str]
    logits: torch.Tensor
    truth: np.ndarray
    blocks: np.ndarray | None = None
    resampling: Resampling = DEFAULT_RESAMPLING


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

    Args:
        task: its name.
        prompts: the view that the classes are described in.
        centring: "none" for raw scores, another for transductive ones.
        scored: what was measured.
        texts: what the text tower read of each class.
        composites: time steps that the series were merged to.
        missing: name of the months that were left out; None for none.

    Raises:
        ValueError: labels outside the classes, or scores that are not finite.
    """
    raw = centring == "none"
    report = one_class_report(scored, calibrated=raw) if scored.truth.ndim == 1 else multi_label_report(scored)
    return {
        "task": task,
        "prompts": prompts,
        "composites": composites,
        "missing": missing,
        "scores": RAW if raw else f"transductive ({centring})",
        **report,
        "prompts_of": texts,
    }


def one_class_report(scored: Scored, *, calibrated: bool = False) -> dict[str, Any]:
    """Measure scores of samples that have one class each.

    Args:
        scored: with class indices.
        calibrated: with the calibration error; transductive scores are no probabilities and have none.

    Returns:
        `labels`; `absent` labels, left out of the means; `samples`; `metrics`, `{"value", "low", "high"}` of
        `accuracy`, `balanced_accuracy` (mean recall) and `macro_f1` (mean F1) of the labels present, and of
        `top_3_accuracy` and `top_5_accuracy` where there are more labels than that; `recall` by label; `confusion`,
        rows the truth; the `baselines` of always answering the commonest label and of a blind guess; and how many
        `blocks` the intervals are drawn from.

    Raises:
        ValueError: no sample, labels outside the classes, or scores that are not finite.
    """
    labels, truth, blocks = scored.labels, scored.truth, scored.blocks
    hits = {f"top_{k}_accuracy": top_k_hits(scored.logits, truth, k) for k in TOP_K if k < len(labels)}
    absent = absent_classes(truth, len(labels))
    guesses = scored.logits.numpy().argmax(axis=1)
    metrics = bootstrap_classification(guesses, truth, len(labels), blocks, hits=hits, resampling=scored.resampling)
    if calibrated:
        probabilities = scored.logits.softmax(dim=1)
        metrics["expected_calibration_error"] = bootstrap_calibration(
            probabilities, truth, blocks, resampling=scored.resampling
        )
    confusion = confusion_matrix(truth, guesses, labels=range(len(labels)))
    counts = confusion.sum(axis=1)
    present = np.flatnonzero(counts).tolist()
    recall = confusion.diagonal()[present] / counts[present]
    majority = {"accuracy": float(counts.max() / len(truth)), "balanced_accuracy": 1 / len(present)}
    return {
        "labels": list(labels),
        "absent": [labels[index] for index in absent],
        "samples": len(truth),
        "metrics": metrics,
        "recall": {labels[index]: float(value) for index, value in zip(present, recall, strict=True)},
        "confusion": confusion.tolist(),
        "baselines": {"majority": majority, "chance": 1 / len(labels)},
        "blocks": None if blocks is None else len(np.unique(blocks)),
    }


def multi_label_report(scored: Scored) -> dict[str, Any]:
    """Measure scores of samples that have several classes each.

    Args:
        scored: with booleans for the truth.

    Returns:
        The keys of an entry with one class a sample, of which `recall`, `confusion` and `baselines` are empty;
        `metrics` holds `mean_average_precision` with its interval and, as its `floor`, the mean share of samples with
        a class, which is what a ranking by chance gives. `average_precision` is by label. Classes that no sample has
        are left out of both and `absent`.

    Raises:
        ValueError: no sample has any class, or scores that are not finite.
    """
    labels, scores, targets = scored.labels, scored.logits.numpy(), np.asarray(scored.truth, dtype=bool)
    precision = average_precision(scores, targets)
    interval = bootstrap(
        lambda rows: mean_average_precision(scores[rows], targets[rows]),
        len(targets),
        scored.blocks,
        resampling=scored.resampling,
    )
    present = np.flatnonzero(targets.any(axis=0)).tolist()
    floor = float(targets[:, present].mean())
    return {
        "labels": list(labels),
        "absent": [label for index, label in enumerate(labels) if index not in present],
        "samples": len(targets),
        "metrics": {"mean_average_precision": {**interval, "floor": floor}},
        "average_precision": {labels[index]: float(precision[index]) for index in present},
        "recall": {},
        "confusion": [],
        "baselines": {},
        "blocks": None if scored.blocks is None else len(np.unique(scored.blocks)),
    }


def short_report(predicted: np.ndarray, truth: np.ndarray, num_classes: int) -> dict[str, float]:
    """Measure accuracy and balanced accuracy alone, for a baseline."""
    return {
        "accuracy": float(np.mean(predicted == truth)),
        "balanced_accuracy": balanced_accuracy(predicted, truth, num_classes),
    }
