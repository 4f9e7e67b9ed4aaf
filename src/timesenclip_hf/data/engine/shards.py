"""Write rows from anywhere into a folder that `load_dataset` reads: several processes, bounded memory, resumable.

The input is cut into parts that do not depend on the number of processes. Each part is written to a file of its own
under `.import`, whole or not at all, beside its problems as JSON; whatever ends the program loses the parts
in work and nothing else. When all parts are there they are joined into shards, `data/train-00000-of-00003.parquet`.
"""

import json
import multiprocessing
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, replace
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from ...extras import needs_extra
from ...files import read_json, whole_file, write_json
from ...files.locks import Hold
from ...files.outputs import check_content, check_run_folder
from .content import content_hash
from .reports import REPORT_FILE, ImportReport, Problem, check_identity

with needs_extra("data"):
    import pyarrow as pa
    import pyarrow.parquet as pq
    from datasets import Features
    from tqdm import tqdm

Row: TypeAlias = Mapping[str, Any]
# Yields rows, one by one or as tables, and what is wrong with others. With several workers it runs in another process,
# so it must be a function that can be pickled.
PartReader: TypeAlias = Callable[[Any], Iterator[Row | pa.Table | Problem]]

WORK_FOLDER = ".import"
PLAN_FILE = "plan.json"
_KIND = "an import with another"
# A row group is held in memory as a whole, by us and by whoever streams the dataset.
ROWS_PER_GROUP = 1_000
BYTES_PER_GROUP = 8_000_000
# Shards of some hundred megabytes are what the Hub recommends.
BYTES_PER_SHARD = 256_000_000


class ImportPart(NamedTuple):
    """Describe a piece of the input: what the reader takes, and how many points it holds."""

    task: Any
    points: int


_Job: TypeAlias = tuple[Path, ImportPart]


def import_parts(
    output: str | os.PathLike[str],
    parts: Sequence[ImportPart],
    reader: PartReader,
    features: Features,
    *,
    identity: Mapping[str, Any],
    problems: Sequence[Problem] = (),
    notes: Sequence[str] = (),
    workers: int = 2,
    progress: bool = True,
) -> ImportReport:
    """Read parts in several processes and write them as a dataset and its report, or go on with an earlier call.

    Args:
        output: folder to write.
        parts: of the input, in the order of the rows.
        reader: turns the task of a part into rows.
        features: of the rows.
        identity: what is imported, and how, as JSON; a folder is only continued with the same.
        problems: known before reading, such as files that cannot be opened.
        notes: for the report, how the sources were read.
        workers: processes.
        progress: show a bar.

    Raises:
        OSError: the folder cannot be written, or holds other files.
        HeldError: another process is writing to it.
        ValueError: the folder holds another import, `workers` is not positive, or no point could be used.
        RuntimeError: a process was ended from outside.
    """
    if workers < 1:
        raise ValueError(f"`workers` must be at least 1, got {workers}.")
    folder = Path(output)
    known = json.loads(json.dumps({**identity, "parts": len(parts)}))
    check_import_folder(folder)
    with Hold(folder):
        if (folder / REPORT_FILE).exists():
            report = ImportReport.read(folder)
            check_identity(folder, report.identity, known, _KIND)
        else:
            files = _open_work(folder, known)
            _write_parts(parts, files, partial(_write_part, reader, features), workers, progress)
            report = _finish(folder, files, sum(part.points for part in parts), problems, known, features)
            report = replace(report, notes=list(notes))
            report.write()
        shutil.rmtree(folder / WORK_FOLDER, ignore_errors=True)
        return report


def check_import_folder(folder: str | os.PathLike[str]) -> None:
    """Refuse, before the work, a folder into which no import can be written.

    Raises:
        OSError: it cannot be written, or holds other files than an import's.
        ValueError: it holds a dataset of other making.
    """
    folder = Path(folder)
    check_run_folder(folder)
    if (folder / REPORT_FILE).exists() or (folder / WORK_FOLDER / PLAN_FILE).exists():
        return
    if any(folder.glob("data/*.parquet")):
        raise ValueError(f"{folder} holds a dataset already: choose another folder, or delete it.")
    check_content(folder, [WORK_FOLDER, f"{WORK_FOLDER}/*"])


def _open_work(folder: Path, identity: Mapping[str, Any]) -> list[Path]:
    """Note what is imported, or find it noted; return the file of each part."""
    work = folder / WORK_FOLDER
    if (work / PLAN_FILE).exists():
        check_identity(folder, read_json(work / PLAN_FILE), identity, _KIND)
    work.mkdir(parents=True, exist_ok=True)
    write_json(work / PLAN_FILE, identity)
    return [work / f"{index:06}.parquet" for index in range(identity["parts"])]


def _finish(
    folder: Path,
    files: Sequence[Path],
    points: int,
    problems: Sequence[Problem],
    identity: dict[str, Any],
    features: Features,
) -> ImportReport:
    """Join the parts that are all there into shards; return the report, not yet written."""
    problems = [*problems, *(Problem(**entry) for file in files for entry in read_json(file.with_suffix(".json")))]
    rows = sum(pq.read_metadata(file).num_rows for file in files)
    if rows == 0:
        reason = f", the first because of: {problems[0].text}" if problems else ""
        raise ValueError(f"None of the {points} points can be used{reason}.")
    shards = _join(files, folder / "data", features)
    digest = content_hash(batch for shard in shards for batch in _batches(shard))
    return ImportReport(str(folder), points, rows, problems, digest, identity=identity)


def _write_parts(
    parts: Sequence[ImportPart], files: Sequence[Path], write: Callable[[_Job], int], workers: int, progress: bool
) -> None:
    """Write the parts that are missing."""
    jobs = [(file, part) for file, part in zip(files, parts, strict=True) if not file.exists()]
    total, left = sum(part.points for part in parts), sum(part.points for _, part in jobs)
    with tqdm(total=total, initial=total - left, unit="point", disable=not progress) as bar:
        for points in _run(write, jobs, min(workers, len(jobs))):
            bar.update(points)


def _run(write: Callable[[_Job], int], jobs: Sequence[_Job], workers: int) -> Iterator[int]:
    if workers <= 1:
        yield from map(write, jobs)
        return
    # A forked process needs no guard in the caller's script; where there is no fork, Python asks for one itself.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent)
    try:
        for done in as_completed([pool.submit(write, item) for item in jobs]):
            yield done.result()
    except BrokenProcessPool:
        ended = "A reading process was ended from outside, perhaps for want of memory"
        raise RuntimeError(f"{ended}: run again, what is written is kept.") from None
    finally:
        pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """End this worker with the program that started it, for whose next order it would wait for ever."""

    def watch(parent: Any) -> None:
        wait([parent.sentinel])
        os._exit(1)

    if (parent := multiprocessing.parent_process()) is not None:
        threading.Thread(target=watch, args=(parent,), daemon=True).start()


def _write_part(reader: PartReader, features: Features, job: _Job) -> int:
    """Write one part to its file, in a worker, with its problems beside it; return its number of points."""
    path, part = job
    problems: list[Problem] = []

    def rows() -> Iterator[Row | pa.Table]:
        for row in reader(part.task):
            if isinstance(row, Problem):
                problems.append(row)
            else:
                yield row

    with whole_file(path, overwrite=True) as partial:
        _write_tables(partial, _tables(rows(), features), features)
        # Before the rows take their place: a part counts as done when they are there.
        write_json(path.with_suffix(".json"), [asdict(problem) for problem in problems])
    return part.points


def _tables(rows: Iterable[Row | pa.Table], features: Features) -> Iterator[pa.Table]:
    """Gather rows into tables small enough that patches of any size stay in memory."""
    held: list[Row] = []
    size = 0
    for row in rows:
        if isinstance(row, pa.Table):
            yield from (row.slice(start, ROWS_PER_GROUP) for start in range(0, row.num_rows, ROWS_PER_GROUP))
            continue
        held.append(row)
        size += sum(getattr(value, "nbytes", 0) for value in row.values())
        if len(held) == ROWS_PER_GROUP or size >= BYTES_PER_GROUP:
            yield pa.Table.from_pylist(held, schema=features.arrow_schema)
            held, size = [], 0
    if held:
        yield pa.Table.from_pylist(held, schema=features.arrow_schema)


def _write_tables(path: Path, tables: Iterable[pa.Table], features: Features) -> None:
    """Write row groups of up to so many rows and bytes, whatever the tables are cut into."""
    with pq.ParquetWriter(path, features.arrow_schema, compression="zstd") as writer:
        held: list[pa.Table] = []
        for table in tables:
            rows, size = (sum(getattr(part, name) for part in [*held, table]) for name in ("num_rows", "nbytes"))
            if held and (rows > ROWS_PER_GROUP or size > BYTES_PER_GROUP):
                writer.write_table(pa.concat_tables(held))
                held = []
            held.append(table)
        if held:
            writer.write_table(pa.concat_tables(held))


def _join(files: Sequence[Path], folder: Path, features: Features) -> list[Path]:
    """Join parts into shards of a good size for the Hub."""
    groups: list[list[Path]] = [[]]
    size = 0
    for file in files:
        if groups[-1] and size + file.stat().st_size > BYTES_PER_SHARD:
            groups.append([])
            size = 0
        groups[-1].append(file)
        size += file.stat().st_size
    folder.mkdir(exist_ok=True)
    shards = [folder / f"train-{index:05}-of-{len(groups):05}.parquet" for index in range(len(groups))]
    for shard, group in zip(shards, groups, strict=True):
        with whole_file(shard, overwrite=True) as partial:
            _write_tables(partial, (pa.Table.from_batches([b]) for file in group for b in _batches(file)), features)
    return shards


def _batches(file: Path) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(file) as parquet:
        for group in range(parquet.num_row_groups):
            yield from parquet.read_row_group(group).to_batches()
