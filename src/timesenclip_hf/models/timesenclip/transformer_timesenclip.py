"""Turn the time steps of a series into tokens, by their bands and months, and let them attend to each other."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from transformers.activations import ACT2FN
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from .configuration_timesenclip import TimeSenCLIPPixelConfig


def check_series(
    config: TimeSenCLIPPixelConfig, pixel_series: Tensor, series_mask: Tensor | None, months: Tensor | None
) -> None:
    """Hold the shapes of a tower's inputs against its configuration.

    Args:
        config: of the tower.
        pixel_series: (batch, time, band[, height, width]).
        series_mask: (batch, time).
        months: (time,) or (batch, time).

    Raises:
        ValueError: a shape does not fit, or `months` is missing for other than `num_months` time steps.
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
    shape = tuple(pixel_series.shape[:2])
    if series_mask is not None and tuple(series_mask.shape) != shape:
        raise ValueError(f"`series_mask` must be (batch, time) = {shape}, got {tuple(series_mask.shape)}.")
    if months is None and shape[1] != config.num_months:
        raise ValueError(
            f"A series of {shape[1]} time steps needs `months` (0 = January); only series of {config.num_months} may "
            "leave them out."
        )
    if months is not None and tuple(months.shape) not in (shape, shape[1:]):
        raise ValueError(
            f"`months` must be (time,) = {shape[1:]} or (batch, time) = {shape}, got {tuple(months.shape)}."
        )


def neighbouring_months(months: Tensor, num_months: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the positions before and after times of the year, and the share of the latter, linear on the circle.

    All operations are such that ONNX has them; it has no remainder of floats with the sign of the divisor.

    Args:
        months: float32 of any shape, which the results have too; 0 is the first position, `num_months` again.
        num_months: learned positions.
    """
    months = wrapped(months, num_months)
    earlier = months.floor()
    fraction = months - earlier
    earlier = wrapped(earlier, num_months)  # a time just before the first position may have been rounded up to it
    return earlier, wrapped(earlier + 1, num_months), fraction


def month_shares(months: Tensor, num_months: int) -> Tensor:
    """Return the share of each learned position in those of times of the year, (..., num_months)."""
    earlier, later, fraction = (values[..., None] for values in neighbouring_months(months, num_months))
    positions = torch.arange(float(num_months), device=months.device)
    return (1 - fraction) * (earlier == positions) + fraction * (later == positions)


def wrapped(months: Tensor, num_months: int) -> Tensor:
    """Bring months into [0, num_months), as the year is a circle."""
    return months - (months / num_months).floor() * num_months


class TimeSenCLIPPixelEmbeddings(nn.Module):
    """Make a token of each time step, from its bands and its month, behind a class token that has no month."""

    def __init__(self, config: TimeSenCLIPPixelConfig) -> None:
        super().__init__()
        self.config = config
        width: Any = config.hidden_size
        self.band_projection = nn.Linear(config.values_per_step, width)
        self.position_embedding = nn.Parameter(torch.zeros(config.num_months, width))
        self.class_embedding = nn.Parameter(torch.zeros(width))

    def forward(self, pixel_series: Tensor, series_mask: Tensor | None, months: Tensor | None) -> Tensor:
        """Turn time steps (batch, time, band[, height, width]) into tokens (batch, 1 + time, hidden_size)."""
        values = pixel_series.flatten(2).to(self.band_projection.weight.dtype)
        if series_mask is not None:
            # NaN times an attention weight of zero is NaN: what was not observed must not enter at all.
            values = values.masked_fill(~series_mask.bool()[:, :, None], 0)
        tokens = self.band_projection(values) + self._positions(months)
        class_token = self.class_embedding.expand(tokens.shape[0], 1, -1)
        return torch.cat([class_token, tokens], dim=1)

    def _positions(self, months: Tensor | None) -> Tensor:
        """Return the learned positions of months, or of all in their order: ([batch,] time, hidden_size)."""
        if months is None:
            return self.position_embedding
        months = months.to(device=self.position_embedding.device, dtype=torch.float32)
        earlier, later, fraction = neighbouring_months(months, self.config.num_months)
        fraction = fraction[..., None].to(self.position_embedding.dtype)
        before, after = self.position_embedding[earlier.long()], self.position_embedding[later.long()]
        return (1 - fraction) * before + fraction * after


def eager_attention_forward(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[Tensor, Tensor]:
    """Attend in plain operations: what SDPA is tested against, and the way to see attention weights.

    Args:
        module: whose mode says whether there is dropout.
        query: (batch, head, query, head_dim).
        key: (batch, head, token, head_dim).
        value: (batch, head, token, head_dim).
        attention_mask: added to the scores; nothing is hidden without it.
        scaling: of the scores.
        dropout: on the weights.
        **kwargs: of transformers, not needed here.

    Returns:
        The mixed values (batch, query, head, head_dim), and the weights (batch, head, query, token).
    """
    scores = torch.matmul(query, key.transpose(-1, -2)) * scaling
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = nn.functional.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
    weights = nn.functional.dropout(weights, p=dropout, training=module.training)
    return torch.matmul(weights, value).transpose(1, 2), weights


class TimeSenCLIPPixelAttention(nn.Module):
    """Attend with several heads, queries, keys and values kept apart as in CLIP."""

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
        self, queries: Tensor, hidden_states: Tensor, attention_mask: Tensor | None = None, **kwargs: Any
    ) -> tuple[Tensor, Tensor | None]:
        """Let (batch, queries, hidden_size) attend over (batch, tokens, hidden_size); weights come when eager."""
        heads = (-1, self.head_dim)
        attention: Callable[..., tuple[Tensor, Tensor | None]] = ALL_ATTENTION_FUNCTIONS.get_interface(
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
    """Attend and transform, with a norm after each residual sum (post-LN), as `nn.TransformerEncoderLayer` has it."""

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
        self, hidden_states: Tensor, attention_mask: Tensor | None = None, class_token_only: bool = False, **kwargs: Any
    ) -> Tensor:
        """Keep the shape (batch, tokens, hidden_size), or make it (batch, 1, hidden_size) for the class token."""
        queries = hidden_states[:, :1] if class_token_only else hidden_states
        attended, _ = self.self_attn(queries, hidden_states, attention_mask, **kwargs)
        hidden_states = self.layer_norm1(queries + self.dropout(attended))
        widened = self.dropout(self.activation_fn(self.fc1(hidden_states)))
        hidden_states = self.layer_norm2(hidden_states + self.dropout(self.fc2(widened)))
        return hidden_states
