import pytest
import torch

from timesenclip_hf.models.timesenclip import products_timesenclip
from timesenclip_hf.models.timesenclip.products_timesenclip import (
    PRECISIONS,
    check_precision,
    engine_of,
    make_product,
    precision_name,
)

CPU = torch.device("cpu")


def test_activations_that_the_engine_fuses_and_others_are_computed():
    x, weight, bias = torch.randn(5, 8), torch.randn(6, 8), torch.randn(6)
    for name in ("none", "relu", "gelu"):
        activation = {"none": torch.nn.Identity(), "relu": torch.relu, "gelu": torch.nn.functional.gelu}[name]
        expected = activation(x @ weight.T + bias)
        product = make_product(weight, bias, 5, name)
        torch.testing.assert_close(product(x), expected, atol=1e-6, rtol=1e-6)


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
    monkeypatch.setattr(products_timesenclip, "_has_bfloat16", lambda: False)
    with pytest.raises(ValueError, match="does not compute in bfloat16: leave the dtype out"):
        check_precision("bfloat16", CPU)


def test_where_the_operators_are_missing_pytorch_computes(monkeypatch):
    products_timesenclip._packs.cache_clear()
    monkeypatch.setattr(products_timesenclip, "_packed_product", lambda *_: torch.ops.mkldnn.no_such_operator())
    assert engine_of(torch.float32, CPU) == "PyTorch"
    products_timesenclip._packs.cache_clear()


def test_where_the_engine_rounds_pytorch_computes(monkeypatch):
    products_timesenclip._packs.cache_clear()
    product = products_timesenclip._packed_product
    monkeypatch.setattr(products_timesenclip, "_packed_product", lambda *given: product(*given).bfloat16().float())
    assert engine_of(torch.float32, CPU) == "PyTorch"
    products_timesenclip._packs.cache_clear()
