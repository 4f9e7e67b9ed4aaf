"""Tensors in files: what `torch.save` wrote, opened without running what it holds, and a hash of weights.

Opening a pickle can run code, so files are read with `weights_only=True`: a file that holds anything but tensors
and plain values is refused, with the name of what it holds, and nothing of it is executed.
"""

import argparse
import hashlib
import pickle
import pickletools
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The dictionary of tensors in a file, or under `state_dict` in it, as Lightning files have it.

    Raises:
        ValueError: the file holds anything else, or is damaged.
    """
    try:
        # Lightning keeps the training script's arguments, a Namespace, beside the weights: attributes, no code.
        with torch.serialization.safe_globals([argparse.Namespace]), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about files that are refused below
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL (\S+)", str(error))
        raise _refusal(path, named[1] if named else _first_callable(path)) from None
    except Exception as error:  # torch.load meets a damaged file with almost any built-in error
        if "TorchScript" in str(error):
            raise _refusal(path, "a TorchScript program") from None
        raise ValueError(
            f"{path} is truncated, or no checkpoint that torch.save wrote ({first_line(error)}): download it again."
        ) from None
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping) or not content:
        raise ValueError(f"{path} is refused: it holds a {type(content).__name__}, not a state dict of tensors.")
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, torch.Tensor):
            raise ValueError(
                f"{path} is refused: its entry {key!r} is a {type(value).__name__}, not a tensor of a state dict."
            )
    return dict(content)


def weights_hash(weights: Mapping[str, torch.Tensor]) -> str:
    """Tells one set of weights from another, whatever folder they lie in: 16 hexadecimal digits of a SHA-256.

    Args:
        weights: by name, such as a `state_dict()`; their order does not matter, nor does their precision where
            float32 holds the same values.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def _refusal(path: Path, content: str) -> ValueError:
    return ValueError(
        f"{path} is refused: it holds {content}, not only tensors (nothing of it was run); save its state dict alone "
        "with torch.save(model.state_dict(), file)."
    )


def _first_callable(path: Path) -> str:
    """What a plain pickle would import first, read from its opcodes without running them."""
    strings: list[str] = []
    try:
        with path.open("rb") as file:
            for opcode, argument, _ in pickletools.genops(file):
                if opcode.name == "GLOBAL":
                    return str(argument).replace(" ", ".")
                if opcode.name == "STACK_GLOBAL":
                    return ".".join(strings[-2:])
                if isinstance(argument, str):
                    strings.append(argument)
    except ValueError:
        return "unreadable bytes"
    return "a plain pickle"


def first_line(error: BaseException) -> str:
    """What an error says, in one line and without the full stop."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
