"""Read uploaded files; runs in the reading process alone, because what a stranger made may hang or break its reader."""

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..data.sources.tables import SeriesTable, read_table
from ..extras import needs_extra
from ..gate import STRICT, admit
from ..gate.kinds import HDF5, NETCDF, NPZ, TEXT, TIFF
from .limits import (
    CUBE_SUFFIXES,
    LARGEST_FILE_MB,
    MOST_FILES,
    MOST_SERIES,
    MOST_STEPS,
    SERIES_SUFFIXES,
)
from .series_reading import Reading, SeriesReader, pixel_series

with needs_extra("map"):
    import xarray as xr

    from ..maps.cubes import open_cube
    from ..maps.cubes.datasets import named_axes, open_dataset

# The kinds of content that a suffix may stand for, and what they are called.
_KINDS = {
    ".csv": ("CSV table", (TEXT,)),
    ".npz": ("NPZ archive", (NPZ,)),
    ".nc": ("NetCDF file", (HDF5, NETCDF)),
    ".tif": ("GeoTIFF", (TIFF,)),
    ".tiff": ("GeoTIFF", (TIFF,)),
}


def read_upload(request: Mapping[str, Any]) -> Reading:
    """Read what the server asks for.

    Args:
        request: `kind`, "series" or "cube"; `files`, their paths; `number` of a series, the first is 1; `offset` to
            subtract from digital numbers that say none, or None; `settings` of the checkpoint's feature extractor.

    Raises:
        ValueError: the files cannot be used; the sentence says why.
    """
    reader, offset, files = SeriesReader(request["settings"]), request["offset"], request["files"]
    if request["kind"] == "cube":
        reading = reader.read_cube(read_cube(files), offset=offset)
    else:
        table, number = read_series(files[0]), request["number"]
        if not 1 <= number <= len(table):
            raise ValueError(f"There is no series {number}: the file has {len(table)}, numbered from 1.")
        chosen = table.series[number - 1]
        if offset and "offset" not in chosen and "processing_baseline" not in chosen:
            chosen = {**chosen, "offset": offset}
        reading = Reading(reader.read([chosen]), count=len(table), name=table.ids[number - 1], notes=table.notes)
    steps = reading.series.observed.shape[1]
    if steps > MOST_STEPS:
        raise ValueError(f"The series has {steps:,} time steps, at most {MOST_STEPS} are read: give dates or a year.")
    return reading


def read_series(path: str | Path) -> SeriesTable:
    """Read the series of an uploaded table, or the pixels of an uploaded NetCDF.

    Raises:
        ValueError: the file cannot be used; the sentence says why.
    """
    (file,) = check_files([path], SERIES_SUFFIXES)
    with readable([file]):
        table = _read_netcdf(file) if file.suffix.lower() == ".nc" else read_table(file)
    if len(table) > MOST_SERIES:
        raise ValueError(f"{file.name} has {len(table):,} series, at most {MOST_SERIES:,} are read: upload fewer rows.")
    return table


def read_cube(paths: Sequence[str | Path]) -> xr.Dataset:
    """Open an uploaded cube, in one file or one file a band or date.

    Raises:
        ValueError: the files cannot be used; the sentence says why.
    """
    files = check_files(paths, CUBE_SUFFIXES)
    with readable(files):
        return open_cube([str(file) for file in files])


def check_files(paths: Sequence[str | Path], suffixes: Sequence[str]) -> list[Path]:
    """Return uploaded files; raise `ValueError` if they are not of the kind, few, small and harmless."""
    files = [Path(path) for path in paths]
    if len(files) > MOST_FILES:
        raise ValueError(f"{len(files)} files are too many: upload at most {MOST_FILES} at once.")
    for file in files:
        if file.suffix.lower() not in suffixes:
            raise ValueError(f"{file.name} must end in {', '.join(suffixes)}: save it in one of these forms.")
        if not file.is_file():
            raise ValueError(f"{file.name} was put away after a while: upload it again.")
    size = sum(file.stat().st_size for file in files) / 2**20
    if size > LARGEST_FILE_MB:
        raise ValueError(f"The upload has {size:.0f} MB, at most {LARGEST_FILE_MB} MB are read: cut out a part.")
    for file in files:
        name, kinds = _KINDS[file.suffix.lower()]
        if admit(file, STRICT) not in kinds:
            raise ValueError(f"{file.name} is no {name}, whatever its name says: save it as one.")
    return files


@contextmanager
def readable(files: Sequence[Path]) -> Iterator[None]:
    """Raise `ValueError` of a file that cannot be read to its end, in words of use to who uploaded it."""
    try:
        yield
    except (OSError, RuntimeError, zipfile.BadZipFile):
        names = ", ".join(file.name for file in files)
        raise ValueError(f"{names} cannot be read, or not to the end: save and upload it again.") from None


def _read_netcdf(file: Path) -> SeriesTable:
    """Read the pixels of a small cube as series; a file without axes in space is one series."""
    with open_dataset(file) as opened:
        dataset = named_axes(opened)
        if absent := {axis: [0.0] for axis in ("y", "x") if axis not in dataset.sizes}:
            # Where a series lies makes no difference to its answer, so any reference system does.
            cube = open_cube(dataset.expand_dims(absent), crs="EPSG:4326")
    if not absent:
        cube = open_cube(file)
    series, classes, options = pixel_series(cube)
    items = [{"series": pixel, **options} for pixel in series]
    if classes is not None:
        items = [{**item, "scl": pixel} for item, pixel in zip(items, classes, strict=True)]
    rows_and_columns = np.ndindex(cube.sizes["y"], cube.sizes["x"])
    names = ["the series"] if absent else [f"row {row}, column {column}" for row, column in rows_and_columns]
    return SeriesTable(names, items, list(cube.attrs.get("notes", [])))
