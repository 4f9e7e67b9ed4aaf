"""Hold a folder for one process, and clear away what killed processes left unfinished.

What is not finished lies in a folder `.timesenclip-...` beside where it shall lie, which its process locks: the next
process to write there clears those that no process locks any more, and nothing else. The system releases the locks of a
process that ends, however it ends. Between machines a lock holds as far as the network disk passes it on, as NFS 4 and
SMB do.
"""

import errno
import json
import os
import re
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

LOCK_FILE = ".lock"
UNFINISHED, OWNER_FILE, REPLACED = ".timesenclip-", ".owner", ".replaced"
# Seconds in which a process that is being killed is gone, and its last children.
MOMENT, PATIENCE = 0.3, 10.0
# What the note of a lock says beside the process.
_TEXTS = ("host", "since", "command")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FULL = "There is no space left on the disk: make room and give the same command again."
# What libraries say that leave out the number.
_FULL_TEXT = re.compile(r"no space left|quota exceeded|os error (28|122|27)\b|file too large", re.IGNORECASE)
# Locks of this process by their file, with the process and the thread, and how often it took it.
_held: dict[Path, tuple[FileLock, tuple[int, int], int]] = {}
# Folders that this process has cleared.
_cleared: set[Path] = set()


class FullDiskError(OSError):
    """Tell that there is no space left, and where."""


class HeldError(OSError):
    """Refuse a folder to which another process is writing."""


class Hold:
    """Hold a folder for this process: a second one is told who writes there, since when, and by which command.

    The thread that holds a folder may take it again.

    Args:
        folder: made where it is absent.
        file: the lock, where it is not to lie in the folder as `.lock`.
    """

    def __init__(self, folder: str | PathLike[str], file: Path | None = None) -> None:
        self.folder = Path(folder)
        self.file = (file or self.folder / LOCK_FILE).absolute()
        self._is_new = False

    def acquire(self) -> "Hold":
        """Take the folder.

        Raises:
            HeldError: another process, or thread, is writing to it.
        """
        self._is_new = not self.file.parent.exists()
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file = self.file.parent.resolve() / self.file.name
        here = os.getpid(), threading.get_ident()
        lock, holder, times = _held.get(self.file, (FileLock(self.file, thread_local=False), here, 0))
        if holder != here:
            lock, times = FileLock(self.file, thread_local=False), 0
        if not times:
            self._wait(lock)
            with suppress(OSError):  # Windows does not let a locked file be written; then nobody is named
                self.file.write_text(json.dumps(_describe_process()), encoding="utf-8")
        _held[self.file] = lock, here, times + 1
        return self

    def release(self) -> None:
        """Let go of the folder, and leave nothing of the lock."""
        lock, holder, times = _held.pop(self.file)
        if times > 1:
            _held[self.file] = lock, holder, times - 1
            return
        self.file.unlink(missing_ok=True)
        lock.release()
        if self._is_new:
            with suppress(OSError):  # it holds something now
                self.file.parent.rmdir()

    def __enter__(self) -> "Hold":
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def _wait(self, lock: FileLock) -> None:
        """Take the lock, or wait a moment for a holder that is being killed, and longer for its last children."""
        started = time.monotonic()
        while True:
            try:
                lock.acquire(timeout=0)
                return
            except Timeout:
                holder = _read_holder(self.file)
                if time.monotonic() - started > (MOMENT if _is_alive(holder) else PATIENCE):
                    raise HeldError(_sentence(self.folder, holder)) from None
            time.sleep(0.05)


def check_free(folder: Path) -> None:
    """Refuse a folder that another process holds, whether it writes into it or puts one in its place.

    Raises:
        HeldError: another process is writing to it.
    """
    folder = folder.absolute()
    for file in (folder / LOCK_FILE, folder.parent / f".{folder.name}{LOCK_FILE}"):
        if file.exists():
            with Hold(folder, file):
                pass


def _describe_process() -> dict[str, Any]:
    command = " ".join([Path(sys.argv[0] or "python").name, *sys.argv[1:]])
    since = datetime.now().astimezone().isoformat(" ", "seconds")
    return {"process": os.getpid(), "host": socket.gethostname(), "since": since, "command": command}


def _read_holder(file: Path) -> dict[str, Any] | None:
    """Read who holds a lock; None where it does not say."""
    try:
        holder = json.loads(file.read_text(encoding="utf-8"))
        return {"process": int(holder["process"]), **{name: str(holder[name]) for name in _TEXTS}}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _is_alive(holder: dict[str, Any] | None) -> bool:
    """Tell whether a holder can still be at work; of another machine's, nobody knows."""
    if holder is None or holder["host"] != socket.gethostname():
        return holder is not None
    try:
        os.kill(holder["process"], 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _sentence(folder: Path, holder: dict[str, Any] | None) -> str:
    who = "another process"
    if holder is not None:
        shown = {name: "".join(c if c.isprintable() else "?" for c in holder[name])[:100] for name in _TEXTS}
        who = f"process {holder['process']} on {shown['host']} since {shown['since']} ({shown['command']})"
    return f"{folder} is being written to by {who}: wait for it, or give another name."


@contextmanager
def unfinished(folder: Path) -> Iterator[Path]:
    """Make a folder in a folder for what is not finished, gone when the block ends, or when the next process comes.

    Raises:
        FullDiskError: there is no space left.
    """
    with _full_disks_told(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if folder not in _cleared:
            _cleared.add(folder)
            clear_unfinished(folder)
        path, lock = _lock_new(folder)
        try:
            yield path
        finally:
            lock.release()
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _full_disks_told(folder: Path) -> Iterator[None]:
    try:
        yield
    except FullDiskError:  # of another folder, which it names
        raise
    except Exception as error:
        if is_full(error):
            raise FullDiskError(
                f"There is no space left on the disk of {folder} ({shutil.disk_usage(folder).free / 1e6:,.0f} MB "
                "free): make room and give the same command again; what was there is unchanged."
            ) from None
        raise


def _lock_new(folder: Path) -> tuple[Path, FileLock]:
    """Make a folder and lock it, again where another process took it for a dead one's in between."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=folder))
        lock = FileLock(path / OWNER_FILE, thread_local=False)
        try:
            lock.acquire(timeout=0)
            (path / OWNER_FILE).write_text(json.dumps(_describe_process()), encoding="utf-8")
            return path, lock
        except (Timeout, FileNotFoundError):
            lock.release()
        except BaseException:
            lock.release()
            shutil.rmtree(path, ignore_errors=True)
            raise


def clear_unfinished(folder: Path) -> None:
    """Clear away what processes left in a folder that were killed, told by the lock that nobody holds.

    A folder that was just being put in the place of another one, and was finished therefore, is put there.
    """
    for path in folder.glob(f"{UNFINISHED}*"):
        if path.is_symlink() or not path.is_dir():
            continue
        owner = path / OWNER_FILE
        with suppress(OSError, Timeout):  # of a process at work, or of another user
            if not owner.exists():
                path.rmdir()  # empty, or it is not ours
                continue
            lock = FileLock(owner, thread_local=False)
            lock.acquire(timeout=0)
            try:
                content = [child for child in path.iterdir() if child.name not in (OWNER_FILE, REPLACED)]
                if content and _read_holder(owner) is None:
                    continue
                if (path / REPLACED).exists():
                    for child in content:
                        if not (folder / child.name).exists():
                            child.rename(folder / child.name)
            finally:
                lock.release()
            shutil.rmtree(path)


def is_full(error: BaseException | None) -> bool:
    """Tell whether an error, or what it came from, says that a disk is full or a quota used up."""
    while error is not None:
        if (isinstance(error, OSError) and error.errno in _FULL) or _FULL_TEXT.search(str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False
