"""Convert upstream TimeSenCLIP checkpoints to this package's format: a key table, strict, and a report of keys."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import AutoImageProcessor, AutoTokenizer

from ..files import first_line, whole_folder
from ..files.outputs import CHECKPOINT_FILES
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
from .upstream import ConversionReport, KeyTable, UpstreamFile, read_upstream

# Where the encoder sits in the files seen. A Lightning file holds it twice: `TS_ViT.` is then the copy made for
# validation, and the one that was trained, under `learner.`, goes first.
PREFIXES = ("learner.ts_encoder.", "learner.TS_ViT.", "ts_encoder.", "TS_ViT.", "")
KEY_TABLE = KeyTable("timesenclip")
CLASS_TOKENS = ("time_token", "class_token")
# Attention heads of the release (its README and defaults), and what training scripts call their number.
RELEASED_HEADS = 8
HEAD_SETTINGS = ("num_attention_heads", "num_heads", "n_heads", "nhead", "heads")
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
    num_attention_heads: int | None = None,
    vision_tower: bool = True,
    overwrite: bool = False,
) -> ConversionReport:
    """Write a checkpoint of this package from upstream's encoder and a CLIP checkpoint.

    Every key of the encoder must be known and present; sizes are read from the shapes.

    Args:
        checkpoint: a `.ckpt` or `.pt` file, or a Hub id, `user/repo` or `user/repo:file.ckpt`; or what was read of it.
        clip: folder or Hub id of the CLIP checkpoint that gives the text and vision towers.
        output: folder to write: model, processor and their configurations.
        band_order: bands of the encoder's input, in order; B02 to B12 by wavelength when left out. Kept in the feature
            extractor's configuration, with upstream's scaling for each band.
        num_attention_heads: the one size that the shapes do not tell; what the file's `hyper_parameters` say, or 8 as
            in the release, when left out.
        vision_tower: keep CLIP's vision tower, for ground photos; False for a smaller inference model.
        overwrite: replace a folder that holds a checkpoint and nothing else.

    Raises:
        OSError: the output cannot be written, or is there already and not to be replaced.
        FileNotFoundError: no such file.
        ValueError: not a state dict of tensors, a damaged file, an unknown or missing key, sizes that do not fit, or a
            CLIP checkpoint that cannot be read.
    """
    with whole_folder(output, overwrite=overwrite, names=CHECKPOINT_FILES) as partial:
        bands = tuple(map(canonical_band, band_order or BANDS))
        if len(set(bands)) < len(bands):
            raise ValueError(f"`band_order` must name each band once, got {' '.join(bands)}.")
        file = read_upstream(checkpoint)
        upstream = read_upstream_encoder(file, num_bands=len(bands), num_attention_heads=num_attention_heads)
        try:
            model = TimeSenCLIPModel.from_clip(upstream.pixel_model, str(clip), vision_tower=vision_tower)
            processor = _build_processor(str(clip), bands)
        except OSError as error:
            raise ValueError(f"No CLIP checkpoint can be read from {clip}: {first_line(error)}") from None
        model.save_pretrained(partial)
        processor.save_pretrained(partial)
    return ConversionReport(
        checkpoint=file.name,
        clip=str(clip),
        output=Path(output),
        prefix=upstream.prefix,
        description=(
            _sizes(upstream.pixel_model),
            f"text and vision towers: {clip}",
            f"band order: {' '.join(bands)}" + (" (the default; see the note)" if band_order is None else ""),
        ),
        converted={upstream.prefix + key: KEY_TABLE.ours(key) for key in upstream.keys},
        left_out=upstream.left_out,
        notes=(*upstream.notes, *((_BAND_ORDER_NOTE,) if band_order is None else ())),
    )


def _sizes(pixel_model: TimeSenCLIPPixelModel) -> str:
    config: Any = pixel_model.config
    height, width = config.patch_shape
    return (
        f"pixel tower: {pixel_model.num_parameters():,} parameters; {config.num_hidden_layers} layers of width "
        f"{config.hidden_size}, {config.num_attention_heads} heads, feed-forward {config.intermediate_size}; "
        f"{config.num_months} months x {config.num_bands} bands x {height} x {width} pixels -> "
        f"{config.projection_dim}"
    )


class UpstreamEncoder(NamedTuple):
    """Hold an upstream file as a pixel tower.

    Attributes:
        prefix: of the encoder's keys.
        keys: of the encoder, behind the prefix.
        left_out: the other keys, with the reasons.
        notes: what had to be assumed.
    """

    pixel_model: TimeSenCLIPPixelModel
    prefix: str
    keys: list[str]
    left_out: dict[str, str]
    notes: tuple[str, ...]


def read_upstream_encoder(
    checkpoint: str | Path | UpstreamFile, *, num_bands: int = len(BANDS), num_attention_heads: int | None = None
) -> UpstreamEncoder:
    """Read the pixel tower of an upstream checkpoint, without a CLIP.

    Args:
        checkpoint: a `.ckpt` or `.pt` file, a Hub id, or what was read of it.
        num_bands: of the encoder's input.
        num_attention_heads: the one size that the shapes do not tell; what the file's `hyper_parameters` say, or 8 as
            in the release, when left out.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a state dict of tensors, a damaged file, an unknown or missing key, or sizes that do not fit.
    """
    file = read_upstream(checkpoint)
    prefix, encoder, left_out = _find_encoder(file.weights, file.name)
    _check_keys(encoder, prefix, file.name)
    heads, notes = num_attention_heads, tuple[str, ...]()
    if heads is None:
        heads, notes = _heads_of(file.settings)
    config = _infer_config(encoder, num_bands, heads)
    model = TimeSenCLIPPixelModel(config)
    KEY_TABLE.copy(encoder, model)
    model.eval()
    return UpstreamEncoder(model, prefix, list(encoder), left_out, notes)


def _heads_of(settings: Mapping[str, Any]) -> tuple[int, tuple[str, ...]]:
    """Return the number of attention heads that a file's settings tell, or the release's, and a note on it."""
    told = {name: settings[name] for name in HEAD_SETTINGS if isinstance(settings.get(name), int)}
    if len(set(told.values())) > 1:
        listed = ", ".join(f"{name} {heads}" for name, heads in told.items())
        raise ValueError(
            f"The file's hyper_parameters name several numbers of heads ({listed}): give one by --heads "
            "(`num_attention_heads` in Python)."
        )
    if told:
        name, heads = next(iter(told.items()))
        return heads, (f"Note: {heads} attention heads, as the file's hyper_parameters say ({name}).",)
    return RELEASED_HEADS, (
        f"Note: {RELEASED_HEADS} attention heads are assumed, as in the release, because neither the shapes nor the "
        "file tell their number; if the model was trained with others, give it by --heads "
        "(`num_attention_heads` in Python).",
    )


def encoder_prefix(keys: Iterable[str]) -> str | None:
    """Find the prefix under which the keys are those of a TimeSenCLIP encoder."""
    names = KEY_TABLE.groups["encoder"]
    return next((prefix for prefix in PREFIXES if not {prefix + name for name in names}.isdisjoint(keys)), None)


def _find_encoder(state: dict[str, Tensor], name: str) -> tuple[str, dict[str, Tensor], dict[str, str]]:
    """Return the encoder's prefix, its tensors by bare key, and the other keys with the reason to leave them."""
    prefix = encoder_prefix(state)
    if prefix is None:
        places = ", ".join(p or "no prefix" for p in PREFIXES)
        raise ValueError(
            f"{name} holds no TimeSenCLIP encoder: no key such as time_pos_encoding under {places}; its first key is "
            f"{next(iter(state))}."
        )
    encoder, left_out = {}, {}
    for key, tensor in state.items():
        reason = KEY_TABLE.reason(key)
        if key.startswith(prefix) and reason is None:
            encoder[key.removeprefix(prefix)] = tensor
        else:
            left_out[key] = reason or "outside the encoder"
    for other in filter(None, PREFIXES):
        for key in [k for k in left_out if k.startswith(other) and k.removeprefix(other) in encoder]:
            same = torch.equal(state[key], encoder[key.removeprefix(other)])
            left_out[key] = f"a second copy of the encoder, {'identical' if same else 'whose values differ'}"
    return prefix, encoder, left_out


def _check_keys(encoder: dict[str, Tensor], prefix: str, name: str) -> None:
    """Refuse an encoder with a key unknown, missing or double."""
    unknown = [prefix + key for key in encoder if key not in KEY_TABLE]
    if unknown:
        raise ValueError(f"{name} has keys that no TimeSenCLIP encoder has: {', '.join(unknown)}.")
    tokens = [key for key in CLASS_TOKENS if key in encoder]
    if len(tokens) == 2:
        raise ValueError(f"{name} has two class tokens, {prefix}time_token and {prefix}class_token: remove one.")
    other = "time_token" if "class_token" in tokens else "class_token"
    missing = [prefix + key for key in KEY_TABLE.missing(encoder, "encoder") if key != other]
    if missing:
        raise ValueError(f"{name} lacks keys of the encoder: {', '.join(missing)}.")


def _infer_config(encoder: dict[str, Tensor], num_bands: int, heads: int) -> TimeSenCLIPPixelConfig:
    """Read the sizes of an encoder from the shapes."""
    KEY_TABLE.check_axes(encoder)
    width, inputs = encoder["spectral_embedding.1.weight"].shape
    if heads < 1 or width % heads:
        raise ValueError(f"An encoder of width {width} cannot have {heads} attention heads: give a divisor by --heads.")
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
        num_hidden_layers=KEY_TABLE.num_layers(encoder, "encoder"),
        num_attention_heads=heads,
        intermediate_size=len(encoder["transformer.layers.0.linear1.weight"]),
        projection_dim=len(encoder["mlp_head.1.weight"]),
    )


def _build_processor(clip: str, bands: tuple[str, ...]) -> TimeSenCLIPProcessor:
    """Join a feature extractor of these bands with the image processor and the tokenizer of a CLIP."""
    low, scale = ([values[BANDS.index(band)] for band in bands] for values in (UPSTREAM_LOW, UPSTREAM_SCALE))
    feature_extractor = TimeSenCLIPFeatureExtractor(bands, low, scale)
    return TimeSenCLIPProcessor(
        feature_extractor,
        AutoImageProcessor.from_pretrained(clip, trust_remote_code=False),
        AutoTokenizer.from_pretrained(clip, trust_remote_code=False),
    )
