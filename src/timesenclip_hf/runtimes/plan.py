"""Make the pixel tower fast for inference: plans of folded weights and fast products.

The model stays the plain, readable one; what is here is derived from its weights and tested to be equal to it.

Tokens lie time first, (token, series, width): heads of neighbouring series are then evenly spaced, and the keys that a
softmax runs over lie first, where it is vectorised (a softmax over a last axis of 13 took ten times as long).
"""

from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from ..models.timesenclip.encoders_timesenclip import TimeSenCLIPMLP, place_on_months
from ..models.timesenclip.encoding_timesenclip import (
    PRECISIONS,
    PixelTower,
    PlainTower,
    check_precision,
    precision_name,
)
from ..models.timesenclip.transformer_timesenclip import check_series, month_shares
from ..models.timesenclip.weights_timesenclip import weights_state
from .folding import Affine, FoldedBlock, affine_of, fold
from .plainness import is_plain
from .products import Product, engine_of, make_product

# Bytes of the widest activations of a chunk, the queries, keys and values of all its tokens, on a processor and on a
# graphics card. Measured on two cores with 32 MB of cache, where twice as many were up to 15 % slower: 128 series of
# the published size in float32, 256 in bfloat16. On a graphics card not tried.
CHUNK_BYTES = 10_300_000
CHUNK_BYTES_GPU = 64 * CHUNK_BYTES
# Products and norms behind attention: out, norm1, fc1, fc2, norm2.
AfterAttention = tuple[Product, list[Tensor], Product, Product, list[Tensor]]


class InferencePlan:
    """Compute a pixel tower in bulk, from a copy of its weights in the form that is fastest here.

    Args:
        tower: a [`TimeSenCLIPPixelModel`].
        precision: a name of `PRECISIONS`.
        device: where to compute.
        widest: numbers of a series in its widest activations.

    Raises:
        ValueError: the device does not compute in the precision.
    """

    def __init__(self, tower: Any, precision: str, device: torch.device, widest: int) -> None:
        check_precision(precision, device)
        self.config, self.device = tower.config, device
        self.product_type, self.sum_type = PRECISIONS[precision]
        self.halved = self.product_type != torch.float32
        self.engine = engine_of(self.product_type, device)
        bytes_of_chunk = CHUNK_BYTES if device.type == "cpu" else CHUNK_BYTES_GPU
        series = bytes_of_chunk // (widest * self.product_type.itemsize)
        self.chunk_size = 1 << max(series.bit_length() - 1, 4)  # a power of two
        if device.type == "cpu":
            # glibc hands freed memory back beyond twice the largest block freed so far, which it counts up to 32 MB.
            # One such block keeps what a chunk needs at hand for the next: else every chunk had its pages zeroed anew,
            # a tenth of the time.
            torch.empty(2**25 - 2**16, dtype=torch.uint8)

    def _product(self, weights: Affine, rows: int, activation: str = "none") -> Product:
        """Make a product of so many rows in the type of the products."""
        weight, bias = (values.to(self.device, self.product_type) for values in weights)
        return make_product(weight, bias, rows, activation)

    def _head(self, post_layernorm: Affine, projection: Affine) -> Product:
        """Make norm and projection, a small part of the work, always in float32."""
        weight, bias = (values.to(self.device) for values in post_layernorm)
        project = make_product(projection[0].to(self.device), projection[1].to(self.device), self.chunk_size)
        eps = self.config.layer_norm_eps
        return lambda x: project(nn.functional.layer_norm(x.float(), weight.shape, weight, bias, eps))


class TransformerPlan(InferencePlan):
    """Compute the folded transformer."""

    def __init__(self, tower: Any, precision: str, device: torch.device) -> None:
        tokens, width = int(tower.config.num_months + 1), int(tower.config.hidden_size)
        super().__init__(tower, precision, device, widest=3 * tokens * width)
        folded, rows = fold(tower), self.chunk_size * tokens
        self.heads = int(self.config.num_attention_heads)
        inputs = folded.inputs
        if self.halved:
            # A number of half the width comes with what its rounding lost, so that no reflectance is rounded.
            inputs = torch.cat([inputs[:-1], inputs])
        # Hidden states and, where they come from the inputs, queries, keys and values: a product each, so that the
        # heads of each lie evenly spaced.
        none = inputs.new_zeros(width)
        self.embed = [self._product((part.T, none), rows) for part in torch.split(inputs, width, dim=1)]
        self._join = _joined
        self.layers = [
            ([self._product(part, rows) for part in layer.qkv], self._after_attention(layer, rows))
            for layer in folded.layers
        ]
        last = folded.last
        self.query = self._product(last.query, self.chunk_size)
        self.keys, self.values = (part.to(self.device, self.product_type) for part in (last.keys, last.values))
        self.last = self._after_attention(last, self.chunk_size)
        self.head = self._head(folded.post_layernorm, folded.projection)

    def compile(self) -> None:
        """Let `torch.compile` fuse what stands between the products.

        It takes some ten seconds at the next use and needs a C++ compiler; what it brings is among `make bench`'s
        figures. As [`plan_of`] keeps the plan, [`encode`] then uses it.
        """
        self._join = torch.compile(_joined, dynamic=True)

    def __call__(self, pixel_series: Tensor, series_mask: Tensor | None = None, months: Tensor | None = None) -> Tensor:
        """Return the pooled output, as [`PixelTower`] describes it."""
        check_series(self.config, pixel_series, series_mask, months)
        rows = self._rows(pixel_series, series_mask, months)
        tokens, count = rows.shape[:2]
        hidden_keys = self._hidden_keys(series_mask)
        states, *qkv = [part(rows.flatten(0, 1)) for part in self.embed]
        sums = states.to(self.sum_type)
        for project, after in self.layers:
            if project:
                qkv = [part(states) for part in project]
            query, key, value = (part.reshape(tokens, count * self.heads, -1) for part in qkv)
            mixed = self._attend(query, key, value, hidden_keys)
            sums, states = self._finish(after, mixed.view(tokens * count, -1), sums)
        return self._class_token(sums[:count], states.view(tokens, count, -1), hidden_keys)

    def _rows(self, pixel_series: Tensor, series_mask: Tensor | None, months: Tensor | None) -> Tensor:
        """Arrange what the tokens are products of: (token, series, numbers), the class token's row first."""
        values = pixel_series.flatten(2).float()
        if series_mask is not None:
            # NaN times a weight of zero is NaN: what was not observed must not enter at all.
            values = values.masked_fill(~series_mask.bool()[:, :, None], 0)
        count, time, size = values.shape
        months = torch.arange(time) if months is None else months
        months = months.to(self.device, torch.float32).reshape(-1, time).T  # (time, series or 1)
        rows = values.new_zeros(1 + time, count, size + self.config.num_months)
        rows[1:, :, :size] = values.transpose(0, 1)
        rows[1:, :, size:] = month_shares(months, self.config.num_months)
        class_token = rows.new_zeros(1 + time, count, 1)
        class_token[0] = 1
        if not self.halved:
            return torch.cat([rows, class_token], dim=2)
        near = rows.to(self.product_type)
        rest = (rows - near.float()).to(self.product_type)
        return torch.cat([near, rest, class_token.to(self.product_type)], dim=2)

    def _hidden_keys(self, series_mask: Tensor | None) -> Tensor | None:
        """Tell which tokens of which series no query sees, (token, series); `None` where all are seen."""
        if series_mask is None or (self.device.type == "cpu" and bool(series_mask.all())):
            return None
        return nn.functional.pad(~series_mask.bool().T, (0, 0, 1, 0), value=False)

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, hidden_keys: Tensor | None) -> Tensor:
        """Attend over few tokens of many series, each (token, series x head, head_dim); return the same shape."""
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

    def _class_token(self, sums: Tensor, states: Tensor, hidden_keys: Tensor | None) -> Tensor:
        """Compute the last layer and the head, for the class token alone, from (token, series, width)."""
        count = states.shape[1]
        query = self.query(states[0]).view(count, self.heads, -1).transpose(0, 1)
        of_tokens = torch.bmm(query, self.keys).transpose(0, 1)  # (series, head, width)
        tokens = states.transpose(0, 1).contiguous()
        scores = torch.bmm(of_tokens, tokens.transpose(1, 2))
        if hidden_keys is not None:
            scores.masked_fill_(hidden_keys.T[:, None], -torch.inf)
        mixed = torch.bmm(scores.softmax(dim=-1), tokens).transpose(0, 1)
        mixed = torch.bmm(mixed, self.values).transpose(0, 1).reshape(count, -1)
        sums, _ = self._finish(self.last, mixed, sums)
        return self.head(sums)

    def _after_attention(self, layer: FoldedBlock, rows: int) -> AfterAttention:
        """Make the products and norms that follow attention."""
        norm1, norm2 = ([part.to(self.device, self.sum_type) for part in norm] for norm in (layer.norm1, layer.norm2))
        fc1 = self._product(layer.fc1, rows, self.config.hidden_act)
        return self._product(layer.out, rows), norm1, fc1, self._product(layer.fc2, rows), norm2

    def _finish(self, parts: AfterAttention, mixed: Tensor, sums: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the sums and states of the next layer from the heads' mixture and the sums."""
        (out, norm1, fc1, fc2, norm2), eps = parts, self.config.layer_norm_eps
        sums, states = self._join(out(mixed), sums, norm1, eps)
        return self._join(fc2(fc1(states)), sums, norm2, eps)


class MLPPlan(InferencePlan):
    """Compute the MLP's layers as products."""

    def __init__(self, tower: Any, precision: str, device: torch.device) -> None:
        linears = [layer[0] for layer in tower.encoder.layers]
        super().__init__(tower, precision, device, widest=max(int(linear.in_features) for linear in linears))
        activation = self.config.hidden_act
        self.layers = [self._product(affine_of(linear), self.chunk_size, activation) for linear in linears]
        self.head = self._head(affine_of(tower.post_layernorm), affine_of(tower.projection))

    def __call__(self, pixel_series: Tensor, series_mask: Tensor | None = None, months: Tensor | None = None) -> Tensor:
        """Return the pooled output, as [`PixelTower`] describes it."""
        check_series(self.config, pixel_series, series_mask, months)
        values = place_on_months(pixel_series, series_mask, months, self.config.num_months)
        states = values.flatten(1).to(self.product_type)
        for layer in self.layers:
            states = layer(states)
        return self.head(states)


def _joined(product: Tensor, sums: Tensor, norm: list[Tensor], eps: float) -> tuple[Tensor, Tensor]:
    """Add a residual and a product and normalise, in the type of the sums and in that of the products."""
    # In the memory of one of them: two types added into a new tensor took up to twenty times as long.
    added = product.add_(sums) if product.dtype == sums.dtype else sums.add_(product)
    weight, bias = norm
    sums = nn.functional.layer_norm(added, weight.shape, weight, bias, eps)
    return sums, sums.to(product.dtype)


_plans: WeakKeyDictionary[Any, dict[Any, tuple[bytes, TransformerPlan | MLPPlan]]] = WeakKeyDictionary()
_making = Lock()


def plan_of(tower: Any, dtype: torch.dtype | str | None = None, device: torch.device | None = None) -> PixelTower:
    """Return the plan of a tower, made at its first use and again when a weight has changed; else the tower itself.

    A plan knows weights only. What a tower computes besides, such as an adapter (LoRA), a hook, a `forward` of one's
    own or quantised weights, it does by its own modules.

    Args:
        tower: a [`TimeSenCLIPPixelModel`].
        dtype: to compute in, such as "bfloat16"; the tower's own when left out.
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
    if not is_plain(tower):
        return PlainTower(tower, dtype, device)
    if tower.encoder is not None and not isinstance(tower.encoder, TimeSenCLIPMLP):
        return PlainTower(tower, precision, device)  # it has no weights of its own to keep
    state = weights_state((*tower.parameters(), *tower.buffers()))
    with _making:
        plans = _plans.setdefault(tower, {})
        if key not in plans or plans[key][0] != state:
            plan = TransformerPlan(tower, *key) if tower.encoder is None else MLPPlan(tower, *key)
            plans[key] = (state, plan)
        return plans[key][1]
