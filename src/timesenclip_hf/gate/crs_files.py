"""Find the files and addresses that descriptions of coordinate reference systems name."""

import re
from collections.abc import Iterator

# Where systems name files of shifts between them: in PROJ strings, in WKT and in PROJJSON.
_GRIDS = re.compile(
    r"(?:nadgrids|geoidgrids|grids|catalog|init|file|xy_grids|z_grids|tinshift|deformation)\s*=\s*([^\s\"']*)"
)
_QUOTED = re.compile(r"\"([^\"]*)\"")
_ELSEWHERE = re.compile(r"[/\\]|:/|^\.|^~|^file:", re.IGNORECASE)


def file_named(text: str) -> str | None:
    """Return the first file with a path, or address, that a description of a system names; `@null` is none.

    Args:
        text: WKT, or a PROJ string or JSON. A grid by its name alone is PROJ's own and no such file.
    """
    return next(_elsewhere(text), None)


def _elsewhere(text: str) -> Iterator[str]:
    for match in _GRIDS.finditer(text):
        names = [name.removeprefix("@") for name in match[1].split(",")]
        yield from (name for name in names if name != "null" and _ELSEWHERE.search(name))
    # Quoted texts of WKT and JSON: names of systems may hold a slash ("WGS 84 / UTM zone 31N"), files have no blanks
    # around it.
    for match in _QUOTED.finditer(text):
        if re.search(r"^(?:[/\\~.]|[a-z]+:/)|\w[/\\]\w.*\.\w+$|\.\.", match[1], re.IGNORECASE) and not re.match(
            r"https?://(?:proj\.org|www\.opengis\.net|epsg\.org)/", match[1]
        ):
            yield match[1]
