"""Read upstream's file of photo embeddings into shards, without a photo."""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch

from ...files import read_tensors
from ...files.locks import Hold
from .embedding_shards import EmbeddingReport, PhotoFile, finish_embeddings, open_output, shard_file, write_shard

_UPSTREAM_KEY = re.compile(r"(?P<country>[A-Z]{2})_(?P<id>\d{8})(?P<letter>[NESWPC])")


def import_upstream_embeddings(
    path: str | os.PathLike[str], output: str | os.PathLike[str], *, year: int = 2018, shard_size: int = 100_000
) -> EmbeddingReport:
    """Write upstream's dictionary of embeddings, `{nuts0}_{id}{W|E|N|S}` to (1, size) tensors, as shards.

    Args:
        path: `.pt` file; opened without running anything in it.
        output: folder of the shards.
        year: of the survey, which the keys do not tell; 2018 in upstream's training.
        shard_size: photos of a shard.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a dictionary of tensors, no key of this form, or other shards in the output.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No such file of embeddings: {path}.")
    tensors = read_tensors(path)
    vectors: dict[PhotoFile, np.ndarray] = {}
    skipped: list[tuple[PhotoFile, str]] = []
    for photo, vector, reason in _read_entries(tensors, year):
        first = next(iter(vectors.values()), vector)
        if not reason and len(vector) != len(first):
            reason = "embedding of another size"
        if reason:
            skipped.append((photo, reason))
        else:
            vectors[photo] = vector
    if not vectors:
        key, tensor = next(iter(tensors.items()))
        first_entry = f"its first key is {key!r} with a tensor of shape {tuple(tensor.shape)}"
        raise ValueError(f"{path} has no embedding under a key such as BE_38023110N: {first_entry}.")
    photos = sorted(vectors)
    num_shards = -(-len(photos) // shard_size)
    target = Path(output)
    digest = hashlib.sha256("\n".join(sorted(tensors)).encode()).hexdigest()[:16]
    plan = {"source": path.name, "keys": digest, "year": year, "size": len(vectors[photos[0]])}
    with Hold(target):
        open_output(target, {**plan, "shards": num_shards, "shard_size": shard_size})
        for index in range(num_shards):
            chosen = photos[index * shard_size : (index + 1) * shard_size]
            file = shard_file(target, index, num_shards)
            write_shard(file, chosen, np.stack([vectors[photo] for photo in chosen]), [] if index else skipped)
        return finish_embeddings(target)


def _read_entries(tensors: Mapping[str, torch.Tensor], year: int) -> Iterator[tuple[PhotoFile, np.ndarray, str]]:
    """Yield the photo of each key, its embedding, and what is wrong with it."""
    for key, tensor in tensors.items():
        vector = tensor.float().numpy().reshape(-1)
        match = _UPSTREAM_KEY.fullmatch(key)
        if match is None:
            yield PhotoFile("", year, "", "", key), vector, "key of another form"
            continue
        photo = PhotoFile(match["id"], year, match["country"], match["letter"], key)
        if tensor.ndim not in (1, 2) or (tensor.ndim == 2 and len(tensor) != 1) or not len(vector):
            yield photo, vector, "not one embedding"
        else:
            yield photo, vector, "" if np.isfinite(vector).all() else "embedding not finite"
