"""The objective of both papers: bring the two views of one place together, push those of other places apart."""

import torch
from torch import nn

# CLIP's clamp: an inverse temperature above 100 makes training unstable (arXiv 2103.00020, section 2.5).
MAX_LOGIT_SCALE = 100.0


class CrossViewContrastiveLoss(nn.Module):
    """InfoNCE between two views of the same places, with the other places of the batch as negatives.

    `loss_i = -log softmax_i(s <anchor_i, target_j>)`, averaged over i, with `s = exp(logit_scale)` clamped to 100:
    the positive of a row is its own counterpart, every other row of the batch a negative (van den Oord et al.,
    arXiv 1807.03748; TimeSenCLIP, arXiv 2508.11919, eq. 1).

    Args:
        bidirectional: average the loss of anchors against targets with that of targets against anchors, as CLIP
            does; False is the papers' satellite-to-ground loss.
        logit_scale_init_value: log of the inverse temperature at the start.
    """

    def __init__(self, bidirectional: bool = False, logit_scale_init_value: float = 2.6592) -> None:
        super().__init__()
        self.bidirectional = bidirectional
        self.logit_scale = nn.Parameter(torch.tensor(logit_scale_init_value))

    def forward(self, anchors: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Contrasts the rows of two batches.

        Args:
            anchors: embeddings (batch, dim) of one view; made unit here.
            targets: embeddings (batch, dim) of the other view, row by row of the same places.

        Returns:
            A scalar, computed in float32 whatever the precision of the rest.
        """
        anchors = nn.functional.normalize(anchors.float(), dim=-1)
        targets = nn.functional.normalize(targets.float(), dim=-1)
        logits = self.logit_scale.exp().clamp(max=MAX_LOGIT_SCALE) * anchors @ targets.T
        positives = torch.arange(len(logits), device=logits.device)
        loss = nn.functional.cross_entropy(logits, positives)
        if self.bidirectional:
            loss = (loss + nn.functional.cross_entropy(logits.T, positives)) / 2
        return loss
