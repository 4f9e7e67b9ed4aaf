"""Convert upstream SenCLIP checkpoints, CLIPs in OpenAI's layout, to a folder of transformers' `CLIPModel`."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import AutoTokenizer, CLIPConfig, CLIPModel, CLIPTextConfig, CLIPVisionConfig

from ..files import first_line
from ..models.senclip.image_processing_senclip import SenCLIPImageProcessor
from .files import UpstreamFile, read_upstream
from .keys import KeyTable, key_lines

_OF_A_BLOCK = {
    "attn.in_proj_weight": ("self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight"),
    "attn.in_proj_bias": ("self_attn.q_proj.bias", "self_attn.k_proj.bias", "self_attn.v_proj.bias"),
    "attn.out_proj.weight": ("self_attn.out_proj.weight",),
    "attn.out_proj.bias": ("self_attn.out_proj.bias",),
    "ln_1.weight": ("layer_norm1.weight",),
    "ln_1.bias": ("layer_norm1.bias",),
    "mlp.c_fc.weight": ("mlp.fc1.weight",),
    "mlp.c_fc.bias": ("mlp.fc1.bias",),
    "mlp.c_proj.weight": ("mlp.fc2.weight",),
    "mlp.c_proj.bias": ("mlp.fc2.bias",),
    "ln_2.weight": ("layer_norm2.weight",),
    "ln_2.bias": ("layer_norm2.bias",),
}


def _blocks(theirs: str, ours: str) -> dict[str, tuple[str, ...]]:
    """Map the keys of the blocks of a tower, which begins so in their layout and so in ours."""
    return {
        f"{theirs}transformer.resblocks.{{}}.{key}": tuple(f"{ours}encoder.layers.{{}}.{name}" for name in names)
        for key, names in _OF_A_BLOCK.items()
    }


# OpenAI's key (openai/CLIP, `clip/model.py`) to that of `CLIPModel`.
_VISION = {
    "visual.class_embedding": ("vision_model.embeddings.class_embedding",),
    "visual.conv1.weight": ("vision_model.embeddings.patch_embedding.weight",),
    "visual.positional_embedding": ("vision_model.embeddings.position_embedding.weight",),
    "visual.ln_pre.weight": ("vision_model.pre_layrnorm.weight",),
    "visual.ln_pre.bias": ("vision_model.pre_layrnorm.bias",),
    **_blocks("visual.", "vision_model."),
    "visual.ln_post.weight": ("vision_model.post_layernorm.weight",),
    "visual.ln_post.bias": ("vision_model.post_layernorm.bias",),
    "visual.proj": ("visual_projection.weight",),
}
_TEXT = {
    "token_embedding.weight": ("text_model.embeddings.token_embedding.weight",),
    "positional_embedding": ("text_model.embeddings.position_embedding.weight",),
    **_blocks("", "text_model."),
    "ln_final.weight": ("text_model.final_layer_norm.weight",),
    "ln_final.bias": ("text_model.final_layer_norm.bias",),
    "text_projection": ("text_projection.weight",),
    "logit_scale": ("logit_scale",),
}
KEY_TABLE = KeyTable(
    _VISION | _TEXT,
    re.compile(r"(?<=transformer\.resblocks\.)\d+"),
    transposed=frozenset({"visual.proj", "text_projection"}),
)
# Part of a key outside the CLIP to the reason why it is not needed.
REASONS = {
    "projection_head.": "the projection head: in training only, the paper evaluates without it",
    "pooling_layer.": "pools ground photos, in training only",
    "queue": "negatives of the training run",
    "logit_scale": "the temperature against photos; CLIP's own, which its texts were trained with, is kept",
    "input_resolution": "a size, read from the shapes",
    "context_length": "a size, read from the shapes",
    "vocab_size": "a size, read from the shapes",
}
# Every ViT of OpenAI's has heads of this width, in both towers; the shapes do not tell.
HEAD_WIDTH = 64
# What only the first file of a tower has: of a ViT, and of a ResNet.
_VIT, _RESNET = "visual.conv1.weight", "visual.layer1.0.conv1.weight"
# Keys whose shapes tell the sizes of a tower, with their number of axes.
_AXES = {
    "visual.conv1.weight": 4,
    "visual.positional_embedding": 2,
    "visual.transformer.resblocks.0.mlp.c_fc.weight": 2,
    "visual.proj": 2,
    "token_embedding.weight": 2,
    "positional_embedding": 2,
    "transformer.resblocks.0.mlp.c_fc.weight": 2,
    "text_projection": 2,
}


@dataclass(frozen=True)
class SenCLIPConversionReport:
    """Say what became of every key of a checkpoint; `str()` is the text for people.

    Attributes:
        checkpoint: the file or Hub id that was read.
        clip: the CLIP checkpoint that gave the tokenizer, and the text tower where the file has none.
        output: the folder that was written.
        prefix: where the CLIP sat among the file's keys.
        config: of the CLIP that was written.
        num_parameters: of it.
        own_text_tower: whether the text tower is the file's own.
        converted: upstream's key to ours.
        left_out: upstream's key to the reason why it was not converted.
    """

    checkpoint: str
    clip: str
    output: Path
    prefix: str
    config: CLIPConfig
    num_parameters: int
    own_text_tower: bool
    converted: Mapping[str, tuple[str, ...]]
    left_out: Mapping[str, str]

    def __str__(self) -> str:
        vision = self.config.vision_config
        return "\n".join(
            [
                f"{self.checkpoint} -> {self.output}",
                f"CLIPModel: {self.num_parameters:,} parameters; ViT of {vision.num_hidden_layers} layers of width "
                f"{vision.hidden_size}, {vision.image_size} pixels in patches of {vision.patch_size} -> "
                f"{self.config.projection_dim}; {vision.hidden_act}",
                f"text tower: {'its own' if self.own_text_tower else self.clip}; tokenizer: {self.clip}",
                *key_lines(self.prefix, self.converted, self.left_out),
            ]
        )


def convert_senclip(
    checkpoint: str | Path | UpstreamFile, clip: str | Path, output: str | Path, *, revision: str | None = None
) -> SenCLIPConversionReport:
    """Write a stock `CLIPModel`, its tokenizer and its image processor from an upstream ViT-B/32 checkpoint.

    Any ViT of OpenAI's layout will do; sizes are read from the shapes, and the activation is OpenAI's quick GELU. Keys
    do not tell it: open_clip's ViT-B-32, and RemoteCLIP with it, have the same keys but GELU, and would come out wrong.
    Every key of the CLIP must be known and present. Tried with random weights, not with the released ones.

    Args:
        checkpoint: a `.ckpt` or `.pt` file, or a Hub id: `user/repo`, or `user/repo:file.ckpt` where the repository
            holds several; or what was read of it.
        clip: folder or Hub id of a CLIP checkpoint: its tokenizer, and its text tower and temperature where the file
            has the vision tower alone.
        output: folder to write.
        revision: of the Hub repository of `checkpoint`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a state dict of tensors, a damaged file, a ResNet, an unknown or missing key, shapes that do
            not fit, or a CLIP checkpoint that cannot be read or is of another joint space.
    """
    output = Path(output)
    if output.is_file():
        raise ValueError(f"The output must be a folder, {output} is a file.")
    file = read_upstream(checkpoint, revision)
    upstream = _find_clip(file)
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(clip))
        donor = None if upstream.has_text else CLIPModel.from_pretrained(str(clip), dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise ValueError(f"No CLIP checkpoint can be read from {clip}: {first_line(error)}") from None
    model = _build_clip(upstream, donor, str(clip))
    tokens = model.config.text_config.vocab_size
    if len(tokenizer) != tokens:
        raise ValueError(
            f"The tokenizer of {clip} has {len(tokenizer)} tokens, the text tower {tokens}: give the CLIP checkpoint "
            "that SenCLIP started from (ViT-B/32)."
        )
    model.save_pretrained(output)
    tokenizer.save_pretrained(output)
    SenCLIPImageProcessor.for_clip(model).to_clip().save_pretrained(output)
    return SenCLIPConversionReport(
        checkpoint=file.name,
        clip=str(clip),
        output=output,
        prefix=upstream.prefix,
        config=model.config,
        num_parameters=model.num_parameters(),
        own_text_tower=upstream.has_text,
        converted={upstream.prefix + key: KEY_TABLE.ours(key) for key in upstream.weights},
        left_out=upstream.left_out,
    )


class UpstreamCLIP(NamedTuple):
    """Hold a CLIP of an upstream file: its tensors behind their prefix, and the keys left out with the reasons."""

    weights: dict[str, torch.Tensor]
    prefix: str
    left_out: dict[str, str]

    @property
    def has_text(self) -> bool:
        """Tell whether it has a text tower."""
        return any(KEY_TABLE.pattern(key) in _TEXT for key in self.weights)


def _find_clip(file: UpstreamFile) -> UpstreamCLIP:
    """Pick the tensors of a CLIP in OpenAI's layout, or raise ValueError for a ResNet, an unknown or missing key."""
    name, state = file
    prefix = _prefix_of(state, name)
    weights, left_out = {}, {}
    for key, tensor in state.items():
        bare = key.removeprefix(prefix)
        if key.startswith(prefix) and KEY_TABLE.pattern(bare) in KEY_TABLE.entries:
            weights[bare] = tensor
        else:
            reason = next((why for part, why in REASONS.items() if part in key), None)
            if reason is None and key.startswith((f"{prefix}visual.", f"{prefix}transformer.")):
                raise ValueError(f"{name} has a key that no CLIP of OpenAI's has: {key}.")
            left_out[key] = reason or "outside the CLIP"
    upstream = UpstreamCLIP(weights, prefix, left_out)
    _check_keys(upstream, name)
    return upstream


def holds_clip(keys: Iterable[str]) -> bool:
    """Tell whether the keys of a file are those of a CLIP in OpenAI's layout, of a ViT or a ResNet."""
    return any(key.endswith((_VIT, _RESNET)) for key in keys)


def _prefix_of(state: Mapping[str, torch.Tensor], name: str) -> str:
    """Find the prefix of the CLIP: `learner.encoder.model.` in Lightning files, none in the released ones."""
    if any(key.endswith(_RESNET) for key in state):
        raise ValueError(
            f"{name} is a CLIP with a ResNet tower (RN50), for which transformers has no class: its CLIPModel sees "
            "with a ViT only; convert the ViT-B/32 checkpoint."
        )
    prefixes = [key.removesuffix(_VIT) for key in state if key.endswith(_VIT)]
    if not prefixes:
        raise ValueError(
            f"{name} holds no CLIP in OpenAI's layout: no key ends in {_VIT}; its first key is {next(iter(state))}."
        )
    # Beside the tower that was trained, a file may hold the frozen one.
    trained = [prefix for prefix in prefixes if prefix.startswith("learner.")] or prefixes
    if len(trained) > 1:
        places = ", ".join(prefix or "no prefix" for prefix in trained)
        raise ValueError(f"{name} holds {len(trained)} CLIPs, under {places}: save the state dict of one alone.")
    return trained[0]


def _check_keys(upstream: UpstreamCLIP, name: str) -> None:
    """Refuse a CLIP with a key missing, or a weight with another number of axes."""
    weights, wanted = upstream.weights, []
    for entries in (_VISION, *([_TEXT] if upstream.has_text else [])):
        layers = KEY_TABLE.num_layers(key for key in weights if KEY_TABLE.pattern(key) in entries)
        wanted += [key.format(layer) for key in entries for layer in (range(layers) if "{}" in key else [0])]
    missing = [upstream.prefix + key for key in wanted if key not in weights]
    if missing:
        raise ValueError(f"{name} lacks keys of the CLIP: {', '.join(missing)}.")
    for key, axes in _AXES.items():
        if key in weights and weights[key].ndim != axes:
            raise ValueError(f"{key} must have {axes} axes, got the shape {tuple(weights[key].shape)}.")


def _build_clip(upstream: UpstreamCLIP, donor: CLIPModel | None, donor_name: str) -> CLIPModel:
    """Make the model, with the donor's text tower where there is a donor."""
    weights = upstream.weights
    joint = weights["visual.proj"].shape[1]
    if donor is not None and donor.config.projection_dim != joint:
        raise ValueError(
            f"The vision tower ends in {joint} dimensions, the text tower of {donor_name} in "
            f"{donor.config.projection_dim}: give the CLIP that SenCLIP started from (ViT-B/32)."
        )
    text_config = _text_config(weights) if donor is None else donor.config.text_config
    model = CLIPModel(CLIPConfig(text_config=text_config, vision_config=_vision_config(weights), projection_dim=joint))
    if donor is not None:
        taken: Any = {name: tensor for name, tensor in donor.state_dict().items() if not name.startswith("vis")}
        model.load_state_dict(taken, strict=False)
    KEY_TABLE.copy(weights, model)
    model.eval()
    return model


def _vision_config(weights: Mapping[str, torch.Tensor]) -> CLIPVisionConfig:
    """Read the sizes of the vision tower from the shapes."""
    width, channels, patch, _ = weights["visual.conv1.weight"].shape
    patches = len(weights["visual.positional_embedding"]) - 1
    side = math.isqrt(patches)
    if side * side != patches or width % HEAD_WIDTH:
        raise ValueError(
            f"The vision tower has {patches} patches and a width of {width}: a ViT of OpenAI's has a square of patches "
            f"and a width that {HEAD_WIDTH} divides."
        )
    return CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=len(weights["visual.transformer.resblocks.0.mlp.c_fc.weight"]),
        num_hidden_layers=KEY_TABLE.num_layers(key for key in weights if key.startswith("visual.")),
        num_attention_heads=width // HEAD_WIDTH,
        num_channels=channels,
        image_size=side * patch,
        patch_size=patch,
        projection_dim=weights["visual.proj"].shape[1],
        hidden_act="quick_gelu",
    )


def _text_config(weights: Mapping[str, torch.Tensor]) -> CLIPTextConfig:
    """Read the sizes of the text tower from the shapes."""
    tokens, width = weights["token_embedding.weight"].shape
    if width % HEAD_WIDTH:
        raise ValueError(f"The text tower has a width of {width}: OpenAI's have one that {HEAD_WIDTH} divides.")
    return CLIPTextConfig(
        vocab_size=tokens,
        hidden_size=width,
        intermediate_size=len(weights["transformer.resblocks.0.mlp.c_fc.weight"]),
        num_hidden_layers=KEY_TABLE.num_layers(key for key in weights if not key.startswith("visual.")),
        num_attention_heads=width // HEAD_WIDTH,
        max_position_embeddings=len(weights["positional_embedding"]),
        projection_dim=weights["text_projection"].shape[1],
        hidden_act="quick_gelu",
        # OpenAI's vocabulary ends in the tokens of start and end; the end is where a text is read, and pads.
        bos_token_id=tokens - 2,
        eos_token_id=tokens - 1,
        pad_token_id=tokens - 1,
    )
