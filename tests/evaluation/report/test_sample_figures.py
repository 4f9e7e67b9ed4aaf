import numpy as np
import pytest

from timesenclip_hf.evaluation.report.figures import to_png
from timesenclip_hf.evaluation.report.sample_figures import error_map, series_figure
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS


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


def test_ndvi_is_that_of_red_and_near_infrared_and_time_steps_are_put_in_order():
    series = np.zeros((2, 10))
    series[:, BANDS.index("B04")], series[:, BANDS.index("B08")] = (0.1, 0.1), (0.3, 0.1)
    lower = series_figure(series, np.array([7.0, 1.0]), BANDS, "").axes[1]
    assert lower.lines[0].get_xydata() == pytest.approx(np.array([[1, 0], [7, 0.5]]))


def test_a_series_without_any_observation_is_drawn_empty():
    assert to_png(series_figure(np.full((12, 10), np.nan), np.arange(12), BANDS, "nothing"))
