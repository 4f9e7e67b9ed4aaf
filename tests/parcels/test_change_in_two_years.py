"""Change between simulated years that are mapped by words: what changed is found, what did not is left."""

import numpy as np
import pytest

from tests.support.two_years import COVERS, draw_year, observe_year, run_of, two_years
from timesenclip_hf.parcels import detect_change

metrics = pytest.importorskip("sklearn.metrics", reason="needs the extra eval")

HEIGHT, WIDTH = 32, 40


@pytest.fixture(scope="module")
def years(tmp_path_factory):
    """A year, the next one with known changes, and the first under other clouds."""
    folder = tmp_path_factory.mktemp("years")
    before, after, changed = two_years(HEIGHT, WIDTH, 0.15)
    first = draw_year(before.ravel(), 1)
    second = draw_year(after.ravel(), 2, first.latitude)
    series = {"2019": observe_year(first, 3), "2024": observe_year(second, 4), "again": observe_year(first, 5)}
    return {name: run_of(each, HEIGHT, 2019, folder / f"{name}.run") for name, each in series.items()}, changed


def test_known_changes_rank_before_land_that_only_had_another_year(years):
    runs, changed = years
    change = detect_change(runs["2019"], runs["2024"], list(COVERS))
    assert metrics.roc_auc_score(changed.ravel(), change["probability"].values.ravel()) >= 0.9
    flagged = change["from"].values != change["to"].values
    assert flagged[~changed].mean() <= 0.04
    assert flagged[changed].mean() >= 0.4


def test_the_same_year_under_other_clouds_has_hardly_changed(years):
    runs, _ = years
    change = detect_change(runs["2019"], runs["again"], list(COVERS))
    assert np.mean(change["from"].values != change["to"].values) <= 0.02
