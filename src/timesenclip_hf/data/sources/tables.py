"""Read tables of series, as people keep them in CSV, Parquet and NPZ, into what the feature extractor takes.

Accepted layouts. Bands go by any common spelling (`B02`, `b2`, `red`, `S2-L2A-B02`), SCL may stand beside them:

- **Wide** (CSV, Parquet): one row a series, one column a band and time step, the time a date or the number of a month:
  `B02_2018-05-14`, `2018-05-14_B02`, `B02_20180514`, `B02_2018-05`, or `B02_01` ... `B02_12`.
- **Long** (CSV, Parquet): one row a time step with a column for the series (`id`), one for the time (`date`, or `month`
  from 1 to 12) and one a band: `id,date,B02,B03,...[,SCL]`.
- **Nested** (Parquet): one row a series with a list column `series` (time, band), and any of `dates`, `months` (0 is
  January, as the feature extractor counts), `bands`, `scl`, `nodata`, `processing_baseline`, `offset`, `year`.
- **NPZ**: an array `series` or `X` (series, time, band), and any of the same names, shared or one for each series.

The series go by the column `id` (or `sample_id`, `location_id`, `point_id`, `plot_id`, `fid`), else by their row.
Empty cells are missing values.
"""

import csv
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...extras import needs_extra
from ...files import first_line, whole_file
from ...models.timesenclip.bands_timesenclip import BANDS, SCENE_CLASSES, NameParts, read_name
from ...models.timesenclip.compositing_timesenclip import MONTHS_PER_YEAR, parse_dates
from ...models.timesenclip.options_timesenclip import SERIES_KEYS

ID_COLUMNS = ("id", "sample_id", "location_id", "point_id", "plot_id", "fid")
DATE_COLUMNS = ("date", "timestamp", "time", "datetime", "acquisition_date", "t")
MONTH_COLUMNS = ("month",)
# The schema's value for missing, which needs more than the base install to be imported.
MISSING = -9999
SUFFIXES = (".csv", ".parquet", ".geoparquet", ".npz")


@dataclass(frozen=True)
class SeriesTable:
    """Hold the series of a table with their ids: dictionaries as the feature extractor and the pipeline take them."""

    ids: list[str]
    series: list[dict[str, Any]]

    def __len__(self) -> int:
        return len(self.ids)


def read_table(path: str | os.PathLike[str], *, id_column: str | None = None) -> SeriesTable:
    """Read a table in any of the layouts above.

    Args:
        path: CSV, Parquet or NPZ.
        id_column: column that names the series, where it is none of the usual ones.

    Raises:
        FileNotFoundError: no such file.
        ImportError: pandas or pyarrow is missing.
        ValueError: the file cannot be read or has none of the layouts.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"No such file: {path}.")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{path.name} must end in {', '.join(SUFFIXES)}: save the table in one of these forms.")
    if suffix == ".npz":
        return _from_npz(path)
    frame = _read_frame(path, suffix)
    if len(frame) == 0:
        raise ValueError(f"{path.name} has no rows.")
    frame.columns = [str(column) for column in frame.columns]
    ids = _column(frame, (id_column,) if id_column else ID_COLUMNS)
    if id_column and ids is None:
        raise ValueError(f"{path.name} has no column {id_column!r}: its columns are {_some(frame.columns)}.")
    if "series" in frame.columns:
        return _from_nested(frame, ids, path)
    # A column that names the rows is no band, whatever it is called.
    names = {column: name for column in frame.columns if column != ids and (name := read_name(column)).band is not None}
    timed = {column: name for column, name in names.items() if name.date is not None or name.month is not None}
    if {name.band for name in names.values()} == {SCENE_CLASSES}:
        raise ValueError(f"{path.name} has the scene classification only: add the reflectance of the bands.")
    if timed:
        return _from_wide(frame, timed, ids, path)
    if names:
        return _from_long(frame, names, ids, path)
    raise ValueError(
        f"{path.name} has no column for a band: name them B02_2018-05-14 (wide), or id, date, B02, ... (long); its "
        f"columns are {_some(frame.columns)}."
    )


def write_scores(
    path: str | os.PathLike[str],
    ids: Sequence[str],
    labels: Sequence[str],
    probabilities: np.ndarray,
    *,
    top_k: int | None = None,
) -> None:
    """Write id, label and score of every series as CSV, and the scores of all labels.

    Args:
        path: to write.
        ids: one for each series.
        labels: one for each column of `probabilities`.
        probabilities: (series, labels), NaN rows where nothing was observed: their label stays empty.
        top_k: write the best labels with their scores instead of the scores of all.

    Raises:
        ValueError: `top_k` is not positive.
    """
    if top_k is not None and top_k < 1:
        raise ValueError(f"`top_k` must be at least 1, got {top_k}.")
    order = np.argsort(-probabilities, axis=1, kind="stable")
    count = min(top_k or 1, len(labels))
    ranks = range(2, count + 1)
    header = ["id", "label", "score", *(f"{name}_{rank}" for rank in ranks for name in ("label", "score"))]
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header if top_k else [*header, *labels])
        for name, best, scores in zip(ids, order[:, :count], probabilities, strict=True):
            if np.isnan(scores).any():
                writer.writerow([name])
                continue
            ranked = [cell for index in best for cell in (labels[index], f"{scores[index]:.4f}")]
            writer.writerow([name, *ranked, *([] if top_k else [f"{value:.4f}" for value in scores])])


def _read_frame(path: Path, suffix: str) -> Any:
    with needs_extra("data"):
        import pandas
        from pyarrow.lib import ArrowException
    read, form = (pandas.read_csv, "CSV") if suffix == ".csv" else (pandas.read_parquet, "Parquet file")
    errors = pandas.errors.ParserError, pandas.errors.EmptyDataError, UnicodeDecodeError, ArrowException, OSError
    try:
        return read(path)
    except errors as error:
        raise ValueError(f"{path.name} is no {form} that can be read: {first_line(error)}") from None


def _from_wide(frame: Any, timed: Mapping[str, NameParts], ids: str | None, path: Path) -> SeriesTable:
    dated = {name.date is not None for name in timed.values()}
    if len(dated) > 1:
        raise ValueError(f"Some columns of {path.name} have dates and others months: use one of them.")
    time_of: dict[str, Any] = {column: name.month if name.date is None else name.date for column, name in timed.items()}
    times = sorted(set(time_of.values()))
    present = {name.band for name in timed.values()}
    bands = [band for band in BANDS if band in present]
    values = np.full((len(frame), len(times), len(bands)), np.nan, dtype=np.float64)
    classes = np.zeros((len(frame), len(times)), dtype=np.float64)  # 0 is "no data" of the scene classification
    seen: dict[tuple[Any, Any], str] = {}
    for column, name in timed.items():
        key = name.band, time_of[column]
        if key in seen:
            raise ValueError(f"{path.name} gives {key[0]} of {key[1]} twice: {seen[key]} and {column}.")
        seen[key] = column
        cells = _numbers(frame[column], path)
        if name.band == SCENE_CLASSES:
            classes[:, times.index(key[1])] = np.nan_to_num(cells)
        else:
            values[:, times.index(key[1]), bands.index(str(name.band))] = cells
    shared: dict[str, Any] = {"bands": bands}
    shared |= {"dates": list(map(str, times))} if True in dated else {"months": [month - 1 for month in times]}
    items = [{"series": values, **shared} for values in _as_integers(values)]
    if SCENE_CLASSES in present:
        items = [{**item, "scl": scl.astype(np.uint8)} for item, scl in zip(items, classes, strict=True)]
    return SeriesTable(_row_ids(frame, ids), items)


def _from_long(frame: Any, names: Mapping[str, NameParts], ids: str | None, path: Path) -> SeriesTable:
    date, month = _column(frame, DATE_COLUMNS), _column(frame, MONTH_COLUMNS)
    if ids is None or (date is None and month is None):
        missing = "id" if ids is None else "date"
        raise ValueError(
            f"{path.name} has bands but no column {missing!r}: one row a time step needs id, date, B02, ...; one row a "
            "series needs the date in each column, B02_2018-05-14."
        )
    columns_of = {name.band: column for column, name in names.items()}
    if len(columns_of) < len(names):
        raise ValueError(f"{path.name} names a band twice: {', '.join(names)}.")
    bands = [band for band in BANDS if band in columns_of]
    if date is not None:
        times = parse_dates(frame[date].to_numpy())
    else:
        times = _numbers(frame[month], path)
        if not np.isin(times, np.arange(1, MONTHS_PER_YEAR + 1)).all():
            raise ValueError(f"The months of {path.name} must be 1 to 12, got {times.min():g} to {times.max():g}.")
        times = times - 1
    values = np.stack([_numbers(frame[columns_of[band]], path) for band in bands], axis=1)
    columns = {"series": _as_integers(values), "months" if date is None else "dates": times}
    if SCENE_CLASSES in columns_of:
        columns["scl"] = np.nan_to_num(_numbers(frame[columns_of[SCENE_CLASSES]], path)).astype(np.uint8)
    keys, first, inverse = np.unique(frame[ids].to_numpy().astype(str), return_index=True, return_inverse=True)
    rows = np.lexsort((times, inverse))
    cuts = np.flatnonzero(np.diff(inverse[rows])) + 1
    parts = {name: np.split(column[rows], cuts) for name, column in columns.items()}
    appearance = np.argsort(first)
    items = [{"bands": bands, **{name: part[index] for name, part in parts.items()}} for index in appearance]
    return SeriesTable([str(key) for key in keys[appearance]], items)


def _from_nested(frame: Any, ids: str | None, path: Path) -> SeriesTable:
    present = [name for name in SERIES_KEYS if name in frame.columns]
    items = []
    for index, row in enumerate(frame[present].to_dict("records")):
        # What is not equal to itself is NaN; an array has no single answer, and is there.
        item = {name: value for name, value in row.items() if value is not None and (np.ndim(value) or value == value)}
        if "series" not in item:
            raise ValueError(f"Row {index} of {path.name} has no series.")
        try:
            series = np.stack([np.asarray(values) for values in item["series"]])
            if series.ndim == 1:  # flat, as fixed-length lists are kept; the ten bands unless others are named
                series = series.reshape(-1, len(item.get("bands", BANDS)))
        except ValueError:
            where = f"row {index} of {path.name}"
            raise ValueError(f"The series in {where} is not (time, band): its time steps differ in length.") from None
        arrays = {name: np.asarray(item[name]) for name in ("dates", "months", "scl") if name in item}
        if "bands" in item:
            item["bands"] = np.asarray(item["bands"]).tolist()
        items.append({**item, "series": series, **arrays})
    return SeriesTable(_row_ids(frame, ids), items)


def _from_npz(path: Path) -> SeriesTable:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path.name} cannot be read as NPZ: {first_line(error)}") from None
    name = next((name for name in ("series", "X") if name in arrays), None)
    if name is None:
        raise ValueError(f"{path.name} has no array 'series' or 'X': its arrays are {_some(arrays)}.")
    series = arrays[name]
    if series.ndim == 2:
        series = series[None]
    if series.ndim not in (3, 5) or len(series) == 0:
        raise ValueError(f"{name!r} of {path.name} must be (series, time, band), got {series.shape}.")
    items: list[dict[str, Any]] = [{"series": values} for values in series]
    for key in SERIES_KEYS[1:]:
        if key in arrays:
            for item, value in zip(items, _for_each(arrays[key], key, len(items)), strict=True):
                item[key] = value
    ids = next((arrays[key] for key in (*ID_COLUMNS, "ids") if key in arrays), np.arange(len(items)))
    if ids.shape != (len(items),):
        raise ValueError(f"{path.name} has {ids.size} ids for {len(items)} series: give one for each.")
    return SeriesTable([str(name) for name in ids], items)


def _for_each(value: np.ndarray, key: str, count: int) -> Sequence[Any]:
    """Give one value for each series: shared ones are repeated."""
    if key == "bands":
        return [value.tolist()] * count
    per_series = value.ndim > 1 if key == "scl" else value.ndim == (2 if key in ("dates", "months") else 1)
    if not per_series:
        return [value if value.ndim else value.item()] * count
    if len(value) != count:
        raise ValueError(f"{key!r} has {len(value)} entries for {count} series: give one for all, or one for each.")
    return list(value) if value.ndim > 1 else list(value.tolist())


def _as_integers(values: np.ndarray) -> np.ndarray:
    """Turn digital numbers that empty cells made floats into integers again, so that their unit is plain."""
    present = values[~np.isnan(values)]
    if present.size and (present == np.rint(present)).all() and np.abs(present).max() > 2:
        return np.where(np.isnan(values), MISSING, values).astype(np.int32)
    return values.astype(np.float32)


def _numbers(column: Any, path: Path) -> np.ndarray:
    try:
        return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
    except (ValueError, TypeError):
        with needs_extra("data"):
            import pandas
        bad = column[pandas.to_numeric(column, errors="coerce").isna() & column.notna()]
        cell = next(iter([*bad, *column]))
        raise ValueError(f"The column {column.name!r} of {path.name} must hold numbers, got {cell!r}.") from None


def _column(frame: Any, spellings: Sequence[str]) -> str | None:
    lower = {column.lower(): column for column in reversed(list(frame.columns))}
    return next((lower[name.lower()] for name in spellings if name.lower() in lower), None)


def _row_ids(frame: Any, ids: str | None) -> list[str]:
    return [str(name) for name in (range(len(frame)) if ids is None else frame[ids])]


def _some(names: Any) -> str:
    listed = [str(name) for name in names]
    return ", ".join(listed[:6]) + (", ..." if len(listed) > 6 else "")
