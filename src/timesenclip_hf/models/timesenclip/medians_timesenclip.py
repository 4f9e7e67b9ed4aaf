"""Take medians of what is observed, fast: by a network of comparisons for a few values, by sorting for many.

Written by hand: numpy's nanmedian is many times slower, as `training/benchmarks/test_compositing.py` prints.
"""

from functools import lru_cache

import numpy as np

# Sorting is faster beyond so many values, or for so few medians: `training/benchmarks/test_compositing.py` prints both.
LARGEST_NETWORK = 128
SMALLEST_ROW = 1024
# Medians worked on at a time, so that a month of acquisitions stays in the second-level cache.
TILE = 1 << 16


def masked_median(values: np.ndarray, axis: int) -> np.ndarray:
    """Return the median of what is not NaN along an axis, NaN where nothing is: `numpy.nanmedian`, but fast."""
    if values.dtype.kind in "iub":
        values = values.astype(np.result_type(values, np.float32))
    rows = np.moveaxis(values, axis, 0)
    shape, rows = rows.shape[1:], rows.reshape(len(rows), -1)
    if len(rows) > LARGEST_NETWORK or rows.shape[1] < SMALLEST_ROW:
        return _median_by_sorting(rows).reshape(shape)
    medians = np.empty(rows.shape[1], dtype=values.dtype)
    for start in range(0, rows.shape[1], TILE):
        tile = slice(start, start + TILE)
        medians[tile] = _median_by_network(np.array(rows[:, tile], order="C"))
    return medians.reshape(shape)


def _median_by_sorting(rows: np.ndarray) -> np.ndarray:
    """Take the median over the first axis of columns sorted each by itself."""
    ordered = np.sort(np.ascontiguousarray(rows.T), axis=1)  # NaN sorts last
    count = np.count_nonzero(~np.isnan(ordered), axis=1, keepdims=True)
    lower = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0), axis=1)
    upper = np.take_along_axis(ordered, count // 2, axis=1)
    return np.asarray((lower + upper) / 2)[:, 0]


def _median_by_network(rows: np.ndarray) -> np.ndarray:
    """Take the median over the first axis of an array that may be overwritten, by minima and maxima of rows.

    The missing values of a column become -inf and +inf in turn, so that whatever their number, the median lies at the
    same one or two ranks: at both with an even number of values, at one with an odd number.
    """
    count = len(rows)
    if count == 1:
        return np.asarray(rows[0])
    odd_gaps = _fill_in_turn(rows)
    ranks, spare = list(rows), np.empty_like(rows[0])
    for first, second, keep_lower, keep_upper in _median_network(count):
        lower, upper = ranks[first], ranks[second]
        if keep_lower and keep_upper:
            np.minimum(lower, upper, out=spare)
            np.maximum(lower, upper, out=upper)
            ranks[first], spare = spare, lower
        elif keep_lower:
            np.minimum(lower, upper, out=lower)
        else:
            np.maximum(lower, upper, out=upper)
    lower, upper = ranks[(count - 1) // 2], ranks[(count - 1) // 2 + 1]
    if count % 2:
        upper = np.where(odd_gaps, upper, lower)
    else:
        lower = np.where(odd_gaps, upper, lower)
    with np.errstate(invalid="ignore"):  # a column without values is (inf - inf) / 2, which is NaN as it must be
        return np.asarray((lower + upper) / 2)


def _fill_in_turn(rows: np.ndarray) -> np.ndarray:
    """Put -inf and +inf in turn for the NaN of each column; return where a column has an odd number of them.

    Bitwise, because `numpy.where` with a mask of clouds takes ten times as long.
    """
    words = rows.view(f"i{rows.itemsize}")
    lowest, sign = np.array([-np.inf, -0.0], dtype=rows.dtype).view(words.dtype)
    fill = np.full(rows.shape[1], lowest)
    missing, change = np.empty_like(fill), np.empty_like(fill)
    for row, word in zip(rows, words, strict=True):
        np.negative(np.isnan(row), out=missing, dtype=missing.dtype, casting="unsafe")  # every bit, or none
        np.bitwise_xor(word, fill, out=change)
        word ^= np.bitwise_and(change, missing, out=change)
        fill ^= np.bitwise_and(missing, sign, out=missing)
    return np.asarray(fill != lowest)


@lru_cache(maxsize=LARGEST_NETWORK)
def _median_network(count: int) -> tuple[tuple[int, int, bool, bool], ...]:
    """List comparisons that bring the ranks (count - 1) // 2 and the next to their rows.

    Batcher's merge exchange (Knuth, The Art of Computer Programming 3, algorithm 5.2.2 M) without the comparisons that
    no wanted rank depends on. Each entry has the two rows and whether the lower and the upper are used later.
    """
    top = 1 << (count - 1).bit_length() - 1
    pairs = []
    step = top
    while step:
        reach, rest, distance = top, 0, step
        while True:
            pairs += [(row, row + distance) for row in range(count - distance) if row & step == rest]
            if reach == step:
                break
            reach, rest, distance = reach // 2, step, reach - step
        step //= 2
    wanted = {(count - 1) // 2, (count - 1) // 2 + 1}
    network = []
    for first, second in reversed(pairs):
        if first in wanted or second in wanted:
            network.append((first, second, first in wanted, second in wanted))
            wanted |= {first, second}
    return tuple(reversed(network))
