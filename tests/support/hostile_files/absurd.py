"""Write small files that declare absurdly much: axes, bands, columns, arrays that they do not hold."""

import gzip
import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .netcdf import write_netcdf
from .rasters import write_tiff
from .zarr import write_zarr

BANDS = ["B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"]


def many_columns(folder: Path, count: int = 100_000) -> Path:
    """Write a CSV of one row with a column a band and date."""
    path = folder / "series.csv"
    days = [str(np.datetime64("1950-01-01") + day) for day in range(count)]
    path.write_text(",".join(f"B02_{day}" for day in days) + "\n" + ",".join("1" for _ in days) + "\n")
    return path


def long_axis(folder: Path, count: int = 10**8) -> Path:
    """Write a NetCDF-4 of some kilobytes that declares an axis and stores none of it."""

    def change(file: Any) -> None:
        file.create_dataset("extra", shape=(count,), dtype="<f8", chunks=(1 << 20,)).make_scale("extra")

    return write_netcdf(folder / "axis.nc", change)


def wide_cube(folder: Path) -> Path:
    """Write a NetCDF-4 that declares a variable of terabytes on short axes and stores none of it."""

    def change(file: Any) -> None:
        file.create_dataset("B09", shape=(1000, 100_000, 100_000), dtype="<f8", chunks=(1, 1000, 1000))

    return write_netcdf(folder / "cube.nc", change)


def large_chunk(folder: Path) -> Path:
    """Write a NetCDF-4 whose only chunk would unpack to gigabytes."""

    def change(file: Any) -> None:
        file.create_dataset("B09", shape=(1, 60_000, 60_000), dtype="<u2", chunks=(1, 60_000, 60_000))

    return write_netcdf(folder / "chunk.nc", change)


def many_bands(folder: Path, count: int = 60_000) -> Path:
    """Write a GeoTIFF that declares many bands, by raising the number in its header."""
    path = write_tiff(folder / "bands.tif")
    return _set_tiff(path, {277: count})


def large_raster(folder: Path, side: int = 2_000_000) -> Path:
    """Write a GeoTIFF that declares millions of rows and columns."""
    return _set_tiff(write_tiff(folder / "large.tif"), {256: side, 257: side})


def large_tile(folder: Path) -> Path:
    """Write a GeoTIFF whose only strip would unpack to gigabytes."""
    return _set_tiff(write_tiff(folder / "tile.tif"), {256: 60_000, 257: 60_000, 278: 60_000})


def large_classic(folder: Path) -> Path:
    """Write a classic NetCDF that declares gigabytes and ends behind its header."""
    path = folder / "classic.nc"
    name = struct.pack(">I4s", 1, b"x")
    dimensions = struct.pack(">II", 10, 1) + name + struct.pack(">I", 2**31 - 1)
    variable = name + struct.pack(">II", 1, 0) + struct.pack(">II", 0, 0) + struct.pack(">III", 6, 2**32 - 4, 200)
    header = b"CDF\x01" + struct.pack(">I", 0) + dimensions + struct.pack(">II", 0, 0)
    path.write_bytes(header + struct.pack(">II", 11, 1) + variable)
    return path


def long_array(folder: Path) -> Path:
    """Write an NPZ whose array declares a trillion numbers and holds twelve."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f4", "fortran_order": False, "shape": (10**6, 12, 10**5)})
    path = folder / "series.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("series.npy", buffer.getvalue() + bytes(48))
    return path


def bomb_npz(folder: Path, size: int = 64 * 2**20) -> Path:
    """Write an NPZ of some kilobytes that unpacks to many megabytes."""
    path = folder / "series.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("series.npy", "w", force_zip64=True) as file,
    ):
        np.lib.format.write_array_header_1_0(file, {"descr": "<u1", "fortran_order": False, "shape": (size,)})
        for _ in range(size // 2**20):
            file.write(bytes(2**20))
    return path


def bomb_gzip(folder: Path, size: int = 16 * 2**20) -> Path:
    """Write a packed CSV of some kilobytes that unpacks to many megabytes."""
    path = folder / "series.csv.gz"
    with gzip.open(path, "wb") as file:
        file.write(b"id,date,B02\n")
        for _ in range(size // 2**20):
            file.write(b"1" * 2**20)
    return path


def large_zarr(folder: Path) -> Path:
    """Write a Zarr store with a chunk of gigabytes."""
    path = write_zarr(folder / "cube.zarr")
    document = json.loads((path / "B08" / ".zarray").read_text())
    document |= {"shape": [12, 60_000, 60_000], "chunks": [12, 60_000, 60_000]}
    (path / "B08" / ".zarray").write_text(json.dumps(document))
    return path


def _set_tiff(path: Path, values: dict[int, int]) -> Path:
    """Set numbers of the first directory of a little-endian TIFF, by their tags; as 32-bit numbers."""
    content = bytearray(path.read_bytes())
    start = struct.unpack_from("<I", content, 4)[0]
    for index in range(struct.unpack_from("<H", content, start)[0]):
        entry = start + 2 + 12 * index
        tag = struct.unpack_from("<H", content, entry)[0]
        if tag in values:
            struct.pack_into("<HII", content, entry + 2, 4, 1, values[tag])
    path.write_bytes(content)
    return path


ABSURD: dict[str, Callable[[Path], Path]] = {
    function.__name__: function
    for function in (
        *(many_columns, long_axis, wide_cube, large_chunk, many_bands, large_raster, large_tile, large_classic),
        *(long_array, bomb_npz, bomb_gzip, large_zarr),
    )
}
