"""Upstream checkpoints to our format: strict, with a report of every key."""

from collections.abc import Sequence
from pathlib import Path

from ..files import read_tensors
from .files import locate
from .senclip import SenCLIPConversionReport, convert_senclip, holds_clip
from .timesenclip import ConversionReport, convert_timesenclip, holds_encoder, read_upstream_encoder

__all__ = [
    "ConversionReport",
    "SenCLIPConversionReport",
    "convert",
    "convert_senclip",
    "convert_timesenclip",
    "read_upstream_encoder",
]


def convert(
    checkpoint: str | Path,
    clip: str | Path,
    output: str | Path,
    *,
    band_order: Sequence[str] | None = None,
    vision_tower: bool = True,
    revision: str | None = None,
) -> ConversionReport | SenCLIPConversionReport:
    """Converts a checkpoint of either paper, told by its keys.

    Args:
        checkpoint: as for [`convert_timesenclip`] and [`convert_senclip`].
        clip: as there.
        output: as there.
        band_order: as for [`convert_timesenclip`]; SenCLIP reads red, green and blue.
        vision_tower: as for [`convert_timesenclip`]; of SenCLIP it is what was trained.
        revision: as there.

    Raises:
        FileNotFoundError: no such file.
        ValueError: as there, keys of neither, or an option that the checkpoint has no use for.
    """
    file = locate(checkpoint, revision)
    keys = list(read_tensors(file))
    if holds_encoder(keys):
        return convert_timesenclip(
            checkpoint, clip, output, band_order=band_order, vision_tower=vision_tower, revision=revision
        )
    if not holds_clip(keys):
        raise ValueError(
            f"{checkpoint} holds neither a TimeSenCLIP encoder nor a CLIP in OpenAI's layout, as SenCLIP's checkpoints "
            f"do; its first key is {keys[0]}."
        )
    if band_order is not None or not vision_tower:
        option = "band order" if band_order is not None else "choice of towers"
        raise ValueError(f"{checkpoint} is SenCLIP's, a whole CLIP that reads red, green and blue: drop the {option}.")
    return convert_senclip(checkpoint, clip, output, revision=revision)
