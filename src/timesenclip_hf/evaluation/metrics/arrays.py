"""Read arrays, tensors and lists into the arrays that metrics are computed on, and refuse what cannot be measured."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

ArrayLike = np.ndarray | torch.Tensor | Sequence[Any]


def as_array(values: ArrayLike) -> np.ndarray:
    """Read an array, a list, or a tensor of any device and precision."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        return (values.float() if values.dtype == torch.bfloat16 else values).numpy()  # numpy has no bfloat16
    return np.asarray(values)


def as_scores(scores: ArrayLike, name: str = "scores") -> np.ndarray:
    """Read scores as float64 (samples, classes), at least one, all finite, or raise ValueError about `name`."""
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
    """Read class indices as int64 (samples,), of so many classes and samples where these are known.

    An index outside the classes, such as the -1 of a class that is not known, is a ValueError about `name`.
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
        bounds = "0 or more" if num_classes is None else f"between 0 and {num_classes - 1}"
        raise ValueError(
            f"`{name}` has {values[row]} at row {row}, which is no class: labels must be {bounds}; leave samples of "
            "unknown class (-1) out."
        )
    return values.astype(np.int64, copy=False)


def as_label_pair(predicted: ArrayLike, truth: ArrayLike, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Read predicted and true class indices of the same samples, int64 (samples,) each."""
    classes = as_labels(truth, num_classes)
    return as_labels(predicted, num_classes, name="predicted", num_samples=len(classes)), classes


def as_scored(scores: ArrayLike, truth: ArrayLike, name: str = "scores") -> tuple[np.ndarray, np.ndarray]:
    """Read scores, float64 (samples, classes), and the true class indices of the same samples, int64 (samples,)."""
    values = as_scores(scores, name)
    return values, as_labels(truth, values.shape[1], num_samples=len(values))
