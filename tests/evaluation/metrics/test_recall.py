import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from timesenclip_hf.evaluation.metrics import (
    hit_ranks,
    instance_recall_at_k,
    recall,
    recall_at_k,
)

seeds = st.integers(0, 2**32 - 1)


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
