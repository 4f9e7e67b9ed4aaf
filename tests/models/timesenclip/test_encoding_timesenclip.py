import sys

import numpy as np
import pytest
import torch

from timesenclip_hf import TimeSenCLIPFeatureExtractor, TimeSenCLIPPixelConfig, TimeSenCLIPPixelModel, encode
from timesenclip_hf.models.timesenclip.encoding_timesenclip import PlainTower, fastest_tower


@pytest.fixture(scope="module")
def tower() -> TimeSenCLIPPixelModel:
    torch.manual_seed(0)
    return TimeSenCLIPPixelModel(
        TimeSenCLIPPixelConfig(
            hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=16, projection_dim=8
        )
    )


@pytest.fixture(scope="module")
def features():
    series = np.random.default_rng(0).uniform(0.01, 0.5, (50, 12, 10)).astype(np.float32)
    series[3:9, 4:7] = np.nan
    return TimeSenCLIPFeatureExtractor()(series)


def test_embeddings_are_unit_and_the_towers_own(tower, features):
    embeds = encode(tower, features)
    with torch.no_grad():
        tensors = {name: torch.from_numpy(value) for name, value in features.items()}
        expected = tower.eval()(**tensors).pooler_output
    torch.testing.assert_close(embeds, torch.nn.functional.normalize(expected, dim=-1), atol=5e-6, rtol=0)
    assert embeds.dtype == torch.float32


@pytest.mark.parametrize("batch_size", [1, 7, 50, 1000])
def test_the_size_of_the_chunks_does_not_matter(tower, features, batch_size):
    torch.testing.assert_close(
        encode(tower, features, batch_size=batch_size), encode(tower, features), atol=5e-6, rtol=0
    )


def test_bfloat16_is_near_and_comes_out_as_float32(tower, features):
    near = encode(tower, features, dtype=torch.bfloat16)
    assert near.dtype == torch.float32
    assert torch.nn.functional.cosine_similarity(near, encode(tower, features)).min() > 0.99


def test_a_tower_in_training_is_used_in_evaluation_and_left_in_training(tower, features):
    tower.train()
    assert torch.equal(encode(tower, features), encode(tower, features))
    assert tower.training


def test_no_series_give_no_embeddings(tower):
    assert encode(tower, {"pixel_series": torch.empty(0, 12, 10)}).shape == (0, 8)


def test_a_batch_size_of_zero_is_refused(tower, features):
    with pytest.raises(ValueError, match="`batch_size` must be at least 1, got 0"):
        encode(tower, features, batch_size=0)


def test_where_the_package_is_not_installed_the_plain_model_computes_the_same(tower, features, monkeypatch):
    expected = encode(tower, features)
    monkeypatch.setitem(sys.modules, "timesenclip_hf.runtimes.plan", None)
    assert type(fastest_tower(tower)) is PlainTower
    torch.testing.assert_close(encode(tower, features), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_that_are_saved_narrow_are_computed_without_the_package_on_any_processor(tower, dtype):
    narrow = TimeSenCLIPPixelModel(tower.config).to(dtype).eval()
    narrow.load_state_dict(tower.state_dict())
    series = torch.rand(3, 12, 10, generator=torch.Generator().manual_seed(0))
    pooled = PlainTower(narrow)(series)
    assert pooled.dtype == torch.float32
    assert torch.nn.functional.cosine_similarity(pooled, PlainTower(tower)(series)).min() > 0.99
