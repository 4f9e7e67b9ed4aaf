import numpy as np
import pytest

from timesenclip_hf.evaluation.uncertainty import bootstrap_classification
from timesenclip_hf.labelling.scoring import recall_report


def named(count=300, seed=0):
    random = np.random.default_rng(seed)
    truth = random.integers(0, 3, count)
    return (
        truth,
        np.where(random.random(count) < 0.7, truth, random.integers(0, 3, count)),
        random.integers(0, 25, count),
    )


@pytest.mark.parametrize("grouped", [True, False])
def test_recalls_and_their_mean_have_the_intervals_of_the_evaluation(grouped):
    truth, guesses, groups = named()
    report = recall_report(truth, guesses, ["maize", "wheat", "water", "never seen"], groups if grouped else None)
    for index, label in enumerate(("maize", "wheat", "water")):
        assert report["recall"][label]["value"] == pytest.approx((guesses == truth)[truth == index].mean())
    expected = bootstrap_classification(guesses, truth, 3, groups if grouped else None)["balanced_accuracy"]
    assert report["balanced_accuracy"]["value"] == pytest.approx(expected["value"])
    for bound in ("low", "high"):
        assert report["balanced_accuracy"][bound] == pytest.approx(expected[bound], abs=0.012)
    assert report["recall"].keys() == {"maize", "wheat", "water"}


def test_without_examples_there_is_nothing_to_report():
    nothing = np.zeros(0, dtype=int)
    assert recall_report(nothing, nothing, ["maize", "wheat"], None) == {"balanced_accuracy": None, "recall": {}}
