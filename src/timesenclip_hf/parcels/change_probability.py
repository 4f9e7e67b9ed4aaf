"""Turn the class probabilities of two years into the probability that the class of a pixel changed.

Let p1 and p2 be the probabilities of the classes at a pixel in the two years, and m1 and m2 their means over the land,
the classes' shares of it; m is the mean of m1 and m2. By Bayes' rule the year's image speaks for class k by
p(k) / m(k), up to a factor that all classes share. Before the images are seen, a pixel keeps its class with the
probability 1 - c, which is k with m(k); with c it has two different classes, j and k with
m1(j) m2(k) / (1 - sum m1 m2). Given both classes, the images of the two years err independently. So

    S = sum_k p1(k) p2(k) m(k) / (m1(k) m2(k))
    D = (1 - sum_k p1(k) p2(k)) / (1 - sum_k m1(k) m2(k))
    probability of change = c D / (c D + (1 - c) S)

This is the compound classification of Bruzzone and Serpico (1997, IEEE Transactions on Geoscience and Remote Sensing
35:858) with a joint prior of one number, c. The usual 1 - sum_k p1(k) p2(k) is the special case of classes of equal
shares and c = 1 - sum_k m1(k) m2(k): it takes the years for strangers to each other, of whose pixels most would change,
and so finds change wherever a year is in doubt.

Two numbers are found without labels. c is the most likely one, as in that paper, but no less than 0.05. How sure the
probabilities are is found too: a pixel that puzzles a model puzzles it in both years alike, so that years agree better
than probabilities calibrated for one year say; where these are too sure, worse. So p is taken to the power of a
sharpness and made to sum to one, before the means are taken. Over pairs of pixels that have nothing to do with each
other, (1 - c) S + c D has the mean 1 at any sharpness: it says how much more often such a pair occurs at one place than
by chance, and the product over all pixels is the likelihood of sharpness and c.

What it rests on: that errors are independent from year to year given what the model takes a pixel for, and that so much
of the land is stable that sharpness is told from it. A pixel misread alike in both years counts as unchanged, as it
should; a change between classes that the labels do not tell apart is not seen.
"""

from operator import itemgetter
from typing import NamedTuple

import numpy as np

# No probability is surer than one in a million, so that no ratio is without bound.
LEAST_PROBABILITY = 1e-6
# Halvings that find the prior to a millionth of a millionth.
HALVINGS = 40
# Doublings of the sharpness that are tried, and then finer ones around the best.
DOUBLINGS, FINER = np.arange(-2, 3.01, 0.25), np.arange(-3, 4) / 16
# Share of the land that is thought to have changed at least, where none is given: at the default threshold a pixel then
# counts as changed where its images speak for change by 19 to 1 or more. Years that agree better than their
# probabilities promise would else make any change impossible. Our own choice.
LEAST_PRIOR = 0.05
# What a doubling of the sharpness costs of the mean logarithm of the likelihood, by its square: that of a normal prior
# with a spread of one doubling, where neighbours are so alike that a map tells as much as 333 pixels that are not. Our
# own choice; it keeps years that tell nothing of the sharpness at 1.
COST_OF_DOUBLING = 0.0015


class PairModel(NamedTuple):
    """Hold what decides about pairs of probabilities.

    Attributes:
        sharpness: power to which probabilities are taken.
        first_shares: of the classes in the first year, (class,).
        second_shares: in the second.
        prior: share of the land that changed, c.
    """

    sharpness: float
    first_shares: np.ndarray
    second_shares: np.ndarray
    prior: float

    @property
    def weights(self) -> np.ndarray:
        """Return m / (m1 m2), (class,)."""
        return np.asarray((self.first_shares + self.second_shares) / 2 / (self.first_shares * self.second_shares))


def fit_pairs(first: np.ndarray, second: np.ndarray, prior: float | None = None) -> PairModel:
    """Find sharpness, shares and prior under which probabilities (pixels, class) of two years are likeliest.

    Args:
        first: of the first year (pixels, class).
        second: of the second, alike.
        prior: share of the land that changed, where it is known; else found, and at least `LEAST_PRIOR`.
    """
    _, model = max((_fit(first, second, step, prior) for step in DOUBLINGS), key=itemgetter(0))
    middle = np.log2(model.sharpness)
    return max((_fit(first, second, middle + step, prior) for step in FINER), key=itemgetter(0))[1]


def _fit(first: np.ndarray, second: np.ndarray, doublings: float, prior: float | None) -> tuple[float, PairModel]:
    """Return the likelihood of a sharpness, less what it costs, and what goes with it."""
    before, after = (sharpened(each, 2.0**doublings) for each in (first, second))
    model = PairModel(2.0**doublings, class_shares(before), class_shares(after), 0.0)
    same, different = pair_likelihoods(before, after, model)
    share = max(estimate_prior(different / same), LEAST_PRIOR) if prior is None else prior
    likelihood = float(np.log((1 - share) * same + share * different).mean())
    return likelihood - COST_OF_DOUBLING * doublings**2, model._replace(prior=share)


def sharpened(probabilities: np.ndarray, sharpness: float) -> np.ndarray:
    """Take probabilities (pixels, class) to a power and make them sum to one; none is left below a millionth."""
    logs = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny), dtype=np.float64) * sharpness
    powers = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(np.maximum(powers / powers.sum(axis=1, keepdims=True), LEAST_PROBABILITY))


def class_shares(probabilities: np.ndarray) -> np.ndarray:
    """Return the share of the land that each class has, (class,), from probabilities (pixels, class); none is 0.

    One pixel that knows nothing is added, so that a class that is nowhere likely has a share.
    """
    count, classes = probabilities.shape
    return np.asarray((probabilities.sum(axis=0, dtype=np.float64) + 1 / classes) / (count + 1))


def pair_likelihoods(first: np.ndarray, second: np.ndarray, model: PairModel) -> tuple[np.ndarray, np.ndarray]:
    """Return S and D, (pixels,): how likely both years' images are where the class is the same, and where it changed.

    Args:
        first: sharpened probabilities of the first year (pixels, class).
        second: of the second year, alike.
        model: the classes' shares count, and nothing else.
    """
    agreement = np.minimum((first * second).sum(axis=1), 1 - LEAST_PROBABILITY)
    different = (1 - agreement) / (1 - model.first_shares @ model.second_shares)
    return np.asarray((first * second) @ model.weights), np.asarray(different)


def estimate_prior(ratios: np.ndarray) -> float:
    """Find the share of the land that changed, c, under which ratios D / S, (pixels,), are likeliest.

    The slope of the mean of log(1 - c + c ratio) falls all the way from c = 0 to c = 1; c is where it is 0, or the end
    that it does not reach.
    """
    excess = ratios - 1
    low, high = 0.0, 1.0
    if excess.mean() <= 0:
        return low
    if (excess / ratios).mean() >= 0:
        return high
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if (excess / (1 + middle * excess)).mean() > 0 else (low, middle)
    return (low + high) / 2


def change_probability(ratios: np.ndarray, prior: float) -> np.ndarray:
    """Return the probability of change (pixels,) from ratios D / S and the prior c, 0 to 1."""
    return np.asarray(prior * ratios / (prior * ratios + 1 - prior))


def likeliest_class(first: np.ndarray, second: np.ndarray, model: PairModel) -> np.ndarray:
    """Return the index of the likeliest class (pixels,) of pixels that did not change, as of `pair_likelihoods`."""
    return np.asarray((first * second * model.weights).argmax(axis=1))


def likeliest_transition(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of the likeliest two different classes (pixels,) of pixels that changed.

    They are those of the largest p1(j) p2(k): the likeliest of each year, or where that is the same, the likeliest of
    one year and the second of the other.

    Args:
        first: probabilities of the first year (pixels, class), of two classes at least.
        second: of the second year, alike.
    """
    rows = np.arange(len(first))
    (j, next_j), (k, next_k) = (np.argsort(-each, axis=1, kind="stable")[:, :2].T for each in (first, second))
    moved = first[rows, next_j] * second[rows, k] > first[rows, j] * second[rows, next_k]
    return np.where((j == k) & moved, next_j, j), np.where((j == k) & ~moved, next_k, k)
