"""Make an ONNX model of a pixel tower: a graph of plain operations, for any number of series and time steps.

The transformer is in its folded form, which [`fold`] makes, with the axes in the order that the runtimes' kernels want:
(series, token, width), and a softmax over the last axis.
"""

import copy
import logging
import warnings
from typing import Any

import torch
from torch import Tensor, nn
from transformers.activations import ACT2FN

from ..extras import needs_extra
from ..models.timesenclip.transformer_timesenclip import month_shares, wrapped
from .folding import Affine, FoldedBlock, FoldedLastLayer, FoldedLayer, fold

INPUTS = ("pixel_series", "series_mask", "months")
# Added to the score of a time step that was not observed; an infinity would be nothing that a quantiser can scale.
HIDDEN_SCORE = -1e9


class FoldedGraph(nn.Module):
    """Compute a [`TimeSenCLIPPixelModel`] with a transformer."""

    def __init__(self, tower: Any) -> None:
        super().__init__()
        folded, config = fold(tower), tower.config
        self.width, self.num_months = int(config.hidden_size), int(config.num_months)
        self.embed = _linear((folded.inputs.T, folded.inputs.new_zeros(folded.inputs.shape[1])), bias=False)
        self.layers = nn.ModuleList(_Layer(layer, config) for layer in folded.layers)
        self.last = _LastLayer(folded.last, config)
        self.head = nn.Sequential(_norm(folded.post_layernorm, config), _linear(folded.projection))

    def forward(self, pixel_series: Tensor, series_mask: Tensor, months: Tensor) -> Tensor:
        """Return the pooled output (batch, projection_dim)."""
        values = torch.where(series_mask[..., None], pixel_series.flatten(2), 0.0)
        rows = torch.cat([values, month_shares(months, self.num_months)], dim=2)
        # The class token's row stands first and its column last.
        rows = torch.cat([torch.zeros_like(rows[:, :1]), rows], dim=1)
        class_token = torch.cat([torch.ones_like(months[:, :1]), torch.zeros_like(months)], dim=1)[..., None]
        hidden = torch.cat([torch.zeros_like(months[:, :1]), torch.where(series_mask, 0.0, HIDDEN_SCORE)], dim=1)
        states, *qkv = self.embed(torch.cat([rows, class_token], dim=2)).split(self.width, dim=2)
        for layer in self.layers:
            states, qkv = layer(states, qkv, hidden), []
        pooled: Tensor = self.head(self.last(states, hidden))
        return pooled


class _AfterAttention(nn.Module):
    """Compute what follows attention in a layer, from its input and the heads' mixture."""

    def __init__(self, layer: FoldedBlock, config: Any) -> None:
        super().__init__()
        self.out, self.fc1, self.fc2 = _linear(layer.out), _linear(layer.fc1), _linear(layer.fc2)
        self.norm1, self.norm2 = _norm(layer.norm1, config), _norm(layer.norm2, config)
        self.activation = ACT2FN[config.hidden_act]

    def forward(self, states: Tensor, mixed: Tensor) -> Tensor:
        states = self.norm1(states + self.out(mixed))
        result: Tensor = self.norm2(states + self.fc2(self.activation(self.fc1(states))))
        return result


class _Layer(nn.Module):
    """Compute a layer for all tokens; it makes queries, keys and values where the list of them is empty."""

    def __init__(self, layer: FoldedLayer, config: Any) -> None:
        super().__init__()
        self.heads = int(config.num_attention_heads)
        self.qkv = nn.ModuleList(map(_linear, layer.qkv))
        self.after = _AfterAttention(layer, config)

    def forward(self, states: Tensor, qkv: list[Tensor], hidden: Tensor) -> Tensor:
        qkv = qkv or [project(states) for project in self.qkv]
        query, key, value = (part.reshape(*part.shape[:2], self.heads, -1).transpose(1, 2) for part in qkv)
        scores = query @ key.transpose(2, 3) + hidden[:, None, None]
        result: Tensor = self.after(states, (scores.softmax(dim=3) @ value).transpose(1, 2).flatten(2))
        return result


class _LastLayer(nn.Module):
    """Compute the last layer for the class token alone, (batch, width)."""

    def __init__(self, layer: FoldedLastLayer, config: Any) -> None:
        super().__init__()
        self.query = _linear(layer.query)
        self.keys, self.values = nn.Parameter(layer.keys), nn.Parameter(layer.values)
        self.after = _AfterAttention(layer, config)

    def forward(self, tokens: Tensor, hidden: Tensor) -> Tensor:
        state = tokens[:, 0]
        query = self.query(state).reshape(state.shape[0], len(self.keys), -1).transpose(0, 1)
        of_tokens = (query @ self.keys).transpose(0, 1)  # (series, head, width)
        scores = of_tokens @ tokens.transpose(1, 2) + hidden[:, None]
        mixed = (scores.softmax(dim=2) @ tokens).transpose(0, 1)
        result: Tensor = self.after(state, (mixed @ self.values).transpose(0, 1).flatten(1))
        return result


class MonthsGraph(nn.Module):
    """Compute a [`TimeSenCLIPPixelModel`] with an encoder without attention, which sees the months of a year."""

    def __init__(self, tower: Any) -> None:
        super().__init__()
        self.num_months = int(tower.config.num_months)
        self.encoder, self.head = tower.encoder, nn.Sequential(tower.post_layernorm, tower.projection)

    def forward(self, pixel_series: Tensor, series_mask: Tensor, months: Tensor) -> Tensor:
        """Return the pooled output (batch, projection_dim)."""
        seen = series_mask[..., None]
        values = torch.where(seen, pixel_series.flatten(2), 0.0)
        values = torch.cat([values, seen.to(values.dtype)], dim=2)
        # What `place_on_months` computes, but its sums over the time steps of a month are a product here.
        month = wrapped((months + 0.5).floor(), self.num_months)
        falls_on = (month[:, None] == torch.arange(float(self.num_months))[:, None]).to(values.dtype)
        sums = falls_on @ values
        pooled: Tensor = self.head(self.encoder(sums / sums[..., -1:].clamp(min=1))[1])
        return pooled


def _linear(weights: Affine, bias: bool = True) -> nn.Linear:
    weight, bias_values = weights
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=bias)
    linear.load_state_dict({"weight": weight, **({"bias": bias_values} if bias else {})})
    return linear


def _norm(weights: Affine, config: Any) -> nn.LayerNorm:
    weight, bias = weights
    norm = nn.LayerNorm(len(weight), eps=config.layer_norm_eps)
    norm.load_state_dict({"weight": weight, "bias": bias})
    return norm


def make_onnx(model: Any) -> Any:
    """Turn the pixel tower into a float32 ONNX model for any number of series and time steps.

    Args:
        model: a [`TimeSenCLIPModel`] or [`TimeSenCLIPPixelModel`]; it is left as it was.

    Raises:
        ImportError: the extra is not installed.
    """
    with needs_extra("export"):
        import onnx  # noqa: F401 (torch's exporter needs both and says so over many lines)
        import onnxscript  # noqa: F401
    tower = copy.deepcopy(getattr(model, "pixel_model", model)).cpu().float().eval()
    graph = (FoldedGraph if tower.encoder is None else MonthsGraph)(tower).eval().requires_grad_(False)
    bands = tower.config.num_bands
    patch = () if tower.config.patch_shape == (1, 1) else tower.config.patch_shape
    example = (torch.zeros(2, 3, bands, *patch), torch.ones(2, 3, dtype=torch.bool), torch.zeros(2, 3))
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("time")}
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    try:
        logger.setLevel(logging.ERROR)  # about torchvision, which nothing here needs
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that axes which must be equal get the same name
            program = torch.onnx.export(
                graph,
                example,
                dynamo=True,
                input_names=list(INPUTS),
                output_names=["pooler_output"],
                dynamic_shapes=(axes, axes, axes),
                verbose=False,
            )
    finally:
        logger.setLevel(level)
    assert program is not None
    exported = program.model_proto
    for part in (*exported.graph.node, *exported.graph.value_info, *exported.graph.input, *exported.graph.output):
        part.ClearField("metadata_props")  # where in whose source files it comes from
    return exported
