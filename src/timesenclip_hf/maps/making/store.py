"""Keep a run in a folder: the map as a Zarr store, what it is made of, and which chunks are done.

`map.zarr` is the map, with a group for each label set that has a name. `manifest.json` says what the run is: inputs,
options, hashes of model and times, grid. `chunks.jsonl` gets a line for each chunk after its last byte is in the store;
what has no line is computed again, so that a run which was killed at any moment goes on and ends the same.
"""

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...extras import needs_extra
from ...files import read_json, write_json
from ...files.outputs import check_run_folder, is_empty
from ...gate import PLAIN
from ...gate.zarr import check_zarr
from ..cubes.grids import grid_of, locate
from ..files.legend import NO_CLASS
from .blocks import Layers
from .map_dataset import map_attributes
from .recipe import LayerType, Recipe, layer_types
from .windows import GridWindow

with needs_extra("map"):
    import xarray as xr
    import zarr

MAP = "map.zarr"
RUN_MANIFEST = "manifest.json"
JOURNAL = "chunks.jsonl"
FORMAT = "timesenclip_hf map 1"
_REQUIRED = {"identity", "maps", "shape", "side"}
# A map holds far less than it declares until its last chunk is written; it is opened lazily, a chunk at a time.
_UNFINISHED = replace(PLAIN, free_bytes=2**62, values=2**62)
LAYER_ORDER = (
    *("class", "probability", "entropy", "margin", "clear_months", "novelty"),
    *("class_coarse", "probability_coarse", "embeddings", "embedding_scale"),
)


class MapStore:
    """Hold what is known of a run's folder, and write to it; nothing is written before [`create`].

    Raises:
        ValueError: the folder holds something else, or a run that is damaged or asks for more than to be unpacked.
        OSError: it cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.manifest: dict[str, Any] | None = None
        self.read()

    def read(self) -> None:
        """Read the folder again, to which another process may have written."""
        check_run_folder(self.path)
        self.manifest = None
        if (self.path / RUN_MANIFEST).is_file():
            self.manifest = self._read_manifest()
        elif self.path.exists() and not is_empty(self.path):
            raise ValueError(f"{self.path} exists and is no run of this command: choose another output, or remove it.")
        if self.manifest is not None and self.manifest.get("format") != FORMAT:
            raise ValueError(f"{self.path} was written by another version: choose another output, or remove it.")
        if self.manifest is not None and (self.path / MAP).exists():  # somebody else's may ask for codecs that run code
            check_zarr(self.path / MAP, _UNFINISHED)

    def _read_manifest(self) -> dict[str, Any]:
        """Read the manifest of a run, or raise a ValueError where it is none."""
        manifest: Any = None
        with suppress(ValueError):
            manifest = read_json(self.path / RUN_MANIFEST)
        if not isinstance(manifest, dict) or ("format" in manifest and not manifest.keys() >= _REQUIRED):
            raise ValueError(f"{self.path / RUN_MANIFEST} is damaged: fetch the run again, or choose another output.")
        return manifest

    def differs(self, identity: Mapping[str, Any]) -> bool:
        """Tell whether the folder holds a run of another identity (types of JSON)."""
        return self.manifest is not None and self.manifest["identity"] != json.loads(json.dumps(identity))

    def check(self, identity: Mapping[str, Any]) -> None:
        """Raise a ValueError that says in what the folder's run differs from one of this identity (types of JSON)."""
        if self.manifest is not None:
            check_identity(self.path, self.manifest["identity"], identity)

    def clear(self) -> None:
        """Remove the run, and nothing else that may lie in its folder."""
        for name in (RUN_MANIFEST, JOURNAL):
            (self.path / name).unlink(missing_ok=True)
        shutil.rmtree(self.path / MAP, ignore_errors=True)
        self.manifest = None

    def create(self, identity: Mapping[str, Any], recipe: Recipe, grid: xr.Dataset, side: tuple[int, int]) -> None:
        """Make what is missing, for chunks of this side: manifest first, so that a run killed in between goes on."""
        self.path.mkdir(parents=True, exist_ok=True)
        shape = (grid.sizes["y"], grid.sizes["x"])
        if self.manifest is None:
            self.manifest = {"format": FORMAT, "identity": dict(identity), "shape": list(shape), "side": list(side)}
            self.manifest["maps"] = {name: map_attributes(recipe, name) for name in recipe.label_sets}
            write_json(self.path / RUN_MANIFEST, self.manifest)
        root = zarr.open_group(self.path / MAP, mode="a")
        if "spatial_ref" not in root:
            plain = xr.Dataset(coords={"y": grid["y"].values, "x": grid["x"].values})
            located = locate(plain, grid.rio.crs, grid_of(grid))
            located.to_zarr(self.path / MAP, mode="a", consolidated=False)
        for name, kind in layer_types(recipe).items():
            if name not in root:
                _create_array(root, name, kind, shape, side)

    def entries(self) -> dict[tuple[int, int], dict[str, Any]]:
        """Read the last line of each chunk that has one."""
        journal = self.path / JOURNAL
        entries: dict[tuple[int, int], dict[str, Any]] = {}
        for line in journal.read_bytes().splitlines() if journal.is_file() else ():
            with suppress(ValueError):  # the end of a run that was killed; its chunk counts as not done
                entry = json.loads(line)
                entries[tuple(entry["chunk"])] = entry
        return entries

    def done(self) -> set[tuple[int, int]]:
        """List the chunks that need no more work; those that could not be read are not among them."""
        return {chunk for chunk, entry in self.entries().items() if "failed" not in entry}

    def record(self, entry: Mapping[str, Any]) -> None:
        """Add a chunk's line."""
        with (self.path / JOURNAL).open("a+b") as file:
            file.seek(max(file.tell() - 1, 0))
            if file.read(1) not in (b"", b"\n"):  # a kill cut the last line short
                file.write(b"\n")
            file.write(json.dumps(entry).encode() + b"\n")

    def finish(self) -> None:
        """Put the outcome into the manifest."""
        assert self.manifest is not None
        entries = self.entries()
        failed = {chunk_name(chunk): entry["failed"] for chunk, entry in sorted(entries.items()) if "failed" in entry}
        for name, attributes in self.manifest["maps"].items():
            counts = [entry["counts"][name] for entry in entries.values() if "counts" in entry]
            unread = sum(entry["pixels"] for entry in entries.values() if "failed" in entry)
            attributes["pixels_without_data"] = sum(count[NO_CLASS] for count in counts) + unread
            attributes["pixels_of_labels"] = np.sum(counts, axis=0).tolist()[1:] if counts else []
            if novel := [entry["novel"] for entry in entries.values() if "novel" in entry]:
                attributes["novel_pixels"] = sum(novel)
            attributes["failed_chunks"] = [f"{chunk}: {reason}" for chunk, reason in failed.items()]
        self.manifest["outcome"] = {"chunks": len(entries), "failed": failed}
        write_json(self.path / RUN_MANIFEST, self.manifest)


def check_identity(path: Path, theirs: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
    """Raise a ValueError that says in what a folder's run, of one identity, differs from that of another."""
    ours = json.loads(json.dumps(identity))
    for name in {**ours, **theirs}:
        if theirs.get(name) != ours.get(name):
            raise ValueError(
                f"{path} holds a run with another {name.replace('_', ' ')} ({_brief(theirs.get(name))} there, "
                f"{_brief(ours.get(name))} here): choose another output, or overwrite it (--overwrite, in Python "
                "`RunOptions(overwrite=True)`)."
            )


def write_layers(path: Path, layers: Layers, window: GridWindow) -> None:
    """Write one chunk into the run's folder; no other chunk shares a file with it."""
    root = zarr.open_group(path / MAP, mode="r+")
    for name, values in layers.items():
        array = root[name]
        assert isinstance(array, zarr.Array)
        array[window.slices] = values


def open_map(path: str | os.PathLike[str], label_set: str = "") -> xr.Dataset:
    """Open the map of a run lazily, as finished as it is.

    Args:
        path: of the run's folder.
        label_set: name of one of its label sets; "" for the only one.

    Raises:
        ValueError: the folder holds no run, a damaged one, or no such label set.
    """
    maps = _read_manifest(path)["maps"]
    if label_set not in maps:
        sets = ", ".join(maps)
        raise ValueError(f"{path} has no label set {label_set!r}: it has {sets or 'one without a name'}.")
    options: dict[str, Any] = {"engine": "zarr", "consolidated": False, "decode_coords": "all", "chunks": {}}
    mapped = xr.open_dataset(Path(path) / MAP, **options)
    if label_set:
        mapped = mapped.assign(xr.open_dataset(Path(path) / MAP, group=label_set, **options).data_vars)
    mapped = mapped[[layer for layer in LAYER_ORDER if layer in mapped]]  # Zarr lists them by chance
    mapped.attrs = dict(maps[label_set])
    return mapped


def stored_embeddings(store: str | os.PathLike[str]) -> xr.Dataset:
    """Open the embeddings of a finished run, to be mapped with other words.

    Raises:
        ValueError: there is no run, it kept none, or is not finished.
    """
    manifest = _read_manifest(store)
    if "outcome" not in manifest:
        raise ValueError(f"{store} holds no finished map: run its command to the end first.")
    mapped = open_map(store, next(iter(manifest["maps"])))
    if "embeddings" not in mapped:
        raise ValueError(f"{store} has no embeddings: map with `embeddings` first (--embeddings float16).")
    kept = ("embeddings", "embedding_scale", "clear_months", "novelty")
    return mapped[[name for name in kept if name in mapped]]


def _read_manifest(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read what the folder of a run holds, or raise a ValueError where there is none."""
    if not (Path(path) / RUN_MANIFEST).is_file():
        raise ValueError(f"{path} holds no map: give the folder of a run, such as map.run.")
    return MapStore(path).manifest or {}


def _create_array(root: zarr.Group, name: str, kind: LayerType, shape: tuple[int, int], side: tuple[int, int]) -> None:
    features = [kind.features] if kind.features else []
    root.create_array(
        name,
        shape=(*shape, *features),
        chunks=(*(min(length, most) for length, most in zip(side, shape, strict=True)), *features),
        dtype=kind.dtype,
        fill_value=kind.fill,
        dimension_names=["y", "x", "feature"][: 2 + len(features)],
        # A group of a label set has no coordinates of its own: what opens it adds the map's.
        attributes=dict(kind.attributes) if "/" in name else {**kind.attributes, "grid_mapping": "spatial_ref"},
    )


def chunk_name(chunk: tuple[int, int]) -> str:
    """Name a chunk by its row and column in the grid of chunks."""
    return f"row {chunk[0]}, column {chunk[1]}"


def _brief(value: Any) -> str:
    text = "none" if value is None else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
