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
    hit_ranks,
    instance_recall_at_k,
    macro_f1,
    mean_average_precision,
    recall,
    recall_at_k,
    top_k_accuracy,
)

seeds = st.integers(0, 2**32 - 1)


def draw(seed, samples=200, classes=7):
    """Scores, truth of which the last class is absent, and the generator."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(samples, classes)), rng.integers(0, classes - 1, samples), rng


def brute_force_ranks(queries, gallery, query_labels, gallery_labels, query_ids=None, gallery_ids=None):
    """Sorts the whole gallery for one query after another."""
    ranks = []
    for row, query in enumerate(queries):
        cosines = [query @ item / np.sqrt((query @ query) * (item @ item)) for item in gallery]
        order = sorted(range(len(gallery)), key=lambda place: -cosines[place])
        if query_ids is not None:
            order = [place for place in order if gallery_ids[place] != query_ids[row]]
        hits = [rank for rank, place in enumerate(order) if gallery_labels[place] == query_labels[row]]
        ranks.append(hits[0] if hits else len(gallery))
    return np.asarray(ranks)


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


@given(seed=seeds, queries=st.integers(1, 12), items=st.integers(1, 40), labels=st.integers(1, 6))
def test_ranks_of_hits_are_those_of_a_brute_force_loop(seed, queries, items, labels):
    rng = np.random.default_rng(seed)
    left, right = rng.normal(size=(queries, 5)), rng.normal(size=(items, 5))
    query_labels, gallery_labels = rng.integers(0, labels, queries), rng.integers(0, labels, items)
    query_ids, gallery_ids = rng.integers(0, 9, queries).astype(str), rng.integers(0, 9, items).astype(str)
    expected = brute_force_ranks(left, right, query_labels, gallery_labels)
    np.testing.assert_array_equal(hit_ranks(left, right, query_labels, gallery_labels), expected)
    for k in {1, (items + 1) // 2, items}:
        assert recall_at_k(left, right, query_labels, gallery_labels, k) == np.mean(expected < k)
    without_own = brute_force_ranks(left, right, query_labels, gallery_labels, query_ids, gallery_ids)
    ranks = hit_ranks(left, right, query_labels, gallery_labels, query_ids=query_ids, gallery_ids=gallery_ids)
    np.testing.assert_array_equal(ranks, without_own)


def test_the_size_of_a_chunk_changes_no_rank(monkeypatch):
    rng = np.random.default_rng(0)
    embeds, labels = rng.normal(size=(100, 8)), rng.integers(0, 5, 100)
    whole = hit_ranks(embeds, embeds, labels, labels, query_ids=np.arange(100), gallery_ids=np.arange(100))
    monkeypatch.setattr(recall, "CHUNK_ELEMENTS", 250)
    parts = hit_ranks(embeds, embeds, labels, labels, query_ids=np.arange(100), gallery_ids=np.arange(100))
    np.testing.assert_array_equal(whole, parts)


def test_points_among_themselves_find_themselves_unless_their_own_is_left_out():
    embeds, labels, ids = np.eye(4), np.array([0, 1, 1, 0]), ["a", "b", "c", "d"]
    assert recall_at_k(embeds, embeds, labels, labels, 1) == 1
    without_own = recall_at_k(embeds, embeds, labels, labels, 1, query_ids=ids, gallery_ids=ids)
    # All others are equally near, so the first row comes first.
    assert without_own == 0.25


def test_a_model_that_embeds_everything_alike_retrieves_as_a_constant_answer_does():
    same, ids = np.eye(8)[np.zeros(50, dtype=int)], np.arange(50)
    assert instance_recall_at_k(same, same, ids, ids, 5) == 5 / 50
    assert recall_at_k(same, same, ids % 5, ids % 5, 1) == 1 / 5


def test_each_photo_of_a_point_counts_as_its_counterpart():
    series, photo_ids = np.eye(3), ["b", "b", "b", "a"]
    photos = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0], [0.9, 0.1, 0]], dtype=np.float32)
    assert instance_recall_at_k(series[:2], photos, ["a", "b"], photo_ids, 1) == 0.5
    assert instance_recall_at_k(series[:2], photos, ["a", "b"], photo_ids, 2) == 1
    with pytest.raises(ValueError, match="nothing with the id c of a query"):
        instance_recall_at_k(series, photos, ["a", "b", "c"], photo_ids, 1)


def test_a_query_whose_class_the_gallery_lacks_is_a_miss_at_every_k():
    assert recall_at_k(np.eye(2), np.eye(2), [0, 5], [0, 1], 2) == 0.5


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


def test_half_precision_tensors_are_read():
    scores = torch.tensor([[0.2, 0.7], [0.9, 0.1]], dtype=torch.bfloat16, requires_grad=True)
    assert top_k_accuracy(scores, torch.tensor([1, 1]), 1) == 0.5
    assert recall_at_k(scores, scores.half(), [0, 1], [0, 1], 1) == 1


BAD_CALLS = {
    "no prediction": (lambda: balanced_accuracy([], [], 3), "at least one sample"),
    "lengths differ": (lambda: macro_f1([0], [0, 1], 3), "each of the 2 samples, got 1"),
    "unknown class": (lambda: balanced_accuracy([0, 1], [0, -1], 3), "-1 at row 1, which is no class.*between 0 and 2"),
    "class too high": (lambda: balanced_accuracy([3, 1], [0, 1], 3), "`predicted` has 3 at row 0"),
    "names for indices": (lambda: balanced_accuracy(["a"], [0], 3), "`predicted` must be class indices"),
    "NaN score": (lambda: top_k_accuracy([[0.1, np.nan]], [0], 1), "nan at row 0, column 1"),
    "flat scores": (lambda: top_k_accuracy([0.1, 0.2], [0], 1), r"must be \(samples, classes\).*got \(2,\)"),
    "k of 0": (lambda: top_k_accuracy([[0.1, 0.2]], [0], 0), "between 1 and the number of classes, 2, got 0"),
    "k above the gallery": (lambda: recall_at_k(np.eye(2), np.eye(2), [0, 1], [0, 1], 3), "size of the gallery, 2"),
    "unknown label": (lambda: recall_at_k(np.eye(2), np.eye(2), [0, -1], [0, 1], 1), "`query_labels` has -1 at row 1"),
    "zero embedding": (lambda: hit_ranks(np.eye(2), np.zeros((1, 2)), [0, 1], [0]), "Row 0 of `gallery` has length 0"),
    "NaN embedding": (lambda: hit_ranks([[0.0, np.nan]], np.eye(2), [0], [0, 1]), "Row 0 of `queries` has length nan"),
    "dimensions differ": (lambda: hit_ranks(np.eye(2), np.eye(3), [0, 1], [0, 1, 2]), "2 dimensions and the gallery 3"),
    "too few labels": (lambda: hit_ranks(np.eye(2), np.eye(2), [0], [0, 1]), r"2 queries.*got \(1,\)"),
    "ids of one side": (lambda: hit_ranks(np.eye(1), np.eye(1), [0], [0], query_ids=[0]), "together, or neither"),
    "targets of other shape": (lambda: average_precision([[0.1, 0.2]], [[1]]), "must have the shape of `scores`"),
    "targets that count": (lambda: average_precision([[0.1, 0.2]], [[2, 0]]), "must be 0 or 1"),
    "no target": (lambda: mean_average_precision([[0.1, 0.2]], [[0, 0]]), "No sample has any class"),
    "logits for probabilities": (lambda: expected_calibration_error([[3.0, 1.0]], [0]), "give the softmax"),
    "no bin": (lambda: expected_calibration_error([[0.5, 0.5]], [0], bins=0), "at least 1, got 0"),
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_what_cannot_be_measured_is_named_in_one_line(name):
    call, message = BAD_CALLS[name]
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
