"""Read cubes, make maps and write their files; names are loaded when they are asked for."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cubes import open_cube, parse_codes, read_reference
    from .files.comparison import Comparison, check_labels, compare
    from .files.pictures import write_png
    from .files.writing import write_map
    from .making.mapping import map_cube, map_label_sets
    from .making.plan import Plan
    from .making.rejection import reject
    from .making.run import MapRun, stored_embeddings
    from .making.store import open_map

_MODULES = {
    "Comparison": "files.comparison",
    "MapOptions": "making.options",
    "MapRun": "making.run",
    "Plan": "making.plan",
    "RunOptions": "making.options",
    "check_labels": "files.comparison",
    "compare": "files.comparison",
    "map_cube": "making.mapping",
    "map_label_sets": "making.mapping",
    "open_cube": "cubes",
    "open_map": "making.store",
    "parse_codes": "cubes",
    "read_reference": "cubes",
    "reject": "making.rejection",
    "stored_embeddings": "making.run",
    "write_map": "files.writing",
    "write_png": "files.pictures",
}

__all__ = [
    "Comparison",
    "MapOptions",
    "MapRun",
    "Plan",
    "RunOptions",
    "check_labels",
    "compare",
    "map_cube",
    "map_label_sets",
    "open_cube",
    "open_map",
    "parse_codes",
    "read_reference",
    "reject",
    "stored_embeddings",
    "write_map",
    "write_png",
]


def __getattr__(name: str) -> Any:
    """Import the module of a public name: reading a cube must not need what mapping one does."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)
