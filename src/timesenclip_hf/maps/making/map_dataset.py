"""Make the layers of a map a dataset that knows its grid and says what it is of; leave unsure pixels unnamed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...extras import needs_extra
from ...models.timesenclip.compositing_timesenclip import asked_window, year_of_window
from ...models.timesenclip.missing_bands_timesenclip import absent_bands, estimated_bands
from ..cubes.grids import grid_of, locate
from ..files.legend import NO_CLASS, UNCERTAIN
from .recipe import Recipe, layer_types

with needs_extra("map"):
    import xarray as xr


def as_map(layers: Mapping[str, Any], cube: xr.Dataset, recipe: Recipe, name: str = "") -> xr.Dataset:
    """Put the layers of a label set, and those that all sets share, on the cube's grid."""
    mapped = xr.Dataset(coords={"y": cube["y"].values, "x": cube["x"].values}, attrs=map_attributes(recipe, name))
    for layer, kind in layer_types(recipe).items():
        if "/" in layer and not layer.startswith(f"{name}/"):
            continue
        mapped[layer.removeprefix(f"{name}/")] = (
            ("y", "x", "feature")[: layers[layer].ndim],
            layers[layer],
            dict(kind.attributes),
        )
    if not mapped.chunks:
        mapped.attrs["pixels_without_data"] = int((mapped["class"] == NO_CLASS).sum())
    return locate(mapped, cube.rio.crs, grid_of(cube))


def map_attributes(recipe: Recipe, name: str) -> dict[str, Any]:
    """Say what the map of a label set is of and how it was made, in types that JSON has."""
    classes, model = recipe.label_sets[name], recipe.model
    label_set = classes.label_set
    attributes: dict[str, Any] = {
        "labels": label_set.labels,
        # A folder's name alone: maps travel, and paths are of one machine.
        "model": Path(model.name).name if Path(model.name).is_dir() else model.name,
        "weights_sha256": model.weights,
        "model_bands": recipe.band_names,
        "hypothesis_template": label_set.templates,
    }
    if label_set.is_fitted:
        attributes["fitted_to_examples"] = label_set.counted_examples
    if classes.unknown_words:
        attributes["unknown_words"] = list(classes.unknown_words)
    if recipe.caveat is not None:
        attributes["model_caveat"] = recipe.caveat
    if recipe.temperature != 1:
        attributes["calibration_temperature"] = recipe.temperature
    if model.compute.runtime != "torch":
        attributes["runtime"] = f"{model.compute.runtime} {model.tower or ''}".rstrip()
    if classes.coarse_labels:
        attributes["coarse_labels"] = classes.coarse_labels
    if recipe.smoothing is not None:
        attributes["smoothing"] = str(recipe.smoothing)
    reading = recipe.reading
    if reading.season is not None:
        attributes["season"] = reading.season
    if (start := asked_window(reading)) is not None:
        attributes["year"] = year_of_window(start)
    if reading.minimum_months > 1:
        attributes["minimum_months"] = reading.minimum_months
    if reading.screen not in (None, "none"):
        attributes["screen"] = reading.screen
    if reading.missing_bands == "estimate" and (bands := estimated_bands(reading.bands, recipe.band_names)):
        attributes["estimated_bands"] = bands
    if reading.missing_bands == "mask" and (bands := absent_bands(reading.bands, recipe.band_names)):
        attributes["masked_bands"] = bands
    return attributes


def reject(mapped: xr.Dataset, threshold: float) -> xr.Dataset:
    """Give the class "uncertain" to every pixel whose probability is below a threshold.

    Coarse classes go by their own probability. All other layers stay, so that the threshold can be changed later.

    Args:
        mapped: a map, lazy or not; the result is the same.
        threshold: probability, 0 to 1.

    Raises:
        ValueError: the threshold is no probability.
    """
    check_threshold(threshold)
    changed = {}
    for name, score in (("class", "probability"), ("class_coarse", "probability_coarse")):
        if name in mapped:
            classes = mapped[name]
            sure = (classes == NO_CLASS) | (mapped[score] >= threshold)
            changed[name] = classes.where(sure, classes.dtype.type(UNCERTAIN)).assign_attrs(classes.attrs)
    return mapped.assign(changed).assign_attrs(reject_threshold=float(threshold))


def check_threshold(threshold: float) -> None:
    """Raise a ValueError where the threshold is no probability."""
    if not 0 <= threshold <= 1:
        raise ValueError(f"The threshold is a probability between 0 and 1, got {threshold}.")
