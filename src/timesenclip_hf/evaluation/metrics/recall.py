"""Rank a gallery of embeddings by cosine for each query, and measure Recall@k."""

from typing import Any

import numpy as np
import torch

from .arrays import ArrayLike, as_array, as_labels

# Cosines that are held at once, 16 MB of float32, which caches like; 50,000 x 50,000 would take 10 GB.
CHUNK_ELEMENTS = 2**22


def hit_ranks(
    queries: ArrayLike,
    gallery: ArrayLike,
    query_labels: ArrayLike,
    gallery_labels: ArrayLike,
    *,
    query_ids: ArrayLike | None = None,
    gallery_ids: ArrayLike | None = None,
) -> np.ndarray:
    """Count the gallery items that stand before each query's first hit, by cosine, (queries,) int64.

    A hit is a gallery item with the query's label; the rank is the size of the gallery where there is none. Recall@k is
    the share of ranks below k, so that one call serves every k. Among equal cosines the lower row of the gallery comes
    first; the rounding of a product of matrices may part copies of one row before that, in no order that knows the
    labels.

    Embeddings (rows, dim) are made unit here and compared on the device of the queries; labels and ids are numbers or
    strings. With the ids of points, items of a query's own point are left out: for a gallery that holds the queries.
    Embeddings without a direction are a ValueError.
    """
    left = _as_unit(queries, "queries")
    right = _as_unit(gallery, "gallery").to(left)
    if left.shape[1] != right.shape[1]:
        raise ValueError(f"Queries have {left.shape[1]} dimensions and the gallery {right.shape[1]}: compare equals.")
    if (query_ids is None) != (gallery_ids is None):
        raise ValueError("Give `query_ids` and `gallery_ids` together, or neither.")
    wanted, offered = _as_codes(query_labels, gallery_labels, "labels", left, right)
    points = None if query_ids is None else _as_codes(query_ids, gallery_ids, "ids", left, right)
    ranks = []
    step = max(1, CHUNK_ELEMENTS // len(right))
    for start in range(0, len(left), step):
        rows = slice(start, start + step)
        cosines = left[rows] @ right.T
        if points is not None:
            cosines = cosines.masked_fill_(points[0][rows, None].eq(points[1]), -torch.inf)
        # max gives the first of several equal ones.
        best, index = cosines.masked_fill(wanted[rows, None].ne(offered), -torch.inf).max(dim=1, keepdim=True)
        nearer, tied = (cosines > best).sum(dim=1), cosines == best
        tied_before = (tied & (torch.arange(len(right), device=left.device) < index)).sum(dim=1)
        ranks.append(torch.where(best[:, 0] == -torch.inf, len(right), nearer + tied_before))
    return torch.cat(ranks).cpu().numpy()


def recall_at_k(
    queries: ArrayLike,
    gallery: ArrayLike,
    query_labels: ArrayLike,
    gallery_labels: ArrayLike,
    k: int = 1,
    *,
    query_ids: ArrayLike | None = None,
    gallery_ids: ArrayLike | None = None,
) -> float:
    """Compute class-consistent Recall@k: the share of queries with an item of their class among the k nearest.

    This is the papers' Recall (arXiv 2508.11919), which is easier than finding the query's own counterpart. A query
    whose class the gallery lacks is a miss.

    Args:
        queries: (queries, dim) embeddings, made unit here.
        gallery: (items, dim) embeddings, made unit here.
        query_labels: class indices.
        gallery_labels: class indices.
        k: from 1 to the size of the gallery.
        query_ids: point of each query, whose items are left out.
        gallery_ids: point of each item.

    Raises:
        ValueError: embeddings without a direction, unequal sizes, the ids of one side only, or k outside its range.
    """
    classes, offered = as_labels(query_labels, name="query_labels"), as_labels(gallery_labels, name="gallery_labels")
    _check_k(k, len(offered))
    ranks = hit_ranks(queries, gallery, classes, offered, query_ids=query_ids, gallery_ids=gallery_ids)
    return float(np.mean(ranks < k))


def instance_recall_at_k(
    queries: ArrayLike, gallery: ArrayLike, query_ids: ArrayLike, gallery_ids: ArrayLike, k: int = 1
) -> float:
    """Compute instance Recall@k: the share of queries with an item of their own point among the k nearest by cosine.

    Args:
        queries: (queries, dim) embeddings, made unit here.
        gallery: (items, dim) embeddings, made unit here.
        query_ids: numbers or strings.
        gallery_ids: several items may have the same, such as the photos of one point.
        k: from 1 to the size of the gallery.

    Raises:
        ValueError: embeddings without a direction, unequal sizes, a query without an item, or k outside its range.
    """
    ids, offered = as_array(query_ids), as_array(gallery_ids)
    alone = ~np.isin(ids, offered)
    if alone.any():
        raise ValueError(
            f"The gallery has nothing with the id {ids[alone][0]} of a query: leave such queries out of the recall."
        )
    _check_k(k, len(offered))
    return float(np.mean(hit_ranks(queries, gallery, ids, offered) < k))


def _check_k(k: int, num_items: int) -> None:
    if not 1 <= k <= num_items:
        raise ValueError(f"`k` must be between 1 and the size of the gallery, {num_items}, got {k}.")


def _as_unit(embeds: ArrayLike, name: str) -> torch.Tensor:
    """Bring rows to length 1, in float32, or in float64 where they come so."""
    values = torch.as_tensor(embeds)
    if values.ndim != 2 or not values.numel():
        raise ValueError(f"`{name}` must be (items, dim) with at least one item, got {tuple(values.shape)}.")
    values = values.detach() if values.dtype == torch.float64 else values.detach().float()
    lengths = values.norm(dim=1, keepdim=True)
    wrong = ~(torch.isfinite(lengths) & (lengths > 0))[:, 0]
    if wrong.any():
        row = int(wrong.int().argmax())
        raise ValueError(f"Row {row} of `{name}` has length {lengths[row].item()}, and so no direction: leave it out.")
    return torch.div(values, lengths)


def _as_codes(
    query_values: Any, gallery_values: Any, name: str, queries: torch.Tensor, gallery: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Turn labels or ids of both sides into numbers that are equal where those are."""
    left, right = as_array(query_values), as_array(gallery_values)
    if left.shape != (len(queries),) or right.shape != (len(gallery),):
        raise ValueError(
            f"Give one of the {name} for each of {len(queries)} queries and {len(gallery)} gallery items, got "
            f"{left.shape} and {right.shape}."
        )
    codes = np.unique(np.concatenate([left, right]), return_inverse=True)[1].astype(np.int32)
    tensor = torch.from_numpy(codes).to(queries.device)
    return tensor[: len(left)], tensor[len(left) :]
