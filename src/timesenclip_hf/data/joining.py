"""Join a dataset with the embeddings of its photos, split it, and save what training reads."""

import os

from ..extras import needs_extra
from ..files import whole_folder
from .opening import read_dataset
from .photos.embedding_shards import add_embeddings
from .splits import SplitOptions, split_points, split_rows, write_manifest

with needs_extra("data"):
    from datasets import Dataset, DatasetDict

MANIFEST_FILE = "splits.csv"
# What is written here, and no more: a folder that holds anything else is not replaced.
_FILES = (MANIFEST_FILE, "dataset_dict.json", "*/dataset_info.json", "*/state.json", "*/data-*.arrow")


def join_dataset(
    dataset: str | os.PathLike[str] | Dataset,
    embeddings: str | os.PathLike[str],
    output: str | os.PathLike[str],
    splits: SplitOptions | None = None,
    *,
    cache_dir: str | None = None,
    overwrite: bool = False,
) -> dict[str, int]:
    """Save a paired dataset with the embedding of each photo, cut into splits; return the rows of each split.

    Args:
        dataset: of points with photos: a folder, a Hub id, or at hand.
        embeddings: folder of finished embeddings of the photos.
        output: folder to write whole or not at all, of `DatasetDict.save_to_disk`, with the manifest of the splits,
            `splits.csv`.
        splits: how the points are split; by blocks of 50 km when left out.
        cache_dir: for the embeddings as Arrow; the usual one of `datasets` when left out.
        overwrite: replace what an earlier call wrote.

    Raises:
        FileNotFoundError: no such dataset or manifest.
        FileExistsError: `output` is there already, and not to be replaced or holds other things.
        ValueError: the dataset has no photos, the folder no finished embeddings, no photo has one, or the points
            cannot be split so.
    """
    # Before the work: the folder is refused here, not after an hour.
    with whole_folder(output, overwrite=overwrite, names=_FILES) as partial:
        points = dataset if isinstance(dataset, Dataset) else read_dataset(dataset)
        split_of_point = split_points(points, splits or SplitOptions())
        rows = {name: part for name, part in split_rows(split_of_point, points["point_id"][:]).items() if len(part)}
        joined = add_embeddings(points, embeddings, cache_dir=cache_dir)
        DatasetDict({name: joined.select(part) for name, part in rows.items()}).save_to_disk(partial)
        write_manifest(partial / MANIFEST_FILE, split_of_point)
    return {name: len(part) for name, part in rows.items()}
