import pytest
import torch

from tests.support.small_towers import make_tower
from timesenclip_hf import TimeSenCLIPConfig, TimeSenCLIPModel, TimeSenCLIPPixelConfig, TimeSenCLIPPixelModel
from timesenclip_hf.models.timesenclip.novelty_timesenclip import DARKEST, TimeSenCLIPNovelty, measure_novelty


@pytest.fixture
def novelty() -> TimeSenCLIPNovelty:
    torch.manual_seed(0)
    fitted = TimeSenCLIPNovelty(TimeSenCLIPPixelConfig(), 8).eval().requires_grad_(False)
    fitted.centre.copy_(torch.linspace(-1, 1, 12))
    fitted.spread.copy_(torch.linspace(0.5, 2, 12))
    return fitted


def series(count: int = 6) -> torch.Tensor:
    return torch.rand(count, 12, 10, generator=torch.Generator().manual_seed(1))


def test_the_score_is_the_log_odds_of_the_observed_months_in_units_of_their_spread(novelty):
    values, mask = series(1), torch.arange(12)[None] < 3
    states = novelty.month((values[0, :3] + DARKEST).log())
    pooled = torch.cat([states.mean(dim=0), states.amax(dim=0), states.amin(dim=0)])
    expected = (novelty.year(pooled)[0] - novelty.centre[2]) / novelty.spread[2]
    torch.testing.assert_close(novelty(values, mask)[0], expected)


def test_neither_what_is_missing_nor_the_calendar_counts(novelty):
    values, mask = series(), torch.rand(6, 12, generator=torch.Generator().manual_seed(2)) < 0.6
    expected = novelty(values, mask)
    other = torch.where(mask[..., None], values, 7.0)
    torch.testing.assert_close(novelty(other, mask), expected)
    southern = (torch.arange(12.0) + 6) % 12
    torch.testing.assert_close(novelty(values, mask, southern), expected)


def test_acquisitions_of_a_month_count_as_their_mean(novelty):
    values = series()
    twice = torch.cat([values - 0.01, values + 0.01], dim=1)
    months = torch.arange(12.0).repeat(2).expand(6, 24)
    torch.testing.assert_close(novelty(twice, torch.ones(6, 24, dtype=torch.bool), months), novelty(values))


def test_of_patches_the_mean_of_their_pixels_counts(novelty):
    values = series()
    patches = values[..., None, None] + torch.tensor([[-0.01, 0.01], [0.02, -0.02]])
    torch.testing.assert_close(novelty(patches), novelty(values), rtol=1e-4, atol=1e-4)


def test_a_series_without_an_observation_has_none(novelty):
    mask = torch.ones(6, 12, dtype=torch.bool)
    mask[2] = False
    assert novelty(series(), mask).isnan().tolist() == [False, False, True, False, False, False]


def test_it_is_saved_and_loaded_with_the_model_and_the_tower_alone_does_without(novelty, tmp_path, tiny_clip):
    model = TimeSenCLIPModel.from_clip(make_tower(projection_dim=32), str(tiny_clip))
    features = {"pixel_series": series()}
    assert measure_novelty(model, features) is None
    model.keep_novelty(novelty)
    model.save_pretrained(tmp_path)
    loaded = TimeSenCLIPModel.from_pretrained(tmp_path)
    assert loaded.config.novelty_width == 8
    torch.testing.assert_close(measure_novelty(loaded, features), novelty(series()))
    alone, report = TimeSenCLIPPixelModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["unexpected_keys"]
    assert measure_novelty(alone, features) is None


def test_in_pieces_it_measures_the_same(novelty, tiny_clip, monkeypatch):
    model = TimeSenCLIPModel.from_clip(make_tower(projection_dim=32), str(tiny_clip))
    model.keep_novelty(novelty)
    features = {"pixel_series": series().numpy(), "months": torch.arange(12.0).repeat(6, 1).numpy()}
    at_once = measure_novelty(model, features)
    monkeypatch.setattr("timesenclip_hf.models.timesenclip.novelty_timesenclip.SERIES_AT_A_TIME", 4)
    torch.testing.assert_close(measure_novelty(model, features), at_once)
    assert len(measure_novelty(model, {"pixel_series": series()[:0]})) == 0


def test_a_width_that_is_none_is_refused():
    with pytest.raises(ValueError, match="`novelty_width` must be at least 1, got 0"):
        TimeSenCLIPConfig(novelty_width=0)
