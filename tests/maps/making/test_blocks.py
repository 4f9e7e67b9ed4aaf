import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from timesenclip_hf.maps.making.blocks import class_layers, embeddings_from_int8, embeddings_to_int8, summarise
from timesenclip_hf.maps.making.recipe import MapClasses
from timesenclip_hf.maps.making.smoothing import Smoothing
from timesenclip_hf.models.timesenclip.label_set_timesenclip import LabelSet

# The middle pixel prefers the third class, all around it the first.
PROBABILITIES = np.full((3, 3, 3), (0.5, 0.2, 0.3), dtype=np.float32)
PROBABILITIES[1, 1] = 0.3, 0.1, 0.6
NAMES = ["maize", "water", "oak"]
LABEL_SET = LabelSet({name: [name] for name in NAMES}, ["{}"], torch.zeros(3, 1), 1.0, "0" * 16)
LABELS = MapClasses(LABEL_SET, [], [])
GROUPED = LABELS._replace(coarse_labels=["crops", "rest"], parents=[0, 1, 1])
NUMBERS = st.floats(-1e6, 1e6, width=32)


def middle(layers):
    return {name: pytest.approx(float(values[1, 1]), abs=1e-6) for name, values in layers.items()}


def test_without_smoothing_a_pixel_shows_its_own_class_and_its_lead():
    layers = summarise(PROBABILITIES, LABELS)
    entropy = -(np.log([0.3, 0.1, 0.6]) * [0.3, 0.1, 0.6]).sum() / np.log(3)
    assert middle(layers) == {"class": 3, "probability": 0.6, "entropy": entropy, "margin": 0.3}
    assert layers["class"].dtype == np.uint8


def test_a_class_that_neighbours_decided_has_its_own_probability_and_no_lead():
    plain, layers = summarise(PROBABILITIES, LABELS), summarise(PROBABILITIES, LABELS, Smoothing.parse("majority:3"))
    assert middle(layers) == {**middle(plain), "class": 1, "probability": 0.3, "margin": 0}
    outside = np.ones((3, 3), dtype=bool)
    outside[1, 1] = False
    for name, values in layers.items():
        np.testing.assert_array_equal(values[outside], plain[name][outside])


def test_groups_are_smoothed_by_themselves_with_their_own_probability():
    probabilities = np.full((3, 3, 3), (0.6, 0.2, 0.2), dtype=np.float32)
    probabilities[1, 1] = 0.4, 0.3, 0.3  # crops by the pixel's labels, the rest by its groups
    plain = summarise(probabilities, GROUPED)
    assert (plain["class"][1, 1], plain["class_coarse"][1, 1]) == (1, 2)
    layers = summarise(probabilities, GROUPED, Smoothing.parse("majority:3"))
    assert layers["class_coarse"][1, 1] == 1
    assert layers["probability_coarse"][1, 1] == pytest.approx(0.4)
    assert layers["probability"][1, 1] == plain["probability"][1, 1]


def test_a_potts_model_changes_every_layer():
    layers = summarise(PROBABILITIES, LABELS, Smoothing.parse("potts:4"))
    assert layers["class"][1, 1] == 1
    assert layers["margin"][1, 1] > 0
    assert layers["entropy"][1, 1] != summarise(PROBABILITIES, LABELS)["entropy"][1, 1]


def test_a_class_alone_leads_by_its_probability_and_no_data_has_no_score():
    alone = class_layers(np.ones((2, 2, 1), dtype=np.float32))
    assert (alone["class"] == 1).all()
    assert (alone["margin"] == 1).all()
    probabilities = PROBABILITIES.copy()
    probabilities[0, 0] = np.nan
    for size in (None, 3):
        layers = class_layers(probabilities, size)
        assert layers["class"][0, 0] == 0
        assert all(np.isnan(layers[name][0, 0]) for name in ("probability", "entropy", "margin"))


@given(arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 9)), elements=NUMBERS))
def test_a_number_comes_back_within_half_a_step(embeds):
    codes, scale = embeddings_to_int8(embeds)
    assert codes.dtype == np.int8
    assert scale.dtype == np.float32
    back = np.nan_to_num(embeddings_from_int8(codes, scale)).astype(np.float64)
    # Float32 rounds the scale and the product by 2^-24 each; below the smallest normal number it rounds by more.
    largest = np.abs(embeds).max(axis=1, keepdims=True)
    assert (np.abs(back - embeds) <= scale[:, None] / 2 + largest * 1e-6 + 1e-36).all()


@given(arrays(np.float32, (3, 8), elements=NUMBERS))
def test_the_opposite_of_a_vector_has_the_opposite_codes(embeds):
    codes, scale = embeddings_to_int8(embeds)
    opposite, same = embeddings_to_int8(-embeds)
    np.testing.assert_array_equal(opposite, -codes)
    np.testing.assert_array_equal(same, scale)


def test_a_unit_vector_keeps_its_direction():
    vectors = np.random.default_rng(0).standard_normal((1000, 128)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    back = embeddings_from_int8(*embeddings_to_int8(vectors))
    cosines = (back * vectors).sum(axis=1) / np.linalg.norm(back, axis=1)
    assert cosines.min() > 0.9999


def test_no_data_stays_no_data():
    embeds = np.array([[[1, np.nan], [0, 0]], [[3, -4], [np.inf, 1]]], dtype=np.float16)
    codes, scale = embeddings_to_int8(embeds)
    assert scale.tolist() == [[0, 0], [np.float32(4) / 127, 0]]
    back = embeddings_from_int8(codes, scale)
    assert np.isnan(back).all(axis=-1).tolist() == [[True, True], [False, True]]
