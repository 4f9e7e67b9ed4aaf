import pytest
import torch

from timesenclip_hf import TimeSenCLIPPixelConfig, TimeSenCLIPPixelModel
from timesenclip_hf.models.timesenclip import encoding_timesenclip
from timesenclip_hf.models.timesenclip.encoding_timesenclip import PRECISIONS, check_precision, precision_name
from timesenclip_hf.runtimes import products
from timesenclip_hf.runtimes.products import PROBED_SHAPES, engine_of, is_exact, make_product, use_onednn_matmul

CPU = torch.device("cpu")


def test_activations_that_the_engine_fuses_and_others_are_computed():
    x, weight, bias = torch.randn(5, 8), torch.randn(6, 8), torch.randn(6)
    for name in ("none", "relu", "gelu"):
        activation = {"none": torch.nn.Identity(), "relu": torch.relu, "gelu": torch.nn.functional.gelu}[name]
        expected = activation(x @ weight.T + bias)
        product = make_product(weight, bias, 5, name)
        torch.testing.assert_close(product(x), expected, atol=1e-5, rtol=1e-5)  # 1.5e-6 at most


def test_a_model_of_half_the_width_computes_purely_in_it():
    assert precision_name(None, torch.bfloat16) == "pure_bfloat16"
    assert precision_name(None) == "float32"
    assert precision_name(torch.bfloat16) == "bfloat16"


@pytest.mark.parametrize("name", ["int8", "float64", "half"])
def test_an_unknown_precision_is_refused(name):
    with pytest.raises(ValueError, match=f"`dtype` must be {', '.join(PRECISIONS)}, got '{name}'"):
        precision_name(name)


def test_float16_is_refused_on_a_processor():
    with pytest.raises(ValueError, match="float16 is for graphics cards: use bfloat16 or float32"):
        check_precision("float16", CPU)


def test_where_the_processor_has_no_bfloat16_it_is_refused(monkeypatch):
    monkeypatch.setattr(encoding_timesenclip, "_has_bfloat16", lambda: False)
    with pytest.raises(ValueError, match="does not compute in bfloat16: leave the dtype out"):
        check_precision("bfloat16", CPU)


def test_where_the_operators_are_missing_pytorch_computes(monkeypatch):
    products._packs.cache_clear()
    monkeypatch.setattr(products, "_packed_product", lambda *_: torch.ops.mkldnn.no_such_operator())
    assert engine_of(torch.float32, CPU) == "PyTorch"
    products._packs.cache_clear()


def test_where_the_engine_rounds_pytorch_computes(monkeypatch):
    products._packs.cache_clear()
    product = products._packed_product
    monkeypatch.setattr(products, "_packed_product", lambda *given: product(*given).bfloat16().float())
    assert engine_of(torch.float32, CPU) == "PyTorch"
    products._packs.cache_clear()


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
        # 6e-7 at most; in half the width it would be a thousand times that.
        assert (product - expected).norm() <= 5e-6 * expected.norm()
        assert (product - exact).norm() <= 5e-6 * exact.norm()
    assert torch.get_float32_matmul_precision() == ("medium" if switched else "highest")


def test_gradients_by_onednn_are_those_of_mkl(matmul_precision):
    gradients = []
    for switch in (lambda: False, use_onednn_matmul):
        switch()
        torch.manual_seed(0)
        tower = TimeSenCLIPPixelModel(TimeSenCLIPPixelConfig(num_hidden_layers=2)).eval()
        tower(torch.rand(64, 12, 10), pooled_only=True).pooler_output.square().sum().backward()
        gradients.append(torch.cat([parameter.grad.flatten() for parameter in tower.parameters()]))
    assert (gradients[1] - gradients[0]).norm() <= 5e-6 * gradients[0].norm()  # 2.4e-7


def test_where_onednn_rounds_the_setting_stays_as_it_was(matmul_precision, monkeypatch):
    monkeypatch.setattr(products, "is_exact", lambda shape: shape[0] > 1)
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
