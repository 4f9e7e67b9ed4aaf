"""Parts of `make evidence-evaluation`: temperature, reject threshold, robustness and the few-shot ladder.

All on simulated points that nothing was trained on; what is fitted is fitted on one half and judged on the other.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.special import softmax
from transformers import AutoModel, AutoProcessor

from timesenclip_hf import DEFAULT_CHECKPOINT, encode
from timesenclip_hf.classification import PixelClassifier
from timesenclip_hf.evaluation.calibration import (
    Calibration,
    calibration_report,
    fit_calibration,
    fit_temperature,
    store_calibration,
)
from timesenclip_hf.evaluation.metrics import balanced_accuracy
from timesenclip_hf.evaluation.probing import Ladder, few_shot_ladder, split_rows_by_place
from timesenclip_hf.evaluation.robustness import robustness_curves
from timesenclip_hf.evaluation.sets import simulated_set
from timesenclip_hf.models.timesenclip.options_timesenclip import SeriesOptions
from timesenclip_hf.models.timesenclip.zero_shot_timesenclip import embed_classes, score
from training.evidence.claims import Ledger

# Of the curves, for the time that they take.
CURVE_SAMPLES = 1_000
WANTED_PRECISION = 0.9


class Scored(NamedTuple):
    """Labelled samples of a task, and what the embedded default says of them."""

    model: Any
    processor: Any
    task: Any
    samples: Any
    features: dict[str, torch.Tensor]
    truth: np.ndarray
    embeds: torch.Tensor
    class_embeds: torch.Tensor
    logits: torch.Tensor


def scored(task_name: str, num_samples: int | None = None) -> Scored:
    """Score held-out simulated points by the embedded checkpoint."""
    model = AutoModel.from_pretrained(DEFAULT_CHECKPOINT).eval()
    processor = AutoProcessor.from_pretrained(DEFAULT_CHECKPOINT)
    held_out = simulated_set()
    task = next(task for task in held_out.tasks if task.name == task_name)
    truth = task.truth(held_out.samples)
    rows = np.flatnonzero(truth >= 0)[:num_samples]
    samples = held_out.samples.select(rows)
    features = samples.features(processor.feature_extractor)
    embeds = encode(model, features)
    prompts = task.prompts("generic", processor.hypothesis_template)
    class_embeds = embed_classes(model, processor.tokenizer, prompts).cpu()
    logits = score(embeds, class_embeds, logit_scale=model.logit_scale.detach().exp())
    return Scored(model, processor, task, samples, features, truth[rows], embeds, class_embeds, logits)


def temperature(ledger: Ledger) -> None:
    """Known temperatures, from scores that are exactly calibrated and from labels drawn by their probabilities."""
    shares = np.array([[7, 2, 1], [1, 6, 3], [2, 3, 5], [1, 1, 8]])
    truth = np.concatenate([np.repeat(np.arange(3), counts) for counts in shares])
    logits = np.log(np.repeat(shares, 10, axis=0) / 10)
    known = np.geomspace(1e-3, 1e3, 25)
    errors = [abs(fit_temperature(logits * true, truth) / true - 1) for true in known]
    ledger.add("largest relative error of a known temperature, 0.001 to 1,000", max(errors), "<=", 1e-9)
    rng = np.random.default_rng(0)
    drawn = rng.normal(size=(100_000, 10)) * 3
    labels = (drawn + rng.gumbel(size=drawn.shape)).argmax(axis=1)
    error = abs(fit_temperature(drawn * 2.5, labels) / 2.5 - 1)
    ledger.add("the same from 100,000 labels drawn by their probabilities", round(error, 4), "<=", 0.02)


def calibration(ledger: Ledger) -> None:
    """Measure the error before and after, what the reject threshold keeps, and the checkpoint that has both."""
    _calibrate(ledger, "ten_covers")
    scores, judge, fitted = _calibrate(ledger, "land_cover")
    store_calibration(scores.model, fitted)
    with tempfile.TemporaryDirectory() as folder:
        for part in (scores.model, scores.processor):
            part.save_pretrained(folder)
        classifier = PixelClassifier(scores.task.taxonomy.prompts, Path(folder))
    series = scores.samples.series[judge]
    probabilities = classifier.probabilities(
        series, SeriesOptions(months=scores.samples.months[judge], units="dn", offset=0)
    )[0]
    expected = softmax(scores.logits[judge].double().numpy() / fitted.temperature, axis=1)
    claim = "largest difference of a saved and loaded checkpoint's probabilities from the fitted ones"
    ledger.add(claim, float(np.abs(probabilities - expected).max()), "<=", 1e-5)


def _calibrate(ledger: Ledger, task_name: str) -> tuple[Scored, np.ndarray, Calibration]:
    scores = scored(task_name)
    fit, judge = split_rows_by_place(scores.samples.point_ids)
    fitted = fit_calibration(scores.logits[fit], scores.truth[fit], precision=WANTED_PRECISION)
    report = calibration_report(fitted, scores.logits[judge], scores.truth[judge])
    error, reject = report["expected_calibration_error"], report["reject"]
    where = f"held-out simulated pixels, {task_name}, the half that was not fitted on"
    note = f"before {error['before']:.4f}; temperature {fitted.temperature:.3f}; {len(judge)} samples"
    claim = f"expected calibration error after one temperature, {where}"
    ledger.add(claim, round(error["after"], 4), "<=", round(error["before"], 4), note)
    note = f"threshold {reject['threshold']:.3f} keeps {reject['coverage']:.1%} of the answers"
    claim = f"precision of what the reject threshold keeps, {where}"
    ledger.add(claim, round(reject["precision"], 3), ">=", WANTED_PRECISION, note)
    return scores, judge, fitted


def robustness(ledger: Ledger) -> None:
    """Curves of the ten covers; level 0 against the plain evaluation."""
    scores = scored("ten_covers", CURVE_SAMPLES)

    def judged(embeds: torch.Tensor) -> dict[str, float]:
        predicted = score(embeds, scores.class_embeds).argmax(dim=1)
        return {"balanced_accuracy": balanced_accuracy(predicted, scores.truth, len(scores.task.labels))}

    entries = robustness_curves(
        scores.features, lambda damaged: judged(encode(scores.model, damaged)), scores.processor.feature_extractor
    )
    plain = judged(scores.embeds)["balanced_accuracy"]
    curves: dict[str, dict[Any, float]] = {}
    for entry in entries:
        curves.setdefault(entry["perturbation"], {})[entry["level"]] = entry["metrics"]["balanced_accuracy"]
    worst = max(abs(curve[0] - plain) for curve in curves.values())
    notes = {
        name: ", ".join(f"{level}: {value:.3f}" for level, value in curve.items()) for name, curve in curves.items()
    }
    claim = f"largest difference of level 0 from the plain evaluation, {len(curves)} curves"
    others = "; ".join(f"{name} {notes[name]}" for name in ("band", "bands_random", "offset_taken_twice"))
    ledger.add(claim, worst, "==", 0.0, f"balanced accuracy {plain:.3f}, {len(scores.truth)} samples; {others}")
    for name, level, what in (
        ("missing_random", 3, "three random months hidden"),
        ("missing_winter_first", 3, "the three months of winter hidden"),
        ("missing_growing_season_first", 3, "the three months of summer hidden"),
        ("noise", 0.01, "noise of 0.01 reflectance"),
        ("haze", 0.02, "haze of 0.02 reflectance in the blue"),
        ("offset_left_in", 0.1, "a tenth of the offset left in"),
        ("month_shift", 1, "months one late"),
    ):
        kept = round(curves[name][level] / plain, 3)
        ledger.add(f"share of the balanced accuracy that is left with {what}", kept, ">=", 0.8, notes[name])
    left = round(curves["missing_random"][6] - curves["missing_growing_season_first"][6], 3)
    note = notes["missing_growing_season_first"]
    ledger.add("balanced accuracy that six random months cost less than April to September", left, ">=", 0.0, note)


def few_shot(ledger: Ledger) -> None:
    """Climb the ladder on the ten covers, half of the points to draw from and half to judge on."""
    scores = scored("ten_covers")
    entries = few_shot_ladder(
        scores.embeds,
        scores.samples.series,
        scores.truth,
        scores.task.labels,
        split_rows_by_place(scores.samples.point_ids),
        Ladder(draws=3),
        zero_shot=scores.logits.argmax(dim=1),
    )
    value: dict[tuple[str, int], float] = {}
    notes: dict[str, list[str]] = {}
    for entry in entries:
        figure = entry["metrics"]["balanced_accuracy"]
        value[entry["method"], entry["shots"]] = round(figure["value"], 3)
        spread = "" if figure["spread"] is None else f" +- {figure['spread']:.3f}"
        notes.setdefault(entry["method"], []).append(f"{entry['shots']}: {figure['value']:.3f}{spread}")
    shown = {method: f"{method} {', '.join(figures)}" for method, figures in notes.items()}
    where = "balanced accuracy, held-out simulated pixels, ten covers"
    ledger.add(
        f"zero-shot {where}, against a linear probe on 5 labels a class",
        value["zero_shot", 0],
        ">=",
        value["linear_probe", 5],
        shown["linear_probe"],
    )
    for method in ("linear_probe", "knn"):
        ledger.add(
            f"{method} on 10 labels a class, {where}, against boosting of the series on 50",
            value[method, 10],
            ">=",
            value["boosting", 50],
            f"{shown[method]}; {shown['boosting']}",
        )


PARTS: dict[str, Callable[[Ledger], None]] = {
    "temperature": temperature,
    "calibration": calibration,
    "robustness": robustness,
    "few_shot": few_shot,
}
