"""Reading in training order: shuffled batches as tensors, beside plain numpy."""

import time
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import DataLoader

from timesenclip_hf import TimeSenCLIPFeatureExtractor
from timesenclip_hf.data.collate import SeriesRows
from timesenclip_hf.data.sources.arrays import dataset_from_series
from training.benchmarks.records import record

ROWS, BATCH = 200_000, 1_024


@dataclass(frozen=True)
class Reading:
    """Series a second of an epoch, ours and of a plain array; and what it takes to get ready for the first epoch."""

    rows: int
    ours: float
    plain: float
    seconds_to_open: float


def measure(rows: int = ROWS) -> Reading:
    """Return the median of three epochs each, in turn."""
    series = np.random.default_rng(0).integers(0, 9_000, (rows, 12, 10), dtype=np.int16)
    extractor = TimeSenCLIPFeatureExtractor()
    dataset = dataset_from_series(series)
    started = time.perf_counter()
    shuffled = SeriesRows(dataset, extractor, ["land_cover"])
    opened = time.perf_counter() - started
    loader = DataLoader(shuffled, batch_size=BATCH, shuffle=True, collate_fn=lambda batch: batch)
    scaled = shuffled.__getitems__(range(rows))["pixel_series"].numpy()
    ours, plain = [], []
    for epoch in range(3):
        started = time.perf_counter()
        read = sum(len(batch["pixel_series"]) for batch in loader)
        ours.append(read / (time.perf_counter() - started))
        started = time.perf_counter()
        order = np.random.default_rng(epoch).permutation(rows)
        read = sum(len(torch.from_numpy(scaled[order[start : start + BATCH]])) for start in range(0, rows, BATCH))
        plain.append(read / (time.perf_counter() - started))
    return Reading(rows, float(np.median(ours)), float(np.median(plain)), opened)


def test_shuffled_reads() -> None:
    reading = measure()
    rows = [
        {"reader": "rows of a dataset, features made", "of the array's speed": round(reading.ours / reading.plain, 3)},
        {"reader": "a plain numpy array of float32, indexed alike", "of the array's speed": 1.0},
    ]
    title = f"{reading.rows:,} series in shuffled batches of {BATCH:,}, {reading.ours:,.0f} series/s"
    record("reads", f"{title}, after {reading.seconds_to_open:.2f} s to take them into memory", rows)
