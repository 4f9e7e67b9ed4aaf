from pathlib import Path

import numpy as np
import pytest

from timesenclip_hf.data.sources.point_tables import read_labels, read_points

IDS = ["047", "p2", "x-3"]


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("column", ["id", "POINT_ID", "lucas_id", "Parzelle"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_labels_go_to_the_series_with_their_id_whatever_the_column_is_called(column, separator, tmp_path):
    rows = [(column, "LC1", "note"), ("x-3", "E20", "c"), ("047", "B11", "a"), ("p2", "B16", "b"), ("p9", "G11", "d")]
    table = read_labels(write(tmp_path / "labels.csv", "\n".join(map(separator.join, rows))), IDS)
    assert table.columns == {"point_id": IDS, "lc1": ["B11", "B16", "E20"], "note": ["a", "b", "c"]}


def test_a_column_that_only_its_content_tells_is_named(tmp_path):
    table = read_labels(write(tmp_path / "labels.csv", "Parzelle,lc1\nx-3,E20\n047,B11\np2,B16\n"), IDS)
    assert table.notes == ["The rows of labels.csv are matched by the column 'Parzelle', the only one with all ids."]


def test_rows_are_taken_in_order_only_where_the_series_have_no_ids_and_that_is_noted(tmp_path):
    path = write(tmp_path / "labels.csv", "lc1\nB11\nB16\nE20\n")
    table = read_labels(path, ["0", "1", "2"])
    assert table.columns == {"lc1": ["B11", "B16", "E20"]}
    assert table.notes == ["The series have no ids: the rows of labels.csv are matched in order."]
    with pytest.raises(ValueError, match=r"No column of labels\.csv holds the ids of the series, such as '047'"):
        read_labels(path, IDS)


def test_longitudes_without_a_sign_take_it_from_the_side_beside_them(tmp_path):
    table = read_points(write(tmp_path / "lucas.csv", "POINT_ID,TH_LAT,TH_LONG,TH_EW\na,50.8,3.1,W\nb,50.9,3.2,E\n"))
    np.testing.assert_array_equal(table.columns["longitude"], [-3.1, 3.2])
    assert table.notes == ["The longitudes of lucas.csv have the sign that their column TH_EW tells."]


def test_numbered_rows_are_matched_by_their_number(tmp_path):
    table = read_labels(write(tmp_path / "labels.csv", "fid,lc1\n2,E20\n0,B11\n1,B16\n"), ["0", "1", "2"])
    assert table.columns["lc1"] == ["B11", "B16", "E20"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,lc1\n047,B11\np2,B16\n", "labels.csv has no row for the series 'x-3' in its column 'id'"),
        (
            "id,lc1\n047,B11\np2,B16\nx-3,E20\np2,B55\n",
            "several rows for 'p2' in its column 'id': keep one for each series",
        ),
        ("a,b,lc1\n047,047,B11\np2,p2,B16\nx-3,x-3,E20\n", "the ids in several columns, a, b: call one of them id"),
        (
            "id,lon,lat\n047,3.0,50\np2,east,50\nx-3,3,50\n",
            "'lon' of labels.csv must hold numbers, got 'east' in row 2",
        ),
    ],
)
def test_labels_that_do_not_fit_the_series_are_refused_in_one_sentence(text, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        read_labels(write(tmp_path / "labels.csv", text), IDS)


def test_points_with_decimal_commas_and_without_a_place_are_read(tmp_path):
    text = "POINT_ID;TH_LONG;TH_LAT\n007;3,02108;50,8179\nB;;50,8152\n"
    columns = read_points(write(tmp_path / "points.csv", text)).columns
    assert columns["point_id"] == ["007", "B"]
    np.testing.assert_array_equal(columns["longitude"], [3.02108, np.nan])
    np.testing.assert_array_equal(columns["latitude"], [50.8179, 50.8152])


def test_metres_are_asked_about_and_placed_by_their_system(tmp_path):
    path = write(tmp_path / "points.csv", "point_id,x,y\nA,501465,5629555\n")
    with pytest.raises(ValueError, match=r"501465, 5629555, which are no longitude and latitude .* --points-crs EPSG:"):
        read_points(path)
    columns = read_points(path, "EPSG:32631").columns
    # 501,465 m east lie 1,465 m east of the zone's meridian of 3 degrees.
    np.testing.assert_allclose(columns["longitude"], [3 + 1465 / (111_320 * np.cos(np.radians(50.817)))], atol=2e-4)
    np.testing.assert_allclose(columns["latitude"], [50.817], atol=2e-3)


def test_a_table_without_a_place_lists_its_columns(tmp_path):
    with pytest.raises(ValueError, match=r"points\.csv has no column 'longitude': the columns are point_id, lc1"):
        read_points(write(tmp_path / "points.csv", "id,lc1\nA,B11\n"))
    with pytest.raises(ValueError, match="The points have no column 'latitude'"):
        read_points({"longitude": [3.0]})
