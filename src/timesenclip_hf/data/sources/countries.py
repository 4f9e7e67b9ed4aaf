"""Check coordinates against boxes around the countries of the LUCAS survey, to find exchanged ones."""

import math
from collections.abc import Sequence
from pathlib import Path

from ...files import read_json

SWAPPED, OUTSIDE, NO_PLACE = "coordinates swapped", "place outside its country", "no coordinates"
# West, south, east, north in degrees by NUTS0 code, islands included; read off maps, rounded outwards: our
# approximation, which tells a country from its mirror image and no more.
BOXES: dict[str, list[float]] = read_json(Path(__file__).with_suffix(".json"))
# The survey writes the European Commission's codes; ISO 3166 has others for two of the countries.
_ISO_TO_NUTS = {"GB": "UK", "GR": "EL"}


def nuts0(country: str) -> str:
    """Give the NUTS0 code of a country by its NUTS or ISO code."""
    code = country.strip().upper()
    return _ISO_TO_NUTS.get(code, code)


def signed_longitude(longitude: float, side: str) -> float:
    """Give a longitude the sign of its side, "W" or "E"; any other text leaves it as it is."""
    letter = side[:1].upper()
    return {"W": -abs(longitude), "E": abs(longitude)}.get(letter, longitude)


def check_place(country: str, longitude: float, latitude: float) -> tuple[float, float, str]:
    """Turn coordinates in signed WGS84 degrees the right way round, and say what was wrong with them.

    Of a country (NUTS0 or ISO code) that is not known only the range of the degrees is checked.

    Returns:
        Longitude, latitude, and `SWAPPED` (they were exchanged, and are exchanged back), `OUTSIDE`, `NO_PLACE`
        (both are then NaN), or nothing.
    """
    box = BOXES.get(nuts0(country), (-180.0, -90.0, 180.0, 90.0))
    if _inside(box, longitude, latitude):
        return longitude, latitude, ""
    if _inside(box, latitude, longitude):
        return latitude, longitude, SWAPPED
    if abs(longitude) <= 180 and abs(latitude) <= 90:
        return longitude, latitude, OUTSIDE
    return math.nan, math.nan, NO_PLACE


def _inside(box: Sequence[float], longitude: float, latitude: float) -> bool:
    west, south, east, north = box
    return west <= longitude <= east and south <= latitude <= north
