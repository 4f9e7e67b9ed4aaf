"""Read cubes, make maps and write their files; names are loaded when they are asked for."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cubes import open_cube, parse_codes, read_reference
    from .files.comparison import Comparison, check_labels, compare
    from .files.pictures import write_png
    from .files.writing import write_map
    from .making.map_dataset import reject
    from .making.mapping import map_cube, map_label_sets
    from .making.options import MapOptions, RunOptions
    from .making.plan import Plan
    from .making.run import MapRun
    from .making.store import open_map, stored_embeddings

_NAMES = {
    "cubes": ("open_cube", "parse_codes", "read_reference"),
    "files.comparison": ("Comparison", "check_labels", "compare"),
    "files.pictures": ("write_png",),
    "files.writing": ("write_map",),
    "making.map_dataset": ("reject",),
    "making.mapping": ("map_cube", "map_label_sets"),
    "making.options": ("MapOptions", "RunOptions"),
    "making.plan": ("Plan",),
    "making.run": ("MapRun",),
    "making.store": ("open_map", "stored_embeddings"),
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}

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
