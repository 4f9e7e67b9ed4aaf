import csv
import math

import pytest

from timesenclip_hf.data.engine.reports import count_reasons
from timesenclip_hf.data.sources.lucas import (
    LANDSCAPE,
    SurveyPoint,
    find_photo,
    photo_path,
    photo_requests,
    photo_url,
    read_survey,
)

HARMONISED = (
    *("id", "point_id", "year", "nuts0", "th_lat", "th_long", "gps_lat", "gps_ew", "gps_long", "lc1", "lu1"),
    *("photo_point", "photo_north", "photo_south", "photo_east", "photo_west"),
)
MICRO_2018 = (
    *("POINT_ID", "NUTS0", "TH_LAT", "TH_LONG", "SURVEY_DATE"),
    *("GPS_LAT", "GPS_EW", "GPS_LONG", "LC1", "LU1"),
)
MICRO_2022 = (
    *("POINT_ID", "POINT_NUTS0", "POINT_LAT", "POINT_LONG"),
    *("SURVEY_GPS_LAT", "SURVEY_GPS_LONG", "SURVEY_LC1", "SURVEY_LU1"),
)


def write(path, header, *rows, delimiter=","):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows([header, *rows])
    return path


def harmonised(point_id="38023110", year="2018", country="BE", place=None, codes=("B13", "U111"), photos=None):
    place = place or ("50.86542", "2.613637", "50.86593", "East", "2.6159")
    return ["7", point_id, year, country, *place, *codes, *(photos or ["Photo taken"] * 5)]


def only(survey):
    (point,) = survey.points.values()
    return point


def test_the_harmonised_table_is_read_with_signed_longitudes(tmp_path):
    west = ("54.43857", "-8.108423", "54.43836", "West", "8.108829")
    path = write(
        tmp_path / "lucas.csv", HARMONISED, harmonised(), harmonised("31603628", "2018", "UK", west, ("D10", "U420"))
    )
    survey = read_survey(path)
    assert survey.points["31603628", 2018] == SurveyPoint("31603628", 2018, "UK", -8.108829, 54.43836, "D10", "U420")
    assert survey.points["38023110", 2018].longitude == 2.6159
    assert survey.problems == []


def test_the_micro_data_of_2018_tell_their_year_by_the_name_of_the_file(tmp_path):
    row = ["38023110", "BE", "50.86542", "2.613637", "21/09/18", "50.86593", "E", "2.6159", "B13", "U111"]
    point = only(read_survey(write(tmp_path / "EU_2018_200225.csv", MICRO_2018, row)))
    assert (point.year, point.longitude, point.lc1) == (2018, 2.6159, "B13")


def test_the_micro_data_of_2022_are_read_with_their_own_column_names(tmp_path):
    row = ["38023110", "IE", "53.1", "-8.2", "53.10001", "8.20001", "e20", "u111"]
    point = only(read_survey(write(tmp_path / "EU_LUCAS_2022.csv", MICRO_2022, row)))
    # No column says east or west: the theoretical longitude does.
    assert point == SurveyPoint("38023110", 2022, "IE", -8.20001, 53.10001, "E20", "U111")


def test_semicolons_decimal_commas_and_a_byte_order_mark_are_read(tmp_path):
    path = tmp_path / "lucas_2018.csv"
    path.write_text("\ufeffPOINT_ID;NUTS0;TH_LAT;TH_LONG\n38023110.0;BE;50,86542;2,613637\n", encoding="utf-8")
    point = only(read_survey(path))
    assert (point.point_id, point.longitude, point.latitude) == ("38023110", 2.613637, 50.86542)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (("50.8", "2.6", "88.888888", "8", "88.888888"), (2.6, 50.8)),
        (("50.8", "2.6", "", "", ""), (2.6, 50.8)),
        (("4774000.0", "1530000.0", "50.9", "East", "2.7"), (2.7, 50.9)),
        (("50.8", "2.6", "50.9", "8", "2.7"), (2.7, 50.9)),
    ],
)
def test_where_one_place_is_missing_the_other_is_taken(tmp_path, place, expected):
    point = only(read_survey(write(tmp_path / "a.csv", HARMONISED, harmonised(place=place))))
    assert (point.longitude, point.latitude) == expected


def test_a_year_keeps_its_survey_only_and_ids_keep_their_points_only(tmp_path):
    rows = [harmonised(year="2015"), harmonised(year="2018"), harmonised("38023116", "2018")]
    path = write(tmp_path / "a.csv", HARMONISED, *rows)
    assert list(read_survey(path, year=2018).points) == [("38023110", 2018), ("38023116", 2018)]
    assert list(read_survey(path, point_ids={"38023110"}).points) == [("38023110", 2015), ("38023110", 2018)]


def test_what_is_wrong_with_a_line_is_counted_by_name_and_the_rest_is_read(tmp_path):
    swapped = ("2.613637", "50.86542", "2.6159", "East", "50.86593")
    path = write(
        tmp_path / "a.csv",
        HARMONISED,
        harmonised("38023110", place=swapped),
        harmonised("38023112", codes=("B99", "U111")),
        harmonised("38023114", codes=("8", "")),
        harmonised("38023110"),
        harmonised("3802"),
        harmonised("38023118", year=""),
        harmonised("38023120", country="FI"),
        harmonised("38023122", place=("", "", "", "", "")),
    )
    survey = read_survey(path)
    assert count_reasons(survey.problems) == {
        "coordinates swapped": 1,
        "duplicate point id": 1,
        "no coordinates": 1,
        "no point id": 1,
        "no year": 1,
        "place outside its country": 1,
        "unknown class code": 1,
    }
    assert survey.points["38023110", 2018].longitude == 2.6159
    assert survey.points["38023114", 2018].lc1 == ""
    assert math.isnan(survey.points["38023122", 2018].longitude)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "id,date\n1,2\n", "no LUCAS survey: it has no column 'point_id'"),
        ("a.csv", "", "no LUCAS survey"),
        ("a.csv", "point_id,nuts0,year\n1,BE,2018\n", "no columns for the place"),
        ("a.csv", "point_id,nuts0,th_lat,th_long\n38023110,BE,50,2\n", "Nothing tells the year"),
        ("a.csv", "PK\0\3", "binary data"),
    ],
)
def test_a_file_that_is_no_survey_is_refused_in_one_line(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        read_survey(tmp_path / name)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No such survey file: .*absent.csv"):
        read_survey(tmp_path / "absent.csv")


def test_photos_until_2018_are_named_by_id_and_letter():
    base = "https://gisco-services.ec.europa.eu/lucas/photos/"
    assert photo_url("38023110", 2018, "BE", "N") == base + "2018/BE/380/231/38023110N.jpg"
    assert photo_url("38023110", 2006, "gb", "P") == base + "2006/UK/380/231/38023110P.jpg"


@pytest.mark.parametrize(
    ("direction", "word"),
    [("N", "North"), ("E", "East"), ("S", "South"), ("W", "West"), ("P", "Point"), ("C", "CropLC1")],
)
def test_photos_of_2022_are_named_by_year_id_and_word(direction, word):
    assert photo_path("38023110", 2022, "BE", direction) == f"2022/BE/380/231/202238023110LCLU_{word}.jpg"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("38023110", 2018, "BE", "X"), "direction must be one of N, E, S, W, P, C, got 'X'"),
        (("38023110", 2019, "BE", "N"), "got the year 2019"),
        (("3802311", 2018, "BE", "N"), "eight digits"),
        (("38023110", 2018, "", "N"), "NUTS0 code, got ''"),
    ],
)
def test_a_photo_that_cannot_be_is_refused_in_one_line(arguments, message):
    with pytest.raises(ValueError, match=message):
        photo_path(*arguments)


def test_photos_that_were_not_taken_are_not_asked_for(tmp_path):
    photos = ["Photo taken", "Photo not taken", "Photo taken", "Photo taken", "Photo not taken"]
    point = only(read_survey(write(tmp_path / "a.csv", HARMONISED, harmonised(photos=photos))))
    assert set(point.not_taken) == {"N", "W"}
    paths = [request.path for request in photo_requests([point], LANDSCAPE)]
    assert paths == ["2018/BE/380/231/38023110E.jpg", "2018/BE/380/231/38023110S.jpg"]


def test_points_that_no_survey_photographed_are_not_asked_for():
    good = SurveyPoint("38023110", 2018, "BE", 2.6, 50.9, "", "")
    others = [good._replace(country=""), good._replace(year=2019), good._replace(point_id="pixel 7")]
    paths = [request.path for request in photo_requests([*others, good])]
    assert paths == [f"2018/BE/380/231/38023110{direction}.jpg" for direction in "NESW"]


@pytest.mark.parametrize("year_folder", ["2018", "LUCAS2018"])
def test_photos_are_found_in_the_layout_of_the_survey(tmp_path, year_folder):
    point = SurveyPoint("38023110", 2018, "BE", 2.6, 50.9, "", "")
    file = tmp_path / year_folder / "BE" / "380" / "231" / "38023110N.jpg"
    file.parent.mkdir(parents=True)
    file.touch()
    assert find_photo(tmp_path, point, "N") == file
    assert find_photo(tmp_path, point, "E") is None


@pytest.mark.real_data
def test_the_addresses_that_the_real_survey_lists_follow_the_rule(real_data):
    path = real_data / "lucas_photos_32" / "metadata_subset.csv"
    words = {"N": "north", "E": "east", "S": "south", "W": "west", "P": "point"}
    points = read_survey(path).points
    assert len(points) == 7
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            for direction, word in words.items():
                url = photo_url(row["point_id"], int(row["year"]), row["nuts0"], direction)
                assert url == row[f"file_path_gisco_{word}"]


@pytest.mark.real_data
def test_real_points_lie_within_metres_of_where_they_were_meant_to_be(real_data):
    path = real_data / "lucas_photos_32" / "metadata_subset.csv"
    gps = read_survey(path)
    assert gps.problems == []
    assert sum(point.longitude < 0 for point in gps.points.values()) == 3
    with path.open(newline="", encoding="utf-8") as file:
        grid = {row["point_id"]: row for row in csv.DictReader(file)}
    for (point_id, _), point in gps.points.items():
        north = (point.latitude - float(grid[point_id]["th_lat"])) * 111_195
        east = (point.longitude - float(grid[point_id]["th_long"])) * 111_195 * math.cos(math.radians(point.latitude))
        assert math.hypot(north, east) < 200


@pytest.mark.parametrize(("side", "longitude"), [("W", -3.7012), ("E", 3.7012), ("", 3.7012)])
def test_the_theoretical_longitude_of_2009_has_the_sign_of_its_side(side, longitude, tmp_path):
    header = ("POINT_ID", "NUTS0", "TH_LAT", "TH_LONG", "TH_EW", "GPS_LAT", "GPS_EW", "GPS_LONG", "LC1", "LU1")
    row = ["31522034", "ES", "40.4001", "3.7012", side, "88.888888", "8", "88.888888", "B11", "U111"]
    point = only(read_survey(write(tmp_path / "EU_2009_20200213.csv", header, row)))
    assert (point.longitude, point.latitude) == (longitude, 40.4001)


def test_codes_that_stand_with_their_label_as_in_2022_are_read(tmp_path):
    codes = ["B55 - Temporary grasslands", "U111 - Agriculture (excluding fallow land and kitchen gardens)"]
    row = ["47982758", "AT", "48.01", "14.5", "48.01", "14.5", *codes]
    survey = read_survey(write(tmp_path / "l2022_survey.csv", MICRO_2022, row))
    assert (only(survey).lc1, only(survey).lu1) == ("B55", "U111")
    assert survey.problems == []
