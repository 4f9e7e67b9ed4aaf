import dataclasses

import numpy as np
import pytest

from timesenclip_hf.simulator import GroundState, simulate
from timesenclip_hf.simulator.classes import CLASS_NAMES
from timesenclip_hf.simulator.photos.canvas import Canvas, VisitState
from timesenclip_hf.simulator.photos.drawing import STATE_NAMES, draw_photo, draw_photos, visit_states

SUMMER = VisitState(green=0.9, height=1.5, flower=0.5)
EXTREMES = (
    VisitState(),
    SUMMER,
    VisitState(dry=0.9, height=1.0),
    VisitState(stubble=1.0, off_season=1.0),
    VisitState(green=1.0, dry=1.0, flower=1.0, height=30.0, snow=1.0, wetness=1.0, soil_brightness=1.0),
)


def mean_colour(cover: str, state: VisitState, below: int = 0) -> np.ndarray:
    photos = [np.asarray(draw_photo(cover, state, np.random.default_rng(seed))) for seed in range(8)]
    return np.asarray(np.stack(photos)[:, below:].mean(axis=(0, 1, 2)))


@pytest.mark.parametrize("cover", CLASS_NAMES)
def test_every_cover_is_drawn_in_every_state(cover: str) -> None:
    for state in EXTREMES:
        photo = draw_photo(cover, state, np.random.default_rng(0))
        assert photo.mode == "RGB"
        assert photo.size == (64, 64)
        assert np.asarray(photo).std() > 5
    again, other = (np.asarray(draw_photo(cover, EXTREMES[-1], np.random.default_rng(seed))) for seed in (0, 1))
    assert np.array_equal(np.asarray(photo), again)
    assert not np.array_equal(again, other)


def test_the_same_random_state_gives_the_same_photo_and_another_gives_another() -> None:
    first, again, other = (
        np.asarray(draw_photo("vineyard", SUMMER, np.random.default_rng(seed))) for seed in (3, 3, 4)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_rapeseed_in_flower_is_yellower_than_rapeseed_in_leaf() -> None:
    leafy = mean_colour("rapeseed", dataclasses.replace(SUMMER, flower=0.0))
    flowering = mean_colour("rapeseed", dataclasses.replace(SUMMER, flower=0.8))
    assert flowering[0] - flowering[2] > leafy[0] - leafy[2] + 15


def test_ripe_wheat_is_redder_than_green_wheat() -> None:
    green = mean_colour("wheat", VisitState(green=0.9, height=0.8), below=40)
    ripe = mean_colour("wheat", VisitState(dry=0.9, height=0.8), below=40)
    assert ripe[0] - ripe[1] > green[0] - green[1] + 30


def test_snow_whitens_the_ground() -> None:
    bare = mean_colour("grassland", VisitState(green=0.5), below=40)
    white = mean_colour("grassland", VisitState(green=0.5, snow=1.0), below=40)
    assert white.min() > bare.max()


def test_a_photo_can_be_drawn_larger() -> None:
    assert draw_photo("maize", SUMMER, np.random.default_rng(0), size=96).size == (96, 96)


def test_an_unknown_cover_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'lawn'"):
        draw_photo("lawn", SUMMER, np.random.default_rng(0))


def test_visit_states_have_the_simulators_names() -> None:
    assert set(STATE_NAMES) == {field.name for field in dataclasses.fields(GroundState)}


def test_many_photos_split_over_calls_and_processes_stay_the_same() -> None:
    points = simulate(5, seed=0)
    states = visit_states(points.ground)
    together = draw_photos(points.class_index, states, seed=7)
    assert together.shape == (5, 4, 64, 64, 3)
    assert together.dtype == np.uint8
    tail = draw_photos(points.class_index[2:], states[2:], seed=7, first=2)
    assert np.array_equal(tail, together[2:])
    assert np.array_equal(draw_photos(points.class_index, states, seed=7, workers=2), together)
    assert not np.array_equal(draw_photos(points.class_index, states, seed=8), together)


def test_states_that_do_not_fit_the_points_are_refused() -> None:
    with pytest.raises(ValueError, match="visit_states"):
        draw_photos([0, 1], np.zeros((1, 4, len(STATE_NAMES)), np.float32), seed=0)


def test_snow_lies_on_tundra_as_the_state_says_and_rain_turns_the_savanna_green() -> None:
    assert (mean_colour("tundra", VisitState(snow=1.0), 40) > mean_colour("tundra", VisitState(), 40) + 40).all()
    rains, drought = (mean_colour("savanna", state, 40) for state in (VisitState(green=0.8), VisitState(dry=0.8)))
    assert rains[1] - rains[0] > drought[1] - drought[0] + 20


def test_a_dry_forest_loses_its_leaves_and_a_rainforest_is_dark_all_year() -> None:
    rains, drought = VisitState(green=0.9, height=12.0), VisitState(wetness=0.05, height=12.0)
    for cover, fades in (("tropical dry forest", True), ("tropical rainforest", False)):
        leafy, bare = (mean_colour(cover, state) for state in (rains, drought))
        assert (leafy[1] - leafy[0] > bare[1] - bare[0] + 15) == fades
        assert (leafy.mean() < 90) == (not fades)


def test_sorghum_in_head_is_redder_on_top_than_maize() -> None:
    sorghum, maize = (mean_colour(cover, VisitState(green=0.8, height=1.6)) for cover in ("sorghum", "maize"))
    assert sorghum[0] - sorghum[1] > maize[0] - maize[1] + 8


def test_a_town_on_dry_bright_ground_is_of_the_colour_of_its_dust() -> None:
    dusty = VisitState(wetness=0.05, soil_brightness=0.9)
    damp = VisitState(green=0.3, wetness=0.4, soil_brightness=0.5)
    dust, lawn = (mean_colour("buildings", state, below=36) for state in (dusty, damp))
    assert dust[0] - dust[2] > lawn[0] - lawn[2] + 10


def test_what_grows_on_dry_ground_stands_before_brown_hills() -> None:
    def horizon(state: VisitState) -> tuple[float, float]:
        canvas = Canvas(state, np.random.default_rng(1), 128)
        canvas.far_strip((70, 96, 66), 1.0)
        strip = np.asarray(canvas.image, float)[int(canvas.horizon) - 1, :].mean(axis=0)
        return strip[0] - strip[1], canvas.aridity()

    red, aridity = horizon(VisitState(wetness=0.0, soil_brightness=0.9))
    green, moist = horizon(VisitState())
    assert (aridity, moist) == (1.0, 0.0)
    assert red > green + 20


def test_a_forest_is_drawn_until_it_is_felled_and_its_remains_after() -> None:
    standing, felled = VisitState(green=0.8, height=20.0), VisitState(stubble=0.5, height=0.12)
    before, after = (mean_colour("cleared forest", state) for state in (standing, felled))
    assert np.abs(before - mean_colour("tropical rainforest", standing)).max() < 20
    assert after[0] - after[1] > before[0] - before[1] + 15
