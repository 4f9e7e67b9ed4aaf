"""Retrieval: a series finds its photo, a photo its series, words the series of their class.

Two kinds of hits, never mixed: an instance hit is an item of the query's own place, a class hit an item of its class,
which is the papers' Recall (arXiv 2508.11919) and much easier. Beside each figure stands what a gallery in random
order would give.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.stats import hypergeom

from ..data.schema import UNKNOWN
from ..models.timesenclip.zero_shot_timesenclip import score
from .metrics import ArrayLike, as_array, average_precision, hit_ranks
from .uncertainty import DEFAULT_RESAMPLING, Resampling, bootstrap_shares

KS = (1, 5, 10)


@dataclass(frozen=True)
class _Side:
    """Embeddings that ask or are asked for; a label below 0 is not known."""

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
    point_ids: Sequence[Any] | None = None,
    photo_ids: Sequence[Any] | None = None,
    labels: ArrayLike | None = None,
    class_embeds: ArrayLike | None = None,
    class_names: Sequence[str] | None = None,
    blocks: ArrayLike | None = None,
    ks: Sequence[int] = KS,
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> dict[str, Any]:
    """Recall of series to photos, photos to series and class names to series, by cosine.

    Args:
        series_embeds: (N, projection_dim).
        photo_embeds: (M, projection_dim), one a photo, or one a place; NaN rows are places without a photo.
        point_ids: of the series, each once; row numbers when left out.
        photo_ids: the point that each photo shows; those of the series, row by row, when left out.
        labels: class index of each series (N,), -1 where it is not known; without it there are instance hits only.
        class_embeds: (classes, projection_dim) of the class names, from [`embed_labels`].
        class_names: of these.
        blocks: number of the spatial block of each series, for the intervals; single queries are drawn without.
        ks: of Recall@k; those above the size of a gallery are left out.
        resampling: of the intervals.

    Returns:
        `{direction: {metric: figure}}` with the directions `series_to_photo` and `photo_to_series` (with photos) and
        `text_to_series` (with class names). Each has its number of `queries` and the size of its `gallery`; series
        without a photo do not ask. `instance_recall@k` and `class_recall@k` are `{"value", "low", "high", "chance"}`.
        Words, being few, get no intervals, but also `precision@k` and `mean_average_precision` with their `chance`,
        `average_precision` by class, and the `absent` classes, which do not ask. Samples of unknown class take no
        part in class hits.

    Raises:
        ValueError: nothing to retrieve, sizes or ids that do not fit, a photo of a point without series, or
            embeddings as [`hit_ranks`] refuses them.
    """
    if photo_embeds is None and class_embeds is None:
        raise ValueError("There is nothing to retrieve: give `photo_embeds`, or `class_embeds` with `labels`.")
    if not ks or min(ks) < 1:
        raise ValueError(f"`ks` must be positive, such as (1, 5, 10), got {ks!r}.")
    series = _series_side(series_embeds, point_ids, labels, blocks)
    report: dict[str, Any] = {}
    if photo_embeds is not None:
        photos = _photo_side(photo_embeds, photo_ids, series)
        asking = series[np.isin(series.ids, photos.ids)]
        report["series_to_photo"] = _recalls(asking, photos, ks, resampling)
        report["photo_to_series"] = _recalls(photos, series, ks, resampling)
    if class_embeds is not None:
        report["text_to_series"] = _text_to_series(torch.as_tensor(class_embeds), class_names, series, ks)
    return report


def _series_side(embeds: ArrayLike, ids: Any, labels: Any, blocks: Any) -> _Side:
    values = torch.as_tensor(embeds)
    names = np.arange(len(values)) if ids is None else as_array(ids)
    classes = np.full(len(values), UNKNOWN) if labels is None else as_array(labels)
    places = None if blocks is None else as_array(blocks)
    sizes = [len(one) for one in (values, names, classes, places) if one is not None]
    if len(set(sizes)) != 1 or not sizes[0]:
        raise ValueError(f"Give one embedding, id, label and block for each series, at least one, got {sizes} of them.")
    unique, counts = np.unique(names, return_counts=True)
    if counts.max() > 1:
        raise ValueError(f"The id {unique[counts.argmax()]} stands for {counts.max()} series: add the year to it.")
    return _Side(values, names, classes, places)


def _photo_side(embeds: ArrayLike, ids: Any, series: _Side) -> _Side:
    """Photos that have an embedding, with the labels and blocks of their points."""
    values = torch.as_tensor(embeds)
    shown = series.ids if ids is None else as_array(ids)
    if len(shown) != len(values):
        raise ValueError(f"{len(values)} photos for {len(shown)} points: give `photo_ids`, the point that each shows.")
    present = ~torch.isnan(values).all(dim=1).cpu().numpy()
    strange = shown[present & ~np.isin(shown, series.ids)]
    if len(strange):
        raise ValueError(f"A photo shows the point {strange[0]}, which has no series: leave it out.")
    if not present.any():
        raise ValueError("No photo has an embedding: all rows of `photo_embeds` are NaN.")
    order = np.argsort(series.ids)
    rows = order[np.searchsorted(series.ids, shown[present], sorter=order)]
    blocks = None if series.blocks is None else series.blocks[rows]
    return _Side(values[torch.from_numpy(present)], shown[present], series.labels[rows], blocks)


def _recalls(queries: _Side, gallery: _Side, ks: Sequence[int], resampling: Resampling) -> dict[str, Any]:
    report: dict[str, Any] = {"queries": len(queries), "gallery": len(gallery)}
    report |= _recall("instance_recall", queries, gallery, queries.ids, gallery.ids, ks, resampling)
    queries, gallery = queries[queries.labels >= 0], gallery[gallery.labels >= 0]
    if len(queries) and len(gallery):
        report |= _recall("class_recall", queries, gallery, queries.labels, gallery.labels, ks, resampling)
    return report


def _recall(
    name: str,
    queries: _Side,
    gallery: _Side,
    wanted: np.ndarray,
    offered: np.ndarray,
    ks: Sequence[int],
    resampling: Resampling,
) -> dict[str, Any]:
    """Recall@k of what is wanted, beside that of a gallery in random order."""
    ranks, hits = hit_ranks(queries.embeds, gallery.embeds, wanted, offered), _occurrences(wanted, offered)
    fitting = [k for k in ks if k <= len(gallery)]
    shares = bootstrap_shares({f"{name}@{k}": ranks < k for k in fitting}, queries.blocks, resampling=resampling)
    chances = [_chance(len(gallery), hits, k) for k in fitting]
    return {
        metric: {**share, "chance": chance} for (metric, share), chance in zip(shares.items(), chances, strict=True)
    }


def _chance(items: int, hits: np.ndarray, k: int) -> float:
    """Mean probability that k of the items, drawn without replacement, hold a hit."""
    return float(np.mean(hypergeom.sf(0, items, hits, k)))


def _occurrences(queries: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """How often the gallery holds each query's value."""
    values, counts = np.unique(gallery, return_counts=True)
    places = np.minimum(np.searchsorted(values, queries), len(values) - 1)
    return np.where(values[places] == queries, counts[places], 0)


def _text_to_series(
    class_embeds: torch.Tensor, class_names: Sequence[str] | None, series: _Side, ks: Sequence[int]
) -> dict[str, Any]:
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
    for k in [k for k in ks if k <= len(gallery)]:
        chance = _chance(len(gallery), counts[present], k)
        report[f"class_recall@{k}"] = {"value": float(np.mean(ranks < k)), "chance": chance}
        report[f"precision@{k}"] = {"value": float(np.mean(nearest[:k])), "chance": share}
    report["mean_average_precision"] = {"value": float(np.mean(precise)), "chance": share}
    names = [class_names[place] for place in present.tolist()]
    report["average_precision"] = dict(zip(names, precise.tolist(), strict=True))
    report["absent"] = [name for name in class_names if name not in names]
    return report
