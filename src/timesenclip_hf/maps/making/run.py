"""A run: every chunk of a cube through Dask into a store, as far as it goes, and on from there."""

import hashlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm
from transformers.utils import logging

from ...extras import needs_extra
from ...files import first_line
from ...models.timesenclip.zero_shot_timesenclip import CandidateLabels
from .blocks import GridWindow, Layers, cut, map_block, windows_of
from .cluster import LOCAL, check_scheduler, open_client, run_each
from .plan import Plan, chunk_side, plan_run
from .production import make_recipe
from .recipe import Model, Recipe
from .store import MapStore, blank_layers, find_run, open_map, write_layers

with needs_extra("map"):
    import dask.base
    import xarray as xr

logger = logging.get_logger(__name__)

READ_ATTEMPTS = 3
# Seconds before a chunk is read again, and twice as many before the time after.
READ_PAUSE = 1.0


class MapRun:
    """A map to be made, or to be gone on with.

    Args:
        cube: from [`open_cube`], best with `chunks`; or from [`stored_embeddings`].
        store: folder of the run.
        labels: class names, as [`map_cube`] takes them.
        model: the checkpoint.
        scheduler: "threads" or "processes" of this machine, or the address of a Dask scheduler.
        workers: threads or processes of this machine.
        threads: of torch for each worker; this machine's are shared out when left out.
        chunk: side of a chunk in pixels; the cube's own chunks when left out.
        inputs: what the cube was read from, so that another cube is not taken for it.
        **options: [`make_recipe`]'s.

    Raises:
        ValueError: something cannot be used, or the folder holds another run; the sentence says why.
        OSError: nothing of the cube or the checkpoint can be read.
    """

    def __init__(
        self,
        cube: xr.Dataset,
        store: str | PathLike[str],
        labels: CandidateLabels | None = None,
        model: Model = None,
        *,
        scheduler: str = "threads",
        workers: int = 1,
        threads: int | None = None,
        chunk: int | None = None,
        inputs: Sequence[str] = (),
        **options: Any,
    ) -> None:
        check_scheduler(scheduler)
        if workers < 1:
            raise ValueError(f"`workers` must be at least 1, got {workers}.")
        self.store = MapStore(store)
        self.cube, self.scheduler, self.workers = cube, scheduler, workers
        if threads is None and scheduler in LOCAL:
            threads = max(1, torch.get_num_threads() // workers)
        shared = scheduler != "threads"
        self.recipe = make_recipe(cube, model, labels=labels, threads=threads, shared=shared, **options)
        if "embeddings" in cube and cube.attrs["weights_sha256"] != self.recipe.model.weights:
            raise ValueError(
                f"The embeddings are of {cube.attrs['model']}, whose weights are not those of "
                f"{self.recipe.model.name}: name the same checkpoint."
            )
        self.side = chunk_side(cube, chunk)
        self.identity = _identity(cube, self.recipe, self.side, inputs)
        self.store.check(self.identity)
        shape = (cube.sizes["y"], cube.sizes["x"])
        windows = {(one.row // self.side[0], one.column // self.side[1]): one for one in windows_of(shape, self.side)}
        done = self.store.done()
        self.windows = windows
        self.left = {place: window for place, window in windows.items() if place not in done}

    def plan(self) -> Plan:
        """Estimates what is left; see [`Plan`]."""
        with _threads_kept():
            return plan_run(
                self.cube,
                self.recipe,
                list(self.windows.values()),
                list(self.left.values()),
                side=self.side,
                store=self.store.path,
                workers=self.workers,
                here=self.scheduler in LOCAL,
            )

    def execute(self, *, progress: bool = True) -> dict[str, xr.Dataset]:
        """Computes what is left and opens the maps, one for each label set.

        Raises:
            OSError: the disk is full, the scheduler is gone, or workers die again and again; what is finished is kept.
        """
        self.store.create(self.identity, self.recipe, self.cube, self.side)
        if self.left:
            with _threads_kept(), _kept_on_failure(self), open_client(self.scheduler, self.workers) as client:
                bar = tqdm(
                    total=len(self.windows),
                    initial=len(self.windows) - len(self.left),
                    unit=" chunks",
                    disable=not progress,
                )
                with bar:
                    for name, entry in run_each(client, produce_chunk, self._calls()):
                        if "failed" in entry:
                            logger.warning(f"The chunk at {name} cannot be read and has no data: {entry['failed']}.")
                        self.store.record(entry)
                        bar.update()
        self.store.finish()
        return {name: open_map(self.store.path, name) for name in self.recipe.label_sets}

    def _calls(self) -> Iterator[tuple[str, tuple[Any, ...]]]:
        shape = (self.cube.sizes["y"], self.cube.sizes["x"])
        path = self.store.path.absolute()
        for place, window in self.left.items():
            wide = window.widened(self.recipe.halo, shape)
            block = Block(cut(self.cube, wide))
            yield f"row {place[0]}, column {place[1]}", (block, place, window, wide, self.recipe, path)


class Block:
    """A lazy block that Dask passes on as it is, so that one task reads, computes and writes it."""

    def __init__(self, dataset: xr.Dataset) -> None:
        # Without the rest of the cube's graph, which would travel with every block.
        self._dataset: xr.Dataset = dask.base.optimize(dataset)[0]

    def read(self) -> xr.Dataset:
        """Reads it in this process, again where that fails.

        Raises:
            Exception: whatever the reader raised the last time.
        """
        for attempt in range(READ_ATTEMPTS - 1):
            try:
                return self._dataset.compute(scheduler="synchronous")
            except MemoryError:
                raise
            except Exception:  # readers of many formats
                time.sleep(READ_PAUSE * 2**attempt)
        return self._dataset.compute(scheduler="synchronous")


def produce_map(
    cube: xr.Dataset,
    labels: CandidateLabels | None,
    store: str | PathLike[str],
    model: Model = None,
    *,
    progress: bool = True,
    **options: Any,
) -> dict[str, xr.Dataset]:
    """Maps a cube of any size into a folder, chunk by chunk; the same call goes on where it was stopped.

    Args:
        cube: from [`open_cube`] with `chunks`.
        labels: class names.
        store: folder of the run.
        model: the checkpoint.
        progress: show a progress bar.
        **options: [`MapRun`]'s and [`make_recipe`]'s.

    Returns:
        The maps, opened lazily, by the name of their label set; "" is the name of the only one.

    Raises:
        ValueError: something cannot be used; the sentence says why.
        OSError: it does not fit, or the work was interrupted; what is finished is kept.
    """
    run = MapRun(cube, store, labels, model, **options)
    run.plan().check()
    return run.execute(progress=progress)


def stored_embeddings(store: str | PathLike[str]) -> xr.Dataset:
    """The embeddings of a finished run, to be mapped with other words.

    Raises:
        ValueError: there is no run, it kept none, or is not finished.
    """
    found = find_run(store)
    if not found.is_finished:
        raise ValueError(f"{store} holds no finished map: run its command to the end first.")
    mapped = open_map(store, next(iter(found.maps)))
    if "embeddings" not in mapped:
        raise ValueError(f"{store} has no embeddings: map with `embeddings` first (--embeddings float16).")
    names = [name for name in ("embeddings", "embedding_scale", "clear_months") if name in mapped]
    return mapped[names]


def produce_chunk(
    block: Block, place: tuple[int, int], window: GridWindow, wide: GridWindow, recipe: Recipe, path: Path
) -> dict[str, Any]:
    """Reads, maps and writes one chunk, in whatever process this is; what the journal says of it."""
    started = time.perf_counter()
    entry: dict[str, Any] = {"chunk": list(place), "pixels": window.height * window.width}
    try:
        read = block.read()
    except MemoryError:
        raise
    except Exception as error:  # readers of many formats
        write_layers(path, blank_layers(recipe, window), window)
        return {**entry, "failed": f"{type(error).__name__}: {first_line(error)}"}
    reading = time.perf_counter() - started
    layers = {name: values[window.within(wide)] for name, values in map_block(read, recipe).items()}
    write_layers(path, layers, window)
    return {
        **entry,
        "counts": _counts(layers, recipe),
        "seconds": round(time.perf_counter() - started, 3),
        "reading_seconds": round(reading, 3),
        "peak_bytes": _peak_bytes(),
        "worker": os.getpid(),
    }


def _counts(layers: Layers, recipe: Recipe) -> dict[str, list[int]]:
    """Pixels of no data and of each class, for each label set."""
    return {
        name: np.bincount(layers[f"{name}/class" if name else "class"].ravel(), minlength=len(one.labels) + 1).tolist()
        for name, one in recipe.label_sets.items()
    }


def _peak_bytes() -> int:
    """The most memory that this process ever held; 0 where the system does not tell."""
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in kibibytes


def _identity(cube: xr.Dataset, recipe: Recipe, side: tuple[int, int], inputs: Sequence[str]) -> dict[str, Any]:
    """What must be the same for a run to go on, in types that JSON has."""
    offset = recipe.options.get("offset")
    given = {**recipe.options, "offset": _digest(offset) if isinstance(offset, np.ndarray) else offset}
    # As text, because a value for no data may be NaN, which equals nothing.
    settled = {name: str(value) for name, value in given.items() if name not in ("dates", "months", "judge")}
    return {
        "inputs": list(inputs),
        "grid": _digest(cube["y"].values, cube["x"].values, np.asarray(str(cube.rio.crs))),
        "looks": _digest(cube["time"].values) if "time" in cube.coords else None,
        "weights": recipe.model.weights,
        "labels": {name: one.phrases for name, one in recipe.label_sets.items()},
        "hierarchy": {name: [one.coarse_labels, one.parents] for name, one in recipe.label_sets.items()},
        "hypothesis_template": recipe.hypothesis_template,
        "reading": settled,
        "smoothing": None if recipe.smoothing is None else str(recipe.smoothing),
        "embeddings": recipe.embeddings,
        "dtype": recipe.model.dtype,
        "runtime": None if recipe.model.runtime == "torch" else [recipe.model.runtime, recipe.model.tower],
        "chunk": list(side),
    }


def _digest(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


@contextmanager
def _threads_kept() -> Iterator[None]:
    """Puts this process's number of torch threads back."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _kept_on_failure(run: MapRun) -> Iterator[None]:
    """Says how much is finished where a disk or a cluster ends a run."""
    try:
        yield
    except OSError as error:
        done = len(run.store.done())
        raise OSError(
            f"{first_line(error)}. {done} of {len(run.windows)} chunks are finished and kept in {run.store.path}; the "
            "same command goes on."
        ) from error
