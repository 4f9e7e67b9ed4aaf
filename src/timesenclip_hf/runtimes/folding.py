"""Fold the weights of a pixel tower once for inference: the same embeddings with less work.

Three rearrangements leave the result as it is:

- the tokens are affine in the bands and in the month positions, so the first layer's queries, keys and values come from
  a time step's numbers and the shares of its two months in one product, positions, biases and scaling included;
- of the last layer only the class token is wanted: one query, one row through its feed-forward block;
- there, `q (W_k h)` is taken as `(q W_k) h` and `sum p (W_v h)` as `W_v (sum p h)`, so that keys and values of the
  other tokens are never made.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Affine = tuple[Tensor, Tensor]


@dataclass(frozen=True, kw_only=True)
class FoldedBlock:
    """Hold the weights and biases of what follows attention in every layer of the transformer."""

    out: Affine
    fc1: Affine
    fc2: Affine
    norm1: Affine
    norm2: Affine


@dataclass(frozen=True, kw_only=True)
class FoldedLayer(FoldedBlock):
    """Hold a layer of the transformer."""

    qkv: list[Affine]  # scaling folded into the queries; none in a first layer that has them from the inputs


@dataclass(frozen=True, kw_only=True)
class FoldedLastLayer(FoldedBlock):
    """Hold the last layer, for the class token alone; the bias of the values is folded into `out`.

    A query times `keys` is compared with the tokens themselves. A key's bias adds the same to all scores of a query,
    which its softmax does not see.
    """

    query: Affine  # scaling folded in
    keys: Tensor  # (heads, head_dim, width)
    values: Tensor  # (heads, width, head_dim), of each head's mixture of tokens


@dataclass(frozen=True)
class FoldedTransformer:
    """Hold the folded weights of a pixel tower with a transformer; float32.

    Attributes:
        inputs: (values of a time step + num_months + 1, outputs): what bands, the shares of the months, which sum to
            one, and the class token add to a token's hidden state and, behind that, to its queries, keys and values in
            the first layer. Those are left out where a time step has more numbers than the width, or the first layer is
            the last.
    """

    inputs: Tensor
    layers: list[FoldedLayer]  # all but the last
    last: FoldedLastLayer
    post_layernorm: Affine
    projection: Affine


@torch.no_grad()
def fold(tower: Any) -> FoldedTransformer:
    """Fold the weights of a [`TimeSenCLIPPixelModel`] with a transformer, in float64, to float32."""
    embeddings, layers = tower.embeddings, tower.layers
    bias = embeddings.band_projection.bias.double()
    inputs = torch.cat(
        [
            embeddings.band_projection.weight.double().T,
            embeddings.position_embedding.double() + bias,
            embeddings.class_embedding.double()[None],
        ]
    )
    values, width = inputs.shape[0] - 1 - tower.config.num_months, inputs.shape[1]
    from_inputs = values <= width and len(layers) > 1
    if from_inputs:
        parts = [(inputs @ weight.T, bias) for weight, bias in _qkv(layers[0].self_attn)]
        for part, part_bias in parts:
            part[values:] += part_bias
        inputs = torch.cat([inputs, *(part for part, _ in parts)], dim=1)
    return FoldedTransformer(
        inputs=inputs.float(),
        layers=[
            FoldedLayer(
                qkv=[] if from_inputs and index == 0 else [_float(*part) for part in _qkv(layer.self_attn)],
                out=affine_of(layer.self_attn.out_proj),
                **_block(layer),
            )
            for index, layer in enumerate(layers[:-1])
        ],
        last=_fold_last(layers[-1], tower.config.num_attention_heads),
        post_layernorm=affine_of(tower.post_layernorm),
        projection=affine_of(tower.projection),
    )


def _fold_last(layer: Any, heads: int) -> FoldedLastLayer:
    query, (keys, _), (values, value_bias) = [_float(*part) for part in _qkv(layer.self_attn)]
    weight, bias = affine_of(layer.self_attn.out_proj)
    shape = (heads, -1, keys.shape[1])
    return FoldedLastLayer(
        query=query,
        keys=keys.view(shape),
        values=values.view(shape).transpose(1, 2).contiguous(),
        out=(weight, bias + weight @ value_bias),
        **_block(layer),
    )


def _block(layer: Any) -> dict[str, Affine]:
    """Return the weights of what follows attention."""
    return {
        "fc1": affine_of(layer.fc1),
        "fc2": affine_of(layer.fc2),
        "norm1": affine_of(layer.layer_norm1),
        "norm2": affine_of(layer.layer_norm2),
    }


def _qkv(attention: Any) -> list[Affine]:
    """Return the weights of queries, keys and values, scaling folded into the queries; float64."""
    parts = (attention.q_proj, attention.k_proj, attention.v_proj)
    (weight, bias), *others = [(part.weight.double(), part.bias.double()) for part in parts]
    return [(weight * attention.scaling, bias * attention.scaling), *others]


def affine_of(module: Any) -> Affine:
    """Return weight and bias of a linear layer or a norm, float32."""
    return _float(module.weight, module.bias)


def _float(weight: Tensor, bias: Tensor) -> Affine:
    return weight.detach().float(), bias.detach().float()
