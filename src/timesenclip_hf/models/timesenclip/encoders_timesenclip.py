"""Encode a year without attention, on a fixed grid of months: the encoders that the transformer is compared with."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers.activations import ACT2FN
from transformers.modeling_layers import GradientCheckpointingLayer

from .configuration_timesenclip import TimeSenCLIPPixelConfig


def place_on_months(pixel_series: Tensor, series_mask: Tensor | None, months: Tensor | None, num_months: int) -> Tensor:
    """Put time steps at any dates on the fixed grid that the encoders without attention need.

    Each goes to its nearest month on the circle of the year, half-way ones to the later; those of one month are
    averaged. A last channel is 1 where a month was observed, so that a missing month differs from a black one.

    Args:
        pixel_series: scaled reflectance (batch, time, band[, height, width]).
        series_mask: (batch, time), True where observed; all observed when left out.
        months: (time,) or (batch, time), 0 = January; `None` where the time steps are the months in their order.
        num_months: of the grid.

    Returns:
        (batch, num_months, values of a time step + 1) float32; a month that was not observed is zero.
    """
    # The column of ones counts the time steps of a month on the way, and becomes that last channel.
    values = nn.functional.pad(pixel_series.flatten(2).float(), (0, 1), value=1.0)
    if series_mask is not None:
        values = values.masked_fill(~series_mask.bool()[:, :, None], 0)
    if months is None:
        return values
    month = (months.to(values.device, torch.float32) + 0.5).floor().long() % num_months
    sums = values.new_zeros(values.shape[0], num_months, values.shape[2])
    sums = sums.scatter_add(1, month[..., None].expand_as(values), values)
    return sums / sums[..., -1:].clamp(min=1)


class TimeSenCLIPMLPLayer(GradientCheckpointingLayer, nn.Sequential):
    """Apply a hidden layer: linear, activation, dropout."""

    def __init__(self, config: TimeSenCLIPPixelConfig, inputs: int) -> None:
        width: Any = config.hidden_size
        dropout: Any = config.hidden_dropout_prob
        super().__init__(nn.Linear(inputs, width), ACT2FN[config.hidden_act], nn.Dropout(dropout))


class TimeSenCLIPMLP(nn.Module):
    """Encode the year as a vector by hidden layers: the baseline of Wang et al. 2017 (arXiv 1611.06455).

    Its dropout grows from the input to the last layer, and is the same after each layer here.
    """

    def __init__(self, config: TimeSenCLIPPixelConfig) -> None:
        super().__init__()
        width: Any = config.hidden_size
        depth: Any = config.num_hidden_layers
        self.output_size = width
        inputs = [config.num_months * (config.values_per_step + 1)] + [width] * (depth - 1)
        self.layers = nn.ModuleList(TimeSenCLIPMLPLayer(config, size) for size in inputs)

    def forward(self, months: Tensor) -> tuple[Tensor, Tensor]:
        """Turn months (batch, num_months, values + 1) into (batch, 1, hidden_size), and into the same pooled."""
        hidden_states = months.flatten(1)[:, None]
        for layer in self.layers:
            hidden_states = layer(hidden_states)
        return hidden_states, hidden_states[:, 0]


class TimeSenCLIPConvLayer(nn.Sequential):
    """Apply a convolution over the months; what lies outside the year is zero, as in the published network."""

    def __init__(self, config: TimeSenCLIPPixelConfig, channels: int) -> None:
        width: Any = config.hidden_size
        dropout: Any = config.hidden_dropout_prob
        super().__init__(
            nn.Conv1d(channels, width, config.conv_kernel_size, padding="same"),
            nn.BatchNorm1d(width),
            ACT2FN[config.hidden_act],
            nn.Dropout(dropout),
        )


class TimeSenCLIPTempCNN(nn.Module):
    """Encode the year by convolutions over the months and a dense layer: TempCNN of Pelletier et al. 2019.

    See doi 10.3390/rs11050523. Sizes are those of the authors' code (charlotte-pel/temporalCNN,
    `Archi_3CONV64_1FC256`); its softmax gives way to the tower's head. Batch normalisation has PyTorch's momentum and
    epsilon in place of Keras'; in training it sees the rows that are computed together, so that a batch in parts is not
    quite the batch in one.
    """

    def __init__(self, config: TimeSenCLIPPixelConfig) -> None:
        super().__init__()
        width: Any = config.hidden_size
        depth: Any = config.num_hidden_layers
        dense: Any = config.intermediate_size
        dropout: Any = config.hidden_dropout_prob
        self.output_size = dense
        channels = [config.values_per_step + 1] + [width] * (depth - 1)
        self.layers = nn.ModuleList(TimeSenCLIPConvLayer(config, size) for size in channels)
        self.dense = nn.Sequential(
            nn.Linear(config.num_months * width, dense),
            nn.BatchNorm1d(dense),
            ACT2FN[config.hidden_act],
            nn.Dropout(dropout),
        )

    def forward(self, months: Tensor) -> tuple[Tensor, Tensor]:
        """Turn months (batch, num_months, values + 1) into (batch, num_months, hidden_size), and into a vector."""
        hidden_states = months.transpose(1, 2)
        for layer in self.layers:
            hidden_states = layer(hidden_states)
        return hidden_states.transpose(1, 2), self.dense(hidden_states.flatten(1))
