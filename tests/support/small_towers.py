"""Small pixel towers with random weights."""

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
