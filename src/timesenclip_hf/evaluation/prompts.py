"""Choose among the prompts of each class without labels, and measure what the choice is worth on other points.

The weight of a prompt is SenCLIP's (arXiv 2412.08536): its mean similarity to the prompts of its own class, over its
mean similarity to those of all classes. A prompt that says of many classes what it says of its own ("farmland" among
crops) weighs about 1, one that says what its siblings say and others do not weighs more.

What is ours: a class counts once in the mean over all classes, however many prompts it has; a prompt is not compared
with itself, which would favour the prompts of small classes; a negative cosine, which small text towers give and
CLIP's do not, counts as no similarity, because a ratio of numbers of either sign ranks nothing; and classes and prompts
are sorted first, so that their order cannot change the choice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from ..models.timesenclip.zero_shot_timesenclip import CandidateLabels, embed_labels, read_labels, score
from .entries import short_report
from .uncertainty import bootstrap, bootstrap_classification

# Images that are compared with all prompts at once: some tens of megabytes for 2,000 prompts.
_CHUNK = 2048
# Prompts that go through the text tower at once, each in every template.
_PROMPTS_AT_ONCE = 128


@dataclass(frozen=True)
class EmbeddedSplit:
    """Hold unit embeddings (points, projection_dim) of the series, or photos, of one split.

    A split that only selects needs no `labels`, the names of the true classes. Intervals are drawn by `blocks`, the
    spatial block of each point, or by single points.
    """

    point_ids: Sequence[str]
    embeds: torch.Tensor
    labels: Sequence[str] | None = None
    blocks: np.ndarray | None = None

    def __post_init__(self) -> None:
        columns = (self.point_ids, self.embeds, self.labels, self.blocks)
        sizes = [len(column) for column in columns if column is not None]
        if len(set(sizes)) != 1 or not sizes[0]:
            raise ValueError(f"A split must have one id, embedding, label and block for each point, got {sizes}.")


def text_similarity(prompt_embeds: torch.Tensor) -> np.ndarray:
    """Compute cosines of prompts (P, projection_dim), made unit here; a negative one counts as 0. (P, P) float64."""
    unit = torch.nn.functional.normalize(prompt_embeds.double(), dim=-1)
    return np.asarray((unit @ unit.T).clamp(min=0).numpy())


def image_similarity(
    prompt_embeds: torch.Tensor, image_embeds: torch.Tensor, class_of: np.ndarray, logit_scale: float
) -> np.ndarray:
    """Measure how much two prompts respond to the same images, from images without labels; (P, P) float64.

    The response of prompt p to image x is `exp(s <p, x>) / sum_c mean_{q in c} exp(s <q, x>)`, of unit embeddings and
    the checkpoint's scale s: the probability that a zero-shot classifier with every prompt for an answer gives it, but
    that a class with many prompts claims no more than one with few. The similarity is the cosine of two prompts'
    responses over all images, in [0, 1]. `class_of` is the class index of each prompt.

    Words that a text tower finds alike may part where the images do, and the other way round: cosines of texts know of
    the captions only, these of what the classifier will be used on.
    """
    sizes = torch.from_numpy(np.bincount(class_of)[class_of])[:, None]
    gram = torch.zeros(len(prompt_embeds), len(prompt_embeds), dtype=torch.float64)
    for images in torch.split(image_embeds, _CHUNK):
        logits = logit_scale * prompt_embeds.double() @ images.double().T
        responses = (logits - sizes.log()).softmax(dim=0) * sizes
        gram += responses @ responses.T
    # A prompt that responds to nothing, by underflow, is like none.
    lengths = gram.diagonal().sqrt().clamp(min=torch.finfo(torch.float64).tiny)
    return np.asarray((gram / lengths / lengths[:, None]).numpy())


def prompt_weights(similarity: np.ndarray, class_of: np.ndarray) -> np.ndarray:
    """Weigh each prompt: mean similarity within its class over the mean of its mean similarities to each class.

    Similarities (P, P) are not negative; class indices (P,) count from 0 without a gap. The only prompt of a class is
    compared with itself within it, for want of others; a prompt that resembles none at all weighs 0.
    """
    rows, sizes = np.arange(len(class_of)), np.bincount(class_of)
    sums = similarity @ np.eye(len(sizes))[class_of]
    others = np.maximum(sizes[class_of] - 1, 1)
    within = sums[rows, class_of] - np.where(sizes[class_of] > 1, similarity[rows, rows], 0)
    means = sums / sizes
    means[rows, class_of] = within / others
    overall = means.mean(axis=1)
    return np.asarray(np.divide(means[rows, class_of], overall, out=np.zeros(len(class_of)), where=overall > 0))


def weigh_prompts(
    model: Any,
    processor: Any,
    candidate_labels: CandidateLabels,
    *,
    image_embeds: torch.Tensor | None = None,
    hypothesis_template: str | Sequence[str] | None = None,
) -> dict[str, dict[str, float]]:
    """Weigh every prompt of `{label: [prompt, ...]}`, by label, the highest first.

    Prompts go into the template, the checkpoint's own when left out, and are compared by their texts, or by what they
    respond to among unit `image_embeds` (N, projection_dim) of unlabelled series or photos.
    """
    labels = read_labels(candidate_labels)
    prompts = {label: sorted(set(labels[label])) for label in sorted(labels)}
    if len(prompts) < 2:
        raise ValueError(f"Prompts are weighed against those of other classes: give at least two, got {list(prompts)}.")
    unique = sorted({text for texts in prompts.values() for text in texts})
    row_of = {text: row for row, text in enumerate(unique)}
    chunks = [unique[start : start + _PROMPTS_AT_ONCE] for start in range(0, len(unique), _PROMPTS_AT_ONCE)]
    named = [{text: [text] for text in chunk} for chunk in chunks]
    unique_embeds = torch.cat([embed_labels(model, processor, chunk, hypothesis_template)[1] for chunk in named])
    embeds = unique_embeds[[row_of[text] for texts in prompts.values() for text in texts]]
    class_of = np.repeat(np.arange(len(prompts)), [len(texts) for texts in prompts.values()])
    if image_embeds is None:
        similarity = text_similarity(embeds)
    else:
        if image_embeds.ndim != 2 or not len(image_embeds) or image_embeds.shape[1] != embeds.shape[1]:
            raise ValueError(f"`image_embeds` must be (images, {embeds.shape[1]}), got {tuple(image_embeds.shape)}.")
        if lost := torch.nonzero(~torch.isfinite(image_embeds).all(dim=1)).flatten().tolist():
            raise ValueError(f"Row {lost[0]} of `image_embeds` is not finite: leave out what has no embedding.")
        similarity = image_similarity(embeds, image_embeds.cpu(), class_of, float(model.logit_scale.detach().exp()))
    parts = np.split(prompt_weights(similarity, class_of), np.flatnonzero(np.diff(class_of)) + 1)
    weighed = {
        label: dict(sorted(zip(texts, part.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0])))
        for (label, texts), part in zip(prompts.items(), parts, strict=True)
    }
    return {label: weighed[label] for label in labels}


def select_prompts(
    model: Any,
    processor: Any,
    candidate_labels: CandidateLabels,
    *,
    top_k: int = 5,
    image_embeds: torch.Tensor | None = None,
    hypothesis_template: str | Sequence[str] | None = None,
) -> dict[str, list[str]]:
    """Select the prompts of each class with the highest weights, the best first; all of a class that has fewer.

    Args:
        model: with `get_text_features` and `logit_scale`.
        processor: the model's [`TimeSenCLIPProcessor`].
        candidate_labels: `{label: [prompt, ...]}`.
        top_k: prompts to keep of each class.
        image_embeds: unit (N, projection_dim), of unlabelled series or photos, to compare prompts by what they respond
            to; by their texts when left out.
        hypothesis_template: that the prompts go into; the checkpoint's own when left out.

    Raises:
        ValueError: `top_k` is not positive, fewer than two classes, a class with no prompt, or images that are none.
    """
    if top_k < 1:
        raise ValueError(f"`top_k` must be at least 1, got {top_k}.")
    weights = weigh_prompts(
        model, processor, candidate_labels, image_embeds=image_embeds, hypothesis_template=hypothesis_template
    )
    return {label: list(ranked)[:top_k] for label, ranked in weights.items()}


@dataclass(frozen=True)
class SelectionOptions:
    """Say how many prompts a class are chosen, in which template (the checkpoint's own when left out).

    They are compared with several choices by chance, of a seed: what fewer prompts are worth by themselves.
    """

    top_k: int = 5
    hypothesis_template: str | Sequence[str] | None = None
    random_draws: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("top_k", "random_draws"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1, got {getattr(self, name)}.")


def prompt_selection_report(
    model: Any,
    processor: Any,
    candidate_labels: CandidateLabels,
    selection: EmbeddedSplit,
    held_out: EmbeddedSplit,
    *,
    options: SelectionOptions = SelectionOptions(),
) -> dict[str, Any]:
    """Score held-out points with all prompts, with the selected ones, and with as many taken by chance.

    Of the points that select, the labels are not read; of the others every one has a label. Take both from a blocked
    split, since neighbours are alike.

    Returns:
        `top_k`; `samples` of both splits; the `prompts` of the choices "text" and "image" by label; `scores` with "all"
        prompts, "text" and "image", each metric with its interval; `gain` of the two choices over all prompts, in
        balanced accuracy on the same resamples; and `random`, mean and standard deviation by metric.

    Raises:
        ValueError: the splits share a point, or the held-out one lacks labels or has some that are no candidates.
    """
    texts = {label: sorted(set(prompts)) for label, prompts in read_labels(candidate_labels).items()}
    truth, template = _check_splits(selection, held_out, list(texts)), options.hypothesis_template

    def predict(prompts: Mapping[str, list[str]]) -> np.ndarray:
        class_embeds = embed_labels(model, processor, prompts, template)[1]
        return np.asarray(score(held_out.embeds.cpu(), class_embeds).argmax(dim=1))

    select = partial(select_prompts, model, processor, texts, top_k=options.top_k, hypothesis_template=template)
    choices = {"text": select(), "image": select(image_embeds=selection.embeds)}
    predicted = {name: predict(prompts) for name, prompts in {"all": texts, **choices}.items()}
    scores = {
        name: bootstrap_classification(guesses, truth, len(texts), held_out.blocks)
        for name, guesses in predicted.items()
    }
    rng, drawn = np.random.default_rng(options.seed), []
    for _ in range(options.random_draws):
        orders = {label: rng.permutation(len(prompts))[: options.top_k] for label, prompts in texts.items()}
        guesses = predict({label: [texts[label][index] for index in order] for label, order in orders.items()})
        drawn.append(short_report(guesses, truth, len(texts)))
    by_metric = {name: [figures[name] for figures in drawn] for name in drawn[0]}
    return {
        "top_k": options.top_k,
        "samples": {"selection": len(selection.embeds), "held_out": len(truth)},
        "prompts": choices,
        "scores": scores,
        "gain": {name: _gain(predicted[name], predicted["all"], truth, held_out.blocks) for name in choices},
        "random": {
            name: {"mean": float(np.mean(values)), "spread": float(np.std(values)), "draws": len(drawn)}
            for name, values in by_metric.items()
        },
    }


def _gain(guesses: np.ndarray, others: np.ndarray, truth: np.ndarray, blocks: np.ndarray | None) -> dict[str, float]:
    """Compute the difference in balanced accuracy, with its interval."""
    hits = (guesses == truth).astype(np.float64) - (others == truth)

    def difference(rows: np.ndarray) -> float:
        counts = np.bincount(truth[rows])
        sums = np.bincount(truth[rows], weights=hits[rows])
        return float(np.mean(sums[counts > 0] / counts[counts > 0]))

    return bootstrap(difference, len(truth), blocks)


def _check_splits(selection: EmbeddedSplit, held_out: EmbeddedSplit, labels: Sequence[str]) -> np.ndarray:
    """Return the class indices of the held-out points."""
    if shared := sorted(set(selection.point_ids) & set(held_out.point_ids)):
        raise ValueError(
            f"The two splits share {len(shared)} points, such as {shared[0]!r}: prompts are judged on points that did "
            "not select them."
        )
    if held_out.labels is None:
        raise ValueError("The held-out split has no labels: without them no choice of prompts can be judged.")
    if strange := sorted(set(held_out.labels) - set(labels)):
        raise ValueError(f"{strange[0]!r} is a label of the held-out split, but no candidate: give it prompts.")
    return np.asarray([labels.index(label) for label in held_out.labels])
