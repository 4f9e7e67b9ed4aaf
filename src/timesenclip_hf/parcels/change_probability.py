"""Turn the class probabilities of two years into the probability that the class of a pixel changed.

Let p1 and p2 be the calibrated probabilities of the classes at a pixel in the two years, and m1 and m2 their means over
the land, which are the classes' shares of it where the probabilities are calibrated; m is the mean of m1 and m2. By
Bayes' rule the year's image speaks for class k by p(k) / m(k), up to a factor that all classes share. Before the images
are seen, a pixel keeps its class with the probability 1 - c, which is k with m(k); with c it has two different classes,
j and k with m1(j) m2(k) / (1 - sum m1 m2). Given both classes, the images of the two years err independently. So

    S = sum_k p1(k) p2(k) m(k) / (m1(k) m2(k))
    D = (1 - sum_k p1(k) p2(k)) / (1 - sum_k m1(k) m2(k))
    probability of change = c D / (c D + (1 - c) S)

This is the compound classification of Bruzzone and Serpico (1997, IEEE Transactions on Geoscience and Remote Sensing
35:858) with a joint prior of one number, c. As there, c is found without labels, as the most likely one: the product of
c D + (1 - c) S over the pixels has a single maximum.

The usual 1 - sum_k p1(k) p2(k) is the special case of classes of equal shares and c = 1 - sum_k m1(k) m2(k): it takes
the years for strangers to each other, of whose pixels most would change, and so finds change wherever a year is in
doubt.

What it rests on: probabilities that are as sure as they are right (surer ones raise c), and errors of the two years
that are independent given the classes. Where a pixel is misread alike in both years they are not; such a pixel counts
as unchanged, as it should.
"""

import numpy as np

# No calibrated probability is surer than one in a million, so that no ratio is without bound.
LEAST_PROBABILITY = 1e-6
# Halvings that find the prior to a millionth of a millionth.
HALVINGS = 40


def class_shares(probabilities: np.ndarray) -> np.ndarray:
    """Return the share of the land that each class has, (class,), from probabilities (pixels, class); none is 0.

    One pixel that knows nothing is added, so that a class that is nowhere likely has a share.
    """
    count, classes = probabilities.shape
    return np.asarray((probabilities.sum(axis=0, dtype=np.float64) + 1 / classes) / (count + 1))


def change_ratios(
    first: np.ndarray, second: np.ndarray, first_shares: np.ndarray, second_shares: np.ndarray
) -> np.ndarray:
    """Return D / S, (pixels,): how much likelier both years' images are where the class changed than where it did not.

    Args:
        first: probabilities of the first year (pixels, class).
        second: of the second year, alike.
        first_shares: of [`class_shares`], (class,), of the first year.
        second_shares: of the second year.
    """
    before, after = (np.maximum(each, LEAST_PROBABILITY).astype(np.float64) for each in (first, second))
    weights = (first_shares + second_shares) / 2 / (first_shares * second_shares)
    same = (before * after) @ weights
    agreement = np.minimum((before * after).sum(axis=1), 1 - LEAST_PROBABILITY)
    return np.asarray((1 - agreement) / (1 - first_shares @ second_shares) / same)


def estimate_prior(ratios: np.ndarray) -> float:
    """Find the share of the land that changed, c, under which the ratios (pixels,) of [`change_ratios`] are likeliest.

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
    """Return the probability of change (pixels,) from ratios of [`change_ratios`] and the prior c, 0 to 1."""
    return np.asarray(prior * ratios / (prior * ratios + 1 - prior))


def likeliest_class(
    first: np.ndarray, second: np.ndarray, first_shares: np.ndarray, second_shares: np.ndarray
) -> np.ndarray:
    """Return the index of the likeliest class (pixels,) of pixels that did not change; arguments of `change_ratios`."""
    before, after = (np.maximum(each, LEAST_PROBABILITY) for each in (first, second))
    return np.asarray((before * after * ((first_shares + second_shares) / first_shares / second_shares)).argmax(axis=1))


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
