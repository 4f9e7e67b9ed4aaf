import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from timesenclip_hf.models.timesenclip import medians_timesenclip
from timesenclip_hf.models.timesenclip.medians_timesenclip import masked_median

VALUES = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=4, max_side=7),
    elements=st.one_of(st.just(float("nan")), st.floats(-1e4, 1e4)),
)


@given(VALUES)
def test_the_masked_median_is_numpys_nanmedian(values):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = np.nanmedian(values, axis=1)
    np.testing.assert_allclose(masked_median(values, axis=1), expected, rtol=1e-12)


@pytest.mark.parametrize("count", [*range(1, 25), 63, 128, 129])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_long_rows_have_numpys_nanmedian_whatever_the_number_of_values(count, dtype, monkeypatch):
    monkeypatch.setattr(medians_timesenclip, "TILE", 200)
    generator = np.random.default_rng(count)
    # Few distinct values, so that many are equal; every share of gaps from none to all.
    values = generator.integers(-5, 5, (3, count, 2, 200)).astype(dtype)
    values[generator.random(values.shape) < np.linspace(0, 1, 200)] = np.nan
    kept = values.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = np.nanmedian(values, axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        medians = masked_median(values, axis=1)
    np.testing.assert_array_equal(medians, expected)
    np.testing.assert_array_equal(values, kept)
    assert medians.dtype == dtype


def test_small_integers_do_not_overflow_in_a_median():
    assert masked_median(np.array([[30_000], [32_000]], dtype=np.int16), axis=0).item() == 31_000
