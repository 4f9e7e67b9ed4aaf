"""Say how unlike the series that a model was trained on a series is, by statistics that travel with the checkpoint."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers.utils import logging

from .configuration_timesenclip import TimeSenCLIPPixelConfig
from .encoders_timesenclip import place_on_months

logger = logging.get_logger(__name__)

# Above which a series is unlike any that the model was trained on.
NOVEL = 1.0
# Of what a training saw so many are beyond that level too: no more are worth a warning.
COMMON_SHARE = 0.02
# Added before the logarithm, in units of the inputs: some 0.006 to 0.015 of reflectance, the noise of dark water.
DARKEST = 0.03
SERIES_AT_A_TIME = 4096


class TimeSenCLIPNovelty(nn.Module):
    """Tell series like those of the training from all others; the tower's own embedding does not tell.

    A set network (Deep Sets, arXiv 1703.06114) reads each observed month by itself, pools mean, maximum and minimum
    over the year, and gives the log odds that the series is none of the training's. It was fitted to training series
    against damaged ones (outlier exposure, arXiv 1812.04606) by `training.novelty`. As it has no places for months, a
    missing one is no novelty, nor is another calendar.

    Args:
        config: of the pixel tower, whose inputs it reads.
        width: of its layers.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, config: TimeSenCLIPPixelConfig, width: int) -> None:
        super().__init__()
        self.num_months, self.width = config.num_months, width
        self.month = nn.Sequential(nn.Linear(config.num_bands, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.year = nn.Sequential(nn.Linear(3 * width, width), nn.ReLU(), nn.Linear(width, 1))
        # Of the log odds of training series, by the number of their observed months: middle, and from there to the
        # level that few exceed.
        self.register_buffer("centre", torch.zeros(config.num_months))
        self.register_buffer("spread", torch.ones(config.num_months))

    def log_odds(self, values: Tensor, observed: Tensor) -> Tensor:
        """Return log odds (batch,) of series (batch, months, band) with `observed` months (batch, months)."""
        states = self.month((values + DARKEST).log().to(self.centre.dtype))
        shown = observed[:, :, None]
        mean = states.masked_fill(~shown, 0).sum(dim=1) / shown.sum(dim=1).clamp(min=1)
        # Activations are at least 0, which is the maximum of none.
        highest = states.masked_fill(~shown, 0).amax(dim=1)
        lowest = states.masked_fill(~shown, torch.finfo(states.dtype).max).amin(dim=1)
        odds: Tensor = self.year(torch.cat([mean, highest, lowest], dim=1))[:, 0]
        return odds

    def forward(self, pixel_series: Tensor, series_mask: Tensor | None = None, months: Tensor | None = None) -> Tensor:
        """Return the novelty (batch,) float32: 0 in the middle of the training's series, 1 where few of them reach.

        Args:
            pixel_series: scaled reflectance (batch, time, band[, height, width]).
            series_mask: (batch, time), True where observed; all observed when left out. A series without any
                observation has NaN.
            months: (time,) or (batch, time), 0 = January; may be left out with twelve time steps, January first.
        """
        pixels = pixel_series.flatten(3).mean(dim=3) if pixel_series.ndim > 3 else pixel_series
        if months is not None:
            months = months.expand(pixels.shape[:2])
        grid = place_on_months(pixels, series_mask, months, self.num_months)
        values, observed = grid[..., :-1], grid[..., -1] > 0
        counts = observed.sum(dim=1)
        index = (counts - 1).clamp(min=0)
        score = (self.log_odds(values, observed) - self.centre[index]) / self.spread[index]
        return score.float().masked_fill(counts == 0, torch.nan)


@torch.no_grad()
def measure_novelty(model: Any, features: Mapping[str, Any]) -> Tensor | None:
    """Measure how unlike the training's series are, (series,) float32 on the CPU; None where nobody can tell.

    Above 1 a series is unlike anything that the model was trained on, and its scores mean little.

    Args:
        model: a [`TimeSenCLIPModel`], with statistics of its training or without.
        features: the feature extractor's output, arrays or tensors.
    """
    statistics = getattr(model, "novelty", None)
    if statistics is None:
        return None
    names = ("pixel_series", "series_mask", "months")
    inputs = [None if features.get(name) is None else torch.as_tensor(features[name]) for name in names]
    parts = [torch.empty(0)]
    for start in range(0, len(features["pixel_series"]), SERIES_AT_A_TIME):
        part = slice(start, start + SERIES_AT_A_TIME)
        chunk = [None if values is None else values[part].to(statistics.centre.device) for values in inputs]
        parts.append(statistics(*chunk).cpu())
    return torch.cat(parts)


def warn_of_novelty(novelty: Any) -> None:
    """Warn of series that are unlike any of the training, by their share; of none where there are not enough.

    Args:
        novelty: of series (series,), NaN where nothing is observed.
    """
    novelty = torch.as_tensor(novelty)
    warn_of_novel(int((novelty > NOVEL).sum()), int((~novelty.isnan()).sum()))


def warn_of_novel(novel: int, known: int, what: str = "series") -> None:
    """Warn of so many that are unlike any of the training among those with an observation, unless they are few."""
    if novel > COMMON_SHARE * known:
        logger.warning(
            f"{novel} of {known} {what} ({novel / known:.0%}) are unlike anything this checkpoint was trained on, so "
            "that their scores mean little: check the order of the bands, units, offset and level (L2A) of the numbers."
        )
