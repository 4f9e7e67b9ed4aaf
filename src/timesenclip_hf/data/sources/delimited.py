"""Read delimited text, such as CSV, into a table of text: nothing is guessed from part of it.

The separator is the one that the header and every row agree on, and cells stay as they are written: which of them are
numbers is for those to say who ask for numbers.
"""

import csv
import io
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ...extras import needs_extra

with needs_extra("data"):
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv as arrow_csv

Cells: TypeAlias = "pa.Array | pa.ChunkedArray"

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
# What tables write for "no value", beside nothing at all.
MISSING_CELLS = ("", "NA", "N/A", "#N/A", "<NA>", "nan", "NaN", "NAN", "NaT", "None", "null", "NULL", "-")
# A number with a comma, and one whose comma can only be a decimal one: a comma of thousands has three digits behind it
# and one to three before it that do not begin with 0.
COMMA_NUMBER = r"^[+-]?\d*,\d+(?:[eE][+-]?\d+)?$"
_SURE_DECIMAL = r"^[+-]?(?:\d*,(?:\d{1,2}|\d{4,})|0*,\d+|0\d*,\d+|\d{4,},\d+)(?:[eE][+-]?\d+)?$"
# Short columns are cleaned together, up to so many cells, unless their table has more text than an array holds.
_BLOCK_CELLS, _BLOCK_BYTES = 2**18, 2**30
_LINE_END = re.compile(r"\r\n|\r|\n")
_BYTE_ORDER_MARKS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}


class Delimited(NamedTuple):
    """Hold a table of text cells, the decimal sign of its numbers, and what was understood."""

    table: pa.Table
    decimal: str
    notes: list[str]


def read_delimited(content: bytes, name: str) -> Delimited:
    """Read a table of text.

    Args:
        content: of the file; UTF-8, UTF-16 or UTF-32, or else Windows-1252 or Latin-1.
        name: of the file, for sentences.

    Raises:
        ValueError: the content is binary, has no rows, or its rows differ in length from the header.
    """
    text, notes = _decode(content, name)
    text, separator = _skip_preamble(text)
    if not text.strip():
        raise ValueError(f"{name} is empty: it needs a line with the names of its columns.")
    if text.count('"') % 2:
        raise ValueError(f"{name} is damaged: a quotation mark that opens a cell is never closed.")
    separators = [separator] if separator else _separators_of(text)
    tables = [(sign, table) for sign in separators if (table := _parse(text, sign)) is not None]
    if not tables:
        raise ValueError(_first_uneven(text, separators[0], name))
    if len(tables) > 1:
        signs = " or ".join(SEPARATORS[sign] for sign, _ in tables)
        raise ValueError(f"{name} can be read with {signs} between its columns: put its cells in quotes.")
    [(sign, table)] = tables
    if sign != ",":
        notes.append(f"The columns are separated by {SEPARATORS.get(sign, sign)}.")
    table = clean_table(table, name)
    decimal = "," if _has_decimal_commas(table) else "."
    if decimal == ",":
        notes.append("The numbers have decimal commas.")
    return Delimited(table, decimal, notes)


def to_frame(table: pa.Table) -> Any:
    """Turn an Arrow table into a `pandas.DataFrame` whose integers stay integers where some are missing."""
    return table.to_pandas(integer_object_nulls=True, ignore_metadata=True)


def _decode(content: bytes, name: str) -> tuple[str, list[str]]:
    """Decode text by its byte order mark, or else as UTF-8, and as Windows-1252 where it is not."""
    encoding = next((known for mark, known in _BYTE_ORDER_MARKS.items() if content.startswith(mark)), None)
    for candidate in [encoding] if encoding else ["utf-8", "cp1252", "latin-1"]:
        try:
            text = content.decode(candidate)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        odd_one = candidate not in ("utf-8", "utf-8-sig")
        return text, [f"The text is read as {candidate}, as it is not UTF-8."] if odd_one else []
    raise ValueError(f"{name} is no table of text that can be read: it holds binary data.")


def _skip_preamble(text: str) -> tuple[str, str | None]:
    """Skip empty lines, comments with `#`, and Excel's `sep=;`, which names the separator."""
    separator, commented, line = None, "", ""
    while text:
        match = _LINE_END.search(text)
        line, rest = (text, "") if match is None else (text[: match.start()], text[match.end() :])
        if named := re.fullmatch(r"\s*\"?sep=(.)\"?\s*", line, re.IGNORECASE):
            separator = named[1]
        elif line.lstrip().startswith("#"):
            commented = line
        elif line.strip():
            break
        text = rest
    # A header may be a comment itself: then what follows it are numbers already.
    names = next((commented.count(sign) for sign in SEPARATORS if commented.count(sign) == line.count(sign) > 0), 0)
    if text and names and any(re.fullmatch(r"[+-]?[\d.]+", cell.strip()) for cell in re.split(r"[,;\t|]", line)):
        return f"{commented.lstrip().removeprefix('#').lstrip()}\n{text}", separator
    return text, separator


def _separators_of(text: str) -> list[str]:
    """List the separators that split the header, those first that make more columns of it; a comma where none does."""
    counts = {sign: len(_header(text, sign)) for sign in SEPARATORS}
    return sorted((sign for sign in counts if counts[sign] > 1), key=lambda sign: -counts[sign]) or [","]


def _header(text: str, separator: str) -> list[str]:
    try:
        return next(csv.reader(io.StringIO(text[:10_000_000], newline=""), delimiter=separator), [])
    except csv.Error:  # a cell beyond csv's limit: the header of very many columns, by a wrong separator
        return [text]


def _parse(text: str, separator: str) -> pa.Table | None:
    """Read all cells as text; None where a row has more or fewer cells than the header."""
    header, content = _header(text, separator), text.encode()
    options = {
        "read_options": arrow_csv.ReadOptions(
            column_names=None, block_size=max(1 << 20, min(len(content) + 1, 1 << 28))
        ),
        "parse_options": arrow_csv.ParseOptions(delimiter=separator, newlines_in_values='"' in text),
        "convert_options": arrow_csv.ConvertOptions(column_types=dict.fromkeys(header, pa.string())),
    }
    try:
        return arrow_csv.read_csv(pa.BufferReader(content), **options)
    except pa.ArrowInvalid:
        return None


def _first_uneven(text: str, separator: str, name: str) -> str:
    """Say which line has not as many cells as the header."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    width = len(next(reader))
    uneven: Iterator[tuple[int, int]] = ((reader.line_num, len(row)) for row in reader if row and len(row) != width)
    try:
        line, cells = next(uneven, (0, 0))
    except csv.Error as error:
        return f"{name} is damaged near line {reader.line_num}: {error}."
    if not line:
        return f"{name} is no CSV that can be read: it has {width} columns in its header, and no rows of this width."
    return (
        f"Line {line} of {name} has {cells} cells and its header {width}, with {SEPARATORS.get(separator, separator)} "
        "between them: mend the line, or put cells with separators in quotes."
    )


def clean_table(table: pa.Table, name: str) -> pa.Table:
    """Trim the names and cells of a table of text, make missing cells null, and drop empty rows and nameless columns.

    Args:
        table: of text.
        name: of its file, for sentences.

    Raises:
        ValueError: a column with values has no name.
    """
    names = [column.strip() for column in table.column_names]
    table = _drop_empty_rows(table)
    columns = [cells for block in _blocks(table) for cells in _split(_cells(block), table.num_rows)]
    if not names[0] and not _counts_rows(columns[0]) and "id" not in map(str.lower, names):
        names[0] = "id"  # names of rows, as R writes them
    # The numbers of the rows, as pandas and R write them; and what separators at the end of lines make.
    surplus = {
        index
        for index, (column, cells) in enumerate(zip(names, columns, strict=True))
        if not column and (cells.null_count == len(cells) or (index == 0 and _counts_rows(cells)))
    }
    kept = [index for index in range(len(names)) if index not in surplus]
    if unnamed := [index for index in kept if not names[index]]:
        raise ValueError(f"Column {unnamed[0] + 1} of {name} has no name: give it one in the first line.")
    if not kept:
        raise ValueError(f"{name} has no column with a name: give the names of the columns in its first line.")
    return pa.Table.from_arrays([columns[index] for index in kept], [names[index] for index in kept])


def _blocks(table: pa.Table) -> Iterator[Cells]:
    """Yield the cells of columns, those of many short columns below each other, as each call takes its time."""
    rows, columns = table.num_rows, table.columns
    width = 1 if not rows or table.nbytes > _BLOCK_BYTES else max(1, _BLOCK_CELLS // rows)
    for start in range(0, len(columns), width):
        block = columns[start : start + width]
        yield block[0] if width == 1 else pa.concat_arrays([chunk for column in block for chunk in column.chunks])


def _split(cells: Cells, rows: int) -> list[Cells]:
    """Split a block into its columns."""
    return [cells.slice(start, rows) for start in range(0, len(cells), rows)] if rows else [cells]


def _drop_empty_rows(table: pa.Table) -> pa.Table:
    """Drop the rows that have nothing but spaces in all cells."""
    if not table.num_rows:
        return table
    empty = np.ones(table.num_rows, dtype=bool)
    for block in _blocks(table):
        blank = pc.fill_null(pc.equal(pc.utf8_trim_whitespace(block), ""), True)
        empty &= blank.to_numpy(zero_copy_only=False).reshape(-1, table.num_rows).all(axis=0)
    return table.filter(pa.array(~empty)) if empty.any() else table


def _counts_rows(cells: Cells) -> bool:
    """Tell whether cells are whole numbers that grow, without zeros before them."""
    if cells.null_count or not pc.all(pc.match_substring_regex(cells, r"^(?:0|[1-9]\d{0,15})$")).as_py():
        return False
    numbers = pc.cast(cells, pa.int64()).to_numpy()
    return bool((numbers[1:] > numbers[:-1]).all())


def _cells(cells: Cells) -> Cells:
    trimmed = pc.utf8_trim_whitespace(cells)
    missing = pc.is_in(trimmed, value_set=pa.array(MISSING_CELLS))
    return pc.if_else(missing, pa.scalar(None, pa.string()), trimmed)


def _has_decimal_commas(table: pa.Table) -> bool:
    """Tell whether a column of a table holds numbers with decimal commas."""
    return any(
        pc.any(pc.match_substring_regex(block, _SURE_DECIMAL)).as_py()
        and any(map(_has_decimal_comma, _split(block, table.num_rows)))
        for block in _blocks(table)
    )


def _has_decimal_comma(column: Cells) -> bool:
    """Tell whether a column holds numbers, some of which have what can only be a decimal comma."""
    if not pc.any(pc.match_substring_regex(column, _SURE_DECIMAL)).as_py():
        return False
    number = rf"(?:{COMMA_NUMBER})|(?:^[+-]?\d+$)"
    return bool(pc.all(pc.match_substring_regex(column, number)).as_py())
