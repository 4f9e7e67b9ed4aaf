import io

import numpy as np
import pytest
from PIL import Image

from timesenclip_hf.evaluation.report.figures import class_bars, confusion_figure, to_png


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_a_matrix_shows_shares_of_each_row_and_nothing_for_an_absent_class():
    figure = confusion_figure([[3, 1, 0], [0, 0, 0], [0, 5, 5]], ["a", "b", "c"])
    shares = figure.axes[0].images[0].get_array()
    assert np.allclose(shares[[0, 2]], [[0.75, 0.25, 0], [0, 0.5, 0.5]])
    assert np.ma.getmaskarray(shares)[1].all()
    assert texts(figure.axes[0]) == ["75", "25", "50", "50"]


@pytest.mark.parametrize("number", [2, 12, 13, 44, 100])
def test_every_class_of_a_matrix_is_named_at_its_row(number):
    labels = [f"class {place}" for place in range(number)]
    axes = confusion_figure(np.eye(number), labels).axes[0]
    named = [text.get_text().split("  ")[0] for text in axes.get_yticklabels()]
    assert named == labels
    assert len(axes.get_xticks()) == number


def test_bars_are_the_recalls_from_the_best_down_with_their_numbers_of_samples():
    figure = class_bars({"maize": 0.25, "wheat": 0.75}, {"maize": 4, "wheat": 1_200}, mean=0.5, chance=0.1)
    axes = figure.axes[0]
    assert [bar.get_width() for bar in axes.patches] == [0.25, 0.75]  # from the bottom
    to_png(figure)  # ticks of the second axis are made while drawing
    assert [text.get_text() for text in axes.child_axes[0].get_yticklabels()] == ["0.25 of 4", "0.75 of 1,200"]
    assert [line.get_label() for line in axes.lines] == ["mean of the classes 0.50", "blind guess 0.10"]


def test_a_label_is_written_as_it_is_and_not_read_as_a_formula():
    labels = ["$\\bad{$", "a\nline break", "<b>"]
    picture = to_png(confusion_figure(np.eye(3), labels))
    assert Image.open(io.BytesIO(picture)).format == "PNG"
    assert picture == to_png(confusion_figure(np.eye(3), labels))
