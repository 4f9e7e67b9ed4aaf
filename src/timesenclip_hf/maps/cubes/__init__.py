"""Cubes and rasters of labels, read from NetCDF, Zarr, GeoTIFF, SAFE and STAC: what mapping and data sets share."""

# Not `stac.open_stac`: odc-stac and what it brings are not needed to open files.
from .labels import parse_codes, read_reference
from .reading import open_cube

__all__ = ["open_cube", "parse_codes", "read_reference"]
