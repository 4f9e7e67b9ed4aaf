"""Measure one checkpoint on one data set of series: every suite of a protocol.

Raw scores are what the checkpoint answers for one series by itself. Transductive scores are made from all samples at
once and are entries of their own.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch

from ..data.schema import UNKNOWN
from ..models.timesenclip.compositing_timesenclip import MONTHS_PER_YEAR
from .baselines import ImageModel, embed_images, nearest_mean_scores, score_images
from .calibration import Calibration, calibration_report, fit_calibration
from .embedded import EmbeddedSet, Encode
from .entries import Scored, make_entry, short_report
from .probing import Ladder, Words, few_shot_ladder
from .protocol import Checkpoint, EvaluationSet, Protocol
from .report import EvaluatedSamples
from .retrieval import retrieval_report
from .robustness import robustness_curves
from .samples import parse_months
from .tasks import FITTED, Task
from .uncertainty import bootstrap_classification

# Of the answers that a calibrated checkpoint does not reject.
WANTED_PRECISION = 0.9


class Measurement:
    """Measure one checkpoint on one data set.

    After [`Measurement.run`], `pictured` has what each task's raw entry with all composites and generic prompts holds,
    and `calibration` what was fitted on the first task, if it could be and was asked for.
    """

    def __init__(self, checkpoint: Checkpoint, dataset: EvaluationSet, protocol: Protocol, encode: Encode) -> None:
        self._embedded = EmbeddedSet(checkpoint, dataset, protocol, encode)
        self._dataset, self._samples, self._protocol = dataset, dataset.samples, protocol
        self._extractor = checkpoint.processor.feature_extractor
        self._temperature = checkpoint.model.config.calibration_temperature
        self.pictured: list[EvaluatedSamples] = []
        self.calibration: Calibration | None = None

    def run(self) -> dict[str, Any]:
        """Run every suite; leave out one that the samples do not allow, with its reason."""
        samples, _ = self._samples, self._embedded.plain  # a checkpoint that gives NaN ends here, whatever is asked
        entries = list(self._zero_shot()) if "zero_shot" in self._protocol.suites else []
        suites: dict[str, Callable[[Task], Any]] = {
            "retrieval": self._retrieval,
            "robustness": self._robustness,
            "few_shot": self._few_shot,
            "calibration": self._calibrate,
        }
        parts: dict[str, Any] = dict.fromkeys(suites)
        reasons = {}
        for suite, measure in suites.items():
            if suite in self._protocol.suites:
                try:
                    parts[suite] = measure(self._dataset.tasks[0])
                except ValueError as error:
                    reasons[suite] = str(error)
        numbers = {"samples": len(samples), "composites": samples.num_times, "block_km": self._embedded.block_km}
        return {
            "dataset": {"name": samples.name, "split": samples.split, **numbers},
            "notes": self._embedded.notes,
            "tasks": entries,
            **parts,
            "not_run": reasons,
        }

    def _zero_shot(self) -> Iterator[dict[str, Any]]:
        """Measure an entry a task, number of composites, missing months, prompt view and way of scoring."""
        most = self._samples.num_times
        for composites in dict.fromkeys(min(number, most) for number in self._protocol.composites):
            for missing, months in dict.fromkeys(map(parse_months, self._protocol.missing)):
                if months and most < MONTHS_PER_YEAR:
                    continue
                is_plain = composites == most and not months
                embedded = self._embedded.plain if is_plain else self._embedded.embed(composites, months)
                of = {"composites": composites, "missing": missing}
                for task in self._dataset.tasks:
                    yield from self._entries(task, *embedded, of, is_plain=is_plain)

    def _retrieval(self, task: Task) -> dict[str, Any]:
        """Retrieve photos by series and series by photos, where there are photos, and series by class names."""
        embeds, observed = self._embedded.plain
        rows = self._embedded.some_rows(np.arange(len(self._samples)))
        rows = rows[observed[rows]]
        return retrieval_report(
            embeds[torch.from_numpy(rows)],
            self._embedded.photo_embeds(rows),
            labels=self._embedded.truth[task.name][rows],
            class_embeds=self._embedded.class_embeds(task, "generic"),
            class_names=task.labels,
            blocks=self._embedded.blocks_of(rows),
            resampling=self._protocol.resampling,
        )

    def _robustness(self, task: Task) -> list[dict[str, Any]]:
        """Measure raw scores, with generic prompts, under damage."""
        rows = self._embedded.some_rows(np.flatnonzero(self._embedded.truth[task.name] != UNKNOWN))
        features = self._samples.select(rows).features(self._extractor)
        observed = features["series_mask"].any(dim=1)
        features, rows = {name: values[observed] for name, values in features.items()}, rows[observed.numpy()]
        truth, blocks = self._embedded.truth[task.name][rows], self._embedded.blocks_of(rows)
        resampling = self._protocol.resampling

        def measure(damaged: Mapping[str, torch.Tensor]) -> Mapping[str, Any]:
            answers = self._embedded.logits(self._embedded.encode(damaged), task, "generic").argmax(dim=1)
            return bootstrap_classification(answers, truth, len(task.labels), blocks, resampling=resampling)

        return robustness_curves(features, measure, self._extractor, seed=resampling.seed)

    def _few_shot(self, task: Task) -> list[dict[str, Any]]:
        """Fit the words and train probes on the frozen embeddings, beside classifiers of the series and zero-shot."""
        self._refuse_label_set(task)
        rows, truth, logits = self._embedded.scored_rows(task)
        embeds, series = self._embedded.plain[0][torch.from_numpy(rows)], self._samples.series[rows]
        ladder, halves = Ladder(seed=self._protocol.resampling.seed), self._embedded.halves(rows)
        label_set = self._embedded.label_set(task)
        # What examples had a part in already is no beginning for a curve over examples.
        words = None if label_set.is_fitted else Words(label_set, self._embedded.blocks_of(rows))
        answers = logits.argmax(dim=1)
        return few_shot_ladder(embeds, series, truth, task.labels, halves, ladder, zero_shot=answers, words=words)

    def _calibrate(self, task: Task) -> dict[str, Any]:
        """Fit temperature and reject threshold on half of the land, and judge them on the other."""
        self._refuse_label_set(task)
        rows, truth, logits = self._embedded.scored_rows(task)
        # What is fitted is the temperature of the checkpoint as it was trained, whatever was fitted before.
        logits = logits * self._temperature
        fit, judge = self._embedded.halves(rows)
        try:
            fitted = fit_calibration(logits[fit], truth[fit], precision=WANTED_PRECISION)
        except ValueError:
            fitted = fit_calibration(logits[fit], truth[fit])
        self.calibration = fitted
        return calibration_report(fitted, logits[judge], truth[judge])

    def _refuse_label_set(self, task: Task) -> None:
        if task.label_set is not None:
            raise ValueError(
                f"It measures what a checkpoint makes of words, and {task.name!r} has a label set instead."
            )

    def _entries(
        self, task: Task, embeds: torch.Tensor, observed: np.ndarray, of: dict[str, Any], *, is_plain: bool
    ) -> Iterator[dict[str, Any]]:
        """Measure an entry a prompt view and way of scoring; those of plain series have baselines beside them."""
        truth = self._embedded.truth[task.name]
        rows = np.flatnonzero((truth != UNKNOWN) & observed)
        if not len(rows):
            raise ValueError(
                f"No labelled series of {self._samples.name} has an observation left for the task {task.name!r}."
            )
        blocks, scored = self._embedded.blocks_of(rows), embeds[torch.from_numpy(rows)]
        baselines = self._baselines(task, rows, truth[rows]) if is_plain else {}
        views = task.views if task.label_set is not None else self._protocol.prompts or task.views
        centrings = ("none",) if task.is_fitted else self._protocol.centrings
        for prompts in views:
            texts = self._embedded.texts(task, prompts)
            for centring in centrings:
                logits = self._embedded.logits(scored, task, prompts, centring)
                scores = Scored(task.labels, logits, truth[rows], blocks, self._protocol.resampling, task.is_fitted)
                entry = make_entry(task.name, prompts, centring, scores, texts, **of)
                if is_plain:
                    entry["baselines"] |= baselines | self._image_baselines(texts, centring, rows, truth[rows])
                if is_plain and centring == "none" and prompts in ("generic", FITTED):
                    self._picture(task, rows, logits)
                yield entry

    def _picture(self, task: Task, rows: np.ndarray, logits: torch.Tensor) -> None:
        truth, predicted = (np.full(len(self._samples), UNKNOWN) for _ in range(2))
        confidence = np.full(len(self._samples), np.nan)
        truth[rows] = self._embedded.truth[task.name][rows]
        highest, best = logits.softmax(dim=1).max(dim=1)
        predicted[rows], confidence[rows] = best.numpy(), highest.numpy()
        self.pictured.append(
            EvaluatedSamples(self._samples, task.name, task.labels, truth, predicted, confidence, self._dataset.photos)
        )

    def _baselines(self, task: Task, rows: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
        """Name each half of the land by the nearest class-mean series of the other."""
        series, predicted = self._samples.series[rows], np.empty(len(rows), dtype=np.int64)
        try:
            halves = self._embedded.halves(rows)
            for fit, judge in (halves, halves[::-1]):
                scores = nearest_mean_scores(series[fit], truth[fit], series[judge], len(task.labels))
                predicted[judge] = scores.argmax(axis=1)
        except ValueError:  # too little land, or a half without any label
            return {}
        return {"nearest class mean, of other places": short_report(predicted, truth, len(task.labels))}

    def _image_baselines(
        self, texts: Mapping[str, Sequence[str]], centring: str, rows: np.ndarray, truth: np.ndarray
    ) -> dict[str, Any]:
        baselines = {}
        for image_model, embeds in self._image_embeds:
            logits = score_images(image_model, embeds[torch.from_numpy(rows)], texts, centring=centring)
            baselines[image_model.name] = short_report(logits.argmax(dim=1).numpy(), truth, len(texts))
        return baselines

    @cached_property
    def _image_embeds(self) -> list[tuple[ImageModel, torch.Tensor]]:
        if self._dataset.images is None:
            return []
        return [(model, embed_images(model, np.asarray(self._dataset.images))) for model in self._protocol.image_models]
