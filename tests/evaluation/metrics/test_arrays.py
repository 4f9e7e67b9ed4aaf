import numpy as np
import pytest
import torch
from hypothesis import strategies as st

from timesenclip_hf.evaluation.metrics import (
    average_precision,
    balanced_accuracy,
    expected_calibration_error,
    hit_ranks,
    macro_f1,
    mean_average_precision,
    recall_at_k,
    top_k_accuracy,
)

seeds = st.integers(0, 2**32 - 1)


def test_half_precision_tensors_are_read():
    scores = torch.tensor([[0.2, 0.7], [0.9, 0.1]], dtype=torch.bfloat16, requires_grad=True)
    assert top_k_accuracy(scores, torch.tensor([1, 1]), 1) == 0.5
    assert recall_at_k(scores, scores.half(), [0, 1], [0, 1], 1) == 1


BAD_CALLS = {
    "no prediction": (lambda: balanced_accuracy([], [], 3), "at least one sample"),
    "lengths differ": (lambda: macro_f1([0], [0, 1], 3), "each of the 2 samples, got 1"),
    "unknown class": (lambda: balanced_accuracy([0, 1], [0, -1], 3), "-1 at row 1, which is no class.*between 0 and 2"),
    "class too high": (lambda: balanced_accuracy([3, 1], [0, 1], 3), "`predicted` has 3 at row 0"),
    "names for indices": (lambda: balanced_accuracy(["a"], [0], 3), "`predicted` must be class indices"),
    "NaN score": (lambda: top_k_accuracy([[0.1, np.nan]], [0], 1), "nan at row 0, column 1"),
    "flat scores": (lambda: top_k_accuracy([0.1, 0.2], [0], 1), r"must be \(samples, classes\).*got \(2,\)"),
    "k of 0": (lambda: top_k_accuracy([[0.1, 0.2]], [0], 0), "between 1 and the number of classes, 2, got 0"),
    "k above the gallery": (lambda: recall_at_k(np.eye(2), np.eye(2), [0, 1], [0, 1], 3), "size of the gallery, 2"),
    "unknown label": (lambda: recall_at_k(np.eye(2), np.eye(2), [0, -1], [0, 1], 1), "`query_labels` has -1 at row 1"),
    "zero embedding": (lambda: hit_ranks(np.eye(2), np.zeros((1, 2)), [0, 1], [0]), "Row 0 of `gallery` has length 0"),
    "NaN embedding": (lambda: hit_ranks([[0.0, np.nan]], np.eye(2), [0], [0, 1]), "Row 0 of `queries` has length nan"),
    "dimensions differ": (lambda: hit_ranks(np.eye(2), np.eye(3), [0, 1], [0, 1, 2]), "2 dimensions and the gallery 3"),
    "too few labels": (lambda: hit_ranks(np.eye(2), np.eye(2), [0], [0, 1]), r"2 queries.*got \(1,\)"),
    "ids of one side": (lambda: hit_ranks(np.eye(1), np.eye(1), [0], [0], query_ids=[0]), "together, or neither"),
    "targets of other shape": (lambda: average_precision([[0.1, 0.2]], [[1]]), "must have the shape of `scores`"),
    "targets that count": (lambda: average_precision([[0.1, 0.2]], [[2, 0]]), "must be 0 or 1"),
    "no target": (lambda: mean_average_precision([[0.1, 0.2]], [[0, 0]]), "No sample has any class"),
    "logits for probabilities": (lambda: expected_calibration_error([[3.0, 1.0]], [0]), "give the softmax"),
    "no bin": (lambda: expected_calibration_error([[0.5, 0.5]], [0], bins=0), "at least 1, got 0"),
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_what_cannot_be_measured_is_named_in_one_line(name):
    call, message = BAD_CALLS[name]
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
