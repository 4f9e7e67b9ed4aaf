import json

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from timesenclip_hf.labelling import fitting
from timesenclip_hf.labelling.fitting import fit_label_set
from timesenclip_hf.models.timesenclip.label_set_timesenclip import LabelSet

LABELS = ["maize", "wheat", "rapeseed", "water"]


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def label_set(vectors, scale=20.0):
    phrases = {label: [label] for label in LABELS[: len(vectors)]}
    return LabelSet(phrases, ["{}"], torch.from_numpy(unit(vectors)).float(), scale, "weights")


def example_set(count=80, classes=4, spread=0.5, wrong=0.0, seed=0):
    """Unit embeddings around a direction for each class, and words that point so far away from it."""
    random = np.random.default_rng(seed)
    centres = unit(random.normal(size=(classes, 16)))
    truth = np.arange(count) % classes
    embeds = unit(centres[truth] + spread * unit(random.normal(size=(count, 16))))
    words = label_set(centres + wrong * unit(random.normal(size=centres.shape)))
    return embeds, truth, words


def logits(fitted, embeds, **values):
    return fitted.label_set.logits(torch.from_numpy(embeds).float(), **values).numpy()


def right(fitted, embeds, truth):
    return float(np.mean(logits(fitted, embeds).argmax(axis=1) == truth))


def test_without_an_example_it_is_the_label_set_of_the_words():
    embeds, truth, words = example_set()
    fitted = fit_label_set(embeds[:0], truth[:0], words)
    assert fitted.label_set is words


def test_a_class_without_examples_keeps_the_vector_of_its_words_bit_for_bit_and_has_no_bias():
    embeds, truth, words = example_set(wrong=1.0)
    some = truth < 2
    fitted = fit_label_set(embeds[some], truth[some], words, penalty=0.3).label_set
    assert torch.equal(fitted.class_embeds[2:], words.class_embeds[2:])
    assert fitted.biases[2:].tolist() == [0, 0]
    assert not torch.equal(fitted.class_embeds[:2], words.class_embeds[:2])
    assert fitted.fit.examples == {"maize": 20, "wheat": 20, "rapeseed": 0, "water": 0}


def test_the_class_vectors_have_the_least_loss_and_penalty():
    embeds, truth, words = example_set(count=30, spread=1.2, wrong=0.7)
    fitted = fit_label_set(embeds, truth, words, penalty=0.5).label_set
    trust, sureness = (fitted.fit.scores[name] for name in ("trust_in_words", "sureness"))
    prior = np.hstack([words.class_embeds.numpy() * 20.0 * trust, np.zeros((4, 1))])
    features = np.hstack([embeds, np.ones((30, 1))])
    weights = 30 / (4 * np.bincount(truth))[truth]

    def loss(flat):
        vectors = flat.reshape(4, -1)
        products = features @ vectors.T
        of_truth = products[np.arange(30), truth]
        cross_entropy = np.log(np.exp(products).sum(axis=1)) - of_truth
        return weights @ cross_entropy + 0.25 * ((vectors - prior) ** 2).sum()

    expected = minimize(loss, prior.ravel(), method="BFGS", options={"gtol": 1e-6}).x.reshape(4, -1)
    scale = fitted.score_scale / sureness
    ours = np.hstack([fitted.class_embeds.numpy(), fitted.biases.numpy()[:, None]]) * scale
    np.testing.assert_allclose(ours, expected, atol=2e-3)


def test_where_the_words_say_nothing_it_is_scikit_learns_logistic_regression():
    embeds, truth, words = example_set(count=40, spread=1.0)
    alike = words.__class__(words.phrases, ["{}"], words.class_embeds[:1].expand(4, -1), 20.0, "weights")
    fitted = fit_label_set(embeds, truth, alike, penalty=0.2)
    probe = LogisticRegression(C=5.0, tol=1e-8, max_iter=5_000, fit_intercept=False)
    probe.fit(np.hstack([embeds, np.ones((40, 1))]), truth)
    products = logits(fitted, embeds) / fitted.label_set.fit.scores["sureness"]
    expected = np.hstack([embeds, np.ones((40, 1))]) @ probe.coef_.T
    centred = [values - values.mean(axis=1, keepdims=True) for values in (products, expected)]
    np.testing.assert_allclose(*centred, atol=5e-3)


def test_words_that_are_right_are_trusted_and_words_that_are_wrong_are_not():
    embeds, truth, words = example_set(spread=0.8)
    reversed_words = label_set(words.class_embeds.numpy()[::-1].copy())
    trusted, distrusted = (
        fit_label_set(embeds, truth, candidates).label_set.fit.scores["trust_in_words"]
        for candidates in (words, reversed_words)
    )
    assert distrusted < 0.3 < trusted


@pytest.mark.parametrize("shots", [1, 3, 10, 20])
def test_wrong_words_are_unlearnt_and_right_words_are_not(shots):
    embeds, truth, words = example_set(count=400, spread=1.5)
    shown, others = slice(4 * shots), slice(4 * shots, None)
    reversed_words = label_set(words.class_embeds.numpy()[::-1].copy())
    by_words = float(np.mean((embeds[others] @ words.class_embeds.numpy().T).argmax(axis=1) == truth[others]))
    assert right(fit_label_set(embeds[shown], truth[shown], words), embeds[others], truth[others]) > by_words - 0.02
    if shots > 1:
        assert right(fit_label_set(embeds[shown], truth[shown], reversed_words), embeds[others], truth[others]) > 0.4


def test_examples_that_say_nothing_leave_the_words_as_they_are():
    embeds, truth, words = example_set(count=200, spread=1.0)
    truth = np.random.default_rng(0).permutation(truth)
    fitted = fit_label_set(embeds, truth, words).label_set
    assert fitted.fit.penalty is None
    assert torch.equal(fitted.class_embeds, words.class_embeds)
    assert fitted.biases is None
    assert fitted.score_scale < 20 / 5


def test_what_each_example_is_named_comes_from_a_fit_without_its_group():
    random = np.random.default_rng(0)
    truth, groups = np.arange(120) % 2, np.arange(120) // 6
    # Each group lies in a direction of its own, and its class is drawn at random: only a fit that saw it knows.
    truth = random.integers(0, 2, 20)[groups]
    embeds = unit(np.eye(24)[groups] + 0.01 * random.normal(size=(120, 24)))
    words = label_set(random.normal(size=(2, 24)))
    fitted = fit_label_set(embeds, truth, words, groups, penalty=0.01)
    assert right(fitted, embeds, truth) == 1.0
    assert np.mean(fitted.named == truth) < 0.75
    neighbours = fit_label_set(embeds, truth, words, penalty=0.01)
    assert np.mean(neighbours.named == truth) > 0.95
    assert fitted.label_set.fit.scores["groups"] == 20


def test_one_example_of_one_class_moves_the_scores_towards_it():
    embeds, truth, words = example_set(spread=2.0, seed=3)
    fitted = fit_label_set(embeds[:1], truth[:1], words)
    before = words.logits(torch.from_numpy(embeds[:1]).float()).softmax(dim=1)[0, truth[0]]
    after = torch.from_numpy(logits(fitted, embeds[:1])).softmax(dim=1)[0, truth[0]]
    assert after > before
    assert fitted.label_set.fit.penalty == fitting.usual_penalty(fitted.label_set.fit.scores["trust_in_words"])


def test_the_less_the_words_are_trusted_the_weaker_they_pull():
    assert [fitting.usual_penalty(trust) for trust in (1.5, 0.4, 0.01)] == [2.0, 2.0, 0.6]


def test_scores_are_as_sure_as_they_are_right():
    embeds, truth, words = example_set(count=2_000, spread=2.5)
    fitted = fit_label_set(embeds[:400], truth[:400], words)
    probabilities = torch.from_numpy(logits(fitted, embeds[400:])).softmax(dim=1).numpy()
    hits = probabilities.argmax(axis=1) == truth[400:]
    assert probabilities.max(axis=1).mean() == pytest.approx(hits.mean(), abs=0.05)


def test_monthly_values_tell_what_embeddings_do_not():
    random = np.random.default_rng(0)
    truth = np.arange(200) % 2
    embeds = unit(random.normal(size=(200, 8)))
    values = random.normal(3.0, 0.5, size=(200, 12, 10))
    values[:, 6, 3] += 2 * truth
    values[random.random((200, 12)) < 0.3] = np.nan
    values[:, 2] = np.nan
    values = torch.from_numpy(values.reshape(200, 120)).float()
    words = label_set(random.normal(size=(2, 8)))
    fitted = fit_label_set(embeds[:100], truth[:100], words, values=values[:100])
    answers = logits(fitted, embeds[100:], values=values[100:]).argmax(axis=1)
    seen = ~np.isnan(values.reshape(200, 12, 10)[100:, 6, 3].numpy())
    assert np.mean(answers[seen] == truth[100:][seen]) > 0.85
    assert fitted.label_set.reads_values


def test_equal_examples_give_equal_label_sets_and_scores_that_json_holds():
    embeds, truth, words = example_set(spread=1.5)
    first, second = (fit_label_set(embeds, truth, words, np.arange(80) // 4).label_set for _ in range(2))
    assert torch.equal(first.class_embeds, second.class_embeds)
    assert json.loads(json.dumps(first.fit.scores)) == first.fit.scores == second.fit.scores


def test_with_many_examples_the_strength_is_chosen_by_some_of_each_class():
    truth = np.repeat([0, 1, 2], [9_000, 900, 90])
    rows = fitting._some_of_each(truth)
    assert len(rows) == fitting.MOST_CHOOSING
    assert np.bincount(truth[rows]).tolist() == [1_010, 900, 90]
    assert np.array_equal(rows, np.unique(rows))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"embeds": np.ones((8, 5))}, r"an embedding of 16 numbers and a class for each example, got \(8, 5\)"),
        ({"truth": np.full(80, 4)}, "Classes are numbers from 0 to 3, got 4 to 4"),
        ({"embeds": np.full((80, 16), np.nan)}, "no finite embedding"),
        ({"groups": np.zeros(3)}, r"one group for each of the 80 examples, got \(3,\)"),
    ],
)
def test_what_cannot_be_fitted_is_refused_in_one_sentence(change, message):
    arguments = dict(zip(("embeds", "truth", "words"), example_set(), strict=True)) | change
    with pytest.raises(ValueError, match=message):
        fit_label_set(**arguments)


def test_one_class_only_and_a_fitted_label_set_are_refused():
    embeds, truth, words = example_set()
    with pytest.raises(ValueError, match="has one class only, 'maize'"):
        fit_label_set(embeds, truth, label_set(words.class_embeds.numpy()[:1]))
    with pytest.raises(ValueError, match="is fitted already"):
        fit_label_set(embeds, truth, fit_label_set(embeds, truth, words).label_set)
