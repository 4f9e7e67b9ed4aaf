import numpy as np
import pytest
import torch

from tests.app.conftest import SIDE
from timesenclip_hf.app import teaching
from timesenclip_hf.app.cube_map import relabel
from timesenclip_hf.app.fragments import examples
from timesenclip_hf.app.teaching import Example, Taught
from timesenclip_hf.labelling.fitting import fit_label_set
from timesenclip_hf.labelling.label_set_files import read_label_set

WORDS = "wheat, maize, woodland"


@pytest.fixture
def taught(page_model, kept):
    """Two pixels of which the visitor says something, one of a class that is no word yet."""
    first = Taught().add(page_model, kept, WORDS, Example(3, 4, "maize"))
    return first.add(page_model, kept, WORDS, Example(9, 9, " sugar  beet"))


def test_without_examples_the_words_name_the_map(page_model, kept):
    assert Taught().words_of(page_model, kept, WORDS) is page_model.words(WORDS)
    assert Taught().fit(page_model, kept, WORDS).file() is None


def test_with_examples_a_set_fitted_to_their_embeddings_names_it(page_model, kept, taught):
    assert [example.label for example in taught.examples] == ["maize", "sugar beet"]
    words = taught.words_of(page_model, kept, WORDS)
    assert words.labels == ["wheat", "maize", "woodland", "sugar beet"]
    embeds = kept.embeds[[3 * SIDE + 4, 9 * SIDE + 9]]
    expected = fit_label_set(embeds, np.array([1, 3]), page_model.words(f"{WORDS}, sugar beet").label_set).label_set
    torch.testing.assert_close(words.label_set.logits(kept.embeds), expected.logits(kept.embeds), equal_nan=True)
    by_words = relabel(page_model, kept, page_model.words(f"{WORDS}, sugar beet"))
    assert (relabel(page_model, kept, words).classes != by_words.classes).any()


def test_the_same_words_are_not_fitted_again_and_others_are(page_model, kept, taught, monkeypatch):
    fitted = taught.fit(page_model, kept, WORDS)
    calls = []
    monkeypatch.setattr(teaching, "fit_label_set", lambda *given: calls.append(given) or fit_label_set(*given))
    assert fitted.words_of(page_model, kept, WORDS) is fitted.words
    assert not calls
    assert fitted.words_of(page_model, kept, "woodland, water").labels == ["woodland", "water", "maize", "sugar beet"]
    assert fitted.add(page_model, kept, WORDS, Example(0, 0, "wheat")).words is None
    assert len(calls) == 1


def test_a_pixel_is_what_was_said_of_it_last_in_any_capitals(page_model, kept, taught):
    again = taught.add(page_model, kept, WORDS, Example(3, 4, "WHEAT"))
    assert again.examples == (Example(9, 9, "sugar beet"), Example(3, 4, "wheat"))
    assert again.counts == {"sugar beet": 1, "wheat": 1}
    assert again.undo().examples == again.examples[:1]
    with pytest.raises(ValueError, match="nothing to undo"):
        again.undo().undo().undo()


def test_examples_count_for_their_cube_alone(taught):
    there = taught._replace(source=("a.nc",))
    assert there.of(("a.nc",)) is there
    assert there.of(("b.nc",)) == Taught(("b.nc",))


@pytest.mark.parametrize(
    ("example", "sentence"),
    [
        (Example(3, 4, " "), "must be one name without commas, of at most 60 letters, got ''"),
        (Example(3, 4, "a, b"), "got 'a, b'"),
        (Example(3, 4, "x" * 61), "at most 60 letters"),
        (Example(SIDE, 0, "maize"), f"There is no pixel in row {SIDE}"),
    ],
)
def test_what_cannot_be_learned_from_is_refused_in_a_sentence(page_model, kept, example, sentence):
    with pytest.raises(ValueError, match=sentence):
        Taught().add(page_model, kept, WORDS, example)


def test_a_pixel_that_was_never_seen_teaches_nothing(page_model, kept):
    row, column = np.argwhere(relabel(page_model, kept, page_model.words(WORDS)).classes == 0)[0]
    with pytest.raises(ValueError, match="has no clear month"):
        Taught().add(page_model, kept, WORDS, Example(row, column, "maize"))


def test_there_are_so_many_examples_and_no_more(page_model, kept, taught, monkeypatch):
    monkeypatch.setattr(teaching, "MOST_EXAMPLES", 2)
    with pytest.raises(ValueError, match="There are 2 examples already"):
        taught.add(page_model, kept, WORDS, Example(5, 5, "maize"))
    assert taught.add(page_model, kept, WORDS, Example(9, 9, "wheat")).counts == {"maize": 1, "wheat": 1}


def test_a_single_class_name_asks_for_another(page_model, kept):
    with pytest.raises(ValueError, match="one class only, 'maize'"):
        Taught().add(page_model, kept, "maize", Example(3, 4, "maize")).fit(page_model, kept, "maize")


def test_the_file_is_read_as_the_command_writes_it(tmp_path, page_model, kept, taught):
    fitted = taught.fit(page_model, kept, WORDS)
    path = tmp_path / teaching.DOWNLOAD
    path.write_bytes(fitted.file())
    read = read_label_set(path)
    assert dict(read.fit.examples) == {"wheat": 0, "maize": 1, "woodland": 0, "sugar beet": 1}
    assert torch.equal(read.class_embeds, fitted.words.label_set.class_embeds)


def test_what_was_named_is_counted_and_compared_with_the_map(page_model, kept, taught):
    fitted = taught.fit(page_model, kept, WORDS)
    answer = relabel(page_model, kept, fitted.words)
    labels = [answer.words.labels[answer.classes[row, column] - 1] for row, column, _ in fitted.examples]
    agreed = sum(label == example.label for label, example in zip(labels, fitted.examples, strict=True))
    shown = examples(fitted, answer)
    assert 'data-label="sugar beet" data-count="1"' in shown
    assert ("shows all as you said" if agreed == 2 else f"shows {agreed} of 2 as you said") in shown
    assert "You named 2 pixels" in shown
    assert 'download="page.labels"' in shown
    assert "Name a few pixels" in examples(Taught(), answer)
