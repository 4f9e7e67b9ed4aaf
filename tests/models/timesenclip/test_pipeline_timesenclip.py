import logging
import types

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import pipeline
from transformers.pipelines.pt_utils import KeyDataset

from tests.support.fitted_sets import fitted_from, left_as_words
from timesenclip_hf import TimeSenCLIPModel, TimeSenCLIPProcessor
from timesenclip_hf.models.timesenclip import pipeline_timesenclip
from timesenclip_hf.models.timesenclip.label_set_timesenclip import label_set_from_words, monthly_values
from timesenclip_hf.models.timesenclip.pipeline_timesenclip import TASK

LABELS = ["maize", "grassland", "buildings"]


@pytest.fixture(scope="module")
def classify(tiny_checkpoint):
    return pipeline(TASK, model=str(tiny_checkpoint), device="cpu")


@pytest.fixture(scope="module")
def series() -> np.ndarray:
    return np.random.default_rng(0).uniform(0.01, 0.5, (7, 12, 10)).astype(np.float32)


@pytest.fixture(scope="module")
def expected(classify, series):
    return classify(series, LABELS)


def same(results, expected) -> bool:
    return len(results) == len(expected) and all(
        [entry["label"] for entry in ours] == [entry["label"] for entry in theirs]
        and np.allclose([entry["score"] for entry in ours], [entry["score"] for entry in theirs], atol=1e-6)
        for ours, theirs in zip(results, expected, strict=True)
    )


def test_results_have_transformers_own_form(expected):
    assert len(expected) == 7
    for result in expected:
        assert [list(entry) for entry in result] == [["score", "label"]] * 3
        scores = [entry["score"] for entry in result]
        assert scores == sorted(scores, reverse=True)
        assert sum(scores) == pytest.approx(1)
        assert {entry["label"] for entry in result} == set(LABELS)


def test_scores_are_the_models_own(classify, series, tiny_checkpoint):
    model = TimeSenCLIPModel.from_pretrained(tiny_checkpoint)
    processor = TimeSenCLIPProcessor.from_pretrained(tiny_checkpoint)
    inputs = processor(series=series, text=[f"a photo of {label}" for label in LABELS], return_tensors="pt")
    with torch.no_grad():
        by_hand = model(**inputs).logits_per_series.softmax(dim=1)
    for row, result in zip(by_hand, classify(series, LABELS, hypothesis_template="a photo of {}"), strict=True):
        scores = {entry["label"]: entry["score"] for entry in result}
        assert [scores[label] for label in LABELS] == pytest.approx(row.tolist(), abs=1e-5)


def test_one_series_gives_one_result(classify, series, expected):
    assert same([classify(series[0], LABELS)], expected[:1])
    assert same([classify({"series": series[0]}, LABELS)], expected[:1])
    assert same([classify(series[0].tolist(), LABELS)], expected[:1])


@pytest.mark.parametrize("batch_size", [1, 3, 100])
@pytest.mark.parametrize(
    "form",
    [
        lambda series: series,
        lambda series: torch.from_numpy(series),
        lambda series: list(series),
        lambda series: series.tolist(),
        lambda series: [{"series": values, "months": range(12)} for values in series],
        lambda series: tuple(series),
        lambda series: Dataset.from_dict({"series": series.tolist(), "label": ["x"] * len(series)}),
        lambda series: Dataset.from_dict({"series": series.tolist()})["series"],
        lambda series: Dataset.from_dict({"series": series.reshape(len(series), -1).tolist()})["series"],
        lambda series: Dataset.from_dict({"series": series.tolist()}).with_format("numpy"),
        lambda series: KeyDataset(Dataset.from_dict({"reflectance": series.tolist()}), "reflectance"),
    ],
    ids=[
        "array",
        "tensor",
        "list",
        "nested lists",
        "dictionaries",
        "tuple",
        "Dataset",
        "Column",
        "flat Column",
        "numpy",
        "KeyDataset",
    ],
)
def test_every_form_of_many_series_gives_as_many_results_and_the_same(classify, series, expected, form, batch_size):
    results = classify(form(series), LABELS, batch_size=batch_size)
    assert isinstance(results, list)
    assert same(results, expected)


@pytest.mark.parametrize(
    "form",
    [
        lambda series: (values for values in series),
        lambda series: ({"series": values} for values in series),
        lambda series: iter(list(series)),
        lambda series: Dataset.from_dict({"series": series.tolist(), "label": range(7)}).to_iterable_dataset(),
    ],
    ids=["generator", "generator of dictionaries", "iterator", "IterableDataset"],
)
def test_a_stream_gives_a_stream(classify, series, expected, form):
    results = classify(form(series), LABELS, batch_size=2)
    assert isinstance(results, types.GeneratorType)
    assert same(list(results), expected)


def test_a_stream_is_read_no_further_than_its_results_are(classify, series):
    read = []

    def stream():
        for number, values in enumerate(series):
            read.append(number)
            yield values

    results = classify(stream(), LABELS, batch_size=2)
    assert not read
    next(results)
    assert len(read) == 2


@pytest.mark.parametrize("centring", ["class_mean", "series_mean"])
def test_centring_sees_all_series_whatever_the_chunks_and_refuses_what_it_cannot_see(classify, series, centring):
    at_once = classify(series, LABELS, centring=centring)
    assert same(classify(list(series), LABELS, centring=centring, batch_size=2), at_once)
    assert {entry["centring"] for ranked in at_once for entry in ranked} == {centring}
    assert all(set(entry) == {"score", "label"} for ranked in classify(series, LABELS) for entry in ranked)
    with pytest.raises(ValueError, match="give a list or an array, not a stream"):
        classify(iter(series), LABELS, centring=centring)
    with pytest.raises(ValueError, match="give at least two, got 1"):
        classify(series[0], LABELS, centring=centring)


def test_a_dictionary_of_an_array_of_series_is_of_several(classify, series, expected):
    assert same(classify({"series": series}, LABELS), expected)


def test_empty_inputs_give_no_results(classify):
    assert classify([], LABELS) == []


@pytest.mark.parametrize("as_given", [list, np.asarray, iter], ids=["list", "array", "stream"])
def test_one_series_without_an_observation_is_counted_and_stops_no_other(classify, series, expected, as_given, caplog):
    bad = np.array(series)
    bad[1] = np.nan
    results = list(classify(as_given(bad), LABELS))
    (empty,) = results[1]
    assert empty["label"] is None
    assert np.isnan(empty["score"])
    assert same(results[:1] + results[2:], expected[:1] + expected[2:])
    assert f"1 of {len(bad)} series have no clear observation, number 1 counted from 0" in caplog.text


@pytest.mark.parametrize("together", [2, 3, 100])
def test_no_result_depends_on_how_many_series_are_read_together(classify, series, monkeypatch, together):
    mixed = [{"series": values} for values in series * 10_000]
    # Too little of a list to be another unit, and most of a batch of two.
    mixed[2:4] = [{"series": np.full((12, 10), 27_000.0)}, {"series": np.full((12, 10), 28_000.0)}]
    whole = classify(mixed, LABELS)
    assert [result[0]["label"] for result in whole][2:4] == [None, None]
    monkeypatch.setattr(pipeline_timesenclip, "JUDGED_TOGETHER", together)
    assert same(classify(mixed, LABELS, batch_size=2)[:2], whole[:2])
    assert same(classify(mixed, LABELS, batch_size=2)[4:], whole[4:])


def test_a_series_without_an_observation_is_refused_alone_or_where_asked(classify, series):
    bad = np.full_like(series[0], np.nan)
    with pytest.raises(ValueError, match="no observed month"):
        classify(bad, LABELS)
    with pytest.raises(ValueError, match="1 of 2 series have no observed month, the first is number 1"):
        classify([series[0], bad], LABELS, allow_empty=False)
    assert classify(bad, LABELS, allow_empty=True)[0]["label"] is None


def test_labels_may_be_a_string_or_phrases(classify, series, expected):
    assert same(classify(series, "maize, grassland, buildings"), expected)
    phrases = {"crop": ["maize", "corn"], "town": ["buildings", "houses"]}
    assert {entry["label"] for entry in classify(series[0], phrases)} == {"crop", "town"}


def test_templates_are_averaged_as_embeddings(classify, series, tiny_checkpoint):
    from timesenclip_hf.models.timesenclip.zero_shot_timesenclip import embed_classes

    model, tokenizer = classify.model, classify.processor.tokenizer
    both = embed_classes(model, tokenizer, {"x": ["a photo of maize", "maize"]})
    each = [embed_classes(model, tokenizer, {"x": [text]}) for text in ("a photo of maize", "maize")]
    torch.testing.assert_close(both, torch.nn.functional.normalize(each[0] + each[1], dim=-1))
    assert same(classify(series, LABELS, hypothesis_template=["a photo of {}", "{}"]), classify(series, LABELS))


def test_top_k_keeps_the_highest(classify, series, expected):
    assert same(classify(series, LABELS, top_k=1), [result[:1] for result in expected])


def test_arguments_given_at_construction_are_defaults(tiny_checkpoint, series, expected):
    ready = pipeline(TASK, model=str(tiny_checkpoint), candidate_labels=LABELS, top_k=2, batch_size=3, device="cpu")
    assert same(ready(series), [result[:2] for result in expected])
    assert len(ready(series, top_k=1)[0]) == 1


def test_the_text_tower_runs_once_for_each_set_of_labels(tiny_checkpoint, series, monkeypatch):
    classify = pipeline(TASK, model=str(tiny_checkpoint), device="cpu")
    calls = []
    original = classify.model.get_text_features
    monkeypatch.setattr(classify.model, "get_text_features", lambda **kwargs: calls.append(1) or original(**kwargs))
    classify(list(series), LABELS, batch_size=2)
    classify(series[0], LABELS)
    assert len(calls) == 1
    classify(series[0], LABELS[:2])
    assert len(calls) == 2


def test_labels_that_can_be_read_once_or_are_long_arrays_are_not_taken_for_others(classify, series):
    assert {entry["label"] for entry in classify(series[0], (name for name in LABELS))} == set(LABELS)
    assert {entry["label"] for entry in classify(series[0], (name for name in ["a", "b"]))} == {"a", "b"}
    assert same(list(classify(iter(series), (name for name in LABELS))), classify(series, LABELS))
    first, second = ([f"crop {index}" for index in range(1500)] for _ in range(2))
    second[700] = "another"  # what is shown of a long array leaves its middle out
    assert len(classify(series[0], np.array(first))) == 1500
    assert "another" in {entry["label"] for entry in classify(series[0], np.array(second))}
    ready = pipeline(TASK, model=classify.model, processor=classify.processor, candidate_labels=iter(LABELS))
    assert same(ready(series), ready(series))


def test_changed_weights_and_temperature_change_the_scores(tiny_checkpoint, series):
    classify = pipeline(TASK, model=str(tiny_checkpoint), device="cpu")
    before = classify(series, LABELS)
    with torch.no_grad():
        classify.model.text_projection.weight.copy_(classify.model.text_projection.weight.roll(3, dims=0))
    changed = classify(series, LABELS)
    assert not same(changed, before)
    fresh = pipeline(TASK, model=classify.model, processor=classify.processor, device="cpu")
    assert same(changed, fresh(series, LABELS))
    classify.model.config.calibration_temperature = 5.0
    assert not same(classify(series, LABELS), changed)


def test_no_more_label_sets_are_kept_than_a_few(classify, series, monkeypatch, expected):
    monkeypatch.setattr(pipeline_timesenclip, "MOST_LABEL_SETS", 4)
    for index in range(10):
        classify(series[0], [f"crop {index}", "water"])
        assert len(classify._label_sets) <= 5
    assert same(classify(series, LABELS), expected)


@pytest.fixture(scope="module")
def words(classify):
    return label_set_from_words(classify.model, classify.processor, LABELS)


def test_a_fit_without_examples_gives_the_scores_of_the_words_bit_for_bit(classify, series, words, expected):
    assert classify(series, words) == expected
    left = classify(series, left_as_words(words))
    assert left == [[{**entry, "fitted": True} for entry in result] for result in expected]


@pytest.mark.parametrize(
    "as_given", [list, np.asarray, iter, lambda series: KeyDataset([{"x": s} for s in series], "x")]
)
@pytest.mark.parametrize("bands", [0, 10])
def test_a_fitted_set_scores_series_in_any_form_and_says_so(classify, series, words, as_given, bands):
    fitted = fitted_from(words, with_values=bands)
    holed = np.array(series)
    holed[2], holed[4, 3:7] = np.nan, np.nan
    features = classify.processor.feature_extractor(holed, allow_empty=True, return_tensors="pt")
    seen = {name: values[[0, 1, 3, 4, 5, 6]] for name, values in features.items()}
    embeds = classify.model.get_series_features(**seen).pooler_output.detach()
    embeds = torch.nn.functional.normalize(embeds, dim=-1)
    scores = fitted.logits(embeds, monthly_values(seen) if bands else None).softmax(dim=1)
    results = list(classify(as_given(holed), fitted))
    assert np.isnan(results.pop(2)[0]["score"])
    for row, result in zip(scores.tolist(), results, strict=True):
        assert all(entry["fitted"] is True for entry in result)
        got = {entry["label"]: entry["score"] for entry in result}
        assert [got[label] for label in LABELS] == pytest.approx(row, abs=1e-5)


def test_what_a_fitted_set_cannot_do_is_refused_before_or_without_a_guess(classify, series, words):
    fitted, dates = fitted_from(words, with_values=10), [f"2018-{month:02d}-03" for month in range(1, 13)]
    with pytest.raises(ValueError, match="`centring` is for label sets from words"):
        classify(series, fitted, centring="series_mean")
    with pytest.raises(ValueError, match='give `dates` without `composite="none"`'):
        classify(series, fitted, dates=dates, composite="none")
    classify(series, fitted, dates=dates)
    with pytest.raises(ValueError, match="`hypothesis_template` is for words"):
        classify(series, fitted, hypothesis_template="{}")
    torch.manual_seed(3)
    other = TimeSenCLIPModel(classify.model.config)
    elsewhere = pipeline(TASK, model=other, processor=classify.processor, device="cpu")
    with pytest.raises(ValueError, match="a checkpoint with other weights"):
        elsewhere(series, fitted)


def test_dates_clouds_and_bands_reach_the_feature_extractor(classify, series):
    dates = [f"2018-{month:02d}-15" for month in range(1, 13)]
    bands = ["B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"]
    item = {
        "series": series[0, ::-1, ::-1],
        "dates": dates[::-1],
        "bands": bands[::-1],
        "scl": [4] * 12,
        "nodata": -1,
    }
    assert same([classify(item, LABELS)], [classify(series[0], LABELS)])
    assert same([classify(series[0, :, ::-1], LABELS, bands=bands[::-1])], [classify(series[0], LABELS)])


def test_saved_and_loaded_it_gives_the_same(classify, series, expected, tmp_path):
    classify.save_pretrained(tmp_path)
    assert same(pipeline(TASK, model=str(tmp_path), device="cpu")(series, LABELS), expected)


def test_a_model_instance_with_its_processor_makes_a_pipeline(classify, series, expected):
    ready = pipeline(TASK, model=classify.model, processor=classify.processor, device="cpu")
    assert same(ready(series, LABELS), expected)


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        ({}, ValueError, "Give the class names"),
        ({"candidate_labels": []}, ValueError, "`candidate_labels` is empty"),
        ({"candidate_labels": ["a", "a"]}, ValueError, "'a' is given twice"),
        ({"candidate_labels": LABELS, "hypothesis_template": "x"}, ValueError, "must contain {} once"),
        ({"candidate_labels": LABELS, "top_k": 0}, ValueError, "`top_k` must be at least 1, got 0"),
        (
            {"candidate_labels": LABELS, "hypotesis_template": "{}"},
            TypeError,
            "Unknown argument 'hypotesis_template'",
        ),
        ({"candidate_labels": LABELS, "bands": ["B99"] * 10}, ValueError, "Unknown band 'B99'"),
    ],
)
def test_what_cannot_be_used_is_named(classify, series, kwargs, error, message):
    with pytest.raises(error, match=message):
        classify(series, **kwargs)


def test_flat_series_of_a_dataset_with_months_and_year_are_read_as_they_are_in_arrays(classify, series, expected):
    rows = {"series": series.reshape(len(series), -1).tolist(), "months": [list(range(12))] * len(series)}
    dataset = Dataset.from_dict({**rows, "year": [2018] * len(series), "point_id": ["a"] * len(series)})
    assert same(classify(dataset, LABELS), expected)


def test_dates_of_a_dataset_go_before_its_months(classify, series, expected):
    rows = {"series": series.tolist(), "dates": [[f"2018-{month:02d}-15" for month in range(1, 13)]] * len(series)}
    dataset = Dataset.from_dict({**rows, "months": [[0.0] * 12] * len(series), "year": [2018] * len(series)})
    assert same(classify(dataset, LABELS), expected)


def test_a_dataset_without_a_series_column_is_refused_with_the_columns_it_has(classify):
    with pytest.raises(ValueError, match="no column 'series' but pixels"):
        classify(Dataset.from_dict({"pixels": [1]}), LABELS)


def test_words_outside_the_captions_are_warned_of_once(tiny_checkpoint, series, caplog):
    classify = pipeline(TASK, model=str(tiny_checkpoint), device="cpu")
    classify.processor.known_words = ["a", "photo", "of", "maize", "grassland", "houses"]
    logger = logging.getLogger("transformers")
    logger.addHandler(caplog.handler)
    try:
        classify(series[0], ["maize", "house"])
        classify(series[0], ["maize", "house"])
    finally:
        logger.removeHandler(caplog.handler)
    assert [record.getMessage() for record in caplog.records] == [
        "'house' occurs in none of this checkpoint's training captions, so its scores for it mean little; "
        "the nearest it knows: houses."
    ]
