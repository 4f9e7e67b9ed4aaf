"""The probability of change against closed forms, brute force and a world in which it is known."""

import numpy as np
import pytest

from timesenclip_hf.parcels.change_probability import (
    LEAST_PRIOR,
    PairModel,
    change_probability,
    class_shares,
    estimate_prior,
    fit_pairs,
    likeliest_class,
    likeliest_transition,
    pair_likelihoods,
    sharpened,
)


def ratios_of(first: np.ndarray, second: np.ndarray, model: PairModel | None = None) -> np.ndarray:
    shares = class_shares(first), class_shares(second)
    same, different = pair_likelihoods(first, second, model or PairModel(1.0, *shares, 0.0))
    return different / same


def draw_probabilities(pixels: int, classes: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(classes, 0.5), pixels)


def draw_world(pixels: int, changed_share: float, seed: int, classes: int = 4, blur: float = 1.2):
    """Draw classes of two years and what an exact observer, of one noisy number a class and year, makes of them."""
    rng = np.random.default_rng(seed)
    shares = np.arange(1, classes + 1) / np.arange(1, classes + 1).sum()
    before = rng.choice(classes, pixels, p=shares)
    pairs = np.outer(shares, shares) * (1 - np.eye(classes))
    drawn = rng.choice(classes**2, pixels, p=(pairs / pairs.sum()).ravel())
    changed = rng.random(pixels) < changed_share
    years = np.where(changed, drawn // classes, before), np.where(changed, drawn % classes, before)
    seen = []
    for year in years:
        numbers = np.eye(classes)[year] + rng.normal(0, blur, (pixels, classes))
        scores = shares * np.exp(numbers / blur**2)
        seen.append(scores / scores.sum(axis=1, keepdims=True))
    return *seen, changed


def test_years_that_are_strangers_give_one_less_the_chance_that_they_agree():
    first, second = draw_probabilities(500, 5, 0), draw_probabilities(500, 5, 1)
    even = np.full(5, 1 / 5)
    found = change_probability(ratios_of(first, second, PairModel(1.0, even, even, 0.0)), 1 - 1 / 5)
    np.testing.assert_allclose(found, 1 - (first * second).sum(axis=1), atol=1e-4)


def test_the_probability_is_that_of_the_whole_table_of_pairs_summed_by_hand():
    first, second = draw_probabilities(50, 4, 2), draw_probabilities(50, 4, 3)
    before, after, prior = np.array([0.4, 0.3, 0.2, 0.1]), np.array([0.1, 0.2, 0.3, 0.4]), 0.07
    found = change_probability(ratios_of(first, second, PairModel(1.0, before, after, prior)), prior)
    unlike = sum(before[j] * after[k] for j in range(4) for k in range(4) if j != k)
    for p, q, probability in zip(first, second, found, strict=True):
        same = different = 0.0
        for j in range(4):
            for k in range(4):
                joint = (1 - prior) * (before[j] + after[j]) / 2 if j == k else prior * before[j] * after[k] / unlike
                weight = p[j] / before[j] * q[k] / after[k] * joint
                same, different = (same + weight, different) if j == k else (same, different + weight)
        assert probability == pytest.approx(different / (same + different), abs=1e-4)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.2, 0.7])
def test_the_share_of_land_that_changed_is_found_without_labels(share):
    first, second, changed = draw_world(40_000, share, seed=4)
    assert estimate_prior(ratios_of(first, second)) == pytest.approx(changed.mean(), abs=0.02)


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_probabilities_of_change_are_as_sure_as_they_are_right(share):
    first, second, changed = draw_world(40_000, share, seed=4, blur=0.6)
    model = fit_pairs(first, second)
    assert model.sharpness == pytest.approx(1, abs=0.1)
    assert model.prior == pytest.approx(changed.mean(), abs=0.03)
    p, q = sharpened(first, model.sharpness), sharpened(second, model.sharpness)
    probabilities = change_probability(ratios_of(p, q, model), model.prior)
    for low, high in ((0.0, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 1.0)):
        within = (probabilities >= low) & (probabilities < high)
        assert within.sum() > 150
        assert changed[within].mean() == pytest.approx(probabilities[within].mean(), abs=0.08)


def test_land_that_is_not_seen_to_change_is_given_a_chance_all_the_same():
    first, second, _ = draw_world(5_000, 0.0, seed=5, blur=0.6)
    assert fit_pairs(first, second).prior == LEAST_PRIOR


def test_the_prior_is_where_expectation_and_maximisation_come_to_rest():
    first, second, _ = draw_world(2_000, 0.1, seed=5)
    ratios = ratios_of(first, second)
    share = 0.5
    for _ in range(5_000):
        share = change_probability(ratios, share).mean()
    assert estimate_prior(ratios) == pytest.approx(share, abs=1e-6)


@pytest.mark.parametrize("power", [0.5, 2.0])
def test_probabilities_that_are_not_as_sure_as_they_should_be_are_made_so(power):
    first, second, changed = draw_world(20_000, 0.1, seed=8, blur=0.6)
    model = fit_pairs(sharpened(first, power), sharpened(second, power))
    assert model.sharpness == pytest.approx(1 / power, rel=0.2)
    assert model.prior == pytest.approx(changed.mean(), abs=0.03)


def test_pairs_that_have_nothing_to_do_with_each_other_are_as_likely_as_chance_at_any_sharpness():
    first, second, _ = draw_world(3_000, 0.3, seed=9)
    for sharpness in (0.5, 3.0):
        p, q = sharpened(first, sharpness)[:300], sharpened(second, sharpness)[:300]
        model = PairModel(sharpness, p.mean(axis=0), q.mean(axis=0), 0.2)
        every_p, every_q = np.repeat(p, 300, axis=0), np.tile(q, (300, 1))
        same, different = pair_likelihoods(every_p, every_q, model)
        assert (0.8 * same + 0.2 * different).mean() == pytest.approx(1, abs=1e-4)


def test_a_prior_that_is_given_stays():
    first, second, _ = draw_world(1_000, 0.1, seed=10)
    assert fit_pairs(first, second, 0.4).prior == 0.4


def test_where_every_pixel_speaks_for_one_side_the_prior_is_all_or_nothing():
    assert estimate_prior(np.full(10, 0.5)) == 0
    assert estimate_prior(np.full(10, 2.0)) == 1
    assert change_probability(np.array([1e9]), 0.0) == 0


def test_certain_probabilities_have_ratios_that_are_finite_and_above_zero():
    certain = np.eye(3)
    ratios = ratios_of(sharpened(certain, 1.0), sharpened(certain[[0, 2, 1]], 1.0))
    assert np.isfinite(ratios).all()
    assert (ratios > 0).all()
    assert (ratios > 1).tolist() == [False, True, True]


def test_a_class_that_is_nowhere_likely_has_a_share_all_the_same():
    shares = class_shares(np.tile([1.0, 0.0], (9, 1)))
    np.testing.assert_allclose(shares, [0.95, 0.05])


def test_classes_are_the_likeliest_pairs_of_the_whole_table():
    first, second = draw_probabilities(200, 5, 6), draw_probabilities(200, 5, 7)
    shares = class_shares(first), class_shares(second)
    before, after = likeliest_transition(first, second)
    stable = likeliest_class(first, second, PairModel(1.0, *shares, 0.0))
    for pixel, (p, q) in enumerate(zip(first, second, strict=True)):
        table = np.outer(p, q)
        np.fill_diagonal(table, -1)
        assert (before[pixel], after[pixel]) == np.unravel_index(table.argmax(), table.shape)
        same = p * q * (shares[0] + shares[1]) / shares[0] / shares[1]
        assert stable[pixel] == same.argmax()
