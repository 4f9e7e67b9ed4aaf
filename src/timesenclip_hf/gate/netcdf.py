"""Check the headers of classic NetCDF files against what they hold, before a reader allocates what they declare."""

import math
import struct
from pathlib import Path
from typing import BinaryIO

from .limits import Limits, check_count, check_declared

# Bytes of a value of each type: byte, char, short, int, float, double; and those of the 64-bit data format.
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}
_DIMENSIONS, _VARIABLES, _ATTRIBUTES = 10, 11, 12
_STREAMING = {0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF}
_NAME = 4096


def check_netcdf(path: Path, limits: Limits) -> None:
    """Check a classic NetCDF file (formats 1, 2 and 5).

    Raises:
        ValueError: its header declares more than is read, or more than the file holds, or is damaged.
    """
    with path.open("rb") as file:
        try:
            _Header(file, path, limits).check()
        except (struct.error, KeyError, UnicodeDecodeError):
            raise ValueError(f"{path.name} is damaged, its NetCDF header breaks off: fetch it again.") from None


class _Header:
    """Read a header, front to back: the grammar of the NetCDF User's Guide, appendix B."""

    def __init__(self, file: BinaryIO, path: Path, limits: Limits) -> None:
        self.file, self.name, self.limits, self.size = file, path.name, limits, path.stat().st_size
        version = file.read(4)[3]
        self.counter = ">Q" if version == 5 else ">I"
        self.offset = ">I" if version == 1 else ">Q"

    def check(self) -> None:
        records = self._number(self.counter)
        lengths: list[int] = []
        for _ in range(self._list(_DIMENSIONS)):
            self._text()
            lengths.append(self._number(self.counter))
        check_count(self.name, max(lengths, default=0), self.limits.axis, "numbers along an axis")
        self._attributes()
        rows = 0 if records in _STREAMING else records
        check_count(self.name, rows, self.limits.axis, "numbers along an axis")
        declared = sum(self._variable(lengths, rows) for _ in range(self._list(_VARIABLES)))
        check_declared(self.name, declared, self.size, self.limits)
        if declared > self.size:
            raise ValueError(
                f"{self.name} is cut: it declares {declared:,} bytes and has {self.size:,}: fetch it again."
            )

    def _variable(self, lengths: list[int], records: int) -> int:
        """Read a variable; return the bytes that its values take."""
        self._text()
        axes = self._number(self.counter)
        check_count(self.name, axes, self.limits.dimensions, "axes of a variable")
        indices = [self._number(self.counter) for _ in range(axes)]
        if any(index >= len(lengths) for index in indices):
            raise KeyError
        self._attributes()
        size = SIZES[self._number(">I")]
        self._number(self.counter)  # of bytes, which readers derive again
        self._number(self.offset)
        return size * math.prod(lengths[index] or records for index in indices)

    def _attributes(self) -> None:
        count = self._list(_ATTRIBUTES)
        check_count(self.name, count, self.limits.attributes, "attributes")
        for _ in range(count):
            self._text()
            size = SIZES[self._number(">I")] * self._number(self.counter)
            check_count(self.name, size, self.limits.attribute_bytes, "bytes in an attribute")
            self._skip(size)

    def _list(self, tag: int) -> int:
        """Read how many entries a list has."""
        if self._number(">I") not in (0, tag):
            raise KeyError
        count = self._number(self.counter)
        check_count(self.name, count, self.limits.variables, "dimensions or variables")
        return count

    def _text(self) -> None:
        size = self._number(self.counter)
        check_count(self.name, size, _NAME, "letters in a name")
        self._skip(size)

    def _skip(self, size: int) -> None:
        self.file.seek(-(-size // 4) * 4, 1)

    def _number(self, form: str) -> int:
        number: int = struct.unpack(form, self.file.read(struct.calcsize(form)))[0]
        return number
