"""Answer for one series: where it comes from, and what the words typed say of it."""

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from ..search import Hit, SearchIndex
from .example_points import example_points
from .page_model import PageModel, Words
from .series_reading import EncodedSeries

CLOUDED, CLOUDED_MONTHS = "maize, half the year in cloud", [0, 1, 3, 5, 10, 11]
NUM_PHOTOS = 6
Series = dict[str, Any]  # what the feature extractor takes: "series" and fields of `SeriesOptions`


class SeriesAnswer(NamedTuple):
    """Hold what the page says of one series."""

    words: Words
    probabilities: np.ndarray  # (classes,)
    series: EncodedSeries  # this one alone
    nearest: Sequence[Hit]  # points of the index whose year is most like it

    @property
    def best(self) -> str:
        """Say in a sentence which name fits best."""
        best = int(self.probabilities.argmax())
        return f"“{self.words.labels[best]}” fits best, with a probability of {self.probabilities[best]:.0%}."


@cache
def example_series() -> dict[str, Series]:
    """Simulate a series of each cover and one under much cloud: by name what the feature extractor takes."""
    points, _, rows = example_points()
    clouded = points.series[rows["maize"]].copy()
    clouded[CLOUDED_MONTHS] = np.nan
    return {label: {"series": points.series[row]} for label, row in rows.items()} | {CLOUDED: {"series": clouded}}


def answer_series(
    model: PageModel, series: EncodedSeries, text: str, *, index: SearchIndex | None = None
) -> SeriesAnswer:
    """Name a series in the words typed.

    Args:
        model: the checkpoint.
        series: this alone, as the reader of the checkpoint reads it.
        text: class names between commas.
        index: of the same checkpoint, whose nearest points are shown; none when left out.

    Raises:
        ValueError: the words or the series cannot be used.
    """
    words = model.words(text)
    if not series.observed.any():
        raise ValueError("The series has no clear observation: all are empty, no data or cloud. Choose another one.")
    embeds = model.embed(series)
    nearest = [] if index is None else index.nearest(embeds[0], top_k=NUM_PHOTOS)
    return SeriesAnswer(words, model.probabilities(embeds, words)[0], series, nearest)
