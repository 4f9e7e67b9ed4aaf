"""Write files that visitors of the page bring: harmless ones of every form, and small ones made to hold it up."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import rasterio
from rasterio.transform import from_origin

from tests.support.browser.files import NO_DATA, write_cube, write_series
from tests.support.small_cubes import CRS
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS
from timesenclip_hf.simulator import simulate

SIDE = 40
SERIES = 20
MANY = 100_000


def write_harmless(folder: Path) -> dict[str, Path]:
    """Write a NetCDF, a GeoTIFF, and tables as CSV, NPZ and NetCDF, all simulated; return them by name."""
    values = simulate(SERIES, seed=3).series
    table = folder / "table.csv"
    rows = [f"p{point},{month + 1}," + ",".join(map(str, values[point, month])) for point, month in np.ndindex(20, 12)]
    table.write_text("\n".join([f"id,month,{','.join(BANDS)}", *rows]).replace("nan", ""), encoding="utf-8")
    return {
        "cube.nc": write_cube(folder / "cube.nc", SIDE, SIDE, seed=1),
        "other.nc": write_cube(folder / "other.nc", SIDE, SIDE, seed=2),
        "cube.tif": _raster(folder / "cube.tif"),
        "table.csv": table,
        "table.npz": write_series(folder / "table.npz", values),
        "table.nc": write_cube(folder / "table.nc", 4, 5, seed=4),
    }


def _raster(path: Path) -> Path:
    values = simulate(SIDE * SIDE, seed=5).series.reshape(SIDE, SIDE, 12 * len(BANDS)).transpose(2, 0, 1)
    names = [f"{band}_2018-{month:02d}-15" for month in range(1, 13) for band in BANDS]
    numbers = np.where(np.isnan(values), NO_DATA, np.rint(values * 10_000)).astype(np.uint16)
    with _open(path, len(names), SIDE, nodata=NO_DATA, compress="deflate") as raster:
        raster.write(numbers)
        raster.descriptions = names
    return path


def _open(path: Path, count: int, side: int, **profile: object) -> rasterio.DatasetBase:
    transform = from_origin(500_000, 5_600_000, 10, 10)
    size = {"height": side, "width": side, "count": count, "dtype": "uint16"}
    return rasterio.open(path, "w", driver="GTiff", crs=CRS, transform=transform, **size, **profile)


def columns(path: Path) -> None:
    """Write a table of a row and 100,000 dated columns."""
    days = [f"B02_{np.datetime64('1950-01-01') + day}" for day in range(MANY)]
    path.write_text(f"{','.join(days)}\n{','.join('1' * MANY)}\n", encoding="utf-8")


def long_line(path: Path) -> None:
    """Write 15 MB without an end of line."""
    path.write_text("B02_2018-01-01," * 2**20, encoding="utf-8")


def rows(path: Path) -> None:
    """Write 15 MB of series of a month each."""
    line = ",7" + ",1" * len(BANDS)
    text = "\n".join(f"{row}{line}" for row in range(500_000))
    path.write_text(f"id,month,{','.join(BANDS)}\n{text}\n", encoding="utf-8")


def words(path: Path) -> None:
    """Write a table whose numbers are words of a megabyte."""
    cells = ",".join(["x" * 2**20] * len(BANDS))
    path.write_text(f"id,month,{','.join(BANDS)}\na,1,{cells}\n", encoding="utf-8")


def coordinate(path: Path, length: int = 10**8) -> None:
    """Write a series beside an axis of so many numbers, none of which is stored."""
    with h5py.File(path, "w") as file:
        _series(file)
        file.create_dataset("extra", shape=(length,), dtype="<f8", chunks=(2**20,)).make_scale("extra")


def variables(path: Path) -> None:
    """Write a series among 20,000 variables."""
    with h5py.File(path, "w") as file:
        _series(file)
        for number in range(20_000):
            file.create_dataset(f"v{number}", data=0)


def nesting(path: Path) -> None:
    """Write a series beside groups inside each other, and in a circle."""
    with h5py.File(path, "w") as file:
        _series(file)
        group = file
        for _ in range(2_000):
            group = group.create_group("g")
        group["back"] = file["g"]


def chunk(path: Path) -> None:
    """Write bands of zeros that unpack to 2 GB, a few kilobytes each."""
    with h5py.File(path, "w") as file:
        _series(file)
        zeros = file.create_dataset("B01", shape=(4, 2**28), dtype="<u2", chunks=(1, 2**26), compression="gzip")
        zeros[0, : 2**26] = 0


def squeezed(path: Path) -> None:
    """Write a cube of the most values that are read, all the same, in a file of some hundred kilobytes."""
    shape = (240, 128, 128)
    with h5py.File(path, "w") as file:
        time = file.create_dataset("time", data=np.arange(shape[0], dtype="<i4") * 3)
        time.attrs["units"] = "days since 2017-01-01"
        axes = {"time": time}
        axes |= {name: file.create_dataset(name, data=np.arange(128.0)[::step]) for name, step in (("y", -1), ("x", 1))}
        for name, axis in axes.items():
            axis.make_scale(name)
        for band in BANDS:
            data = file.create_dataset(band, shape, "<u2", chunks=(60, 128, 128), compression="gzip", fillvalue=900)
            data[:] = 900
            for index, axis in enumerate(axes.values()):
                data.dims[index].attach_scale(axis)
        file.attrs["crs"] = CRS


def header(path: Path) -> None:
    """Write a classic NetCDF whose header declares four thousand million times."""
    number = (0xFFFFFFF0).to_bytes(4, "big")
    path.write_bytes(b"CDF\x01" + bytes(4) + b"\0\0\0\x0a\0\0\0\1\0\0\0\4time" + number + bytes(16) + bytes(1_000))


def archive(path: Path) -> None:
    """Write an NPZ of the most values, all zero."""
    np.savez_compressed(path, series=np.zeros((330_000, 12, 10), dtype=np.uint8))


def steps(path: Path) -> None:
    """Write a series of 100,000 time steps, each of which the encoder would compare with all others."""
    months = np.linspace(0, 11.9, MANY, dtype=np.float32)
    np.savez_compressed(path, series=np.full((1, MANY, 10), 0.2, np.float32), months=months)


def bands(path: Path) -> None:
    """Write a raster of 60,000 described bands, 5 MB."""
    with _open(path, 60_000, 16, SPARSE_OK=True) as raster:
        raster.descriptions = [f"{BANDS[i % 10]}_{np.datetime64('1950-01-01') + i // 10}" for i in range(60_000)]


def area(path: Path) -> None:
    """Write a raster that declares 40,000 x 40,000 pixels and stores none."""
    with _open(path, 1, 40_000, SPARSE_OK=True, tiled=True, bigtiff="yes"):
        pass


def _series(file: h5py.File) -> None:
    time = file.create_dataset("time", data=np.arange(12, dtype="<i4") * 30 + 10)
    time.make_scale("time")
    time.attrs["units"] = "days since 2018-01-01"
    for band in BANDS:
        data = file.create_dataset(band, data=np.full(12, 900, dtype="<u2"))
        data.dims[0].attach_scale(time)


# By the names that visitors give them.
HOSTILE: dict[str, Callable[[Path], None]] = {
    "columns.csv": columns,
    "line.csv": long_line,
    "rows.csv": rows,
    "words.csv": words,
    "coordinate.nc": coordinate,
    "variables.nc": variables,
    "nesting.nc": nesting,
    "chunk.nc": chunk,
    "squeezed.nc": squeezed,
    "header.nc": header,
    "archive.npz": archive,
    "steps.npz": steps,
    "bands.tif": bands,
    "area.tif": area,
}
