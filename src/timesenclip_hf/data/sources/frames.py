"""Read tables in any form into a frame: the one reader of tabular files, for series, labels, points and surveys.

- **Text**: CSV, TSV, TXT, also packed as `.gz`; commas, semicolons, tabs or vertical bars, decimal points or commas,
  UTF-8, UTF-16, Windows-1252 or Latin-1.
- **Excel** (`.xlsx`): the first sheet, or the one named, `survey.xlsx:Plots`.
- **Parquet**, with the points of GeoParquet.
- **Vector files**: GeoPackage (`.gpkg`, or a layer of it, `survey.gpkg:plots`), GeoJSON, Shapefile, FlatGeobuf; points
  get the columns `longitude` and `latitude` in WGS84.

Cells of text and of Excel stay text, as they are written, so that an id keeps its zeros; whoever wants numbers asks for
them with [`number_cells`], and for names, ids and codes with [`text_cells`].
"""

import gzip
import os
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ...extras import needs_extra
from ...files import first_line
from ...gate import admit
from ...words import damage_told
from .delimited import COMMA_NUMBER, MISSING_CELLS, clean_table, read_delimited, to_frame

with needs_extra("data"):
    import pandas
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

TableSource: TypeAlias = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".tab")
VECTOR_SUFFIXES = (".gpkg", ".geojson", ".json", ".shp", ".fgb")
SUFFIXES = (*TEXT_SUFFIXES, ".xlsx", ".parquet", ".geoparquet", *VECTOR_SUFFIXES)
# Beyond this a floating-point number no longer holds every integer.
_EXACT_FLOATS = 2**53
_BINARY_FORMS = {".xlsx": "Excel file", ".parquet": "Parquet file", ".geoparquet": "Parquet file"}
_BEGINNINGS = {
    b"PAR1": "parquet",
    b"SQLite format 3\0": "vector",
    b"\x00\x00\x27\x0a": "vector",  # Shapefile
    b"fgb\x03": "vector",
    b"PK\x03\x04": "excel",
    b"\x1f\x8b": "packed",
    b"\xd0\xcf\x11\xe0": "old excel",
}


def read_frame(
    source: TableSource,
    *,
    decimal: str | None = None,
    file_column: str | None = None,
    geometry_column: str | None = None,
) -> pandas.DataFrame:
    """Read a table.

    Args:
        source: file in any of the forms above, which its content tells; a list of files with the same columns, or a
            folder of them, which are read as one table.
        decimal: sign of decimals in a table of text, "." or ","; its cells tell where left out.
        file_column: name of a column to add, with the name of the file of each row.
        geometry_column: name of a column to add, with the geometries of `shapely` in degrees (WGS84) where they are not
            points.

    Returns:
        A frame. Its columns are named by text, each name once. `attrs` has the `name` of the file, `notes`, a list of
        sentences about how it was read, and `decimal`, the sign of decimals in cells of text.

    Raises:
        FileNotFoundError: no such file, or a folder without tables.
        ImportError: a library of the extra `data` is missing.
        ValueError: the file has no form that is read, is damaged, has no rows, or names a column twice; the columns of
            several files differ.
    """
    paths = _paths_of(source)
    frames = [_read_file(path, decimal, geometry_column) for path in paths]
    if file_column is not None:
        for path, frame in zip(paths, frames, strict=True):
            frame[file_column] = path.name
    return frames[0] if len(frames) == 1 else _join(frames)


def list_files(source: TableSource) -> list[tuple[str, int]]:
    """Return the names of the files of a table, with a sheet or layer, and their sizes in bytes.

    Raises:
        FileNotFoundError: no such file, or a folder without tables.
    """
    return [(path.name, split_part(path)[0].stat().st_size) for path in _paths_of(source)]


def text_cells(frame: pandas.DataFrame, column: str) -> list[str | None]:
    """Return the cells of a column as text, None where there is no value: for ids, codes and labels.

    Whole numbers are written without a decimal point, also those that another program wrote as "47862690.0".

    Raises:
        ValueError: the column holds floating-point numbers so large that they are no longer exact.
    """
    try:
        codes, values = pandas.factorize(frame[column])
    except TypeError:  # lists
        codes, values = np.arange(len(frame)), frame[column]
    cells = [None if _is_missing(cell) else cell for cell in values.tolist()]
    large = next((cell for cell in cells if isinstance(cell, float) and abs(cell) > _EXACT_FLOATS), None)
    if large is not None:
        raise ValueError(
            f"The column {column!r} of {name_of(frame)} holds floating-point numbers such as {large!r}, which are not "
            "exact: save it as text or as integers."
        )
    texts = [cell if cell is None else _as_text(cell) for cell in cells]
    present = [text for text in texts if text is not None]
    if present and all(re.fullmatch(r"-?\d+\.0+", text) for text in present):
        texts = [text if text is None else text.partition(".")[0] for text in texts]
    texts.append(None)  # of what is missing, whose code is -1
    return [texts[code] for code in codes.tolist()]


def number_cells(frame: pandas.DataFrame, column: str) -> np.ndarray:
    """Return the cells of a column as numbers (rows,) float64, NaN where there is no value.

    Raises:
        ValueError: a cell is no number, or has separators of thousands.
    """
    cells = frame[column]
    if cells.dtype.kind in "iufb":
        return np.asarray(cells, dtype=np.float64)
    decimal = frame.attrs.get("decimal", ".")
    if (fast := _cast(cells, decimal)) is not None:
        return fast
    values = pandas.Series(cells.tolist(), dtype=object)
    values = values.where(~values.isin(MISSING_CELLS), None)
    if decimal == ",":
        values = values.map(_with_point)
    is_time = values.map(lambda cell: hasattr(cell, "year"))
    numbers = np.asarray(pandas.to_numeric(values.where(~is_time, "time"), errors="coerce"), dtype=np.float64)
    bad = np.isnan(numbers) & values.notna().to_numpy()
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        advice = ""
        if re.fullmatch(r"[+-]?[\d.,' ]+", str(cells.iloc[row])):
            advice = "; write decimals with a point, and no separators of thousands"
        raise ValueError(
            f"The column {column!r} of {name_of(frame)} must hold numbers, got {cells.iloc[row]!r} in row "
            f"{row + 1}{advice}."
        )
    return numbers


def _cast(cells: pandas.Series, decimal: str) -> np.ndarray | None:
    """Turn text of nothing but plain numbers into numbers; None where there is anything else."""
    try:
        texts = pa.array(cells, type=pa.string(), from_pandas=True)
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return None
    texts = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    if decimal == ",":
        if pc.any(pc.match_substring(texts, ".")).as_py():
            return None
        texts = pc.replace_substring(texts, ",", ".")
    try:
        return np.asarray(pc.cast(texts, pa.float64()).to_numpy(zero_copy_only=False))
    except pa.ArrowInvalid:
        return None


def _with_point(cell: Any) -> Any:
    """Write a number with a decimal comma with a point; what has a point already is none of them."""
    if not isinstance(cell, str):
        return cell
    return cell.replace(",", ".") if re.match(COMMA_NUMBER, cell) else cell.replace(".", "?")


def find_column(frame: pandas.DataFrame, spellings: Iterable[str]) -> str | None:
    """Return the column with the first of these names that there is, whatever its capitals, spaces and underscores."""
    return find_name(tuple(frame.columns), spellings)


def find_name(names: tuple[str, ...], spellings: Iterable[str]) -> str | None:
    """Return the first of these names as [`find_column`] finds columns."""
    compact = _by_compact(names)
    return next((compact[_compact(name)] for name in spellings if _compact(name) in compact), None)


@lru_cache(maxsize=4)  # a table is asked for some twenty names, and may have very many columns
def _by_compact(names: tuple[str, ...]) -> dict[str, str]:
    return {_compact(name): name for name in reversed(names)}


@lru_cache(maxsize=2**17)
def _compact(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


def name_of(frame: pandas.DataFrame) -> str:
    """Return the name of the file a frame was read from, for sentences."""
    return str(frame.attrs.get("name", "the table"))


def _paths_of(source: TableSource) -> list[Path]:
    """List the files of a source; a sheet or layer stays in the name, behind a colon."""
    if not isinstance(source, (str, os.PathLike)):
        if not source:
            raise ValueError("Give at least one table.")
        return [path for part in source for path in _paths_of(part)]
    path = Path(source)
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.iterdir() if _suffix(file) in SUFFIXES and not file.name.startswith("."))
    if not files:
        raise FileNotFoundError(f"The folder {path} has no tables, files that end in {', '.join(SUFFIXES)}.")
    return files


def _suffix(path: Path) -> str:
    return Path(path.stem if path.suffix.lower() == ".gz" else path.name).suffix.lower()


def _read_file(path: Path, decimal: str | None, geometry_column: str | None) -> pandas.DataFrame:
    """Read one file by what its content says it is."""
    path, part = split_part(path)
    admit(path)
    with path.open("rb") as file:
        beginning = file.read(64)
    kind = next((known for mark, known in _BEGINNINGS.items() if beginning.startswith(mark)), "text")
    if kind == "text" and path.suffix.lower() in VECTOR_SUFFIXES:
        kind = "vector"
    if kind == "excel":
        frame = _read_excel(path, part)
    elif kind == "parquet":
        from .geometries import read_geometries  # with GDAL and PROJ, which most tables do without

        frame = read_geometries(read_parquet(path), geometry_column)
    elif kind == "vector":
        from .geometries import read_vector

        frame = read_vector(path, part, geometry_column)
    elif kind == "old excel":
        raise ValueError(f"{path.name} is a file of an old Excel: save it as .xlsx or CSV.")
    elif kind == "text" and (form := _BINARY_FORMS.get(path.suffix.lower())):
        raise ValueError(f"{path.name} is no {form} that can be read: save or fetch it again.")
    elif kind == "text" and path.suffix.lower() not in TEXT_SUFFIXES:
        raise ValueError(
            f"{path.name} has no form that is read here: save it as a table, in a file that ends in "
            f"{', '.join(SUFFIXES)}."
        )
    else:
        frame = _read_text(path, kind == "packed")
    frame.columns = [str(column).strip() for column in frame.columns]
    twice = next((name for name, again in zip(frame.columns, frame.columns.duplicated(), strict=True) if again), None)
    if twice is not None:
        raise ValueError(f"{path.name} names the column {twice!r} twice: give each column a name of its own.")
    if len(frame) == 0:
        raise ValueError(f"{path.name} has no rows.")
    frame.attrs = {"name": path.name, "notes": [], "decimal": ".", **frame.attrs}
    if decimal is not None:
        frame.attrs["decimal"] = decimal
    return frame


def split_part(path: Path) -> tuple[Path, str | None]:
    """Split `file.xlsx:Sheet` where there is no file of the full name.

    Raises:
        FileNotFoundError: no such file.
    """
    if path.is_file():
        return path, None
    match = re.fullmatch(r"(.+\.(?:xlsx|xlsm|gpkg)):([^/\\]+)", str(path), re.IGNORECASE)
    if match is None or not Path(match[1]).is_file():
        raise FileNotFoundError(f"No such file: {path}.")
    return Path(match[1]), match[2]


def _read_text(path: Path, packed: bool) -> pandas.DataFrame:
    try:
        content = gzip.decompress(path.read_bytes()) if packed else path.read_bytes()
    except (OSError, EOFError, ValueError) as error:
        raise ValueError(f"{path.name} cannot be unpacked: {first_line(error)}.") from None
    read = read_delimited(content, path.name)
    frame = to_frame(read.table)
    frame.attrs |= {"notes": read.notes, "decimal": read.decimal}
    return frame


def read_parquet(path: Path) -> pa.Table:
    """Read the table of a Parquet file that is admitted, without an index that only counts its rows.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        # Where pages have checksums, damage in them is told.
        table = pq.ParquetFile(path, page_checksum_verification=True).read()
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path.name} is no Parquet file that can be read: {first_line(error)}.") from None
    counters = [name for name in table.column_names if re.fullmatch(r"__index_level_\d+__", name)]
    return table.drop_columns(counters)


def _read_excel(path: Path, sheet: str | None) -> pandas.DataFrame:
    """Read the first sheet of an Excel file, or the one named, as text."""
    with needs_extra("data"):
        import openpyxl
    with damage_told(path.name):
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    names = book.sheetnames
    if sheet is not None and sheet not in names:
        raise ValueError(f"{path.name} has no sheet {sheet!r}: its sheets are {', '.join(names)}.")
    chosen = names[0] if sheet is None else sheet
    with damage_told(path.name):
        rows = [[_excel_text(cell) for cell in row] for row in book[chosen].iter_rows()]
    book.close()
    rows = [row for row in rows if any(cell is not None for cell in row)]
    if not rows:
        raise ValueError(f"The sheet {chosen!r} of {path.name} is empty.")
    width = max(index for row in rows for index, cell in enumerate(row, 1) if cell is not None)
    header, *body = [[*row, *[None] * width][:width] for row in rows]
    columns = [pa.array([row[index] for row in body], pa.string()) for index in range(width)]
    frame = to_frame(clean_table(pa.table(columns, [cell or "" for cell in header]), path.name))
    frame.attrs["notes"] = [f"The sheet {chosen} is read, of {len(names)}."] if len(names) > 1 else []
    return frame


def _excel_text(cell: Any) -> str | None:
    """Return what a cell says, with the zeros that its format puts before a number."""
    value = cell.value
    if value is None or value == "":
        return None
    padded = isinstance(value, (int, float)) and re.fullmatch("0{2,}", str(cell.number_format)) is not None
    return _as_text(value).zfill(len(cell.number_format) if padded else 0)


def _as_text(value: Any) -> str:
    """Write a value, whole numbers without a decimal point and dates as ISO."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value.isoformat() if hasattr(value, "isoformat") else value)


def _is_missing(cell: Any) -> bool:
    if isinstance(cell, str):
        return cell.strip() in MISSING_CELLS
    return cell is None or (np.ndim(cell) == 0 and bool(pandas.isna(cell)))


def _join(frames: Sequence[pandas.DataFrame]) -> pandas.DataFrame:
    """Put tables with the same columns below each other."""
    first = frames[0]
    for frame in frames[1:]:
        differing = sorted(set(first.columns) ^ set(frame.columns))
        if differing:
            having, lacking = (first, frame) if differing[0] in first.columns else (frame, first)
            raise ValueError(
                f"{name_of(having)} has a column {differing[0]!r} and {name_of(lacking)} has none: tables that are "
                "read as one need the same columns."
            )
        if frame.attrs["decimal"] != first.attrs["decimal"]:
            raise ValueError(f"{name_of(first)} and {name_of(frame)} differ in decimal sign: write both alike.")
    joined = pandas.concat([frame.astype(object) for frame in frames], ignore_index=True).infer_objects()
    notes = list(dict.fromkeys(note for frame in frames for note in frame.attrs["notes"]))
    name = f"{name_of(first)} and {len(frames) - 1} more"
    joined.attrs = {**first.attrs, "name": name, "notes": [f"{len(frames)} files are read as one table.", *notes]}
    return joined
