"""Hold the classes that series are compared with as one thing, whether words made them or examples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from .compositing_timesenclip import MONTHS_PER_YEAR
from .weights_timesenclip import pixel_weights_hash, weights_hash
from .zero_shot_timesenclip import CandidateLabels, embed_labels, read_labels, score

# Tensors of a label set, by the names that its file has too.
TENSORS = ("class_embeds", "biases", "value_weights", "value_means", "value_spreads")
# Darker values count as this, a hundredth of what a band is scaled by: below it logarithms are of noise.
LEAST_VALUE = 0.01


@dataclass(frozen=True)
class Fit:
    """Say how a label set was fitted to examples.

    Attributes:
        examples: number of them by label; 0 where words alone describe a class.
        penalty: strength of the pull towards the words, chosen by cross-validation; None where the words were left as
            they are.
        scores: what cross-validation measured, in types that JSON has: of the words, of the fit, with intervals.
    """

    examples: Mapping[str, int]
    penalty: float | None = None
    scores: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class LabelSet:
    """Hold the classes that series are compared with: made from words, or fitted to examples.

    Logits are `score_scale * (series_embeds @ class_embeds.T + values @ value_weights.T + biases)`, the latter two
    where there are any; `values` are monthly values, less `value_means` and over `value_spreads`, 0 where missing.

    Attributes:
        phrases: `{label: [phrase, ...]}`, in the order of the classes.
        templates: what the phrases were put in.
        class_embeds: (classes, projection_dim) float32 on the CPU; from words, unit rows.
        score_scale: inverse temperature; from words, the model's.
        weights_hash: of the pixel tower that the set belongs to, as [`pixel_weights_hash`] has it.
        biases: (classes,), in units of cosines.
        value_weights: (classes, 12 * bands), of a fit that reads monthly values too.
        value_means: (12 * bands,), of the examples.
        value_spreads: (12 * bands,), above 0.
        fit: how it was fitted; None where it is from words.

    Raises:
        ValueError: labels cannot be used, or a shape or a number does not fit.
    """

    phrases: Mapping[str, list[str]]
    templates: list[str]
    class_embeds: Tensor
    score_scale: float
    weights_hash: str
    biases: Tensor | None = None
    value_weights: Tensor | None = None
    value_means: Tensor | None = None
    value_spreads: Tensor | None = None
    fit: Fit | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "phrases", read_labels(self.phrases))
        for name in TENSORS:
            if (tensor := getattr(self, name)) is not None:
                object.__setattr__(self, name, tensor.detach().float().cpu())
        self._check_shapes()
        self._check_numbers()

    def _check_shapes(self) -> None:
        count = len(self.phrases)
        width = self.class_embeds.shape[-1] if self.class_embeds.ndim else 0
        values = 0 if self.value_weights is None else self.value_weights.shape[-1]
        expected = {
            "class_embeds": (count, width),
            "biases": (count,),
            "value_weights": (count, values),
            "value_means": (values,),
            "value_spreads": (values,),
        }
        for name, shape in expected.items():
            tensor = getattr(self, name)
            if tensor is not None and tuple(tensor.shape) != shape:
                raise ValueError(f"`{name}` of {count} classes must be {shape}, got {tuple(tensor.shape)}.")
        if len({getattr(self, name) is None for name in TENSORS[2:]}) > 1 or values % MONTHS_PER_YEAR:
            raise ValueError("A label set has `value_weights`, `value_means` and `value_spreads` of twelve months.")

    def _check_numbers(self) -> None:
        for name in TENSORS:
            tensor = getattr(self, name)
            if tensor is not None and not tensor.isfinite().all():
                raise ValueError(f"`{name}` of a label set has numbers that are not finite.")
        if self.value_spreads is not None and not (self.value_spreads > 0).all():
            raise ValueError("`value_spreads` of a label set must be above 0.")
        if not 0 < self.score_scale < float("inf"):
            raise ValueError(f"`score_scale` of a label set must be above 0, got {self.score_scale}.")
        if self.fit is not None and self.fit.examples.keys() != self.phrases.keys():
            raise ValueError("The examples of a label set must be counted for each of its labels, and no other.")

    @property
    def labels(self) -> list[str]:
        """Return the names of the classes, in their order."""
        return list(self.phrases)

    @property
    def is_fitted(self) -> bool:
        """Tell whether examples had a part in it, which every result that it touches must say."""
        return self.fit is not None

    @property
    def reads_values(self) -> bool:
        """Tell whether it reads monthly values beside the embedding."""
        return self.value_weights is not None

    @property
    def content_hash(self) -> str:
        """Tell the numbers of this set from those of another, in 16 hexadecimal digits."""
        tensors = {name: tensor for name in TENSORS if (tensor := getattr(self, name)) is not None}
        return weights_hash({**tensors, "score_scale": torch.tensor(self.score_scale)})

    @property
    def counted_examples(self) -> list[str]:
        """List the labels with the number of their examples, for people; nothing where the set is from words."""
        return [] if self.fit is None else [f"{label} {count}" for label, count in self.fit.examples.items()]

    def logits(self, series_embeds: Tensor, values: Tensor | None = None, *, centring: str = "none") -> Tensor:
        """Compare series with the classes; return logits (series, classes), whose softmax is the score.

        Args:
            series_embeds: unit embeddings (series, projection_dim) on the CPU.
            values: of [`monthly_values`], where the set reads them.
            centring: as [`score`] has it; only "none" for a fitted set, whose biases and lengths say already how common
                a class is, and whose class vectors were fitted to series as they are.

        Raises:
            ValueError: the centring cannot be used, or values are missing.
        """
        if centring != "none" and self.is_fitted:
            raise ValueError(
                f"`centring` is for label sets from words, got {centring!r} and one fitted to examples, which did what "
                "a centring is for: leave it out."
            )
        with torch.autocast(series_embeds.device.type, enabled=False):  # scores are of float32, whoever asks
            return self._logits(series_embeds, values, centring)

    def _logits(self, series_embeds: Tensor, values: Tensor | None, centring: str) -> Tensor:
        if self.value_weights is None and self.biases is None:
            return score(series_embeds, self.class_embeds, logit_scale=self.score_scale, centring=centring)
        products = series_embeds @ self.class_embeds.T
        if self.value_weights is not None:
            products = products + self._standard(values) @ self.value_weights.T
        return self.score_scale * (products if self.biases is None else products + self.biases)

    def _standard(self, values: Tensor | None) -> Tensor:
        if values is None or self.value_means is None or self.value_spreads is None:
            raise ValueError("This label set reads monthly values, and there are none: give the series themselves.")
        return ((log_values(values) - self.value_means) / self.value_spreads).nan_to_num(nan=0.0)


def log_values(values: Tensor) -> Tensor:
    """Return the logarithms of monthly values, as a fit reads them: ratios of bands become differences."""
    return values.clamp(min=LEAST_VALUE).log()


Labels = CandidateLabels | LabelSet


def label_set_from_words(
    model: Any,
    processor: Any,
    candidate_labels: CandidateLabels,
    hypothesis_template: str | Sequence[str] | None = None,
) -> LabelSet:
    """Make a label set from words; warn of words that the checkpoint never read.

    Args:
        model: a [`TimeSenCLIPModel`].
        processor: a [`TimeSenCLIPProcessor`]; it holds the tokenizer, the default templates and the known words.
        candidate_labels: a list of names; one string with names between commas; or names with one or more phrases each.
        hypothesis_template: one template or several; the checkpoint's own when left out.

    Raises:
        ValueError: labels or templates cannot be used.
    """
    template = processor.hypothesis_template if hypothesis_template is None else hypothesis_template
    phrases = read_labels(candidate_labels)
    _, embeds = embed_labels(model, processor, phrases, template)
    return LabelSet(
        phrases=phrases,
        templates=[template] if isinstance(template, str) else list(template),
        class_embeds=embeds,
        score_scale=float(model.score_scale.detach().float().cpu()),
        weights_hash=pixel_weights_hash(model),
    )


def as_label_set(
    model: Any, processor: Any, labels: Labels, hypothesis_template: str | Sequence[str] | None = None
) -> LabelSet:
    """Return a label set as it is, if it is of this model, and make one of words: what takes labels begins with this.

    Args:
        model: a [`TimeSenCLIPModel`].
        processor: a [`TimeSenCLIPProcessor`].
        labels: words, as [`label_set_from_words`] takes them, or a label set.
        hypothesis_template: for words: one template or several; the checkpoint's own when left out.

    Raises:
        ValueError: labels or templates cannot be used, or the label set is of other weights.
    """
    if not isinstance(labels, LabelSet):
        return label_set_from_words(model, processor, labels, hypothesis_template)
    if hypothesis_template is not None:
        raise ValueError("`hypothesis_template` is for words, and a label set has its own already: leave it out.")
    check_weights(labels, model)
    return labels


def check_weights(label_set: LabelSet, model: Any) -> None:
    """Refuse a label set that belongs to another pixel tower.

    Args:
        label_set: to be used with the model.
        model: a [`TimeSenCLIPModel`], or its pixel tower.

    Raises:
        ValueError: the weights are others.
    """
    weights = pixel_weights_hash(model)
    if label_set.weights_hash != weights:
        raise ValueError(
            f"The label set is of a checkpoint with other weights ({label_set.weights_hash}, here {weights}): name the "
            "checkpoint that it was made with, or fit it again."
        )


def monthly_values(features: Mapping[str, Any]) -> Tensor:
    """Return the values that a label set may read beside embeddings, (series, 12 * bands), NaN where a month is hidden.

    Args:
        features: the feature extractor's output, in which each observed time step is a calendar month; patches count by
            their mean.

    Raises:
        ValueError: time steps are no calendar months, or two are the same.
    """
    series, mask, months = (torch.as_tensor(features[name]).cpu() for name in ("pixel_series", "series_mask", "months"))
    series = series.float().flatten(3).mean(dim=3) if series.ndim == 5 else series.float()
    rows, steps = mask.nonzero(as_tuple=True)
    places = months[rows, steps]
    keys = rows * MONTHS_PER_YEAR + places.long()
    if (places != places.long()).any() or (torch.bincount(keys) > 1).any():
        raise ValueError(
            "The label set reads monthly values, and these series have other time steps: give `dates` without "
            '`composite="none"`, or one time step a month.'
        )
    values = torch.full((len(series), MONTHS_PER_YEAR, series.shape[2]), float("nan"))
    values[rows, places.long()] = series[rows, steps]
    return values.flatten(1)
