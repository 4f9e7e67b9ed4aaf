import gzip
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pyproj
import pytest
import shapely

from timesenclip_hf.data.sources import delimited
from timesenclip_hf.data.sources.frames import find_column, number_cells, read_frame, text_cells

POINTS = shapely.points([3.0, 4.0], [50.0, 51.0])
IDS = ["007", "90071992547409931"]


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def geotable(shapes=POINTS):
    return pa.table({"id": IDS, "geometry": pa.array(shapely.to_wkb(shapes).tolist(), pa.binary())})


def test_ids_and_codes_stay_text_as_they_are_written(tmp_path):
    path = write(tmp_path / "t.csv", 'id,code,n\n007,1.10,5\n"0011",B11,\n90071992547409931,NA, 7 \n')
    frame = read_frame(path)
    assert text_cells(frame, "id") == ["007", "0011", "90071992547409931"]
    assert text_cells(frame, "code") == ["1.10", "B11", None]
    np.testing.assert_array_equal(number_cells(frame, "n"), [5, np.nan, 7])


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_whole_numbers_that_were_written_as_floating_point_lose_the_point(tmp_path, suffix):
    frame = pd.DataFrame({"id": [47862690.0, np.nan, 3.0]})
    path = tmp_path / f"t.{suffix}"
    frame.to_csv(path, na_rep="NA", index=False) if suffix == "csv" else frame.to_parquet(path)
    assert text_cells(read_frame(path), "id") == ["47862690", None, "3"]


def test_large_integers_keep_every_digit_in_parquet_and_as_floats_are_refused(tmp_path):
    pq.write_table(pa.table({"id": pa.array([2**60 + 1, None], pa.int64())}), tmp_path / "t.parquet")
    assert text_cells(read_frame(tmp_path / "t.parquet"), "id") == [str(2**60 + 1), None]
    pq.write_table(pa.table({"id": [float(2**60)]}), tmp_path / "t.parquet")
    with pytest.raises(ValueError, match=r"'id' of t\.parquet holds floating-point numbers .* not exact"):
        text_cells(read_frame(tmp_path / "t.parquet"), "id")


@pytest.mark.parametrize(
    ("content", "numbers"),
    [
        ("id;x\n1;0,5\n2;1,25\n", [0.5, 1.25]),
        ("id;x\n1;1,234\n2;0,5\n", [1.234, 0.5]),  # the second tells what the first means
        ("id;x;y\n1;1,234;50,8179\n2;2,345;50,9\n", [1.234, 2.345]),  # so does another column
        ('id,x\n1,"0,5"\n2,"7"\n', [0.5, 7]),
        ("id;x\n1;0.5\n2;1e-3\n", [0.5, 0.001]),
        ("id;x\n1;-0,5\n2;+1,5e2\n", [-0.5, 150]),
    ],
)
def test_decimal_commas_are_told_from_the_cells(tmp_path, content, numbers):
    np.testing.assert_array_equal(number_cells(read_frame(write(tmp_path / "t.csv", content)), "x"), numbers)


@pytest.mark.parametrize(
    ("content", "cell"),
    [("id;x\n1;1,234\n", "1,234"), ("id;x\n1;1.234,5\n", "1.234,5"), ('id,x\n1,"1,234,567"\n', "1,234,567")],
)
def test_what_may_be_thousands_is_refused_but_where_the_decimal_sign_is_given(tmp_path, content, cell):
    path = write(tmp_path / "t.csv", content)
    with pytest.raises(ValueError, match=f"'x' of t.csv must hold numbers, got '{cell}' in row 1; write decimals"):
        number_cells(read_frame(path), "x")
    if cell == "1,234":
        assert number_cells(read_frame(path, decimal=","), "x").tolist() == [1.234]


def test_a_cell_that_is_no_number_is_named_with_its_row(tmp_path):
    frame = read_frame(write(tmp_path / "t.csv", "id,x\n1,5\n2,cloud\n"))
    with pytest.raises(ValueError, match=r"The column 'x' of t\.csv must hold numbers, got 'cloud' in row 2\."):
        number_cells(frame, "x")
    dates = pd.DataFrame({"x": pd.to_datetime(["2018-01-01"])})
    with pytest.raises(ValueError, match="must hold numbers, got Timestamp"):
        number_cells(dates, "x")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252", "latin-1"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_text_is_decoded_as_programs_write_it(tmp_path, encoding, line_end):
    content = line_end.join(["id;Fläche", "é;1", "ü;2", ""]).encode(encoding)
    frame = read_frame(write(tmp_path / "t.csv", content))
    assert list(frame.columns) == ["id", "Fläche"]
    assert text_cells(frame, "id") == ["é", "ü"]


def test_a_first_column_without_a_name_counts_the_rows_or_names_them(tmp_path):
    assert list(read_frame(write(tmp_path / "t.csv", ",x\n0,5\n3,6\n")).columns) == ["x"]
    assert text_cells(read_frame(write(tmp_path / "t.csv", '"","x"\n"p1",5\n"p0",6\n')), "id") == ["p1", "p0"]
    with pytest.raises(ValueError, match=r"Column 1 of t\.csv has no name"):
        read_frame(write(tmp_path / "t.csv", ",id\np1,5\np0,6\n"))


def test_empty_lines_are_no_rows_and_missing_cells_are(tmp_path):
    frame = read_frame(write(tmp_path / "t.csv", "id,x\n1,5\n\n , \n2,NA\nNA,NA\n,,\n".replace(",,", ",")))
    assert text_cells(frame, "id") == ["1", "2", None]


def test_a_cell_may_hold_separators_and_line_ends_in_quotes(tmp_path):
    frame = read_frame(write(tmp_path / "t.csv", 'id,"name, in full"\n1,"oak;\nbeech, ""old"""\n'))
    assert list(frame.columns) == ["id", "name, in full"]
    assert text_cells(frame, "name, in full") == ['oak;\nbeech, "old"']


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("t.csv", "", "is empty"),
        ("t.csv", "id,x\n", "has no rows"),
        ("t.csv", "id,x\n1,2\n3\n", r"Line 3 of t\.csv has 1 cells and its header 2, with commas between them"),
        ("t.csv", "id;x\n1;2;3\n", r"Line 2 of t\.csv has 3 cells and its header 2, with semicolons"),
        ("t.csv", 'id,x\n1,"2\n', "a quotation mark .* is never closed"),
        ("t.csv", "id,x,id\n1,2,3\n", "names the column 'id' twice"),
        ("t.csv", "id,,x\n1,2,3\n", r"Column 2 of t\.csv has no name"),
        ("t.csv", "a,b;c,d;e\n1,2;3,4;5\n", "can be read with .* put its cells in quotes"),
        ("t.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "binary|no form|image"),
        ("t.csv.gz", b"\x1f\x8b\x08\0broken", "unpack|damaged|gz"),
        ("t.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old Excel"),
        ("t.csv", "id,x\n1,2\n".encode("utf-16-le"), "none of the formats|binary"),
        ("t.geojson", '{"type": "Nothing"}', "cannot be read|no form"),
    ],
)
def test_what_cannot_be_read_as_a_whole_is_refused_in_one_sentence(tmp_path, name, content, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        read_frame(write(tmp_path / name, content))
    assert "\n" not in str(caught.value)
    with pytest.raises(FileNotFoundError, match="No such file"):
        read_frame(tmp_path / "absent.csv")


def test_the_content_tells_the_form_whatever_the_name(tmp_path):
    geotable().drop_columns("geometry").to_pandas().to_parquet(tmp_path / "t.csv")
    assert text_cells(read_frame(tmp_path / "t.csv"), "id") == IDS
    assert text_cells(read_frame(write(tmp_path / "t.dat.gz", gzip.compress(b"id\n007\n"))), "id") == ["007"]


def test_a_sheet_of_excel_is_read_as_it_is_shown(tmp_path):
    from openpyxl import Workbook

    book = Workbook()
    book.active.append(["id", "x", "day", None])
    book.active.append([7, 0.5, pd.Timestamp("2018-05-14").to_pydatetime(), None])
    book.active["A2"].number_format = "000"
    book.create_sheet("Plots").append(["plot"])
    book["Plots"].append([3.0])
    book.save(tmp_path / "t.xlsx")
    frame = read_frame(tmp_path / "t.xlsx")
    assert [text_cells(frame, name)[0] for name in ("id", "x", "day")] == ["007", "0.5", "2018-05-14T00:00:00"]
    assert frame.attrs["notes"] == ["The sheet Sheet is read, of 2."]
    assert text_cells(read_frame(f"{tmp_path / 't.xlsx'}:Plots"), "plot") == ["3"]
    with pytest.raises(ValueError, match="no sheet 'Fields': its sheets are Sheet, Plots"):
        read_frame(f"{tmp_path / 't.xlsx'}:Fields")


@pytest.mark.parametrize("crs", ["EPSG:32631", "EPSG:3035", "EPSG:4326"])
def test_the_points_of_a_layer_give_longitude_and_latitude(tmp_path, crs):
    to_crs = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    shapes = shapely.points(*to_crs.transform(shapely.get_x(POINTS), shapely.get_y(POINTS)))
    options = {"driver": "GPKG", "geometry_name": "geometry", "geometry_type": "Point", "crs": crs}
    pyogrio.write_arrow(geotable(shapes), tmp_path / "t.gpkg", layer="plots", **options)
    frame = read_frame(tmp_path / "t.gpkg")
    assert text_cells(frame, "id") == IDS
    assert text_cells(frame, "fid") == ["1", "2"]
    np.testing.assert_allclose(number_cells(frame, "longitude"), [3, 4], atol=1e-7)
    np.testing.assert_allclose(number_cells(frame, "latitude"), [50, 51], atol=1e-7)
    pyogrio.write_arrow(geotable(shapes), tmp_path / "t.gpkg", layer="others", append=True, **options)
    with pytest.raises(ValueError, match=r"has the layers plots, others: name one, t\.gpkg:plots"):
        read_frame(tmp_path / "t.gpkg")
    assert len(read_frame(f"{tmp_path / 't.gpkg'}:others")) == 2


@pytest.mark.parametrize("version", ["1.1", "1.1 of points", "2.0"])
def test_geoparquet_gives_its_points_where_their_system_is_known(tmp_path, version):
    table = geotable()
    if version == "1.1 of points":
        cells = pa.array([{"x": 3.0, "y": 50.0}, {"x": 4.0, "y": 51.0}])
        table = table.set_column(1, "geometry", cells)
    if version == "2.0":
        metadata = {"ARROW:extension:name": "geoarrow.wkb", "ARROW:extension:metadata": "{}"}
        table = table.cast(
            pa.schema([table.schema.field("id"), table.schema.field("geometry").with_metadata(metadata)])
        )
    for crs, known in (({}, True), ({"crs": pyproj.CRS("EPSG:4326").to_json_dict()}, True), ({"crs": None}, False)):
        described = {"geometry": {"encoding": "point" if "points" in version else "WKB", **crs}}
        geo = json.dumps({"version": version[:3], "primary_column": "geometry", "columns": described})
        pq.write_table(table.replace_schema_metadata({} if version == "2.0" else {"geo": geo}), tmp_path / "t.parquet")
        frame = read_frame(tmp_path / "t.parquet")
        if known or version == "2.0":
            assert number_cells(frame, "longitude").tolist() == [3, 4]
            assert number_cells(frame, "latitude").tolist() == [50, 51]
        else:
            assert list(frame.columns) == ["id"]
            assert "no coordinate reference system" in frame.attrs["notes"][0]


def test_shapes_that_are_no_points_give_their_attributes(tmp_path):
    table = geotable(shapely.buffer(POINTS, 1))
    options = {"driver": "GeoJSON", "geometry_name": "geometry", "geometry_type": "Polygon", "crs": "EPSG:4326"}
    pyogrio.write_arrow(table, tmp_path / "t.geojson", **options)
    frame = read_frame(tmp_path / "t.geojson")
    assert list(frame.columns) == ["id"]
    assert frame.attrs["notes"] == ["The geometries are not points: only their attributes are read."]


def test_files_with_the_same_columns_are_one_table(tmp_path):
    write(tmp_path / "a.csv", "id,x\n007,1\n")
    write(tmp_path / "b.csv", "x;id\n0,5;8\n")
    with pytest.raises(ValueError, match="differ in decimal sign"):
        read_frame(tmp_path)
    write(tmp_path / "b.csv", "x;id\n2;8\n")
    frame = read_frame(tmp_path, file_column="file")
    assert text_cells(frame, "id") == ["007", "8"]
    assert text_cells(frame, "file") == ["a.csv", "b.csv"]
    assert number_cells(frame, "x").tolist() == [1, 2]
    assert frame.attrs["notes"][0] == "2 files are read as one table."
    write(tmp_path / "b.csv", "id,y\n8,2\n")
    with pytest.raises(ValueError, match=r"a\.csv has a column 'x' and b\.csv has none"):
        read_frame([tmp_path / "a.csv", tmp_path / "b.csv"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="has no tables"):
        read_frame(tmp_path / "empty")


def test_columns_are_found_in_any_spelling_of_their_names():
    frame = pd.DataFrame(columns=["POINT_ID", "Point Lat", "system:time_start"])
    assert find_column(frame, ["point_id"]) == "POINT_ID"
    assert find_column(frame, ["lat", "point_lat"]) == "Point Lat"
    assert find_column(frame, ["system:time_start"]) == "system:time_start"
    assert find_column(frame, ["id"]) is None


@pytest.mark.parametrize("cells", [1, 7, 2**18])
def test_columns_are_cleaned_alike_alone_and_together(cells, tmp_path, monkeypatch):
    monkeypatch.setattr(delimited, "_BLOCK_CELLS", cells)
    path = tmp_path / "table.csv"
    path.write_text("id;B02;B03;note;\n p1 ;1,25; 3 ;;\n ;;;;\np2;NA;0,5; x;\n")
    frame = read_frame(path)
    assert frame.attrs["decimal"] == ","
    assert list(frame.columns) == ["id", "B02", "B03", "note"]
    assert [text_cells(frame, column) for column in ("id", "note")] == [["p1", "p2"], [None, "x"]]
    np.testing.assert_array_equal(number_cells(frame, "B02"), [1.25, np.nan])
    np.testing.assert_array_equal(number_cells(frame, "B03"), [3, 0.5])
