"""Convert upstream SenCLIP checkpoints, CLIPs in OpenAI's layout, to a folder of transformers' `CLIPModel`."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import AutoTokenizer, CLIPConfig, CLIPModel, CLIPTextConfig, CLIPVisionConfig

from ..files import first_line, whole_folder
from ..files.outputs import CHECKPOINT_FILES
from ..models.senclip.image_processing_senclip import SenCLIPImageProcessor
from .upstream import ConversionReport, KeyTable, UpstreamFile, read_upstream

KEY_TABLE = KeyTable("senclip")
# Every ViT of OpenAI's has heads of this width, in both towers; the shapes do not tell.
HEAD_WIDTH = 64
# What only the first file of a tower has: of a ViT, and of a ResNet.
_VIT, _RESNET = "visual.conv1.weight", "visual.layer1.0.conv1.weight"


def convert_senclip(
    checkpoint: str | Path | UpstreamFile, clip: str | Path, output: str | Path, *, overwrite: bool = False
) -> ConversionReport:
    """Write a stock `CLIPModel`, its tokenizer and its image processor from an upstream ViT-B/32 checkpoint.

    Any ViT of OpenAI's layout will do; sizes are read from the shapes, and the activation is OpenAI's quick GELU. Keys
    do not tell it: open_clip's ViT-B-32, and RemoteCLIP with it, have the same keys but GELU, and would come out wrong.
    Every key of the CLIP must be known and present. Tried with random weights, not with the released ones.

    Args:
        checkpoint: a `.ckpt` or `.pt` file, or a Hub id, `user/repo` or `user/repo:file.ckpt`; or what was read of it.
        clip: folder or Hub id of a CLIP checkpoint: its tokenizer, and its text tower and temperature where the file
            has the vision tower alone.
        output: folder to write.
        overwrite: replace a folder that holds a checkpoint and nothing else.

    Raises:
        OSError: the output cannot be written, or is there already and not to be replaced.
        FileNotFoundError: no such file.
        ValueError: not a state dict of tensors, a damaged file, a ResNet, an unknown or missing key, shapes that do not
            fit, or a CLIP checkpoint that cannot be read or is of another joint space.
    """
    with whole_folder(output, overwrite=overwrite, names=CHECKPOINT_FILES) as partial:
        file = read_upstream(checkpoint)
        upstream = _find_clip(file)
        try:
            tokenizer = AutoTokenizer.from_pretrained(str(clip), trust_remote_code=False)
            donor = None if upstream.has_text else CLIPModel.from_pretrained(str(clip), dtype=torch.float32)
        except (OSError, ValueError) as error:
            raise ValueError(f"No CLIP checkpoint can be read from {clip}: {first_line(error)}") from None
        model = _build_clip(upstream, donor, str(clip))
        tokens = model.config.text_config.vocab_size
        if len(tokenizer) != tokens:
            raise ValueError(
                f"The tokenizer of {clip} has {len(tokenizer)} tokens, the text tower {tokens}: give the CLIP "
                "checkpoint that SenCLIP started from (ViT-B/32)."
            )
        model.save_pretrained(partial)
        tokenizer.save_pretrained(partial)
        SenCLIPImageProcessor.for_clip(model).to_clip().save_pretrained(partial)
    vision = model.config.vision_config
    return ConversionReport(
        checkpoint=file.name,
        clip=str(clip),
        output=Path(output),
        prefix=upstream.prefix,
        description=(
            f"CLIPModel: {model.num_parameters():,} parameters; ViT of {vision.num_hidden_layers} layers of width "
            f"{vision.hidden_size}, {vision.image_size} pixels in patches of {vision.patch_size} -> "
            f"{model.config.projection_dim}; {vision.hidden_act}",
            f"text tower: {'its own' if upstream.has_text else clip}; tokenizer: {clip}",
        ),
        converted={upstream.prefix + key: KEY_TABLE.ours(key) for key in upstream.weights},
        left_out=upstream.left_out,
    )


class UpstreamCLIP(NamedTuple):
    """Hold a CLIP of an upstream file: its tensors behind their prefix, and the keys left out with the reasons."""

    weights: dict[str, Tensor]
    prefix: str
    left_out: dict[str, str]

    @property
    def has_text(self) -> bool:
        """Tell whether it has a text tower."""
        return any(KEY_TABLE.pattern(key) in KEY_TABLE.groups["text"] for key in self.weights)


def _find_clip(file: UpstreamFile) -> UpstreamCLIP:
    """Pick the tensors of a CLIP in OpenAI's layout, or raise ValueError for a ResNet, an unknown or missing key."""
    name, state = file.name, file.weights
    prefix = _prefix_of(state, name)
    weights, left_out = {}, {}
    for key, tensor in state.items():
        bare = key.removeprefix(prefix)
        if key.startswith(prefix) and bare in KEY_TABLE:
            weights[bare] = tensor
        else:
            reason = KEY_TABLE.reason(key)
            if reason is None and key.startswith((f"{prefix}visual.", f"{prefix}transformer.")):
                raise ValueError(f"{name} has a key that no CLIP of OpenAI's has: {key}.")
            left_out[key] = reason or "outside the CLIP"
    upstream = UpstreamCLIP(weights, prefix, left_out)
    groups = ("vision", "text") if upstream.has_text else ("vision",)
    missing = [prefix + key for group in groups for key in KEY_TABLE.missing(weights, group)]
    if missing:
        raise ValueError(f"{name} lacks keys of the CLIP: {', '.join(missing)}.")
    KEY_TABLE.check_axes(weights)
    return upstream


def holds_clip(keys: Iterable[str]) -> bool:
    """Tell whether the keys of a file are those of a CLIP in OpenAI's layout, of a ViT or a ResNet."""
    return any(key.endswith((_VIT, _RESNET)) for key in keys)


def _prefix_of(state: Mapping[str, Tensor], name: str) -> str:
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


def _vision_config(weights: Mapping[str, Tensor]) -> CLIPVisionConfig:
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
        num_hidden_layers=KEY_TABLE.num_layers(weights, "vision"),
        num_attention_heads=width // HEAD_WIDTH,
        num_channels=channels,
        image_size=side * patch,
        patch_size=patch,
        projection_dim=weights["visual.proj"].shape[1],
        hidden_act="quick_gelu",
    )


def _text_config(weights: Mapping[str, Tensor]) -> CLIPTextConfig:
    """Read the sizes of the text tower from the shapes."""
    tokens, width = weights["token_embedding.weight"].shape
    if width % HEAD_WIDTH:
        raise ValueError(f"The text tower has a width of {width}: OpenAI's have one that {HEAD_WIDTH} divides.")
    return CLIPTextConfig(
        vocab_size=tokens,
        hidden_size=width,
        intermediate_size=len(weights["transformer.resblocks.0.mlp.c_fc.weight"]),
        num_hidden_layers=KEY_TABLE.num_layers(weights, "text"),
        num_attention_heads=width // HEAD_WIDTH,
        max_position_embeddings=len(weights["positional_embedding"]),
        projection_dim=weights["text_projection"].shape[1],
        hidden_act="quick_gelu",
        # OpenAI's vocabulary ends in the tokens of start and end; the end is where a text is read, and pads.
        bos_token_id=tokens - 2,
        eos_token_id=tokens - 1,
        pad_token_id=tokens - 1,
    )
