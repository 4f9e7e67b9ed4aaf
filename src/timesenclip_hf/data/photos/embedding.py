"""Embed ground photos with a frozen CLIP, into Parquet shards: computed once, read in every training run.

The photos of a folder are sorted and cut into shards. A shard is written when its last photo is embedded, so that
whatever ends the program loses the shards in work and nothing else; processes take turns with the shards, and the
result is the same for any number of them.

An embedding is CLIP's projected image embedding as the model gives it, not normalised.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import ImageOps
from safetensors import SafetensorError
from torch.utils.data import DataLoader
from tqdm import tqdm
from transformers import AutoConfig, AutoImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

from ...files import first_line
from ...files.locks import Hold
from ...gate.photos import open_photo
from ...models.registration import register
from ...models.timesenclip.weights_timesenclip import weights_hash
from ..sources.lucas import LONG_NAMES
from .embedding_shards import PhotoFile, open_output, shard_file, write_shard
from .fetching import UNREADABLE, photo_fault

DTYPES = ("float32", "bfloat16", "float16")
# Photos of a shard: some minutes of work without a GPU.
SHARD_SIZE = 4_096
_LETTERS = {word: letter for letter, word in LONG_NAMES.items()}
_PHOTO = re.compile(
    r"(?:LUCAS)?(?P<year>\d{4})/(?P<country>[A-Z]{2})/\d{3}/\d{3}/"
    rf"(?:\d{{4}}(?P<long_id>\d{{8}})LCLU_(?P<word>{'|'.join(_LETTERS)})|(?P<id>\d{{8}})(?P<letter>[NESWPC]))\.(?:jpe?g|JPE?G)"
)


class _VisionTower(CLIPVisionModelWithProjection):  # type: ignore[misc]  # transformers counts as untyped
    """Read the stock tower's part of a whole checkpoint without a list of the other parts' weights."""

    _keys_to_ignore_on_load_unexpected = [r"^(text|pixel)_model\.", r"^text_projection\.", r"^logit_scale$"]


class PhotoEncoder:
    """Hold the vision tower of a CLIP checkpoint with its image processor."""

    def __init__(self, clip: str | os.PathLike[str], *, dtype: str = "float32", device: Any = "cpu") -> None:
        """Load the tower.

        Args:
            clip: folder or Hub id of any CLIP checkpoint, whole or its vision tower.
            dtype: to compute in, one of `DTYPES`; embeddings are float32 in any case.
            device: where to compute.

        Raises:
            ValueError: an unknown dtype, or no CLIP checkpoint.
        """
        if dtype not in DTYPES:
            raise ValueError(f"`dtype` must be one of {', '.join(DTYPES)}, got {dtype!r}.")
        register()
        try:
            model, loading = _VisionTower.from_pretrained(
                str(clip), config=_vision_config(str(clip)), dtype=getattr(torch, dtype), output_loading_info=True
            )
            self.processor = AutoImageProcessor.from_pretrained(str(clip), trust_remote_code=False)
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise ValueError(f"No CLIP vision tower can be read from {clip}: {first_line(error)}.") from None
        if loading["missing_keys"]:
            raise ValueError(f"{clip} has no CLIP vision tower: it lacks {min(loading['missing_keys'])}.")
        self.model = model.eval().to(device)
        self.size = int(model.config.projection_dim)

    @torch.inference_mode()
    def embed(self, pixel_values: torch.Tensor) -> np.ndarray:
        """Embed prepared photos (batch, 3, height, width) as float32 (batch, size)."""
        embeds = self.model(pixel_values.to(self.model.device, self.model.dtype)).image_embeds
        return np.asarray(embeds.float().cpu().numpy())


def _vision_config(clip: str) -> CLIPVisionConfig:
    """Read the configuration of the vision tower, alone or in a whole checkpoint."""
    config = AutoConfig.from_pretrained(clip, trust_remote_code=False)
    vision = getattr(config, "vision_config", config)
    if not isinstance(vision, CLIPVisionConfig):
        raise ValueError(f"its model is of the type {config.model_type}")
    # Only the whole checkpoint's own value is what its weights were made with.
    vision.projection_dim = config.projection_dim
    return vision


def list_photos(folder: str | os.PathLike[str]) -> list[PhotoFile]:
    """List the photos of a folder in the survey's layout, sorted by path.

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
            if match := _PHOTO.fullmatch(path):
                point_id, direction = match["id"] or match["long_id"], match["letter"] or _LETTERS[match["word"]]
                photos.append(PhotoFile(point_id, int(match["year"]), match["country"], direction, path))
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
    share: tuple[int, int] = (0, 1),
    progress: bool = True,
) -> None:
    """Embed this process's share of a folder's photos, but for the shards that are there already.

    When every process is through, [`finish_embeddings`] checks the shards and reports.

    Args:
        folder: photos in the survey's layout.
        output: folder of the shards.
        encoder: what embeds them.
        batch_size: photos at a time.
        shard_size: photos of a shard.
        workers: processes that read and prepare photos; 0 does so in this one.
        share: number of this process, from 0, and how many processes share the work.
        progress: show a bar.

    Raises:
        FileNotFoundError: no such folder of photos.
        OSError: the output cannot be written, or another run writes to it.
        ValueError: a size that is not positive, no photos, or shards of other photos or weights in the output.
    """
    rank, num_ranks = share
    if min(batch_size, shard_size) < 1 or not 0 <= rank < num_ranks:
        rule = "`batch_size` and `shard_size` must be at least 1, and the first number of `share` below the second"
        raise ValueError(f"{rule}, got {batch_size}, {shard_size} and {share}.")
    photos = list_photos(folder)
    target = Path(output)
    num_shards = -(-len(photos) // shard_size)
    weights, dtype = weights_hash(encoder.model.state_dict()), str(encoder.model.dtype).removeprefix("torch.")
    plan = {"photos": _digest(Path(folder), photos), "weights": weights, "dtype": dtype, "size": encoder.size}
    # The first process holds the folder for all of its run.
    with Hold(target) if rank == 0 else nullcontext():
        open_output(target, {**plan, "shards": num_shards, "shard_size": shard_size})
        missing = {
            file: photos[index * shard_size : (index + 1) * shard_size]
            for index in range(rank, num_shards, num_ranks)
            if not (file := shard_file(target, index, num_shards)).exists()
        }
        with tqdm(total=sum(map(len, missing.values())), desc="photos", unit="photo", disable=not progress) as bar:
            _write_shards(Path(folder), missing, encoder, batch_size, workers, bar)


def _write_shards(
    folder: Path,
    missing: Mapping[Path, Sequence[PhotoFile]],
    encoder: PhotoEncoder,
    batch_size: int,
    workers: int,
    bar: "tqdm[object]",
) -> None:
    """Embed the photos of the shards that are missing, and write each shard when its last photo is embedded."""
    wanted = list(chain.from_iterable(missing.values()))
    ends = list(accumulate(map(len, missing.values()), initial=0))
    batches = [
        list(range(start, min(start + batch_size, end)))
        for first, end in pairwise(ends)
        for start in range(first, end, batch_size)
    ]
    prepared: Any = DataLoader(
        _PreparedPhotos(folder, wanted, encoder.processor),  # type: ignore[arg-type]  # no subclass
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=_collate,
    )
    embedded = _embed_batches(encoder, prepared, bar)
    for file, photos in missing.items():
        results = [(photo, *next(embedded)) for photo in photos]
        done = [photo for photo, _, fault in results if fault is None]
        vectors = np.array([vector for _, vector, fault in results if fault is None], dtype=np.float32)
        skipped = [(photo, fault) for photo, _, fault in results if fault is not None]
        write_shard(file, done, vectors.reshape(-1, encoder.size), skipped)


def _digest(folder: Path, photos: Sequence[PhotoFile]) -> str:
    """Hash names and sizes of photos: 16 hexadecimal digits of a SHA-256."""
    entries = (f"{photo.path} {(folder / photo.path).stat().st_size}\n" for photo in photos)
    return hashlib.sha256("".join(entries).encode()).hexdigest()[:16]


def _embed_batches(
    encoder: PhotoEncoder, prepared: Any, bar: "tqdm[object]"
) -> Iterator[tuple[np.ndarray | None, str | None]]:
    """Yield the embedding of each photo, or why it has none."""
    for pixel_values, faults in prepared:
        vectors = iter(() if pixel_values is None else encoder.embed(pixel_values))
        bar.update(len(faults))
        yield from ((next(vectors), None) if fault is None else (None, fault) for fault in faults)


@dataclass(frozen=True)
class _PreparedPhotos:
    """Prepare photos as pixel values, or say why there are none."""

    folder: Path
    photos: Sequence[PhotoFile]
    processor: Any

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> torch.Tensor | str:
        file = self.folder / self.photos[index].path
        try:
            with open_photo(file) as image:
                # A camera that was turned says so in EXIF; CLIP's processor does not read it.
                upright = ImageOps.exif_transpose(image).convert("RGB")
            values: torch.Tensor = self.processor(upright, return_tensors="pt")["pixel_values"][0]
        except (OSError, ValueError, SyntaxError):
            return photo_fault(file) or UNREADABLE
        return values


def _collate(items: Sequence[torch.Tensor | str]) -> tuple[torch.Tensor | None, list[str | None]]:
    """Stack a batch into one tensor: a reading process would need a file descriptor for each."""
    values = [item for item in items if isinstance(item, torch.Tensor)]
    return torch.stack(values) if values else None, [item if isinstance(item, str) else None for item in items]
