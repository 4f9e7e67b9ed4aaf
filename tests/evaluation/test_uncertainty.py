import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timesenclip_hf.data.splits import block_of
from timesenclip_hf.evaluation.metrics import balanced_accuracy, expected_calibration_error, hit_ranks, macro_f1
from timesenclip_hf.evaluation.uncertainty import (
    Resampling,
    bootstrap,
    bootstrap_calibration,
    bootstrap_classification,
    bootstrap_shares,
)

seeds = st.integers(0, 2**32 - 1)


def draw(seed, samples=300, classes=5):
    """Truth of which the last class is absent, predictions that are right about half the time, and the generator."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes - 1, samples)
    return np.where(rng.random(samples) < 0.5, truth, rng.integers(0, classes, samples)), truth, rng


def width(interval):
    return interval["high"] - interval["low"]


@settings(max_examples=10)
@given(seed=seeds, num_blocks=st.integers(2, 30))
def test_intervals_by_block_are_those_of_computing_each_resample_anew(seed, num_blocks):
    predicted, truth, rng = draw(seed)
    blocks = rng.permutation(np.arange(300) % num_blocks)
    top, resampling = rng.random(300) < 0.7, Resampling(resamples=10, seed=seed % 7)
    fast = bootstrap_classification(predicted, truth, 5, blocks, hits={"top": top}, resampling=resampling)
    slow = {
        "accuracy": lambda rows: np.mean(predicted[rows] == truth[rows]),
        "balanced_accuracy": lambda rows: balanced_accuracy(predicted[rows], truth[rows], 5),
        "macro_f1": lambda rows: macro_f1(predicted[rows], truth[rows], 5),
        "top": lambda rows: np.mean(top[rows]),
    }
    for name, statistic in slow.items():
        expected = bootstrap(statistic, 300, blocks, resampling=resampling)
        assert fast[name] == pytest.approx(expected, abs=1e-12)
    assert bootstrap_shares({"top": top}, blocks, resampling=resampling)["top"] == pytest.approx(fast["top"])


@settings(max_examples=10)
@given(seed=seeds)
def test_the_interval_of_the_calibration_error_is_that_of_computing_each_resample_anew(seed):
    _, truth, rng = draw(seed)
    probabilities = rng.dirichlet(np.ones(5), 300)
    # Blocks are the same draws; single samples are drawn by kinds, so that chance parts the two: the widths differ by
    # 0.004 in the mean square, and the bar is six times that.
    for blocks, resamples, tolerance in ((np.arange(300) // 20, 20, 1e-12), (None, 1_000, 0.025)):
        resampling = Resampling(resamples=resamples, seed=3)

        def error(rows):
            return expected_calibration_error(probabilities[rows], truth[rows])

        anew = bootstrap(error, 300, blocks, resampling=resampling)
        interval = bootstrap_calibration(probabilities, truth, blocks, resampling=resampling)
        assert interval["value"] == pytest.approx(anew["value"], abs=1e-12)
        assert width(interval) == pytest.approx(width(anew), abs=tolerance)


def test_a_share_of_independent_samples_has_the_interval_of_the_binomial_distribution():
    predicted, truth, _ = draw(0, samples=20_000)
    interval = bootstrap_classification(predicted, truth, 5)["accuracy"]
    share = np.mean(predicted == truth)
    assert interval["value"] == share
    assert width(interval) == pytest.approx(2 * 1.96 * np.sqrt(share * (1 - share) / 20_000), rel=0.1)
    assert (interval["low"] + interval["high"]) / 2 == pytest.approx(share, abs=5e-4)


def test_intervals_by_sample_agree_with_computing_each_resample_anew():
    predicted, truth, _ = draw(1)
    resampling = Resampling(resamples=500)
    fast = bootstrap_classification(predicted, truth, 5, resampling=resampling)["macro_f1"]
    slow = bootstrap(lambda rows: macro_f1(predicted[rows], truth[rows], 5), 300, resampling=resampling)
    assert fast["value"] == slow["value"]
    assert fast == pytest.approx(slow, abs=0.15 * width(slow))


def test_copies_of_a_sample_within_its_block_add_no_certainty():
    predicted, truth, _ = draw(2, samples=400)
    once = bootstrap_classification(predicted, truth, 5, np.arange(400))
    copied = bootstrap_classification(predicted.repeat(9), truth.repeat(9), 5, np.arange(400).repeat(9))
    for name, interval in once.items():
        assert copied[name] == pytest.approx(interval, abs=1e-12)
    # Taken for 3,600 independent samples they would seem three times as sure.
    naive = bootstrap_classification(predicted.repeat(9), truth.repeat(9), 5)["accuracy"]
    assert width(naive) == pytest.approx(width(once["accuracy"]) / 3, rel=0.1)


def test_about_95_of_a_hundred_intervals_by_block_hold_the_accuracy_that_the_blocks_were_drawn_with():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        skill = rng.beta(4, 4, 60)  # mean 0.5, another in each block
        hits = rng.random((60, 20)) < skill[:, None]
        interval = bootstrap_shares(
            {"hit": hits.ravel()}, np.arange(60).repeat(20), resampling=Resampling(resamples=200)
        )["hit"]
        held += interval["low"] <= 0.5 <= interval["high"]
    assert 0.90 <= held / 200 <= 0.98


def test_a_calibrated_model_shows_the_floor_and_the_interval_of_another_holds_its_error():
    rng = np.random.default_rng(0)
    errors, floors, held = [], [], 0
    for _ in range(100):
        probabilities = rng.dirichlet(np.ones(4), 1_000)
        truth = (rng.random((1_000, 1)) > probabilities.cumsum(axis=1)).sum(axis=1)
        resampling = Resampling(resamples=100)
        calibrated = bootstrap_calibration(probabilities, truth, resampling=resampling)
        errors.append(calibrated["value"])
        floors.append(calibrated["floor"])
        # Certain of class 0, which is right in a quarter of the samples.
        certain = bootstrap_calibration(np.eye(4)[np.zeros(1_000, dtype=int)], truth, resampling=resampling)
        held += certain["low"] <= 0.75 <= certain["high"]
        assert certain["floor"] == 0
    assert np.mean(errors) == pytest.approx(np.mean(floors), rel=0.05)
    assert held >= 88


def test_equal_seeds_give_equal_intervals_and_others_do_not():
    predicted, truth, _ = draw(3)
    first = bootstrap_classification(predicted, truth, 5, resampling=Resampling(seed=1))
    assert bootstrap_classification(predicted, truth, 5, resampling=Resampling(seed=1)) == first
    assert bootstrap_classification(predicted, truth, 5, resampling=Resampling(seed=2)) != first


def test_recalls_of_a_retrieval_have_intervals_by_block_of_their_places():
    rng = np.random.default_rng(0)
    embeds, ids = rng.normal(size=(200, 8)), np.arange(200)
    ranks = hit_ranks(embeds + rng.normal(size=(200, 8)), embeds, ids, ids)
    blocks = block_of(rng.uniform(-10, 30, 200), rng.uniform(36, 70, 200), 200)
    recalls = bootstrap_shares({f"recall_{k}": ranks < k for k in (1, 5, 10)}, blocks)
    assert recalls["recall_1"]["value"] < recalls["recall_5"]["value"] < recalls["recall_10"]["value"]
    assert all(0 <= entry["low"] < entry["value"] < entry["high"] <= 1 for entry in recalls.values())


BAD_CALLS = {
    "one block": (lambda: bootstrap_classification([0, 1], [0, 1], 2, [7, 7]), "All 2 samples lie in one block"),
    "too few blocks": (lambda: bootstrap_classification([0, 1], [0, 1], 2, [7]), r"each of the 2 samples, got \(1,\)"),
    "unknown class": (lambda: bootstrap_classification([0, 1], [0, -1], 2), "-1 at row 1, which is no class"),
    "no samples": (lambda: bootstrap_classification([], [], 2), "at least one sample"),
    "nothing to draw": (lambda: bootstrap(np.mean, 0), "no samples to draw from"),
    "no hits": (lambda: bootstrap_shares({}), "no hits to resample"),
    "hits that count": (lambda: bootstrap_shares({"recall": [1, 0]}), "'recall' must be one boolean .* got int64"),
    "no resample": (lambda: Resampling(resamples=0), "at least 1, got 0"),
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_what_cannot_be_drawn_is_named_in_one_line(name):
    call, message = BAD_CALLS[name]
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
