"""Read long tables: a row for each time step of a series, or for each band of it."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...extras import needs_extra
from ...models.timesenclip.bands_timesenclip import BANDS, SCENE_CLASSES
from ...models.timesenclip.dates_timesenclip import combine_dates, read_times
from ...models.timesenclip.feature_extraction_timesenclip import MASKED_SCL
from .clear_flags import FLAG_COLUMNS, find_clouds
from .columns import Naming, date_column, file_days, image_days, name_rows, numbers_of_months
from .frames import find_column, name_of, number_cells, text_cells
from .spellings import DAY_COLUMNS, DOY_COLUMNS, FILE_COLUMN, IMAGE_COLUMNS, MONTH_COLUMNS, YEAR_COLUMNS, list_names

with needs_extra("data"):
    import pandas

TIME_COLUMNS = (*YEAR_COLUMNS, *MONTH_COLUMNS, *DOY_COLUMNS)
BASELINE_COLUMNS = ("processing_baseline", "s2:processing_baseline", "baseline", "proc_baseline")
OFFSET_COLUMNS = ("offset", "boa_add_offset", "boa_offset", "add_offset")
BAND_COLUMNS = ("band", "band_name", "bands", "variable", "spectral_band", "channel")
VALUE_COLUMNS = ("value", "reflectance", "val", "values", "surface_reflectance", "dn")
# The schema's value for missing, which needs more than the base install to be imported.
MISSING = -9999


class LongTable(NamedTuple):
    """Hold the ids of series in order of appearance, what the feature extractor takes, and what was understood."""

    ids: list[str]
    items: list[dict[str, Any]]
    notes: list[str]
    row_ids: list[str]  # of the series that each row is of


class TableTimes(NamedTuple):
    """Hold the time of each row, as "dates" or "months", the columns that it is from, and what was understood."""

    key: str
    times: np.ndarray  # (rows,) datetime64[D], or months from 0
    columns: tuple[str, ...]
    notes: list[str]


def has_times(frame: Any) -> bool:
    """Tell whether a table has a column for the time of each row."""
    is_timed = find_column(frame, (*MONTH_COLUMNS, *DOY_COLUMNS)) or date_column(frame)
    return (
        is_timed is not None
        or file_days(frame) is not None
        or any(
            image_days(frame, column) is not None for name in IMAGE_COLUMNS if (column := find_column(frame, [name]))
        )
    )


def read_long(frame: Any, bands: Mapping[str, str], id_column: str | None) -> LongTable:
    """Read a table with a row for each time step.

    Args:
        frame: from [`read_frame`], of columns for the series, the time and the bands.
        bands: of each column of a band, "B02" to "B12" or "SCL".
        id_column: column that names the series; one of the usual ones, or the place, when left out.

    Raises:
        ValueError: columns for the series or the time are missing, or cells cannot be read.
    """
    names = [band for band in BANDS if band in bands.values()]
    column_of = {band: column for column, band in bands.items()}
    values = np.stack([number_cells(frame, column_of[band]) for band in names], axis=1)
    times = read_row_times(frame, empty=np.isnan(values).all(axis=1))
    naming = _named(frame, id_column, {*bands, *times.columns}, times.times)
    clouds = find_clouds(frame[[column for column in frame.columns if column not in bands]])
    values[clouds.hidden] = np.nan
    columns: dict[str, np.ndarray] = {"series": values, times.key: times.times, **read_offsets(frame)}
    if SCENE_CLASSES in column_of:
        classes = number_cells(frame, column_of[SCENE_CLASSES])
        columns["scl"] = np.nan_to_num(classes).astype(np.uint8)
    notes = [f"A row is a time step of a series, its bands are {', '.join(names)}.", *naming.notes, *times.notes]
    row_ids = naming.ids or []
    inverse, keys = pandas.factorize(np.asarray(row_ids, dtype=object))
    inverse, columns, repeats = _merge_repeats(inverse, columns, times.key)
    notes += [*clouds.notes, *repeats]
    columns["series"] = as_integers(columns["series"])
    rows = np.lexsort((columns[times.key], inverse))
    cuts = np.flatnonzero(np.diff(inverse[rows])) + 1
    parts = {key: np.split(column[rows], cuts) for key, column in columns.items()}
    items = [{"bands": names, **{key: part[index] for key, part in parts.items()}} for index in range(len(keys))]
    return LongTable(keys.tolist(), items, notes, row_ids)


def read_row_times(frame: Any, empty: np.ndarray) -> TableTimes:
    """Read the time of each row, by a date, an image's id, or a year with months, days or days of the year.

    Args:
        frame: from [`read_frame`].
        empty: (rows,), True where a row holds no values, and needs no time.

    Raises:
        ValueError: there is no such column, or a cell is no date.
    """
    name = name_of(frame)
    year, month, day, doy = (
        find_column(frame, names) for names in (YEAR_COLUMNS, MONTH_COLUMNS, DAY_COLUMNS, DOY_COLUMNS)
    )
    date = date_column(frame)
    if date is not None:
        days = image_days(frame, date)
        times = _dated(text_cells(frame, date) if days is None else list(days), date, empty, name)
        _check_agreement(frame, times.times, date, month)
        return times
    months = None if month is None else numbers_of_months(frame, month)
    if month is not None and months is None:
        return _dated(text_cells(frame, month), month, empty, name)
    if year is not None and (month is not None or doy is not None):
        parts = {"year": year, "doy": doy} if month is None else {"year": year, "month": month, "day": day}
        return _combined(frame, {part: column for part, column in parts.items() if column}, months, empty)
    if month is not None and months is not None:
        _check_known(~np.isnan(months) | empty, [month], name)
        notes = [f"The column {month} gives months of one year, 1 is January."]
        return TableTimes("months", np.nan_to_num(months, nan=1.0) - 1, (month,), notes)
    if doy is not None:
        raise ValueError(f"{name} has days of the year, {doy!r}, but no column 'year': add one.")
    for column in filter(None, (find_column(frame, [known]) for known in IMAGE_COLUMNS)):
        if (days := image_days(frame, column)) is not None:
            times = _dated(list(days), column, empty, name)
            return times._replace(columns=(), notes=[f"The dates are those of the images in {column}.", *times.notes])
    if (dates_of_files := file_days(frame)) is not None:
        return TableTimes(
            "dates", np.asarray(dates_of_files), (FILE_COLUMN,), ["The dates are those in the names of the files."]
        )
    raise ValueError(
        f"{name} has bands but no column 'date': one row a time step needs id, date, B02, ...; one row a series needs "
        f"the date in each column, B02_2018-05-14. Its columns are "
        f"{list_names(frame.columns)}."
    )


def _check_agreement(frame: Any, dates: np.ndarray, date: str, month: str | None) -> None:
    """Raise ValueError where rows have other times than their dates, which then are of a survey or a harvest."""
    others: dict[str, np.ndarray] = {}
    if month is not None and month != date and (months := numbers_of_months(frame, month)) is not None:
        others[month] = (months != dates.astype("datetime64[M]").astype(np.int64) % 12 + 1) & ~np.isnan(months)
    for column in filter(None, (find_column(frame, [known]) for known in IMAGE_COLUMNS)):
        if column != date and (days := image_days(frame, column)) is not None:
            of_images = read_times(list(days)).times.astype("datetime64[D]")
            others[column] = np.abs(of_images - dates) > np.timedelta64(1, "D")  # a day may begin elsewhere
    for column, differs in others.items():
        if not differs.any():
            continue
        row = int(np.flatnonzero(differs)[0])
        raise ValueError(
            f"Row {row + 1} of {name_of(frame)} has the {date} {dates[row]}, but {text_cells(frame, column)[row]} in "
            f"{column}: remove or rename the one that is not the time of the row."
        )


def is_tidy(frame: Any) -> bool:
    """Tell whether a table has a row for each band, with its name in one column and its value in another."""
    return find_column(frame, BAND_COLUMNS) is not None and find_column(frame, VALUE_COLUMNS) is not None


def spread_bands(frame: Any, id_column: str | None) -> tuple[Any, list[str] | None]:
    """Turn a table with a row for each band into one with a column for each; of values given twice take the median.

    Returns:
        The table, and the ids of the rows as they were, None where nothing names them.
    """
    band, value = find_column(frame, BAND_COLUMNS), find_column(frame, VALUE_COLUMNS)
    numbers = number_cells(frame, str(value))
    taken = [column for name in TIME_COLUMNS if (column := find_column(frame, [name]))]
    taken += [column for column in (date_column(frame),) if column is not None]
    naming = name_rows(frame, id_column, repeated=True, taken={str(band), str(value), *taken})
    others = (*BASELINE_COLUMNS, *OFFSET_COLUMNS, *FLAG_COLUMNS, FILE_COLUMN)
    columns = [naming.column, *(find_column(frame, [name]) for name in others)]
    keys = list(dict.fromkeys([*taken, *(column for column in columns if column is not None)]))
    spread = frame[keys].assign(**{"id": naming.ids} if naming.ids and naming.column is None else {})
    keys = list(spread.columns)
    spread = spread.assign(_band=text_cells(frame, str(band)), _value=numbers)
    spread = spread[spread["_band"].notna()]
    spread = spread.groupby([*keys, "_band"], dropna=False, sort=False)["_value"].median().unstack("_band")
    spread = spread.reset_index()
    spread.attrs = dict(frame.attrs)
    return spread, naming.ids


def as_integers(values: np.ndarray) -> np.ndarray:
    """Turn digital numbers that empty cells made floats into integers again, so that their unit is plain."""
    present = values[~np.isnan(values)]
    if present.size and (present == np.rint(present)).all() and np.abs(present).max() > 2:
        return np.where(np.isnan(values), MISSING, values).astype(np.int32)
    return values.astype(np.float32)


def _named(frame: Any, id_column: str | None, taken: set[Any], times: np.ndarray) -> Naming:
    """Find the ids of rows; where no column could have them, a file in which no time comes twice is one series."""
    naming = name_rows(frame, id_column, repeated=True, taken=taken)
    if naming.ids is not None:
        return naming
    files = frame[FILE_COLUMN].tolist() if FILE_COLUMN in frame.columns else [name_of(frame)] * len(frame)
    known = {find_column(frame, [name]) for name in (*BASELINE_COLUMNS, *OFFSET_COLUMNS, *FLAG_COLUMNS, FILE_COLUMN)}
    others = [column for column in frame.columns if column not in taken | known]
    is_single = FILE_COLUMN not in taken and all(len(set(text_cells(frame, column))) == 1 for column in others)
    if not is_single or pandas.DataFrame({"file": files, "time": times}).duplicated().any():
        raise ValueError(
            f"{name_of(frame)} has bands but no column 'id': name the column of the series with `id_column`, "
            f"one of {list_names(others) or 'none'}; a table of one row a series needs the date in each "
            "column, B02_2018-05-14."
        )
    ids = [file.partition(".")[0] for file in files]
    return Naming(ids, None, ["No column names the series, and no time comes twice: each file is one series."])


def _dated(texts: Sequence[str | None], column: str, empty: np.ndarray, name: str) -> TableTimes:
    known = np.asarray([text is not None for text in texts])
    _check_known(known | empty, [column], name)
    dates = np.full(len(known), np.datetime64("NaT", "D"))
    codes, unique = pandas.factorize(np.asarray(texts, dtype=object))
    try:
        read = read_times(list(unique))
    except ValueError as error:
        raise ValueError(f"The column {column!r} of {name}: {error}") from None
    dates[known] = read.times.astype("datetime64[D]")[codes[known]]
    return TableTimes("dates", _filled(dates), (column,), read.notes)


def _combined(frame: Any, columns: Mapping[str, str], months: np.ndarray | None, empty: np.ndarray) -> TableTimes:
    """Make dates of columns for the year and the month, day or day of the year."""
    numbers: dict[str, Any] = {
        part: months if part == "month" else number_cells(frame, column) for part, column in columns.items()
    }
    known = ~np.any([np.isnan(cells) for cells in numbers.values()], axis=0)
    _check_known(known | empty, list(columns.values()), name_of(frame))
    of = {part: cells[known] for part, cells in numbers.items()}
    dates = np.full(len(frame), np.datetime64("NaT", "D"))
    dates[known] = combine_dates(of["year"], of.get("month"), of.get("day"), days_of_year=of.get("doy"))
    used = tuple(columns.values())
    return TableTimes("dates", _filled(dates), used, [f"The dates are from {', '.join(used)}."])


def _filled(dates: np.ndarray) -> np.ndarray:
    """Give rows without values and without a date the first date that there is."""
    missing = np.isnat(dates)
    return np.where(missing, dates[~missing].min() if (~missing).any() else np.datetime64("2018-01-01"), dates)


def _check_known(known: np.ndarray, columns: Sequence[str], name: str) -> None:
    if not known.all():
        row = int(np.flatnonzero(~known)[0])
        raise ValueError(f"Row {row + 1} of {name} has values but nothing in {' and '.join(columns)}: give its date.")


def read_offsets(frame: Any) -> dict[str, np.ndarray]:
    """Read the offset of each row, or the processing baseline that tells it."""
    if (column := find_column(frame, OFFSET_COLUMNS)) is not None:
        offsets = np.abs(number_cells(frame, column))
        # In units of reflectance, as STAC's -0.1, or in digital numbers.
        return {"offset": np.where(offsets < 1, np.rint(offsets * 10_000), offsets)}
    if (column := find_column(frame, BASELINE_COLUMNS)) is not None:
        # "0301" that lost its zero on the way is not 301.
        texts = [text and re.sub(r"^(\d{3})$", r"0\1", text) for text in text_cells(frame, column)]
        return {"processing_baseline": np.asarray(texts, dtype=object)}
    return {}


def _merge_repeats(
    series: np.ndarray, columns: dict[str, np.ndarray], key: str
) -> tuple[np.ndarray, dict[str, np.ndarray], list[str]]:
    """Leave out rows that repeat another; of several for one month without a year take the median of the clear ones."""
    pairs = np.stack([series, columns[key].astype(np.int64)], axis=1)
    if not pandas.DataFrame(pairs).duplicated().any():
        return series, columns, []
    unique, inverse, counts = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    inverse = np.ravel(inverse)
    if key == "months":
        if any(len(set(columns[name].tolist())) > 1 for name in ("offset", "processing_baseline") if name in columns):
            raise ValueError("Several rows of one month have different offsets: give them dates, in a column 'date'.")
        values = columns["series"].copy()
        if "scl" in columns:
            values[np.isin(columns["scl"], MASKED_SCL)] = np.nan
        return _medians(unique, inverse, values, columns)
    repeats = int((counts > 1).sum())
    other = [
        np.ravel(np.unique(column.astype(str), return_inverse=True)[1])
        for name, column in columns.items()
        if name not in (key, "series")
    ]
    rows = np.column_stack([pairs, *other, np.nan_to_num(columns["series"], nan=-1e30)])
    kept = np.sort(np.unique(rows, axis=0, return_index=True)[1])
    notes = (
        [f"{len(pairs) - len(kept)} rows are the same as another and are left out."] if len(kept) < len(pairs) else []
    )
    if len(kept) > len(unique):
        notes.append(f"{repeats} dates of a series have several rows: all of them count in its composites.")
    return series[kept], {name: column[kept] for name, column in columns.items()}, notes


def _medians(
    unique: np.ndarray, inverse: np.ndarray, values: np.ndarray, columns: dict[str, np.ndarray]
) -> tuple[np.ndarray, dict[str, np.ndarray], list[str]]:
    order = np.argsort(inverse, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(inverse[order])) + 1)
    merged = np.full((len(groups), values.shape[1]), np.nan)
    for index, rows in enumerate(groups):
        clear = rows[~np.isnan(values[rows]).all(axis=1)]
        if len(clear):
            merged[index] = np.nanmedian(values[clear], axis=0) if len(clear) > 1 else values[clear[0]]
    others = {
        name: column[[rows[0] for rows in groups]] for name, column in columns.items() if name not in ("series", "scl")
    }
    others["months"] = unique[:, 1].astype(np.float64)
    return unique[:, 0], {"series": merged, **others}, ["Several rows of one month are read as their median."]
