"""Ask about HDF5 files in a process of its own, and end it where HDF5 comes to no end or breaks down.

HDF5 follows what a damaged file says of itself, and may go round for ever or read beyond its memory; no error can be
caught then. The process is started once, knows nothing but h5py, and is started again after it had to be ended.
"""

import atexit
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

from .limits import Limits

# Starts the walker without the package around it, whose imports take seconds.
_START = """
import sys, types
for name, folder in zip(("timesenclip_hf", "timesenclip_hf.gate"), sys.argv[1:]):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [folder]
from timesenclip_hf.gate.hdf5_walker import serve
serve()
"""
_FOLDER = Path(__file__).parent
# Seconds that the process may take to start, on a machine that does much else.
STARTING = 30.0
# Seconds after which the deadline is read again.
NAP = 0.25
# Stands for the attributes of a file itself among its entries.
ROOT = "/"

# Yields the answers about entries of a file, or about its root where none are named.
Walking: TypeAlias = Callable[[Limits, Path, Sequence[str] | None], Iterator[dict[str, Any]]]


class _Watch(threading.Thread):
    """End a process that gives no sign of life for some seconds."""

    def __init__(self, process: subprocess.Popen[str], seconds: float) -> None:
        super().__init__(daemon=True)
        self.process, self.seconds, self.ended = process, seconds, threading.Event()
        self.deadline = time.monotonic() + seconds + STARTING
        self.start()

    def move(self) -> None:
        """Take a sign of life."""
        self.deadline = time.monotonic() + self.seconds

    def run(self) -> None:
        """Wait for the deadline, which moves, also nearer once the process has started."""
        while not self.ended.wait(min(max(self.deadline - time.monotonic(), 0), NAP)):
            if time.monotonic() >= self.deadline:
                self.process.kill()
                return

    def end(self) -> None:
        """Watch no more."""
        self.ended.set()
        self.join()


class _Walker:
    """Keep the process that walks, with a lock: it answers one question at a time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process: subprocess.Popen[str] | None = None
        self.parent = -1
        self.here: Walking | None = None

    def ask(self, path: Path, limits: Limits, entries: Sequence[str] | None) -> Iterator[dict[str, Any]]:
        """Yield the answers to a question; they break off where the process had to be ended, or ended."""
        if self.here is not None:
            yield from self.here(limits, path, entries and [*entries])  # whoever asks strikes them off meanwhile
            return
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        question = {"path": str(path.absolute()), "limits": asdict(limits), "entries": entries}
        finished = answered = False
        watch = _Watch(process, limits.seconds)
        try:
            process.stdin.write(json.dumps(question) + "\n")
            process.stdin.flush()
            for line in process.stdout:
                watch.move()
                answered = True
                answer = json.loads(line)
                finished = "end" in answer
                yield answer
                if finished:
                    return
            if not answered:
                raise RuntimeError("The process that checks HDF5 files does not start: is h5py installed?")
        except BrokenPipeError:
            return
        finally:
            watch.end()
            if not finished:  # what is left of the answers belongs to no question
                self.end()

    def _running(self) -> subprocess.Popen[str]:
        if self.parent != os.getpid():  # a forked process must not ask its parent's
            self.process, self.parent = None, os.getpid()
        if self.process is None or self.process.poll() is not None:
            environment = {
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                "HDF5_PLUGIN_PRELOAD": "::",  # loads no plugin
                "OPENBLAS_NUM_THREADS": "1",
            }
            self.process = subprocess.Popen(
                [sys.executable, "-c", _START, str(_FOLDER.parent), str(_FOLDER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
                env=environment,
            )
        return self.process

    def end(self) -> None:
        """End the process, if this one has started it."""
        if self.process is not None and self.parent == os.getpid():
            self.process.kill()
            self.process.communicate()
        self.process = None


_WALKER = _Walker()
atexit.register(_WALKER.end)


def walk_by(walking: Walking) -> None:
    """Walk in this process from now on; only for one that is itself ended where it comes to no end."""
    _WALKER.here = walking


def list_entries(path: Path, limits: Limits) -> list[str]:
    """List the entries at the root of an HDF5 file.

    Raises:
        ValueError: the file is damaged, or begins with a block of foreign bytes.
    """
    with _WALKER.lock:
        told = {key: value for answer in _WALKER.ask(path, limits, None) for key, value in answer.items()}
    if "failed" in told or "end" not in told:
        raise ValueError(told.get("failed") or _endless(path, ROOT))
    names: list[str] = told["names"]
    return names


def check_entries(path: Path, entries: Sequence[str], limits: Limits) -> dict[str, str]:
    """Check entries of an HDF5 file with all that lies below them.

    Args:
        path: of the file.
        entries: names at its root; "/" for the root's attributes.
        limits: that it must keep.

    Returns:
        Sentences by the names of those entries that must not be read.
    """
    faults: dict[str, str] = {}
    left = list(entries)
    with _WALKER.lock:
        while left:
            at = ROOT
            for answer in _WALKER.ask(path, limits, left):
                at = answer.get("at", at)
                if "failed" in answer:
                    return dict.fromkeys(entries, answer["failed"])
                if "checked" in answer:
                    left.remove(answer["checked"])
                    if answer["fault"]:
                        faults[answer["checked"]] = answer["fault"]
            if not left:
                break
            if at not in left:  # already while opening
                return dict.fromkeys(entries, _endless(path, ROOT))
            left.remove(at)
            faults[at] = _endless(path, at)
    return faults


def _endless(path: Path, entry: str) -> str:
    subject = path.name if entry == ROOT else f"{entry} of {path.name}"
    return f"{subject} is damaged, HDF5 breaks down or comes to no end in it: fetch it again."
