from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.support.fitted_sets import fitted_from, random_words
from timesenclip_hf.classification import load_pipeline
from timesenclip_hf.models.timesenclip.label_set_timesenclip import (
    Fit,
    LabelSet,
    as_label_set,
    check_weights,
    label_set_from_words,
    monthly_values,
)
from timesenclip_hf.models.timesenclip.weights_timesenclip import pixel_weights_hash
from timesenclip_hf.models.timesenclip.zero_shot_timesenclip import embed_labels, score

LABELS = ["maize", "grassland", "water"]


def unit(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


@pytest.fixture(scope="module")
def loaded():
    return load_pipeline(None, None)


def test_words_make_the_class_embeddings_and_the_scores_that_they_always_made(loaded):
    words = label_set_from_words(loaded.model, loaded.processor, {"crop": ["maize", "rye"], "water": ["water"]})
    labels, embeds = embed_labels(loaded.model, loaded.processor, {"crop": ["maize", "rye"], "water": ["water"]})
    assert words.labels == labels
    assert torch.equal(words.class_embeds, embeds)
    assert not words.is_fitted
    series = unit(20, embeds.shape[1])
    scale = loaded.model.score_scale.detach().float().cpu()
    for centring in ("none", "series_mean"):
        expected = score(series, embeds, logit_scale=scale, centring=centring)
        assert torch.equal(words.logits(series, centring=centring), expected)


def test_a_fit_that_leaves_the_words_scores_as_the_words_bit_for_bit():
    words, series = random_words(), unit(50, 8)
    left = replace(words, biases=torch.zeros(3), fit=Fit(dict.fromkeys(words.labels, 0)))
    assert left.is_fitted
    assert torch.equal(left.logits(series), words.logits(series))


def test_logits_of_a_fitted_set_are_scaled_products_and_biases_and_standardised_values():
    fitted = fitted_from(random_words(), with_values=2)
    series = unit(4, 8)
    values = torch.rand(4, 24, generator=torch.Generator().manual_seed(2))
    values[1, 5] = float("nan")
    standard = (values.double() - fitted.value_means) / fitted.value_spreads
    standard[1, 5] = 0  # a month that is hidden counts as the mean
    expected = series.double() @ fitted.class_embeds.double().T + standard @ fitted.value_weights.double().T
    expected = fitted.score_scale * (expected + fitted.biases)
    torch.testing.assert_close(fitted.logits(series, values).double(), expected, rtol=1e-5, atol=1e-5)


def test_what_a_fitted_set_cannot_do_is_said_in_a_sentence():
    fitted = fitted_from(random_words(), with_values=2)
    with pytest.raises(ValueError, match="`centring` is for label sets from words, got 'class_mean'"):
        fitted.logits(unit(4, 8), torch.zeros(4, 24), centring="class_mean")
    with pytest.raises(ValueError, match="reads monthly values, and there are none"):
        fitted.logits(unit(4, 8))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"class_embeds": torch.zeros(2, 8)}, r"`class_embeds` of 3 classes must be \(3, 8\), got \(2, 8\)"),
        ({"class_embeds": torch.zeros(3)}, "`class_embeds` of 3 classes must be"),
        ({"class_embeds": torch.full((3, 8), float("nan"))}, "numbers that are not finite"),
        ({"biases": torch.zeros(3, 1)}, r"`biases` of 3 classes must be \(3,\)"),
        ({"value_weights": torch.zeros(3, 24)}, "has `value_weights`, `value_means` and `value_spreads` of twelve"),
        ({"value_spreads": torch.zeros(24)}, "must be"),
        ({"score_scale": 0.0}, "`score_scale` of a label set must be above 0"),
        ({"score_scale": float("nan")}, "`score_scale` of a label set must be above 0"),
        ({"phrases": {}}, "`candidate_labels` is empty"),
        ({"fit": Fit({"class 0": 1})}, "counted for each of its labels"),
    ],
)
def test_a_label_set_whose_parts_do_not_fit_is_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        replace(random_words(), **changed)
    with pytest.raises(ValueError, match="`value_spreads` of a label set must be above 0"):
        replace(fitted_from(random_words(), with_values=1), value_spreads=torch.zeros(12))


def test_a_label_set_of_other_weights_is_refused_and_of_the_same_in_bfloat16_is_not(loaded):
    words = label_set_from_words(loaded.model, loaded.processor, LABELS)
    assert as_label_set(loaded.model, loaded.processor, words) is words
    half = type(loaded.model).from_pretrained(loaded.model.name_or_path, dtype=torch.bfloat16)
    check_weights(words, half)
    assert pixel_weights_hash(half) == words.weights_hash
    with torch.no_grad():
        next(half.pixel_model.parameters()).mul_(1.1)
    with pytest.raises(ValueError, match=r"checkpoint with other weights .* fit it again"):
        as_label_set(half, loaded.processor, words)
    with pytest.raises(ValueError, match="`hypothesis_template` is for words"):
        as_label_set(loaded.model, loaded.processor, words, "{}")


def test_monthly_values_stand_at_their_months_and_are_missing_where_nothing_was_seen():
    series = np.random.default_rng(0).random((2, 3, 2), dtype=np.float32)
    mask = np.array([[True, False, True], [True, True, True]])
    months = np.array([[0, 5, 11], [3, 2, 1]], dtype=np.float32)
    values = monthly_values({"pixel_series": series, "series_mask": mask, "months": months}).reshape(2, 12, 2)
    seen = ~values.isnan().any(dim=2)
    assert seen.nonzero().tolist() == [[0, 0], [0, 11], [1, 1], [1, 2], [1, 3]]
    assert np.array_equal(values[1, [3, 2, 1]], series[1])
    patches = np.repeat(series[..., None, None], 3, axis=4)
    features = {"pixel_series": patches, "series_mask": mask, "months": months}
    torch.testing.assert_close(monthly_values(features).reshape(2, 12, 2), values, equal_nan=True)


@pytest.mark.parametrize("months", [[0.5, 1, 2], [1, 1, 2]])
def test_time_steps_that_are_no_calendar_months_have_no_monthly_values(months):
    features = {"pixel_series": np.zeros((1, 3, 2)), "series_mask": np.ones((1, 3), dtype=bool)}
    with pytest.raises(ValueError, match="reads monthly values, and these series have other time steps"):
        monthly_values({**features, "months": np.array([months])})


def test_a_label_set_holds_its_tensors_in_float32():
    words = random_words()
    doubled = replace(words, class_embeds=words.class_embeds.double())
    assert isinstance(doubled, LabelSet)
    assert torch.equal(doubled.class_embeds, words.class_embeds)
    assert doubled.class_embeds.dtype == torch.float32
