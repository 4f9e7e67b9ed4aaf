"""Import Sen4Map's HDF5 files as a dataset: raw patches in both layouts, and TimeSenCLIP's derived composites.

A file has one entry a point, `Lucas_Point_<id>`. Sen4Map: Sharma et al. (2024), doi 10.1109/JSTARS.2024.3435081.
"""

import hashlib
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from transformers.utils import logging

from ...files import first_line
from ...gate import PLAIN
from ...gate.hdf5 import list_entries
from ...models.timesenclip.compositing_timesenclip import RECIPES
from ..engine.reports import ImportReport, Problem
from ..engine.shards import ImportPart, import_parts
from ..schema import build_features
from .sen4map_points import PointSettings, point_id_of, read_points

logger = logging.get_logger(__name__)

SUFFIXES = (".h5", ".hdf5", ".hdf", ".he5")
SURVEY_YEAR = 2018
# Small enough that a stop costs little, and that two processes share a file of some hundred points.
POINTS_PER_PART = 64


def import_sen4map(
    sources: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    crop: int = 1,
    composite: str = "median",
    year: int = SURVEY_YEAR,
    workers: int = 2,
    progress: bool = True,
    points_per_part: int = POINTS_PER_PART,
) -> ImportReport:
    """Import Sen4Map files as a dataset that `datasets.load_dataset(output)` reads.

    It may be ended at any time and called again with the same arguments: it goes on where it was, and the rows come
    out the same. Points that cannot be used are left out, counted and listed in the report, `import_report.json`.
    Where HDF5 comes to no end in two points of a file, each process leaves out what it has not read of it by then.

    Args:
        sources: HDF5 files, or folders of them.
        output: folder to write.
        crop: pixels along a side, in the middle of the patch; 1 is the survey point's own pixel.
        composite: "median" (masked monthly medians), "timesenclip" (upstream's recipe), or "none" (acquisitions
            as they were, those under cloud marked as missing).
        year: of the series; acquisitions of other years are left out and counted.
        workers: processes.
        progress: show a bar.
        points_per_part: how many points a process takes at a time.

    Raises:
        FileNotFoundError: a source is missing.
        ValueError: an option has another value than those named, no file is usable, no point can be used, or
            `output` holds another dataset.
    """
    if composite not in (*RECIPES, "none"):
        raise ValueError(f"`composite` must be one of {', '.join((*RECIPES, 'none'))}, got {composite!r}.")
    if crop < 1 or points_per_part < 1:
        raise ValueError(f"`crop` and `points_per_part` must be at least 1, got {crop} and {points_per_part}.")
    files = _find_files(sources)
    parts, problems = _cut(files, points_per_part)
    settings = {"crop": crop, "composite": composite, "year": year, "points_per_part": points_per_part}
    return import_parts(
        output,
        parts,
        partial(read_points, PointSettings(crop, composite, year)),
        build_features(native=composite == "none", crop=crop, photos=False),
        identity={"kind": "sen4map", "files": [[file.name, file.stat().st_size] for file in files], **settings},
        problems=problems,
        workers=workers,
        progress=progress,
    )


def _find_files(sources: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[Path]:
    files: list[Path] = []
    for source in map(Path, [sources] if isinstance(sources, (str, os.PathLike)) else sources):
        if not source.exists():
            raise FileNotFoundError(f"No such file: {source}.")
        inside = [source]
        if source.is_dir():
            inside = sorted(file for file in source.iterdir() if file.suffix.lower() in SUFFIXES)
        if not inside:
            raise ValueError(f"{source} has no file that ends in {', '.join(SUFFIXES)}.")
        files += inside
    if not files:
        raise ValueError("There is no source: give at least one HDF5 file.")
    return files


def _cut(files: Sequence[Path], size: int) -> tuple[list[ImportPart], list[Problem]]:
    """Cut files into parts with the keys of their points; list the files that cannot be read."""
    # Keys as fixed-length bytes and ids as 8-byte hashes: some megabytes for all of Sen4Map.
    keys: dict[int, np.ndarray] = {}
    problems = []
    for index, file in enumerate(files):
        try:
            keys[index] = np.asarray([key.encode() for key in list_entries(file, PLAIN)], dtype="S")
        except ValueError as error:
            problems.append(Problem("unusable file", source=file.name, detail=first_line(error)))
            logger.warning(f"{error} It is left out.")
    if not keys:
        raise ValueError(f"{problems[0].detail}.")
    ids = (point_id_of(key.decode()).encode() for names in keys.values() for key in names)
    digests = b"".join(hashlib.blake2b(point_id, digest_size=8).digest() for point_id in ids)
    hashes = np.frombuffer(digests, dtype=np.uint64)
    repeated = np.ones(len(hashes), dtype=bool)
    repeated[np.unique(hashes, return_index=True)[1]] = False
    parts, before = [], 0
    for index, names in keys.items():
        for start in range(0, len(names), size):
            chosen = names[start : start + size]
            again = repeated[before + start : before + start + len(chosen)]
            parts.append(ImportPart((str(files[index]), chosen, again), len(chosen)))
        before += len(names)
    return parts, problems
