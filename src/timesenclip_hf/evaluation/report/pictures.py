"""Draw the pictures of a run, with what each shows."""

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ...extras import needs_extra
from ...gate.photos import open_photo
from ...models.timesenclip.bands_timesenclip import BANDS
from ...models.timesenclip.units_timesenclip import DN_PER_REFLECTANCE
from ..samples import Samples
from .curves import few_shot_figure, reliability_figure, robustness_figure
from .figures import DPI, class_bars, confusion_figure, to_png
from .reading import ResultEntry, composites, drawn_entries, interval_of, slug, support, words
from .sample_figures import MOST_POINTS, error_map, series_figure

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
    """Hold what an entry of a run answers for each sample.

    Attributes:
        samples: the data set; its name is that of the run.
        task: of the entry.
        labels: of the entry.
        truth: index of each sample's label, -1 where it was not scored, (samples,).
        predicted: index of the label it was named, (samples,).
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
        """Return the rows that were scored."""
        return np.flatnonzero(np.asarray(self.truth) >= 0)

    @property
    def right(self) -> np.ndarray:
        """Tell whether each of the scored rows is named right."""
        return np.asarray(np.equal(self.truth, self.predicted)[self.scored])


@dataclass(frozen=True)
class Picture:
    """Hold a PNG with what it shows; `name` is that of its file."""

    name: str
    png: bytes
    caption: str

    @classmethod
    def draw(cls, name: str, figure: Figure, caption: str) -> "Picture":
        """Draw a figure."""
        return cls(name, to_png(figure), caption)

    @property
    def width(self) -> int:
        """Return the width in CSS pixels, from the header of the PNG."""
        return round(int.from_bytes(self.png[16:20], "big") * CSS_DPI / DPI)

    @property
    def base64(self) -> str:
        """Return the PNG as a page holds it."""
        return base64.b64encode(self.png).decode()


def draw_task(entry: ResultEntry, prefix: str) -> Iterator[Picture]:
    """Draw the matrix and the bars of an entry."""
    how = f"{words(entry['prompts'])} prompts, {composites(entry)} composites, raw scores"
    task, name, counts = words(entry["task"]), f"{prefix}-{slug(entry['task'])}", support(entry)
    if entry["confusion"]:
        shares = confusion_figure(entry["confusion"], entry["labels"])
        caption = f"{task}, {how}: where the samples of each class went, in shares of the class. Grey: no sample."
        yield Picture.draw(f"{name}-confusion", shares, caption)
    recalls = {label: interval_of(value)[0] for label, value in entry["recall"].items()}
    if recall := {label: value for label, value in recalls.items() if not np.isnan(value)}:
        mean = interval_of(entry["metrics"].get(METRIC))[0]
        chance = entry["baselines"].get("chance")
        bars = class_bars(recall, counts, mean=None if np.isnan(mean) else mean, chance=chance)
        yield Picture.draw(f"{name}-recall", bars, f"{task}, {how}: recall of each class, and its number of samples.")


def draw_robustness(run: ResultEntry, prefix: str) -> Iterator[Picture]:
    """Draw curves of accuracy against damage."""
    if entries := run.get("robustness"):
        metric = _metric_of(entries)
        chance = next((entry["baselines"].get("chance") for entry in drawn_entries(run)), None)
        caption = f"{words(metric)} of damaged series; bands are 95 % intervals."
        yield Picture.draw(f"{prefix}-robustness", robustness_figure(entries, metric, chance=chance), caption)


def draw_few_shot(run: ResultEntry, prefix: str) -> Iterator[Picture]:
    """Draw the ladder of labelled samples; nothing where no method was trained."""
    entries = run.get("few_shot") or ()
    if trained := [entry for entry in entries if entry["method"] != "zero_shot"]:
        metric = _metric_of(entries)
        unlabelled = (entry["metrics"].get(metric) for entry in entries if entry["method"] == "zero_shot")
        zero_shot = next((interval_of(value)[0] for value in unlabelled), None)
        caption = (
            "Classifiers on frozen embeddings and on the raw series; bars are the spread over draws, or intervals."
        )
        yield Picture.draw(f"{prefix}-few-shot", few_shot_figure(trained, metric, zero_shot=zero_shot), caption)


def draw_reliability(evaluated: EvaluatedSamples, prefix: str) -> Iterator[Picture]:
    """Draw how sure against how right, where the probabilities are known."""
    if evaluated.confidence is not None:
        diagram = reliability_figure(np.asarray(evaluated.confidence)[evaluated.scored], evaluated.right)
        caption = f"{words(evaluated.task)}: confidence of the answers against the share that is right, in 15 bins."
        yield Picture.draw(f"{prefix}-{slug(evaluated.task)}-reliability", diagram, caption)


def draw_map(evaluated: EvaluatedSamples, prefix: str) -> Iterator[Picture]:
    """Draw where the errors are; nothing where no sample has coordinates."""
    samples, rows = evaluated.samples, evaluated.scored
    if samples.longitude is None or samples.latitude is None:
        return
    longitude, latitude = samples.longitude[rows], samples.latitude[rows]
    located = ~np.isnan(longitude + latitude)
    if located.any():
        drawn = error_map(longitude[located], latitude[located], evaluated.right[located])
        what = "share named wrong in each cell" if located.sum() > MOST_POINTS else "each sample, named right or wrong"
        caption = f"{words(evaluated.task)}: {what}; no map lies underneath."
        yield Picture.draw(f"{prefix}-{slug(evaluated.task)}-map", drawn, caption)


def draw_samples(evaluated: EvaluatedSamples, prefix: str) -> Iterator[Picture]:
    """Draw some series named right and some named wrong, chosen by lot."""
    samples, rng = evaluated.samples, np.random.default_rng(0)
    drawn = [rng.permutation(evaluated.scored[evaluated.right == wanted])[:SHOWN_SAMPLES] for wanted in (True, False)]
    for row in np.concatenate(drawn).tolist():
        truth, named = (evaluated.labels[indices[row]] for indices in (evaluated.truth, evaluated.predicted))
        sure = "" if evaluated.confidence is None else f" ({evaluated.confidence[row]:.2f})"
        verdict = f"right: {truth}{sure}" if truth == named else f"wrong: it is {truth}, named {named}{sure}"
        series = samples.series[row]
        if series.ndim == 4:
            series = series[:, :, series.shape[2] // 2, series.shape[3] // 2]
        photos = [] if evaluated.photos is None else [_pixels(photo) for photo in list(evaluated.photos(row))[:4]]
        year = series_figure(series / DN_PER_REFLECTANCE, samples.months[row], BANDS, verdict, photos)
        caption = f"Point {samples.point_ids[row]}, {verdict}."
        yield Picture.draw(f"{prefix}-{slug(evaluated.task)}-sample-{row}", year, caption)


def _metric_of(entries: Sequence[ResultEntry]) -> str:
    metrics = list(entries[0]["metrics"])
    return METRIC if METRIC in metrics else metrics[0]


def _pixels(photo: Any) -> np.ndarray:
    if isinstance(photo, str | Path):
        with open_photo(photo) as image:
            return np.asarray(image.convert("RGB"))
    return np.asarray(photo.convert("RGB") if isinstance(photo, Image.Image) else photo)
