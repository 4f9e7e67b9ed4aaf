"""Measure how two rows of numbers go together: Pearson's correlation and Kendall's tau."""

import numpy as np
from scipy.stats import kendalltau, pearsonr

from .arrays import ArrayLike, as_array


def pearson_r(predicted: ArrayLike, truth: ArrayLike) -> float:
    """Compute Pearson's correlation.

    Raises:
        ValueError: fewer than two samples, unequal lengths, values that are not finite, or all equal.
    """
    return float(pearsonr(*_as_value_pair(predicted, truth)).statistic)


def kendall_tau(predicted: ArrayLike, truth: ArrayLike) -> float:
    """Compute Kendall's tau-b, which corrects for ties on both sides.

    Raises:
        ValueError: fewer than two samples, unequal lengths, values that are not finite, or all equal.
    """
    # The method concerns the p-value only; the exact one is slow.
    return float(kendalltau(*_as_value_pair(predicted, truth), variant="b", method="asymptotic").statistic)


def _as_value_pair(predicted: ArrayLike, truth: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    pair = [as_array(values).astype(np.float64) for values in (predicted, truth)]
    if pair[0].ndim != 1 or pair[0].shape != pair[1].shape or len(pair[0]) < 2:
        raise ValueError(
            f"A correlation takes two rows of equal length, at least 2, got {pair[0].shape} and {pair[1].shape}."
        )
    for name, values in zip(("predicted", "truth"), pair, strict=True):
        if not np.isfinite(values).all():
            raise ValueError(f"`{name}` has {values[~np.isfinite(values)][0]}: leave out samples without a value.")
        if (values == values[0]).all():
            raise ValueError(f"`{name}` is {values[0]:g} throughout: a constant correlates with nothing.")
    return pair[0], pair[1]
