"""Read upstream's checkpoints, on disk or on the Hub, map their keys to ours, and report what became of each."""

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from huggingface_hub import hf_hub_download, list_repo_files
from torch import nn

from ..files import first_line, read_checkpoint

KEYS_FILE = Path(__file__).with_name("upstream_keys.json")
_SUFFIXES = (".ckpt", ".pt", ".pth")
_HUB_ID = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+?)(?::(?P<file>.+))?")


# What DistributedDataParallel and torch.compile put into the keys of what they wrap.
_WRAPPERS = re.compile(r"(?<![^.])(?:module|_orig_mod)\.")


class UpstreamFile(NamedTuple):
    """Hold a checkpoint file.

    Attributes:
        name: that it was asked for by.
        weights: its tensors, by keys without the names of wrappers.
        settings: `hyper_parameters` of Lightning; empty where the file has none.
    """

    name: str
    weights: dict[str, torch.Tensor]
    settings: Mapping[str, Any] = {}


def read_upstream(checkpoint: str | Path | UpstreamFile, revision: str | None = None) -> UpstreamFile:
    """Read a checkpoint file; what was read already is passed on.

    Args:
        checkpoint: a file, or `user/repo`, or `user/repo:file.ckpt` where the repository holds several.
        revision: of the Hub repository.

    Raises:
        FileNotFoundError: no such file, and no Hub id.
        ValueError: a folder, a Hub repository that cannot be read or does not hold one checkpoint, or a file that is
            damaged or holds anything but a state dict of tensors.
    """
    if isinstance(checkpoint, UpstreamFile):
        return checkpoint
    tensors, settings = read_checkpoint(_locate(checkpoint, revision))
    weights = {_WRAPPERS.sub("", key): tensor for key, tensor in tensors.items()}
    if len(weights) < len(tensors):
        raise ValueError(f"{checkpoint} holds the same weights with and without a wrapper (module.): save one of them.")
    return UpstreamFile(str(checkpoint), weights, settings)


def _locate(checkpoint: str | Path, revision: str | None) -> Path:
    """Return the path of a checkpoint file, downloaded where a Hub id names it."""
    path = Path(checkpoint)
    if path.is_file():
        return path
    if path.is_dir():
        raise ValueError(f"{checkpoint} is a folder: name the checkpoint file in it.")
    hub_id = _HUB_ID.fullmatch(str(checkpoint))
    if isinstance(checkpoint, Path) or hub_id is None or hub_id["repo"].endswith(_SUFFIXES):
        raise FileNotFoundError(f"No such checkpoint: {checkpoint}; give a file, or a Hub id as user/repo:file.ckpt.")
    repo, file = hub_id["repo"], hub_id["file"]
    try:
        files = [file] if file else [f for f in list_repo_files(repo, revision=revision) if f.endswith(_SUFFIXES)]
        if len(files) == 1:
            return Path(hf_hub_download(repo, files[0], revision=revision))
    except Exception as error:  # the Hub client lets the errors of its HTTP library through
        raise ValueError(f"{checkpoint} cannot be fetched from the Hub: {first_line(error)}.") from None
    raise ValueError(f"{repo} must hold one checkpoint, found {', '.join(files) or 'none'}: name one as {repo}:FILE.")


class KeyTable:
    """Name the same weights in upstream's files and in our models, as `upstream_keys.json` has them.

    Args:
        paper: "timesenclip" or "senclip".

    Attributes:
        groups: for each tower upstream's key to ours, `{}` standing for the number of a layer; a weight that goes to
            several is cut into as many equal parts along its first axis.
        reasons: part of a key that is not needed to the reason why.
    """

    def __init__(self, paper: str) -> None:
        content = json.loads(KEYS_FILE.read_text(encoding="utf-8"))[paper]
        self.groups: dict[str, dict[str, list[str]]] = content["groups"]
        self.reasons: dict[str, str] = content["reasons"]
        self._entries = {key: names for group in self.groups.values() for key, names in group.items()}
        self._axes: dict[str, int] = content["axes"]
        self._transposed = set(content["transposed"])
        self._layer = re.compile(content["layer"])

    def pattern(self, key: str) -> str:
        """Put `{}` for the number of a key's layer."""
        return self._layer.sub("{}", key)

    def __contains__(self, key: str) -> bool:
        return self.pattern(key) in self._entries

    def num_layers(self, keys: Iterable[str], group: str) -> int:
        """Count the layers of a tower that the keys name: the highest number and one; 1 where none is named."""
        numbers = [self._layer.search(key) for key in keys if self.pattern(key) in self.groups[group]]
        return 1 + max((int(match[0]) for match in numbers if match), default=0)

    def missing(self, keys: Iterable[str], group: str) -> list[str]:
        """List the keys of a tower that are not among the keys."""
        present = set(keys)
        layers = range(self.num_layers(present, group))
        wanted = [key.format(layer) for key in self.groups[group] for layer in (layers if "{}" in key else [0])]
        return [key for key in wanted if key not in present]

    def ours(self, key: str) -> tuple[str, ...]:
        """Return our names of a key of upstream's."""
        layer = self._layer.search(key)
        return tuple(name.format(layer[0] if layer else "") for name in self._entries[self.pattern(key)])

    def reason(self, key: str) -> str | None:
        """Say why a key is not needed, where that is known."""
        return next((reason for part, reason in self.reasons.items() if part in key), None)

    def check_axes(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Raise ValueError where a weight that sizes are read from has another number of axes."""
        for key, axes in self._axes.items():
            if key in weights and weights[key].ndim != axes:
                raise ValueError(f"{key} must have {axes} axes, got the shape {tuple(weights[key].shape)}.")

    @torch.no_grad()
    def copy(self, weights: Mapping[str, torch.Tensor], model: nn.Module) -> None:
        """Copy weights by upstream's keys into a model of ours; raise ValueError for one of another shape."""
        parameters = model.state_dict()
        for key, tensor in weights.items():
            targets = [parameters[name] for name in self.ours(key)]
            turned = self.pattern(key) in self._transposed
            first = targets[0].T if turned else targets[0]
            expected = tuple(first.shape) if len(targets) == 1 else (len(targets) * first.shape[0], *first.shape[1:])
            # TimeSenCLIP's positions and class token carry further axes of 1 in front.
            if tuple(tensor.shape[tensor.ndim - len(expected) :]) != expected or tensor.numel() != math.prod(expected):
                raise ValueError(f"{key} must have the shape {expected}, got {tuple(tensor.shape)}.")
            parts = (tensor.T if turned else tensor).reshape(len(targets), *targets[0].shape)
            for target, part in zip(targets, parts, strict=True):
                target.copy_(part)


@dataclass(frozen=True)
class ConversionReport:
    """Say what became of every key of a checkpoint; `str()` is the text for people.

    Attributes:
        clip: the CLIP checkpoint that gave what the file has not.
        prefix: where the converted part sat among the file's keys.
        description: sizes and sources, a line each.
        converted: upstream's key to ours.
        left_out: upstream's key to the reason why it was not converted.
    """

    checkpoint: str
    clip: str
    output: Path
    prefix: str
    description: tuple[str, ...]
    converted: Mapping[str, tuple[str, ...]]
    left_out: Mapping[str, str]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        width = max(map(len, [*self.converted, *self.left_out]))
        lines = [
            f"{self.checkpoint} -> {self.output}",
            *self.description,
            f"{len(self.converted)} keys converted, found under {self.prefix or 'no prefix'}:",
            *(f"  {old:<{width}}  {', '.join(new)}" for old, new in self.converted.items()),
            f"{len(self.left_out)} keys left out{':' if self.left_out else ''}",
            *(f"  {old:<{width}}  {reason}" for old, reason in self.left_out.items()),
            *self.notes,
        ]
        return "\n".join(lines)
