"""Check the inputs of a pixel tower alike, whatever engine computes it."""

from typing import Any

import torch

from ..models.timesenclip.transformer_timesenclip import check_series


class PooledTower:
    """Compute pooled outputs for [`encode`] after a check of the inputs, which is the same for every engine.

    Attributes:
        config: of the tower.
        chunk_size: series to be computed together.
    """

    config: Any
    chunk_size: int

    def __call__(
        self, pixel_series: torch.Tensor, series_mask: torch.Tensor | None = None, months: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the pooled output (batch, projection_dim) float32, not normalised.

        Args:
            pixel_series: scaled reflectance (batch, time, band[, height, width]).
            series_mask: (batch, time), True where observed; all observed when left out.
            months: (time,) or (batch, time), 0 = January; may be left out with twelve time steps, January first.

        Raises:
            ValueError: a shape does not fit, or `months` is missing for other than twelve time steps.
        """
        check_series(self.config, pixel_series, series_mask, months)
        return self._run(pixel_series, series_mask, months)

    def _run(
        self, pixel_series: torch.Tensor, series_mask: torch.Tensor | None, months: torch.Tensor | None
    ) -> torch.Tensor:
        """Compute what was checked."""
        raise NotImplementedError
