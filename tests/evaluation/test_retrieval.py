import json
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from timesenclip_hf.evaluation.metrics import instance_recall_at_k, recall_at_k
from timesenclip_hf.evaluation.retrieval import retrieval_report

NAMES = ["maize", "wheat", "lake"]


def embeds(rows, seed, size=6):
    values = torch.from_numpy(np.random.default_rng(seed).normal(size=(rows, size)))
    return torch.nn.functional.normalize(values, dim=-1)


def labels(rows, seed, low=0):
    return np.random.default_rng(seed).integers(low, len(NAMES), rows)


def recall_by_loops(queries, gallery, wanted, offered, k):
    found = 0
    for query, value in zip(queries, wanted, strict=True):
        nearest = sorted(range(len(gallery)), key=lambda row, query=query: -float(query @ gallery[row]))[:k]
        found += any(offered[row] == value for row in nearest)
    return found / len(queries)


def value(report, direction, metric):
    return report[direction][metric]["value"]


def test_both_directions_agree_with_loops_and_with_the_metrics():
    series, photos, classes = embeds(40, 0), embeds(40, 1), labels(40, 2)
    report = retrieval_report(series, photos, labels=classes)
    rows = np.arange(40)
    for direction, left, right in (("series_to_photo", series, photos), ("photo_to_series", photos, series)):
        for k in (1, 5, 10):
            instance, consistent = (value(report, direction, f"{name}_recall@{k}") for name in ("instance", "class"))
            assert instance == recall_by_loops(left, right, rows, rows, k)
            assert consistent == recall_by_loops(left, right, classes, classes, k)
            assert instance == instance_recall_at_k(left, right, rows, rows, k)
            assert consistent == recall_at_k(left, right, classes, classes, k)


def test_series_that_equal_their_photos_find_them_all():
    series = embeds(30, 0)
    report = retrieval_report(series, series.clone(), labels=labels(30, 1))
    for direction in ("series_to_photo", "photo_to_series"):
        assert report[direction]["instance_recall@1"] == {"value": 1.0, "low": 1.0, "high": 1.0, "chance": 1 / 30}


def test_points_without_a_photo_do_not_ask_but_may_be_found():
    series, photos = embeds(20, 0), embeds(20, 1)
    photos[5:8] = torch.nan
    report = retrieval_report(series, photos)
    assert report["series_to_photo"]["queries"] == report["series_to_photo"]["gallery"] == 17
    assert (report["photo_to_series"]["queries"], report["photo_to_series"]["gallery"]) == (17, 20)
    assert "class_recall@1" not in report["series_to_photo"]


def test_samples_of_unknown_class_take_no_part_in_class_hits():
    series, photos, classes = embeds(25, 0), embeds(25, 1), labels(25, 2, low=-1)
    known = classes >= 0
    whole = retrieval_report(series, photos, labels=classes)
    apart = retrieval_report(series[known], photos[known], labels=classes[known])
    for direction in ("series_to_photo", "photo_to_series"):
        assert whole[direction]["class_recall@1"] == apart[direction]["class_recall@1"]
        assert whole[direction]["queries"] == 25


@given(seed=st.integers(0, 999), k=st.sampled_from([1, 5]))
def test_chance_is_the_mean_over_all_galleries_in_another_order(seed, k):
    classes = labels(7, seed)
    report = retrieval_report(embeds(7, seed), embeds(7, seed + 1), labels=classes)["series_to_photo"]
    shares = [np.mean(np.isin(classes, classes[list(nearest)])) for nearest in combinations(range(7), k)]
    assert report[f"class_recall@{k}"]["chance"] == pytest.approx(np.mean(shares))
    assert report[f"instance_recall@{k}"]["chance"] == pytest.approx(k / 7)


def test_words_rank_the_series_of_their_class():
    series, words, classes = embeds(30, 0), embeds(3, 1), labels(30, 2)
    report = retrieval_report(series, class_embeds=words, class_names=NAMES, labels=classes)
    cosines = (series @ words.T).numpy()
    precise, found, right = [], [], []
    for place in range(3):
        order = np.argsort(-cosines[:, place])
        hits = classes[order] == place
        precise.append(np.mean([hits[: rank + 1].mean() for rank in np.flatnonzero(hits)]))
        found.append(hits[:5].any())
        right.append(hits[:5].mean())
    words_report = report["text_to_series"]
    assert list(words_report["average_precision"].values()) == pytest.approx(precise)
    assert words_report["mean_average_precision"]["value"] == pytest.approx(np.mean(precise))
    assert words_report["class_recall@5"]["value"] == np.mean(found)
    assert words_report["precision@5"]["value"] == pytest.approx(np.mean(right))
    assert words_report["precision@5"]["chance"] == pytest.approx(1 / 3)
    assert (words_report["queries"], words_report["gallery"]) == (3, 30)


def test_a_class_without_series_is_listed_and_does_not_ask():
    series, words = embeds(10, 0), embeds(3, 1)
    classes = np.array([0, 0, 0, 2, 2, 2, 2, 2, -1, -1])
    report = retrieval_report(series, class_embeds=words, class_names=NAMES, labels=classes)["text_to_series"]
    assert report["absent"] == ["wheat"]
    assert list(report["average_precision"]) == ["maize", "lake"]
    assert (report["queries"], report["gallery"]) == (2, 8)
    assert "class_recall@10" not in report


def test_tensors_of_any_precision_and_arrays_give_one_report_that_json_holds():
    series, photos, classes = embeds(20, 0).float(), embeds(20, 1).float(), labels(20, 2)
    options = {"labels": classes, "class_names": NAMES, "class_embeds": embeds(3, 3).float()}
    report = retrieval_report(series, photos, **options)
    assert json.loads(json.dumps(report)) == report
    assert retrieval_report(series.numpy(), photos.numpy(), **options) == report


def test_intervals_by_block_are_wider_where_blocks_are_alike():
    rng = np.random.default_rng(0)
    blocks = np.repeat(np.arange(20), 10)
    series, photos = embeds(200, 0), embeds(200, 1)
    good = np.isin(blocks, rng.choice(20, 10, replace=False))
    photos[good] = series[good]
    single = retrieval_report(series, photos)["series_to_photo"]["instance_recall@1"]
    grouped = retrieval_report(series, photos, blocks=blocks)["series_to_photo"]["instance_recall@1"]
    assert single["value"] == grouped["value"]
    assert grouped["high"] - grouped["low"] > 1.5 * (single["high"] - single["low"])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "There is nothing to retrieve"),
        ({"photo_embeds": embeds(5, 0)}, "5 photos for 4 points: give one embedding for each point"),
        ({"photo_embeds": torch.full((4, 6), torch.nan)}, "No photo has an embedding"),
        ({"photo_embeds": embeds(4, 0), "labels": [0, 1]}, "one embedding, label and block for each series"),
        ({"photo_embeds": embeds(4, 0, size=5)}, "Queries have 6 dimensions and the gallery 5"),
        ({"class_embeds": embeds(3, 0), "labels": [0, 1, 2, 0]}, "needs one of the `class_names`"),
        ({"class_embeds": embeds(3, 0), "class_names": NAMES}, "No series has a known class"),
        ({"class_embeds": embeds(3, 0), "class_names": NAMES, "labels": [0, 1, 2, 3]}, "label 3, but there are 3 cl"),
    ],
)
def test_bad_input_gets_one_sentence(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        retrieval_report(embeds(4, 1), **options)
