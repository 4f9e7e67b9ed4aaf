"""Write Zarr stores that point elsewhere."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .aims import BANDS, MONTHS, SIDE, Aim, Hostile


def write_zarr(path: Path) -> Path:
    """Write a small sound store of format 2 whose chunks are not packed."""
    path.mkdir()
    (path / ".zgroup").write_text('{"zarr_format":2}', encoding="utf-8")
    axes = {"time": np.arange(MONTHS) * 30 + 14, "y": -10.0 * np.arange(SIDE), "x": 10.0 * np.arange(SIDE)}
    cube = np.full((MONTHS, SIDE, SIDE), 900, dtype="<u2")
    for name, values in {**axes, **dict.fromkeys(BANDS, cube)}.items():
        values = np.asarray(values)
        document = {"zarr_format": 2, "shape": values.shape, "chunks": values.shape, "dtype": values.dtype.str}
        document |= {"compressor": None, "filters": None, "fill_value": 0, "order": "C"}
        dimensions = ["time", "y", "x"] if values.ndim == 3 else [name]
        units = {"units": "days since 2018-01-01"} if name == "time" else {}
        folder = path / name
        folder.mkdir()
        (folder / ".zarray").write_text(json.dumps(document), encoding="utf-8")
        (folder / ".zattrs").write_text(json.dumps({"_ARRAY_DIMENSIONS": dimensions, **units}), encoding="utf-8")
        (folder / ".".join("0" * values.ndim)).write_bytes(values.tobytes())
    (path / ".zattrs").write_text('{"crs": "EPSG:32631"}', encoding="utf-8")
    return path


def _zarr(change: Callable[[Path, Aim], None]) -> Callable[[Aim], Path]:
    def write(aim: Aim) -> Path:
        path = write_zarr(aim.folder / "cube.zarr")
        change(path, aim)
        return path

    return write


def _linked_chunk(path: Path, aim: Aim) -> None:
    (path / "B08" / "0.0.0").unlink()
    os.symlink(aim.secret, path / "B08" / "0.0.0")


def _linked_array(path: Path, aim: Aim) -> None:
    other = write_zarr(aim.secret.with_name("secret.zarr"))
    for file in (path / "B08").iterdir():
        file.unlink()
    (path / "B08").rmdir()
    os.symlink(other / "B08", path / "B08")


def _linked_metadata(path: Path, aim: Aim) -> None:
    (path / ".zattrs").unlink()
    os.symlink(aim.secret, path / ".zattrs")


def _array_document(**changes: Any) -> Callable[[Path, Aim], None]:
    def change(path: Path, aim: Aim) -> None:
        file = path / "B08" / ".zarray"
        file.write_text(json.dumps({**json.loads(file.read_text()), **changes}), encoding="utf-8")

    return change


def _transformed(path: Path, aim: Aim) -> None:
    document = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [4],
        "data_type": "uint16",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4]}},
        "chunk_key_encoding": {"name": "default"},
        "codecs": [{"name": "bytes"}],
        "fill_value": 0,
        "storage_transformers": [{"name": "reference", "configuration": {"target": str(aim.secret)}}],
    }
    (path / "B08" / "zarr.json").write_text(json.dumps(document), encoding="utf-8")


def _metadata_by_another_name(path: Path, aim: Aim) -> None:
    """Let the metadata of an array be a link to a file of the store that has another name."""
    _array_document(dtype="|O", filters=[{"id": "pickle", "protocol": 5}])(path, aim)
    (path / "B08" / ".zarray").rename(path / "notes.txt")
    os.symlink("../notes.txt", path / "B08" / ".zarray")


def _pipe(name: str) -> Callable[[Path, Aim], None]:
    def change(path: Path, aim: Aim) -> None:
        (path / "B08" / name).unlink()
        os.mkfifo(path / "B08" / name)

    return change


ZARR_STORES = [
    Hostile("Zarr with pickles in metadata by another name", "cube", _zarr(_metadata_by_another_name)),
    Hostile("Zarr with metadata that are a pipe", "cube", _zarr(_pipe(".zattrs"))),
    Hostile("Zarr with a chunk that is a pipe", "cube", _zarr(_pipe("0.0.0"))),
    Hostile("Zarr with a chunk that is a link", "cube", _zarr(_linked_chunk)),
    Hostile("Zarr with an array that is a link", "cube", _zarr(_linked_array)),
    Hostile("Zarr with metadata that are a link", "cube", _zarr(_linked_metadata)),
    Hostile("Zarr with pickles", "cube", _zarr(_array_document(dtype="|O", filters=[{"id": "pickle", "protocol": 5}]))),
    Hostile("Zarr with a strange codec", "cube", _zarr(_array_document(compressor={"id": "imagecodecs_anything"}))),
    Hostile("Zarr with a storage transformer", "cube", _zarr(_transformed)),
]
