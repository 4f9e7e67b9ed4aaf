import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from timesenclip_hf.data.schema import month_places
from timesenclip_hf.learning.augmentation import ImageAugmentation, SeriesPerturbation, TemporalAugmentation

ONLY = {
    name: {other: float(other == name) for other in ("median", "drop_quarter", "random_subset")}
    for name in ("median", "drop_quarter", "random_subset")
}


def a_batch(rows: int = 6, times: int = 12, observed: float = 0.7, side: int | None = None) -> dict[str, torch.Tensor]:
    mask = torch.rand(rows, times) < observed
    series = torch.rand(rows, times, 10, *([] if side is None else [side, side]))
    series[~mask] = 0
    months = torch.arange(12.0).expand(rows, 12) if times == 12 else 12 * torch.rand(rows, times)
    return {"pixel_series": series, "series_mask": mask, "months": months, "photo_embeds": torch.rand(rows, 3)}


def augment(batch: dict[str, torch.Tensor], probability: float = 1.0, **options: float) -> dict[str, torch.Tensor]:
    before = {name: tensor.clone() for name, tensor in batch.items()}
    augmented = TemporalAugmentation(probability, **options)(batch)
    assert all(torch.equal(batch[name], tensor) for name, tensor in before.items()), "the batch itself was changed"
    assert augmented["photo_embeds"] is batch["photo_embeds"]
    return augmented


seeds = st.integers(0, 2**31)
shapes = st.fixed_dictionaries(
    {
        "rows": st.integers(0, 5),
        "times": st.sampled_from([1, 2, 3, 12, 30]),
        "observed": st.sampled_from([0, 0.2, 0.7, 1]),
    }
)


@pytest.mark.parametrize("side", [None, 3])
@given(shape=shapes, seed=seeds)
def test_the_median_year_is_the_nanmedian_of_what_was_observed_in_one_composite(side, shape, seed):
    torch.manual_seed(seed)
    batch = a_batch(**shape, side=side)
    augmented = augment(batch, **ONLY["median"])
    values = batch["pixel_series"].numpy().copy()
    values[~batch["series_mask"].numpy()] = np.nan
    with warnings.catch_warnings():
        # A series without an observation: its median is the zero of a missing one.
        warnings.simplefilter("ignore", RuntimeWarning)
        expected = np.nan_to_num(np.nanmedian(values, axis=1, keepdims=True))
    np.testing.assert_allclose(augmented["pixel_series"].numpy(), expected, rtol=1e-6)
    assert augmented["pixel_series"].dtype == torch.float32
    assert torch.equal(augmented["series_mask"], batch["series_mask"].any(dim=1, keepdim=True))
    assert torch.equal(augmented["months"], torch.tensor(month_places(1)).expand(shape["rows"], 1))


@given(seed=seeds)
def test_a_dropped_quarter_is_three_consecutive_months_of_twelve(seed):
    torch.manual_seed(seed)
    dropped = ~augment(a_batch(rows=20, observed=1), **ONLY["drop_quarter"])["series_mask"]
    quarters = [sorted((start + step) % 12 for step in range(3)) for start in range(12)]
    assert all(row.nonzero()[:, 0].tolist() in quarters for row in dropped)


def test_a_quarter_across_new_year_is_dropped_as_often_as_any_other():
    torch.manual_seed(0)
    dropped = ~augment(a_batch(rows=20_000, observed=1), **ONLY["drop_quarter"])["series_mask"]
    np.testing.assert_allclose(dropped.float().mean(dim=0), 3 / 12, atol=0.02)


@given(shape=shapes, seed=seeds)
def test_a_dropped_quarter_goes_by_dates_and_not_by_places_in_the_array(shape, seed):
    torch.manual_seed(seed)
    batch = a_batch(**shape)
    order = torch.randperm(shape["times"])
    shuffled = batch | {name: batch[name][:, order] for name in ("pixel_series", "series_mask", "months")}
    torch.manual_seed(seed)
    kept = augment(batch, **ONLY["drop_quarter"])["series_mask"]
    torch.manual_seed(seed)
    assert torch.equal(augment(shuffled, **ONLY["drop_quarter"])["series_mask"], kept[:, order])
    for months, before, after in zip(batch["months"], batch["series_mask"], kept, strict=True):
        gone, left = months[before & ~after], months[after]
        # From the first dropped date on: all others within three months, and none of those kept among them.
        spans = [(((gone - first) % 12).max(), (left - first) % 12) for first in gone]
        assert len(gone) == 0 or any(span < 3 and (others > span).all() for span, others in spans)


@given(shape=shapes, seed=seeds)
def test_a_random_subset_is_two_composites_or_more_of_those_observed(shape, seed):
    torch.manual_seed(seed)
    batch = a_batch(**shape)
    kept = augment(batch, **ONLY["random_subset"])["series_mask"]
    before, after = batch["series_mask"].sum(dim=1), kept.sum(dim=1)
    assert not (kept & ~batch["series_mask"]).any()
    assert torch.where(before < 3, after == before, (after >= 2) & (after < before)).all()


def test_random_subsets_have_every_size_and_every_month_alike():
    torch.manual_seed(0)
    kept = augment(a_batch(rows=20_000, observed=1), **ONLY["random_subset"])["series_mask"]
    sizes = kept.sum(dim=1).bincount(minlength=13)[2:12] / len(kept)
    np.testing.assert_allclose(sizes, 1 / 10, atol=0.02)
    np.testing.assert_allclose(kept.float().mean(dim=0), 6.5 / 12, atol=0.02)


@given(shape=shapes, seed=seeds, share=st.sampled_from([0.1, 0.5, 1.0]))
def test_whatever_is_dropped_two_composites_stay_or_all_that_there_were(shape, seed, share):
    torch.manual_seed(seed)
    batch = a_batch(**shape)
    kept = augment(batch, median=0, month_dropout=share)["series_mask"]
    remaining, before = kept.sum(dim=1), batch["series_mask"].sum(dim=1)
    assert not (kept & ~batch["series_mask"]).any()
    assert ((remaining >= 2) | (remaining == before)).all()


def test_half_of_the_series_lose_up_to_twice_the_share_of_their_months():
    torch.manual_seed(0)
    batch = a_batch(rows=20_000, times=30, observed=1)
    lost = 1 - augment(batch, 0, month_dropout=0.3)["series_mask"].float().mean(dim=1)
    # A uniform share to 0.6 in half of the series, none in the others: a mean of 0.15, a second moment of 0.06
    # and the 1/30 (E[share] - E[share squared]) of 30 draws on top.
    assert lost.mean().item() == pytest.approx(0.15, abs=0.01)
    assert lost.square().mean().item() == pytest.approx(0.06 + (0.15 - 0.06) / 30, abs=0.005)
    assert lost.eq(0).float().mean().item() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("side", [None, 3])
@given(seed=seeds, probability=st.sampled_from([0.1, 0.5, 1.0]))
def test_a_dropped_band_is_zero_in_every_composite_and_half_of_the_bands_stay(side, seed, probability):
    torch.manual_seed(seed)
    batch = a_batch(observed=1, side=side)
    augmented = augment(batch, 0, band_dropout=probability)["pixel_series"]
    changed = (augmented != batch["pixel_series"]).transpose(1, 2).flatten(2)
    dropped = changed.any(dim=2)
    assert (dropped.sum(dim=1) <= 5).all()
    assert augmented.transpose(1, 2).flatten(2)[dropped].eq(0).all()
    if probability == 1:
        assert (dropped.sum(dim=1) == 5).all()


def test_bands_are_dropped_as_often_as_asked_and_each_alike():
    torch.manual_seed(0)
    dropped = augment(a_batch(rows=20_000, times=2, observed=1), 0, band_dropout=0.1)["pixel_series"].eq(0).all(dim=1)
    np.testing.assert_allclose(dropped.float().mean(dim=0), 0.1, atol=0.01)


def test_each_of_the_three_happens_as_often_as_its_weight_says():
    torch.manual_seed(0)
    augmentation, batch = TemporalAugmentation(0.5, median=1, drop_quarter=2, random_subset=1), a_batch(observed=1)
    counts = {"untouched": 0, "median": 0, "drop_quarter": 0, "random_subset": 0}
    for _ in range(2_000):
        augmented = augmentation(batch)
        lost = (~augmented["series_mask"]).sum(dim=1)
        if augmented["pixel_series"].shape[1] == 1:
            counts["median"] += 1
        elif (lost == 3).all():
            counts["drop_quarter"] += 1
        else:
            counts["untouched" if (lost == 0).all() else "random_subset"] += 1
    shares = [count / 2_000 for count in counts.values()]
    np.testing.assert_allclose(shares, [0.5, 0.125, 0.25, 0.125], atol=0.05)


@pytest.mark.parametrize(
    "augmentation",
    [TemporalAugmentation(1.0, month_dropout=0.5, band_dropout=0.5).eval(), TemporalAugmentation(0.0)],
    ids=["in evaluation", "with every probability 0"],
)
def test_off_means_the_same_tensors_and_no_random_number_drawn(augmentation):
    batch, state = a_batch(), torch.get_rng_state()
    augmented = augmentation(batch)
    assert augmented.keys() == batch.keys()
    assert all(augmented[name] is tensor for name, tensor in batch.items())
    assert torch.equal(torch.get_rng_state(), state)


def test_the_same_seed_gives_the_same_augmentation():
    batch, augmentation, runs = a_batch(), TemporalAugmentation(0.9, month_dropout=0.3, band_dropout=0.3), []
    for _ in range(2):
        torch.manual_seed(3)
        runs.append([augmentation(batch) for _ in range(20)])
    for first, second in zip(*runs, strict=True):
        assert all(torch.equal(first[name], second[name]) for name in batch)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"probability": 1.5}, "`probability` must be between 0 and 1, got 1.5"),
        ({"probability": math.nan}, "`probability` must be between 0 and 1, got nan"),
        ({"probability": 0.5, "month_dropout": -0.1}, "`month_dropout` must be between 0 and 1, got -0.1"),
        ({"probability": 0.5, "band_dropout": 2}, "`band_dropout` must be between 0 and 1, got 2"),
        ({"probability": 0.5, "median": -1}, "`median` is a weight and must be 0 or more, got -1"),
        ({"probability": 0.5, "median": 0, "drop_quarter": 0, "random_subset": 0}, "every weight is 0"),
    ],
)
def test_a_setting_out_of_range_is_an_error_that_names_it(options, message):
    with pytest.raises(ValueError, match=message):
        TemporalAugmentation(**options)


def all_ways(image: torch.Tensor) -> list[torch.Tensor]:
    """The eight symmetries of a square, by numpy."""
    turned = [np.rot90(image.numpy(), quarters, axes=(1, 2)).copy() for quarters in range(4)]
    return [torch.from_numpy(image) for image in [*turned, *(image[:, :, ::-1].copy() for image in turned)]]


def test_an_image_is_laid_in_one_of_the_eight_ways_and_each_is_as_likely():
    torch.manual_seed(0)
    image = torch.rand(3, 5, 5)
    batch = {"pixel_values": image.repeat(4_000, 1, 1, 1), "photo_embeds": torch.rand(4_000, 2)}
    augmented = ImageAugmentation()(batch)
    matches = torch.stack([(augmented["pixel_values"] == way).flatten(1).all(dim=1) for way in all_ways(image)])
    assert matches.sum(dim=0).eq(1).all()
    # Of 4,000 draws among eight, 500 each; 4.5 standard deviations are 94.
    assert (matches.sum(dim=1) - 500).abs().max() < 94
    assert (batch["pixel_values"] == image).all(), "the batch itself was changed"
    assert augmented["photo_embeds"] is batch["photo_embeds"]


@pytest.mark.parametrize("augmentation", [ImageAugmentation(enabled=False), ImageAugmentation().eval()])
def test_images_are_left_alone_in_evaluation_and_where_it_is_off(augmentation):
    state = torch.get_rng_state()
    batch = {"pixel_values": torch.rand(3, 3, 4, 4, generator=torch.Generator().manual_seed(0))}
    assert augmentation(batch)["pixel_values"] is batch["pixel_values"]
    assert torch.equal(torch.get_rng_state(), state)


def test_images_that_are_no_squares_cannot_be_turned():
    with pytest.raises(ValueError, match=r"Only square images can be turned by quarters, got \(2, 3, 4, 6\)"):
        ImageAugmentation()({"pixel_values": torch.rand(2, 3, 4, 6)})


ALL_PERTURBATIONS = {"blending": 1.0, "calendar_shift": 1.0, "gain_noise": 0.1, "value_noise": 0.02}


@pytest.mark.parametrize("side", [None, 3])
@given(shape=shapes, seed=seeds)
def test_a_perturbed_series_keeps_its_composites_and_stays_in_range(side, shape, seed):
    torch.manual_seed(seed)
    batch = a_batch(**shape, side=side)
    before = {name: tensor.clone() for name, tensor in batch.items()}
    perturbed = SeriesPerturbation(**ALL_PERTURBATIONS)(batch)
    assert all(torch.equal(batch[name], tensor) for name, tensor in before.items()), "the batch itself was changed"
    assert perturbed["pixel_series"].shape == batch["pixel_series"].shape
    assert ((perturbed["pixel_series"] >= 0) & (perturbed["pixel_series"] <= 1)).all()
    assert perturbed["series_mask"] is batch["series_mask"]
    assert ((perturbed["months"] >= 0) & (perturbed["months"] < 12)).all()


def test_a_blend_lies_between_two_series_where_both_were_seen():
    torch.manual_seed(0)
    batch = a_batch(rows=50)
    low, high = (batch["pixel_series"].where(batch["series_mask"][..., None], far) for far in (2.0, -1.0))
    blended = SeriesPerturbation(blending=1.0)(batch)["pixel_series"]
    assert (blended >= low.amin(dim=0)).logical_or(~batch["series_mask"][..., None]).all()
    assert (blended <= high.amax(dim=0)).logical_or(~batch["series_mask"][..., None]).all()
    assert not torch.equal(blended, batch["pixel_series"])
    # A time step that no other series has is kept as it is.
    alone = {**batch, "series_mask": torch.eye(50, 12, dtype=torch.bool)}
    alone["pixel_series"] = batch["pixel_series"].clamp(0, 1)
    kept = SeriesPerturbation(blending=1.0)({name: value[:12] for name, value in alone.items()})["pixel_series"]
    assert torch.equal(kept, alone["pixel_series"][:12])


def test_a_shifted_year_keeps_the_distances_of_its_composites():
    torch.manual_seed(0)
    batch = a_batch()
    months = SeriesPerturbation(calendar_shift=1.0)(batch)["months"]
    moved = (months - batch["months"]) % 12
    assert torch.equal(moved, moved[:, :1].expand_as(moved))
    assert ((moved >= 1) & (moved <= 11)).all()


def test_gains_are_a_band_s_times_a_composite_s():
    torch.manual_seed(0)
    batch = a_batch()
    batch["pixel_series"] = torch.full((6, 12, 10), 0.25)
    gains = (SeriesPerturbation(gain_noise=0.1)(batch)["pixel_series"] / 0.25).log()
    torch.testing.assert_close(gains[:, 3, 4], gains[:, 3, 0] + gains[:, 0, 4] - gains[:, 0, 0], rtol=0, atol=1e-5)
    assert gains.std() > 0.01


def test_a_perturbed_series_reaches_as_far_as_its_extractor_lets_it():
    batch = a_batch() | {"pixel_series": torch.full((6, 12, 10), 3.9)}
    perturbed = SeriesPerturbation(gain_noise=0.1, clamp_max=4)(batch)["pixel_series"]
    assert perturbed.max() == 4
    assert perturbed.min() > 1


def test_nothing_is_perturbed_or_drawn_in_evaluation_or_when_all_is_0():
    batch, state = a_batch(), torch.get_rng_state()
    for perturbation in (SeriesPerturbation(**ALL_PERTURBATIONS).eval(), SeriesPerturbation()):
        assert torch.equal(perturbation(batch)["pixel_series"], batch["pixel_series"])
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(("name", "value"), [("blending", 1.5), ("calendar_shift", -0.1), ("gain_noise", -1.0)])
def test_a_perturbation_out_of_range_is_refused(name, value):
    with pytest.raises(ValueError, match=f"`{name}` .*must be .*got {value}"):
        SeriesPerturbation(**{name: value})
