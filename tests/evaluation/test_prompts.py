import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModel, AutoProcessor

from timesenclip_hf.evaluation.prompts import (
    EmbeddedSplit,
    SelectionOptions,
    image_similarity,
    prompt_selection_report,
    prompt_weights,
    select_prompts,
    text_similarity,
    weigh_prompts,
)
from timesenclip_hf.models.timesenclip.zero_shot_timesenclip import embed_labels, score

PROMPTS = {
    "maize": ["maize", "corn", "a maize field", "farmland"],
    "wheat": ["wheat", "farmland"],
    "lake": ["a lake"],
    "wood": ["woodland", "forest", "trees", "a stand of trees", "spruces"],
}


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint):
    return AutoModel.from_pretrained(tiny_checkpoint).eval(), AutoProcessor.from_pretrained(tiny_checkpoint)


def unit(rows, seed, size=32):
    values = torch.from_numpy(np.random.default_rng(seed).normal(size=(rows, size))).float()
    return torch.nn.functional.normalize(values, dim=-1)


def split(rows, seed, labels=None):
    names = None if labels is None else np.random.default_rng(seed).choice(labels, rows).tolist()
    return EmbeddedSplit([f"{seed}-{row}" for row in range(rows)], unit(rows, seed), names)


def weights_by_loops(similarity, class_of):
    weights = []
    for prompt, own in enumerate(class_of):
        means = []
        for label in range(max(class_of) + 1):
            members = [place for place, other in enumerate(class_of) if other == label]
            if label == own and len(members) > 1:
                members.remove(prompt)
            means.append(sum(similarity[prompt][place] for place in members) / len(members))
        weights.append(means[own] / (sum(means) / len(means)) if sum(means) else 0.0)
    return weights


def responses_by_loops(prompts, images, class_of, scale):
    responses = np.empty((len(prompts), len(images)))
    for column, image in enumerate(images):
        likelihood = [np.exp(scale * float(prompt @ image)) for prompt in prompts]
        classes = [
            np.mean([likelihood[place] for place, other in enumerate(class_of) if other == label])
            for label in range(max(class_of) + 1)
        ]
        responses[:, column] = np.array(likelihood) / sum(classes)
    return responses


@given(sizes=st.lists(st.integers(1, 5), min_size=2, max_size=5), seed=st.integers(0, 99))
def test_weights_are_those_of_plain_loops_for_unequal_counts(sizes, seed):
    class_of = np.repeat(np.arange(len(sizes)), sizes)
    similarity = text_similarity(unit(len(class_of), seed, size=4))
    np.testing.assert_allclose(prompt_weights(similarity, class_of), weights_by_loops(similarity, class_of), atol=1e-12)


@given(sizes=st.lists(st.integers(1, 4), min_size=2, max_size=4), seed=st.integers(0, 99))
def test_image_mediated_similarity_is_that_of_plain_loops(sizes, seed):
    class_of = np.repeat(np.arange(len(sizes)), sizes)
    prompts, images = unit(len(class_of), seed, size=6).double(), unit(9, seed + 1, size=6).double()
    responses = responses_by_loops(prompts, images, class_of, scale=14.0)
    expected = np.array(
        [[one @ two / np.linalg.norm(one) / np.linalg.norm(two) for two in responses] for one in responses]
    )
    np.testing.assert_allclose(image_similarity(prompts, images, class_of, 14.0), expected, atol=1e-12)


def test_on_positive_cosines_and_equal_counts_the_weight_is_the_formula_of_the_paper():
    embeds = torch.nn.functional.normalize(unit(6, 0).abs(), dim=-1)
    cosines = (embeds @ embeds.T).double().numpy()
    inside = [(cosines[row, row // 3 * 3 : row // 3 * 3 + 3].sum() - cosines[row, row]) / 2 for row in range(6)]
    other = [cosines[row, 3 - row // 3 * 3 : 6 - row // 3 * 3].mean() for row in range(6)]
    expected = [own / ((own + away) / 2) for own, away in zip(inside, other, strict=True)]
    weights = prompt_weights(text_similarity(embeds), np.array([0, 0, 0, 1, 1, 1]))
    np.testing.assert_allclose(weights, expected, rtol=1e-6)


def test_a_prompt_that_says_the_same_of_every_class_weighs_one_and_less_than_one_that_does_not():
    shared, maize, lake = torch.eye(3)
    embeds = torch.stack([maize, maize, shared, lake, lake, shared])
    weights = prompt_weights(text_similarity(embeds), np.array([0, 0, 0, 1, 1, 1]))
    np.testing.assert_allclose(weights[[0, 1, 3, 4]], 2.0)
    assert weights[2] == weights[5] < 1.0


def test_the_prompts_of_a_class_given_twice_change_no_other_weight_by_images():
    prompts, images = unit(5, 3), unit(40, 4)
    once = image_similarity(prompts, images, np.array([0, 0, 1, 1, 1]), 14.0)
    twice = image_similarity(torch.cat([prompts, prompts[2:]]), images, np.array([0, 0, 1, 1, 1, 1, 1, 1]), 14.0)
    np.testing.assert_allclose(twice[:5, :5], once, atol=1e-12)


@pytest.mark.parametrize("images", [None, 50])
def test_the_order_of_classes_and_of_prompts_changes_neither_choice_nor_weights(checkpoint, images):
    embeds = None if images is None else unit(images, 5)
    first = weigh_prompts(*checkpoint, PROMPTS, image_embeds=embeds)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        shuffled = {label: rng.permutation(PROMPTS[label]).tolist() for label in rng.permutation(list(PROMPTS))}
        again = weigh_prompts(*checkpoint, shuffled, image_embeds=embeds)
        assert list(again) == list(shuffled)
        assert {label: list(again[label].items()) for label in PROMPTS} == {
            label: list(first[label].items()) for label in PROMPTS
        }


def test_the_highest_weights_are_kept_and_all_prompts_of_a_class_with_fewer(checkpoint):
    weights = weigh_prompts(*checkpoint, PROMPTS)
    chosen = select_prompts(*checkpoint, PROMPTS, top_k=2)
    assert {label: len(texts) for label, texts in chosen.items()} == {"maize": 2, "wheat": 2, "lake": 1, "wood": 2}
    for label, texts in chosen.items():
        left = [weight for text, weight in weights[label].items() if text not in texts]
        assert all(weights[label][text] >= other for text in texts for other in left)


def test_a_prompt_given_twice_in_a_class_is_one_prompt(checkpoint):
    twice = {**PROMPTS, "maize": [*PROMPTS["maize"], "maize"]}
    assert weigh_prompts(*checkpoint, twice) == weigh_prompts(*checkpoint, PROMPTS)


def test_many_prompts_go_through_the_text_tower_in_parts(checkpoint, monkeypatch):
    whole = weigh_prompts(*checkpoint, PROMPTS)
    monkeypatch.setattr("timesenclip_hf.evaluation.prompts._PROMPTS_AT_ONCE", 3)
    for label, weights in weigh_prompts(*checkpoint, PROMPTS).items():
        assert weights == pytest.approx(whole[label], abs=1e-5)


def test_the_report_scores_every_choice_on_the_held_out_points(checkpoint):
    selection, held_out = split(60, 1), split(80, 2, list(PROMPTS))
    report = prompt_selection_report(*checkpoint, PROMPTS, selection, held_out, options=SelectionOptions(top_k=2))
    assert json.loads(json.dumps(report)) == report
    assert report["samples"] == {"selection": 60, "held_out": 80}
    assert list(report["scores"]) == ["all", "text", "image"]
    assert report["prompts"]["image"] == select_prompts(*checkpoint, PROMPTS, top_k=2, image_embeds=selection.embeds)
    labels, class_embeds = embed_labels(*checkpoint, report["prompts"]["text"])
    best = score(held_out.embeds, class_embeds).argmax(dim=1)
    right = [labels[place] == label for place, label in zip(best.tolist(), held_out.labels, strict=True)]
    figure = report["scores"]["text"]["accuracy"]
    assert figure["value"] == pytest.approx(np.mean(right))
    assert figure["low"] < figure["value"] < figure["high"]
    values = {name: report["scores"][name]["balanced_accuracy"]["value"] for name in ("all", "image")}
    assert report["gain"]["image"]["value"] == pytest.approx(values["image"] - values["all"])
    assert report["random"]["accuracy"]["draws"] == 5


def test_the_labels_of_the_selecting_points_are_not_read(checkpoint):
    held_out = split(40, 2, list(PROMPTS))
    reports = [
        prompt_selection_report(*checkpoint, PROMPTS, selection, held_out, options=SelectionOptions(random_draws=1))
        for selection in (split(30, 1), split(30, 1, list(PROMPTS)), split(30, 1, ["no candidate"]))
    ]
    assert reports[0] == reports[1] == reports[2]


def test_splits_that_share_a_point_are_refused(checkpoint):
    with pytest.raises(ValueError, match="share 80 points, such as '2-0': prompts are judged on points that did not"):
        prompt_selection_report(*checkpoint, PROMPTS, split(90, 2), split(80, 2, list(PROMPTS)))


def test_a_held_out_split_without_labels_or_with_strange_ones_is_refused(checkpoint):
    with pytest.raises(ValueError, match="no labels: without them"):
        prompt_selection_report(*checkpoint, PROMPTS, split(9, 1), split(9, 2))
    with pytest.raises(ValueError, match="'marsh' is a label of the held-out split, but no candidate"):
        prompt_selection_report(*checkpoint, PROMPTS, split(9, 1), split(9, 2, ["marsh"]))


@pytest.mark.parametrize(
    ("prompts", "options", "sentence"),
    [
        ({"maize": ["maize", "corn"]}, {}, "give at least two, got \\['maize'\\]"),
        ({"maize": ["maize"], "lake": []}, {}, "'lake' is empty or has an empty phrase"),
        (PROMPTS, {"top_k": 0}, "`top_k` must be at least 1, got 0"),
        (PROMPTS, {"image_embeds": torch.zeros(3, 7)}, "must be \\(images, 32\\), got \\(3, 7\\)"),
        (PROMPTS, {"image_embeds": torch.full((3, 32), torch.nan)}, "Row 0 of `image_embeds` is not finite"),
    ],
)
def test_bad_input_gets_one_sentence(checkpoint, prompts, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        select_prompts(*checkpoint, prompts, **options)


@pytest.mark.parametrize("name", ["top_k", "random_draws"])
def test_a_selection_of_nothing_is_refused(name):
    with pytest.raises(ValueError, match=f"`{name}` must be at least 1, got 0"):
        SelectionOptions(**{name: 0})


def test_a_split_has_one_id_for_each_point():
    with pytest.raises(ValueError, match="one id, embedding, label and block for each point, got \\[2, 3\\]"):
        EmbeddedSplit(["a", "b"], unit(3, 0))
