"""Write files and folders whole or not at all, and read tensors without running what their file holds.

Opening a pickle can run code, so files are read with `weights_only=True`: a file that holds anything but tensors and
plain values is refused, with the name of what it holds, and nothing of it is executed.
"""

import argparse
import json
import math
import os
import pickle
import pickletools
import re
import shutil
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .locks import LOCK_FILE, REPLACED, Hold, unfinished
from .outputs import check_file, check_folder, check_run_folder, swap_folder

if TYPE_CHECKING:
    import torch


@contextmanager
def whole_file(
    path: str | PathLike[str], *, overwrite: bool = False, inputs: Iterable[str | PathLike[str]] = ()
) -> Iterator[Path]:
    """Write a file whole or not at all.

    Args:
        path: of the file; its folder is made where it is absent, and where it is a link its target is written.
        overwrite: replace a file that is there, once the new one is finished.
        inputs: what is read for it, which it must not replace.

    Yields:
        A path of the same name in a folder beside it, to write to. It takes the file's place when the block ends; when
        the block raises, nothing has changed.

    Raises:
        OSError: the path cannot be written, or there is no space left; the sentence says why, and what to do.
    """
    real = check_file(path, overwrite=overwrite, inputs=inputs)
    with unfinished(real.parent) as folder:
        yield folder / real.name
        _put(folder / real.name, real, overwrite=overwrite)


def _put(finished: Path, real: Path, *, overwrite: bool) -> None:
    """Give a finished file its name; one that came there meanwhile is replaced only with `overwrite`."""
    if overwrite:
        if real.exists():
            shutil.copymode(real, finished)
        finished.replace(real)
        return
    try:
        os.link(finished, real)
    except FileExistsError:
        check_file(real)
    except OSError:  # a disk without links
        check_file(real)
        finished.rename(real)


@contextmanager
def whole_files(
    folder: str | PathLike[str], *, overwrite: bool | Callable[[Path], bool] = False, first: str = ""
) -> Iterator[Path]:
    """Write several files into a folder that may hold others, each whole, and none where one is in the way.

    Args:
        folder: made where it is absent.
        overwrite: replace files that are there; or tell it of each path.
        first: name of the file that is put there before the others.

    Yields:
        An empty folder to write to, whose files go into `folder` when the block ends.

    Raises:
        OSError: a path cannot be written, or there is no space left; the sentence says why, and what to do.
    """
    folder = Path(folder)
    check_run_folder(folder)
    with unfinished(folder) as partial:
        work = partial / "new"
        work.mkdir()
        yield work
        targets = {path: folder / path.relative_to(work) for path in sorted(work.rglob("*")) if path.is_file()}
        targets = dict(sorted(targets.items(), key=lambda item: item[0].name != first))
        allowed = {path: overwrite(path) if callable(overwrite) else overwrite for path in targets.values()}
        real = {path: check_file(target, overwrite=allowed[target]) for path, target in targets.items()}
        for path, target in targets.items():
            real[path].parent.mkdir(parents=True, exist_ok=True)
            _put(path, real[path], overwrite=allowed[target])


@contextmanager
def whole_folder(path: str | PathLike[str], *, overwrite: bool = False, names: Sequence[str] = ()) -> Iterator[Path]:
    """Write a folder whole or not at all, one process at a time.

    Args:
        path: of the folder; where it is a link its target is written.
        overwrite: replace a folder that holds nothing but files of these `names`; else only an empty one is replaced.
        names: patterns of paths within the folder.

    Yields:
        An empty folder to write to. It takes the folder's place when the block ends; when the block raises, nothing has
        changed.

    Raises:
        OSError: the path cannot be written, or there is no space left; the sentence says why, and what to do.
        HeldError: another process is writing it.
    """
    real = check_folder(path, overwrite=overwrite, names=names)
    root = swap_folder(real)
    lock = real / LOCK_FILE if root == real else root / f".{real.name}{LOCK_FILE}"
    with Hold(real, lock), unfinished(root) as work:
        partial = work / real.name
        partial.mkdir()
        yield partial
        check_folder(path, overwrite=overwrite, names=names)  # something may have come there meanwhile
        if root == real:
            for child in partial.iterdir():
                child.rename(real / child.name)
            return
        if real.exists():
            real.rename(work / REPLACED)
        try:
            partial.rename(real)
        except OSError:
            if (work / REPLACED).exists():
                (work / REPLACED).rename(real)
            raise


def write_json(path: str | PathLike[str], content: Any, *, overwrite: bool = True) -> None:
    """Write JSON with an indent of one, whole or not at all; what a run notes for itself is replaced."""
    try:
        text = json.dumps(content, indent=1, allow_nan=False)
    except ValueError:  # JSON has neither NaN nor infinity
        text = json.dumps(_finite(content), indent=1, allow_nan=False)
    with whole_file(path, overwrite=overwrite) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def _finite(content: Any) -> Any:
    """Put null in the place of numbers that JSON cannot hold."""
    if isinstance(content, Mapping):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def read_json(path: Path) -> Any:
    """Read a JSON file in which no object has a field twice.

    Raises:
        ValueError: a field is written twice, values lie too deep inside each other, or the file is not JSON.
    """
    return parse_json(path.read_text(encoding="utf-8"))


def parse_json(text: str) -> Any:
    """Parse JSON in which no object has a field twice; raise as [`read_json`] does."""
    try:
        return json.loads(text, object_pairs_hook=_unique_fields)
    except RecursionError:
        raise ValueError("its lists and objects lie too deep inside each other.") from None


def _unique_fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"the field {twice!r} is written twice in one object.")
    return fields


def read_tensors(path: Path) -> dict[str, "torch.Tensor"]:
    """Read the dictionary of tensors in a file, or under `state_dict` in it, as Lightning files have it.

    Raises:
        ValueError: the file holds anything else, or is damaged.
    """
    return read_checkpoint(path)[0]


def read_checkpoint(path: Path) -> tuple[dict[str, "torch.Tensor"], dict[str, Any]]:
    """Read the tensors of [`read_tensors`], and the `hyper_parameters` that Lightning keeps beside them.

    Raises:
        ValueError: the file holds anything else, or is damaged.
    """
    import torch  # seconds, for what most that write files do without

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
