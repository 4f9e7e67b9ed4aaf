"""Make neighbours agree: a majority filter of classes, and a Potts model of probabilities.

A pixel depends on a known number of pixels around it, the halo, in an order of its own neighbours: a raster in chunks
that overlap by the halo gives the same bits as the raster at once. Beyond the raster there is nothing.
The Potts model is written by hand: libraries of it work on a whole raster in memory, not in chunks bit by bit.
"""

from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from ..files.legend import NO_CLASS

# The eight neighbours, row and column.
NEIGHBOURS = [(row, column) for row in (-1, 0, 1) for column in (-1, 0, 1) if (row, column) != (0, 0)]
# Sweeps of the Potts model, each of which reaches a pixel further.
POTTS_SWEEPS = 5
# Whose the scores are where a filter changes classes without them.
SHOWN = "of the class shown, after smoothing"
DEFAULT_AMOUNTS = {"majority": 3.0, "potts": 1.0}


@dataclass(frozen=True)
class Smoothing:
    """Say how neighbours are made to agree: "majority" of a square of this side, or "potts" of this strength."""

    method: str
    amount: float

    @classmethod
    def parse(cls, text: str) -> "Smoothing":
        """Read "majority", "majority:5", "potts" or "potts:1.5"; raise a ValueError where it is something else."""
        method, _, amount = text.partition(":")
        with suppress(KeyError, ValueError, OverflowError):
            smoothing = cls(method, float(amount or DEFAULT_AMOUNTS[method]))
            is_side = method == "potts" or smoothing.amount == int(smoothing.amount)
            if method in DEFAULT_AMOUNTS and is_side and smoothing.halo > 0 and smoothing.amount > 0:
                return smoothing
        raise ValueError(f'Smoothing must be such as "majority:3" (an odd size) or "potts:1.0", got {text!r}.')

    @property
    def halo(self) -> int:
        """Return how many pixels around a block its own depend on."""
        return majority_halo(int(self.amount)) if self.method == "majority" else POTTS_SWEEPS

    def __str__(self) -> str:
        if self.method == "potts":
            return f"Potts {self.amount:g}"
        return f"majority {self.amount:.0f} x {self.amount:.0f} (probability and margin {SHOWN})"


def majority_halo(size: int) -> int:
    """Return how many pixels [`majority`] reaches; raise a ValueError where the size is not 3, 5, 7, ..."""
    if size < 3 or size % 2 == 0:
        raise ValueError(f"The majority filter's `size` must be 3, 5, 7, ..., got {size}.")
    return size // 2


def majority(classes: np.ndarray, size: int = 3) -> np.ndarray:
    """Give each pixel the class that most pixels of the square around it have.

    On a tie the pixel keeps its class where that is among the first, else the lowest code wins. No data has no vote and
    stays.

    Args:
        classes: codes (y, x) uint8; those returned are alike.
        size: side of the square in pixels: 3, 5, 7, ..., or a ValueError is raised.
    """
    halo = majority_halo(size)
    most = np.zeros(classes.shape, dtype=np.int32)
    winners = classes.copy()
    for code in np.unique(classes[classes != NO_CLASS]):
        members = classes == code
        # Twice the votes, and one for being there: it decides ties and nothing else.
        votes = 2 * _sum_of_square(members, halo) + members
        ahead = votes > most
        most[ahead] = votes[ahead]
        winners[ahead] = code
    winners[classes == NO_CLASS] = NO_CLASS
    return winners


def potts(probabilities: np.ndarray, strength: float = 1.0, sweeps: int = POTTS_SWEEPS) -> np.ndarray:
    """Compute mean-field marginals of a Potts model: neighbours of a class make it likelier, the surer the more.

    Each sweep sets every pixel to `softmax(log p + strength / 8 * sum of the eight neighbours' marginals)`, all at
    once: a pixel whose neighbours are all sure of a class gains `exp(strength)` in favour of it.

    Args:
        probabilities: (y, x, class), NaN where there is no data, which stays and has no part; returned as float32.
        strength: of the pull, 0 for none; a ValueError is raised if it is negative.
        sweeps: also how many pixels far it reaches.
    """
    if strength < 0 or sweeps < 0:
        raise ValueError(f"`strength` and `sweeps` must be at least 0, got {strength} and {sweeps}.")
    empty = np.isnan(probabilities).any(axis=-1)
    evidence = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny), dtype=np.float32)
    marginals = np.where(empty[..., None], 0, probabilities).astype(np.float32)
    for _ in range(sweeps):
        around = _sum_of_neighbours(marginals)
        around *= np.float32(strength / len(NEIGHBOURS))
        around += evidence
        around -= around.max(axis=-1, keepdims=True)
        np.exp(around, out=around)
        around /= around.sum(axis=-1, keepdims=True)
        around[empty] = 0
        marginals = around
    marginals[empty] = np.nan
    return marginals


def _sum_of_square(values: np.ndarray, halo: int) -> np.ndarray:
    """Sum whole numbers over the square around each pixel."""
    (height, width), shifts = values.shape, range(2 * halo + 1)
    padded = np.pad(values.astype(np.int32), halo)
    rows = np.add.reduce([padded[shift : shift + height] for shift in shifts])
    return np.asarray(np.add.reduce([rows[:, shift : shift + width] for shift in shifts]))


def _sum_of_neighbours(values: np.ndarray) -> np.ndarray:
    height, width = values.shape[:2]
    padded = np.pad(values, ((1, 1), (1, 1), (0, 0)))
    total = np.zeros_like(values)
    for row, column in NEIGHBOURS:
        total += padded[1 + row : 1 + row + height, 1 + column : 1 + column + width]
    return total
