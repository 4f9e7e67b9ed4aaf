import numpy as np
import pytest

from tests.support.small_maps import add_coarse, make_map
from timesenclip_hf.maps import reject


@pytest.mark.parametrize("threshold", [0, 0.3, 1])
def test_what_is_below_the_threshold_is_uncertain_and_nothing_else_changes(threshold):
    mapped = add_coarse(make_map(30, 30))
    mapped["probability_coarse"] = mapped["probability"] + 0.1
    rejected = reject(mapped, threshold)
    for layer, score in (("class", "probability"), ("class_coarse", "probability_coarse")):
        expected = [
            255 if code and probability < threshold else code
            for code, probability in zip(mapped[layer].values.ravel(), mapped[score].values.ravel(), strict=True)
        ]
        assert rejected[layer].dtype == np.uint8
        assert rejected[layer].values.ravel().tolist() == expected
    assert rejected.drop_vars(["class", "class_coarse"]).equals(mapped.drop_vars(["class", "class_coarse"]))
    assert rejected.attrs["reject_threshold"] == threshold
    assert rejected.rio.crs == mapped.rio.crs


def test_a_lazy_map_stays_lazy_and_says_the_same():
    mapped = make_map(30, 30)
    lazy = reject(mapped.chunk(y=7, x=8), 0.4)
    assert lazy["class"].chunksizes["y"] == (7, 7, 7, 7, 2)
    np.testing.assert_array_equal(lazy["class"], reject(mapped, 0.4)["class"])


@pytest.mark.parametrize("threshold", [-0.1, 1.5, float("nan")])
def test_what_is_no_probability_is_refused(threshold):
    with pytest.raises(ValueError, match="between 0 and 1, got"):
        reject(make_map(), threshold)
