"""Check Zarr stores of both formats by their metadata: no references, no links, no codecs but those that are known."""

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from .limits import Limits, check_count, check_declared

# Codecs that only unpack numbers or text: of format 3 by name, of format 2 by id.
CODECS = {
    *("bytes", "transpose", "gzip", "zstd", "blosc", "crc32c", "vlen-utf8", "vlen-bytes", "sharding_indexed", "string"),
    *("zlib", "lz4", "bz2", "lzma", "shuffle", "delta", "fixedscaleoffset", "fletcher32", "crc32", "adler32"),
    *("bitround", "quantize", "packbits", "astype", "cast_value", "scale_offset", "jenkins_lookup3"),
}
METADATA = (".zarray", ".zattrs", ".zgroup", ".zmetadata", "zarr.json")


def check_zarr(store: Path, limits: Limits) -> None:
    """Check a store in a local folder.

    Raises:
        ValueError: a link leaves the store, its metadata are damaged or ask for other codecs, or it declares more than
            is read.
    """
    held, documents = _files(store, limits)
    check_count(store.name, len(documents), 2 * limits.variables, "arrays and groups")
    declared = values = 0
    for document in documents:
        where = document.relative_to(store).as_posix()
        content = _read(document, store.name, limits)
        _check_told(content, document, store.name)
        for name, array in _arrays(content, where):
            shape, size = _check_array(array, f"{name} of {store.name}", limits)
            values += math.prod(shape)
            declared += math.prod(shape) * size
    check_count(store.name, values, 2 * limits.values, "values")  # consolidated metadata tell them again
    check_declared(store.name, declared // 2, held, limits)


def _check_told(content: Mapping[str, Any], document: Path, store: str) -> None:
    """Refuse metadata of no format, which would be passed over, and a list of arrays of which one has lost its own."""
    if document.name == ".zmetadata":
        told = content.get("metadata")
        names = [name for name in told if name.endswith((".zarray", ".zgroup"))] if isinstance(told, Mapping) else []
        if lost := next((name for name in names if not (document.parent / name).is_file()), None):
            raise ValueError(f"{store} has lost {lost}, which its list of arrays names: fetch the store again.")
    elif document.name not in (".zattrs",) and content.get("zarr_format") not in (2, 3):
        raise ValueError(f"{document.name} of {store} is damaged, it names no format of Zarr: fetch the store again.")


def _files(store: Path, limits: Limits) -> tuple[int, list[Path]]:
    """Go through all files of a store; return their bytes, and its metadata."""
    root, held, documents = store.resolve(), 0, []
    folders = [(store, 0)]
    while folders:
        folder, depth = folders.pop()
        check_count(store.name, depth, limits.nesting + limits.dimensions, "folders inside each other")
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_symlink() and not Path(entry.path).resolve().is_relative_to(root):
                    raise ValueError(
                        f"{entry.name} in {store.name} is a link that leaves the store: give a copy of the data."
                    )
                if entry.is_dir():
                    if not entry.is_symlink():  # what it leads to is checked where it is
                        folders.append((Path(entry.path), depth + 1))
                    continue
                if not entry.is_file():  # a pipe would be waited for
                    raise ValueError(f"{entry.name} in {store.name} is no plain file: give a copy of the data.")
                with suppress(FileNotFoundError):  # what was being written has got its name meanwhile
                    held += entry.stat().st_size
                if entry.name in METADATA:
                    documents.append(Path(entry.path))
    check_count(store.name, held, limits.file_bytes, "bytes")
    return held, documents


def _read(document: Path, store: str, limits: Limits) -> dict[str, Any]:
    check_count(f"{document.name} of {store}", document.stat().st_size, limits.attribute_bytes, "bytes")
    try:
        content: Any = json.loads(document.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise ValueError(f"{document.name} of {store} is damaged, it is no Zarr metadata: fetch the store again.")
    return content


def _arrays(content: Mapping[str, Any], where: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give the arrays that a document describes: its own, and those of consolidated metadata."""
    consolidated = content.get("consolidated_metadata")
    nested = (
        content.get("metadata") or (consolidated if isinstance(consolidated, Mapping) else {}).get("metadata") or {}
    )
    if "shape" in content:
        yield where, content
    for name, entry in nested.items() if isinstance(nested, Mapping) else ():
        if isinstance(entry, Mapping) and "shape" in entry:
            yield name, entry


def _check_array(array: Mapping[str, Any], name: str, limits: Limits) -> tuple[list[int], int]:
    try:
        shape = [int(length) for length in array["shape"]]
        grid = array.get("chunk_grid") or {"name": "regular", "configuration": {"chunk_shape": array.get("chunks")}}
        chunks = [int(side) for side in grid["configuration"]["chunk_shape"]]
        size = _item_size(array["data_type"] if "data_type" in array else array["dtype"])
        codecs = list(_codecs(array))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ValueError(f"{name} is damaged, its metadata are not those of an array: fetch the store again.") from None
    if min([*shape, 0]) < 0 or min([*chunks, 1]) < 1 or len(chunks) != len(shape):
        raise ValueError(f"{name} has the shape {shape} in chunks of {chunks}, which cannot be: fetch the store again.")
    check_count(name, len(shape), limits.dimensions, "axes")
    check_count(name, max(shape, default=0), limits.axis, "numbers along an axis")
    check_count(f"A chunk of {name}", math.prod(chunks) * size, limits.piece_bytes, "bytes")
    if strange := [codec for codec in codecs if codec not in CODECS]:
        raise ValueError(f"{name} is packed by {strange[0]!r}, which is not read: rewrite it with zstd or blosc.")
    if array.get("storage_transformers"):
        raise ValueError(f"{name} asks for a storage transformer, which is not read: rewrite it without.")
    return shape, size


def _codecs(array: Mapping[str, Any]) -> Iterator[str]:
    """Give the names of all codecs, those inside shards too."""
    format_2 = [array.get("compressor"), *(array.get("filters") or [])] if "zarr_format" in array else []
    for codec in [*format_2, *(array.get("codecs") or [])]:
        if codec is None:
            continue
        if isinstance(codec, str):
            yield codec
            continue
        yield str(codec.get("id") or codec["name"]).removeprefix("numcodecs.")
        inner = codec.get("configuration") or {}
        yield from _codecs({"codecs": [*(inner.get("codecs") or []), *(inner.get("index_codecs") or [])]})


def _item_size(kind: Any) -> int:
    """Tell the bytes of a value, 8 where they are not told."""
    text = kind if isinstance(kind, str) else ""
    digits = "".join(letter for letter in text if letter.isdigit())
    if text.startswith(("int", "uint", "float", "complex")):
        return int(digits or 64) // 8
    return int(digits or 8) * (4 if "U" in text else 1)
