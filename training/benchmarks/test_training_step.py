"""Time a training step of the published encoder beside a loop written as upstream's: `make bench` prints it.

Both loops start from the same weights and see the same points with the same photo embeddings, dropout on; each step
reads a batch, embeds it, contrasts it with its photos, and updates the weights.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from tests.support.reference import UpstreamEncoder
from timesenclip_hf import TimeSenCLIPPixelModel
from timesenclip_hf.conversion import read_upstream_encoder
from timesenclip_hf.learning import CrossViewContrastiveLoss
from timesenclip_hf.models.senclip.modeling_senclip import PhotoPooling
from timesenclip_hf.models.timesenclip.feature_extraction_timesenclip import UPSTREAM_LOW, UPSTREAM_SCALE
from timesenclip_hf.runtimes.products import use_onednn_matmul
from training.batches import StepBatches, TensorRows
from training.benchmarks.records import record

BATCH, DIRECTIONS = 1_024, "WENS"


@dataclass(frozen=True)
class StepTiming:
    """Median seconds of a step and of the part of it that waits for data, of each loop.

    Attributes:
        batch: points a step.
        threads: of PyTorch.
        seconds: "upstream" in float32, ours in float32 ("float32" with oneDNN where it is exact, "float32, MKL" as
            PyTorch computes by itself) and in "bfloat16".
        loading: of those seconds, the ones spent on reading the batch.
        onednn: whether oneDNN could be used.
        difference: of the loss of both loops' models on the same points without dropout, relative.
    """

    batch: int
    threads: int
    seconds: dict[str, float]
    loading: dict[str, float]
    onednn: bool
    difference: float

    def ratio(self, name: str) -> float:
        """Return the steps a second over upstream's."""
        return self.seconds["upstream"] / self.seconds[name]

    def loading_share(self, name: str) -> float:
        """Part of a step that waits for data."""
        return self.loading[name] / self.seconds[name]


class SinglePoints(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Points one by one, their photos looked up by name in a dictionary, as upstream's dataset has them."""

    def __init__(self, digital_numbers: np.ndarray, photo_embeds: torch.Tensor) -> None:
        self.images = digital_numbers[..., None, None]
        self.names = [f"FR_{40_000_000 + point}" for point in range(len(digital_numbers))]
        self.embeds = {
            f"{name}{direction}": embeds[index : index + 1]
            for name, embeds in zip(self.names, photo_embeds, strict=True)
            for index, direction in enumerate(DIRECTIONS)
        }
        self.low = torch.tensor(UPSTREAM_LOW)[:, None, None]
        self.scale = torch.tensor(UPSTREAM_SCALE)[:, None, None]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, point: int) -> tuple[torch.Tensor, torch.Tensor]:
        photos = torch.cat([self.embeds[self.names[point] + direction] for direction in DIRECTIONS])
        image = torch.tensor(self.images[point], dtype=torch.float32)
        return photos, ((image - self.low) / self.scale).clamp(0, 1)


class UpstreamLoop:
    """Single items through the default collate, PyTorch's transformer, AdamW as it comes."""

    def __init__(self, points: SinglePoints, encoder: UpstreamEncoder, batch: int) -> None:
        self.loader = DataLoader(points, batch_size=batch, shuffle=True, drop_last=True)
        self.encoder = encoder.train()
        self.objective = CrossViewContrastiveLoss()
        self.optimizer = torch.optim.AdamW([*encoder.parameters(), *self.objective.parameters()], lr=1e-4)

    def batches(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield batches without end."""
        while True:
            yield from self.loader

    def loss(self, photos: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """Compute the loss of a batch."""
        loss: torch.Tensor = self.objective(self.encoder(images), photos.mean(dim=1))
        return loss

    def step(self, batch: tuple[torch.Tensor, torch.Tensor]) -> None:
        """Take one optimiser step."""
        torch.autograd.backward(self.loss(*batch))
        self.optimizer.step()
        self.optimizer.zero_grad()


class OurLoop:
    """Whole batches of rows, our model asked for its pooled output, AdamW in one kernel."""

    def __init__(self, rows: TensorRows, tower: TimeSenCLIPPixelModel, batch: int, dtype: torch.dtype) -> None:
        self.rows = rows
        self.batch = batch
        self.tower = tower.train()
        self.pooling = PhotoPooling("average", tower.config.projection_dim)
        self.objective = CrossViewContrastiveLoss()
        parameters = [*tower.parameters(), *self.objective.parameters()]
        self.optimizer = torch.optim.AdamW(parameters, lr=1e-4, fused=True)
        self.dtype = dtype

    def batches(self) -> Iterator[dict[str, torch.Tensor]]:
        """Yield batches without end."""
        order = StepBatches(len(self.rows), self.batch, seed=0, steps=range(1_000_000))
        return iter(DataLoader(self.rows, batch_sampler=order, collate_fn=lambda batch: batch))

    def loss(self, photo_embeds: torch.Tensor, photo_mask: torch.Tensor, **series: torch.Tensor) -> torch.Tensor:
        """Compute the loss of a batch."""
        with torch.autocast("cpu", dtype=self.dtype, enabled=self.dtype != torch.float32):
            embeds = self.tower(**series, pooled_only=True).pooler_output
            loss: torch.Tensor = self.objective(embeds, self.pooling(photo_embeds, photo_mask))
        return loss

    def step(self, batch: dict[str, torch.Tensor]) -> None:
        """Take one optimiser step."""
        del batch["row"]
        torch.autograd.backward(self.loss(**batch))
        self.optimizer.step()
        self.optimizer.zero_grad()


def measure(batch: int = BATCH, repeats: int = 5, threads: int = 2) -> StepTiming:
    """Time steps of the loops turn and turn about, so that a busy machine slows all of them; return medians.

    On two idle cores it takes about two minutes.
    """
    torch.manual_seed(0)
    digital_numbers = np.random.default_rng(0).integers(1, 9_000, (4 * batch, 12, 10), dtype=np.uint16)
    # Unit embeddings, so that upstream's average of photos and ours, which makes them unit first, are the same.
    photo_embeds = nn.functional.normalize(torch.randn(4 * batch, len(DIRECTIONS), 512), dim=-1)
    points = SinglePoints(digital_numbers, photo_embeds)
    upstream = UpstreamLoop(points, UpstreamEncoder(512, 6, 8, 256, joint=512), batch)
    rows = _rows(points, photo_embeds)
    ours = OurLoop(rows, _converted(upstream.encoder), batch, torch.float32)
    loops: dict[str, UpstreamLoop | OurLoop] = {
        "upstream": upstream,
        "float32, MKL": OurLoop(rows, _converted(upstream.encoder), batch, torch.float32),
        "float32": ours,
        "bfloat16": OurLoop(rows, _converted(upstream.encoder), batch, torch.bfloat16),
    }
    difference = _difference(upstream, ours, points)
    threads_before, precision_before = torch.get_num_threads(), torch.get_float32_matmul_precision()
    torch.set_num_threads(threads)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in loops}
    batches = {name: loop.batches() for name, loop in loops.items()}
    onednn = False
    try:
        for turn in range(repeats + 1):
            for name, loop in loops.items():
                if name in ("float32", "bfloat16"):
                    onednn = use_onednn_matmul()
                timing = _time_step(loop.step, batches[name])
                torch.set_float32_matmul_precision(precision_before)
                if turn:  # the first only warms up
                    times[name].append(timing)
    finally:
        torch.set_num_threads(threads_before)
        torch.set_float32_matmul_precision(precision_before)
    medians = {name: np.median(timings, axis=0).tolist() for name, timings in times.items()}
    return StepTiming(
        batch,
        threads,
        {name: seconds for name, (seconds, _) in medians.items()},
        {name: loading for name, (_, loading) in medians.items()},
        onednn,
        difference,
    )


def _rows(points: SinglePoints, photo_embeds: torch.Tensor) -> TensorRows:
    """Return what our sources hand to the training loop: scaled series, with masks and months."""
    digital_numbers = torch.tensor(points.images[..., 0, 0], dtype=torch.float32)
    low, scale = points.low[:, 0, 0], points.scale[:, 0, 0]
    return TensorRows(
        pixel_series=((digital_numbers - low) / scale).clamp(0, 1),
        series_mask=torch.ones(digital_numbers.shape[:2], dtype=torch.bool),
        months=torch.arange(12.0).expand(len(digital_numbers), -1),
        photo_embeds=photo_embeds,
        photo_mask=torch.ones(photo_embeds.shape[:2], dtype=torch.bool),
    )


def _converted(encoder: UpstreamEncoder) -> TimeSenCLIPPixelModel:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "encoder.pt"
        torch.save(encoder.state_dict(), file)
        return read_upstream_encoder(file).pixel_model


@torch.no_grad()
def _difference(upstream: UpstreamLoop, ours: OurLoop, points: SinglePoints, count: int = 64) -> float:
    upstream.encoder.eval()
    ours.tower.eval()
    photos, images = (torch.stack(column) for column in zip(*(points[point] for point in range(count)), strict=True))
    theirs = upstream.loss(photos, images)
    batch = ours.rows.__getitems__(list(range(count)))
    del batch["row"]
    difference = (ours.loss(**batch) - theirs).abs() / theirs
    upstream.encoder.train()
    ours.tower.train()
    return difference.item()


def _time_step(step: Callable[..., None], batches: Iterator[object]) -> tuple[float, float]:
    """Seconds of a step, and of reading its batch."""
    started = time.perf_counter()
    batch = next(batches)
    loaded = time.perf_counter()
    step(batch)
    return time.perf_counter() - started, loaded - started


def test_both_loops_compute_the_same_loss_and_ours_is_faster(capsys: pytest.CaptureFixture[str]) -> None:
    timing = measure()
    with capsys.disabled():
        record(
            "training_step",
            f"A step of {timing.batch} points on {timing.threads} threads, the published encoder; oneDNN "
            f"{'was' if timing.onednn else 'could not be'} used for float32",
            [
                {
                    "loop": name,
                    "times upstream's steps a second": round(timing.ratio(name), 2),
                    "of it reading": round(timing.loading_share(name), 4),
                }
                for name in timing.seconds
            ],
        )
    assert timing.difference < 1e-5
