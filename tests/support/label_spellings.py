"""Spellings of a list of labels that people write: those that are read right, and those that are asked about."""

from typing import Any

import numpy as np

TWO = {"maize": ["maize"], "open water": ["open water"]}
RIGHT: dict[str, Any] = {
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
ASKED: dict[str, tuple[Any, str]] = {
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
