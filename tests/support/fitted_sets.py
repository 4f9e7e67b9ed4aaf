"""Make label sets as a fit does, without fitting: class vectors off their words, biases, monthly values."""

from dataclasses import replace

import torch

from timesenclip_hf.models.timesenclip.label_set_timesenclip import Fit, LabelSet


def fitted_from(words: LabelSet, *, with_values: int = 0, seed: int = 0) -> LabelSet:
    """Make a set whose class vectors lie off the words', and which reads the values of so many bands."""
    generator = torch.Generator().manual_seed(seed)
    count, width = words.class_embeds.shape
    values = {}
    if with_values:
        values = {
            "value_weights": torch.randn(count, 12 * with_values, generator=generator) / 50,
            "value_means": torch.rand(12 * with_values, generator=generator),
            "value_spreads": torch.rand(12 * with_values, generator=generator) + 0.1,
        }
    return replace(
        words,
        class_embeds=words.class_embeds + torch.randn(count, width, generator=generator) / width**0.5,
        biases=torch.randn(count, generator=generator) / 20,
        score_scale=words.score_scale / 2,
        fit=Fit({label: 3 + index for index, label in enumerate(words.labels)}, 0.1, {"words": 0.5, "fitted": 0.7}),
        **values,
    )


def random_words(count: int = 3, width: int = 8, seed: int = 0) -> LabelSet:
    """Make a set as words make it, of random unit vectors."""
    embeds = torch.randn(count, width, generator=torch.Generator().manual_seed(seed))
    names = [f"class {index}" for index in range(count)]
    phrases = {name: [f"{name} seen", f"{name} again"] for name in names}
    return LabelSet(phrases, ["a photo of {}."], torch.nn.functional.normalize(embeds, dim=-1), 12.5, "0" * 16)


def left_as_words(words: LabelSet) -> LabelSet:
    """Make the set that a fit returns without an example."""
    return replace(words, biases=torch.zeros(len(words.labels)), fit=Fit(dict.fromkeys(words.labels, 0)))
