"""Fit what tells series like those of a training from all others, and keep it with the checkpoint.

`python -m training.novelty CHECKPOINT --output FOLDER` fits it to simulated points for a checkpoint that lacks it, or
whose simulator has changed; `training.train` does so for every checkpoint that it makes. No label and no real pixel is
used.

A small network learns to tell training series from the same series damaged ("outlier exposure", Hendrycks et al. 2019,
arXiv 1812.04606): by each way of `DAMAGES`, with a strength drawn anew for each series. That a density alone does not
do was tried: mixtures of Gaussians on each month's bands, and on quantiles over the year, let half of the series with
an offset of 0.1 and a third of those at the top of the atmosphere pass, as each single month might be thin cloud.
"""

import math
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import HfArgumentParser
from transformers.utils import logging

from timesenclip_hf import TimeSenCLIPFeatureExtractor, TimeSenCLIPPixelConfig
from timesenclip_hf.classification import load_pipeline
from timesenclip_hf.evaluation.robustness import WAVELENGTHS
from timesenclip_hf.files import whole_folder
from timesenclip_hf.files.outputs import CHECKPOINT_FILES, check_folder
from timesenclip_hf.learning.augmentation import TemporalAugmentation
from timesenclip_hf.models.timesenclip.encoders_timesenclip import place_on_months
from timesenclip_hf.models.timesenclip.novelty_timesenclip import TimeSenCLIPNovelty
from timesenclip_hf.models.timesenclip.units_timesenclip import DN_PER_REFLECTANCE
from training.batches import StepBatches, TensorRows
from training.simulated_rows import SERIES_SEED, simulated_series

WIDTH = 128
BATCH_SIZE, LEARNING_RATE = 512, 3e-3
# Share of the training's series that may count as unlike it, and of how many its level is taken.
FEW, MOST_CALIBRATED = 0.01, 30_000
# Fewer series with so many months tell no level; their neighbours' is taken.
FEWEST_OF_A_COUNT = 200

Damage = Callable[[Tensor, list[str]], Tensor]


def swap_bands(series: Tensor, band_names: list[str]) -> Tensor:
    """Swap two bands of each series, drawn at random, or put all of them in another order."""
    count, bands = len(series), len(band_names)
    drawn, rows = torch.rand(count, bands).argsort(dim=1), torch.arange(count)
    order = torch.arange(bands).repeat(count, 1)
    order[rows, drawn[:, 0]], order[rows, drawn[:, 1]] = drawn[:, 1], drawn[:, 0]
    order = torch.where(torch.rand(count, 1) < 0.7, order, drawn)
    return series.gather(2, order[:, None].expand_as(series))


def shift_level(series: Tensor, band_names: list[str]) -> Tensor:
    """Add an offset that was left in, 0.04 to 0.15, or was subtracted twice."""
    return series + _uniform(series, 0.04, 0.15) * torch.where(torch.rand(len(series), 1, 1) < 0.7, 1.0, -1.0)


def lift_above_air(series: Tensor, band_names: list[str]) -> Tensor:
    """Bring series to the top of the atmosphere (L1C), seen from the nadir with the sun at 20 to 70 degrees."""
    height = torch.cos(torch.deg2rad(_uniform(series, 20, 70)))
    return top_of_atmosphere(series, band_names, height, thickness=_uniform(series, 0.8, 1.4))


def top_of_atmosphere(series: Tensor, band_names: list[str], height: Tensor, thickness: Tensor) -> Tensor:
    """Add what air without aerosol scatters, once, into view, and take what it keeps from the ground.

    The optical depth is that of Hansen & Travis 1974 (Space Sci. Rev. 16:527), the phase function Rayleigh's; half of
    what is scattered goes on. Water vapour and ozone are left out.

    Args:
        series: surface reflectance (series, time, band).
        band_names: of the bands.
        height: cosine of the sun's zenith angle, (series, 1, 1).
        thickness: of the air, 1 for one atmosphere without aerosol, (series, 1, 1).
    """
    wavelength = torch.tensor([WAVELENGTHS[name] / 1000 for name in band_names])
    depth = thickness * 0.008569 * wavelength**-4 * (1 + 0.0113 * wavelength**-2 + 0.00013 * wavelength**-4)
    scattered = depth * 0.75 * (1 + height**2) / (4 * height)
    return series * torch.exp(-depth / 2 * (1 + 1 / height)) + scattered


def add_noise(series: Tensor, band_names: list[str]) -> Tensor:
    """Add to every value what has nothing to do with it, of a standard deviation of 0.03 to 0.2."""
    return series + torch.randn_like(series) * _uniform(series, 0.03, 0.2)


def draw_noise(series: Tensor, band_names: list[str]) -> Tensor:
    """Put numbers between 0 and a limit of 0.2 to 1.2 in place of every value."""
    return torch.rand_like(series) * _uniform(series, 0.2, 1.2)


def change_gains(series: Tensor, band_names: list[str]) -> Tensor:
    """Multiply each band by a factor, as another unit or sensor would."""
    return series * torch.exp(torch.randn(len(series), 1, series.shape[2]) * _uniform(series, 0.2, 0.6))


def mix_bands(series: Tensor, band_names: list[str]) -> Tensor:
    """Take each band from another series: what is left is no more than the values that each band has."""
    return torch.stack([band[torch.randperm(len(series))] for band in series.unbind(dim=2)], dim=2)


def mix_months(series: Tensor, band_names: list[str]) -> Tensor:
    """Take each time step from another series: what is left are spectra without a year."""
    return torch.stack([step[torch.randperm(len(series))] for step in series.unbind(dim=1)], dim=1)


def _uniform(series: Tensor, low: float, high: float) -> Tensor:
    return low + (high - low) * torch.rand(len(series), 1, 1)


DAMAGES: Mapping[str, Damage] = {
    "swapped bands": swap_bands,
    "offset": shift_level,
    "top of the atmosphere": lift_above_air,
    "noise added": add_noise,
    "noise": draw_noise,
    "gains": change_gains,
    "mixed bands": mix_bands,
    "mixed months": mix_months,
}


class DamagedInputs:
    """Damage a model's inputs as if the series had been damaged before the extractor read them.

    Args:
        extractor: of the model.
    """

    def __init__(self, extractor: TimeSenCLIPFeatureExtractor) -> None:
        self.band_names, self.clamp_max = extractor.band_names, extractor.clamp_max
        self.low = torch.tensor(extractor.band_low) / DN_PER_REFLECTANCE
        self.scale = torch.tensor(extractor.band_scale) / DN_PER_REFLECTANCE

    def apply(self, damage: Damage, inputs: Tensor) -> Tensor:
        """Return scaled inputs (series, time, band) of damaged reflectance; a value that was clamped starts there."""
        damaged = damage(inputs * self.scale + self.low, self.band_names)
        return ((damaged - self.low) / self.scale).clamp(0, self.clamp_max)

    def apply_any(self, inputs: Tensor) -> Tensor:
        """Damage each series in one way, drawn at random."""
        way, damaged = torch.randint(len(DAMAGES), (len(inputs), 1, 1)), inputs
        for number, damage in enumerate(DAMAGES.values()):
            damaged = torch.where(way == number, self.apply(damage, inputs), damaged)
        return damaged


def fit_novelty(
    rows: TensorRows,
    extractor: TimeSenCLIPFeatureExtractor,
    config: TimeSenCLIPPixelConfig,
    *,
    steps: int,
    seed: int = 0,
    band_dropout: float = 0.0,
) -> TimeSenCLIPNovelty:
    """Fit what tells series like these from all others.

    Args:
        rows: with `pixel_series`, `series_mask` and `months`, as the model was trained on.
        extractor: that made them.
        config: of the pixel tower.
        steps: of the optimiser.
        seed: of weights, batches and damage.
        band_dropout: of the training; a band that is 0 throughout is then nothing new.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        novelty, damaged = TimeSenCLIPNovelty(config, WIDTH), DamagedInputs(extractor)
        thinned = TemporalAugmentation(0.3, month_dropout=0.3, band_dropout=band_dropout)
        optimiser = torch.optim.AdamW(novelty.parameters(), lr=LEARNING_RATE)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=max(steps, 2))
        size = min(BATCH_SIZE, len(rows))
        for numbers in StepBatches(len(rows), size, seed=seed, steps=range(steps)):
            batch = rows.__getitems__(numbers)
            series = _pixels(batch["pixel_series"])
            is_damaged = torch.rand(len(series)) < 0.5
            series = torch.where(is_damaged[:, None, None], damaged.apply_any(series), series)
            shown = thinned({**batch, "pixel_series": series})
            odds = novelty.log_odds(*_on_months(shown, config.num_months))
            loss = nn.functional.binary_cross_entropy_with_logits(odds, is_damaged.float())
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
        _calibrate(novelty, rows, TemporalAugmentation(0.0, band_dropout=band_dropout))
    return novelty.eval().requires_grad_(False)


@torch.no_grad()
def _calibrate(novelty: TimeSenCLIPNovelty, rows: TensorRows, thinned: TemporalAugmentation) -> None:
    """Set middle and spread of the log odds of series that show each number of months; where too few do, nearby."""
    chosen = torch.randperm(len(rows))[:MOST_CALIBRATED].tolist()
    batch = rows.__getitems__(chosen)
    shown = thinned({**batch, "pixel_series": _pixels(batch["pixel_series"])})
    values, observed = _on_months(shown, novelty.num_months)
    order = torch.rand(observed.shape).masked_fill(~observed, 2).argsort(dim=1).argsort(dim=1)
    counts = observed.sum(dim=1)
    levels = torch.full((2, novelty.num_months), math.nan)
    enough = min(FEWEST_OF_A_COUNT, len(chosen))
    for count in range(1, novelty.num_months + 1):
        if int((able := counts >= count).sum()) < enough:
            continue
        odds = novelty.log_odds(values[able], order[able] < count)
        levels[:, count - 1] = torch.quantile(odds, torch.tensor([0.5, 1 - FEW]))
    known = (~levels[0].isnan()).nonzero()[:, 0]
    nearest = (torch.arange(novelty.num_months)[:, None] - known).abs().argmin(dim=1)
    middle, high = levels[:, known[nearest]]
    novelty.centre.copy_(middle)
    novelty.spread.copy_((high - middle).clamp(min=torch.finfo(torch.float32).eps))


def _pixels(series: Tensor) -> Tensor:
    return series.flatten(3).mean(dim=3) if series.ndim > 3 else series


def _on_months(batch: Mapping[str, Tensor], num_months: int) -> tuple[Tensor, Tensor]:
    grid = place_on_months(batch["pixel_series"], batch["series_mask"], batch["months"], num_months)
    return grid[..., :-1], grid[..., -1] > 0


@dataclass
class NoveltyArguments:
    """Say which checkpoint is fitted, and where the fitted one goes."""

    checkpoint: str = field(metadata={"help": "folder or Hub id of a checkpoint"})
    output: str = field(metadata={"help": "folder of the checkpoint that is written"})
    points: int = field(default=30_000, metadata={"help": "simulated points"})
    steps: int = field(default=4_000, metadata={"help": "steps of the optimiser"})
    seed: int = field(default=SERIES_SEED, metadata={"help": "of the points"})
    overwrite: bool = field(default=False, metadata={"help": "replace a checkpoint there"})


def add_novelty(model: Any, processor: Any, *, points: int, steps: int, seed: int = SERIES_SEED) -> Any:
    """Return a copy of a model that knows the simulated series by statistics of so many points."""
    extractor = processor.feature_extractor
    rows = simulated_series(points, seed, extractor).rows
    fitted = deepcopy(model)
    fitted.keep_novelty(
        fit_novelty(
            rows, extractor, model.config.pixel_config, steps=steps, seed=seed, band_dropout=extractor.band_dropout
        )
    )
    return fitted


def main() -> None:
    """Fit the statistics of a checkpoint to simulated points, and write the checkpoint with them."""
    parser: Any = HfArgumentParser(NoveltyArguments)
    (arguments,) = parser.parse_args_into_dataclasses()
    logging.set_verbosity_error()
    try:
        check_folder(arguments.output, overwrite=arguments.overwrite, names=CHECKPOINT_FILES)
        loaded = load_pipeline(arguments.checkpoint, "cpu")
        options = {"points": arguments.points, "steps": arguments.steps, "seed": arguments.seed}
        fitted = add_novelty(loaded.model, loaded.processor, **options)
        with whole_folder(Path(arguments.output), overwrite=arguments.overwrite, names=CHECKPOINT_FILES) as partial:
            fitted.save_pretrained(partial)
            loaded.processor.save_pretrained(partial)
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from None
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
