"""Decide once what is done to every block of a cube: checkpoint, labels, reading. Small, and made to travel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ...extras import needs_extra
from ...models.timesenclip.options_timesenclip import SeriesOptions
from ...models.timesenclip.zero_shot_timesenclip import CandidateLabels
from ...runtimes.options import DEFAULT_COMPUTE, ComputeOptions
from .label_sets import LabelSet, embed_label_sets
from .model_source import Model, ModelSource, find_model
from .options import DEFAULT_OPTIONS, DEFAULT_READING, MapOptions
from .sampling import check_reading, settle
from .smoothing import SHOWN, Smoothing

with needs_extra("map"):
    import xarray as xr


@dataclass(frozen=True)
class Recipe:
    """Hold everything that turns a block of a cube into layers of a map.

    Attributes:
        model: the checkpoint, and how to compute with it.
        score_scale: of the model.
        projection_dim: of the model.
        label_sets: by name; "" is the name of the only one.
        hypothesis_template: the prompts' templates.
        band_names: that the checkpoint reads.
        reading: how to read the series of every block.
        embeddings: type to store embeddings in, or None.
        smoothing: or None.
    """

    model: ModelSource
    score_scale: float
    projection_dim: int
    label_sets: Mapping[str, LabelSet]
    hypothesis_template: list[str]
    band_names: list[str]
    reading: SeriesOptions
    embeddings: str | None
    smoothing: Smoothing | None

    @property
    def halo(self) -> int:
        """Return how many pixels around a block its own depend on."""
        return 0 if self.smoothing is None else self.smoothing.halo


class LayerType(NamedTuple):
    """Describe one array of a map: type of its values, no data, numbers at each pixel (0: no axis) and metadata."""

    dtype: str
    fill: float
    features: int = 0
    attributes: Mapping[str, Any] = {}

    @property
    def bytes_of_pixel(self) -> int:
        """Return the bytes of one pixel."""
        return np.dtype(self.dtype).itemsize * max(self.features, 1)

    def blank(self, shape: tuple[int, int]) -> np.ndarray:
        """Make an array (y, x[, feature]) without data."""
        return np.full((*shape, self.features) if self.features else shape, self.fill, dtype=self.dtype)


def layer_types(recipe: Recipe) -> dict[str, LayerType]:
    """List the arrays of a map by name; those of a named label set start with the name and a slash."""
    # After a majority filter these layers are not the pixel's own.
    followed = {"comment": SHOWN} if recipe.smoothing is not None and recipe.smoothing.method == "majority" else {}
    layers = {"clear_months": LayerType("uint8", 0)}
    for name, label_set in recipe.label_sets.items():
        at = f"{name}/" if name else ""
        layers[f"{at}class"] = _classes(label_set.labels)
        for layer in ("probability", "entropy", "margin"):
            layers[f"{at}{layer}"] = LayerType("float32", np.nan, 0, {} if layer == "entropy" else followed)
        if label_set.coarse_labels:
            layers[f"{at}class_coarse"] = _classes(label_set.coarse_labels)
            layers[f"{at}probability_coarse"] = LayerType("float32", np.nan, 0, followed)
    if recipe.embeddings is not None:
        fill = 0 if recipe.embeddings == "int8" else np.nan
        layers["embeddings"] = LayerType(recipe.embeddings, fill, recipe.projection_dim)
    if recipe.embeddings == "int8":
        layers["embedding_scale"] = LayerType("float32", 0)
    return layers


def _classes(labels: Sequence[str]) -> LayerType:
    """Describe a layer of classes with CF's flags."""
    meanings = " ".join(["no_data", *(label.replace(" ", "_") for label in labels)])
    return LayerType("uint8", 0, 0, {"flag_values": list(range(len(labels) + 1)), "flag_meanings": meanings})


def make_recipe(
    cube: xr.Dataset,
    labels: CandidateLabels | None,
    model: Model = None,
    options: MapOptions = DEFAULT_OPTIONS,
    reading: SeriesOptions = DEFAULT_READING,
    compute: ComputeOptions = DEFAULT_COMPUTE,
    *,
    shared: bool = False,
) -> Recipe:
    """Decide what will be done to every block of a cube.

    Args:
        cube: from [`open_cube`], or a map with stored embeddings.
        labels: class names; None where the options have label sets or a hierarchy.
        model: folder or Hub id of a checkpoint, or a loaded pipeline; the embedded one when left out.
        options: what the map shows.
        reading: year, and offset or processing baseline where the cube's own are not right.
        compute: how to compute.
        shared: other processes must find the checkpoint too.

    Raises:
        ValueError: cube, labels or options cannot be used; the sentence says why.
    """
    check_reading(reading)
    is_stored = "reflectance" not in cube
    if is_stored:
        decided = {name: getattr(reading, name) for name in ("year", "offset", "processing_baseline")}
        decided["embeddings"] = options.embeddings
        if chosen := next((name for name, value in decided.items() if value is not None), None):
            raise ValueError(
                f"`{chosen}` was decided when the embeddings were stored: leave it out, or map the cube again."
            )
    source, encoder = find_model(model, compute, shared=shared)
    processor = encoder.processor
    extractor, template = processor.feature_extractor, options.hypothesis_template
    template = processor.hypothesis_template if template is None else template
    return Recipe(
        model=source,
        score_scale=encoder.score_scale,
        projection_dim=encoder.model.config.projection_dim,
        label_sets=embed_label_sets(encoder, labels, options),
        hypothesis_template=[template] if isinstance(template, str) else list(template),
        band_names=extractor.band_names,
        reading=SeriesOptions(year=cube.attrs.get("year")) if is_stored else settle(cube, extractor, reading),
        embeddings=options.embeddings,
        smoothing=None if options.smoothing is None else Smoothing.parse(options.smoothing),
    )
