"""Keep embeddings of ground photos as Parquet shards: write them, read them as a dataset, add them to photos.

A row has the photo's point, year, country and direction, and its embedding, not normalised: pooling over the photos
of a point and the objectives normalise by themselves.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...extras import needs_extra
from ...files import whole_file, write_json
from ...files.locks import Hold
from ...files.outputs import check_content, check_run_folder
from ..engine.content import content_hash
from ..engine.reports import Problem, check_identity, count_reasons
from ..schema import photo_feature

with needs_extra("data"):
    import pyarrow as pa
    import pyarrow.parquet as pq
    from datasets import Dataset, Features

PLAN_FILE, REPORT_FILE = "plan.json", "report.json"
_KEYS = ("point_id", "year", "direction")
_SCHEMA = pa.schema({"point_id": pa.string(), "year": pa.int32(), "country": pa.string(), "direction": pa.string()})


class PhotoFile(NamedTuple):
    """Name a photo by what it shows, and its path below the folder of photos."""

    point_id: str
    year: int
    country: str
    direction: str
    path: str


@dataclass(frozen=True)
class EmbeddingReport:
    """Tell how many photos have an embedding of which size, and which have none; `str()` is the text for people."""

    output: str
    rows: int
    size: int
    problems: list[Problem] = field(repr=False)
    content_hash: str

    def __str__(self) -> str:
        counts = [f"  {reason}: {count}" for reason, count in count_reasons(self.problems).items()]
        return "\n".join([f"{self.rows} embeddings of size {self.size} in {self.output}", *counts])


def open_output(folder: Path, plan: Mapping[str, Any]) -> None:
    """Make the folder of shards with its plan, or find it; raise `ValueError` where it holds another one.

    Every process of a run comes here.
    """
    check_run_folder(folder)
    file = folder / PLAN_FILE
    if file.exists():
        check_identity(folder, json.loads(file.read_text(encoding="utf-8")), plan, "embeddings with other")
    else:
        check_content(folder, [PLAN_FILE, "embeddings-*.parquet"])
        write_json(file, plan)


def shard_file(folder: Path, index: int, num_shards: int) -> Path:
    """Name the file of a shard, which is there once it is finished."""
    return folder / f"embeddings-{index:05}-of-{num_shards:05}.parquet"


def write_shard(
    file: Path, photos: Sequence[PhotoFile], vectors: np.ndarray, skipped: Sequence[tuple[PhotoFile, str]]
) -> None:
    """Write photos with their embeddings (photos, size) and skipped ones with the reason: both in one file, or none."""
    problems = [asdict(Problem(reason, photo.point_id, photo.path)) for photo, reason in skipped]
    table = pa.Table.from_pylist([photo._asdict() for photo in photos], schema=_SCHEMA)
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])
    table = table.append_column("embedding", column).replace_schema_metadata({"problems": json.dumps(problems)})
    with whole_file(file, overwrite=True) as partial:
        pq.write_table(table, partial, row_group_size=10_000)


def finish_embeddings(output: str | os.PathLike[str]) -> EmbeddingReport:
    """Check that all shards are there, or raise `ValueError`; write and return the report."""
    folder = Path(output)
    plan = json.loads((folder / PLAN_FILE).read_text(encoding="utf-8"))
    files = [shard_file(folder, index, plan["shards"]) for index in range(plan["shards"])]
    missing = [file.name for file in files if not file.exists()]
    if missing:
        raise ValueError(f"{folder} lacks {len(missing)} of {len(files)} shards, the first {missing[0]}: run again.")
    entries = (json.loads(pq.read_schema(file).metadata[b"problems"]) for file in files)
    problems = [Problem(**entry) for entry in chain.from_iterable(entries)]
    rows = sum(pq.read_metadata(file).num_rows for file in files)
    digest = content_hash(batch for file in files for batch in pq.ParquetFile(file).iter_batches())
    report = EmbeddingReport(str(folder), rows, plan["size"], problems, digest)
    with Hold(folder):
        write_json(folder / REPORT_FILE, {**asdict(report), "counts": count_reasons(problems), "plan": plan})
    return report


def read_embeddings(folder: str | os.PathLike[str], *, cache_dir: str | None = None) -> Dataset:
    """Open the rows of all shards as a dataset on disk: `point_id`, `year`, `country`, `direction`, `embedding`.

    Raises:
        ValueError: the folder has no finished embeddings.
    """
    if not (Path(folder) / REPORT_FILE).exists():
        raise ValueError(f"{folder} has no finished embeddings: run training/embed_photos.py to its end.")
    files = sorted(str(file) for file in Path(folder).glob("embeddings-*.parquet"))
    return Dataset.from_parquet(files, cache_dir=cache_dir)


def add_embeddings(dataset: Dataset, folder: str | os.PathLike[str], *, cache_dir: str | None = None) -> Dataset:
    """Put the frozen embedding beside each photo of a dataset; NaN where a photo has none.

    Args:
        dataset: with the columns `point_id`, `year` and `photos`.
        folder: of finished embeddings.
        cache_dir: for the shards as Arrow; the usual one of `datasets` when left out.

    Raises:
        ValueError: the dataset has no photos, the folder no finished embeddings, or no photo has one.
    """
    if "photos" not in dataset.column_names:
        raise ValueError(f"The dataset has no column 'photos', but {', '.join(dataset.column_names)}: pair it first.")
    embeddings = read_embeddings(folder, cache_dir=cache_dir)
    table = embeddings.select_columns(list(_KEYS)).with_format("arrow")[:]
    lookup = {key: row for row, key in enumerate(zip(*(table[name].to_pylist() for name in _KEYS), strict=True))}
    size = embeddings.features["embedding"].length
    vectors = embeddings.with_format("numpy")
    matched = 0

    def add(table: pa.Table) -> pa.Table:
        nonlocal matched
        photos = table["photos"].combine_chunks()
        lengths = photos.value_lengths().fill_null(0).to_numpy()
        flat = photos.flatten()
        point = np.repeat(np.arange(len(table)), lengths)
        ids, years = (table[name].take(point).to_pylist() for name in ("point_id", "year"))
        keys = zip(ids, years, flat.field("direction").to_pylist(), strict=True)
        rows = np.asarray([lookup.get(key, -1) for key in keys], dtype=np.int64)
        known = np.flatnonzero(rows >= 0)
        matched += len(known)
        values = np.full((len(rows), size), np.nan, dtype=np.float32)
        if len(known):
            values[known] = vectors[rows[known]]["embedding"]
        names = [field.name for field in flat.type if field.name != "embedding"]
        columns = [*(flat.field(name) for name in names), pa.FixedSizeListArray.from_arrays(values.reshape(-1), size)]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        column = pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(columns, [*names, "embedding"]))
        return table.set_column(table.column_names.index("photos"), "photos", column)

    features = Features({**dataset.features, "photos": photo_feature(size)})
    # Not from the cache of `datasets`: it does not see a change of the shards.
    added = dataset.with_format("arrow").map(
        add, batched=True, features=features, load_from_cache_file=False, desc="embeddings"
    )
    if not matched:
        raise ValueError(f"No photo of the dataset has an embedding in {folder}: the points or the years differ.")
    return added.with_format(None)
