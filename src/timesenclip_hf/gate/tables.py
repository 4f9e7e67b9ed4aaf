"""Check tables, CSV and Parquet, by their headers before they are read."""

from pathlib import Path
from typing import IO

from ..extras import needs_extra
from .limits import Limits, check_count, check_declared

# Separators of the tables that people save; the most frequent of a header is taken for its own.
SEPARATORS = (b",", b";", b"\t", b"|")
MAGIC = b"PAR1"
# Names of columns are shorter on average: those of bands and dates have some 20 letters, in UTF-16 twice the bytes.
COLUMN_BYTES = 128


def check_text(path: Path, limits: Limits) -> None:
    """Check the header of a CSV; raise `ValueError` where it has more columns than are read."""
    with path.open("rb") as file:
        check_header(file, path.name, limits)


def check_header(file: IO[bytes], name: str, limits: Limits) -> None:
    """Check the first line of an opened CSV as [`check_text`] does."""
    most = limits.columns * COLUMN_BYTES
    header = file.readline(most)
    if len(header) == most and b"\r" not in header:
        raise ValueError(
            f"{name} has more than {limits.columns:,} columns, or a first line without end: cut out a part."
        )
    columns = max(header.count(separator) for separator in SEPARATORS) + 1
    check_count(name, columns, limits.columns, "columns")


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
    except (ArrowException, OSError, OverflowError, UnicodeDecodeError) as error:
        reason = (str(error).splitlines() or [""])[0][:150].rstrip(".")
        raise ValueError(f"{path.name} is no Parquet file that can be read ({reason}): fetch it again.") from None
    values = max(values, metadata.num_rows * metadata.num_columns)
    check_count(path.name, values, limits.values, "values")
    check_declared(path.name, declared, size, limits)
