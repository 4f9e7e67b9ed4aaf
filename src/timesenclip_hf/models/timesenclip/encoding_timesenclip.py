"""Any number of series to embeddings, in chunks: the one road from model inputs to the pixel tower's output."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from transformers.utils import logging

# Larger chunks fall out of the caches of a processor; a graphics card is fed with a larger `batch_size`.
DEFAULT_BATCH_SIZE = 256


@torch.no_grad()
def encode(
    model: Any,
    features: Mapping[str, Any],
    *,
    batch_size: int = DEFAULT_BATCH_SIZE,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    progress: bool = False,
) -> torch.Tensor:
    """Unit embeddings of series.

    Args:
        model: [`TimeSenCLIPModel`] or [`TimeSenCLIPPixelModel`]; it is left as it was found.
        features: the feature extractor's output, arrays or tensors: `pixel_series` (series, time, band[, height,
            width]) and, optionally, `series_mask` and `months` (series, time).
        batch_size: series a chunk.
        device: where to compute; the model's own device when left out.
        dtype: computes under autocast in this type, such as `torch.bfloat16`; the model's own when left out.
        progress: show a progress bar.

    Returns:
        (series, projection_dim) float32 on the CPU.

    Raises:
        ValueError: `batch_size` is not positive.
    """
    if batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1, got {batch_size}.")
    pixel_model = getattr(model, "pixel_model", model)
    home, training = pixel_model.device, pixel_model.training
    device = torch.device(device) if device is not None else home
    tensors = {
        name: torch.as_tensor(np.asarray(value) if not isinstance(value, torch.Tensor) else value)
        for name, value in features.items()
        if name in ("pixel_series", "series_mask", "months") and value is not None
    }
    total = len(tensors["pixel_series"])
    embeds = torch.empty(total, pixel_model.config.projection_dim)
    bar = logging.tqdm(total=total, unit=" series", disable=not progress)
    pixel_model.to(device).eval()
    try:
        for start in range(0, total, batch_size):
            chunk = {name: tensor[start : start + batch_size].to(device) for name, tensor in tensors.items()}
            with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
                output = pixel_model(**chunk).pooler_output
            embeds[start : start + batch_size] = torch.nn.functional.normalize(output.float(), dim=-1).cpu()
            bar.update(len(output))
    finally:
        bar.close()
        pixel_model.to(home).train(training)
    return embeds


def use_onednn_matmul() -> bool:
    """Lets oneDNN compute the process's float32 matrix products on the CPU, where none loses precision by it.

    PyTorch leaves them to MKL, which on AMD's processors is far from the fastest way. The switch to oneDNN is the
    permission to round (`torch.set_float32_matmul_precision("medium")`), which oneDNN uses only where a processor has
    matrix units for bfloat16, such as AMX. Such a processor is known by a product that does not survive rounding,
    and is left as it was; so is a process with a GPU, whose products the same permission would round to TF32.

    Results differ from MKL's by the order of summation. The switch is the whole process's: for a program to set at
    its start, as a training script does; not for a library, nor between runs that are compared to the last bit.

    Returns:
        Whether oneDNN was switched to.
    """
    if torch.cuda.is_available() or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    if all(_is_exact(*shape) for shape in _PROBED_SHAPES):
        return True
    torch.set_float32_matmul_precision(before)
    return False


# Rows, columns and terms of products: few and many rows of a layer, the gradient of its weights, a scalar product.
_PROBED_SHAPES = ((7, 512, 512), (1024, 256, 512), (512, 512, 1024), (1, 1, 1024))


def _is_exact(rows: int, columns: int, terms: int) -> bool:
    # 1 + 2^-12 is 1 in bfloat16 and in TF32; its multiples up to 1024 are float32 numbers, summed in any order.
    value = 1 + 2**-12
    product = torch.full((rows, terms), value) @ torch.ones(terms, columns)
    return bool((product == terms * value).all())
