"""Map a whole Sentinel-2 tile, made up as it is read: `python -m training.benchmarks.test_tile`, some 20 minutes.

It is planned whole; then parts of its chunks are mapped with the embedded default, each by new workers, whose highest
memory and speed are printed, and the time of the whole tile from that. After that a randomly initialised checkpoint of
the published size maps some chunks in turn with its bare encoder.
"""

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import torch
import xarray as xr
from transformers import AutoModel, AutoProcessor

from tests.support.small_cubes import CRS, MONTHS, grid
from timesenclip_hf import DEFAULT_CHECKPOINT, TimeSenCLIPConfig, TimeSenCLIPModel, TimeSenCLIPPixelConfig, encode
from timesenclip_hf.maps import MapRun, RunOptions
from timesenclip_hf.maps.cubes.reading import assemble_cube
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS
from training.benchmarks.base_size import base_size_checkpoint
from training.benchmarks.records import record

SIDE = 10_980
CHUNK = 256
LABELS = [
    "maize",
    "wheat",
    "grassland",
    "broadleaved woodland",
    "coniferous woodland",
    "water",
    "buildings",
    "bare soil",
]
# Bare soil and a green canopy, digital numbers of the ten bands (our round numbers).
SOIL = np.array([800, 1100, 1500, 1900, 2100, 2300, 2500, 2700, 3400, 2900])
LEAF = np.array([300, 600, 300, 1000, 3300, 4200, 4400, 4600, 2000, 1000])
# From one to the other and back, with the green in any of 64 weeks: (month, band, week).
GREENS = np.clip(np.sin((np.arange(12)[:, None] - np.linspace(1, 5, 64)) / 6 * np.pi), 0, 1)
YEARS = (SOIL[:, None] + GREENS[:, None] * (LEAF - SOIL)[:, None]).astype(np.uint16)
# Per cent of the acquisitions.
CLOUDS = 20


@dataclass(frozen=True)
class TilePart:
    """Map some chunks of the tile."""

    chunks: int
    pixels_per_second: float
    peak_bytes: int
    seconds: float


def synthetic_tile(side: int = SIDE, chunk: int = CHUNK) -> xr.Dataset:
    """Twelve months of fields of many greens, noise and clouds; every chunk is made when it is read."""
    sizes = tuple(min(chunk, side - start) for start in range(0, side, chunk))
    values = da.map_blocks(
        _acquisitions, chunks=((12,), (10,), sizes, sizes), dtype=np.uint16, meta=np.empty((0,) * 4, np.uint16)
    )
    scl = da.map_blocks(_classes, chunks=((12,), sizes, sizes), dtype=np.uint8, meta=np.empty((0,) * 3, np.uint8))
    coords = {"time": MONTHS, "band": list(BANDS), **grid(side, side)}
    return assemble_cube(values, scl, coords, np.zeros(12), None, CRS)


def _acquisitions(block_info: Any = None) -> np.ndarray:
    random = _random(block_info)
    shape = block_info[None]["chunk-shape"]
    values: np.ndarray = YEARS[:, :, random.integers(0, YEARS.shape[2], shape[2:])]
    values += random.integers(0, 200, shape, dtype=np.uint8)
    return values


def _classes(block_info: Any = None) -> np.ndarray:
    draws = _random(block_info).integers(0, 100, block_info[None]["chunk-shape"], dtype=np.uint8)
    return np.where(draws < CLOUDS, np.uint8(9), np.uint8(4))


def _random(block_info: Any) -> np.random.Generator:
    return np.random.default_rng(block_info[None]["chunk-location"][-2:])


def map_part(tile: xr.Dataset, share: float, model: str, *, workers: int) -> TilePart:
    """Map a share of the chunks, evenly spread over the tile, by new processes."""
    with tempfile.TemporaryDirectory() as folder:
        run = MapRun(tile, Path(folder) / "run", LABELS, model, run=RunOptions("processes", workers))
        places = list(run.left)
        chosen = np.linspace(0, len(places) - 1, round(share * len(places))).astype(int)
        run.left = {places[index]: run.left[places[index]] for index in chosen}
        run.execute(progress=sys.stderr.isatty())
        entries = list(run.store.entries().values())
    # What the workers were at, start of the processes and loading of the model left out.
    spent = sum(entry["seconds"] for entry in entries) / workers
    pixels = sum(entry["pixels"] for entry in entries)
    return TilePart(len(entries), pixels / spent, max(entry["peak_bytes"] for entry in entries), spent)


def save_base_size(folder: Path) -> str:
    """Write a checkpoint with a randomly initialised pixel tower of the published size."""
    small = AutoModel.from_pretrained(DEFAULT_CHECKPOINT)
    torch.manual_seed(0)
    pixel = TimeSenCLIPPixelConfig()
    text: Any = small.config.text_config
    config = TimeSenCLIPConfig(
        pixel_config=pixel, text_config=text, vision_config=None, projection_dim=pixel.projection_dim
    )
    TimeSenCLIPModel(config).save_pretrained(folder)
    AutoProcessor.from_pretrained(DEFAULT_CHECKPOINT).save_pretrained(folder)
    return str(folder)


def encoder_shares(
    model: str, *, chunk: int = 128, rounds: int = 3, chunks: int = 3
) -> list[tuple[float, float, float]]:
    """Pixels a second of the bare encoder and of whole runs in this process, turn and turn about.

    The third number is the encoder's share of the processor time of a run, which a busy machine does not change.
    """
    tile = synthetic_tile(chunk * 4, chunk)
    speeds = []
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(rounds + 1):
            run = MapRun(tile, Path(folder) / str(turn), LABELS, model)
            run.left = dict(list(run.left.items())[:chunks])
            encoder = run.recipe.model.encoder()
            block = tile.isel(y=slice(chunk), x=slice(chunk)).compute(scheduler="synchronous")
            values = block["reflectance"].values
            features = encoder.processor.feature_extractor(
                values.reshape(12, 10, -1).transpose(2, 0, 1),
                replace(run.recipe.reading, scl=block["scl"].values.reshape(12, -1).T),
                allow_empty=True,
                judge=False,
            )
            started, busy = time.perf_counter(), time.process_time()
            encode(encoder.model, features, batch_size=encoder.compute.batch_size)
            bare, bare_busy = chunk**2 / (time.perf_counter() - started), time.process_time() - busy
            started, busy = time.perf_counter(), time.process_time()
            run.execute(progress=False)
            mapped, mapped_busy = chunk**2 * chunks / (time.perf_counter() - started), time.process_time() - busy
            speeds.append((bare, mapped, bare_busy * chunks / mapped_busy))
    return speeds[1:]  # the first turn warms up


def main(shares: Sequence[float] = (0.01, 0.03, 0.1), workers: int = 2) -> None:
    """Print one JSON line for each figure."""
    tile = synthetic_tile()
    with tempfile.TemporaryDirectory() as folder:
        run = MapRun(tile, Path(folder) / "run", LABELS, DEFAULT_CHECKPOINT, run=RunOptions("processes", workers))
        print(json.dumps({"plan": str(run.plan())}), flush=True)
        count = len(run.windows)
        for share in shares:
            part = map_part(tile, share, DEFAULT_CHECKPOINT, workers=workers)
            hours = part.seconds * count / part.chunks / 3600
            print(json.dumps({"share": share, **asdict(part), "hours_for_the_tile": round(hours, 2)}), flush=True)
        speeds = encoder_shares(save_base_size(Path(folder) / "base"))
    ratio = float(np.median([mapped / bare for bare, mapped, _ in speeds]))
    print(json.dumps({"base_size": speeds, "end_to_end_to_bare_encoder": round(ratio, 3)}))


def test_a_part_of_a_tile_and_the_encoders_share(capsys: pytest.CaptureFixture[str]) -> None:
    part = map_part(synthetic_tile(1024), 0.25, DEFAULT_CHECKPOINT, workers=2)
    speeds = encoder_shares(base_size_checkpoint())
    title = f"{part.pixels_per_second:,.0f} pixels/s by two processes, at most {part.peak_bytes / 1e9:.2f} GB each"
    share = round(float(np.median([mapped / bare for bare, mapped, _ in speeds])), 3)
    with capsys.disabled():
        record("mapping", f"A map end to end, embedded model: {title}", [{"of the base-size encoder's speed": share}])
    assert part.chunks == 4


if __name__ == "__main__":
    main()
