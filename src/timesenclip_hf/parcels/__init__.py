"""Classify points and polygons, and turn maps into polygons, areas and change; names are loaded when asked for."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .area_figures import write_area_png
    from .area_files import area_text, write_area_csv, write_area_json
    from .areas import AreaReport, ReferenceOptions, estimate_areas
    from .change import ChangeOptions, detect_change
    from .change_files import map_change
    from .class_maps import ClassMap, read_class_map
    from .classification import ParcelOptions, ParcelRunOptions, classify_parcels
    from .expectations import expected_areas
    from .layers import read_layer, write_layer
    from .sampling import SampleOptions, draw_sample, plan_sample
    from .stratified import estimate_stratified
    from .vectorising import VectoriseOptions, vectorise_map

_NAMES = {
    "area_files": ("area_text", "write_area_csv", "write_area_json"),
    "area_figures": ("write_area_png",),
    "areas": ("AreaReport", "ReferenceOptions", "estimate_areas"),
    "class_maps": ("ClassMap", "read_class_map"),
    "expectations": ("expected_areas",),
    "sampling": ("SampleOptions", "draw_sample", "plan_sample"),
    "stratified": ("estimate_stratified",),
    "change": ("ChangeOptions", "detect_change"),
    "change_files": ("map_change",),
    "classification": ("ParcelOptions", "ParcelRunOptions", "classify_parcels"),
    "vectorising": ("VectoriseOptions", "vectorise_map"),
    "layers": ("read_layer", "write_layer"),
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "AreaReport",
    "ChangeOptions",
    "ClassMap",
    "ParcelOptions",
    "ParcelRunOptions",
    "ReferenceOptions",
    "SampleOptions",
    "VectoriseOptions",
    "area_text",
    "classify_parcels",
    "detect_change",
    "draw_sample",
    "estimate_areas",
    "estimate_stratified",
    "expected_areas",
    "map_change",
    "plan_sample",
    "read_class_map",
    "read_layer",
    "vectorise_map",
    "write_area_csv",
    "write_area_json",
    "write_area_png",
    "write_layer",
]


def __getattr__(name: str) -> Any:
    """Import the module of a public name: reading a layer must not need what classifying one does."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)
