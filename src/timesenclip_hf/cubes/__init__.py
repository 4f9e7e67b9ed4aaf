"""Cubes and rasters of labels, read from NetCDF, Zarr and GeoTIFF: what mapping and data sets share."""

from .labels import parse_codes, read_reference
from .reading import open_cube

__all__ = ["open_cube", "parse_codes", "read_reference"]
