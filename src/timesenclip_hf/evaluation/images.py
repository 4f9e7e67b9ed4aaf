"""CLIP models on labelled images, with the scorer, the prompts, the metrics and the report of series.

An image has one class of a task, and top-1 accuracy is the figure, or several (a task of BigEarthNet), and it is mean
average precision. Raw scores are what a model says of one image by itself; transductive ones look at all images at once
and are entries of their own.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from ..data.schema import UNKNOWN
from ..files import weights_hash
from ..models.timesenclip.zero_shot_timesenclip import embed_classes, score
from .baselines import ImageModel, embed_images
from .harness import VERSIONS
from .measurement import RAW, score_report
from .metrics import average_precision, mean_average_precision
from .probing import split_rows_by_place
from .prompts import EmbeddedSplit, prompt_selection_report
from .protocol import EvaluationSet
from .tasks import Task
from .uncertainty import DEFAULT_RESAMPLING, Resampling, bootstrap

# The prompt views of SenCLIP's paper, by the names that tasks have for them.
VIEWS = {"generic": "generic", "aerial": "aerial", "ground": "ground", "mixed": "descriptive"}
# "class_mean" divides each class's cosines by their mean over all images, which upstream's code does;
# "prompt_mean" each prompt's, before prompts are averaged, which is the paper's debiased score (its eq. 5).
PROMPT_MEAN = "prompt_mean"
CENTRINGS = ("none", "class_mean", PROMPT_MEAN)


@dataclass(frozen=True)
class ImageSet:
    """Labelled images and what is asked of them.

    Attributes:
        name: of the data set.
        split: of it.
        images: (samples, height, width, 3) red, green and blue, pictures or reflectance; anything that is sliced like
            an array, such as [`ImageColumn`].
        tasks: label sets with their prompts.
        truth: by the name of the task, class indices (samples,), -1 where not known; or booleans (samples, classes).
        notes: what a reader must know of the set.
        blocks: spatial block of each image, for the intervals; single images are drawn without.
    """

    name: str
    split: str
    images: Any
    tasks: Sequence[Task]
    truth: Mapping[str, np.ndarray]
    notes: Sequence[str] = ()
    blocks: np.ndarray | None = None

    def __post_init__(self) -> None:
        if not len(self.images):
            raise ValueError(f"{self.name} has no images: there is nothing to evaluate.")
        for task in self.tasks:
            truth = self.truth[task.name]
            wanted = (len(self.images), len(task.labels))
            if truth.shape not in (wanted[:1], wanted):
                raise ValueError(
                    f"The truth of the task {task.name!r} must be {wanted[:1]} class indices or {wanted} booleans, got "
                    f"{truth.shape}."
                )

    @classmethod
    def of_points(cls, given: EvaluationSet, tasks: Sequence[str] | None = None) -> "ImageSet":
        """The images of a set of series, with its labels.

        Args:
            given: with images.
            tasks: names of those to ask; all when left out.

        Raises:
            ValueError: the set has no images.
        """
        if given.images is None:
            raise ValueError(f"{given.samples.name} has no images: evaluate its series.")
        asked = [task for task in given.tasks if tasks is None or task.name in tasks]
        truth = {task.name: task.truth(given.samples) for task in asked}
        return cls(given.samples.name, given.samples.split, given.images, asked, truth, given.notes)


class ImageColumn:
    """The images of a dataset as an array that is read where it is sliced.

    Args:
        dataset: a `datasets.Dataset`.
        column: of images, all of one size.
    """

    def __init__(self, dataset: Any, column: str = "image") -> None:
        self._images = dataset.select_columns(column)
        self._column = column
        self.shape = (len(dataset), *self._read(0).shape) if len(dataset) else (0, 0, 0, 3)

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Some images (rows, height, width, 3).

        Raises:
            ValueError: one has another size than the first.
        """
        images = [self._read(row) for row in range(*rows.indices(len(self)))]
        odd = next((place for place, image in enumerate(images) if image.shape != self.shape[1:]), None)
        if odd is not None:
            raise ValueError(
                f"Image {range(*rows.indices(len(self)))[odd]} is {images[odd].shape}, the first is {self.shape[1:]}: "
                "bring images of one size together, and crop or leave out the others."
            )
        return np.stack(images)

    def _read(self, row: int) -> np.ndarray:
        image = self._images[row][self._column]
        return np.asarray(image.convert("RGB") if hasattr(image, "convert") else image)


def evaluate_images(
    image_models: Sequence[ImageModel],
    sets: Iterable[ImageSet],
    *,
    views: Sequence[str] = tuple(VIEWS),
    centrings: Sequence[str] = CENTRINGS,
    top_k: int | None = None,
    resampling: Resampling = DEFAULT_RESAMPLING,
    progress: bool = False,
) -> dict[str, Any]:
    """Evaluates CLIP models on images.

    Args:
        image_models: each gives a run for each set.
        sets: what to evaluate on; taken one after the other, so that a generator keeps one in memory.
        views: prompts, of `VIEWS`.
        centrings: of `CENTRINGS`; "none" gives raw scores, the others transductive ones.
        top_k: prompts a class to select, on half of the places and without labels, and to judge on the other half;
            no selection when left out.
        resampling: of the intervals.
        progress: show a bar.

    Returns:
        Results as [`evaluate`]'s, for [`write_report`]; with `prompt_selection` in each run.

    Raises:
        ValueError: unknown views or centrings, prompts that a class lacks, or images that cannot be embedded.
    """
    for name, given, allowed in (("views", views, tuple(VIEWS)), ("centrings", centrings, CENTRINGS)):
        wrong = next((one for one in given if one not in allowed), None)
        if wrong is not None or not given:
            raise ValueError(f"`{name}` must be of {', '.join(allowed)}, got {wrong!r}.")
    runs = []
    for one in sets:
        for image_model in image_models:
            embeds = embed_images(image_model, one.images, progress=progress)
            measured = _Measured(image_model, one, embeds, resampling)
            runs.append(measured.run(views, centrings, top_k))
    return {"runs": runs, "versions": {name: version(name) for name in VERSIONS}}


class _Measured:
    """One model on one set, its images embedded."""

    def __init__(self, image_model: ImageModel, given: ImageSet, embeds: torch.Tensor, resampling: Resampling) -> None:
        self.image_model, self.given, self.embeds, self.resampling = image_model, given, embeds, resampling
        self.scale = image_model.model.logit_scale.detach().exp().float().cpu()
        self.notes = list(given.notes)

    def run(self, views: Sequence[str], centrings: Sequence[str], top_k: int | None) -> dict[str, Any]:
        given, model = self.given, self.image_model.model
        entries = [
            self._entry(task, view, centring) for task in given.tasks for view in views for centring in centrings
        ]
        suites = dict.fromkeys(("retrieval", "robustness", "few_shot", "calibration"))
        return {
            "model": {
                "name": self.image_model.name,
                "weights_hash": weights_hash(model.state_dict()),
                "parameters": sum(parameter.numel() for parameter in model.parameters()),
            },
            "dataset": {"name": given.name, "split": given.split, "samples": len(given.images), "num_looks": 1},
            "notes": self.notes,
            "tasks": entries,
            **suites,
            "prompt_selection": {} if top_k is None else self._selections(views, top_k),
            "not_run": dict.fromkeys(suites, "images are asked for their classes only"),
        }

    def _entry(self, task: Task, view: str, centring: str) -> dict[str, Any]:
        truth = self.given.truth[task.name]
        known = np.flatnonzero(truth != UNKNOWN) if truth.ndim == 1 else np.arange(len(truth))
        if not len(known):
            raise ValueError(f"No label of the task {task.name!r} of {self.given.name} is known.")
        blocks = None if self.given.blocks is None else self.given.blocks[known]
        texts = self._texts(task, view)
        logits, raw = self._logits(self.embeds[torch.from_numpy(known)], texts, centring), centring == "none"
        if truth.ndim == 1:
            report = score_report(task.labels, logits, truth[known], blocks, self.resampling, calibrated=raw)
        else:
            report = multi_label_report(task.labels, logits, truth, blocks, self.resampling)
        return {
            "task": task.name,
            "prompts": view,
            "num_looks": 1,
            "missing": None,
            "scores": RAW if raw else f"transductive ({centring})",
            **report,
            "prompts_of": texts,
        }

    def _texts(self, task: Task, view: str) -> dict[str, list[str]]:
        return task.prompts(VIEWS[view], self.image_model.hypothesis_template)

    def _logits(self, embeds: torch.Tensor, texts: Mapping[str, Sequence[str]], centring: str) -> torch.Tensor:
        by_prompt, sizes = centring == PROMPT_MEAN, [len(of_class) for of_class in texts.values()]
        read = [[text] for of_class in texts.values() for text in of_class] if by_prompt else list(texts.values())
        named = {str(place): of_one for place, of_one in enumerate(read)}
        text_embeds = embed_classes(self.image_model.model, self.image_model.tokenizer, named).cpu()
        logits = score(embeds, text_embeds, logit_scale=self.scale, centring="class_mean" if by_prompt else centring)
        turned = int((text_embeds @ embeds.mean(dim=0) <= 0).sum())
        if centring != "none" and turned:
            self.notes.append(
                f"transductive ({centring}): {turned} of {len(read)} mean cosines are not positive, and dividing by "
                "them turns the order of the images round: these scores mean little."
            )
        return (
            torch.stack([part.mean(dim=1) for part in torch.split(logits, sizes, dim=1)], dim=1)
            if by_prompt
            else logits
        )

    def _selections(self, views: Sequence[str], top_k: int) -> dict[str, Any]:
        """By task and view, of the tasks with one class an image."""
        return {
            f"{task.name}, {view}": self._selection(task, self._texts(task, view), top_k)
            for task in self.given.tasks
            if self.given.truth[task.name].ndim == 1
            for view in views
        }

    def _selection(self, task: Task, texts: Mapping[str, list[str]], top_k: int) -> dict[str, Any]:
        truth = self.given.truth[task.name]
        known = np.flatnonzero(truth != UNKNOWN)
        names = [str(row) for row in known]
        blocks = None if self.given.blocks is None else self.given.blocks[known]
        select, judge = _halves(names, blocks, self.resampling.seed)
        labels = [task.labels[place] for place in truth[known]]
        halves = [
            EmbeddedSplit(
                [names[place] for place in rows],
                self.embeds[torch.from_numpy(known[rows])],
                [labels[place] for place in rows],
                None if blocks is None else blocks[rows],
            )
            for rows in (select, judge)
        ]
        return prompt_selection_report(
            self.image_model.model,
            self.image_model,
            texts,
            *halves,
            top_k=top_k,
            hypothesis_template="{}",
            seed=self.resampling.seed,
        )


def multi_label_report(
    labels: Sequence[str],
    logits: torch.Tensor,
    truth: np.ndarray,
    blocks: np.ndarray | None = None,
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> dict[str, Any]:
    """The figures of an entry whose images have several classes.

    Args:
        labels: the candidates.
        logits: (samples, classes).
        truth: booleans, same shape.
        blocks: spatial block of each image.
        resampling: of the interval.

    Returns:
        `mean_average_precision` with its interval and, as its `floor`, the mean share of images with a class, which is
        what a ranking by chance gives; and `average_precision` by label. Classes that no image has are left out of
        both and `absent`.

    Raises:
        ValueError: as [`mean_average_precision`].
    """
    scores, targets = logits.numpy(), np.asarray(truth, dtype=bool)
    precision = average_precision(scores, targets)
    interval = bootstrap(
        lambda rows: mean_average_precision(scores[rows], targets[rows]), len(targets), blocks, resampling=resampling
    )
    present = np.flatnonzero(targets.any(axis=0)).tolist()
    floor = float(targets[:, present].mean())
    return {
        "labels": list(labels),
        "absent": [label for place, label in enumerate(labels) if place not in present],
        "samples": len(targets),
        "metrics": {"mean_average_precision": {**interval, "floor": floor}},
        "average_precision": {labels[place]: float(precision[place]) for place in present},
        "recall": {},
        "confusion": [],
        "baselines": {},
        "blocks": None if blocks is None else len(np.unique(blocks)),
    }


def _halves(names: Sequence[str], blocks: np.ndarray | None, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to select on and rows to judge on; whole blocks to one or the other."""
    if blocks is None:
        return split_rows_by_place(names, None, None, seed=seed)
    order = np.random.default_rng(seed).permutation(np.unique(blocks))
    chosen = np.isin(blocks, order[: max(len(order) // 2, 1)])
    return np.flatnonzero(chosen), np.flatnonzero(~chosen)
