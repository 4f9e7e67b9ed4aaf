"""A sample has as many points as the wanted interval asks for, and no class fewer than its least."""

import numpy as np
import pytest

pytest.importorskip("geopandas", reason="needs the extra data")
pytest.importorskip("rasterio", reason="needs the extra map")
from tests.support.class_rasters import random_codes, write_classes
from timesenclip_hf.parcels import SampleOptions, plan_sample, read_class_map
from timesenclip_hf.parcels.sample_sizes import (
    Z_95,
    allocate,
    expected_confusion,
    expected_half_width,
    read_expected,
    shares_of,
    size_for,
    spreads,
)
from training.evidence import parcels_areas as evidence

# The sample that Olofsson et al. (2014) plan, Table 6: shares of the map, and user's accuracies that they expect.
WEIGHTS = np.asarray([0.02, 0.015, 0.32, 0.645])
USERS = np.asarray([0.70, 0.60, 0.90, 0.95])
MOST = np.full(4, 10**7)


def test_the_size_is_that_of_equation_13_of_olofsson_but_for_a_point_a_stratum():
    spread = spreads(expected_confusion(WEIGHTS, USERS))
    equation = (WEIGHTS @ spread / 0.01) ** 2
    assert round(equation) == 641  # what they print for a standard error of 0.01
    points = size_for(Z_95 * 0.01, WEIGHTS, spread, shares_of("neyman", WEIGHTS, spread), np.full(4, 2), MOST)
    assert equation <= points.sum() <= equation + 5  # equation 5 divides by a point less in each of four strata


@pytest.mark.parametrize("allocation", ["proportional", "neyman", "equal"])
def test_the_size_is_the_smallest_that_is_enough(allocation):
    spread = spreads(expected_confusion(WEIGHTS, USERS), 1)
    shares, least = shares_of(allocation, WEIGHTS, spread), np.full(4, 2)
    points = size_for(0.005, WEIGHTS, spread, shares, least, MOST)
    assert expected_half_width(points, WEIGHTS, spread) <= 0.005
    fewer = allocate(int(points.sum()) - 1, shares, least, MOST)
    assert expected_half_width(fewer, WEIGHTS, spread) > 0.005


def test_neymans_allocation_needs_the_fewest_points():
    spread = spreads(expected_confusion(WEIGHTS, USERS))
    sizes = {
        name: size_for(0.02, WEIGHTS, spread, shares_of(name, WEIGHTS, spread), np.full(4, 2), MOST).sum()
        for name in ("proportional", "neyman", "equal")
    }
    assert sizes["neyman"] < sizes["proportional"] < sizes["equal"]


def test_points_are_dealt_out_whole_within_their_bounds():
    random = np.random.default_rng(0)
    for _ in range(50):
        shares, least = random.random(5), random.integers(2, 20, 5)
        most = least + random.integers(0, 200, 5)
        total = int(random.integers(least.sum(), most.sum() + 1))
        points = allocate(total, shares, least, most)
        assert points.sum() == total
        assert (points >= least).all()
        assert (points <= most).all()
    assert allocate(100, np.asarray([0.5, 0.3, 0.2]), np.full(3, 2), np.full(3, 100)).tolist() == [50, 30, 20]


def test_what_is_expected_sums_to_everything():
    confusion = expected_confusion(WEIGHTS, USERS)
    np.testing.assert_allclose(confusion.sum(axis=1), 1)
    np.testing.assert_allclose(np.diag(confusion), USERS)
    assert expected_confusion(np.ones(1), np.asarray([0.9])).tolist() == [[0.9]]


def test_expected_accuracies_are_read():
    assert read_expected(None, ["a", "b"]).tolist() == [0.85, 0.85]
    assert read_expected("0.9", ["a", "b"]).tolist() == [0.9, 0.9]
    assert read_expected("b=0.7", ["a", "b"]).tolist() == [0.85, 0.7]
    for wrong, sentence in (("1.2", "no accuracy"), ("c=0.9", "no class 'c'"), ("0.9;b=0.7", "no accuracy")):
        with pytest.raises(ValueError, match=sentence):
            read_expected(wrong, ["a", "b"])


@pytest.fixture
def class_map(tmp_path):
    return read_class_map(write_classes(tmp_path / "map.tif", random_codes((100, 100), (0.05, 0.25, 0.7))))


def test_a_class_gets_its_least_and_the_others_share_the_rest_by_their_areas(class_map):
    plan = plan_sample(class_map, SampleOptions(points=400))
    assert plan.points[0] == 50
    assert plan.points[1] / plan.points[2] == pytest.approx(class_map.pixels[1] / class_map.pixels[2], rel=0.02)
    assert "400 points, proportional" in str(plan)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"points": 10}, "--points must be from 150, the least of each class together"),
        ({"points": 10**6}, "to the 10,000 pixels of the map"),
        ({"half_width": 1e-5}, "more points than the map has pixels"),
        ({"half_width": 0.0}, "--half-width must be above 0"),
        ({"half_width": 1.0, "of": "rice"}, "no pixel of 'rice'"),
        ({"of": "maize"}, "--of names the class of --half-width"),
        ({"per_class": 5, "points": 9}, "one of --per-class, --points and --half-width"),
        ({"per_class": 1}, "needs 2 points of each class, got 1"),
        ({"minimum": 5}, "--minimum is for --points and --half-width"),
        ({"points": 500, "allocation": "fair"}, "An allocation is proportional, neyman, equal"),
    ],
)
def test_wishes_that_cannot_be_met_are_refused(class_map, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        plan_sample(class_map, SampleOptions(**options))


def test_a_class_of_a_single_pixel_is_refused(tmp_path):
    codes = random_codes((20, 20), (0.5, 0.5))
    codes[3, 3] = 3
    with pytest.raises(ValueError, match="class 'water' has a single pixel"):
        plan_sample(read_class_map(write_classes(tmp_path / "map.tif", codes)))


def test_samples_give_intervals_of_the_wanted_width(monkeypatch):
    class Kept:
        figures: list = []

        def add(self, claim, figure, comparison, bar, note=""):
            self.figures.append(figure)

    monkeypatch.setattr(evidence, "WIDE_SIDE", 200)
    evidence.sample_width(Kept(), samples=4)
    assert len(Kept.figures) == 4
    assert max(Kept.figures) <= 0.15
