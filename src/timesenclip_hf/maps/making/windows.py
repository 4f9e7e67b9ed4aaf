"""Cut a grid into blocks, with a halo where neighbours matter."""

from collections.abc import Iterator
from typing import NamedTuple

from ...extras import needs_extra

with needs_extra("map"):
    import xarray as xr


class GridWindow(NamedTuple):
    """Locate a block of the grid: its first row and column, and how many of each."""

    row: int
    column: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Return its rows and columns of the grid."""
        return slice(self.row, self.row + self.height), slice(self.column, self.column + self.width)

    @property
    def pixels(self) -> int:
        """Count its pixels."""
        return self.height * self.width

    def cut(self, cube: xr.Dataset) -> xr.Dataset:
        """Take its block out of a cube; what is lazy stays so."""
        return cube.isel(dict(zip(("y", "x"), self.slices, strict=True)))

    def widened(self, halo: int, shape: tuple[int, int]) -> "GridWindow":
        """Add a halo of so many pixels on each side, as far as a grid of this shape goes."""
        top, left = max(self.row - halo, 0), max(self.column - halo, 0)
        bottom, right = min(self.row + self.height + halo, shape[0]), min(self.column + self.width + halo, shape[1])
        return GridWindow(top, left, bottom - top, right - left)

    def within(self, other: "GridWindow") -> tuple[slice, slice]:
        """Return its rows and columns in an array of a wider window."""
        return self._replace(row=self.row - other.row, column=self.column - other.column).slices


def windows_of(shape: tuple[int, int], side: tuple[int, int]) -> Iterator[GridWindow]:
    """Yield the blocks of a grid of this shape, row by row; the last ones of each axis may be smaller than a side."""
    for row in range(0, shape[0], side[0]):
        for column in range(0, shape[1], side[1]):
            yield GridWindow(row, column, min(side[0], shape[0] - row), min(side[1], shape[1] - column))
