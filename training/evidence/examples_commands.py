"""Measure that `timesenclip fit` leaves old files or new ones when it is killed, for the evidence of examples."""

import hashlib
import os
import random
import signal
import tempfile
import time
from pathlib import Path

from training.evidence.claims import Ledger
from training.evidence.safety_commands import Running, call, words_of, write_inputs
from training.evidence.safety_options import TIMESENCLIP

FIT = f"{TIMESENCLIP} fit"
OUTPUTS = {"--output": "crops.labels", "--report": "crops.html"}
# Of the time that a fit takes, the part in which half of the kills fall: when it writes.
LAST = 0.15


def kills(ledger: Ledger) -> None:
    """SIGKILL a fit at random moments, half of them while it writes, where older files lie under its names."""
    count = int(os.environ.get("KILLS", "20"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inputs, errors, work = folder / "inputs", folder / "errors.txt", folder / "work"
        inputs.mkdir()
        work.mkdir()
        call(lambda: write_inputs(inputs), errors)
        old, new = _old_and_new(inputs, work, errors)
        begun = time.monotonic()
        ended = Running(_words(inputs, work), errors).wait()
        seconds = time.monotonic() - begun
        half, states = 0, {"old": 0, "new": 0}
        for number in range(count):
            for file, content in old.items():
                (work / file).write_bytes(content)
            earliest = 1 - LAST if number % 2 else 0.05
            running = Running(_words(inputs, work), errors)
            time.sleep(random.uniform(earliest, 1.02) * seconds)
            running.signal(signal.SIGKILL)
            running.wait()
            for file in OUTPUTS.values():
                digest = _digest((work / file).read_bytes())
                state = "new" if digest == new[file] else "old" if digest == _digest(old[file]) else "half"
                half += state == "half"
                if state != "half":
                    states[state] += 1
        again = Running(_words(inputs, work), errors).wait()
        left = sorted(path.name for path in work.iterdir() if path.name not in OUTPUTS.values())
    note = f"{count} kills within {seconds:.1f} s: {states['old']} files old, {states['new']} new"
    ledger.add("files of `timesenclip fit` that are neither old nor new after it was killed", half, "==", 0, note)
    statuses = [ended.status, again.status, len(left)]
    claim = "the same command before the kills and after them: status, status, and files left beside its own"
    ledger.add(claim, statuses, "==", [0, 0, 0], ", ".join(left) or again.errors[-200:] * (again.status != 0))


def _old_and_new(inputs: Path, work: Path, errors: Path) -> tuple[dict[str, bytes], dict[str, str]]:
    """Write what is there before, a label set of other words and its page, and hash what the fit leaves."""
    other = [*_words(inputs, work), "--template", "a field of {}"]
    older = Running(other, errors).wait()
    if older.status:
        raise RuntimeError(older.errors[-2000:])
    old = {file: (work / file).read_bytes() for file in OUTPUTS.values()}
    newer = Running(_words(inputs, work), errors).wait()
    if newer.status:
        raise RuntimeError(newer.errors[-2000:])
    return old, {file: _digest((work / file).read_bytes()) for file in OUTPUTS.values()}


def _words(inputs: Path, work: Path) -> list[str]:
    named = [word for option, file in OUTPUTS.items() for word in (option, str(work / file))]
    return [*words_of(FIT, inputs), *named, "--overwrite"]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
