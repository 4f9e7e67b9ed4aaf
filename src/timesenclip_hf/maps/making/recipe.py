"""What is done to every block of a cube, decided once: checkpoint, labels, options. Small, and made to travel."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from os import PathLike
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import torch

from ...classification import PixelEncoder
from ...files import weights_hash
from ...models.timesenclip.pipeline_timesenclip import ZeroShotPixelClassificationPipeline
from ...models.timesenclip.precision_timesenclip import check_precision, precision_name
from ...models.timesenclip.zero_shot_timesenclip import CandidateLabels, embed_labels, read_labels
from ...runtimes.engines import name_of_exported
from ..files.codes import MOST_CLASSES
from .smoothing import majority_halo

Model = str | PathLike[str] | ZeroShotPixelClassificationPipeline | None
Hierarchy = Mapping[str, CandidateLabels]
EMBEDDING_TYPES = ("float16", "int8")
# Sweeps of the Potts model, each of which looks a pixel further.
POTTS_SWEEPS = 5

_encoders: dict[tuple[Any, ...], PixelEncoder] = {}
_loading = Lock()


@dataclass(frozen=True)
class ModelSource:
    """Where a process finds the model; it is loaded once and kept.

    Attributes:
        name: folder or Hub id.
        weights: hash of its weights, which every worker must find there.
        device: where to compute; "cuda" deals the devices out to the workers of a machine.
        batch_size: series the encoder takes at once; what suits it and the machine when None.
        dtype: name of the type to compute in, see [`encode`]; the model's own when None.
        threads: of torch in each process; left as they are when None.
        deduplicate: encode equal series once.
        runtime: what computes: "torch", "onnx" or "openvino".
        exported: file of `timesenclip export` for the runtime, which every worker must find there.
        tower: which exported tower that is, see [`name_of_exported`].
    """

    name: str
    weights: str
    device: str | None
    batch_size: int | None
    dtype: str | None
    threads: int | None
    deduplicate: bool
    runtime: str = "torch"
    exported: str | None = None
    tower: str | None = None

    @property
    def _key(self) -> tuple[Any, ...]:
        # A runtime is opened with its threads, torch's are set at every use.
        threads = None if self.runtime == "torch" else self.threads
        return astuple(replace(self, threads=threads))

    def encoder(self) -> PixelEncoder:
        """The encoder of this process.

        Raises:
            OSError: no checkpoint can be read here.
            ValueError: the checkpoint here has other weights.
        """
        if self.threads is not None and torch.get_num_threads() != self.threads:
            torch.set_num_threads(self.threads)
        with _loading:  # two threads must not load it twice
            if self._key not in _encoders:
                encoder = PixelEncoder(
                    self.name,
                    device=own_device(self.device),
                    batch_size=self.batch_size,
                    dtype=self.dtype,
                    deduplicate=self.deduplicate,
                    runtime=self.runtime,
                    exported=self.exported,
                    threads=self.threads,
                )
                if self.tower is not None and name_of_exported(self.exported or "") != self.tower:
                    raise ValueError(
                        f"The exported tower {self.exported} is another on this worker than where the run was started: "
                        "give a path that all of them share."
                    )
                if weights_hash(encoder.model.state_dict()) != self.weights:
                    raise ValueError(
                        f"The checkpoint {self.name} has other weights on this worker than where the run was started: "
                        "give a path that all of them share."
                    )
                _encoders[self._key] = encoder
            return _encoders[self._key]

    def keep(self, encoder: PixelEncoder) -> None:
        """Lets this process use what it has loaded already."""
        with _loading:
            _encoders[self._key] = encoder


def own_device(device: str | None) -> str | None:
    """For a numbered Dask worker, "cuda" means the device of its own number."""
    if device != "cuda" or torch.cuda.device_count() < 2:
        return device
    from distributed import get_worker

    try:
        name = str(get_worker().name)
    except ValueError:  # no worker: the process that was started
        return device
    return f"cuda:{int(name) % torch.cuda.device_count()}" if name.isdigit() else device


class LabelSet(NamedTuple):
    """Classes of one map.

    Attributes:
        labels: names in order.
        class_embeds: unit embeddings (classes, projection_dim).
        phrases: that describe each label.
        coarse_labels: names of the groups of a hierarchy, or none.
        parents: for each label the place of its group.
    """

    labels: list[str]
    class_embeds: torch.Tensor
    phrases: dict[str, list[str]]
    coarse_labels: list[str]
    parents: list[int]


@dataclass(frozen=True)
class Smoothing:
    """How neighbours are made to agree.

    Attributes:
        method: "majority" or "potts".
        amount: side of the majority's square, or the strength of the Potts model.
    """

    method: str
    amount: float

    @classmethod
    def parse(cls, text: str) -> "Smoothing":
        """Reads "majority", "majority:5", "potts" or "potts:1.5".

        Raises:
            ValueError: it is something else.
        """
        method, _, amount = text.partition(":")
        defaults = {"majority": 3.0, "potts": 1.0}
        try:
            chosen = cls(method, float(amount) if amount else defaults[method])
            whole = chosen.amount == int(chosen.amount) or method == "potts"
            valid = method in defaults and chosen.halo > 0 and chosen.amount > 0 and whole
        except (KeyError, ValueError):
            valid = False
        if not valid:
            raise ValueError(f'Smoothing must look like "majority:3" (an odd size) or "potts:1.0", got {text!r}.')
        return chosen

    @property
    def halo(self) -> int:
        """Pixels around a block that its own depend on."""
        return majority_halo(int(self.amount)) if self.method == "majority" else POTTS_SWEEPS

    def __str__(self) -> str:
        return (
            f"majority {self.amount:.0f} x {self.amount:.0f}" if self.method == "majority" else f"Potts {self.amount:g}"
        )


@dataclass(frozen=True)
class Recipe:
    """Everything that turns a block of a cube into layers of a map.

    Attributes:
        model: the checkpoint.
        score_scale: of the model.
        projection_dim: of the model.
        label_sets: by name; "" is the name of the only one.
        hypothesis_template: the prompts' templates.
        band_names: that the checkpoint reads.
        options: the feature extractor's, the same for every block.
        chunk_size: series that go through the feature extractor together.
        embeddings: type to store embeddings in, or None.
        smoothing: or None.
    """

    model: ModelSource
    score_scale: float
    projection_dim: int
    label_sets: Mapping[str, LabelSet]
    hypothesis_template: list[str]
    band_names: list[str]
    options: Mapping[str, Any]
    chunk_size: int
    embeddings: str | None
    smoothing: Smoothing | None

    @property
    def halo(self) -> int:
        """Pixels around a block that its own depend on."""
        return 0 if self.smoothing is None else self.smoothing.halo


class LayerType(NamedTuple):
    """One array of a map: its type, what stands for no data, and its features at each pixel (0: one number)."""

    dtype: str
    fill: float
    features: int = 0


def layer_types(recipe: Recipe) -> dict[str, LayerType]:
    """The arrays of a map by name; those of a named label set start with the name and a slash."""
    score = LayerType("float32", np.nan)
    layers = {"clear_months": LayerType("uint8", 0)}
    for name, label_set in recipe.label_sets.items():
        at = f"{name}/" if name else ""
        layers[f"{at}class"] = LayerType("uint8", 0)
        layers |= {f"{at}{layer}": score for layer in ("probability", "entropy", "margin")}
        if label_set.coarse_labels:
            layers |= {f"{at}class_coarse": LayerType("uint8", 0), f"{at}probability_coarse": score}
    if recipe.embeddings is not None:
        fill = 0 if recipe.embeddings == "int8" else np.nan
        layers["embeddings"] = LayerType(recipe.embeddings, fill, recipe.projection_dim)
    if recipe.embeddings == "int8":
        layers["embedding_scale"] = LayerType("float32", 0)
    return layers


def find_model(
    model: Model,
    *,
    device: str | None = None,
    batch_size: int | None = None,
    dtype: str | None = None,
    threads: int | None = None,
    deduplicate: bool = False,
    runtime: str = "torch",
    exported: str | PathLike[str] | None = None,
    shared: bool = False,
) -> tuple[ModelSource, PixelEncoder]:
    """Loads a checkpoint in this process and says where others find it.

    Args:
        model: folder or Hub id, or a loaded pipeline; the embedded checkpoint when left out.
        device: see [`ModelSource`], as for the rest.
        batch_size: series the encoder takes at once.
        dtype: name of the type to compute in.
        threads: of torch.
        deduplicate: encode equal series once.
        runtime: what computes.
        exported: file for the runtime.
        shared: other processes must find it too.

    Raises:
        OSError: no checkpoint can be read there.
        ValueError: the type is unknown or not for the device, the runtime cannot be used, or other processes cannot
            find a loaded pipeline.
    """
    if dtype is not None and runtime == "torch":
        check_precision(precision_name(dtype), torch.device(device or "cpu"))
    encoder = PixelEncoder(
        model,
        device=device,
        batch_size=batch_size,
        dtype=dtype,
        deduplicate=deduplicate,
        runtime=runtime,
        exported=exported,
        threads=threads,
    )
    is_loaded = isinstance(model, ZeroShotPixelClassificationPipeline)
    name = str(encoder.model.name_or_path) if model is None or is_loaded else str(model)
    if is_loaded and shared and not Path(name).is_dir():
        raise ValueError("Other processes cannot see a loaded pipeline: give the folder of its checkpoint.")
    weights = weights_hash(encoder.model.state_dict())
    path = None if exported is None else str(Path(exported).absolute())
    tower = None if path is None else name_of_exported(path)
    source = ModelSource(name, weights, device, batch_size, dtype, threads, deduplicate, runtime, path, tower)
    source.keep(encoder)
    return source, encoder


def embed_label_sets(
    encoder: PixelEncoder,
    labels: CandidateLabels | None,
    label_sets: Mapping[str, CandidateLabels] | None,
    hierarchy: Hierarchy | None,
    hypothesis_template: str | Sequence[str] | None,
) -> dict[str, LabelSet]:
    """The classes of each map; see [`map_cube`] for the arguments.

    Raises:
        ValueError: labels, names of sets or the hierarchy cannot be used.
    """
    if label_sets is not None and (labels is not None or hierarchy is not None):
        raise ValueError("Give `labels` (and perhaps a `hierarchy`) or `label_sets`, not both.")
    if label_sets is None:
        phrases, coarse, parents = read_hierarchy(labels, hierarchy)
        given = {"": (phrases, coarse, parents)}
    else:
        given = {name: (read_labels(one), [], []) for name, one in label_sets.items()}
        if wrong := [name for name in given if not re.fullmatch(r"[A-Za-z0-9][\w-]*", name)]:
            raise ValueError(f"The name of a label set must be letters and digits, got {wrong[0]!r}.")
        if not given:
            raise ValueError("`label_sets` is empty: give at least one set of class names.")
    for phrases, *_ in given.values():
        if len(phrases) > MOST_CLASSES:
            raise ValueError(f"A map holds at most {MOST_CLASSES} classes, got {len(phrases)}.")
    return {
        name: LabelSet(
            *embed_labels(encoder.model, encoder.processor, phrases, hypothesis_template), phrases, coarse, parents
        )
        for name, (phrases, coarse, parents) in given.items()
    }


def read_hierarchy(
    labels: CandidateLabels | None, hierarchy: Hierarchy | None
) -> tuple[dict[str, list[str]], list[str], list[int]]:
    """Labels with their phrases, the groups that they belong to, and for each label the place of its group.

    Raises:
        ValueError: a label is in no group or in two, or one of a group is no label.
    """
    if hierarchy is None:
        if labels is None:
            raise ValueError('Give class names, such as labels=["maize", "woodland"].')
        return read_labels(labels), [], []
    group_of: dict[str, str] = {}
    phrases: dict[str, list[str]] = {}
    for group, members in hierarchy.items():
        for name, one in read_labels(members).items():
            if name in group_of:
                raise ValueError(f"The label {name!r} is in two groups, {group_of[name]!r} and {group!r}.")
            group_of[name], phrases[name] = group, one
    if labels is not None:
        phrases = read_labels(labels)
        if lost := [name for name in {**phrases, **group_of} if (name in phrases) != (name in group_of)]:
            raise ValueError(f"{lost[0]!r} is in the labels or in the hierarchy but not in both: name it in both.")
    coarse = list(hierarchy)
    return phrases, coarse, [coarse.index(group_of[name]) for name in phrases]
