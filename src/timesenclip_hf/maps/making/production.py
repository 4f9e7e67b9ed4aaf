"""Cube in, map out: class, probability, entropy, margin and clear months at every pixel."""

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ...classification import DEFAULT_CHUNK_SIZE
from ...extras import needs_extra
from ...models.timesenclip.pipeline_timesenclip import ZeroShotPixelClassificationPipeline
from ...models.timesenclip.zero_shot_timesenclip import CandidateLabels
from ..cubes.reading import CubeSource, open_cube
from ..files.codes import NO_CLASS
from .blocks import Layers, classify_block, cut, map_block, windows_of
from .recipe import EMBEDDING_TYPES, Hierarchy, Recipe, Smoothing, embed_label_sets, find_model, layer_types
from .sampling import settle

with needs_extra("map"):
    import dask.array as da
    import xarray as xr

# Side in pixels of what is mapped at once of a cube in memory.
SIDE_IN_MEMORY = 512


def map_cube(
    cube: CubeSource | Sequence[CubeSource],
    labels: CandidateLabels | None = None,
    model: str | PathLike[str] | ZeroShotPixelClassificationPipeline | None = None,
    *,
    hierarchy: Hierarchy | None = None,
    hypothesis_template: str | Sequence[str] | None = None,
    bands: Sequence[str] | None = None,
    crs: str | None = None,
    progress: bool = True,
    **options: Any,
) -> xr.Dataset:
    """Names the land cover of every pixel of a cube: at once if it is in memory, lazily if it is made of Dask arrays.

    The unit of the values and the year are decided once, from a sample of the whole cube. For a cube that takes hours,
    [`produce_map`] writes what is finished and goes on where it was stopped.

    Args:
        cube: files or xarray objects, as [`open_cube`] reads them, or what it returned.
        labels: class names in words: a list, a string with commas, or `{label: [phrases]}`.
        model: folder or Hub id of a checkpoint, or a loaded pipeline; the embedded one when left out. Workers in other
            processes need a folder or an id.
        hierarchy: `{group: [labels]}`: the labels are scored, and a group's probability is the sum of its labels';
            alone, it names the labels too.
        hypothesis_template: one template or several; the checkpoint's own when left out.
        bands: names of bands that the files leave unnamed.
        crs: where the files name none.
        progress: show a progress bar, for a cube in memory.
        **options: [`make_recipe`]'s: `year`, `offset`, `processing_baseline`, `smoothing`, `embeddings`,
            `deduplicate`, `device`, `dtype`, `runtime`, `exported`, `batch_size`, `chunk_size`.

    Returns:
        On the cube's grid (y, x): `class` uint8, 1 for the first label, 0 where no month is clear; `probability`
        of that class; `entropy` of the probabilities as a share of the largest possible; `margin` between the two
        best; `clear_months` uint8. With a hierarchy `class_coarse` and `probability_coarse`; with embeddings
        `embeddings` (y, x, feature) and perhaps `embedding_scale`. The attribute `labels` holds the names,
        `pixels_without_data` the count of zeros, which a lazy map does not know.

    Raises:
        ValueError: cube, labels or options cannot be used; the sentence says why.
    """
    opened = open_cube(cube, bands=bands, crs=crs)
    recipe = make_recipe(
        opened, model, labels=labels, hierarchy=hierarchy, hypothesis_template=hypothesis_template, **options
    )
    return _map(opened, recipe, progress)[""]


def map_label_sets(
    cube: CubeSource | Sequence[CubeSource],
    label_sets: Mapping[str, CandidateLabels],
    model: str | PathLike[str] | ZeroShotPixelClassificationPipeline | None = None,
    *,
    hypothesis_template: str | Sequence[str] | None = None,
    progress: bool = True,
    **options: Any,
) -> dict[str, xr.Dataset]:
    """Maps a cube by several sets of class names in one pass: each pixel is encoded once.

    Args:
        cube: as [`map_cube`] takes it, as for the rest.
        label_sets: class names by the name of their set.
        model: the checkpoint.
        hypothesis_template: one template or several.
        progress: show a progress bar.
        **options: [`make_recipe`]'s.

    Returns:
        What [`map_cube`] returns, for each set.

    Raises:
        ValueError: cube, labels or options cannot be used; the sentence says why.
    """
    opened = open_cube(cube)
    recipe = make_recipe(opened, model, label_sets=label_sets, hypothesis_template=hypothesis_template, **options)
    return _map(opened, recipe, progress)


def make_recipe(
    cube: xr.Dataset,
    model: str | PathLike[str] | ZeroShotPixelClassificationPipeline | None = None,
    *,
    labels: CandidateLabels | None = None,
    label_sets: Mapping[str, CandidateLabels] | None = None,
    hierarchy: Hierarchy | None = None,
    hypothesis_template: str | Sequence[str] | None = None,
    year: int | None = None,
    offset: float | None = None,
    processing_baseline: str | float | None = None,
    smoothing: str | None = None,
    embeddings: str | None = None,
    deduplicate: bool = False,
    device: str | None = None,
    dtype: str | None = None,
    runtime: str = "torch",
    exported: str | PathLike[str] | None = None,
    batch_size: int | None = None,
    chunk_size: int = DEFAULT_CHUNK_SIZE,
    threads: int | None = None,
    shared: bool = False,
) -> Recipe:
    """Decides what will be done to every block of a cube.

    Args:
        cube: from [`open_cube`], or a map with stored embeddings.
        model: the checkpoint, as for [`map_cube`].
        labels: class names.
        label_sets: several sets of them, by name.
        hierarchy: groups of labels.
        hypothesis_template: one template or several; the checkpoint's own when left out.
        year: calendar year to map; without it the one with the most observed months.
        offset: to subtract from digital numbers; what the files say when left out.
        processing_baseline: of the product, instead of an offset.
        smoothing: "majority:3" (side of a square) or "potts:1.0" (strength); none when left out.
        embeddings: keep them as "float16" or "int8".
        deduplicate: encode pixels whose features are equal once.
        device: where to compute, such as "cuda".
        dtype: to compute in, such as "bfloat16", see [`encode`]; the checkpoint's own when left out.
        runtime: what computes the embeddings: "torch", "onnx" or "openvino".
        exported: file of `timesenclip export` for the runtime; float32, made in memory, when left out.
        batch_size: series the encoder takes at once; what suits it and the machine when left out.
        chunk_size: pixels whose features are made at once; no map depends on it.
        threads: of torch in each process.
        shared: other processes must find the checkpoint too.

    Raises:
        ValueError: cube, labels or options cannot be used; the sentence says why.
    """
    for name, size in (("chunk_size", chunk_size), ("batch_size", batch_size)):
        if size is not None and size < 1:
            raise ValueError(f"`{name}` must be at least 1, got {size}.")
    if embeddings is not None and embeddings not in EMBEDDING_TYPES:
        raise ValueError(f"`embeddings` must be one of {', '.join(EMBEDDING_TYPES)}, got {embeddings!r}.")
    if "reflectance" not in cube:
        _check_relabelling(year=year, offset=offset, processing_baseline=processing_baseline, embeddings=embeddings)
    wanted = None if smoothing is None else Smoothing.parse(smoothing)
    source, encoder = find_model(
        model,
        device=device,
        batch_size=batch_size,
        dtype=dtype,
        threads=threads,
        deduplicate=deduplicate,
        runtime=runtime,
        exported=exported,
        shared=shared,
    )
    sets = embed_label_sets(encoder, labels, label_sets, hierarchy, hypothesis_template)
    template = encoder.processor.hypothesis_template if hypothesis_template is None else hypothesis_template
    settled: dict[str, Any] = {"year": cube.attrs.get("year")}
    if "reflectance" in cube:
        settled = settle(
            cube,
            encoder.processor.feature_extractor,
            year=year,
            offset=offset,
            processing_baseline=processing_baseline,
        )
    return Recipe(
        model=source,
        score_scale=encoder.score_scale,
        projection_dim=encoder.model.config.projection_dim,
        label_sets=sets,
        hypothesis_template=[template] if isinstance(template, str) else list(template),
        band_names=encoder.processor.feature_extractor.band_names,
        options=settled,
        chunk_size=chunk_size,
        embeddings=embeddings,
        smoothing=wanted,
    )


def _check_relabelling(**options: Any) -> None:
    """Refuses what only the encoder could do, where there are stored embeddings instead of a cube."""
    if given := next((name for name, value in options.items() if value is not None), None):
        raise ValueError(f"`{given}` was decided when the embeddings were stored: leave it out, or map the cube again.")


def _map(cube: xr.Dataset, recipe: Recipe, progress: bool) -> dict[str, xr.Dataset]:
    layers: Any = _lazily(cube, recipe) if cube.chunks else _at_once(cube, recipe, progress)
    return {name: as_map(layers, cube, recipe, name) for name in recipe.label_sets}


def _at_once(cube: xr.Dataset, recipe: Recipe, progress: bool) -> Layers:
    shape = (cube.sizes["y"], cube.sizes["x"])
    layers = {
        name: np.full((*shape, features) if features else shape, fill, dtype=dtype)
        for name, (dtype, fill, features) in layer_types(recipe).items()
    }
    with tqdm(total=shape[0] * shape[1], unit=" pixels", disable=not progress) as bar:
        for window in windows_of(shape, (SIDE_IN_MEMORY, SIDE_IN_MEMORY)):
            wide = window.widened(recipe.halo, shape)
            for name, values in map_block(cut(cube, wide), recipe).items():
                layers[name][window.slices] = values[window.within(wide)]
            bar.update(window.height * window.width)
    return layers


def _lazily(cube: xr.Dataset, recipe: Recipe) -> dict[str, xr.Variable]:
    """The same as Dask arrays in the cube's own chunks, computed when somebody asks."""
    blocks = cube.chunk(dict.fromkeys(("time", "band"), -1))
    given = [blocks["reflectance"]] + ([blocks["scl"]] if "scl" in blocks else [])
    halo = {"y": recipe.halo, "x": recipe.halo}
    types = layer_types(recipe)

    def classify(values: np.ndarray, scl: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
        # apply_ufunc puts the axes that are not mapped over last.
        layers = classify_block(values.transpose(2, 3, 0, 1), None if scl is None else scl.transpose(2, 0, 1), recipe)
        return tuple(layers[name] for name in types)

    results = xr.apply_ufunc(
        classify,
        *(_with_halo(layer, halo) for layer in given),
        input_core_dims=[[axis for axis in layer.dims if axis not in ("y", "x")] for layer in given],
        output_core_dims=[["feature"] if kind.features else [] for kind in types.values()],
        output_dtypes=[kind.dtype for kind in types.values()],
        dask="parallelized",
        dask_gufunc_kwargs={"output_sizes": {"feature": recipe.projection_dim}} if recipe.embeddings else None,
    )
    return {
        name: xr.Variable(layer.dims, da.overlap.trim_internal(layer.data, {0: recipe.halo, 1: recipe.halo}, "none"))
        for name, layer in zip(types, results, strict=True)
    }


def _with_halo(layer: xr.DataArray, halo: Mapping[str, int]) -> xr.DataArray:
    depth = {place: halo.get(str(axis), 0) for place, axis in enumerate(layer.dims)}
    return xr.DataArray(da.overlap.overlap(layer.data, depth, "none"), dims=layer.dims)


def as_map(layers: Mapping[str, Any], cube: xr.Dataset, recipe: Recipe, name: str = "") -> xr.Dataset:
    """The layers of one label set as a dataset with their place and their meaning."""
    own = {layer.removeprefix(f"{name}/"): values for layer, values in layers.items() if _belongs(layer, name)}
    mapped = xr.Dataset(
        {
            layer: values if isinstance(values, xr.Variable) else (("y", "x", "feature")[: values.ndim], values)
            for layer, values in own.items()
        },
        coords={"y": cube["y"].values, "x": cube["x"].values},
        attrs=map_attributes(recipe, name),
    )
    for layer, attributes in class_attributes(recipe, name).items():
        mapped[layer].attrs = attributes
    if not mapped.chunks:
        mapped.attrs["pixels_without_data"] = int((own["class"] == NO_CLASS).sum())
    located: xr.Dataset = mapped.rio.write_crs(cube.rio.crs)
    return located


def _belongs(layer: str, name: str) -> bool:
    """Whether an array is of this label set, or of all of them."""
    return "/" not in layer or layer.startswith(f"{name}/")


def map_attributes(recipe: Recipe, name: str) -> dict[str, Any]:
    """What a map says about itself, in types that JSON has."""
    label_set = recipe.label_sets[name]
    attributes: dict[str, Any] = {
        "labels": label_set.labels,
        # A folder's name alone: maps travel, and paths are of one machine.
        "model": Path(recipe.model.name).name if Path(recipe.model.name).is_dir() else recipe.model.name,
        "weights_sha256": recipe.model.weights,
        "model_bands": recipe.band_names,
        "hypothesis_template": recipe.hypothesis_template,
    }
    if recipe.model.runtime != "torch":
        attributes["runtime"] = f"{recipe.model.runtime} {recipe.model.tower or ''}".rstrip()
    if label_set.coarse_labels:
        attributes["coarse_labels"] = label_set.coarse_labels
    if recipe.smoothing is not None:
        attributes["smoothing"] = str(recipe.smoothing)
    if recipe.options.get("year") is not None:
        attributes["year"] = recipe.options["year"]
    return attributes


def class_attributes(recipe: Recipe, name: str) -> dict[str, dict[str, Any]]:
    """CF's flags of the class layers."""
    label_set = recipe.label_sets[name]
    named = {"class": label_set.labels} | ({"class_coarse": label_set.coarse_labels} if label_set.parents else {})
    return {
        layer: {
            "flag_values": list(range(len(labels) + 1)),
            "flag_meanings": " ".join(["no_data", *(label.replace(" ", "_") for label in labels)]),
        }
        for layer, labels in named.items()
    }
