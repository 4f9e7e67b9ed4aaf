"""Ask about HDF5 files in a process of its own, and end it where HDF5 comes to no end or breaks down.

HDF5 follows what a damaged file says of itself, and may go round for ever or read beyond its memory; no error can be
caught then. The process is started once, knows nothing but h5py, and is started again after it had to be ended. It
counts its own CPU time and ends where that passes without a sign of life, so that a machine that does much else is not
taken for a file without end; whoever asks watches the clock only for disks that never answer.
"""

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
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
# Seconds of the clock until the next sign of life, the first among them, on a machine that does much else.
PATIENCE = 60.0
# Whether the process can count its CPU time; elsewhere, on Windows, the clock is all there is.
COUNTS_CPU = hasattr(signal, "setitimer")
# Entries in which HDF5 comes to no end, after which the rest of their file is given up.
MOST_ENDLESS = 2
# Seconds after which the deadline is read again.
NAP = 0.25
# Stands for the attributes of a file itself among its entries.
ROOT = "/"

# Yields the answers about entries of a file, or about its root where none are named.
Walking: TypeAlias = Callable[[Limits, Path, Sequence[str] | None], Iterator[dict[str, Any]]]


class _Watch(threading.Thread):
    """End a process that gives no sign of life for some seconds."""

    def __init__(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        super().__init__(daemon=True)
        self.process, self.seconds, self.ended = process, seconds, threading.Event()
        self.deadline = time.monotonic() + PATIENCE
        self.start()

    def move(self) -> None:
        """Take a sign of life."""
        self.deadline = time.monotonic() + self.seconds

    def run(self) -> None:
        """Wait for the deadline, which moves, also nearer where the clock is all there is."""
        while not self.ended.wait(min(max(self.deadline - time.monotonic(), 0), NAP)):
            if time.monotonic() >= self.deadline:
                self.process.kill()
                return

    def end(self) -> None:
        """Watch no more."""
        self.ended.set()
        self.join()


class _Walker:
    """Keep the process that walks, with a lock: it answers one question at a time.

    Its pipes have no buffers here, which a fork would copy and whose locks it might find taken.
    """

    def __init__(self) -> None:
        self.here: Walking | None = None
        self.endless: Counter[tuple[str, int, int]] = Counter()  # entries without end by file
        self.forget()

    def forget(self) -> None:
        """Begin without a process, as a forked one does: the process and the locks are its parent's."""
        process: subprocess.Popen[bytes] | None = getattr(self, "process", None)
        if process is not None:
            process.returncode = 0  # not this one's child
            _close_pipes(process)
        self.lock, self.starting = threading.Lock(), threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None

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
        watch = _Watch(process, PATIENCE if COUNTS_CPU else limits.seconds)
        try:
            left = memoryview(json.dumps(question).encode() + b"\n")
            while left:
                left = left[process.stdin.write(left) :]
            with open(process.stdout.fileno(), encoding="utf-8", closefd=False) as answers:
                for line in answers:
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

    def _running(self) -> subprocess.Popen[bytes]:
        if self.process is None or self.process.poll() is not None:
            self.end()
            environment = {
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                "HDF5_PLUGIN_PRELOAD": "::",  # loads no plugin
                "OPENBLAS_NUM_THREADS": "1",
            }
            with self.starting:
                self.process = subprocess.Popen(
                    [sys.executable, "-P", "-c", _START, str(_FOLDER.parent), str(_FOLDER)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    bufsize=0,
                    env=environment,
                )
        return self.process

    def end(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            _close_pipes(self.process)
        self.process = None


def _close_pipes(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


_WALKER = _Walker()
atexit.register(_WALKER.end)
if hasattr(os, "register_at_fork"):
    # A process forked while the pipes are made would hold their other ends too, and the end of the walker go unseen.
    os.register_at_fork(
        before=lambda: _WALKER.starting.acquire(),
        after_in_parent=lambda: _WALKER.starting.release(),
        after_in_child=_WALKER.forget,
    )


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
        Sentences by the names of those entries that must not be read: after [`MOST_ENDLESS`] without end in a file, all
        that this process has not checked yet.
    """
    faults: dict[str, str] = {}
    left = list(entries)
    state = path.stat()
    file = (str(path.absolute()), state.st_size, state.st_mtime_ns)
    with _WALKER.lock:
        while left:
            if _WALKER.endless[file] >= MOST_ENDLESS:
                return faults | dict.fromkeys(left, _given_up(path))
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
            _WALKER.endless[file] += 1
            if at not in left:  # already while opening
                return dict.fromkeys(entries, _endless(path, ROOT))
            left.remove(at)
            faults[at] = _endless(path, at)
    return faults


def _endless(path: Path, entry: str) -> str:
    subject = path.name if entry == ROOT else f"{entry} of {path.name}"
    return f"{subject} is damaged, HDF5 breaks down or comes to no end in it: fetch it again."


def _given_up(path: Path) -> str:
    return f"{path.name} is damaged, HDF5 came to no end {MOST_ENDLESS} times, the rest is left out: fetch it again."
