"""Metrics of classification, retrieval, calibration and correlation, on arrays or tensors.

scikit-learn and scipy do the mathematics where they have it; what is written here is what they lack (expected
calibration error, Recall@k) or decide otherwise (the tie of `top_k_accuracy`). Ties never help: among equals the
lower index comes first, as `argmax` has it, so that a model which says the same of everything scores as a constant
answer does.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy.stats import kendalltau, pearsonr
from sklearn.metrics import average_precision_score, f1_score, recall_score

ArrayLike = np.ndarray | torch.Tensor | Sequence[Any]

# Cosines that are held at once, 16 MB of float32, which caches like; 50,000 x 50,000 would take 10 GB.
CHUNK_ELEMENTS = 2**22
# Room for the rounding of a half-precision softmax.
SUM_TOLERANCE = 1e-2


def top_k_accuracy(scores: ArrayLike, truth: ArrayLike, k: int = 1) -> float:
    """Share of samples whose true class is among the k with the highest scores.

    Args:
        scores: as in [`top_k_hits`].
        truth: as in [`top_k_hits`].
        k: as in [`top_k_hits`].

    Raises:
        ValueError: as [`top_k_hits`].
    """
    return float(np.mean(top_k_hits(scores, truth, k)))


def top_k_hits(scores: ArrayLike, truth: ArrayLike, k: int = 1) -> np.ndarray:
    """Whether the true class of each sample is among the k with the highest scores, (samples,) booleans.

    Among equal scores the lower class comes first, so that `k=1` is what `argmax` hits; scikit-learn's
    `top_k_accuracy_score` puts the higher class first.

    Args:
        scores: (samples, classes), the higher the likelier.
        truth: (samples,) class indices.
        k: from 1 to the number of classes.

    Raises:
        ValueError: scores that are not finite, labels outside the classes, or k outside its range.
    """
    values = as_scores(scores)
    classes = as_labels(truth, values.shape[1], num_samples=len(values))
    if not 1 <= k <= values.shape[1]:
        raise ValueError(f"`k` must be between 1 and the number of classes, {values.shape[1]}, got {k}.")
    own = np.take_along_axis(values, classes[:, None], axis=1)
    lower = np.arange(values.shape[1]) < classes[:, None]
    before = (values > own) | ((values == own) & lower)
    return np.asarray(np.count_nonzero(before, axis=1) < k)


def balanced_accuracy(predicted: ArrayLike, truth: ArrayLike, num_classes: int) -> float:
    """Mean recall of the classes that occur in the truth.

    Args:
        predicted: (samples,) class indices.
        truth: (samples,) class indices.
        num_classes: how many classes there are.

    Raises:
        ValueError: no samples, unequal lengths, or labels outside the classes.
    """
    guesses, classes = _as_label_pair(predicted, truth, num_classes)
    return float(recall_score(classes, guesses, labels=np.unique(classes), average="macro", zero_division=0))


def macro_f1(predicted: ArrayLike, truth: ArrayLike, num_classes: int) -> float:
    """Mean F1 of the classes that occur in the truth.

    A class that is only ever predicted has no F1 of its own here; its false positives count as misses of the true
    class. A class that occurs and is never predicted has 0.

    Args:
        predicted: (samples,) class indices.
        truth: (samples,) class indices.
        num_classes: how many classes there are.

    Raises:
        ValueError: no samples, unequal lengths, or labels outside the classes.
    """
    guesses, classes = _as_label_pair(predicted, truth, num_classes)
    return float(f1_score(classes, guesses, labels=np.unique(classes), average="macro", zero_division=0))


def absent_classes(truth: ArrayLike, num_classes: int) -> list[int]:
    """Classes that no sample has, which the macro averages leave out."""
    counts = np.bincount(as_labels(truth, num_classes), minlength=num_classes)
    return [int(place) for place in np.flatnonzero(counts == 0)]


def hit_ranks(
    queries: ArrayLike,
    gallery: ArrayLike,
    query_labels: ArrayLike,
    gallery_labels: ArrayLike,
    *,
    query_ids: ArrayLike | None = None,
    gallery_ids: ArrayLike | None = None,
) -> np.ndarray:
    """How many gallery items stand before each query's first hit, by cosine.

    A hit is a gallery item with the query's label. Recall@k is the share of ranks below k, so that one call serves
    every k. Among equal cosines the lower row of the gallery comes first; the rounding of a product of matrices may
    part copies of one row before that, in no order that knows the labels.

    Args:
        queries: (queries, dim) embeddings, made unit here; on the device where the comparison shall run.
        gallery: (items, dim) embeddings, made unit here.
        query_labels: (queries,) labels, numbers or strings.
        gallery_labels: (items,) labels.
        query_ids: with `gallery_ids`, the point of each query: gallery items of the query's own point are left
            out. For a gallery that holds the queries themselves, where each would find itself.
        gallery_ids: the point of each gallery item.

    Returns:
        (queries,) int64; the size of the gallery where no item has the query's label.

    Raises:
        ValueError: embeddings that are not finite or have no direction, unequal sizes, or the ids of one side only.
    """
    left = _as_unit(queries, "queries")
    right = _as_unit(gallery, "gallery").to(left)
    if left.shape[1] != right.shape[1]:
        raise ValueError(f"Queries have {left.shape[1]} dimensions and the gallery {right.shape[1]}: compare equals.")
    if (query_ids is None) != (gallery_ids is None):
        raise ValueError("Give `query_ids` and `gallery_ids` together, or neither.")
    wanted, offered = _as_codes(query_labels, gallery_labels, "labels", left, right)
    own, others = (None, None) if query_ids is None else _as_codes(query_ids, gallery_ids, "ids", left, right)
    ranks = []
    step = max(1, CHUNK_ELEMENTS // len(right))
    for start in range(0, len(left), step):
        rows = slice(start, start + step)
        cosines = left[rows] @ right.T
        if own is not None and others is not None:
            cosines = cosines.masked_fill_(own[rows, None].eq(others), -torch.inf)
        # max gives the first of several equal ones.
        best, place = cosines.masked_fill(wanted[rows, None].ne(offered), -torch.inf).max(dim=1, keepdim=True)
        nearer, tied = (cosines > best).sum(dim=1), cosines == best
        tied_before = (tied & (torch.arange(len(right), device=left.device) < place)).sum(dim=1)
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
    """Class-consistent Recall@k: share of queries with an item of their class among the k nearest by cosine.

    This is the papers' Recall (arXiv 2508.11919), which is easier than finding the query's own counterpart. A query
    whose class the gallery lacks is a miss.

    Args:
        queries: as in [`hit_ranks`].
        gallery: as in [`hit_ranks`].
        query_labels: (queries,) class indices.
        gallery_labels: (items,) class indices.
        k: from 1 to the size of the gallery.
        query_ids: as in [`hit_ranks`]; with both, a query's own point is left out.
        gallery_ids: as in [`hit_ranks`].

    Raises:
        ValueError: as [`hit_ranks`], negative labels, or k outside its range.
    """
    classes, offered = as_labels(query_labels, name="query_labels"), as_labels(gallery_labels, name="gallery_labels")
    _check_k(k, len(offered))
    ranks = hit_ranks(queries, gallery, classes, offered, query_ids=query_ids, gallery_ids=gallery_ids)
    return float(np.mean(ranks < k))


def instance_recall_at_k(
    queries: ArrayLike, gallery: ArrayLike, query_ids: ArrayLike, gallery_ids: ArrayLike, k: int = 1
) -> float:
    """Instance Recall@k: share of queries with an item of their own point among the k nearest by cosine.

    Args:
        queries: as in [`hit_ranks`].
        gallery: as in [`hit_ranks`].
        query_ids: (queries,) ids, numbers or strings.
        gallery_ids: (items,) ids; several items may have the same, such as the photos of one point.
        k: from 1 to the size of the gallery.

    Raises:
        ValueError: as [`hit_ranks`], a query without an item of its own in the gallery, or k outside its range.
    """
    ids, offered = as_array(query_ids), as_array(gallery_ids)
    alone = ~np.isin(ids, offered)
    if alone.any():
        raise ValueError(
            f"The gallery has nothing with the id {ids[alone][0]} of a query: leave such queries out of the recall."
        )
    _check_k(k, len(offered))
    return float(np.mean(hit_ranks(queries, gallery, ids, offered) < k))


def average_precision(scores: ArrayLike, targets: ArrayLike) -> np.ndarray:
    """Average precision of each class of a multi-label task, (classes,); NaN where no sample has the class.

    Args:
        scores: (samples, classes), the higher the likelier; equal scores are retrieved together.
        targets: (samples, classes), 1 or True where the sample has the class.

    Raises:
        ValueError: scores that are not finite, or targets of another shape or with other values than 0 and 1.
    """
    values, wanted = as_scores(scores), as_array(targets)
    if wanted.shape != values.shape:
        raise ValueError(f"`targets` must have the shape of `scores`, {values.shape}, got {wanted.shape}.")
    if not np.isin(wanted, (0, 1)).all():
        raise ValueError("`targets` must be 0 or 1, one for each sample and class.")
    occurs = wanted.any(axis=0)
    result = np.full(values.shape[1], np.nan)
    result[occurs] = [average_precision_score(wanted[:, place], values[:, place]) for place in np.flatnonzero(occurs)]
    return result


def mean_average_precision(scores: ArrayLike, targets: ArrayLike) -> float:
    """Mean of [`average_precision`] over the classes that occur; its NaN are the absent ones.

    Raises:
        ValueError: as [`average_precision`], or no class occurs.
    """
    values = average_precision(scores, targets)
    if np.isnan(values).all():
        raise ValueError("No sample has any class: `targets` must have a 1 somewhere.")
    return float(np.nanmean(values))


def expected_calibration_error(probabilities: ArrayLike, truth: ArrayLike, bins: int = 15) -> float:
    """Mean gap between confidence and accuracy, over bins of confidence (Guo et al., arXiv 1706.04599, eq. 3).

    The confidence is the highest probability, the prediction its class (the lower one among equals); bins have
    equal width and hold their upper edge, and a bin weighs as much as the samples in it.

    Args:
        probabilities: (samples, classes), rows that sum to 1.
        truth: (samples,) class indices.
        bins: how many; 15 are that paper's.

    Raises:
        ValueError: rows that are no probabilities, labels outside the classes, or no bin.
    """
    places, gaps = calibration_gaps(probabilities, truth, bins)
    return float(np.abs(np.bincount(places, weights=gaps)).sum() / len(places))


def calibration_gaps(probabilities: ArrayLike, truth: ArrayLike, bins: int = 15) -> tuple[np.ndarray, np.ndarray]:
    """Bin of confidence of each sample, and its confidence less 1 where it is right, less 0 where it is wrong.

    The mean gap of a bin is how overconfident the bin is.

    Args:
        probabilities: as in [`expected_calibration_error`].
        truth: as in [`expected_calibration_error`].
        bins: as in [`expected_calibration_error`].

    Raises:
        ValueError: as [`expected_calibration_error`].
    """
    values = as_scores(probabilities, "probabilities")
    classes = as_labels(truth, values.shape[1], num_samples=len(values))
    if bins < 1:
        raise ValueError(f"`bins` must be at least 1, got {bins}.")
    wrong = (np.abs(values.sum(axis=1) - 1) > SUM_TOLERANCE) | (values < 0).any(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"Row {row} of `probabilities` sums to {values[row].sum():g} with a least value of {values[row].min():g}: "
            "give the softmax of the scores."
        )
    confidence = values.max(axis=1)
    places = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], confidence)
    return places, confidence - (values.argmax(axis=1) == classes)


def pearson_r(predicted: ArrayLike, truth: ArrayLike) -> float:
    """Pearson's correlation.

    Raises:
        ValueError: fewer than two samples, unequal lengths, values that are not finite, or all equal.
    """
    return float(pearsonr(*_as_value_pair(predicted, truth)).statistic)


def kendall_tau(predicted: ArrayLike, truth: ArrayLike) -> float:
    """Kendall's tau-b, which corrects for ties on both sides.

    Raises:
        ValueError: as [`pearson_r`].
    """
    # The method concerns the p-value only; the exact one is slow.
    return float(kendalltau(*_as_value_pair(predicted, truth), variant="b", method="asymptotic").statistic)


def as_array(values: ArrayLike) -> np.ndarray:
    """A tensor of any device and precision, an array or a list as an array."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        return (values.float() if values.dtype == torch.bfloat16 else values).numpy()  # numpy has no bfloat16
    return np.asarray(values)


def as_scores(scores: ArrayLike, name: str = "scores") -> np.ndarray:
    """Scores as float64 (samples, classes).

    Raises:
        ValueError: another shape, nothing in it, or a value that is not finite.
    """
    values = as_array(scores)
    if values.ndim != 2 or not values.size:
        raise ValueError(f"`{name}` must be (samples, classes) with at least one of each, got {values.shape}.")
    values = values.astype(np.float64, copy=False)
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0].tolist()
        raise ValueError(
            f"`{name}` has {values[row, column]} at row {row}, column {column}: leave out samples without a score."
        )
    return values


def as_labels(
    labels: ArrayLike, num_classes: int | None = None, *, name: str = "truth", num_samples: int | None = None
) -> np.ndarray:
    """Class indices as int64 (samples,).

    Args:
        labels: class indices.
        num_classes: how many classes there are; any number when left out.
        name: of the argument, for the message.
        num_samples: how many there must be, where that is known.

    Raises:
        ValueError: another shape, nothing in it, fractions, or an index outside the classes, such as the -1 of a
            class that is not known.
    """
    values = as_array(labels)
    if values.ndim != 1 or not values.size:
        raise ValueError(f"`{name}` must be (samples,) with at least one sample, got {values.shape}.")
    if num_samples is not None and len(values) != num_samples:
        raise ValueError(f"`{name}` must have one label for each of the {num_samples} samples, got {len(values)}.")
    if not np.issubdtype(values.dtype, np.integer):
        raise ValueError(f"`{name}` must be class indices, whole numbers, got {values.dtype}.")
    wrong = (values < 0) | (values >= (np.inf if num_classes is None else num_classes))
    if wrong.any():
        row = int(wrong.argmax())
        highest = "" if num_classes is None else f" and {num_classes - 1}"
        bounds = f"between 0{highest}" if highest else "0 or more"
        raise ValueError(
            f"`{name}` has {values[row]} at row {row}, which is no class: labels must be {bounds}; leave samples of "
            "unknown class (-1) out."
        )
    return values.astype(np.int64, copy=False)


def _as_label_pair(predicted: ArrayLike, truth: ArrayLike, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    classes = as_labels(truth, num_classes)
    return as_labels(predicted, num_classes, name="predicted", num_samples=len(classes)), classes


def _as_value_pair(predicted: ArrayLike, truth: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    pair = [as_array(values).astype(np.float64) for values in (predicted, truth)]
    if pair[0].ndim != 1 or pair[0].shape != pair[1].shape or len(pair[0]) < 2:
        raise ValueError(
            f"A correlation takes two rows of equal length, at least 2, got {pair[0].shape} and {pair[1].shape}."
        )
    for name, values in zip(("predicted", "truth"), pair, strict=True):
        if not np.isfinite(values).all():
            raise ValueError(f"`{name}` has {values[~np.isfinite(values)][0]}: leave out samples without a value.")
        if (values == values[0]).all():
            raise ValueError(f"`{name}` is {values[0]:g} throughout: a constant correlates with nothing.")
    return pair[0], pair[1]


def _check_k(k: int, num_items: int) -> None:
    if not 1 <= k <= num_items:
        raise ValueError(f"`k` must be between 1 and the size of the gallery, {num_items}, got {k}.")


def _as_unit(embeds: ArrayLike, name: str) -> torch.Tensor:
    """Unit rows in float32, or in float64 where that was given."""
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
    """Labels or ids of both sides as numbers that are equal where those are."""
    left, right = as_array(query_values), as_array(gallery_values)
    if left.shape != (len(queries),) or right.shape != (len(gallery),):
        raise ValueError(
            f"Give one of the {name} for each of {len(queries)} queries and {len(gallery)} gallery items, got "
            f"{left.shape} and {right.shape}."
        )
    codes = np.unique(np.concatenate([left, right]), return_inverse=True)[1].astype(np.int32)
    tensor = torch.from_numpy(codes).to(queries.device)
    return tensor[: len(left)], tensor[len(left) :]
