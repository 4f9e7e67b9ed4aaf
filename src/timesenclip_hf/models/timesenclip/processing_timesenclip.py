"""Prepare the three inputs with one processor: pixel series, words and ground photos."""

from collections.abc import Sequence
from typing import Any

from transformers import BatchFeature, ProcessorMixin

from .zero_shot_timesenclip import DEFAULT_TEMPLATE


class TimeSenCLIPProcessor(ProcessorMixin):
    """Join the feature extractor for series with CLIP's image processor for photos and CLIP's tokenizer for words.

    Args:
        feature_extractor: a [`TimeSenCLIPFeatureExtractor`]. (ProcessorMixin finds its parts by these names.)
        image_processor: CLIP's.
        tokenizer: CLIP's.
        hypothesis_template: template, or templates, that the checkpoint's class names go into by default.
        known_words: words of the training captions, where the text tower knows no others; prompts with other words are
            warned of. `None` for a text tower trained on the open web.
    """

    def __init__(
        self,
        feature_extractor: Any = None,
        image_processor: Any = None,
        tokenizer: Any = None,
        hypothesis_template: str | Sequence[str] = DEFAULT_TEMPLATE,
        known_words: Sequence[str] | None = None,
    ) -> None:
        single = isinstance(hypothesis_template, str)
        self.hypothesis_template = hypothesis_template if single else list(hypothesis_template)
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
        """Prepare whatever is passed, for one call of the model.

        Args:
            series: (time, band), (series, time, band[, height, width]), a dictionary with "series", or a list of these.
            text: one or more texts; padded to the longest, cut at the tokenizer's limit.
            images: ground photos: pictures of PIL, arrays or tensors.
            return_tensors: "pt" or "np".
            **series_kwargs: what the numbers of the series mean, by the fields of [`SeriesOptions`], such as `bands`
                and `dates`.

        Raises:
            ValueError: nothing was passed, or the series cannot be read.
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
