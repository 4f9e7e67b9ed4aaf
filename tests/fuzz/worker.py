"""Judge the cases that are named on the standard input, one a line, in this process: it may hang or break down."""

import os
import resource
import sys
import tempfile
from pathlib import Path

# Bytes of memory that a reader may take; beyond, Python raises MemoryError, which counts as a traceback.
MEMORY = 8 << 30


def main() -> None:
    """Answer each line, "reader case", with the line of a verdict."""
    answers = os.fdopen(os.dup(1), "w")
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)  # GDAL and HDF5 tell all they meet
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    from . import hostile
    from .judging import Judge

    judges: dict[str, Judge | hostile.HostileJudge] = {}
    with tempfile.TemporaryDirectory() as name:
        print("ready", file=answers, flush=True)
        for line in sys.stdin:
            reader, case = line.split()
            if reader not in judges:
                folder = Path(name) / reader
                judges[reader] = hostile.HostileJudge(folder) if reader == hostile.NAME else Judge(reader, folder)
            print(judges[reader].judge(int(case)).line(), file=answers, flush=True)


if __name__ == "__main__":
    main()
