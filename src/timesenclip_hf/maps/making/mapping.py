"""Map a cube: class, probability, entropy, margin and clear months at every pixel."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from tqdm import tqdm

from ...extras import needs_extra
from ...models.timesenclip.label_set_timesenclip import Labels
from ...models.timesenclip.options_timesenclip import SeriesOptions
from ...runtimes.options import DEFAULT_COMPUTE, ComputeOptions
from ..cubes.reading import open_cube
from ..cubes.sources import CubeSource, chunks_of
from .blocks import Layers, classify_block, map_block
from .map_dataset import as_map
from .model_source import Model
from .options import DEFAULT_OPTIONS, DEFAULT_READING, MapOptions
from .recipe import Recipe, layer_types, make_recipe
from .windows import windows_of

with needs_extra("map"):
    import dask.array as da
    import xarray as xr

# Side in pixels of what is mapped at once of a cube in memory.
SIDE_IN_MEMORY = 512


def map_cube(
    cube: CubeSource | Sequence[CubeSource],
    labels: Labels | None = None,
    model: Model = None,
    *,
    options: MapOptions = DEFAULT_OPTIONS,
    reading: SeriesOptions = DEFAULT_READING,
    compute: ComputeOptions = DEFAULT_COMPUTE,
    progress: bool = True,
) -> xr.Dataset:
    """Name the land cover of every pixel of a cube: at once if it is in memory, lazily if it is made of Dask arrays.

    A lazy map has the cube's own chunks, each with all acquisitions; only a sample is computed here. The unit of the
    values and the year are decided once, from that sample. For a cube that takes hours, [`MapRun`] writes what is
    finished and goes on where it was stopped.

    Args:
        cube: files or xarray objects, as [`open_cube`] reads them; or what it returned, where files must be told their
            bands or CRS.
        labels: a list of names, a string with commas, `{label: [phrases]}`, or a [`LabelSet`]; left out where a
            hierarchy names them.
        model: folder or Hub id of a checkpoint, or a loaded pipeline; the embedded one when left out. Workers in other
            processes need a folder or an id.
        options: hierarchy, prompts, smoothing, and whether embeddings are kept.
        reading: `year`, and `offset` or `processing_baseline` where the files do not say them; all else is the cube's
            own.
        compute: on what and in which precision; no map depends on the sizes of its pieces.
        progress: show a progress bar, for a cube in memory.

    Returns:
        On the cube's grid (y, x): `class` uint8, 1 for the first label, 0 where no month is clear; `probability`
        of that class; `entropy` of the probabilities as a share of the largest possible; `margin`, the lead of that
        class over the likeliest other; `clear_months` uint8; `novelty` float32, above 1 where a pixel is unlike what
        the checkpoint was trained on, if it knows. With a hierarchy `class_coarse` and `probability_coarse`; with
        embeddings `embeddings` (y, x, feature) and perhaps `embedding_scale`. After Potts smoothing all are of
        the smoothed probabilities. After a majority filter probability and margin are of the class shown (the margin
        is 0 where the pixel itself prefers another), and the entropy is the pixel's own. The attribute `labels` holds
        the names, `pixels_without_data` the count of zeros, which a lazy map does not know.

    Raises:
        ValueError: cube, labels or options cannot be used; the sentence says why.
    """
    if options.label_sets is not None:
        raise ValueError("`label_sets` are several maps: make them with `map_label_sets`.")
    opened = open_cube(cube, chunks=chunks_of(cube), start=reading.start, step=reading.step)
    recipe = make_recipe(opened, labels, model, options, reading, compute)
    return as_map(_layers(opened, recipe, progress), opened, recipe)


def map_label_sets(
    cube: CubeSource | Sequence[CubeSource],
    label_sets: Mapping[str, Labels],
    model: Model = None,
    *,
    options: MapOptions = DEFAULT_OPTIONS,
    reading: SeriesOptions = DEFAULT_READING,
    compute: ComputeOptions = DEFAULT_COMPUTE,
    progress: bool = True,
) -> dict[str, xr.Dataset]:
    """Map a cube by several sets of class names in one pass: each pixel is encoded once.

    Args:
        cube: files or xarray objects, as [`open_cube`] reads them, or what it returned.
        label_sets: class names, or a [`LabelSet`], by the name of their set.
        model: folder or Hub id of a checkpoint, or a loaded pipeline; the embedded one when left out.
        options: prompts, smoothing, and whether embeddings are kept.
        reading: `year`, and `offset` or `processing_baseline` where the files do not say them.
        compute: on what and in which precision.
        progress: show a progress bar, for a cube in memory.

    Returns:
        A map as [`map_cube`] returns it, for each set.

    Raises:
        ValueError: cube, labels or options cannot be used; the sentence says why.
    """
    opened = open_cube(cube, chunks=chunks_of(cube), start=reading.start, step=reading.step)
    recipe = make_recipe(opened, None, model, replace(options, label_sets=label_sets), reading, compute)
    layers = _layers(opened, recipe, progress)
    return {name: as_map(layers, opened, recipe, name) for name in recipe.label_sets}


def _layers(cube: xr.Dataset, recipe: Recipe, progress: bool) -> Any:
    return _lazily(cube, recipe) if cube.chunks else _at_once(cube, recipe, progress)


def _at_once(cube: xr.Dataset, recipe: Recipe, progress: bool) -> Layers:
    shape = (cube.sizes["y"], cube.sizes["x"])
    layers = {name: kind.blank(shape) for name, kind in layer_types(recipe).items()}
    with tqdm(total=shape[0] * shape[1], unit=" pixels", disable=not progress) as bar:
        for window in windows_of(shape, (SIDE_IN_MEMORY, SIDE_IN_MEMORY)):
            wide = window.widened(recipe.halo, shape)
            for name, values in map_block(wide.cut(cube), recipe).items():
                layers[name][window.slices] = values[window.within(wide)]
            bar.update(window.pixels)
    return layers


def _lazily(cube: xr.Dataset, recipe: Recipe) -> dict[str, da.Array]:
    """Describe the layers as Dask arrays in the cube's own chunks, computed when somebody asks."""
    types = layer_types(recipe)
    blocks = cube.chunk(dict.fromkeys(("time", "band"), -1))
    # apply_ufunc puts the axes that are not mapped over last.
    inputs = [blocks[name].transpose("y", "x", ...) for name in ("reflectance", "scl") if name in blocks]

    def classify(values: np.ndarray, scl: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
        layers = classify_block(values.transpose(2, 3, 0, 1), None if scl is None else scl.transpose(2, 0, 1), recipe)
        return tuple(layers[name] for name in types)

    depth = {0: recipe.halo, 1: recipe.halo}
    results = xr.apply_ufunc(
        classify,
        *(xr.DataArray(da.overlap.overlap(layer.data, depth, "none"), dims=layer.dims) for layer in inputs),
        input_core_dims=[layer.dims[2:] for layer in inputs],
        output_core_dims=[["feature"] if kind.features else [] for kind in types.values()],
        output_dtypes=[kind.dtype for kind in types.values()],
        dask="parallelized",
        dask_gufunc_kwargs={"output_sizes": {"feature": recipe.projection_dim}} if recipe.embeddings else None,
    )
    trimmed = (da.overlap.trim_internal(layer.data, depth, "none") for layer in results)
    return dict(zip(types, trimmed, strict=True))
