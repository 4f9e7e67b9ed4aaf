"""Map a cube, and map it anew in other words: the pixels are embedded once and kept."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from ..extras import needs_extra
from .limits import CUBE_SUFFIXES, MOST_SECONDS, check_files, check_pixels, readable
from .page_model import EncodedSeries, PageModel, Words
from .series_answer import SeriesAnswer, pixel_series

with needs_extra("map"):
    import xarray as xr

    from ..maps.cubes import open_cube
    from ..maps.making.blocks import class_layers

# Pixels embedded between two checks of the time.
CHUNK = 1_024


class KeptCube(NamedTuple):
    """Hold what is kept of a cube for a visitor: nothing of it is read again."""

    height: int
    width: int
    series: EncodedSeries  # of the pixels, row by row
    embeds: torch.Tensor  # (pixels, projection_dim), NaN where no observation is clear
    seconds: float  # that reading and embedding it took


class MapAnswer(NamedTuple):
    """Hold a map in words: its layers are (height, width), NaN or class 0 where no month is clear."""

    words: Words
    classes: np.ndarray  # uint8, 1 for the first of the words
    probability: np.ndarray  # of that class
    entropy: np.ndarray  # of all probabilities, as a share of the largest possible

    @property
    def shares(self) -> np.ndarray:
        """Count the share of the pixels without a class, and of each class."""
        return np.bincount(self.classes.ravel(), minlength=len(self.words.labels) + 1) / self.classes.size


def read_cube(paths: Sequence[str | Path]) -> xr.Dataset:
    """Open an uploaded cube, in one file or one file a band or date.

    Raises:
        ValueError: the files cannot be used; the sentence says why.
    """
    files = check_files(paths, CUBE_SUFFIXES)
    with readable(files):
        return open_cube([str(file) for file in files])


def keep_cube(model: PageModel, cube: xr.Dataset, *, offset: float | None = None) -> KeptCube:
    """Embed every pixel of a cube that [`open_cube`] returned.

    Args:
        model: the checkpoint.
        cube: `reflectance` (time, band, y, x), and `scl` where there is one.
        offset: to subtract from digital numbers, where the cube does not say itself.

    Raises:
        ValueError: the cube is too large, cannot be read, or takes too long.
    """
    started = time.monotonic()
    height, width = cube.sizes["y"], cube.sizes["x"]
    check_pixels(height, width)
    pixels, scl, options = pixel_series(cube)
    units = "dn" if pixels.dtype.kind in "iu" else "auto"
    # In one call, so that all pixels are read in one unit and of one year.
    series = model.read(np.ascontiguousarray(pixels), scl=scl, units=units, **{"offset": offset or None, **options})
    chunks = []
    for first in range(0, len(series), CHUNK):
        if time.monotonic() - started > MOST_SECONDS:
            raise ValueError(
                f"Mapping was stopped after {MOST_SECONDS:.0f} seconds, with {first:,} of {len(series):,} pixels done: "
                "cut out a smaller part, or come back when fewer visitors are here."
            )
        chunks.append(model.embed(series[first : first + CHUNK]))
    return KeptCube(height, width, series, torch.cat(chunks), time.monotonic() - started)


def relabel(model: PageModel, kept: KeptCube, text: str) -> MapAnswer:
    """Map the cube in the words typed; the encoder does not run.

    Raises:
        ValueError: the words cannot be used.
    """
    words = model.words(text)
    layers = class_layers(model.probabilities(kept.embeds, words).reshape(kept.height, kept.width, -1))
    return MapAnswer(words, layers["class"], layers["probability"], layers["entropy"])


def answer_pixel(model: PageModel, kept: KeptCube, text: str, row: int, column: int) -> SeriesAnswer:
    """Name the series of one pixel in the words typed; rows are counted from the upper one, columns from the left one.

    Raises:
        ValueError: there is no such pixel, or it has no clear month.
    """
    if not (0 <= row < kept.height and 0 <= column < kept.width):
        raise ValueError(
            f"There is no pixel in row {row}, column {column}: the map has rows 0 to {kept.height - 1} and columns 0 "
            f"to {kept.width - 1}."
        )
    words, index = model.words(text), row * kept.width + column
    series = kept.series[index : index + 1]
    if not series.observed.any():
        raise ValueError(f"The pixel in row {row}, column {column} has no clear month: choose another one.")
    return SeriesAnswer(words, model.probabilities(kept.embeds[index : index + 1], words)[0], series, [])
