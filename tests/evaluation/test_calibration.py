import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from scipy.stats import binom
from transformers import AutoModel, pipeline

from timesenclip_hf import DEFAULT_CHECKPOINT, TimeSenCLIPModel
from timesenclip_hf.classification import PixelClassifier
from timesenclip_hf.evaluation.calibration import (
    Calibration,
    RejectRule,
    calibration_report,
    fit_calibration,
    fit_reject_threshold,
    fit_temperature,
    store_calibration,
)

LABELS = ["maize", "woodland", "water"]
seeds = st.integers(0, 2**32 - 1)


def draw(seed, samples=300, classes=5):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(samples, classes)) * rng.uniform(0.5, 5)
    noise = rng.gumbel(size=logits.shape) * rng.uniform(0.5, 3)
    return logits, (logits + noise).argmax(axis=1)


def exactly_calibrated(temperature):
    """Logits whose softmax at the temperature is how often each class occurs among samples of the same logits."""
    shares = np.array([[7, 2, 1], [1, 6, 3], [2, 3, 5], [1, 1, 8]])
    rows = [row for row in range(len(shares)) for _ in range(10)]
    truth = np.concatenate([np.repeat(np.arange(3), counts) for counts in shares])
    return temperature * np.log(shares[rows] / 10), truth


@pytest.mark.parametrize("temperature", [1e-3, 0.4, 1.0, 2.5, 1e4])
def test_scores_scaled_by_a_known_temperature_are_recovered(temperature):
    assert fit_temperature(*exactly_calibrated(temperature)) == pytest.approx(temperature, rel=1e-10)


def test_of_two_classes_it_is_the_closed_form():
    logits = np.tile([3.0, 0.0], (10, 1))
    truth = np.array([0] * 8 + [1] * 2)
    assert fit_temperature(logits, truth) == pytest.approx(3 / np.log(0.8 / 0.2), rel=1e-12)


@given(seed=seeds)
def test_it_is_the_minimum_of_the_negative_log_likelihood(seed):
    logits, truth = draw(seed)

    def loss(log_temperature):
        return -log_softmax(logits / np.exp(log_temperature), axis=1)[np.arange(len(truth)), truth].mean()

    found = minimize_scalar(loss, bounds=(-6, 6), method="bounded", options={"xatol": 1e-9})
    assert np.log(fit_temperature(logits, truth)) == pytest.approx(found.x, abs=1e-4)


@given(seed=seeds, factor=st.floats(1e-3, 1e3))
def test_it_grows_with_the_logits_and_ignores_what_all_classes_share(seed, factor):
    logits, truth = draw(seed)
    shift = np.random.default_rng(seed).normal(size=(len(truth), 1)) * 10
    expected = factor * fit_temperature(logits, truth)
    assert fit_temperature(torch.from_numpy(factor * (logits + shift)), truth) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(
    ("logits", "truth", "message"),
    [
        ([[2.0, 0.0], [0.0, 1.0]], [0, 1], "all 2 samples are right"),
        ([[2.0, 0.0], [0.0, 1.0]], [1, 0], "the true classes score no higher than the others"),
        ([[1.0, 1.0], [0.0, 0.0]], [0, 1], "the true classes score no higher than the others"),
        ([[1.0, 0.0], [float("nan"), 0.0]], [0, 1], "`logits` has nan at row 1"),
        ([[1.0, 0.0], [0.0, 1.0]], [0, -1], "`truth` has -1 at row 1"),
    ],
)
def test_logits_without_a_best_temperature_are_refused(logits, truth, message):
    with pytest.raises(ValueError, match=message):
        fit_temperature(logits, truth)


def test_a_calibrated_model_has_no_calibration_error_left():
    logits, truth = exactly_calibrated(0.3)
    report = calibration_report(fit_calibration(logits, truth), logits, truth)
    assert report["temperature"] == pytest.approx(0.3)
    # softmax(log(q) * 0.3 / 1) is flatter than q
    assert report["expected_calibration_error"]["before"] > 0.1
    assert report["expected_calibration_error"]["after"] == pytest.approx(0, abs=1e-9)
    assert report["negative_log_likelihood"]["after"] < report["negative_log_likelihood"]["before"]
    assert report["reject"] is None
    json.dumps(report)


def confident(right):
    """Probabilities of two classes whose highest falls from sample to sample, the true class that of `right`."""
    highest = np.linspace(0.99, 0.6, len(right))
    return np.stack([highest, 1 - highest], axis=1), np.where(right, 0, 1)


def test_as_many_right_answers_are_needed_as_the_bound_says():
    # Of n right answers the bound is 0.05 ** (1 / n): 0.9019 for 29, and 0.8985 for 28.
    rule = fit_reject_threshold(*confident([True] * 29), 0.9)
    assert (rule.coverage, rule.precision) == (1.0, 1.0)
    assert rule.threshold == pytest.approx(0.6)
    assert rule.lower_bound == pytest.approx(0.05 ** (1 / 29), rel=1e-12)
    with pytest.raises(ValueError, match=r"precision 0.9 with confidence 0.95 on 28 samples: the best bound is 0.899"):
        fit_reject_threshold(*confident([True] * 28), 0.9)


@given(seed=seeds, precision=st.floats(0.5, 0.9), confidence=st.floats(0.6, 0.99))
def test_the_threshold_is_the_smallest_whose_bound_reaches_the_precision(seed, precision, confidence):
    rng = np.random.default_rng(seed)
    highest = rng.choice(np.linspace(0.5, 1, 20), 60)  # with ties
    probabilities, truth = np.stack([highest, 1 - highest], axis=1), (rng.random(60) > highest).astype(np.int64)
    allowed = []
    for threshold in np.unique(highest):
        kept = highest >= threshold
        hits = int((truth[kept] == 0).sum())
        # The bound is the precision at which as many hits or more would be as rare as 1 - confidence.
        rare = binom.sf(hits - 1, kept.sum(), precision) <= 1 - confidence
        allowed += [threshold] if rare else []
    if not allowed:
        with pytest.raises(ValueError, match="No threshold keeps answers of precision"):
            fit_reject_threshold(probabilities, truth, precision, confidence=confidence)
        return
    rule = fit_reject_threshold(probabilities, truth, precision, confidence=confidence)
    kept = probabilities.max(axis=1) >= rule.threshold
    assert rule.threshold == min(allowed)
    assert rule.coverage == kept.mean()
    assert rule.precision == pytest.approx((truth[kept] == 0).mean())
    assert rule.precision > rule.lower_bound >= precision


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": 1.0}, "`precision` must lie between 0 and 1, got 1.0"),
        ({"precision": 0.9, "confidence": 0.0}, "`confidence` must lie between 0 and 1, got 0.0"),
    ],
)
def test_a_precision_that_no_bound_reaches_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        fit_reject_threshold(*confident([True] * 50), **options)


def test_the_reject_rule_is_fitted_on_calibrated_probabilities_and_judged_on_other_samples():
    logits, truth = draw(3, samples=4_000)
    fit, judge = slice(0, 2_000), slice(2_000, None)
    calibration = fit_calibration(logits[fit], truth[fit], precision=0.8)
    report = calibration_report(calibration, logits[judge], truth[judge])
    probabilities = softmax(logits[judge] / calibration.temperature, axis=1)
    kept = probabilities.max(axis=1) >= calibration.reject.threshold
    assert report["reject"]["coverage"] == kept.mean()
    assert report["reject"]["precision"] == (probabilities.argmax(axis=1) == truth[judge])[kept].mean()
    assert report["reject"]["fitted"]["lower_bound"] >= 0.8
    assert (report["samples_fitted"], report["samples"]) == (2_000, 2_000)


def test_where_all_is_rejected_there_is_no_precision():
    rule = RejectRule(1.0, 0.9, 0.95, precision=1.0, lower_bound=0.9, coverage=0.5)
    report = calibration_report(Calibration(1.0, 10, rule), np.array([[1.0, 0.0]]), np.array([0]))
    assert (report["reject"]["coverage"], report["reject"]["precision"]) == (0.0, None)


@pytest.fixture
def calibrated(tiny_checkpoint, tmp_path):
    """A copy of the checkpoint with a temperature of 0.05, saved by its pipeline."""
    loaded = pipeline("zero-shot-pixel-classification", model=str(tiny_checkpoint))
    rule = RejectRule(0.75, 0.9, 0.95, precision=0.95, lower_bound=0.9, coverage=0.5)
    store_calibration(loaded.model, Calibration(0.05, 100, rule))
    loaded.save_pretrained(tmp_path)
    return tmp_path


@pytest.fixture
def series():
    return np.random.default_rng(0).integers(200, 4000, (6, 12, 10), dtype=np.uint16)


def test_a_saved_and_loaded_checkpoint_applies_its_temperature(calibrated, tiny_checkpoint, series):
    loaded = AutoModel.from_pretrained(calibrated)
    assert (loaded.config.calibration_temperature, loaded.config.reject_threshold) == (0.05, 0.75)
    plain = PixelClassifier(LABELS, tiny_checkpoint).probabilities(series)[0]
    expected = softmax(np.log(plain) / 0.05, axis=1)
    assert np.abs(expected - plain).max() > 0.01
    np.testing.assert_allclose(PixelClassifier(LABELS, calibrated).probabilities(series)[0], expected, rtol=1e-3)
    results = pipeline("zero-shot-pixel-classification", model=str(calibrated))(series, candidate_labels=LABELS)
    by_label = [{entry["label"]: entry["score"] for entry in result} for result in results]
    np.testing.assert_allclose([[row[label] for label in LABELS] for row in by_label], expected, rtol=1e-3)


@torch.no_grad()
def test_the_models_text_logits_are_calibrated_and_its_training_loss_is_not(calibrated, tiny_checkpoint):
    torch.manual_seed(0)
    inputs = {"pixel_series": torch.rand(3, 12, 10), "input_ids": torch.tensor([[5, 6], [7, 8]])}
    photos = {"pixel_values": torch.rand(3, 3, 32, 32), "return_loss": True}
    before, after = (AutoModel.from_pretrained(folder)(**inputs, **photos) for folder in (tiny_checkpoint, calibrated))
    torch.testing.assert_close(after.logits_per_series, before.logits_per_series / 0.05)
    torch.testing.assert_close(after.logits_per_text, before.logits_per_text / 0.05)
    assert torch.equal(after.loss, before.loss)


def test_an_uncalibrated_checkpoint_scores_as_it_was_trained():
    model = TimeSenCLIPModel.from_pretrained(DEFAULT_CHECKPOINT)
    assert (model.config.calibration_temperature, model.config.reject_threshold) == (1.0, None)
    assert torch.equal(model.score_scale, model.logit_scale.exp())
