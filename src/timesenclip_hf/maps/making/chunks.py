"""Read, map and write one chunk of a run, in whatever process it is given to."""

import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from ...extras import needs_extra
from ...files import first_line
from .blocks import map_block
from .recipe import Recipe, layer_types
from .store import write_layers
from .windows import GridWindow

with needs_extra("map"):
    import dask.base
    import xarray as xr

READ_ATTEMPTS = 3
# Seconds before a chunk is read again, and twice as many before the time after.
READ_PAUSE = 1.0


class Chunk:
    """Hold one chunk of a run and its lazy block, which Dask passes on as it is: a single task reads and maps it.

    Args:
        cube: that it is a part of.
        index: row and column in the grid of chunks.
        window: its pixels.
        halo: how many pixels around them its block holds too.
    """

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
    return {
        **entry,
        "counts": counts,
        "seconds": round(time.perf_counter() - started, 3),
        "reading_seconds": round(reading, 3),
        "peak_bytes": _peak_bytes(),
        "worker": os.getpid(),
    }


def _peak_bytes() -> int:
    """Return the most memory that this process ever held; 0 where the system does not tell."""
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in kibibytes
