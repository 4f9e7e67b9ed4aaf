"""Limit what one visitor of the page may ask of two cores, in one module; the sentences that refuse more name these."""

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..extras import needs_extra

with needs_extra("map"):
    import rasterio

    from ..maps.cubes.datasets import named_axes, open_dataset

# All of these are our own choice, for a machine of two cores and 16 GB, the free Space of the Hub.
LARGEST_FILE_MB = 20
MOST_FILES = 40
MOST_CLASSES = 24
MOST_CHARACTERS = 1_000
MOST_SERIES = 5_000
MOST_PIXELS = 128 * 128
# Values in a file once unpacked: two years of acquisitions at the most pixels, some 80 MB as 16-bit integers.
MOST_VALUES = 40_000_000
MOST_SECONDS = 30.0
# Events that compute at once, and that wait for it; sessions whose cube is kept, each at most 13 MB, and for how long.
AT_ONCE = 2
MOST_WAITING = 60
MOST_SESSIONS = 48
KEPT_SECONDS = 900
# Words whose embeddings are kept for all visitors together.
MOST_KEPT_WORDS = 512

SERIES_SUFFIXES = (".csv", ".npz", ".nc")
CUBE_SUFFIXES = (".nc", ".tif", ".tiff")
# What a file begins with. GDAL and the NetCDF readers go by this, not by the name, and know formats that name other
# files on the machine; none of these does.
_TIFF = ("GeoTIFF", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"))
_KINDS = {
    ".npz": ("NPZ archive", (b"PK",)),
    ".nc": ("NetCDF file", (b"\x89HDF\r\n\x1a\n", b"CDF\x01", b"CDF\x02", b"CDF\x05")),
    ".tif": _TIFF,
    ".tiff": _TIFF,
}


def check_files(paths: Sequence[str | Path], suffixes: Sequence[str]) -> list[Path]:
    """Return uploaded files; raise `ValueError` if they are not of the kind, few and small, packed and unpacked."""
    files = [Path(path) for path in paths]
    if len(files) > MOST_FILES:
        raise ValueError(f"{len(files)} files are too many: upload at most {MOST_FILES} at once.")
    for file in files:
        suffix = file.suffix.lower()
        if suffix not in suffixes:
            raise ValueError(f"{file.name} must end in {', '.join(suffixes)}: save it in one of these forms.")
        if not file.is_file():
            raise ValueError(f"{file.name} was put away after a while: upload it again.")
        with open(file, "rb") as opened:
            start = opened.read(8)
        if not start:
            raise ValueError(f"{file.name} is empty: upload it again.")
        kind, beginnings = _KINDS.get(suffix, ("", (b"",)))
        if not start.startswith(beginnings):
            raise ValueError(f"{file.name} is no {kind}, whatever its name says: save it as one.")
    size = sum(file.stat().st_size for file in files) / 2**20
    if size > LARGEST_FILE_MB:
        raise ValueError(f"The upload has {size:.0f} MB, at most {LARGEST_FILE_MB} MB are read: cut out a part.")
    values = sum(_count_values(file) for file in files)
    if values > MOST_VALUES:
        raise ValueError(
            f"The upload unpacks to {values:,} values, at most {MOST_VALUES:,} are read: cut out a smaller place or "
            "fewer dates, or use `timesenclip map`."
        )
    return files


@contextmanager
def readable(files: Sequence[Path]) -> Iterator[None]:
    """Raise `ValueError` of a file that cannot be read to its end, in words of use to who uploaded it."""
    try:
        yield
    except (OSError, RuntimeError, zipfile.BadZipFile):
        names = ", ".join(file.name for file in files)
        raise ValueError(f"{names} cannot be read, or not to the end: save and upload it again.") from None


def check_pixels(height: int, width: int) -> None:
    """Raise `ValueError` of a cube with more pixels than are mapped while a visitor waits."""
    pixels, side = height * width, int(MOST_PIXELS**0.5)
    if pixels > MOST_PIXELS:
        raise ValueError(
            f"The cube has {height} × {width} = {pixels:,} pixels, this page maps at most {MOST_PIXELS:,} ({side} × "
            f"{side}): cut out a part, or use `timesenclip map`."
        )


def _count_values(file: Path) -> int:
    """Count the numbers in a file, from its headers alone; none where they are as many as its bytes say."""
    suffix = file.suffix.lower()
    with readable([file]):
        if suffix == ".npz":
            with zipfile.ZipFile(file) as archive:
                # Two bytes a number: the smallest type that holds reflectance.
                return sum(entry.file_size for entry in archive.infolist()) // 2
        if suffix == ".nc":
            with open_dataset(file) as dataset:
                sizes = named_axes(dataset).sizes
                if {"y", "x"} <= set(sizes):
                    check_pixels(sizes["y"], sizes["x"])
                return sum(int(variable.size) for variable in dataset.data_vars.values())
        if suffix in (".tif", ".tiff"):
            with rasterio.open(file) as raster:
                check_pixels(raster.height, raster.width)
                return int(raster.count * raster.height * raster.width)
    return 0
