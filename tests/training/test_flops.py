import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from timesenclip_hf import TimeSenCLIPPixelConfig, TimeSenCLIPPixelModel
from training.flops import count_flops

SIZES = {"hidden_size": 32, "num_hidden_layers": 3, "intermediate_size": 48, "projection_dim": 24}


def transformer(num_times, bands, width, depth, inner, dim):
    """By hand: two for each multiply-add, the last layer for the class token alone."""
    tokens = num_times + 1
    # Queries and the output, keys and values, scores and their sums, the feed-forward block; of so many queries.
    layers = [
        2 * queries * width * width * 2 + 2 * tokens * width * width * 2 + 2 * queries * tokens * width * 2
        + 2 * queries * width * inner * 2
        for queries in [*[tokens] * (depth - 1), 1]
    ]  # fmt: skip
    return 2 * num_times * bands * width + sum(layers) + 2 * width * dim


@pytest.mark.parametrize("num_times", [1, 12, 73])
def test_the_operations_of_a_transformer_are_those_counted_by_hand(num_times):
    config = TimeSenCLIPPixelConfig(num_attention_heads=4, **SIZES)
    assert count_flops(config, num_times) == transformer(num_times, 10, 32, 3, 48, 24)


def test_the_published_tower_needs_188_million_operations_a_pixel():
    assert count_flops(TimeSenCLIPPixelConfig()) == transformer(12, 10, 512, 6, 256, 512) == 188_002_304


def test_the_operations_of_the_other_encoders_are_those_counted_by_hand():
    mlp = TimeSenCLIPPixelConfig(encoder_type="mlp", **SIZES)
    assert count_flops(mlp) == 2 * (12 * 11 * 32 + 2 * 32 * 32 + 32 * 24)
    # The grid of months is the same, however many time steps are put on it.
    assert count_flops(mlp, 5) == count_flops(mlp)
    # Five months a filter, the dense layer over all months.
    convolutions = 12 * 5 * (11 * 32 + 2 * 32 * 32)
    tempcnn = TimeSenCLIPPixelConfig(encoder_type="tempcnn", **SIZES)
    assert count_flops(tempcnn) == 2 * (convolutions + 12 * 32 * 48 + 48 * 24)


def test_what_is_counted_for_one_series_is_a_batch_s_share_of_what_torch_counts():
    config = TimeSenCLIPPixelConfig(num_attention_heads=4, patch_size=3, **SIZES)
    tower = TimeSenCLIPPixelModel._from_config(config, attn_implementation="eager").eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        tower(torch.rand(7, 12, 10, 3, 3), torch.ones(7, 12, dtype=torch.bool), pooled_only=True)
    assert 7 * count_flops(config) == counter.get_total_flops()


def test_counting_leaves_the_configuration_as_it_was():
    config = TimeSenCLIPPixelConfig(attn_implementation="sdpa", **SIZES)
    count_flops(config)
    assert config._attn_implementation == "sdpa"
