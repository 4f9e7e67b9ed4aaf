"""Read a tower's rows from a dataset with photo embeddings.

A row is a series or an image, the frozen embeddings of the photos taken at its place, (photos, dim) with a
mask, and an id that rows of one place share.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from timesenclip_hf import TimeSenCLIPFeatureExtractor
from timesenclip_hf.data.collate import SeriesRows
from timesenclip_hf.data.schema import CLASS_TAXONOMIES, DIRECTIONS, taxonomy_of
from timesenclip_hf.extras import needs_extra
from timesenclip_hf.files import first_line
from training.batches import Batch, TensorRows

with needs_extra("data"):
    import datasets

# The views of the papers: north, east, south, west, and neither the point itself nor the crop from close by.
VIEWS = DIRECTIONS[:4]
# Images or pictures to what a model takes, (images, 3, height, width).
Prepare = Callable[[Sequence[Any]], torch.Tensor]
HOW_TO_EMBED = "embed the photos with training.embed_photos and join them with `timesenclip import join`"


class PairedRows(TensorRows):
    """Hand out series of a dataset, scaled batch by batch, beside the tensors of their photos."""

    def __init__(self, series: SeriesRows, names: Sequence[str], **columns: torch.Tensor) -> None:
        super().__init__(names, **columns)
        self.series = series

    def __getitems__(self, rows: list[int]) -> Batch:
        """Rows as one batch."""
        return self.series.__getitems__(rows) | super().__getitems__(rows)


class ImageRows(TensorRows):
    """Hand out images, read and prepared batch by batch, beside the tensors of their photos.

    Args:
        read: images of some rows.
        prepare: images to what the model takes.
        names: what to call each row where it has to be named, such as its point.
        **columns: tensors of the same length.
    """

    def __init__(
        self,
        read: Callable[[Sequence[int]], Sequence[Any]],
        prepare: Prepare,
        names: Sequence[str],
        **columns: torch.Tensor,
    ) -> None:
        super().__init__(names, **columns)
        self.read = read
        self.prepare = prepare

    def __getitems__(self, rows: list[int]) -> Batch:
        """Rows as one batch."""
        return {"pixel_values": self.prepare(self.read(rows))} | super().__getitems__(rows)


@dataclass(frozen=True)
class ClassLabels:
    """Hold the classes of the validation's rows: `truth` (rows,) indices into `prompts`, -1 where not known."""

    truth: np.ndarray
    prompts: dict[str, list[str]]


@dataclass(frozen=True)
class RowSource:
    """Hold rows, and the classes by which a validation measures them."""

    rows: TensorRows
    labels: dict[str, ClassLabels]


def dataset_source(
    name_or_path: str,
    split: str,
    extractor: TimeSenCLIPFeatureExtractor,
    *,
    label_columns: Sequence[str] = (),
    patch_size: int = 1,
    projection_dim: int | None = None,
    soft_positives: bool = False,
    limit: int | None = None,
    with_photos: bool = True,
) -> RowSource:
    """Read places of a dataset whose photos carry embeddings, or of any dataset of series.

    Args:
        name_or_path: Hub id, folder of `timesenclip import`, or folder of `Dataset.save_to_disk`.
        split: to read.
        extractor: of the model.
        label_columns: class columns to keep for a validation.
        patch_size: pixels along a side that the model sees.
        projection_dim: size of the embeddings that is needed; any when left out.
        soft_positives: rows with the same photos share an id, rather than rows of the same point.
        limit: rows at most, the first.
        with_photos: False takes series alone, of all places.

    Raises:
        ValueError: no such split or column, no photo embeddings, or sizes that do not fit the model.
    """
    dataset = open_split(name_or_path, split)
    if with_photos:
        embeds, mask = _photo_embeddings(dataset, name_or_path, projection_dim)
    series = SeriesRows(dataset, extractor, _class_columns(dataset, label_columns, name_or_path))
    seen = series.columns["observed"].any(axis=1)
    kept = np.flatnonzero(seen & mask.any(axis=1) if with_photos else seen)[:limit]
    if not len(kept):
        lacking = f" and a photo embedding: {HOW_TO_EMBED}" if with_photos else ""
        raise ValueError(f"No point of {name_or_path}, split {split}, has an observed month{lacking}.")
    series.columns = {name: column[kept] for name, column in series.columns.items()}
    side = series.columns["series"].shape[-1] if series.columns["series"].ndim == 5 else 1
    if side != patch_size:
        raise ValueError(
            f"The series of {name_or_path} are {side} x {side} pixels, `patch_size` is {patch_size}: import "
            f"with --crop {patch_size}, or set `patch_size` to {side}."
        )
    labels = {
        column: _labels(dataset, column, series.columns.pop(column))
        for column in label_columns
        if column in series.columns
    }
    if not with_photos:
        return RowSource(PairedRows(series, _names(dataset, kept), ids=torch.from_numpy(kept)), labels)
    names, paired = _paired(dataset, kept, embeds[kept], mask[kept], soft_positives)
    return RowSource(PairedRows(series, names, **paired), labels)


def dataset_images(
    name_or_path: str,
    split: str,
    prepare: Prepare,
    *,
    label_columns: Sequence[str] = (),
    projection_dim: int | None = None,
    soft_positives: bool = False,
    limit: int | None = None,
) -> RowSource:
    """Read places of a dataset with an image of each from above, in a column `image`, and embeddings of their photos.

    Args:
        name_or_path: Hub id, or folder of `Dataset.save_to_disk`.
        split: to read.
        prepare: images to what the model takes.
        label_columns: class columns to keep for a validation.
        projection_dim: size of the embeddings that is needed; any when left out.
        soft_positives: rows with the same photos share an id, rather than rows of the same point.
        limit: rows at most, the first.

    Raises:
        ValueError: no such split or column, no images, or no photo embeddings of the size that is needed.
    """
    dataset = open_split(name_or_path, split)
    if "image" not in dataset.column_names:
        raise ValueError(f"{name_or_path} has no column 'image': its columns are {', '.join(dataset.column_names)}.")
    embeds, mask = _photo_embeddings(dataset, name_or_path, projection_dim)
    kept = np.flatnonzero(mask.any(axis=1))[:limit]
    if not len(kept):
        raise ValueError(f"No place of {name_or_path}, split {split}, has a photo embedding: {HOW_TO_EMBED}.")
    labels = {
        column: _labels(dataset, column, np.asarray(dataset[column])[kept])
        for column in _class_columns(dataset, label_columns, name_or_path)
    }
    names, paired = _paired(dataset, kept, embeds[kept], mask[kept], soft_positives)
    images = dataset.select(kept).select_columns("image")
    return RowSource(ImageRows(lambda rows: images[rows]["image"], prepare, names, **paired), labels)


def _paired(
    dataset: Any, kept: np.ndarray, embeds: np.ndarray, mask: np.ndarray, soft_positives: bool
) -> tuple[list[str], Batch]:
    """Return the names of the rows that are kept, and the tensors of their photos with the ids of the rows."""
    points = np.asarray(dataset["point_id"])[kept]
    ids = photo_set_ids(embeds) if soft_positives else np.unique(points, return_inverse=True)[1].astype(np.int64)
    return _names(dataset, kept), {
        "photo_embeds": torch.from_numpy(embeds),
        "photo_mask": torch.from_numpy(mask),
        "ids": torch.from_numpy(ids),
    }


def photo_set_ids(embeds: np.ndarray) -> np.ndarray:
    """Return an id of each row's photos (rows, photos, dim), the same for rows with the same photos.

    It sorts all embeddings, which takes long where they are many: call it for soft positives alone.
    """
    _, ids = np.unique(embeds.reshape(len(embeds), -1), axis=0, return_inverse=True)
    return ids.reshape(-1).astype(np.int64)


def _names(dataset: Any, kept: np.ndarray) -> list[str]:
    return [f"point {point}" for point in np.asarray(dataset["point_id"])[kept]]


def open_split(name_or_path: str, split: str) -> Any:
    """Open a split of a dataset, from the Hub or from a folder in either layout.

    Raises:
        ValueError: there is no such dataset, or no such split.
    """
    folder = Path(name_or_path)
    try:
        if (folder / "dataset_dict.json").exists() or (folder / "state.json").exists():
            opened = datasets.load_from_disk(name_or_path)
        else:
            opened = datasets.load_dataset(name_or_path)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise ValueError(f"No dataset can be read from {name_or_path} ({first_line(error)}).") from None
    splits = opened if isinstance(opened, dict) else {"train": opened}
    if split not in splits:
        raise ValueError(f"{name_or_path} has no split {split!r}, but {', '.join(splits)}.")
    return splits[split]


def _photo_embeddings(dataset: Any, name: str, projection_dim: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Read embeddings (rows, photos, dim) of the survey's four directions, and which of them are there."""
    feature = dataset.features.get("photos")
    size = getattr(getattr(feature, "feature", {}).get("embedding"), "length", None) if feature is not None else None
    if size is None:
        raise ValueError(f"The photos of {name} carry no embeddings: {HOW_TO_EMBED}.")
    if projection_dim not in (None, size):
        raise ValueError(
            f"The photo embeddings of {name} have {size} numbers, the CLIP's joint space has {projection_dim}: embed "
            "the photos with the CLIP that is trained against (training.embed_photos)."
        )
    embeds = np.zeros((len(dataset), len(VIEWS), size), dtype=np.float32)
    mask = np.zeros(embeds.shape[:2], dtype=bool)
    for start, table in _batches(dataset.select_columns("photos").with_format("arrow")):
        photos = table["photos"].combine_chunks()
        rows = start + np.repeat(np.arange(len(table)), photos.value_lengths().fill_null(0).to_numpy())
        flat = photos.flatten()
        directions = flat.field("direction").to_pylist()
        views = np.asarray([VIEWS.index(direction) if direction in VIEWS else -1 for direction in directions])
        column = flat.field("embedding")
        values = np.full((len(column), size), np.nan, dtype=np.float32)
        # `flatten` leaves out what is null.
        values[column.is_valid().to_numpy(zero_copy_only=False)] = column.flatten().to_numpy().reshape(-1, size)
        good = (views >= 0) & np.isfinite(values).all(axis=1)
        embeds[rows[good], views[good]] = values[good]
        mask[rows[good], views[good]] = True
    return embeds, mask


def _batches(dataset: Any, size: int = 1_000) -> Iterator[tuple[int, Any]]:
    for number, table in enumerate(dataset.iter(size)):
        yield number * size, table


def _class_columns(dataset: Any, wanted: Sequence[str], name: str) -> list[str]:
    """Return those of the wanted columns that the dataset has."""
    present = [column for column in wanted if column in dataset.column_names]
    if wanted and not present:
        raise ValueError(f"{name} has none of the columns {', '.join(wanted)}: name class columns in `label_columns`.")
    for column in present:
        if not isinstance(dataset.features[column], datasets.ClassLabel):
            raise ValueError(
                f"The column {column!r} of {name} holds no classes: name class columns in `label_columns`."
            )
    return present


def _labels(dataset: Any, column: str, truth: np.ndarray) -> ClassLabels:
    names = dataset.features[column].names
    if column in CLASS_TAXONOMIES and names == taxonomy_of(column).class_names:
        return ClassLabels(truth, dict(zip(names, taxonomy_of(column).prompts.values(), strict=True)))
    return ClassLabels(truth, {name: [name] for name in names})


def shuffle_photos(source: RowSource, seed: int) -> RowSource:
    """Give each series the photos of another place drawn at random, so that nothing is left to be learned."""
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(source.rows)))
    columns = source.rows.columns
    for name in ("photo_embeds", "photo_mask"):
        columns[name] = columns[name][order]
    return source
