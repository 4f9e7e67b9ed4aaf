"""Decide what may be written, before the work: what is there already is replaced only where that is asked for."""

import fnmatch
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import Any

from .locks import LOCK_FILE, UNFINISHED, check_free, unfinished

# Files that `save_pretrained` writes: a folder that holds nothing else may be replaced by another checkpoint.
CHECKPOINT_FILES = (
    *("config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json"),
    *("model*.safetensors", "model.safetensors.index.json", "tokenizer*.json", "special_tokens_map.json"),
    *("added_tokens.json", "vocab.json", "merges.txt", "chat_template.*"),
)
_OVERWRITE = "give another name, or overwrite it (--overwrite, in Python `overwrite=True`)"


def check_file(
    path: str | PathLike[str], *, overwrite: bool = False, inputs: Iterable[str | PathLike[str]] = ()
) -> Path:
    """Return where a file may be written, before the work; a link is followed, so that it stays a link.

    Args:
        path: of the file.
        overwrite: replace one that is there.
        inputs: what the command reads, which it must not replace.

    Raises:
        IsADirectoryError: the path is a folder.
        FileExistsError: a file is there that is not to be replaced, or one that is read.
        NotADirectoryError: a file lies where one of the path's folders should.
        PermissionError: the file or its folder may not be written to.
        OSError: the path is a link that leads nowhere, or a device, a pipe or a socket.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: give the name of a file to write.")
    _check_way(path)
    _check_writable(path.resolve().parent)
    if path.exists():
        if not path.is_file():
            raise OSError(f"{path} is a device, a pipe or a socket: give the name of a file to write.")
        if not overwrite:
            raise FileExistsError(f"{path} is there already: {_OVERWRITE}.")
        if any(os.path.exists(source) and os.path.samefile(path, source) for source in inputs):
            raise FileExistsError(f"{path} is read by the same command: give another name to write.")
        if not os.access(path, os.W_OK):
            raise PermissionError(f"{path} may not be written to: give another name, or change its permissions.")
    return path.resolve()


def check_folder(path: str | PathLike[str], *, overwrite: bool = False, names: Sequence[str] = ()) -> Path:
    """Return where a folder may be written that is not there yet, or is empty; a link is followed.

    Args:
        path: of the folder.
        overwrite: replace one that holds what such a command writes.
        names: patterns of the paths, within the folder, of the files that such a command writes.

    Raises:
        FileExistsError: the path is a file, or a folder with content that is not to be replaced.
        NotADirectoryError: a file lies where one of the path's folders should.
        PermissionError: the folder may not be written to.
        HeldError: another process is writing to it.
        OSError: the path is a link that leads nowhere.
    """
    path = _folder_way(path)
    real = path.resolve()
    _check_writable(swap_folder(real))
    check_free(real)
    if path.exists():
        if not overwrite and not is_empty(path):
            raise FileExistsError(f"{path} is there already: {_OVERWRITE}.")
        check_content(path, names)
    return real


def _folder_way(path: str | PathLike[str]) -> Path:
    """Return a path at which a folder is, or may be made; raise as [`check_run_folder`] says."""
    path = Path(path)
    _check_way(path)
    if path.exists() and not path.is_dir():
        raise FileExistsError(f"{path} is there already and is no folder: give another name.")
    return path


def check_content(folder: Path, names: Sequence[str]) -> None:
    """Refuse a folder that holds other files than of these names.

    Args:
        folder: to write to; it need not be there.
        names: patterns of paths within the folder.

    Raises:
        FileExistsError: it holds another file.
    """
    strange = [name for name in _content(folder) if not any(fnmatch.fnmatchcase(name, pattern) for pattern in names)]
    if strange:
        raise FileExistsError(
            f"{folder} holds {min(strange)}, which such a command does not write: give another name, or move it away."
        )


def swap_folder(folder: Path) -> Path:
    """Return where a new folder is made before it takes the place of `folder`: beside it.

    Where nothing can be put beside it, or a disk is mounted on it, an empty folder is filled from within.
    """
    is_fixed = os.path.ismount(folder) or not os.access(folder.parent, os.W_OK | os.X_OK)
    return folder if folder.is_dir() and is_fixed and is_empty(folder) else folder.parent


def check_run_folder(path: str | PathLike[str]) -> None:
    """Refuse a path at which no folder of a run can be written; what it holds is checked by the run itself.

    Raises:
        FileExistsError: the path is a file.
        NotADirectoryError: a file lies where one of the path's folders should.
        PermissionError: the folder may not be written to.
        HeldError: another process is writing to it.
        OSError: the path is a link that leads nowhere.
    """
    path = _folder_way(path)
    _check_writable(path if path.is_dir() else path.parent)
    check_free(path.resolve())


def is_empty(folder: Path) -> bool:
    """Tell whether a folder holds nothing but what is put there for the time of a run."""
    return not any(_content(folder))


def _content(folder: Path) -> Iterator[str]:
    """List the files of a folder, and its empty folders, as paths within it."""
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(UNFINISHED)]
        links = [name for name in folders if os.path.islink(os.path.join(parent, name))]
        names = [*files, *links] or ([] if folders or parent == str(folder) else [""])
        for name in names:
            relative = Path(parent, name).relative_to(folder).as_posix()
            if relative != LOCK_FILE:
                yield relative


def _check_way(path: Path) -> None:
    """Refuse a path to which nothing can be written, whatever it is to hold."""
    for step in (path, *path.parents):
        if step.is_symlink() and not step.exists():
            raise OSError(f"{step} is a link that leads nowhere: remove it, or give another name.")
        if step.exists():
            if step != path and not step.is_dir():
                raise NotADirectoryError(f"{step} is a file, below which nothing can be written: give another name.")
            break


def _check_writable(folder: Path) -> None:
    nearest = next(step for step in (folder.absolute(), *folder.absolute().parents) if step.exists())
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise PermissionError(f"The folder {nearest} may not be written to: give another, or change its permissions.")


class OwnFiles:
    """Remember which files a run wrote, by size and time, so that the same run may replace them, and nothing else.

    Args:
        record: JSON of the run, beside which the files lie or to which they are near: it names them from its folder.
    """

    def __init__(self, record: Path) -> None:
        self.record = record
        self._stamps: dict[str, list[Any]] = {}
        with suppress(OSError, ValueError):
            self._stamps = json.loads(record.read_text(encoding="utf-8"))

    def __contains__(self, path: Path) -> bool:
        return _kept_file(path).exists() and _stamp(path) in self._stamps.get(self._name(path), ())

    def note(self, finished: Mapping[Path, Path]) -> None:
        """Note files before they get their names, so that a run that is killed in between knows the old and the new.

        Args:
            finished: the file that is finished, by the path that it gets.
        """
        for path, file in finished.items():
            self._stamps[self._name(path)] = [*self._stamps.get(self._name(path), ())[-1:], _stamp(file)]
        with unfinished(self.record.parent) as folder:
            partial = folder / self.record.name
            partial.write_text(json.dumps(self._stamps, indent=1) + "\n", encoding="utf-8")
            partial.replace(self.record)

    def _name(self, path: Path) -> str:
        return os.path.relpath(path.resolve(), self.record.parent.resolve())


def _kept_file(path: Path) -> Path:
    """Return the file that tells a path from another one: its own, or that which says what a store is."""
    return path / "zarr.json" if path.is_dir() else path


def _stamp(path: Path) -> list[int]:
    status = _kept_file(path).stat()
    return [status.st_size, status.st_mtime_ns]
