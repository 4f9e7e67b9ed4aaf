"""Fit a label set to examples: from series and the names of their classes to what names other series."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any, NamedTuple

import numpy as np

from ..classification import PixelEncoder
from ..models.timesenclip.label_set_timesenclip import Fit, Labels, LabelSet, label_set_from_words
from ..models.timesenclip.zero_shot_timesenclip import read_labels
from ..runtimes.options import DEFAULT_COMPUTE, ComputeOptions
from .blocks import blocks_of
from .examples import Examples
from .fitting import fit_label_set
from .matching import keep_distinct, match_examples


class Grouping(NamedTuple):
    """Hold which examples are never asked about each other.

    Attributes:
        groups: number of the group of each (examples,); None where each stands alone.
        kind: what the groups are, in the plural.
        notes: sentences about them.
    """

    groups: np.ndarray | None
    kind: str
    notes: list[str]


@dataclass(frozen=True, eq=False)
class FittedExamples:
    """Hold a label set with the examples that it was fitted to.

    Attributes:
        label_set: fitted.
        examples: those that counted.
        truth: index of the class of each (examples,).
        words_named: index of the class that words alone name each (examples,).
        named: index of the class that a fit without its block names each (examples,).
        grouping: what cross-validation kept together.
        left_out: how many other examples there were, by reason.
        notes: sentences about the examples and the fit.
    """

    label_set: LabelSet
    examples: Examples
    truth: np.ndarray
    words_named: np.ndarray
    named: np.ndarray
    grouping: Grouping
    left_out: Mapping[str, int]
    notes: Sequence[str]

    @property
    def fit(self) -> Fit:
        """Return how the label set was fitted."""
        assert self.label_set.fit is not None
        return self.label_set.fit

    @property
    def num_groups(self) -> int:
        """Count what cross-validation kept together: groups, blocks of land, or single examples."""
        groups = self.grouping.groups
        return len(self.truth) if groups is None else len(np.unique(groups))

    @property
    def scores(self) -> Mapping[str, Any]:
        """Return what cross-validation measured."""
        return self.fit.scores

    @property
    def penalty(self) -> float | None:
        """Return the strength of the pull towards the words; None where the words are left as they are."""
        return self.fit.penalty

    @property
    def counts(self) -> Mapping[str, int]:
        """Return the number of examples by label."""
        return self.fit.examples


def fit_labels(
    examples: Examples,
    candidate_labels: Labels,
    model: str | PathLike[str] | Any | None = None,
    *,
    hypothesis_template: str | Sequence[str] | None = None,
    with_values: bool = False,
    compute: ComputeOptions = DEFAULT_COMPUTE,
    progress: bool = False,
) -> LabelSet:
    """Fit classes to examples, so that they name series like them better than words alone do.

    A class without an example stays as its words describe; so do all where examples would make it worse.

    ```python
    >>> examples = Examples(series, labels=["maize", "wheat", "maize", ...], groups=["farm 1", "farm 2", ...])
    >>> label_set = fit_labels(examples, ["maize", "wheat", "rapeseed"])
    >>> pipeline("zero-shot-pixel-classification")(other_series, candidate_labels=label_set)
    ```

    Args:
        examples: with the names of their classes.
        candidate_labels: a list of names; one string with names between commas; names with one or more phrases each; or
            a label set, whose words are taken.
        model: folder or Hub id of a checkpoint, or a pipeline already loaded; the embedded one when left out.
        hypothesis_template: one template or several; the checkpoint's own when left out.
        with_values: read the monthly values of the series beside their embedding.
        compute: on what, in which precision and in which pieces.
        progress: show progress bars.

    Raises:
        ValueError: labels, series or examples cannot be used, in one sentence.
        OSError: the checkpoint cannot be found.
        ImportError: the extra `eval` is not installed.
    """
    settings: dict[str, Any] = {"hypothesis_template": hypothesis_template, "with_values": with_values}
    return fit_examples(examples, candidate_labels, model, **settings, compute=compute, progress=progress).label_set


def fit_examples(
    examples: Examples,
    candidate_labels: Labels,
    model: str | PathLike[str] | Any | None = None,
    *,
    hypothesis_template: str | Sequence[str] | None = None,
    with_values: bool = False,
    compute: ComputeOptions = DEFAULT_COMPUTE,
    progress: bool = False,
) -> FittedExamples:
    """Fit as [`fit_labels`] does, and tell what became of each example."""
    if isinstance(candidate_labels, LabelSet):
        hypothesis_template = candidate_labels.templates if hypothesis_template is None else hypothesis_template
        candidate_labels = candidate_labels.phrases
    phrases = read_labels(candidate_labels)
    labels = list(phrases)
    matched = match_examples(examples, labels)  # before a checkpoint is loaded: a wrong label must not cost that
    encoder = PixelEncoder(model, compute)
    words = label_set_from_words(encoder.model, encoder.processor, phrases, hypothesis_template)
    items = list(examples.select(matched.rows).series)
    embedded = encoder.embed_items(items, examples.reading, with_values=with_values, progress=progress)
    kept = keep_distinct(examples, matched, embedded.observed, labels)
    # Embeddings are of the observed series among those that are matched.
    rows = np.flatnonzero(np.isin(matched.rows[embedded.observed], kept.rows))
    used = examples.select(kept.rows)
    grouping = group_examples(used)
    values = None if embedded.values is None else embedded.values[rows]
    fitted = fit_label_set(embedded.embeds[rows], kept.truth, words, grouping.groups, values=values)
    return FittedExamples(
        fitted.label_set,
        used,
        kept.truth,
        fitted.words_named,
        fitted.named,
        grouping,
        kept.left_out,
        [*kept.notes, *grouping.notes],
    )


def group_examples(examples: Examples) -> Grouping:
    """Say which examples are kept together: those of a group, of a block of land, or none."""
    if examples.groups is not None:
        groups, kind = np.unique(np.asarray(examples.groups), return_inverse=True)[1], "groups"
    elif examples.longitude is not None and examples.latitude is not None:
        groups, kind = blocks_of(examples.longitude, examples.latitude), "blocks of land"
    else:
        note = "Nothing says where the examples lie: neighbours may be asked about each other, which scores too high."
        return Grouping(None, "examples", [note])
    if len(np.unique(groups)) < 2:
        lie = "are of one group" if examples.groups is not None else "lie in one block of land"
        note = f"All examples {lie}: single ones are asked about the others, which says nothing of other places."
        return Grouping(None, "examples", [note])
    return Grouping(groups, kind, [])
