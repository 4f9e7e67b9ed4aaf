from collections import Counter

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timesenclip_hf.maps.making.smoothing import Smoothing, majority, majority_halo, potts


def majority_by_loop(classes, size):
    half = size // 2
    result = classes.copy()
    for (row, column), code in np.ndenumerate(classes):
        rows = slice(max(row - half, 0), row + half + 1)
        square = classes[rows, max(column - half, 0) : column + half + 1]
        votes = Counter(int(other) for other in square.ravel() if other)
        if code and votes[int(code)] < max(votes.values()):
            result[row, column] = min(other for other, count in votes.items() if count == max(votes.values()))
    return result


def potts_by_loop(probabilities, strength, sweeps):
    height, width, _ = probabilities.shape
    present = ~np.isnan(probabilities).any(axis=2)
    marginals = probabilities.astype(np.float64)
    for _ in range(sweeps):
        before = marginals.copy()
        for row, column in np.argwhere(present):
            energy = np.log(probabilities[row, column].astype(np.float64))
            for y in range(max(row - 1, 0), min(row + 2, height)):
                for x in range(max(column - 1, 0), min(column + 2, width)):
                    if (y, x) != (row, column) and present[y, x]:
                        energy = energy + strength / 8 * before[y, x]
            marginals[row, column] = np.exp(energy) / np.exp(energy).sum()
    return marginals


def draw_probabilities(shape, classes, seed, missing=0.1):
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.full(classes, 0.7), shape).astype(np.float32).clip(1e-6)
    probabilities /= probabilities.sum(axis=-1, keepdims=True)
    probabilities[random.random(shape) < missing] = np.nan
    return probabilities


@given(st.integers(1, 11), st.integers(1, 11), st.integers(1, 5), st.sampled_from([3, 5, 7]), st.integers(0, 99))
def test_the_majority_is_what_a_loop_over_pixels_finds(height, width, codes, size, seed):
    classes = np.random.default_rng(seed).integers(0, codes + 1, (height, width)).astype(np.uint8)
    classes[classes == 2] = 254  # sums must not run over
    np.testing.assert_array_equal(majority(classes, size), majority_by_loop(classes, size))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.floats(0, 6), st.integers(0, 4), st.integers(0, 99))
def test_the_potts_marginals_are_what_a_loop_over_pixels_finds(height, width, strength, sweeps, seed):
    probabilities = draw_probabilities((height, width), 3, seed)
    smoothed = potts(probabilities, strength, sweeps)
    np.testing.assert_allclose(smoothed, potts_by_loop(probabilities, strength, sweeps), atol=2e-6)
    np.testing.assert_array_equal(np.isnan(smoothed), np.isnan(probabilities))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 17), st.integers(1, 17), st.sampled_from([3, 5]), st.integers(0, 99))
def test_chunks_that_overlap_by_the_halo_have_the_same_majority(rows, columns, size, seed):
    classes = np.random.default_rng(seed).integers(0, 5, (17, 17)).astype(np.uint8)
    lazy = da.from_array(classes, chunks=(max(rows, size), max(columns, size)))
    chunked = lazy.map_overlap(majority, depth=majority_halo(size), boundary="none", size=size, dtype=np.uint8)
    np.testing.assert_array_equal(chunked.compute(scheduler="sync"), majority(classes, size))


@settings(max_examples=25, deadline=None)
@given(st.integers(3, 17), st.integers(3, 17), st.integers(1, 3), st.integers(2, 44), st.integers(0, 99))
def test_chunks_that_overlap_by_the_sweeps_have_the_same_marginals_to_the_last_bit(
    rows, columns, sweeps, classes, seed
):
    probabilities = draw_probabilities((17, 17), classes, seed)
    lazy = da.from_array(probabilities, chunks=(rows, columns, -1))
    chunked = lazy.map_overlap(
        potts, depth=(sweeps, sweeps, 0), boundary="none", strength=3.0, sweeps=sweeps, dtype=np.float32
    )
    np.testing.assert_array_equal(chunked.compute(scheduler="sync"), potts(probabilities, 3.0, sweeps))


def test_a_lone_pixel_joins_its_neighbours_unless_it_is_sure():
    classes = np.full((5, 5), 7, dtype=np.uint8)
    classes[2, 2] = 3
    assert (majority(classes) == 7).all()
    probabilities = np.full((5, 5, 2), (0.9, 0.1), dtype=np.float32)
    probabilities[2, 2] = 0.3, 0.7
    assert potts(probabilities, strength=2)[2, 2].argmax() == 0
    probabilities[2, 2] = 0.01, 0.99
    assert potts(probabilities, strength=2)[2, 2].argmax() == 1


def test_without_strength_or_sweeps_nothing_changes():
    probabilities = draw_probabilities((4, 4), 3, seed=1)
    np.testing.assert_array_equal(potts(probabilities, sweeps=0), probabilities)
    np.testing.assert_allclose(potts(probabilities, strength=0), probabilities, rtol=1e-6)


@pytest.mark.parametrize("size", [-3, 0, 1, 2, 4])
def test_a_square_without_a_middle_is_refused(size):
    with pytest.raises(ValueError, match=r"must be 3, 5, 7, \.\.\., got"):
        majority(np.ones((3, 3), dtype=np.uint8), size)


def test_a_negative_pull_is_refused():
    with pytest.raises(ValueError, match="must be at least 0, got -1 and 5"):
        potts(np.ones((1, 1, 1), dtype=np.float32), strength=-1)


@pytest.mark.parametrize(
    ("text", "method", "amount", "halo", "shown"),
    [
        ("majority", "majority", 3, 1, "majority 3 x 3 (probability and margin of the class shown, after smoothing)"),
        ("majority:7", "majority", 7, 3, "majority 7 x 7 (probability and margin of the class shown, after smoothing)"),
        ("potts:1.5", "potts", 1.5, 5, "Potts 1.5"),
    ],
)
def test_smoothing_is_read_from_a_word(text, method, amount, halo, shown):
    smoothing = Smoothing.parse(text)
    assert (smoothing.method, smoothing.amount, smoothing.halo, str(smoothing)) == (method, amount, halo, shown)


@pytest.mark.parametrize(
    "text", ["majority:2", "majority:x", "potts:0", "potts:-1", "mode", "", "majority:3.5", "majority:inf"]
)
def test_other_smoothing_is_refused(text):
    with pytest.raises(ValueError, match="must be such as"):
        Smoothing.parse(text)
