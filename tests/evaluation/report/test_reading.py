import numpy as np

from timesenclip_hf.evaluation.report.reading import interval_of


def test_a_metric_is_read_with_its_interval_or_its_spread():
    assert interval_of(0.5)[0] == 0.5
    assert interval_of({"value": 0.5, "low": 0.4, "high": 0.7}) == (0.5, 0.4, 0.7)
    assert interval_of({"value": 0.5, "spread": 0.1}) == (0.5, 0.4, 0.6)
    assert np.isnan(interval_of({"value": None, "spread": None})).all()
    assert np.isnan(interval_of(None)).all()
