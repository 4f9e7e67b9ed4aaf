"""Fuzz all readers: `python -m tests.fuzz --cases 2000`, or `--seconds 1800 --first 100000` while there is time.

Each case is made and read in a process beside this one, which is ended and started again where a case takes too long
or breaks it down. The same number makes the same case. The exit status is 1 where a case was a traceback, a hang, a
crash, or differed silently; each such case is printed.
"""

import argparse
import os
import selectors
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator

from .seeds import READERS
from .verdicts import CRASH, FAULTS, HANG, Verdict, from_line

# Seconds for a case; the first of a process waits for imports and for the intact files, too.
LONGEST, STARTING = 30.0, 300.0


class Worker:
    """Keep a process that judges cases."""

    def __init__(self, command: tuple[str, ...] = (sys.executable, "-m", "tests.fuzz.worker")) -> None:
        self.command = command
        self.process: subprocess.Popen[str] | None = None
        self.known: set[str] = set()

    def judge(self, reader: str, case: int) -> Verdict:
        """Judge a case in the process; end it where it takes too long."""
        if self.process is None:
            environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONHASHSEED": "0"}
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
            )
            self.known = set()
            self._line(STARTING)
        assert self.process.stdin is not None
        self.process.stdin.write(f"{reader} {case}\n")
        self.process.stdin.flush()
        line = self._line(LONGEST if reader in self.known else STARTING)
        self.known.add(reader)
        if line:
            return from_line(line)
        hangs = self.process.poll() is None
        status = "" if hangs else f"exit status {self.process.wait()}"
        self.end()
        return Verdict(reader, case, HANG if hangs else CRASH, status)

    def _line(self, seconds: float) -> str:
        assert self.process is not None
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            if not selector.select(seconds):
                return ""
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
        return line

    def end(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def fuzz(readers: list[str], first: int, cases: int | None, seconds: float | None) -> Iterator[Verdict]:
    """Judge cases of all readers in turn, until there are as many or the time is over."""
    worker, started, count = Worker(), time.monotonic(), 0
    try:
        while (cases is None or count < cases) and (seconds is None or time.monotonic() < started + seconds):
            yield worker.judge(readers[count % len(readers)], first + count // len(readers))
            count += 1
    finally:
        worker.end()


def main() -> None:
    """Print the faults as they are found, and the counts."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz all readers.")
    parser.add_argument("--cases", type=int, help="as many cases over all readers; 2000 where no time is named")
    parser.add_argument("--seconds", type=float, help="for so long")
    parser.add_argument("--first", type=int, default=0, help="number of the first case of each reader")
    parser.add_argument("--readers", nargs="+", choices=sorted(READERS), default=list(READERS), help="these only")
    options = parser.parse_args()
    cases = 2000 if options.cases is None and options.seconds is None else options.cases
    counts: Counter[tuple[str, str]] = Counter()
    for verdict in fuzz(options.readers, options.first, cases, options.seconds):
        counts[verdict.reader, verdict.outcome] += 1
        if verdict.outcome in FAULTS:
            print(verdict.line(), flush=True)
    for reader in options.readers:
        told = ", ".join(f"{count} {outcome}" for (name, outcome), count in sorted(counts.items()) if name == reader)
        print(f"{reader}: {told}")
    faults = sum(count for (_, outcome), count in counts.items() if outcome in FAULTS)
    print(f"{counts.total()} cases, {faults} faults")
    raise SystemExit(1 if faults else 0)


if __name__ == "__main__":
    main()
