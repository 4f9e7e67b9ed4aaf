"""Check vector files, whose readers could run what they hold or fetch what they name."""

import mmap
import re
import sqlite3
from contextlib import closing
from pathlib import Path

from .limits import Limits, check_count

# Functions of GDAL and SQLite by which a view reads other files or asks an address.
_FUNCTIONS = re.compile(r"\b(?:ogr_|gdal_|load_extension|readfile|writefile|fts3_tokenizer|VirtualOGR)", re.IGNORECASE)
# GDAL fetches a reference system that is a link (GeoJSON of 2008).
_LINK = re.compile(rb"\"crs\"\s*:\s*\{[^{}]*\"type\"\s*:\s*\"(?:link|url)\"", re.IGNORECASE)


def check_geopackage(path: Path, limits: Limits) -> None:
    """Check what an SQLite file would run when it is read; raise `ValueError` where that leads elsewhere."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as database:
            texts = [str(row[0] or "") for row in database.execute("SELECT sql FROM sqlite_master")]
    except sqlite3.Error as error:
        raise ValueError(f"{path.name} is damaged, SQLite cannot read it ({error}): fetch it again.") from None
    check_count(path.name, len(texts), limits.variables, "tables and views")
    if any(_FUNCTIONS.search(text) for text in texts):
        raise ValueError(f"{path.name} holds a view that calls for other files: save its layers as plain tables.")


def check_json(path: Path, limits: Limits) -> None:
    """Check GeoJSON; raise `ValueError` where its reference system is a link that would be fetched."""
    check_count(path.name, path.stat().st_size, limits.file_bytes, "bytes")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if _LINK.search(content):
            raise ValueError(f"The coordinate reference system of {path.name} is a link: write its EPSG code.")
