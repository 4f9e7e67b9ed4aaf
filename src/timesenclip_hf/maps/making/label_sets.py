"""Embed the classes of each map: labels with their phrases, and the groups of a hierarchy."""

import re
from typing import NamedTuple

import torch

from ...classification import PixelEncoder
from ...models.timesenclip.zero_shot_timesenclip import CandidateLabels, embed_labels, read_labels
from ..files.legend import MOST_CLASSES
from .options import Hierarchy, MapOptions


class LabelSet(NamedTuple):
    """Hold the classes of one map, and the groups of a hierarchy if it has one.

    Attributes:
        class_embeds: unit embeddings (classes, projection_dim).
        parents: for each label the index of its group.
    """

    labels: list[str]
    class_embeds: torch.Tensor
    phrases: dict[str, list[str]]
    coarse_labels: list[str]
    parents: list[int]


def embed_label_sets(encoder: PixelEncoder, labels: CandidateLabels | None, options: MapOptions) -> dict[str, LabelSet]:
    """Embed the classes of each map; return them by the name of their set, "" if there is one only.

    Raises:
        ValueError: labels, names of sets or the hierarchy cannot be used.
    """
    if options.label_sets is None:
        sets = {"": read_hierarchy(labels, options.hierarchy)}
    elif labels is not None or options.hierarchy is not None:
        raise ValueError("Give `labels` (and perhaps a `hierarchy`) or `label_sets`, not both.")
    else:
        sets = {name: read_hierarchy(names, None) for name, names in options.label_sets.items()}
        if wrong := [name for name in sets if not re.fullmatch(r"[A-Za-z0-9][\w-]*", name)]:
            raise ValueError(f"The name of a label set must be letters and digits, got {wrong[0]!r}.")
        if not sets:
            raise ValueError("`label_sets` is empty: give at least one set of class names.")
    for phrases, *_ in sets.values():
        if len(phrases) > MOST_CLASSES:
            raise ValueError(f"A map holds at most {MOST_CLASSES} classes, got {len(phrases)}.")
    embedded = {}
    for name, (phrases, coarse, parents) in sets.items():
        names, embeds = embed_labels(encoder.model, encoder.processor, phrases, options.hypothesis_template)
        embedded[name] = LabelSet(names, embeds, phrases, coarse, parents)
    return embedded


def read_hierarchy(
    labels: CandidateLabels | None, hierarchy: Hierarchy | None
) -> tuple[dict[str, list[str]], list[str], list[int]]:
    """Read labels with their phrases, the groups that they belong to, and for each label the index of its group.

    Raises:
        ValueError: there are no labels, one is in no group or in two, or one of a group is no label.
    """
    if hierarchy is None:
        if labels is None:
            raise ValueError('Give class names, such as labels=["maize", "woodland"].')
        return read_labels(labels), [], []
    group_of: dict[str, str] = {}
    phrases: dict[str, list[str]] = {}
    for group, members in hierarchy.items():
        for name, texts in read_labels(members).items():
            if name in group_of:
                raise ValueError(f"The label {name!r} is in two groups, {group_of[name]!r} and {group!r}.")
            group_of[name], phrases[name] = group, texts
    if labels is not None:
        phrases = read_labels(labels)
        if lost := [name for name in {**phrases, **group_of} if (name in phrases) != (name in group_of)]:
            raise ValueError(f"{lost[0]!r} is in the labels or in the hierarchy but not in both: name it in both.")
    coarse = list(hierarchy)
    return phrases, coarse, [coarse.index(group_of[name]) for name in phrases]
