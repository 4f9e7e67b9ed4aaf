import json

import numpy as np
import pytest
import torch

from timesenclip_hf.data.splits import check_blocks
from timesenclip_hf.evaluation.metrics import balanced_accuracy, macro_f1
from timesenclip_hf.evaluation.probing import Ladder, Words, few_shot_ladder, split_rows_by_place
from timesenclip_hf.labelling.fitting import fit_label_set
from timesenclip_hf.models.timesenclip.label_set_timesenclip import LabelSet

NAMES = ["maize", "woodland", "water"]


def clouds(num_samples=240, spread=0.05, seed=0):
    """Unit embeddings around a direction for each class, and series that say nothing."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, num_samples)
    embeds = np.eye(8)[labels] + rng.normal(size=(num_samples, 8)) * spread
    embeds /= np.linalg.norm(embeds, axis=1, keepdims=True)
    series = rng.normal(size=(num_samples, 12, 2))
    series[rng.random((num_samples, 12)) < 0.2] = np.nan
    return embeds.astype(np.float32), series, labels, np.arange(120), np.arange(120, num_samples)


def ladder(embeds, series, labels, train, test, *, zero_shot=None, words=None, **options):
    ladder = Ladder(**options)
    return few_shot_ladder(embeds, series, labels, NAMES, (train, test), ladder, zero_shot=zero_shot, words=words)


def named_words(directions=(0, 1, 2)):
    """Words that describe each class by the direction of its embeddings."""
    phrases = {name: [name] for name in NAMES}
    return LabelSet(phrases, ["{}"], torch.eye(8)[list(directions)], 20.0, "weights")


def values(entries, metric="accuracy"):
    return {(entry["method"], entry["shots"]): entry["metrics"][metric]["value"] for entry in entries}


def test_probes_read_the_embeddings_and_boosting_reads_the_series():
    embeds, series, labels, train, test = clouds()
    entries = ladder(embeds, series, labels, train, test, shots=(10, "all"), draws=1)
    found = values(entries)
    assert {found[method, shots] for method in ("knn", "linear_probe") for shots in (10, "all")} == {1.0}
    assert max(found["boosting", shots] for shots in (10, "all")) < 0.6
    # The other way round, where which months are missing tells the class and nothing else does.
    told = np.ones((len(labels), 12, 2))
    told[np.arange(len(labels)), labels] = np.nan
    blind = np.random.default_rng(1).normal(size=embeds.shape)
    found = values(ladder(torch.from_numpy(blind), told, labels, train, test, shots=(10, "all"), draws=1))
    assert min(found["boosting", shots] for shots in (10, "all")) == 1.0
    assert max(found[method, 10] for method in ("knn", "linear_probe")) < 0.6


def test_fitted_words_are_the_label_set_that_the_shots_and_their_blocks_give():
    embeds, series, labels, train, test = clouds(spread=0.7)
    words, blocks = named_words((1, 2, 0)), np.arange(len(labels)) // 4
    ladder_words = Words(words, blocks)
    found = values(ladder(embeds, series, labels, train, test, words=ladder_words, methods=["fitted_words"], draws=1))
    assert found.keys() == {("fitted_words", shots) for shots in (1, 5, 10, "all")}
    fitted = fit_label_set(embeds[train], labels[train], words, blocks[train]).label_set
    answers = fitted.logits(torch.from_numpy(embeds[test])).argmax(dim=1).numpy()
    assert found["fitted_words", "all"] == np.mean(answers == labels[test]) > found["fitted_words", 1]


def test_fitted_words_read_monthly_values_where_asked_and_are_left_out_where_there_are_no_words():
    embeds, series, labels, train, test = clouds(spread=0.7)
    series = series + 2 * labels[:, None, None]
    options = {"methods": ["fitted_words", "fitted_words_and_values", "knn"], "shots": ("all",)}
    found = values(ladder(embeds, series, labels, train, test, words=Words(named_words()), **options))
    assert found["fitted_words_and_values", "all"] > found["fitted_words", "all"]
    assert values(ladder(embeds, series, labels, train, test, **options)).keys() == {("knn", "all")}
    quarters = values(ladder(embeds, series[:, :4], labels, train, test, words=Words(named_words()), **options))
    assert quarters.keys() == {("fitted_words", "all"), ("knn", "all")}


@pytest.mark.parametrize("method", ["forest", "logistic"])
def test_forest_and_regression_read_the_series_with_its_gaps(method):
    embeds, series, labels, train, test = clouds()
    series[:, 4] += 4 * labels[:, None]
    series[:, 7] += 4 * labels[:, None]
    series[train, 3] = np.nan
    found = values(ladder(np.zeros_like(embeds), series, labels, train, test, methods=[method], shots=("all",)))
    assert found[method, "all"] > 0.7


def test_an_entry_says_what_it_was_trained_and_judged_on():
    embeds, series, labels, train, test = clouds(spread=0.5)
    entries = ladder(embeds, series, labels, train, test, methods=["knn"], shots=(1, 5, "all"), draws=3)
    one, five, every = entries
    assert [entry["shots"] for entry in entries] == [1, 5, "all"]
    assert [entry["draws"] for entry in entries] == [3, 3, 1]
    assert [entry["train_samples"] for entry in entries] == [3, 15, 120]
    assert [entry["fewest_shots"] for entry in entries] == [1, 5, np.bincount(labels[train]).min()]
    assert {entry["samples"] for entry in entries} == {120}
    assert one["metrics"]["accuracy"]["spread"] > 0
    assert every["metrics"]["accuracy"]["spread"] is None
    assert one["metrics"].keys() == {"accuracy", "balanced_accuracy", "macro_f1"}
    assert five["left_out"] == []
    assert json.loads(json.dumps(entries)) == entries


def test_one_shot_of_the_only_sample_a_class_is_the_nearest_by_cosine():
    embeds, series, labels, _, test = clouds(spread=1.0)
    train = np.array([int(np.flatnonzero(labels[:120] == place)[0]) for place in range(3)])
    entries = ladder(embeds * 7, series, labels, train, test, methods=["knn"], shots=(1,), draws=2)
    nearest = (embeds[test] @ embeds[train].T).argmax(axis=1)
    assert entries[0]["metrics"]["accuracy"] == {"value": (nearest == labels[test]).mean(), "spread": 0.0}


def test_equal_seeds_give_equal_figures():
    embeds, series, labels, train, test = clouds(spread=0.7)
    runs = [ladder(embeds, series, labels, train, test, shots=(2,), draws=2, seed=4) for _ in range(2)]
    assert runs[0] == runs[1]


def test_other_seeds_draw_other_shots():
    embeds, series, labels, train, test = clouds(spread=0.7)
    figures = [
        values(ladder(embeds, series, labels, train, test, methods=["knn"], shots=(1,), seed=seed))[("knn", 1)]
        for seed in range(3)
    ]
    assert len(set(figures)) > 1


@pytest.mark.parametrize("method", ["knn", "linear_probe", "boosting", "forest", "logistic"])
def test_no_training_depends_on_the_rows_that_are_judged(method):
    embeds, series, labels, train, test = clouds(spread=0.7)
    whole, first, second = (
        values(ladder(embeds, series, labels, train, rows, methods=[method], shots=(5,), draws=1))[method, 5]
        for rows in (test, test[:40], test[40:])
    )
    assert whole == pytest.approx((40 * first + 80 * second) / 120)


def test_the_zero_shot_answers_are_judged_on_the_same_rows():
    embeds, series, labels, train, test = clouds()
    answers = np.where(np.random.default_rng(0).random(len(labels)) < 0.7, labels, 0)
    labels[5] = labels[130] = -1
    entry = ladder(embeds, series, labels, train, test, methods=[], zero_shot=torch.from_numpy(answers))[0]
    rows = test[labels[test] >= 0]
    assert (entry["method"], entry["shots"], entry["samples"]) == ("zero_shot", 0, 119)
    assert entry["metrics"] == {
        "accuracy": {"value": (answers[rows] == labels[rows]).mean(), "spread": None},
        "balanced_accuracy": {"value": balanced_accuracy(answers[rows], labels[rows], 3), "spread": None},
        "macro_f1": {"value": macro_f1(answers[rows], labels[rows], 3), "spread": None},
    }


def test_samples_of_unknown_class_are_as_if_they_were_not_there():
    embeds, series, labels, train, test = clouds(spread=0.7)
    labels[100:140] = -1
    with_unknown = ladder(embeds, series, labels, train, test, methods=["knn"], shots=(3, "all"))
    without = ladder(embeds, series, labels, train[:100], test[20:], methods=["knn"], shots=(3, "all"))
    assert with_unknown == without


def test_a_class_that_cannot_be_trained_is_left_out_and_named():
    embeds, series, labels, train, test = clouds()
    train = train[labels[train] != 2]
    entry = ladder(embeds, series, labels, train, test, methods=["knn"], shots=("all",))[0]
    assert entry["left_out"] == ["water"]
    assert entry["samples"] == np.count_nonzero(labels[test] != 2)
    assert entry["metrics"]["accuracy"]["value"] == 1.0


def test_a_class_with_fewer_samples_gives_what_it_has_and_too_many_shots_are_left_out():
    embeds, series, labels, train, test = clouds()
    train = np.concatenate([train[labels[train] == place][:count] for place, count in enumerate((20, 20, 2))])
    entries = ladder(embeds, series, labels, train, test, methods=["linear_probe"], shots=(10, 50, "all"), draws=2)
    assert [(entry["shots"], entry["train_samples"], entry["fewest_shots"]) for entry in entries] == [
        (10, 22, 2),
        ("all", 42, 2),
    ]


def test_a_month_that_no_training_sample_has_does_not_stop_boosting():
    embeds, series, labels, train, test = clouds()
    series[:, 4, 0] = labels
    series[train, 3] = np.nan
    entry = ladder(embeds, series, labels, train, test, methods=["boosting"], shots=("all",))[0]
    assert entry["metrics"]["accuracy"]["value"] == 1.0


def test_a_single_sample_of_a_class_does_not_stop_the_choice_of_strength():
    embeds, series, labels, train, test = clouds()
    train = np.concatenate([train[labels[train] == place][:count] for place, count in enumerate((20, 20, 1))])
    entry = ladder(embeds, series, labels, train, test, methods=["linear_probe"], shots=("all",))[0]
    assert entry["metrics"]["accuracy"]["value"] > 0.9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": np.arange(130)}, "Row 120 is in `train` and in `test`"),
        ({"train": np.arange(0)}, "The training rows have 0 known classes: at least two"),
        ({"test": np.arange(0)}, "No test row has a class that the training rows have"),
        ({"labels": np.full(240, 3)}, "`labels` has 4 at row 0"),
        ({"labels": np.zeros(10, dtype=int)}, "one label for each of the 240 samples, got 10"),
        ({"series": np.zeros((10, 12, 2))}, r"got \(240, 8\) and \(10, 12, 2\)"),
        ({"shots": (0,)}, '`shots` must be numbers from 1 on or "all", got 0'),
        ({"shots": ("many",)}, "got many"),
        ({"methods": ["svm"]}, "`methods` must be of knn, linear_probe, fitted_words, .*, logistic, got 'svm'"),
        ({"draws": 0}, "`draws` must be at least 1, got 0"),
        ({"zero_shot": np.full(240, 3)}, "`zero_shot` has 3 at row 0"),
    ],
)
def test_what_cannot_be_probed_is_refused(change, message):
    arguments = dict(zip(("embeds", "series", "labels", "train", "test"), clouds(), strict=True)) | change
    with pytest.raises(ValueError, match=message):
        ladder(**arguments)


def test_where_places_are_known_no_block_is_fitted_and_judged():
    rng = np.random.default_rng(0)
    longitude, latitude = rng.uniform(0, 5, 300), rng.uniform(45, 50, 300)
    ids = [f"point {row}" for row in range(300)]
    fit, judge = split_rows_by_place(ids, longitude, latitude, block_km=50, seed=3)
    assert sorted([*fit, *judge]) == list(range(300))
    assert len(fit) == pytest.approx(150, abs=15)
    splits = {ids[row]: name for name, rows in (("fit", fit), ("judge", judge)) for row in rows}
    check_blocks(splits, ids, longitude, latitude, block_km=50)


def test_without_places_the_split_is_random_and_points_stay_together():
    ids = [f"point {row // 3}" for row in range(300)]
    fit, judge = split_rows_by_place(ids)
    assert {ids[row] for row in fit}.isdisjoint({ids[row] for row in judge})
    assert (len(fit), len(judge)) == (150, 150)
    assert not np.array_equal(split_rows_by_place(ids, seed=1)[0], fit)
