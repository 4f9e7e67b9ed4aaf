import logging
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import pipeline

from timesenclip_hf.models.timesenclip.pipeline_timesenclip import TASK
from timesenclip_hf.models.timesenclip.zero_shot_timesenclip import (
    embed_labels,
    expand_prompts,
    read_labels,
    score,
    unknown_words,
    warn_of_unknown_words,
)


def test_labels_may_be_a_list_a_string_or_phrases_by_name():
    expected = {"maize": ["maize"], "broadleaved woodland": ["broadleaved woodland"]}
    assert read_labels(["maize", "broadleaved woodland"]) == expected
    assert read_labels("maize, broadleaved woodland,") == expected
    assert read_labels({"crop": ["maize", "corn"], "wood": "forest"}) == {
        "crop": ["maize", "corn"],
        "wood": ["forest"],
    }


@pytest.mark.parametrize(
    "legend",
    [
        {"maize": 1, "lake": 60},
        {"1": "maize", "60": "lake"},
        {1: "maize", 60: "lake"},
        {"maize": "#ff0000", "lake": "#00F"},
        {"maize": [255, 0, 0], "lake": [0, 0, 1, 0.5]},
    ],
)
def test_the_names_of_a_legend_are_the_labels(legend):
    assert read_labels(legend) == {"maize": ["maize"], "lake": ["lake"]}


def test_codes_among_phrases_and_names_that_commas_do_not_separate_are_asked_about():
    with pytest.raises(ValueError, match="'lake' has a code where others have phrases"):
        read_labels({"maize": ["corn"], "lake": 60})
    for text in ("maize;lake", "maize|lake", "maize\nlake"):
        with pytest.raises(ValueError, match="would be one class: put commas between the names"):
            read_labels(text)


def test_labels_that_the_model_cuts_to_the_same_words_are_refused_and_others_warned_of(caplog):
    loaded = pipeline(TASK)
    base = "fields with hedges and trees and ponds on gentle slopes near villages and roads, " * 3
    with pytest.raises(ValueError, match=r"are the same to this model, which reads the first \d+ tokens"):
        embed_labels(loaded.model, loaded.processor, [base + "maize", base + "water"])
    with caplog.at_level(logging.WARNING):
        names, embeds = embed_labels(loaded.model, loaded.processor, ["water", base])
    assert len(names) == len(embeds) == 2
    assert "tokens only" in caplog.text
    caplog.clear()
    embed_labels(loaded.model, loaded.processor, ["water", "maize"])
    assert "tokens" not in caplog.text


def test_every_phrase_goes_into_every_template():
    prompts = expand_prompts({"crop": ["maize", "corn"]}, ["a photo of {}", "{}"])
    assert prompts == {"crop": ["a photo of maize", "maize", "a photo of corn", "corn"]}


def test_a_brace_in_a_label_is_only_a_brace():
    assert expand_prompts(["a {b}"], "the {}") == {"a {b}": ["the a {b}"]}


@pytest.mark.parametrize(
    ("labels", "template", "message"),
    [
        ([], "{}", "`candidate_labels` is empty"),
        ("", "{}", "`candidate_labels` is empty"),
        (["maize", "maize "], "{}", "The label 'maize' is given twice"),
        (["maize", " "], "{}", "The label '' is empty"),
        ({"maize": []}, "{}", "The label 'maize' is empty or has an empty phrase"),
        (["maize"], "a photo", "must contain {} once, where the label goes, got 'a photo'"),
        (["maize"], [], "`hypothesis_template` is empty"),
        ("crops.labels", "{}", "crops.labels is a file: read it first, with timesenclip_hf.read_label_set"),
        (Path("a/crops.labels"), "{}", "a/crops.labels is a file: read it first"),
        (5, "{}", r"must be words here, such as \['maize', 'woodland'\], got a int"),
        ([{}, "maize"], "{}", r"must be words here, such as .*, got a dict"),
    ],
)
def test_labels_and_templates_that_say_nothing_are_refused(labels, template, message):
    with pytest.raises(ValueError, match=message):
        expand_prompts(labels, template)


def test_unknown_words_are_named_with_the_nearest_known():
    nearest = unknown_words(["a photo of wheats", "airport"], ["photo", "wheat", "a", "of", "port"])
    assert list(nearest) == ["wheats", "airport"]
    assert nearest["wheats"] == ["wheat"]


def test_a_word_outside_the_captions_is_warned_of_and_known_ones_are_not(caplog):
    logger = logging.getLogger("transformers")
    logger.addHandler(caplog.handler)
    try:
        warn_of_unknown_words({"maize": ["maize"]}, ["maize"])
        warn_of_unknown_words({"maise": ["maise"]}, None)
        assert not caplog.records
        warn_of_unknown_words({"maise": ["maise"]}, ["maize", "rye"])
    finally:
        logger.removeHandler(caplog.handler)
    assert "'maise' occurs in none" in caplog.text
    assert "the nearest it knows: maize" in caplog.text


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_scores_are_scaled_cosines():
    series, classes = unit(5, 8), unit(3, 8, seed=1)
    torch.testing.assert_close(score(series, classes, logit_scale=10), 10 * series @ classes.T)


@given(st.integers(0, 1000))
def test_without_centring_a_series_scores_the_same_whatever_stands_beside_it(seed):
    series, classes = unit(6, 8, seed=seed), unit(3, 8, seed=seed + 1)
    torch.testing.assert_close(score(series, classes)[2:4], score(series[2:4], classes))


def test_class_centring_divides_by_the_mean_over_all_series_where_it_is_positive_as_upstream_does():
    series, classes = unit(5, 8), unit(3, 8, seed=1)
    shared = torch.ones(8) / 8**0.5
    series, classes = (torch.nn.functional.normalize(each + 2 * shared, dim=-1) for each in (series, classes))
    cosines = series @ classes.T
    assert (cosines.mean(0) > 0).all()
    assert torch.equal(score(series, classes, centring="class_mean"), cosines / (cosines.mean(0) + 1e-6))


def test_where_a_mean_cosine_is_negative_means_are_taken_away_and_no_class_turns_round():
    series, classes = unit(50, 8), unit(6, 8, seed=1)
    cosines = series @ classes.T
    assert 0 < (cosines.mean(0) < 0).sum() < 6
    centred = score(series, classes, centring="class_mean")
    torch.testing.assert_close(centred, cosines - cosines.mean(0))
    assert torch.equal(centred.argsort(dim=0, stable=True), cosines.argsort(dim=0, stable=True))


def test_a_few_lakes_stay_lakes_where_all_other_land_is_their_opposite():
    degrees = torch.tensor([0.0] * 12 + [110.0] * 40 + [120.0] * 48).deg2rad()
    series, classes = (torch.stack([angles.cos(), angles.sin()], dim=1) for angles in (degrees, degrees[[0, -1]]))
    cosines = series @ classes.T
    assert cosines.mean(dim=0)[0] < 0 < cosines.mean(dim=0)[1]
    for centring in ("none", "class_mean"):
        assert score(series, classes, centring=centring).argmax(dim=1).tolist() == [0] * 12 + [1] * 88
    upstream = cosines / (cosines.mean(dim=0) + 1e-6)
    assert (upstream.argmax(dim=1)[:12] == 1).all()  # what must not be


def test_series_centring_takes_the_mean_series_away():
    series, classes = unit(5, 8), unit(3, 8, seed=1)
    centred = torch.nn.functional.normalize(series - series.mean(0), dim=-1)
    torch.testing.assert_close(score(series, classes, centring="series_mean"), centred @ classes.T)


def test_an_unknown_centring_is_refused():
    with pytest.raises(ValueError, match="`centring` must be one of none, class_mean, series_mean, got 'mean'"):
        score(unit(2, 4), unit(2, 4), centring="mean")
