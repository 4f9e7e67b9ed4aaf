"""Make probabilities as sure as they are right, and find a threshold below which an answer counts as none.

One temperature divides all logits (Guo et al., arXiv 1706.04599): it never changes which class is best, only how sure
the best one seems. Temperature and threshold are fitted on a validation split for one set of labels and prompts, and
say little about another; whether they hold is measured on a split that was not used to fit.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..extras import needs_extra
from .metrics import ArrayLike, as_scored, expected_calibration_error

with needs_extra("eval"):
    from scipy.optimize import brentq
    from scipy.special import log_softmax, softmax
    from scipy.stats import beta


@dataclass(frozen=True)
class RejectRule:
    """Hold the least highest probability that an answer is kept with, and what it was worth.

    Where it was fitted, a share of the answers was kept (`coverage`), and of these a share was right (`precision`), at
    least the `lower_bound` (one-sided Clopper-Pearson) with that `confidence`.
    """

    threshold: float
    wanted_precision: float
    confidence: float
    precision: float
    lower_bound: float
    coverage: float


@dataclass(frozen=True)
class Calibration:
    """Hold what a validation split of so many samples told: what divides the logits, and the rule if one was wanted."""

    temperature: float
    samples: int
    reject: RejectRule | None = None


def fit_calibration(logits: ArrayLike, truth: ArrayLike, *, precision: float | None = None) -> Calibration:
    """Fit the temperature and, where a precision is wanted, the threshold on the calibrated probabilities.

    Logits (samples, classes) of the validation split have no temperature: `score` with `logit_scale` of the model,
    exponentiated. The precision is the share of the kept answers that shall be right, with 95 % confidence; a
    ValueError says that it cannot be reached.
    """
    temperature, reject = fit_temperature(logits, truth), None
    if precision is not None:
        probabilities = softmax(as_scored(logits, truth, "logits")[0] / temperature, axis=1)
        reject = fit_reject_threshold(probabilities, truth, precision)
    return Calibration(temperature, len(truth), reject)


def fit_temperature(logits: ArrayLike, truth: ArrayLike) -> float:
    """Fit the temperature whose probabilities give the true classes (samples,) the highest likelihood.

    The negative log-likelihood is convex in the inverse temperature, so that its minimum is the root of its slope, and
    the slopes at zero and at infinity tell whether there is one. There is none, and a ValueError says so, where the
    logits are no better than chance, or every sample is right.
    """
    values, classes = as_scored(logits, truth, "logits")
    values = values - values.max(axis=1, keepdims=True)
    of_truth = np.take_along_axis(values, classes[:, None], axis=1)[:, 0]
    if of_truth.mean() <= values.mean():
        raise ValueError(
            "No temperature can be fitted: the true classes score no higher than the others on average; check the "
            "labels, the class names and their order."
        )
    if not of_truth.any():
        raise ValueError(
            f"No temperature can be fitted: all {len(of_truth)} samples are right, so that the lowest temperature is "
            "the best; give samples on which the model errs, too."
        )
    spread = float(-values.mean())  # the root is of the order of its inverse, whatever the logits' scale

    def slope(inverse: float) -> float:
        probabilities = softmax(values * (inverse / spread), axis=1)
        return float(((probabilities * values).sum(axis=1) - of_truth).mean() / spread)

    upper = 1.0
    while slope(upper) <= 0:
        upper *= 2
    return spread / float(brentq(slope, 0.0, upper, xtol=1e-15))


def fit_reject_threshold(
    probabilities: ArrayLike, truth: ArrayLike, precision: float, *, confidence: float = 0.95
) -> RejectRule:
    """Find the smallest threshold that keeps answers of the wanted precision, as far as a validation split can tell.

    Thresholds are the highest calibrated probabilities (samples, classes) that occur. At each, the kept answers are
    counted, and the one-sided Clopper-Pearson bound says which precision they surely have, at the given confidence. The
    bound holds for a threshold by itself; the smallest of many that reach it is a choice, and pixels of one field are
    alike, so measure it on another split. Where none reaches it, a ValueError says what could be reached.
    """
    values, classes = as_scored(probabilities, truth, "probabilities")
    for name, value in (("precision", precision), ("confidence", confidence)):
        if not 0 < value < 1:
            raise ValueError(f"`{name}` must lie between 0 and 1, got {value}.")
    highest, right = values.max(axis=1), values.argmax(axis=1) == classes
    order = np.argsort(-highest, kind="stable")
    thresholds = highest[order]
    last = np.append(thresholds[:-1] > thresholds[1:], True)  # equal probabilities are kept together
    kept, hits = np.arange(1, len(order) + 1)[last], np.cumsum(right[order])[last]
    bounds = np.where(hits > 0, beta.ppf(1 - confidence, np.maximum(hits, 1), kept - hits + 1), 0.0)
    reached = np.flatnonzero(bounds >= precision)
    if not len(reached):
        best = int(bounds.argmax())
        raise ValueError(
            f"No threshold keeps answers of precision {precision:g} with confidence {confidence:g} on {len(values)} "
            f"samples: the best bound is {bounds[best]:.3f}, with {kept[best]} answers kept; want less, or give more "
            "samples."
        )
    index = reached[-1]
    fitted_precision, coverage = float(hits[index] / kept[index]), float(kept[index] / len(values))
    bound, threshold = float(bounds[index]), float(thresholds[last][index])
    return RejectRule(threshold, precision, confidence, fitted_precision, bound, coverage)


def calibration_report(calibration: Calibration, logits: ArrayLike, truth: ArrayLike) -> dict[str, Any]:
    """Measure what a calibration does on a split that it was not fitted on, by logits without a temperature.

    Returns:
        `temperature`, `samples_fitted`, `samples`; `expected_calibration_error` and `negative_log_likelihood`, each
        `before` and `after`; and `reject`, None or `threshold`, `wanted_precision`, `confidence`, `coverage` and
        `precision` (None where nothing is kept), with `fitted` holding the last two as they were on the validation
        split, and its `lower_bound`.
    """
    values, classes = as_scored(logits, truth, "logits")
    scaled = {"before": values, "after": values / calibration.temperature}
    errors, losses = {}, {}
    for when, scores in scaled.items():
        errors[when] = expected_calibration_error(softmax(scores, axis=1), classes)
        losses[when] = float(-np.take_along_axis(log_softmax(scores, axis=1), classes[:, None], axis=1).mean())
    reject = None
    if calibration.reject is not None:
        reject = asdict(calibration.reject)
        reject["fitted"] = {name: reject.pop(name) for name in ("coverage", "precision", "lower_bound")}
        probabilities = softmax(scaled["after"], axis=1)
        kept = probabilities.max(axis=1) >= calibration.reject.threshold
        right = probabilities.argmax(axis=1) == classes
        reject["coverage"] = float(kept.mean())
        reject["precision"] = float(right[kept].mean()) if kept.any() else None
    return {
        "temperature": calibration.temperature,
        "samples_fitted": calibration.samples,
        "samples": len(values),
        "expected_calibration_error": errors,
        "negative_log_likelihood": losses,
        "reject": reject,
    }


def store_calibration(model: Any, calibration: Calibration) -> None:
    """Write a calibration into a model's configuration, which its `save_pretrained` keeps beside the weights.

    From then on the model's text logits, the pipeline, `timesenclip classify` and the maps are calibrated.
    """
    model.config.calibration_temperature = calibration.temperature
    model.config.reject_threshold = None if calibration.reject is None else calibration.reject.threshold
