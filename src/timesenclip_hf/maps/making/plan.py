"""What a run will take, told before it starts: pixels, chunks, time, output, memory; and what cannot fit is refused."""

import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...extras import needs_extra
from .blocks import GridWindow, cut, map_block
from .recipe import Recipe, layer_types

with needs_extra("map"):
    import psutil
    import xarray as xr

# Bytes of reflectance in a chunk of a cube that brings no chunks of its own.
CHUNK_BYTES = 128 << 20
# Sides are multiples of this, so that chunks divide the pieces that readers and writers like.
SIDE_STEP = 64
LARGEST_SIDE = 512
# Pixels that tell how fast this machine is, after as many of one batch to warm up.
CALIBRATION_PIXELS = 2048
CALIBRATION_CHUNKS = 2
# Copies of a chunk's looks that are there together: as read, as laid into the block, as the features are made of it;
# and of the pixels whose features are made at once, in float32.
COPIES_OF_CHUNK = 2
COPIES_OF_FEATURES = 6
# Of what is exported beside the store: classes, and four layers of scores in a byte each.
EXPORTED_BYTES = 5


@dataclass(frozen=True)
class Plan:
    """What a run will take.

    Attributes:
        pixels: of the whole map.
        chunks: of the whole map.
        chunks_left: those not done yet.
        side: rows and columns of a chunk.
        pixels_per_second: of one worker, reading included.
        seconds: until the end.
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
    pixels_per_second: float
    seconds: float
    output_bytes: int
    free_bytes: int
    memory_bytes: int
    workers: int
    usable_memory: int

    def __str__(self) -> str:
        started = f" ({self.chunks - self.chunks_left} done)" if self.chunks_left < self.chunks else ""
        return (
            f"{self.pixels:,} pixels in {self.chunks:,} chunks of {self.side[0]} x {self.side[1]}{started}; "
            f"about {_duration(self.seconds)} at {self.pixels_per_second:,.0f} pixels/s for each of {self.workers} "
            f"worker{'s' if self.workers > 1 else ''}; output up to {_size(self.output_bytes)} "
            f"({_size(self.free_bytes)} free); memory about {_size(self.memory_bytes)} for each worker"
        )

    def check(self) -> None:
        """Refuses what cannot fit.

        Raises:
            OSError: the disk or the memory is too small; the sentence says by how much.
        """
        if self.output_bytes > self.free_bytes:
            raise OSError(
                f"The map takes up to {_size(self.output_bytes)}, {_size(self.free_bytes)} are free: choose another "
                "disk, a smaller area, or no embeddings."
            )
        needed = self.memory_bytes * self.workers
        if self.usable_memory and needed > self.usable_memory:
            raise OSError(
                f"{self.workers} worker{'s take' if self.workers > 1 else ' takes'} about {_size(needed)} of memory, "
                f"{_size(self.usable_memory)} are free: take smaller chunks or fewer workers."
            )


def chunk_side(cube: xr.Dataset, wanted: int | None) -> tuple[int, int]:
    """Rows and columns of a chunk: as wanted, else the cube's own chunks, else what fits `CHUNK_BYTES`.

    Raises:
        ValueError: the size wanted is not positive.
    """
    if wanted is not None:
        if wanted < 1:
            raise ValueError(f"A chunk must have at least 1 pixel a side, got {wanted}.")
        return wanted, wanted
    if cube.chunks:
        return max(cube.chunksizes["y"]), max(cube.chunksizes["x"])
    fitting = int(np.sqrt(CHUNK_BYTES / _bytes_of_pixel(cube))) // SIDE_STEP * SIDE_STEP
    side = min(max(fitting, SIDE_STEP), LARGEST_SIDE)
    return side, side


def plan_run(
    cube: xr.Dataset,
    recipe: Recipe,
    windows: Sequence[GridWindow],
    left: Sequence[GridWindow],
    *,
    side: tuple[int, int],
    store: Path,
    workers: int,
    here: bool,
) -> Plan:
    """Estimates a run from some pixels of real chunks.

    Args:
        cube: what is mapped.
        recipe: of every chunk.
        windows: every chunk.
        left: the chunks still to do.
        side: rows and columns of a chunk.
        store: where the run will be.
        workers: at once.
        here: on this machine.
    """
    pixels = sum(window.height * window.width for window in windows)
    pixels_left = sum(window.height * window.width for window in left)
    reading, mapping = _calibrate(cube, recipe, left) if left else (0.0, 0.0)
    seconds = reading * len(left) + mapping * pixels_left
    at_each_pixel = sum(np.dtype(kind.dtype).itemsize * max(kind.features, 1) for kind in layer_types(recipe).values())
    at_each_pixel += EXPORTED_BYTES * len(recipe.label_sets)
    return Plan(
        pixels=pixels,
        chunks=len(windows),
        chunks_left=len(left),
        side=side,
        pixels_per_second=pixels_left / seconds if seconds else 0.0,
        seconds=seconds / workers,
        output_bytes=at_each_pixel * pixels_left,
        free_bytes=shutil.disk_usage(_existing(store)).free,
        memory_bytes=_memory(cube, recipe, side),
        workers=workers,
        usable_memory=psutil.virtual_memory().available if here else 0,
    )


def _calibrate(cube: xr.Dataset, recipe: Recipe, left: Sequence[GridWindow]) -> tuple[float, float]:
    """Seconds to read a chunk, and seconds for each pixel after that."""
    reading: list[float] = []
    mapping: list[float] = []
    places = np.unique(np.linspace(0, len(left) - 1, CALIBRATION_CHUNKS + 2).astype(int)[1:-1])
    for place in places.tolist():
        started = time.perf_counter()
        try:
            block = cut(cube, left[place]).compute(scheduler="synchronous")
        except Exception:  # a chunk that no one can read; the run names it
            continue
        reading.append(time.perf_counter() - started)
        some = block.isel(y=slice(0, max(1, CALIBRATION_PIXELS // block.sizes["x"])))
        if not mapping:
            map_block(some.isel(y=slice(0, 1)), recipe)  # which also loads the model and makes its plan
        started = time.perf_counter()
        map_block(some, recipe)
        mapping.append((time.perf_counter() - started) / (some.sizes["y"] * some.sizes["x"]))
    return (float(np.median(reading)), float(np.median(mapping))) if mapping else (0.0, 0.0)


def _memory(cube: xr.Dataset, recipe: Recipe, side: tuple[int, int]) -> int:
    """What this process holds with the model loaded, and what a chunk adds to it."""
    pixels = (side[0] + 2 * recipe.halo) * (side[1] + 2 * recipe.halo)
    layers = sum(np.dtype(kind.dtype).itemsize * max(kind.features, 1) for kind in layer_types(recipe).values())
    embeddings = 4 * recipe.projection_dim if recipe.embeddings or "embeddings" in cube else 0
    scores = sum(4 * len(one.labels) for one in recipe.label_sets.values())
    looks = cube.sizes.get("time", 0) * cube.sizes.get("band", 0) * 4 * min(recipe.chunk_size, pixels)
    chunk = pixels * (COPIES_OF_CHUNK * _bytes_of_pixel(cube) + layers + embeddings + 4 * scores)
    held: int = psutil.Process().memory_info().rss
    return held + int(chunk) + COPIES_OF_FEATURES * looks


def _bytes_of_pixel(cube: xr.Dataset) -> int:
    held: int = sum(layer.nbytes for layer in cube.data_vars.values())
    return held // (cube.sizes["y"] * cube.sizes["x"])


def _existing(path: Path) -> Path:
    """The nearest folder above that is there."""
    absolute = Path(os.path.abspath(path))
    return next(folder for folder in (absolute, *absolute.parents) if folder.is_dir())


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"
