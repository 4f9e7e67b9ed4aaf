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
