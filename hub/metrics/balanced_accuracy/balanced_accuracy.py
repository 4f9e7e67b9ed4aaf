"""Offer balanced accuracy as a module of `evaluate`."""

import datasets
import evaluate

from timesenclip_hf.evaluation.metrics.labels import absent_classes, balanced_accuracy


class BalancedAccuracy(evaluate.Metric):
    """Compute [`balanced_accuracy`] of what was added, and list the classes that it leaves out."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=balanced_accuracy.__doc__,
            citation="",
            inputs_description="`predictions`, `references`: class indices. `num_classes`: how many classes there are.",
            features=datasets.Features({"predictions": datasets.Value("int64"), "references": datasets.Value("int64")}),
        )

    def _compute(self, predictions: list[int], references: list[int], num_classes: int) -> dict[str, float | list[int]]:
        return {
            "balanced_accuracy": balanced_accuracy(predictions, references, num_classes),
            "absent_classes": absent_classes(references, num_classes),
        }
