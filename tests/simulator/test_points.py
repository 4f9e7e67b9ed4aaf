import dataclasses

import numpy as np
import pytest

from timesenclip_hf.simulator.classes import CLASS_NAMES
from timesenclip_hf.simulator.climates import CLIMATE_NAMES
from timesenclip_hf.simulator.points import SimulatedPoints, simulate

JULY, JANUARY = 6, 0
RED, NIR, SWIR = 2, 6, 8


TEMPERATE = ["temperate"]


def ndvi(points: SimulatedPoints) -> np.ndarray:
    return np.nanmedian(
        (points.series[..., NIR] - points.series[..., RED]) / (points.series[..., NIR] + points.series[..., RED]),
        axis=0,
    )


def test_the_same_seed_gives_the_same_points_and_another_seed_others() -> None:
    first, again, other = (simulate(70, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.series, again.series, equal_nan=True)
    assert np.array_equal(first.ground.green, again.ground.green)
    assert not np.array_equal(first.series, other.series, equal_nan=True)


def test_the_size_of_the_blocks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    together = simulate(60, seed=3)
    monkeypatch.setattr("timesenclip_hf.simulator.points._BLOCK", 7)
    assert np.allclose(simulate(60, seed=3).series, together.series, rtol=1e-6, equal_nan=True)


def test_shapes_and_ranges_are_those_promised() -> None:
    points = simulate(400, seed=0)
    assert points.series.shape == (400, 12, 10)
    assert points.series.dtype == np.float32
    assert points.class_index.dtype == np.int64
    assert np.nanmin(points.series) > 0
    assert np.nanmax(points.series) <= 1.2
    assert (np.diff(points.visit_days, axis=1) >= 0).all()
    for name, values in vars(points.ground).items():
        assert values.shape == (400, 4)
        assert values.dtype == np.float32
        assert values.min() >= 0, name
        assert name == "height" or values.max() <= 1, name


def test_cloudy_months_miss_all_bands_and_b8a_misses_whole_years() -> None:
    points = simulate(600, seed=0)
    missing = np.isnan(points.series)
    others = np.delete(missing, 7, axis=2)
    assert (others.all(axis=2) == others.any(axis=2)).all()
    assert (~others.all(axis=2)).sum(axis=1).min() >= 4
    assert 0.05 < others.mean() < 0.4
    without_b8a = missing[:, :, 7].all(axis=1)
    assert 0.15 < without_b8a.mean() < 0.45


def test_only_the_asked_classes_come() -> None:
    points = simulate(200, seed=0, classes=["maize", "lake"])
    assert {CLASS_NAMES[index] for index in points.class_index} == {"maize", "lake"}


def test_wheat_is_green_in_spring_and_maize_in_summer() -> None:
    wheat, maize = (ndvi(simulate(300, seed=0, classes=[name], climates=TEMPERATE)) for name in ("wheat", "maize"))
    assert wheat[4] > 0.75
    assert wheat[7] < 0.45
    assert maize[4] < 0.5
    assert maize[7] > 0.75


def test_conifers_stay_green_and_dark_while_broadleaves_fall() -> None:
    spruce, oak = (
        simulate(300, seed=0, classes=[name], climates=TEMPERATE)
        for name in ("spruce woodland", "broadleaved woodland")
    )
    assert ndvi(spruce)[10] > 0.6
    assert ndvi(oak)[JULY] > ndvi(oak)[10] + 0.1
    assert np.nanmedian(spruce.series[:, JULY, NIR]) < 0.75 * np.nanmedian(oak.series[:, JULY, NIR])


def test_water_absorbs_infrared_sand_is_bright_and_glaciers_are_white() -> None:
    july = {
        name: np.nanmedian(simulate(200, seed=0, classes=[name]).series[:, JULY], axis=0)
        for name in ("lake", "sand", "glacier")
    }
    assert july["lake"][SWIR] < 0.05
    assert july["sand"][SWIR] > 0.3
    assert july["glacier"][0] > 0.2
    assert july["glacier"][SWIR] < 0.15


def test_the_ground_tells_the_same_story_as_the_pixel() -> None:
    crops = ["wheat", "maize", "rapeseed", "sunflower", "sugar beet"]
    points = simulate(800, seed=0, classes=crops, climates=TEMPERATE)
    july = points.series[:, JULY]
    greenness = (july[:, NIR] - july[:, RED]) / (july[:, NIR] + july[:, RED])
    # The third visit comes between the end of June and the third week of August.
    ground = np.clip(points.ground.green + points.ground.off_season, 0, 1)[:, 2]
    seen = np.isfinite(greenness)
    assert np.corrcoef(greenness[seen], ground[seen])[0, 1] > 0.5


def test_rice_stands_in_water_at_the_start_of_its_season() -> None:
    rice = simulate(300, seed=0, classes=["rice"], climates=["mediterranean"])
    assert rice.ground.wetness[:, 1].mean() > 0.8
    assert rice.ground.wetness[:, 3].mean() < 0.7


def test_only_the_asked_climates_come_with_what_lives_there() -> None:
    points = simulate(600, seed=0, climates=["rainforest", "desert"])
    assert {CLIMATE_NAMES[index] for index in points.climate_index} == {"rainforest", "desert"}
    covers = {CLASS_NAMES[index] for index in points.class_index}
    assert {"oil palm", "desert", "tropical rainforest"} <= covers
    assert "tundra" not in covers
    assert np.abs(points.latitude).max() <= 40


def test_a_cover_that_lives_in_none_of_the_climates_is_refused() -> None:
    with pytest.raises(ValueError, match="'oil palm' occurs in none of the climates tundra"):
        simulate(10, seed=0, classes=["oil palm"], climates=["tundra"])


def test_southern_wheat_is_green_half_a_year_after_northern() -> None:
    north, south = (
        ndvi(simulate(300, seed=0, classes=["wheat"], climates=[name])) for name in ("temperate", "southern temperate")
    )
    assert np.corrcoef(np.roll(north, 6), south)[0, 1] > 0.7


def test_rainforest_is_bright_and_green_all_year_and_savanna_green_with_its_rains() -> None:
    forest = simulate(300, seed=0, classes=["tropical rainforest"], climates=["rainforest"])
    assert ndvi(forest).min() > 0.75
    assert np.nanmedian(forest.series[..., NIR]) > 0.33
    savanna = simulate(600, seed=0, classes=["savanna"], climates=["savanna"])
    north = dataclasses.replace(savanna, series=savanna.series[savanna.latitude > 0])
    assert ndvi(north)[7] > ndvi(north)[1] + 0.2
    assert ndvi(north)[1] < 0.4


def test_where_rains_come_twice_crops_grow_twice() -> None:
    maize = ndvi(simulate(600, seed=0, classes=["maize"], climates=["two rains"]))
    assert (maize >= np.maximum(np.roll(maize, 1), np.roll(maize, -1))).sum() >= 2


def test_continental_fields_lie_under_snow_in_winter() -> None:
    wheat = simulate(300, seed=0, classes=["wheat"], climates=["continental"])
    assert np.nanmedian(wheat.series[:, JANUARY, 0]) > 0.3
    assert ndvi(wheat)[JULY] > 0.6


def test_photos_are_taken_in_the_season_of_the_place() -> None:
    maize = simulate(400, seed=0, classes=["maize"], climates=["savanna"])
    assert maize.ground.green.max(axis=1).mean() > 0.4
    assert (maize.visit_days >= 1).all()
    assert (maize.visit_days <= 365).all()


def test_an_unknown_class_is_refused_with_the_nearest_known() -> None:
    with pytest.raises(ValueError, match=r"'wheet'.*wheat"):
        simulate(10, seed=0, classes=["wheet"])


@pytest.mark.parametrize("classes", [[], "maize"])
def test_classes_must_be_a_list_of_names(classes: list[str] | str) -> None:
    with pytest.raises(ValueError, match="non-empty sequence of class names"):
        simulate(10, seed=0, classes=classes)


def test_no_points_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        simulate(0, seed=0)
