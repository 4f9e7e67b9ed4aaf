"""Augment in training: series by months of the year, not by indices of an array, and images."""

import sys
from collections.abc import Mapping

import torch
from torch import nn

MONTHS_PER_YEAR = 12
MONTHS_PER_QUARTER = 3
# Where a composite of the whole year stands, 0 = January: the rule of `data.schema.month_places`.
MIDDLE_OF_YEAR = (MONTHS_PER_YEAR - 1) / 2
_SHARE = ("must be between 0 and 1", 1.0)
_WEIGHT = ("is a weight and must be 0 or more", sys.float_info.max)
_DEVIATION = ("is a standard deviation and must be 0 or more", sys.float_info.max)


class _Augmentation(nn.Module):
    def forward(self, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Augment a batch; in evaluation nothing is touched and nothing drawn.

        Args:
            batch: of series, `pixel_series` (batch, time, band[, height, width]) scaled, `series_mask` bool
                (batch, time) and `months` (batch, time), 0 = January; of images, `pixel_values` (batch, channel, side,
                side). Other entries pass through.

        Returns:
            A new dict; the tensors of `batch` are not changed.

        Raises:
            ValueError: images are to be turned that are not square.
        """
        return {**batch, **(self._changes(batch) if self.training else {})}

    def _changes(self, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        raise NotImplementedError


class TemporalAugmentation(_Augmentation):
    """Show the model shorter, sparser years than the data has, so that it can do with them.

    With `probability`, one of three happens to a whole batch, each as often as its weight says:

    - `median`: the year becomes one time step, the median of the observed ones, in the middle of the year.
    - `drop_quarter`: each series loses the time steps of three consecutive months, anywhere on the circle of the year.
    - `random_subset`: each series keeps two of its observed time steps, or more, up to all but one.

    Then each series may lose months (`month_dropout`) and bands (`band_dropout`). A series of which fewer than two
    time steps would remain keeps what it had. Dropped ones stay in the tensor with `series_mask` False. In evaluation,
    and where every probability is 0, nothing is touched and nothing drawn. Randomness is torch's global generator's.

    The paper (arXiv 2508.11919) has `probability` 0.5. Upstream's code works on embedded months instead of
    reflectance, takes the lower of two middle values as the median, drops no quarter across new year, keeps one
    time step or more, and leaves every series of a batch the same months.

    Args:
        probability: of one of the three, for a batch.
        median: weight of the first.
        drop_quarter: weight of the second.
        random_subset: weight of the third.
        month_dropout: half of the series, drawn anew for each batch, lose up to twice this share of their time steps.
        band_dropout: probability of a band of a series to be 0 at all times; at least half of the bands stay.

    Raises:
        ValueError: a probability is outside 0 to 1, a weight is negative, or all are 0 though `probability` is not.
    """

    def __init__(
        self, probability: float, median: float = 1.0, drop_quarter: float = 1.0, random_subset: float = 1.0,
        month_dropout: float = 0.0, band_dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        _check(_SHARE, probability=probability, month_dropout=month_dropout, band_dropout=band_dropout)
        weights = {"median": median, "drop_quarter": drop_quarter, "random_subset": random_subset}
        _check(_WEIGHT, **weights)
        if probability and not any(weights.values()):
            raise ValueError(f"`probability` is {probability}, but every weight is 0: set it to 0, or a weight above.")
        self.probability = probability
        self.weights = {name: float(weight) for name, weight in weights.items()}
        self.month_dropout = month_dropout
        self.band_dropout = band_dropout

    def _changes(self, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        series, mask, months = (batch[name] for name in ("pixel_series", "series_mask", "months"))
        if self.probability and torch.rand(()) < self.probability:
            names = list(self.weights)
            choice = names[int(torch.multinomial(torch.tensor(list(self.weights.values())), 1))]
            if choice == "median":
                series, mask, months = _median_of_the_year(series, mask, months)
            else:
                mask = _drop_quarter(mask, months) if choice == "drop_quarter" else _keep_subset(mask)
        if self.month_dropout:
            mask = _drop_months(mask, self.month_dropout)
        if self.band_dropout:
            series = _drop_bands(series, self.band_dropout)
        return {"pixel_series": series, "series_mask": mask, "months": months}


class SeriesPerturbation(_Augmentation):
    """Show series that no simulator made and no label fits, for a student that only has to say what its teacher says.

    Each of these happens to a series by chance, one after the other:

    - `blending`: it becomes a weighted mean of itself and another series of the batch, at the times that both have.
    - `calendar_shift`: its year begins in another month, as south of the equator.
    - `gain_noise`: its bands, and its time steps, are brighter or darker than they were.
    - `value_noise`: every value is a little off.

    How far is drawn for each series between nothing and twice what is given, so that some stay nearly as they were.
    Scaled values stay within 0 and `clamp_max`, as the feature extractor leaves them. In evaluation, and where all four
    are 0, nothing is touched and nothing drawn. All randomness is torch's global generator's.

    Args:
        blending: probability that a series is blended.
        calendar_shift: probability that the year of a series is shifted, by whole months.
        gain_noise: standard deviation of the log of a band's gain, and of a time step's.
        value_noise: standard deviation of what is added to a scaled value.
        clamp_max: of the feature extractor.

    Raises:
        ValueError: a probability is outside 0 to 1, or a deviation is negative.
    """

    def __init__(
        self,
        blending: float = 0.0,
        calendar_shift: float = 0.0,
        gain_noise: float = 0.0,
        value_noise: float = 0.0,
        clamp_max: float = 1.0,
    ) -> None:
        super().__init__()
        _check(_SHARE, blending=blending, calendar_shift=calendar_shift)
        _check(_DEVIATION, gain_noise=gain_noise, value_noise=value_noise)
        self.blending = blending
        self.calendar_shift = calendar_shift
        self.gain_noise = gain_noise
        self.value_noise = value_noise
        self.clamp_max = clamp_max

    def _changes(self, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        series, mask, months = (batch[name] for name in ("pixel_series", "series_mask", "months"))
        rows = (len(series), *[1] * (series.ndim - 1))
        if self.blending:
            other = torch.randperm(len(series), device=series.device)
            share = torch.rand(rows, device=series.device) * (torch.rand(rows, device=series.device) < self.blending)
            both = (mask & mask[other]).reshape(*mask.shape, *rows[2:])
            series = torch.where(both, torch.lerp(series, series[other], share), series)
        if self.calendar_shift:
            moved = torch.randint(1, MONTHS_PER_YEAR, rows[:2], device=months.device)
            moved = moved * (torch.rand(rows[:2], device=months.device) < self.calendar_shift)
            months = (months + moved) % MONTHS_PER_YEAR
        if self.gain_noise:
            bands = torch.randn(len(series), 1, *series.shape[2:3], *rows[3:], device=series.device)
            times = torch.randn(*mask.shape, *rows[2:], device=series.device)
            far = 2 * self.gain_noise * torch.rand(rows, device=series.device)
            series = series * (far * bands).exp() * (far * times).exp()
        if self.value_noise:
            far = 2 * self.value_noise * torch.rand(rows, device=series.device)
            series = series + far * torch.randn_like(series)
        return {"pixel_series": series.clamp(0, self.clamp_max), "months": months}


class ImageAugmentation(_Augmentation):
    """Show each image in one of the eight ways to lay a square on itself: turned by quarters, mirrored or not.

    From above no direction is upright. Pixels only change places, so that nothing is interpolated or filled in;
    SenCLIP's paper turns by any angle, its released code uses RandAugment. In evaluation nothing is touched. All
    randomness is torch's global generator's.

    Args:
        enabled: False leaves images alone in training too.
    """

    def __init__(self, enabled: bool = True) -> None:
        super().__init__()
        self.enabled = enabled

    def _changes(self, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        if not self.enabled:
            return {}
        images = batch["pixel_values"]
        if images.shape[-1] != images.shape[-2]:
            raise ValueError(f"Only square images can be turned by quarters, got {tuple(images.shape)}.")
        augmented = images.clone()
        ways = torch.randint(8, (len(images),))
        for way in range(1, 8):
            rows = (ways == way).nonzero()[:, 0].to(images.device)
            turned = images[rows].rot90(way % 4, dims=(-2, -1))
            augmented[rows] = turned.flip(-1) if way >= 4 else turned
        return {"pixel_values": augmented}


def _check(bound: tuple[str, float], **values: float) -> None:
    for name, value in values.items():
        if not 0 <= value <= bound[1]:
            raise ValueError(f"`{name}` {bound[0]}, got {value}.")


def _median_of_the_year(series: torch.Tensor, mask: torch.Tensor, months: torch.Tensor) -> tuple[torch.Tensor, ...]:
    observed = mask.reshape(*mask.shape, *[1] * (series.ndim - 2))
    in_order = torch.where(observed, series, torch.inf).sort(dim=1).values
    num_observed = observed.sum(dim=1, keepdim=True)
    # The middle value, or the mean of the middle two; of none at all, zero, as missing time steps are.
    middle = torch.stack([(num_observed - 1).clamp(min=0) // 2, num_observed // 2])
    pair = [in_order.take_along_dim(index.clamp(max=mask.shape[1] - 1), dim=1) for index in middle]
    median = torch.where(num_observed > 0, (pair[0] + pair[1]) / 2, 0)
    middle_of_year = torch.full_like(months[..., :1], MIDDLE_OF_YEAR)
    return median.to(series.dtype), mask.any(dim=1, keepdim=True), middle_of_year


def _drop_quarter(mask: torch.Tensor, months: torch.Tensor) -> torch.Tensor:
    start = MONTHS_PER_YEAR * torch.rand(len(mask), 1, device=mask.device)
    return _unless_too_few(mask, (months - start) % MONTHS_PER_YEAR >= MONTHS_PER_QUARTER)


def _keep_subset(mask: torch.Tensor) -> torch.Tensor:
    num_observed = mask.sum(dim=1, keepdim=True)
    num_kept = 2 + (torch.rand(len(mask), 1, device=mask.device) * (num_observed - 2)).floor()
    # Time steps in random order, the missing ones last: the first of them stay.
    order = torch.where(mask, torch.rand(mask.shape, device=mask.device), torch.inf).argsort(dim=1).argsort(dim=1)
    return _unless_too_few(mask, order < num_kept)


def _drop_months(mask: torch.Tensor, share: float) -> torch.Tensor:
    rows = (len(mask), 1)
    shares = 2 * share * torch.rand(rows, device=mask.device) * (torch.rand(rows, device=mask.device) < 0.5)
    return _unless_too_few(mask, torch.rand(mask.shape, device=mask.device) >= shares)


def _unless_too_few(mask: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    # A series that lost nearly everything says nothing: it keeps what it had.
    remaining = mask & kept
    return torch.where(remaining.sum(dim=1, keepdim=True) < 2, mask, remaining)


def _drop_bands(series: torch.Tensor, probability: float) -> torch.Tensor:
    num_series, _, num_bands = series.shape[:3]
    draws = torch.rand(num_series, num_bands, device=series.device)
    rank = draws.argsort(dim=1).argsort(dim=1)
    dropped = (draws < probability) & (rank < num_bands // 2)
    return series.masked_fill(dropped.reshape(num_series, 1, num_bands, *[1] * (series.ndim - 3)), 0)
