"""Offer Pearson's R and Kendall's tau of scenicness as a module of `evaluate`."""

import datasets
import evaluate

from timesenclip_hf.evaluation.metrics.correlation import kendall_tau, pearson_r


class ScenicnessCorrelation(evaluate.Metric):
    """Compute [`pearson_r`] and [`kendall_tau`] of what was added."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=f"{pearson_r.__doc__}\n{kendall_tau.__doc__}",
            citation="arXiv 2508.11919",
            inputs_description="`predictions`: scores of a place. `references`: what people said of it.",
            features=datasets.Features(
                {"predictions": datasets.Value("float64"), "references": datasets.Value("float64")}
            ),
        )

    def _compute(self, predictions: list[float], references: list[float]) -> dict[str, float]:
        return {"pearson_r": pearson_r(predictions, references), "kendall_tau": kendall_tau(predictions, references)}
