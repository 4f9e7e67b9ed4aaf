"""The objective of both papers: bring the two views of one place together, push those of other places apart."""

import torch
from torch import nn

# CLIP's clamp: an inverse temperature above 100 makes training unstable (arXiv 2103.00020, section 2.5).
MAX_LOGIT_SCALE = 100.0


class CrossViewContrastiveLoss(nn.Module):
    """InfoNCE between two views of the same places, with the other places of the batch as negatives.

    `loss_i = -sum_j w_ij log softmax_j(s <anchor_i, target_j>)`, averaged over i, with `s = exp(logit_scale)`
    clamped to 100 and `w_ij = 1 / n_i` for the `n_i` rows j of the same group as i. Without groups the only
    positive of a row is its own counterpart (van den Oord et al., arXiv 1807.03748; TimeSenCLIP, arXiv
    2508.11919, eq. 1).

    Args:
        bidirectional: average the loss of anchors against targets with that of targets against anchors, as CLIP
            does; False is the papers' satellite-to-ground loss.
        logit_scale_init_value: log of the inverse temperature at the start.
    """

    def __init__(self, bidirectional: bool = False, logit_scale_init_value: float = 2.6592) -> None:
        super().__init__()
        self.bidirectional = bidirectional
        self.logit_scale = nn.Parameter(torch.tensor(logit_scale_init_value))

    def forward(self, anchors: torch.Tensor, targets: torch.Tensor, groups: torch.Tensor | None = None) -> torch.Tensor:
        """Contrasts the rows of two batches.

        Args:
            anchors: embeddings (batch, dim) of one view; made unit here.
            targets: embeddings (batch, dim) of the other view, row by row of the same places.
            groups: (batch,) integers; rows of one group are positives of each other, such as photos that share
                a caption.

        Returns:
            A scalar, computed in float32 whatever the precision of the rest.
        """
        scale = self.logit_scale.exp().clamp(max=MAX_LOGIT_SCALE)
        logits = (
            scale
            * nn.functional.normalize(anchors.float(), dim=-1)
            @ nn.functional.normalize(targets.float(), dim=-1).transpose(0, 1)
        )
        if groups is None:
            positives: torch.Tensor = torch.arange(len(logits), device=logits.device)
        else:
            same = (groups[:, None] == groups[None, :]).float()
            positives = same / same.sum(dim=1, keepdim=True)
        loss = nn.functional.cross_entropy(logits, positives)
        if self.bidirectional:
            loss = (loss + nn.functional.cross_entropy(logits.transpose(0, 1), positives)) / 2
        return loss
