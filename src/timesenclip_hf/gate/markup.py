"""Parse XML of strangers: no document types, so no entities that grow or fetch, and no endless nesting."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import IO, Any
from xml.parsers import expat

# Largest XML of a SAFE product has some 100 kB, of a VRT some megabytes.
XML_BYTES = 64 * 2**20
DEPTH = 64
PIECE = 2**16


def parse_xml(path: Path) -> ElementTree.Element:
    """Parse an XML file.

    Raises:
        ValueError: it is damaged, too large or too deep, or declares a document type.
    """
    name = f"{path.parent.name}/{path.name}"
    if path.stat().st_size > XML_BYTES:
        raise ValueError(f"{name} has more than {XML_BYTES // 2**20} MB, which no metadata have: fetch it again.")
    content, depth = path.read_bytes(), 0

    def refuse(*declared: Any) -> None:
        raise ValueError(f"{name} declares a document type, which could name other files: fetch it again.")

    def enter(*element: Any) -> None:
        nonlocal depth
        depth += 1
        if depth > DEPTH:
            raise ValueError(f"{name} has more than {DEPTH} elements inside each other: fetch it again.")

    def leave(*element: Any) -> None:
        nonlocal depth
        depth -= 1

    guard = expat.ParserCreate()
    guard.StartDoctypeDeclHandler, guard.StartElementHandler, guard.EndElementHandler = refuse, enter, leave
    try:
        guard.Parse(content, True)
        return ElementTree.fromstring(content)
    except (expat.ExpatError, ElementTree.ParseError, LookupError) as error:
        raise ValueError(f"The metadata {name} cannot be read ({error}): fetch or unpack it again.") from None


def has_doctype(file: IO[bytes]) -> bool:
    """Tell whether XML declares a document type, in whatever encoding and behind whatever comments.

    Args:
        file: read up to its first element; one that is no XML has none.
    """
    told: list[bool] = []
    guard = expat.ParserCreate()
    guard.StartDoctypeDeclHandler = lambda *declared: told.append(True)
    guard.StartElementHandler = lambda *element: told.append(False)
    try:
        while not told and (piece := file.read(PIECE)):
            guard.Parse(piece)
    except (expat.ExpatError, LookupError):
        pass  # whoever reads it says so
    return bool(told) and told[0]
