"""Retrieve: a series finds its photo, a photo its series, words the series of their class.

Two kinds of hits, never mixed: an instance hit is the query's own counterpart, a class hit an item of its class, which
is the papers' Recall (arXiv 2508.11919) and much easier. Beside each figure stands what a gallery in random order
would give.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from ..data.schema import UNKNOWN
from ..extras import needs_extra
from ..models.timesenclip.zero_shot_timesenclip import score
from .metrics import ArrayLike, as_array, average_precision, hit_ranks
from .uncertainty import DEFAULT_RESAMPLING, Resampling, bootstrap_shares

with needs_extra("eval"):
    from scipy.stats import hypergeom

KS = (1, 5, 10)


@dataclass(frozen=True)
class _Side:
    """Hold embeddings that ask or are asked for; a label below 0 is not known."""

    embeds: torch.Tensor
    ids: np.ndarray
    labels: np.ndarray
    blocks: np.ndarray | None

    def __getitem__(self, rows: np.ndarray) -> "_Side":
        blocks = None if self.blocks is None else self.blocks[rows]
        return _Side(self.embeds[torch.from_numpy(rows)], self.ids[rows], self.labels[rows], blocks)

    def __len__(self) -> int:
        return len(self.ids)


def retrieval_report(
    series_embeds: ArrayLike,
    photo_embeds: ArrayLike | None = None,
    *,
    labels: ArrayLike | None = None,
    class_embeds: ArrayLike | None = None,
    class_names: Sequence[str] | None = None,
    blocks: ArrayLike | None = None,
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> dict[str, Any]:
    """Measure recall of series to photos, photos to series and class names to series, by cosine.

    Photos are of the same points as the series, with rows of NaN for points without one; labels are class indices, -1
    where not known, without which there are instance hits only; embeddings of the class names are those of
    [`embed_labels`]. Intervals are drawn by blocks of the series, or by single queries without them.

    Returns:
        `{direction: {metric: figure}}` with the directions `series_to_photo` and `photo_to_series` (with photos) and
        `text_to_series` (with class names). Each has its number of `queries` and the size of its `gallery`; series
        without a photo do not ask. `instance_recall@k` and `class_recall@k`, with k of 1, 5 and 10 as far as the
        gallery goes, are `{"value", "low", "high", "chance"}`. Words, being few, get no intervals, but also
        `precision@k` and `mean_average_precision` with their `chance`, `average_precision` by class, and the `absent`
        classes, which do not ask. Samples of unknown class take no part in class hits.
    """
    if photo_embeds is None and class_embeds is None:
        raise ValueError("There is nothing to retrieve: give `photo_embeds`, or `class_embeds` with `labels`.")
    values = torch.as_tensor(series_embeds)
    classes = np.full(len(values), UNKNOWN) if labels is None else as_array(labels)
    block_of = None if blocks is None else as_array(blocks)
    sizes = [len(column) for column in (values, classes, block_of) if column is not None]
    if len(set(sizes)) != 1 or not sizes[0]:
        raise ValueError(f"Give one embedding, label and block for each series, at least one, got {sizes} of them.")
    series = _Side(values, np.arange(len(values)), classes, block_of)
    report: dict[str, Any] = {}
    if photo_embeds is not None:
        values = torch.as_tensor(photo_embeds)
        if len(values) != len(series):
            raise ValueError(f"{len(values)} photos for {len(series)} points: give one embedding for each point.")
        rows = np.flatnonzero(~torch.isnan(values).all(dim=1).cpu().numpy())
        if not len(rows):
            raise ValueError("No photo has an embedding: all rows of `photo_embeds` are NaN.")
        asking = series[rows]
        photos = replace(asking, embeds=values[torch.from_numpy(rows)])
        report["series_to_photo"] = _recalls(asking, photos, resampling)
        report["photo_to_series"] = _recalls(photos, series, resampling)
    if class_embeds is not None:
        report["text_to_series"] = _text_to_series(torch.as_tensor(class_embeds), class_names, series)
    return report


def _recalls(queries: _Side, gallery: _Side, resampling: Resampling) -> dict[str, Any]:
    report: dict[str, Any] = {"queries": len(queries), "gallery": len(gallery)}
    report |= _recall("instance_recall", queries, gallery, (queries.ids, gallery.ids), resampling)
    queries, gallery = queries[queries.labels >= 0], gallery[gallery.labels >= 0]
    if len(queries) and len(gallery):
        report |= _recall("class_recall", queries, gallery, (queries.labels, gallery.labels), resampling)
    return report


def _recall(
    name: str, queries: _Side, gallery: _Side, values: tuple[np.ndarray, np.ndarray], resampling: Resampling
) -> dict[str, Any]:
    """Measure Recall@k of equal values, beside that of a gallery in random order."""
    ranks = hit_ranks(queries.embeds, gallery.embeds, *values)
    counts = Counter(values[1].tolist())
    hits = np.asarray([counts[value] for value in values[0].tolist()])
    fitting = {f"{name}@{k}": k for k in KS if k <= len(gallery)}
    shares = bootstrap_shares(
        {metric: ranks < k for metric, k in fitting.items()}, queries.blocks, resampling=resampling
    )
    return {metric: {**shares[metric], "chance": _chance(len(gallery), hits, k)} for metric, k in fitting.items()}


def _chance(items: int, hits: np.ndarray, k: int) -> float:
    """Compute the mean probability that k of the items, drawn without replacement, hold a hit."""
    return float(np.mean(hypergeom.sf(0, items, hits, k)))


def _text_to_series(class_embeds: torch.Tensor, class_names: Sequence[str] | None, series: _Side) -> dict[str, Any]:
    if class_names is None or len(class_names) != len(class_embeds):
        raise ValueError("Retrieval by words needs one of the `class_names` for each class embedding.")
    if series.labels.max() >= len(class_names):
        raise ValueError(f"A series has the label {series.labels.max()}, but there are {len(class_names)} classes.")
    gallery = series[series.labels >= 0]
    if not len(gallery):
        raise ValueError("No series has a known class: retrieval by words cannot be judged without `labels`.")
    counts = np.bincount(gallery.labels, minlength=len(class_names))
    present = np.flatnonzero(counts)
    embeds = class_embeds[torch.from_numpy(present)]
    ranks = hit_ranks(embeds, gallery.embeds, present, gallery.labels)
    cosines = score(gallery.embeds.cpu(), embeds.to(gallery.embeds.dtype).cpu())
    right = gallery.labels[:, None] == present
    precise = average_precision(cosines, right.astype(np.int64))
    nearest = np.take_along_axis(right, np.argsort(-as_array(cosines), axis=0, kind="stable"), axis=0)
    share = float(np.mean(counts[present] / len(gallery)))
    report: dict[str, Any] = {"queries": len(present), "gallery": len(gallery)}
    for k in [k for k in KS if k <= len(gallery)]:
        chance = _chance(len(gallery), counts[present], k)
        report[f"class_recall@{k}"] = {"value": float(np.mean(ranks < k)), "chance": chance}
        report[f"precision@{k}"] = {"value": float(np.mean(nearest[:k])), "chance": share}
    report["mean_average_precision"] = {"value": float(np.mean(precise)), "chance": share}
    names = [class_names[index] for index in present.tolist()]
    report["average_precision"] = dict(zip(names, precise.tolist(), strict=True))
    report["absent"] = [name for name in class_names if name not in names]
    return report
