"""Write files and folders whole or not at all, read tensors without running what their file holds, hash weights.

Opening a pickle can run code, so files are read with `weights_only=True`: a file that holds anything but tensors and
plain values is refused, with the name of what it holds, and nothing of it is executed.
"""

import argparse
import hashlib
import json
import pickle
import pickletools
import re
import shutil
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import torch


@contextmanager
def whole_file(path: str | PathLike[str]) -> Iterator[Path]:
    """Write a file whole or not at all.

    Args:
        path: of the file; an old one is replaced once the new one is finished.

    Yields:
        A path beside it, of the same suffix, to write to. It takes the file's place when the block ends; when the block
        raises, nothing has changed.

    Raises:
        IsADirectoryError: the path is a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: give the name of a file to write.")
    partial = path.with_name(f".partial-{path.name}")
    partial.unlink(missing_ok=True)  # of a run that was killed
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: str | PathLike[str], *, replace: bool = False) -> Iterator[Path]:
    """Write a folder whole or not at all.

    Args:
        path: of the folder.
        replace: put it in the place of one that an earlier call wrote; else only an empty one is replaced.

    Yields:
        An empty folder beside it to write to. It takes the folder's place when the block ends; when the block raises,
        nothing has changed.

    Raises:
        FileExistsError: the path is a file, or a folder with content that is not to be replaced.
    """
    path = Path(path)
    if path.exists() and not (path.is_dir() and (replace or not any(path.iterdir()))):
        raise FileExistsError(f"{path} is there already: give another folder, or remove it.")
    partial, old = (path.with_name(f".{word}-{path.name}") for word in ("partial", "old"))
    shutil.rmtree(partial, ignore_errors=True)  # of a run that was killed
    partial.mkdir(parents=True)
    try:
        yield partial
        shutil.rmtree(old, ignore_errors=True)
        if path.exists():
            path.rename(old)
        partial.rename(path)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_json(path: str | PathLike[str], content: Any) -> None:
    """Write JSON with an indent of one, whole or not at all."""
    with whole_file(path) as partial:
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file in which no object has a field twice.

    Raises:
        ValueError: a field is written twice, or the file is not JSON.
    """
    return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_unique_fields)


def _unique_fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"the field {twice!r} is written twice in one object.")
    return fields


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read the dictionary of tensors in a file, or under `state_dict` in it, as Lightning files have it.

    Raises:
        ValueError: the file holds anything else, or is damaged.
    """
    return read_checkpoint(path)[0]


def read_checkpoint(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read the tensors of [`read_tensors`], and the `hyper_parameters` that Lightning keeps beside them.

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
    settings: Any = None
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content, settings = content["state_dict"], content.get("hyper_parameters")
    if not isinstance(content, Mapping) or not content:
        raise ValueError(f"{path} is refused: it holds a {type(content).__name__}, not a state dict of tensors.")
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, torch.Tensor):
            raise ValueError(
                f"{path} is refused: its entry {key!r} is a {type(value).__name__}, not a tensor of a state dict."
            )
    settings = vars(settings) if isinstance(settings, argparse.Namespace) else settings
    return dict(content), dict(settings) if isinstance(settings, Mapping) else {}


def weights_hash(weights: Mapping[str, torch.Tensor]) -> str:
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


def _refusal(path: Path, content: str) -> ValueError:
    """Make the error for a file that holds more than tensors."""
    return ValueError(
        f"{path} is refused: it holds {content}, not only tensors (nothing of it was run); save its state dict alone "
        "with torch.save(model.state_dict(), file)."
    )


def _first_callable(path: Path) -> str:
    """Name what a plain pickle would import first, read from its opcodes without running them."""
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
    """Return what an error says, in one line and without the full stop."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
