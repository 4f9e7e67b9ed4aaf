"""Compute linear layers fast: packed products of oneDNN where they work, PyTorch's own elsewhere."""

from collections.abc import Callable
from functools import lru_cache, partial

import torch
from torch import Tensor, nn
from transformers.activations import ACT2FN

Product = Callable[[Tensor], Tensor]

# Rows, columns and terms of products: few and many rows of a layer, the gradient of its weights, a scalar product.
PROBED_SHAPES = ((7, 512, 512), (1024, 256, 512), (512, 512, 1024), (1, 1, 1024))


def engine_of(dtype: torch.dtype, device: torch.device) -> str:
    """Name what computes the products: "oneDNN" with packed weights where it works, or "PyTorch"."""
    return "oneDNN" if device.type == "cpu" and _packs(dtype) else "PyTorch"


def make_product(weight: Tensor, bias: Tensor, rows: int, activation: str = "none") -> Product:
    """Make a linear layer and its activation, ready to be used often.

    On a processor oneDNN computes it from packed weights, as `torch.compile` does with frozen ones: on AMD's twice to
    three times as fast in float32 as `nn.functional.linear`, which leaves it to MKL, and the same on any thread, with
    no setting of the process changed. Its operators are not public: PyTorch's own product stands in where they fail.

    Args:
        weight: (outputs, inputs), in the type to compute in.
        bias: (outputs,).
        rows: of the inputs that come most often.
        activation: name of one of transformers' activations, or "none".
    """
    weight, bias = weight.contiguous(), bias.to(weight.dtype).contiguous()
    fused = activation if activation in ("none", "relu") else "none"
    if engine_of(weight.dtype, weight.device) == "oneDNN":
        product: Product = partial(_packed_product, torch.ops.mkldnn._reorder_linear_weight(weight, rows), bias, fused)
    else:
        product = partial(_plain_product, weight, bias, fused)
    return product if fused == activation else partial(_activated, product, ACT2FN[activation])


def _packed_product(weight: Tensor, bias: Tensor, activation: str, x: Tensor) -> Tensor:
    y: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, activation, [], "")
    return y


def _plain_product(weight: Tensor, bias: Tensor, activation: str, x: Tensor) -> Tensor:
    y = nn.functional.linear(x, weight, bias)
    return y.relu_() if activation == "relu" else y


def _activated(product: Product, activation: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return activation(product(x))


@lru_cache
def _packs(dtype: torch.dtype) -> bool:
    """Tell whether oneDNN's packed products work here, and are exact."""

    def product(x: Tensor, weight: Tensor) -> Tensor:
        packed = torch.ops.mkldnn._reorder_linear_weight(weight, len(x))
        return _packed_product(packed, torch.zeros(len(weight), dtype=dtype), "relu", x)

    try:
        return all(is_exact(shape, product, dtype) for shape in PROBED_SHAPES)
    except (AttributeError, NotImplementedError, RuntimeError):
        return False


def is_exact(
    shape: tuple[int, int, int],
    product: Callable[[Tensor, Tensor], Tensor] = nn.functional.linear,
    dtype: torch.dtype = torch.float32,
) -> bool:
    """Tell whether a product keeps, of float32, what bfloat16 and TF32 would round off.

    Args:
        shape: rows, columns and terms.
        product: of (rows, terms) and (columns, terms).
        dtype: to compute in; a narrower one must be exact where float32 is rounded to it.
    """
    rows, columns, terms = shape
    # 1 + 2^-12 is 1 in bfloat16 and in TF32; its multiples up to 1024 are float32 numbers, summed in any order.
    value = 1 + 2**-12 if dtype == torch.float32 else 1
    result = product(torch.full((rows, terms), value, dtype=dtype), torch.ones(columns, terms, dtype=dtype))
    return bool((result == terms * value).all())


def use_onednn_matmul() -> bool:
    """Let oneDNN compute the process's float32 matrix products on the CPU, where none loses precision by it.

    PyTorch leaves them to MKL, which on AMD's processors is far from the fastest way. The switch to oneDNN is the
    permission to round (`torch.set_float32_matmul_precision("medium")`), which oneDNN uses only where a processor has
    matrix units for bfloat16, such as AMX. Such a processor is known by a product that does not survive rounding, and
    is left as it was; so is a process with a GPU, whose products the same permission would round to TF32.

    Results differ from MKL's by the order of summation. The switch is for all of the process: for a program to set at
    its start, as a training script does; not for a library, nor between runs that are compared to the last bit.

    Returns:
        Whether oneDNN was switched to.
    """
    if torch.cuda.is_available() or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    if all(is_exact(shape) for shape in PROBED_SHAPES):
        return True
    torch.set_float32_matmul_precision(before)
    return False
