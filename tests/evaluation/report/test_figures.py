import io

import numpy as np
import pytest
from PIL import Image

from timesenclip_hf.evaluation.report.figures import (
    class_bars,
    confusion_figure,
    error_map,
    few_shot_figure,
    interval_of,
    reliability_figure,
    robustness_figure,
    series_figure,
    to_png,
)
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS


def entry(value, **others):
    return {"metrics": {"balanced_accuracy": value}, **others}


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_a_metric_is_read_with_its_interval_or_its_spread():
    assert interval_of(0.5)[0] == 0.5
    assert interval_of({"value": 0.5, "low": 0.4, "high": 0.7}) == (0.5, 0.4, 0.7)
    assert interval_of({"value": 0.5, "spread": 0.1}) == (0.5, 0.4, 0.6)
    assert np.isnan(interval_of({"value": None, "spread": None})).all()
    assert np.isnan(interval_of(None)).all()


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


def test_each_damage_has_its_curve_in_the_order_of_its_levels():
    entries = [
        entry({"value": 0.4, "low": 0.3, "high": 0.5}, perturbation="haze", level=0.2, unit="reflectance"),
        entry({"value": 0.8, "low": 0.7, "high": 0.9}, perturbation="haze", level=0, unit="reflectance"),
        entry(0.8, perturbation="band", level=0),
        entry(0.6, perturbation="band", level="B08"),
    ]
    haze, band = robustness_figure(entries, "balanced_accuracy", chance=0.1).axes[:2]
    assert haze.get_title(loc="left") == "haze"
    assert haze.get_xlabel() == "reflectance"
    assert haze.lines[0].get_xydata().tolist() == [[0, 0.8], [0.2, 0.4]]
    assert [label.get_text() for label in band.get_xticklabels()] == ["none", "B08"]
    assert haze.get_ylim()[0] == 0


def test_a_curve_without_any_value_is_drawn_empty():
    figure = robustness_figure([entry(None, perturbation="noise", level=1)], "balanced_accuracy")
    assert figure.axes[0].get_ylim() == (0, 1)


def test_the_ladder_climbs_from_one_shot_to_all():
    entries = [
        entry(value, method="knn", shots=shots) for shots, value in (("all", 0.9), (10, 0.5), (5, 0.4), (1, 0.2))
    ]
    axes = few_shot_figure(entries, "balanced_accuracy", zero_shot=0.3).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "5", "10", "all"]
    assert axes.lines[0].get_ydata().tolist() == [0.2, 0.4, 0.5, 0.9]
    assert axes.lines[-1].get_label() == "zero-shot 0.30"


def test_a_model_that_is_always_as_sure_as_right_lies_on_the_diagonal():
    confidence = np.repeat([0.25, 0.75], 4)
    right = np.array([1, 0, 0, 0, 1, 1, 1, 0], dtype=bool)
    upper, lower = reliability_figure(confidence, right, bins=2).axes
    assert upper.lines[1].get_xydata().tolist() == [[0.25, 0.25], [0.75, 0.75]]
    assert [bar.get_height() for bar in lower.patches] == [4, 4]


def test_an_edge_belongs_to_the_lower_bin_as_in_the_calibration_error():
    lower = reliability_figure(np.array([0.5, 0.6]), np.array([True, True]), bins=2).axes[1]
    assert [bar.get_height() for bar in lower.patches] == [1, 1]


def test_few_points_are_drawn_one_by_one_and_many_as_shares_of_cells():
    rng = np.random.default_rng(0)
    longitude, latitude, right = rng.uniform(0, 9, 4_000), rng.uniform(40, 50, 4_000), rng.random(4_000) < 0.5
    few = error_map(longitude[:50], latitude[:50], right[:50]).axes[0]
    assert [len(points.get_offsets()) for points in few.collections] == [right[:50].sum(), (~right[:50]).sum()]
    shares = error_map(longitude, latitude, right).axes[0].collections[0].get_array()
    assert 0 <= shares.min() <= shares.max() <= 1


def test_one_point_alone_has_a_map():
    assert error_map(np.array([3.0]), np.array([90.0]), np.array([True])).axes


def test_missing_months_break_the_lines_and_are_shaded():
    series = np.full((12, 10), 0.2)
    series[[3, 4]] = np.nan
    series[:, BANDS.index("B8A")] = np.nan  # a band that is not shown
    axes = series_figure(series, np.arange(12), BANDS, "maize", [np.zeros((8, 8, 3), dtype=np.uint8)] * 2).axes
    near = next(line for line in axes[0].lines if line.get_label().startswith("B08"))
    assert np.isnan(near.get_ydata()).nonzero()[0].tolist() == [3, 4]
    assert sorted(patch.get_x() + 0.5 for patch in axes[0].patches) == [3, 4]
    assert sum(len(panel.images) for panel in axes) == 2


def test_ndvi_is_that_of_red_and_near_infrared_and_looks_are_put_in_order():
    series = np.zeros((2, 10))
    series[:, BANDS.index("B04")], series[:, BANDS.index("B08")] = (0.1, 0.1), (0.3, 0.1)
    lower = series_figure(series, np.array([7.0, 1.0]), BANDS, "").axes[1]
    assert lower.lines[0].get_xydata() == pytest.approx(np.array([[1, 0], [7, 0.5]]))


def test_a_series_without_any_look_is_drawn_empty():
    assert to_png(series_figure(np.full((12, 10), np.nan), np.arange(12), BANDS, "nothing"))


def test_a_label_is_written_as_it_is_and_not_read_as_a_formula():
    labels = ["$\\bad{$", "a\nline break", "<b>"]
    picture = to_png(confusion_figure(np.eye(3), labels))
    assert Image.open(io.BytesIO(picture)).format == "PNG"
    assert picture == to_png(confusion_figure(np.eye(3), labels))
