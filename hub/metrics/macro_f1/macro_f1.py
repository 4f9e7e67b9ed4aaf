"""Macro F1 as a module of `evaluate`."""

import datasets
import evaluate

from timesenclip_hf.evaluation.metrics import absent_classes, macro_f1


class MacroF1(evaluate.Metric):
    """[`macro_f1`] of what was added, and the classes that it leaves out."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=macro_f1.__doc__,
            citation="",
            inputs_description="`predictions`, `references`: class indices. `num_classes`: how many classes there are.",
            features=datasets.Features({"predictions": datasets.Value("int64"), "references": datasets.Value("int64")}),
        )

    def _compute(self, predictions: list[int], references: list[int], num_classes: int) -> dict[str, float | list[int]]:
        return {
            "macro_f1": macro_f1(predictions, references, num_classes),
            "absent_classes": absent_classes(references, num_classes),
        }
