"""Measure classification, retrieval and calibration on arrays or tensors.

scikit-learn and scipy do the mathematics where they have it. What is written here is what they lack (expected
calibration error, Recall@k) or decide otherwise (the tie of `top_k_accuracy`). Ties never help: among equals the
lower index comes first, as `argmax` has it, so that a model which answers the same for everything scores as a constant
answer does.
"""

from ...extras import needs_extra
from .arrays import ArrayLike, as_array, as_labels, as_scored
from .recall import hit_ranks, instance_recall_at_k, recall_at_k

with needs_extra("eval"):
    from .labels import (
        absent_classes,
        average_precision,
        balanced_accuracy,
        calibration_gaps,
        expected_calibration_error,
        macro_f1,
        mean_average_precision,
        top_k_accuracy,
        top_k_hits,
    )

__all__ = [
    "ArrayLike",
    "absent_classes",
    "as_array",
    "as_labels",
    "as_scored",
    "average_precision",
    "balanced_accuracy",
    "calibration_gaps",
    "expected_calibration_error",
    "hit_ranks",
    "instance_recall_at_k",
    "macro_f1",
    "mean_average_precision",
    "recall_at_k",
    "top_k_accuracy",
    "top_k_hits",
]
