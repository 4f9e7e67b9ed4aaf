"""Classify points and polygons, and turn maps into polygons, areas and change; names are loaded when asked for."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .change import ChangeOptions, detect_change
    from .change_files import map_change
    from .classification import ParcelOptions, ParcelRunOptions, classify_parcels
    from .layers import read_layer, write_layer
    from .vectorising import VectoriseOptions, vectorise_map

_NAMES = {
    "change": ("ChangeOptions", "detect_change"),
    "change_files": ("map_change",),
    "classification": ("ParcelOptions", "ParcelRunOptions", "classify_parcels"),
    "vectorising": ("VectoriseOptions", "vectorise_map"),
    "layers": ("read_layer", "write_layer"),
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "ChangeOptions",
    "ParcelOptions",
    "ParcelRunOptions",
    "VectoriseOptions",
    "classify_parcels",
    "detect_change",
    "map_change",
    "read_layer",
    "vectorise_map",
    "write_layer",
]


def __getattr__(name: str) -> Any:
    """Import the module of a public name: reading a layer must not need what classifying one does."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)
