"""Map every chunk of a cube through Dask into a store, as far as it goes, and go on from there."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np
import torch
from tqdm import tqdm
from transformers.utils import logging

from ...extras import needs_extra
from ...files import first_line
from ...models.timesenclip.options_timesenclip import SeriesOptions
from ...models.timesenclip.zero_shot_timesenclip import CandidateLabels
from ...runtimes.options import DEFAULT_COMPUTE, ComputeOptions
from .chunks import Chunk, produce_chunk
from .cluster import open_client, run_each
from .model_source import Model
from .options import DEFAULT_OPTIONS, DEFAULT_READING, DEFAULT_RUN, MapOptions, RunOptions
from .plan import FEW_PIXELS, Plan, chunk_side, plan_run
from .recipe import Recipe, make_recipe
from .store import MapStore, chunk_name, find_run, open_map
from .windows import windows_of

with needs_extra("map"):
    import xarray as xr

logger = logging.get_logger(__name__)

# Of what a run is told apart by: raised where the same options give other layers than before. 2: after a majority
# filter the scores are of the class shown.
IDENTITY_VERSION = 2


class MapRun:
    """Map a cube of any size into a folder, chunk by chunk; the same call goes on where it was stopped.

    Args:
        cube: from [`open_cube`], best with `chunks`; or from [`stored_embeddings`]. One of a few thousand pixels is
            read at once and kept in memory.
        store: folder of the run.
        labels: class names: a list, a string with commas, or `{label: [phrases]}`; left out where `options` has label
            sets or a hierarchy.
        model: folder or Hub id of a checkpoint, or a loaded pipeline; the embedded one when left out.
        options: label sets, hierarchy, prompts, smoothing, and whether embeddings are kept.
        reading: `year`, and `offset` or `processing_baseline` where the files do not say them.
        compute: how to compute; left out, `threads` are this machine's, shared out among its workers.
        run: where to compute and in which pieces.

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
        self.recipe = make_recipe(
            self.cube,
            labels,
            model,
            options=options,
            reading=reading,
            compute=compute,
            shared=run.scheduler != "threads",
        )
        if "embeddings" in cube and cube.attrs["weights_sha256"] != self.recipe.model.weights:
            raise ValueError(
                f"The embeddings are of {cube.attrs['model']}, whose weights are not those of "
                f"{self.recipe.model.name}: name the same checkpoint."
            )
        self.identity = _identity(self.cube, self.recipe, self.side, run)
        self.store.check(self.identity)
        self.windows = {
            (window.row // self.side[0], window.column // self.side[1]): window
            for window in windows_of(shape, self.side)
        }
        done = self.store.done()
        self.left = {index: window for index, window in self.windows.items() if index not in done}

    def plan(self, *, timed: bool = True) -> Plan:
        """Estimate what is left to do.

        Args:
            timed: estimate the time too, which maps some pixels.
        """
        with _threads_kept():
            return plan_run(self, timed=timed)

    def execute(self, *, progress: bool = True) -> dict[str, xr.Dataset]:
        """Compute what is left and open the maps.

        Args:
            progress: show a progress bar.

        Returns:
            The maps, opened lazily, by the name of their label set; "" is the name of the only one.

        Raises:
            OSError: it does not fit on the disk or into memory, the scheduler is gone, or workers die again and again;
                what is finished is kept.
        """
        self.plan(timed=False).check()
        self.store.create(self.identity, self.recipe, self.cube, self.side)
        if self.left:
            count, done = len(self.windows), len(self.windows) - len(self.left)
            with (
                _threads_kept(),
                _kept_on_failure(self),
                open_client(self.run_options.scheduler, self.run_options.workers) as client,
                tqdm(total=count, initial=done, unit=" chunks", disable=not progress) as bar,
            ):
                for name, entry in run_each(client, produce_chunk, self._calls()):
                    if "failed" in entry:
                        logger.warning(f"The chunk at {name} cannot be read and has no data: {entry['failed']}.")
                    self.store.record(entry)
                    bar.update()
        self.store.finish()
        return {name: open_map(self.store.path, name) for name in self.recipe.label_sets}

    def _calls(self) -> Iterator[tuple[str, tuple[Any, ...]]]:
        for index, window in self.left.items():
            chunk = Chunk(self.cube, index, window, self.recipe.halo)
            yield chunk_name(index), (chunk, self.recipe, self.store.path.absolute())


def stored_embeddings(store: str | PathLike[str]) -> xr.Dataset:
    """Open the embeddings of a finished run, to be mapped with other words.

    Raises:
        ValueError: there is no run, it kept none, or is not finished.
    """
    run = find_run(store)
    if not run.is_finished:
        raise ValueError(f"{store} holds no finished map: run its command to the end first.")
    mapped = open_map(store, next(iter(run.maps)))
    if "embeddings" not in mapped:
        raise ValueError(f"{store} has no embeddings: map with `embeddings` first (--embeddings float16).")
    names = [name for name in ("embeddings", "embedding_scale", "clear_months") if name in mapped]
    return mapped[names]


def _in_memory(cube: xr.Dataset) -> xr.Dataset:
    """Read a small cube, of which the sample would read most and the chunks all again."""
    try:
        return cube.compute(scheduler="synchronous")
    except Exception:  # readers of many formats; the run names the chunk that it cannot read
        return cube


def _identity(cube: xr.Dataset, recipe: Recipe, side: tuple[int, int], run: RunOptions) -> dict[str, Any]:
    """Collect what must be the same for a run to go on, in types that JSON has."""
    reading, model = recipe.reading, recipe.model
    settled = {
        "bands": reading.bands,
        "nodata": reading.nodata,
        "units": reading.units,
        "processing_baseline": reading.processing_baseline,
        "offset": _digest(reading.offset) if isinstance(reading.offset, np.ndarray) else reading.offset,
        "year": reading.year,
    }
    sets = recipe.label_sets.items()
    return {
        "version": IDENTITY_VERSION,
        "inputs": list(run.inputs),
        "grid": _digest(cube["y"].values, cube["x"].values, np.asarray(str(cube.rio.crs))),
        "times": _digest(cube["time"].values) if "time" in cube.coords else None,
        "weights": model.weights,
        "labels": {name: label_set.phrases for name, label_set in sets},
        "hierarchy": {name: [label_set.coarse_labels, label_set.parents] for name, label_set in sets},
        "hypothesis_template": recipe.hypothesis_template,
        # As text, because a value for no data may be NaN, which equals nothing.
        "reading": {name: str(value) for name, value in settled.items()},
        "smoothing": None if recipe.smoothing is None else str(recipe.smoothing),
        "embeddings": recipe.embeddings,
        "dtype": model.compute.dtype,
        "runtime": None if model.compute.runtime == "torch" else [model.compute.runtime, model.tower],
        "chunk": list(side),
    }


def _digest(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


@contextmanager
def _threads_kept() -> Iterator[None]:
    """Put this process's number of torch threads back."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _kept_on_failure(run: MapRun) -> Iterator[None]:
    """Say how much is finished where a disk or a cluster ends a run."""
    try:
        yield
    except OSError as error:
        done = len(run.store.done())
        raise OSError(
            f"{first_line(error)}. {done} of {len(run.windows)} chunks are finished and kept in {run.store.path}; the "
            "same command goes on."
        ) from error
