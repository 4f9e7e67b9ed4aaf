import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from timesenclip_hf.evaluation.entries import Scored, make_entry
from timesenclip_hf.evaluation.metrics import expected_calibration_error, top_k_accuracy
from timesenclip_hf.evaluation.uncertainty import Resampling

LABELS = ["maize", "wheat", "forest", "water", "built-up", "bare"]
FEW = Resampling(resamples=50)


def draw(seed, samples=120):
    """Scores, and truth without water and with the commonest class maize."""
    rng = np.random.default_rng(seed)
    scores, classes = rng.normal(size=(samples, 6)), rng.choice([0, 1, 2, 4, 5], samples, p=[0.6, 0.1, 0.1, 0.1, 0.1])
    classes[:2] = 0, 1
    return torch.from_numpy(scores), classes


def report_of(scored, centring="class_mean"):
    return make_entry("covers", "generic", centring, scored, {})


def value(report, metric):
    return report["metrics"][metric]["value"]


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_report_holds_what_scikit_learn_says_of_the_labels_present(seed):
    scores, truth = draw(seed)
    report = report_of(Scored(LABELS, scores, truth, resampling=FEW))
    predicted, present = scores.numpy().argmax(axis=1), np.unique(truth)
    assert report["samples"] == 120
    assert value(report, "accuracy") == sk.accuracy_score(truth, predicted)
    recall = sk.recall_score(truth, predicted, labels=present, average=None, zero_division=0)
    named = [LABELS[index] for index in present]
    assert report["recall"] == pytest.approx(dict(zip(named, recall, strict=True)), abs=1e-12)
    assert value(report, "balanced_accuracy") == pytest.approx(np.mean(recall), abs=1e-12)
    f1 = sk.f1_score(truth, predicted, labels=present, average="macro", zero_division=0)
    assert value(report, "macro_f1") == pytest.approx(f1, abs=1e-12)
    assert report["absent"] == [label for label in LABELS if label not in named]
    assert report["confusion"] == sk.confusion_matrix(truth, predicted, labels=range(6)).tolist()


def test_a_report_holds_the_lines_to_beat():
    logits = torch.eye(6)[[0, 1, 0, 2]]
    report = report_of(Scored(LABELS, logits, np.array([0, 0, 0, 2]), resampling=FEW))
    assert report["baselines"] == {"majority": {"accuracy": 0.75, "balanced_accuracy": 0.5}, "chance": 1 / 6}
    assert value(report, "balanced_accuracy") == pytest.approx((2 / 3 + 1) / 2)
    assert report["blocks"] is None


def test_a_report_has_top_k_and_an_interval_for_every_metric():
    scores, truth = draw(0)
    report = report_of(Scored(LABELS, scores, truth, np.arange(120) // 4, FEW), "none")
    assert value(report, "top_3_accuracy") == top_k_accuracy(scores, truth, 3)
    assert value(report, "top_5_accuracy") == top_k_accuracy(scores, truth, 5)
    error = expected_calibration_error(scores.softmax(dim=1), truth)
    assert value(report, "expected_calibration_error") == error
    names = {"accuracy", "balanced_accuracy", "macro_f1", "top_3_accuracy", "top_5_accuracy"}
    assert set(report["metrics"]) == names | {"expected_calibration_error"}
    assert all(interval["low"] < interval["high"] for interval in report["metrics"].values())
    assert report["blocks"] == 30
    assert json.loads(json.dumps(report)) == report


def test_top_k_is_left_out_where_there_are_no_more_labels_than_k():
    logits = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    report = report_of(Scored(["a", "b"], logits, np.array([0, 1, 0]), resampling=FEW))
    assert not any(name.startswith("top_") for name in report["metrics"])


def test_an_entry_says_what_it_is_of_and_only_raw_scores_have_a_calibration_error():
    scores, truth = draw(0)
    scored, texts = Scored(LABELS, scores, truth, resampling=FEW), {label: [label] for label in LABELS}
    raw = make_entry("covers", "generic", "none", scored, texts, composites=4, missing="winter")
    centred = make_entry("covers", "generic", "class_mean", scored, texts)
    asked = ("task", "prompts", "composites", "missing", "scores")
    assert [raw[name] for name in asked] == ["covers", "generic", 4, "winter", "raw"]
    assert [centred[name] for name in asked] == ["covers", "generic", 1, None, "transductive (class_mean)"]
    assert raw["prompts_of"] == texts
    assert "expected_calibration_error" in raw["metrics"]
    assert "expected_calibration_error" not in centred["metrics"]


def test_several_classes_a_sample_are_measured_by_average_precision():
    scores, _ = draw(1)
    targets = np.random.default_rng(2).random((120, 6)) < 0.3
    targets[:, 3] = False
    report = report_of(Scored(LABELS, scores, targets, resampling=FEW))
    present = [0, 1, 2, 4, 5]
    expected = sk.average_precision_score(targets[:, present], scores[:, present].numpy(), average="macro")
    assert value(report, "mean_average_precision") == pytest.approx(expected, abs=1e-12)
    assert report["metrics"]["mean_average_precision"]["floor"] == pytest.approx(targets[:, present].mean())
    assert report["absent"] == ["water"]


@pytest.mark.parametrize(
    ("scores", "truth", "message"),
    [
        (torch.full((3, 6), torch.nan), [0, 1, 2], "`scores` has nan at row 0, column 0"),
        (torch.zeros(3, 6), [0, -1, 2], "-1 at row 1, which is no class"),
        (torch.zeros(3, 6), [0, 6, 2], "6 at row 1, which is no class"),
        (torch.zeros(3, 6), [0, 1], "one label for each of the 3 samples, got 2"),
        (torch.zeros(0, 6), [], "with at least one of each"),
    ],
)
def test_what_cannot_be_measured_is_an_error_and_not_a_number(scores, truth, message):
    with pytest.raises(ValueError, match=message):
        report_of(Scored(LABELS, scores, np.array(truth, dtype=int), resampling=FEW))
