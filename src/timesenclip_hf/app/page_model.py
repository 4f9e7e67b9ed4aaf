"""Turn words and series into embeddings, and these into probabilities, for the page's visitors."""

from collections.abc import Sequence
from functools import lru_cache
from os import PathLike
from typing import NamedTuple

import numpy as np
import torch

from ..classification import load_pipeline
from ..models.timesenclip.encoding_timesenclip import encode
from ..models.timesenclip.label_set_timesenclip import LabelSet, label_set_from_words
from ..models.timesenclip.units_timesenclip import DN_PER_REFLECTANCE
from ..models.timesenclip.zero_shot_timesenclip import read_labels, unknown_words
from .limits import MOST_CHARACTERS, MOST_CLASSES, MOST_KEPT_WORDS
from .series_reading import EncodedSeries, SeriesReader

EXAMPLE = "maize, woodland, water"


class Words(NamedTuple):
    """Hold class names as a label set, and notices of words never read before."""

    label_set: LabelSet
    notices: tuple[str, ...]

    @property
    def labels(self) -> list[str]:
        """Return the class names."""
        return self.label_set.labels


class PageModel:
    """Hold the checkpoint of a folder or Hub id, and the embeddings of the words typed last.

    Raises:
        OSError: the checkpoint cannot be found.
    """

    def __init__(self, model: str | PathLike[str] | None = None) -> None:
        loaded = load_pipeline(model, "cpu")
        self.model, self.processor = loaded.model, loaded.processor
        self.name = str(self.model.name_or_path)
        self.reader = SeriesReader(self.processor.feature_extractor.to_dict())
        self._words = lru_cache(MOST_KEPT_WORDS)(self._embed_words)

    def words(self, text: str, others: Sequence[str] = ()) -> Words:
        """Embed class names, each list of names once.

        Args:
            text: names between commas or lines.
            others: names that follow those that are not among them.

        Raises:
            ValueError: there are none, too many, or a name is given twice.
        """
        if len(text) > MOST_CHARACTERS:
            have = f"{len(text)} characters, at most {MOST_CHARACTERS} are read"
            raise ValueError(f"The class names have {have}: give fewer.")
        labels = tuple(name for part in text.replace(",", "\n").splitlines() if (name := " ".join(part.split())))
        if not labels:
            raise ValueError(f"There are no class names: type at least one, such as {EXAMPLE}.")
        labels = (*labels, *(name for name in dict.fromkeys(others) if name not in labels))
        if len(labels) > MOST_CLASSES:
            raise ValueError(f"{len(labels)} class names are too many: give at most {MOST_CLASSES}.")
        return self._words(tuple(read_labels(labels)))

    def embed(self, series: EncodedSeries) -> torch.Tensor:
        """Embed series: (series, projection_dim) of unit length, NaN where no observation is clear."""
        seen = series.observed.any(axis=1)
        scaled = self.processor.feature_extractor.scale(series.reflectance[seen] * np.float32(DN_PER_REFLECTANCE))
        mask, months = series.observed[seen], series.months[seen]
        features = {"pixel_series": np.nan_to_num(scaled), "series_mask": mask, "months": months}
        embeds = torch.full((len(series), self.model.config.projection_dim), float("nan"))
        if seen.any():
            embeds[torch.from_numpy(seen)] = encode(self.model, features)
        return embeds

    @torch.no_grad()
    def probabilities(self, embeds: torch.Tensor, words: Words) -> np.ndarray:
        """Compare embeddings of series with words: (series, classes) float32, NaN where an embedding is."""
        return np.asarray(words.label_set.logits(embeds).softmax(dim=-1))

    def _embed_words(self, labels: tuple[str, ...]) -> Words:
        label_set = label_set_from_words(self.model, self.processor, labels)
        known = self.processor.known_words
        notices = [
            f"“{word}” occurs in none of the captions that this checkpoint was trained on, so its scores mean little; "
            + (f"the nearest words it knows: {', '.join(nearest)}." if nearest else "it knows no similar word.")
            for word, nearest in (unknown_words(labels, known) if known else {}).items()
        ]
        return Words(label_set, tuple(notices))
