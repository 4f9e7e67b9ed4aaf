"""Say how many points each stratum of a map needs: for a wanted interval, by an allocation, with a least number."""

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import numpy as np

from .stratified import LEAST_POINTS, Z_95

Allocation = Literal["proportional", "neyman", "equal"]
# User's accuracy that is expected of a class where nobody tells: what a map of land cover should reach at least
# (Anderson et al., USGS Professional Paper 964 (1976), criterion 1). A map that is better needs fewer points.
EXPECTED_ACCURACY = 0.85
# Points of a class below which its user's accuracy is hardly known (Olofsson et al. 2014, section 5.1: 50 to 100).
LEAST_PER_CLASS = 50


def expected_confusion(weights: np.ndarray, users: np.ndarray) -> np.ndarray:
    """Say which share of each stratum is expected to be of each class, (mapped class, reference class).

    What is mapped wrong is thought to be of the other classes in proportion to their mapped areas, which is our own
    choice, as only a pilot sample would tell.

    Args:
        weights: share of the area of each class (classes,).
        users: user's accuracy expected of each (classes,).
    """
    others = np.where(np.eye(len(weights), dtype=bool), 0.0, weights)
    totals = others.sum(axis=1, keepdims=True)
    spread = np.divide(others, totals, out=np.zeros_like(others), where=totals > 0)
    return np.asarray(np.diag(users) + (1 - users)[:, None] * spread)


def read_expected(text: str | None, labels: Sequence[str]) -> np.ndarray:
    """Read the user's accuracies that are expected, (labels,): "0.9" of all, or "maize=0.9;grassland=0.7" of some.

    Raises:
        ValueError: the text has another form, names another class, or a number is not between 0 and 1.
    """
    expected = dict.fromkeys(labels, EXPECTED_ACCURACY)
    entries = [entry.strip() for entry in (text or "").split(";") if entry.strip()]
    for entry in entries:
        name, is_named, number = (part.strip() for part in entry.rpartition("="))
        try:
            value = float(number)
        except ValueError:
            value = np.nan
        if not 0 < value < 1 or (not is_named and len(entries) > 1):
            raise ValueError(
                f'{entry!r} is no accuracy that is expected: write "0.9", or "maize=0.9;grassland=0.7", above 0 and '
                "below 1."
            )
        if is_named and name not in expected:
            raise ValueError(f"The map has no class {name!r}: expect accuracies of {', '.join(labels)}.")
        expected |= {name: value} if is_named else dict.fromkeys(labels, value)
    return np.asarray(list(expected.values()))


def spreads(confusion: np.ndarray, of: int | None = None) -> np.ndarray:
    """Return the standard deviation within each stratum (strata,) of what an interval is wanted of.

    Args:
        confusion: of [`expected_confusion`].
        of: index of the class whose area it is; None for the overall accuracy.
    """
    inside = np.diagonal(confusion) if of is None else confusion[:, of]
    return np.asarray(np.sqrt(inside * (1 - inside)))


def expected_half_width(points: np.ndarray, weights: np.ndarray, spread: np.ndarray) -> float:
    """Return half of the 95 % interval that a sample is expected to give, as a share of the area.

    It is that of equations 5 and 10 of Olofsson et al. (2014) at the expected shares.

    Args:
        points: of each stratum (strata,), at least 2.
        weights: share of the area of each (strata,).
        spread: of [`spreads`].
    """
    return float(Z_95 * np.sqrt((weights**2 * spread**2 / (points - 1)).sum()))


def allocate(total: int, shares: np.ndarray, least: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Deal points out to strata in proportion to shares, with a least and a largest number for each.

    Args:
        total: points; fewer than all least ones are raised to these, more than all largest ones cut to those.
        shares: of the strata (strata,), at least 0.
        least: whole numbers (strata,).
        most: whole numbers, not below `least` (strata,).

    Returns:
        Whole numbers (strata,) whose sum is the total.
    """
    total = int(np.clip(total, least.sum(), most.sum()))
    shares = np.maximum(np.asarray(shares, dtype=np.float64), 1e-12 * max(shares.max(), 1e-300))
    low, high = 0.0, float((most / shares).max())
    for _ in range(200):  # of halvings, which end where doubles do
        scale = (low + high) / 2
        low, high = (scale, high) if np.clip(scale * shares, least, most).sum() < total else (low, scale)
    exact = np.clip(high * shares, least, most)
    points = np.floor(exact + 1e-9).astype(np.int64)
    # What rounding down left goes to the largest fractions.
    for index in np.argsort(points - exact, kind="stable"):
        if points.sum() < total and points[index] < most[index]:
            points[index] += 1
    return points


def shares_of(allocation: Allocation, weights: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Return the shares of points by which strata are allocated (strata,).

    Args:
        allocation: proportional to their areas; neyman, to areas times standard deviations, by which an interval needs
            the fewest points (Cochran, Sampling Techniques (1977), section 5.5); or equal.
        weights: share of the area of each (strata,).
        spread: of [`spreads`].

    Raises:
        ValueError: there is no such allocation.
    """
    if allocation not in get_args(Allocation):
        raise ValueError(f"An allocation is {', '.join(get_args(Allocation))}, got {allocation!r}.")
    by_name: Mapping[str, np.ndarray] = {
        "proportional": weights,
        "neyman": weights * spread if (weights * spread).any() else weights,
        "equal": np.full(len(weights), 1 / len(weights)),
    }
    return by_name[allocation]


def size_for(
    half_width: float, weights: np.ndarray, spread: np.ndarray, shares: np.ndarray, least: np.ndarray, most: np.ndarray
) -> np.ndarray:
    """Find the fewest points of each stratum (strata,) that are expected to give a 95 % interval so narrow.

    With Neyman's allocation this is equation 13 of Olofsson et al. (2014), which is Cochran's (1977) 5.25; other
    allocations, and least numbers, need more points for the same interval.

    Args:
        half_width: wanted, as a share of the area.
        weights: share of the area of each stratum (strata,).
        spread: of [`spreads`].
        shares: of [`shares_of`].
        least: points of each stratum at least (strata,), 2 or more.
        most: pixels of each stratum (strata,).

    Raises:
        ValueError: all pixels would not be enough.
    """
    low, high = int(least.sum()), int(most.sum())

    def is_enough(total: int) -> bool:
        return expected_half_width(allocate(total, shares, least, most), weights, spread) <= half_width

    if not is_enough(high):
        raise ValueError(
            f"An interval of ±{half_width:.3g} of the area asks for more points than the map has pixels ({high:,}): "
            "want a wider one."
        )
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle + 1, high)
    return allocate(low, shares, least, most)


def least_points(wanted: int, pixels: np.ndarray) -> np.ndarray:
    """Return the least points of each stratum (strata,): as many as wanted, or all pixels of a smaller one.

    Raises:
        ValueError: fewer than two are wanted.
    """
    if wanted < LEAST_POINTS:
        raise ValueError(f"An interval needs {LEAST_POINTS} points of each class, got {wanted}.")
    return np.asarray(np.minimum(wanted, pixels))
