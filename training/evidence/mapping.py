"""Measure the claims about maps: `make evidence-mapping`, or `python -m training.evidence.mapping PART ...`.

Here are the parts end_to_end, failures, kills, scaling and tile; those of sources and outputs lie beside this file. The
tile takes about an hour on two cores and is best started on its own, on a machine that does nothing else.
"""

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from distributed import LocalCluster
from transformers.utils import logging

from timesenclip_hf import DEFAULT_CHECKPOINT
from timesenclip_hf.maps import MapRun, RunOptions, map_cube, open_cube, open_map
from timesenclip_hf.maps.making.store import MapStore
from timesenclip_hf.runtimes.options import ComputeOptions
from training.benchmarks.test_tile import LABELS, encoder_shares, map_part, save_base_size, synthetic_tile
from training.evidence import mapping_outputs, mapping_sources
from training.evidence.claims import Ledger, run_parts
from training.real_sets import real_data_folder

ROOT = Path(__file__).resolve().parents[2]
# Scores nearer than this may be turned about by the order of sums.
TIE = 1e-5
# Seconds that a run may take to get going.
PATIENCE = 300
SHARES = (0.01, 0.03, 0.1)
SINGLE = ComputeOptions(threads=1)


def end_to_end(ledger: Ledger) -> None:
    """Real cubes, in chunks of several sizes, by several workers, forwards and backwards."""
    try:
        folder = real_data_folder()
    except FileNotFoundError as error:
        ledger.skip("real cubes mapped end to end", "==", 2, str(error))
        return
    cubes = {
        "Flanders, 118 dates": sorted((folder / "worldcereal_flanders_2018" / "raw_nc").glob("S2_L2A_*.nc")),
        "100 x 100 x 12 with two months missing": sorted(
            (folder / "worldcereal_cube_100x100").glob("*preprocessed_inputs.nc")
        ),
    }
    _add_flanders(ledger, cubes["Flanders, 118 dates"])
    for name, source in cubes.items():
        at_once = map_cube(source, LABELS, DEFAULT_CHECKPOINT, progress=False)
        different, ties, compared = 0, 0, 0
        with tempfile.TemporaryDirectory() as runs:
            variants = [(17, 1, "threads", False), (32, 2, "threads", True), (40, 2, "processes", False)]
            for chunk, workers, scheduler, backwards in variants:
                cube = open_cube(source, chunks=chunk)
                options = RunOptions(scheduler, workers)
                run = MapRun(cube, Path(runs) / f"{chunk}", LABELS, DEFAULT_CHECKPOINT, run=options)
                if backwards:
                    run.left = dict(reversed(run.left.items()))
                mapped = run.execute(progress=False)[""]
                changed = mapped["class"].values != at_once["class"].values
                near = at_once["margin"].values < TIE
                different += int((changed & ~near).sum())
                ties += int((changed & near).sum())
                compared += changed.size
        note = (
            f"{compared} pixels, in chunks of 17, of 32 (two threads, backwards) and of 40 (two processes), against "
            f"the cube in memory; {ties} of {int((at_once['margin'].values < TIE).sum())} ties within {TIE} turned; "
            f"year {at_once.attrs['year']}, {int(at_once['clear_months'].max())} months at most, "
            f"{at_once.attrs['pixels_without_data']} pixels without data"
        )
        ledger.add(f"{name}: classes that depend on chunks, workers or order", different, "==", 0, note)


def _add_flanders(ledger: Ledger, series: list[Path]) -> None:
    """Run one command on the three NetCDFs: two of reflectance, one of labels to compare with."""
    (labels,) = set(series[0].parent.glob("*.nc")) - set(series)
    codes = "maize=CT:1200;grassland=13;built-up=LC:60"
    with tempfile.TemporaryDirectory() as folder:
        call = [sys.executable, "-m", "timesenclip_hf.cli", "map", *map(str, series), "--year", "2018"]
        call += ["--labels", "maize,grassland,built-up", "--output", f"{folder}/map.tif", "--reference", str(labels)]
        call += ["--reference-codes", codes, "--reference-variable", "LC"]
        done = subprocess.run(call, env=_environment(), capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("balanced accuracy")]
    note = lines[0] if lines else done.stderr[-300:]
    ledger.add("exit status of one command on the three NetCDFs of Flanders", done.returncode, "==", 0, note)


def failures(ledger: Ledger) -> None:
    """Try what ends in one line, and keeps what is finished."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cube = _store_cube(folder / "cube.zarr", 96, 24)
        expected = _run(folder, "expected", cube)
        (folder / "cube.zarr" / "reflectance" / "c" / "0" / "0" / "2" / "1").write_bytes(b"this is no chunk")
        done = _command(folder, "corrupt", cube)
        with open_map(folder / "corrupt.run") as mapped:
            codes, listed = mapped["class"].values, mapped.attrs["failed_chunks"]
        same = codes == expected
        hole = np.zeros(codes.shape, dtype=bool)
        hole[48:72, 24:48] = True
        ledger.add(
            "a corrupt chunk is named and listed, has no data, and changes no other",
            [
                done.returncode,
                len(listed),
                "row 2, column 1" in done.stderr,
                not codes[hole].any(),
                bool(same[~hole].all()),
            ],
            "==",
            [0, 1, True, True, True],
            listed[0] if listed else done.stderr[-200:],
        )
        done = _command(folder, "nobody", cube, "--scheduler", "tcp://127.0.0.1:1")
        _add_one_line(ledger, "a scheduler that cannot be reached", done)
        half = _store_cube(folder / "half.zarr", 192, 48, cloudy_rows=96)
        # Bytes a file: chunks of clouds fit, those with scores do not.
        done = _command(folder, "full", half, "--chunk", "48", file_limit=6_000)
        _add_one_line(ledger, "a disk that takes no more", done)
        kept = len(MapStore(folder / "full.run").done())
        done = _command(folder, "full", half, "--chunk", "48")
        ledger.add("chunks kept of a disk that was full, of 8 that it took", kept, "==", 8, done.stdout.splitlines()[0])
        clouds = _store_cube(folder / "clouds.zarr", 48, 24, cloudy_rows=48)
        done = _command(folder, "clouds", clouds)
        ledger.add(
            "all clouds: exit status, and pixels counted as without data",
            [done.returncode, open_map(folder / "clouds.run").attrs["pixels_without_data"]],
            "==",
            [0, 48 * 48],
        )


def kills(ledger: Ledger) -> None:
    """SIGKILL of a worker, and of a whole run with all its processes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = _store_cube(folder / "cube.zarr", 256, 32)
        cube = open_cube(path, chunks=32)
        expected = MapRun(cube, folder / "expected.run", LABELS, DEFAULT_CHECKPOINT, compute=SINGLE)
        expected.execute(progress=False)

        run = MapRun(
            cube, folder / "worker.run", LABELS, DEFAULT_CHECKPOINT, compute=SINGLE, run=RunOptions("processes", 2)
        )
        with ThreadPoolExecutor(1) as background:
            running = background.submit(run.execute, progress=False)
            _wait(lambda: len(run.store.entries()) >= 6 or running.done())
            victim = next(iter(run.store.entries().values()))["worker"]
            before = len(run.store.entries())
            os.kill(victim, signal.SIGKILL)
            running.result()
        workers = {entry["worker"] for entry in run.store.entries().values()}
        ledger.add(
            "SIGKILL of a worker: files of the map that differ",
            _differing(folder / "expected.run", folder / "worker.run"),
            "==",
            0,
            f"killed after {before} of {len(run.windows)} chunks; {len(workers)} workers in all",
        )

        command = _arguments(folder, "whole", path, "--scheduler", "processes", "--workers", "2", "--chunk", "32")
        process = subprocess.Popen(
            command,
            env=_environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        journal = folder / "whole.run" / "chunks.jsonl"
        _wait(lambda: process.poll() is not None or (journal.is_file() and len(journal.read_bytes().splitlines()) >= 6))
        os.killpg(process.pid, signal.SIGKILL)
        ended = process.wait()
        count = len(journal.read_bytes().splitlines())
        again = subprocess.run(command, env=_environment(), capture_output=True, text=True, check=False)
        _command(folder, "once", path, "--scheduler", "processes", "--workers", "2", "--chunk", "32")
        exported = [hashlib.sha256((folder / f"{stem}.tif").read_bytes()).hexdigest() for stem in ("whole", "once")]
        note = f"killed with status {ended} after {count} of 64 chunks; {again.stdout.splitlines()[0]}"
        ledger.add(
            "SIGKILL of a whole run, then the same command: files of the map that differ from one that was not killed",
            _differing(folder / "once.run", folder / "whole.run"),
            "==",
            0,
            note,
        )
        ledger.add("the exported GeoTIFFs are the same bytes", exported[0] == exported[1], "==", True)


def scaling(ledger: Ledger) -> None:
    """Race one worker of one thread against two, turn and turn about, all with their model loaded."""
    tile = synthetic_tile(512, 128)
    times: dict[int, list[float]] = {1: [], 2: []}
    clusters = {
        count: LocalCluster(n_workers=count, threads_per_worker=1, processes=True, dashboard_address=None)
        for count in times
    }
    with tempfile.TemporaryDirectory() as folder, clusters[1], clusters[2]:
        for turn in range(4):
            for count, cluster in clusters.items():
                run = MapRun(
                    tile,
                    Path(folder) / f"{turn}_{count}",
                    LABELS,
                    DEFAULT_CHECKPOINT,
                    compute=SINGLE,
                    run=RunOptions(cluster.scheduler_address),
                )
                if turn == 0:  # warms up: loads the model
                    run.left = dict(list(run.left.items())[:4])
                started = time.perf_counter()
                run.execute(progress=False)
                times[count].append(time.perf_counter() - started)
    ratio = float(np.median([alone / two for alone, two in zip(times[1][1:], times[2][1:], strict=True)]))
    note = (
        f"16 chunks of 128 x 128, seconds {_rounded(times[1][1:])} and {_rounded(times[2][1:])}; {os.cpu_count()} cores"
    )
    ledger.add("two workers on two cores, times as fast as one worker of one thread", round(ratio, 2), ">=", 1.7, note)


def tile(ledger: Ledger) -> None:
    """Map a whole Sentinel-2 tile, made up as it is read; more than ten minutes."""
    tile = synthetic_tile()
    with tempfile.TemporaryDirectory() as folder:
        run = MapRun(tile, Path(folder) / "run", LABELS, DEFAULT_CHECKPOINT, run=RunOptions("processes", 2))
        plan = run.plan()
        ledger.add("pixels of a tile planned whole", plan.pixels, "==", 10_980**2, str(plan))
        parts = {share: map_part(tile, share, DEFAULT_CHECKPOINT, workers=2) for share in SHARES}
        peaks = [part.peak_bytes / 1e9 for part in parts.values()]
        note = "; ".join(f"{share:.0%}: {json.dumps(asdict(part))}" for share, part in parts.items())
        ledger.add(
            "highest memory of a worker for 1, 3 and 10 % of the chunks, GB", round(max(peaks), 3), "<=", 2, note
        )
        ledger.add("the highest of the three over the lowest", round(max(peaks) / min(peaks), 3), "<=", 1.1)
        if plan.seconds is None:
            raise RuntimeError(f"the plan of the tile names no time: {plan}")
        planned = plan.seconds / 3600
        hours = parts[SHARES[-1]].seconds * plan.chunks / parts[SHARES[-1]].chunks / 3600
        ledger.add(
            "hours for the whole tile with two workers, from 10 % of it, against what the plan said",
            round(hours / planned, 2),
            "<=",
            1.5,
            f"{hours:.2f} h extrapolated, {planned:.2f} h planned",
        )
        speeds = encoder_shares(save_base_size(Path(folder) / "base"))
    ratio = float(np.median([mapped / bare for bare, mapped, _ in speeds]))
    busy = float(np.median([share for *_, share in speeds]))
    pairs = [_rounded(pair[:2]) for pair in speeds]
    note = f"pixels/s of the bare encoder and of whole runs, in turn: {pairs}; {busy:.3f} of the processor time"
    ledger.add("share of the bare base-size encoder's speed that a whole run has", round(ratio, 3), ">=", 0.8, note)


def _store_cube(path: Path, side: int, chunk: int, *, cloudy_rows: int = 0) -> Path:
    cube = synthetic_tile(side, chunk)
    cube["scl"] = cube["scl"].where(np.arange(side)[:, None] >= cloudy_rows, np.uint8(9))
    kept = cube.assign_attrs(layout="").rename(scl="SCL").drop_vars("offset", errors="ignore")
    kept.to_zarr(path, consolidated=False)
    return path


def _run(folder: Path, name: str, cube: Path) -> np.ndarray:
    done = _command(folder, name, cube)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return open_map(folder / f"{name}.run")["class"].values


def _arguments(folder: Path, name: str, cube: Path, *options: str) -> list[str]:
    call = [sys.executable, "-m", "timesenclip_hf.cli", "map", str(cube), "--labels", ",".join(LABELS)]
    return [*call, "--output", str(folder / f"{name}.tif"), "--chunk", "24", *options]


def _environment() -> dict[str, str]:
    # Sums split over other numbers of threads round otherwise.
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]), "OMP_NUM_THREADS": "1"}


def _command(
    folder: Path, name: str, cube: Path, *options: str, file_limit: int | None = None
) -> subprocess.CompletedProcess[str]:
    def limit() -> None:
        if file_limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))

    return subprocess.run(
        _arguments(folder, name, cube, *options),
        env=_environment(),
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
    )


def _add_one_line(ledger: Ledger, what: str, done: subprocess.CompletedProcess[str]) -> None:
    lines = [line for line in done.stderr.splitlines() if line.startswith(("error:", "Traceback"))]
    ledger.add(
        f"{what}: exit status and lines of error",
        [done.returncode, len(lines)],
        "==",
        [1, 1],
        lines[0] if lines else "",
    )


def _differing(first: Path, other: Path) -> int:
    """Files of two maps whose bytes differ, or that only one has."""
    contents = [
        {path.relative_to(folder): path.read_bytes() for path in (folder / "map.zarr").rglob("*") if path.is_file()}
        for folder in (first, other)
    ]
    return sum(contents[0].get(path) != contents[1].get(path) for path in contents[0].keys() | contents[1].keys())


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)


def _rounded(values: Any) -> list[float]:
    return [round(float(value), 1) for value in values]


PARTS: dict[str, Callable[[Ledger], None]] = {
    "end_to_end": end_to_end,
    "failures": failures,
    "kills": kills,
    "scaling": scaling,
    "tile": tile,
    **mapping_sources.PARTS,
    **mapping_outputs.PARTS,
}


if __name__ == "__main__":
    logging.disable_progress_bar()
    run_parts("mapping", PARTS)
