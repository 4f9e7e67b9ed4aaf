from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F
from transformers import AutoModel

from timesenclip_hf import TimeSenCLIPModel, TimeSenCLIPPixelConfig, TimeSenCLIPPixelModel, encode
from timesenclip_hf.models.timesenclip.encoders_timesenclip import place_on_months

OTHERS = ("mlp", "tempcnn")


def small_tower(encoder_type: str, **kwargs) -> TimeSenCLIPPixelModel:
    torch.manual_seed(0)
    config = TimeSenCLIPPixelConfig(
        encoder_type=encoder_type,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=24,
        projection_dim=32,
        **kwargs,
    )
    return TimeSenCLIPPixelModel(config)


def used_tower(encoder_type: str, **kwargs) -> TimeSenCLIPPixelModel:
    """A tower in evaluation with no parameter, and no running statistic, at what it began with."""
    tower = small_tower(encoder_type, **kwargs)
    for parameter in tower.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    patch = tower.config.patch_shape
    with torch.no_grad():
        tower(torch.rand(64, 12, 10, *patch) if patch != (1, 1) else torch.rand(64, 12, 10))
    return tower.eval()


@pytest.fixture(scope="module", params=OTHERS)
def tower(request) -> TimeSenCLIPPixelModel:
    return used_tower(request.param)


def embed(tower, *args, **kwargs) -> torch.Tensor:
    with torch.no_grad():
        return tower(*args, **kwargs).pooler_output


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), num_times=st.integers(1, 30), num_months=st.sampled_from([4, 12]))
def test_each_time_step_is_averaged_into_its_nearest_month_of_the_circle(seed, num_times, num_months):
    generator = np.random.default_rng(seed)
    series = generator.random((2, num_times, 3), dtype=np.float32)
    months = generator.uniform(-num_months, 2 * num_months, (2, num_times)).astype(np.float32)
    mask = generator.random((2, num_times)) > 0.3
    expected = np.zeros((2, num_months, 4))
    for row in range(2):
        for month in range(num_months):
            gaps = np.abs((months[row] - month + num_months / 2) % num_months - num_months / 2)
            members = mask[row] & (gaps < 0.5)
            if members.any():
                expected[row, month] = [*series[row, members].mean(axis=0), 1]
    series[~mask] = np.nan
    placed = place_on_months(*map(torch.from_numpy, (series, mask, months)), num_months)
    np.testing.assert_allclose(placed, expected, atol=1e-6)


def test_a_time_step_between_two_months_goes_to_the_later():
    placed = place_on_months(torch.ones(1, 3, 1), None, torch.tensor([0.5, 11.5, -2.5]), 12)
    assert placed[0, :, 1].nonzero()[:, 0].tolist() == [0, 1, 10]


def test_twelve_months_without_dates_are_those_from_january_on():
    series, mask = torch.rand(3, 12, 10), torch.rand(3, 12) > 0.4
    assert torch.equal(place_on_months(series, mask, None, 12), place_on_months(series, mask, torch.arange(12), 12))


def test_the_order_of_time_steps_changes_nothing(tower):
    series, months, mask = torch.rand(4, 30, 10), 12 * torch.rand(4, 30), torch.rand(4, 30) > 0.3
    order = torch.randperm(30)
    torch.testing.assert_close(
        embed(tower, series[:, order], mask[:, order], months[:, order]),
        embed(tower, series, mask, months),
        atol=5e-6,
        rtol=0,
    )


def test_a_masked_time_step_is_the_same_as_none_whatever_it_holds(tower):
    series, mask = torch.rand(4, 12, 10), torch.ones(4, 12, dtype=torch.bool)
    mask[:, 3:6] = False
    kept = [*range(3), *range(6, 12)]
    expected = embed(tower, series[:, kept], None, torch.tensor(kept))
    assert torch.equal(embed(tower, series, mask), expected)
    assert torch.equal(embed(tower, series.masked_fill(~mask[:, :, None], float("nan")), mask), expected)
    masked_dates = torch.arange(12.0).masked_fill(~mask[0], float("nan"))
    assert torch.equal(embed(tower, series, mask, masked_dates), expected)


def test_a_missing_month_is_told_from_a_black_one(tower):
    series, mask = torch.rand(4, 12, 10), torch.ones(4, 12, dtype=torch.bool)
    series[:, 5] = 0
    mask[:, 5] = False
    assert (embed(tower, series, mask) - embed(tower, series)).abs().amax(dim=1).min() > 1e-4


def test_a_series_without_an_observation_gives_a_finite_embedding(tower):
    nothing = embed(tower, torch.full((2, 12, 10), float("nan")), torch.zeros(2, 12, dtype=torch.bool))
    assert nothing.isfinite().all()


def test_a_patch_is_read_whole():
    for encoder_type in OTHERS:
        patches, flat = used_tower(encoder_type, patch_size=[3, 2]), small_tower(encoder_type, num_bands=60).eval()
        flat.load_state_dict(patches.state_dict())
        patch = torch.rand(2, 12, 10, 3, 2)
        assert torch.equal(embed(patches, patch), embed(flat, patch.flatten(2)))


def test_the_mlp_is_layers_over_the_whole_year():
    tower = used_tower("mlp")
    weights = tower.state_dict()
    series, mask = torch.rand(5, 12, 10), torch.rand(5, 12) > 0.3
    year = torch.cat([series * mask[..., None], mask[..., None]], dim=2).flatten(1)
    for layer in range(2):
        name = f"encoder.layers.{layer}.0"
        year = (year @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]).clamp(min=0)
    year = F.layer_norm(year, (16,), weights["post_layernorm.weight"], weights["post_layernorm.bias"])
    expected = year @ weights["projection.weight"].T + weights["projection.bias"]
    torch.testing.assert_close(embed(tower, series, mask), expected, atol=5e-6, rtol=0)


def test_tempcnn_is_the_published_network_written_out():
    tower = used_tower("tempcnn")
    weights = tower.state_dict()

    def normalised(values, name):
        mean, var, scale, shift = (
            weights[f"{name}.{part}"][:, None] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return ((values - mean) / (var + 1e-5).sqrt() * scale + shift).clamp(min=0)

    series, mask = torch.rand(5, 12, 10), torch.rand(5, 12) > 0.3
    year = torch.cat([series * mask[..., None], mask[..., None]], dim=2).transpose(1, 2)
    for layer in range(2):
        kernel, bias = (weights[f"encoder.layers.{layer}.0.{part}"] for part in ("weight", "bias"))
        # Windows of five months with two empty ones on either side.
        windows = F.pad(year, (2, 2)).unfold(2, 5, 1)
        convolved = torch.einsum("bcmk,ock->bom", windows, kernel) + bias[:, None]
        year = normalised(convolved, f"encoder.layers.{layer}.1")
    dense = year.flatten(1) @ weights["encoder.dense.0.weight"].T + weights["encoder.dense.0.bias"]
    pooled = normalised(dense.T[None], "encoder.dense.1")[0].T
    pooled = F.layer_norm(pooled, (24,), weights["post_layernorm.weight"], weights["post_layernorm.bias"])
    expected = pooled @ weights["projection.weight"].T + weights["projection.bias"]
    torch.testing.assert_close(embed(tower, series, mask), expected, atol=5e-6, rtol=0)


@pytest.mark.parametrize(
    ("encoder_type", "parameters"),
    [
        # Three layers of 500 over 12 months of 10 bands and the channel of what was seen.
        ("mlp", (132 + 500 + 500) * 500 + 3 * 500),
        # Convolutions with their biases and norms; then the dense layer with its own.
        ("tempcnn", 5 * 64 * (11 + 64 + 64) + 3 * 3 * 64 + 12 * 64 * 256 + 3 * 256),
    ],
)
def test_by_default_the_sizes_are_those_of_the_works_that_brought_the_encoders(encoder_type, parameters):
    with torch.device("meta"):
        tower = TimeSenCLIPPixelModel(TimeSenCLIPPixelConfig(encoder_type=encoder_type))
    assert sum(parameter.numel() for parameter in tower.encoder.parameters()) == parameters
    assert tower.projection.out_features == 512


def test_hidden_states_are_documented_shapes():
    mlp, tempcnn = used_tower("mlp"), used_tower("tempcnn")
    series = torch.rand(2, 12, 10)
    assert mlp(series).last_hidden_state.shape == (2, 1, 16)
    assert tempcnn(series).last_hidden_state.shape == (2, 12, 16)
    assert [tuple(state.shape) for state in mlp(series, output_hidden_states=True).hidden_states] == [
        (2, 1, 132),
        (2, 1, 16),
        (2, 1, 16),
    ]
    assert [tuple(state.shape) for state in tempcnn(series, output_hidden_states=True).hidden_states] == [
        (2, 11, 12),
        (2, 16, 12),
        (2, 16, 12),
    ]


@pytest.mark.parametrize("encoder_type", ["transformer", *OTHERS])
def test_gradients_reach_every_parameter(encoder_type):
    tower = small_tower(encoder_type).train()
    tower(torch.rand(8, 12, 10), torch.rand(8, 12) > 0.2, pooled_only=True).pooler_output.square().sum().backward()
    for name, parameter in tower.named_parameters():
        # A bias before a norm that centres, or on every key alike, has no effect by construction.
        without_effect = name.endswith("k_proj.bias") or (encoder_type == "tempcnn" and name.endswith(".0.bias"))
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert without_effect or parameter.grad.abs().max() > 0, name


def test_saved_and_loaded_it_gives_the_same_statistics_and_all(tower, tmp_path):
    tower.save_pretrained(tmp_path)
    loaded = AutoModel.from_pretrained(tmp_path)
    assert type(loaded) is TimeSenCLIPPixelModel
    assert loaded.config.to_diff_dict() == tower.config.to_diff_dict()
    assert loaded.state_dict().keys() == tower.state_dict().keys()
    assert all(torch.equal(tensor, tower.state_dict()[name]) for name, tensor in loaded.state_dict().items())
    series = torch.rand(2, 12, 10)
    assert torch.equal(embed(loaded, series), embed(tower, series))


def test_beside_a_clip_it_is_saved_and_loaded_whole_and_alone(tower, tiny_clip: Path, tmp_path):
    full = TimeSenCLIPModel.from_clip(tower, str(tiny_clip))
    full.save_pretrained(tmp_path)
    series = torch.rand(2, 12, 10)
    complete, alone = AutoModel.from_pretrained(tmp_path), TimeSenCLIPPixelModel.from_pretrained(tmp_path)
    assert torch.equal(embed(complete.pixel_model, series), embed(tower, series))
    assert torch.equal(embed(alone, series), embed(tower, series))
    assert complete(pixel_series=series).series_embeds.shape == (2, 32)


def test_bulk_encoding_takes_it_as_any_tower(tower):
    features = {"pixel_series": torch.rand(20, 12, 10), "series_mask": torch.rand(20, 12) > 0.3}
    torch.testing.assert_close(encode(tower, features, batch_size=7), encode(tower, features), atol=5e-6, rtol=0)
    expected = F.normalize(embed(tower, **features), dim=-1)
    torch.testing.assert_close(encode(tower, features), expected, atol=5e-6, rtol=0)


def test_weights_that_a_checkpoint_lacks_begin_as_in_a_fresh_tower(tmp_path):
    """Loading builds on no memory at all, where running statistics would be whatever lies there."""
    tower = used_tower("tempcnn")
    lacking = {name: tensor for name, tensor in tower.state_dict().items() if "encoder.dense.1" not in name}
    tower.save_pretrained(tmp_path, state_dict=lacking)
    norm = TimeSenCLIPPixelModel.from_pretrained(tmp_path).encoder.dense[1]
    assert torch.equal(norm.running_mean, torch.zeros(24))
    assert torch.equal(norm.running_var, torch.ones(24))


def test_a_tower_in_bfloat16_places_its_time_steps_in_full_precision(tower):
    series, months = torch.rand(2, 30, 10), 12 * torch.rand(2, 30)
    near = embed(tower.to(torch.bfloat16), series, None, months)
    tower.float()
    assert near.dtype == torch.bfloat16
    assert F.cosine_similarity(near.float(), embed(tower, series, None, months)).min() > 0.999
