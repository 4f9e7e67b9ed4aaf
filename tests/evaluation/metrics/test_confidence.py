import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from timesenclip_hf.evaluation.metrics import (
    expected_calibration_error,
)

seeds = st.integers(0, 2**32 - 1)


def draw(seed, samples=200, classes=7):
    """Scores, truth of which the last class is absent, and the generator."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(samples, classes)), rng.integers(0, classes - 1, samples), rng


@given(seed=seeds, bins=st.integers(1, 30))
def test_expected_calibration_error_is_that_of_a_loop_over_bins(seed, bins):
    scores, truth, _ = draw(seed)
    probabilities = np.exp(2 * scores) / np.exp(2 * scores).sum(axis=1, keepdims=True)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    expected = 0.0
    for place in range(bins):
        held = (confidence > place / bins) & (confidence <= (place + 1) / bins)
        if held.any():
            expected += held.mean() * abs(right[held].mean() - confidence[held].mean())
    assert expected_calibration_error(probabilities, truth, bins) == pytest.approx(expected, abs=1e-12)


def test_certain_and_right_is_calibrated_and_certain_and_wrong_is_not():
    assert expected_calibration_error(np.eye(3), [0, 1, 2]) == 0
    assert expected_calibration_error(np.eye(3), [1, 2, 0]) == 1
    # On an edge of two bins, 0.6 belongs to the lower one: the two samples share it, half of them right.
    assert expected_calibration_error([[0.6, 0.4], [0.6, 0.4]], [0, 1], bins=5) == pytest.approx(0.1)
