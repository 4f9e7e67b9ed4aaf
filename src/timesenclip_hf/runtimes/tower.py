"""Check the inputs of a pixel tower alike, whatever engine computes it."""

from typing import Any

import torch

from ..models.timesenclip.encoders_timesenclip import check_series


class PooledTower:
    """What [`encode`] asks for pooled outputs, checked alike whatever computes them.

    Attributes:
        config: of the tower.
        chunk_size: series to be computed together.
    """

    config: Any
    chunk_size: int

    def __call__(
        self, pixel_series: torch.Tensor, series_mask: torch.Tensor | None = None, months: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The tower's pooled output (batch, projection_dim) float32 for its inputs; see its `forward`.

        Raises:
            ValueError: a shape does not fit, or `months` is missing for other than twelve looks.
        """
        check_series(self.config, pixel_series, series_mask, months)
        return self._run(pixel_series, series_mask, months)

    def _run(
        self, pixel_series: torch.Tensor, series_mask: torch.Tensor | None, months: torch.Tensor | None
    ) -> torch.Tensor:
        raise NotImplementedError
