"""Check archives that are read without being unpacked to disk: NPZ, Excel and gzip, by what they declare and hold."""

import gzip
import math
import zipfile
import zlib
from pathlib import Path
from typing import IO, cast

import numpy as np

from .limits import Limits, check_count, check_declared
from .markup import has_doctype
from .tables import check_header

ARRAY_HEADER = 10_000  # bytes, as NumPy itself has it
PIECE = 1 << 20
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGED = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, UnicodeError)


def check_npz(path: Path, limits: Limits) -> None:
    """Check the arrays of an NPZ: plain ones of numbers or text, of the sizes that they declare.

    Raises:
        ValueError: it is another archive, damaged, holds pickles, or declares more than is read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = _entries(archive, path, limits)
            if strangers := [entry.filename for entry in entries if not entry.filename.endswith(".npy")]:
                raise ValueError(
                    f"{path.name} is an archive with {strangers[0][:60]!r} inside, no NPZ of arrays: unpack it and "
                    "give its files, or save the arrays with numpy.savez."
                )
            values = sum(_check_array(archive, entry, path, limits) for entry in entries)
    except _DAMAGED as error:
        raise ValueError(f"{path.name} cannot be read as NPZ ({_reason(error)}): fetch or save it again.") from None
    check_count(path.name, values, limits.values, "values")


def _check_array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, limits: Limits) -> int:
    """Check the header of an array; return the number of its values."""
    name = entry.filename.removesuffix(".npy")
    try:
        with archive.open(entry) as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(file, max_header_size=ARRAY_HEADER)
            start = file.tell()
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError, UnicodeDecodeError) as error:
        raise ValueError(f"{path.name} cannot be read as NPZ ({name}: {_reason(error)}): save it again.") from None
    if dtype.hasobject:
        raise ValueError(
            f"{path.name} cannot be read as NPZ: {name!r} holds Python objects, save plain numbers or text."
        )
    check_count(f"{name!r} of {path.name}", len(shape), limits.dimensions, "axes")
    count = math.prod(shape)
    if count < 0 or start + count * dtype.itemsize != entry.file_size:
        raise ValueError(
            f"{name!r} of {path.name} declares {shape} values of {dtype}, but holds {entry.file_size - start:,} bytes: "
            "save it again."
        )
    return count


def check_excel(path: Path, limits: Limits) -> None:
    """Check the parts of a workbook: of the size that they declare, and XML without document types."""
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in _entries(archive, path, limits):
                with archive.open(entry) as file:
                    if has_doctype(file):
                        raise ValueError(
                            f"{path.name} declares a document type, which could name files: save it again, or as CSV."
                        )
    except _DAMAGED as error:
        raise ValueError(f"{path.name} cannot be read as Excel ({_reason(error)}): fetch or save it again.") from None


def check_gzip(path: Path, limits: Limits) -> None:
    """Check a packed CSV: its header, and how much it unpacks to."""
    most, size = limits.free_bytes + limits.ratio * path.stat().st_size, 0
    try:
        with gzip.open(path) as file:
            check_header(cast(IO[bytes], file), path.name, limits)
            while piece := file.read(PIECE):
                size += len(piece)
                if size > most:
                    check_declared(path.name, size, path.stat().st_size, limits)
    except _DAMAGED as error:
        raise ValueError(f"{path.name} cannot be unpacked ({_reason(error)}): fetch or pack it again.") from None


def _entries(archive: zipfile.ZipFile, path: Path, limits: Limits) -> list[zipfile.ZipInfo]:
    """List the entries of a ZIP; raise an error where they are too many, too large, or not what they declare."""
    entries, size = archive.infolist(), path.stat().st_size
    check_count(path.name, len(entries), limits.variables, "entries")
    if sum(entry.compress_size for entry in entries) > size:
        raise zipfile.BadZipFile("its entries overlap")
    if any(entry.flag_bits & 1 or entry.compress_type not in _PACKED for entry in entries):
        raise zipfile.BadZipFile("it is encrypted, or packed by a method that is not read")
    check_declared(path.name, sum(entry.file_size for entry in entries), size, limits)
    return entries


def _reason(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:150].rstrip(".")
