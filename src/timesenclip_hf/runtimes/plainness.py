"""Tell pixel towers whose weights say all that they compute, which a plan may be made of, from all others."""

import copy
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from ..models.timesenclip.pixel_tower_timesenclip import TimeSenCLIPPixelModel
from ..models.timesenclip.weights_timesenclip import is_as_known, is_plain_tensor

# All of them compute the same attention, but for rounding.
ATTENTIONS = {
    "eager",
    "sdpa",
    "flex_attention",
    "flash_attention_2",
    "flash_attention_3",
    "kernels-community/flash-attn2",
    "kernels-community/flash-attn3",
}
Signature = list[tuple[type[nn.Module], str]]

_expected: WeakKeyDictionary[Any, Signature] = WeakKeyDictionary()


def is_plain(tower: Any) -> bool:
    """Tell in a fraction of a millisecond whether a tower is exactly what its configuration describes.

    False with anything else between its inputs and its output: hooks, a `forward` or an attention of one's own, layers
    of other classes or with other settings, parametrisations, adapters, and weights that compute their numbers.

    Args:
        tower: any module.
    """
    if type(tower) is not TimeSenCLIPPixelModel or tower.config._attn_implementation not in ATTENTIONS:
        return False
    if not is_as_known(tower) or not all(map(is_plain_tensor, (*tower.parameters(), *tower.buffers()))):
        return False
    if tower not in _expected:
        with torch.device("meta"):
            _expected[tower] = _signature(TimeSenCLIPPixelModel(copy.deepcopy(tower.config)))
    return _signature(tower) == _expected[tower]


def _signature(tower: nn.Module) -> Signature:
    """List the kinds of modules with their settings, as `print` shows them."""
    return [(type(module), module.extra_repr()) for module in tower.modules()]
