"""Check the header of a safetensors file before the library maps the file into memory."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..files import parse_json
from .limits import Limits, check_count

# Bytes before the header, which hold its length.
LENGTH_BYTES = 8


def header_bytes(path: Path) -> int:
    """Return the length of a safetensors header.

    Raises:
        ValueError: the file holds fewer bytes.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(LENGTH_BYTES), "little")
    if length > path.stat().st_size - LENGTH_BYTES:
        raise ValueError(f"{path} is cut short, or no safetensors: its header has {length:,} bytes; fetch it again.")
    return length


def read_header(path: Path, limits: Limits) -> dict[str, Any]:
    """Read the header of a safetensors file: tensors by name, and the texts under `__metadata__`.

    Args:
        path: of the file.
        limits: of its bytes, its tensors, their axes and numbers, and of the header as a text.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is no safetensors, or larger than the limits.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is a folder, no file." if path.is_dir() else f"No such file: {path}.")
    check_count(path.name, path.stat().st_size, limits.file_bytes, "bytes")
    length = header_bytes(path)
    check_count(path.name, length, limits.attribute_bytes, "bytes of metadata")
    with path.open("rb") as file:
        file.seek(LENGTH_BYTES)
        content = file.read(length)
    try:
        header: Any = parse_json(content.decode("utf-8"))
    except ValueError:  # also of JSON and of Unicode
        header = None
    if not isinstance(header, dict) or not all(isinstance(entry, Mapping) for entry in header.values()):
        raise ValueError(f"{path.name} is no safetensors: its header is not read; fetch it again.")
    check_count(path.name, len(header), limits.variables, "tensors")
    for name, entry in header.items():
        if name != "__metadata__":
            _check_tensor(path, name, entry.get("shape"), limits)
    return header


def _check_tensor(path: Path, name: str, shape: Any, limits: Limits) -> None:
    if not isinstance(shape, list) or not all(type(length) is int and length >= 0 for length in shape):
        raise ValueError(f"{path.name} has a tensor {name[:60]!r} without a shape: fetch it again.")
    check_count(path.name, len(shape), limits.dimensions, f"axes of {name[:60]!r}")
    check_count(path.name, max(shape, default=0), limits.axis, f"numbers along an axis of {name[:60]!r}")
