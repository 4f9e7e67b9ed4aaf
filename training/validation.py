"""Measure a tower while it is trained: retrieval of a place's own photos, and zero-shot classes."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import nn

from timesenclip_hf.evaluation.metrics import balanced_accuracy, instance_recall_at_k
from timesenclip_hf.models.timesenclip.zero_shot_timesenclip import embed_classes, expand_prompts, score
from training.batches import TensorRows
from training.sources import RowSource

# Recall@1 is the papers' figure; @10 moves earlier in training.
RETRIEVAL_DEPTHS = (1, 10)


class PhotoViews(Protocol):
    """Describe the module of a system whose rows are paired with photos."""

    pooling: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

    def encode(self, rows: TensorRows) -> torch.Tensor:
        """Return unit embeddings (rows, dim) of the rows, on the CPU."""


def build_validation(
    source: RowSource, clip: Any, tokenizer: Any, templates: Sequence[str]
) -> Callable[[nn.Module], dict[str, float]]:
    """Build a function that measures the views of a system.

    Args:
        source: held-out rows.
        clip: whose text tower names the classes.
        tokenizer: of the CLIP.
        templates: to put class names into.

    Returns:
        Of a module its `retrieval_recall_at_1` and `_10`, from a place to its own photos among all, and
        `zero_shot_<column>`, balanced accuracy over the classes that occur.
    """
    columns = source.rows.columns
    ids = columns["ids"].numpy()
    zero_shot = build_zero_shot(source, clip, tokenizer, templates)

    def evaluate(module: nn.Module) -> dict[str, float]:
        views = cast(PhotoViews, module)
        places = views.encode(source.rows)
        device = next(module.parameters()).device
        with torch.no_grad():
            photos = views.pooling(columns["photo_embeds"].to(device), columns["photo_mask"].to(device)).float().cpu()
        measured = {
            f"retrieval_recall_at_{depth}": instance_recall_at_k(places, photos, ids, ids, depth)
            for depth in RETRIEVAL_DEPTHS
            if depth <= len(photos)
        }
        return {name: float(value) for name, value in measured.items()} | zero_shot(places)

    return evaluate


def build_zero_shot(
    source: RowSource, clip: Any, tokenizer: Any, templates: Sequence[str]
) -> Callable[[torch.Tensor], dict[str, float]]:
    """Build a function that measures the embeddings of rows by the words of their classes.

    Args:
        source: held-out rows.
        clip: whose text tower names the classes.
        tokenizer: of the CLIP.
        templates: to put class names into.

    Returns:
        Of unit embeddings (rows, dim) their `zero_shot_<column>`, balanced accuracy over the classes that occur.
    """
    classes = {
        column: embed_classes(clip, tokenizer, expand_prompts(labels.prompts, templates)).cpu()
        for column, labels in source.labels.items()
    }

    def evaluate(places: torch.Tensor) -> dict[str, float]:
        measured = {}
        for column, embeds in classes.items():
            truth = source.labels[column].truth
            known = np.flatnonzero(truth >= 0)
            if len(known):
                best = score(places[torch.from_numpy(known)], embeds).argmax(dim=1).numpy()
                measured[f"zero_shot_{column}"] = float(balanced_accuracy(best, truth[known], len(embeds)))
        return measured

    return evaluate
