"""Measure predicted classes: top-k accuracy, balanced accuracy, F1, average precision and calibration error.

The last is written by hand: neither scikit-learn nor `evaluate` has it, and bootstrap intervals need the gap of each
sample.
"""

import numpy as np
from sklearn.metrics import average_precision_score, f1_score, recall_score

from .arrays import ArrayLike, as_array, as_label_pair, as_labels, as_scored, as_scores

# Bins of confidence, as many as in arXiv 1706.04599, and room for the rounding of a half-precision softmax.
BINS, SUM_TOLERANCE = 15, 1e-2


def top_k_accuracy(scores: ArrayLike, truth: ArrayLike, k: int = 1) -> float:
    """Compute the share of samples whose true class is among the k with the highest scores.

    Among equal scores the lower class comes first.

    Args:
        scores: (samples, classes), the higher the likelier.
        truth: (samples,) class indices.
        k: from 1 to the number of classes.

    Raises:
        ValueError: scores that are not finite, labels outside the classes, or k outside its range.
    """
    return float(np.mean(top_k_hits(scores, truth, k)))


def top_k_hits(scores: ArrayLike, truth: ArrayLike, k: int = 1) -> np.ndarray:
    """Tell whether the true class of each sample is among the k with the highest scores, (samples,) booleans.

    Among equal scores the lower class comes first, so that `k=1` is what `argmax` hits; scikit-learn's
    `top_k_accuracy_score` puts the higher class first.
    """
    values, classes = as_scored(scores, truth)
    if not 1 <= k <= values.shape[1]:
        raise ValueError(f"`k` must be between 1 and the number of classes, {values.shape[1]}, got {k}.")
    of_truth = np.take_along_axis(values, classes[:, None], axis=1)
    lower = np.arange(values.shape[1]) < classes[:, None]
    before = (values > of_truth) | ((values == of_truth) & lower)
    return np.asarray(np.count_nonzero(before, axis=1) < k)


def balanced_accuracy(predicted: ArrayLike, truth: ArrayLike, num_classes: int) -> float:
    """Compute the mean recall of the classes that occur in the truth.

    Args:
        predicted: (samples,) class indices.
        truth: (samples,) class indices.
        num_classes: how many there are.

    Raises:
        ValueError: no samples, unequal lengths, or labels outside the classes.
    """
    guesses, classes = as_label_pair(predicted, truth, num_classes)
    return float(recall_score(classes, guesses, labels=np.unique(classes), average="macro", zero_division=0))


def macro_f1(predicted: ArrayLike, truth: ArrayLike, num_classes: int) -> float:
    """Compute the mean F1 of the classes that occur in the truth, from class indices (samples,).

    A class that is only ever predicted has no F1 of its own here; its false positives count as misses of the true
    class. A class that occurs and is never predicted has 0.
    """
    guesses, classes = as_label_pair(predicted, truth, num_classes)
    return float(f1_score(classes, guesses, labels=np.unique(classes), average="macro", zero_division=0))


def absent_classes(truth: ArrayLike, num_classes: int) -> list[int]:
    """List the classes that no sample has, which the macro averages leave out."""
    counts = np.bincount(as_labels(truth, num_classes), minlength=num_classes)
    return [int(label) for label in np.flatnonzero(counts == 0)]


def average_precision(scores: ArrayLike, targets: ArrayLike) -> np.ndarray:
    """Compute the average precision of each class of a multi-label task, (classes,); NaN where no sample has it.

    Scores (samples, classes) that are equal are retrieved together; targets are 1 or True where the sample has the
    class.
    """
    values, wanted = as_scores(scores), as_array(targets)
    if wanted.shape != values.shape:
        raise ValueError(f"`targets` must have the shape of `scores`, {values.shape}, got {wanted.shape}.")
    if not np.isin(wanted, (0, 1)).all():
        raise ValueError("`targets` must be 0 or 1, one for each sample and class.")
    occurs = wanted.any(axis=0)
    result = np.full(values.shape[1], np.nan)
    result[occurs] = [average_precision_score(wanted[:, label], values[:, label]) for label in np.flatnonzero(occurs)]
    return result


def mean_average_precision(scores: ArrayLike, targets: ArrayLike) -> float:
    """Compute the mean of the average precisions of the classes that occur.

    Args:
        scores: (samples, classes), the higher the likelier; equal scores are retrieved together.
        targets: (samples, classes), 1 or True where the sample has the class.

    Raises:
        ValueError: scores that are not finite, other targets than those, or no class occurs.
    """
    values = average_precision(scores, targets)
    if np.isnan(values).all():
        raise ValueError("No sample has any class: `targets` must have a 1 somewhere.")
    return float(np.nanmean(values))


def expected_calibration_error(probabilities: ArrayLike, truth: ArrayLike, bins: int = BINS) -> float:
    """Compute the mean gap between confidence and accuracy, over bins of confidence (arXiv 1706.04599, eq. 3).

    The confidence is the highest probability, the prediction its class (the lower one among equals); bins have
    equal width and hold their upper edge, and a bin weighs as much as the samples in it.

    Args:
        probabilities: (samples, classes), rows that sum to 1.
        truth: (samples,) class indices.
        bins: how many; 15 are that paper's.

    Raises:
        ValueError: rows that are no probabilities, labels outside the classes, or no bin.
    """
    bin_of, gaps = calibration_gaps(probabilities, truth, bins)
    return float(np.abs(np.bincount(bin_of, weights=gaps)).sum() / len(bin_of))


def calibration_gaps(probabilities: ArrayLike, truth: ArrayLike, bins: int = BINS) -> tuple[np.ndarray, np.ndarray]:
    """Find each sample's bin of confidence and its gap: the confidence less 1 where it is right, less 0 elsewhere.

    The mean gap of a bin is how overconfident the bin is. Bins have equal width and hold their upper edge.
    """
    values, classes = as_scored(probabilities, truth, "probabilities")
    if bins < 1:
        raise ValueError(f"`bins` must be at least 1, got {bins}.")
    wrong = (np.abs(values.sum(axis=1) - 1) > SUM_TOLERANCE) | (values < 0).any(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"Row {row} of `probabilities` sums to {values[row].sum():g} with a least value of {values[row].min():g}: "
            "give the softmax of the scores."
        )
    confidence = values.max(axis=1)
    bin_of = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], confidence)
    return bin_of, confidence - (values.argmax(axis=1) == classes)
