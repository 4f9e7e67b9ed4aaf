"""Map a cube, and map it anew in other words: the pixels are embedded once and kept."""

import time
from typing import NamedTuple

import numpy as np
import torch

from ..extras import needs_extra
from .limits import MOST_SECONDS
from .page_model import PageModel, Words
from .series_answer import SeriesAnswer
from .series_reading import EncodedSeries, Reading

with needs_extra("map"):
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
    notes: tuple[str, ...]  # what the reader understood


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


def keep_cube(model: PageModel, reading: Reading, *, seconds: float = 0) -> KeptCube:
    """Embed every pixel of a cube.

    Args:
        model: the checkpoint.
        reading: its pixels, as the reader of the checkpoint reads them.
        seconds: that reading them took.

    Raises:
        ValueError: it takes too long.
    """
    started, series = time.monotonic(), reading.series
    chunks = []
    for first in range(0, len(series), CHUNK):
        if time.monotonic() - started > MOST_SECONDS:
            raise ValueError(
                f"Mapping was stopped after {MOST_SECONDS:.0f} seconds, with {first:,} of {len(series):,} pixels done: "
                "cut out a smaller part, or come back when fewer visitors are here."
            )
        chunks.append(model.embed(series[first : first + CHUNK]))
    seconds += time.monotonic() - started
    return KeptCube(reading.height, reading.width, series, torch.cat(chunks), seconds, tuple(reading.notes))


def relabel(model: PageModel, kept: KeptCube, words: Words) -> MapAnswer:
    """Map the cube in words, fitted or not; the encoder does not run."""
    layers = class_layers(model.probabilities(kept.embeds, words).reshape(kept.height, kept.width, -1))
    return MapAnswer(words, layers["class"], layers["probability"], layers["entropy"])


def check_pixel(kept: KeptCube, row: int, column: int) -> int:
    """Return the index of a pixel; rows are counted from the upper one, columns from the left one.

    Raises:
        ValueError: there is no such pixel, or it has no clear month.
    """
    if not (0 <= row < kept.height and 0 <= column < kept.width):
        raise ValueError(
            f"There is no pixel in row {row}, column {column}: the map has rows 0 to {kept.height - 1} and columns 0 "
            f"to {kept.width - 1}."
        )
    index = row * kept.width + column
    if not kept.series[index : index + 1].observed.any():
        raise ValueError(f"The pixel in row {row}, column {column} has no clear month: choose another one.")
    return index


def answer_pixel(model: PageModel, kept: KeptCube, words: Words, row: int, column: int) -> SeriesAnswer:
    """Name the series of one pixel in words; raise `ValueError` as [`check_pixel`] does."""
    index = check_pixel(kept, row, column)
    part = slice(index, index + 1)
    return SeriesAnswer(words, model.probabilities(kept.embeds[part], words)[0], kept.series[part], [])
