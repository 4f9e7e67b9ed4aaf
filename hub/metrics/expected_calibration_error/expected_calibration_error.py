"""Offer the expected calibration error as a module of `evaluate`."""

import datasets
import evaluate

from timesenclip_hf.evaluation.metrics.labels import expected_calibration_error


class ExpectedCalibrationError(evaluate.Metric):
    """Compute [`expected_calibration_error`] of what was added."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=expected_calibration_error.__doc__,
            citation="arXiv 1706.04599",
            inputs_description="`predictions`: probabilities of all classes. `references`: class indices. `bins`: 15 "
            "by default.",
            features=datasets.Features(
                {"predictions": datasets.List(datasets.Value("float64")), "references": datasets.Value("int64")}
            ),
        )

    def _compute(self, predictions: list[list[float]], references: list[int], bins: int = 15) -> dict[str, float]:
        return {"expected_calibration_error": expected_calibration_error(predictions, references, bins)}
