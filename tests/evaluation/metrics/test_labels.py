import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from timesenclip_hf.evaluation.metrics import (
    absent_classes,
    average_precision,
    balanced_accuracy,
    expected_calibration_error,
    macro_f1,
    mean_average_precision,
    top_k_accuracy,
)

seeds = st.integers(0, 2**32 - 1)


def draw(seed, samples=200, classes=7):
    """Scores, truth of which the last class is absent, and the generator."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(samples, classes)), rng.integers(0, classes - 1, samples), rng


@given(seed=seeds, k=st.integers(1, 7))
def test_top_k_accuracy_of_scores_without_ties_is_that_of_scikit_learn(seed, k):
    scores, truth, _ = draw(seed)
    expected = sk.top_k_accuracy_score(truth, scores, k=k, labels=range(7)) if k < 7 else 1.0
    assert top_k_accuracy(scores, truth, k) == pytest.approx(expected, abs=1e-12)
    assert top_k_accuracy(torch.from_numpy(scores), torch.from_numpy(truth), k) == top_k_accuracy(scores, truth, k)


@given(seed=seeds)
def test_among_equal_scores_the_lower_class_comes_first_as_argmax_has_it(seed):
    _, truth, rng = draw(seed)
    scores = rng.integers(0, 3, (200, 7))
    assert top_k_accuracy(scores, truth, 1) == np.mean(scores.argmax(axis=1) == truth)
    order = np.argsort(-scores, axis=1, kind="stable")
    assert top_k_accuracy(scores, truth, 3) == np.mean((order[:, :3] == truth[:, None]).any(axis=1))


@given(seed=seeds)
def test_balanced_accuracy_and_macro_f1_are_means_over_the_classes_that_occur(seed):
    _, truth, rng = draw(seed)
    predicted = rng.integers(0, 7, len(truth))
    present = np.unique(truth)
    recalls = [np.mean(predicted[truth == place] == place) for place in present]
    assert balanced_accuracy(predicted, truth, 7) == pytest.approx(np.mean(recalls), abs=1e-12)
    f1 = [
        2 * np.sum((predicted == place) & (truth == place)) / (np.sum(predicted == place) + np.sum(truth == place))
        for place in present
    ]
    assert macro_f1(predicted, truth, 7) == pytest.approx(np.mean(f1), abs=1e-12)
    assert absent_classes(truth, 7) == sorted(set(range(7)) - set(present.tolist()))


def test_a_class_that_is_only_predicted_costs_the_true_class_and_counts_no_further():
    assert balanced_accuracy([0, 2], [0, 0], 3) == 0.5
    assert macro_f1([0, 2], [0, 0], 3) == pytest.approx(2 / 3)


@settings(max_examples=20)
@given(seed=seeds)
def test_average_precision_is_that_of_scikit_learn_and_nan_where_a_class_is_absent(seed):
    scores, _, rng = draw(seed)
    targets = rng.random((200, 7)) < np.linspace(0, 0.5, 7)
    occurs = targets.any(axis=0)
    values = average_precision(scores.round(1), targets)
    np.testing.assert_array_equal(np.isnan(values), ~occurs)
    expected = sk.average_precision_score(targets[:, occurs], scores.round(1)[:, occurs], average="macro")
    assert mean_average_precision(scores.round(1), targets) == pytest.approx(expected, abs=1e-12)


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
