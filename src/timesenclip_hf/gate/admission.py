"""Admit a file that somebody hands in: tell its kind by its content and check its headers."""

import os
from collections.abc import Callable
from pathlib import Path

from . import kinds
from .archives import check_excel, check_gzip, check_npz
from .hdf5 import check_hdf5
from .images import check_jpeg2000, check_tiff
from .limits import PLAIN, Limits, check_count
from .netcdf import check_netcdf
from .tables import check_parquet, check_text
from .vectors import check_flatgeobuf, check_geopackage, check_json
from .virtual import check_vrt
from .zarr import check_zarr

_CHECKS: dict[str, Callable[[Path, Limits], None]] = {
    kinds.HDF5: check_hdf5,
    kinds.NETCDF: check_netcdf,
    kinds.TIFF: check_tiff,
    kinds.JPEG2000: check_jpeg2000,
    kinds.VRT: check_vrt,
    kinds.PARQUET: check_parquet,
    kinds.NPZ: check_npz,
    kinds.TEXT: check_text,
    kinds.GZIP: check_gzip,
    kinds.EXCEL: check_excel,
    kinds.GEOPACKAGE: check_geopackage,
    kinds.FLATGEOBUF: check_flatgeobuf,
    kinds.JSON: check_json,
    kinds.ZARR: check_zarr,
}
# Kinds that describe data elsewhere, in a sentence that refuses them.
_DESCRIBED = {kinds.VRT: "a virtual raster (VRT), which names other files", kinds.FOLDER: "a folder"}
_REMEDY = "give the data themselves, as NetCDF, GeoTIFF, CSV, NPZ or Parquet"


def admit(path: str | os.PathLike[str], limits: Limits = PLAIN) -> str:
    """Check a file or Zarr store before anything else opens it.

    Nothing that an admitted file declares is in another file or at an address, and nothing is larger than the limits.
    Only headers are read, and HDF5 in a process of its own, which is ended where it comes to no end.

    Args:
        path: of the file or folder.
        limits: `STRICT` for the page, `PLAIN` for the command line and Python.

    Returns:
        The kind, told by the content: one of the constants of `kinds`. Of a folder that is no Zarr store, of
        Shapefiles and pictures, whose readers follow nothing, only the size is checked.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is not admitted; one sentence says why.
    """
    file = Path(path)
    kind = kinds.kind_of(file)
    if kind not in limits.kinds:
        raise ValueError(f"{file.name} is {_DESCRIBED.get(kind, kind)}, which is not read here: {_REMEDY}.")
    if file.is_file():
        check_count(file.name, file.stat().st_size, limits.file_bytes, "bytes")
    if kind in _CHECKS:
        _CHECKS[kind](file, limits)
    return kind
