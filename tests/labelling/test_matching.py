import numpy as np
import pytest

from timesenclip_hf.labelling.examples import Examples
from timesenclip_hf.labelling.matching import describe_left_out, keep_distinct, match_examples

LABELS = ["wheat", "maize", "built-up"]


def examples(labels, series=None) -> Examples:
    values = np.random.default_rng(0).random((len(labels), 12, 10)) if series is None else series
    return Examples(values, labels, left_out={"outside the cube": 1})


def kept(each: Examples, observed=None):
    matched = match_examples(each, LABELS)
    seen = np.ones(len(matched.rows), dtype=bool) if observed is None else np.asarray(observed)
    return keep_distinct(each, matched, seen, LABELS)


def test_examples_take_the_class_of_their_label_whatever_its_capitals_spaces_and_underscores():
    matched = match_examples(examples(["maize", "Wheat", "BUILT UP", "built_up"]), LABELS)
    assert matched.truth.tolist() == [1, 0, 2, 2]
    # Where two classes differ by them alone, they tell.
    assert match_examples(examples(["a_b", "AB", "Ab"]), ["a b", "AB"]).truth.tolist() == [1]


def test_labels_of_no_class_are_counted_and_told_with_the_nearest_class():
    matched = match_examples(examples(["maize", "whaet", "whaet", "rice", "", "wheat"]), LABELS)
    assert matched.rows.tolist() == [0, 5]
    assert matched.left_out == {"outside the cube": 1, "without a label": 1, "of no class": 3}
    assert matched.notes == [
        "3 examples are left out, whose labels are none of the classes: whaet (2), rice (1) ('whaet' is nearest to "
        "'wheat'); to keep them add these names to the labels, in JSON with phrases that describe them "
        '({"name": ["phrase", ...]}).'
    ]


def test_examples_of_no_class_at_all_are_refused():
    with pytest.raises(ValueError, match="None of the 2 examples is of one of the classes wheat, maize, built-up"):
        match_examples(examples(["rice", "rye"]), LABELS)
    with pytest.raises(ValueError, match="their labels are empty"):
        match_examples(examples(["", ""]), LABELS)


def test_the_same_series_counts_once_and_not_at_all_where_its_labels_differ():
    series = np.random.default_rng(0).random((4, 12, 10))[[0, 0, 1, 1, 2, 3]]
    matched = kept(examples(["wheat", "wheat", "wheat", "maize", "maize", "wheat"], series))
    assert matched.rows.tolist() == [0, 4, 5]
    assert describe_left_out(matched.left_out) == (
        "1 outside the cube, 1 the same series again, 2 a series with several labels"
    )


def test_series_of_objects_are_compared_by_what_they_hold():
    dates = np.asarray(["2018-01-01", "2018-02-01"], dtype=object)
    items = [{"series": np.ones((2, 10)) * value, "dates": dates.copy()} for value in (1, 1, 2)]
    assert kept(examples(["wheat", "wheat", "maize"], items)).rows.tolist() == [0, 2]


def test_empty_series_are_counted_and_one_class_alone_is_refused():
    matched = kept(examples(["wheat", "wheat", "maize"]), [True, False, True])
    assert matched.left_out["without a clear observation"] == 1
    assert matched.notes == ["built-up has no example, and stays as the words describe."]
    with pytest.raises(ValueError, match=r"are all 2 of the class 'wheat' \(1 outside the cube, 1 without a clear obs"):
        kept(examples(["wheat", "wheat", "maize"]), [True, True, False])
    with pytest.raises(ValueError, match="are none"):
        kept(examples(["wheat", "maize"]), [False, False])
