from pathlib import Path

import pytest

from training.evidence.house_structure import begins_with_a_verb, empty_names, functions_of, looks

CODE = '''"""Measure things."""


class Ruler:
    """Hold a scale."""

    def measure(self, length: float, *, unit: str = "m") -> float:
        """Measure a length."""
        one = length
        return one

    def _hidden(self, value):
        for place in value:
            print(place)
'''


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "ruler.py"
    path.write_text(CODE)
    return path


def test_functions_are_described_without_self_and_with_their_types(file):
    measure, hidden = functions_of(file)
    assert (measure.name, measure.parameters, measure.is_public, measure.is_annotated) == (
        "Ruler.measure",
        2,
        True,
        True,
    )
    assert (hidden.name, hidden.is_public, hidden.is_annotated, hidden.docstring) == (
        "Ruler._hidden",
        False,
        False,
        None,
    )


def test_names_that_say_nothing_are_found_with_their_lines(file):
    assert list(empty_names(file)) == [(9, "one"), (13, "place")]


@pytest.mark.parametrize("text", ["Measure a length.", "Tell whether it fits."])
def test_a_verb_may_begin_a_docstring(text):
    assert begins_with_a_verb(text)


@pytest.mark.parametrize("text", ["What a length is.", "The length.", "Whether it fits.", "`length` in metres."])
def test_an_article_or_a_question_word_may_not(text):
    assert not begins_with_a_verb(text)


@pytest.mark.parametrize(
    ("line", "count"),
    [("num_looks = 3", 1), ("a clear look", 1), ("LookName", 1), ("CropLook", 1), ("lookup, overlooked", 0)],
)
def test_a_look_is_found_as_a_word_and_inside_names(line, count, tmp_path):
    path = tmp_path / "text.py"
    path.write_text(line)
    assert len(list(looks(path))) == count
