"""Write results of an evaluation as a page that a person can judge by, and as metadata for model cards."""

from .card import model_index
from .pictures import EvaluatedSamples
from .writing import write_report

__all__ = ["EvaluatedSamples", "model_index", "write_report"]
