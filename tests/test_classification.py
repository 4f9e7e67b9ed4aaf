import numpy as np
import pytest
from transformers import pipeline

from timesenclip_hf.classification import PixelClassifier
from timesenclip_hf.models.timesenclip.options_timesenclip import SeriesOptions
from timesenclip_hf.runtimes.options import ComputeOptions

LABELS = ["maize", "woodland", "water"]


@pytest.fixture(scope="module")
def classifier(tiny_checkpoint):
    return PixelClassifier(LABELS, tiny_checkpoint)


@pytest.fixture
def series():
    return np.random.default_rng(0).integers(200, 4000, (9, 12, 10), dtype=np.uint16)


def test_it_says_what_the_pipeline_says(classifier, series, tiny_checkpoint):
    expected = pipeline("zero-shot-pixel-classification", model=str(tiny_checkpoint))(series, candidate_labels=LABELS)
    probabilities, _ = classifier.probabilities(series)
    for row, answers in zip(probabilities, expected, strict=True):
        assert {answer["label"]: answer["score"] for answer in answers} == pytest.approx(
            dict(zip(LABELS, row.tolist(), strict=True)), abs=1e-6
        )


def test_a_loaded_pipeline_serves_too(classifier, series, tiny_checkpoint):
    loaded = pipeline("zero-shot-pixel-classification", model=str(tiny_checkpoint))
    again = PixelClassifier(",".join(LABELS), loaded)
    np.testing.assert_array_equal(again.probabilities(series)[0], classifier.probabilities(series)[0])


def test_a_series_without_an_observation_is_nan_and_changes_no_other(classifier, series):
    complete, _ = classifier.probabilities(series)
    series[4] = 65535
    series[2, :5] = 65535
    holed, clear_months = classifier.probabilities(series)
    assert np.isnan(holed[4]).all()
    np.testing.assert_allclose(np.delete(holed, (2, 4), axis=0), np.delete(complete, (2, 4), axis=0), atol=1e-6)
    assert clear_months.tolist() == [12, 12, 7, 12, 0, 12, 12, 12, 12]


def test_months_are_counted_once_however_often_they_were_seen(classifier, series):
    dates = [f"2018-{month:02d}-{day:02d}" for month in (3, 4, 5) for day in (1, 11, 21, 28)]
    assert classifier.probabilities(series, SeriesOptions(dates=dates))[1].tolist() == [3] * 9


def test_a_list_is_classified_alike_in_chunks_of_any_size(classifier, series, tiny_checkpoint):
    items = [{"series": values} for values in series]
    complete = classifier.probabilities_of_items(items)
    assert complete.shape == (9, 3)
    small = PixelClassifier(LABELS, tiny_checkpoint, compute=ComputeOptions(chunk_size=2))
    np.testing.assert_allclose(small.probabilities_of_items(items), complete, atol=1e-6)
    assert classifier.probabilities_of_items([]).shape == (0, 3)


def test_bad_labels_are_refused_before_the_checkpoint_is_read():
    with pytest.raises(ValueError, match="'maize' is given twice"):
        PixelClassifier("maize,maize", "no/such-checkpoint")
