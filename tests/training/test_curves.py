import json
import math
import runpy
import sys

import pytest
from matplotlib.figure import Figure
from PIL import Image

from tests.conftest import ROOT
from training import curves
from training.curves import draw_curves


def results(steps=400, evaluations=True):
    curve = [
        {"step": step, "loss": 5 + math.exp(-step / 90), "logit_scale": 14 + step / 50, "learning_rate": 1e-4}
        for step in range(10, steps + 1, 10)
    ]
    measured = [
        {"step": step, "retrieval_recall_at_1": step / 1_000, "zero_shot_land_cover": 0.2}
        for step in range(100, steps + 1, 100)
    ]
    return {
        "arguments": {"batch_size": 128, "memory_bank_size": 256, "clip_batch_size": 64, "soft_positives": False},
        "curves": {"photos_and_captions": curve[:3], "series_and_photos": curve},
        "evaluations": {"photos_and_captions": [], "series_and_photos": measured if evaluations else []},
        "best": {"photos_and_captions": None, "series_and_photos": measured[2] if evaluations else None},
        "stopped": {"photos_and_captions": None, "series_and_photos": "no better loss in 3 evaluations"},
    }


@pytest.fixture
def figures(monkeypatch):
    """The figures that are saved, in place of their files' pixels."""
    saved = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda figure, path: (saved.append(figure), save(figure, path))[1])
    return saved


def lines(axes):
    return {line.get_label(): line.get_xydata().tolist() for line in axes.get_lines()}


def panel(figure, label):
    return next(axes for axes in figure.axes if axes.get_ylabel() == label)


def test_each_stage_becomes_a_picture_of_1200_pixels(tmp_path):
    pictures = draw_curves(results(), tmp_path / "new")
    assert [picture.name for picture in pictures] == [
        "curves_photos_and_captions.png",
        "curves_series_and_photos.png",
    ]
    assert [Image.open(picture).size for picture in pictures] == [(1200, 750), (1200, 1125)]


def test_what_was_logged_is_what_is_drawn(tmp_path, figures):
    content = results()
    draw_curves(content, tmp_path)
    figure = figures[1]
    curve = content["curves"]["series_and_photos"]
    for label, name in (
        ("training loss", "loss"),
        ("learning rate", "learning_rate"),
        ("inverse temperature", "logit_scale"),
    ):
        drawn = panel(figure, label).get_lines()[0].get_xydata().tolist()
        assert drawn == [[entry["step"], entry[name]] for entry in curve]
    validation = lines(panel(figure, "validation"))
    assert validation["retrieval recall at 1"] == [[100, 0.1], [200, 0.2], [300, 0.3], [400, 0.4]]
    assert set(validation) == {"retrieval recall at 1", "zero shot land cover", "kept, step 300"}
    assert figure.get_suptitle() == "Series and photos: 400 steps, then no better loss in 3 evaluations"


def test_chance_is_the_log_of_the_batch_and_the_bank(tmp_path, figures):
    draw_curves(results(), tmp_path)
    assert "chance, 4.16" in lines(panel(figures[0], "training loss"))  # log(64)
    assert "chance, 5.95" in lines(panel(figures[1], "training loss"))  # log(128 + 256)


def test_chance_is_left_out_where_positives_are_several_or_the_batch_is_not_known(tmp_path, figures):
    soft = results()
    soft["arguments"]["soft_positives"] = True
    draw_curves(soft, tmp_path)
    draw_curves({"curves": results()["curves"]}, tmp_path, overwrite=True)
    assert all(len(panel(figure, "training loss").get_lines()) == 1 for figure in figures)


def test_a_stage_that_was_not_run_and_results_without_validation_are_drawn_without(tmp_path, figures):
    content = results(evaluations=False)
    content["curves"]["photos_and_captions"] = []
    (picture,) = draw_curves(content, tmp_path)
    assert picture.name == "curves_series_and_photos.png"
    assert [axes.get_ylabel() for axes in figures[0].axes] == ["training loss", "learning rate", "inverse temperature"]


@pytest.mark.parametrize("content", [{}, {"curves": {}}, {"curves": {"series_and_photos": []}}])
def test_where_nothing_was_logged_nothing_is_drawn(tmp_path, content):
    assert draw_curves(content, tmp_path) == []


def test_without_matplotlib_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"run pip install .*\[train\]"):
        draw_curves(results(), tmp_path)


def test_the_script_draws_beside_the_results_or_where_it_is_told(tmp_path, monkeypatch, capsys):
    file = tmp_path / "results.json"
    file.write_text(json.dumps(results()))
    for output, arguments in ((tmp_path, []), (tmp_path / "other", ["--output", str(tmp_path / "other")])):
        monkeypatch.setattr(sys, "argv", ["curves.py", str(file), *arguments])
        curves.main()
        assert capsys.readouterr().out.splitlines() == [
            str(output / f"curves_{stage}.png") for stage in ("photos_and_captions", "series_and_photos")
        ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [(None, "No such file"), ("{", "Expecting property name"), ("[]", "has no curves"), ("{}", "has no curves")],
)
def test_a_file_that_is_no_results_ends_in_one_line(tmp_path, monkeypatch, text, sentence):
    if text is not None:
        (tmp_path / "results.json").write_text(text)
    monkeypatch.setattr(sys, "argv", ["curves.py", str(tmp_path / "results.json")])
    with pytest.raises(SystemExit, match=rf"^error: .*{sentence}") as caught:
        curves.main()
    assert "\n" not in str(caught.value)


def test_the_documented_command_runs(tmp_path, monkeypatch, capsys):
    (tmp_path / "results.json").write_text(json.dumps(results()))
    monkeypatch.setattr(sys, "argv", ["curves.py", str(tmp_path / "results.json")])
    runpy.run_path(str(ROOT / "training" / "curves.py"), run_name="__main__")
    assert len(capsys.readouterr().out.splitlines()) == len(list(tmp_path.glob("*.png"))) == 2


def test_a_stage_without_a_temperature_has_no_panel_of_it(tmp_path, figures):
    curve = [{"step": step, "loss": 1 / step, "learning_rate": 1e-3} for step in range(1, 5)]
    measured = [{"step": 4, "teacher_cosine": 0.9}]
    draw_curves({"curves": {"series_and_teacher": curve}, "evaluations": {"series_and_teacher": measured}}, tmp_path)
    assert [axes.get_ylabel() for axes in figures[0].axes] == ["training loss", "validation", "learning rate"]
    assert lines(panel(figures[0], "learning rate"))
