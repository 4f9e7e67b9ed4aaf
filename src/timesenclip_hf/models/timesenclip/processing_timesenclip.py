"""One processor for the three inputs: pixel series, words and ground photos."""

from collections.abc import Sequence
from typing import Any

from transformers import BatchFeature, ProcessorMixin

from .zero_shot_timesenclip import DEFAULT_TEMPLATE


class TimeSenCLIPProcessor(ProcessorMixin):
    """Feature extractor for series, CLIP's image processor for photos and CLIP's tokenizer for words.

    Args:
        feature_extractor: a [`TimeSenCLIPFeatureExtractor`]. (ProcessorMixin finds its parts by these names.)
        image_processor: CLIP's.
        tokenizer: CLIP's.
        hypothesis_template: template, or templates, that the checkpoint's class names go into by default.
        known_words: words of the training captions, where the text tower knows no others; prompts with other
            words are warned of. `None` for a text tower trained on the open web.
    """

    def __init__(
        self,
        feature_extractor: Any = None,
        image_processor: Any = None,
        tokenizer: Any = None,
        hypothesis_template: str | Sequence[str] = DEFAULT_TEMPLATE,
        known_words: Sequence[str] | None = None,
    ) -> None:
        self.hypothesis_template = (
            hypothesis_template if isinstance(hypothesis_template, str) else list(hypothesis_template)
        )
        self.known_words = None if known_words is None else list(known_words)
        super().__init__(feature_extractor, image_processor, tokenizer)

    def __call__(
        self,
        series: Any | None = None,
        text: str | Sequence[str] | None = None,
        images: Any | None = None,
        return_tensors: str | None = None,
        **series_kwargs: Any,
    ) -> BatchFeature:
        """Prepares whatever is given, for one call of the model.

        Args:
            series: as [`TimeSenCLIPFeatureExtractor`] takes them.
            text: one or more texts; padded to the longest, cut at the tokenizer's limit.
            images: ground photos, as CLIP's image processor takes them.
            return_tensors: "pt" or "np".
            **series_kwargs: `bands`, `dates`, `months`, `scl`, ... for the series.

        Raises:
            ValueError: nothing was given, or the series cannot be read.
        """
        if series is None and text is None and images is None:
            raise ValueError("Give at least one of `series`, `text` and `images`.")
        features: dict[str, Any] = {}
        if series is not None:
            features |= self.feature_extractor(series, return_tensors=return_tensors, **series_kwargs)
        if text is not None:
            texts = [text] if isinstance(text, str) else list(text)
            features |= self.tokenizer(texts, padding=True, truncation=True, return_tensors=return_tensors)
        if images is not None:
            features |= self.image_processor(images, return_tensors=return_tensors)
        return BatchFeature(features)
