"""Make the layers of a map a dataset that knows its grid and says what it is of."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...extras import needs_extra
from ..cubes.grids import grid_of, locate
from ..files.legend import NO_CLASS
from .recipe import Recipe, layer_types

with needs_extra("map"):
    import xarray as xr


def as_map(layers: Mapping[str, Any], cube: xr.Dataset, recipe: Recipe, name: str = "") -> xr.Dataset:
    """Put the layers of a label set on the cube's grid.

    Args:
        layers: of all label sets, as [`layer_types`] names them.
        cube: with the grid.
        recipe: that they were made by.
        name: of the label set.
    """
    mapped = xr.Dataset(coords={"y": cube["y"].values, "x": cube["x"].values}, attrs=map_attributes(recipe, name))
    for layer, kind in layer_types(recipe).items():
        label_set, _, short = layer.rpartition("/")
        if label_set in ("", name):
            mapped[short] = ("y", "x", "feature")[: layers[layer].ndim], layers[layer], dict(kind.attributes)
    if not mapped.chunks:
        mapped.attrs["pixels_without_data"] = int((mapped["class"] == NO_CLASS).sum())
    return locate(mapped, cube.rio.crs, grid_of(cube))


def map_attributes(recipe: Recipe, name: str) -> dict[str, Any]:
    """Say what a map is of and how it was made, in types that JSON has."""
    label_set = recipe.label_sets[name]
    attributes: dict[str, Any] = {
        "labels": label_set.labels,
        # A folder's name alone: maps travel, and paths are of one machine.
        "model": Path(recipe.model.name).name if Path(recipe.model.name).is_dir() else recipe.model.name,
        "weights_sha256": recipe.model.weights,
        "model_bands": recipe.band_names,
        "hypothesis_template": recipe.hypothesis_template,
    }
    if recipe.model.compute.runtime != "torch":
        attributes["runtime"] = f"{recipe.model.compute.runtime} {recipe.model.tower or ''}".rstrip()
    if label_set.coarse_labels:
        attributes["coarse_labels"] = label_set.coarse_labels
    if recipe.smoothing is not None:
        attributes["smoothing"] = str(recipe.smoothing)
    if recipe.reading.year is not None:
        attributes["year"] = recipe.reading.year
    return attributes
