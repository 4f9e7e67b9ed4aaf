import numpy as np

from timesenclip_hf.evaluation.report.curves import few_shot_figure, reliability_figure, robustness_figure


def entry(value, **others):
    return {"metrics": {"balanced_accuracy": value}, **others}


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


def test_the_curve_of_fitted_words_begins_with_the_score_of_the_words_alone():
    entries = [
        entry(value, method=method, shots=shots)
        for method, shots, value in (("forest", 1, 0.1), ("forest", 5, 0.4), ("fitted_words", 1, 0.35))
    ]
    axes = few_shot_figure(entries, "balanced_accuracy", zero_shot=0.3).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "1", "5"]
    drawn = {bars.get_label(): bars.lines[0].get_ydata().tolist() for bars in axes.containers}
    assert drawn == {"words fitted to the samples": [0.3, 0.35], "random forest on the raw series": [0.1, 0.4]}


def test_a_model_that_is_always_as_sure_as_right_lies_on_the_diagonal():
    confidence = np.repeat([0.25, 0.75], 4)
    right = np.array([1, 0, 0, 0, 1, 1, 1, 0], dtype=bool)
    upper, lower = reliability_figure(confidence, right, bins=2).axes
    assert upper.lines[1].get_xydata().tolist() == [[0.25, 0.25], [0.75, 0.75]]
    assert [bar.get_height() for bar in lower.patches] == [4, 4]


def test_an_edge_belongs_to_the_lower_bin_as_in_the_calibration_error():
    lower = reliability_figure(np.array([0.5, 0.6]), np.array([True, True]), bins=2).axes[1]
    assert [bar.get_height() for bar in lower.patches] == [1, 1]
