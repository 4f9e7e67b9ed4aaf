"""Spellings of a list of labels that people write: each is read right, or asked about in one sentence."""

import pytest

from tests.support.label_spellings import ASKED, RIGHT, TWO
from timesenclip_hf.models.timesenclip.zero_shot_timesenclip import read_labels
from timesenclip_hf.taxonomies import load_taxonomy


@pytest.mark.parametrize("spelling", RIGHT)
def test_a_list_is_read_right(spelling):
    assert read_labels(RIGHT[spelling]) == TWO


@pytest.mark.parametrize("spelling", ASKED)
def test_what_is_ambiguous_is_asked_about(spelling):
    labels, asked = ASKED[spelling]
    with pytest.raises(ValueError, match=asked) as error:
        read_labels(labels)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("spelling", ["worldcover", "WorldCover", "worldcereal-crops", "eurosat"])
def test_the_name_of_a_label_set_is_its_labels(spelling):
    assert read_labels(spelling) == load_taxonomy(spelling.lower().replace("-", "_")).prompts


def test_one_class_of_several_words_is_said_by_a_comma_or_a_list():
    assert read_labels("winter wheat,") == read_labels(["winter wheat"]) == {"winter wheat": ["winter wheat"]}
    assert read_labels("maize") == {"maize": ["maize"]}
    assert read_labels("eurosat,") == {"eurosat": ["eurosat"]}
