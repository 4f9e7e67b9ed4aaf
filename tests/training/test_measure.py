import re

import pytest

from timesenclip_hf.evaluation.sets import SetOptions
from training import measure


def results(accuracy, task="crop"):
    entry = {"task": task, "prompts": "generic", "composites": 12, "missing": None, "scores": "raw"}
    entry["metrics"] = {"accuracy": {"value": accuracy}}
    return {"runs": [{"dataset": {"name": "points"}, "tasks": [entry]}]}


def test_real_stands_for_the_sets_beside_the_checkout_in_the_order_of_the_names(monkeypatch, tmp_path):
    monkeypatch.setenv("TIMESENCLIP_REAL_DATA", str(tmp_path))
    monkeypatch.setattr(measure, "real_sets", lambda folder: iter([f"first of {folder}", f"second of {folder}"]))
    monkeypatch.setattr(measure, "open_sets", lambda names, options: iter([(*names, options.split)]))
    opened = list(measure._open_sets(["simulated", "real", "you/places"], SetOptions(split="all")))
    assert opened == [
        ("simulated", "all"),
        f"first of {tmp_path}",
        f"second of {tmp_path}",
        ("you/places", "all"),
    ]


def test_figures_are_compared_with_recorded_ones():
    assert largest(0.5, 0.75) == (1, 0.25)
    with pytest.raises(ValueError, match=re.escape("points, wheat, generic, 12, None, raw, accuracy is not among")):
        measure.largest_difference(results(0.5, "wheat"), results(0.5))


def largest(now, recorded):
    return measure.largest_difference(results(now), results(recorded))
