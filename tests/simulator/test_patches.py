import dataclasses

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier

from timesenclip_hf.models.senclip.image_processing_senclip import to_eight_bit
from timesenclip_hf.simulator import CLASS_NAMES, SimulatedPoints, simulate
from timesenclip_hf.simulator.patches import PATCH_SIZE, _patch_reflectance, simulate_patches
from timesenclip_hf.taxonomies import load_taxonomy

TEN = [label.code for label in load_taxonomy("simulated_ten").labels]


def some(points: SimulatedPoints, rows: slice) -> SimulatedPoints:
    ground = dataclasses.replace(points.ground, **{name: value[rows] for name, value in vars(points.ground).items()})
    columns = {name: value[rows] for name, value in vars(points).items() if name != "ground"}
    return SimulatedPoints(**columns, ground=ground)


@pytest.mark.parametrize("cover", CLASS_NAMES)
def test_every_cover_is_drawn_as_a_picture_of_its_own(cover: str):
    patches = simulate_patches(simulate(3, seed=0, classes=[cover]), seed=0, size=32)
    assert (patches.shape, patches.dtype) == ((3, 32, 32, 3), np.uint8)
    assert len({patch.tobytes() for patch in patches}) == 3 or cover == "glacier"  # ice may be white all over


def test_a_patch_is_what_seed_point_and_number_say_however_the_run_is_split():
    points = simulate(6, seed=1)
    together = simulate_patches(points, seed=5)
    assert together.shape == (6, PATCH_SIZE, PATCH_SIZE, 3)
    assert np.array_equal(simulate_patches(points, seed=5), together)
    assert np.array_equal(simulate_patches(some(points, slice(4, None)), seed=5, first=4), together[4:])
    assert not np.array_equal(simulate_patches(points, seed=6), together)


def test_pictures_are_the_stretched_reflectance():
    points = simulate(4, seed=2)
    reflectance = _patch_reflectance(points, 3, 24, 0)
    assert np.isfinite(reflectance).all()
    assert reflectance.min() >= 0
    assert np.array_equal(simulate_patches(points, seed=3, size=24), to_eight_bit(reflectance))


@pytest.mark.parametrize("cover", ["maize", "rapeseed", "broadleaved woodland", "lake"])
def test_the_middle_has_the_colour_of_the_point_in_one_of_its_months(cover: str):
    points = simulate(60, seed=4, classes=[cover])
    middle = _patch_reflectance(points, 0, PATCH_SIZE, 0)[:, 30:34, 30:34].mean(axis=(1, 2))
    months = points.series[:, :, [2, 1, 0]]
    distance = np.nanmin(np.abs(months - middle[:, None]).max(axis=2), axis=1)
    assert np.median(distance) < 0.01


def test_towns_are_rough_woods_less_so_and_lakes_smooth():
    roughness = {}
    for cover in ("buildings", "broadleaved woodland", "lake"):
        middle = _patch_reflectance(simulate(30, seed=6, classes=[cover]), 0, PATCH_SIZE, 0)[:, 28:36, 28:36]
        roughness[cover] = np.median(np.abs(np.diff(middle, axis=2)).mean(axis=(1, 2, 3)))
    assert roughness["buildings"] > 3 * roughness["broadleaved woodland"]
    assert roughness["broadleaved woodland"] > roughness["lake"]


def test_ten_covers_can_be_told_from_raw_pixels_by_a_linear_probe():
    def pixels(number: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        points = simulate(number, seed=seed, classes=TEN)
        patches = simulate_patches(points, seed=seed, size=32)
        return patches.reshape(number, -1) / 255, points.class_index

    train, truth = pixels(900, 1)
    held_out, expected = pixels(300, 2)
    accuracy = (RidgeClassifier(alpha=300).fit(train, truth).predict(held_out) == expected).mean()
    assert accuracy > 0.25  # the commonest of the ten is a sixth of them


def test_a_patch_too_small_for_a_pattern_is_refused():
    with pytest.raises(ValueError, match="at least 16 pixels, got 8"):
        simulate_patches(simulate(1, seed=0), seed=0, size=8)
