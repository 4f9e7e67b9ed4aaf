"""Read the checkpoints that a run starts from, or refuse them in one sentence."""

from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from transformers import AutoConfig, CLIPConfig, CLIPModel

from timesenclip_hf import TimeSenCLIPFeatureExtractor, TimeSenCLIPModel, TimeSenCLIPPixelModel, TimeSenCLIPProcessor
from timesenclip_hf.files import first_line, whole_folder

CLIP, TIMESENCLIP = "clip", "timesenclip"
UNREADABLE = (OSError, ValueError, RuntimeError, SafetensorError)


def kind_of(name_or_path: str) -> str:
    """Return the model type of a checkpoint.

    Raises:
        ValueError: neither CLIP's nor this package's.
    """
    try:
        kind = str(AutoConfig.from_pretrained(name_or_path).model_type)
    except UNREADABLE as error:
        raise ValueError(f"No checkpoint can be read from {name_or_path} ({first_line(error)}).") from None
    if kind not in (CLIP, TIMESENCLIP):
        raise ValueError(f"{name_or_path} is a checkpoint of another architecture, {kind}: a CLIP is needed.")
    return kind


def extract_clip(name_or_path: str, folder: Path) -> TimeSenCLIPProcessor:
    """Write the CLIP inside a TimeSenCLIP checkpoint as an ordinary CLIP checkpoint.

    Returns:
        The checkpoint's processor.

    Raises:
        ValueError: it cannot be read, or has no vision tower.
    """
    try:
        full = TimeSenCLIPModel.from_pretrained(name_or_path)
        processor: TimeSenCLIPProcessor = TimeSenCLIPProcessor.from_pretrained(name_or_path)
    except UNREADABLE as error:
        raise ValueError(f"No checkpoint can be read from {name_or_path} ({first_line(error)}).") from None
    if full.vision_model is None:
        raise ValueError(f"{name_or_path} has no vision tower to embed photos with: name a CLIP (clip_name_or_path).")
    if not folder.exists():
        width = full.config.projection_dim
        clip = CLIPModel(
            CLIPConfig(
                text_config=full.config.text_config.to_dict(),
                vision_config=full.config.vision_config.to_dict(),
                projection_dim=width,
            )
        )
        parts: Any = ("text_model", "text_projection", "vision_model", "visual_projection", "logit_scale")
        for part in parts:
            setattr(clip, part, getattr(full, part))
        with whole_folder(folder) as partial:
            for saved in (clip, processor.tokenizer, processor.image_processor):
                saved.save_pretrained(partial)
    return processor


def read_clip(name_or_path: str) -> CLIPModel:
    """Read a CLIP, frozen.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        return CLIPModel.from_pretrained(name_or_path).eval().requires_grad_(False)
    except UNREADABLE as error:
        raise ValueError(f"No CLIP can be read from {name_or_path} ({first_line(error)}).") from None


def read_teacher(name_or_path: str) -> TimeSenCLIPModel:
    """Read a TimeSenCLIP checkpoint, frozen.

    Raises:
        ValueError: it cannot be read, or is another architecture's.
    """
    if kind_of(name_or_path) != TIMESENCLIP:
        raise ValueError(f"{name_or_path} is a CLIP, which reads no series: a teacher is a TimeSenCLIP checkpoint.")
    try:
        teacher: TimeSenCLIPModel = TimeSenCLIPModel.from_pretrained(name_or_path)
    except UNREADABLE as error:
        raise ValueError(f"No teacher can be read from {name_or_path} ({first_line(error)}).") from None
    teacher.eval().requires_grad_(False)
    return teacher


def read_tower(name_or_path: str, projection_dim: int) -> TimeSenCLIPPixelModel:
    """Read the pixel tower of a TimeSenCLIP checkpoint.

    Raises:
        ValueError: it has none, or one for another joint space.
    """
    tower: TimeSenCLIPPixelModel
    try:
        tower, loading = TimeSenCLIPPixelModel.from_pretrained(name_or_path, output_loading_info=True)
    except UNREADABLE as error:
        raise ValueError(f"No pixel tower can be read from {name_or_path} ({first_line(error)}).") from None
    if loading["missing_keys"]:
        raise ValueError(
            f"{name_or_path} is a checkpoint of another architecture: it lacks {min(loading['missing_keys'])}."
        )
    if tower.config.projection_dim != projection_dim:
        raise ValueError(
            f"The tower of {name_or_path} ends in {tower.config.projection_dim} dimensions, the CLIP or teacher in "
            f"{projection_dim}: go on with the one that it was trained against."
        )
    return tower


def read_extractor(name_or_path: str) -> TimeSenCLIPFeatureExtractor:
    """Read the feature extractor of a checkpoint: the bands and the scaling that its tower was trained with.

    Raises:
        ValueError: it has none.
    """
    try:
        extractor: TimeSenCLIPFeatureExtractor = TimeSenCLIPFeatureExtractor.from_pretrained(name_or_path)
    except UNREADABLE as error:
        raise ValueError(
            f"{name_or_path} has no feature extractor ({first_line(error)}): save the one that its tower was trained "
            "with beside it."
        ) from None
    return extractor
