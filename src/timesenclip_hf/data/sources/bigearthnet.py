"""BigEarthNet-S2: Sentinel-2 L2A patches of 1.2 km with the CORINE classes in them, in the 19-class nomenclature.

A patch is a folder of twelve GeoTIFFs named by band, `<patch>_B02.tif` and so on, of 10, 20 and 60 m. Version 1 keeps
its labels beside them, `<patch>_labels_metadata.json`; version 2 in one table, `metadata.parquet`.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from transformers.utils import logging

from ...extras import needs_extra
from ...taxonomies import Taxonomy, load_taxonomy
from ..engine.reports import ImportReport, Problem
from ..engine.shards import ImportPart, Row, import_parts
from .images import (
    BadImageError,
    Raster,
    check_bands,
    check_size,
    encode_rgb,
    existing_folder,
    gather,
    pack_bands,
    read_raster,
)

with needs_extra("data"):
    import pyarrow.parquet as pq
    from datasets import Dataset, Features, Image, List, Value

SIDE = 120
SIDES = {
    **dict.fromkeys(("B02", "B03", "B04", "B08"), SIDE),
    **dict.fromkeys(("B05", "B06", "B07", "B8A", "B11", "B12"), SIDE // 2),
    **dict.fromkeys(("B01", "B09"), SIDE // 6),
}
"""Pixels along a side of each band: 1.2 km at 10, 20 and 60 m. L2A has no B10."""

DROPPED = (
    "Road and rail networks and associated land",
    "Port areas",
    "Airports",
    "Mineral extraction sites",
    "Dump sites",
    "Construction sites",
    "Green urban areas",
    "Sport and leisure facilities",
    "Bare rock",
    "Burnt areas",
    "Intertidal flats",
)
"""The classes of version 1 that the 19-class nomenclature leaves out (Sumbul et al. 2021, BigEarthNet-MM)."""

NO_LABEL = "no label of the 19 classes"
DROPPED_LABEL = "label outside the 19 classes"
_METADATA = "metadata.parquet"
_PATCHES_PER_PART = 500


def read_bigearthnet(
    folder: str | os.PathLike[str],
    *,
    metadata: str | os.PathLike[str] | None = None,
    bands: Sequence[str] = (),
    located: bool = False,
    problems: list[Problem] | None = None,
    progress: bool = False,
) -> Dataset:
    """BigEarthNet patches as a dataset in memory; all of them are for [`import_bigearthnet`].

    Columns: `point_id`, the name of the patch; `image`, RGB by the default stretch, 120 x 120; `labels`, 19 booleans
    in the order of the taxonomy "bigearthnet19"; `date`, `split`, `longitude` and `latitude`, where known.

    Args:
        folder: with the folders of patches, at any depth.
        metadata: table of labels of version 2; `metadata.parquet` in the folder, or beside it, when left out.
        bands: to keep as digital numbers in a column `reflectance`, on the 10 m grid, read by [`as_series`].
        located: every patch must have a georeference.
        problems: takes the labels that were dropped, and the patches that cannot be used or are left without a
            label, which are left out; without it such a patch ends the reading.
        progress: show a bar.

    Raises:
        FileNotFoundError: no such folder or table, or no patch in it.
        ValueError: no such band, or a patch that cannot be used.
    """
    options = _Options(tuple(check_bands(bands, tuple(SIDES))), located)
    tasks = _find_patches(Path(folder), metadata)
    rows = (
        row for task in logging.tqdm(tasks, unit=" patches", disable=not progress) for row in _read(options, [task])
    )
    return gather(rows, _features(options), problems)


def import_bigearthnet(
    folder: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    metadata: str | os.PathLike[str] | None = None,
    bands: Sequence[str] = (),
    located: bool = False,
    workers: int = 2,
    progress: bool = True,
) -> ImportReport:
    """Writes BigEarthNet as a dataset that `load_dataset(output)` reads; what was stopped goes on where it was.

    Args:
        folder: as for [`read_bigearthnet`].
        output: folder to write.
        metadata: as for [`read_bigearthnet`].
        bands: as for [`read_bigearthnet`].
        located: as for [`read_bigearthnet`].
        workers: processes.
        progress: show a bar.

    Returns:
        The report; what cannot be used is left out, counted and listed.

    Raises:
        FileNotFoundError: as for [`read_bigearthnet`].
        ValueError: no such band, or no patch can be used.
    """
    options = _Options(tuple(check_bands(bands, tuple(SIDES))), located)
    tasks = _find_patches(Path(folder), metadata)
    chunks = [tasks[start : start + _PATCHES_PER_PART] for start in range(0, len(tasks), _PATCHES_PER_PART)]
    return import_parts(
        output,
        [ImportPart(chunk, len(chunk)) for chunk in chunks],
        partial(_read, options),
        _features(options),
        identity={
            "kind": "bigearthnet",
            "folder": str(folder),
            "patches": len(tasks),
            "bands": list(options.bands),
            "located": located,
        },
        workers=workers,
        progress=progress,
    )


def read_patch(folder: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The twelve bands of one patch by name, digital numbers (y, x) of their own resolution.

    Raises:
        ValueError: a band is missing, cannot be read, or is of another size.
    """
    return {name: raster.values[0] for name, raster in _read_bands(Path(folder), tuple(SIDES), located=False).items()}


def multi_hot(labels: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """CORINE or 19-class names as 19 booleans, and the names that the nomenclature drops.

    Raises:
        ValueError: a name is neither; the sentence names the nearest.
    """
    taxonomy = _taxonomy()
    hot = np.zeros(len(taxonomy.labels), dtype=bool)
    dropped = [label for label in labels if label in DROPPED]
    for label in labels:
        if label not in DROPPED:
            hot[taxonomy.indices[taxonomy.find(label).code]] = True
    return hot, dropped


@dataclass(frozen=True)
class _Options:
    bands: tuple[str, ...]
    located: bool


@dataclass(frozen=True)
class _Patch:
    """A folder, and what the table of version 2 says of it; `None` where its own JSON is to be read."""

    folder: Path
    labels: tuple[str, ...] | None
    split: str


@cache
def _taxonomy() -> Taxonomy:
    return load_taxonomy("bigearthnet19")


def _features(options: _Options) -> Features:
    features = {
        "point_id": Value("string"),
        "image": Image(),
        "labels": List(Value("bool"), length=len(_taxonomy().labels)),
        "date": Value("string"),
        "split": Value("string"),
        "longitude": Value("float64"),
        "latitude": Value("float64"),
    }
    if options.bands:
        features["reflectance"] = List(Value("int16"), length=len(options.bands) * SIDE**2)
    return Features(features)


def _find_patches(folder: Path, metadata: str | os.PathLike[str] | None) -> list[_Patch]:
    folders = sorted(file.parent for file in existing_folder(folder).rglob("*_B02.tif"))
    if not folders:
        raise FileNotFoundError(f"{folder} holds no patch of BigEarthNet: folders with files such as <patch>_B02.tif.")
    table = _read_metadata(folder, metadata)
    return [_Patch(one, *table.get(one.name, (None, ""))) for one in folders]


def _read_metadata(
    folder: Path, metadata: str | os.PathLike[str] | None
) -> Mapping[str, tuple[tuple[str, ...] | None, str]]:
    """Labels and split of each patch that the table of version 2 has."""
    given = None if metadata is None else Path(metadata)
    if given is not None and not given.is_file():
        raise FileNotFoundError(f"No such table of labels: {given}.")
    path = given or next((one for one in (folder / _METADATA, folder.parent / _METADATA) if one.is_file()), None)
    if path is None:
        return {}
    columns = ["patch_id", "labels", "split"]
    absent = [name for name in columns if name not in pq.read_schema(path).names]
    if absent:
        raise ValueError(f"{path.name} has no column {absent[0]!r}: give the metadata.parquet of BigEarthNet v2.")
    table = pq.read_table(path, columns=columns).to_pydict()
    return {
        name: (tuple(labels), split or "")
        for name, labels, split in zip(*(table[column] for column in columns), strict=True)
    }


def _read(options: _Options, patches: Sequence[_Patch]) -> Iterator[Row | Problem]:
    for patch in patches:
        name = patch.folder.name
        try:
            labels, date = (patch.labels, "") if patch.labels is not None else _read_labels(patch.folder)
            hot, dropped = _multi_hot(labels)
            for label in dropped:
                yield Problem(DROPPED_LABEL, name, detail=label, skipped=False)
            if not hot.any():
                raise BadImageError(NO_LABEL, ", ".join(labels))
            rasters = _read_bands(
                patch.folder, tuple(dict.fromkeys(("B02", "B03", "B04", *options.bands))), options.located
            )
        except BadImageError as error:
            yield Problem(error.reason, name, name, error.detail)
            continue
        bands = {band: raster.values[0] for band, raster in rasters.items()}
        place = rasters["B02"]
        row = {
            "point_id": name,
            "image": encode_rgb(bands),
            "labels": hot.tolist(),
            "date": date or _date_of(name),
            "split": patch.split,
            "longitude": place.longitude,
            "latitude": place.latitude,
        }
        yield row | ({"reflectance": pack_bands(bands, options.bands, SIDE).ravel()} if options.bands else {})


def _multi_hot(labels: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    try:
        return multi_hot(labels)
    except ValueError as error:
        raise BadImageError("unknown label", str(error)) from None


def _read_labels(folder: Path) -> tuple[tuple[str, ...], str]:
    path = folder / f"{folder.name}_labels_metadata.json"
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return tuple(content["labels"]), str(content.get("acquisition_date", ""))[:10]
    except (OSError, ValueError, KeyError, TypeError):
        raise BadImageError("no labels", f"neither in {path.name} nor in a {_METADATA}") from None


def _date_of(patch: str) -> str:
    """The day in names such as S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_26_57; empty where there is none."""
    day = next((part[:8] for part in patch.split("_") if len(part) == 15 and part[:8].isdigit()), "")
    return f"{day[:4]}-{day[4:6]}-{day[6:]}" if day else ""


def _read_bands(folder: Path, bands: Sequence[str], located: bool) -> dict[str, Raster]:
    rasters = {}
    for band in bands:
        path = folder / f"{folder.name}_{band}.tif"
        if not path.is_file():
            raise BadImageError("band is missing", path.name)
        raster = read_raster(path, located=located)
        _, height, width = raster.values.shape
        check_size(width, height, SIDES[band], f"{path.name}: BigEarthNet's {band}")
        rasters[band] = raster
    return rasters
