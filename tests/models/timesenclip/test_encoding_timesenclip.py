import numpy as np
import pytest
import torch

from timesenclip_hf import TimeSenCLIPFeatureExtractor, TimeSenCLIPPixelConfig, TimeSenCLIPPixelModel, encode
from timesenclip_hf.models.timesenclip import encoding_timesenclip
from timesenclip_hf.models.timesenclip.encoding_timesenclip import use_onednn_matmul
from timesenclip_hf.models.timesenclip.products_timesenclip import PROBED_SHAPES, is_exact


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
    torch.testing.assert_close(embeds, torch.nn.functional.normalize(expected, dim=-1), atol=1e-6, rtol=0)
    assert embeds.dtype == torch.float32


@pytest.mark.parametrize("batch_size", [1, 7, 50, 1000])
def test_the_size_of_the_chunks_does_not_matter(tower, features, batch_size):
    torch.testing.assert_close(
        encode(tower, features, batch_size=batch_size), encode(tower, features), atol=1e-6, rtol=0
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


@pytest.fixture
def matmul_precision():
    """Puts the process's setting back."""
    before = torch.get_float32_matmul_precision()
    yield
    torch.set_float32_matmul_precision(before)


# Where oneDNN may not be used, there is nothing to compare, and the setting must be as it was.
def test_products_by_onednn_are_those_of_mkl_in_full_float32(matmul_precision):
    generator = torch.Generator().manual_seed(0)
    pairs = [
        (torch.randn(rows, terms, generator=generator), torch.randn(terms, columns, generator=generator))
        for rows, columns, terms in [(3328, 512, 512), (256, 512, 3328), (7, 512, 512), (512, 512, 512)]
    ]
    usual = [left @ right for left, right in pairs]
    switched = use_onednn_matmul()
    for (left, right), expected in zip(pairs, usual, strict=True):
        product, exact = left @ right, left.double() @ right.double()
        assert (product - expected).norm() <= 1e-6 * expected.norm()
        assert (product - exact).norm() <= 1e-6 * exact.norm()
    assert torch.get_float32_matmul_precision() == ("medium" if switched else "highest")


def test_gradients_by_onednn_are_those_of_mkl(matmul_precision):
    gradients = []
    for switch in (lambda: False, use_onednn_matmul):
        switch()
        torch.manual_seed(0)
        tower = TimeSenCLIPPixelModel(TimeSenCLIPPixelConfig(num_hidden_layers=2)).eval()
        tower(torch.rand(64, 12, 10), pooled_only=True).pooler_output.square().sum().backward()
        gradients.append(torch.cat([parameter.grad.flatten() for parameter in tower.parameters()]))
    assert (gradients[1] - gradients[0]).norm() <= 1e-6 * gradients[0].norm()


def test_where_onednn_rounds_the_setting_stays_as_it_was(matmul_precision, monkeypatch):
    monkeypatch.setattr(encoding_timesenclip, "is_exact", lambda shape: shape[0] > 1)
    assert not use_onednn_matmul()
    assert torch.get_float32_matmul_precision() == "highest"


def test_beside_a_gpu_the_setting_stays_as_it_was(matmul_precision, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert not use_onednn_matmul()
    assert torch.get_float32_matmul_precision() == "highest"


@pytest.mark.parametrize("lost", [torch.bfloat16, torch.float16])
def test_rounded_products_are_noticed(lost, monkeypatch):
    full = torch.full
    monkeypatch.setattr(torch, "full", lambda shape, value, dtype: full(shape, value).to(lost).to(dtype))
    assert not any(is_exact(shape) for shape in PROBED_SHAPES)
