"""Fit classes to examples: multinomial logistic regression on unit embeddings, pulled towards the words' vectors.

The logits are `(scale * words + change) @ embedding + bias`. `change` and `bias` pay a quadratic penalty, so that
without an example the words decide, exactly, and a class without examples keeps its words' vector. That words make a
probe out of few examples is known: the class-adaptive linear probe (Silva-Rodriguez et al., CVPR 2024) pulls towards
them too, LP++ (Huang et al., CVPR 2024) and Tip-Adapter (Zhang et al., ECCV 2022) add their logits. Three numbers are
found for all classes together:

- `scale`, how far the words are to be trusted: it shrinks where they are sure of what is wrong. It is the one of the
  highest posterior, under a gamma prior whose mode is the model's own scale.
- the penalty, by the likelihood of held-out folds of whole blocks of land, at the temperature that suits each. Few
  examples say little about it, so that strengths other than [`usual_penalty`] must earn their place, as under a
  log-normal prior; leaving the words as they are is among the choices.
- a temperature, by the same folds and the prior of the scale, so that scores are as sure as they are right.

Classes weigh alike, however many examples they have: scores are of a land that has as much of each.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..extras import needs_extra
from ..models.timesenclip.compositing_timesenclip import MONTHS_PER_YEAR
from ..models.timesenclip.label_set_timesenclip import Fit, LabelSet
from .blocks import folds_of
from .scoring import recall_report

with needs_extra("eval"):
    from scipy.optimize import brentq, minimize
    from scipy.special import log_softmax, softmax

# Precision of the prior of each class vector and bias, in units of the embeddings' length of 1.
PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0)
# Where nothing tells: strong where the words are trusted by so much at least, since on the real sets of this project
# one to three examples a class then seldom say better; weaker where they are not, down to what unaided probes take.
TRUSTED = 0.4
DEFAULT_PENALTY = 2.0
LEAST_PENALTY = 0.6
# Standard deviation of the logarithm of the penalty before examples are seen; and what leaving the words costs, in
# nats, because a fold's fit has fewer examples than the fit that it stands for.
PRIOR_SPREAD = 0.8
WORDS_COST = 2.0
# In nats above a blind guess, what a fit must know of held-out land, or the words stay.
BLIND_COST = 1.0
# So many times the penalty has what classes with examples share, where others have none: no example says that those are
# not meant, and unrestrained they drown in the others.
SHARED = 5.0
# So many examples is the prior of a scale worth.
PRIOR_EXAMPLES = 4.0
FOLDS = 5
# The penalty is chosen by so many examples at most, drawn class by class: with more it hardly matters.
MOST_CHOOSING = 2_000
MOST_ITERATIONS = 200


class FittedSet(NamedTuple):
    """Hold a label set with what cross-validation named each example.

    Attributes:
        label_set: fitted.
        words_named: index of the class that words alone name each (examples,).
        named: index of the class that a fit without its fold names each (examples,).
    """

    label_set: LabelSet
    words_named: np.ndarray
    named: np.ndarray


def fit_label_set(
    embeds: Tensor | np.ndarray,
    truth: np.ndarray,
    words: LabelSet,
    groups: np.ndarray | None = None,
    *,
    values: Tensor | np.ndarray | None = None,
    penalty: float | None = None,
) -> FittedSet:
    """Fit a label set to examples; without any it is the words'.

    Args:
        embeds: unit embeddings (examples, projection_dim).
        truth: index of the class of each (examples,).
        words: label set of words.
        groups: number of the group, such as a block of land, of each (examples,), held out as a whole; None where each
            stands alone.
        values: of `monthly_values` (examples, 12 * bands), NaN where missing, to be read beside the embeddings.
        penalty: strength of the pull towards the words; chosen by cross-validation when left out.

    Raises:
        ValueError: there is one class only, the label set is fitted already, or the arguments do not fit together.
    """
    vectors, classes = _as_float64(embeds), np.asarray(truth)
    _check(vectors, classes, words, groups)
    if not len(classes):
        return FittedSet(words, classes, classes)
    table = None if values is None else _Standard.of(_as_float64(values))
    ones = np.ones((len(vectors), 1))
    features = np.hstack([vectors, ones] if table is None else [vectors, ones, table.of_examples])
    problem = _Problem.of(features, vectors @ _as_float64(words.class_embeds).T * words.score_scale, classes)
    scale = _best_scale(problem.words, classes, problem.weights)
    problem = replace(problem, words=scale * problem.words)
    penalties, usual = (PENALTIES, usual_penalty(scale)) if penalty is None else ((penalty,), penalty)
    choice = _choose(problem, folds_of(classes, groups, FOLDS), penalties, usual)
    fit = _describe(words.labels, problem, choice, groups, scale)
    words_named, named = problem.words.argmax(axis=1), choice.logits.argmax(axis=1)
    scaled = words.score_scale * scale
    if choice.penalty is None:
        return FittedSet(replace(words, score_scale=scaled, fit=fit), words_named, named)
    change = problem.change(np.arange(len(classes)), choice.penalty) / scaled
    width = vectors.shape[1]
    tensors: dict[str, Any] = {
        "class_embeds": words.class_embeds + torch.from_numpy(change[:, :width]).float(),
        "biases": torch.from_numpy(change[:, width]),
    }
    if table is not None:
        tensors["value_weights"] = torch.from_numpy(change[:, width + 1 :])
        tensors |= {"value_means": torch.from_numpy(table.means), "value_spreads": torch.from_numpy(table.spreads)}
    fitted = replace(words, **tensors, score_scale=scaled * choice.sureness, fit=fit)
    return FittedSet(fitted, words_named, named)


def usual_penalty(trust: float) -> float:
    """Return the strength of the pull that is right on average for words that are trusted so much."""
    return max(LEAST_PENALTY, DEFAULT_PENALTY * min(1.0, trust / TRUSTED) ** 2)


def _check(vectors: np.ndarray, classes: np.ndarray, words: LabelSet, groups: np.ndarray | None) -> None:
    if words.is_fitted:
        raise ValueError("The label set is fitted already: give the words it was made from, and all examples at once.")
    count = len(words.labels)
    if count < 2:
        raise ValueError(f"The label set has one class only, {words.labels[0]!r}: give at least two to tell apart.")
    width = words.class_embeds.shape[1]
    if vectors.ndim != 2 or vectors.shape[1] != width or classes.shape != vectors.shape[:1]:
        raise ValueError(
            f"Give an embedding of {width} numbers and a class for each example, got {vectors.shape} and "
            f"{classes.shape}."
        )
    if groups is not None and np.shape(groups) != classes.shape:
        raise ValueError(f"Give one group for each of the {len(classes)} examples, got {np.shape(groups)}.")
    if not np.isfinite(vectors).all():
        raise ValueError("An example has no finite embedding: leave out series without an observation.")
    if len(classes) and not 0 <= classes.min() <= classes.max() < count:
        raise ValueError(f"Classes are numbers from 0 to {count - 1}, got {classes.min()} to {classes.max()}.")


def _as_float64(values: Tensor | np.ndarray) -> np.ndarray:
    return np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values, dtype=np.float64)


@dataclass(frozen=True)
class _Standard:
    """Hold monthly values as a fit reads them: about as long, together, as an embedding.

    A band has one spread for all months, which few examples tell better than one for each.
    """

    means: np.ndarray
    spreads: np.ndarray
    of_examples: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> "_Standard":
        seen = ~np.isnan(values)
        counts = seen.sum(axis=0)
        means = np.where(seen, values, 0).sum(axis=0) / np.maximum(counts, 1)
        apart = np.where(seen, values - means, 0)
        by_month = (MONTHS_PER_YEAR, -1)
        squares = (apart**2).sum(axis=0).reshape(by_month).sum(axis=0)
        variances = squares / np.maximum(counts.reshape(by_month).sum(axis=0), 1)
        lengths = np.sqrt(np.where(variances > 0, variances, 1) * max(np.count_nonzero(counts), 1))
        spreads = np.tile(lengths, MONTHS_PER_YEAR)
        return cls(means, spreads, apart / spreads)


@dataclass(frozen=True)
class _Problem:
    """Hold examples along the principal axes of their features, which makes the minimiser's steps short and few.

    Attributes:
        features: (examples, axes).
        axes: (features, axes).
        sizes: (axes,), weighted sums of squares along them.
        words: logits of the words (examples, classes).
        truth: class of each (examples,).
        weights: of each (examples,), alike in sum for each class.
    """

    features: np.ndarray
    axes: np.ndarray
    sizes: np.ndarray
    words: np.ndarray
    truth: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray, words: np.ndarray, truth: np.ndarray) -> "_Problem":
        weights = _alike(truth)
        weighed = features * np.sqrt(weights)[:, None]
        few = len(weighed) < weighed.shape[1]
        sizes, vectors = np.linalg.eigh(weighed @ weighed.T if few else weighed.T @ weighed)
        kept = sizes > 1e-10 * sizes.max(initial=0)
        sizes, vectors = sizes[kept], vectors[:, kept]
        axes = weighed.T @ (vectors / np.sqrt(sizes)) if few else vectors
        return cls(features @ axes, axes, sizes, words, truth, weights)

    def change(self, rows: np.ndarray, penalty: float) -> np.ndarray:
        """Fit to some rows; return what is added to the words (classes, features), 0 for classes without a row."""
        return np.asarray(self.change_along_axes(rows, penalty) @ self.axes.T)

    def change_along_axes(self, rows: np.ndarray, penalty: float) -> np.ndarray:
        """Minimise the weighted cross-entropy and the penalty; return the change (classes, axes)."""
        change = np.zeros((self.words.shape[1], len(self.axes.T)))
        classes = np.unique(self.truth[rows])
        if not len(rows):
            return change
        # A quarter is the most that softmax curves.
        stretch = 1 / np.sqrt(penalty + self.sizes * (len(rows) / len(self.truth) / 4))
        features, words, weights = self.features[rows] * stretch, self.words[rows], _alike(self.truth[rows])
        cost, is_true = penalty * stretch**2, np.equal.outer(self.truth[rows], np.arange(words.shape[1]))

        restraint = SHARED - 1 if len(classes) < words.shape[1] else 0.0

        def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
            steps = flat.reshape(len(classes), -1)
            logits = words.copy()
            logits[:, classes] += features @ steps.T
            shares = log_softmax(logits, axis=1)
            shared = steps.mean(axis=0)
            paid = (cost * steps**2).sum() + restraint * len(classes) * (cost * shared**2).sum()
            value = 0.5 * paid - weights @ shares[is_true]
            slope = (np.exp(shares) - is_true)[:, classes] * weights[:, None]
            return float(value), (slope.T @ features + cost * (steps + restraint * shared)).ravel()

        start = np.zeros(len(classes) * features.shape[1])
        limits = {"maxiter": MOST_ITERATIONS, "gtol": 1e-4, "ftol": 1e-9}
        minimum = minimize(loss, start, jac=True, method="L-BFGS-B", options=limits)
        change[classes] = minimum.x.reshape(len(classes), -1) * stretch
        return change


def _alike(truth: np.ndarray) -> np.ndarray:
    """Weigh examples so that each class that has any weighs alike; the weights sum to their number."""
    counts = np.bincount(truth)
    return np.asarray(len(truth) / (max(np.count_nonzero(counts), 1) * counts[truth]))


def _best_scale(logits: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> float:
    """Find the factor of logits with the highest posterior, under a gamma prior of mode 1.

    The slope of the negative logarithm rises from below zero to above, so that there is one root.
    """
    relative = logits - logits.max(axis=1, keepdims=True, initial=-np.inf)
    of_truth = relative[np.arange(len(truth)), truth]

    def slope(log_factor: float) -> float:
        factor = np.exp(log_factor)
        expected = (softmax(factor * relative, axis=1) * relative).sum(axis=1)
        return float(weights @ (expected - of_truth) + PRIOR_EXAMPLES * (1 - 1 / factor))

    reach = 1.0
    while slope(-reach) > 0 or slope(reach) < 0:
        reach *= 2
    return float(np.exp(brentq(slope, -reach, reach)))


class _Choice(NamedTuple):
    """Hold a penalty, None for the words as they are, with held-out logits (examples, classes) and what they say.

    Attributes:
        penalty: chosen.
        logits: of folds held out.
        sureness: factor of the logits that makes them as sure as they are right.
        curve: a dictionary a penalty, with its score.
        folds: how many were held out.
    """

    penalty: float | None
    logits: np.ndarray
    sureness: float
    curve: list[dict[str, Any]]
    folds: int


def _choose(problem: _Problem, folds: np.ndarray, penalties: Sequence[float], usual: float) -> _Choice:
    """Choose the penalty by held-out folds; where too few classes can be held out, the usual one."""
    chosen = _some_of_each(problem.truth)
    num_folds = int(folds.max(initial=0)) + 1
    counts = np.zeros((num_folds, problem.words.shape[1]))
    np.add.at(counts, (folds[chosen], problem.truth[chosen]), 1)
    # An example tells about a fit that has others of its class.
    asked = chosen[(counts.sum(axis=0) - counts)[folds[chosen], problem.truth[chosen]] > 0]
    if len(np.unique(problem.truth[asked])) < 2:
        return _Choice(usual, _held_out(problem, folds, chosen, usual), 1.0, [], num_folds)
    truth, weights = problem.truth[asked], _alike(problem.truth[asked])
    tried: list[tuple[float | None, np.ndarray, float]] = [
        (penalty, _held_out(problem, folds, chosen, penalty), _prior_cost(penalty / usual)) for penalty in penalties
    ]
    if len(penalties) > 1:
        tried.append((None, problem.words, WORDS_COST))
    # Each is judged as sure as it should be: weak pulls are too sure of folds of other land, yet often right.
    surenesses = [_best_scale(logits[asked], truth, weights) for _, logits, _ in tried]
    likelihoods = [
        float(weights @ log_softmax(sureness * logits[asked], axis=1)[np.arange(len(asked)), truth])
        for sureness, (_, logits, _) in zip(surenesses, tried, strict=True)
    ]
    best = int(np.argmax([value - cost for value, (_, _, cost) in zip(likelihoods, tried, strict=True)]))
    if len(penalties) > 1 and likelihoods[best] < BLIND_COST - len(asked) * np.log(problem.words.shape[1]):
        best = len(penalties)  # it knows no more of other land than a blind guess: the words stay
    curve = [
        {"penalty": step[0], "score": float(np.exp(value / len(asked)))}
        for step, value in zip(tried, likelihoods, strict=True)
    ]
    best_penalty, logits, _ = tried[best]
    return _Choice(best_penalty, logits, 1.0 if best_penalty is None else surenesses[best], curve, num_folds)


def _prior_cost(ratio: float) -> float:
    return float(np.log(ratio) ** 2 / (2 * PRIOR_SPREAD**2))


def _some_of_each(truth: np.ndarray) -> np.ndarray:
    """Draw as many rows as choosing takes, a class as many as another, as far as it has them."""
    if len(truth) <= MOST_CHOOSING:
        return np.arange(len(truth))
    order = np.random.default_rng(0).permutation(len(truth))
    by_class = order[np.argsort(truth[order], kind="stable")]
    counts = np.bincount(truth)
    ranks = np.empty(len(truth), dtype=np.int64)
    ranks[by_class] = np.concatenate([np.arange(count) for count in counts])
    return np.sort(np.lexsort((order, ranks))[:MOST_CHOOSING])


def _held_out(problem: _Problem, folds: np.ndarray, chosen: np.ndarray, penalty: float) -> np.ndarray:
    """Return the logits of every example by a fit to the chosen ones of other folds."""
    logits = problem.words.copy()
    for fold in range(int(folds.max(initial=-1)) + 1):
        change = problem.change_along_axes(chosen[folds[chosen] != fold], penalty)
        held = folds == fold
        logits[held] += problem.features[held] @ change.T
    return logits


def _describe(
    labels: Sequence[str], problem: _Problem, choice: _Choice, groups: np.ndarray | None, scale: float
) -> Fit:
    counts = np.bincount(problem.truth, minlength=len(labels))
    scores: dict[str, Any] = {
        name: recall_report(problem.truth, logits.argmax(axis=1), labels, groups)
        for name, logits in (("words", problem.words), ("fitted", choice.logits))
    }
    numbers = {"folds": choice.folds, "trust_in_words": scale, "sureness": choice.sureness}
    numbers["groups"] = len(problem.truth) if groups is None else len(np.unique(groups))
    scores |= {"curve": choice.curve, **numbers}
    return Fit(dict(zip(labels, counts.tolist(), strict=True)), choice.penalty, scores)
