import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from timesenclip_hf.maps.making.embeddings import embeddings_from_int8, embeddings_to_int8

numbers = st.floats(-1e6, 1e6, width=32)


@given(arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 9)), elements=numbers))
def test_a_number_comes_back_within_half_a_step(embeds):
    codes, scale = embeddings_to_int8(embeds)
    assert codes.dtype == np.int8
    assert scale.dtype == np.float32
    back = np.nan_to_num(embeddings_from_int8(codes, scale)).astype(np.float64)
    # Float32 rounds the scale and the product by 2^-24 each; below the smallest normal number it rounds by more.
    largest = np.abs(embeds).max(axis=1, keepdims=True)
    assert (np.abs(back - embeds) <= scale[:, None] / 2 + largest * 1e-6 + 1e-36).all()


@given(arrays(np.float32, (3, 8), elements=numbers))
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
