"""Map every chunk of a cube through Dask into a store, as far as it goes, and go on from there."""

import hashlib
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm
from transformers.utils import logging

from ...extras import needs_extra
from ...files import first_line
from ...files.locks import Hold
from ...models.timesenclip.label_set_timesenclip import Labels
from ...models.timesenclip.novelty_timesenclip import NOVEL, warn_of_novel
from ...models.timesenclip.options_timesenclip import SeriesOptions
from ...runtimes.options import DEFAULT_COMPUTE, ComputeOptions
from .blocks import map_block
from .cluster import open_client, run_each
from .model_source import Model
from .options import DEFAULT_OPTIONS, DEFAULT_READING, DEFAULT_RUN, MapOptions, RunOptions
from .plan import FEW_PIXELS, Plan, chunk_side, plan_run
from .recipe import Recipe, layer_types, make_recipe
from .store import MapStore, chunk_name, open_map, write_layers
from .windows import GridWindow, windows_of

with needs_extra("map"):
    import dask.base
    import xarray as xr

logger = logging.get_logger(__name__)

# Of what a run is told apart by: raised where the same options give other layers than before. 2: after a majority
# filter the scores are of the class shown.
IDENTITY_VERSION = 2
READ_ATTEMPTS = 3
# Seconds before a chunk is read again, and twice as many before the time after.
READ_PAUSE = 1.0


@contextmanager
def _threads_kept() -> Iterator[None]:
    """Put this process's number of torch threads back."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


class MapRun:
    """Map a cube of any size into a folder, chunk by chunk; the same call goes on where it was stopped.

    Args:
        cube: from [`open_cube`], best with `chunks`; or from [`stored_embeddings`]. One of a few thousand pixels is
            read at once and kept in memory.
        store: folder of the run.
        labels: a list of names, a string with commas, `{label: [phrases]}`, or a [`LabelSet`]; left out where `options`
            has label sets or a hierarchy.
        model: folder or Hub id of a checkpoint, or a loaded pipeline; the embedded one when left out.
        options: label sets, hierarchy, prompts, smoothing, and whether embeddings are kept.
        reading: `year`, and `offset` or `processing_baseline` where the files do not say them.
        compute: on what and in which precision; `threads` are this machine's shared out among its workers if left out.
        run: where to compute and in which pieces.

    Raises:
        ValueError: something cannot be used, or the folder holds another run; the sentence says why.
        OSError: nothing of the cube or the checkpoint can be read.
    """

    def __init__(
        self,
        cube: xr.Dataset,
        store: str | PathLike[str],
        labels: Labels | None = None,
        model: Model = None,
        *,
        options: MapOptions = DEFAULT_OPTIONS,
        reading: SeriesOptions = DEFAULT_READING,
        compute: ComputeOptions = DEFAULT_COMPUTE,
        run: RunOptions = DEFAULT_RUN,
    ) -> None:
        self.store = MapStore(store)
        self.run_options = run
        self.side = chunk_side(cube, run.chunk)
        shape = (cube.sizes["y"], cube.sizes["x"])
        self.cube = _in_memory(cube) if shape[0] * shape[1] <= FEW_PIXELS else cube
        if compute.threads is None and run.is_local:
            compute = replace(compute, threads=max(1, torch.get_num_threads() // run.workers))
        shared = run.scheduler != "threads"
        self.recipe = make_recipe(self.cube, labels, model, options, reading, compute, shared=shared)
        check_weights(cube, self.recipe)
        self.identity = identity_of(self.cube, self.recipe, self.side, run)
        windows = windows_of(shape, self.side)
        self.windows = {(window.row // self.side[0], window.column // self.side[1]): window for window in windows}
        self.left = self._find_left()

    def _find_left(self) -> dict[tuple[int, int], GridWindow]:
        """Return the chunks that are not done, all of them where another run is to be replaced."""
        if self.run_options.overwrite and self.store.differs(self.identity):
            return dict(self.windows)
        self.store.check(self.identity)
        done = self.store.done()
        return {index: window for index, window in self.windows.items() if index not in done}

    @_threads_kept()
    def plan(self, *, timed: bool = True) -> Plan:
        """Estimate what is left to do, `timed` with the time it takes, for which some pixels are mapped."""
        return plan_run(self, timed=timed)

    @_threads_kept()
    def execute(self, *, progress: bool = True) -> dict[str, xr.Dataset]:
        """Compute what is left, with a progress bar or without; return the maps by the name of their label set.

        The maps are opened lazily; "" is the name of the only one.

        Raises:
            HeldError: another process is writing to the folder.
            OSError: it does not fit on the disk or into memory, the scheduler is gone, or workers die again and again;
                what is finished is kept.
        """
        self.plan(timed=False).check()
        with Hold(self.store.path):
            self.store.read()  # another process may have written meanwhile
            left = self._find_left()
            self.left = {index: window for index, window in self.left.items() if index in left}
            if self.run_options.overwrite and self.store.differs(self.identity):
                self.store.clear()
            self.store.create(self.identity, self.recipe, self.cube, self.side)
            if self.left:
                self._compute_or_say(progress)
            self.store.finish()
        maps = {name: open_map(self.store.path, name) for name in self.recipe.label_sets}
        told = next(iter(maps.values())).attrs
        warn_of_novel(told.get("novel_pixels", 0), sum(told["pixels_of_labels"]), "pixels")
        return maps

    def _compute_or_say(self, progress: bool) -> None:
        """Compute what is left, or say how far it came."""
        try:
            self._compute(progress)
        except OSError as error:
            done, count = len(self.store.done()), len(self.windows)
            raise OSError(
                f"{first_line(error)}. {done} of {count} chunks are finished and kept in {self.store.path}; the same "
                "command goes on."
            ) from error

    def _compute(self, progress: bool) -> None:
        count, path = len(self.windows), self.store.path.absolute()
        with (
            open_client(self.run_options.scheduler, self.run_options.workers) as client,
            tqdm(total=count, initial=count - len(self.left), unit=" chunks", disable=not progress) as bar,
        ):
            # Made when their turn comes.
            calls = (
                (chunk_name(index), (Chunk(self.cube, index, window, self.recipe.halo), self.recipe, path))
                for index, window in self.left.items()
            )
            for name, entry in run_each(client, produce_chunk, calls):
                if "failed" in entry:
                    logger.warning(f"The chunk at {name} cannot be read and has no data: {entry['failed']}.")
                self.store.record(entry)
                bar.update()


def check_weights(cube: xr.Dataset, recipe: Recipe) -> None:
    """Raise a ValueError where embeddings that were stored are of another checkpoint than the recipe's."""
    if "embeddings" in cube and cube.attrs["weights_sha256"] != recipe.model.weights:
        raise ValueError(
            f"The embeddings are of {cube.attrs['model']}, whose weights are not those of {recipe.model.name}: name "
            "the same checkpoint."
        )


class Chunk:
    """Hold one chunk of a run and its lazy block with a halo, which Dask passes on as it is, to be read in one task."""

    def __init__(self, cube: xr.Dataset, index: tuple[int, int], window: GridWindow, halo: int) -> None:
        self.index, self.window = index, window
        wide = window.widened(halo, (cube.sizes["y"], cube.sizes["x"]))
        self.inside = window.within(wide)
        # Without the rest of the cube's graph, which would travel with every block.
        self._block: xr.Dataset = dask.base.optimize(wide.cut(cube))[0]

    def read(self) -> xr.Dataset:
        """Read its block in this process, again where that fails; raise what the reader raised the last time."""
        for attempt in range(READ_ATTEMPTS - 1):
            try:
                return self._block.compute(scheduler="synchronous")
            except MemoryError:
                raise
            except Exception:  # readers of many formats
                time.sleep(READ_PAUSE * 2**attempt)
        return self._block.compute(scheduler="synchronous")


def produce_chunk(chunk: Chunk, recipe: Recipe, path: Path) -> dict[str, Any]:
    """Read, map and write one chunk into the folder of a run; return its journal entry."""
    started = time.perf_counter()
    entry: dict[str, Any] = {"chunk": list(chunk.index), "pixels": chunk.window.pixels}
    try:
        block = chunk.read()
    except MemoryError:
        raise
    except Exception as error:  # readers of many formats
        shape = (chunk.window.height, chunk.window.width)
        write_layers(path, {name: kind.blank(shape) for name, kind in layer_types(recipe).items()}, chunk.window)
        return {**entry, "failed": f"{type(error).__name__}: {first_line(error)}"}
    reading = time.perf_counter() - started
    layers = {name: values[chunk.inside] for name, values in map_block(block, recipe).items()}
    write_layers(path, layers, chunk.window)
    counts = {}  # of no data and of each class
    for name, label_set in recipe.label_sets.items():
        classes = layers[f"{name}/class" if name else "class"]
        counts[name] = np.bincount(classes.ravel(), minlength=len(label_set.labels) + 1).tolist()
    if "novelty" in layers:
        entry["novel"] = int((layers["novelty"] > NOVEL).sum())
    return {
        **entry,
        "counts": counts,
        "seconds": round(time.perf_counter() - started, 3),
        "reading_seconds": round(reading, 3),
        "peak_bytes": peak_bytes(),
        "worker": os.getpid(),
    }


def peak_bytes() -> int:
    """Return the most memory that this process ever held; 0 where the system does not tell."""
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in kibibytes


def _in_memory(cube: xr.Dataset) -> xr.Dataset:
    """Read a small cube, of which the sample would read most and the chunks all again."""
    try:
        return cube.compute(scheduler="synchronous")
    except Exception:  # readers of many formats; the run names the chunk that it cannot read
        return cube


def identity_of(cube: xr.Dataset, recipe: Recipe, side: tuple[int, int], run: RunOptions) -> dict[str, Any]:
    """Collect what must be the same for a run to go on, in types that JSON has."""
    reading, model, classes = recipe.reading, recipe.model, recipe.label_sets
    sets = {name: each.label_set for name, each in classes.items()}
    templates = [label_set.templates for label_set in sets.values()]
    fitted = {name: label_set.content_hash for name, label_set in sets.items() if label_set.is_fitted}
    settled = {name: getattr(reading, name) for name in ("bands", "nodata", "units", "processing_baseline", "offset")}
    if isinstance(reading.offset, np.ndarray):
        settled["offset"] = digest_of(reading.offset)
    settled["year"] = reading.year
    # A run says nothing of what is usual.
    usual = {"season": (None,), "minimum_months": (1,), "missing_bands": (None, "fill"), "screen": (None, "none")}
    settled |= {name: getattr(reading, name) for name in usual if getattr(reading, name) not in usual[name]}
    return {
        "version": IDENTITY_VERSION,
        "inputs": list(run.inputs),
        "grid": digest_of(cube["y"].values, cube["x"].values, np.asarray(str(cube.rio.crs))),
        "times": digest_of(cube["time"].values) if "time" in cube.coords else None,
        "weights": model.weights,
        "labels": {name: label_set.phrases for name, label_set in sets.items()},
        "hierarchy": {name: [each.coarse_labels, each.parents] for name, each in classes.items()},
        "hypothesis_template": templates if any(each != templates[0] for each in templates) else templates[0],
        # As a run says nothing of what is usual.
        **({"fitted_label_set": fitted} if fitted else {}),
        # As text, because a value for no data may be NaN, which equals nothing.
        "reading": {name: str(value) for name, value in settled.items()},
        "smoothing": None if recipe.smoothing is None else str(recipe.smoothing),
        "embeddings": recipe.embeddings,
        "dtype": model.compute.dtype,
        "runtime": None if model.compute.runtime == "torch" else [model.compute.runtime, model.tower],
        "chunk": list(side),
    }


def digest_of(*arrays: np.ndarray) -> str:
    """Return sixteen digits that tell arrays from others, by their types, shapes and bytes."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]
