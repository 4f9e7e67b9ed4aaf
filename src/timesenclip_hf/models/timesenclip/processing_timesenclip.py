"""Prepare the three inputs with one processor: pixel series, words and ground photos."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

from transformers import BatchFeature, ProcessorMixin
from transformers.processing_utils import ImagesKwargs, TextKwargs

from .inputs_timesenclip import as_batch
from .options_timesenclip import SERIES_OPTIONS
from .zero_shot_timesenclip import DEFAULT_TEMPLATE

# What a call of the feature extractor takes besides the series.
SERIES_CALL_OPTIONS = (*SERIES_OPTIONS, "options", "composite", "allow_empty", "judge", "first")
# Options of transformers that no tokenizer or image processor of a CLIP has, and the one that all share.
_NOT_OURS = {"return_tensors", "return_mm_token_type_ids", "return_text_replacement_offsets", "image_seq_length"}


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

    text_kwargs = {"padding": True, "truncation": True}

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
        **kwargs: Any,
    ) -> BatchFeature:
        """Prepare whatever is passed, for one call of the model.

        Args:
            series: (time, band), (series, time, band[, height, width]), a dictionary with "series", or a list of these;
                or a batch of `Dataset.map(processor, batched=True)`.
            text: one or more texts; padded to the longest, cut at the tokenizer's limit.
            images: ground photos: pictures of PIL, arrays or tensors.
            **kwargs: `return_tensors` ("pt" or "np"), and options of what is passed: of the series by the fields of
                [`SeriesOptions`], such as `bands` and `dates`, `composite` and `allow_empty`; of the tokenizer, such as
                `padding` and `max_length`; of the image processor, such as `do_normalize`. Each may stand in
                `series_kwargs`, `text_kwargs` or `images_kwargs` instead.

        Raises:
            ValueError: nothing was passed, the series cannot be read, or an option is of something that was not passed.
            TypeError: there is no such option.
        """
        if series is None and text is None and images is None:
            raise ValueError("Give at least one of `series`, `text` and `images`.")
        tensors, series_kwargs, other_kwargs = self._sort_options(kwargs)
        passed = {"series": series, "text": text, "images": images}
        self._check_options(passed, {"series_kwargs": series_kwargs, **other_kwargs})
        merged = self._merge_kwargs(tokenizer_init_kwargs=self.tokenizer.init_kwargs, **tensors, **other_kwargs)
        features: dict[str, Any] = {}
        if series is not None:
            series = as_batch(series)
            features |= self.feature_extractor(series, **tensors, **series_kwargs)
        if text is not None:
            texts = [text] if isinstance(text, str) else list(text)
            features |= self.tokenizer(texts, **merged["text_kwargs"])
        if images is not None:
            features |= self.image_processor(images, **merged["images_kwargs"])
        return BatchFeature(features)

    def _option_names(self) -> dict[str, set[str]]:
        """Return the options of each kind of input, by the name of the dictionary that may hold them."""
        of_images = getattr(self.image_processor, "valid_kwargs", ImagesKwargs)
        return {
            "series_kwargs": set(SERIES_CALL_OPTIONS),
            "text_kwargs": {*TextKwargs.__annotations__} - _NOT_OURS,
            "images_kwargs": {*ImagesKwargs.__annotations__, *of_images.__annotations__} - _NOT_OURS,
        }

    def _sort_options(self, kwargs: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, dict[str, Any]]]:
        """Sort options by what they are for: tensors, series, and the dictionaries of texts and images.

        Raises:
            TypeError: there is no such option.
            ValueError: an option is given twice.
        """
        kwargs = {**kwargs, **kwargs.pop("common_kwargs", {})}
        tensors = {"return_tensors": kwargs.pop("return_tensors")} if "return_tensors" in kwargs else {}
        names = self._option_names()
        sorted_kwargs = {kind: dict(kwargs.pop(kind, None) or {}) for kind in names}
        for kind, options in sorted_kwargs.items():
            _check_names(options, names[kind] | {"return_tensors"}, f" of `{kind}`")
        _check_names(kwargs, set().union(*names.values()))
        for name, value in kwargs.items():
            for kind in (kind for kind in names if name in names[kind]):
                if name in sorted_kwargs[kind]:
                    raise ValueError(f"`{name}` is given twice, by itself and in `{kind}`: leave one out.")
                sorted_kwargs[kind][name] = value
        return tensors, sorted_kwargs.pop("series_kwargs"), sorted_kwargs

    def _check_options(self, passed: dict[str, Any], options: dict[str, dict[str, Any]]) -> None:
        """Raise `ValueError` for an option of what was not passed, which would have no effect."""
        used = {name for kind, value in passed.items() if value is not None for name in options[f"{kind}_kwargs"]}
        for kind, value in passed.items():
            idle = sorted(set(options[f"{kind}_kwargs"]) - used - {"return_tensors"})
            if value is None and idle:
                raise ValueError(f"`{idle[0]}` is for `{kind}`, and there are none: give them, or leave it out.")


def _check_names(options: Iterable[str], known: set[str], where: str = "") -> None:
    """Raise `TypeError` for an option that nothing knows, with those that are spelt alike."""
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=2) or sorted(known)
            raise TypeError(f"Unknown option {name!r}{where}: use {', '.join(near)}.")
