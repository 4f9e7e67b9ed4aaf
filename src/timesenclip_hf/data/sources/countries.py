"""Countries of the LUCAS survey as boxes of longitude and latitude: enough to find exchanged coordinates."""

import math

SWAPPED, OUTSIDE, NO_PLACE = "coordinates swapped", "place outside its country", "no coordinates"
# West, south, east, north in degrees by NUTS0 code, islands included; read off maps, rounded outwards: our
# approximation, which tells a country from its mirror image and no more.
BOXES: dict[str, tuple[float, float, float, float]] = {
    "AT": (9.4, 46.3, 17.3, 49.1),
    "BE": (2.4, 49.4, 6.5, 51.6),
    "BG": (22.2, 41.1, 28.8, 44.3),
    "CY": (32.2, 34.4, 34.8, 35.8),
    "CZ": (12.0, 48.5, 19.0, 51.2),
    "DE": (5.8, 47.2, 15.2, 55.2),
    "DK": (7.9, 54.4, 15.3, 57.9),
    "EE": (21.6, 57.4, 28.3, 59.8),
    "EL": (19.2, 34.7, 29.8, 41.9),
    "ES": (-18.3, 27.5, 4.5, 43.9),
    "FI": (19.0, 59.6, 31.7, 70.2),
    "FR": (-5.3, 41.2, 9.8, 51.2),
    "HR": (13.3, 42.3, 19.6, 46.7),
    "HU": (16.0, 45.6, 23.0, 48.7),
    "IE": (-10.8, 51.3, -5.8, 55.6),
    "IT": (6.5, 35.3, 18.7, 47.2),
    "LT": (20.8, 53.8, 27.0, 56.6),
    "LU": (5.6, 49.3, 6.7, 50.3),
    "LV": (20.8, 55.5, 28.4, 58.2),
    "MT": (14.0, 35.7, 14.7, 36.2),
    "NL": (3.2, 50.6, 7.4, 53.8),
    "PL": (14.0, 48.9, 24.3, 55.0),
    "PT": (-31.4, 32.3, -6.0, 42.3),
    "RO": (20.1, 43.5, 29.9, 48.4),
    "SE": (10.8, 55.2, 24.3, 69.2),
    "SI": (13.3, 45.3, 16.7, 47.0),
    "SK": (16.7, 47.6, 22.7, 49.7),
    "UK": (-8.8, 49.7, 2.0, 61.0),
}
# The survey writes the European Commission's codes; ISO 3166 has others for two of the countries.
_ISO_TO_NUTS = {"GB": "UK", "GR": "EL"}


def nuts0(country: str) -> str:
    """NUTS0 code of a country given by its NUTS or ISO code."""
    code = country.strip().upper()
    return _ISO_TO_NUTS.get(code, code)


def check_place(country: str, longitude: float, latitude: float) -> tuple[float, float, str]:
    """Coordinates the right way round, and what was wrong with them.

    Args:
        country: NUTS0 or ISO code; of a country that is not known only the range of the degrees is checked.
        longitude: WGS84 degrees, signed.
        latitude: WGS84 degrees, signed.

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


def _inside(box: tuple[float, float, float, float], longitude: float, latitude: float) -> bool:
    west, south, east, north = box
    return west <= longitude <= east and south <= latitude <= north
