"""Spellings of a list of labels that people write: each is read right, or asked about in one sentence."""

import numpy as np
import pytest

from timesenclip_hf.models.timesenclip.zero_shot_timesenclip import read_labels
from timesenclip_hf.taxonomies import load_taxonomy

TWO = {"maize": ["maize"], "open water": ["open water"]}
RIGHT = {
    "commas": "maize,open water",
    "commas and spaces": " maize , open water ",
    "a comma at the end": "maize, open water,",
    "lines with commas": "maize,\nopen water",
    "quoted names": '"maize", "open water"',
    "a quoted list": "'maize, open water'",
    "JSON": '["maize", "open water"]',
    "JSON with phrases": '{"maize": ["maize"], "open water": "open water"}',
    "a list": ["maize", "open water"],
    "a tuple": ("maize", "open water"),
    "a generator": (name for name in ("maize", "open water")),
    "an array": np.array(["maize", "open water"]),
    "phrases": {"maize": ["maize"], "open water": ["open water"]},
    "a legend": {1: "maize", 2: "open water"},
    "a legend the other way": {"maize": 1, "open water": 2},
}
ASKED = {
    "semicolons": ("maize;open water", "put commas between the names"),
    "bars": ("maize|open water", "put commas between the names"),
    "lines": ("maize\nopen water", "put commas between the names"),
    "slashes": ("maize/water", "put commas between the names"),
    "spaces": ("maize water woodland", "put commas between the names, or one behind it"),
    "semicolons among commas": ("maize; rye, water", "'maize; rye' would be one class"),
    "a list of one string": (["maize, open water"], "put commas between the names"),
    "a list of lists": ([["maize", "water"]], "must be words here"),
    "brackets without quotes": ("[maize, water]", "no list in JSON"),
    "nearly a label set": ("world cover", "nearly the label set worldcover"),
    "the beginning of some": ("worldcereal", "worldcereal_crops or worldcereal_landcover"),
    "a file": ("labels.txt", "is a file: read it first"),
    "a name twice": ("maize,maize", "given twice"),
    "a number": (5, "must be words here"),
}


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
