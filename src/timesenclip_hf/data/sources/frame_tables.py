"""Read series from frames of pandas, in any of the layouts of [`tables`]."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...models.timesenclip.bands_timesenclip import SCENE_CLASSES, read_band_name, read_bands
from ...models.timesenclip.options_timesenclip import SERIES_KEYS
from ...models.timesenclip.steps_timesenclip import Steps
from ...names.reading import read_names
from .columns import name_rows
from .frames import TableSource, find_column, name_of, read_frame, text_cells
from .long_tables import BAND_COLUMNS, VALUE_COLUMNS, has_times, is_tidy, read_long, read_offsets, spread_bands
from .nested_tables import read_nested
from .npz_tables import SeriesTable, date_items, refuse_steps
from .spellings import DATE_COLUMNS, FILE_COLUMN, list_names
from .wide_tables import read_wide


def read_frames(path: TableSource, id_column: str | None, steps: Steps | None) -> SeriesTable:
    """Read the series of one file or several, by the arguments of [`read_table`]; the file of each row is known."""
    return table_from_frame(read_frame(path, file_column=FILE_COLUMN), id_column=id_column, steps=steps)


def table_from_frame(frame: Any, *, id_column: str | None = None, steps: Steps | None = None) -> SeriesTable:
    """Read a `pandas.DataFrame` in any of the layouts above; an index with a name is a column, too.

    Args:
        frame: is left as it is.
        id_column: column that names the series, where it is none of the usual ones.
        steps: when numbered steps were.

    Raises:
        ValueError: the frame has no rows or none of the layouts.
    """
    frame, notes = _plain(frame), list(frame.attrs.get("notes", []))
    name = name_of(frame)
    if "series" in frame.columns and all(np.ndim(cell) for cell in frame["series"].tolist()[:1]):
        naming = name_rows(frame, id_column)
        items, more = read_nested(frame)
        items, untimed = date_items(items, steps, name)
        ids = naming.ids or _counted(frame)
        told = [*notes, *naming.notes, *_repeated(ids), *more, *untimed]
        return SeriesTable(ids, items, told, kept=_others(frame, SERIES_KEYS))
    row_ids: list[str] | None = None
    if is_tidy(frame) and any(read_bands(_values(frame, BAND_COLUMNS))):
        rows = frame
        frame, row_ids = spread_bands(frame, id_column)
        notes.append("A row is a band of a time step.")
    # A column that names the rows is no band, whatever it is called.
    names = [column for column in frame.columns if column != id_column]
    bands = {column: band for column, band in zip(names, read_bands(names), strict=True) if band is not None}
    if set(bands.values()) == {SCENE_CLASSES}:
        raise ValueError(f"{name} has the scene classification only: add the reflectance of the bands.")
    counted = any(reading[0].band is not None and reading[0].numbers for reading in map(read_band_name, names))
    several = len(set(bands.values())) < len(bands)  # a band a time step: what dates the rows is of something else
    if bands and has_times(frame) and not counted and not several:
        refuse_steps(steps, name)
        table = _from_long(frame, bands, id_column, notes)
        if row_ids is None:
            return table
        return replace(table, row_ids=row_ids, kept=_agreed(rows, table.ids, row_ids, [*BAND_COLUMNS, *VALUE_COLUMNS]))
    naming = name_rows(frame, id_column, taken=bands)
    wide = read_wide(frame[[column for column in names if column != naming.column]], steps)
    if wide is not None:
        items = wide.items
        for key, cells in read_offsets(frame).items():
            items = [{**item, key: cell} for item, cell in zip(items, cells.tolist(), strict=True)]
        ids = naming.ids or _counted(frame)
        told = [*notes, *naming.notes, *_repeated(ids), *wide.notes]
        return SeriesTable(ids, items, told, kept=_others(frame, wide.columns))
    if bands:
        return _from_long(frame, bands, id_column, notes)
    raise ValueError(
        f"{name} has no column for a band: name them B02_2018-05-14 (wide), or id, date, B02, ... (long); its columns "
        f"are {list_names(frame.columns)}."
    )


def _repeated(ids: Sequence[str]) -> list[str]:
    """Say which rows of a table of a row a series have the id of another."""
    repeated = [name for name, count in Counter(ids).items() if count > 1]
    if not repeated:
        return []
    return [f"{len(repeated)} ids stand in several rows, such as {repeated[0]}: each row is a series of its own."]


def _from_long(frame: Any, bands: dict[str, str], id_column: str | None, notes: list[str]) -> SeriesTable:
    if len(set(bands.values())) < len(bands):
        raise ValueError(f"{name_of(frame)} names a band twice: {', '.join(bands)}.")
    ids, items, more, row_ids = read_long(frame, bands, id_column)
    notes = [*notes, *read_names(list(bands), times_of="none").notes, *more]
    return SeriesTable(ids, items, notes, row_ids, _agreed(frame, ids, row_ids, list(bands)))


def _others(frame: Any, read: Collection[str]) -> Any:
    """Return the columns of a frame that its series are not from; None where there are none."""
    columns = [column for column in frame.columns if column not in {*read, FILE_COLUMN}]
    return frame[columns].reset_index(drop=True) if columns else None


def _agreed(frame: Any, ids: Sequence[str], row_ids: Sequence[str], read: Collection[str]) -> Any:
    """Return the columns in which the rows of every series agree, a row a series; None where there are none."""
    others = _others(frame, {*read, *filter(None, (find_column(frame, [name]) for name in (*read, *DATE_COLUMNS)))})
    if others is None:
        return None
    groups = others.groupby(np.asarray(row_ids, dtype=object), sort=False, dropna=False)
    agreeing = [column for column in others.columns if _is_agreed(groups[column])]
    return groups[agreeing].first().reindex(list(ids)).reset_index(drop=True) if agreeing else None


def _is_agreed(cells: Any) -> bool:
    try:
        return bool((cells.nunique() <= 1).all())
    except TypeError:  # lists
        return False


def _plain(frame: Any) -> Any:
    """Return a frame whose columns are named by text, with a named index as a column."""
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    plain = frame.set_axis([str(column).strip() for column in frame.columns], axis=1)
    if not plain.columns.is_unique:
        twice = plain.columns[plain.columns.duplicated()][0]
        raise ValueError(f"{name_of(frame)} names the column {twice!r} twice: give each column a name of its own.")
    if len(plain) == 0:
        raise ValueError(f"{name_of(frame)} has no rows.")
    plain.attrs = dict(frame.attrs)
    return plain


def _values(frame: Any, spellings: Sequence[str]) -> list[str]:
    """List the different cells of a column."""
    return sorted({text for text in text_cells(frame, str(find_column(frame, spellings))) if text is not None})


def _counted(frame: Any) -> list[str]:
    return [str(index) for index in range(len(frame))]
