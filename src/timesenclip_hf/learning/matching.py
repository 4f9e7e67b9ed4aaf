"""Train a student to say what its teacher says."""

from typing import Any

import torch
from torch import nn

from .memory_bank import unit


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
            ids: not needed; the one training loop has them.
            bank: not needed either.

        Returns:
            A scalar, computed in float32 at least.
        """
        return (unit(anchors) - unit(targets)).square().sum(dim=-1).mean()
