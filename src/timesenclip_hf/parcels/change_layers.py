"""Keep the layers of change, in memory or in a store, and turn them into patches, counts and codes."""

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..extras import needs_extra
from ..maps.files.legend import MOST_CLASSES, NO_CLASS
from ..maps.making.windows import GridWindow
from .change_patches import large_patches

with needs_extra("map"):
    import xarray as xr
    import zarr

    from ..maps.cubes.grids import grid_of, locate

NO_CHANGE, OTHER_CHANGES = "no change", "other changes"
# What did not change lies behind what did; a transition has the colour that its words ask for.
COLOURS = {NO_CHANGE: "#e8e8e4", OTHER_CHANGES: "#6e6e6e"}
# Layers of what is layout, with their types and what stands where a year has no data.
LAYERS: dict[str, tuple[str, float]] = {
    "class": ("uint8", NO_CLASS),
    "from": ("uint8", NO_CLASS),
    "to": ("uint8", NO_CLASS),
    "probability": ("float32", np.nan),
    "distance": ("float32", np.nan),
}
# Layers between: the likeliest class of an unchanged pixel, and whether a pixel changed (0 no data, 1 no, 2 yes).
BETWEEN = {"stable": ("uint8", 0), "changed": ("uint8", 0)}
UNCHANGED, CHANGED = 1, 2


def make_layers(grid: xr.Dataset, window: GridWindow, store: Path | None) -> MutableMapping[str, Any]:
    """Make the layers, in memory or in a Zarr store with chunks of a window."""
    shape, kinds = (grid.sizes["y"], grid.sizes["x"]), {**LAYERS, **BETWEEN}
    if store is None:
        return {name: np.full(shape, fill, dtype) for name, (dtype, fill) in kinds.items()}
    root = zarr.open_group(store, mode="w")
    options: dict[str, Any] = {"shape": shape, "chunks": (window.height, window.width), "dimension_names": ("y", "x")}
    return {
        name: root.create_array(name, dtype=dtype, fill_value=fill, **options) for name, (dtype, fill) in kinds.items()
    }


def drop_small(layers: MutableMapping[str, Any], windows: Sequence[GridWindow], least: int) -> None:
    """Let patches of fewer changed pixels than `least` count as unchanged.

    A patch that a window touches and that is smaller reaches less than `least` pixels beyond it.
    """
    shape = layers["changed"].shape
    if least < 2:
        return
    for window in windows:
        wide = window.widened(least, shape)
        kept = large_patches(layers["changed"][wide.slices] == CHANGED, least)[window.within(wide)]
        # Not written into `changed`, which the next windows read; 0 is yet free there.
        layers["class"][window.slices] = np.where(
            kept, CHANGED, np.minimum(layers["changed"][window.slices], UNCHANGED)
        )
    for window in windows:
        at = window.slices
        state, stable = layers["class"][at], layers["stable"][at]
        layers["changed"][at] = state
        for name in ("from", "to"):
            layers[name][at] = np.where(state == CHANGED, layers[name][at], stable)


def count_pairs(
    layers: Mapping[str, Any], windows: Sequence[GridWindow], classes: int, hectares: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """Count pixels and hectares (from, to) of every pair of classes, and hectares without data."""
    pixels, areas, without_data = np.zeros(classes**2, np.int64), np.zeros(classes**2), 0.0
    for window, pairs, seen in _pairs(layers, windows, classes):
        pixels += np.bincount(pairs[seen], minlength=classes**2)
        of_row = np.broadcast_to(hectares[window.slices[0], None], pairs.shape)
        areas += np.bincount(pairs[seen], of_row[seen], minlength=classes**2)
        without_data += float(of_row[~seen].sum())
    return pixels.reshape(classes, classes), areas.reshape(classes, classes), without_data


def number_transitions(
    layers: MutableMapping[str, Any], windows: Sequence[GridWindow], pixels: np.ndarray, labels: Sequence[str]
) -> list[str]:
    """Write the layer `class`; return what its codes from 1 on stand for, the commonest transitions first."""
    count = len(labels)
    changes = np.where(np.eye(count, dtype=bool), 0, pixels).ravel()
    common = [int(index) for index in np.argsort(-changes, kind="stable") if changes[index]]
    most = MOST_CLASSES - 1
    named = common if len(common) <= most else common[: most - 1]
    codes = np.full(count**2, len(named) + 2, dtype=np.uint8)
    codes[:: count + 1] = 1
    codes[named] = np.arange(len(named)) + 2
    for window, pairs, seen in _pairs(layers, windows, count):
        layers["class"][window.slices] = np.where(seen, codes[pairs], NO_CLASS)
    names = [f"{labels[index // count]} to {labels[index % count]}" for index in named]
    return [NO_CHANGE, *names, *([OTHER_CHANGES] if len(named) < len(common) else [])]


def _pairs(
    layers: Mapping[str, Any], windows: Sequence[GridWindow], classes: int
) -> Iterator[tuple[GridWindow, np.ndarray, np.ndarray]]:
    """Yield for each window the number of each pixel's pair of classes, and where there is one."""
    for window in windows:
        before, after = (layers[name][window.slices].astype(np.int64) for name in ("from", "to"))
        seen = before != NO_CLASS
        yield window, np.where(seen, (before - 1) * classes + after - 1, 0), seen


def as_dataset(
    grid: xr.Dataset, layers: Mapping[str, Any], store: Path | None, attributes: Mapping[str, Any]
) -> xr.Dataset:
    """Put the layers on the grid of the runs; those of a store are lazy."""
    if store is None:
        layout = xr.Dataset({name: (("y", "x"), layers[name]) for name in LAYERS})
    else:
        opened: xr.Dataset = xr.open_dataset(store, engine="zarr", consolidated=False, chunks={}, mask_and_scale=False)
        layout = opened[list(LAYERS)]
    placed = layout.assign_coords(y=grid["y"].values, x=grid["x"].values).assign_attrs(attributes)
    return locate(placed, grid.rio.crs, grid_of(grid))
