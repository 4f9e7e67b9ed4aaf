"""Pool the embeddings of the photos of a point."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

PoolingMethod = Literal["average", "attention_per_image", "attention_per_dimension"]


class PhotoPooling(nn.Module):
    """Pool the embeddings of a point's photos; missing photos have no part in it.

    - `average`: the mean of the photos' unit embeddings. Upstream averages embeddings of whatever length they are
      stored with.
    - `attention_per_image`: one score a photo, from a linear map without bias; the softmax over the photos weighs their
      embeddings. Upstream's `attpool_perimage` with its default, the sum.
    - `attention_per_dimension`: the same with one score for each photo and dimension. Upstream's `attpool_perdim`
      divides by the number of photos too, which the objective, working on unit embeddings, does not see.

    Upstream knows no missing photo: its points have four.

    Args:
        method: one of the three.
        dim: of the embeddings.

    Raises:
        ValueError: the method is none of the three.
    """

    def __init__(self, method: PoolingMethod, dim: int) -> None:
        super().__init__()
        if method not in get_args(PoolingMethod):
            raise ValueError(f"`method` must be one of {', '.join(get_args(PoolingMethod))}, got {method!r}.")
        self.method = method
        if method != "average":
            self.score = nn.Linear(dim, 1 if method == "attention_per_image" else dim, bias=False)

    def forward(self, photo_embeds: Tensor, photo_mask: Tensor | None = None) -> Tensor:
        """Pool over the photos.

        Args:
            photo_embeds: (batch, photos, dim); what a missing photo holds, NaN included, is not read.
            photo_mask: bool (batch, photos), True where there is a photo; all are when left out.

        Returns:
            (batch, dim) in float32, or float64 where the embeddings are, not made unit.

        Raises:
            ValueError: the shapes do not fit, or a row has no photo.
        """
        if photo_mask is None:
            photo_mask = torch.ones(photo_embeds.shape[:2], dtype=torch.bool, device=photo_embeds.device)
        if photo_embeds.ndim != 3 or photo_mask.shape != photo_embeds.shape[:2]:
            raise ValueError(
                f"`photo_embeds` must be (batch, photos, dim) and `photo_mask` (batch, photos), got "
                f"{tuple(photo_embeds.shape)} and {tuple(photo_mask.shape)}."
            )
        has_photo = photo_mask.any(dim=1)
        if not has_photo.all():
            row = int(has_photo.int().argmin())
            raise ValueError(f"Row {row} of the batch has no photo: leave out the points that have none.")
        photo_mask = photo_mask[..., None]
        precision = torch.promote_types(photo_embeds.dtype, torch.float32)
        photo_embeds = photo_embeds.to(precision).masked_fill(~photo_mask, 0)
        if self.method == "average":
            return nn.functional.normalize(photo_embeds, dim=-1).sum(dim=1) / photo_mask.sum(dim=1)
        scores: Tensor = self.score(photo_embeds)
        weights = scores.to(precision).masked_fill(~photo_mask, -torch.inf).softmax(dim=1)
        return (weights * photo_embeds).sum(dim=1)
