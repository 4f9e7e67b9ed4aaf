"""Cube in, map out."""

from ..cubes import open_cube, parse_codes, read_reference
from .comparison import Comparison, check_labels, compare
from .export import write_geotiff, write_png
from .production import map_cube

__all__ = [
    "Comparison",
    "check_labels",
    "compare",
    "map_cube",
    "open_cube",
    "parse_codes",
    "read_reference",
    "write_geotiff",
    "write_png",
]
