"""Read a map of classes: their names, the pixels and the area of each, and the class below a point."""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..extras import needs_extra
from ..gate.rasters import open_raster
from ..maps.cubes.labels import Codes
from ..maps.files.legend import UNCERTAIN
from .area_stretch import check_stretch
from .pixel_areas import HECTARE, row_areas

with needs_extra("map"):
    from rasterio.crs import CRS
    from rasterio.transform import Affine
    from rasterio.windows import Window

NO_STRATUM = -1
# Pixels that are in memory at once, some tens of megabytes.
STRIP_PIXELS = 4_000_000
# Hexadecimal digits of the hash by which a sample knows its map.
HASH_DIGITS = 16
# What a pixel is called that `--reject` took the class of; no reference can be so.
REJECTED = "uncertain"


@dataclass(frozen=True, eq=False)
class ClassMap:
    """Hold what a map of classes says of itself, and where it is read.

    Attributes:
        path: of the GeoTIFF.
        labels: names of the classes, then "uncertain" where the map has pixels of rejected ones; its strata.
        has_rejected: whether the last label is that of rejected classes, which no reference can have.
        codes: those of each label in the file.
        row_pixels: pixels of each label in each row (rows, labels).
        row_areas: of a pixel of each row, in square metres (rows,).
        crs: of the grid.
        transform: from column and row to its coordinates.
        shape: rows and columns.
        without_data: hectares without a class.
        map_hash: tells these pixels on this grid from others.
        colours: as "#009e73", of the labels that the file gives one.
    """

    path: Path
    labels: list[str]
    has_rejected: bool
    codes: list[list[int]]
    row_pixels: np.ndarray
    row_areas: np.ndarray
    crs: CRS
    transform: Affine
    shape: tuple[int, int]
    without_data: float
    map_hash: str
    colours: Mapping[str, str]

    @property
    def classes(self) -> list[str]:
        """Return the labels that a reference may have: all but "uncertain"."""
        return self.labels[:-1] if self.has_rejected else self.labels

    @property
    def pixels(self) -> np.ndarray:
        """Return the pixels of each label (labels,)."""
        return np.asarray(self.row_pixels.sum(axis=0))

    @property
    def hectares(self) -> np.ndarray:
        """Return the area of each label (labels,)."""
        return np.asarray(self.row_areas @ self.row_pixels / HECTARE)

    def pixels_at(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return rows and columns of points in the CRS of the map; -1 outside."""
        columns, rows = (np.floor(values) for values in ~self.transform @ (np.asarray(x), np.asarray(y)))
        inside = (rows >= 0) & (rows < self.shape[0]) & (columns >= 0) & (columns < self.shape[1])
        return tuple(np.where(inside, values, -1).astype(np.int64) for values in (rows, columns))  # type: ignore[return-value]

    def strata_at(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return the index of the label of each pixel, -1 outside and where there is no class."""
        strata = np.full(len(rows), NO_STRATUM)
        for start, strip in self.strips(rows):
            within = (rows >= start) & (rows < start + len(strip))
            strata[within] = strip[rows[within] - start, columns[within]]
        return strata

    def strips(self, rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Give the strips that hold one of the rows: the first row, and the index of each pixel's label, -1 for none.

        Raises:
            ValueError: the file cannot be read, or is no longer what it was.
        """
        with open_raster(self.path) as raster:
            if raster.shape != self.shape:
                raise ValueError(f"{self.path.name} was changed meanwhile: give the same command again.")
            for start, height in _strips(raster):
                if ((rows >= start) & (rows < start + height)).any():
                    window = Window(0, start, raster.width, height)
                    yield start, _to_strata(raster.read(1, window=window, masked=True), self.codes)


def read_class_map(path: str | os.PathLike[str], codes: Codes | None = None) -> ClassMap:
    """Read a map of classes in one pass, strip by strip.

    Args:
        path: GeoTIFF that `timesenclip map` wrote, or another of a single band of codes.
        codes: for each label its codes, as of [`parse_codes`]; those that the file names when left out.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is no raster of codes in one band, names no classes and none are told, has pixels of a code that
            no class has, or its pixels have no area; the sentence says which.
    """
    path = Path(path)
    with open_raster(path) as raster:
        if raster.count != 1 or np.dtype(raster.dtypes[0]).kind not in "iu":
            raise ValueError(
                f"{path.name} has {raster.count} band(s) of {raster.dtypes[0]}: give the map of classes, one band of "
                "whole numbers."
            )
        tags = raster.tags()
        legend = _told(codes, path) if codes is not None else _own_legend(tags, path)
        check_stretch(raster.crs, raster.transform, raster.shape, path.name)
        areas = row_areas(raster.crs, raster.transform, raster.shape, path.name)
        counts, without_data, digest = _count(raster, list(legend.values()), path)
        grid: dict[str, Any] = {"crs": raster.crs, "transform": raster.transform, "shape": raster.shape}
    if not counts.any():
        raise ValueError(f"{path.name} has no pixel with a class: there is nothing to measure.")
    names_classes = codes is None
    has_rejected = names_classes and legend.get(REJECTED) == [UNCERTAIN]
    if has_rejected and not counts[:, -1].any():
        has_rejected = False
        del legend[REJECTED]
    return ClassMap(
        path=path,
        labels=list(legend),
        has_rejected=has_rejected,
        codes=list(legend.values()),
        row_pixels=counts[:, : len(legend)],
        row_areas=areas,
        without_data=float(areas @ without_data) / HECTARE,
        map_hash=digest,
        colours={
            name: tags[f"COLOUR_{each[0]}"] for name, each in legend.items() if names_classes and _coloured(tags, each)
        },
        **grid,
    )


def _coloured(tags: Mapping[str, str], codes: Sequence[int]) -> bool:
    """Tell whether the file gives a class a colour as it is written, "#" and six digits."""
    text = tags.get(f"COLOUR_{codes[0]}", "")
    return len(text) == 7 and text[0] == "#" and all(digit in "0123456789abcdefABCDEF" for digit in text[1:])


def _told(codes: Codes, path: Path) -> dict[str, list[int]]:
    """Return the codes of each label, which are of one band."""
    if (
        variable := next((name for pairs in codes.values() for name, _ in pairs if name is not None), None)
    ) is not None:
        raise ValueError(f"{path.name} has one band and no variable {variable!r}: write codes such as maize=1200.")
    legend = {label: [code for _, code in pairs] for label, pairs in codes.items()}
    known = [code for each in legend.values() for code in each]
    if twice := sorted({code for code in known if known.count(code) > 1}):
        raise ValueError(f"The code {twice[0]} is of two classes: give each code one class.")
    return legend


def _own_legend(tags: Mapping[str, str], path: Path) -> dict[str, list[int]]:
    """Read the names that `timesenclip map` writes into its GeoTIFF."""
    numbers = [key.removeprefix("CLASS_") for key in tags if key.startswith("CLASS_")]
    codes = sorted(int(number) for number in numbers if number.isdecimal())
    if not codes:
        raise ValueError(f'{path.name} does not name its classes: tell them, --codes "maize=1;grassland=2,3".')
    legend = {tags[f"CLASS_{code}"]: [code] for code in codes}
    if len(legend) < len(codes):
        raise ValueError(f'{path.name} names two classes alike: tell them, --codes "maize=1;grassland=2,3".')
    return legend


def _strips(raster: Any) -> Iterator[tuple[int, int]]:
    """Cut a raster into strips of whole rows of its blocks: first row and height."""
    block = raster.block_shapes[0][0]
    height = max(1, STRIP_PIXELS // (raster.width * block)) * block
    height = height if height * raster.width <= 4 * STRIP_PIXELS else max(1, STRIP_PIXELS // raster.width)
    for start in range(0, raster.height, height):
        yield start, min(height, raster.height - start)


def _count(raster: Any, codes: list[list[int]], path: Path) -> tuple[np.ndarray, np.ndarray, str]:
    """Count the pixels of each label in each row, and those without data; hash them all."""
    counts = np.zeros((raster.height, len(codes)), dtype=np.int64)
    without = np.zeros(raster.height, dtype=np.int64)
    digest = hashlib.sha256(repr((raster.shape, *(round(value, 9) for value in raster.transform[:6]))).encode())
    for start, height in _strips(raster):
        values = raster.read(1, window=Window(0, start, raster.width, height), masked=True)
        digest.update(values.data.astype("<i8").tobytes())
        strata = _to_strata(values, codes)
        unnamed = (strata == NO_STRATUM) & ~np.ma.getmaskarray(values)
        if unnamed.any():
            code = values.data[unnamed][0]
            raise ValueError(
                f"{path.name} has pixels of code {code}, which is no class and not marked as no data: name it "
                f'(--codes "...;other={code}"), or mark it (gdal_edit -a_nodata {code} {path.name}).'
            )
        named = strata != NO_STRATUM
        without[start : start + height] = (~named).sum(axis=1)
        rows = np.broadcast_to(np.arange(height)[:, None], strata.shape)[named]
        flat = np.bincount(rows * len(codes) + strata[named], minlength=height * len(codes))
        counts[start : start + height] = flat.reshape(height, len(codes))
    return counts, without, digest.hexdigest()[:HASH_DIGITS]


def _to_strata(values: np.ma.MaskedArray[Any, Any], codes: Sequence[Sequence[int]]) -> np.ndarray:
    """Return the index of each code's label, -1 where it has none or is masked."""
    known = np.asarray([code for each in codes for code in each], dtype=np.int64)
    owners = np.repeat(np.arange(len(codes)), [len(each) for each in codes])
    order = np.argsort(known)
    plain = values.data.astype(np.int64)
    places = np.minimum(np.searchsorted(known[order], plain), len(known) - 1)
    is_known = (known[order][places] == plain) & ~np.ma.getmaskarray(values)
    return np.where(is_known, owners[order][places], NO_STRATUM)
