"""Trains a pixel tower against photos of the same places: `accelerate launch training/train.py CONFIG.yaml`.

Stages, each written to the output folder before the next starts: a small CLIP on simulated photos and captions
(unless a CLIP checkpoint is given), one frozen photo embedding a point, the pixel tower against those
embeddings, and the measured results. Labels and words never reach the pixel tower.
"""

import json
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from arguments import DataArguments, ModelArguments, TrainingArguments, parse_arguments
from evaluate import describe, simulated
from loop import TensorRows, fit
from small_clip import (
    build_image_processor,
    build_small_clip,
    photo_values,
    sparse_image_features,
    tokenize,
    train_tokenizer,
)
from torch import nn
from tqdm import tqdm
from transformers import AutoTokenizer, CLIPImageProcessor, CLIPModel

from timesenclip_hf import (
    TimeSenCLIPFeatureExtractor,
    TimeSenCLIPModel,
    TimeSenCLIPPixelConfig,
    TimeSenCLIPPixelModel,
    TimeSenCLIPProcessor,
)
from timesenclip_hf.data.simulated import SimulatedPoints, simulate
from timesenclip_hf.data.simulated.captions import caption_vocabulary, write_captions
from timesenclip_hf.data.simulated.photos import draw_photos, visit_states
from timesenclip_hf.objectives import CrossViewContrastiveLoss

# Each set of points has a seed of its own, so that none shares a point with another; the evaluation's is 3.
PHOTO_SEED, SERIES_SEED = 1, 2
TEMPLATES = ["{}", "a photo of {}", "a satellite pixel of {}"]
# Points whose photos are drawn, embedded and dropped at a time: 2,000 points are 98 MB of photos.
EMBEDDED_AT_A_TIME = 2_000


class PhotosAndCaptions(nn.Module):
    """Stage one: the small CLIP, photos against captions both ways."""

    def __init__(self, clip: CLIPModel, image_processor: CLIPImageProcessor, patch_share: float) -> None:
        super().__init__()
        self.clip = clip
        self.image_processor = image_processor
        self.patch_share = patch_share
        self.objective = CrossViewContrastiveLoss(bidirectional=True)

    def forward(self, photos: torch.Tensor, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Loss of a batch of photos (batch, side, side, 3) and their captions."""
        pixel_values = photo_values(photos, self.image_processor)
        images = sparse_image_features(self.clip, pixel_values, self.patch_share)
        longest = int(attention_mask.sum(dim=1).max())
        texts = self.clip.get_text_features(input_ids[:, :longest], attention_mask[:, :longest]).pooler_output
        return self.objective(images, texts)


class SeriesAndPhotos(nn.Module):
    """Stage two: the pixel tower towards the frozen photo embedding of the same point."""

    def __init__(self, pixel_model: TimeSenCLIPPixelModel, month_dropout: float) -> None:
        super().__init__()
        self.pixel_model = pixel_model
        self.month_dropout = month_dropout
        self.objective = CrossViewContrastiveLoss()

    def forward(
        self, pixel_series: torch.Tensor, series_mask: torch.Tensor, photo_embeds: torch.Tensor
    ) -> torch.Tensor:
        """Loss of a batch of series and their photo embeddings."""
        series_embeds = self.pixel_model(pixel_series, self._drop_months(series_mask)).pooler_output
        return self.objective(series_embeds, photo_embeds)

    def _drop_months(self, series_mask: torch.Tensor) -> torch.Tensor:
        device, rows = series_mask.device, (len(series_mask), 1)
        share = 2 * self.month_dropout * torch.rand(rows, device=device) * (torch.rand(rows, device=device) < 0.5)
        kept = series_mask & (torch.rand(series_mask.shape, device=device) >= share)
        # A series that lost nearly everything says nothing: it keeps what it had.
        return torch.where(kept.sum(dim=1, keepdim=True) < 2, series_mask, kept)


def train_clip(
    accelerator: Accelerator, data: DataArguments, training: TrainingArguments, folder: Path
) -> list[dict[str, float]]:
    """Stage one; leaves a CLIP checkpoint in the folder."""
    points = simulate(data.photo_points, seed=PHOTO_SEED)
    states = visit_states(points.ground)
    photos = draw_photos(points.class_index, states, seed=PHOTO_SEED, workers=data.workers, progress=True)
    captions = [text for visits in write_captions(points.class_index, states, seed=PHOTO_SEED) for text in visits]
    tokenizer = train_tokenizer(captions)
    clip = build_small_clip(tokenizer)
    image_processor = build_image_processor(clip)
    rows = TensorRows(
        photos=torch.from_numpy(photos.reshape(-1, *photos.shape[2:])),
        **tokenize(tokenizer, captions),
    )
    task = PhotosAndCaptions(clip, image_processor, training.clip_patch_share)
    curve = fit(
        accelerator,
        task,
        rows,
        description="photos and captions",
        **training.stage("clip_"),
    )
    clip.to("cpu")
    with torch.no_grad():
        clip.logit_scale.copy_(task.objective.logit_scale)
    if accelerator.is_main_process:
        for part in (clip, tokenizer, image_processor):
            part.save_pretrained(folder)
    return curve


@torch.no_grad()
def embed_photos(
    points: SimulatedPoints, clip: CLIPModel, image_processor: CLIPImageProcessor, *, seed: int, workers: int
) -> torch.Tensor:
    """One unit embedding a point, the mean of its photos' unit embeddings, (points, projection_dim)."""
    states = visit_states(points.ground)
    embeds = []
    for start in tqdm(range(0, len(states), EMBEDDED_AT_A_TIME), desc="embedding photos"):
        part = slice(start, start + EMBEDDED_AT_A_TIME)
        photos = draw_photos(points.class_index[part], states[part], seed=seed, first=start, workers=workers)
        for chunk in np.array_split(photos, max(len(photos) // 64, 1)):
            values = photo_values(chunk.reshape(-1, *chunk.shape[2:]), image_processor).to(clip.device)
            features = nn.functional.normalize(clip.get_image_features(values).pooler_output, dim=-1)
            embeds.append(features.unflatten(0, chunk.shape[:2]).mean(dim=1).cpu())
    return nn.functional.normalize(torch.cat(embeds), dim=-1)


def train_tower(
    accelerator: Accelerator,
    data: DataArguments,
    model: ModelArguments,
    training: TrainingArguments,
    clip_folder: str,
) -> tuple[TimeSenCLIPModel, list[dict[str, float]]]:
    """Stage two; the full model, with the temperature that the series learned against photos."""
    clip = CLIPModel.from_pretrained(clip_folder).eval().to(accelerator.device)
    points = simulate(data.series_points, seed=SERIES_SEED)
    photo_embeds = embed_photos(
        points, clip, CLIPImageProcessor.from_pretrained(clip_folder), seed=SERIES_SEED, workers=data.workers
    )
    features = TimeSenCLIPFeatureExtractor()(points.series, allow_empty=True, return_tensors="pt")
    seen = features["series_mask"].any(dim=1)
    rows = TensorRows(
        pixel_series=features["pixel_series"][seen],
        series_mask=features["series_mask"][seen],
        photo_embeds=photo_embeds[seen],
    )
    tower = TimeSenCLIPPixelModel(
        TimeSenCLIPPixelConfig(
            hidden_size=model.hidden_size,
            num_hidden_layers=model.num_hidden_layers,
            num_attention_heads=model.num_attention_heads,
            intermediate_size=model.intermediate_size,
            hidden_dropout_prob=model.dropout,
            attention_dropout=model.dropout,
            projection_dim=clip.config.projection_dim,
        )
    )
    task = SeriesAndPhotos(tower, training.month_dropout)
    curve = fit(
        accelerator,
        task,
        rows,
        description="series and photos",
        **training.stage(),
    )
    full = TimeSenCLIPModel.from_clip(tower.to("cpu"), clip_folder)
    with torch.no_grad():
        full.logit_scale.copy_(task.objective.logit_scale)
    return full, curve


def main() -> None:
    """Runs every stage and writes the checkpoint and its results."""
    data, model, training = parse_arguments()
    started = time.monotonic()
    accelerator = Accelerator(mixed_precision=training.mixed_precision)
    set_seed(training.seed)
    output = Path(training.output_dir)
    output.mkdir(parents=True, exist_ok=True)
    arguments = {**asdict(data), **asdict(model), **asdict(training)}
    (output / "arguments.json").write_text(json.dumps(arguments, indent=1) + "\n", encoding="utf-8")

    curves = {}
    clip_folder = model.clip_name_or_path
    if clip_folder is None:
        clip_folder = str(output / "clip")
        curves["photos_and_captions"] = train_clip(accelerator, data, training, Path(clip_folder))
        accelerator.wait_for_everyone()
    full, curves["series_and_photos"] = train_tower(accelerator, data, model, training, clip_folder)
    if accelerator.is_main_process:
        processor = TimeSenCLIPProcessor(
            TimeSenCLIPFeatureExtractor(),
            CLIPImageProcessor.from_pretrained(clip_folder),
            AutoTokenizer.from_pretrained(clip_folder),
            hypothesis_template=TEMPLATES,
            known_words=caption_vocabulary() if model.clip_name_or_path is None else None,
        )
        full.eval().save_pretrained(output / "model")
        processor.save_pretrained(output / "model")
        reports = simulated(full, processor, data.held_out_points)
        places = ("output_dir", "results_file")  # where files lie is nothing that was measured
        results = {
            "arguments": {name: value for name, value in arguments.items() if name not in places},
            "zero_shot": reports,
            "minutes": round((time.monotonic() - started) / 60, 1),
            "curves": curves,
        }
        target = Path(training.results_file or output / "results.json")
        target.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        for suite, report in reports.items():
            print(describe(suite, report))
    accelerator.wait_for_everyone()
    accelerator.end_training()


if __name__ == "__main__":
    main()
