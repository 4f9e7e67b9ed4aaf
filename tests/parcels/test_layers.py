"""Layers come back as they were written, whatever the format; what cannot be kept is refused in a sentence."""

import datetime
import json

import numpy as np
import pytest
import shapely

geopandas = pytest.importorskip("geopandas", reason="needs the extra data")
import pandas  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
import pyogrio  # noqa: E402

from timesenclip_hf.parcels import read_layer, write_layer  # noqa: E402

pytestmark = pytest.mark.needs_extra("data")
ENDINGS = ("gpkg", "parquet", "geojson", "fgb")
GDAL_ENDINGS = ("gpkg", "geojson", "fgb")  # the GDAL of wheels reads no Parquet
PLACES = {"geojson": 1e-14}
UTM = 32631


def fields(crs=UTM, **columns):
    """Fields with names in other scripts, nulls, several parts, holes and a feature without geometry."""
    box = shapely.box(500_000.123456789, 5_600_000, 500_040, 5_600_050)
    far = shapely.box(500_100, 5_600_000, 500_150, 5_600_050)
    holed = far.difference(shapely.box(500_110, 5_600_010, 500_120, 5_600_020))
    frame = geopandas.GeoDataFrame(
        {
            "наименование": ["поле", None, "田んぼ", "حقل"],
            "a name far longer than ten letters": pandas.array([1, None, 3, 2**60], dtype="Int64"),
            "organic": pandas.array([True, None, False, True], dtype="boolean"),
            "yield": [1.5, np.nan, 3.25, 0.1],
            "sown": pandas.to_datetime(["2018-03-01T00:00", None, "2018-10-01T12:30", None], utc=True),
            **columns,
        },
        geometry=[box, shapely.MultiPolygon([box, far]), None, holed],
        crs=UTM,
    )
    return frame.to_crs(crs)


def plain(column):
    """Values as objects; times as UTC, which FlatGeobuf gives without its name."""
    if pandas.api.types.is_datetime64_any_dtype(column):
        column = pandas.to_datetime(column, utc=True)
    return column.astype(object)


def assert_same(read, frame, places=None):
    assert list(read.drop(columns=read.geometry.name)) == list(frame.drop(columns=frame.geometry.name))
    for name in frame.drop(columns=frame.geometry.name):
        ours, theirs = (plain(each[name]) for each in (read, frame))
        assert ours.isna().tolist() == theirs.isna().tolist(), name
        assert ours[ours.notna()].tolist() == theirs[theirs.notna()].tolist(), name
    # GeoJSON has 15 places after the point, which is more than enough for a nanometre.
    shapes = [shapely.normalize(each.geometry.to_numpy()) for each in (read, frame)]
    assert shapely.equals_exact(*shapes, tolerance=places or 0)[shapely.is_valid(shapes[1])].all()
    assert shapely.get_type_id(shapes[0]).tolist() == shapely.get_type_id(shapes[1]).tolist()
    assert read.crs.equals(frame.crs, ignore_axis_order=True)


@pytest.mark.parametrize("crs", [UTM, 4326, 3035])
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_layer_comes_back_as_it_was(tmp_path, ending, crs):
    frame = fields(crs)
    write_layer(frame, tmp_path / f"fields.{ending}")
    assert_same(read_layer(tmp_path / f"fields.{ending}"), frame, PLACES.get(ending))


@pytest.mark.parametrize("ending", ENDINGS)
def test_heights_are_kept(tmp_path, ending):
    frame = fields().iloc[[0, 2, 3]].reset_index(drop=True)
    frame.geometry = shapely.force_3d(frame.geometry.to_numpy(), 12.5)
    write_layer(frame, tmp_path / f"fields.{ending}")
    read = read_layer(tmp_path / f"fields.{ending}")
    assert_same(read, frame)
    assert read.geometry.has_z.tolist() == [True, False, True]


def test_heights_of_some_features_are_kept_where_a_format_can(tmp_path):
    frame = fields().iloc[[0, 1, 3]].reset_index(drop=True)
    flat = frame.geometry.iloc[2]
    frame.geometry = [*shapely.force_3d(frame.geometry.iloc[:2].to_numpy(), 12.5), flat]
    for ending in ("gpkg", "parquet", "geojson"):
        write_layer(frame, tmp_path / f"fields.{ending}")
        read = read_layer(tmp_path / f"fields.{ending}")
        assert_same(read, frame)
        assert read.geometry.has_z.tolist() == [True, True, False]
    with pytest.raises(ValueError, match="it has heights of one kind of geometry only"):
        write_layer(frame, tmp_path / "fields.fgb")


@pytest.mark.parametrize("ending", ENDINGS)
def test_points_come_back_too(tmp_path, ending):
    frame = geopandas.GeoDataFrame(
        {"n": range(500)}, geometry=shapely.points(np.random.default_rng(0).random((500, 2)))
    )
    frame = frame.set_crs(4326)
    write_layer(frame, tmp_path / f"points.{ending}")
    assert_same(read_layer(tmp_path / f"points.{ending}"), frame, PLACES.get(ending))


@pytest.mark.parametrize("numbers", [[7, 9, 30], [9, 7, 7], [1, 2, 3], [0, 1, 2], [5.5, None, 1.0], ["x", None, "y"]])
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("name", ["fid", "FID", "id"])
def test_a_column_of_numbers_is_kept_with_the_order(tmp_path, ending, numbers, name):
    frame = fields().iloc[[0, 1, 3]].reset_index(drop=True).assign(**{name: numbers})
    write_layer(frame, tmp_path / f"fields.{ending}")
    read = read_layer(tmp_path / f"fields.{ending}")
    assert_same(read[[*frame.columns.drop("geometry"), read.geometry.name]], frame)
    assert len(read.columns) == len(frame.columns)


@pytest.mark.parametrize(
    ("ids", "kept"), [([5, 9], [5, 9]), (["a", "b"], ["a", "b"]), ([0, 1], None), ([9, 5], [9, 5])]
)
def test_ids_beside_the_properties_of_geojson_become_a_column(tmp_path, ids, kept):
    point = {"type": "Point", "coordinates": [4, 50]}
    features = [{"type": "Feature", "id": each, "properties": {"n": 1}, "geometry": point} for each in ids]
    path = tmp_path / "points.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    read = read_layer(path)
    assert (read["id"].tolist() if "id" in read else None) == kept


def test_a_shapefile_is_read_and_not_written(tmp_path):
    frame = fields()[["yield", "geometry"]].dropna()
    frame.to_file(tmp_path / "fields.shp")
    assert read_layer(tmp_path / "fields.shp")["yield"].tolist() == frame["yield"].tolist()
    with pytest.raises(ValueError, match=r"not written as a Shapefile, which cuts the names of columns to ten letters"):
        write_layer(frame, tmp_path / "out.shp")


def test_parquet_s_own_geometry_type_is_read(tmp_path):
    # GeoParquet 2.0: a logical type, no metadata called geo.
    frame = fields(4326).drop(columns=["organic"])
    crs = json.dumps({"crs": "EPSG:4326"})
    column = pa.array([None if shape is None else shapely.to_wkb(shape) for shape in frame.geometry], pa.binary())
    metadata = {"ARROW:extension:name": "geoarrow.wkb", "ARROW:extension:metadata": crs}
    attributes = pa.Table.from_pandas(pandas.DataFrame(frame.drop(columns="geometry")), preserve_index=False)
    table = attributes.append_column(pa.field("geometry", pa.binary(), metadata=metadata), column)
    pq.write_table(table.replace_schema_metadata(None), tmp_path / "fields.parquet")
    assert_same(read_layer(tmp_path / "fields.parquet"), frame)


def test_bounds_that_geoparquet_keeps_beside_the_geometries_are_no_attribute(tmp_path):
    frame = fields()
    frame.to_parquet(tmp_path / "fields.parquet", write_covering_bbox=True, schema_version="1.1.0")
    assert_same(read_layer(tmp_path / "fields.parquet"), frame)


def test_what_is_written_as_geoparquet_says_1_1(tmp_path):
    write_layer(fields(), tmp_path / "fields.parquet")
    metadata = json.loads(pq.read_schema(tmp_path / "fields.parquet").metadata[b"geo"])
    assert metadata["version"] == "1.1.0"
    assert metadata["columns"]["geometry"]["encoding"] == "WKB"


@pytest.mark.parametrize("ending", GDAL_ENDINGS)
def test_gdal_opens_what_is_written(tmp_path, ending):
    frame = fields()
    write_layer(frame, tmp_path / f"fields.{ending}")
    info = pyogrio.read_info(tmp_path / f"fields.{ending}")
    assert info["features"] == len(frame)
    assert info["crs"] == "EPSG:32631"
    assert set(frame.columns) - {"geometry"} <= set(info["fields"])


def test_one_layer_of_several_is_named(tmp_path):
    path = tmp_path / "fields.gpkg"
    for name in ("a", "b"):
        pyogrio.write_dataframe(fields().assign(of=name), path, layer=name)
    with pytest.raises(ValueError, match=r"has the layers a, b: name one, fields.gpkg:a"):
        read_layer(path)
    assert read_layer(path, layer="b")["of"].tolist() == ["b"] * 4
    assert read_layer(f"{path}:a")["of"].tolist() == ["a"] * 4
    with pytest.raises(ValueError, match="no layer 'c'"):
        read_layer(path, layer="c")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda frame: frame.set_crs(None, allow_override=True), "no coordinate reference system that is known"),
        (lambda frame: frame.iloc[:0], "has no features"),
    ],
)
def test_what_cannot_be_used_is_refused_when_read(tmp_path, change, sentence):
    change(fields()[["yield", "geometry"]]).to_parquet(tmp_path / "fields.parquet")
    with pytest.raises(ValueError, match=sentence):
        read_layer(tmp_path / "fields.parquet")


def test_a_table_without_geometries_is_refused(tmp_path):
    pandas.DataFrame({"a": [1]}).to_parquet(tmp_path / "fields.parquet")
    with pytest.raises(ValueError, match="has no geometries: give a layer of points or polygons"):
        read_layer(tmp_path / "fields.parquet")


def test_a_layer_without_system_or_with_another_ending_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="no coordinate reference system: set one"):
        write_layer(fields().set_crs(None, allow_override=True), tmp_path / "fields.gpkg")
    with pytest.raises(ValueError, match=r"fields.kml has no ending of a layer"):
        write_layer(fields(), tmp_path / "fields.kml")


def test_a_system_that_geojson_cannot_say_is_refused_and_nothing_is_left(tmp_path):
    local = fields("+proj=laea +lat_0=51.2 +lon_0=4.3 +datum=WGS84 +units=m")
    with pytest.raises(ValueError, match=r"cannot say the coordinate reference system .*: write fields.parquet"):
        write_layer(local, tmp_path / "fields.geojson")
    assert list(tmp_path.iterdir()) == []
    write_layer(local, tmp_path / "fields.gpkg")
    assert_same(read_layer(tmp_path / "fields.gpkg"), local)


@pytest.mark.parametrize("ending", GDAL_ENDINGS)
@pytest.mark.parametrize(
    ("values", "sentence"),
    [([{"a": 1}, None, {}, {}], "holds objects"), (["a", 1, None, 2.5], "holds values of several kinds")],
)
def test_a_column_that_a_format_cannot_hold_is_refused_and_nothing_is_left(tmp_path, ending, values, sentence):
    with pytest.raises(ValueError, match=rf"fields.{ending} cannot be written \(its column 'pieces' {sentence}"):
        write_layer(fields(pieces=values), tmp_path / f"fields.{ending}")
    assert list(tmp_path.iterdir()) == []


def test_a_number_beyond_what_a_float_holds_and_a_day_are_kept(tmp_path):
    frame = fields(sown=[datetime.date(2018, 3, 1), None, datetime.date(2019, 3, 1), None])
    for ending in ("gpkg", "parquet", "geojson"):  # FlatGeobuf knows days only with a time
        write_layer(frame, tmp_path / f"fields.{ending}")
        assert_same(read_layer(tmp_path / f"fields.{ending}"), frame)


def test_a_file_that_is_there_is_kept(tmp_path):
    path = tmp_path / "fields.gpkg"
    write_layer(fields(), path)
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="there already"):
        write_layer(fields().iloc[:1], path)
    assert path.read_bytes() == before
    write_layer(fields().iloc[:1], path, overwrite=True)
    assert len(read_layer(path)) == 1
