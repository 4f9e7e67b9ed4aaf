"""Map upstream's keys to ours: the table, the weights that it moves, and the lines of a report."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class KeyTable:
    """Name the same weights in both worlds.

    Attributes:
        entries: upstream's key to ours, `{}` standing for the number of a layer; a weight that goes to several is cut
            into as many equal parts along its first axis.
        numbered: finds the number of a layer in a key of upstream's.
        transposed: upstream's keys of matrices that are ours turned.
    """

    entries: Mapping[str, tuple[str, ...]]
    numbered: re.Pattern[str]
    transposed: frozenset[str] = frozenset()

    def pattern(self, key: str) -> str:
        """Put `{}` for the number of a key's layer."""
        return self.numbered.sub("{}", key)

    def num_layers(self, keys: Iterable[str]) -> int:
        """Count the layers that the keys name: the highest number and one; 1 where none is named."""
        return 1 + max((int(match[0]) for match in map(self.numbered.search, keys) if match), default=0)

    def ours(self, key: str) -> tuple[str, ...]:
        """Return our names of a key of upstream's."""
        layer = self.numbered.search(key)
        return tuple(name.format(layer[0] if layer else "") for name in self.entries[self.pattern(key)])

    @torch.no_grad()
    def copy(self, weights: Mapping[str, torch.Tensor], model: nn.Module) -> None:
        """Copy upstream's weights into a model of ours.

        Args:
            weights: by upstream's keys.
            model: whose weights are overwritten.

        Raises:
            ValueError: a weight has another shape than the model's.
        """
        parameters = model.state_dict()
        for key, tensor in weights.items():
            targets = [parameters[name] for name in self.ours(key)]
            turned = self.pattern(key) in self.transposed
            first = targets[0].T if turned else targets[0]
            expected = tuple(first.shape) if len(targets) == 1 else (len(targets) * first.shape[0], *first.shape[1:])
            # TimeSenCLIP's positions and class token carry further axes of 1 in front.
            if tuple(tensor.shape[tensor.ndim - len(expected) :]) != expected or tensor.numel() != math.prod(expected):
                raise ValueError(f"{key} must have the shape {expected}, got {tuple(tensor.shape)}.")
            parts = (tensor.T if turned else tensor).reshape(len(targets), *targets[0].shape)
            for target, part in zip(targets, parts, strict=True):
                target.copy_(part)


def key_lines(prefix: str, converted: Mapping[str, tuple[str, ...]], left_out: Mapping[str, str]) -> list[str]:
    """Say in a line what became of each key."""
    width = max(map(len, [*converted, *left_out]))
    return [
        f"{len(converted)} keys converted, found under {prefix or 'no prefix'}:",
        *(f"  {old:<{width}}  {', '.join(new)}" for old, new in converted.items()),
        f"{len(left_out)} keys left out{':' if left_out else ''}",
        *(f"  {old:<{width}}  {reason}" for old, reason in left_out.items()),
    ]
