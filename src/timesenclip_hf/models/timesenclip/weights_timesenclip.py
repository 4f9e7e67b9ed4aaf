"""Tell one set of weights from another, and modules that compute what their weights say from those that do not."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_modules

# Numbers of a tensor that are summed up to one: few enough that a change of one is not lost in rounding.
BLOCK_SIZE = 4096
# Where the classes of modules come from that compute what they are known to.
_KNOWN_PACKAGES = {"torch", "transformers", __name__.partition(".")[0]}


def weights_hash(weights: Mapping[str, Tensor]) -> str:
    """Tell one set of weights from another, whatever folder they lie in: 16 hexadecimal digits of a SHA-256.

    Args:
        weights: by name, such as a `state_dict()`; their order does not matter, nor does their precision where float32
            holds the same values.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        digest.update(name.encode())
        for part in _plain_parts(tensor):
            digest.update(part.float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def pixel_weights_hash(model: Any) -> str:
    """Hash what embeds series, as it is in bfloat16, so that a checkpoint loaded in that type has the same.

    Args:
        model: a [`TimeSenCLIPModel`], or the pixel tower alone.
    """
    weights = getattr(model, "pixel_model", model).state_dict()
    plain = {name: tensor.bfloat16() if is_plain_tensor(tensor) else tensor for name, tensor in weights.items()}
    return weights_hash(plain)


@torch.no_grad()
def weights_state(tensors: Iterable[Tensor]) -> bytes:
    """Return what is other once any value of the tensors, or the order of values, is; takes milliseconds.

    PyTorch's count of changes in place would cost less, but neither fused optimisers nor changes through `.data` take
    part in it.

    Args:
        tensors: parameters and buffers, in an order that stays.
    """
    sums = []
    for tensor in tensors:
        for part in _plain_parts(tensor):
            values = part.flatten()
            whole = len(values) // BLOCK_SIZE * BLOCK_SIZE
            random = _random_numbers().to(values.device)
            with torch.autocast(values.device.type, enabled=False):  # it would round the products
                sums.append(values[:whole].view(-1, BLOCK_SIZE).float() @ random)
                sums.append((values[whole:].float() @ random[: len(values) - whole])[None])
    return torch.cat([part.cpu() for part in sums]).numpy().tobytes() if sums else b""


def is_plain_tensor(tensor: Tensor) -> bool:
    """Tell a tensor that holds its numbers from one that computes them, as quantised ones do."""
    return type(tensor) in (Tensor, nn.Parameter, nn.Buffer)


def is_as_known(module: nn.Module) -> bool:
    """Tell in microseconds whether a module computes what its weights and its classes say, so that more is known of it.

    False with forward hooks other than those that transformers records outputs with, with a `forward` that was put in
    place of its own, and with classes of other packages, such as adapters.

    Args:
        module: with all modules inside.
    """
    if torch_modules._global_forward_hooks or torch_modules._global_forward_pre_hooks:
        return False
    return all(map(_is_as_known, module.modules()))


def _is_as_known(module: nn.Module) -> bool:
    if module._forward_pre_hooks or "forward" in module.__dict__:
        return False
    if module._forward_hooks and not all(map(_records_only, module._forward_hooks.values())):
        return False
    kind = type(module)
    origins = (kind.__module__, getattr(kind.forward, "__module__", ""))
    return all(origin.partition(".")[0] in _KNOWN_PACKAGES for origin in origins)


def _records_only(hook: Any) -> bool:
    return getattr(hook, "__module__", None) == "transformers.utils.output_capturing"


def _plain_parts(tensor: Tensor) -> Iterator[Tensor]:
    """Yield the tensors inside one, which has several where it is quantised."""
    tensor = tensor.detach()
    if is_plain_tensor(tensor) or not hasattr(tensor, "__tensor_flatten__"):
        yield tensor
        return
    names, _ = tensor.__tensor_flatten__()
    for name in names:
        yield from _plain_parts(getattr(tensor, name))


@lru_cache(maxsize=1)
def _random_numbers() -> Tensor:
    return torch.rand(BLOCK_SIZE, generator=torch.Generator().manual_seed(0))
