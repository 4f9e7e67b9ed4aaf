"""Say how sure a figure is, by bootstrap intervals over samples or over spatial blocks.

Written by hand: scipy's bootstrap draws single samples only, and computes every figure anew for each resample.

Neighbouring pixels are alike, so that the samples of a landscape are fewer than they seem. Where coordinates exist,
`blocks` (of `data.splits.block_of`) has whole blocks drawn with replacement in place of single samples; with fewer
than some twenty blocks an interval is still too narrow. The intervals hold for the samples at hand and one
checkpoint: what another training run would give is the spread over seeds of [`average_runs`].

Shares, balanced accuracy and F1 depend on how often each combination of truth, prediction and hits occurs and on
nothing else, so that these counts are resampled: as sums over the blocks drawn or, by sample, from a multinomial
distribution, which is exactly what drawing samples with replacement does to counts.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..extras import needs_extra
from .metrics import ArrayLike, as_array, balanced_accuracy, calibration_gaps, macro_f1
from .metrics.arrays import as_label_pair
from .metrics.labels import BINS

with needs_extra("eval"):
    from scipy.sparse import coo_array

Interval = dict[str, float]

LEVEL = 0.95
# Steps to 1 of a gap of confidence and hit that are told apart where it is drawn.
GAP_STEPS = 200


@dataclass(frozen=True)
class Resampling:
    """Say how an interval is drawn; equal seeds give equal intervals.

    A thousand resamples give the bounds of a 95 % interval to about a tenth of its width.
    """

    resamples: int = 1_000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.resamples < 1:
            raise ValueError(f"`resamples` must be at least 1, got {self.resamples}.")

    def interval(self, value: float, resampled: np.ndarray) -> Interval:
        """Put the bounds of the middle 95 % of the resampled values beside a value."""
        low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return {"value": float(value), "low": float(low), "high": float(high)}


DEFAULT_RESAMPLING = Resampling()


def bootstrap_classification(
    predicted: ArrayLike,
    truth: ArrayLike,
    num_classes: int,
    blocks: ArrayLike | None = None,
    *,
    hits: Mapping[str, ArrayLike] | None = None,
    resampling: Resampling = Resampling(),
) -> dict[str, Interval]:
    """Compute `accuracy`, `balanced_accuracy`, `macro_f1` and shares of hits as `{"value", "low", "high"}`.

    A class that a resample lacks is left out of that resample's means, as it is of the figure itself. Predictions and
    truth are class indices (samples,); hits are (samples,) booleans by name, such as whether the true class was among
    the first three. Whole blocks are drawn, at least two, or single samples without them.
    """
    guesses, classes = as_label_pair(predicted, truth, num_classes)
    shares: dict[str, ArrayLike] = {"accuracy": guesses == classes, **(hits or {})}
    # Each interval stands by itself, so that the shares need not be drawn together with the classes.
    cells, counts = _resample_cells([classes, guesses], blocks, resampling)
    true_class, guess = (np.eye(num_classes)[column] for column in cells)
    occurs, claimed, right = counts @ true_class, counts @ guess, counts @ (true_class * guess)
    present = occurs > 0
    # Without a sample of a class its recall is 0 / 0, and its F1 is not asked for.
    recall = np.divide(right, occurs, out=np.zeros_like(right), where=present)
    f1 = np.divide(2 * right, occurs + claimed, out=np.zeros_like(right), where=present)
    mean_recall, mean_f1 = (of_classes.sum(axis=1) / present.sum(axis=1) for of_classes in (recall, f1))
    return bootstrap_shares(shares, blocks, resampling=resampling) | {
        "balanced_accuracy": resampling.interval(balanced_accuracy(guesses, classes, num_classes), mean_recall),
        "macro_f1": resampling.interval(macro_f1(guesses, classes, num_classes), mean_f1),
    }


def bootstrap_shares(
    hits: Mapping[str, ArrayLike], blocks: ArrayLike | None = None, *, resampling: Resampling = Resampling()
) -> dict[str, Interval]:
    """Compute shares of hits, such as Recall@1 and Recall@5 from [`hit_ranks`], as `{"value", "low", "high"}`.

    Hits are (samples,) booleans by name, at least one, all of the same samples; at least two blocks are drawn, or
    single samples without them.
    """
    shares = {name: as_array(values) for name, values in hits.items()}
    if not shares:
        raise ValueError("There are no hits to resample: give at least one row of booleans by its name.")
    num_samples = len(next(iter(shares.values())))
    for name, values in shares.items():
        if values.shape != (num_samples,) or values.dtype != np.bool_ or not num_samples:
            raise ValueError(
                f"The hits {name!r} must be one boolean for each of the {num_samples} samples, at least one, got "
                f"{values.dtype} of shape {values.shape}."
            )
    cells, counts = _resample_cells(list(shares.values()), blocks, resampling)
    sizes = counts.sum(axis=1)
    return {
        name: resampling.interval(values.mean(), counts @ hit / sizes)
        for (name, values), hit in zip(shares.items(), cells, strict=True)
    }


def bootstrap_calibration(
    probabilities: ArrayLike,
    truth: ArrayLike,
    blocks: ArrayLike | None = None,
    *,
    resampling: Resampling = Resampling(),
) -> Interval:
    """Compute the expected calibration error of (samples, classes) as `{"value", "low", "high", "floor"}`.

    The error is a sum of absolute values, so that chance raises it: `floor` is what a perfectly calibrated model of the
    same confidences would show on average (in each bin the mean absolute value of a normal deviate with the variance of
    its hits), and an error near it is no evidence of miscalibration. A resample is raised once more than the samples
    were; the percentiles are moved down by that, so that they say how the figure varies. Single samples, where there
    are no blocks, are drawn by kinds whose gap of confidence and hit is the same to a two-hundredth, which takes less
    than a thousandth off its variance. There are at least two blocks.
    """
    bin_of, gaps = calibration_gaps(probabilities, truth)
    value = float(np.abs(np.bincount(bin_of, weights=gaps)).sum() / len(bin_of))
    confidence = as_array(probabilities).max(axis=1)
    variance = np.bincount(bin_of, weights=confidence * (1 - confidence))
    if blocks is None:
        steps = np.rint(GAP_STEPS * (gaps + 1)).astype(np.int64)
        (cell_bins, cell_steps), counts = _resample_cells([bin_of, steps], None, resampling)
        sums = counts @ (np.eye(BINS)[cell_bins] * (cell_steps / GAP_STEPS - 1)[:, None])
        errors = np.abs(sums).sum(axis=1) / len(bin_of)
    else:
        # Equal seeds draw the same blocks, so that the sums and the sizes are of the same resamples.
        sums = _resample_sums(bin_of, gaps, blocks, resampling)
        sizes = _resample_sums(np.zeros_like(bin_of), None, blocks, resampling)
        errors = np.abs(sums).sum(axis=1) / sizes[:, 0]
    floor = np.sqrt(2 / np.pi * np.maximum(variance, 0)).sum() / len(bin_of)
    return resampling.interval(value, np.maximum(errors - errors.mean() + value, 0)) | {"floor": float(floor)}


def bootstrap(
    statistic: Callable[[np.ndarray], float],
    num_samples: int,
    blocks: ArrayLike | None = None,
    *,
    resampling: Resampling = Resampling(),
) -> Interval:
    """Compute any figure of some rows, given as row numbers, with its percentile interval, anew for each resample.

    Whole blocks are drawn, or single samples without them, as in `bootstrap(lambda rows: kendall_tau(predicted[rows],
    truth[rows]), len(truth))`. There are at least one sample and two blocks.
    """
    if num_samples < 1:
        raise ValueError("There are no samples to draw from.")
    block_of, num_blocks = _as_blocks(blocks, num_samples)
    members = np.split(np.argsort(block_of, kind="stable"), np.cumsum(np.bincount(block_of))[:-1])
    drawn = _draws(num_blocks, resampling)
    rows = drawn if blocks is None else (np.concatenate([members[block] for block in draw]) for draw in drawn)
    return resampling.interval(statistic(np.arange(num_samples)), np.asarray([statistic(draw) for draw in rows]))


def _draws(num_blocks: int, resampling: Resampling) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(resampling.seed)
    return (rng.integers(num_blocks, size=num_blocks) for _ in range(resampling.resamples))


def _as_blocks(blocks: ArrayLike | None, num_samples: int) -> tuple[np.ndarray, int]:
    """Count the blocks from 0, each sample its own where there are none; return how many there are, too."""
    if blocks is None:
        return np.arange(num_samples), num_samples
    values = as_array(blocks)
    if values.shape != (num_samples,):
        raise ValueError(f"Give one block for each of the {num_samples} samples, got {values.shape}.")
    names, block_of = np.unique(values, return_inverse=True)
    if len(names) < 2:
        raise ValueError(
            f"All {num_samples} samples lie in one block, which says nothing of other blocks: use smaller blocks, or "
            "draw single samples."
        )
    return block_of, len(names)


def _resample_cells(
    columns: Sequence[np.ndarray], blocks: ArrayLike | None, resampling: Resampling
) -> tuple[list[np.ndarray], np.ndarray]:
    """Resample how often each combination of values of the columns, (samples,) whole numbers or booleans, occurs.

    Combinations that occur are (cells,) arrays, one for each column; their counts are (resamples, cells), float64.
    """
    sizes = tuple(int(column.max()) + 1 for column in columns)
    codes = np.ravel_multi_index(tuple(column.astype(np.int64) for column in columns), sizes)
    occurring = np.bincount(codes) > 0  # a tenth of the time of a sort
    cells = list(np.unravel_index(np.flatnonzero(occurring), sizes))
    return cells, _resample_sums((np.cumsum(occurring) - 1)[codes], None, blocks, resampling)


def _resample_sums(
    groups: np.ndarray, weights: np.ndarray | None, blocks: ArrayLike | None, resampling: Resampling
) -> np.ndarray:
    """Sum the weights (ones without them) by group, numbers from 0, in each resample: (resamples, groups), float64."""
    num_samples = len(groups)
    block_of, num_blocks = _as_blocks(blocks, num_samples)
    if blocks is None and weights is None:
        rng, shares = np.random.default_rng(resampling.seed), np.bincount(groups) / num_samples
        return rng.multinomial(num_samples, shares, size=resampling.resamples).astype(float)
    ones = np.ones(num_samples) if weights is None else weights
    # What falls on the same cell of the table is added up.
    table = coo_array((ones, (groups, block_of)), shape=(int(groups.max()) + 1, num_blocks)).tocsr()
    draws = _draws(num_blocks, resampling)
    return np.stack([table @ np.bincount(drawn, minlength=num_blocks) for drawn in draws])
