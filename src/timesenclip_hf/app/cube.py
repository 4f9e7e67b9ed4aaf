"""A cube to a map, and the same map in other words: the pixels are embedded once and kept."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..extras import needs_extra
from .limits import CUBE_SUFFIXES, MOST_SECONDS, check_files, check_pixels, whole
from .reader import Looks, PageModel, Words
from .series import SeriesAnswer

with needs_extra("demo"):
    import xarray as xr

    from ..maps.cubes import open_cube
    from ..maps.cubes.reading import look_offsets
    from ..maps.making.blocks import class_layers

# Pixels embedded between two looks at the clock.
CHUNK = 1_024


@dataclass(frozen=True)
class KeptCube:
    """What is kept of a cube for a visitor: nothing of it is read again.

    Attributes:
        height: rows.
        width: columns.
        looks: the pixels, row by row, as the checkpoint reads them.
        embeds: (pixels, projection_dim), NaN where no look is clear.
        seconds: that reading and embedding it took.
    """

    height: int
    width: int
    looks: Looks
    embeds: torch.Tensor
    seconds: float


@dataclass(frozen=True)
class MapAnswer:
    """A map.

    Attributes:
        words: the class names.
        classes: (height, width) uint8, 1 for the first name, 0 where no month is clear.
        probability: of that class, (height, width), NaN where no month is clear.
        entropy: of the probabilities as a share of the largest possible, (height, width).
    """

    words: Words
    classes: np.ndarray
    probability: np.ndarray
    entropy: np.ndarray

    @property
    def shares(self) -> np.ndarray:
        """Share of the pixels without a class, and of each class."""
        return np.bincount(self.classes.ravel(), minlength=len(self.words.labels) + 1) / self.classes.size


def read_cube(paths: Sequence[str | Path]) -> xr.Dataset:
    """An uploaded cube, in one file or one file a band or date.

    Raises:
        ValueError: the files cannot be used; the sentence says why.
    """
    files = check_files(paths, CUBE_SUFFIXES)
    with whole(files):
        return open_cube([str(file) for file in files])


def keep_cube(reader: PageModel, cube: xr.Dataset, *, offset: float | None = None) -> KeptCube:
    """Embeds every pixel of a cube that [`open_cube`] returned.

    Args:
        reader: the checkpoint.
        cube: `reflectance` (time, band, y, x), and `scl` where there is one.
        offset: to subtract from digital numbers, where the cube does not say itself.

    Raises:
        ValueError: the cube is too large, cannot be read, or takes too long.
    """
    started = time.monotonic()
    values = cube["reflectance"].values
    height, width = values.shape[2:]
    count = height * width
    check_pixels(count, height, width)
    options: dict[str, Any] = {
        "bands": cube["band"].values.tolist(),
        "nodata": cube.attrs.get("nodata"),
        "offset": offset or None if (known := look_offsets(cube)) is None else known,
        "units": "dn" if values.dtype.kind in "iu" else "auto",
        "dates" if cube["time"].dtype.kind == "M" else "months": cube["time"].values,
    }
    if "scl" in cube:
        options["scl"] = cube["scl"].values.reshape(len(values), count).T
    # In one call, so that all pixels are read in one unit and of one year.
    looks = reader.look(np.ascontiguousarray(values.reshape(*values.shape[:2], count).transpose(2, 0, 1)), **options)
    embeds = _embed(reader, looks, started)
    return KeptCube(height, width, looks, embeds, time.monotonic() - started)


def relabel(reader: PageModel, kept: KeptCube, text: str) -> MapAnswer:
    """The map in the words typed; the encoder does not run.

    Raises:
        ValueError: the words cannot be used.
    """
    words = reader.words(text)
    layers = class_layers(reader.probabilities(kept.embeds, words).reshape(kept.height, kept.width, -1))
    return MapAnswer(words, layers["class"], layers["probability"], layers["entropy"])


def answer_pixel(reader: PageModel, kept: KeptCube, text: str, row: int, column: int) -> SeriesAnswer:
    """The series of one pixel and its answer.

    Args:
        reader: the checkpoint.
        kept: the cube.
        text: class names between commas.
        row: from 0, the first is the map's upper one.
        column: from 0, the first is the map's left one.

    Raises:
        ValueError: there is no such pixel, or it has no clear month.
    """
    if not (0 <= row < kept.height and 0 <= column < kept.width):
        raise ValueError(
            f"There is no pixel in row {row}, column {column}: the map has rows 0 to {kept.height - 1} and columns 0 "
            f"to {kept.width - 1}."
        )
    words = reader.words(text)
    place = slice(row * kept.width + column, row * kept.width + column + 1)
    looks = Looks(kept.looks.reflectance[place], kept.looks.observed[place], kept.looks.months[place], kept.looks.bands)
    if not looks.observed.any():
        raise ValueError(f"The pixel in row {row}, column {column} has no clear month: choose another one.")
    return SeriesAnswer(words, reader.probabilities(kept.embeds[place], words)[0], looks, [])


def _embed(reader: PageModel, looks: Looks, started: float) -> torch.Tensor:
    parts = []
    for first in range(0, len(looks), CHUNK):
        if time.monotonic() - started > MOST_SECONDS:
            raise ValueError(
                f"Mapping was stopped after {MOST_SECONDS:.0f} seconds, with {first:,} of {len(looks):,} pixels done: "
                "cut out a smaller part, or come back when fewer visitors are here."
            )
        part = slice(first, first + CHUNK)
        chosen = Looks(looks.reflectance[part], looks.observed[part], looks.months[part], looks.bands)
        parts.append(reader.embed(chosen))
    return torch.cat(parts)
