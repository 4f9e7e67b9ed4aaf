from dataclasses import replace

import numpy as np
import pytest

from tests.support.fitted_sets import random_words
from tests.support.nasty_words import NASTY
from timesenclip_hf.evaluation.report.fits import describe_fit, draw_fit, write_fit_page
from timesenclip_hf.labelling.examples import Examples
from timesenclip_hf.labelling.fit_labels import FittedExamples, Grouping
from timesenclip_hf.models.timesenclip.label_set_timesenclip import Fit

TRUTH = np.asarray([0, 0, 0, 0, 1, 1, 2, 2])
WORDS = np.asarray([0, 0, 1, 1, 1, 2, 0, 0])
NAMED = np.asarray([0, 0, 0, 1, 1, 1, 2, 0])


def recalls(labels, named):
    shares = {label: float((named[index == TRUTH] == index).mean()) for index, label in enumerate(labels[:3])}
    intervals = {label: {"value": share, "low": share / 2, "high": 1.0} for label, share in shares.items()}
    mean = sum(shares.values()) / 3
    return {"balanced_accuracy": {"value": mean, "low": mean / 2, "high": 1.0}, "recall": intervals}


@pytest.fixture
def fitted() -> FittedExamples:
    """A fit of three classes, and a fourth that has no example."""
    words = random_words(4)
    curve = [{"penalty": None, "score": 0.3}, {"penalty": 0.1, "score": 0.7}, {"penalty": 1.0, "score": 0.8}]
    scores = {"words": recalls(words.labels, WORDS), "fitted": recalls(words.labels, NAMED), "curve": curve}
    counts = dict(zip(words.labels, [4, 2, 2, 0], strict=True))
    places = np.linspace(3, 4, len(TRUTH)), np.linspace(50, 51, len(TRUTH))
    examples = Examples(np.zeros((8, 12, 10)), [words.labels[index] for index in TRUTH], None, *places)
    label_set = replace(words, fit=Fit(counts, 1.0, scores))
    grouping = Grouping(np.arange(8) // 2, "blocks of land", [])
    return FittedExamples(label_set, examples, TRUTH, WORDS, NAMED, grouping, {"without a label": 3}, ["A note."])


def test_a_fit_is_told_class_by_class_with_what_is_taken_for_what(fitted):
    assert describe_fit(fitted).splitlines() == [
        "8 examples of 3 of 4 classes; left out: 3 without a label.",
        "class    examples  words alone       fitted            most often taken for",
        "class 0  4         0.50 (0.25–1.00)  0.75 (0.38–1.00)  class 1 25%",
        "class 1  2         0.50 (0.25–1.00)  1.00 (0.50–1.00)  –",
        "class 2  2         0.00 (0.00–1.00)  0.50 (0.25–1.00)  class 0 50%",
        "class 3  0         –                 –                 –",
        "Balanced accuracy, cross-validated over 4 blocks of land: words alone 0.33 (0.17–1.00), "
        "fitted 0.75 (0.38–1.00).",
        "Strength of the pull towards the words: 1.",
    ]
    left = replace(fitted, label_set=replace(fitted.label_set, fit=replace(fitted.fit, penalty=None)))
    assert describe_fit(left).endswith("The words are left as they are: no fit was better in cross-validation.")


def test_the_page_stands_by_itself_and_shows_words_as_they_are(fitted, tmp_path):
    labels = [word for word in NASTY if word.isprintable()][:4]
    rename = dict(zip(fitted.label_set.labels, labels, strict=True))
    scores = {name: {**fitted.scores[name]} for name in ("words", "fitted")}
    for score in scores.values():
        score["recall"] = {rename[label]: share for label, share in score["recall"].items()}
    fit = Fit({rename[label]: count for label, count in fitted.counts.items()}, 1.0, {**fitted.scores, **scores})
    label_set = replace(fitted.label_set, phrases={label: [label] for label in labels}, fit=fit)
    renamed = replace(fitted, label_set=label_set, notes=[*NASTY])
    write_fit_page(renamed, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "onerror=alert(1)>" not in page
    assert "{{ 7 * 7 }}" in page
    assert "\x1b" not in page
    assert page.count('src="data:image/png;base64,') == page.count("src=") - sum("src=" in word for word in NASTY)
    with pytest.raises(FileExistsError):
        write_fit_page(fitted, tmp_path / "page.html")


def test_examples_without_places_have_no_map_and_a_fit_without_a_curve_no_curve(fitted):
    assert [picture.name for picture in draw_fit(fitted)] == ["change", "before", "after", "strength", "map"]
    nowhere = replace(fitted, examples=replace(fitted.examples, longitude=None, latitude=None))
    scores = {name: part for name, part in fitted.scores.items() if name != "curve"}
    bare = replace(nowhere, label_set=replace(fitted.label_set, fit=replace(fitted.fit, scores=scores)))
    assert [picture.name for picture in draw_fit(bare)] == ["change", "before", "after"]
