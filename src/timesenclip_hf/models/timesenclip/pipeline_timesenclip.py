"""Provide `pipeline("zero-shot-pixel-classification")`: series and class names in, labels with scores out."""

import os
from collections.abc import Iterator, Mapping, Sequence, Sized
from importlib import import_module
from typing import Any

import numpy as np
import torch
from transformers import BatchFeature, Pipeline
from transformers.dynamic_module_utils import custom_object_save
from transformers.utils import logging

from .encoding_timesenclip import DEFAULT_BATCH_SIZE, encode
from .inputs_timesenclip import as_input, in_chunks, is_cube, is_frame, is_named
from .label_set_timesenclip import Labels, LabelSet, as_label_set, monthly_values
from .novelty_timesenclip import measure_novelty, warn_of_novelty
from .options_timesenclip import SERIES_OPTIONS, SeriesOptions
from .weights_timesenclip import is_as_known, weights_state
from .zero_shot_timesenclip import read_labels

logger = logging.get_logger(__name__)

TASK = "zero-shot-pixel-classification"
# Series that are judged together, 0.1 GB of 150 acquisitions each; of more, so many from everywhere tell the unit.
JUDGED_TOGETHER, SAMPLE_SIZE = 16_384, 2048
# Label sets that a pipeline keeps; each was a run of the text tower.
MOST_LABEL_SETS = 64
# Has no part in words, and is the largest of the towers.
_PHOTO_TOWER = ("vision_model.", "visual_projection.")
_FEATURE_OPTIONS = (*SERIES_OPTIONS, "composite", "allow_empty")


class ZeroShotPixelClassificationPipeline(Pipeline):
    """Name the land cover of Sentinel-2 pixels in words chosen at the call.

    ```python
    >>> from transformers import pipeline
    >>> import timesenclip_hf

    >>> classify = pipeline("zero-shot-pixel-classification")
    >>> classify(series, candidate_labels=["maize", "grassland", "buildings"])  # series: (12, 10) reflectance
    [{'score': 0.97, 'label': 'maize'}, ...]
    ```

    What the numbers of a list, an array or a dataset mean is judged on all series together, or on a sample of very
    many; a stream is judged a batch at a time. The text tower runs once for each set of labels and templates.
    """

    _load_processor = True
    _load_image_processor = False
    _load_feature_extractor = False
    _load_tokenizer = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._label_sets: dict[Any, LabelSet] = {}
        self._state: Any = None
        self._called_with: LabelSet | None = None  # checked once a call, not once a chunk

    def __call__(self, inputs: Any, candidate_labels: Labels | None = None, **kwargs: Any) -> Any:
        """Classify series, the rows of a table, or the pixels of a cube.

        Args:
            inputs: one series, as a (time, band) array or nested list, or as a dictionary with "series" and any field
                of [`SeriesOptions`]; or many: an array (series, time, band), alone or as the "series" of a dictionary,
                a list, a `Dataset` or one of its columns, a `KeyDataset`, any iterator, or `{name: series}`; or a
                `DataFrame` of pandas in any layout of `timesenclip classify`; or a cube of xarray.
            candidate_labels: a list of names, one string with names between commas, `{label: [phrases]}`, or a
                [`LabelSet`], such as one fitted to examples; `read_label_set` reads one from its file.
            **kwargs: `hypothesis_template` (one or several), `top_k`, `batch_size`, `centring`, `composite`,
                `missing_bands`, `allow_empty`, and for every series the fields of [`SeriesOptions`].

        Returns:
            For one series a list of `{"score", "label"}`, highest first; for many a list of such lists; for an iterator
            without length an iterator of such lists, which reads on as it is consumed; for `{name: series}` such a list
            by name. For a frame a frame, of `timesenclip_hf.classify_dataframe`, which `id_column` is for, too; for a
            cube a map, of `timesenclip_hf.maps.map_cube`. A series without a clear
            observation is refused alone; among others it has `[{"score": nan, "label": None}]`, and is counted in a
            warning. `allow_empty=True` lets it pass alone, too, and False refuses it everywhere.

        Raises:
            ValueError: labels, templates or series cannot be used; the sentence says why.
            TypeError: an unknown argument.
        """
        if candidate_labels is not None:
            kwargs["candidate_labels"] = candidate_labels
        if is_named(inputs):
            return dict(zip(inputs, self(list(inputs.values()), **kwargs), strict=True))
        if is_frame(inputs) or is_cube(inputs):
            return self._classify_elsewhere(inputs, **kwargs)
        batch_size = kwargs.pop("batch_size", None) or self._batch_size
        kwargs.pop("num_workers", None)
        parameters = self._sanitize_parameters(**kwargs)
        defaults = (self._preprocess_params, self._forward_params, self._postprocess_params)
        merged = [{**default, **values} for default, values in zip(defaults, parameters, strict=True)]
        if "candidate_labels" not in merged[2]:
            raise ValueError('Give the class names: `candidate_labels=["maize", "grassland", "buildings"]`.')
        preprocess_params, forward_params, postprocess_params = merged
        allow_empty = preprocess_params.pop("allow_empty", None)
        # Labels are checked before any series is read, so that a typing error costs no work.
        label_set = self._label_set(
            postprocess_params["candidate_labels"], postprocess_params.pop("hypothesis_template", None)
        )
        postprocess_params["candidate_labels"] = self._called_with = label_set
        forward_params = {"batch_size": batch_size, "with_values": label_set.reads_values, **forward_params}
        options = (preprocess_params, forward_params)
        inputs = as_input(inputs, len(preprocess_params.get("bands") or self.processor.feature_extractor.band_names))
        is_single = isinstance(inputs, Mapping) or (isinstance(inputs, np.ndarray) and inputs.ndim == 2)
        preprocess_params["allow_empty"] = not is_single if allow_empty is None else allow_empty
        if isinstance(inputs, (np.ndarray, Mapping)):
            outputs = self._embed(inputs, *options)
            _tell_of([outputs])
            results = self.postprocess(outputs, **postprocess_params)
            return results[0] if is_single else results
        if isinstance(inputs, Sized):
            together = self._embed_together(inputs, *options)
            return self.postprocess(together, **postprocess_params) if together else []
        if postprocess_params.get("centring", "none") != "none":
            raise ValueError("`centring` compares all series with each other: give a list or an array, not a stream.")
        chunks = in_chunks(inputs, batch_size or DEFAULT_BATCH_SIZE)
        return self._stream(chunks, options, postprocess_params)

    def embed(self, inputs: Any, **kwargs: Any) -> np.ndarray:
        """Embed series, for a model of one's own on top or for comparing them with each other.

        Args:
            inputs: one series or many, as a call takes them, but no stream and no cube.
            **kwargs: `batch_size`, `composite`, and for every series the fields of [`SeriesOptions`].

        Returns:
            Unit embeddings float32, (projection_dim,) of one series and (series, projection_dim) of many, NaN where a
            series has no clear observation.

        Raises:
            ValueError: series cannot be used; the sentence says why.
            TypeError: an unknown argument.
        """
        if is_cube(inputs):
            raise ValueError(
                "A cube keeps its embeddings with its map: timesenclip_hf.maps.map_cube(cube, labels, "
                'options=MapOptions(embeddings="float16")).'
            )
        id_column, batch_size = kwargs.pop("id_column", None), kwargs.pop("batch_size", None) or self._batch_size
        if is_frame(inputs):
            inputs = _package("data.sources.frame_tables").table_from_frame(inputs, id_column=id_column).series
        if is_named(inputs):
            inputs = list(inputs.values())
        preprocess_params, _, _ = self._sanitize_parameters(**kwargs)
        inputs = as_input(inputs, len(preprocess_params.get("bands") or self.processor.feature_extractor.band_names))
        is_single = isinstance(inputs, Mapping) or (isinstance(inputs, np.ndarray) and inputs.ndim == 2)
        preprocess_params["allow_empty"] = True
        forward_params = {"batch_size": batch_size}
        if isinstance(inputs, (np.ndarray, Mapping)):
            outputs = self._embed(inputs, preprocess_params, forward_params)
        else:
            inputs = inputs if isinstance(inputs, Sized) else list(inputs)
            outputs = self._embed_together(inputs, preprocess_params, forward_params)
        if not outputs:
            return np.empty((0, self.model.config.projection_dim), dtype=np.float32)
        observed = outputs["observed"].numpy()
        embeds = np.full((len(observed), self.model.config.projection_dim), np.nan, dtype=np.float32)
        embeds[observed] = outputs["series_embeds"].float().cpu().numpy()
        return embeds[0] if is_single else embeds

    def _classify_elsewhere(self, inputs: Any, id_column: str | None = None, **kwargs: Any) -> Any:
        """Classify a frame or a cube by the package's function for it, with the labels and options of this call."""
        labels, templates = kwargs.pop("candidate_labels", None), kwargs.pop("hypothesis_template", None)
        defaults = {**self._preprocess_params, **self._postprocess_params}
        labels = defaults.get("candidate_labels") if labels is None else labels
        if labels is None:
            raise ValueError('Give the class names: `candidate_labels=["maize", "grassland", "buildings"]`.')
        reading = {name: defaults[name] for name in SERIES_OPTIONS if name in defaults}
        reading |= {name: kwargs.pop(name) for name in SERIES_OPTIONS if name in kwargs}
        if kwargs:
            what = "a frame, which gets" if is_frame(inputs) else "a cube, whose map has"
            raise TypeError(f"`{sorted(kwargs)[0]}` is not for {what} the scores of the labels: leave it out.")
        label_set = self._label_set(labels, templates)
        if is_frame(inputs):
            classify = _package("labelling.dataframes").classify_dataframe
            return classify(inputs, label_set, self, id_column=id_column, reading=SeriesOptions(**reading))
        cube = inputs if hasattr(inputs, "data_vars") else inputs.to_dataset(name="reflectance")
        return _package("maps").map_cube(cube, label_set, self, reading=SeriesOptions(**reading), progress=False)

    def _embed_together(self, inputs: Any, preprocess_params: dict[str, Any], forward_params: dict[str, Any]) -> Any:
        """Embed series that have a length, in parts that fit in memory; nothing where there are none."""
        preprocess_params |= settle_unit(self.processor.feature_extractor, inputs, preprocess_params)
        parts = []
        for number, chunk in enumerate(in_chunks(inputs, JUDGED_TOGETHER)):
            preprocess_params["first"] = number * JUDGED_TOGETHER
            parts.append(self._embed(chunk, preprocess_params, forward_params))
        _tell_of(parts)
        return {name: torch.cat([outputs[name] for outputs in parts]) for name in (parts[0] if parts else ())}

    def _stream(self, chunks: Iterator[list[Any]], options: Any, postprocess_params: Any) -> Iterator[Any]:
        """Yield the result of each series; count at the end those without an observation, and those that are novel."""
        seen = []
        for chunk in chunks:
            outputs = self._embed(chunk, *options)
            seen.append({name: outputs[name] for name in ("observed", "novelty") if name in outputs})
            yield from self.postprocess(outputs, **postprocess_params)
        _tell_of(seen)

    def _embed(self, inputs: Any, preprocess_params: dict[str, Any], forward_params: dict[str, Any]) -> Any:
        return self.forward(self.preprocess(inputs, **preprocess_params), **forward_params)

    def _sanitize_parameters(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        preprocess = {name: kwargs.pop(name) for name in _FEATURE_OPTIONS if name in kwargs}
        forward = {name: kwargs.pop(name) for name in ("progress",) if name in kwargs}
        names = ("candidate_labels", "hypothesis_template", "top_k", "centring")
        postprocess = {name: kwargs.pop(name) for name in names if name in kwargs}
        labels = postprocess.get("candidate_labels")
        if labels is not None and not isinstance(labels, LabelSet):
            postprocess["candidate_labels"] = read_labels(labels)  # once: they may be a generator
        if kwargs:
            allowed = (*names, "batch_size", *_FEATURE_OPTIONS)
            raise TypeError(f"Unknown argument {sorted(kwargs)[0]!r}: use {', '.join(allowed)}.")
        return preprocess, forward, postprocess

    def preprocess(self, input_: Any, **preprocess_parameters: Any) -> BatchFeature:
        """Make model inputs of the series of one chunk; the parameters are the feature extractor's."""
        return self.processor.feature_extractor(input_, return_tensors="pt", **preprocess_parameters)

    def _forward(
        self, input_tensors: Any, batch_size: int | None = None, progress: bool = False, with_values: bool = False
    ) -> Any:
        observed = input_tensors["series_mask"].any(dim=1)
        seen = {name: values[observed] for name, values in input_tensors.items()}
        embeds = encode(self.model, seen, batch_size=batch_size, progress=progress)
        values = {"values": monthly_values(seen)} if with_values else {}
        novelty = measure_novelty(self.model, seen)
        known = {} if novelty is None else {"novelty": novelty}
        return {"series_embeds": embeds, "observed": observed, **values, **known}

    def postprocess(
        self,
        model_outputs: Any,
        candidate_labels: Labels,
        hypothesis_template: str | Sequence[str] | None = None,
        top_k: int | None = None,
        centring: str = "none",
    ) -> list[list[dict[str, Any]]]:
        """Turn embeddings into a list of `{"score", "label"}` for each series, highest first.

        A centring other than "none" stands in each of them as "centring": the scores are not of the series alone. Where
        the label set was fitted to examples, each has `"fitted": True`.

        Args:
            model_outputs: with `series_embeds`, unit embeddings (observed series, projection_dim), and `observed`, bool
                (series,), False for a series without an observation; and `values` of [`monthly_values`], where the
                label set reads them.
            candidate_labels: a list of names, one string with names between commas, `{label: [phrases]}`, or a
                [`LabelSet`].
            hypothesis_template: one template or several; the checkpoint's own when left out.
            top_k: labels to keep of each series; all when left out.
            centring: "none", or how series are compared with each other, as [`score`] does.

        Raises:
            ValueError: an argument cannot be used.
        """
        if top_k is not None and top_k < 1:
            raise ValueError(f"`top_k` must be at least 1, got {top_k}.")
        label_set = self._called_with
        if label_set is None or candidate_labels is not label_set:
            label_set = self._label_set(candidate_labels, hypothesis_template)
        names = label_set.labels
        logits = label_set.logits(model_outputs["series_embeds"], model_outputs.get("values"), centring=centring)
        scores, order = logits.softmax(dim=-1).sort(dim=-1, descending=True, stable=True)
        how: dict[str, Any] = {} if centring == "none" else {"centring": centring}
        how |= {"fitted": True} if label_set.is_fitted else {}
        ranked = (
            [{"score": value, "label": names[index], **how} for value, index in zip(row, indices, strict=True)]
            for row, indices in zip(scores[:, :top_k].tolist(), order[:, :top_k].tolist(), strict=True)
        )
        empty = {"score": float("nan"), "label": None, **how}
        return [next(ranked) if seen else [dict(empty)] for seen in model_outputs["observed"].tolist()]

    def _label_set(self, labels: Labels, template: str | Sequence[str] | None = None) -> LabelSet:
        """Return a label set of this model, made or checked once for the same words, templates and weights."""
        state = self._words_state()
        if state is None or state != self._state or len(self._label_sets) >= MOST_LABEL_SETS:
            self._label_sets, self._state = {}, state
        templates = template if template is None else (template,) if isinstance(template, str) else tuple(template)
        content: Any = labels
        if not isinstance(labels, LabelSet):
            labels = read_labels(labels)
            content = tuple((label, *phrases) for label, phrases in labels.items())
        if (content, templates) not in self._label_sets:
            label_set = as_label_set(self.model, self.processor, labels, templates)
            self._label_sets |= {(content, templates): label_set, (label_set, None): label_set}
        return self._label_sets[content, templates]

    def _words_state(self) -> Any:
        """Return what class embeddings depend on besides their words; None where more than weights has a part in it."""
        if not is_as_known(self.model):
            return None
        named = (*self.model.named_parameters(), *self.model.named_buffers())
        weights = weights_state(tensor for name, tensor in named if not name.startswith(_PHOTO_TOWER))
        tokenizer = self.processor.tokenizer
        usual = str(self.processor.hypothesis_template)
        return weights, float(self.model.score_scale.detach()), usual, id(tokenizer), len(tokenizer)

    def save_pretrained(self, save_directory: str | os.PathLike[str], **kwargs: Any) -> None:
        """Save model and processor, of which the base class would lose the feature extractor.

        The folder loads where this package is installed; for others save with [`save_with_remote_code`].

        Args:
            save_directory: folder to write.
            **kwargs: of the `save_pretrained` of model and processor.
        """
        self.model.save_pretrained(save_directory, **kwargs)
        if type(self.model)._auto_class is not None:
            custom_object_save(self, save_directory)  # came as remote code, and leaves as such
        self.processor.save_pretrained(save_directory, **kwargs)


def _package(module: str) -> Any:
    """Import a module of the package by its name, as this file travels with its siblings only.

    Raises:
        ImportError: the package is not installed.
    """
    return import_module(f"timesenclip_hf.{module}")


def settle_unit(extractor: Any, items: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Tell the unit of very many series by a sample, as a part of them may be all water, or all cloud.

    Args:
        extractor: that reads the series.
        items: of a known number, each an array or a dictionary.
        settings: that the extractor is called with.

    Returns:
        What to call it with besides for any part of the series; nothing where it judges all of them together.
    """
    if len(items) <= JUDGED_TOGETHER or settings.get("units") not in (None, "auto"):
        return {}
    sample = [items[index] for index in np.linspace(0, len(items) - 1, SAMPLE_SIZE).astype(int).tolist()]
    sample = [item if isinstance(item, Mapping) else {"series": item} for item in sample]
    # Each part judges its dates itself, and says so.
    options, _ = extractor.settle(sample, **{name: settings[name] for name in SERIES_OPTIONS if name in settings})
    return {"units": options.units, "judge": True if options.units == "auto" else "part"}


def _tell_of(parts: Sequence[Any]) -> None:
    """Warn once of all chunks of a call: of series without an observation, and of those unlike the training's."""
    _count_empty([outputs["observed"] for outputs in parts])
    if novelty := [outputs["novelty"] for outputs in parts if "novelty" in outputs]:
        warn_of_novelty(torch.cat(novelty))


def _count_empty(observed: Sequence[torch.Tensor]) -> None:
    """Warn of series without an observation, counted from 0 over all chunks."""
    seen = torch.cat(list(observed)) if observed else torch.ones(0)
    empty = (~seen.bool()).nonzero()[:, 0].tolist()
    if empty:
        named = ", ".join(map(str, empty[:5])) + (", ..." if len(empty) > 5 else "")
        logger.warning(
            f"{len(empty)} of {len(seen)} series have no clear observation, number {named} counted from 0: their label "
            "is None."
        )
