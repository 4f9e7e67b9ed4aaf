"""Read the LUCAS survey's points from any of its CSV files, and find the photos of a point, on the web and on disk.

Read are the micro data of one survey (2018 and before: `POINT_ID`, `TH_LAT`, `GPS_EW`, `LC1`, ...; 2022:
`POINT_LAT`, `SURVEY_LC1`, ...) and the harmonised table of all surveys (d'Andrimont et al. 2020,
doi 10.1038/s41597-020-00675-z: the same names in small letters, and `year`).
"""

import csv
import math
import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from ...files import read_json
from ..engine.reports import Problem
from ..photos.download import PhotoRequest
from ..schema import DIRECTIONS, code_of, is_code
from .countries import check_place, nuts0, signed_longitude

PHOTOS_URL = "https://gisco-services.ec.europa.eu/lucas/photos"
LICENCE = "© European Union (LUCAS), reuse with attribution (Commission Decision 2011/833/EU)"
SURVEY_YEARS = (2006, 2009, 2012, 2015, 2018, 2022)
# The photos that show the land around a point, which the model learns from.
LANDSCAPE = ("N", "E", "S", "W")
# From this survey on the name of a photo has the year, the form that was filled in, and the direction in a word.
FIRST_LONG_NAMES = 2022
LONG_NAMES = {"N": "North", "E": "East", "S": "South", "W": "West", "P": "Point", "C": "CropLC1"}

# Names of the columns in the files of the surveys, lower case.
COLUMNS: dict[str, list[str]] = read_json(Path(__file__).with_name("lucas_columns.json"))
# What the surveys write for "not relevant" and "no answer"; 88.888888 is so for degrees.
NOT_RELEVANT = frozenset({"", "0", "8", "88", "NA", "N.A.", "NAN", "N.R."})
NO_DEGREES = 88.888888
_POINT_ID = re.compile(r"(\d{8})(?:\.0+)?")
_NUTS0 = re.compile("[A-Z]{2}")


class SurveyPoint(NamedTuple):
    """Hold what the survey says of a point in a year.

    `point_id` has eight digits, the kilometres east and north of the survey's grid (EPSG:3035); `country` is the NUTS0
    code; the place is in WGS84 degrees, NaN where there is none, as codes are empty; `not_taken` are the letters of
    the photos that the surveyor says he did not take.
    """

    point_id: str
    year: int
    country: str
    longitude: float
    latitude: float
    lc1: str
    lu1: str
    not_taken: str = ""


class Survey(NamedTuple):
    """Hold points of a survey by id and year, in the order of the file, and what was wrong with lines of it."""

    points: dict[tuple[str, int], SurveyPoint]
    problems: list[Problem]


def read_survey(
    path: str | os.PathLike[str], *, year: int | None = None, point_ids: Collection[str] | None = None
) -> Survey:
    """Read a survey's CSV, line by line.

    The place is where the surveyor stood: `gps_long` has no sign, which stands in `gps_ew`. Where no position was
    taken, it is the point of the grid that he was sent to.

    Args:
        path: CSV file.
        year: keep this survey only; where the file has no column for the year, what it is, unless its name tells.
        point_ids: keep these points only.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is no survey, or nothing tells its year.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No such survey file: {path}.")
    wanted = None if point_ids is None else set(point_ids)
    points: dict[tuple[str, int], SurveyPoint] = {}
    problems: list[Problem] = []
    for line, row in _rows(path, year):
        match = _POINT_ID.fullmatch(row["point_id"])
        if match is None:
            problems.append(Problem("no point id", row["point_id"], path.name, f"line {line}"))
            continue
        row["point_id"] = point_id = match[1]
        if wanted is not None and point_id not in wanted:
            continue
        row_year = _number(row["year"])
        if not math.isfinite(row_year):
            problems.append(Problem("no year", point_id, path.name, f"line {line}"))
            continue
        if year is not None and row_year != year:
            continue
        point = _read_point(row, int(row_year), problems, path.name)
        if (point_id, point.year) in points:
            detail = f"{point.year}, line {line}; the first is kept"
            problems.append(Problem("duplicate point id", point_id, path.name, detail))
            continue
        points[point_id, point.year] = point
    return Survey(points, problems)


def photo_path(point_id: str, year: int, country: str, direction: str) -> str:
    """Give the path of a photo in the survey's layout, the same on its server and in copies of it.

    Its direction is one of `DIRECTIONS`: N, E, S, W, P (the point itself) or C (the crop from close by).

    Raises:
        ValueError: no such direction or survey, a wrong id, or no country.
    """
    if direction not in DIRECTIONS:
        raise ValueError(f"A photo's direction must be one of {', '.join(DIRECTIONS)}, got {direction!r}.")
    if year not in SURVEY_YEARS:
        raise ValueError(f"LUCAS photos are of {', '.join(map(str, SURVEY_YEARS))}, got the year {year}.")
    if not _POINT_ID.fullmatch(point_id) or len(point_id) != 8:
        raise ValueError(f"A LUCAS point id has eight digits, got {point_id!r}.")
    code = nuts0(country)
    if not _NUTS0.fullmatch(code):
        raise ValueError(f"The path of a photo needs the country's NUTS0 code, got {country!r} for {point_id}.")
    name = f"{year}{point_id}LCLU_{LONG_NAMES[direction]}" if year >= FIRST_LONG_NAMES else f"{point_id}{direction}"
    return f"{year}/{code}/{point_id[:3]}/{point_id[3:6]}/{name}.jpg"


def photo_url(point_id: str, year: int, country: str, direction: str) -> str:
    """Give the address of a photo on the survey's server, by the arguments of [`photo_path`]."""
    return f"{PHOTOS_URL}/{photo_path(point_id, year, country, direction)}"


def has_photos(point: SurveyPoint) -> bool:
    """Tell whether there can be photos of a point: it has an id of the survey, its year and a country."""
    is_id = _POINT_ID.fullmatch(point.point_id) is not None and len(point.point_id) == 8
    return is_id and point.year in SURVEY_YEARS and _NUTS0.fullmatch(nuts0(point.country)) is not None


def photo_requests(
    points: Iterable[SurveyPoint], directions: Sequence[str] = LANDSCAPE, *, base_url: str = PHOTOS_URL
) -> Iterator[PhotoRequest]:
    """List what to fetch for these points, but for photos that were not taken."""
    for point in filter(has_photos, points):
        for direction in directions:
            if direction not in point.not_taken:
                path = photo_path(point.point_id, point.year, point.country, direction)
                yield PhotoRequest(f"{base_url}/{path}", path)


def find_photo(folder: str | os.PathLike[str], point: SurveyPoint, direction: str) -> Path | None:
    """Find a photo in a copy of the survey's layout; None where it is not there.

    The folder of the year may also be called `LUCAS2018`, as in bulk downloads.
    """
    path = photo_path(point.point_id, point.year, point.country, direction)
    return next((file for name in (path, f"LUCAS{path}") if (file := Path(folder, name)).is_file()), None)


def _rows(path: Path, year: int | None) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the number of each line that is not empty, and its cells by the names of `COLUMNS`."""
    # The comments of surveyors are not always UTF-8, and are not read.
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        first = next(file, "")
        if "\0" in first:
            raise ValueError(f"{path.name} is no CSV that can be read: it holds binary data.")
        reader = csv.reader(chain([first], file), delimiter=max(",;\t", key=first.count))
        indices = _find_columns(next(reader, []), path)
        fixed = {} if "year" in indices else {"year": str(_year_of_file(year, path))}
        try:
            for cells in filter(None, reader):
                row = {name: cells[index].strip() if index < len(cells) else "" for name, index in indices.items()}
                yield reader.line_num, {**row, **fixed}
        except csv.Error as error:
            raise ValueError(f"{path.name} is damaged at line {reader.line_num}: {error}.") from None


def _find_columns(header: Sequence[str], path: Path) -> dict[str, int]:
    lower = {name.strip().lower(): index for index, name in reversed(list(enumerate(header)))}
    known = {name: [lower[alias] for alias in aliases if alias in lower] for name, aliases in COLUMNS.items()}
    indices = {name: matches[0] for name, matches in known.items() if matches}
    for name in ("point_id", "country"):
        if name not in indices:
            columns = f"no column {COLUMNS[name][0]!r}, but {', '.join(header[:6])}"
            raise ValueError(f"{path.name} is no LUCAS survey: it has {columns}.")
    if not ({"th_lat", "th_long"} <= set(indices) or {"gps_lat", "gps_long"} <= set(indices)):
        raise ValueError(f"{path.name} has no columns for the place: 'th_lat' and 'th_long', or 'gps_lat' and so on.")
    return indices


def _year_of_file(year: int | None, path: Path) -> int:
    named = [survey for survey in SURVEY_YEARS if re.search(rf"(?<!\d){survey}(?!\d)", path.stem)]
    if year is None and len(named) != 1:
        raise ValueError(f"Nothing tells the year of the survey {path.name}, not even its name: give `year`.")
    return named[0] if year is None else year


def _read_point(row: Mapping[str, str], year: int, problems: list[Problem], source: str) -> SurveyPoint:
    remarks: list[tuple[str, str]] = []
    country = sys.intern(nuts0(row["country"]))
    longitude, latitude, reason = check_place(country, *_choose_place(row))
    if reason:
        remarks.append((reason, f"{longitude:.5f}, {latitude:.5f} in {country}"))
    codes = {}
    for column in ("lc1", "lu1"):
        code = code_of(row.get(column, "")).upper()  # 2022 has some small letters
        # Interned: a million points share some hundred codes.
        codes[column] = "" if code in NOT_RELEVANT else sys.intern(code)
        if codes[column] and not is_code(column, codes[column]):
            remarks.append(("unknown class code", f"{column} {codes[column]}"))
    problems += [Problem(reason, row["point_id"], source, detail, skipped=False) for reason, detail in remarks]
    not_taken = "".join(side for side in DIRECTIONS if "not" in row.get(f"photo_{side}", "").lower())
    return SurveyPoint(row["point_id"], year, country, longitude, latitude, codes["lc1"], codes["lu1"], not_taken)


def _choose_place(row: Mapping[str, str]) -> tuple[float, float]:
    """Read the place by GPS, or else the theoretical one.

    A longitude has the sign that `gps_ew`, or `th_ew` in 2009, says; or else, of a GPS, the one that is nearer to the
    theoretical longitude.
    """
    east, north, gps_east, gps_north = (
        _degrees(row.get(name, "")) for name in ("th_long", "th_lat", "gps_long", "gps_lat")
    )
    east, gps_east = signed_longitude(east, row.get("th_ew", "")), signed_longitude(gps_east, row.get("gps_ew", ""))
    if row.get("gps_ew", "")[:1].upper() not in ("W", "E") and not math.isnan(east):
        gps_east = min(-abs(gps_east), abs(gps_east), key=lambda signed: abs(signed - east))
    return (gps_east, gps_north) if abs(gps_east) <= 180 and abs(gps_north) <= 180 else (east, north)


def _degrees(text: str) -> float:
    value = _number(text)
    return math.nan if math.isclose(value, NO_DEGREES, abs_tol=1e-5) else value


def _number(text: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return math.nan
