import numpy as np
import pytest

from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS
from training.evidence.default_novelty import DAMAGES, top_of_atmosphere

GREEN = np.array([300, 600, 350, 1000, 3000, 3800, 4000, 4100, 2000, 1000], dtype=np.float32)


def series() -> np.ndarray:
    """Return a year of one pixel with a month missing, (1, 12, 10)."""
    year = np.tile(GREEN, (1, 12, 1))
    year[0, 3] = np.nan
    return year


@pytest.mark.parametrize("damage", DAMAGES.values())
def test_damage_changes_what_was_observed_and_leaves_missing_what_was_not(damage) -> None:
    damaged = damage(series())
    assert damaged.dtype == np.float32
    assert np.array_equal(np.isnan(damaged), np.isnan(series()))
    assert np.nanmax(np.abs(damaged - series())) > 300


def test_the_top_of_the_atmosphere_is_bluer_and_dimmer_than_the_ground() -> None:
    seen = dict(zip(BANDS, top_of_atmosphere(series())[0, 0] / 10_000, strict=True))
    # Dark vegetation has about .08 to .11 in blue in products of level 1C, and all but keeps its infrared.
    assert 0.08 < seen["B02"] < 0.11
    assert seen["B03"] > GREEN[1] / 10_000
    assert 0.34 < seen["B08"] < 0.4
    assert abs(seen["B12"] - 0.1) < 0.005
