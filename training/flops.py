"""Count what a pixel tower costs: floating-point operations of its matrix products."""

from copy import deepcopy

import torch
from torch.utils.flop_counter import FlopCounterMode

from timesenclip_hf import TimeSenCLIPPixelConfig, TimeSenCLIPPixelModel


def count_flops(config: TimeSenCLIPPixelConfig, num_times: int = 12) -> int:
    """Count the floating-point operations that embed one series, on the way of every embedding (`pooled_only`).

    A multiply-add counts as two. Counted are matrix products and convolutions, those of attention included; sums,
    norms, activations and the softmax are not, as is usual. Nothing is computed: the weights are on no device.

    Args:
        config: of the tower.
        num_times: time steps of the series, all of them observed.
    """
    with torch.device("meta"):
        # Attention written out, so that its products are counted whatever kernel would compute them.
        tower = TimeSenCLIPPixelModel._from_config(deepcopy(config), attn_implementation="eager").eval()
        series = torch.empty(1, num_times, config.num_bands, *config.patch_shape)
        months = torch.arange(num_times)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        tower(series, months=months, pooled_only=True)
    return int(counter.get_total_flops())
