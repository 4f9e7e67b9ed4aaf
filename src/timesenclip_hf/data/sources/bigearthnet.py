"""Read BigEarthNet-S2: Sentinel-2 L2A patches of 1.2 km with the CORINE classes in them, in the 19-class nomenclature.

A patch is a folder of twelve GeoTIFFs named by band, `<patch>_B02.tif` and so on, of 10, 20 and 60 m. Version 1 keeps
its labels beside them, `<patch>_labels_metadata.json`; version 2 in one table, `metadata.parquet`.
"""

import json
import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ...extras import needs_extra
from ...files import read_json
from ...taxonomies import Taxonomy, load_taxonomy
from ..engine.reports import ImportReport, Problem, UnusableError
from ..engine.shards import Row, import_parts
from .images import RGB_BANDS, check_size, encode_bands, read_raster
from .pictures import Picture, PictureReader, existing_folder

with needs_extra("data"):
    import pyarrow.parquet as pq
    from datasets import Dataset, Image, List, Value

SIDE = 120
SIDES = {
    **dict.fromkeys(("B02", "B03", "B04", "B08"), SIDE),
    **dict.fromkeys(("B05", "B06", "B07", "B8A", "B11", "B12"), SIDE // 2),
    **dict.fromkeys(("B01", "B09"), SIDE // 6),
}
"""Pixels along a side of each band: 1.2 km at 10, 20 and 60 m. L2A has no B10."""

DROPPED: tuple[str, ...] = tuple(read_json(Path(__file__).with_name("bigearthnet_dropped.json")))
"""The classes of version 1 that the 19-class nomenclature leaves out (Sumbul et al. 2021, BigEarthNet-MM)."""

_METADATA = "metadata.parquet"


def read_bigearthnet(
    folder: str | os.PathLike[str],
    *,
    metadata: str | os.PathLike[str] | None = None,
    bands: Sequence[str] = (),
    located: bool = False,
    problems: list[Problem] | None = None,
    progress: bool = False,
) -> Dataset:
    """Read BigEarthNet patches into memory; all of them are for [`import_bigearthnet`].

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
    reader = _Reader(bands, located)
    return reader.load(_find_patches(Path(folder), metadata), problems, progress)


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
    """Write BigEarthNet as a dataset that `load_dataset(output)` reads; what was stopped goes on where it was.

    What cannot be used is left out, counted and listed in the report.

    Args:
        folder: with the folders of patches, at any depth.
        output: folder to write.
        metadata: table of labels of version 2; `metadata.parquet` in the folder, or beside it, when left out.
        bands: to keep as digital numbers in a column `reflectance`, on the 10 m grid.
        located: every patch must have a georeference.
        workers: processes.
        progress: show a bar.

    Raises:
        FileNotFoundError: no such folder or table, or no patch in it.
        ValueError: no such band, or no patch can be used.
    """
    reader = _Reader(bands, located)
    parts = reader.parts(patches := _find_patches(Path(folder), metadata))
    identity: dict[str, Any] = {"kind": "bigearthnet", "folder": str(folder), "patches": len(patches)}
    identity |= {"bands": list(reader.bands), "located": located}
    return import_parts(
        output, parts, reader.rows, reader.features, identity=identity, workers=workers, progress=progress
    )


def read_patch(folder: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Read the twelve bands of a patch by name, (y, x) of their own resolution; raise `UnusableError` for a bad one."""
    return _read_bands(Path(folder), tuple(SIDES), located=False)[0]


def multi_hot(labels: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Turn CORINE or 19-class names into 19 booleans, and the names that are dropped; raise `ValueError` for others."""
    taxonomy = _taxonomy()
    hot = np.zeros(len(taxonomy.labels), dtype=bool)
    hot[[taxonomy.indices[taxonomy.find(label).code] for label in labels if label not in DROPPED]] = True
    return hot, [label for label in labels if label in DROPPED]


@cache
def _taxonomy() -> Taxonomy:
    return load_taxonomy("bigearthnet19")


class _Reader(PictureReader):
    """Read folders of patches; a label of None stands in the patch's own JSON."""

    known_bands = tuple(SIDES)
    side = SIDE
    pictures_per_part = 500

    @property
    def columns(self) -> dict[str, Any]:
        labels = List(Value("bool"), length=len(_taxonomy().labels))
        text = Value("string")
        return {"point_id": text, "image": Image(), "labels": labels, "date": text, "split": text}

    def read(self, picture: Picture) -> Iterator[Row | Problem]:
        name = picture.path.name
        labels, date = (picture.label, "") if picture.label is not None else _read_labels(picture.path)
        try:
            hot, dropped = multi_hot(labels)
        except ValueError as error:
            raise UnusableError("unknown label", str(error)) from None
        for label in dropped:
            yield Problem("label outside the 19 classes", name, detail=label, skipped=False)
        if not hot.any():
            raise UnusableError("no label of the 19 classes", ", ".join(labels))
        wanted = tuple(dict.fromkeys((*reversed(RGB_BANDS), *self.bands)))
        bands, location = _read_bands(picture.path, wanted, self.located)
        yield {
            "point_id": name,
            "labels": hot.tolist(),
            "date": date or _date_of(name),
            "split": picture.split,
            **location,
            **encode_bands(bands, self.bands, SIDE),
        }


def _find_patches(folder: Path, metadata: str | os.PathLike[str] | None) -> list[Picture]:
    folders = sorted(file.parent for file in existing_folder(folder).rglob("*_B02.tif"))
    if not folders:
        raise FileNotFoundError(f"{folder} holds no patch of BigEarthNet: folders with files such as <patch>_B02.tif.")
    table = _read_metadata(folder, metadata)
    return [Picture(path, *table.get(path.name, (None, ""))) for path in folders]


def _read_metadata(
    folder: Path, metadata: str | os.PathLike[str] | None
) -> dict[str, tuple[tuple[str, ...] | None, str]]:
    """Read labels and split of each patch that the table of version 2 has."""
    if metadata is not None and not Path(metadata).is_file():
        raise FileNotFoundError(f"No such table of labels: {metadata}.")
    tables = [folder / _METADATA, folder.parent / _METADATA] if metadata is None else [Path(metadata)]
    path = next((table for table in tables if table.is_file()), None)
    if path is None:
        return {}
    columns = ["patch_id", "labels", "split"]
    absent = [name for name in columns if name not in pq.read_schema(path).names]
    if absent:
        raise ValueError(f"{path.name} has no column {absent[0]!r}: give the metadata.parquet of BigEarthNet v2.")
    rows = pq.read_table(path, columns=columns).to_pylist()
    return {row["patch_id"]: (tuple(row["labels"]), row["split"] or "") for row in rows}


def _read_labels(folder: Path) -> tuple[tuple[str, ...], str]:
    path = folder / f"{folder.name}_labels_metadata.json"
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return tuple(content["labels"]), str(content.get("acquisition_date", ""))[:10]
    except (OSError, ValueError, KeyError, TypeError):
        raise UnusableError("no labels", f"neither in {path.name} nor in a {_METADATA}") from None


def _date_of(patch: str) -> str:
    """Read the day from names such as S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_26_57; empty where there is none."""
    day = next((part[:8] for part in patch.split("_") if len(part) == 15 and part[:8].isdigit()), "")
    return f"{day[:4]}-{day[4:6]}-{day[6:]}" if day else ""


def _read_bands(folder: Path, bands: Sequence[str], located: bool) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Read bands (y, x) by name, and the place of the first."""
    layers, locations = {}, []
    for band in bands:
        path = folder / f"{folder.name}_{band}.tif"
        if not path.is_file():
            raise UnusableError("band is missing", path.name)
        values, location = read_raster(path, located=located)
        _, height, width = values.shape
        check_size(width, height, SIDES[band], f"{path.name}: BigEarthNet's {band}")
        layers[band] = values[0]
        locations.append(location)
    return layers, locations[0]
