"""Read vector files and the geometries of Parquet tables: attributes, and where a feature is a point its place."""

import json
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...extras import needs_extra
from ...files import first_line
from ...gate.crs_files import file_named
from ...gate.vectors import vector_source
from .delimited import to_frame

with needs_extra("data"):
    import pandas
    import pyarrow as pa
    import pyogrio
    import pyproj
    import shapely

WGS84 = "EPSG:4326"
NO_CRS = "have no coordinate reference system that is known"
_PLACE = ("longitude", "latitude")
_SETTINGS = {
    # FlatGeobuf by what GDAL does for all formats: in its own way (3.12) a null geometry spoils the offsets.
    "OGR_FLATGEOBUF_STREAM_BASE_IMPL": "YES",
    # Megabytes in memory of one feature of GeoJSON: a million vertices take some 300, and 200 are the usual limit.
    "OGR_GEOJSON_MAX_OBJ_SIZE": "4000",
}
_WKB_TYPES = ("ogc.wkb", "geoarrow.wkb")


class VectorLayer(NamedTuple):
    """Hold a layer: the table of its attributes, and of its geometries the column's name, WKB and reference system.

    Without geometries `geometry` is None; `crs` is a `pyproj.CRS`, or None where it is not known.
    """

    attributes: pa.Table
    name: str
    geometry: list[bytes | None] | None
    crs: Any


def read_vector(path: Path, layer: str | None, geometry_column: str | None = None) -> pandas.DataFrame:
    """Read a layer of a GeoPackage, GeoJSON, Shapefile or FlatGeobuf, as [`place_points`] leaves it.

    Args:
        path: of the file.
        layer: its name, where the file has several.
        geometry_column: as of [`place_points`].

    Raises:
        ValueError: the file cannot be read, or has several layers and none is named.
    """
    # Only in a GeoPackage is the number of a feature a column that people see.
    read = open_vector(path, layer, numbers=path.suffix.lower() == ".gpkg")
    return place_points(to_frame(read.attributes), read.geometry, read.crs, geometry_column)


def open_vector(path: Path, layer: str | None, *, numbers: bool) -> VectorLayer:
    """Read a layer of a GeoPackage, GeoJSON, Shapefile or FlatGeobuf.

    Args:
        path: of the file, which is admitted.
        layer: its name, where the file has several.
        numbers: give the numbers of the features as a column too.

    Raises:
        ValueError: as of [`read_vector`].
    """
    source = vector_source(path)
    try:
        with gdal_settings():
            layers = [str(name) for name in pyogrio.list_layers(source)[:, 0]]
            if layer is None and len(layers) > 1:
                raise ValueError(f"{path.name} has the layers {', '.join(layers)}: name one, {path.name}:{layers[0]}.")
            if layer is not None and layer not in layers:
                raise ValueError(f"{path.name} has no layer {layer!r}: its layers are {', '.join(layers)}.")
            meta, table = pyogrio.read_arrow(source, layer=layer, return_fids=numbers)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, pa.ArrowException, OSError) as error:
        raise ValueError(
            f"{path.name} cannot be read as a vector file: {first_line(error).partition(';')[0]}."
        ) from None
    name = meta["geometry_name"] or "wkb_geometry"
    geometry = table.column(name).to_pylist() if name in table.column_names else None
    attributes = table.drop_columns([name]) if geometry is not None else table
    return VectorLayer(attributes, meta["geometry_name"] or "geometry", geometry, known_crs(meta["crs"]))


@contextmanager
def gdal_settings() -> Iterator[None]:
    """Read vector files, in the block, by the settings of this module; what was set before is set again."""
    before = {name: pyogrio.get_gdal_config_option(name) for name in _SETTINGS}
    pyogrio.set_gdal_config_options(_SETTINGS)
    try:
        with warnings.catch_warnings():  # of numbers that GDAL gives, which no column has
            warnings.filterwarnings("ignore", "Several features with id", RuntimeWarning)
            yield
    finally:
        pyogrio.set_gdal_config_options(before)


def read_geometries(table: pa.Table, geometry_column: str | None = None) -> pandas.DataFrame:
    """Turn a Parquet table into a frame, with the geometries of GeoParquet as [`place_points`] leaves them.

    Args:
        table: with the metadata `geo` of GeoParquet 1, or with Parquet's geometry columns of GeoParquet 2.
        geometry_column: as of [`place_points`].
    """
    read = split_geometry(table)
    return place_points(to_frame(read.attributes), read.geometry, read.crs, geometry_column)


def split_geometry(table: pa.Table) -> VectorLayer:
    """Split a Parquet table into attributes and its first geometries; further columns of geometries are left out.

    Args:
        table: as of [`read_geometries`].
    """
    metadata = _object((table.schema.metadata or {}).get(b"geo"))
    columns = metadata.get("columns")
    columns = columns if isinstance(columns, dict) else {}
    types = {field.name: _geometry_type(field) for field in table.schema}
    told = {field.name for field in table.schema if field.name in columns and _may_be_geometry(field.type)}
    names = [name for name in table.column_names if name in told or types[name] is not None]
    if not names:
        return VectorLayer(table, "", None, None)
    primary = metadata.get("primary_column")
    name = str(primary) if primary in names else names[0]
    described = columns.get(name)
    described = described if isinstance(described, dict) else {}
    # What GeoParquet leaves out is longitude and latitude of WGS84; what it says is null is not known.
    crs = described.get("crs", "OGC:CRS84") if name in columns else types[name]
    geometry = table.column(name)
    if isinstance(geometry.type, pa.BaseExtensionType):
        geometry = geometry.cast(geometry.type.storage_type)
    cells = geometry.to_pylist()
    if pa.types.is_struct(geometry.type):  # of points, as {x, y}
        cells = [None if cell is None else shapely.to_wkb(shapely.Point(cell["x"], cell["y"])) for cell in cells]
    attributes = table.drop_columns([*names, *(_covering(columns) & set(table.column_names) - set(names))])
    return VectorLayer(attributes, name, cells, known_crs(crs))


def place_points(
    frame: pandas.DataFrame, geometry: list[bytes | None] | None, crs: Any, geometry_column: str | None = None
) -> pandas.DataFrame:
    """Give a frame the columns `longitude` and `latitude` (WGS84) of its points, and a note of what was done.

    Args:
        frame: attributes.
        geometry: WKB of each row; None where there are none.
        crs: `pyproj.CRS`, or None where it is not known.
        geometry_column: name of a column to add with geometries that are not all points, in degrees (WGS84); without
            one their attributes alone are read.
    """
    notes = frame.attrs.setdefault("notes", [])
    if geometry is None:
        return frame
    shapes = shapely.from_wkb(np.asarray(geometry, dtype=object), on_invalid="ignore")
    kinds = shapely.get_type_id(shapes)
    are_points = bool(np.isin(kinds, (-1, 0)).all())
    if not are_points and geometry_column is None:
        notes.append("The geometries are not points: only their attributes are read.")
        return frame
    if crs is None:
        what = "points" if are_points else "geometries"
        notes.append(f"The {what} {NO_CRS}: their places are not read.")
        return frame
    if are_points and any(name in frame.columns for name in _PLACE):
        notes.append("The columns longitude and latitude are read, not the geometries.")
        return frame
    to_degrees = pyproj.Transformer.from_crs(crs, WGS84, always_xy=True)
    if not are_points:
        frame[geometry_column] = shapely.transform(shapes, to_degrees.transform, interleaved=False)
        return frame
    for name, values in zip(_PLACE, to_degrees.transform(shapely.get_x(shapes), shapely.get_y(shapes)), strict=True):
        frame[name] = np.where(np.isfinite(values), values, np.nan)
    notes.append(f"The columns longitude and latitude are the points, from {crs.to_string()[:40]}.")
    return frame


def _geometry_type(field: pa.Field) -> Any:
    """Return the reference system of a geometry column of Parquet's own, or None for any other column."""
    metadata = field.metadata or {}
    name = getattr(field.type, "extension_name", None) or metadata.get(b"ARROW:extension:name", b"").decode()
    if name not in _WKB_TYPES:
        return None
    is_type = isinstance(field.type, pa.BaseExtensionType)
    text = field.type.__arrow_ext_serialize__() if is_type else metadata.get(b"ARROW:extension:metadata", b"{}")
    return _object(text).get("crs", "OGC:CRS84")


def _covering(columns: dict[str, Any]) -> set[str]:
    """Name the columns that hold nothing but the bounds of geometries, for readers that skip what lies elsewhere."""
    names: set[str] = set()
    for described in columns.values():
        with suppress(TypeError, KeyError, IndexError):  # damaged metadata tell of none
            names.add(str(described["covering"]["bbox"]["xmin"][0]))
    return names


def _may_be_geometry(kind: pa.DataType) -> bool:
    """Tell whether a column can hold what metadata call a geometry: WKB, or points as {x, y}."""
    if pa.types.is_struct(kind):
        return {"x", "y"} <= {kind.field(index).name for index in range(kind.num_fields)}
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or isinstance(kind, pa.BaseExtensionType)


def _object(text: str | bytes | None) -> dict[str, Any]:
    """Read metadata in JSON; where they are damaged, nothing is known, as where there are none."""
    content: Any = None
    with suppress(ValueError, RecursionError):
        content = json.loads(text or b"{}")
    return content if isinstance(content, dict) else {}


def known_crs(crs: Any) -> Any:
    """Read a reference system that is written out, or a code of an authority; never one that has to be fetched."""
    if file_named(json.dumps(crs) if isinstance(crs, dict) else str(crs or "")) is not None:
        return None
    try:
        if isinstance(crs, dict):
            return pyproj.CRS.from_json_dict(crs)
        text = str(crs or "").strip()
        if text.startswith("{"):
            return pyproj.CRS.from_json(text)
        if match := re.fullmatch(r"(\w+):(\w+)", text):
            return pyproj.CRS.from_authority(*match.groups())
        return pyproj.CRS.from_wkt(text) if re.match(r"[A-Za-z_]+\[", text) else None
    except pyproj.exceptions.CRSError:
        return None
