"""Offer instance Recall@k as a module of `evaluate`."""

from typing import Any

import datasets
import evaluate

from timesenclip_hf.evaluation.metrics.recall import instance_recall_at_k


class InstanceRecallAtK(evaluate.Metric):
    """Compute [`instance_recall_at_k`] of the queries that were added."""

    def _info(self) -> evaluate.MetricInfo:
        embeds = datasets.List(datasets.Value("float64"))
        return evaluate.MetricInfo(
            description=instance_recall_at_k.__doc__,
            citation="",
            inputs_description="`predictions`: embeddings of queries. `references`: ids of their points, numbers or "
            "strings. `gallery`, `gallery_ids`: where to search. `k`: 1 by default.",
            features=[
                datasets.Features({"predictions": embeds, "references": datasets.Value(kind)})
                for kind in ("int64", "string")
            ],
        )

    def _compute(
        self,
        predictions: list[list[float]],
        references: list[int] | list[str],
        gallery: Any,
        gallery_ids: Any,
        k: int = 1,
    ) -> dict[str, float]:
        return {"instance_recall_at_k": instance_recall_at_k(predictions, gallery, references, gallery_ids, k)}
