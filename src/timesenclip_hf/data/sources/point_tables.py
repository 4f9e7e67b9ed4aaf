"""Read tables of points and labels: which row belongs to which series, where it lies, and what it says."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ...extras import needs_extra
from .countries import signed_longitude
from .frames import name_of, number_cells, read_frame, text_cells
from .geometries import NO_CRS
from .spellings import ID_COLUMNS, list_names

# A file, or columns.
Points: TypeAlias = str | os.PathLike[str] | Mapping[str, Sequence[Any]]

# Spellings of the columns of the schema, lower case; coordinates in metres go by some of them too.
SPELLINGS = {
    "longitude": ("longitude", "lon", "long", "lng", "x", "th_long", "point_long", "easting", "x_coord"),
    "latitude": ("latitude", "lat", "y", "th_lat", "point_lat", "northing", "y_coord"),
    "country": ("country", "nuts0", "point_nuts0"),
    "lc1": ("lc1", "survey_lc1"),
    "lu1": ("lu1", "survey_lu1"),
    "year": ("year",),
}
_COORDINATES = ("longitude", "latitude")
# Of geometries that are not points, in degrees.
GEOMETRY = "geometry"


class PointTable(NamedTuple):
    """Hold the columns of a table by the names of the schema, text but for coordinates, and notes on how it was read.

    Coordinates are floats, NaN where a row has none; geometries are of `shapely`; other empty cells are empty text.
    """

    columns: dict[str, Any]
    notes: list[str]


def read_labels(
    path: str | os.PathLike[str], ids: Sequence[str] | None = None, *, geometries: bool = False
) -> PointTable:
    """Read the columns of a table of labels, in the order of the series.

    Args:
        path: any table that [`read_frame`] reads.
        ids: of the series. Each takes the row that has its id, in a column such as `id` or `POINT_ID`, or in the only
            column that holds all ids. Where the ids only count the series and no column holds them, and where they are
            left out, the rows are taken in order.
        geometries: read those of a file whose rows are not points, as the column `geometry`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no column holds the ids, an id has no row or several, or a coordinate is no number.
    """
    frame = read_frame(path, geometry_column=GEOMETRY if geometries else None)
    notes = list(frame.attrs["notes"])
    shapes = frame.pop(GEOMETRY).to_numpy() if geometries and GEOMETRY in frame.columns else None
    cells = {name: ["" if text is None else text for text in text_cells(frame, name)] for name in frame.columns}
    id_column = _named_id(cells)
    order: Sequence[int] = range(len(frame))
    if ids is not None:
        id_column, order = _match(cells, id_column, list(ids), name_of(frame), notes)
    columns: dict[str, Any] = {} if id_column is None else {"point_id": [cells[id_column][row] for row in order]}
    for name, texts in cells.items():
        wanted = next((known for known, spellings in SPELLINGS.items() if name.lower() in spellings), name)
        if name == id_column or wanted in columns:
            continue
        columns[wanted] = number_cells(frame, name)[order] if wanted in _COORDINATES else [texts[row] for row in order]
        if wanted == "longitude" and (side := _side_column(name, cells)) is not None:
            sides = [cells[side][row] for row in order]
            columns[wanted] = np.asarray([signed_longitude(*pair) for pair in zip(columns[wanted], sides, strict=True)])
            notes.append(f"The longitudes of {name_of(frame)} have the sign that their column {side} tells.")
    if shapes is not None:
        columns[GEOMETRY] = shapes[np.asarray(order)]
    return PointTable(columns, notes)


def read_points(points: Points, crs: str | None = None, *, geometries: bool = False) -> PointTable:
    """Read points with their ids, `longitude` and `latitude` in degrees (WGS84), float64, NaN where there is none.

    Args:
        points: any table that [`read_frame`] reads, or columns.
        crs: coordinate reference system of the coordinates, where they are not longitude and latitude.
        geometries: give polygons and lines of a vector file, in degrees, as the column `geometry` in place of these.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the points have no coordinates, or numbers that cannot be degrees and no `crs`.
    """
    table, subject = PointTable({}, []), "The points have"
    if isinstance(points, Mapping):
        table.columns.update(points)
    else:
        table = read_labels(points, geometries=geometries)
        subject = f"{os.path.basename(points)} has"
    columns = table.columns
    if GEOMETRY in columns:
        columns.setdefault("point_id", [str(index) for index in range(len(columns[GEOMETRY]))])
        return table
    absent = next((name for name in _COORDINATES if name not in columns), None)
    if absent is not None and any(NO_CRS in note for note in table.notes):
        raise ValueError(f"The geometries of {os.path.basename(str(points))} {NO_CRS}: save the file again with it.")
    if absent is not None:
        raise ValueError(f"{subject} no column {absent!r}: the columns are {list_names(columns) or 'none'}.")
    x, y = (np.asarray(columns[name], dtype=np.float64) for name in _COORDINATES)
    if crs is None:
        _check_degrees(x, y, subject)
    else:
        x, y = _to_degrees(x, y, crs)
    columns |= {"longitude": x, "latitude": y}
    columns.setdefault("point_id", [str(index) for index in range(len(x))])
    return table


def _side_column(longitude: str, names: Iterable[str]) -> str | None:
    """Return the column with the side of the longitudes, "W" or "E", as LUCAS has TH_EW beside TH_LONG of 2009."""
    wanted = re.sub("long?(?:itude)?$", "ew", longitude.lower())
    return next((name for name in names if name.lower() == wanted != longitude.lower()), None)


def _named_id(cells: Mapping[str, Any]) -> str | None:
    lower = {name.lower(): name for name in reversed(list(cells))}
    return next((lower[name] for name in ID_COLUMNS if name in lower), None)


def _match(
    cells: Mapping[str, list[str]], named: str | None, ids: list[str], file: str, notes: list[str]
) -> tuple[str | None, list[int]]:
    """Return the column that names the rows, and the row of each series."""
    wanted, rows = set(ids), len(next(iter(cells.values())))
    holders = [name for name, texts in cells.items() if wanted <= set(texts)]
    column = named if named in holders else holders[0] if len(holders) == 1 else None
    if column is not None:
        if column != named:
            notes.append(f"The rows of {file} are matched by the column {column!r}, the only one with all ids.")
        return column, _rows_of(cells[column], ids, file, column)
    if ids == [str(index) for index in range(len(ids))]:
        if rows != len(ids):
            raise ValueError(f"{file} has {rows} rows for {len(ids)} series: give one for each, or ids.")
        notes.append(f"The series have no ids: the rows of {file} are matched in order.")
        return named, list(range(rows))
    if named is not None:
        absent = next(name for name in ids if name not in set(cells[named]))
        raise ValueError(f"{file} has no row for the series {absent!r} in its column {named!r}.")
    if holders:
        raise ValueError(f"{file} has the ids in several columns, {list_names(holders)}: call one of them id.")
    raise ValueError(
        f"No column of {file} holds the ids of the series, such as {ids[0]!r}: call the column with them id; the "
        f"columns are {list_names(cells)}."
    )


def _rows_of(texts: list[str], ids: list[str], file: str, column: str) -> list[int]:
    rows: dict[str, int] = {}
    wanted = set(ids)
    for row, text in enumerate(texts):
        if text in wanted and rows.setdefault(text, row) != row:
            raise ValueError(
                f"{file} has several rows for {text!r} in its column {column!r}: keep one for each series."
            )
    return [rows[name] for name in ids]


def _check_degrees(longitude: np.ndarray, latitude: np.ndarray, subject: str) -> None:
    wrong = np.flatnonzero((np.abs(longitude) > 180) | (np.abs(latitude) > 90))
    if len(wrong):
        row = wrong[0]
        raise ValueError(
            f"{subject} the coordinates {longitude[row]:.10g}, {latitude[row]:.10g}, which are no longitude and "
            "latitude in degrees: if they are metres, name their coordinate reference system, --points-crs EPSG:32631 "
            "(`points_crs` in Python)."
        )


def _to_degrees(x: np.ndarray, y: np.ndarray, crs: str) -> tuple[np.ndarray, np.ndarray]:
    """Transform coordinates to WGS84; NaN stays NaN, and so becomes what the system cannot place."""
    from ...gate.crs import read_crs

    with needs_extra("map"):
        from rasterio.warp import transform
    longitude, latitude = np.full((2, len(x)), np.nan)
    known = np.isfinite(x) & np.isfinite(y)
    if known.any():
        longitude[known], latitude[known] = transform(read_crs(crs), "EPSG:4326", x[known], y[known])
    longitude[~np.isfinite(longitude)] = np.nan
    latitude[~np.isfinite(latitude)] = np.nan
    return longitude, latitude
