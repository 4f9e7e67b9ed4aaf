"""Bound what a file may hold: little for files of strangers on a public page, much for people's own."""

from dataclasses import dataclass

from . import kinds

MEBIBYTE = 2**20
GIBIBYTE = 2**30


@dataclass(frozen=True)
class Limits:
    """Bound what a file declares and holds; all of it is told by its headers, before any value is read.

    Attributes:
        file_bytes: of the file.
        values: numbers that it declares, altogether.
        free_bytes: that it may declare in any case, once unpacked.
        ratio: how many times its own bytes it may declare beyond these; Deflate packs at most 1,032 to 1.
        axis: numbers along an axis.
        dimensions: axes of a variable.
        variables: variables, groups or arrays.
        columns: of a table.
        bands: of a raster.
        attributes: of an object.
        attribute_bytes: of an attribute, and of other texts such as a header.
        nesting: of groups, types and JSON.
        piece_bytes: that are unpacked at once to read a value: a chunk, a tile or a strip.
        pieces: chunks, tiles or strips of a variable.
        seconds: of CPU time without progress in an HDF5 file.
        kinds: of files that are read at all, constants of `kinds`.
    """

    file_bytes: int
    values: int
    free_bytes: int
    ratio: int
    axis: int
    dimensions: int
    variables: int
    columns: int
    bands: int
    attributes: int
    attribute_bytes: int
    nesting: int
    piece_bytes: int
    pieces: int
    seconds: float
    kinds: tuple[str, ...]


# All of these are our own choice. The page: two years of acquisitions of the most pixels that it maps, 40 million
# values; on the free Space of the Hub, two cores and 16 GB.
STRICT = Limits(
    file_bytes=20 * MEBIBYTE,
    values=40_000_000,
    free_bytes=64 * MEBIBYTE,
    ratio=1_100,
    axis=100_000,
    dimensions=6,
    variables=1_000,
    columns=2_000,  # 120 time steps, as many as the page takes, of ten bands and the scene classes, and some more
    bands=2_000,
    attributes=200,
    attribute_bytes=MEBIBYTE // 4,
    nesting=8,
    piece_bytes=128 * MEBIBYTE,
    pieces=100_000,
    seconds=3.0,
    kinds=(kinds.HDF5, kinds.NETCDF, kinds.TIFF, kinds.JPEG2000, kinds.NPZ, kinds.PARQUET, kinds.TEXT),
)
# The command line and Python: years of Sentinel-2 tiles, 10,980 x 10,980 pixels each, in one file.
PLAIN = Limits(
    file_bytes=2**44,
    values=2**42,
    free_bytes=4 * GIBIBYTE,
    ratio=2_000,
    axis=10_000_000,
    dimensions=8,
    variables=50_000,
    columns=50_000,
    bands=20_000,
    attributes=10_000,
    attribute_bytes=64 * MEBIBYTE,
    nesting=32,
    piece_bytes=2 * GIBIBYTE,
    pieces=20_000_000,
    seconds=3.0,
    kinds=kinds.ALL,
)


def check_count(name: str, count: int, most: int, what: str) -> None:
    """Raise `ValueError` where a file has more of something than is read.

    Args:
        name: of the file.
        count: how many it has or declares.
        most: that are read.
        what: they are, in the plural.
    """
    if count > most:
        raise ValueError(f"{name} has {count:,} {what}, at most {most:,} are read: cut out a part.")


def check_declared(name: str, declared: int, held: int, limits: Limits) -> None:
    """Raise `ValueError` where a file declares far more bytes than the `held` ones can unpack to."""
    if declared > limits.free_bytes + limits.ratio * held:
        raise ValueError(
            f"{name} declares {declared / MEBIBYTE:,.0f} MB of values, but holds {held / MEBIBYTE:,.2f} MB, which "
            "cannot be all of them: save it again, without what is empty."
        )
