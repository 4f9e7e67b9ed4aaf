"""Offer the mean average precision of several labels a sample as a module of `evaluate`."""

import datasets
import evaluate
import numpy as np

from timesenclip_hf.evaluation.metrics.labels import average_precision, mean_average_precision


class MeanAveragePrecision(evaluate.Metric):
    """Compute [`mean_average_precision`] of what was added, and list the classes that it leaves out."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=mean_average_precision.__doc__,
            citation="",
            inputs_description="`predictions`: scores of all classes. `references`: 1 for each class that a sample "
            "has, 0 for the others.",
            features=datasets.Features(
                {
                    "predictions": datasets.List(datasets.Value("float64")),
                    "references": datasets.List(datasets.Value("int64")),
                }
            ),
        )

    def _compute(self, predictions: list[list[float]], references: list[list[int]]) -> dict[str, float | list[int]]:
        values = average_precision(predictions, references)
        return {
            "mean_average_precision": mean_average_precision(predictions, references),
            "absent_classes": np.flatnonzero(np.isnan(values)).tolist(),
        }
