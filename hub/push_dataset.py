"""Push a dataset to the Hub with its card: `python -m hub.push_dataset FOLDER user/name`, dry unless `--push`.

The dry run writes into a folder what would be pushed, card and pictures included, for people to read; `--push`
does the same and uploads that folder in one commit, so that nobody ever loads half of a dataset. Photos stay URLs
unless their licence is named.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from datasets import Dataset, DatasetDict, load_dataset, load_from_disk

from hub.dataset_card import CLASS_PICTURE, MAP_PICTURE, About, fill_card
from hub.dataset_counts import NOT_STATED, count
from hub.dataset_pictures import draw_classes, draw_map
from hub.publishing import PushOptions, Staged, Staging, deliver, new_folder, one_line_errors
from timesenclip_hf.cli.options import with_groups
from timesenclip_hf.data.engine.reports import REPORT_FILE, ImportReport
from timesenclip_hf.data.engine.shards import BYTES_PER_GROUP, BYTES_PER_SHARD, ROWS_PER_GROUP
from timesenclip_hf.data.splits import SHARES, blocked_split, check_blocks, read_manifest, split_rows, write_manifest

SPLIT_MANIFEST = "splits.csv"
# What an earlier push may have left; files of other names are nobody's but their owner's.
REPLACED = ("data/*.parquet", "*.png", SPLIT_MANIFEST)
# A row with photos can be megabytes; so many tell how large a row is.
SAMPLE = 32
# Series, classes and photos may lack; the card needs these.
PLACE = ("point_id", "longitude", "latitude")
REQUIRED = (*PLACE, "year")


def read_splits(
    folder: Path, manifest: Path | None = None, *, block_km: float | None = None, seed: int = 0
) -> DatasetDict:
    """Open an imported or saved dataset, and cut it where it is one piece: by a manifest, or by blocks.

    Args:
        folder: of the dataset.
        manifest: CSV of point_id and split.
        block_km: side of the blocks, of which none may straddle two splits.
        seed: of the draw of blocks.

    Raises:
        FileNotFoundError: no dataset there.
        ValueError: columns are missing, a place lies in two splits, the manifest does not fit, or a block straddles.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"No such folder: {folder}.")
    saved = (folder / "dataset_dict.json").exists() or (folder / "dataset_info.json").exists()
    opened: Any = load_from_disk(str(folder)) if saved else load_dataset(str(folder))
    splits = DatasetDict({"train": opened}) if isinstance(opened, Dataset) else opened
    for name, split in splits.items():
        absent = [column for column in REQUIRED if column not in split.column_names]
        if absent:
            raise ValueError(f"The split {name!r} lacks the column {absent[0]!r}: see `timesenclip import --help`.")
    if manifest is not None and len(splits) > 1:
        raise ValueError(f"{folder} has the splits {', '.join(splits)} already: push it without a manifest.")
    only = next(iter(splits.values()))
    if manifest is not None:
        splits = _cut(only, read_manifest(manifest))
    elif block_km is not None and len(splits) == 1:
        splits = _cut(only, blocked_split(*(only[name][:] for name in PLACE), block_km=block_km, seed=seed))
    home = homes(splits)
    if block_km is not None:
        columns = [[value for split in splits.values() for value in split[name][:]] for name in PLACE]
        check_blocks(home, *columns, block_km=block_km)
    return splits


def _cut(dataset: Dataset, manifest: dict[str, str]) -> DatasetDict:
    rows = split_rows(manifest, dataset["point_id"][:])
    order = sorted(rows, key=lambda name: [*SHARES, name].index(name))
    return DatasetDict({name: dataset.select(rows[name]) for name in order if len(rows[name])})


def homes(splits: DatasetDict) -> dict[str, str]:
    """Return the split of each point id.

    Raises:
        ValueError: a place lies in two splits.
    """
    home: dict[str, str] = {}
    for name, split in splits.items():
        for point in split["point_id"][:]:
            if home.setdefault(point, name) != name:
                raise ValueError(f"The place {point} is in the splits {home[point]!r} and {name!r}: split by place.")
    return home


def keep_photos(splits: DatasetDict, licences: list[str]) -> DatasetDict:
    """Put photos into the files as bytes where their licence is named; all others stay references.

    Args:
        splits: of the dataset.
        licences: whose photos go into the files.

    Raises:
        FileNotFoundError: a photo of theirs is not where the dataset says.
    """

    def decide(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        return {"photos": [[_with_image(photo, licences) for photo in photos or []] for photos in batch["photos"]]}

    return DatasetDict(
        {
            name: split.map(decide, batched=True, batch_size=SAMPLE, features=split.features, desc="photos")
            if "photos" in split.column_names
            else split
            for name, split in splits.items()
        }
    )


def _with_image(photo: dict[str, Any], licences: list[str]) -> dict[str, Any]:
    image = photo["image"]
    content = None
    if image and photo["licence"] in licences:
        content = image["bytes"]
        if not content and image["path"]:
            if not Path(image["path"]).is_file():
                raise FileNotFoundError(f"No such photo: {image['path']}.")
            content = Path(image["path"]).read_bytes()
    # A path of this machine tells nobody anything: the name is enough.
    name = Path(image["path"]).name if image and image["path"] else None
    return {**photo, "image": {"bytes": content, "path": name} if content else None}


def stage(splits: DatasetDict, folder: Path, about: About) -> Staged:
    """Write Parquet files, pictures and the card as they would be pushed.

    Args:
        splits: what is pushed.
        folder: to write to.
        about: what the data cannot say of themselves.
    """
    (folder / "data").mkdir(parents=True, exist_ok=True)
    num_bytes = {name: _write_shards(split, folder / "data", name) for name, split in splits.items()}
    counts = {name: count(split) for name, split in splits.items()}
    write_manifest(folder / SPLIT_MANIFEST, homes(splits))
    draw_map(counts, folder / MAP_PICTURE)
    draw_classes(counts, folder / CLASS_PICTURE)
    (folder / "README.md").write_text(fill_card(splits, counts, about, num_bytes), encoding="utf-8")
    photos = sum(split.photos.total() for split in counts.values())
    embedded = sum(split.embedded.total() for split in counts.values())
    lines = [f"{name}: {split.rows} rows, {len(split.points)} places" for name, split in counts.items()]
    lines += [f"photos: {embedded} in the files, {photos - embedded} as references"] if photos else []
    return Staged(folder, "\n".join(lines), replaced=REPLACED)


def _write_shards(split: Dataset, folder: Path, name: str) -> int:
    """Write the files of a split, in row groups that fit into memory, and return their bytes."""
    sample = split.with_format("arrow")[: min(SAMPLE, len(split))]
    per_row = max(1, sample.nbytes // max(1, sample.num_rows))
    shards = max(1, math.ceil(per_row * len(split) / BYTES_PER_SHARD))
    rows = max(1, min(ROWS_PER_GROUP, BYTES_PER_GROUP // per_row))
    files = [folder / f"{name}-{index:05}-of-{shards:05}.parquet" for index in range(shards)]
    for index, file in enumerate(files):
        split.shard(shards, index, contiguous=True).to_parquet(file, batch_size=rows)
    return sum(file.stat().st_size for file in files)


@dataclass(frozen=True)
class SplitOptions:
    """Options of how the dataset is split."""

    manifest: Annotated[Path | None, typer.Option(help="CSV of point_id and split.")] = None
    block_km: Annotated[
        float | None, typer.Option(help="No block of this side straddles two splits; cuts what is one piece.")
    ] = None
    seed: Annotated[int, typer.Option(help="Of the draw of blocks.")] = 0


@dataclass(frozen=True)
class CardOptions:
    """Options of what the card says, and of the photos that go into the files."""

    embed_licence: Annotated[
        list[str] | None, typer.Option(help="Licence whose photos go into the files; may be repeated.")
    ] = None
    licence: Annotated[str, typer.Option(help="Of the dataset, as the Hub names it.")] = "other"
    series_licence: Annotated[str, typer.Option(help="Of the reflectance.")] = NOT_STATED
    label_licence: Annotated[str, typer.Option(help="Of codes and classes.")] = NOT_STATED
    note: Annotated[str, typer.Option(help="Sentence for the head of the card.")] = ""


@with_groups
def main(
    dataset: Annotated[Path, typer.Argument(help="Folder of an import, or of `save_to_disk`.")],
    repo_id: Annotated[str, typer.Argument(help="Where on the Hub: user/name.")],
    split: SplitOptions,
    card: CardOptions,
    options: PushOptions,
    staging: Staging = None,
) -> None:
    """Fill the card and show what would be pushed; `--push` pushes it."""

    def staged() -> Staged:
        splits = read_splits(dataset, split.manifest, block_km=split.block_km, seed=split.seed)
        about = About(
            repo_id, card.licence, card.series_licence, card.label_licence, card.note, block_km=split.block_km
        )
        if (dataset / REPORT_FILE).exists():
            about = replace(about, report=ImportReport.read(dataset))
        return stage(keep_photos(splits, card.embed_licence or []), new_folder(staging, repo_id), about)

    with one_line_errors():
        deliver({repo_id: staged}, "dataset", options)


if __name__ == "__main__":
    typer.run(main)
