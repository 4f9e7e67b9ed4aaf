"""Frozen CLIP embeddings of ground photos, kept as Parquet shards: computed once, read in every training run.

The photos of a folder are sorted and cut into shards. A shard is written when its last photo is embedded, so that
whatever ends the program loses the shards in work and nothing else; processes take turns with the shards, and the
result is the same for any number of them.

An embedding is CLIP's projected image embedding as the model gives it, not normalised.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from safetensors import SafetensorError
from torch.utils.data import DataLoader
from tqdm import tqdm
from transformers import AutoConfig, AutoImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

from ...files import first_line, read_tensors, weights_hash
from ..sources.lucas import LONG_NAMES
from .download import UNREADABLE, photo_fault
from .embedding_shards import EmbeddingReport, PhotoFile, finish_embeddings, open_output, shard_file, write_shard

DTYPES = ("float32", "bfloat16", "float16")
# Photos of a shard: some minutes of work without a GPU.
SHARD_SIZE = 4_096
_LETTERS = {word: letter for letter, word in LONG_NAMES.items()}
_PHOTO = re.compile(
    r"(?:LUCAS)?(?P<year>\d{4})/(?P<country>[A-Z]{2})/\d{3}/\d{3}/"
    rf"(?:\d{{4}}(?P<long_id>\d{{8}})LCLU_(?P<word>{'|'.join(_LETTERS)})|(?P<id>\d{{8}})(?P<letter>[NESWPC]))\.(?:jpe?g|JPE?G)"
)
_UPSTREAM_KEY = re.compile(r"(?P<country>[A-Z]{2})_(?P<id>\d{8})(?P<letter>[NESWPC])")


class _VisionTower(CLIPVisionModelWithProjection):  # type: ignore[misc]  # transformers counts as untyped
    """The stock tower, which reads its part of a whole checkpoint without a list of the other parts' weights."""

    _keys_to_ignore_on_load_unexpected = [r"^(text|pixel)_model\.", r"^text_projection\.", r"^logit_scale$"]


class PhotoEncoder:
    """The vision tower of a CLIP checkpoint with its image processor."""

    def __init__(self, clip: str | os.PathLike[str], *, dtype: str = "float32", device: Any = "cpu") -> None:
        """Loads the tower.

        Args:
            clip: folder or Hub id of any CLIP checkpoint, whole or its vision tower.
            dtype: to compute in, one of `DTYPES`; embeddings are float32 in any case.
            device: where to compute.

        Raises:
            ValueError: an unknown dtype, or no CLIP checkpoint.
        """
        if dtype not in DTYPES:
            raise ValueError(f"`dtype` must be one of {', '.join(DTYPES)}, got {dtype!r}.")
        try:
            model, loading = _VisionTower.from_pretrained(
                str(clip), config=_vision_config(str(clip)), dtype=getattr(torch, dtype), output_loading_info=True
            )
            self.processor = AutoImageProcessor.from_pretrained(str(clip))
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise ValueError(f"No CLIP vision tower can be read from {clip}: {first_line(error)}.") from None
        if loading["missing_keys"]:
            raise ValueError(f"{clip} has no CLIP vision tower: it lacks {min(loading['missing_keys'])}.")
        self.model = model.eval().to(device)
        self.size = int(model.config.projection_dim)

    def weights_hash(self) -> str:
        """Tells one set of weights from another, whatever folder they lie in."""
        return weights_hash(self.model.state_dict())

    @torch.inference_mode()
    def embed(self, pixel_values: torch.Tensor) -> np.ndarray:
        """Embeddings of prepared photos (batch, 3, height, width) as float32 (batch, size)."""
        embeds = self.model(pixel_values.to(self.model.device, self.model.dtype)).image_embeds
        return np.asarray(embeds.float().cpu().numpy())


def _vision_config(clip: str) -> CLIPVisionConfig:
    """The configuration of the vision tower, alone or in a whole checkpoint."""
    config = AutoConfig.from_pretrained(clip)
    vision = getattr(config, "vision_config", config)
    if not isinstance(vision, CLIPVisionConfig):
        raise ValueError(f"its model is of the type {config.model_type}")
    # Only the whole checkpoint's own value is what its weights were made with.
    vision.projection_dim = config.projection_dim
    return vision


def list_photos(folder: str | os.PathLike[str]) -> list[PhotoFile]:
    """The photos of a folder in the survey's layout, sorted by path.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: it has no photo at a path such as 2018/BE/380/231/38023110N.jpg.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"No such folder of photos: {folder}.")
    photos = []
    for parent, _, names in os.walk(root):
        for name in names:
            path = Path(parent, name).relative_to(root).as_posix()
            if found := _PHOTO.fullmatch(path):
                direction = found["letter"] or _LETTERS[found["word"]]
                point_id = found["id"] or found["long_id"]
                photos.append(PhotoFile(point_id, int(found["year"]), found["country"], direction, path))
    if not photos:
        raise ValueError(f"{folder} has no photo at a path of the survey, such as 2018/BE/380/231/38023110N.jpg.")
    return sorted(photos, key=lambda photo: photo.path)


def embed_photos(
    folder: str | os.PathLike[str],
    output: str | os.PathLike[str],
    encoder: PhotoEncoder,
    *,
    batch_size: int = 64,
    shard_size: int = SHARD_SIZE,
    workers: int = 0,
    rank: int = 0,
    num_ranks: int = 1,
    progress: bool = True,
) -> None:
    """Embeds this process's share of a folder's photos, but for the shards that are there already.

    When every process is through, [`finish_embeddings`] checks the shards and reports.

    Args:
        folder: photos in the survey's layout.
        output: folder of the shards.
        encoder: what embeds them.
        batch_size: photos at a time.
        shard_size: photos of a shard.
        workers: processes that read and prepare photos; 0 does so in this one.
        rank: number of this process.
        num_ranks: processes that share the work.
        progress: show a bar.

    Raises:
        FileNotFoundError: no such folder of photos.
        ValueError: a size that is not positive, no photos, or shards of other photos or weights in the output.
    """
    if min(batch_size, shard_size, num_ranks) < 1 or not 0 <= rank < num_ranks:
        raise ValueError(
            f"`batch_size`, `shard_size` and `num_ranks` must be at least 1, and `rank` below `num_ranks`, got "
            f"{batch_size}, {shard_size}, {num_ranks} and {rank}."
        )
    photos = list_photos(folder)
    target = Path(output)
    open_output(target, _plan(folder, photos, encoder, shard_size))
    num_shards = -(-len(photos) // shard_size)
    shards = {
        place: range(place * shard_size, min((place + 1) * shard_size, len(photos)))
        for place in range(rank, num_shards, num_ranks)
        if not shard_file(target, place, num_shards).exists()
    }
    batches = [
        rows[start : start + batch_size] for rows in shards.values() for start in range(0, len(rows), batch_size)
    ]
    prepared: Any = DataLoader(
        _PreparedPhotos(Path(folder), photos, encoder.processor),  # type: ignore[arg-type]  # no subclass
        batch_sampler=[list(batch) for batch in batches],
        num_workers=workers,
        collate_fn=_collate,
    )
    done, embeds, skipped = [], [], []
    with tqdm(total=sum(map(len, shards.values())), desc="photos", unit="photo", disable=not progress) as bar:
        for batch, (pixel_values, faults) in zip(batches, prepared, strict=True):
            done += [photos[place] for place, fault in zip(batch, faults, strict=True) if fault is None]
            skipped += [(photos[place], fault) for place, fault in zip(batch, faults, strict=True) if fault]
            if pixel_values is not None:
                embeds.append(encoder.embed(pixel_values))
            bar.update(len(batch))
            shard = batch[0] // shard_size
            if batch[-1] == shards[shard][-1]:
                write_shard(shard_file(target, shard, num_shards), done, _stack(embeds, encoder.size), skipped)
                done, embeds, skipped = [], [], []


def import_upstream_embeddings(
    path: str | os.PathLike[str], output: str | os.PathLike[str], *, year: int = 2018, shard_size: int = 100_000
) -> EmbeddingReport:
    """Writes upstream's dictionary of embeddings, `{nuts0}_{id}{W|E|N|S}` to (1, size) tensors, as shards.

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
    photos, vectors, skipped = _read_upstream(tensors, path, year)
    order = sorted(range(len(photos)), key=photos.__getitem__)
    num_shards = -(-len(order) // shard_size)
    target = Path(output)
    digest = hashlib.sha256("\n".join(sorted(tensors)).encode()).hexdigest()[:16]
    plan = {"source": path.name, "keys": digest, "year": year, "size": vectors.shape[1]}
    open_output(target, {**plan, "shards": num_shards, "shard_size": shard_size})
    for place in range(num_shards):
        rows = order[place * shard_size : (place + 1) * shard_size]
        file = shard_file(target, place, num_shards)
        write_shard(file, [photos[row] for row in rows], vectors[rows], [] if place else skipped)
    return finish_embeddings(target)


class _PreparedPhotos:
    """Photos as pixel values, or why there are none."""

    def __init__(self, folder: Path, photos: Sequence[PhotoFile], processor: Any) -> None:
        self.folder = folder
        self.photos = photos
        self.processor = processor

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, place: int) -> torch.Tensor | str:
        file = self.folder / self.photos[place].path
        try:
            with Image.open(file) as image:
                # A camera that was turned says so in EXIF; CLIP's processor does not look there.
                upright = ImageOps.exif_transpose(image).convert("RGB")
            values: torch.Tensor = self.processor(upright, return_tensors="pt")["pixel_values"][0]
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return photo_fault(file) or UNREADABLE
        return values


def _collate(items: Sequence[torch.Tensor | str]) -> tuple[torch.Tensor | None, list[str | None]]:
    """One tensor a batch: a reading process would need a file descriptor for each."""
    values = [item for item in items if isinstance(item, torch.Tensor)]
    return torch.stack(values) if values else None, [item if isinstance(item, str) else None for item in items]


def _plan(
    folder: str | os.PathLike[str], photos: Sequence[PhotoFile], encoder: PhotoEncoder, shard_size: int
) -> dict[str, Any]:
    digest = hashlib.sha256()
    for photo in photos:
        digest.update(f"{photo.path} {os.path.getsize(os.path.join(folder, photo.path))}\n".encode())
    return {
        "photos": digest.hexdigest()[:16],
        "weights": encoder.weights_hash(),
        "dtype": str(encoder.model.dtype).removeprefix("torch."),
        "size": encoder.size,
        "shards": -(-len(photos) // shard_size),
        "shard_size": shard_size,
    }


def _stack(embeds: Sequence[np.ndarray], size: int) -> np.ndarray:
    return np.concatenate([np.empty((0, size), dtype=np.float32), *embeds])


def _read_upstream(
    tensors: Mapping[str, torch.Tensor], path: Path, year: int
) -> tuple[list[PhotoFile], np.ndarray, list[tuple[PhotoFile, str]]]:
    photos: list[PhotoFile] = []
    vectors: list[np.ndarray] = []
    skipped: list[tuple[PhotoFile, str]] = []
    for photo, vector, reason in _upstream_entries(tensors, year):
        if not reason and vectors and vector.shape != vectors[0].shape:
            reason = "embedding of another size"
        if reason:
            skipped.append((photo, reason))
        else:
            photos.append(photo)
            vectors.append(vector)
    if not vectors:
        key, tensor = next(iter(tensors.items()))
        raise ValueError(
            f"{path} has no embedding under a key such as BE_38023110N: its first key is {key!r} with a tensor of "
            f"shape {tuple(tensor.shape)}."
        )
    return photos, np.stack(vectors), skipped


def _upstream_entries(tensors: Mapping[str, torch.Tensor], year: int) -> Iterator[tuple[PhotoFile, np.ndarray, str]]:
    for key, tensor in tensors.items():
        vector = tensor.float().numpy().reshape(-1)
        found = _UPSTREAM_KEY.fullmatch(key)
        if found is None:
            yield PhotoFile("", year, "", "", key), vector, "key of another form"
            continue
        photo = PhotoFile(found["id"], year, found["country"], found["letter"], key)
        one = tensor.ndim == 1 or (tensor.ndim == 2 and len(tensor) == 1)
        if not one or not len(vector):
            yield photo, vector, "not one embedding"
        else:
            yield photo, vector, "" if np.isfinite(vector).all() else "embedding not finite"
