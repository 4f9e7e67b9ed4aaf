"""Measure that no visitor of the page harms another: `python -m training.evidence.safety_page visitors small_files`.

Parts: visitors (two, four and eight together for five minutes in all, or `SAFETY_SECONDS`, and two thirds of that for
threads that map and processes that import), small_files (each file made to hold the page up, twice at once; some three
minutes). Linux alone.
"""

import hashlib
import os
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any

import psutil
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from tests.support.sen4map_files import write_derived, write_raw
from tests.support.space_process import ROOT, Space, running_space
from timesenclip_hf.app.events import APOLOGY
from training.evidence.claims import Ledger
from training.evidence.safety_page_files import HOSTILE, write_harmless
from training.evidence.space_visitors import arrive

SECONDS = float(os.environ.get("SAFETY_SECONDS", "300"))
CROWDS = (2, 4, 8)
WORDS = "maize, water, woodland"
# What differs between two answers to the same request.
TIMES = re.compile(r"embedded once in [\d.]+ s, named in these words in [\d.]+ s")


@dataclass
class Weight:
    """Hold the MiB of the page's processes, a reading process's shared with others counted in parts.

    Attributes:
        server: of the process that serves, at the start and at most since.
        readers: of all processes that read together, at most.
        reader: of a process that reads, at most.
    """

    server: list[float]
    readers: float = 0
    reader: float = 0


@contextmanager
def weighed(space: Space) -> Iterator[Weight]:
    """Weigh the page's processes for as long as the block lasts."""
    weight, left = Weight([space.memory()] * 2), Event()

    def watch() -> None:
        server = psutil.Process(space.process.pid)
        while not left.wait(0.05):
            weight.server[1] = max(weight.server[1], space.memory())
            shares = []
            for process in server.children(recursive=True):
                try:
                    shares.append((process.memory_full_info().pss / 2**20, process.ppid() != server.pid))
                except psutil.Error:
                    continue  # it has ended meanwhile
            weight.readers = max(weight.readers, sum(share for share, _ in shares))
            weight.reader = max([weight.reader, *(share for share, is_fork in shares if is_fork)])

    watcher = Thread(target=watch)
    watcher.start()
    try:
        yield weight
    finally:
        left.set()
        watcher.join()


def ask(client: Client, file: Path) -> list[str]:
    """Upload a file, a cube where its name says so, and return what is shown: text, and hashes of pictures."""
    if file.name.startswith(("cube", "other", "squeezed")) or file.suffix == ".tif":
        answer = client.predict(None, [handle_file(file)], False, WORDS, api_name="/map_cube")
    else:
        answer = client.predict(None, handle_file(file), False, 1, WORDS, api_name="/answer_series")
    return [_essence(part) for part in answer]


def _essence(part: Any) -> str:
    text = str(part["path"] if isinstance(part, dict) and "path" in part else part)
    if len(text) < 4_096 and Path(text).is_file():
        return hashlib.sha256(Path(text).read_bytes()).hexdigest()
    return TIMES.sub("", text)


def visitors(ledger: Ledger) -> None:
    """Let visitors come together with files of every form, and check each answer against a visitor's who was alone."""
    with TemporaryDirectory() as name, running_space() as space:
        files = write_harmless(Path(name))
        client = arrive(space.url, name)
        alone = {name: ask(client, file) for name, file in files.items()}
        for count in CROWDS:
            with weighed(space) as weight:
                came = _crowd(space.url, files, alone, count, SECONDS / len(CROWDS))
            took = sorted(seconds for seconds, _ in came)
            wrong = [what for _, what in came if what]
            note = (
                f"{len(took)} answers in {SECONDS / len(CROWDS):.0f} s, half within {statistics.median(took):.1f} s, "
                f"all within {took[-1]:.1f} s; {', '.join(files)}; the page takes no folder, so no Zarr"
            )
            what, (start, most) = f"{count} visitors with uploads at the same time", weight.server
            ended = int(space.process.poll() is not None)
            ledger.add(f"{what}: crashes of the server", ended, "==", 0, note)
            ledger.add(f"{what}: wrong answers", len(wrong), "==", 0, "; ".join(dict.fromkeys(wrong))[:500])
            grown = f"from {start:.0f} MiB; processes that read held {weight.readers:.0f} MiB together at most"
            ledger.add(f"{what}: MiB that the server grew", round(most - start), "<=", 600, grown)
    _threads(ledger)
    _processes(ledger)


def _crowd(
    url: str, files: dict[str, Path], alone: dict[str, list[str]], count: int, seconds: float
) -> list[tuple[float, str]]:
    """Return the seconds that each answer took, and what was wrong with it, if anything."""
    until, came = time.monotonic() + seconds, []

    def stay(number: int) -> None:
        chance = random.Random(number)
        with TemporaryDirectory() as folder:
            client = arrive(url, folder)
            while time.monotonic() < until:
                name = chance.choice(list(files))
                started, wrong = time.monotonic(), ""
                try:
                    if ask(client, files[name]) != alone[name]:
                        wrong = f"{name}: another answer than alone"
                except Exception as error:  # whatever it is, a visitor must not see it
                    wrong = f"{name}: {type(error).__name__}: {error}"
                came.append((time.monotonic() - started, wrong))
            client.close()

    with ThreadPoolExecutor(count) as crowd:
        list(crowd.map(stay, range(count)))
    return came


def small_files(ledger: Ledger) -> None:
    """Let two visitors bring each hostile file at once, while a third asks for an example again and again."""
    with TemporaryDirectory() as name, running_space() as space:
        folder = Path(name)
        for file, write in HOSTILE.items():
            write(folder / file)
        clients = [arrive(space.url, name) for _ in range(3)]
        _example(clients[2])
        slowest, heaviest, waited, lost = 0.0, 0.0, 0.0, []
        with weighed(space) as weight:
            for file in HOSTILE:
                weight.reader = 0
                with ThreadPoolExecutor(2) as pair:
                    attacks = [pair.submit(_attack, client, folder / file) for client in clients[:2]]
                    meanwhile = [_example(clients[2])]
                    while not all(attack.done() for attack in attacks):
                        meanwhile.append(_example(clients[2]))
                seconds, sentences, faults = zip(*(attack.result() for attack in attacks), strict=True)
                heaviest, slowest = max(heaviest, weight.reader), max(slowest, *seconds)
                waited = max(waited, *meanwhile)
                lost += [f"{file}: {sentence}" for sentence, fault in zip(sentences, faults, strict=True) if fault]
                size = (folder / file).stat().st_size / 2**20
                print(
                    f"{file}, {size:.2f} MB: {max(seconds):.1f} s, {weight.reader:.0f} MiB, another's example "
                    f"{max(meanwhile):.2f} s: {sentences[0]}",
                    file=sys.stderr,
                )
        start, most = weight.server
    what, note = "hostile small files", f"each of {len(HOSTILE)} brought by two visitors at once"
    ledger.add(f"{what}: answered by neither an answer nor a sentence", len(lost), "==", 0, "; ".join(lost))
    ledger.add(f"{what}: seconds to the answer, longest", round(slowest, 1), "<=", 10, note)
    ledger.add(f"{what}: MiB of a process that reads, most", round(heaviest), "<=", 600, note)
    ledger.add(f"{what}: MiB that the server grew", round(most - start), "<=", 600, f"from {start:.0f} MiB")
    ledger.add(f"{what}: seconds that another visitor's example takes, longest", round(waited, 2), "<=", 2)


def _attack(client: Client, file: Path) -> tuple[float, str, bool]:
    """Return the seconds to the answer, its sentence, and whether that is the page's fault."""
    started, fault = time.monotonic(), False
    try:
        ask(client, file)
        sentence = "answered"
    except AppError as error:
        sentence = unescape(str(error))
        fault = sentence in APOLOGY
    except Exception as error:  # the page gave no answer
        sentence, fault = f"{type(error).__name__}: {error}", True
    return time.monotonic() - started, sentence, fault


def _example(client: Client) -> float:
    started = time.monotonic()
    client.predict("maize", None, False, 1, WORDS, api_name="/answer_series")
    return time.monotonic() - started


# Opens and maps NetCDF, Zarr and GeoTIFF in many threads at once, and compares with what a thread alone reads.
THREADS = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import dask, numpy as np
from timesenclip_hf.maps import map_cube
from timesenclip_hf.maps.cubes import open_cube
folder, seconds = Path(sys.argv[1]), float(sys.argv[2])
store = folder / "cube.zarr"
open_cube(folder / "cube.nc").to_zarr(store, zarr_format=2)
sources = [folder / "cube.nc", folder / "other.nc", folder / "cube.tif", store]
words = ["maize", "water"]
alone = [open_cube(source)["reflectance"].values for source in sources]
maps = [map_cube(open_cube(source), words, progress=False)["class"].values for source in sources]
until, wrong, count = time.monotonic() + seconds, 0, 0
def read(index):
    cube = open_cube(sources[index], chunks=10)
    with dask.config.set(scheduler="threads", num_workers=4):
        if not np.array_equal(cube["reflectance"].values, alone[index], equal_nan=True):
            return 1
        return int(not np.array_equal(map_cube(cube, words, progress=False)["class"].values, maps[index]))
with ThreadPoolExecutor(4) as pool:
    while time.monotonic() < until:
        wrong += sum(pool.map(read, [0, 1, 2, 3, 0, 1, 0, 1]))
        count += 8
print(count, wrong)
"""
# In a process of its own, whose end tells of a crash.
IMPORT = """
import sys
from timesenclip_hf.data.sources.sen4map import import_sen4map
import_sen4map(sys.argv[1].split(","), sys.argv[2], workers=int(sys.argv[3]), progress=False, points_per_part=8)
"""


def _threads(ledger: Ledger) -> None:
    with TemporaryDirectory() as name:
        write_harmless(Path(name))
        run = _python(THREADS, name, str(SECONDS / len(CROWDS)))
        count, wrong = map(int, run.stdout.split()[-2:]) if run.returncode == 0 else (0, 0)
    what = "NetCDF, GeoTIFF and Zarr opened and mapped by sixteen threads at the same time"
    ledger.add(f"{what}: crashes", int(run.returncode != 0), "==", 0, run.stderr[-300:] if run.returncode else "")
    ledger.add(f"{what}: wrong values or classes", wrong, "==", 0, f"{count} cubes")
    ledger.add(f"{what}: cubes", count, ">=", 8)


def _processes(ledger: Ledger) -> None:
    until, crashes, wrong, count = time.monotonic() + SECONDS / len(CROWDS), 0, 0, 0
    with TemporaryDirectory() as name:
        folder = Path(name)
        files = [write_raw(folder / "raw.h5", 40), write_derived(folder / "derived.h5", 40, first=1_000)]
        sources = ",".join(map(str, files))
        expected = None
        while count < 2 or time.monotonic() < until:
            output = folder / f"set{count}"
            crashes += _python(IMPORT, sources, str(output), "4" if count else "1").returncode != 0
            rows = _rows(output)
            expected = expected or rows
            wrong += rows != expected
            count += 1
    what = "Sen4Map files imported by four processes"
    ledger.add(f"{what}: crashes", crashes, "==", 0, f"{count - 1} imports")
    ledger.add(f"{what}: sets other than that of a process alone", wrong, "==", 0, f"{count - 1} imports")


def _rows(folder: Path) -> str:
    from datasets import load_dataset

    splits: Any = load_dataset(str(folder))
    return hashlib.sha256("".join(str(row) for split in splits.values() for row in split).encode()).hexdigest()


def _python(code: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-X", "faulthandler", "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


PARTS: dict[str, Callable[[Ledger], None]] = {"visitors": visitors, "small_files": small_files}
