import pytest
import torch
from transformers import AutoModel

from tests.support.training_runs import command_line
from timesenclip_hf import DEFAULT_CHECKPOINT, TimeSenCLIPFeatureExtractor, TimeSenCLIPPixelConfig
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS
from training.novelty import DAMAGES, FEW, DamagedInputs, fit_novelty, main, swap_bands, top_of_atmosphere
from training.simulated_rows import simulated_series

EXTRACTOR = TimeSenCLIPFeatureExtractor(clamp_max=4)
BAND_NAMES = list(BANDS)


def grounds(count: int = 40) -> torch.Tensor:
    return 0.02 + 0.5 * torch.rand(count, 12, 10, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", DAMAGES)
def test_every_way_changes_every_series_and_keeps_its_shape(name):
    torch.manual_seed(0)
    damaged = DAMAGES[name](grounds(), BAND_NAMES)
    assert damaged.shape == (40, 12, 10)
    assert (damaged != grounds()).flatten(1).any(dim=1).all()


def test_swapped_bands_have_the_same_values_in_other_places():
    torch.manual_seed(0)
    swapped = swap_bands(grounds(), BAND_NAMES)
    torch.testing.assert_close(swapped.sort(dim=2).values, grounds().sort(dim=2).values)
    changed = (swapped != grounds()).any(dim=1).sum(dim=1)
    assert (changed >= 2).all()
    assert 0.5 < (changed == 2).float().mean() < 0.9


def test_the_top_of_the_atmosphere_is_rayleighs_sky_over_black_ground():
    black, straight = torch.zeros(1, 1, 10), torch.ones(1, 1, 1)
    seen = dict(zip(BANDS, top_of_atmosphere(black, BAND_NAMES, straight, straight)[0, 0].tolist(), strict=True))
    # The sun in the zenith: the phase function is 1.5, and a sixteenth of 6 tau comes back.
    assert seen["B02"] == pytest.approx(0.1556 * 1.5 / 4, rel=0.01)  # tau of 490 nm in Hansen & Travis
    assert seen["B02"] / seen["B04"] == pytest.approx((665 / 490) ** 4, rel=0.03)
    assert seen["B12"] < 0.001


def test_damage_is_done_to_reflectance_and_ends_at_the_extractors_clamp():
    inputs = torch.from_numpy(EXTRACTOR(grounds().numpy(), units="reflectance")["pixel_series"])
    shifted = DamagedInputs(EXTRACTOR).apply(lambda series, _: series + 0.1, inputs)
    expected = EXTRACTOR(grounds().numpy() + 0.1, units="reflectance")["pixel_series"]
    torch.testing.assert_close(shifted, torch.from_numpy(expected), rtol=1e-4, atol=1e-4)
    assert DamagedInputs(EXTRACTOR).apply(lambda series, _: series + 9, inputs).max() == 4


def test_a_fit_lets_the_trainings_series_pass_and_flags_noise():
    rows = simulated_series(600, 0, EXTRACTOR).rows
    state = torch.get_rng_state()
    fitted = fit_novelty(rows, EXTRACTOR, TimeSenCLIPPixelConfig(), steps=30)
    assert torch.equal(torch.get_rng_state(), state)
    columns = rows.columns
    scores = fitted(columns["pixel_series"], columns["series_mask"], columns["months"])
    assert (scores > 1).float().mean() < 3 * FEW
    assert scores.median().abs() < 0.5
    noise = torch.rand(200, 12, 10, generator=torch.Generator().manual_seed(1))
    assert (fitted(noise) > 1).float().mean() > 0.9
    again = fit_novelty(rows, EXTRACTOR, TimeSenCLIPPixelConfig(), steps=30)
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in fitted.state_dict().items())


def test_the_script_writes_the_checkpoint_with_its_statistics(tmp_path):
    folder = tmp_path / "known"
    settings = ("--checkpoint", DEFAULT_CHECKPOINT, "--output", str(folder), "--points", "60", "--steps", "2")
    with command_line(*settings):
        main()
    before, after = (AutoModel.from_pretrained(name) for name in (DEFAULT_CHECKPOINT, folder))
    assert after.novelty is not None
    weights = after.state_dict()
    assert all(
        torch.equal(tensor, weights[name]) for name, tensor in before.state_dict().items() if name[:7] != "novelty"
    )
    with command_line(*settings), pytest.raises(SystemExit, match=r"^error: .*known"):
        main()
