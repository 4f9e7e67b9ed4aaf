"""Measure how far probabilities are from being as sure as they are right.

Written by hand: neither scikit-learn nor `evaluate` has the expected calibration error, and bootstrap intervals need
the gap of each sample.
"""

import numpy as np

from .arrays import ArrayLike, as_scored

# Room for the rounding of a half-precision softmax.
SUM_TOLERANCE = 1e-2
# As many as in that paper: arXiv 1706.04599.
BINS = 15


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
