from types import SimpleNamespace

import numpy as np
import pytest
import torch

from timesenclip_hf.evaluation.protocol import Checkpoint
from timesenclip_hf.evaluation.samples import Samples
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS
from timesenclip_hf.models.timesenclip.feature_extraction_timesenclip import TimeSenCLIPFeatureExtractor
from training.evidence.default_novelty import DAMAGES, is_novel, top_of_atmosphere

GREEN = np.array([300, 600, 350, 1000, 3000, 3800, 4000, 4100, 2000, 1000], dtype=np.float32)
MONTHS = np.arange(12, dtype=np.float32)[None]


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


def test_bands_in_another_order_are_read_by_their_places() -> None:
    shown = DAMAGES["bands in the order of their names"](series())[0, 0]
    assert shown[BANDS.index("B8A")] == GREEN[BANDS.index("B11")]
    assert shown[BANDS.index("B12")] == GREEN[BANDS.index("B8A")]
    assert DAMAGES["red and near infrared swapped"](series())[0, 0, BANDS.index("B04")] == GREEN[BANDS.index("B08")]


def test_series_are_novel_above_one_and_without_statistics_nobody_can_tell() -> None:
    samples = Samples("some", "all", np.concatenate([series(), series() * 2]), MONTHS.repeat(2, axis=0), ["a", "b"])
    processor = SimpleNamespace(feature_extractor=TimeSenCLIPFeatureExtractor())

    def checkpoint(novelty) -> Checkpoint:
        return Checkpoint("some", SimpleNamespace(novelty=novelty), processor)

    def brightness(pixel_series, series_mask, months) -> torch.Tensor:
        assert pixel_series.shape == (2, 12, 10)
        assert series_mask.sum() == 22
        blue = pixel_series[:, 0, 0]
        return blue / blue[0] - 0.5

    assert is_novel(checkpoint(brightness), samples).tolist() == [False, True]
    assert is_novel(checkpoint(None), samples) is None
