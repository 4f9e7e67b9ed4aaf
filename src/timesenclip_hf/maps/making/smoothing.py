"""Neighbours made to agree: a majority filter of classes, and a Potts model of probabilities.

Both look a known number of pixels far, their halo, and compute each pixel in an order of its own neighbours: a raster
in chunks that overlap by the halo gives the same bits as the raster at once. Beyond the raster there is nothing.
"""

import numpy as np

from ..files.codes import NO_CLASS

# The eight neighbours, row and column.
NEIGHBOURS = [(row, column) for row in (-1, 0, 1) for column in (-1, 0, 1) if (row, column) != (0, 0)]


def majority_halo(size: int) -> int:
    """How far [`majority`] looks.

    Raises:
        ValueError: the size is not 3, 5, 7, ...
    """
    if size < 3 or size % 2 == 0:
        raise ValueError(f"The majority filter's `size` must be 3, 5, 7, ..., got {size}.")
    return size // 2


def majority(classes: np.ndarray, size: int = 3) -> np.ndarray:
    """Gives each pixel the class that most pixels of the square around it have.

    On a tie the pixel keeps its class where that is among the first, else the lowest code wins. No data has no vote and
    stays.

    Args:
        classes: (y, x) uint8 codes.
        size: side of the square in pixels, odd.

    Returns:
        Codes (y, x) uint8.

    Raises:
        ValueError: the size is not 3, 5, 7, ...
    """
    halo = majority_halo(size)
    most = np.zeros(classes.shape, dtype=np.int32)
    winners = classes.copy()
    for code in np.unique(classes[classes != NO_CLASS]):
        own = classes == code
        # Twice the votes, and one for being there: it decides ties and nothing else.
        votes = 2 * _sum_of_square(own, halo) + own
        ahead = votes > most
        most[ahead] = votes[ahead]
        winners[ahead] = code
    winners[classes == NO_CLASS] = NO_CLASS
    return winners


def potts(probabilities: np.ndarray, strength: float = 1.0, sweeps: int = 5) -> np.ndarray:
    """Mean-field marginals of a Potts model: neighbours of one class are likelier, the more so the surer they are.

    Each sweep sets every pixel to `softmax(log p + strength / 8 * sum of the eight neighbours' marginals)`, all at
    once: a pixel whose neighbours are all sure of a class gains `exp(strength)` in favour of it.

    Args:
        probabilities: (y, x, class), NaN where there is no data, which stays and has no part.
        strength: of the pull, 0 for none.
        sweeps: also how many pixels far it looks.

    Returns:
        Probabilities (y, x, class) float32.

    Raises:
        ValueError: strength or sweeps are negative.
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
    """Sum over the square around each pixel, whole numbers."""
    height, width = values.shape
    padded = np.pad(values.astype(np.int32), halo)
    rows = np.add.reduce([padded[shift : shift + height] for shift in range(2 * halo + 1)])
    return np.asarray(np.add.reduce([rows[:, shift : shift + width] for shift in range(2 * halo + 1)]))


def _sum_of_neighbours(values: np.ndarray) -> np.ndarray:
    height, width = values.shape[:2]
    padded = np.pad(values, ((1, 1), (1, 1), (0, 0)))
    total = np.zeros_like(values)
    for row, column in NEIGHBOURS:
        total += padded[1 + row : 1 + row + height, 1 + column : 1 + column + width]
    return total
