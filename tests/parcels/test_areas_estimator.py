"""The stratified estimator: the examples that its papers print, and what must hold of any sample."""

import numpy as np
import pytest

from timesenclip_hf.parcels.stratified import Z_95, estimate_stratified

pytest.importorskip("rasterio", reason="needs the extra map")
from training.evidence import parcels_areas as evidence

# The worked example of Stehman (2014), Table 2: 40 points by stratum, map class and reference class.
STRATA = "A" * 10 + "B" * 10 + "C" * 10 + "D" * 10
MAPPED = "A" * 7 + "B" * 3 + "A" + "B" * 11 + "C" * 6 + "BB" + "D" * 10
FOUND = "AAAAACBABC" + "ABBBBBAABB" + "CCCCCDDBBA" + "DDDDDDDCCB"


def stehman_counts() -> np.ndarray:
    counts = np.zeros((4, 4, 4), dtype=int)
    np.add.at(counts, tuple(np.asarray([["ABCD".index(name) for name in text] for text in (STRATA, MAPPED, FOUND)])), 1)
    return counts


def test_the_worked_example_of_olofsson_comes_out_to_the_digits_that_are_printed():
    estimate = estimate_stratified(evidence.POINTS, evidence.PIXELS * evidence.PIXEL_HECTARES, evidence.CLASSES)
    for name, values in evidence.printed_of(estimate).items():
        expected = np.asarray(evidence.PRINTED[name])
        np.testing.assert_allclose(np.where(np.isnan(expected), np.nan, values), expected, err_msg=name)
    np.testing.assert_array_equal(estimate.shares.round(4), evidence.PRINTED_SHARES)
    np.testing.assert_array_equal(estimate.counts, evidence.POINTS)


def test_the_worked_example_of_stehman_comes_out_where_strata_are_no_map_classes():
    estimate = estimate_stratified(stehman_counts(), np.asarray([40_000, 30_000, 20_000, 10_000]), list("ABCD"))
    # Pages 4932 to 4936. Of the producer's accuracy of B they print 0.114, from a variance of 0 in stratum D where
    # their Table 3 has one point in ten: 0.117 is what their formula gives.
    printed = {
        "area of A": (estimate.areas, 0, 0.35, 0.082),
        "area of C": (estimate.areas, 2, 0.20, 0.064),
        "user's accuracy of B": (estimate.users, 1, 0.574, 0.125),
        "producer's accuracy of B": (estimate.producers, 1, 0.794, 0.117),
    }
    for name, (measure, index, value, error) in printed.items():
        assert (round(measure.value[index], 3), round(measure.error[index], 3)) == (value, error), name
    assert (round(float(estimate.overall.value), 2), round(float(estimate.overall.error), 3)) == (0.63, 0.085)
    assert estimate.shares[1, 2] == pytest.approx(0.08)


def test_where_strata_are_map_classes_the_equations_of_olofsson_hold_one_by_one():
    counts = np.random.default_rng(3).integers(1, 60, (5, 5))
    sizes = np.asarray([7.0, 1.0, 30.0, 12.0, 4.0])
    estimate = estimate_stratified(counts, sizes, list("abcde"))
    weights, points = sizes / sizes.sum(), counts.sum(axis=1)
    shares = weights[:, None] * counts / points[:, None]  # equation 4
    np.testing.assert_allclose(estimate.shares, shares)
    users, producers = np.diag(shares) / shares.sum(axis=1), np.diag(shares) / shares.sum(axis=0)
    np.testing.assert_allclose(estimate.users.value, users)
    np.testing.assert_allclose(estimate.producers.value, producers)
    np.testing.assert_allclose(estimate.overall.error**2, (weights**2 * users * (1 - users) / (points - 1)).sum())  # 5
    np.testing.assert_allclose(estimate.users.error**2, users * (1 - users) / (points - 1))  # 6
    for j in range(5):  # 7
        found = (sizes * counts[:, j] / points).sum()
        own = sizes[j] ** 2 * (1 - producers[j]) ** 2 * users[j] * (1 - users[j]) / (points[j] - 1)
        others = sum(
            sizes[i] ** 2 * counts[i, j] / points[i] * (1 - counts[i, j] / points[i]) / (points[i] - 1)
            for i in range(5)
            if i != j
        )
        variance = (own + producers[j] ** 2 * others) / found**2
        assert estimate.producers.error[j] ** 2 == pytest.approx(variance)
        spread = (weights * shares[:, j] - shares[:, j] ** 2) / (points - 1)  # 10
        assert estimate.areas.error[j] ** 2 == pytest.approx(spread.sum())
    np.testing.assert_allclose(estimate.areas.half_width, Z_95 * estimate.areas.error)


def test_a_map_that_is_right_everywhere_has_its_own_areas_and_no_error():
    estimate = estimate_stratified(np.diag([10, 20]), np.asarray([3.0, 1.0]), ["a", "b"])
    assert estimate.areas.value.tolist() == [0.75, 0.25]
    assert estimate.areas.error.tolist() == [0, 0]
    assert estimate.overall == (1.0, 0.0)


def test_a_class_without_an_area_or_a_point_has_no_accuracy():
    counts = np.asarray([[8, 2, 0], [0, 10, 0], [0, 0, 0]])
    estimate = estimate_stratified(counts, np.asarray([1.0, 1.0, 0.0]), ["a", "b", "c"])
    assert np.isnan(estimate.users.value[2])
    assert np.isnan(estimate.producers.value[2])
    assert estimate.areas.value[2] == 0


def test_intervals_end_at_nothing_and_at_everything():
    estimate = estimate_stratified(np.asarray([[9, 1], [0, 10]]), np.asarray([1.0, 99.0]), ["a", "b"])
    assert estimate.areas.low[0] >= 0
    assert estimate.areas.high[1] <= 1


def test_a_stratum_of_fewer_than_two_points_is_named():
    counts = np.asarray([[1, 0], [3, 3]])
    with pytest.raises(ValueError, match="stratum 'maize' has 1 reference point, and an interval needs 2 of each"):
        estimate_stratified(counts, np.asarray([1.0, 1.0]), ["maize", "other"])
    with pytest.raises(ValueError, match="stratum 'maize' has no reference points"):
        estimate_stratified(counts - [[1, 0], [0, 0]], np.asarray([1.0, 1.0]), ["maize", "other"])


@pytest.mark.parametrize("sizes", [[1.0], [-1.0, 1.0], [0.0, 0.0], [np.nan, 1.0]])
def test_sizes_that_are_no_areas_are_refused(sizes):
    with pytest.raises(ValueError, match="`sizes`"):
        estimate_stratified(np.full((2, 2), 5), np.asarray(sizes), ["a", "b"])


def test_the_interval_of_an_area_holds_the_true_one_as_often_as_it_says():
    class Kept:
        claims: list = []

        def add(self, claim, figure, comparison, bar, note=""):
            self.claims.append(figure)

    evidence.coverage(Kept(), maps=60)
    # 240 intervals: 95 % within three standard deviations of their number.
    assert 0.95 - 0.045 <= Kept.claims[0] <= 0.95 + 0.045
