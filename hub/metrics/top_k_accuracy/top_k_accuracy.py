"""Offer top-k accuracy as a module of `evaluate`."""

import datasets
import evaluate

from timesenclip_hf.evaluation.metrics.labels import top_k_accuracy


class TopKAccuracy(evaluate.Metric):
    """Compute [`top_k_accuracy`] of what was added."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=top_k_accuracy.__doc__,
            citation="",
            inputs_description="`predictions`: scores of all classes. `references`: class indices. `k`: 1 by default.",
            features=datasets.Features(
                {"predictions": datasets.List(datasets.Value("float64")), "references": datasets.Value("int64")}
            ),
        )

    def _compute(self, predictions: list[list[float]], references: list[int], k: int = 1) -> dict[str, float]:
        return {"top_k_accuracy": top_k_accuracy(predictions, references, k)}
