"""Scores of a zero-shot classification, with the lines that a reader compares them with."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix

from .metrics import ArrayLike, absent_classes, as_scores, macro_f1, top_k_hits
from .uncertainty import DEFAULT_RESAMPLING, Resampling, bootstrap_classification

TOP_K = (3, 5)


def zero_shot_report(
    truth: Sequence[str],
    predicted: Sequence[str],
    labels: Sequence[str],
    *,
    scores: ArrayLike | None = None,
    blocks: ArrayLike | None = None,
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> dict[str, Any]:
    """Summarises predictions over a closed set of labels.

    Args:
        truth: the true label of each sample.
        predicted: the predicted label of each sample.
        labels: the candidates.
        scores: (samples, classes) that the predictions were made from, in the order of `labels`: adds what needs
            them, and the intervals.
        blocks: (samples,) spatial block of each, for the intervals.
        resampling: of the intervals.

    Returns:
        `samples`; `accuracy`, `balanced_accuracy` (mean recall) and `macro_f1` (mean F1) of the labels present;
        `recall` by label; `absent` labels, left out of the means; `majority_accuracy` and
        `majority_balanced_accuracy` of always answering the commonest label; `chance` of a blind guess; `confusion`,
        rows the truth. With scores also `top_3_accuracy` and `top_5_accuracy`, where there are more labels than
        that, and `intervals`: `{"value", "low", "high"}` of each metric.

    Raises:
        ValueError: no sample; truth and predictions differ in length, or hold a label that is no candidate; the
            predictions are not the best of the scores; or what [`bootstrap_classification`] refuses.
    """
    if not len(truth) or len(truth) != len(predicted):
        raise ValueError(
            f"There must be one prediction for each sample, and at least one: got {len(truth)} and {len(predicted)}."
        )
    classes, guesses = _as_indices(truth, labels, "true"), _as_indices(predicted, labels, "predicted")
    confusion = confusion_matrix(classes, guesses, labels=range(len(labels)))
    counts = confusion.sum(axis=1)
    present = np.flatnonzero(counts).tolist()
    recall = confusion.diagonal()[present] / counts[present]
    report = {
        "samples": len(truth),
        "accuracy": float(np.mean(classes == guesses)),
        "balanced_accuracy": float(np.mean(recall)),
        "macro_f1": macro_f1(guesses, classes, len(labels)),
        "recall": {labels[place]: float(value) for place, value in zip(present, recall, strict=True)},
        "absent": [labels[place] for place in absent_classes(classes, len(labels))],
        "majority_accuracy": float(counts.max() / len(truth)),
        "majority_balanced_accuracy": 1 / len(present),
        "chance": 1 / len(labels),
        "confusion": confusion.tolist(),
    }
    if scores is None:
        return report
    values = as_scores(scores)
    if values.shape != (len(truth), len(labels)):
        raise ValueError(f"`scores` must be (samples, labels), ({len(truth)}, {len(labels)}), got {values.shape}.")
    odd = values[np.arange(len(truth)), guesses] < values.max(axis=1)
    if odd.any():
        row = int(odd.argmax())
        raise ValueError(
            f"Sample {row} was predicted to be {predicted[row]!r}, which is not the best of its scores: give "
            "those that the predictions were made from."
        )
    hits = {f"top_{k}_accuracy": top_k_hits(values, classes, k) for k in TOP_K if k < len(labels)}
    return {
        **report,
        **{name: float(np.mean(hit)) for name, hit in hits.items()},
        "intervals": bootstrap_classification(guesses, classes, len(labels), blocks, hits=hits, resampling=resampling),
    }


def _as_indices(names: Sequence[str], labels: Sequence[str], kind: str) -> np.ndarray:
    place_of = {label: place for place, label in enumerate(labels)}
    unknown = next((name for name in names if name not in place_of), None)
    if unknown is not None:
        raise ValueError(f"The {kind} label {unknown!r} is none of the {len(labels)} candidates: add it, or drop it.")
    return np.asarray([place_of[name] for name in names])
