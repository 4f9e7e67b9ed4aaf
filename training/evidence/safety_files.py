"""Measure the gate for files of strangers: `python -m training.evidence.safety_files [elsewhere|sizes|damaged]`.

About two minutes on two cores. `elsewhere` is told by Linux which files are opened, and by a listener on loopback what
is asked for; the control opens the same files by the libraries alone, and shows that both see what happens.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.hostile_files import POINTING_ELSEWHERE, Aim, Hostile, aim_at
from tests.support.hostile_files.absurd import ABSURD, long_axis, many_bands, many_columns
from tests.support.hostile_files.aims import SECRET
from tests.support.hostile_files.damaged import damage_heap, damage_root
from tests.support.hostile_files.netcdf import CRS_FILES, HDF5_FILES
from tests.support.hostile_files.rasters import RASTER_FILES
from tests.support.hostile_files.witness import Opened, listener, read
from tests.support.hostile_files.zarr import ZARR_STORES
from tests.support.sen4map_files import write_raw
from timesenclip_hf.data.sources.sen4map import import_sen4map
from timesenclip_hf.gate import PLAIN, STRICT, admit
from training.evidence.claims import ROOT, Ledger

CASES = ROOT.parent / "shared" / "cases" / "safety"
FAULTS: dict[str, Callable[[Path], Path]] = {"columns": many_columns, "coordinate": long_axis, "bands": many_bands}
# Opens files as a program without a gate would, those that it is told line by line.
ALONE = """
import signal, sys, warnings
from contextlib import suppress
import rasterio, xarray
from rasterio.crs import CRS
warnings.simplefilter("ignore")
for path in map(str.strip, sys.stdin):
    signal.alarm(6)
    for engine in ("h5netcdf", "zarr"):
        with suppress(Exception), xarray.open_dataset(path, engine=engine) as dataset:
            for name in dataset.variables:
                with suppress(Exception):
                    dataset[name].load()
            with suppress(Exception):
                CRS.from_user_input(dataset.attrs["crs"])
            with suppress(Exception):
                CRS.from_user_input(dataset["spatial_ref"].attrs["crs_wkt"])
    with suppress(Exception), rasterio.open(path) as raster:
        raster.overviews(1)
        raster.read()
        raster.dataset_mask()
    print("done", flush=True)
"""
# Admits a file in a fresh process; prints the seconds, and the memory that it and the process that walks took for that.
ADMIT = """
import json, resource, sys, time
from timesenclip_hf.gate import PLAIN, STRICT, admit
def used(who):
    return resource.getrusage(who).ru_maxrss / 1024
started, sentence, before = time.perf_counter(), "", used(resource.RUSAGE_SELF)
try:
    admit(sys.argv[1], {"STRICT": STRICT, "PLAIN": PLAIN}[sys.argv[2]])
except ValueError as error:
    sentence = str(error)
seconds = time.perf_counter() - started
from timesenclip_hf.gate.watching import _WALKER
_WALKER.end()
print(json.dumps([seconds, used(resource.RUSAGE_SELF) - before + used(resource.RUSAGE_CHILDREN), sentence]))
"""


def elsewhere(ledger: Ledger) -> None:
    """Read every file that points elsewhere by the package's roads, and count what happens."""
    opened, asked, wrong, leaked = _witnessed(POINTING_ELSEWHERE, _sentence_of)
    kinds = len(POINTING_ELSEWHERE)
    ledger.add("files that point elsewhere, tried", kinds, ">=", 40)
    ledger.add("files elsewhere that were opened meanwhile", len(opened), "==", 0, ", ".join(opened)[:200])
    ledger.add("requests that left meanwhile, of a listener on loopback", len(asked), "==", 0, ", ".join(asked)[:200])
    ledger.add("of these files, not refused in one sentence", len(wrong), "==", 0, "; ".join(wrong)[:300])
    ledger.add("sentences that hold a byte of another file", len(leaked), "==", 0, ", ".join(leaked)[:200])
    known = [*HDF5_FILES, *CRS_FILES, *RASTER_FILES, *ZARR_STORES]
    alone = _Alone()
    opened, asked, _, _ = _witnessed(known, alone.open)
    alone.close()
    note = f"of {len(known)}: {len(opened)} opened another file, {len(asked)} asked the listener"
    reached = len({*opened, *asked})
    ledger.add("control: of the same files, opened by the libraries alone, reach elsewhere", reached, ">=", 10, note)


def _witnessed(
    files: Sequence[Hostile], use: Callable[[Hostile, Path], str]
) -> tuple[list[str], list[str], list[str], list[str]]:
    """Use files; name those that opened another file, asked the listener, gave no sentence, and told the secret."""
    reached: tuple[list[str], list[str], list[str], list[str]] = ([], [], [], [])
    with tempfile.TemporaryDirectory() as folder, listener() as listening:
        for index, hostile in enumerate(files):
            aim: Aim = aim_at(Path(folder) / str(index), listening.address)
            path = hostile.write(aim)
            opened = Opened(aim.secret.parent)
            sentence = use(hostile, path)
            is_sentence = sentence.endswith(".") and "\n" not in sentence
            happened = (
                bool(opened.names()),
                bool(listening.requests()),
                not is_sentence,
                SECRET[:12].decode() in sentence,
            )
            opened.close()
            for names, yes in zip(reached, happened, strict=True):
                if yes:
                    names.append(hostile.name)
    return reached


def _sentence_of(hostile: Hostile, path: Path) -> str:
    """Read a file by its road; return the sentence by which it is refused, or what happened instead."""
    try:
        read(hostile.road, path)
    except (ValueError, FileNotFoundError) as error:
        return str(error)
    except Exception as error:  # a traceback, for a user
        return f"{type(error).__name__}\n"
    return "read\n"


class _Alone:
    """Open files in a process without a gate, one after the other."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def open(self, hostile: Hostile, path: Path) -> str:
        """Open a file by whatever library reads it; the process may end by that, and is started again."""
        if self.process is None:
            environment = {**os.environ, "GDAL_HTTP_TIMEOUT": "3", "GDAL_HTTP_CONNECTTIMEOUT": "3"}
            pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
            self.process = subprocess.Popen([sys.executable, "-c", ALONE], text=True, env=environment, **pipes)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{path}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            self.close()
        return answer

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
        self.process = None


def sizes(ledger: Ledger) -> None:
    """Admit small files that declare absurdly much, each in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        for name, write in FAULTS.items():
            path = write(Path(folder))
            told = [_admitted(path, profile) for profile in ("STRICT", "PLAIN")]
            size = f"{path.stat().st_size / 1000:,.0f} kB; {told[0][2]}"
            ledger.add(f"{name}: refused by both profiles", all(sentence for *_, sentence in told), "==", True, size)
            ledger.add(f"{name}: seconds until it is refused", round(max(each[0] for each in told), 2), "<=", 10.0)
            ledger.add(
                f"{name}: MB of memory beyond the package's own", round(max(each[1] for each in told)), "<=", 600
            )
        others = {name: write for name, write in ABSURD.items() if write not in FAULTS.values()}
        refused: dict[str, tuple[float, str]] = {}
        for name, write in others.items():
            inside = Path(folder) / name
            inside.mkdir()
            refused[name] = _refused(write(inside))
        kept = [name for name, (_, sentence) in refused.items() if not sentence]
        ledger.add("other small files that declare too much: admitted to the page", len(kept), "==", 0, ", ".join(kept))
        slowest = max(seconds for seconds, _ in refused.values())
        ledger.add("and seconds of the slowest of them", round(slowest, 2), "<=", 10.0, f"{len(refused)} files")


def _admitted(path: Path, profile: str) -> tuple[float, float, str]:
    """Admit a file in a fresh process; return seconds, megabytes and the sentence of the refusal."""
    command = [sys.executable, "-c", ADMIT, str(path), profile]
    finished = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    seconds, megabytes, sentence = json.loads(finished.stdout.splitlines()[-1])
    return seconds, megabytes, sentence


def _refused(path: Path) -> tuple[float, str]:
    started = time.perf_counter()
    try:
        admit(path, STRICT)
    except ValueError as error:
        return time.perf_counter() - started, str(error)
    return time.perf_counter() - started, ""


def damaged(ledger: Ledger) -> None:
    """Import damaged Sen4Map files: a sentence or a skipped point, and nothing that comes to no end."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        files: dict[str, Path] = {
            "a heap without end": damage_heap(write_raw(work / "heap.h5", 6, size=8)),
            "a root of no kind": damage_root(write_raw(work / "root.h5", 6, size=8)),
        }
        files |= {path.stem: path for path in (CASES / "hang.h5", CASES / "traceback.h5") if path.exists()}
        for name, path in files.items():
            started = time.perf_counter()
            outcome = _imported(path, work / f"out-{path.stem}")
            seconds = time.perf_counter() - started
            is_sentence = "\n" not in outcome and outcome.endswith(".")
            ledger.add(f"{name}: ends in a sentence or skipped points", is_sentence, "==", True, outcome[:250])
            ledger.add(
                f"{name}: seconds", round(seconds, 1), "<=", 30.0, f"{PLAIN.seconds:g} of CPU time a point without end"
            )
    for case in ("hang.h5", "traceback.h5"):
        if not (CASES / case).exists():
            ledger.skip(f"{Path(case).stem}: ends in a sentence or skipped points", "==", True, "the file is absent")


def _imported(path: Path, output: Path) -> str:
    try:
        report: Any = import_sen4map(path, output, workers=1, progress=False)
    except ValueError as error:
        return str(error)
    except Exception as error:  # a traceback, for a user
        return f"{type(error).__name__}: {error}\n"
    skipped = int(np.sum([problem.skipped for problem in report.problems]))
    return f"{report.rows} of {report.points} points written, {skipped} skipped."


PARTS = {"elsewhere": elsewhere, "sizes": sizes, "damaged": damaged}
