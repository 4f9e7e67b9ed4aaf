"""Simulate a tower's rows: places, their series or images, and their drawn photos as a CLIP embeds them."""

from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn
from transformers import CLIPImageProcessor, CLIPModel

from timesenclip_hf import TimeSenCLIPFeatureExtractor
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS
from timesenclip_hf.simulator import SimulatedPoints, simulate
from timesenclip_hf.simulator.classes import CLASS_NAMES
from timesenclip_hf.simulator.patches import simulate_patches
from timesenclip_hf.simulator.photos.drawing import draw_photos, visit_states
from training.batches import Batch, TensorRows
from training.checkpoints import compute_once
from training.small_clip import photo_values
from training.sources import ClassLabels, ImageRows, Prepare, RowSource

# Each set of points has a seed of its own, so that none shares a point with another; the evaluation's is 3.
SERIES_SEED, VALIDATION_SEED = 2, 4
# Points whose photos are drawn, embedded, kept on disk and dropped at a time: 2,000 points are 98 MB of photos.
EMBEDDED_AT_A_TIME = 2_000
PHOTOS_AT_A_TIME = 256


def simulated_source(
    num_points: int,
    seed: int,
    clip: CLIPModel,
    image_processor: CLIPImageProcessor,
    accelerator: Accelerator,
    folder: Path,
    workers: int,
    *,
    prepare: TimeSenCLIPFeatureExtractor | Prepare,
) -> RowSource:
    """Simulate places, and embed their drawn photos with a CLIP.

    Args:
        num_points: places; those that were never seen clearly are left out.
        seed: of the places and of their photos.
        clip: on the accelerator's device.
        image_processor: of the CLIP.
        accelerator: its processes share the photos.
        folder: for embeddings, so that a stopped run does not embed again.
        workers: processes that draw photos.
        prepare: the model's extractor of series; or, for an image of each place from above in their place, images to
            what the model takes.
    """
    points = simulate(num_points, seed=seed)
    photo_embeds = _simulated_photo_embeds(points, seed, clip, image_processor, accelerator, folder, workers)
    extractor = prepare if isinstance(prepare, TimeSenCLIPFeatureExtractor) else TimeSenCLIPFeatureExtractor()
    seen, names, series, labels = _seen_points(points, seed, extractor)
    paired = {
        "photo_embeds": photo_embeds[seen],
        "photo_mask": torch.ones(photo_embeds[seen].shape[:2], dtype=torch.bool),
        "ids": torch.arange(len(names)),
    }
    if isinstance(prepare, TimeSenCLIPFeatureExtractor):
        return RowSource(TensorRows(names, **series, **paired), labels)
    patches = simulate_patches(points, seed=seed)[seen.numpy()]
    return RowSource(ImageRows(lambda chosen: list(patches[chosen]), prepare, names, **paired), labels)


def simulated_series(num_points: int, seed: int, extractor: TimeSenCLIPFeatureExtractor) -> RowSource:
    """Simulate places by their series alone; those that were never seen clearly are left out.

    Args:
        num_points: places.
        seed: of the places.
        extractor: of the model.
    """
    _, names, series, labels = _seen_points(simulate(num_points, seed=seed), seed, extractor)
    return RowSource(TensorRows(names, **series), labels)


def _seen_points(
    points: SimulatedPoints, seed: int, extractor: TimeSenCLIPFeatureExtractor
) -> tuple[torch.Tensor, list[str], Batch, dict[str, ClassLabels]]:
    """Return which points were ever seen clearly, and of these names, model inputs and covers."""
    features = extractor(points.series, bands=BANDS, allow_empty=True, return_tensors="pt")
    seen = features["series_mask"].any(dim=1)
    names = [f"simulated point {index} of seed {seed}" for index in seen.nonzero()[:, 0].tolist()]
    series = {name: features[name][seen] for name in ("pixel_series", "series_mask", "months")}
    covers = ClassLabels(points.class_index[seen.numpy()], {name: [name] for name in CLASS_NAMES})
    return seen, names, series, {"cover": covers}


def _simulated_photo_embeds(
    points: SimulatedPoints,
    seed: int,
    clip: CLIPModel,
    image_processor: CLIPImageProcessor,
    accelerator: Accelerator,
    folder: Path,
    workers: int,
) -> torch.Tensor:
    """Draw and embed photos where no earlier start has done it; return (points, photos, dim)."""
    num_points, states = len(points.class_index), visit_states(points.ground)
    starts = range(0, num_points, EMBEDDED_AT_A_TIME)
    files = [folder / f"{seed}-{num_points}-{start:08d}.safetensors" for start in starts]

    def draw(shard: int) -> Batch:
        first = starts[shard]
        part = slice(first, first + EMBEDDED_AT_A_TIME)
        photos = draw_photos(points.class_index[part], states[part], seed=seed, first=first, workers=workers)
        return {"photo_embeds": embed_photos(photos, clip, image_processor)}

    return compute_once(files, draw, accelerator, "embedding photos")["photo_embeds"]


@torch.no_grad()
def embed_photos(photos: np.ndarray, clip: CLIPModel, image_processor: CLIPImageProcessor) -> torch.Tensor:
    """Return unit embeddings (points, photos, dim) of drawn photos (points, photos, side, side, 3)."""
    flat = photos.reshape(-1, *photos.shape[2:])
    embeds = []
    for start in range(0, len(flat), PHOTOS_AT_A_TIME):
        values = photo_values(flat[start : start + PHOTOS_AT_A_TIME], image_processor).to(clip.device)
        embeds.append(nn.functional.normalize(clip.get_image_features(values).pooler_output, dim=-1).cpu())
    return torch.cat(embeds).reshape(*photos.shape[:2], -1)
