import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from timesenclip_hf import TimeSenCLIPFeatureExtractor
from timesenclip_hf.evaluation.robustness import (
    PERTURBATIONS,
    WAVELENGTHS,
    WINTER_FIRST,
    perturb,
    robustness_curves,
    usual_levels,
)
from timesenclip_hf.evaluation.samples import SEASONS

EXTRACTOR = TimeSenCLIPFeatureExtractor()
LEVELS = usual_levels(EXTRACTOR)
ALL_LEVELS = [(name, level) for name, levels in LEVELS.items() for level in levels]
DRAWN = ["missing_random", "bands_random", "noise", "haze"]


def draw_numbers(num_series=40, holes=0.3, seed=0):
    """Digital numbers well inside the range that scaling keeps, with months missing."""
    rng = np.random.default_rng(seed)
    dn = rng.uniform(400, 1500, (num_series, 12, 10)).astype(np.float32)
    dn[rng.random((num_series, 12)) < holes] = np.nan
    dn[0] = np.nan  # a series without a single observation
    return dn


def extract(dn, **options):
    return dict(EXTRACTOR(dn, units="dn", offset=0, allow_empty=True, return_tensors="pt", **options))


FEATURES = extract(draw_numbers())


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in FEATURES)


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_level_0_is_the_undamaged_input_itself(name):
    damaged = perturb(FEATURES, name, 0, EXTRACTOR)
    assert damaged.keys() == FEATURES.keys()
    assert all(damaged[key] is FEATURES[key] for key in FEATURES)


@pytest.mark.parametrize(("name", "level"), [step for step in ALL_LEVELS if step[1] != 0])
def test_every_level_does_damage_and_leaves_the_input_alone(name, level):
    features = {key: values.clone() for key, values in FEATURES.items()}
    damaged = perturb(features, name, level, EXTRACTOR, seed=1)
    assert same(features, FEATURES)
    assert not same(damaged, FEATURES)
    assert [damaged[key].dtype for key in FEATURES] == [values.dtype for values in FEATURES.values()]
    series, mask = damaged["pixel_series"], damaged["series_mask"]
    assert ((series >= 0) & (series <= 1)).all()
    assert (series[~mask] == 0).all()
    assert not (mask & ~FEATURES["series_mask"]).any()
    assert same(perturb(features, name, level, EXTRACTOR, seed=1), damaged)
    assert same(perturb(features, name, level, EXTRACTOR, seed=2), damaged) == (name not in DRAWN)


@given(name=st.sampled_from([name for name in PERTURBATIONS if name != "band"]), data=st.data())
def test_a_stronger_level_does_all_that_a_weaker_one_does(name, data):
    several = LEVELS[name][1:]
    weak, strong = sorted(data.draw(st.tuples(st.sampled_from(several), st.sampled_from(several))))
    seed = data.draw(st.integers(0, 2**32 - 1))
    less, more = (perturb(FEATURES, name, level, EXTRACTOR, seed=seed) for level in (weak, strong))
    assert not (more["series_mask"] & ~less["series_mask"]).any()
    changes = [(damaged["pixel_series"] - FEATURES["pixel_series"]).abs() for damaged in (less, more)]
    assert (changes[1] >= changes[0] - 1e-6).all()


def test_a_hidden_month_is_a_month_that_was_never_seen():
    for count in (1, 3, 6):
        dn = draw_numbers(holes=0)[1:]
        expected = dn.copy()
        expected[:, list(WINTER_FIRST[:count])] = np.nan
        assert same(perturb(extract(dn), "missing_winter_first", count, EXTRACTOR), extract(expected))


def test_seasons_are_those_that_the_harness_leaves_out():
    assert set(WINTER_FIRST[:3]) == set(SEASONS["winter"])
    assert set(WINTER_FIRST[-6:]) == set(SEASONS["growing season"])
    hidden = perturb(extract(draw_numbers(holes=0)[1:]), "missing_growing_season_first", 6, EXTRACTOR)
    assert set(np.flatnonzero(~hidden["series_mask"][0].numpy())) == set(SEASONS["growing season"])


@pytest.mark.parametrize("name", ["missing_random", "missing_winter_first", "missing_growing_season_first"])
def test_of_every_series_one_observation_stays(name):
    observed = perturb(FEATURES, name, 11, EXTRACTOR)["series_mask"].sum(dim=1)
    assert observed[0] == 0
    assert (observed[1:] == 1).all()


def test_random_months_differ_between_series_and_are_as_many_as_asked_for():
    features = extract(draw_numbers(holes=0)[1:])
    mask = perturb(features, "missing_random", 5, EXTRACTOR)["series_mask"]
    assert (mask.sum(dim=1) == 7).all()
    assert len(mask.unique(dim=0)) > 10
    bands = perturb(features, "bands_random", 3, EXTRACTOR)["pixel_series"] == 0
    assert (bands.sum(dim=2) == 3).all()
    assert len(bands[:, 0].unique(dim=0)) > 10


def test_of_several_time_steps_a_month_all_go_together():
    months = np.array([0.0, 0.2, 6.0, 6.4, 11.7], dtype=np.float32)  # 11.7 is nearest to January, 12
    features = extract(draw_numbers(5, holes=0)[1:, :5], months=months)
    mask = perturb(features, "missing_winter_first", 1, EXTRACTOR)["series_mask"]
    assert (mask == torch.tensor([False, False, True, True, False])).all()


def test_a_lost_band_is_zero_at_every_time_step():
    lost = perturb(FEATURES, "band", "B04", EXTRACTOR)["pixel_series"]
    others = [place for place in range(10) if place != 2]
    assert (lost[:, :, 2] == 0).all()
    assert torch.equal(lost[:, :, others], FEATURES["pixel_series"][:, :, others])


@pytest.mark.parametrize(("name", "sign"), [("offset_left_in", 1), ("offset_taken_twice", -1)])
def test_an_offset_is_what_the_extractor_makes_of_numbers_with_it(name, sign):
    dn = draw_numbers()
    damaged = perturb(extract(dn), name, 0.2, EXTRACTOR)
    torch.testing.assert_close(damaged, extract(dn + sign * 200), rtol=1e-5, atol=1e-6)


def reflectance_added(name, level):
    features = extract(draw_numbers(400, holes=0)[1:])
    added = perturb(features, name, level, EXTRACTOR)["pixel_series"] - features["pixel_series"]
    return (added * torch.tensor(EXTRACTOR.band_scale) / 10_000).numpy()


def test_noise_has_the_standard_deviation_asked_for_in_every_band():
    noise = reflectance_added("noise", 0.005)
    np.testing.assert_allclose(noise.std(axis=(0, 1)), 0.005, rtol=0.05)
    np.testing.assert_allclose(noise.mean(axis=(0, 1)), 0, atol=3e-4)


def test_haze_brightens_blue_most_by_the_power_of_wavelength():
    haze = reflectance_added("haze", 0.004)
    wavelengths = np.array(list(WAVELENGTHS.values()))
    expected = haze[:, :, :1] * (490 / wavelengths) ** 1.3
    unclamped = haze[:, :, 0] < 0.02
    np.testing.assert_allclose(haze[unclamped], expected[unclamped], atol=1e-6)
    assert haze[:, :, 0].mean() == pytest.approx(0.004, rel=0.05)
    assert haze[:, :, 0].std() == pytest.approx(0.004, rel=0.1)  # an exponential's deviation is its mean


@pytest.mark.parametrize("level", [1, 2, 0.5])
def test_shifted_months_are_what_the_extractor_makes_of_late_ones(level):
    dn = draw_numbers()
    late = (np.arange(12, dtype=np.float32) + level) % 12
    assert same(perturb(extract(dn), "month_shift", level, EXTRACTOR), extract(dn, months=late))


@pytest.mark.parametrize(("name", "level"), [step for step in ALL_LEVELS if step[1] != 0][::5])
def test_patches_are_damaged_as_pixels_are(name, level):
    dn = draw_numbers(4)
    patches = extract(np.broadcast_to(dn[..., None, None], (*dn.shape, 3, 3)).copy())
    damaged = perturb(patches, name, level, EXTRACTOR)
    assert damaged["pixel_series"].shape == (4, 12, 10, 3, 3)
    if name != "noise":  # which differs from pixel to pixel
        expected = perturb(extract(dn), name, level, EXTRACTOR)
        torch.testing.assert_close(damaged["pixel_series"][..., 1, 2], expected["pixel_series"])


def test_arrays_are_read_as_tensors():
    arrays = {name: values.numpy() for name, values in FEATURES.items()}
    assert same(perturb(arrays, "noise", 0.1, EXTRACTOR), perturb(FEATURES, "noise", 0.1, EXTRACTOR))


def test_a_checkpoint_of_fewer_bands_has_levels_of_its_own():
    few = TimeSenCLIPFeatureExtractor(["B04", "B08", "B11"], [0, 0, 0], [1e4, 1e4, 1e4])
    levels = usual_levels(few)
    assert levels["band"] == (0, "B04", "B08", "B11")
    assert levels["bands_random"] == (0, 1, 2)
    entries = robustness_curves(dict(few(np.full((2, 12, 3), 0.2), return_tensors="pt")), lambda features: {}, few)
    assert len(entries) == sum(map(len, levels.values()))


@pytest.mark.parametrize(
    ("name", "level", "message"),
    [
        ("fog", 1, "`perturbation` must be one of missing_random, .*, got 'fog'"),
        ("missing_random", 12, r"'missing_random' \(months hidden\) must be a whole number from 0 to 11, got 12"),
        ("missing_random", 1.5, "must be a whole number from 0 to 11, got 1.5"),
        ("missing_random", "B02", "must be a whole number from 0 to 11, got 'B02'"),
        ("noise", -0.1, "must be a number, 0 or more, got -0.1"),
        ("noise", float("nan"), "must be a number, 0 or more, got nan"),
        ("noise", "B02", "must be a number, 0 or more, got 'B02'"),
        ("band", "B01", "must be 0 or one of B02 B03"),
        ("band", 2, "must be 0 or one of B02 B03"),
    ],
)
def test_what_is_no_damage_is_refused(name, level, message):
    with pytest.raises(ValueError, match=message):
        perturb(FEATURES, name, level, EXTRACTOR)


def test_curves_have_an_entry_a_level_and_measure_the_undamaged_series_once():
    measured = []

    def measure(features):
        measured.append(features)
        return {"accuracy": {"value": float(features["pixel_series"].mean())}}

    entries = robustness_curves(FEATURES, measure, EXTRACTOR, seed=5)
    steps = [(entry["perturbation"], entry["level"]) for entry in entries]
    assert steps == [(name, level) for name, several in usual_levels(EXTRACTOR).items() for level in several]
    assert len(measured) == 1 + sum(level != 0 for _, level in steps)
    found = dict(zip(steps, entries, strict=True))
    plain = {"accuracy": {"value": float(FEATURES["pixel_series"].mean())}}
    assert all(entry["metrics"] == plain for entry in entries if entry["level"] == 0)
    assert found["noise", 0.1]["metrics"] == measure(perturb(FEATURES, "noise", 0.1, EXTRACTOR, seed=5))
    mean = FEATURES["series_mask"].sum(dim=1).double().mean().item()
    assert [found[step]["mean_composites"] for step in (("noise", 0.1), ("band", "B02"))] == pytest.approx([mean] * 2)
    assert found["missing_random", 4]["mean_composites"] < mean
    assert json.loads(json.dumps(entries)) == entries
