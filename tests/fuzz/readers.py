"""Read damaged files as our users do, and, to judge an answer that differs, as the library of their format does."""

import gzip
import hashlib
import json
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import openpyxl
import pyarrow.parquet as pq
import rasterio
import safetensors.numpy
import scipy.io
import torch
import zarr
from safetensors import safe_open

from timesenclip_hf import TimeSenCLIPFeatureExtractor
from timesenclip_hf.classification import load_pipeline
from timesenclip_hf.data.engine.reports import Problem
from timesenclip_hf.data.sources.sen4map_points import PointSettings, point_id_of, read_points
from timesenclip_hf.data.sources.tables import read_table
from timesenclip_hf.files import read_checkpoint
from timesenclip_hf.gate.hdf5 import list_entries
from timesenclip_hf.gate.limits import PLAIN
from timesenclip_hf.labelling.label_set_files import read_label_set
from timesenclip_hf.maps.cubes.reading import open_cube
from timesenclip_hf.maps.cubes.stac import open_stac
from timesenclip_hf.models.timesenclip.label_set_timesenclip import TENSORS
from timesenclip_hf.models.timesenclip.weights_timesenclip import weights_hash
from timesenclip_hf.models.timesenclip.zero_shot_timesenclip import read_labels
from timesenclip_hf.taxonomies.label_files import read_label_file

# Of each part of an answer its hash, or None where the part was refused and the user told.
Parts = dict[str, str | None]


def digest(value: Any) -> str:
    """Hash arrays, numbers, words and what is built of them."""
    hashed = hashlib.sha256()

    def add(part: Any) -> None:
        if isinstance(part, dict):
            for key, inner in part.items():
                hashed.update(f"{{{key!r}".encode("utf-8", "replace"))
                add(inner)
        elif isinstance(part, list | tuple):
            hashed.update(b"[%d" % len(part))
            for inner in part:
                add(inner)
        elif isinstance(part, np.ndarray) and part.dtype != object:
            hashed.update(f"{part.dtype.str}{part.shape}".encode())
            hashed.update(np.ascontiguousarray(part).tobytes())
        elif isinstance(part, np.ndarray):
            add(part.tolist())
        elif isinstance(part, np.generic):
            add(part.item())
        else:
            hashed.update(f"{type(part).__name__}{part!r}".encode("utf-8", "replace"))

    add(value)
    return hashed.hexdigest()


@cache
def _extractor() -> TimeSenCLIPFeatureExtractor:
    return TimeSenCLIPFeatureExtractor()


def table(path: Path) -> Parts:
    """Read a table and prepare its series for the model."""
    read = read_table(path)
    prepared = _extractor()(read.series, allow_empty=True, return_tensors="np")
    return {"ids": digest(read.ids), "series": digest({key: np.asarray(value) for key, value in prepared.items()})}


def described(path: Path) -> Parts:
    """Prepare a series that a dictionary describes, as Python hands it in."""
    prepared = _extractor()(json.loads(path.read_text(encoding="utf-8")), return_tensors="np")
    return {"series": digest({key: np.asarray(value) for key, value in prepared.items()})}


def cube(path: Path) -> Parts:
    """Read files of a cube."""
    read = open_cube(path)
    return {**{str(name): digest(read[name].values) for name in read.variables}, "crs": digest(read.rio.crs.to_wkt())}


def items(path: Path) -> Parts:
    """Read an item collection."""
    read = open_stac(path)
    return {**{str(name): digest(read[name].values) for name in read.variables}, "crs": digest(read.rio.crs.to_wkt())}


def points(path: Path) -> Parts:
    """Read the points of a Sen4Map file; those with a fault are told and skipped."""
    names = list_entries(path, PLAIN)
    keys = np.array([name.encode() for name in names], dtype="S")
    task = (str(path), keys, np.zeros(len(keys), dtype=bool))
    found: Parts = {point_id_of(name): None for name in names}
    for row in read_points(PointSettings(1, "median", 2018), task):
        if not isinstance(row, Problem):
            found[row["point_id"]] = digest(row)
        elif not (row.detail or row.reason):
            raise AssertionError("a problem without a sentence")
    return found


def model(path: Path) -> Parts:
    """Load a checkpoint with its processor."""
    loaded = load_pipeline(path, None)
    words = loaded.processor.tokenizer(["a field of maize"])["input_ids"]
    config = {key: value for key, value in loaded.model.config.to_dict().items() if key != "_name_or_path"}
    return {
        "config": digest(config),
        "weights": weights_hash(loaded.model.state_dict()),
        "words": digest(words),
        "features": digest(loaded.processor.feature_extractor.to_dict()),
    }


def weights(path: Path) -> Parts:
    """Read a checkpoint of torch."""
    tensors, settings = read_checkpoint(path)
    return {"weights": weights_hash(tensors), "settings": digest(settings)}


def classes(path: Path) -> Parts:
    """Read a file of labels."""
    return {"labels": digest(read_labels(read_label_file(path)))}


def label_set(path: Path) -> Parts:
    """Read a label set."""
    read = read_label_set(path)
    tensors = {name: digest(value.numpy()) for name in TENSORS if (value := getattr(read, name)) is not None}
    return {**tensors, "words": digest([dict(read.phrases), read.templates]), "fit": digest(str(read.fit))}


READERS: dict[str, Callable[[Path], Parts]] = {
    **dict.fromkeys(("wide_table", "long_table", "packed_table", "parquet_table", "excel_table", "npz_table"), table),
    **dict.fromkeys(("netcdf4", "netcdf3", "geotiff", "zarr2", "zarr3"), cube),
    **dict.fromkeys(("sen4map", "sen4map_compound", "sen4map_derived"), points),
    **dict.fromkeys(("labels", "labels_csv"), classes),
    "label_set": label_set,
    "extractor": described,
    "stac": items,
    "checkpoint": model,
    "state_dict": weights,
}


def contents(path: Path) -> Parts:
    """Read what a file or folder holds by the library of its format: hashes by name, None where it cannot be read."""
    found: Parts = {}
    if path.is_dir() and path.suffix == ".zarr":
        return _zarr(path)
    for file in sorted(path.parent.rglob("*")) if path.suffix == ".json" else sorted(path.rglob("*")) or [path]:
        if file.is_file():
            try:
                with warnings.catch_warnings(action="ignore"):
                    inside = LIBRARIES.get(file.suffix, _bytes)(file)
                found |= {f"{file.name}:{name}": value for name, value in inside.items()}
            except Exception:  # what libraries raise on damaged files is anything
                found[f"{file.name}:"] = None
    return found


def _bytes(path: Path) -> Parts:
    """Take a text as it is: all of it is names, numbers and words."""
    return {"": digest(path.read_bytes())}


def _packed(path: Path) -> Parts:
    return {"": digest(gzip.decompress(path.read_bytes()))}


def _hdf5(path: Path) -> Parts:
    found: Parts = {}

    def visit(name: str, entry: Any) -> None:
        is_array = isinstance(entry, h5py.Dataset)
        values = [entry[()], entry.shape, str(entry.dtype)] if is_array else None
        found[name] = digest([values, {key: np.asarray(value) for key, value in entry.attrs.items()}])
        for key in () if is_array else entry:
            inner = f"{name}/{key}"
            try:
                visit(inner, entry[key])
            except Exception:
                found[inner] = None

    with h5py.File(path, "r") as file:
        visit("", file)
    return found


def _netcdf3(path: Path) -> Parts:
    with scipy.io.netcdf_file(path, "r", mmap=False) as file:
        return {
            name: digest([variable.data.copy(), variable.dimensions, variable._attributes])
            for name, variable in file.variables.items()
        }


def _tiff(path: Path) -> Parts:
    with rasterio.open(path) as raster:
        return {
            "values": digest(raster.read()),
            "grid": digest([*raster.transform[:6], str(raster.crs), raster.shape]),
            "bands": digest([raster.descriptions, raster.tags(), raster.nodatavals, raster.scales, raster.offsets]),
        }


def _zarr(path: Path) -> Parts:
    found: Parts = {}
    try:
        store = zarr.open_group(path, mode="r", use_consolidated=False)
        found["/"] = digest(dict(store.attrs))
        for name, array in store.arrays():
            try:
                found[name] = digest([np.asarray(array[...]), dict(array.attrs), array.shape, str(array.dtype)])
                found[f"{name} axes"] = digest(array.metadata.to_dict().get("dimension_names"))
            except Exception:
                found[name] = None
    except Exception:
        found["/"] = None
    return found


def _parquet(path: Path) -> Parts:
    table = pq.read_table(path, page_checksum_verification=True)
    return {name: digest(table[name].to_pylist()) for name in table.column_names}


def _excel(path: Path) -> Parts:
    book = openpyxl.load_workbook(path, data_only=True)
    return {sheet.title: digest(list(sheet.values)) for sheet in book.worksheets}


def _npz(path: Path) -> Parts:
    with np.load(path) as file:
        return {name: digest(file[name]) for name in file.files}


def _json(path: Path) -> Parts:
    return {"": digest(json.loads(path.read_text(encoding="utf-8")))}


def _safetensors(path: Path) -> Parts:
    return {name: digest(values) for name, values in safetensors.numpy.load_file(path).items()}


def _described_tensors(path: Path) -> Parts:
    with safe_open(path, framework="np") as file:
        return {**_safetensors(path), "words": digest(file.metadata())}


def _torch(path: Path) -> Parts:
    content = torch.load(path, weights_only=True)
    return {
        "": digest(
            [{name: value.numpy() for name, value in content["state_dict"].items()}, content["hyper_parameters"]]
        )
    }


LIBRARIES: dict[str, Callable[[Path], Parts]] = {
    ".gz": _packed,
    ".parquet": _parquet,
    ".xlsx": _excel,
    ".npz": _npz,
    ".nc": lambda path: _netcdf3(path) if path.stem == "classic" else _hdf5(path),
    ".h5": _hdf5,
    ".tif": _tiff,
    ".json": _json,
    ".safetensors": _safetensors,
    ".labels": _described_tensors,
    ".ckpt": _torch,
}
