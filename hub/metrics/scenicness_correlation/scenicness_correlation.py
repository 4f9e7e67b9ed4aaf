"""Offer Pearson's R and Kendall's tau of scenicness as a module of `evaluate`."""

import datasets
import evaluate
import numpy as np
from scipy.stats import kendalltau, pearsonr


class ScenicnessCorrelation(evaluate.Metric):
    """Compute Pearson's R and Kendall's tau-b, which corrects for ties on both sides, of what was added."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=str(self.__doc__),
            citation="arXiv 2508.11919",
            inputs_description="`predictions`: scores of a place. `references`: what people said of it.",
            features=datasets.Features(
                {"predictions": datasets.Value("float64"), "references": datasets.Value("float64")}
            ),
        )

    def _compute(self, predictions: list[float], references: list[float]) -> dict[str, float]:
        pair = [np.asarray(values, dtype=np.float64) for values in (predictions, references)]
        if len(pair[0]) < 2:
            raise ValueError(f"A correlation takes at least 2 samples, got {len(pair[0])}.")
        for name, values in zip(("predictions", "references"), pair, strict=True):
            if not np.isfinite(values).all():
                raise ValueError(f"`{name}` has {values[~np.isfinite(values)][0]}: leave out samples without a value.")
            if (values == values[0]).all():
                raise ValueError(f"`{name}` is {values[0]:g} throughout: a constant correlates with nothing.")
        # The method concerns the p-value only; the exact one is slow.
        tau = kendalltau(*pair, variant="b", method="asymptotic")
        return {"pearson_r": float(pearsonr(*pair).statistic), "kendall_tau": float(tau.statistic)}
