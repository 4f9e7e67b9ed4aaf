from timesenclip_hf.evaluation.report.fit_figures import change_figure, strength_figure


def test_classes_with_examples_are_drawn_with_both_recalls_the_largest_on_top():
    words = {"maize": {"value": 0.4, "low": 0.3, "high": 0.5}, "wheat": {"value": 0.9, "low": 0.8, "high": 1.0}}
    fitted = {"maize": {"value": 0.7, "low": 0.6, "high": 0.8}, "wheat": {"value": 0.8, "low": 0.7, "high": 0.9}}
    (axes,) = change_figure(words, fitted, {"maize": 12, "wheat": 3, "rye": 0}).axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["wheat (3)", "maize (12)"]
    assert [line.lines[0].get_xdata().tolist() for line in axes.containers] == [[0.9, 0.4], [0.8, 0.7]]


def test_the_chosen_strength_is_ringed_and_the_words_are_a_line():
    curve = [{"penalty": 1.0, "score": 0.8}, {"penalty": None, "score": 0.5}, {"penalty": 0.1, "score": 0.7}]
    (axes,) = strength_figure(curve, 1.0).axes
    lines = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
    assert lines["fitted"] == [[0.1, 0.7], [1.0, 0.8]]
    assert lines["chosen: 1"] == [[1.0, 0.8]]
    assert [y for _, y in lines["words alone 0.50"]] == [0.5, 0.5]
    (axes,) = strength_figure(curve, None).axes
    assert not any(str(line.get_label()).startswith("chosen") for line in axes.lines)
