"""What turns a series into hidden states: the transformer's parts, and the two encoders that it was compared with."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from transformers.activations import ACT2FN
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from .configuration_timesenclip import TimeSenCLIPPixelConfig


def check_series(
    config: TimeSenCLIPPixelConfig,
    pixel_series: torch.Tensor,
    series_mask: torch.Tensor | None,
    months: torch.Tensor | None,
) -> None:
    """Holds the shapes of a tower's inputs against its configuration.

    Raises:
        ValueError: a shape does not fit, or `months` is missing for other than `num_months` looks.
    """
    patch = config.patch_shape
    accepted: list[tuple[int, ...]] = [(config.num_bands, *patch)]
    if patch == (1, 1):
        accepted.append((config.num_bands,))
    if pixel_series.ndim < 3 or tuple(pixel_series.shape[2:]) not in accepted:
        raise ValueError(
            f"`pixel_series` must be (batch, time, {', '.join(map(str, accepted[-1]))}), "
            f"got {tuple(pixel_series.shape)}."
        )
    looks = tuple(pixel_series.shape[:2])
    if series_mask is not None and tuple(series_mask.shape) != looks:
        raise ValueError(f"`series_mask` must be (batch, time) = {looks}, got {tuple(series_mask.shape)}.")
    if months is None and looks[1] != config.num_months:
        raise ValueError(
            f"A series of {looks[1]} looks needs `months` (0 = January); only series of {config.num_months} may leave "
            "them out."
        )
    if months is not None and tuple(months.shape) not in (looks, looks[1:]):
        raise ValueError(
            f"`months` must be (time,) = {looks[1:]} or (batch, time) = {looks}, got {tuple(months.shape)}."
        )


class TimeSenCLIPPixelEmbeddings(nn.Module):
    """One token a look, from its bands and its place in the year, behind a class token that has no place."""

    def __init__(self, config: TimeSenCLIPPixelConfig) -> None:
        super().__init__()
        self.config = config
        width: Any = config.hidden_size
        self.band_projection = nn.Linear(config.values_per_look, width)
        self.position_embedding = nn.Parameter(torch.zeros(config.num_months, width))
        self.class_embedding = nn.Parameter(torch.zeros(width))

    def forward(
        self, pixel_series: torch.Tensor, series_mask: torch.Tensor | None, months: torch.Tensor | None
    ) -> torch.Tensor:
        """Turns looks (batch, time, band[, height, width]) into tokens (batch, 1 + time, hidden_size)."""
        looks = pixel_series.flatten(2).to(self.band_projection.weight.dtype)
        if series_mask is not None:
            # NaN times an attention weight of zero is NaN: what was not observed must not enter at all.
            looks = looks.masked_fill(~series_mask.bool()[:, :, None], 0)
        tokens = self.band_projection(looks) + self._positions(months)
        class_token = self.class_embedding.expand(len(tokens), 1, -1)
        return torch.cat([class_token, tokens], dim=1)

    def _positions(self, months: torch.Tensor | None) -> torch.Tensor:
        if months is None:
            return self.position_embedding
        place = months.to(device=self.position_embedding.device, dtype=torch.float32) % self.config.num_months
        month = place.floor()
        fraction = (place - month)[..., None].to(self.position_embedding.dtype)
        earlier = month.long() % self.config.num_months
        later = (earlier + 1) % self.config.num_months
        return (1 - fraction) * self.position_embedding[earlier] + fraction * self.position_embedding[later]


def eager_attention_forward(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention written out, the reference that SDPA is tested against and the way to see attention weights."""
    scores = torch.matmul(query, key.transpose(-1, -2)) * scaling
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = nn.functional.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
    weights = nn.functional.dropout(weights, p=dropout, training=module.training)
    return torch.matmul(weights, value).transpose(1, 2), weights


class TimeSenCLIPPixelAttention(nn.Module):
    """Multi-head self-attention, queries, keys and values kept apart as in CLIP."""

    def __init__(self, config: TimeSenCLIPPixelConfig) -> None:
        super().__init__()
        self.config = config
        width: Any = config.hidden_size
        self.head_dim = width // config.num_attention_heads
        self.scaling = self.head_dim**-0.5
        self.is_causal = False
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(
        self,
        queries: torch.Tensor,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Lets (batch, queries, hidden_size) attend over (batch, tokens, hidden_size); weights come when eager."""
        heads = (-1, self.head_dim)
        attention: Callable[..., tuple[torch.Tensor, torch.Tensor | None]] = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, eager_attention_forward
        )
        mixed, weights = attention(
            self,
            self.q_proj(queries).unflatten(-1, heads).transpose(1, 2),
            self.k_proj(hidden_states).unflatten(-1, heads).transpose(1, 2),
            self.v_proj(hidden_states).unflatten(-1, heads).transpose(1, 2),
            attention_mask,
            scaling=self.scaling,
            dropout=self.config.attention_dropout if self.training else 0.0,
            **kwargs,
        )
        return self.out_proj(mixed.reshape(queries.shape)), weights


class TimeSenCLIPPixelLayer(GradientCheckpointingLayer):
    """One encoder layer; it normalises after each residual sum (post-LN), as `nn.TransformerEncoderLayer` does."""

    def __init__(self, config: TimeSenCLIPPixelConfig) -> None:
        super().__init__()
        width: Any = config.hidden_size
        inner: Any = config.intermediate_size
        dropout: Any = config.hidden_dropout_prob
        self.self_attn = TimeSenCLIPPixelAttention(config)
        self.layer_norm1 = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.fc1 = nn.Linear(width, inner)
        self.activation_fn = ACT2FN[config.hidden_act]
        self.fc2 = nn.Linear(inner, width)
        self.layer_norm2 = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        class_token_only: bool = False,
        **kwargs: Any,
    ) -> torch.Tensor:
        """Keeps the shape (batch, tokens, hidden_size), or makes it (batch, 1, hidden_size) for the class token."""
        queries = hidden_states[:, :1] if class_token_only else hidden_states
        attended, _ = self.self_attn(queries, hidden_states, attention_mask, **kwargs)
        hidden_states = self.layer_norm1(queries + self.dropout(attended))
        widened = self.dropout(self.activation_fn(self.fc1(hidden_states)))
        hidden_states = self.layer_norm2(hidden_states + self.dropout(self.fc2(widened)))
        return hidden_states


def place_on_months(
    pixel_series: torch.Tensor,
    series_mask: torch.Tensor | None,
    months: torch.Tensor | None,
    num_months: int,
) -> torch.Tensor:
    """Puts looks at any dates on the fixed grid that the encoders without attention need.

    Each look goes to its nearest month on the circle of the year, half-way ones to the later; looks of one month are
    averaged. A last channel is 1 where a month was seen, so that a missing month differs from a black one.

    Returns:
        (batch, num_months, values of a look + 1) float32; a month that was not seen is zero.
    """
    # The column of ones counts the looks of a month on the way, and becomes the channel that says whether it was seen.
    looks = nn.functional.pad(pixel_series.flatten(2).float(), (0, 1), value=1.0)
    if series_mask is not None:
        looks = looks.masked_fill(~series_mask.bool()[:, :, None], 0)
    if months is None:
        return looks
    month = (months.to(looks.device, torch.float32) + 0.5).floor().long() % num_months
    sums = looks.new_zeros(len(looks), num_months, looks.shape[2])
    sums = sums.scatter_add(1, month[..., None].expand_as(looks), looks)
    return sums / sums[..., -1:].clamp(min=1)


class TimeSenCLIPMLPLayer(nn.Sequential):
    """One hidden layer."""

    def __init__(self, config: TimeSenCLIPPixelConfig, inputs: int) -> None:
        width: Any = config.hidden_size
        dropout: Any = config.hidden_dropout_prob
        super().__init__(nn.Linear(inputs, width), ACT2FN[config.hidden_act], nn.Dropout(dropout))


class TimeSenCLIPMLP(nn.Module):
    """The year as one vector, through hidden layers: the baseline of Wang et al. 2017 (arXiv 1611.06455).

    Three layers of 500 with ReLU and dropout, which is 0.1, 0.2, 0.2 and 0.3 there from the input to the last layer,
    and one rate after each layer here. What TimeSenCLIP's ablation used is in neither its released code nor, that
    we found, its paper.
    """

    def __init__(self, config: TimeSenCLIPPixelConfig) -> None:
        super().__init__()
        width: Any = config.hidden_size
        depth: Any = config.num_hidden_layers
        self.output_size = width
        inputs = [config.num_months * (config.values_per_look + 1)] + [width] * (depth - 1)
        self.layers = nn.ModuleList(TimeSenCLIPMLPLayer(config, size) for size in inputs)

    def forward(self, months: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Months (batch, num_months, values + 1) to hidden states (batch, 1, hidden_size) and the same, pooled."""
        hidden_states = months.flatten(1)[:, None]
        for layer in self.layers:
            hidden_states = layer(hidden_states)
        return hidden_states, hidden_states[:, 0]


class TimeSenCLIPConvLayer(nn.Sequential):
    """One convolution over the months; what lies outside the year is zero, as in the published network."""

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
    """TempCNN (Pelletier et al. 2019, doi 10.3390/rs11050523): convolutions over the months and a dense layer.

    Sizes are those of the authors' code (charlotte-pel/temporalCNN, `Archi_3CONV64_1FC256`); its softmax gives way to
    the tower's head. Batch normalisation has PyTorch's momentum and epsilon in place of Keras'; in training it sees
    the rows that are computed together, so that a batch in parts is not quite the batch as a whole.
    """

    def __init__(self, config: TimeSenCLIPPixelConfig) -> None:
        super().__init__()
        width: Any = config.hidden_size
        depth: Any = config.num_hidden_layers
        dense: Any = config.intermediate_size
        dropout: Any = config.hidden_dropout_prob
        self.output_size = dense
        channels = [config.values_per_look + 1] + [width] * (depth - 1)
        self.layers = nn.ModuleList(TimeSenCLIPConvLayer(config, size) for size in channels)
        self.dense = nn.Sequential(
            nn.Linear(config.num_months * width, dense),
            nn.BatchNorm1d(dense),
            ACT2FN[config.hidden_act],
            nn.Dropout(dropout),
        )

    def forward(self, months: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Months (batch, num_months, values + 1) to (batch, num_months, hidden_size) and (batch, intermediate_size)."""
        hidden_states = months.transpose(1, 2)
        for layer in self.layers:
            hidden_states = layer(hidden_states)
        return hidden_states.transpose(1, 2), self.dense(hidden_states.flatten(1))
