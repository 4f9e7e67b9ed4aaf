"""Read examples, series whose class is known: from a table, from points or polygons over a cube, from a dataset."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from ..data.sources.npz_tables import SeriesTable, read_arrays, read_npz
from ..data.sources.spellings import FILE_COLUMN, list_names
from ..data.sources.tables import read_table
from ..extras import needs_extra
from ..models.timesenclip.bands_timesenclip import BANDS
from ..models.timesenclip.options_timesenclip import SeriesOptions, take_steps

Strings = list[str]
Columns = Mapping[str, Sequence[Any]]


@dataclass(frozen=True, eq=False)
class Examples:
    """Hold series whose class is known.

    Attributes:
        series: of each example, an array (time, band), or a dictionary with "series" and any field of
            [`SeriesOptions`]; an array (examples, time, band) is such a sequence.
        labels: name of the class of each, empty where none is known.
        groups: name of what each belongs to, such as a farm or a region, or None. Examples of one group are never
            asked about each other.
        longitude: WGS84 degrees (examples,), NaN where not known, or None.
        latitude: as the longitude.
        reading: what the numbers of the series mean.
        left_out: how many examples the source held that are not among these, by reason.
        notes: sentences about how the source was read.

    Raises:
        ValueError: labels, groups or places are not as many as the series.
    """

    series: Sequence[Any] | np.ndarray
    labels: Sequence[str]
    groups: Sequence[str] | None = None
    longitude: np.ndarray | None = None
    latitude: np.ndarray | None = None
    reading: SeriesOptions = field(default_factory=SeriesOptions)
    left_out: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in ("labels", "groups", "longitude", "latitude"):
            values = getattr(self, name)
            if values is not None and len(values) != len(self.series):
                raise ValueError(f"There are {len(values)} {name} for {len(self.series)} series: give one for each.")

    def __len__(self) -> int:
        return len(self.series)

    def select(self, rows: np.ndarray) -> "Examples":
        """Take some of the examples, by their numbers."""
        chosen: dict[str, Any] = {}
        for name in ("series", "labels", "groups", "longitude", "latitude"):
            values = getattr(self, name)
            if values is not None:
                chosen[name] = values[rows] if isinstance(values, np.ndarray) else [values[row] for row in rows]
        return replace(self, **chosen)


def examples_from_table(
    path: str | os.PathLike[str],
    label_column: str,
    *,
    labels: str | os.PathLike[str] | None = None,
    group_column: str | None = None,
    id_column: str | None = None,
    crs: str | None = None,
    reading: SeriesOptions | None = None,
) -> Examples:
    """Read examples from a table of series, in any layout that `timesenclip classify` reads.

    Args:
        path: of the table; in one of several rows a series, these have the same label.
        label_column: with the names of the classes.
        labels: another table with a row a series that has this column, matched by its id.
        group_column: with the names of what the examples belong to.
        id_column: that names the series, where it is none of the usual ones.
        crs: reference system of coordinates in the table that are not longitude and latitude.
        reading: what the numbers of the series mean.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the table cannot be read, lacks a column, or gives a series several labels.
    """
    steps, options = take_steps(reading or SeriesOptions())
    name = Path(labels or path).name
    notes: Strings = []
    if labels is not None:
        from ..data.sources.point_tables import read_labels

        table = read_table(path, id_column=id_column, steps=steps)
        columns, notes = read_labels(labels, table.ids)
        wanted = _wanted(columns, {"label": label_column, "group": group_column}, name)
    elif Path(path).suffix.lower() == ".npz":
        table, columns = read_npz(Path(path), steps), _columns_of_arrays(Path(path))
        wanted = _wanted(columns, {"label": label_column, "group": group_column}, name)
    else:
        from ..data.sources.frame_tables import table_from_frame  # what NPZ does not need: the extra `data`
        from ..data.sources.frames import read_frame, text_cells

        frame = read_frame(path, file_column=FILE_COLUMN)
        wanted = _wanted(frame.columns, {"label": label_column, "group": group_column}, name)
        columns = {column: text_cells(frame, column) for column in {*wanted.values(), *_coordinates(frame.columns)}}
        # What says the class is nothing that the series are read from.
        table = table_from_frame(frame.drop(columns=wanted["label"]), id_column=id_column, steps=steps)
    cells = {column: _of_series(table, values, column, name) for column, values in columns.items()}
    longitude, latitude, more = _places(cells, crs)
    names = [(text or "").strip() for text in cells[wanted["label"]]]
    groups = [text or "" for text in cells[wanted["group"]]] if "group" in wanted else None
    return Examples(table.series, names, groups, longitude, latitude, options, notes=[*table.notes, *notes, *more])


def examples_from_points(
    cube: Any,
    points: str | os.PathLike[str],
    label_column: str,
    *,
    group_column: str | None = None,
    crs: str | None = None,
    reading: SeriesOptions | None = None,
) -> Examples:
    """Read the series of labelled points or polygons out of a cube.

    Args:
        cube: from [`open_cube`].
        points: table or vector file. A polygon stands for the pixels whose centres lie in it, 100 evenly spread at
            most; they are one group where no column names another.
        label_column: with the names of the classes.
        group_column: with the names of what the examples belong to.
        crs: reference system of the points' coordinates, where they are not longitude and latitude.
        reading: how the series are read, where the cube does not tell.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a column is missing, or no point lies in the cube.
    """
    from ..data.sources.cubes import dataset_from_points
    from ..data.sources.point_tables import GEOMETRY, PointTable, read_points

    table = read_points(points, crs, geometries=True)
    columns, name = table.columns, Path(points).name
    wanted = _wanted(columns, {"label": label_column, "group": group_column}, name)
    labels = [str(text).strip() for text in columns[wanted["label"]]]
    # The other columns stay here: in a dataset some of their names have a meaning, such as LUCAS's crops.
    kept = {key: columns[key] for key in ("point_id", "longitude", "latitude", GEOMETRY) if key in columns}
    problems: list[Any] = []
    places = PointTable({**kept, "row": list(range(len(labels)))}, [])
    dataset = dataset_from_points(cube, places, reading, problems=problems)
    rows = dataset["row"][:]
    groups = None
    if "group" in wanted or GEOMETRY in columns:
        names = columns[wanted.get("group", "point_id")]
        groups = [str(names[row]) for row in rows]
    left_out: dict[str, int] = {}
    for problem in problems:
        left_out[problem.reason] = left_out.get(problem.reason, 0) + 1
    notes = [*cube.attrs.get("notes", ()), *table.notes]
    if GEOMETRY in columns:
        notes.append(f"The {len(labels)} geometries of {name} are read as {len(rows)} pixels.")
    read = _from_rows(dataset, [labels[row] for row in rows], groups)
    return replace(read, left_out=left_out, notes=notes)


def examples_from_dataset(
    name: str | os.PathLike[str], label_column: str, *, group_column: str | None = None, split: str = "all"
) -> Examples:
    """Read examples from a dataset of the schema.

    Args:
        name: folder of an import or of `save_to_disk`, or Hub id.
        label_column: with the names of the classes; of the classes of the schema their names are taken.
        group_column: with the names of what the examples belong to.
        split: of the dataset, or "all".

    Raises:
        FileNotFoundError: no such dataset.
        ValueError: a column is missing, or there is no such split.
    """
    from ..data.opening import read_dataset

    dataset = read_dataset(name, split)
    wanted = _wanted(dataset.column_names, {"label": label_column, "group": group_column}, Path(name).name)
    _wanted(dataset.column_names, {"series": "series", "months": "months"}, Path(name).name)
    groups = [str(text) for text in dataset[wanted["group"]][:]] if "group" in wanted else None
    return _from_rows(dataset, _names(dataset, wanted["label"]), groups)


def is_dataset(source: str | os.PathLike[str]) -> bool:
    """Tell a dataset, a folder of an import or of `save_to_disk` or a Hub id, from a table or a folder of tables."""
    folder = Path(source)
    if folder.is_dir():
        marks = ("state.json", "dataset_dict.json", "import_report.json")
        return any((folder / mark).exists() for mark in marks) or any(folder.glob("*/*.parquet"))
    return not folder.exists() and not folder.suffix and len(folder.parts) == 2 and not folder.is_absolute()


def _wanted(columns: Any, asked: Mapping[str, str | None], name: str) -> dict[str, str]:
    """Find columns by name, whatever their capitals; raise `ValueError`, with the nearest, where one is not there."""
    known = [str(column) for column in columns if column != FILE_COLUMN]
    lower = {column.lower(): column for column in reversed(known)}
    names = {}
    for use, wanted in asked.items():
        if wanted is None:
            continue
        column = wanted if wanted in known else lower.get(wanted.lower())
        if column is None:
            near = get_close_matches(wanted.lower(), lower, n=1)
            hint = f"the nearest is {lower[near[0]]!r}, " if near else ""
            raise ValueError(f"{name} has no column {wanted!r}: {hint}its columns are {list_names(known) or 'none'}.")
        names[use] = column
    return names


def _columns_of_arrays(path: Path) -> dict[str, Sequence[Any]]:
    """Return the arrays of an NPZ that hold a value for each of several things, as text."""
    return {
        name: [str(value) for value in array.tolist()] for name, array in read_arrays(path).items() if array.ndim == 1
    }


def _of_series(table: SeriesTable, cells: Sequence[Any], column: str, name: str) -> list[Any]:
    """Return the cell of each series from those of the rows, which agree where a series has several.

    Raises:
        ValueError: they do not, or are not as many.
    """
    if len(cells) == len(table):
        return list(cells)
    if table.row_ids is None or len(table.row_ids) != len(cells):
        raise ValueError(f"{column!r} of {name} has {len(cells)} values for {len(table)} series: give one for each.")
    of_series: dict[str, Any] = {}
    for row_id, cell in zip(table.row_ids, cells, strict=True):
        if cell is None:
            continue
        if of_series.setdefault(row_id, cell) != cell:
            raise ValueError(
                f"The series {row_id!r} of {name} has both {of_series[row_id]!r} and {cell!r} in the column "
                f"{column!r}: write the same in all of its rows."
            )
    return [of_series.get(series_id) for series_id in table.ids]


def _coordinates(columns: Any) -> Strings:
    """Return the columns with longitude and latitude, or none where one is absent."""
    from ..data.sources.point_tables import SPELLINGS

    lower = {str(column).lower(): str(column) for column in reversed(list(columns))}
    known = [
        next((lower[spelling] for spelling in SPELLINGS[name] if spelling in lower), None)
        for name in ("longitude", "latitude")
    ]
    return [column for column in known if column is not None] if None not in known else []


def _places(cells: Columns, crs: str | None) -> tuple[np.ndarray | None, np.ndarray | None, Strings]:
    """Read longitude and latitude of the examples, where there are columns of them, and say why they are not read."""
    columns = _coordinates(cells)
    if not columns:
        return None, None, []
    from ..data.sources.point_tables import read_points

    x, y = (np.asarray([_number(cell) for cell in cells[column]]) for column in columns)
    if crs is None and ((np.abs(x) > 180) | (np.abs(y) > 90)).any():
        return (
            None,
            None,
            [f"The columns {' and '.join(columns)} are no degrees: --points-crs (`crs` in Python) names their system."],
        )
    columns_of: dict[str, Any] = {"longitude": x, "latitude": y}
    places = read_points(columns_of, crs).columns
    return places["longitude"], places["latitude"], []


def _number(cell: Any) -> float:
    try:
        return float("nan" if cell in (None, "") else str(cell).replace(",", "."))
    except ValueError:
        return float("nan")


def _names(dataset: Any, column: str) -> Strings:
    """Return the names of classes of a column, empty where none is known."""
    names = getattr(dataset.features[column], "names", None)
    values = dataset[column][:]
    if names is None:
        return ["" if value is None else str(value).strip() for value in values]
    return ["" if value is None or value < 0 else names[value] for value in values]


def _lists(column: Any) -> list[np.ndarray]:
    """Cut an Arrow column of lists into arrays, without a Python object for any of their values."""
    with needs_extra("data"):
        import pyarrow.compute as pc
    values, lengths = column.combine_chunks(), pc.list_value_length(column).to_numpy()
    return np.split(np.asarray(values.flatten().to_numpy(zero_copy_only=False)), np.cumsum(lengths)[:-1])


def _from_rows(dataset: Any, labels: Strings, groups: Strings | None) -> Examples:
    """Make examples of rows of the schema, whose series are digital numbers without offset."""
    times = "dates" if "dates" in dataset.column_names else "months"
    table = dataset.select_columns(["series", times]).with_format("arrow")[:]
    pairs = zip(_lists(table["series"]), _lists(table[times]), strict=True)
    items = [{"series": series.reshape(-1, len(BANDS)), times: when} for series, when in pairs]
    degrees = [
        np.asarray([np.nan if value is None else value for value in dataset[name][:]], dtype=np.float64)
        for name in ("longitude", "latitude")
        if name in dataset.column_names
    ]
    longitude, latitude = degrees if len(degrees) == 2 else (None, None)
    return Examples(items, labels, groups, longitude, latitude, SeriesOptions(units="dn", offset=0.0))
