"""The pictures of a run, with what each shows."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ...extras import needs_extra
from ...models.timesenclip.bands_timesenclip import BANDS
from ...models.timesenclip.radiometry_timesenclip import DN_PER_REFLECTANCE
from ..samples import Samples
from .document import Block, Heading, Picture, Text
from .figures import (
    DPI,
    MOST_POINTS,
    class_bars,
    confusion_figure,
    error_map,
    few_shot_figure,
    interval_of,
    reliability_figure,
    robustness_figure,
    series_figure,
    to_png,
)
from .reading import ResultEntry, drawn_entries, looks, support, words
from .tables import confusions, prompts

with needs_extra("eval"):
    from matplotlib.figure import Figure

# Of those named right, and of those named wrong.
SHOWN_SAMPLES = 3
# The metric of curves: it counts every class alike.
METRIC = "balanced_accuracy"
# Of the CSS pixels, of which there are 96 an inch, a screen of today shows half as many again.
CSS_DPI = 96 * DPI / 144


@dataclass(frozen=True)
class EvaluatedSamples:
    """What one entry of a run says of each sample.

    Attributes:
        samples: the data set; its name is that of the run.
        task: of the entry.
        labels: of the entry.
        truth: index of each sample's label, -1 where it was not scored, (samples,).
        predicted: index of the label it was given, (samples,).
        confidence: probability of that label, (samples,), for the reliability diagram.
        photos: ground photos of a row, at most four are shown: pictures, arrays, or paths of files.
    """

    samples: Samples
    task: str
    labels: Sequence[str]
    truth: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray | None = None
    photos: Callable[[int], Sequence[Any]] | None = None

    @property
    def scored(self) -> np.ndarray:
        """Rows that were."""
        return np.flatnonzero(np.asarray(self.truth) >= 0)

    @property
    def right(self) -> np.ndarray:
        """Whether each of the scored rows is named right."""
        return np.asarray(np.equal(self.truth, self.predicted)[self.scored])


def draw_tasks(run: ResultEntry, prefix: str) -> list[Block]:
    """Matrix, bars and prompts of one entry a task."""
    blocks: list[Block] = []
    for entry in drawn_entries(run):
        if not entry.get("labels"):
            continue
        task, chance = words(entry["task"]), (entry.get("baselines") or {}).get("chance")
        how = f"{words(entry.get('prompts'))} prompts, {looks(entry)} looks, raw scores"
        blocks.append(Heading(3, f"{task}: class by class"))
        name, counts = f"{prefix}-{slug(entry['task'])}", support(entry)
        if entry.get("confusion"):
            shares = confusion_figure(entry["confusion"], entry["labels"])
            caption = f"{task}, {how}: where the samples of each class went, in shares of the class. Grey: no sample."
            blocks.append(_picture(f"{name}-confusion", shares, caption))
        recalls = {label: interval_of(value)[0] for label, value in (entry.get("recall") or {}).items()}
        recall = {label: value for label, value in recalls.items() if not np.isnan(value)}
        if recall:
            mean = interval_of((entry.get("metrics") or {}).get(METRIC))[0]
            bars = class_bars(recall, counts, mean=None if np.isnan(mean) else mean, chance=chance)
            blocks.append(
                _picture(f"{name}-recall", bars, f"{task}, {how}: recall of each class, and its number of samples.")
            )
        blocks += [*confusions(entry), *prompts(entry)]
    return blocks


def draw_robustness(run: ResultEntry, prefix: str) -> list[Block]:
    """Curves of accuracy against damage."""
    entries = run["robustness"]
    metric = _metric_of(entries)
    chances = [(entry.get("baselines") or {}).get("chance") for entry in drawn_entries(run)[:1]]
    curves = robustness_figure(entries, metric, chance=chances[0] if chances else None)
    return [_picture(f"{prefix}-robustness", curves, f"{words(metric)} of damaged series; bands are 95 % intervals.")]


def draw_few_shot(run: ResultEntry, prefix: str) -> list[Block]:
    """The ladder of labelled samples."""
    metric = _metric_of(run["few_shot"])
    unlabelled = [entry for entry in run["few_shot"] if entry["method"] == "zero_shot"]
    zero_shot = interval_of(unlabelled[0]["metrics"].get(metric))[0] if unlabelled else None
    trained = [entry for entry in run["few_shot"] if entry["method"] != "zero_shot"]
    if not trained:
        return [Text("No method was trained.")]
    caption = "Classifiers on frozen embeddings and on the raw series; bars are the spread over draws, or intervals."
    return [_picture(f"{prefix}-few-shot", few_shot_figure(trained, metric, zero_shot=zero_shot), caption)]


def draw_reliability(evaluated: EvaluatedSamples, prefix: str) -> list[Block]:
    """How sure against how right."""
    if evaluated.confidence is None:
        return []
    diagram = reliability_figure(np.asarray(evaluated.confidence)[evaluated.scored], evaluated.right)
    caption = f"{words(evaluated.task)}: confidence of the answers against the share that is right, in 15 bins."
    return [_picture(f"{prefix}-{slug(evaluated.task)}-reliability", diagram, caption)]


def draw_map(evaluated: EvaluatedSamples, prefix: str) -> list[Block]:
    """Where the errors are; nothing where no sample has a place."""
    samples, rows = evaluated.samples, evaluated.scored
    if samples.longitude is None or samples.latitude is None:
        return []
    longitude, latitude = samples.longitude[rows], samples.latitude[rows]
    placed = ~np.isnan(longitude + latitude)
    if not placed.any():
        return []
    drawn = error_map(longitude[placed], latitude[placed], evaluated.right[placed])
    what = "share named wrong in each cell" if placed.sum() > MOST_POINTS else "each sample, named right or wrong"
    caption = f"{words(evaluated.task)}: {what}; no map lies underneath."
    return [_picture(f"{prefix}-{slug(evaluated.task)}-map", drawn, caption)]


def draw_samples(evaluated: EvaluatedSamples, prefix: str) -> list[Block]:
    """Some series named right and some named wrong, drawn by lot."""
    blocks: list[Block] = [
        Text(
            f"{words(evaluated.task)}: up to {SHOWN_SAMPLES} series named right and {SHOWN_SAMPLES} named wrong, drawn "
            "by lot (seed 0), not chosen."
        )
    ]
    for row in _drawn_rows(evaluated):
        truth, named = (evaluated.labels[place[row]] for place in (evaluated.truth, evaluated.predicted))
        sure = "" if evaluated.confidence is None else f" ({evaluated.confidence[row]:.2f})"
        said = f"right: {truth}{sure}" if truth == named else f"wrong: it is {truth}, named {named}{sure}"
        samples = evaluated.samples
        series = samples.series[row]
        if series.ndim == 4:
            series = series[:, :, series.shape[2] // 2, series.shape[3] // 2]
        photos = [] if evaluated.photos is None else [_pixels(photo) for photo in list(evaluated.photos(row))[:4]]
        drawn = series_figure(series / DN_PER_REFLECTANCE, samples.months[row], BANDS, said, photos)
        caption = f"Point {samples.point_ids[row]}, {said}."
        blocks.append(_picture(f"{prefix}-{slug(evaluated.task)}-sample-{row}", drawn, caption))
    return blocks


def slug(text: Any) -> str:
    """What is left of a name in that of a file."""
    return re.sub(r"[^a-z0-9]+", "-", str(text).lower()).strip("-") or "unnamed"


def _drawn_rows(evaluated: EvaluatedSamples) -> Iterator[int]:
    rng = np.random.default_rng(0)
    for wanted in (True, False):
        rows = evaluated.scored[evaluated.right == wanted]
        yield from rng.permutation(rows)[:SHOWN_SAMPLES].tolist()


def _metric_of(entries: Sequence[ResultEntry]) -> str:
    metrics = list(entries[0]["metrics"])
    return METRIC if METRIC in metrics else metrics[0]


def _pixels(photo: Any) -> np.ndarray:
    if isinstance(photo, str | Path):
        with Image.open(photo) as image:
            return np.asarray(image.convert("RGB"))
    return np.asarray(photo.convert("RGB") if isinstance(photo, Image.Image) else photo)


def _picture(name: str, figure: Figure, caption: str) -> Picture:
    png = to_png(figure)
    # The width stands in the header of every PNG file.
    return Picture(name, png, caption, round(int.from_bytes(png[16:20], "big") * CSS_DPI / DPI))
