"""Check tables, CSV, Parquet and NPZ, by their headers before they are read."""

import math
import zipfile
from pathlib import Path

import numpy as np

from ..extras import needs_extra
from .limits import Limits, check_count, check_declared

# Separators of the tables that people save; the most frequent of a header is taken for its own.
SEPARATORS = (b",", b";", b"\t", b"|")
CELL_BYTES = 4096
MAGIC = b"PAR1"
ARRAY_HEADER = 10_000  # bytes, as NumPy itself has it


def check_text(path: Path, limits: Limits) -> None:
    """Check the header of a CSV; raise `ValueError` where it has more columns than are read."""
    with path.open("rb") as file:
        header = file.readline(limits.columns * 2 * 64)  # names of bands and dates have some 20 letters
        more = file.read(1)
    if more and not header.endswith((b"\n", b"\r")) and b"\r" not in header:
        raise ValueError(f"The first line of {path.name} does not end, it is no table: save it as CSV with a header.")
    columns = max(header.count(separator) for separator in SEPARATORS) + 1
    check_count(path.name, columns, limits.columns, "columns")


def check_parquet(path: Path, limits: Limits) -> None:
    """Check the metadata of a Parquet file; raise `ValueError` of one that is too large, damaged or in pieces."""
    with needs_extra("data"):
        import pyarrow.parquet as pq
        from pyarrow.lib import ArrowException
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(size - 8, 0))
        tail = file.read(8)
    if size < 12 or not tail.endswith(MAGIC):
        raise ValueError(f"{path.name} is no Parquet file to its end, it is damaged or cut: fetch it again.")
    length = int.from_bytes(tail[:4], "little")
    check_count(path.name, length, limits.attribute_bytes, "bytes of metadata")
    try:
        metadata = pq.read_metadata(path)
        check_count(path.name, metadata.num_columns, limits.columns, "columns")
        check_count(path.name, metadata.num_row_groups * metadata.num_columns, limits.values, "pieces")
        declared = values = 0
        for group in range(metadata.num_row_groups):
            row_group = metadata.row_group(group)
            for index in range(row_group.num_columns):
                column = row_group.column(index)
                if column.file_path:
                    raise ValueError(f"{path.name} keeps its values in another file: give a file that holds them.")
                values += column.num_values
                declared += max(column.total_uncompressed_size, 8 * column.num_values)
    except (ArrowException, OSError, OverflowError) as error:
        reason = (str(error).splitlines() or [""])[0][:150].rstrip(".")
        raise ValueError(f"{path.name} is no Parquet file that can be read ({reason}): fetch it again.") from None
    values = max(values, metadata.num_rows * metadata.num_columns)
    check_count(path.name, values, limits.values, "values")
    check_declared(path.name, declared, size, limits)


def check_npz(path: Path, limits: Limits) -> None:
    """Check the arrays of an NPZ: plain ones of numbers or text, of the sizes that they declare.

    Raises:
        ValueError: it is another archive, damaged, holds pickles, or declares more than is read.
    """
    size = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            check_count(path.name, len(entries), limits.variables, "arrays")
            if strangers := [entry.filename for entry in entries if not entry.filename.endswith(".npy")]:
                raise ValueError(
                    f"{path.name} is an archive with {strangers[0][:60]!r} inside, no NPZ of arrays: unpack it and "
                    "give its files, or save the arrays with numpy.savez."
                )
            if sum(entry.compress_size for entry in entries) > size:
                raise zipfile.BadZipFile("its entries overlap")
            check_declared(path.name, sum(entry.file_size for entry in entries), size, limits)
            values = sum(_check_array(archive, entry, path, limits) for entry in entries)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        reason = (str(error).splitlines() or [""])[0].rstrip(".")
        raise ValueError(f"{path.name} cannot be read as NPZ ({reason}): fetch or save it again.") from None
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
        reason = (str(error).splitlines() or [""])[0][:100].rstrip(".")
        raise ValueError(f"{path.name} cannot be read as NPZ ({name}: {reason}): save it again.") from None
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
