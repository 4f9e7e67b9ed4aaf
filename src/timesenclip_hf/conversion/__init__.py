"""Convert upstream checkpoints to our format: strict, with a report of every key."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..files.outputs import CHECKPOINT_FILES, check_folder
from ..models.registration import register
from .senclip import convert_senclip, holds_clip
from .timesenclip import convert_timesenclip, encoder_prefix, read_upstream_encoder
from .upstream import ConversionReport, read_upstream

__all__ = ["ConversionReport", "convert", "convert_senclip", "convert_timesenclip", "read_upstream_encoder"]


def convert(
    checkpoint: str | Path,
    clip: str | Path,
    output: str | Path,
    *,
    band_order: Sequence[str] | None = None,
    num_attention_heads: int | None = None,
    vision_tower: bool = True,
    revision: str | None = None,
    overwrite: bool = False,
) -> ConversionReport:
    """Convert a checkpoint of either paper, told by its keys.

    Args:
        checkpoint: a `.ckpt` or `.pt` file, or a Hub id: `user/repo`, or `user/repo:file.ckpt` where the repository
            holds several.
        clip: folder or Hub id of the CLIP checkpoint that gives the tokenizer and the towers that are not upstream's.
        output: folder to write.
        band_order: of TimeSenCLIP, bands of the encoder's input in order, B02 to B12 by wavelength when left out;
            SenCLIP reads red, green and blue.
        num_attention_heads: of TimeSenCLIP, where the file does not tell and it is not the release's 8.
        vision_tower: of TimeSenCLIP, keep CLIP's vision tower, for ground photos; of SenCLIP it is what was trained.
        revision: of the Hub repository of `checkpoint`.
        overwrite: replace a folder that holds a checkpoint and nothing else.

    Raises:
        OSError: the output cannot be written, or is there already and not to be replaced.
        FileNotFoundError: no such file.
        ValueError: the file cannot be converted, its keys are of neither paper, or it has no use for an option.
    """
    check_folder(output, overwrite=overwrite, names=CHECKPOINT_FILES)
    register()
    upstream = read_upstream(checkpoint, revision)
    if encoder_prefix(upstream.weights) is not None:
        sizes: dict[str, Any] = {"band_order": band_order, "num_attention_heads": num_attention_heads}
        return convert_timesenclip(upstream, clip, output, **sizes, vision_tower=vision_tower, overwrite=overwrite)
    if not holds_clip(upstream.weights):
        raise ValueError(
            f"{checkpoint} holds neither a TimeSenCLIP encoder nor a CLIP in OpenAI's layout, as SenCLIP's checkpoints "
            f"do; its first key is {next(iter(upstream.weights))}."
        )
    useless = {
        "band order": band_order is not None,
        "number of heads": num_attention_heads is not None,
        "choice of towers": not vision_tower,
    }
    if option := next((name for name, is_set in useless.items() if is_set), None):
        raise ValueError(
            f"{checkpoint} is SenCLIP's, a complete CLIP that reads red, green and blue: drop the {option}."
        )
    return convert_senclip(upstream, clip, output, overwrite=overwrite)
