"""Measure the claims about metrics: equal to scikit-learn, scipy and loops; parts of `make evidence-evaluation`."""

import math
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import evaluate
import numpy as np
import torch
from scipy import stats
from scipy.special import softmax
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from timesenclip_hf.evaluation import metrics
from timesenclip_hf.evaluation.uncertainty import Resampling, bootstrap, bootstrap_classification
from timesenclip_hf.models.timesenclip.zero_shot_timesenclip import score
from training.evidence.claims import Ledger

FOLDER = Path(__file__).resolve().parents[2] / "hub" / "metrics"
DRAWS, SAMPLES, CLASSES = 100, 300, 9
SERIES, LABELS, WIDTH = 50_000, 44, 512
BAR = 1e-12


def compare(ledger: Ledger) -> None:
    """Find the largest difference over random inputs from functions of scikit-learn and scipy, where they have any."""
    worst: dict[str, float] = {}
    for seed in range(DRAWS):
        for name, difference in _differences(np.random.default_rng(seed)).items():
            worst[name] = max(worst.get(name, 0.0), difference)
    for name, difference in worst.items():
        note = f"{DRAWS} random inputs of {SAMPLES} samples"
        ledger.add(f"{name}, largest difference", float(f"{difference:.1e}"), "<=", BAR, note)
    _compare_recalls(ledger)
    _compare_modules(ledger)


def _differences(rng: np.random.Generator) -> dict[str, float]:
    """Ours less theirs; the last class never occurs, and predictions have it."""
    scores, truth = rng.normal(size=(SAMPLES, CLASSES)), rng.integers(0, CLASSES - 1, SAMPLES)
    predicted = np.where(rng.random(SAMPLES) < 0.5, truth, rng.integers(0, CLASSES, SAMPLES))
    present = np.unique(truth)
    targets = rng.random((SAMPLES, CLASSES)) < np.linspace(0, 0.5, CLASSES)
    occurs = targets.any(axis=0)
    probabilities = softmax(2 * scores, axis=1)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    accuracy, mean_confidence = calibration_curve(right, confidence, n_bins=15)
    sizes = np.histogram(confidence, np.linspace(0, 1, 16))[0]
    votes = rng.integers(0, 20, SAMPLES) + scores[:, 0].round()
    blocks, resampling = rng.integers(0, 30, SAMPLES), Resampling(resamples=20)
    fast = bootstrap_classification(predicted, truth, CLASSES, blocks, resampling=resampling)
    slow = bootstrap(
        lambda rows: sk.recall_score(truth[rows], predicted[rows], labels=np.unique(truth[rows]), average="macro"),
        SAMPLES,
        blocks,
        resampling=resampling,
    )
    pairs = {
        "top-3 accuracy against scikit-learn's top_k_accuracy_score": (
            metrics.top_k_accuracy(scores, truth, 3),
            sk.top_k_accuracy_score(truth, scores, k=3, labels=range(CLASSES)),
        ),
        "balanced accuracy against scikit-learn's classification_report": (
            metrics.balanced_accuracy(predicted, truth, CLASSES),
            _report(truth, predicted, present)["recall"],
        ),
        "macro F1 against scikit-learn's classification_report": (
            metrics.macro_f1(predicted, truth, CLASSES),
            _report(truth, predicted, present)["f1-score"],
        ),
        "mean average precision against scikit-learn's average_precision_score": (
            metrics.mean_average_precision(scores, targets),
            sk.average_precision_score(targets[:, occurs], scores[:, occurs]),
        ),
        "expected calibration error against scikit-learn's calibration_curve": (
            metrics.expected_calibration_error(probabilities, truth),
            float(np.abs(accuracy - mean_confidence) @ sizes[sizes > 0] / SAMPLES),
        ),
        "Pearson's R against scipy's linregress": (
            _correlations(scores[:, 0], votes)["pearson_r"],
            stats.linregress(scores[:, 0], votes).rvalue,
        ),
        "Kendall's tau with ties against scipy's weightedtau of equal weights": (
            _correlations(scores[:, 0].round(1), votes)["kendall_tau"],
            stats.weightedtau(scores[:, 0].round(1), votes, rank=None, weigher=lambda _: 1).statistic,
        ),
        "bounds by block of balanced accuracy against scikit-learn on each resample": (
            np.asarray([fast["balanced_accuracy"][bound] for bound in ("low", "high")]),
            np.asarray([slow[bound] for bound in ("low", "high")]),
        ),
    }
    return {name: float(np.max(np.abs(ours - theirs))) for name, (ours, theirs) in pairs.items()}


def _report(truth: np.ndarray, predicted: np.ndarray, present: np.ndarray) -> dict[str, float]:
    report = sk.classification_report(truth, predicted, labels=present, output_dict=True, zero_division=0)
    means: dict[str, float] = report["macro avg"]
    return means


def _compare_recalls(ledger: Ledger) -> None:
    """Sort the gallery by a cosine in plain Python, one query after another."""
    rng, ks = np.random.default_rng(0), (1, 5, 10, 50)
    queries, gallery = rng.normal(size=(200, 16)), rng.normal(size=(500, 16))
    order = []
    for query in queries.tolist():
        dots = [sum(a * b for a, b in zip(query, item, strict=True)) for item in gallery.tolist()]
        cosines = [dot / math.hypot(*item) for dot, item in zip(dots, gallery.tolist(), strict=True)]
        order.append(sorted(range(500), key=[-cosine for cosine in cosines].__getitem__))
    cases: dict[str, tuple[Callable[..., float], np.ndarray, np.ndarray]] = {
        "class-consistent Recall@k": (metrics.recall_at_k, rng.integers(0, 40, 200), rng.integers(0, 40, 500)),
        "instance Recall@k, several items a point,": (
            metrics.instance_recall_at_k,
            np.arange(200),
            rng.permutation(500) % 200,
        ),
    }
    for name, (recall, labels, offered) in cases.items():
        ours = [recall(queries, gallery, labels, offered, k) for k in ks]
        loops = [np.mean([labels[row] in offered[nearest[:k]] for row, nearest in enumerate(order)]) for k in ks]
        note = f"200 queries, 500 items, k of {', '.join(map(str, ks))}"
        ledger.add(f"{name} equals a brute-force loop", ours == loops, "==", True, note)


def _compare_modules(ledger: Ledger) -> None:
    """Load each folder of hub/metrics by `evaluate`, against its function."""
    rng = np.random.default_rng(0)
    scores, truth, votes = rng.normal(size=(200, 5)), rng.integers(0, 5, 200), rng.normal(size=200)
    best, embeds, ids = scores.argmax(axis=1), rng.normal(size=(200, 8)), np.arange(200)
    targets, gallery = (rng.random((200, 5)) < 0.3).astype(int), rng.normal(size=(200, 8))
    searched: dict[str, Any] = {"gallery": gallery, "k": 5}
    calls: dict[str, tuple[dict[str, Any], Callable[[], float]]] = {
        "top_k_accuracy": (
            {"predictions": scores, "references": truth, "k": 3},
            lambda: metrics.top_k_accuracy(scores, truth, 3),
        ),
        "balanced_accuracy": (
            {"predictions": best, "references": truth, "num_classes": 5},
            lambda: metrics.balanced_accuracy(best, truth, 5),
        ),
        "class_consistent_recall_at_k": (
            {"predictions": embeds, "references": truth, "gallery_labels": truth, **searched},
            lambda: metrics.recall_at_k(embeds, gallery, truth, truth, 5),
        ),
        "instance_recall_at_k": (
            {"predictions": embeds, "references": ids, "gallery_ids": ids, **searched},
            lambda: metrics.instance_recall_at_k(embeds, gallery, ids, ids, 5),
        ),
        "mean_average_precision": (
            {"predictions": scores, "references": targets},
            lambda: metrics.mean_average_precision(scores, targets),
        ),
        "expected_calibration_error": (
            {"predictions": softmax(scores, axis=1), "references": truth},
            lambda: metrics.expected_calibration_error(softmax(scores, axis=1), truth),
        ),
        "scenicness_correlation": (
            {"predictions": scores[:, 0], "references": votes},
            lambda: stats.pearsonr(scores[:, 0], votes).statistic,
        ),
    }
    folders = sorted(folder.name for folder in FOLDER.iterdir())
    equal = [name for name in folders if _loaded(name, calls[name][0]) == calls[name][1]()]
    ledger.add("folders of hub/metrics that `evaluate.load` reads and that equal their function", len(equal), "==", 7)


@cache
def _correlation() -> Any:
    return evaluate.load(str(FOLDER / "scenicness_correlation"))


def _correlations(predicted: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    result: dict[str, float] = _correlation().compute(predictions=predicted, references=truth)
    return result


def _loaded(name: str, arguments: dict[str, Any]) -> float:
    result: dict[str, float] = evaluate.load(str(FOLDER / name)).compute(**arguments)
    return next(iter(result.values()))


def speed(ledger: Ledger) -> None:
    """Raw and transductive scores of embeddings at hand, and every metric of both."""
    torch.set_num_threads(2)
    generator = torch.Generator().manual_seed(0)
    embeds, class_embeds = (
        torch.nn.functional.normalize(torch.randn(count, WIDTH, generator=generator), dim=1)
        for count in (SERIES, LABELS)
    )
    truth = torch.randint(LABELS, (SERIES,), generator=generator).numpy()
    seconds = min(_timed(lambda: _score_and_measure(embeds, class_embeds, truth)) for _ in range(3))
    predicted = score(embeds, class_embeds).argmax(dim=1).numpy()
    blocks = np.random.default_rng(0).integers(0, 1_000, SERIES)
    by_sample, by_block = (
        _timed(partial(bootstrap_classification, predicted, truth, LABELS, kept)) for kept in (None, blocks)
    )
    ledger.add(
        f"scoring and metrics of {SERIES:,} series and {LABELS} classes, raw and transductive, seconds on two cores",
        round(seconds, 2),
        "<=",
        2,
        f"without the encoder; a thousand resamples of either take {by_sample:.2f} s by sample and {by_block:.2f} s "
        "by 1,000 blocks",
    )


def _score_and_measure(embeds: torch.Tensor, class_embeds: torch.Tensor, truth: np.ndarray) -> None:
    for centring in ("none", "class_mean"):
        scores = score(embeds, class_embeds, logit_scale=100.0, centring=centring)
        predicted = scores.argmax(dim=1)
        metrics.top_k_accuracy(scores, truth, 1)
        metrics.top_k_accuracy(scores, truth, 3)
        metrics.top_k_accuracy(scores, truth, 5)
        metrics.balanced_accuracy(predicted, truth, LABELS)
        metrics.macro_f1(predicted, truth, LABELS)
        metrics.expected_calibration_error(scores.softmax(dim=1), truth)
        sk.confusion_matrix(truth, predicted.numpy(), labels=range(LABELS))


def _timed(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


PARTS: dict[str, Callable[[Ledger], None]] = {"metrics": compare, "speed": speed}
