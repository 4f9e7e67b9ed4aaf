"""Offer class-consistent Recall@k as a module of `evaluate`."""

from typing import Any

import datasets
import evaluate

from timesenclip_hf.evaluation.metrics.recall import recall_at_k


class ClassConsistentRecallAtK(evaluate.Metric):
    """Compute [`recall_at_k`] of the queries that were added, in a gallery or among themselves."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=recall_at_k.__doc__,
            citation="arXiv 2508.11919",
            inputs_description="`predictions`: embeddings of queries. `references`: their class indices. `gallery`, "
            "`gallery_labels`: where to search; among the other queries by default. `k`: 1 by default.",
            features=datasets.Features(
                {"predictions": datasets.List(datasets.Value("float64")), "references": datasets.Value("int64")}
            ),
        )

    def _compute(
        self,
        predictions: list[list[float]],
        references: list[int],
        k: int = 1,
        gallery: Any | None = None,
        gallery_labels: Any | None = None,
    ) -> dict[str, float]:
        if gallery is None:
            rows = range(len(predictions))
            recall = recall_at_k(predictions, predictions, references, references, k, query_ids=rows, gallery_ids=rows)
        else:
            recall = recall_at_k(predictions, gallery, references, gallery_labels, k)
        return {"class_consistent_recall_at_k": recall}
