"""Read coordinate reference systems from what files and people write: never from an address or another file."""

import re
from typing import Any

from ..extras import needs_extra
from .crs_files import file_named

with needs_extra("map"):
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

# Registers that PROJ holds itself.
AUTHORITIES = ("EPSG", "ESRI", "IAU_2015", "IGNF", "NKG", "OGC")
# Longest text: the WKT of a compound system has some 4,000 letters.
LETTERS = 100_000
# Names that stand for a code.
_NAMES = {"WGS84": "EPSG:4326", "WGS 84": "EPSG:4326", "CRS84": "OGC:CRS84"}
_CODE = re.compile(rf"({'|'.join(AUTHORITIES)})::?([A-Za-z0-9]{{1,20}})", re.IGNORECASE)
_URN = re.compile(rf"urn:(?:x-)?ogc:def:crs:({'|'.join(AUTHORITIES)}):[\w.]*:([A-Za-z0-9]{{1,20}})", re.IGNORECASE)
_WKT = re.compile(
    r"(?:PROJCS|GEOGCS|GEOCCS|COMPD_CS|LOCAL_CS|PROJCRS|PROJECTEDCRS|GEOGCRS|GEOGRAPHICCRS|GEODCRS|GEODETICCRS"
    r"|COMPOUNDCRS|BOUNDCRS|ENGCRS|ENGINEERINGCRS|DERIVEDPROJCRS)\s*[\[(]",
    re.IGNORECASE,
)


def read_crs(text: Any) -> CRS:
    """Read a coordinate reference system.

    Args:
        text: an EPSG code, a code of another register (`ESRI:102030`), the URN of one, WKT, or a PROJ string or JSON.

    Raises:
        ValueError: it is none of these, or names a file or an address.
    """
    spelling = str(text).strip()
    try:
        if len(spelling) > LETTERS:
            raise CRSError
        return _parsed(spelling)
    except (ValueError, TypeError, AttributeError, OverflowError):  # CRSError is a ValueError
        raise ValueError(
            f"{spelling[:60]!r} is not a coordinate reference system: write for example EPSG:32631, or give WKT or a "
            "PROJ string that names no other file."
        ) from None


def check_crs(crs: CRS | None) -> CRS | None:
    """Return a system that a raster brings; raise `ValueError` where it names a file or an address."""
    if crs is not None and (text := file_named(crs.to_wkt())) is not None:
        raise ValueError(f"The coordinate reference system names the file {text[:60]!r}: write for example EPSG:32631.")
    return crs


def _parsed(spelling: str) -> CRS:
    spelling = _NAMES.get(spelling, spelling)
    if spelling.isdigit():
        return CRS.from_epsg(int(spelling))
    if match := _CODE.fullmatch(spelling) or _URN.fullmatch(spelling):
        return CRS.from_string(f"{match[1].upper()}:{match[2]}")
    if file_named(spelling) is not None:
        raise CRSError
    if _WKT.match(spelling):
        return CRS.from_wkt(spelling)
    if spelling.startswith(("+proj=", "{")):  # a PROJ string, or PROJ's JSON
        return CRS.from_string(spelling)
    raise CRSError
