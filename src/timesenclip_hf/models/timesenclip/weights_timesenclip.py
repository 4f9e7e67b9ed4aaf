"""Tell one set of weights from another, and one pixel tower from another."""

import hashlib
from collections.abc import Mapping
from typing import Any

from torch import Tensor


def weights_hash(weights: Mapping[str, Tensor]) -> str:
    """Tell one set of weights from another, whatever folder they lie in: 16 hexadecimal digits of a SHA-256.

    Args:
        weights: by name, such as a `state_dict()`; their order does not matter, nor does their precision where float32
            holds the same values.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def pixel_weights_hash(model: Any) -> str:
    """Hash what embeds series, as it is in bfloat16, so that a checkpoint loaded in that type has the same.

    Args:
        model: a [`TimeSenCLIPModel`], or the pixel tower alone.
    """
    weights = getattr(model, "pixel_model", model).state_dict()
    return weights_hash({name: tensor.bfloat16() for name, tensor in weights.items()})


def weights_state(model: Any) -> tuple[tuple[int, int], ...]:
    """Tell in microseconds whether weights were changed: where each tensor lies, and how often it was changed in place.

    Fused optimisers do not count, nor do tensors of inference mode, which nothing may change.
    """
    tensors = (*model.parameters(), *model.buffers())
    return tuple((tensor.data_ptr(), -1 if tensor.is_inference() else tensor._version) for tensor in tensors)
