"""Score what a checkpoint must beat: the nearest class-mean spectrum, and CLIP models on RGB patches.

Both give scores over the same classes, so that the metrics run on them as on ours; the image models are scored by
[`zero_shot_timesenclip`], with the same prompts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, AutoImageProcessor, AutoTokenizer, CLIPModel
from transformers.utils import logging

from ..classification import check_device
from ..extras import needs_extra
from ..files import first_line
from ..models.registration import register
from ..models.senclip.image_processing_senclip import seems_bgr, to_eight_bit
from ..models.timesenclip.weights_timesenclip import weights_hash
from ..models.timesenclip.zero_shot_timesenclip import embed_classes, score

with needs_extra("eval"):
    from sklearn.metrics.pairwise import nan_euclidean_distances

logger = logging.get_logger(__name__)

# What generic prompts are put into.
IMAGE_TEMPLATES = ("{}", "a photo of {}", "a satellite image of {}")


def nearest_mean_scores(
    train_series: np.ndarray, train_labels: np.ndarray, series: np.ndarray, num_classes: int
) -> np.ndarray:
    """Score series by minus the root mean square distance to each class's mean series, over what both have observed.

    Series (samples, time, band) have NaN where missing, and a training label is -1 where unknown. A class without a
    training sample, or without a value in common with the sample, scores minus the largest float, so that scores
    (samples, num_classes) stay finite; a sample without a value in common with any class is a ValueError.
    """
    if len(train_series) != len(train_labels) or train_series.shape[1:] != series.shape[1:]:
        raise ValueError(
            "Training series must have the shape of the series and one label each: got "
            f"{train_series.shape} with {len(train_labels)} labels, and {series.shape}."
        )
    known = np.unique(np.asarray(train_labels)[np.asarray(train_labels) >= 0])
    if not len(known) or known[-1] >= num_classes:
        raise ValueError(
            f"Training labels must be below the number of classes, {num_classes}, and one of them known, got "
            f"{np.min(train_labels, initial=0)} to {np.max(train_labels, initial=-1)}."
        )
    size = int(np.prod(series.shape[1:]))
    means = np.full((num_classes, size), np.nan)
    for label in known:
        rows = train_series[train_labels == label].reshape(-1, size).astype(np.float64)
        seen = ~np.isnan(rows).all(axis=0)
        means[label, seen] = np.nanmean(rows[:, seen], axis=0)
    # The distance is scaled up to that of complete series: divided by the root of their size, it is a root mean square.
    distances = nan_euclidean_distances(series.reshape(-1, size).astype(np.float64), means) / np.sqrt(size)
    lost = np.isnan(distances).all(axis=1)
    if lost.any():
        raise ValueError(
            f"{int(lost.sum())} series, the first at row {int(lost.argmax())}, have no observed value in common with "
            "any class mean: leave them out."
        )
    return np.where(np.isnan(distances), np.finfo(np.float64).min, -distances)


@dataclass(frozen=True)
class ImageModel:
    """Hold a CLIP model with what prepares its inputs; for words it stands where a [`TimeSenCLIPProcessor`] does."""

    name: str
    model: CLIPModel
    image_processor: Any
    tokenizer: Any
    hypothesis_template: Sequence[str] = IMAGE_TEMPLATES
    known_words: Sequence[str] | None = None

    def describe(self) -> dict[str, Any]:
        """Return name, hash of the weights and size of the model."""
        return {
            "name": self.name,
            "weights_hash": weights_hash(self.model.state_dict()),
            "parameters": sum(parameter.numel() for parameter in self.model.parameters()),
        }


def load_image_model(checkpoint: str, *, device: torch.device | str = "cpu") -> ImageModel:
    """Load a stock `CLIPModel` from a folder or by Hub id.

    `openai/clip-vit-base-patch32` is such a model. RemoteCLIP (`chendelong/RemoteCLIP`) and GeoRSCLIP
    (`Zilun/GeoRSCLIP`) are published as open_clip's `.pt` files and SenCLIP (`pallavijainpj/SenCLIP`) as `.ckpt`,
    without the `config.json` that transformers wants: they must be converted to a folder of `CLIPModel` first
    (SenCLIP's by `timesenclip convert`), and until then are refused in one line. This function was tried with
    checkpoints of random weights only, not with those of the four models. A ValueError says why transformers cannot
    make a CLIP model of it.
    """
    register()
    try:
        config = AutoConfig.from_pretrained(checkpoint, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(
            f"transformers cannot load {checkpoint}, because it finds no config.json that names a model there (weights "
            "of open_clip or Lightning, .pt and .ckpt, have none): convert it to a folder of CLIPModel and give that; "
            f"it says: {first_line(error)}."
        ) from None
    if config.model_type != "clip":
        raise ValueError(f"{checkpoint} holds a {config.model_type} model: give a CLIP model.")
    try:
        model, loading = CLIPModel.from_pretrained(checkpoint, output_loading_info=True)
        processor = AutoImageProcessor.from_pretrained(checkpoint, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(checkpoint, trust_remote_code=False)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise ValueError(f"transformers cannot load the CLIP model {checkpoint}: {first_line(error)}.") from None
    if loading["missing_keys"]:
        raise ValueError(
            f"{checkpoint} is no whole CLIP model: it lacks {min(loading['missing_keys'])}, which would be random; "
            "convert its weights to the names of CLIPModel."
        )
    check_device(device)
    return ImageModel(checkpoint, model.eval().to(device), processor, tokenizer)


@torch.no_grad()
def embed_images(
    image_model: ImageModel, images: np.ndarray, *, batch_size: int = 64, progress: bool = False
) -> torch.Tensor:
    """Embed RGB patches, made unit, (samples, projection_dim) float32 on the CPU; warn where the first seem to be BGR.

    Images (samples, height, width, 3), at least one, are uint8 pictures as they are, or reflectance, which
    [`to_eight_bit`] stretches. Anything that is sliced like an array will do, such as an HDF5 dataset.
    """
    if len(images.shape) != 4 or images.shape[3] != 3 or not len(images):
        raise ValueError(f"`images` must be (samples, height, width, 3) with at least one, got {tuple(images.shape)}.")
    model, embeds = image_model.model, []
    bar = logging.tqdm(total=len(images), unit=" images", disable=not progress)
    for start in range(0, len(images), batch_size):
        chunk = np.asarray(images[start : start + batch_size])
        pictures = chunk if chunk.dtype == np.uint8 else to_eight_bit(chunk)
        if start == 0 and seems_bgr(list(pictures)):
            logger.warning(
                "The images vary more in their third channel than in their first: blue and red seem to be swapped, "
                "reverse the channels."
            )
        inputs = image_model.image_processor(list(pictures), return_tensors="pt", input_data_format="channels_last")
        output = model.get_image_features(pixel_values=inputs["pixel_values"].to(model.device, model.dtype))
        embeds.append(torch.nn.functional.normalize(output.pooler_output.float(), dim=-1).cpu())
        bar.update(len(chunk))
    bar.close()
    return torch.cat(embeds)


def score_images(
    image_model: ImageModel, image_embeds: torch.Tensor, prompts: Mapping[str, Sequence[str]], *, centring: str = "none"
) -> torch.Tensor:
    """Score embedded images for classes as series are scored: logits (samples, classes) with the model's temperature.

    Prompts are those of each class, in the order of the classes, from [`expand_prompts`]; the centring is of
    `CENTRINGS`, "none" for raw scores.
    """
    class_embeds = embed_classes(image_model.model, image_model.tokenizer, prompts).cpu()
    scale = image_model.model.logit_scale.detach().exp().cpu()
    return score(image_embeds, class_embeds, logit_scale=scale, centring=centring)
