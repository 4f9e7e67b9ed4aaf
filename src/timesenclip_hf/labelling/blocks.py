"""Cut land into blocks, and share blocks or groups among the folds of a cross-validation.

Neighbouring pixels are alike, so that an example says little about a fit that saw its neighbour: whole blocks are held
out.
"""

import numpy as np

from ..data.splits import Degrees, block_of

# Sides of blocks in km: a small area is cut into smaller ones, so that there are enough. The largest is that of
# `data.splits`.
BLOCK_SIDES = (50.0, 10.0, 2.0, 0.5, 0.1)
# With fewer an interval is too narrow.
ENOUGH_BLOCKS = 20


def block_side(longitude: Degrees, latitude: Degrees) -> float:
    """Choose the largest side of blocks, in km, that gives enough of them; else the one that gives most.

    Raises:
        ValueError: a place that is none.
    """
    counts = {side: len(np.unique(block_of(longitude, latitude, side))) for side in BLOCK_SIDES}
    return next((side for side, count in counts.items() if count >= ENOUGH_BLOCKS), max(counts, key=counts.__getitem__))


def blocks_of(longitude: Degrees, latitude: Degrees) -> np.ndarray:
    """Return the number of the block of land that each place lies in; a place that is not known is its own block.

    Args:
        longitude: WGS84 degrees (places,), NaN where not known.
        latitude: WGS84 degrees (places,), NaN where not known.

    Raises:
        ValueError: a place that is none.
    """
    east, north = np.asarray(longitude, dtype=np.float64), np.asarray(latitude, dtype=np.float64)
    known = ~np.isnan(east + north)
    blocks = -1 - np.arange(len(east), dtype=np.int64)
    if known.any():
        blocks[known] = block_of(east[known], north[known], block_side(east[known], north[known]))
    return blocks


def folds_of(truth: np.ndarray, groups: np.ndarray | None, num_folds: int) -> np.ndarray:
    """Give each example its fold, whole groups to one fold, so that the folds have about as much of every class.

    The largest groups are given first, each to the fold that has least of its classes; examples without groups are
    dealt out class by class. The same examples always get the same folds.

    Args:
        truth: index of the class of each example, int64 (examples,).
        groups: number of its group (examples,); None where each example stands alone.
        num_folds: at most; there are no more folds than groups.
    """
    if groups is None or len(np.unique(groups)) == len(truth):
        # A running number over the classes, so that rare classes do not all begin in the first fold.
        folds = np.empty(len(truth), dtype=np.int64)
        order = np.random.default_rng(0).permutation(len(truth))
        folds[order[np.argsort(truth[order], kind="stable")]] = np.arange(len(truth)) % num_folds
        return folds
    members = np.unique(groups, return_inverse=True)[1]
    shares = np.zeros((int(members.max()) + 1, int(truth.max()) + 1))
    np.add.at(shares, (members, truth), 1 / np.bincount(truth)[truth])
    filled = np.zeros((min(num_folds, len(shares)), shares.shape[1]))
    fold_of = np.empty(len(shares), dtype=np.int64)
    for group in np.argsort(-shares.sum(axis=1), kind="stable"):
        crowding = filled @ shares[group]
        fold_of[group] = fold = int(np.lexsort((filled.sum(axis=1), crowding))[0])
        filled[fold] += shares[group]
    return fold_of[members]
