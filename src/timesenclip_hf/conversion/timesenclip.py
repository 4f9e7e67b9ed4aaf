"""Convert upstream TimeSenCLIP checkpoints to this package's format: a key table, strict, and a report of keys."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from transformers import AutoImageProcessor, AutoTokenizer

from ..files import first_line
from ..models.timesenclip.bands_timesenclip import BANDS, canonical_band
from ..models.timesenclip.configuration_timesenclip import TimeSenCLIPPixelConfig
from ..models.timesenclip.feature_extraction_timesenclip import (
    UPSTREAM_LOW,
    UPSTREAM_SCALE,
    TimeSenCLIPFeatureExtractor,
)
from ..models.timesenclip.modeling_timesenclip import TimeSenCLIPModel
from ..models.timesenclip.pixel_tower_timesenclip import TimeSenCLIPPixelModel
from ..models.timesenclip.processing_timesenclip import TimeSenCLIPProcessor
from .files import UpstreamFile, read_upstream
from .keys import KeyTable, key_lines

# Upstream's key (released code, commit a48994f) to ours. `nn.MultiheadAttention` keeps queries, keys and values in
# one matrix, which is cut in three. The class token is `time_token` in the release, `class_token` before it.
_ENTRIES: dict[str, tuple[str, ...]] = {
    "spectral_embedding.1.weight": ("embeddings.band_projection.weight",),
    "spectral_embedding.1.bias": ("embeddings.band_projection.bias",),
    "time_pos_encoding": ("embeddings.position_embedding",),
    "time_token": ("embeddings.class_embedding",),
    "class_token": ("embeddings.class_embedding",),
    "transformer.layers.{}.self_attn.in_proj_weight": (
        "layers.{}.self_attn.q_proj.weight",
        "layers.{}.self_attn.k_proj.weight",
        "layers.{}.self_attn.v_proj.weight",
    ),
    "transformer.layers.{}.self_attn.in_proj_bias": (
        "layers.{}.self_attn.q_proj.bias",
        "layers.{}.self_attn.k_proj.bias",
        "layers.{}.self_attn.v_proj.bias",
    ),
    "transformer.layers.{}.self_attn.out_proj.weight": ("layers.{}.self_attn.out_proj.weight",),
    "transformer.layers.{}.self_attn.out_proj.bias": ("layers.{}.self_attn.out_proj.bias",),
    "transformer.layers.{}.linear1.weight": ("layers.{}.fc1.weight",),
    "transformer.layers.{}.linear1.bias": ("layers.{}.fc1.bias",),
    "transformer.layers.{}.linear2.weight": ("layers.{}.fc2.weight",),
    "transformer.layers.{}.linear2.bias": ("layers.{}.fc2.bias",),
    "transformer.layers.{}.norm1.weight": ("layers.{}.layer_norm1.weight",),
    "transformer.layers.{}.norm1.bias": ("layers.{}.layer_norm1.bias",),
    "transformer.layers.{}.norm2.weight": ("layers.{}.layer_norm2.weight",),
    "transformer.layers.{}.norm2.bias": ("layers.{}.layer_norm2.bias",),
    "mlp_head.0.weight": ("post_layernorm.weight",),
    "mlp_head.0.bias": ("post_layernorm.bias",),
    "mlp_head.1.weight": ("projection.weight",),
    "mlp_head.1.bias": ("projection.bias",),
}
# Where the encoder sits in the files seen. A Lightning file holds it twice: `TS_ViT.` is then the copy made for
# validation, and the one that was trained, under `learner.`, goes first.
PREFIXES = ("learner.ts_encoder.", "learner.TS_ViT.", "ts_encoder.", "TS_ViT.", "")
# Part of a key outside the encoder to the reason why it is not needed.
REASONS = {
    "clip_model.": "a frozen CLIP tower: taken from the CLIP checkpoint",
    "queue": "negatives of the training run",
    "pooling_layer.": "pools ground photos, in training only",
    "logit_scale": "the temperature against photos; CLIP's own, which its texts were trained with, is kept",
}
KEY_TABLE = KeyTable(_ENTRIES, re.compile(r"(?<=transformer\.layers\.)\d+"))
# Keys whose shapes tell the sizes of the encoder, with their number of axes.
_SIZES_FROM = {
    "spectral_embedding.1.weight": 2,
    "time_pos_encoding": 3,
    "transformer.layers.0.linear1.weight": 2,
    "mlp_head.1.weight": 2,
}


@dataclass(frozen=True)
class ConversionReport:
    """Say what became of every key of a checkpoint; `str()` is the text for people.

    Attributes:
        checkpoint: the file or Hub id that was read.
        clip: the CLIP checkpoint whose towers were added.
        output: the folder that was written.
        prefix: where the encoder sat among the file's keys.
        config: the pixel tower's configuration, read from the shapes.
        num_parameters: parameters of the pixel tower.
        converted: upstream's key to ours.
        left_out: upstream's key to the reason why it was not converted.
        band_order: bands of the encoder's input, in order.
        band_order_given: whether the caller said so, or the default was taken.
    """

    checkpoint: str
    clip: str
    output: Path
    prefix: str
    config: TimeSenCLIPPixelConfig
    num_parameters: int
    converted: Mapping[str, tuple[str, ...]]
    left_out: Mapping[str, str]
    band_order: tuple[str, ...]
    band_order_given: bool

    def __str__(self) -> str:
        config = self.config
        height, width = config.patch_shape
        return "\n".join(
            [
                f"{self.checkpoint} -> {self.output}",
                f"pixel tower: {self.num_parameters:,} parameters; {config.num_hidden_layers} layers of width "
                f"{config.hidden_size}, {config.num_attention_heads} heads, feed-forward "
                f"{config.intermediate_size}; {config.num_months} months x {config.num_bands} bands x "
                f"{height} x {width} pixels -> {config.projection_dim}",
                f"text and vision towers: {self.clip}",
                f"band order: {' '.join(self.band_order)}"
                + ("" if self.band_order_given else " (the default; see the note)"),
                *key_lines(self.prefix, self.converted, self.left_out),
                *([] if self.band_order_given else [_BAND_ORDER_NOTE]),
            ]
        )


_BAND_ORDER_NOTE = (
    "Note: the band order of the released weights cannot be settled from the released code (older defaults began "
    "with B04 B03 B02); if labels come out wrong, convert again with another band order."
)


def convert_timesenclip(
    checkpoint: str | Path | UpstreamFile,
    clip: str | Path,
    output: str | Path,
    *,
    band_order: Sequence[str] | None = None,
    num_attention_heads: int = 8,
    vision_tower: bool = True,
    revision: str | None = None,
) -> ConversionReport:
    """Write a checkpoint of this package from upstream's encoder and a CLIP checkpoint.

    Every key of the encoder must be known and present; sizes are read from the shapes.

    Args:
        checkpoint: a `.ckpt` or `.pt` file, or a Hub id: `user/repo`, or `user/repo:file.ckpt` where the
            repository holds several; or what was read of it.
        clip: folder or Hub id of the CLIP checkpoint that gives the text and vision towers.
        output: folder to write: model, processor and their configurations.
        band_order: bands of the encoder's input, in order; B02 to B12 by wavelength when left out. Kept in the
            feature extractor's configuration, with upstream's scaling for each band.
        num_attention_heads: the one size that the shapes do not tell; 8 in the release.
        vision_tower: keep CLIP's vision tower, for ground photos; False for a smaller inference model.
        revision: of the Hub repository of `checkpoint`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a state dict of tensors, a damaged file, an unknown or missing key, sizes that do not fit,
            or a CLIP checkpoint that cannot be read.
    """
    output = Path(output)
    if output.is_file():
        raise ValueError(f"The output must be a folder, {output} is a file.")
    bands = tuple(map(canonical_band, band_order or BANDS))
    if len(set(bands)) < len(bands):
        raise ValueError(f"`band_order` must name each band once, got {' '.join(bands)}.")
    file = read_upstream(checkpoint, revision)
    upstream = read_upstream_encoder(file, num_bands=len(bands), num_attention_heads=num_attention_heads)
    try:
        model = TimeSenCLIPModel.from_clip(upstream.pixel_model, str(clip), vision_tower=vision_tower)
        processor = _build_processor(str(clip), bands)
    except OSError as error:
        raise ValueError(f"No CLIP checkpoint can be read from {clip}: {first_line(error)}") from None
    model.save_pretrained(output)
    processor.save_pretrained(output)
    return ConversionReport(
        checkpoint=file.name,
        clip=str(clip),
        output=output,
        prefix=upstream.prefix,
        config=upstream.pixel_model.config,
        num_parameters=upstream.pixel_model.num_parameters(),
        converted={upstream.prefix + key: KEY_TABLE.ours(key) for key in upstream.keys},
        left_out=upstream.left_out,
        band_order=bands,
        band_order_given=band_order is not None,
    )


class UpstreamEncoder(NamedTuple):
    """Hold an upstream file as a pixel tower: its keys behind their prefix, and the keys left out with the reasons."""

    pixel_model: TimeSenCLIPPixelModel
    prefix: str
    keys: list[str]
    left_out: dict[str, str]


def read_upstream_encoder(
    checkpoint: str | Path | UpstreamFile, *, num_bands: int = len(BANDS), num_attention_heads: int = 8
) -> UpstreamEncoder:
    """Read the pixel tower of an upstream checkpoint, without a CLIP.

    Args:
        checkpoint: a `.ckpt` or `.pt` file, a Hub id, or what was read of it.
        num_bands: of the encoder's input.
        num_attention_heads: the one size that the shapes do not tell; 8 in the release.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a state dict of tensors, a damaged file, an unknown or missing key, or sizes that do not fit.
    """
    name, weights = read_upstream(checkpoint)
    prefix, encoder, left_out = _find_encoder(weights, name)
    _check_keys(encoder, prefix, name)
    model = TimeSenCLIPPixelModel(_infer_config(encoder, num_bands, num_attention_heads))
    KEY_TABLE.copy(encoder, model)
    model.eval()
    return UpstreamEncoder(model, prefix, list(encoder), left_out)


def holds_encoder(keys: Iterable[str]) -> bool:
    """Tell whether the keys of a file are those of a TimeSenCLIP encoder."""
    return _prefix_of(keys) is not None


def _prefix_of(keys: Iterable[str]) -> str | None:
    """Find the prefix under which the keys are those of an encoder."""
    held = set(keys)
    return next((prefix for prefix in PREFIXES if any(prefix + key in held for key in _ENTRIES)), None)


def _find_encoder(state: dict[str, torch.Tensor], name: str) -> tuple[str, dict[str, torch.Tensor], dict[str, str]]:
    """Return the encoder's prefix, its tensors by bare key, and the other keys with the reason to leave them."""
    prefix = _prefix_of(state)
    if prefix is None:
        places = ", ".join(p or "no prefix" for p in PREFIXES)
        raise ValueError(
            f"{name} holds no TimeSenCLIP encoder: no key such as time_pos_encoding under {places}; its first key is "
            f"{next(iter(state))}."
        )
    encoder, left_out = {}, {}
    for key, tensor in state.items():
        reason = next((why for part, why in REASONS.items() if part in key), None)
        if key.startswith(prefix) and reason is None:
            encoder[key.removeprefix(prefix)] = tensor
        else:
            left_out[key] = reason or "outside the encoder"
    for other in filter(None, PREFIXES):
        for key in [k for k in left_out if k.startswith(other) and k.removeprefix(other) in encoder]:
            same = torch.equal(state[key], encoder[key.removeprefix(other)])
            left_out[key] = f"a second copy of the encoder, {'identical' if same else 'whose values differ'}"
    return prefix, encoder, left_out


def _check_keys(encoder: dict[str, torch.Tensor], prefix: str, name: str) -> None:
    """Refuse an encoder with a key unknown, missing or double."""
    unknown = [prefix + key for key in encoder if KEY_TABLE.pattern(key) not in _ENTRIES]
    if unknown:
        raise ValueError(f"{name} has keys that no TimeSenCLIP encoder has: {', '.join(unknown)}.")
    tokens = [key for key in ("time_token", "class_token") if key in encoder]
    if len(tokens) == 2:
        raise ValueError(f"{name} has two class tokens, {prefix}time_token and {prefix}class_token: remove one.")
    token = tokens[0] if tokens else "time_token"
    wanted = [
        key.format(layer)
        for key in _ENTRIES
        if key not in ("time_token", "class_token")
        for layer in (range(KEY_TABLE.num_layers(encoder)) if "{}" in key else [0])
    ]
    missing = [prefix + key for key in [token, *wanted] if key not in encoder]
    if missing:
        raise ValueError(f"{name} lacks keys of the encoder: {', '.join(missing)}.")


def _infer_config(encoder: dict[str, torch.Tensor], num_bands: int, heads: int) -> TimeSenCLIPPixelConfig:
    """Read the sizes of an encoder from the shapes."""
    for key, axes in _SIZES_FROM.items():
        if encoder[key].ndim != axes:
            raise ValueError(f"{key} must have {axes} axes, got the shape {tuple(encoder[key].shape)}.")
    width, inputs = encoder["spectral_embedding.1.weight"].shape
    side = math.isqrt(inputs // num_bands)
    if side * side * num_bands != inputs:
        raise ValueError(
            f"The encoder reads {inputs} values a month, which is no square patch of {num_bands} bands: give its bands "
            "with `band_order`."
        )
    return TimeSenCLIPPixelConfig(
        num_bands=num_bands,
        num_months=encoder["time_pos_encoding"].shape[1],
        patch_size=side,
        hidden_size=width,
        num_hidden_layers=KEY_TABLE.num_layers(encoder),
        num_attention_heads=heads,
        intermediate_size=len(encoder["transformer.layers.0.linear1.weight"]),
        projection_dim=len(encoder["mlp_head.1.weight"]),
    )


def _build_processor(clip: str, bands: tuple[str, ...]) -> TimeSenCLIPProcessor:
    """Join a feature extractor of these bands with the image processor and the tokenizer of a CLIP."""
    scaling = dict(zip(BANDS, zip(UPSTREAM_LOW, UPSTREAM_SCALE, strict=True), strict=True))
    feature_extractor = TimeSenCLIPFeatureExtractor(
        band_names=bands,
        band_low=[scaling[band][0] for band in bands],
        band_scale=[scaling[band][1] for band in bands],
    )
    return TimeSenCLIPProcessor(
        feature_extractor, AutoImageProcessor.from_pretrained(clip), AutoTokenizer.from_pretrained(clip)
    )
