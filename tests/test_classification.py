import json
import logging
import shutil

import numpy as np
import pytest
import torch
from transformers import pipeline

from tests.support.fitted_sets import fitted_from, left_as_words
from timesenclip_hf import classification
from timesenclip_hf.classification import Embedded, PixelClassifier, class_probabilities
from timesenclip_hf.models.timesenclip import pipeline_timesenclip
from timesenclip_hf.models.timesenclip.novelty_timesenclip import TimeSenCLIPNovelty, measure_novelty
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


@pytest.mark.parametrize("together", [2, 5, 9])
def test_a_list_is_classified_alike_in_parts_of_any_size(classifier, series, monkeypatch, together):
    items = [{"series": values / 10_000} for values in series]
    items[3] = {"series": np.full((12, 10), np.nan)}
    complete = classifier.probabilities_of_items(items)
    assert complete.shape == (9, 3)
    for module in (classification, pipeline_timesenclip):
        monkeypatch.setattr(module, "JUDGED_TOGETHER", together)
    np.testing.assert_allclose(classifier.probabilities_of_items(items), complete, atol=1e-6)
    assert classifier.probabilities_of_items([]).shape == (0, 3)


@pytest.mark.parametrize("bands", [0, 10])
def test_a_fitted_set_gives_what_the_pipeline_gives_in_parts_of_any_size(classifier, series, monkeypatch, bands):
    fitted = fitted_from(classifier.label_set, with_values=bands)
    loaded = pipeline("zero-shot-pixel-classification", model=classifier.model, processor=classifier.processor)
    again = PixelClassifier(fitted, loaded)
    assert again.labels == LABELS
    items = [{"series": values} for values in series]
    items[3] = {"series": np.full((12, 10), np.nan)}
    complete = again.probabilities_of_items(items)
    for row, answers in zip(np.delete(complete, 3, axis=0), loaded([*items[:3], *items[4:]], fitted), strict=True):
        assert {answer["label"]: answer["score"] for answer in answers} == pytest.approx(
            dict(zip(LABELS, row.tolist(), strict=True)), abs=1e-6
        )
    assert np.isnan(complete[3]).all()
    for module in (classification, pipeline_timesenclip):
        monkeypatch.setattr(module, "JUDGED_TOGETHER", 2)
    np.testing.assert_allclose(again.probabilities_of_items(items), complete, atol=1e-6)


def test_a_fit_without_examples_classifies_as_its_words_bit_for_bit(classifier, series, tiny_checkpoint):
    left = PixelClassifier(left_as_words(classifier.label_set), tiny_checkpoint)
    np.testing.assert_array_equal(left.probabilities(series)[0], classifier.probabilities(series)[0])


def test_embeddings_of_a_list_are_those_of_its_parts(classifier, series, monkeypatch):
    items = [{"series": values} for values in series]
    items[3] = {"series": np.full((12, 10), np.nan)}
    complete = classifier.embed_items(items, with_values=True)
    assert (complete.embeds.shape, complete.values.shape) == ((8, 32), (8, 120))
    assert complete.observed.tolist() == [index != 3 for index in range(9)]
    monkeypatch.setattr(classification, "JUDGED_TOGETHER", 2)
    parts = classifier.embed_items(items, with_values=True)
    np.testing.assert_allclose(parts.embeds, complete.embeds, atol=1e-6)
    np.testing.assert_array_equal(parts.values, complete.values)
    np.testing.assert_array_equal(parts.clear_months, complete.clear_months)
    none = classifier.embed_items([])
    assert class_probabilities(Embedded(*none), classifier.label_set).shape == (0, 3)


def test_series_that_are_equal_and_encoded_once_keep_their_values(classifier, series, tiny_checkpoint):
    fitted = fitted_from(classifier.label_set, with_values=10)
    twice = np.concatenate([series, series[::-1]])
    plain = PixelClassifier(fitted, tiny_checkpoint).probabilities(twice)[0]
    once = PixelClassifier(fitted, tiny_checkpoint, compute=ComputeOptions(deduplicate=True)).probabilities(twice)[0]
    np.testing.assert_allclose(once, plain, atol=1e-6)


@pytest.mark.parametrize("strange", [-25.0, 27_500.0, 0.2, 65535.0])
def test_one_strange_series_of_a_list_stops_no_other_and_changes_none(classifier, series, strange):
    items = [{"series": values.astype(float)} for values in series]
    expected = classifier.probabilities_of_items(items)
    falling = np.arange(10) if strange == -25.0 else 0  # dark water; one negative number in all bands is no data
    items[5] = {"series": np.full((3, 10), strange) - falling, "months": [4, 5, 6]}
    got = classifier.probabilities_of_items(items)
    np.testing.assert_allclose(np.delete(got, 5, axis=0), np.delete(expected, 5, axis=0), atol=1e-6)
    assert np.isnan(got[5]).all() == (strange != -25.0)


def test_series_of_a_list_share_a_year_so_that_they_can_be_compared(classifier, series):
    dates = [f"{year}-{month:02d}-15" for year in (2018, 2019) for month in range(1, 13)]
    items = [{"series": np.concatenate([values, values[::-1]]), "dates": dates} for values in series]
    items[0]["series"][14:17] = 65535  # less of 2019 in this one
    got = classifier.probabilities_of_items(items)
    np.testing.assert_array_equal(got, classifier.probabilities_of_items(items, SeriesOptions(year=2018)))


def test_bad_labels_are_refused_before_the_checkpoint_is_read():
    with pytest.raises(ValueError, match="'maize' is given twice"):
        PixelClassifier("maize,maize", "no/such-checkpoint")


def test_code_beside_a_checkpoint_is_never_run(tmp_path):
    classes = {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "of_somebody", "auto_map": classes}))
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(ValueError, match=r"^The checkpoint .* cannot be used: .*\.$"):
        classification.load_pipeline(tmp_path, None)
    assert not (tmp_path / "ran").exists()


def test_a_damaged_checkpoint_is_told_in_one_sentence(tmp_path, tiny_checkpoint):
    shutil.copytree(tiny_checkpoint, tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    config["pixel_config"]["num_attention_heads"] = True
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"^The checkpoint .* cannot be used: [^\n]*num_attention_heads[^\n]*\.$"):
        classification.load_pipeline(tmp_path / "model", None)


def test_a_checkpoint_that_knows_its_training_says_how_unlike_it_a_series_is(series, tiny_checkpoint, caplog):
    loaded = pipeline("zero-shot-pixel-classification", model=str(tiny_checkpoint))
    blind = PixelClassifier(LABELS, loaded)
    assert blind.answers_of_items(list(series)).novelty is None
    torch.manual_seed(0)
    loaded.model.keep_novelty(TimeSenCLIPNovelty(loaded.model.pixel_model.config, 8))
    knowing = PixelClassifier(LABELS, loaded)
    series[4] = 65535
    features = loaded.processor.feature_extractor(series, allow_empty=True)
    expected = measure_novelty(loaded.model, features).numpy()
    probabilities, novelty = knowing.answers_of_items(list(series))
    np.testing.assert_allclose(novelty, expected, atol=1e-5)
    assert np.isnan(novelty[4])
    np.testing.assert_array_equal(probabilities, blind.probabilities_of_items(list(series)))
    loaded.model.novelty.centre -= 100  # all are far from it now
    sentence = "8 of 8 series (100%) are unlike anything this checkpoint was trained on"
    logger = logging.getLogger("transformers")
    logger.addHandler(caplog.handler)
    try:
        for answer in (knowing.answers_of_items, lambda items: loaded(items, candidate_labels=LABELS)):
            caplog.clear()
            answer(list(series))
            assert caplog.text.count(sentence) == 1
    finally:
        logger.removeHandler(caplog.handler)
