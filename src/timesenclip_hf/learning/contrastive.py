"""Contrast two views of places over the batch of all processes (InfoNCE), or match a teacher."""

import math
from typing import Any

import torch
from torch import nn

from .gathering import gather_rows, rank
from .memory_bank import MemoryBank, unit

# CLIP's clamp: an inverse temperature above 100 makes training unstable (arXiv 2103.00020, section 2.5).
MAX_LOGIT_SCALE = 100.0


class CrossViewContrastiveLoss(nn.Module):
    """Compute InfoNCE between two views of places, with the other places of the batch as negatives.

    `loss_i = -log softmax_i(s <anchor_i, target_j>)`, averaged over i, with `s = exp(logit_scale)` clamped to 100:
    the positive of a row is its own counterpart, every other row of the batch a negative (van den Oord et al.,
    arXiv 1807.03748; TimeSenCLIP, arXiv 2508.11919, eq. 1), and so is every key of a bank. What has the row's own id
    is never a negative.

    Under several processes j runs over the rows of all of them, i over the process's own: the mean of the processes'
    losses is the loss of the whole batch, and the mean of their gradients, which `DistributedDataParallel` takes, is
    its gradient, that of `logit_scale` included.

    While `s` is clamped, `logit_scale` has no gradient and so never comes back. Call [`clamp_logit_scale`] after
    each step of the optimiser, as CLIP does, and it stays where a gradient can lower it.

    Args:
        bidirectional: average the loss of anchors against targets with that of targets against anchors, as CLIP
            does; False is the papers' satellite-to-ground loss. The keys of a bank are negatives of anchors only.
        logit_scale_init_value: log of the inverse temperature at the start.
        learnable_temperature: False keeps the temperature: `logit_scale` is a buffer then, saved all the same.
        soft_positives: the rows of the batch that share an id, such as points that share a photo, are positives of
            each other: `loss_i` is the mean over them, all in the softmax. False leaves the others out of it.
    """

    logit_scale: torch.Tensor

    def __init__(
        self,
        bidirectional: bool = False,
        logit_scale_init_value: float = 2.6592,
        learnable_temperature: bool = True,
        soft_positives: bool = False,
    ) -> None:
        super().__init__()
        self.bidirectional = bidirectional
        self.soft_positives = soft_positives
        if learnable_temperature:
            self.logit_scale = nn.Parameter(torch.tensor(logit_scale_init_value))
        else:
            self.register_buffer("logit_scale", torch.tensor(logit_scale_init_value))

    @torch.no_grad()
    def clamp_logit_scale(self) -> None:
        """Put a `logit_scale` above the clamp back onto it."""
        self.logit_scale.clamp_(max=math.log(MAX_LOGIT_SCALE))

    def forward(
        self,
        anchors: torch.Tensor,
        targets: torch.Tensor,
        ids: torch.Tensor | None = None,
        bank: MemoryBank | None = None,
    ) -> torch.Tensor:
        """Contrast the rows of two batches.

        Args:
            anchors: embeddings (batch, dim) of one view; made unit here. Under several processes, the rows of this
                one, as many as on every other.
            targets: embeddings (batch, dim) of the other view, row by row of the same places.
            ids: int64 (batch,), the same for rows that show one place; None: each row is a place of its own.
            bank: keys of earlier batches, with ids of the same numbering.

        Returns:
            A scalar, computed in float32 whatever the precision of the rest, or in float64 for embeddings in float64.

        Raises:
            ValueError: the shapes differ, or `ids` are missing for a bank or for soft positives.
        """
        if anchors.ndim != 2 or anchors.shape != targets.shape or (ids is not None and ids.shape != anchors.shape[:1]):
            got = [tuple(anchors.shape), tuple(targets.shape), *([] if ids is None else [tuple(ids.shape)])]
            raise ValueError(f"Anchors and targets must be (batch, dim) alike and `ids` (batch,), got {got}.")
        if ids is None and (bank is not None or self.soft_positives):
            raise ValueError("A bank and soft positives need `ids`, which tell the rows of one place; pass `ids`.")
        with torch.autocast(anchors.device.type, enabled=False):
            anchors, targets = unit(anchors), unit(targets)
            loss = self._contrast(anchors, gather_rows(targets), ids, bank)
            if self.bidirectional:
                loss = (loss + self._contrast(targets, gather_rows(anchors), ids)) / 2
            return loss

    def _contrast(
        self, rows: torch.Tensor, columns: torch.Tensor, ids: torch.Tensor | None, bank: MemoryBank | None = None
    ) -> torch.Tensor:
        scale = self.logit_scale.to(rows.dtype).clamp(max=math.log(MAX_LOGIT_SCALE)).exp()
        own_column = torch.arange(len(rows), device=rows.device) + rank() * len(rows)
        if ids is None:
            return nn.functional.cross_entropy(scale * rows @ columns.T, own_column)
        column_ids, num_in_batch = gather_rows(ids), len(columns)
        if bank is not None:
            columns, column_ids = torch.cat([columns, bank.keys]), torch.cat([column_ids, bank.ids])
        same_place = ids[:, None] == column_ids
        positive = torch.zeros_like(same_place).scatter(1, own_column[:, None], True)
        if self.soft_positives:
            positive[:, :num_in_batch] = same_place[:, :num_in_batch]
        # The lowest finite number, because -inf times a weight of 0 is NaN.
        left_out = torch.finfo(torch.float32).min
        logits = (scale * rows @ columns.T).masked_fill(same_place & ~positive, left_out)
        weights = positive / positive.sum(dim=1, keepdim=True) if self.soft_positives else own_column
        return nn.functional.cross_entropy(logits, weights)


class EmbeddingMatchingLoss(nn.Module):
    """Measure the squared distance of the unit embeddings of a student and of its teacher.

    `loss_i = |unit(student_i) - unit(teacher_i)|^2 = 2 - 2 cos_i`, averaged over i: 0 where they agree, 2 where they
    have nothing in common (a regression on what a network says, Hinton et al., arXiv 1503.02531, on embeddings instead
    of classes). The positive of a row is what the teacher says of the same sample. There are no negatives, so that the
    mean over the processes' rows is the loss of the whole batch.
    """

    def forward(
        self, anchors: torch.Tensor, targets: torch.Tensor, ids: torch.Tensor | None = None, bank: Any = None
    ) -> torch.Tensor:
        """Match the rows of two batches.

        Args:
            anchors: what the student says, (rows, dim), of any length.
            targets: what the teacher says, (rows, dim), of any length.
            ids: not needed, nor is `bank`; the training loop has them.
            bank: not needed.

        Returns:
            A scalar, computed in float32 at least.
        """
        return (unit(anchors) - unit(targets)).square().sum(dim=-1).mean()
