"""Read tables of series, as people keep them, into what the feature extractor takes.

Any form that [`read_frame`] reads is accepted (CSV and its kin, Excel, Parquet, vector files, several files as one
table), and NPZ, in these layouts. Bands go by any common spelling (`B02`, `b2`, `red`, `S2-L2A-B02`), SCL may stand
beside them:

- **Wide**: one row a series, one column a band and time step, the time a date or the number of a month:
  `B02_2018-05-14`, `2018-05-14_B02`, `B02_20180514`, `B02_2018-05`, or `B02_01` ... `B02_12`.
- **Long**: one row a time step with a column for the series (`id`), one for the time (`date`, `year` and `month`,
  `year` and `doy`, the id of an image, or `month` alone) and one a band: `id,date,B02,B03,...[,SCL]`; or one row a
  band, with the columns `band` and `value`. Beside them may stand the `processing_baseline` or `offset` of each row,
  and what says that it is clear: `clear`, `cloud`, `cloud_probability`, `cs_cdf`, `QA60`.
- **Nested** (Parquet): one row a series with a list column `series` (time, band), and any of `dates`, `months` (0 is
  January, as the feature extractor counts), `bands`, `scl`, `nodata`, `processing_baseline`, `offset`, `year`.
- **NPZ**: an array `series` or `X` (series, time, band), and any of the same names, shared or one for each series.

The series go by the first column that there is of [`columns.ID_COLUMNS`], else by their row. Empty cells are missing.
"""

import csv
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...files import whole_file
from ...models.timesenclip.bands_timesenclip import SCENE_CLASSES, read_band_name, read_bands
from ...models.timesenclip.steps_timesenclip import Steps
from ...names.reading import read_names
from ...words import as_cell
from .columns import FILE_COLUMN, name_rows
from .frames import TableSource, find_column, list_names, name_of, read_frame, text_cells
from .long_tables import BAND_COLUMNS, has_times, is_tidy, read_long, read_offsets, spread_bands
from .nested_tables import read_nested, read_npz
from .wide_tables import read_wide


@dataclass(frozen=True)
class SeriesTable:
    """Hold the series of a table with their ids: dictionaries as the feature extractor and the pipeline take them.

    Attributes:
        ids: of the series.
        series: one dictionary a series.
        notes: sentences about how the table was read.
    """

    ids: list[str]
    series: list[dict[str, Any]]
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.ids)


def read_table(path: TableSource, *, id_column: str | None = None, steps: Steps | None = None) -> SeriesTable:
    """Read a table in any of the layouts above.

    Args:
        path: a file, or several with the same columns, as a list or a folder: one a date or a tile. Files without a
            column for the time are of the date in their names.
        id_column: column that names the series, where it is none of the usual ones.
        steps: when numbered steps were.

    Raises:
        FileNotFoundError: no such file.
        ImportError: a library of the extra `data` is missing.
        ValueError: the file cannot be read or has none of the layouts.
    """
    if isinstance(path, (str, os.PathLike)) and Path(path).suffix.lower() == ".npz":
        if not Path(path).exists():
            raise FileNotFoundError(f"No such file: {path}.")
        ids, items, notes = read_npz(Path(path))
        items, untimed = _dated(items, steps, Path(path).name)
        return SeriesTable(ids, items, [*notes, *untimed])
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
        items, untimed = _dated(items, steps, name)
        ids = naming.ids or _counted(frame)
        return SeriesTable(ids, items, [*notes, *naming.notes, *_repeated(ids), *more, *untimed])
    if is_tidy(frame) and any(read_bands(_values(frame, BAND_COLUMNS))):
        frame = spread_bands(frame, id_column)
        notes.append("A row is a band of a time step.")
    # A column that names the rows is no band, whatever it is called.
    names = [column for column in frame.columns if column != id_column]
    bands = {column: band for column, band in zip(names, read_bands(names), strict=True) if band is not None}
    if set(bands.values()) == {SCENE_CLASSES}:
        raise ValueError(f"{name} has the scene classification only: add the reflectance of the bands.")
    counted = any(reading[0].band is not None and reading[0].numbers for reading in map(read_band_name, names))
    several = len(set(bands.values())) < len(bands)  # a band a time step: what dates the rows is of something else
    if bands and has_times(frame) and not counted and not several:
        _refuse_steps(steps, name)
        return _from_long(frame, bands, id_column, notes)
    naming = name_rows(frame, id_column, taken=bands)
    wide = read_wide(frame[[column for column in names if column != naming.column]], steps)
    if wide is not None:
        items = wide.items
        for key, cells in read_offsets(frame).items():
            items = [{**item, key: cell} for item, cell in zip(items, cells.tolist(), strict=True)]
        ids = naming.ids or _counted(frame)
        return SeriesTable(ids, items, [*notes, *naming.notes, *_repeated(ids), *wide.notes])
    if bands:
        return _from_long(frame, bands, id_column, notes)
    raise ValueError(
        f"{name} has no column for a band: name them B02_2018-05-14 (wide), or id, date, B02, ... (long); its columns "
        f"are {list_names(column for column in frame.columns if column != FILE_COLUMN)}."
    )


def _dated(items: list[dict[str, Any]], steps: Steps | None, name: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Give series without a time their dates from the first step and the next; say what they are read as without."""
    timed = any(key in item for item in items for key in ("dates", "months"))
    if steps is None or steps == Steps():
        months = ["Nothing says when the time steps were: twelve are read as the months January to December."]
        return items, [] if timed else months
    if timed:
        _refuse_steps(steps, name)
    return [{**item, "dates": steps.dates(np.arange(len(item["series"])))} for item in items], []


def _repeated(ids: Sequence[str]) -> list[str]:
    """Say which rows of a table of a row a series have the id of another."""
    repeated = [name for name, count in Counter(ids).items() if count > 1]
    if not repeated:
        return []
    return [f"{len(repeated)} ids stand in several rows, such as {repeated[0]}: each row is a series of its own."]


def _refuse_steps(steps: Steps | None, name: str) -> None:
    if steps is not None and steps != Steps():
        raise ValueError(f"{name} has times already: leave the start and the step out.")


def write_scores(
    path: str | os.PathLike[str],
    ids: Sequence[str],
    labels: Sequence[str],
    probabilities: np.ndarray,
    *,
    top_k: int | None = None,
    overwrite: bool = False,
) -> None:
    """Write id, label and score of every series as CSV, and the scores of all labels.

    Ids and labels that a spreadsheet would compute, such as "=1+1", get an apostrophe before them, which [`read_table`]
    takes off ids again; numbers such as "-12" stay.

    Args:
        path: to write.
        ids: one for each series.
        labels: one for each column of `probabilities`.
        probabilities: (series, labels), NaN rows where nothing was observed: their label stays empty.
        top_k: write the best labels with their scores instead of the scores of all.
        overwrite: replace a file that is there.

    Raises:
        FileExistsError: a file is there already, and not to be replaced.
        ValueError: `top_k` is not positive.
    """
    if top_k is not None and top_k < 1:
        raise ValueError(f"`top_k` must be at least 1, got {top_k}.")
    order = np.argsort(-probabilities, axis=1, kind="stable")
    count = min(top_k or 1, len(labels))
    ranks = range(2, count + 1)
    header = ["id", "label", "score", *(f"{name}_{rank}" for rank in ranks for name in ("label", "score"))]
    with whole_file(path, overwrite=overwrite) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        names = [as_cell(label) for label in labels]
        writer.writerow(header if top_k else [*header, *names])
        for name, best, scores in zip(map(as_cell, ids), order[:, :count], probabilities, strict=True):
            if np.isnan(scores).any():
                writer.writerow([name])
                continue
            ranked = [cell for index in best for cell in (names[index], f"{scores[index]:.4f}")]
            writer.writerow([name, *ranked, *([] if top_k else [f"{value:.4f}" for value in scores])])


def _from_long(frame: Any, bands: dict[str, str], id_column: str | None, notes: list[str]) -> SeriesTable:
    if len(set(bands.values())) < len(bands):
        raise ValueError(f"{name_of(frame)} names a band twice: {', '.join(bands)}.")
    ids, items, more = read_long(frame, bands, id_column)
    return SeriesTable(ids, items, [*notes, *read_names(list(bands), times_of="none").notes, *more])


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
