"""Cubes and rasters of labels, read from NetCDF, Zarr, GeoTIFF, SAFE and STAC: what mapping and data sets share.

`stac.open_stac` is imported where it is used: odc-stac and what it brings are not needed to open files.
"""

from .labels import parse_codes, read_reference
from .reading import open_cube

__all__ = ["open_cube", "parse_codes", "read_reference"]
