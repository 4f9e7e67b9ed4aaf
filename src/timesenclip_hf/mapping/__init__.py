"""Cube in, map out."""

from ..cubes import open_cube, parse_codes, read_reference
from .comparison import Comparison, check_labels, compare
from .export import export_map
from .planning import Plan
from .preview import write_png
from .production import map_cube, map_label_sets
from .rejection import reject
from .runs import MapRun, produce_map, stored_embeddings
from .store import open_map

__all__ = [
    "Comparison",
    "MapRun",
    "Plan",
    "check_labels",
    "compare",
    "export_map",
    "map_cube",
    "map_label_sets",
    "open_cube",
    "open_map",
    "parse_codes",
    "produce_map",
    "read_reference",
    "reject",
    "stored_embeddings",
    "write_png",
]
