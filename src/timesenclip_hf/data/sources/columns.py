"""Find the columns of a table that say which series a row is of, and when it was observed."""

import re
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...models.timesenclip.dates_timesenclip import MONTH_NAMES
from ...names.reading import read_names
from ...words import from_cell
from .frames import find_column, find_name, name_of, number_cells, text_cells
from .spellings import DATE_COLUMNS, FILE_COLUMN, ID_COLUMNS, PLACE_COLUMNS, WEAK_DATE_COLUMNS, list_names

# The time of an image of Sentinel-2 in its id, in any of the forms of ESA and of Earth Engine.
_IMAGE_ID = re.compile(
    r"(?:S2[A-D]_(?:MSIL2A|S2MSI2A)_)?(?<!\d)(?P<day>(?:19|20)\d{6})T(?P<clock>\d{6})(?!\d)"
    r"(?:_N\d{4}_R\d{3}_T\d{2}[A-Z]{3})?(?:_\d{8}T\d{6})?(?:_T\d{2}[A-Z]{3})?(?:\.SAFE)?"
)


class Naming(NamedTuple):
    """Hold the ids of the rows, the column that they are from, and what was understood."""

    ids: list[str] | None
    column: str | None
    notes: list[str]


def name_rows(frame: Any, id_column: str | None, *, repeated: bool = False, taken: Collection[str] = ()) -> Naming:
    """Find the ids of rows: of a column that names them, of the images' ids without the image, or of their places.

    Args:
        frame: from [`read_frame`].
        id_column: to take; the first of [`ID_COLUMNS`] when left out.
        repeated: several rows belong to a series, as in long tables: a column that differs from row to row names none,
            where another does, and rows without an id but with a place are named by it.
        taken: columns that hold something else.

    Returns:
        The ids; None where nothing names the rows.

    Raises:
        ValueError: there is no such column, or a row has no id.
    """
    name = name_of(frame)
    if id_column is not None:
        column = id_column if id_column in frame.columns else find_column(frame, [id_column])
        if column is None:
            raise ValueError(f"{name} has no column {id_column!r}: its columns are {list_names(frame.columns)}.")
        return Naming(_all_named(text_cells(frame, column), column, name), column, [])
    candidates = {}
    for column in _candidates(frame, taken):
        texts = text_cells(frame, column)
        without = {text: _IMAGE_ID.sub("", text).strip("_ ") for text in set(texts) if text is not None}
        if without and not any(without.values()):
            continue  # ids of images alone
        candidates[column] = [None if text is None else without[text] for text in texts]
    if repeated:
        again = {column: texts for column, texts in candidates.items() if len(set(texts)) < len(texts)}
        if not again and (places := _places(frame)) is not None:
            return Naming(places, None, ["The series are the places, longitude and latitude: no column names them."])
        candidates = again or candidates
    if not candidates:
        return Naming(None, None, [])
    column, texts = next(iter(candidates.items()))
    notes = [f"The series go by the column {column}."] if column.lower() != "id" or len(candidates) > 1 else []
    if len(candidates) > 1:
        notes = [
            f"The series go by the column {column}, not by {list_names(list(candidates)[1:])}: `id_column` chooses."
        ]
    return Naming(_all_named(texts, column, name), column, notes)


def date_column(frame: Any) -> str | None:
    """Return the column with the date of each row, one that may hold something else only where its cells are dates."""
    if (column := find_column(frame, DATE_COLUMNS)) is not None:
        return column
    for column in filter(None, (find_column(frame, [name]) for name in WEAK_DATE_COLUMNS)):
        texts = [text for text in text_cells(frame, column) if text is not None]
        if texts and all(re.search(r"(?:19|20)\d\d|^\d{9,}$", text) for text in texts[:100]):
            return column
    return None


def image_days(frame: Any, column: str) -> list[str] | None:
    """Return the days "20180115" in the ids of images of a column, or None where a cell has none."""
    texts = text_cells(frame, column)
    matches = {text: _IMAGE_ID.search(text or "") for text in set(texts)}
    days = {text: match["day"] for text, match in matches.items() if match is not None}
    return [days[text] for text in texts] if len(days) == len(matches) else None


def file_days(frame: Any) -> list[np.datetime64] | None:
    """Return the dates in the names of the files that the rows are from, or None where a name has none."""
    if FILE_COLUMN not in frame.columns:
        return None
    files = frame[FILE_COLUMN].tolist()
    names = sorted(set(files))
    try:
        parts = read_names([name.partition(".")[0] for name in names], noun="files", times_of="all").parts
    except ValueError:  # numbered files have no dates
        return None
    dates = {name: part.date for name, part in zip(names, parts, strict=True) if part.date is not None}
    return [dates[file] for file in files] if len(dates) == len(names) else None


def numbers_of_months(frame: Any, column: str) -> np.ndarray | None:
    """Return the months 1 to 12 of a column, numbers or English names, or None where it holds dates."""
    names = [None if text is None else text.lower().rstrip(".") for text in text_cells(frame, column)]
    if set(names) - {None} <= set(MONTH_NAMES):
        return np.asarray([np.nan if name is None else MONTH_NAMES[name] for name in names])
    try:
        numbers = number_cells(frame, column)
    except ValueError:
        return None
    present = numbers[~np.isnan(numbers)]
    if len(present) and np.abs(present).max() > 1000:  # 201805 is a year with its month
        return None
    if not np.isin(present, np.arange(1, 13)).all():
        low, high = present.min(), present.max()
        raise ValueError(f"The months of {name_of(frame)} must be 1 to 12, got {low:g} to {high:g}.")
    return numbers


def _candidates(frame: Any, taken: Collection[str]) -> list[str]:
    free = tuple(column for column in frame.columns if column not in taken)
    known = [column for name in ID_COLUMNS if (column := find_name(free, [name])) is not None]
    if known:
        return list(dict.fromkeys(known))
    others = [column for column in free if re.search(r"(?:[a-z0-9 _-]I|[ _-]i|^[A-Z_ ]*I)[Dd]$", column)]
    return others if len(others) == 1 else []


def _places(frame: Any) -> list[str] | None:
    columns = [column for spellings in PLACE_COLUMNS if (column := find_column(frame, spellings)) is not None]
    if len(columns) < len(PLACE_COLUMNS):
        return None
    east, north = (text_cells(frame, column) for column in columns)
    return None if None in east or None in north else [f"lon{x}_lat{y}" for x, y in zip(east, north, strict=True)]


def _all_named(texts: Sequence[str | None], column: str, name: str) -> list[str]:
    row = next((index for index, text in enumerate(texts) if not text), None)
    if row is not None:
        raise ValueError(f"Row {row + 1} of {name} has nothing in the column {column!r}: write its id in every row.")
    return [from_cell(str(text)) for text in texts]
