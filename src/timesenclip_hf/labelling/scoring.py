"""Score what examples were named, with intervals drawn by groups of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

LEVEL = 0.95
RESAMPLES = 1_000
# Groups beyond these are put together: they are so many that it hardly widens an interval, and tables stay small.
MOST_GROUPS = 1_000


def recall_report(
    truth: np.ndarray, named: np.ndarray, labels: Sequence[str], groups: np.ndarray | None
) -> dict[str, Any]:
    """Return `recall` by label and their mean, `balanced_accuracy`, each as `{"value", "low", "high"}`.

    Whole groups are drawn with replacement, a thousand times; a class that a draw lacks is left out of that draw's
    mean. Labels without an example have no recall.

    Args:
        truth: index of the class of each example.
        named: index of the class that each was given.
        labels: names of the classes.
        groups: number of the group of each; None where each stands alone.
    """
    if not len(truth):
        return {"balanced_accuracy": None, "recall": {}}
    members = np.arange(len(truth)) if groups is None else np.unique(groups, return_inverse=True)[1]
    members = members % MOST_GROUPS
    size = (int(members.max()) + 1, len(labels))
    occurs, right = np.zeros(size), np.zeros(size)
    np.add.at(occurs, (members, truth), 1)
    np.add.at(right, (members, truth), named == truth)
    draws = np.random.default_rng(0).multinomial(size[0], np.full(size[0], 1 / size[0]), size=RESAMPLES)
    present = np.flatnonzero(occurs.sum(axis=0)).tolist()
    drawn = draws @ occurs[:, present]
    recalls = np.where(drawn > 0, draws @ right[:, present] / np.maximum(drawn, 1), np.nan)
    values = right.sum(axis=0)[present] / occurs.sum(axis=0)[present]
    names = [labels[index] for index in present]
    recall = {name: _interval(*of_class) for name, *of_class in zip(names, values, recalls.T, strict=True)}
    return {"balanced_accuracy": _interval(values.mean(), np.nanmean(recalls, axis=1)), "recall": recall}


def _interval(value: float, resampled: np.ndarray) -> dict[str, float]:
    low, high = np.nanquantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {"value": float(value), "low": float(low), "high": float(high)}
