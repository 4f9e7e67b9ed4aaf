"""Sum what pixels say of parcels, chunk by chunk, and turn the sums into the answer of each parcel."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from ..classification import Embedded, class_probabilities
from ..extras import needs_extra
from ..maps.making.blocks import embed_pixels, stored_embedded
from ..maps.making.recipe import Recipe
from ..models.timesenclip.label_set_timesenclip import LabelSet
from .footprints import Pairs

with needs_extra("map"):
    import xarray as xr

NO_ANSWER = -1


class Sums(NamedTuple):
    """Hold sums over the observed pixels of parcels, of one chunk or of several.

    Attributes:
        parcels: rows of the layer (n,) int64, each once, in order.
        pixels: observed ones (n,) int64.
        clear_months: sum over these (n,) float64.
        counts: of pixels by their own likeliest class (n, class) int64.
        values: sums of probabilities (n, class), or of embeddings and what else the label set reads (n, feature),
            float64.
        touched: bool (n,), whether the pixels are those that a polygon without any centre touches.
    """

    parcels: np.ndarray
    pixels: np.ndarray
    clear_months: np.ndarray
    counts: np.ndarray
    values: np.ndarray
    touched: np.ndarray

    @classmethod
    def none(cls) -> "Sums":
        """Return the sums of a chunk in which no parcel has a pixel."""
        empty = np.empty(0, dtype=np.int64)
        return cls(empty, empty, np.empty(0), np.empty((0, 0), np.int64), np.empty((0, 0)), np.empty(0, bool))

    def at(self, index: Any) -> "Sums":
        """Return those of some of the parcels."""
        return Sums._make(field[index] for field in self)


def sum_block(block: xr.Dataset, pairs: Pairs, recipe: Recipe, *, pool_embeddings: bool) -> Sums:
    """Embed the pixels of a block that parcels have, each once, and sum them.

    Args:
        block: in memory, of a cube or of stored embeddings.
        pairs: with rows and columns of the block.
        recipe: with one label set.
        pool_embeddings: sum embeddings instead of probabilities.
    """
    label_set = recipe.label_sets[""].label_set
    parcels, owner = np.unique(pairs.parcels, return_inverse=True)
    flat, pixel = np.unique(pairs.rows * block.sizes["x"] + pairs.columns, return_inverse=True)
    rows, columns = np.divmod(flat, block.sizes["x"])
    order = np.argsort(pixel, kind="stable")
    owner, pixel = owner[order], pixel[order]
    width = _features(label_set, recipe) if pool_embeddings else len(label_set.labels)
    sums = Sums(
        parcels,
        np.zeros(len(parcels), dtype=np.int64),
        np.zeros(len(parcels)),
        np.zeros((len(parcels), len(label_set.labels)), dtype=np.int64),
        np.zeros((len(parcels), width)),
        np.isin(parcels, pairs.touched),
    )
    for part, embedded in _embed(block, rows, columns, recipe):
        first, last = np.searchsorted(pixel, (part.start, part.stop))
        _add(sums, owner[first:last], pixel[first:last] - part.start, embedded, label_set, pool_embeddings)
    return sums


def _embed(block: xr.Dataset, rows: np.ndarray, columns: np.ndarray, recipe: Recipe) -> Iterable[Any]:
    """Embed the pixels of a block at these rows and columns, in parts."""
    if "reflectance" in block:
        scl = block["scl"].values[:, rows, columns] if "scl" in block else None
        return embed_pixels(block["reflectance"].values[:, :, rows, columns], scl, recipe)
    points = block.isel(y=xr.DataArray(rows, dims="pixel"), x=xr.DataArray(columns, dims="pixel"))
    return [(slice(0, len(rows)), stored_embedded(points))]


def _add(
    sums: Sums, owner: np.ndarray, pixel: np.ndarray, embedded: Embedded, label_set: LabelSet, pool_embeddings: bool
) -> None:
    """Add what pixels say to the sums of their owners; those without an observation say nothing."""
    is_seen = embedded.observed[pixel]
    owner, pixel = owner[is_seen], pixel[is_seen]
    if not len(owner):
        return
    order = np.argsort(owner, kind="stable")
    owner, pixel = owner[order], pixel[order]
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    owners = owner[starts]
    scores = class_probabilities(embedded, label_set)
    values = _expanded(embedded) if pool_embeddings else scores
    sums.values[owners] += np.add.reduceat(values[pixel].astype(np.float64), starts, axis=0)
    sums.pixels[owners] += np.diff(starts, append=len(owner))
    sums.clear_months[owners] += np.add.reduceat(embedded.clear_months[pixel].astype(np.float64), starts)
    np.add.at(sums.counts, (owner, scores[pixel].argmax(axis=1)), 1)


def _expanded(embedded: Embedded) -> np.ndarray:
    """Return embeddings, and what else a label set reads, of every pixel; zeros where nothing is observed."""
    parts = [embedded.embeds] if embedded.values is None else [embedded.embeds, embedded.values]
    features = torch.cat(parts, dim=1).numpy()
    expanded = np.zeros((len(embedded.observed), features.shape[1]), dtype=np.float32)
    expanded[embedded.observed] = features
    return expanded


def _features(label_set: LabelSet, recipe: Recipe) -> int:
    months = 0 if label_set.value_weights is None else label_set.value_weights.shape[1]
    return recipe.projection_dim + months


@dataclass(frozen=True)
class Answers:
    """Hold the answer of each parcel; where no pixel is observed the class is `NO_ANSWER` and the numbers are NaN.

    Attributes:
        classes: index of the label (parcel,) int64.
        second: index of the second likeliest label (parcel,), `NO_ANSWER` where there is one label only.
        probability: (parcel,) of the class.
        margin: (parcel,) its lead over the second.
        pixels: (parcel,) observed ones.
        share: (parcel,) of the pixels whose own class is the commonest one.
        clear_months: (parcel,) on the average of the pixels.
        touched: (parcel,) bool, whether the pixels are those that a polygon without any centre touches.
    """

    classes: np.ndarray
    second: np.ndarray
    probability: np.ndarray
    margin: np.ndarray
    pixels: np.ndarray
    share: np.ndarray
    clear_months: np.ndarray
    touched: np.ndarray


def answer_parcels(
    parts: Iterable[tuple[Sums | None, np.ndarray]], count: int, label_set: LabelSet, *, pool_embeddings: bool
) -> Answers:
    """Put the sums of chunks together and answer each parcel as soon as its last chunk has come.

    Args:
        parts: sums of one chunk after the other, None where it could not be read, with the rows of the parcels of which
            there is no later one.
        count: of parcels.
        label_set: of the classes.
        pool_embeddings: whether the sums are of embeddings.
    """
    nothing = np.full(count, np.nan)
    answers = Answers(
        classes=np.full(count, NO_ANSWER),
        second=np.full(count, NO_ANSWER),
        probability=nothing.copy(),
        margin=nothing.copy(),
        pixels=np.zeros(count, dtype=np.int64),
        share=nothing.copy(),
        clear_months=nothing.copy(),
        touched=np.zeros(count, dtype=bool),
    )
    waiting: dict[int, Sums] = {}
    for known, finished in parts:
        sums = Sums.none() if known is None else known
        is_whole = np.isin(sums.parcels, finished) & ~np.isin(sums.parcels, list(waiting))
        _answer(answers, sums.at(is_whole), label_set, pool_embeddings)
        for index in np.flatnonzero(~is_whole).tolist():
            partial = sums.at([index])
            parcel = int(partial.parcels[0])
            waiting[parcel] = _joined(waiting[parcel], partial) if parcel in waiting else partial
        ready = [waiting.pop(parcel) for parcel in np.intersect1d(finished, list(waiting)).astype(int).tolist()]
        if ready:
            _answer(
                answers,
                Sums._make(np.concatenate(field) for field in zip(*ready, strict=True)),
                label_set,
                pool_embeddings,
            )
    return answers


def _joined(first: Sums, second: Sums) -> Sums:
    """Add the sums of two chunks for the same parcels."""
    added = (ours + theirs for ours, theirs in zip(first[1:-1], second[1:-1], strict=True))
    return Sums._make((first.parcels, *added, first.touched | second.touched))


def _answer(answers: Answers, sums: Sums, label_set: LabelSet, pool_embeddings: bool) -> None:
    """Write the answers of parcels whose sums are whole."""
    sums = sums.at(sums.pixels > 0)
    if not len(sums.parcels):
        return
    at = sums.parcels
    means = sums.values / sums.pixels[:, None]
    probabilities = _from_embeddings(means, label_set) if pool_embeddings else means
    order = np.argsort(-probabilities, axis=1, kind="stable")
    best = np.take_along_axis(probabilities, order[:, :2], axis=1)
    answers.classes[at], answers.probability[at] = order[:, 0], best[:, 0]
    answers.margin[at] = best[:, 0] - (best[:, 1] if best.shape[1] > 1 else 0)
    if best.shape[1] > 1:
        answers.second[at] = order[:, 1]
    answers.pixels[at], answers.touched[at] = sums.pixels, sums.touched
    answers.share[at] = sums.counts.max(axis=1) / sums.pixels
    answers.clear_months[at] = sums.clear_months / sums.pixels


def _from_embeddings(means: np.ndarray, label_set: LabelSet) -> np.ndarray:
    """Return the probabilities (parcel, class) of mean embeddings, brought to the length one again."""
    size = label_set.class_embeds.shape[1]
    together = torch.from_numpy(means.astype(np.float32))
    embeds = torch.nn.functional.normalize(together[:, :size], dim=-1)
    values = together[:, size:] if together.shape[1] > size else None
    return np.asarray(label_set.logits(embeds, values).double().softmax(dim=-1).numpy())
