"""Define the systems that the loop trains: a year of one pixel, or one image, against photos of the same place.

Each says what its rows and views are, what happens to its rows in training, what compares the views, and what is saved
and measured of it. A third, `students`, matches a teacher.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import nn
from transformers import AutoTokenizer, CLIPImageProcessor, CLIPModel

from timesenclip_hf import (
    TimeSenCLIPFeatureExtractor,
    TimeSenCLIPModel,
    TimeSenCLIPPixelConfig,
    TimeSenCLIPPixelModel,
    TimeSenCLIPProcessor,
    encode,
)
from timesenclip_hf.evaluation.baselines import IMAGE_TEMPLATES, ImageModel
from timesenclip_hf.learning import CrossViewContrastiveLoss, EmbeddingMatchingLoss
from timesenclip_hf.learning.augmentation import ImageAugmentation, TemporalAugmentation
from timesenclip_hf.models.senclip.configuration_senclip import PoolingMethod
from timesenclip_hf.models.senclip.image_processing_senclip import SenCLIPImageProcessor
from timesenclip_hf.models.senclip.modeling_senclip import PhotoPooling, SenCLIPModel
from timesenclip_hf.simulator.captions import caption_vocabulary
from training.arguments import DataArguments, ModelArguments, RunArguments
from training.batches import Batch, TensorRows
from training.clips import read_clip, read_extractor, read_tower
from training.loop import Evaluation
from training.measure import simulated, simulated_images
from training.novelty import fit_novelty
from training.simulated_rows import SERIES_SEED, VALIDATION_SEED, simulated_source
from training.sources import RowSource, dataset_images, dataset_source
from training.validation import build_validation

TEMPLATES = ["{}", "a photo of {}", "a satellite pixel of {}"]
IMAGES_AT_A_TIME = 128


class SeriesAndPhotos(nn.Module):
    """Give the pixel tower's view, and the pooled frozen embeddings of the photos of the same place."""

    def __init__(self, pixel_model: TimeSenCLIPPixelModel, pooling: PhotoPooling) -> None:
        super().__init__()
        self.pixel_model = pixel_model
        self.pooling = pooling

    def forward(
        self, photo_embeds: torch.Tensor, photo_mask: torch.Tensor, **series: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return embeddings of series and of the photos (batch, photos, dim) that the mask says are there."""
        series_embeds = self.pixel_model(**series, pooled_only=True).pooler_output
        return series_embeds, self.pooling(photo_embeds, photo_mask)

    def encode(self, rows: TensorRows) -> torch.Tensor:
        """Return unit embeddings (rows, dim) of the series, on the CPU, as the published model gives them."""
        return encode(self.pixel_model, rows.__getitems__(list(range(len(rows)))))


class ImagesAndPhotos(nn.Module):
    """Give the satellite tower's view, and the pooled frozen embeddings of the photos of the same place."""

    def __init__(self, model: SenCLIPModel) -> None:
        super().__init__()
        self.model = model

    @property
    def pooling(self) -> nn.Module:
        """Return the module that pools a place's photos."""
        return self.model.pooling

    def forward(
        self, pixel_values: torch.Tensor, photo_embeds: torch.Tensor, photo_mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return embeddings of images and of the photos (batch, photos, dim) that the mask says are there."""
        output = self.model(pixel_values, photo_embeds=photo_embeds, photo_mask=photo_mask)
        return output.image_embeds, output.photo_embeds

    @torch.no_grad()
    def encode(self, rows: TensorRows) -> torch.Tensor:
        """Return unit embeddings (rows, dim) of the images, on the CPU, without the head, which only trains."""
        device, embeds = next(self.parameters()).device, []
        for start in range(0, len(rows), IMAGES_AT_A_TIME):
            batch = rows.__getitems__(list(range(start, min(start + IMAGES_AT_A_TIME, len(rows)))))
            features = self.model.get_image_features(batch["pixel_values"].to(device)).pooler_output
            embeds.append(nn.functional.normalize(features.float(), dim=-1).cpu())
        return torch.cat(embeds)


@dataclass(frozen=True)
class Setting:
    """Hold what a system is built from: the run's arguments, and the frozen CLIP to align with, or the teacher."""

    data: DataArguments
    model: ModelArguments
    training: RunArguments
    accelerator: Accelerator
    clip: CLIPModel | TimeSenCLIPModel
    clip_folder: str

    def photos(self, *, held_out: bool) -> dict[str, Any]:
        """Say how many places are simulated, and who embeds their photos: arguments of `simulated_source`."""
        data = self.data
        return {
            "num_points": data.validation_points if held_out else data.series_points,
            "seed": VALIDATION_SEED if held_out else SERIES_SEED,
            "clip": self.clip.eval(),
            "image_processor": CLIPImageProcessor.from_pretrained(self.clip_folder),
            "accelerator": self.accelerator,
            "folder": Path(self.training.output_dir) / "photo_embeds",
            "workers": data.workers,
        }

    def places(self, *, held_out: bool) -> dict[str, Any]:
        """Say which rows and columns of a dataset are read: arguments of `dataset_source`."""
        data = self.data
        return {
            "name_or_path": data.dataset_name_or_path,
            "split": data.validation_split if held_out else data.train_split,
            "label_columns": data.label_columns if held_out else (),
            "projection_dim": self.clip.config.projection_dim,
            "soft_positives": self.training.soft_positives and not held_out,
            "limit": data.validation_points if held_out else None,
        }


class System(ABC):
    """Train `views`: read their rows, change a batch in training (`augment`), and save and measure what comes of them.

    Args:
        setting: what to build it from.
        processor: of the checkpoint that the CLIP is taken from, where it is taken from one.
    """

    stage: str
    description: str
    templates: Sequence[str]
    views: nn.Module
    augment: Callable[[Batch], Batch] | None

    def __init__(self, setting: Setting, processor: TimeSenCLIPProcessor | None) -> None:
        self.setting = setting

    @staticmethod
    def read_clip(name_or_path: str) -> CLIPModel | TimeSenCLIPModel:
        """Read what the system is aligned with, frozen."""
        return read_clip(name_or_path)

    @abstractmethod
    def read(self, *, held_out: bool) -> RowSource:
        """Read rows to train on, or to validate with."""

    def objective(self) -> CrossViewContrastiveLoss | EmbeddingMatchingLoss:
        """Return what compares the views."""
        training = self.setting.training
        return CrossViewContrastiveLoss(
            bidirectional=training.bidirectional,
            logit_scale_init_value=training.logit_scale_init_value,
            learnable_temperature=training.learnable_temperature,
            soft_positives=training.soft_positives,
        )

    def validation(self) -> Evaluation:
        """Build what measures the views on the way."""
        tokenizer = AutoTokenizer.from_pretrained(self.setting.clip_folder)
        return build_validation(self.read(held_out=True), self.setting.clip, tokenizer, self.templates)

    @abstractmethod
    def finish(self, objective: nn.Module, rows: TensorRows) -> None:
        """Make the checkpoint of the trained views, and of the rows they were trained on."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the finished checkpoint."""

    @abstractmethod
    def measure(self) -> dict[str, dict[str, Any]]:
        """Measure the finished checkpoint on held-out simulated points."""


class PixelSystem(System):
    """Train TimeSenCLIP: a pixel tower from nothing, or from a checkpoint, against frozen photo embeddings.

    Args:
        setting: what to build it from.
        processor: of the checkpoint that the CLIP is taken from.
    """

    stage, description = "series_and_photos", "series and photos"
    templates = TEMPLATES

    def __init__(self, setting: Setting, processor: TimeSenCLIPProcessor | None) -> None:
        super().__init__(setting, processor)
        set_seed(setting.training.seed)
        width = setting.clip.config.projection_dim
        self.tower = build_tower(setting.model, width)
        self.views = SeriesAndPhotos(self.tower, PhotoPooling(cast(PoolingMethod, setting.model.photo_pooling), width))
        self.augment = build_augmentation(setting.training)
        # After the tower, whose sentence names a checkpoint that cannot be read.
        self.processor = self._build_processor(processor)

    def _build_processor(self, processor: TimeSenCLIPProcessor | None) -> TimeSenCLIPProcessor:
        """Choose how the model reads series, words and photos; series as the tower to go on from does."""
        setting = self.setting
        processor = processor or TimeSenCLIPProcessor(
            TimeSenCLIPFeatureExtractor(),
            CLIPImageProcessor.from_pretrained(setting.clip_folder),
            AutoTokenizer.from_pretrained(setting.clip_folder),
            hypothesis_template=TEMPLATES,
            known_words=caption_vocabulary() if setting.model.clip_name_or_path is None else None,
        )
        if setting.model.model_name_or_path is not None:
            processor.feature_extractor = read_extractor(setting.model.model_name_or_path)
        elif setting.model.clamp_max is not None:
            processor.feature_extractor.clamp_max = setting.model.clamp_max
        # What lets a missing band be 0 later.
        extractor = processor.feature_extractor
        extractor.band_dropout = max(extractor.band_dropout, setting.training.band_dropout)
        return processor

    def read(self, *, held_out: bool) -> RowSource:
        """Read rows to train on, or to validate with."""
        setting = self.setting
        if setting.data.dataset_name_or_path is None:
            return simulated_source(prepare=self.processor.feature_extractor, **setting.photos(held_out=held_out))
        extractor, patch_size = self.processor.feature_extractor, setting.model.patch_size
        return dataset_source(extractor=extractor, patch_size=patch_size, **setting.places(held_out=held_out))

    def finish(self, objective: nn.Module, rows: TensorRows) -> None:
        """Put the trained tower beside the CLIP's towers, with its temperature and what tells `rows` from others."""
        self.full = TimeSenCLIPModel.from_clip(self.tower.to("cpu"), self.setting.clip_folder)
        with torch.no_grad():
            self.full.logit_scale.copy_(cast(torch.Tensor, objective.logit_scale))
        self.full.eval()
        training, extractor = self.setting.training, self.processor.feature_extractor
        if training.novelty_steps and self.setting.accelerator.is_main_process:
            fitted = fit_novelty(
                rows,
                extractor,
                self.tower.config,
                steps=training.novelty_steps,
                seed=training.seed,
                band_dropout=training.band_dropout,
            )
            self.full.keep_novelty(fitted)

    def save(self, folder: Path) -> None:
        """Write the finished checkpoint."""
        self.full.save_pretrained(folder)
        self.processor.save_pretrained(folder)

    def measure(self) -> dict[str, dict[str, Any]]:
        """Measure the finished checkpoint on held-out simulated points."""
        return simulated(self.full, self.processor, self.setting.data.held_out_points)


def build_augmentation(training: RunArguments) -> TemporalAugmentation:
    """Build what makes years shorter and sparser, as often as the run was told."""
    return TemporalAugmentation(
        training.augmentation_probability,
        median=training.augment_median,
        drop_quarter=training.augment_drop_quarter,
        random_subset=training.augment_random_subset,
        month_dropout=training.month_dropout,
        band_dropout=training.band_dropout,
    )


def build_tower(model: ModelArguments, projection_dim: int) -> TimeSenCLIPPixelModel:
    """Build a fresh pixel tower, or read that of the checkpoint to go on from."""
    if model.model_name_or_path is not None:
        return read_tower(model.model_name_or_path, projection_dim)
    sizes = ("encoder_type", "patch_size", "num_attention_heads", "hidden_size", "num_hidden_layers", "hidden_act")
    dropout = {} if model.dropout is None else {"attention_dropout": model.dropout}
    return TimeSenCLIPPixelModel(
        TimeSenCLIPPixelConfig(
            **{name: getattr(model, name) for name in (*sizes, "intermediate_size")},
            hidden_dropout_prob=model.dropout,
            projection_dim=projection_dim,
            **dropout,
        )
    )


class ImageSystem(System):
    """Train SenCLIP: the CLIP's own vision tower fine-tuned on satellite images, against frozen embeddings of photos.

    Args:
        setting: what to build it from.
        processor: not needed; images have their own.
    """

    stage, description = "images_and_photos", "images and photos"
    templates = IMAGE_TEMPLATES

    def __init__(self, setting: Setting, processor: TimeSenCLIPProcessor | None) -> None:
        super().__init__(setting, processor)
        model = setting.model
        set_seed(setting.training.seed)
        self.model = SenCLIPModel.from_clip(
            setting.clip_folder,
            pooling=model.photo_pooling,
            trainable_blocks=None if model.trainable_blocks < 0 else model.trainable_blocks,
            projection_head=model.projection_head,
        )
        self.views = ImagesAndPhotos(self.model)
        self.augment = ImageAugmentation(setting.training.image_augmentation)
        self.image_processor = SenCLIPImageProcessor.for_clip(setting.clip, stretch=model.stretch, crop=model.crop)

    def _prepare(self, images: Any) -> torch.Tensor:
        values: torch.Tensor = self.image_processor(images, return_tensors="pt")["pixel_values"]
        return values

    def read(self, *, held_out: bool) -> RowSource:
        """Read rows to train on, or to validate with."""
        setting = self.setting
        if setting.data.dataset_name_or_path is None:
            return simulated_source(prepare=self._prepare, **setting.photos(held_out=held_out))
        return dataset_images(prepare=self._prepare, **setting.places(held_out=held_out))

    def finish(self, objective: nn.Module, rows: TensorRows) -> None:
        """Leave a stock CLIP, whose own temperature stays: it is the one that its words were trained with."""
        clip, tokenizer = self.model.to("cpu").to_clip(), AutoTokenizer.from_pretrained(self.setting.clip_folder)
        self.finished = ImageModel("checkpoint", clip, self.image_processor.to_clip(), tokenizer)

    def save(self, folder: Path) -> None:
        """Write what every zero-shot image classification can load."""
        for part in (self.finished.model, self.finished.image_processor, self.finished.tokenizer):
            part.save_pretrained(folder)

    def measure(self) -> dict[str, dict[str, Any]]:
        """Measure the finished checkpoint on images of held-out simulated points."""
        return simulated_images(self.finished, self.setting.data.held_out_points)
