"""Measure a CLIP model on labelled images, with the scorer, the prompts, the metrics and the report of series.

An image has one class of a task, and top-1 accuracy is the figure, or several (a task of BigEarthNet), and it is mean
average precision. Raw scores are what a model answers for one image by itself; transductive ones are made from all
images at once and are entries of their own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..data.schema import UNKNOWN
from ..models.timesenclip.zero_shot_timesenclip import embed_classes, score
from .baselines import ImageModel, embed_images
from .entries import Scored, make_entry
from .probing import split_rows_by_place
from .prompts import EmbeddedSplit, SelectionOptions, prompt_selection_report
from .protocol import SUITES, check_values
from .sets.images import ImageSet
from .tasks import Task
from .uncertainty import DEFAULT_RESAMPLING, Resampling

# The prompt views of SenCLIP's paper, by the names that tasks have for them.
VIEWS = {"generic": "generic", "aerial": "aerial", "ground": "ground", "mixed": "descriptive"}
# "class_mean" divides each class's cosines by their mean over all images, which upstream's code does;
# "prompt_mean" each prompt's, before prompts are averaged, which is the paper's debiased score (its eq. 5).
PROMPT_MEAN = "prompt_mean"
CENTRINGS = ("none", "class_mean", PROMPT_MEAN)


@dataclass(frozen=True)
class ImageProtocol:
    """Say how images are scored: by which views, of `VIEWS`, and centrings, of `CENTRINGS`.

    With `top_k`, so many prompts a class are selected on half of the land, without labels, and judged on the other.
    """

    views: Sequence[str] = tuple(VIEWS)
    centrings: Sequence[str] = CENTRINGS
    top_k: int | None = None
    resampling: Resampling = DEFAULT_RESAMPLING

    def __post_init__(self) -> None:
        check_values("views", self.views, tuple(VIEWS))
        check_values("centrings", self.centrings, CENTRINGS)


class ImageMeasurement:
    """Measure one model on one set, whose images are embedded at once."""

    def __init__(self, model: ImageModel, images: ImageSet, protocol: ImageProtocol, *, progress: bool = False) -> None:
        self._model, self._images, self._protocol = model, images, protocol
        self._embeds = embed_images(model, images.images, progress=progress)
        self._scale = model.model.logit_scale.detach().exp().float().cpu()
        self._notes = list(images.notes)

    def run(self) -> dict[str, Any]:
        """Measure an entry a task, view and way of scoring, and the selections of prompts."""
        images, protocol, others = self._images, self._protocol, SUITES[1:]
        entries, selections = [], {}
        for task in images.tasks:
            for view in protocol.views:
                texts = task.prompts(VIEWS[view], self._model.hypothesis_template)
                entries += [self._entry(task, view, centring, texts) for centring in protocol.centrings]
                if protocol.top_k is not None and images.truth[task.name].ndim == 1:
                    selections[f"{task.name}, {view}"] = self._selection(task, texts, protocol.top_k)
        return {
            "dataset": {"name": images.name, "split": images.split, "samples": len(images.images), "composites": 1},
            "notes": self._notes,
            "tasks": entries,
            **dict.fromkeys(others),
            "prompt_selection": selections,
            "not_run": dict.fromkeys(others, "images are asked for their classes only"),
        }

    def _known(self, task: Task) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the rows whose truth is known, and their blocks."""
        truth = self._images.truth[task.name]
        known = np.flatnonzero(truth != UNKNOWN) if truth.ndim == 1 else np.arange(len(truth))
        if not len(known):
            raise ValueError(f"No label of the task {task.name!r} of {self._images.name} is known.")
        return known, None if self._images.blocks is None else self._images.blocks[known]

    def _entry(self, task: Task, view: str, centring: str, texts: dict[str, list[str]]) -> dict[str, Any]:
        known, blocks = self._known(task)
        logits = self._logits(self._embeds[torch.from_numpy(known)], texts, centring)
        scored = Scored(task.labels, logits, self._images.truth[task.name][known], blocks, self._protocol.resampling)
        return make_entry(task.name, view, centring, scored, texts)

    def _logits(self, embeds: torch.Tensor, texts: Mapping[str, Sequence[str]], centring: str) -> torch.Tensor:
        by_prompt, sizes = centring == PROMPT_MEAN, [len(of_class) for of_class in texts.values()]
        read = [[text] for of_class in texts.values() for text in of_class] if by_prompt else list(texts.values())
        named = {str(index): prompts for index, prompts in enumerate(read)}
        text_embeds = embed_classes(self._model.model, self._model.tokenizer, named).cpu()
        logits = score(embeds, text_embeds, logit_scale=self._scale, centring="class_mean" if by_prompt else centring)
        turned = int((text_embeds @ embeds.mean(dim=0) <= 0).sum())
        if centring != "none" and turned:
            self._notes.append(
                f"transductive ({centring}): {turned} of {len(read)} mean cosines are not positive; dividing by them "
                "would turn the order of the images round, so that means are taken away instead, as upstream does not."
            )
        if not by_prompt:
            return logits
        return torch.stack([part.mean(dim=1) for part in torch.split(logits, sizes, dim=1)], dim=1)

    def _selection(self, task: Task, texts: Mapping[str, list[str]], top_k: int) -> dict[str, Any]:
        """Select prompts on half of the images and judge them on the other."""
        known, blocks = self._known(task)
        names = np.asarray([str(row) for row in known])
        labels = np.asarray(task.labels)[self._images.truth[task.name][known]]
        seed, halves = self._protocol.resampling.seed, []
        for rows in _halves(names.tolist(), blocks, seed):
            embeds, block_of = self._embeds[torch.from_numpy(known[rows])], None if blocks is None else blocks[rows]
            halves.append(EmbeddedSplit(names[rows].tolist(), embeds, labels[rows].tolist(), block_of))
        options = SelectionOptions(top_k=top_k, hypothesis_template="{}", seed=seed)
        return prompt_selection_report(self._model.model, self._model, texts, *halves, options=options)


def _halves(names: Sequence[str], blocks: np.ndarray | None, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split rows into those to select on and those to judge on; whole blocks go to one or the other."""
    if blocks is None:
        return split_rows_by_place(names, seed=seed)
    order = np.random.default_rng(seed).permutation(np.unique(blocks))
    chosen = np.isin(blocks, order[: max(len(order) // 2, 1)])
    return np.flatnonzero(chosen), np.flatnonzero(~chosen)
