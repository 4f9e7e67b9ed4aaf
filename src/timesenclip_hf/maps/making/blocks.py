"""Turn a block of a cube into the layers of a map: composite, encode, score, in pieces that fit in memory."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import torch

from ...classification import Embedded, class_probabilities
from ...extras import needs_extra
from ..files.legend import NO_CLASS
from .recipe import MapClasses, Recipe
from .smoothing import Smoothing, majority, potts

with needs_extra("map"):
    import xarray as xr

Layers = dict[str, np.ndarray]
# -127 to 127: with -128 the codes of an embedding and of its opposite would differ.
LARGEST_CODE = 127


def map_block(block: xr.Dataset, recipe: Recipe) -> Layers:
    """Compute the layers of a block in memory: above this function everything decides, below it everything computes.

    The block is of a cube or of a map with stored embeddings; what is returned are the arrays of [`layer_types`].
    """
    if "reflectance" not in block:
        return _relabel(block, recipe)
    scl = block["scl"].values if "scl" in block else None
    return classify_block(block["reflectance"].values, scl, recipe)


def classify_block(values: np.ndarray, scl: np.ndarray | None, recipe: Recipe) -> Layers:
    """Compute the layers (y, x[, feature]) of reflectance (time, band, y, x) and scene classes (time, y, x)."""
    shape, count = values.shape[2:], values.shape[2] * values.shape[3]
    scores = {name: np.empty((count, len(names.labels)), np.float32) for name, names in recipe.label_sets.items()}
    clear_months = np.empty(count, dtype=np.uint8)
    novelty = np.full(count, np.nan, dtype=np.float32) if recipe.has_novelty else None
    stored = None if recipe.embeddings is None else np.full((count, recipe.projection_dim), np.nan, dtype=np.float32)
    hidden = None if scl is None else scl.reshape(len(scl), count)
    for part, embedded in embed_pixels(values.reshape(*values.shape[:2], count), hidden, recipe):
        if novelty is not None:
            novelty[part] = embedded.novelty
        clear_months[part] = embedded.clear_months
        for name, classes in recipe.label_sets.items():
            scores[name][part] = class_probabilities(embedded, classes.label_set)
        if stored is not None:
            stored[part][embedded.observed] = embedded.embeds.numpy()
    layers = _score_layers(scores, shape, recipe)
    layers["clear_months"] = clear_months.reshape(shape)
    if novelty is not None:
        layers["novelty"] = novelty.reshape(shape)
    if stored is not None and recipe.embeddings == "float16":
        layers["embeddings"] = stored.reshape(*shape, -1).astype(np.float16)
    elif stored is not None:
        layers["embeddings"], layers["embedding_scale"] = embeddings_to_int8(stored.reshape(*shape, -1))
    return layers


def embed_pixels(pixels: np.ndarray, hidden: np.ndarray | None, recipe: Recipe) -> Iterator[tuple[slice, Embedded]]:
    """Embed pixels (time, band, pixel) with scene classes (time, pixel), in parts whose features fit in memory.

    Yields:
        Which pixels, and what the encoder gives of them.
    """
    encoder = recipe.model.encoder()
    count, step = pixels.shape[2], recipe.model.compute.chunk_size
    for start in range(0, count, step):
        part = slice(start, min(start + step, count))
        yield (
            part,
            encoder.embed(
                np.ascontiguousarray(pixels[:, :, part].transpose(2, 0, 1)),
                replace(recipe.reading, scl=None if hidden is None else hidden[:, part].T),
                judge=recipe.reading.units == "auto",  # else a sample of the whole cube was judged
                with_values=recipe.reads_values,
                with_novelty=recipe.has_novelty,
            ),
        )


def stored_embedded(block: xr.Dataset) -> Embedded:
    """Return the stored embeddings of a block in memory as the encoder gave them, row by row of pixels."""
    stored = block["embeddings"].values
    if "embedding_scale" in block:
        stored = embeddings_from_int8(stored, block["embedding_scale"].values)
    vectors = stored.astype(np.float32).reshape(-1, stored.shape[-1])
    observed = ~np.isnan(vectors[:, 0])
    # What storage rounded off is put back: embeddings have the length one.
    unit = torch.nn.functional.normalize(torch.from_numpy(vectors[observed]), dim=-1)
    return Embedded(unit, observed, block["clear_months"].values.reshape(-1))


def _relabel(block: xr.Dataset, recipe: Recipe) -> Layers:
    """Compute the layers of stored embeddings (y, x, feature), by label sets alone."""
    embedded = stored_embedded(block)
    scores = {name: class_probabilities(embedded, each.label_set) for name, each in recipe.label_sets.items()}
    kept = {name: block[name].values for name in ("clear_months", "novelty") if name in block}
    return {**_score_layers(scores, block["clear_months"].shape, recipe), **kept}


def _score_layers(scores: Mapping[str, np.ndarray], shape: tuple[int, ...], recipe: Recipe) -> Layers:
    layers: Layers = {}
    for name, probabilities in scores.items():
        summary = summarise(probabilities.reshape(*shape, -1), recipe.label_sets[name], recipe.smoothing)
        layers |= {f"{name}/{layer}" if name else layer: values for layer, values in summary.items()}
    return layers


def summarise(probabilities: np.ndarray, classes: MapClasses, smoothing: Smoothing | None = None) -> Layers:
    """Compute the layers of a label set from (y, x, class): [`class_layers`], and of groups class and probability.

    A Potts model changes the probabilities, and with them all layers; a majority filter changes the classes, and
    probability and margin follow them.
    """
    size = None
    if smoothing is not None and smoothing.method == "potts":
        probabilities = potts(probabilities, smoothing.amount)
    elif smoothing is not None:
        size = int(smoothing.amount)
    layers = class_layers(probabilities, size)
    if classes.coarse_labels:
        sums = probabilities @ np.eye(len(classes.coarse_labels), dtype=np.float32)[classes.parents]
        coarse = class_layers(sums, size)
        layers |= {f"{name}_coarse": coarse[name] for name in ("class", "probability")}
    return layers


def class_layers(probabilities: np.ndarray, majority_size: int | None = None) -> Layers:
    """Compute class, probability, entropy and margin.

    Args:
        probabilities: (..., class), NaN where there is no data; (y, x, class) for a majority filter.
        majority_size: side of the square whose commonest class is shown instead of the likeliest.

    Returns:
        `class` uint8, 1 for the first, 0 for no data; `probability` of the class shown; `entropy` of the
        probabilities as a share of the largest possible; `margin`, the lead of the class shown over the likeliest
        other, 0 where a majority filter shows a class that is not the likeliest.
    """
    likeliest = probabilities.argmax(axis=-1)
    codes = np.where(np.isnan(probabilities[..., 0]), NO_CLASS, likeliest + 1).astype(np.uint8)
    if majority_size is not None:
        codes = majority(codes, majority_size)
        likeliest = np.maximum(codes.astype(likeliest.dtype) - 1, 0)  # no data is NaN in every class
    shown = likeliest[..., None]
    best = np.take_along_axis(probabilities, shown, axis=-1)[..., 0]
    others = probabilities.copy()
    np.put_along_axis(others, shown, 0, axis=-1)  # alone, a class leads by its probability
    logs = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
    entropy = -(probabilities * logs).sum(axis=-1) / np.log(max(probabilities.shape[-1], 2))
    margin = np.maximum(best - others.max(axis=-1), 0)
    entropy = np.clip(entropy, 0, 1).astype(best.dtype)  # a logarithm has 64 bits
    return {"class": codes, "probability": best, "entropy": entropy, "margin": margin}


def embeddings_to_int8(embeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Store embeddings (..., feature) in a quarter of their size: codes (..., feature) int8 and scales (...) float32.

    `codes * scale` is off by half the scale at most, which is 1/254 of the largest number of the vector. A vector with
    NaN counts as no data, which has the scale 0.
    """
    values = np.asarray(embeds, dtype=np.float32)
    scale = np.abs(values).max(axis=-1) / np.float32(LARGEST_CODE)
    scale = np.where(np.isfinite(scale), scale, np.float32(0))
    codes = np.zeros(values.shape, dtype=np.float32)
    np.divide(values, scale[..., None], out=codes, where=scale[..., None] > 0)
    return np.rint(codes).clip(-LARGEST_CODE, LARGEST_CODE).astype(np.int8), scale


def embeddings_from_int8(codes: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Turn what [`embeddings_to_int8`] returned into embeddings (..., feature) float32, NaN where there is no data."""
    return np.asarray(codes * np.where(scale > 0, scale, np.nan).astype(np.float32)[..., None])
