"""Patches, counts and codes of change, window by window, against the raster at once."""

import numpy as np
import pytest

from timesenclip_hf.maps.making.windows import windows_of
from timesenclip_hf.parcels.change_layers import CHANGED, count_pairs, drop_small, number_transitions
from timesenclip_hf.parcels.change_patches import large_patches

ndimage = pytest.importorskip("scipy.ndimage", reason="needs the extra eval")

LABELS = ["maize", "meadow", "water"]


def make_layers(shape=(23, 31), share=0.4, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    before, stable = rng.integers(1, classes + 1, (2, *shape)).astype(np.uint8)
    after = ((before + rng.integers(1, classes, shape) - 1) % classes + 1).astype(np.uint8)
    changed = np.where(rng.random(shape) < share, 2, 1).astype(np.uint8)
    changed[0, :3] = 0
    layers = {"changed": changed, "stable": stable, "class": np.zeros(shape, np.uint8)}
    layers["from"] = np.where(changed == 2, before, stable).astype(np.uint8)
    layers["to"] = np.where(changed == 2, after, stable).astype(np.uint8)
    for name in ("from", "to", "stable"):
        layers[name][changed == 0] = 0
    return layers


def patches_by_scipy(members, least):
    labelled, _ = ndimage.label(members)
    sizes = np.bincount(labelled.ravel())
    return members & (sizes[labelled] >= least)


@pytest.mark.parametrize("least", [2, 3, 6, 40])
def test_patches_are_those_that_an_independent_labelling_keeps(least):
    members = np.random.default_rng(1).random((40, 30)) < 0.45
    np.testing.assert_array_equal(large_patches(members, least), patches_by_scipy(members, least))


@pytest.mark.parametrize("side", [(4, 5), (23, 31)])
@pytest.mark.parametrize("least", [1, 4, 9])
def test_small_patches_become_unchanged_whatever_the_windows_and_the_rest_stays(side, least):
    layers = make_layers()
    before = {name: values.copy() for name, values in layers.items()}
    kept = patches_by_scipy(before["changed"] == CHANGED, least)
    drop_small(layers, list(windows_of(kept.shape, side)), least)
    for name in ("from", "to"):
        np.testing.assert_array_equal(layers[name], np.where(kept, before[name], before["stable"]))
    np.testing.assert_array_equal(layers["changed"] == CHANGED, kept)


def test_pairs_are_counted_in_pixels_and_in_hectares_of_their_rows():
    layers = make_layers()
    hectares = np.linspace(0.01, 0.02, 23)
    pixels, areas, without = count_pairs(layers, list(windows_of((23, 31), (4, 5))), 3, hectares)
    for j in range(3):
        for k in range(3):
            there = (layers["from"] == j + 1) & (layers["to"] == k + 1)
            assert pixels[j, k] == there.sum()
            assert areas[j, k] == pytest.approx((there.sum(axis=1) * hectares).sum())
    assert without == pytest.approx(3 * 0.01)


def test_codes_name_the_transitions_that_occur_the_commonest_first():
    layers = make_layers()
    windows = list(windows_of((23, 31), (4, 5)))
    pixels, _, _ = count_pairs(layers, windows, 3, np.full(23, 0.01))
    names = number_transitions(layers, windows, pixels, LABELS)
    assert names[0] == "no change"
    counts = [int((layers["class"] == code).sum()) for code in range(2, len(names) + 1)]
    assert counts == sorted(counts, reverse=True)
    for code, name in enumerate(names[1:], start=2):
        before, after = (LABELS.index(label) + 1 for label in name.split(" to "))
        there = (layers["from"] == before) & (layers["to"] == after)
        np.testing.assert_array_equal(layers["class"] == code, there)
    assert (layers["class"] == 1).sum() == np.trace(pixels)


def test_more_transitions_than_codes_leave_the_rarest_together():
    layers = make_layers((80, 90), share=1, classes=20)
    windows = list(windows_of((80, 90), (50, 50)))
    pixels, _, _ = count_pairs(layers, windows, 20, np.full(80, 0.01))
    names = number_transitions(layers, windows, pixels, [f"c{index}" for index in range(20)])
    assert len(names) == 254
    assert names[-1] == "other changes"
    assert layers["class"].max() == 254
    assert (layers["class"] > 1).sum() == pixels.sum() - np.trace(pixels)
