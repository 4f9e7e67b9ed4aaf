"""A block of a cube to the layers of a map: composite, encode, score, in pieces that fit in memory."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import torch
from tqdm import tqdm

from ...classification import class_probabilities
from ...extras import needs_extra
from ..files.codes import NO_CLASS
from .embeddings import embeddings_from_int8, embeddings_to_int8
from .recipe import POTTS_SWEEPS, LabelSet, Recipe, Smoothing
from .smoothing import majority, potts

with needs_extra("map"):
    import xarray as xr

Layers = dict[str, np.ndarray]


class GridWindow(NamedTuple):
    """A block of the grid: first row and column, and how many."""

    row: int
    column: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns of the grid."""
        return slice(self.row, self.row + self.height), slice(self.column, self.column + self.width)

    def widened(self, halo: int, shape: tuple[int, int]) -> "GridWindow":
        """With a halo on each side, as far as the grid goes."""
        top, left = max(self.row - halo, 0), max(self.column - halo, 0)
        bottom = min(self.row + self.height + halo, shape[0])
        right = min(self.column + self.width + halo, shape[1])
        return GridWindow(top, left, bottom - top, right - left)

    def within(self, other: "GridWindow") -> tuple[slice, slice]:
        """Rows and columns of this window in an array of a wider one."""
        return GridWindow(self.row - other.row, self.column - other.column, self.height, self.width).slices


def windows_of(shape: tuple[int, int], side: tuple[int, int]) -> Iterator[GridWindow]:
    """The grid in blocks, row by row."""
    for row in range(0, shape[0], side[0]):
        for column in range(0, shape[1], side[1]):
            yield GridWindow(row, column, min(side[0], shape[0] - row), min(side[1], shape[1] - column))


def cut(cube: xr.Dataset, window: GridWindow) -> xr.Dataset:
    """A block of a cube, still lazy where that is."""
    rows, columns = window.slices
    return cube.isel(y=rows, x=columns)


def map_block(block: xr.Dataset, recipe: Recipe, bar: "tqdm[None] | None" = None) -> Layers:
    """Layers of a block in memory: of a cube, or of a map with stored embeddings."""
    if "reflectance" in block:
        scl = block["scl"].values if "scl" in block else None
        return classify_block(block["reflectance"].values, scl, recipe, bar)
    scale = block["embedding_scale"].values if "embedding_scale" in block else None
    return relabel_block(block["embeddings"].values, scale, block["clear_months"].values, recipe)


def classify_block(
    values: np.ndarray, scl: np.ndarray | None, recipe: Recipe, bar: "tqdm[None] | None" = None
) -> Layers:
    """Layers (y, x[, feature]) of reflectance (time, band, y, x) and scene classes (time, y, x)."""
    encoder = recipe.model.encoder()
    shape, count = values.shape[2:], values.shape[2] * values.shape[3]
    pixels = values.reshape(*values.shape[:2], count)
    classes = None if scl is None else scl.reshape(len(scl), count)
    scores = {name: np.empty((count, len(one.labels)), np.float32) for name, one in recipe.label_sets.items()}
    clear_months = np.empty(count, dtype=np.uint8)
    stored = None
    if recipe.embeddings is not None:
        stored = np.full((count, recipe.projection_dim), np.nan, dtype=np.float32)
    for start in range(0, count, recipe.chunk_size):
        chosen = slice(start, min(start + recipe.chunk_size, count))
        embeds, observed, clear_months[chosen] = encoder.embed(
            np.ascontiguousarray(pixels[:, :, chosen].transpose(2, 0, 1)),
            scl=None if classes is None else classes[:, chosen].T,
            **recipe.options,
        )
        for name, one in recipe.label_sets.items():
            scores[name][chosen] = class_probabilities(embeds, observed, one.class_embeds, recipe.score_scale)
        if stored is not None:
            stored[chosen][observed] = embeds.numpy()
        if bar is not None:
            bar.update(chosen.stop - start)
    layers = _score_layers(scores, shape, recipe)
    layers["clear_months"] = clear_months.reshape(shape)
    if stored is not None:
        layers |= _stored_embeddings(stored.reshape(*shape, -1), recipe)
    return layers


def relabel_block(embeds: np.ndarray, scale: np.ndarray | None, clear_months: np.ndarray, recipe: Recipe) -> Layers:
    """Layers of stored embeddings (y, x, feature), by text alone."""
    shape = embeds.shape[:2]
    known = embeds.astype(np.float32) if scale is None else embeddings_from_int8(embeds, scale)
    vectors = known.reshape(-1, known.shape[-1])
    observed = ~np.isnan(vectors[:, 0])
    # What storage rounded off is put back: embeddings have the length one.
    unit = torch.nn.functional.normalize(torch.from_numpy(vectors[observed]), dim=-1)
    scores = {
        name: class_probabilities(unit, observed, one.class_embeds, recipe.score_scale)
        for name, one in recipe.label_sets.items()
    }
    return {**_score_layers(scores, shape, recipe), "clear_months": clear_months}


def _stored_embeddings(embeds: np.ndarray, recipe: Recipe) -> Layers:
    if recipe.embeddings == "float16":
        return {"embeddings": embeds.astype(np.float16)}
    codes, scale = embeddings_to_int8(embeds)
    return {"embeddings": codes, "embedding_scale": scale}


def _score_layers(scores: Mapping[str, np.ndarray], shape: tuple[int, ...], recipe: Recipe) -> Layers:
    layers: Layers = {}
    for name, probabilities in scores.items():
        summary = summarise(probabilities.reshape(*shape, -1), recipe.label_sets[name], recipe.smoothing)
        layers |= {f"{name}/{layer}" if name else layer: values for layer, values in summary.items()}
    return layers


def summarise(probabilities: np.ndarray, label_set: LabelSet, smoothing: Smoothing | None = None) -> Layers:
    """Class, probability, entropy and margin from probabilities (y, x, class), NaN where nothing was observed."""
    if smoothing is not None and smoothing.method == "potts":
        probabilities = potts(probabilities, smoothing.amount, POTTS_SWEEPS)
    layers = class_layers(probabilities)
    if label_set.coarse_labels:
        sums = probabilities @ np.eye(len(label_set.coarse_labels), dtype=np.float32)[label_set.parents]
        layers["class_coarse"], layers["probability_coarse"], _ = _best(sums)
    if smoothing is not None and smoothing.method == "majority":
        for name in {"class", "class_coarse"} & set(layers):
            layers[name] = majority(layers[name], int(smoothing.amount))
    return layers


def class_layers(probabilities: np.ndarray) -> Layers:
    """Class, probability, entropy as a share of the largest possible, and margin, of (..., class); NaN is no data."""
    winners, best, margin = _best(probabilities)
    logs = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
    entropy = -(probabilities * logs).sum(axis=-1) / np.log(max(probabilities.shape[-1], 2))
    return {"class": winners, "probability": best, "entropy": np.clip(entropy, 0, 1), "margin": margin}


def _best(probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Code of the likeliest class, its probability, and the lead over the next."""
    empty = np.isnan(probabilities[..., 0])
    codes = np.where(empty, NO_CLASS, probabilities.argmax(axis=-1) + 1).astype(np.uint8)
    best = probabilities.max(axis=-1)
    if probabilities.shape[-1] == 1:
        return codes, best, best
    return codes, best, best - np.partition(probabilities, -2, axis=-1)[..., -2]
