import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from timesenclip_hf.evaluation.metrics import top_k_accuracy
from timesenclip_hf.evaluation.uncertainty import Resampling
from timesenclip_hf.evaluation.zero_shot import zero_shot_report

LABELS = ["maize", "wheat", "forest", "water", "built-up", "bare"]


def draw(seed, samples=120):
    """Scores, what they predict, and truth without water and with the commonest class maize."""
    rng = np.random.default_rng(seed)
    scores, classes = rng.normal(size=(samples, 6)), rng.choice([0, 1, 2, 4, 5], samples, p=[0.6, 0.1, 0.1, 0.1, 0.1])
    classes[:2] = 0, 1
    return scores, [LABELS[place] for place in scores.argmax(axis=1)], [LABELS[place] for place in classes]


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_report_holds_what_scikit_learn_says_of_the_labels_present(seed):
    _, predicted, truth = draw(seed)
    report = zero_shot_report(truth, predicted, LABELS)
    present = [label for label in LABELS if label in truth]
    assert report["samples"] == 120
    assert report["accuracy"] == sk.accuracy_score(truth, predicted)
    recall = sk.recall_score(truth, predicted, labels=present, average=None, zero_division=0)
    assert report["recall"] == pytest.approx(dict(zip(present, recall, strict=True)), abs=1e-12)
    assert report["balanced_accuracy"] == pytest.approx(np.mean(recall), abs=1e-12)
    f1 = sk.f1_score(truth, predicted, labels=present, average="macro", zero_division=0)
    assert report["macro_f1"] == pytest.approx(f1, abs=1e-12)
    assert report["absent"] == [label for label in LABELS if label not in present]
    assert report["confusion"] == sk.confusion_matrix(truth, predicted, labels=LABELS).tolist()


def test_a_report_holds_the_lines_to_beat():
    truth = ["maize", "maize", "maize", "forest"]
    report = zero_shot_report(truth, ["maize", "wheat", "maize", "forest"], LABELS)
    assert report["majority_accuracy"] == 0.75
    assert report["majority_balanced_accuracy"] == 0.5
    assert report["chance"] == 1 / 6
    assert report["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    assert "intervals" not in report


def test_with_scores_a_report_has_top_k_and_an_interval_for_every_metric():
    scores, predicted, truth = draw(0)
    report = zero_shot_report(
        truth, predicted, LABELS, scores=scores, blocks=np.arange(120) // 4, resampling=Resampling(resamples=50)
    )
    classes = [LABELS.index(name) for name in truth]
    assert report["top_3_accuracy"] == top_k_accuracy(scores, classes, 3)
    assert report["top_5_accuracy"] == top_k_accuracy(scores, classes, 5)
    names = {"accuracy", "balanced_accuracy", "macro_f1", "top_3_accuracy", "top_5_accuracy"}
    assert set(report["intervals"]) == names
    for name, interval in report["intervals"].items():
        assert interval["value"] == pytest.approx(report[name], abs=1e-12)
        assert interval["low"] < interval["value"] < interval["high"]
    assert json.loads(json.dumps(report)) == report


def test_top_k_is_left_out_where_there_are_no_more_labels_than_k():
    report = zero_shot_report(["a", "b", "a"], ["a", "a", "b"], ["a", "b"], scores=[[1, 0], [1, 0], [0, 1]])
    assert not any(name.startswith("top_") for name in report)


def test_scores_of_another_kind_than_the_predictions_are_an_error():
    scores, predicted, truth = draw(0)
    with pytest.raises(ValueError, match="not the best of its scores"):
        zero_shot_report(truth, predicted, LABELS, scores=scores / scores.mean(axis=0))
    with pytest.raises(ValueError, match=r"must be \(samples, labels\), \(120, 6\), got \(120, 5\)"):
        zero_shot_report(truth, predicted, LABELS, scores=scores[:, :5])
    with pytest.raises(ValueError, match="`scores` has nan at row 0, column 0"):
        zero_shot_report(truth, predicted, LABELS, scores=np.full((120, 6), np.nan))


def test_a_label_that_is_no_candidate_is_an_error_and_not_a_number():
    with pytest.raises(ValueError, match="true label 'Maize' is none of the 6 candidates"):
        zero_shot_report(["Maize"], ["maize"], LABELS)
    with pytest.raises(ValueError, match="predicted label 'rye' is none of the 6 candidates"):
        zero_shot_report(["maize"], ["rye"], LABELS)
    with pytest.raises(ValueError, match="at least one: got 0 and 0"):
        zero_shot_report([], [], LABELS)
