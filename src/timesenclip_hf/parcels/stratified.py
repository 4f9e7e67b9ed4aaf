"""Estimate areas and accuracies of a map from a stratified random sample of reference points.

The estimator is that of good practice: Olofsson et al., "Good practices for estimating area and assessing accuracy of
land change", Remote Sensing of Environment 148 (2014) 42, equations 1 to 11, where the strata are the map's classes,
and Stehman, "Estimating area and map accuracy for stratified random sampling when the strata are different from the map
classes", International Journal of Remote Sensing 35 (2014) 4923, where they are not. Both are one: areas and overall
accuracy are stratified means, the accuracies of a class are ratios of two of them, and a ratio whose denominator a
stratum fixes has the variance of equation 6 or 7. As in equations 5 to 10 no variance is made less for the share of a
stratum that was visited, so that intervals of small maps are wide rather than narrow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

# Standard errors on either side of an estimate that make a 95 % interval, as Olofsson et al. (2014) write it.
Z_95 = 1.96
# Below so many points a stratum has no variance.
LEAST_POINTS = 2


class Measure(NamedTuple):
    """Hold estimates and their standard errors, of one shape; NaN where nothing is mapped, or found, to divide by."""

    value: np.ndarray
    error: np.ndarray

    @property
    def half_width(self) -> np.ndarray:
        """Return half of the 95 % interval."""
        return np.asarray(Z_95 * self.error)

    @property
    def low(self) -> np.ndarray:
        """Return the lower end of the 95 % interval, not below 0: these are shares."""
        return np.asarray(np.maximum(self.value - self.half_width, 0.0))

    @property
    def high(self) -> np.ndarray:
        """Return the upper end of the 95 % interval, not above 1."""
        return np.asarray(np.minimum(self.value + self.half_width, 1.0))


@dataclass(frozen=True, eq=False)
class StratifiedEstimate:
    """Hold what a stratified sample says of a map; shares are of the area of all strata.

    Attributes:
        labels: names of the classes.
        counts: points (mapped class, reference class).
        shares: estimated shares of the area (mapped class, reference class), whose sum is 1.
        areas: share of the area that each reference class covers (classes,).
        users: user's accuracy (classes,): of what is mapped as a class, the share that is one.
        producers: producer's accuracy (classes,): of what is a class, the share that is mapped so.
        overall: overall accuracy (), the share of the area that is mapped right.
    """

    labels: list[str]
    counts: np.ndarray
    shares: np.ndarray
    areas: Measure
    users: Measure
    producers: Measure
    overall: Measure


def estimate_stratified(
    counts: np.ndarray, sizes: np.ndarray, labels: Sequence[str], strata: Sequence[str] | None = None
) -> StratifiedEstimate:
    """Estimate areas and accuracies with their standard errors from the points of each stratum.

    Args:
        counts: points (strata, mapped class, reference class), whole numbers; or (mapped class, reference class), where
            the strata are the mapped classes.
        sizes: area of each stratum (strata,), in any unit; those of no area are left out.
        labels: names of the classes.
        strata: names of the strata; the classes' when left out.

    Raises:
        ValueError: shapes differ, sizes are no areas, or a stratum has fewer than two points.
    """
    strata = labels if strata is None else strata
    counts, sizes = _with_strata(np.asarray(counts)), np.asarray(sizes, dtype=np.float64)
    if counts.shape != (len(strata), len(labels), len(labels)) or sizes.shape != (len(strata),):
        raise ValueError(
            f"`counts` of {len(strata)} strata and {len(labels)} classes must be ({len(strata)}, {len(labels)}, "
            f"{len(labels)}) and `sizes` ({len(strata)},), got {counts.shape} and {sizes.shape}."
        )
    if not (np.isfinite(sizes).all() and (sizes >= 0).all() and sizes.sum() > 0):
        raise ValueError(f"`sizes` must be areas, at least one above 0, got {sizes.tolist()}.")
    points = counts.sum(axis=(1, 2))
    check_points(points, sizes, strata)
    used = sizes > 0
    weights, points, inside = sizes[used] / sizes.sum(), points[used], counts[used] / points[used, None, None]
    right = np.diagonal(inside, axis1=1, axis2=2)
    mapped, reference = inside.sum(axis=2), inside.sum(axis=1)
    everything = np.ones_like(reference)
    all_right = right.sum(axis=1, keepdims=True)
    overall = _ratio(all_right, everything[:, :1], weights, points)
    return StratifiedEstimate(
        labels=list(labels),
        counts=counts[used].sum(axis=0),
        shares=np.tensordot(weights, inside, axes=1),
        areas=_ratio(reference, everything, weights, points),
        users=_ratio(right, mapped, weights, points),
        producers=_ratio(right, reference, weights, points),
        overall=Measure(overall.value[0], overall.error[0]),
    )


def check_points(points: np.ndarray, sizes: np.ndarray, strata: Sequence[str]) -> None:
    """Raise a ValueError where a stratum with an area has fewer than two of the points (strata,)."""
    for name, count, size in zip(strata, points, sizes, strict=True):
        if size > 0 and count < LEAST_POINTS:
            told = f"{int(count) or 'no'} reference {'point' if count == 1 else 'points'}"
            raise ValueError(
                f"The stratum {name!r} has {told}, and an interval needs {LEAST_POINTS} of each: add points "
                "(`timesenclip sample`), or give classes that belong together one name (--codes)."
            )


def _with_strata(counts: np.ndarray) -> np.ndarray:
    """Return (strata, mapped, reference) of counts that may be of strata that are the mapped classes."""
    if counts.ndim != 2:
        return counts
    by_stratum = np.zeros((len(counts), *counts.shape), dtype=counts.dtype)
    by_stratum[np.arange(len(counts)), np.arange(len(counts))] = counts
    return by_stratum


def _ratio(upper: np.ndarray, lower: np.ndarray, weights: np.ndarray, points: np.ndarray) -> Measure:
    """Estimate the ratio of two stratified means, of which the first counts a part of what the second counts.

    Args:
        upper: share of the points of each stratum that are counted above (strata, classes).
        lower: share of those that are counted below (strata, classes).
        weights: share of the area of each stratum (strata,).
        points: of each stratum (strata,).
    """
    below = weights @ lower
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = weights @ upper / below
        # Of 0 and 1 the mean of the products is the upper one: what is counted above is counted below.
        spread = upper * (1 - upper) + ratio**2 * lower * (1 - lower) - 2 * ratio * upper * (1 - lower)
        variance = (weights**2 / (points - 1)) @ spread / below**2
    return Measure(ratio, np.sqrt(np.maximum(variance, 0.0)))
