"""The pixel tower made fast for inference: its weights folded once, the same embeddings with less work.

The model stays the plain, readable one; what is here is derived from its weights and tested to be equal to it. Three
rearrangements leave the result what it is:

- the tokens are affine in the bands and in the month positions, so the first layer's queries, keys and values come from
  a look's numbers and the weights of its two months in one product, positions, biases and scaling included;
- of the last layer only the class token is wanted: one query, one row through its feed-forward block;
- there, `q (W_k h)` is taken as `(q W_k) h` and `sum p (W_v h)` as `W_v (sum p h)`, so that keys and values of the
  other tokens are never made.

Tokens lie time first, (token, series, width): heads of neighbouring series are then evenly spaced, and the keys that a
softmax runs over lie first, where it is vectorised (a softmax over a last axis of 13 took ten times as long).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn
from transformers.activations import ACT2FN

from .encoders_timesenclip import TimeSenCLIPMLP, check_series, place_on_months

Product = Callable[[torch.Tensor], torch.Tensor]
Affine = tuple[torch.Tensor, torch.Tensor]

# By name: the type of the matrix products, and that of residual sums and norms.
PRECISIONS: dict[str, tuple[torch.dtype, torch.dtype]] = {
    "float32": (torch.float32, torch.float32),
    "bfloat16": (torch.bfloat16, torch.float32),
    "pure_bfloat16": (torch.bfloat16, torch.bfloat16),
    "float16": (torch.float16, torch.float32),
}
# Bytes of the widest activations of a chunk, the queries, keys and values of all its tokens, on a processor and on a
# graphics card. Measured on two cores with 32 MB of cache, where twice as many were up to 15 % slower: 128 series of
# the published size in float32, 256 in bfloat16. On a graphics card not tried.
CHUNK_BYTES = 10_300_000
CHUNK_BYTES_GPU = 64 * CHUNK_BYTES


def precision_name(dtype: torch.dtype | str | None, own: torch.dtype = torch.float32) -> str:
    """Name of a precision.

    Args:
        dtype: such as `torch.bfloat16`, or a name of `PRECISIONS`.
        own: the model's, which stands in where none is given: bfloat16 is then computed purely, float64 in float32.

    Raises:
        ValueError: there is no such precision.
    """
    if dtype is None:
        return {torch.bfloat16: "pure_bfloat16", torch.float16: "float16"}.get(own, "float32")
    name = str(dtype).removeprefix("torch.")
    if name not in PRECISIONS:
        raise ValueError(f"`dtype` must be {', '.join(PRECISIONS)}, got {name!r}.")
    return name


def check_precision(name: str, device: torch.device) -> None:
    """Holds a precision against what a device computes.

    Raises:
        ValueError: the device does not compute in it, or only by emulation.
    """
    product_type, _ = PRECISIONS[name]
    if device.type == "cpu" and product_type == torch.float16:
        raise ValueError("float16 is for graphics cards: use bfloat16 or float32 on a processor.")
    if device.type == "cpu" and product_type == torch.bfloat16 and not _has_bfloat16():
        raise ValueError("This processor does not compute in bfloat16: leave the dtype out, or use float32.")


@lru_cache
def _has_bfloat16() -> bool:
    # What autocast asks too; without the question the answer is no.
    asked = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return bool(asked is not None and asked())


# -- Matrix products --------------------------------------------------------------------------------------------------


def engine_of(dtype: torch.dtype, device: torch.device) -> str:
    """What computes the products: "oneDNN" with packed weights where it works, or "PyTorch"."""
    return "oneDNN" if device.type == "cpu" and _packs(dtype) else "PyTorch"


def make_product(weight: torch.Tensor, bias: torch.Tensor, rows: int, activation: str = "none") -> Product:
    """A linear layer and its activation, ready to be used often.

    On a processor oneDNN computes it from packed weights, as `torch.compile` does with frozen ones: on AMD's twice to
    three times as fast in float32 as `nn.functional.linear`, which leaves it to MKL, and the same on any thread, with
    no setting of the process changed. Its operators are not public, so they are tried first, and PyTorch's own product
    stands in where they fail.

    Args:
        weight: (outputs, inputs), in the type to compute in.
        bias: (outputs,).
        rows: of the inputs that come most often.
        activation: name of one of transformers' activations, or "none".
    """
    weight, bias = weight.contiguous(), bias.to(weight.dtype).contiguous()
    fused = activation if activation in ("none", "relu") else "none"
    if engine_of(weight.dtype, weight.device) == "oneDNN":
        product: Product = partial(_packed_product, torch.ops.mkldnn._reorder_linear_weight(weight, rows), bias, fused)
    else:
        product = partial(_plain_product, weight, bias, fused)
    return product if fused == activation else partial(_activated, product, ACT2FN[activation])


def _packed_product(weight: torch.Tensor, bias: torch.Tensor, activation: str, x: torch.Tensor) -> torch.Tensor:
    y: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, activation, [], "")
    return y


def _plain_product(weight: torch.Tensor, bias: torch.Tensor, activation: str, x: torch.Tensor) -> torch.Tensor:
    y = nn.functional.linear(x, weight, bias)
    return y.relu_() if activation == "relu" else y


def _activated(product: Product, activation: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    return activation(product(x))


@lru_cache
def _packs(dtype: torch.dtype) -> bool:
    """Whether oneDNN's packed products work here, and are exact."""

    def product(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        packed = torch.ops.mkldnn._reorder_linear_weight(weight, len(x))
        return _packed_product(packed, torch.zeros(len(weight), dtype=dtype), "relu", x)

    try:
        return all(is_exact(shape, product, dtype) for shape in PROBED_SHAPES)
    except (AttributeError, NotImplementedError, RuntimeError):
        return False


# Rows, columns and terms of products: few and many rows of a layer, the gradient of its weights, a scalar product.
PROBED_SHAPES = ((7, 512, 512), (1024, 256, 512), (512, 512, 1024), (1, 1, 1024))


def is_exact(
    shape: tuple[int, int, int],
    product: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = nn.functional.linear,
    dtype: torch.dtype = torch.float32,
) -> bool:
    """Whether a product of rows, columns and terms keeps, of float32, what bfloat16 and TF32 would round off."""
    rows, columns, terms = shape
    # 1 + 2^-12 is 1 in bfloat16 and in TF32; its multiples up to 1024 are float32 numbers, summed in any order.
    value = 1 + 2**-12 if dtype == torch.float32 else 1
    found = product(torch.full((rows, terms), value, dtype=dtype), torch.ones(columns, terms, dtype=dtype))
    return bool((found == terms * value).all())


# -- Weights ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FoldedLayer:
    """A layer of the transformer.

    Attributes:
        qkv: of queries, keys and values, scaling folded into the queries; none in a first layer that has them from the
            looks.
        out: of the heads' mixture.
        fc1: of the feed-forward block.
        fc2: of the feed-forward block.
        norm1: weight and bias.
        norm2: weight and bias.
    """

    qkv: list[Affine]
    out: Affine
    fc1: Affine
    fc2: Affine
    norm1: Affine
    norm2: Affine


@dataclass(frozen=True)
class FoldedLastLayer:
    """The last layer, for the class token alone.

    Attributes:
        query: scaling folded in.
        keys: (heads, head_dim, width); a query times them is compared with the tokens themselves. A key's bias adds
            the same to all scores of a query, which its softmax does not see.
        values: (heads, width, head_dim), of each head's mixture of tokens.
        out: of the heads' mixture, the bias of the values folded in.
        fc1: of the feed-forward block.
        fc2: of the feed-forward block.
        norm1: weight and bias.
        norm2: weight and bias.
    """

    query: Affine
    keys: torch.Tensor
    values: torch.Tensor
    out: Affine
    fc1: Affine
    fc2: Affine
    norm1: Affine
    norm2: Affine


@dataclass(frozen=True)
class FoldedTransformer:
    """Weights of a pixel tower with a transformer, folded; float32.

    Attributes:
        looks: (values of a look + num_months + 1, outputs): what bands, the weights of the months, which sum to one,
            and the class token add to a token's hidden state and, behind that, to its queries, keys and values in the
            first layer. Those are left out where a look has more numbers than the width, or the first layer is the
            last.
        layers: all but the last.
        last: the last.
        post_layernorm: weight and bias.
        projection: of the head.
    """

    looks: torch.Tensor
    layers: list[FoldedLayer]
    last: FoldedLastLayer
    post_layernorm: Affine
    projection: Affine


@torch.no_grad()
def fold(tower: Any) -> FoldedTransformer:
    """Folds the weights of a [`TimeSenCLIPPixelModel`] with a transformer, in float64, to float32."""
    embeddings, layers = tower.embeddings, tower.layers
    bias = embeddings.band_projection.bias.double()
    looks = torch.cat(
        [
            embeddings.band_projection.weight.double().T,
            embeddings.position_embedding.double() + bias,
            embeddings.class_embedding.double()[None],
        ]
    )
    values, width = looks.shape[0] - 1 - tower.config.num_months, looks.shape[1]
    from_looks = values <= width and len(layers) > 1
    if from_looks:
        parts = [(looks @ weight.T, bias) for weight, bias in _qkv(layers[0].self_attn)]
        for part, part_bias in parts:
            part[values:] += part_bias
        looks = torch.cat([looks, *(part for part, _ in parts)], dim=1)
    return FoldedTransformer(
        looks=looks.float(),
        layers=[
            FoldedLayer(
                qkv=[] if from_looks and index == 0 else [_float(*part) for part in _qkv(layer.self_attn)],
                out=_of(layer.self_attn.out_proj),
                **_block(layer),
            )
            for index, layer in enumerate(layers[:-1])
        ],
        last=_fold_last(layers[-1], tower.config.num_attention_heads),
        post_layernorm=_of(tower.post_layernorm),
        projection=_of(tower.projection),
    )


def _fold_last(layer: Any, heads: int) -> FoldedLastLayer:
    query, (keys, _), (values, value_bias) = [_float(*part) for part in _qkv(layer.self_attn)]
    weight, bias = _of(layer.self_attn.out_proj)
    shape = (heads, -1, keys.shape[1])
    return FoldedLastLayer(
        query=query,
        keys=keys.view(shape),
        values=values.view(shape).transpose(1, 2).contiguous(),
        out=(weight, bias + weight @ value_bias),
        **_block(layer),
    )


def _block(layer: Any) -> dict[str, Affine]:
    return {
        "fc1": _of(layer.fc1),
        "fc2": _of(layer.fc2),
        "norm1": _of(layer.layer_norm1),
        "norm2": _of(layer.layer_norm2),
    }


def _qkv(attention: Any) -> list[Affine]:
    parts = (attention.q_proj, attention.k_proj, attention.v_proj)
    (weight, bias), *others = [(part.weight.double(), part.bias.double()) for part in parts]
    return [(weight * attention.scaling, bias * attention.scaling), *others]


def _of(module: Any) -> Affine:
    return _float(module.weight, module.bias)


def _float(weight: torch.Tensor, bias: torch.Tensor) -> Affine:
    return weight.detach().float(), bias.detach().float()


# -- Plans ------------------------------------------------------------------------------------------------------------


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


class InferencePlan(PooledTower):
    """How a pixel tower is computed in bulk; a copy of its weights in the form that is fastest here.

    Args:
        tower: a [`TimeSenCLIPPixelModel`].
        precision: a name of `PRECISIONS`.
        device: where to compute.

    Attributes:
        engine: what computes the matrix products, see [`engine_of`].

    Raises:
        ValueError: the device does not compute in the precision.
    """

    def __init__(self, tower: Any, precision: str, device: torch.device) -> None:
        check_precision(precision, device)
        self.config = tower.config
        self.device = device
        self.product_type, self.sum_type = PRECISIONS[precision]
        self.halved = self.product_type != torch.float32
        self.engine = engine_of(self.product_type, device)
        bytes_of_chunk = CHUNK_BYTES if device.type == "cpu" else CHUNK_BYTES_GPU
        bytes_of_series = self._widest(tower) * self.product_type.itemsize
        self.chunk_size = 1 << max((bytes_of_chunk // bytes_of_series).bit_length() - 1, 4)  # a power of two
        self._build(tower)
        if device.type == "cpu":
            # glibc hands freed memory back beyond twice the largest block freed so far, which it counts up to 32 MB.
            # One such block keeps what a chunk needs at hand for the next: else every chunk had its pages zeroed anew,
            # a tenth of the time.
            torch.empty(2**25 - 2**16, dtype=torch.uint8)

    def _widest(self, tower: Any) -> int:
        return int(3 * (tower.config.num_months + 1) * tower.config.hidden_size)

    def _build(self, tower: Any) -> None:
        raise NotImplementedError

    def _product(self, weights: Affine, rows: int, activation: str = "none") -> Product:
        weight, bias = (values.to(self.device, self.product_type) for values in weights)
        return make_product(weight, bias, rows, activation)

    def _head(self, post_layernorm: Affine, projection: Affine) -> Product:
        """Norm and projection, a small part of the work, always in float32."""
        weight, bias = (values.to(self.device) for values in post_layernorm)
        project = make_product(projection[0].to(self.device), projection[1].to(self.device), self.chunk_size)
        eps = self.config.layer_norm_eps
        return lambda x: project(nn.functional.layer_norm(x.float(), weight.shape, weight, bias, eps))


class TransformerPlan(InferencePlan):
    """The folded transformer."""

    def compile(self) -> None:
        """Lets `torch.compile` fuse what stands between the products.

        It takes some ten seconds at the next use and needs a C++ compiler; what it brings is among `make bench`'s
        figures. As [`plan_of`] keeps the plan, [`encode`] then uses it.
        """
        self._join = torch.compile(_joined, dynamic=True)

    def _build(self, tower: Any) -> None:
        folded = fold(tower)
        self.heads = int(self.config.num_attention_heads)
        self.width = int(self.config.hidden_size)
        rows = self.chunk_size * (self.config.num_months + 1)
        looks = folded.looks
        if self.halved:
            # A number of half the width is given with what its rounding lost, so that no look is rounded.
            looks = torch.cat([looks[:-1], looks])
        # Hidden states and, where they come from the looks, queries, keys and values: a product each, so that the
        # heads of each lie evenly spaced.
        none = looks.new_zeros(self.width)
        self.embed = [self._product((part.T, none), rows) for part in torch.split(looks, self.width, dim=1)]
        activation = self.config.hidden_act
        self._join = _joined
        self.layers = [
            (
                [self._product(part, rows) for part in layer.qkv],
                self._product(layer.out, rows),
                self._norm(layer.norm1),
                self._product(layer.fc1, rows, activation),
                self._product(layer.fc2, rows),
                self._norm(layer.norm2),
            )
            for layer in folded.layers
        ]
        last = folded.last
        self.query = self._product(last.query, self.chunk_size)
        self.keys, self.values = (part.to(self.device, self.product_type) for part in (last.keys, last.values))
        self.last = (
            self._product(last.out, self.chunk_size),
            self._norm(last.norm1),
            self._product(last.fc1, self.chunk_size, activation),
            self._product(last.fc2, self.chunk_size),
            self._norm(last.norm2),
        )
        self.head = self._head(folded.post_layernorm, folded.projection)

    def _run(
        self, pixel_series: torch.Tensor, series_mask: torch.Tensor | None, months: torch.Tensor | None
    ) -> torch.Tensor:
        rows = self._rows(pixel_series, series_mask, months)
        tokens, count = rows.shape[:2]
        hidden_keys = self._hidden_keys(series_mask)
        states, *qkv = [part(rows.flatten(0, 1)) for part in self.embed]
        sums = states.to(self.sum_type)
        for project, out, norm1, fc1, fc2, norm2 in self.layers:
            if project:
                qkv = [part(states) for part in project]
            query, key, value = (part.reshape(tokens, count * self.heads, -1) for part in qkv)
            mixed = self._attend(query, key, value, hidden_keys)
            sums, states = self._join(out(mixed.view(tokens * count, -1)), sums, *norm1)
            sums, states = self._join(fc2(fc1(states)), sums, *norm2)
        return self._class_token(sums[:count], states.view(tokens, count, -1), hidden_keys)

    def _rows(
        self, pixel_series: torch.Tensor, series_mask: torch.Tensor | None, months: torch.Tensor | None
    ) -> torch.Tensor:
        """What the tokens are products of: (token, series, numbers), the class token's row first."""
        looks = pixel_series.flatten(2).float()
        if series_mask is not None:
            # NaN times a weight of zero is NaN: what was not observed must not enter at all.
            looks = looks.masked_fill(~series_mask.bool()[:, :, None], 0)
        count, time, values = looks.shape
        numbers = values + self.config.num_months
        rows = looks.new_zeros(1 + time, count, numbers)
        rows[1:, :, :values] = looks.transpose(0, 1)
        rows[1:, :, values:] = self._month_weights(months, time)
        class_token = rows.new_zeros(1 + time, count, 1)
        class_token[0] = 1
        if not self.halved:
            return torch.cat([rows, class_token], dim=2)
        near = rows.to(self.product_type)
        rest = (rows - near.float()).to(self.product_type)
        return torch.cat([near, rest, class_token.to(self.product_type)], dim=2)

    def _month_weights(self, months: torch.Tensor | None, time: int) -> torch.Tensor:
        """Shares of the learned positions in each look's, (time, series or 1, num_months)."""
        size: int = self.config.num_months
        places = torch.arange(time, device=self.device) if months is None else months
        places = places.to(self.device, torch.float32) % size
        places = places[:, None] if places.ndim == 1 else places.T
        earlier = places.floor()
        fraction = (places - earlier)[..., None]
        index = earlier.long()[..., None] % size
        weights = fraction.new_zeros(*places.shape, size)
        return weights.scatter_add_(2, index, 1 - fraction).scatter_add_(2, (index + 1) % size, fraction)

    def _hidden_keys(self, series_mask: torch.Tensor | None) -> torch.Tensor | None:
        """Which tokens of which series no query sees, (token, series); `None` where all are seen."""
        if series_mask is None or (self.device.type == "cpu" and bool(series_mask.all())):
            return None
        return nn.functional.pad(~series_mask.bool().T, (0, 0, 1, 0), value=False)

    def _attend(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, hidden_keys: torch.Tensor | None
    ) -> torch.Tensor:
        """Attention over few tokens of many series, each (token, series x head, head_dim); the same shape."""
        shape = value.shape
        query, key, value = (part.transpose(0, 1) for part in (query, key, value))
        if self.halved:  # oneDNN's products of half the width want their rows together, but write them apart
            query, key = query.contiguous(), key.contiguous()
        scores = torch.bmm(key, query.transpose(1, 2)).transpose(0, 1).contiguous()  # (key, series x head, query)
        if hidden_keys is not None:
            scores.masked_fill_(hidden_keys.repeat_interleave(self.heads, dim=1)[..., None], -torch.inf)
        weights = scores.softmax(dim=0).permute(1, 2, 0)
        if not self.halved:
            return torch.bmm(weights, value).transpose(0, 1).contiguous()
        mixed = value.new_empty(shape)
        torch.bmm(weights, value, out=mixed.transpose(0, 1))
        return mixed

    def _class_token(self, sums: torch.Tensor, states: torch.Tensor, hidden_keys: torch.Tensor | None) -> torch.Tensor:
        """The last layer and the head, for the class token alone, from (token, series, width)."""
        out, norm1, fc1, fc2, norm2 = self.last
        count = states.shape[1]
        query = self.query(states[0]).view(count, self.heads, -1).transpose(0, 1)
        of_tokens = torch.bmm(query, self.keys).transpose(0, 1)  # (series, head, width)
        tokens = states.transpose(0, 1).contiguous()
        scores = torch.bmm(of_tokens, tokens.transpose(1, 2))
        if hidden_keys is not None:
            scores.masked_fill_(hidden_keys.T[:, None], -torch.inf)
        mixed = torch.bmm(scores.softmax(dim=-1), tokens).transpose(0, 1)
        mixed = torch.bmm(mixed, self.values).transpose(0, 1).reshape(count, -1)
        sums, states = self._join(out(mixed), sums, *norm1)
        sums, _ = self._join(fc2(fc1(states)), sums, *norm2)
        return self.head(sums)

    def _norm(self, weights: Affine) -> tuple[torch.Tensor, torch.Tensor, float]:
        weight, bias = (values.to(self.device, self.sum_type) for values in weights)
        return weight, bias, self.config.layer_norm_eps


class MLPPlan(InferencePlan):
    """The MLP's layers as products."""

    def _widest(self, tower: Any) -> int:
        return max(int(linear.in_features) for linear, *_ in tower.encoder.layers)

    def _build(self, tower: Any) -> None:
        self.layers = [
            self._product(_of(linear), self.chunk_size, self.config.hidden_act) for linear, *_ in tower.encoder.layers
        ]
        self.head = self._head(_of(tower.post_layernorm), _of(tower.projection))

    def _run(
        self, pixel_series: torch.Tensor, series_mask: torch.Tensor | None, months: torch.Tensor | None
    ) -> torch.Tensor:
        looks = place_on_months(pixel_series, series_mask, months, self.config.num_months)
        states = looks.flatten(1).to(self.product_type)
        for layer in self.layers:
            states = layer(states)
        return self.head(states)


class PlainPlan(InferencePlan):
    """The tower as it is, for encoders that nothing is gained on."""

    def _build(self, tower: Any) -> None:
        self.tower = tower

    def _run(
        self, pixel_series: torch.Tensor, series_mask: torch.Tensor | None, months: torch.Tensor | None
    ) -> torch.Tensor:
        home, training = self.tower.device, self.tower.training
        try:
            self.tower.to(self.device).eval()
            with torch.autocast(self.device.type, self.product_type if self.halved else None, self.halved):
                pooled: torch.Tensor = self.tower(pixel_series, series_mask, months, pooled_only=True).pooler_output
            return pooled.float()
        finally:
            self.tower.to(home).train(training)


def _joined(
    product: torch.Tensor, sums: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """The normalised sum of a residual and a product, in the type of the sums and in that of the products."""
    # In the memory of one of them: two types added into a new tensor took up to twenty times as long.
    added = product.add_(sums) if product.dtype == sums.dtype else sums.add_(product)
    sums = nn.functional.layer_norm(added, weight.shape, weight, bias, eps)
    return sums, sums.to(product.dtype)


_plans: WeakKeyDictionary[Any, dict[Any, tuple[torch.Tensor, InferencePlan]]] = WeakKeyDictionary()
_making = Lock()


def plan_of(tower: Any, dtype: torch.dtype | str | None = None, device: torch.device | None = None) -> InferencePlan:
    """The plan of a tower, made at its first use and again when a weight has changed.

    Args:
        tower: a [`TimeSenCLIPPixelModel`].
        dtype: as [`precision_name`] takes it.
        device: where to compute; where the tower is when left out.

    Raises:
        ValueError: there is no such precision, or not on this device.
    """
    device = tower.device if device is None else device
    precision = precision_name(dtype, tower.dtype)
    if dtype is None:
        try:
            check_precision(precision, device)
        except ValueError:  # the checkpoint's weights are narrower than what this machine computes in
            precision = "float32"
    key = (precision, device)
    if tower.encoder is not None and not isinstance(tower.encoder, TimeSenCLIPMLP):
        return PlainPlan(tower, *key)  # it has no weights of its own to keep
    state = _fingerprint(tower)
    with _making:
        plans = _plans.setdefault(tower, {})
        if key not in plans or not torch.equal(plans[key][0], state):
            kind = TransformerPlan if tower.encoder is None else MLPPlan
            plans[key] = (state, kind(tower, *key))
        return plans[key][1]


@torch.no_grad()
def _fingerprint(tower: Any) -> torch.Tensor:
    """A number for each tensor of a tower that is another once its values or their order are; some milliseconds.

    PyTorch's count of changes in place would cost less, but fused optimisers do not take part in it.
    """
    tensors = [tensor.detach().flatten() for tensor in (*tower.parameters(), *tower.buffers())]
    random = _random_numbers(max(len(tensor) for tensor in tensors)).to(tower.device)
    return torch.stack([tensor.float() @ random[: len(tensor)] for tensor in tensors])


@lru_cache(maxsize=1)
def _random_numbers(count: int) -> torch.Tensor:
    return torch.rand(count, generator=torch.Generator().manual_seed(0))
