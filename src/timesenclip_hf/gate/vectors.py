"""Check vector files, whose readers could run what they hold or fetch what they name."""

import json
import mmap
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from .kinds import FLATGEOBUF, GEOPACKAGE, JSON, SHAPEFILE, kind_of
from .limits import Limits, check_count

# Functions and modules of GDAL, SQLite and SpatiaLite by which a view or table reads other files or asks an address.
_FUNCTIONS = re.compile(
    r"\b(?:ogr_|gdal_|load_extension|readfile|writefile|fts3_tokenizer|Virtual(?:OGR|Text|Shape|DBF|XL|GeoJSON|FDO))",
    re.IGNORECASE,
)
# GDAL fetches a reference system that is a link (GeoJSON of 2008); letters may be written as escapes.
_MAY_LINK = re.compile(rb"\"(?:link|url)\"|\\u00", re.IGNORECASE)
_LINKS = ("link", "url")


def vector_source(path: Path) -> str:
    """Return the name by which GDAL opens a vector file with the driver of its kind and no other.

    GDAL tries its drivers by content, and one of them, for descriptions of other files, takes every text that has a
    certain word in it: GeoJSON is asked for by name, and the other kinds have a zero before any word.

    Args:
        path: of a file that is admitted.

    Raises:
        ValueError: it is no vector file.
    """
    kind = kind_of(path)
    if kind == JSON:
        return f"GeoJSON:{path.absolute()}"
    if kind not in (GEOPACKAGE, SHAPEFILE, FLATGEOBUF):
        raise ValueError(
            f"{path.name} cannot be read as a vector file, it is {kind}: give GeoPackage, GeoJSON, Shapefile or "
            "FlatGeobuf."
        )
    return str(path.absolute())


def check_geopackage(path: Path, limits: Limits) -> None:
    """Check what an SQLite file would run when it is read; raise `ValueError` where that leads elsewhere."""
    # A journal beside it is read along, as GDAL does: it may hold other tables than the file.
    is_alone = not any(path.with_name(f"{path.name}-{end}").exists() for end in ("wal", "journal"))
    address = f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if is_alone else ''}"
    try:
        with closing(sqlite3.connect(address, uri=True)) as database:
            texts = [str(row[0] or "") for row in database.execute("SELECT sql FROM sqlite_master")]
    except sqlite3.Error as error:
        raise ValueError(f"{path.name} is damaged, SQLite cannot read it ({error}): fetch it again.") from None
    check_count(path.name, len(texts), limits.variables, "tables and views")
    if any(_FUNCTIONS.search(text) for text in texts):
        raise ValueError(f"{path.name} holds a view that calls for other files: save its layers as plain tables.")


def check_flatgeobuf(path: Path, limits: Limits) -> None:
    """Check how a FlatGeobuf begins; raise `ValueError` where it is none, or its header too large."""
    with path.open("rb") as file:
        start = file.read(12)
    if start[4:7] != b"fgb" or len(start) < 12:
        raise ValueError(f"{path.name} is damaged, it begins like a FlatGeobuf and is none: fetch it again.")
    # Of less than 16 MB, so that its last byte is the zero that `vector_source` relies on.
    header_bytes = min(limits.attribute_bytes, 2**24 - 1)
    check_count(path.name, int.from_bytes(start[8:], "little"), header_bytes, "bytes of header")


def check_json(path: Path, limits: Limits) -> None:
    """Check GeoJSON; raise `ValueError` where its reference system is a link that would be fetched."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if not _MAY_LINK.search(content):
            return
        text = content[:].decode("utf-8-sig", "replace")
    try:
        json.loads(text, object_pairs_hook=lambda pairs: _refuse_link(pairs, path.name))
    except (json.JSONDecodeError, RecursionError):
        raise ValueError(f"{path.name} is damaged, it is no JSON: fetch or save it again.") from None


class _Link(dict[str, Any]):
    """Mark an object whose type is a link."""


def _refuse_link(pairs: list[tuple[str, Any]], name: str) -> dict[str, Any]:
    """Make an object of its fields, each of which may be there twice; GDAL tells capitals from none of them."""
    fields = [(key.lower(), value) for key, value in pairs]
    if any(key == "crs" and isinstance(value, _Link) for key, value in fields):
        raise ValueError(f"The coordinate reference system of {name} is a link: write its EPSG code.")
    is_link = any(key == "type" and isinstance(value, str) and value.lower() in _LINKS for key, value in fields)
    return _Link() if is_link else {}
