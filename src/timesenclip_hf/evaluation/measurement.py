"""One checkpoint on one data set: every suite of a protocol.

Series are encoded once for each number of looks and each set of missing months; every task, prompt view and way of
scoring reads those embeddings. Raw scores are what the checkpoint says of one series by itself. Transductive scores
look at all samples at once and are entries of their own.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch

from ..data.schema import UNKNOWN
from ..models.timesenclip.compositing_timesenclip import MONTHS_PER_YEAR
from ..models.timesenclip.zero_shot_timesenclip import embed_classes, score, words_not_in
from .baselines import embed_images, nearest_mean_scores, score_images
from .calibration import Calibration, calibration_report, fit_calibration
from .metrics import balanced_accuracy
from .probing import few_shot_ladder, split_rows_by_place
from .protocol import Checkpoint, EvaluationSet, Protocol
from .report import EvaluatedSamples
from .retrieval import retrieval_report
from .robustness import robustness_curves
from .samples import BLOCK_KM, parse_months
from .tasks import Task
from .uncertainty import Resampling, bootstrap_calibration, bootstrap_classification
from .zero_shot import zero_shot_report

RAW = "raw"
# Sides of blocks in km, and how many blocks there must be: with fewer than some twenty an interval is too narrow, so
# that a set of a small area is cut into smaller ones.
BLOCK_SIDES = (BLOCK_KM, 10.0, 2.0, 0.5, 0.1)
ENOUGH_BLOCKS = 20
# Of the answers that a calibrated checkpoint does not reject.
WANTED_PRECISION = 0.9
PHOTOS_AT_ONCE = 64

Encode = Callable[..., torch.Tensor]
Months = tuple[int, ...]


class Measurement:
    """One checkpoint on one data set.

    Args:
        checkpoint: to evaluate.
        given: samples and tasks.
        protocol: how.
        encode: what turns features into embeddings.

    Attributes:
        notes: of the data set, and what was noticed on the way.
        pictured: after [`Measurement.run`], what each task's raw entry with all looks and generic prompts said.
        calibration: after it, what was fitted on the first task; `None` where it could not be, or was not asked for.
    """

    def __init__(self, checkpoint: Checkpoint, given: EvaluationSet, protocol: Protocol, encode: Encode) -> None:
        self.model, self.processor = checkpoint.model, checkpoint.processor
        self.name = checkpoint.name
        self.given, self.samples, self.protocol, self._encode = given, given.samples, protocol, encode
        self.notes = list(given.notes)
        self.pictured: list[EvaluatedSamples] = []
        self.calibration: Calibration | None = None
        self._classes: dict[tuple[str, str], torch.Tensor] = {}
        self._truth = {task.name: task.truth(given.samples) for task in given.tasks}

    def run(self) -> dict[str, Any]:
        """Every suite; a suite that the samples do not allow is left out with its reason.

        Raises:
            ValueError: labels, prompts or scores cannot be used.
        """
        samples, _ = self.samples, self._plain  # a checkpoint that gives NaN ends here, whatever is asked
        parts: dict[str, Any] = {"tasks": self.zero_shot() if "zero_shot" in self.protocol.suites else []}
        reasons = {}
        suites = {
            "retrieval": self.retrieval,
            "robustness": self.robustness,
            "few_shot": self.few_shot,
            "calibration": self.calibrate,
        }
        for suite, measure in suites.items():
            parts[suite] = None
            if suite in self.protocol.suites:
                try:
                    parts[suite] = measure()
                except ValueError as error:
                    reasons[suite] = str(error)
        return {
            "dataset": {
                "name": samples.name,
                "split": samples.split,
                "samples": len(samples),
                "num_looks": samples.num_looks,
                "block_km": self._block_km,
            },
            "notes": self.notes,
            **parts,
            "not_run": reasons,
        }

    def zero_shot(self) -> list[dict[str, Any]]:
        """An entry a task, number of looks, missing months, prompt view and way of scoring."""
        entries = []
        for num_looks in dict.fromkeys(min(one, self.samples.num_looks) for one in self.protocol.num_looks):
            for name, months in dict.fromkeys(map(parse_months, map(_hashable, self.protocol.missing))):
                if months and self.samples.num_looks < MONTHS_PER_YEAR:
                    continue
                whole = num_looks == self.samples.num_looks and not months
                embeds, seen = self._plain if whole else self._embedded(num_looks, months)
                for task in self.given.tasks:
                    made = self._score(task, embeds, seen, whole=whole)
                    entries += [{"task": task.name, "num_looks": num_looks, "missing": name, **entry} for entry in made]
        return entries

    def retrieval(self) -> dict[str, Any]:
        """Series to photos and back, where there are photos, and class names to series."""
        task, rows = self.given.tasks[0], self._some_rows(np.arange(len(self.samples)))
        embeds, seen = self._plain
        rows = rows[seen[rows]]
        blocks = None if self._blocks is None else self._blocks[rows]
        return retrieval_report(
            embeds[torch.from_numpy(rows)],
            self._photo_embeds(rows),
            labels=self._truth[task.name][rows],
            class_embeds=self._class_embeds(task, "generic"),
            class_names=task.labels,
            blocks=_if_several(blocks),
            resampling=self.protocol.resampling,
        )

    def robustness(self) -> list[dict[str, Any]]:
        """Raw scores of the first task, generic prompts, under damage."""
        task = self.given.tasks[0]
        rows = self._some_rows(np.flatnonzero(self._truth[task.name] != UNKNOWN))
        samples, truth = self.samples.select(rows), self._truth[task.name][rows]
        features = samples.features(self.processor.feature_extractor)
        seen = features["series_mask"].any(dim=1)
        features, truth = {name: values[seen] for name, values in features.items()}, truth[seen.numpy()]
        blocks = None if self._blocks is None else _if_several(self._blocks[rows][seen.numpy()])

        def measure(damaged: Mapping[str, torch.Tensor]) -> dict[str, Any]:
            logits = self._logits(self._encoded(damaged), task, "generic")
            return dict(
                bootstrap_classification(
                    logits.argmax(dim=1), truth, len(task.labels), blocks, resampling=self.protocol.resampling
                )
            )

        return robustness_curves(
            features, measure, self.processor.feature_extractor, seed=self.protocol.resampling.seed
        )

    def few_shot(self) -> list[dict[str, Any]]:
        """Probes of the frozen embeddings of the first task, against boosting on the series and against no label."""
        task = self.given.tasks[0]
        rows, logits = self._scored_rows(task)
        fit, judge = self._halves(rows)
        embeds, _ = self._plain
        return few_shot_ladder(
            embeds[torch.from_numpy(rows)],
            self.samples.series[rows].reshape(len(rows), -1),
            self._truth[task.name][rows],
            task.labels,
            fit,
            judge,
            zero_shot=logits.argmax(dim=1),
            seed=self.protocol.resampling.seed,
        )

    def calibrate(self) -> dict[str, Any]:
        """Temperature and reject threshold of the first task, fitted on half of the places and judged on the others."""
        task = self.given.tasks[0]
        rows, logits = self._scored_rows(task)
        # What is fitted is the temperature of the checkpoint as it was trained, whatever was fitted before.
        logits = logits * self.model.config.calibration_temperature
        truth = self._truth[task.name][rows]
        fit, judge = self._halves(rows)
        try:
            fitted = fit_calibration(logits[fit], truth[fit], precision=WANTED_PRECISION)
        except ValueError:
            fitted = fit_calibration(logits[fit], truth[fit])
        self.calibration = fitted
        return calibration_report(fitted, logits[judge], truth[judge])

    def _score(self, task: Task, embeds: torch.Tensor, seen: np.ndarray, *, whole: bool) -> Iterator[dict[str, Any]]:
        """An entry a prompt view and way of scoring; those of whole series have baselines beside them."""
        truth = self._truth[task.name]
        rows = np.flatnonzero((truth != UNKNOWN) & seen)
        if not len(rows):
            raise ValueError(f"No labelled series of {self.samples.name} has a look left for the task {task.name!r}.")
        blocks = None if self._blocks is None else _if_several(self._blocks[rows])
        scored = embeds[torch.from_numpy(rows)]
        baselines = self._baselines(task, rows) if whole else {}
        for prompts in self.protocol.prompts or task.views:
            for centring in self.protocol.centrings:
                raw = centring == "none"
                logits = self._logits(scored, task, prompts, centring)
                report = score_report(
                    task.labels, logits, truth[rows], blocks, self.protocol.resampling, calibrated=raw
                )
                if whole:
                    report["baselines"] |= baselines | self._image_baselines(task, prompts, centring, rows)
                if whole and raw and prompts == "generic":
                    self._picture(task, rows, logits)
                yield {
                    "prompts": prompts,
                    "scores": RAW if raw else f"transductive ({centring})",
                    **report,
                    "prompts_of": task.prompts(prompts, self.processor.hypothesis_template),
                }

    def _picture(self, task: Task, rows: np.ndarray, logits: torch.Tensor) -> None:
        truth, predicted = (np.full(len(self.samples), UNKNOWN) for _ in range(2))
        confidence = np.full(len(self.samples), np.nan)
        truth[rows] = self._truth[task.name][rows]
        highest, best = logits.softmax(dim=1).max(dim=1)
        predicted[rows], confidence[rows] = best.numpy(), highest.numpy()
        self.pictured.append(
            EvaluatedSamples(self.samples, task.name, task.labels, truth, predicted, confidence, self.given.photos)
        )

    def _baselines(self, task: Task, rows: np.ndarray) -> dict[str, Any]:
        """Nearest class-mean series, each half of the places named by the other."""
        series, truth = self.samples.series[rows], self._truth[task.name][rows]
        predicted = np.empty(len(rows), dtype=np.int64)
        try:
            halves = self._halves(rows)
            for fit, judge in (halves, halves[::-1]):
                scores = nearest_mean_scores(series[fit], truth[fit], series[judge], len(task.labels))
                predicted[judge] = scores.argmax(axis=1)
        except ValueError:  # too few places, or a half without any label
            return {}
        return {"nearest class mean, of other places": _short(predicted, truth, len(task.labels))}

    def _image_baselines(self, task: Task, prompts: str, centring: str, rows: np.ndarray) -> dict[str, Any]:
        baselines = {}
        for image_model, embeds in zip(self.protocol.image_models, self._image_embeds, strict=True):
            texts = task.prompts(prompts, self.processor.hypothesis_template)
            _, logits = score_images(image_model, embeds[torch.from_numpy(rows)], texts, centring=centring)
            truth = self._truth[task.name][rows]
            baselines[image_model.name] = _short(logits.argmax(dim=1).numpy(), truth, len(task.labels))
        return baselines

    @cached_property
    def _image_embeds(self) -> list[torch.Tensor]:
        if self.given.images is None:
            return []
        return [embed_images(image_model, self.given.images) for image_model in self.protocol.image_models]

    @cached_property
    def _block_km(self) -> float | None:
        counts = {
            side: len(np.unique(blocks)) for side in BLOCK_SIDES if (blocks := self.samples.blocks(side)) is not None
        }
        if not counts:
            return None
        return next(
            (side for side, count in counts.items() if count >= ENOUGH_BLOCKS), max(counts, key=counts.__getitem__)
        )

    @cached_property
    def _blocks(self) -> np.ndarray | None:
        return None if self._block_km is None else self.samples.blocks(self._block_km)

    @cached_property
    def _plain(self) -> tuple[torch.Tensor, np.ndarray]:
        """All samples with all their looks."""
        return self._embedded(self.samples.num_looks)

    def _embedded(self, num_looks: int, months: Months = ()) -> tuple[torch.Tensor, np.ndarray]:
        """Embeddings of all samples, and which of them have a look."""
        features = self.samples.features(self.processor.feature_extractor, num_looks, months)
        return self._encoded(features), features["series_mask"].any(dim=1).numpy()

    def _encoded(self, features: Mapping[str, torch.Tensor]) -> torch.Tensor:
        embeds = self._encode(self.model, features, batch_size=self.protocol.batch_size)
        wrong = ~torch.isfinite(embeds).all(dim=1)
        if wrong.any():
            first = int(wrong.int().argmax())
            raise ValueError(
                f"{self.name} gives NaN for {int(wrong.sum())} of {len(embeds)} series of {self.samples.name}, the "
                f"first at row {first}: its weights, or these series, are damaged."
            )
        return embeds

    def _class_embeds(self, task: Task, prompts: str) -> torch.Tensor:
        key = (task.name, prompts)
        if key not in self._classes:
            texts = task.prompts(prompts, self.processor.hypothesis_template)
            self._note_unknown_words(task, prompts, texts)
            self._classes[key] = embed_classes(self.model, self.processor.tokenizer, texts).cpu()
        return self._classes[key]

    def _note_unknown_words(self, task: Task, prompts: str, texts: Mapping[str, Sequence[str]]) -> None:
        """A line of the report in place of a warning for each of hundreds of words."""
        if not self.processor.known_words:
            return
        unknown = words_not_in([text for of_class in texts.values() for text in of_class], self.processor.known_words)
        if unknown:
            some = ", ".join(unknown[:5])
            self.notes.append(
                f"{len(unknown)} words of the {prompts.replace('_', ' ')} prompts of {task.name!r} occur in none of "
                f"the training captions of {self.name}, such as {some}: their scores mean little."
            )

    def _logits(self, embeds: torch.Tensor, task: Task, prompts: str, centring: str = "none") -> torch.Tensor:
        scale = self.model.score_scale.detach().float().cpu()
        return score(embeds, self._class_embeds(task, prompts), logit_scale=scale, centring=centring)

    def _scored_rows(self, task: Task) -> tuple[np.ndarray, torch.Tensor]:
        """Some labelled rows with a look, and their logits with generic prompts."""
        embeds, seen = self._plain
        rows = self._some_rows(np.flatnonzero((self._truth[task.name] != UNKNOWN) & seen))
        return rows, self._logits(embeds[torch.from_numpy(rows)], task, "generic")

    def _some_rows(self, rows: np.ndarray) -> np.ndarray:
        if len(rows) <= self.protocol.most_samples:
            return rows
        random = np.random.default_rng(self.protocol.resampling.seed)
        return np.sort(random.choice(rows, self.protocol.most_samples, replace=False))

    def _halves(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places among `rows`: whole blocks to one half or the other."""
        if len(rows) < 2:
            raise ValueError(f"{self.samples.name} has {len(rows)} labelled series, too few to fit on some of them.")
        known = self._block_km is not None
        return split_rows_by_place(
            [self.samples.point_ids[row] for row in rows],
            self.samples.longitude[rows] if known and self.samples.longitude is not None else None,
            self.samples.latitude[rows] if known and self.samples.latitude is not None else None,
            block_km=self._block_km or BLOCK_KM,
            seed=self.protocol.resampling.seed,
        )

    @torch.no_grad()
    def _photo_embeds(self, rows: np.ndarray) -> torch.Tensor | None:
        """One embedding a sample, of its photos: those of the dataset, or by the checkpoint's vision tower."""
        if self.samples.photo_embeds is not None:
            return self.samples.photo_embeds[torch.from_numpy(rows)]
        if self.given.photos is None or self.model.vision_model is None:
            return None
        means = []
        for start in range(0, len(rows), PHOTOS_AT_ONCE):
            photos = [list(self.given.photos(int(row))) for row in rows[start : start + PHOTOS_AT_ONCE]]
            values = self.processor.image_processor(
                [photo for shown in photos for photo in shown], return_tensors="pt"
            )["pixel_values"]
            features = self.model.get_image_features(pixel_values=values.to(self.model.device)).pooler_output
            unit = torch.nn.functional.normalize(features.float().cpu(), dim=-1)
            means += [part.mean(dim=0) for part in torch.split(unit, [len(shown) for shown in photos])]
        return torch.nn.functional.normalize(torch.stack(means), dim=-1)


def score_report(
    labels: Sequence[str],
    logits: torch.Tensor,
    truth: np.ndarray,
    blocks: np.ndarray | None,
    resampling: Resampling,
    *,
    calibrated: bool,
) -> dict[str, Any]:
    """The figures of an entry.

    Args:
        labels: the candidates.
        logits: (samples, classes).
        truth: class indices (samples,).
        blocks: spatial block of each sample; single samples are drawn without.
        resampling: of the intervals.
        calibrated: with the calibration error; transductive scores are no probabilities and have none.

    Raises:
        ValueError: as [`zero_shot_report`].
    """
    scores = logits.numpy()
    right, named = ([labels[place] for place in places] for places in (truth, scores.argmax(axis=1)))
    report = zero_shot_report(right, named, labels, scores=scores, blocks=blocks, resampling=resampling)
    metrics = report["intervals"]
    if calibrated:
        probabilities = logits.softmax(dim=1)
        metrics["expected_calibration_error"] = bootstrap_calibration(
            probabilities, truth, blocks, resampling=resampling
        )
    majority = {name: report[f"majority_{name}"] for name in ("accuracy", "balanced_accuracy")}
    return {
        "labels": labels,
        **{name: report[name] for name in ("absent", "samples")},
        "metrics": metrics,
        **{name: report[name] for name in ("recall", "confusion")},
        "baselines": {"majority": majority, "chance": report["chance"]},
        "blocks": None if blocks is None else len(np.unique(blocks)),
    }


def _short(predicted: np.ndarray, truth: np.ndarray, num_classes: int) -> dict[str, float]:
    return {
        "accuracy": float(np.mean(predicted == truth)),
        "balanced_accuracy": balanced_accuracy(predicted, truth, num_classes),
    }


def _if_several(blocks: np.ndarray | None) -> np.ndarray | None:
    """Blocks to draw from; None where there is one only, which says nothing of others."""
    return None if blocks is None or len(np.unique(blocks)) < 2 else blocks


def _hashable(months: Any) -> Any:
    return months if months is None or isinstance(months, str) else tuple(months)
