"""Tell what a file is by its content, never by its name."""

import re
import zipfile
from pathlib import Path

HDF5, NETCDF, TIFF, JPEG2000 = "HDF5", "NetCDF", "TIFF", "JPEG 2000"
PARQUET, NPZ, TEXT, GZIP, EXCEL = "Parquet", "NPZ", "text", "gzip", "Excel"
GEOPACKAGE, SHAPEFILE, FLATGEOBUF, JSON = "GeoPackage", "Shapefile", "FlatGeobuf", "JSON"
PNG, JPEG, VRT, ZARR, FOLDER = "PNG", "JPEG", "VRT", "Zarr", "folder"
ALL = (
    *(HDF5, NETCDF, TIFF, JPEG2000, PARQUET, NPZ, TEXT, GZIP, EXCEL, GEOPACKAGE, SHAPEFILE, FLATGEOBUF, JSON),
    *(PNG, JPEG, VRT, ZARR, FOLDER),
)
# What files begin with, of the formats that are read ...
_READ: tuple[tuple[str, tuple[bytes, ...]], ...] = (
    (HDF5, (b"\x89HDF\r\n\x1a\n",)),
    (NETCDF, (b"CDF\x01", b"CDF\x02", b"CDF\x05")),
    (TIFF, (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    (JPEG2000, (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")),
    (PARQUET, (b"PAR1",)),
    (NPZ, (b"PK\x03\x04", b"PK\x05\x06")),
    (GZIP, (b"\x1f\x8b",)),
    (GEOPACKAGE, (b"SQLite format 3\0",)),
    (SHAPEFILE, (b"\0\0\x27\x0a",)),
    (FLATGEOBUF, (b"fgb\x03",)),
    (PNG, (b"\x89PNG\r\n\x1a\n",)),
    (JPEG, (b"\xff\xd8\xff",)),
)
# ... and of others, so that the sentence can name them.
_OTHERS: tuple[tuple[str, tuple[bytes, ...]], ...] = (
    ("a bzip2 archive: unpack it first", (b"BZh",)),
    ("an xz archive: unpack it first", (b"\xfd7zXZ",)),
    ("a zstd archive: unpack it first", (b"\x28\xb5\x2f\xfd",)),
    ("a NumPy array without names: save it with numpy.savez, as `series`", (b"\x93NUMPY",)),
    (
        "a pickle, which could run code: save the values as NPZ or CSV",
        (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"),
    ),
    ("HDF4: convert it to NetCDF-4", (b"\x0e\x03\x13\x01",)),
    ("a PDF: give the data", (b"%PDF",)),
    ("a file of an old Excel: save it as .xlsx or CSV", (b"\xd0\xcf\x11\xe0",)),
)
_VIRTUAL = re.compile(rb"(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<VRTDataset[\s>]", re.DOTALL)
_XML = "XML, which GDAL would read as a description of other files or addresses: give the raster itself"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
# Files that a Zarr store of either format has at its root.
ZARR_FILES = (".zgroup", ".zmetadata", ".zattrs", ".zarray", "zarr.json")


def kind_of(path: Path) -> str:
    """Tell the kind of a file or folder, one of the constants of this module.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is no kind that is read, or no plain file.
    """
    if not path.exists():
        raise FileNotFoundError(f"No such file: {path}.")
    if path.is_dir():
        return ZARR if any((path / name).exists() for name in ZARR_FILES) else FOLDER
    if not path.is_file():
        raise ValueError(f"{path.name} is no plain file: give a copy of its content.")
    with path.open("rb") as file:
        start = file.read(4096)
    if not start:
        raise ValueError(f"{path.name} is empty: fetch or save it again.")
    for kind, beginnings in _READ:
        if start.startswith(beginnings):
            return EXCEL if kind == NPZ and _is_excel(path) else kind
    for description, beginnings in _OTHERS:
        if start.startswith(beginnings):
            raise ValueError(f"{path.name} is {description}.")
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if _VIRTUAL.match(text):
        return VRT
    if re.match(rb"<[?!A-Za-z]", text):
        raise ValueError(f"{path.name} is {_XML}.")
    if re.match(rb"[{\[]\s*[\"\]{}\[]", text):
        return JSON
    if b"\0" in start and not start.startswith(_UTF16):
        raise ValueError(
            f"{path.name} is none of the formats that are read: give NetCDF, GeoTIFF, JPEG 2000, Parquet, NPZ or CSV."
        )
    return TEXT


def is_zarr(path: Path) -> bool:
    """Tell whether a path is a folder that holds a Zarr store."""
    return path.is_dir() and kind_of(path) == ZARR


def _is_excel(path: Path) -> bool:
    """Tell whether a ZIP holds a workbook."""
    try:
        with zipfile.ZipFile(path) as archive:
            return "[Content_Types].xml" in archive.NameToInfo
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError):
        return False  # whoever reads it says so
