"""Scores of a zero-shot classification, with the lines that a reader compares them with."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, confusion_matrix, recall_score


def zero_shot_report(truth: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> dict[str, Any]:
    """Summarises predictions over a closed set of labels.

    Args:
        truth: the true label of each sample.
        predicted: the predicted label of each sample.
        labels: the candidates.

    Returns:
        `samples`; `accuracy` and `balanced_accuracy` (mean recall of the labels present); `recall` by label;
        `absent` labels, left out of the mean; `majority_accuracy` and `majority_balanced_accuracy` of always
        answering the commonest label; `chance` of a blind guess; `confusion`, rows the truth.

    Raises:
        ValueError: no sample, or truth and predictions differ in length.
    """
    if not len(truth) or len(truth) != len(predicted):
        raise ValueError(
            f"There must be one prediction for each sample, and at least one: got {len(truth)} and {len(predicted)}."
        )
    present = [label for label in labels if label in set(truth)]
    recall = recall_score(truth, predicted, labels=present, average=None, zero_division=0)
    commonest = max(present, key=list(truth).count)
    return {
        "samples": len(truth),
        "accuracy": float(accuracy_score(truth, predicted)),
        "balanced_accuracy": float(np.mean(recall)),
        "recall": {label: float(value) for label, value in zip(present, recall, strict=True)},
        "absent": [label for label in labels if label not in present],
        "majority_accuracy": float(np.mean([label == commonest for label in truth])),
        "majority_balanced_accuracy": 1 / len(present),
        "chance": 1 / len(labels),
        "confusion": confusion_matrix(truth, predicted, labels=list(labels)).tolist(),
    }
