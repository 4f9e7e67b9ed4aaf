import numpy as np
import pytest
import torch

from timesenclip_hf import DEFAULT_CHECKPOINT
from timesenclip_hf.classification import PixelEncoder
from timesenclip_hf.labelling.examples import Examples
from timesenclip_hf.labelling.fit_labels import fit_examples, fit_labels, group_examples
from timesenclip_hf.models.timesenclip.label_set_timesenclip import label_set_from_words
from timesenclip_hf.simulator import CLASS_NAMES, simulate

COVERS = ["maize", "rapeseed", "lake"]
LABELS = {"maize": ["desert"], "rapeseed": ["rapeseed"], "lake": ["water"], "town": ["houses"]}


@pytest.fixture(scope="module")
def examples() -> Examples:
    """Simulated places of three covers, one of which is described by a wrong word."""
    points = simulate(90, seed=3, classes=COVERS)
    names = [CLASS_NAMES[index] for index in points.class_index]
    return Examples(points.series, names, None, points.longitude, points.latitude)


@pytest.fixture(scope="module")
def fitted(examples):
    return fit_examples(examples, LABELS)


def test_a_class_whose_words_are_wrong_is_learned_from_its_examples(fitted):
    recall = {name: fitted.scores[name]["recall"]["maize"]["value"] for name in ("words", "fitted")}
    assert recall["fitted"] > recall["words"] + 0.1
    assert fitted.grouping.kind == "blocks of land"
    assert sum(fitted.counts.values()) == len(fitted.truth) == len(fitted.named) == 90


def test_what_was_named_gives_the_recalls_that_are_told(fitted):
    for name, named in (("words", fitted.words_named), ("fitted", fitted.named)):
        for index, label in enumerate(fitted.label_set.labels[:3]):
            expected = float((named[fitted.truth == index] == index).mean())
            assert fitted.scores[name]["recall"][label]["value"] == pytest.approx(expected)


def test_a_class_without_an_example_keeps_the_vector_of_its_words(fitted):
    encoder = PixelEncoder()
    words = label_set_from_words(encoder.model, encoder.processor, LABELS)
    vectors = torch.nn.functional.normalize(fitted.label_set.class_embeds, dim=-1)
    torch.testing.assert_close(vectors[3], words.class_embeds[3])
    assert fitted.notes[0] == "town has no example, and stays as the words describe."


def test_the_label_set_is_the_same_each_time_and_for_its_own_words(examples, fitted):
    again = fit_labels(examples, fitted.label_set, DEFAULT_CHECKPOINT)
    torch.testing.assert_close(again.class_embeds, fitted.label_set.class_embeds, rtol=0, atol=0)
    assert again.phrases == fitted.label_set.phrases


def test_empty_series_and_those_again_are_counted(examples):
    rows = np.concatenate([np.arange(60), [0, 1]])
    chosen = examples.select(rows)
    chosen.series[5] = np.full((12, 10), np.nan, dtype=np.float32)
    told = fit_examples(chosen, LABELS)
    assert told.left_out == {"without a clear observation": 1, "the same series again": 2}
    assert len(told.examples) == 59
    assert sum(told.counts.values()) == 59


def test_groups_or_blocks_are_kept_together_and_one_of_all_is_told():
    series = np.zeros((4, 12, 10))
    grouped = group_examples(Examples(series, ["a"] * 4, ["x", "y", "x", "y"]))
    assert grouped.groups.tolist() == [0, 1, 0, 1]
    single = group_examples(Examples(series, ["a"] * 4, ["x"] * 4))
    assert single.groups is None
    assert single.notes == [
        "All examples are of one group: single ones are asked about the others, which says nothing of other places."
    ]
    at = np.full(4, 3.0), np.full(4, 50.0)
    assert "lie in one block of land" in group_examples(Examples(series, ["a"] * 4, None, *at)).notes[0]
    assert group_examples(Examples(series, ["a"] * 4)).groups is None
    apart = group_examples(Examples(series, ["a"] * 4, None, np.asarray([3.0, 3.0, 9.0, 9.0]), at[1]))
    assert apart.groups[0] == apart.groups[1] != apart.groups[2]
