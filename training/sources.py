"""Where a tower's rows come from: simulated places, or a dataset with photo embeddings.

Either way a row is a series or an image, the frozen embeddings of the photos taken at its place, (photos, dim) with a
mask, and an id that rows of one place share.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from safetensors.torch import load_file, save_file
from torch import nn
from tqdm import tqdm
from transformers import CLIPImageProcessor, CLIPModel

from timesenclip_hf import TimeSenCLIPFeatureExtractor
from timesenclip_hf.data.collate import SeriesRows
from timesenclip_hf.data.schema import CLASS_TAXONOMIES, DIRECTIONS, taxonomy_of
from timesenclip_hf.extras import needs_extra
from timesenclip_hf.files import first_line
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS
from timesenclip_hf.simulator import SimulatedPoints, simulate
from timesenclip_hf.simulator.classes import CLASS_NAMES
from timesenclip_hf.simulator.patches import simulate_patches
from timesenclip_hf.simulator.photos.drawing import draw_photos, visit_states
from training.batches import Batch, TensorRows
from training.small_clip import photo_values

with needs_extra("data"):
    import datasets

# Points whose photos are drawn, embedded, kept on disk and dropped at a time: 2,000 points are 98 MB of photos.
EMBEDDED_AT_A_TIME = 2_000
PHOTOS_AT_A_TIME = 256
# The views of the papers: north, east, south, west, and neither the point itself nor the crop from close by.
VIEWS = DIRECTIONS[:4]
# Images or pictures to what a model takes, (images, 3, height, width).
Prepare = Callable[[Sequence[Any]], torch.Tensor]
HOW_TO_EMBED = "embed the photos with training/embed_photos.py and add them with data.embedding_shards.add_embeddings"


class PairedRows(TensorRows):
    """Series of a dataset, scaled batch by batch, beside the tensors of their photos."""

    def __init__(self, series: SeriesRows, names: Sequence[str], **columns: torch.Tensor) -> None:
        super().__init__(names, **columns)
        self.series = series

    def __getitems__(self, rows: list[int]) -> Batch:
        """Rows as one batch."""
        return self.series.__getitems__(rows) | super().__getitems__(rows)


class ImageRows(TensorRows):
    """Images, read and prepared batch by batch, beside the tensors of their photos.

    Args:
        read: images of some rows.
        prepare: images to what the model takes.
        names: as for [`TensorRows`].
        **columns: as for [`TensorRows`].
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
    """Classes of the validation's rows: `truth` (rows,) indices into `prompts`, -1 where not known."""

    truth: np.ndarray
    prompts: dict[str, list[str]]


@dataclass(frozen=True)
class RowSource:
    """Rows, and the classes by which a validation measures them."""

    rows: TensorRows
    labels: dict[str, ClassLabels]


def simulated_source(
    num_points: int,
    seed: int,
    clip: CLIPModel,
    image_processor: CLIPImageProcessor,
    accelerator: Accelerator,
    folder: Path,
    workers: int,
    *,
    prepare: Prepare | None = None,
) -> RowSource:
    """Simulated places, and their drawn photos as the given CLIP embeds them.

    Args:
        num_points: places; those that were never seen clearly are left out.
        seed: of the places and of their photos.
        clip: on the accelerator's device.
        image_processor: of the CLIP.
        accelerator: its processes share the photos.
        folder: for embeddings, so that a stopped run does not embed again.
        workers: processes that draw photos.
        prepare: for an image of each place from above in place of its series; images to what the model takes.
    """
    points = simulate(num_points, seed=seed)
    photo_embeds = _simulated_photo_embeds(points, seed, clip, image_processor, accelerator, folder, workers)
    seen, names, series, labels = _seen_points(points, seed, TimeSenCLIPFeatureExtractor())
    paired = {
        "photo_embeds": photo_embeds[seen],
        "photo_mask": torch.ones(photo_embeds[seen].shape[:2], dtype=torch.bool),
        "ids": torch.arange(len(names)),
    }
    if prepare is None:
        return RowSource(TensorRows(names, **series, **paired), labels)
    patches = simulate_patches(points, seed=seed)[seen.numpy()]
    return RowSource(ImageRows(lambda chosen: list(patches[chosen]), prepare, names, **paired), labels)


def simulated_series(num_points: int, seed: int, extractor: TimeSenCLIPFeatureExtractor) -> RowSource:
    """Simulated places by their series alone; those that were never seen clearly are left out.

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
    """Which points were ever seen clearly; of these names, model inputs and covers."""
    features = extractor(points.series, bands=BANDS, allow_empty=True, return_tensors="pt")
    seen = features["series_mask"].any(dim=1)
    names = [f"simulated point {place} of seed {seed}" for place in seen.nonzero()[:, 0].tolist()]
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
    """(points, photos, dim), drawn and embedded where no earlier start has done it."""
    num_points, states = len(points.class_index), visit_states(points.ground)
    starts = range(0, num_points, EMBEDDED_AT_A_TIME)
    files = [folder / f"{seed}-{num_points}-{start:08d}.safetensors" for start in starts]

    def draw(shard: int) -> Batch:
        first = starts[shard]
        part = slice(first, first + EMBEDDED_AT_A_TIME)
        photos = draw_photos(points.class_index[part], states[part], seed=seed, first=first, workers=workers)
        return {"photo_embeds": _embed(photos, clip, image_processor)}

    return compute_once(files, draw, accelerator, "embedding photos")["photo_embeds"]


def compute_once(
    files: Sequence[Path], compute: Callable[[int], Batch], accelerator: Accelerator, description: str
) -> Batch:
    """Tensors in files, joined; those that no earlier start has computed are computed now, shared by the processes.

    Args:
        files: one a shard, in one folder.
        compute: the tensors of the shard of that number.
        accelerator: of the processes.
        description: beside the progress bar.
    """
    files[0].parent.mkdir(parents=True, exist_ok=True)
    own = list(enumerate(files))[accelerator.process_index :: accelerator.num_processes]
    for shard, file in tqdm(own, desc=description, unit="shard", disable=not accelerator.is_main_process):
        if not file.exists():
            partial = file.with_suffix(".partial")
            save_file(compute(shard), partial)
            partial.replace(file)
    accelerator.wait_for_everyone()
    shards = [load_file(file) for file in files]
    return {name: torch.cat([shard[name] for shard in shards]) for name in shards[0]}


@torch.no_grad()
def _embed(photos: np.ndarray, clip: CLIPModel, image_processor: CLIPImageProcessor) -> torch.Tensor:
    """Unit embeddings (points, photos, dim) of drawn photos (points, photos, side, side, 3)."""
    flat = photos.reshape(-1, *photos.shape[2:])
    embeds = []
    for start in range(0, len(flat), PHOTOS_AT_A_TIME):
        values = photo_values(flat[start : start + PHOTOS_AT_A_TIME], image_processor).to(clip.device)
        embeds.append(nn.functional.normalize(clip.get_image_features(values).pooler_output, dim=-1).cpu())
    return torch.cat(embeds).unflatten(0, photos.shape[:2])


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
    """Places of a dataset whose photos carry embeddings, or of any dataset of series.

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
        embeds, mask, shared = _photo_embeddings(dataset, name_or_path, projection_dim)
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
    names, paired = _paired(dataset, kept, embeds, mask, shared if soft_positives else None)
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
    """Places of a dataset with an image of each from above, in a column `image`, and photos that carry embeddings.

    Args:
        name_or_path: as for [`dataset_source`], and so are the others.
        split: as there.
        prepare: images to what the model takes.
        label_columns: as there.
        projection_dim: as there.
        soft_positives: as there.
        limit: as there.

    Raises:
        ValueError: no such split or column, no images, or no photo embeddings of the size that is needed.
    """
    dataset = open_split(name_or_path, split)
    if "image" not in dataset.column_names:
        raise ValueError(f"{name_or_path} has no column 'image': its columns are {', '.join(dataset.column_names)}.")
    embeds, mask, shared = _photo_embeddings(dataset, name_or_path, projection_dim)
    kept = np.flatnonzero(mask.any(axis=1))[:limit]
    if not len(kept):
        raise ValueError(f"No place of {name_or_path}, split {split}, has a photo embedding: {HOW_TO_EMBED}.")
    labels = {
        column: _labels(dataset, column, np.asarray(dataset[column])[kept])
        for column in _class_columns(dataset, label_columns, name_or_path)
    }
    names, paired = _paired(dataset, kept, embeds, mask, shared if soft_positives else None)
    images = dataset.select(kept).select_columns("image")
    return RowSource(ImageRows(lambda rows: images[rows]["image"], prepare, names, **paired), labels)


def _paired(
    dataset: Any, kept: np.ndarray, embeds: np.ndarray, mask: np.ndarray, shared: np.ndarray | None
) -> tuple[list[str], Batch]:
    """Names of the rows that are kept, and the tensors of their photos; rows of one point share an id, or `shared`."""
    points = np.asarray(dataset["point_id"])[kept]
    ids = np.unique(points, return_inverse=True)[1] if shared is None else shared[kept]
    return _names(dataset, kept), {
        "photo_embeds": torch.from_numpy(embeds[kept]),
        "photo_mask": torch.from_numpy(mask[kept]),
        "ids": torch.from_numpy(ids.astype(np.int64)),
    }


def _names(dataset: Any, kept: np.ndarray) -> list[str]:
    return [f"point {point}" for point in np.asarray(dataset["point_id"])[kept]]


def open_split(name_or_path: str, split: str) -> Any:
    """A split of a dataset, from the Hub or from a folder in either layout.

    Raises:
        ValueError: there is no such dataset, or no such split.
    """
    folder = Path(name_or_path)
    try:
        if (folder / "dataset_dict.json").exists() or (folder / "state.json").exists():
            found = datasets.load_from_disk(name_or_path)
        else:
            found = datasets.load_dataset(name_or_path)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise ValueError(f"No dataset can be read from {name_or_path} ({first_line(error)}).") from None
    splits = found if isinstance(found, dict) else {"train": found}
    if split not in splits:
        raise ValueError(f"{name_or_path} has no split {split!r}, but {', '.join(splits)}.")
    return splits[split]


def _photo_embeddings(dataset: Any, name: str, projection_dim: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Embeddings (rows, photos, dim) of the survey's four directions, which are there, and an id of each set."""
    feature = dataset.features.get("photos")
    size = getattr(getattr(feature, "feature", {}).get("embedding"), "length", None) if feature is not None else None
    if size is None:
        raise ValueError(f"The photos of {name} carry no embeddings: {HOW_TO_EMBED}.")
    if projection_dim not in (None, size):
        raise ValueError(
            f"The photo embeddings of {name} have {size} numbers, the CLIP's joint space has {projection_dim}: embed "
            "the photos with the CLIP that is trained against (training/embed_photos.py)."
        )
    embeds = np.zeros((len(dataset), len(VIEWS), size), dtype=np.float32)
    mask = np.zeros(embeds.shape[:2], dtype=bool)
    for start, table in _batches(dataset.select_columns("photos").with_format("arrow")):
        photos = table["photos"].combine_chunks()
        rows = start + np.repeat(np.arange(len(table)), photos.value_lengths().fill_null(0).to_numpy())
        flat = photos.flatten()
        places = np.asarray([VIEWS.index(one) if one in VIEWS else -1 for one in flat.field("direction").to_pylist()])
        column = flat.field("embedding")
        values = np.full((len(column), size), np.nan, dtype=np.float32)
        # `flatten` leaves out what is null.
        values[column.is_valid().to_numpy(zero_copy_only=False)] = column.flatten().to_numpy().reshape(-1, size)
        good = (places >= 0) & np.isfinite(values).all(axis=1)
        embeds[rows[good], places[good]] = values[good]
        mask[rows[good], places[good]] = True
    _, shared = np.unique(embeds.reshape(len(embeds), -1), axis=0, return_inverse=True)
    return embeds, mask, shared.reshape(-1)


def _batches(dataset: Any, size: int = 1_000) -> Iterator[tuple[int, Any]]:
    for number, table in enumerate(dataset.iter(size)):
        yield number * size, table


def _class_columns(dataset: Any, wanted: Sequence[str], name: str) -> list[str]:
    """Those of the wanted columns that the dataset has."""
    found = [column for column in wanted if column in dataset.column_names]
    if wanted and not found:
        raise ValueError(f"{name} has none of the columns {', '.join(wanted)}: name class columns in `label_columns`.")
    for column in found:
        if not isinstance(dataset.features[column], datasets.ClassLabel):
            raise ValueError(
                f"The column {column!r} of {name} holds no classes: name class columns in `label_columns`."
            )
    return found


def _labels(dataset: Any, column: str, truth: np.ndarray) -> ClassLabels:
    names = dataset.features[column].names
    if column in CLASS_TAXONOMIES and names == taxonomy_of(column).class_names:
        return ClassLabels(truth, dict(zip(names, taxonomy_of(column).prompts.values(), strict=True)))
    return ClassLabels(truth, {name: [name] for name in names})


def shuffle_photos(source: RowSource, seed: int) -> RowSource:
    """The same series, each with the photos of another place drawn at random: nothing is left to be learned."""
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(source.rows)))
    columns = source.rows.columns
    for name in ("photo_embeds", "photo_mask"):
        columns[name] = columns[name][order]
    return source
