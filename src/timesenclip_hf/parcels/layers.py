"""Read layers of points and polygons, and write them, with all attributes, geometries, system and order as they are."""

import os
from collections.abc import Iterable
from numbers import Number
from pathlib import Path
from typing import Any

import numpy as np

from ..data.sources.frames import read_parquet, split_part
from ..data.sources.geometries import VectorLayer, gdal_settings, known_crs, open_vector, split_geometry
from ..extras import needs_extra
from ..files import first_line, whole_file
from ..files.outputs import check_file
from ..gate import admit
from ..gate.kinds import GEOPACKAGE, JSON, PARQUET

with needs_extra("data"):
    import geopandas
    import pandas
    import pyarrow as pa
    import pyogrio
    import shapely

# Endings of the files that are written, and GDAL's names of their formats.
FORMATS = {
    ".gpkg": "GPKG",
    ".parquet": "Parquet",
    ".geoparquet": "Parquet",
    ".geojson": "GeoJSON",
    ".json": "GeoJSON",
    ".fgb": "FlatGeobuf",
}
_OPTIONS: dict[str, dict[str, Any]] = {
    # As many as a double holds; GDAL rounds degrees to seven places.
    "GeoJSON": {"COORDINATE_PRECISION": 15},
    # An index puts the features into the order of space, and takes none without a geometry.
    "FlatGeobuf": {"SPATIAL_INDEX": False},
}
# Where numbers of features go in a GeoPackage whose column `fid` is something else; how GDAL calls those of GeoJSON.
_NUMBER, _JSON_NUMBER = "ogc_fid", "OGC_FID"
_NULLABLE = {
    pa.bool_(): pandas.BooleanDtype(),
    pa.int8(): pandas.Int8Dtype(),
    pa.int16(): pandas.Int16Dtype(),
    pa.int32(): pandas.Int32Dtype(),
    pa.int64(): pandas.Int64Dtype(),
    pa.uint8(): pandas.UInt8Dtype(),
    pa.uint16(): pandas.UInt16Dtype(),
    pa.uint32(): pandas.UInt32Dtype(),
    pa.uint64(): pandas.UInt64Dtype(),
}
_REFUSALS = (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, pa.ArrowException, TypeError, ValueError)


def read_layer(path: str | os.PathLike[str], *, layer: str | None = None) -> geopandas.GeoDataFrame:
    """Read a layer of points or polygons, its features in their order, whatever their geometries.

    Numbers of features that a GeoPackage or GeoJSON keeps beside the attributes are a column, `fid` and `id`, where
    they do more than count.

    Args:
        path: a GeoPackage, GeoParquet (1.1, and 2.0 with Parquet's own geometry type), GeoJSON, Shapefile or
            FlatGeobuf; its content tells which. `fields.gpkg:name` names a layer too.
        layer: its name, where the file has several.

    Returns:
        The attributes by their names, then the geometries (null where a feature has none, Z kept); integers and
        booleans of which some are missing have pandas' nullable types.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is not admitted or read, has several layers, no geometries, no coordinate reference system,
            no features, or a column twice.
    """
    file, part = (Path(path), layer) if layer is not None else split_part(Path(path))
    kind = admit(file)
    if kind == PARQUET and layer is not None:
        raise ValueError(f"{file.name} is Parquet, which has no layers: leave the layer {layer!r} out.")
    if kind == PARQUET:
        read = split_geometry(read_parquet(file))
    else:
        read = _without_counts(open_vector(file, part, numbers=kind in (GEOPACKAGE, JSON)), kind)
    if read.geometry is None:
        raise ValueError(f"{file.name} has no geometries: give a layer of points or polygons.")
    if read.crs is None:
        raise ValueError(
            f"{file.name} has no coordinate reference system that is known: save it again with one, such as EPSG:4326."
        )
    if not read.geometry:
        raise ValueError(f"{file.name} has no features: give a layer that holds some.")
    names = [*read.attributes.column_names, read.name]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{file.name} names the column {twice!r} twice: give each column a name of its own.")
    columns = {name: _series(read.attributes.column(name)) for name in read.attributes.column_names}
    shapes = _shapes(read.geometry, file.name)
    return geopandas.GeoDataFrame({**columns, read.name: shapes}, geometry=read.name, crs=read.crs)


def check_output(
    path: str | os.PathLike[str], *, overwrite: bool = False, inputs: Iterable[str | os.PathLike[str]] = ()
) -> Path:
    """Return where a layer may be written; call it before what takes long.

    Args:
        path: of the file.
        overwrite: replace one that is there.
        inputs: what is read for it, which it must not replace.

    Raises:
        ValueError: its ending names no format that is written.
        OSError: it cannot be written; the sentence says why.
    """
    _format_of(Path(path))
    return check_file(path, overwrite=overwrite, inputs=inputs)


def write_layer(frame: geopandas.GeoDataFrame, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write a layer whole or not at all, as it is: attributes, geometries, coordinate reference system, order.

    Args:
        frame: with a coordinate reference system.
        path: a GeoPackage (.gpkg), GeoParquet 1.1 (.parquet), GeoJSON (.geojson, .json) or FlatGeobuf (.fgb).
        overwrite: replace a file that is there.

    Raises:
        ValueError: the ending names no format that is written, Shapefile among them; the layer has no reference
            system, or the format cannot hold it or a column.
        OSError: it cannot be written; the sentence says why.
    """
    path = Path(path)
    form = _format_of(path)
    if frame.crs is None:
        raise ValueError("The layer has no coordinate reference system: set one, frame.set_crs(32631).")
    with whole_file(path, overwrite=overwrite) as partial:
        try:
            _check_columns(frame, form)
            if form == "Parquet":
                frame.to_parquet(partial, index=False, schema_version="1.1.0")
            else:
                _write_vector(frame, partial, form)
        except _REFUSALS as error:
            raise _refusal(path, first_line(error)) from None


def _check_columns(frame: geopandas.GeoDataFrame, form: str) -> None:
    """Raise a ValueError of a column whose values would be lost or are of several kinds."""
    for name in (each for each in frame.columns if pandas.api.types.is_object_dtype(frame[each])):
        kinds = {type(value) for value in frame[name][frame[name].notna()]}
        if len(kinds) > 1 and not all(issubclass(kind, Number) for kind in kinds):
            raise ValueError(f"its column {name!r} holds values of several kinds: make them text")
        if dict in kinds and form != "Parquet":  # GDAL makes columns of their fields, whose nulls are zeros
            raise ValueError(f"its column {name!r} holds objects, which {form} has no place for")


def _write_vector(frame: geopandas.GeoDataFrame, path: Path, form: str) -> None:
    shapes = frame.geometry
    known = shapes[shapes.notna()]
    is_uniform = len(set(zip(known.geom_type, known.has_z, strict=True))) == 1
    if form == "FlatGeobuf" and known.has_z.any() and not is_uniform:
        raise ValueError("it has heights of one kind of geometry only")
    options = dict(_OPTIONS.get(form, {}))
    if form == "GPKG":
        options["FID"] = _number_column(frame)
    pyogrio.write_dataframe(
        frame,
        path,
        layer=path.stem,
        driver=form,
        use_arrow=True,
        promote_to_multi=False,
        geometry_type=None if is_uniform else "Unknown",
        **options,
    )
    with gdal_settings():
        crs = known_crs(pyogrio.read_info(path)["crs"])
    if crs is None or not crs.equals(frame.crs, ignore_axis_order=True):
        raise ValueError(f"it cannot say the coordinate reference system {frame.crs.name}")


def _format_of(path: Path) -> str:
    """Return the format that a name asks for, or raise a ValueError."""
    ending = path.suffix.lower()
    if ending == ".shp":
        raise ValueError(
            f"{path.name} is not written as a Shapefile, which cuts the names of columns to ten letters: write "
            f"{path.stem}.gpkg."
        )
    if ending not in FORMATS:
        raise ValueError(f"{path.name} has no ending of a layer that is written: give {', '.join(FORMATS)}.")
    return FORMATS[ending]


def _refusal(path: Path, reason: str) -> ValueError:
    return ValueError(f"{path.name} cannot be written ({reason}): write {path.stem}.parquet, which holds most.")


def _series(column: pa.ChunkedArray) -> pandas.Series:
    """Turn a column into pandas' so that integers and booleans stay such where some are missing."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = _NULLABLE.get(column.type) if column.null_count else None
    return column.to_pandas(types_mapper=None if kind is None else lambda _: kind)


def _shapes(cells: list[bytes | None], name: str) -> np.ndarray:
    """Read WKB, whose rings are closed where they are open."""
    wkb = np.asarray(cells, dtype=object)
    shapes = shapely.from_wkb(wkb, on_invalid="fix")
    unread = np.flatnonzero(shapely.is_missing(shapes) & np.asarray([cell is not None for cell in cells], dtype=bool))
    if len(unread):
        raise ValueError(f"{name} has a geometry in row {unread[0] + 1} that cannot be read: save it again.")
    return np.asarray(shapes, dtype=object)


def _without_counts(read: VectorLayer, kind: str) -> VectorLayer:
    """Drop the numbers of features where they only count; call those of GeoJSON `id`."""
    table = read.attributes
    number = table.column_names[0] if table.column_names else None
    if kind not in (GEOPACKAGE, JSON) or number is None or not pa.types.is_int64(table.schema.field(0).type):
        return read
    if kind == JSON and number in table.column_names[1:]:  # GDAL takes a property `id` for the number, and gives both
        return read._replace(attributes=table.remove_column(0))
    if kind == JSON and number != _JSON_NUMBER:
        return read
    numbers = table.column(0).to_numpy()
    if len(numbers) and (np.diff(numbers) == 1).all() and numbers[0] in (0, 1):
        return read._replace(attributes=table.drop_columns([number]))
    if kind == JSON and "id" not in table.column_names:
        return read._replace(attributes=table.rename_columns(["id", *table.column_names[1:]]))
    return read


def _number_column(frame: geopandas.GeoDataFrame) -> str:
    """Name the column that numbers the features of a GeoPackage: `fid`, but where it would count or change the order.

    SQLite keeps rows in the order of their numbers, each once.
    """
    lower = {str(name).lower(): name for name in frame.columns}
    if "fid" not in lower:
        return "fid"
    values = frame[lower["fid"]]
    if pandas.api.types.is_integer_dtype(values) and not values.isna().any():
        numbers = values.to_numpy(dtype=np.int64)
        steps = np.diff(numbers)
        if len(numbers) and numbers[0] >= 0 and (steps > 0).all() and not ((steps == 1).all() and numbers[0] in (0, 1)):
            return str(lower["fid"])
    return next(name for name in (_NUMBER + "_" * more for more in range(len(lower) + 1)) if name not in lower)
