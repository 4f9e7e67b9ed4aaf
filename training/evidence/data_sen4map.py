"""Claims of the Sen4Map importer, of reading in training order, and of real series as datasets.

The raw files are written at their full size, some 1.4 GB each; together the parts take some minutes.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import load_dataset
from torch import nn

from tests.support.sen4map_files import write_derived, write_raw
from timesenclip_hf import TimeSenCLIPFeatureExtractor, TimeSenCLIPPixelConfig, TimeSenCLIPPixelModel
from timesenclip_hf.data.collate import SeriesRows
from timesenclip_hf.data.engine.reports import ImportReport
from timesenclip_hf.data.engine.shards import WORK_FOLDER
from timesenclip_hf.data.sources.arrays import dataset_from_series, import_table, write_dataset
from timesenclip_hf.data.sources.cubes import LabelRaster, import_cube
from timesenclip_hf.data.sources.point_tables import read_labels
from timesenclip_hf.data.sources.tables import read_table
from timesenclip_hf.learning import CrossViewContrastiveLoss
from timesenclip_hf.maps.cubes import parse_codes
from training.benchmarks.test_reads import measure
from training.evidence.claims import Ledger
from training.real_sets import real_data_folder

ROOT = Path(__file__).resolve().parents[2]
RAW_POINTS, DERIVED_POINTS = 500, 20_000
# In a process of its own, so that its memory is the importer's alone.
IMPORT = (
    "import sys; from timesenclip_hf.data.sources.sen4map import import_sen4map as run; run(sys.argv[1], sys.argv[2])"
)
TRAINING_STEPS = 30


def sen4map(ledger: Ledger, raw_points: int = RAW_POINTS, derived_points: int = DERIVED_POINTS) -> None:
    """Import each layout in two processes, and again with a SIGKILL half-way."""
    layouts: dict[str, Callable[[Path], Path]] = {
        "raw, groups": lambda path: write_raw(path, raw_points),
        "raw, compound type": lambda path: write_raw(path, raw_points, compound=True),
        "derived, 1 x 1": lambda path: write_derived(path, derived_points),
    }
    for layout, write in layouts.items():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            source = write(folder / "sen4map.h5")
            size = f"{source.stat().st_size / 1e9:.2f} GB"
            started = time.perf_counter()
            peak = _run(source, folder / "whole")
            seconds = time.perf_counter() - started
            uninterrupted = ImportReport.read(folder / "whole")
            points = derived_points if "derived" in layout else raw_points
            note = f"{size}; {seconds:.0f} s with the start of Python; left out {len(uninterrupted.skipped)}"
            ledger.add(f"Sen4Map {layout}: points imported in two processes", uninterrupted.rows, "==", points, note)
            ledger.add(f"Sen4Map {layout}: peak memory of a process, MB", round(peak / 1e6), "<=", 1_000)
            done = _run_and_kill(source, folder / "killed", points)
            _run(source, folder / "killed")
            again = ImportReport.read(folder / "killed")
            name = f"Sen4Map {layout}: ended by SIGKILL half-way and run again, the content hash is the same"
            ledger.add(
                name,
                again.content_hash == uninterrupted.content_hash,
                "==",
                True,
                f"ended at {done} of {points} points",
            )


def reads(ledger: Ledger) -> None:
    """Shuffled batches of 1,024 as float32 tensors, through a `DataLoader`, on two threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    reading = measure()
    torch.set_num_threads(threads)
    note = (
        f"{reading.rows} rows; a plain numpy array of float32 indexed alike {reading.plain:,.0f}; taking the rows into "
        f"memory first {reading.seconds_to_open:.2f} s"
    )
    ledger.add("series a second in shuffled batches of 1,024", round(reading.ours), ">=", 150_000, note)


def real_series(ledger: Ledger) -> None:
    """Real series become datasets that load, stream and train."""
    imports: dict[str, tuple[int, Callable[[Path, Path], Any]]] = {
        "Flanders patch": (2_191, _flanders),
        "LUCAS 2018 points": (25, _lucas),
        "France": (499, _france),
        "East Africa": (500, _east_africa),
    }
    for name, (rows, make) in imports.items():
        claim = f"{name}: rows of the dataset that load, stream alike and train"
        try:
            data = real_data_folder()
        except FileNotFoundError as error:
            ledger.skip(claim, "==", rows, str(error))
            continue
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "dataset"
            make(data, output)
            loaded = load_dataset(str(output), split="train", cache_dir=folder)
            streamed = load_dataset(str(output), split="train", streaming=True)
            alike = [row["series"] for row in streamed] == loaded["series"][:]
            losses = _train(loaded)
            left_out = ImportReport.read(output).counts
        trains = losses[-1] < losses[0]
        note = (
            f"streams alike: {alike}; left out: {left_out or 'none'}; contrastive loss {losses[0]:.2f} to "
            f"{losses[-1]:.2f} in {TRAINING_STEPS} steps"
        )
        ledger.add(claim, len(loaded) if alike and trains else 0, "==", rows, note)


def _run(source: Path, output: Path) -> int:
    """Import in a process of its own; return the largest memory of it and its workers, in bytes."""
    process = _start(source, output)
    peaks: dict[int, int] = {}
    while process.poll() is None:
        for child in (process.pid, *_children(process.pid)):
            peaks[child] = max(peaks.get(child, 0), _peak(child))
        time.sleep(0.02)
    if process.returncode:
        raise RuntimeError(f"the import ended with {process.returncode}")
    return max(peaks.values())


def _run_and_kill(source: Path, output: Path, points: int) -> int:
    """Start an import and kill it when half of its parts are there; return the points that were done."""
    process = _start(source, output)
    half = points // 2
    while (done := _points_done(output)) < half:
        if process.poll() is not None:
            raise RuntimeError("the import ended before it could be killed")
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return done


def _start(source: Path, output: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    call = [sys.executable, "-c", IMPORT, str(source), str(output)]
    return subprocess.Popen(call, env=environment, stderr=subprocess.DEVNULL)


def _points_done(output: Path) -> int:
    from timesenclip_hf.data.sources.sen4map import POINTS_PER_PART

    return POINTS_PER_PART * len(list((output / WORK_FOLDER).glob("*.parquet")))


def _children(process: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except FileNotFoundError:
        return []


def _peak(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((1_024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


def _flanders(data: Path, output: Path) -> None:
    folder = data / "worldcereal_flanders_2018" / "raw_nc"
    codes = parse_codes("maize=CT:1200;grassland=LC:13;built-up=LC:60")
    import_cube(
        sorted(folder.glob("S2_*.nc")), output, labels=LabelRaster(next(folder.glob("OUTPUT_*.nc")), codes), year=2018
    )


def _lucas(data: Path, output: Path) -> None:
    folder = data / "worldcereal_lucas2018_25"
    table = read_table(folder / "series.npz")
    # Monthly from August 2017 on, as the folder's README says; the file itself has no dates.
    dates = (np.datetime64("2017-08") + np.arange(17)).astype("datetime64[D]")
    columns = read_labels(folder / "labels.csv", table.ids).columns
    columns["year"] = [2018] * len(table)
    dataset = dataset_from_series(table, columns, dates=dates, year=2018)
    write_dataset(dataset, output, identity={"kind": "evidence"})


def _france(data: Path, output: Path) -> None:
    folder = data / "worldcereal_france_2023_dekad"
    import_table(folder / "series.npz", output, labels=folder / "labels.csv", year=2023)


def _east_africa(data: Path, output: Path) -> None:
    folder = data / "worldcereal_eastafrica_2017_monthly"
    import_table(folder / "series.npz", output, labels=folder / "labels.csv", year=2017)


def _train(dataset: Any) -> list[float]:
    """Contrasts two random halves of each year, which needs no labels."""
    torch.manual_seed(0)
    rows = SeriesRows(dataset, TimeSenCLIPFeatureExtractor())
    config = TimeSenCLIPPixelConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, projection_dim=32
    )
    tower, objective = TimeSenCLIPPixelModel(config).train(), CrossViewContrastiveLoss()
    optimizer = torch.optim.AdamW([*tower.parameters(), *objective.parameters()], lr=1e-3)
    batch = rows.__getitems__(np.random.default_rng(0).permutation(len(rows))[:256].tolist())
    half = torch.rand(batch["series_mask"].shape) < 0.5
    masks = (batch["series_mask"] & half, batch["series_mask"] & ~half)
    # A half may hold no observed month; such a place has nothing to contrast.
    seen = masks[0].any(dim=1) & masks[1].any(dim=1)
    losses = []
    for _ in range(TRAINING_STEPS):
        views = [
            tower(batch["pixel_series"][seen], mask[seen], months=batch["months"][seen]).pooler_output for mask in masks
        ]
        loss = objective(*views)
        loss.backward()
        nn.utils.clip_grad_norm_(tower.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


PARTS: dict[str, Callable[[Ledger], None]] = {"sen4map": sen4map, "reads": reads, "real_series": real_series}
