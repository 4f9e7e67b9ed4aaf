"""Check the headers of TIFF and JPEG 2000 files, and the files beside them, before GDAL opens them."""

import html
import math
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from .kinds import TIFF, kind_of
from .limits import Limits, check_count, check_declared

# Bytes of a value of each TIFF type.
TYPE_SIZES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8)
WIDTH, HEIGHT, BITS, STRIP_OFFSETS, SAMPLES, ROWS_PER_STRIP, PLANAR = 256, 257, 258, 273, 277, 278, 284
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, GDAL_METADATA = 322, 323, 324, 42112
DIRECTORIES = 256  # images in a file: overviews and masks
ENTRIES = 4096
SIDE_FILE_BYTES = 16 * 2**20
# By this item GDAL takes overviews of a raster from any other file or address.
_ELSEWHERE = re.compile("OVERVIEW_FILE|<!DOCTYPE|<!ENTITY", re.IGNORECASE)
_CODESTREAM = b"jp2c"


def check_tiff(path: Path, limits: Limits) -> None:
    """Check a TIFF with all its directories, and what lies beside it.

    Raises:
        ValueError: it declares more than is read, or more than it holds, or names another file.
    """
    _check_directories(path, limits)
    check_side_files(path, limits)


def _check_directories(path: Path, limits: Limits) -> None:
    with path.open("rb") as file:
        try:
            _Tiff(file, path, limits).check()
        except (struct.error, IndexError, OverflowError, ZeroDivisionError):
            raise ValueError(f"{path.name} is damaged, its TIFF header breaks off: fetch or unpack it again.") from None


def check_jpeg2000(path: Path, limits: Limits) -> None:
    """Check the size that a JPEG 2000 file declares in its first codestream, its metadata, and what lies beside it.

    Raises:
        ValueError: it declares more than is read, or names another file.
    """
    with path.open("rb") as file:
        head = file.read(limits.attribute_bytes)
        for content in _boxes(file, path, limits):
            if _names_others(content):
                raise ValueError(f"{path.name} names other files in its metadata: save it without them.")
    if (start := head.find(b"\xff\x4f\xff\x51")) < 0 or len(head) < start + 42:
        raise ValueError(f"{path.name} is damaged, it holds no JPEG 2000 image: fetch or unpack it again.")
    right, bottom, left, top, tile_width, tile_height = struct.unpack(">6I", head[start + 8 : start + 32])
    bands = struct.unpack(">H", head[start + 40 : start + 42])[0]
    _check_size(path, (max(right - left, 0), max(bottom - top, 0)), bands, 2, limits)
    piece = min(tile_width, right) * min(tile_height, bottom) * bands * 4
    check_count(f"A tile of {path.name}", piece, limits.piece_bytes, "bytes")
    check_side_files(path, limits)


def _boxes(file: BinaryIO, path: Path, limits: Limits) -> Iterator[bytes]:
    """Give the boxes of a JPEG 2000 file but its images, before and behind them; a bare codestream has none."""
    size, offset = path.stat().st_size, 0
    while offset + 8 <= size:
        file.seek(offset)
        length, kind = struct.unpack(">I4s", file.read(8))
        if offset == 0 and kind != b"jP  ":
            return
        if length == 1:
            length = int.from_bytes(file.read(8), "big")
        end = offset + length if length else size
        if kind != _CODESTREAM:
            held = min(end, size) - file.tell()
            check_count(f"A box of {path.name}", held, limits.attribute_bytes, "bytes")
            yield file.read(max(held, 0))
        offset = max(end, offset + 8)


class _Tiff:
    """Read the directories of a TIFF or BigTIFF, as its specification lays them out."""

    def __init__(self, file: BinaryIO, path: Path, limits: Limits) -> None:
        self.file, self.path, self.limits, self.size = file, path, limits, path.stat().st_size
        head = file.read(4)
        self.order = "<" if head.startswith(b"II") else ">"
        self.big = head.endswith((b"+\0", b"\0+"))
        if self.big:
            file.seek(8)

    def check(self) -> None:
        offset, visited = self._word(), set[int]()
        while offset and offset not in visited:
            visited.add(offset)
            check_count(self.path.name, len(visited), DIRECTORIES, "images")
            self.file.seek(offset)
            count = self._unpack("Q") if self.big else self._unpack("H")
            check_count(self.path.name, count, ENTRIES, "entries in its header")
            entries = [self._entry() for _ in range(count)]
            offset = self._word()
            self._check_directory({tag: (kind, number, value) for tag, kind, number, value in entries})
        if not visited:
            raise IndexError

    def _check_directory(self, entries: dict[int, tuple[int, int, bytes]]) -> None:
        for kind, number, _ in entries.values():
            size = number * TYPE_SIZES[kind]
            if size > self.size:
                raise IndexError
        width, height = (self._value(entries, tag, 0) for tag in (WIDTH, HEIGHT))
        bands, bits = self._value(entries, SAMPLES, 1), self._value(entries, BITS, 1)
        size = math.ceil(bits / 8)
        _check_size(self.path, (width, height), bands, size, self.limits, self.size)
        rows = min(self._value(entries, ROWS_PER_STRIP, height), height)
        across, down = (width, rows) if TILE_WIDTH not in entries else self._sides(entries)
        together = bands if self._value(entries, PLANAR, 1) == 1 else 1
        piece = across * down * size * together
        check_count(f"A tile of {self.path.name}", piece, self.limits.piece_bytes, "bytes")
        pieces = max(entries.get(tag, (0, 0))[1] for tag in (STRIP_OFFSETS, TILE_OFFSETS))
        check_count(self.path.name, pieces, self.limits.pieces, "tiles")
        if GDAL_METADATA in entries:
            _, number, value = entries[GDAL_METADATA]
            check_count(self.path.name, number, self.limits.attribute_bytes, "bytes of metadata")
            if _names_others(self._bytes(number, value)):
                raise ValueError(f"{self.path.name} names other files in its metadata: save it without them.")

    def _sides(self, entries: dict[int, tuple[int, int, bytes]]) -> tuple[int, int]:
        return self._value(entries, TILE_WIDTH, 0), self._value(entries, TILE_HEIGHT, 0)

    def _entry(self) -> tuple[int, int, int, bytes]:
        tag, kind = self._unpack("H"), self._unpack("H")
        return tag, kind, self._word(), self.file.read(8 if self.big else 4)

    def _bytes(self, size: int, value: bytes) -> bytes:
        if size <= len(value):
            return value[:size]
        self.file.seek(struct.unpack(self.order + ("Q" if self.big else "I"), value)[0])
        return self.file.read(size)

    def _value(self, entries: dict[int, tuple[int, int, bytes]], tag: int, default: int) -> int:
        """Read the first number of an entry."""
        if tag not in entries:
            return default
        kind, number, value = entries[tag]
        form = {1: "B", 3: "H", 4: "I", 16: "Q"}[kind] if kind in (1, 3, 4, 16) else ""
        if not form or not number:
            raise IndexError
        size = struct.calcsize(self.order + form)
        first = self._bytes(size * number, value)[:size] if size * number > len(value) else value[:size]
        result: int = struct.unpack(self.order + form, first)[0]
        return result

    def _word(self) -> int:
        return self._unpack("Q" if self.big else "I")

    def _unpack(self, form: str) -> int:
        number: int = struct.unpack(self.order + form, self.file.read(struct.calcsize(self.order + form)))[0]
        return number


def _check_size(
    path: Path, sides: tuple[int, int], bands: int, size: int, limits: Limits, held: int | None = None
) -> None:
    if not all(sides) or not bands:
        raise ValueError(f"{path.name} declares an image without pixels: fetch or unpack it again.")
    check_count(path.name, bands, limits.bands, "bands")
    check_count(path.name, max(sides), limits.axis, "numbers along an axis")
    check_count(path.name, math.prod(sides) * bands, limits.values, "values")
    if held is not None:
        check_declared(path.name, math.prod(sides) * bands * size, held, limits)


def check_side_files(path: Path, limits: Limits) -> None:
    """Check the overviews, masks and metadata that GDAL takes from beside a raster.

    Raises:
        ValueError: one is no TIFF, declares more than is read, or names another file.
    """
    for stem in {path.name, path.stem}:
        for suffix in (".ovr", ".msk", ".OVR", ".MSK", ".ovr.msk", ".msk.ovr"):
            beside = path.with_name(stem + suffix)
            if not beside.is_file():
                continue
            if kind_of(beside) != TIFF:
                raise ValueError(f"{beside.name} beside {path.name} is no TIFF: remove it.")
            _check_directories(beside, limits)
        for suffix in (".aux.xml", ".AUX.XML", ".aux", ".ovr.aux.xml", ".msk.aux.xml"):
            beside = path.with_name(stem + suffix)
            if not beside.is_file():
                continue
            check_count(beside.name, beside.stat().st_size, SIDE_FILE_BYTES, "bytes")
            if _names_others(beside.read_bytes()):
                raise ValueError(f"{beside.name} beside {path.name} names other files: remove it.")


def _names_others(metadata: bytes) -> bool:
    """Tell whether GDAL's metadata name other files; their letters may be written as escapes."""
    return _ELSEWHERE.search(html.unescape(metadata.decode("latin-1"))) is not None
