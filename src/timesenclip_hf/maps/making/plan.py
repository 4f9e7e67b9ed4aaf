"""Tell what a run will take before it starts: pixels, chunks, time, output, memory; refuse what cannot fit."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ...extras import needs_extra
from .blocks import map_block
from .options import RunOptions
from .recipe import Recipe, layer_types
from .store import MapStore
from .windows import GridWindow

with needs_extra("map"):
    import psutil
    import xarray as xr
    from dask.utils import format_bytes

# Bytes of reflectance in a chunk of a cube that brings no chunks of its own.
CHUNK_BYTES = 128 << 20
# Sides are multiples of this, so that chunks divide the pieces that readers and writers like.
SIDE_STEP = 64
LARGEST_SIDE = 512
# Pixels of half a minute at 200 a second, less than half of the slowest map measured: a year of 118 dates on two busy
# cores, 423 a second. Fewer are not timed: that would take as long as mapping them.
FEW_PIXELS = 6000
# Pixels that tell how fast this machine is, after a row of them to warm up.
CALIBRATION_PIXELS = 2048
CALIBRATION_CHUNKS = 2
# Copies of a chunk's acquisitions that are in memory together: as read, as laid into the block, as the features are
# made of it; and of the pixels whose features are made at once, in float32.
COPIES_OF_CHUNK = 2
COPIES_OF_FEATURES = 6
# Of what is exported beside the store: classes, and four layers of scores in a byte each.
EXPORTED_BYTES = 5


class PlannedRun(Protocol):
    """Describe what a plan is made of; [`MapRun`] has it."""

    cube: xr.Dataset
    recipe: Recipe
    store: MapStore
    run_options: RunOptions
    side: tuple[int, int]
    windows: dict[tuple[int, int], GridWindow]
    left: dict[tuple[int, int], GridWindow]


@dataclass(frozen=True)
class Plan:
    """Say what a run will take.

    Attributes:
        chunks_left: those not done yet.
        side: rows and columns of a chunk.
        pixels_per_second: of one worker, reading included; None where none was timed.
        seconds: until the end; None where it was not estimated: of few pixels it is less than a minute.
        output_bytes: of the store and what is exported from it, before compression.
        free_bytes: on the disk of the output.
        memory_bytes: of each worker at most.
        workers: at once.
        usable_memory: of this machine, 0 where the workers are elsewhere.
    """

    pixels: int
    chunks: int
    chunks_left: int
    side: tuple[int, int]
    pixels_per_second: float | None
    seconds: float | None
    output_bytes: int
    free_bytes: int
    memory_bytes: int
    workers: int
    usable_memory: int

    def __str__(self) -> str:
        done = f" ({self.chunks - self.chunks_left} done)" if self.chunks_left < self.chunks else ""
        duration = "less than a minute"
        if self.seconds is not None:
            workers = f"{self.workers} worker{'s' if self.workers > 1 else ''}"
            speed = f"{self.pixels_per_second:,.0f} pixels/s for each of {workers}"
            rounded = f"{self.seconds / 3600:.1f} h" if self.seconds >= 6000 else f"{self.seconds / 60:.0f} min"
            duration = f"about {rounded if self.seconds >= 100 else f'{self.seconds:.0f} s'} at {speed}"
        return (
            f"{self.pixels:,} pixels in {self.chunks:,} chunks of {self.side[0]} x {self.side[1]}{done}; {duration}; "
            f"output up to {format_bytes(self.output_bytes)} ({format_bytes(self.free_bytes)} free); memory about "
            f"{format_bytes(self.memory_bytes)} for each worker"
        )

    def check(self) -> None:
        """Refuse what cannot fit.

        Raises:
            OSError: the disk or the memory is too small; the sentence says by how much.
        """
        needed, free = self.output_bytes, self.free_bytes
        if needed > free:
            raise OSError(
                f"The map takes up to {format_bytes(needed)}, {format_bytes(free)} are free: choose another disk, a "
                "smaller area, or no embeddings."
            )
        needed, free = self.memory_bytes * self.workers, self.usable_memory
        if free and needed > free:
            raise OSError(
                f"{self.workers} worker{'s take' if self.workers > 1 else ' takes'} about {format_bytes(needed)} of "
                f"memory, {format_bytes(free)} are free: take smaller chunks or fewer workers."
            )


def chunk_side(cube: xr.Dataset, chunk: int | None) -> tuple[int, int]:
    """Choose rows and columns of a chunk: the side that was asked for, else the cube's own, else what fits."""
    if chunk is not None:
        return chunk, chunk
    if cube.chunks:
        return max(cube.chunksizes["y"]), max(cube.chunksizes["x"])
    fitting = int(np.sqrt(CHUNK_BYTES / _bytes_of_pixel(cube))) // SIDE_STEP * SIDE_STEP
    side = min(max(fitting, SIDE_STEP), LARGEST_SIDE)
    return side, side


def plan_run(run: PlannedRun, *, timed: bool = True) -> Plan:
    """Estimate what is left of a run, `timed` with the time of some pixels of real chunks, unless few are left."""
    left, workers = list(run.left.values()), run.run_options.workers
    pixels_left = sum(window.pixels for window in left)
    seconds = _seconds(run.cube, run.recipe, left, pixels_left) if timed and pixels_left > FEW_PIXELS else None
    bytes_of_pixel = _bytes_of_layers(run.recipe) + EXPORTED_BYTES * len(run.recipe.label_sets)
    # Of the nearest folder that exists.
    folder = next(path for path in (run.store.path, *run.store.path.absolute().parents) if path.is_dir())
    return Plan(
        pixels=sum(window.pixels for window in run.windows.values()),
        chunks=len(run.windows),
        chunks_left=len(left),
        side=run.side,
        pixels_per_second=pixels_left / seconds if seconds else None,
        seconds=seconds / workers if seconds else None,
        output_bytes=bytes_of_pixel * pixels_left,
        free_bytes=shutil.disk_usage(folder).free,
        memory_bytes=_memory(run.cube, run.recipe, run.side),
        workers=workers,
        usable_memory=psutil.virtual_memory().available if run.run_options.is_local else 0,
    )


def _seconds(cube: xr.Dataset, recipe: Recipe, left: Sequence[GridWindow], pixels: int) -> float:
    """Time reading and mapping some pixels; return what one worker takes for all, 0 where none can be read."""
    reading: list[float] = []  # seconds a chunk
    mapping: list[float] = []  # seconds a pixel
    samples = np.unique(np.linspace(0, len(left) - 1, CALIBRATION_CHUNKS + 2).astype(int)[1:-1])
    for index in samples.tolist():
        started = time.perf_counter()
        try:
            block = left[index].cut(cube).compute(scheduler="synchronous")
        except Exception:  # a chunk that no one can read; the run names it
            continue
        reading.append(time.perf_counter() - started)
        some = block.isel(y=slice(0, max(1, CALIBRATION_PIXELS // block.sizes["x"])))
        if not mapping:
            map_block(some.isel(y=slice(0, 1)), recipe)  # which also loads the model and makes its plan
        started = time.perf_counter()
        map_block(some, recipe)
        mapping.append((time.perf_counter() - started) / (some.sizes["y"] * some.sizes["x"]))
    return float(np.median(reading)) * len(left) + float(np.median(mapping)) * pixels if mapping else 0.0


def _memory(cube: xr.Dataset, recipe: Recipe, side: tuple[int, int]) -> int:
    """Add what a chunk takes to what this process holds with the model loaded."""
    pixels = (side[0] + 2 * recipe.halo) * (side[1] + 2 * recipe.halo)
    embeddings = 4 * recipe.projection_dim if recipe.embeddings or "embeddings" in cube else 0
    scores = sum(4 * len(label_set.labels) for label_set in recipe.label_sets.values())
    series = cube.sizes.get("time", 0) * cube.sizes.get("band", 0) * 4 * min(recipe.model.compute.chunk_size, pixels)
    chunk = pixels * (COPIES_OF_CHUNK * _bytes_of_pixel(cube) + _bytes_of_layers(recipe) + embeddings + 4 * scores)
    held: int = psutil.Process().memory_info().rss
    return held + int(chunk) + COPIES_OF_FEATURES * series


def _bytes_of_layers(recipe: Recipe) -> int:
    return sum(kind.bytes_of_pixel for kind in layer_types(recipe).values())


def _bytes_of_pixel(cube: xr.Dataset) -> int:
    held: int = sum(layer.nbytes for layer in cube.data_vars.values())
    return held // (cube.sizes["y"] * cube.sizes["x"])
