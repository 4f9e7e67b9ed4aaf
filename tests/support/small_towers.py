"""Small pixel towers with random weights."""

import numpy as np
import torch

from timesenclip_hf import TimeSenCLIPPixelConfig, TimeSenCLIPPixelModel

SIZES = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 16, "projection_dim": 24}


def make_tower(**changes):
    torch.manual_seed(0)
    tower = TimeSenCLIPPixelModel(TimeSenCLIPPixelConfig(**{**SIZES, "num_hidden_layers": 2, **changes})).eval()
    for tensor in (*tower.parameters(), *tower.buffers()):
        if tensor.is_floating_point():  # biases start at 0 and norms at 1, which would hide a swapped weight
            torch.nn.init.uniform_(tensor, 0.1, 0.5) if tensor.ndim == 1 else torch.nn.init.normal_(tensor, std=0.2)
    return tower


def tower_inputs(tower, count: int = 5, time: int = 12, seed: int = 0) -> dict[str, np.ndarray]:
    """Draw inputs of a tower at any times of the year, some missing."""
    random = np.random.default_rng(seed)
    side = tower.config.patch_size
    patch = () if side == 1 else (side, side)
    mask = random.random((count, time)) < 0.7
    series = random.random((count, time, 10, *patch), dtype=np.float32)
    series[~mask] = np.nan
    return {"pixel_series": series, "series_mask": mask, "months": random.uniform(-3, 27, (count, time))}
