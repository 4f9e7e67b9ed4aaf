"""Name the precisions that a pixel tower computes in, and hold them against a device."""

from functools import lru_cache

import torch

# By name: the type of the matrix products, and that of residual sums and norms.
PRECISIONS: dict[str, tuple[torch.dtype, torch.dtype]] = {
    "float32": (torch.float32, torch.float32),
    "bfloat16": (torch.bfloat16, torch.float32),
    "pure_bfloat16": (torch.bfloat16, torch.bfloat16),
    "float16": (torch.float16, torch.float32),
}


def precision_name(dtype: torch.dtype | str | None, weights: torch.dtype = torch.float32) -> str:
    """Name a precision.

    Args:
        dtype: such as `torch.bfloat16`, or a name of `PRECISIONS`.
        weights: type of the model's weights, which stands in for `dtype`: bfloat16 is then computed purely, float64 in
            float32.

    Raises:
        ValueError: there is no such precision.
    """
    if dtype is None:
        return {torch.bfloat16: "pure_bfloat16", torch.float16: "float16"}.get(weights, "float32")
    name = str(dtype).removeprefix("torch.")
    if name not in PRECISIONS:
        raise ValueError(f"`dtype` must be {', '.join(PRECISIONS)}, got {name!r}.")
    return name


def check_precision(name: str, device: torch.device) -> None:
    """Hold a precision against what a device computes.

    Raises:
        ValueError: the device does not compute in it, or only by emulation.
    """
    product_type, _ = PRECISIONS[name]
    if device.type == "cpu" and product_type == torch.float16:
        raise ValueError("float16 is for graphics cards: use bfloat16 or float32 on a processor.")
    if device.type == "cpu" and product_type == torch.bfloat16 and not _has_bfloat16():
        raise ValueError("This processor does not compute in bfloat16: leave the dtype out, or use float32.")


@lru_cache
def _has_bfloat16() -> bool:
    # What autocast asks too; without the question the answer is no.
    asked = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return bool(asked is not None and asked())
