"""The checkpoint behind the page: words and series to embeddings, embeddings to probabilities."""

from dataclasses import dataclass
from functools import lru_cache
from os import PathLike
from typing import Any

import numpy as np
import torch

from ..classification import load_pipeline
from ..models.timesenclip.encoding_timesenclip import encode
from ..models.timesenclip.feature_extraction_timesenclip import TimeSenCLIPFeatureExtractor
from ..models.timesenclip.radiometry_timesenclip import DN_PER_REFLECTANCE, PLAUSIBLE_REFLECTANCE
from ..models.timesenclip.zero_shot_timesenclip import embed_labels, read_labels, score, unknown_words
from .limits import MOST_CHARACTERS, MOST_CLASSES, MOST_KEPT_WORDS

EXAMPLE = "maize, woodland, water"


@dataclass(frozen=True)
class Words:
    """Class names that were typed.

    Attributes:
        labels: the names.
        embeds: (classes, projection_dim), of unit length.
        notices: a sentence for each word that the checkpoint never read.
    """

    labels: tuple[str, ...]
    embeds: torch.Tensor
    notices: tuple[str, ...]


@dataclass(frozen=True)
class Looks:
    """Series as reflectance, composited as the checkpoint reads them.

    Attributes:
        reflectance: (series, time, band) float32, NaN where missing; brighter than any surface is cut off.
        observed: (series, time), True where a look is clear.
        months: (series, time), places in the year, 0 = January.
        bands: names of the band axis.
    """

    reflectance: np.ndarray
    observed: np.ndarray
    months: np.ndarray
    bands: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.reflectance)


class PageModel:
    """A checkpoint, and the embeddings of the words that visitors typed last.

    Args:
        model: folder or Hub id of a checkpoint; the embedded one when left out.

    Raises:
        OSError: the checkpoint cannot be found.
    """

    def __init__(self, model: str | PathLike[str] | None = None) -> None:
        loaded = load_pipeline(model, "cpu")
        self.model, self.processor = loaded.model, loaded.processor
        extractor = self.processor.feature_extractor
        brightest = PLAUSIBLE_REFLECTANCE[1] * DN_PER_REFLECTANCE
        # Only reads: what its scaling divides by is multiplied again, so that looks can be shown as reflectance.
        self._show = TimeSenCLIPFeatureExtractor(
            band_names=extractor.band_names,
            band_low=[0.0] * len(extractor.band_names),
            band_scale=[brightest] * len(extractor.band_names),
            masked_scl=extractor.masked_scl,
            composite=extractor.composite,
            missing_bands=extractor.missing_bands,
        )
        self._words = lru_cache(MOST_KEPT_WORDS)(self._embed_words)

    def words(self, text: str) -> Words:
        """Class names between commas or lines, embedded once.

        Raises:
            ValueError: none, too many, or one twice.
        """
        if len(text) > MOST_CHARACTERS:
            raise ValueError(
                f"The class names have {len(text)} characters, at most {MOST_CHARACTERS} are read: give fewer."
            )
        labels = tuple(name for part in text.splitlines() for one in part.split(",") if (name := " ".join(one.split())))
        if not labels:
            raise ValueError(f"There are no class names: type at least one, such as {EXAMPLE}.")
        if len(labels) > MOST_CLASSES:
            raise ValueError(f"{len(labels)} class names are too many: give at most {MOST_CLASSES}.")
        return self._words(tuple(read_labels(labels)))

    def _embed_words(self, labels: tuple[str, ...]) -> Words:
        _, embeds = embed_labels(self.model, self.processor, labels)
        return Words(labels, embeds, tuple(self._notices(labels)))

    def _notices(self, labels: tuple[str, ...]) -> list[str]:
        known = self.processor.known_words
        found = unknown_words(labels, known) if known else {}
        return [
            f"“{word}” occurs in none of the captions that this checkpoint was trained on, so its scores mean little; "
            + (f"the nearest words it knows: {', '.join(nearest)}." if nearest else "it knows no similar word.")
            for word, nearest in found.items()
        ]

    def look(self, series: Any, **options: Any) -> Looks:
        """Series in any form that the feature extractor takes, as it reads them.

        Raises:
            ValueError: they cannot be read.
        """
        features = self._show(series, allow_empty=True, **options)
        values, observed = features["pixel_series"], features["series_mask"]
        if values.ndim != 3:
            raise ValueError(f"Each series must be of one pixel, (time, band), got {values.shape[1:]}: take one pixel.")
        reflectance = np.where(observed[..., None], values * PLAUSIBLE_REFLECTANCE[1], np.nan).astype(np.float32)
        return Looks(reflectance, observed, features["months"], tuple(self._show.band_names))

    def embed(self, looks: Looks) -> torch.Tensor:
        """(series, projection_dim) of unit length; NaN where no look is clear."""
        seen = looks.observed.any(axis=1)
        scaled = self.processor.feature_extractor.scale(looks.reflectance[seen] * np.float32(DN_PER_REFLECTANCE))
        features = {
            "pixel_series": np.nan_to_num(scaled),
            "series_mask": looks.observed[seen],
            "months": looks.months[seen],
        }
        embeds = torch.full((len(looks), self.model.config.projection_dim), float("nan"))
        if seen.any():
            embeds[torch.from_numpy(seen)] = encode(self.model, features)
        return embeds

    @torch.no_grad()
    def probabilities(self, embeds: torch.Tensor, words: Words) -> np.ndarray:
        """(series, classes) float32, NaN where no look was clear."""
        scale = self.model.score_scale.detach().float().cpu()
        return np.asarray(score(embeds, words.embeds, logit_scale=scale).softmax(dim=-1))
