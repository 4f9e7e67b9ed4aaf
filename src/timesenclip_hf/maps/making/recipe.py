"""Decide once what is done to every block of a cube: checkpoint, labels, reading. Small, and made to travel."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ...classification import PixelEncoder
from ...extras import needs_extra
from ...models.timesenclip.label_set_timesenclip import Labels, LabelSet, as_label_set
from ...models.timesenclip.options_timesenclip import SeriesOptions
from ...models.timesenclip.zero_shot_timesenclip import read_labels, words_not_in
from ...runtimes.options import DEFAULT_COMPUTE, ComputeOptions
from ..files.legend import MOST_CLASSES
from .model_card import caveat_of_card
from .model_source import Model, ModelSource, find_model
from .options import DEFAULT_OPTIONS, DEFAULT_READING, Hierarchy, MapOptions
from .sampling import check_reading, settle
from .smoothing import SHOWN, Smoothing

with needs_extra("map"):
    import xarray as xr


# Of how series are read, what stored embeddings hold already.
STORED = ("year", "season", "offset", "processing_baseline", "units", "minimum_months", "missing_bands", "screen")


class MapClasses(NamedTuple):
    """Hold the classes of one map, and the groups of a hierarchy if it has one.

    Attributes:
        label_set: the classes.
        coarse_labels: names of the groups.
        parents: for each label the index of its group.
        unknown_words: of the phrases, which the checkpoint never read.
    """

    label_set: LabelSet
    coarse_labels: list[str]
    parents: list[int]
    unknown_words: Sequence[str] = ()

    @property
    def labels(self) -> list[str]:
        """Return the names of the classes."""
        return self.label_set.labels


@dataclass(frozen=True)
class Recipe:
    """Hold everything that turns a block of a cube into layers of a map.

    Attributes:
        model: the checkpoint, and how to compute with it; `projection_dim` and `band_names` are its own.
        label_sets: the classes by the name of their set; "" is the name of the only one.
        reading: how to read the series of every block.
        embeddings: type to store them in.
        has_novelty: whether the checkpoint, or a map with its embeddings, tells how unlike its training a pixel is.
        caveat: what the checkpoint's card warns of.
        temperature: by which the checkpoint's scores were calibrated; 1 where they were not.
    """

    model: ModelSource
    projection_dim: int
    band_names: list[str]
    label_sets: Mapping[str, MapClasses]
    reading: SeriesOptions
    embeddings: str | None
    smoothing: Smoothing | None
    has_novelty: bool = False
    caveat: str | None = None
    temperature: float = 1.0

    @property
    def halo(self) -> int:
        """Return how many pixels around a block its own depend on."""
        return 0 if self.smoothing is None else self.smoothing.halo

    @property
    def reads_values(self) -> bool:
        """Tell whether a label set reads monthly values beside the embeddings."""
        return any(classes.label_set.reads_values for classes in self.label_sets.values())


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
    if recipe.has_novelty:
        layers["novelty"] = LayerType("float32", np.nan, 0, {"comment": "above 1 unlike what the model was trained on"})
    for name, classes in recipe.label_sets.items():
        at = f"{name}/" if name else ""
        layers[f"{at}class"] = _classes(classes.labels)
        for layer in ("probability", "entropy", "margin"):
            layers[f"{at}{layer}"] = LayerType("float32", np.nan, 0, {} if layer == "entropy" else followed)
        if classes.coarse_labels:
            layers[f"{at}class_coarse"] = _classes(classes.coarse_labels)
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
    labels: Labels | None,
    model: Model = None,
    options: MapOptions = DEFAULT_OPTIONS,
    reading: SeriesOptions = DEFAULT_READING,
    compute: ComputeOptions = DEFAULT_COMPUTE,
    *,
    shared: bool = False,
) -> Recipe:
    """Decide what will be done to every block of a cube, or of a map with stored embeddings.

    The labels are None where the options have label sets or a hierarchy; with `shared` other processes must find the
    checkpoint too.

    Raises:
        ValueError: cube, labels or options cannot be used; the sentence says why.
    """
    check_reading(reading)
    is_stored = "reflectance" not in cube
    if is_stored:
        chosen = next((name for name in STORED if getattr(reading, name) != getattr(DEFAULT_READING, name)), None)
        if chosen := chosen or ("embeddings" if options.embeddings else None):
            raise ValueError(
                f"`{chosen}` was decided when the embeddings were stored: leave it out, or map the cube again."
            )
    source, encoder = find_model(model, compute, shared=shared)
    extractor = encoder.processor.feature_extractor
    reading = _stored_reading(cube.attrs) if is_stored else settle(cube, extractor, reading)
    recipe = Recipe(
        model=source,
        projection_dim=encoder.model.config.projection_dim,
        band_names=extractor.band_names,
        label_sets=embed_label_sets(encoder, labels, options),
        # The checkpoint's way, where none is chosen, as it is no part of the weights that a run is known by.
        reading=replace(reading, screen=reading.screen or extractor.screen),
        embeddings=options.embeddings,
        smoothing=None if options.smoothing is None else Smoothing.parse(options.smoothing),
        has_novelty="novelty" in cube if is_stored else encoder.knows_novelty,
        caveat=caveat_of_card(source.name),
        temperature=float(encoder.model.config.calibration_temperature),
    )
    if is_stored and recipe.reads_values:
        raise ValueError(
            "The label set reads monthly values, which a map does not store: map the cube itself, or fit a set without."
        )
    return recipe


def _stored_reading(attributes: Mapping[str, Any]) -> SeriesOptions:
    """Return how stored embeddings were read, as far as a map says it."""
    estimated = attributes.get("estimated_bands", [])
    bands = [name for name in attributes.get("model_bands", []) if name not in estimated]
    season = attributes.get("season")
    return SeriesOptions(
        bands=bands or None,
        year=None if season else attributes.get("year"),
        season=season,
        minimum_months=attributes.get("minimum_months", 1),
        missing_bands="estimate" if estimated else None,
        screen=attributes.get("screen"),
    )


def embed_label_sets(encoder: PixelEncoder, labels: Labels | None, options: MapOptions) -> dict[str, MapClasses]:
    """Make the classes of each map; return them by the name of their set, "" if there is one only.

    Raises:
        ValueError: labels, names of sets or the hierarchy cannot be used.
    """
    if options.label_sets is None:
        sets = {"": read_hierarchy(labels, options.hierarchy)}
    elif labels is not None or options.hierarchy is not None:
        raise ValueError("Give `label_sets`, or labels and perhaps a `hierarchy`, not both.")
    else:
        sets = {name: read_hierarchy(names, None) for name, names in options.label_sets.items()}
        if wrong := [name for name in sets if not re.fullmatch(r"[A-Za-z0-9][\w-]*", name)]:
            raise ValueError(f"The name of a label set must be letters and digits, got {wrong[0]!r}.")
        if not sets:
            raise ValueError("`label_sets` is empty: give at least one set of class names.")
    made = {}
    for name, (read, coarse, parents) in sets.items():
        count = len(read.labels if isinstance(read, LabelSet) else read)
        if count > MOST_CLASSES:
            raise ValueError(f"A map holds at most {MOST_CLASSES} classes, got {count}.")
        label_set = as_label_set(encoder.model, encoder.processor, read, options.hypothesis_template)
        texts = [] if label_set.is_fitted else [text for texts in label_set.phrases.values() for text in texts]
        unknown = words_not_in(texts, known) if (known := encoder.processor.known_words) else []
        made[name] = MapClasses(label_set, coarse, parents, unknown)
    return made


def read_hierarchy(
    labels: Labels | None, hierarchy: Hierarchy | None
) -> tuple[dict[str, list[str]] | LabelSet, list[str], list[int]]:
    """Read labels with their phrases, the groups that they belong to, and for each label the index of its group."""
    read = labels if labels is None or isinstance(labels, LabelSet) else read_labels(labels)
    if hierarchy is None:
        if read is None:
            raise ValueError('Give class names, such as labels=["maize", "woodland"].')
        return read, [], []
    if not isinstance(hierarchy, Mapping):
        raise ValueError(f'A hierarchy is {{"group": ["label", ...]}}, got a {type(hierarchy).__name__}.')
    group_of: dict[str, str] = {}
    phrases: dict[str, list[str]] = {}
    for group, members in hierarchy.items():
        for name, texts in read_labels(members).items():
            if name in group_of:
                raise ValueError(f"The label {name!r} is in two groups, {group_of[name]!r} and {group!r}.")
            group_of[name], phrases[name] = group, texts
    names = read.labels if isinstance(read, LabelSet) else list(phrases if read is None else read)
    if lost := [name for name in (*names, *group_of) if (name in names) != (name in group_of)]:
        raise ValueError(f"{lost[0]!r} is in the labels or in the hierarchy but not in both: name it in both.")
    coarse = list(hierarchy)
    return phrases if read is None else read, coarse, [coarse.index(group_of[name]) for name in names]
