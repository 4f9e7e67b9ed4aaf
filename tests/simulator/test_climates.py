import numpy as np
import pytest

from timesenclip_hf.simulator import climates
from timesenclip_hf.simulator.climates import (
    CLIMATE_NAMES,
    DAYS,
    EUROPE,
    Weather,
    check_climates,
    draw_hemisphere,
    draw_weather,
)

JANUARY, JULY = 0, 6


def weather(climate: str, latitude: float, count: int = 400) -> Weather:
    index = np.full(count, CLIMATE_NAMES.index(climate))
    return draw_weather(index, np.full(count, latitude), np.random.default_rng(0))


def middle_of_season(years: Weather) -> float:
    angle = (years.season_start + years.season_length / 2) * 2 * np.pi / DAYS
    return float(np.angle(np.exp(1j * angle).mean()) * DAYS / (2 * np.pi) % DAYS)


def test_snow_lies_all_winter_where_winters_are_cold_and_never_in_the_tropics() -> None:
    assert (weather("continental", 52).snow[:, [11, 0, 1]] > 0).mean() > 0.8
    assert (weather("continental", 52).snow[:, JULY] > 0).mean() < 0.02
    assert (weather("temperate", 48).snow[:, JANUARY] > 0).mean() < 0.2
    assert (weather("savanna", 10).snow > 0).mean() == 0


def test_the_south_has_its_year_turned_by_six_months() -> None:
    north, south = weather("savanna", 12), weather("savanna", -12)
    assert np.allclose(np.roll(north.wetness.mean(axis=0), 6), south.wetness.mean(axis=0), atol=0.06)
    apart = (middle_of_season(north) - middle_of_season(south)) % DAYS
    assert abs(apart - DAYS / 2) < 15


@pytest.mark.parametrize(
    ("climate", "latitude", "first", "last"),
    [
        ("temperate", 48, (40, 100), (200, 330)),
        ("continental", 52, (90, 135), (120, 200)),
        ("hot steppe", 14, (140, 210), (60, 170)),
        ("monsoon", 22, (115, 175), (110, 240)),
        ("rainforest", 2, (0, 365), (300, 365)),
        ("dry highland", 34, (0, 365), (60, 200)),
    ],
)
def test_the_growing_season_follows_from_warmth_and_rain(climate, latitude, first, last) -> None:
    years = weather(climate, latitude)
    assert first[0] <= np.median(years.season_start) <= first[1]
    assert last[0] <= np.median(years.season_length) <= last[1]


def test_rains_that_come_twice_make_two_short_seasons() -> None:
    years = weather("two rains", 3)
    assert ((years.season_period > 160) & (years.season_period < 205)).all()
    assert (years.season_length < years.season_period).all()
    assert (weather("savanna", 10).season_period == DAYS).all()


def test_wet_months_are_cloudy_and_deserts_clear() -> None:
    monsoon = weather("monsoon", 22).clearness.mean(axis=0)
    assert monsoon[JULY] < 0.4 < 0.7 < monsoon[JANUARY]
    assert weather("desert", 25).clearness.mean() > 0.8


def test_a_season_across_the_new_year_is_found_whole() -> None:
    temperature = np.full((1, 12), 20.0)
    rain = np.array([[200, 200, 0, 0, 0, 0, 0, 0, 0, 0, 200, 200]], dtype=float)
    start, length = climates._growing_season(temperature, rain, 4.5 * temperature)
    assert 280 < start[0] < 325
    assert 110 < length[0] < 175


def test_where_nothing_grows_and_where_everything_does_there_is_still_a_season() -> None:
    temperature = np.array([[-5.0] * 12, [25.0] * 12])
    rain = np.array([[10.0] * 12, [300.0] * 12])
    _, length = climates._growing_season(temperature, rain, 4.5 * np.clip(temperature, 0, None))
    assert length.tolist() == [60.0, 365.0]


def test_hemispheres_come_in_the_climates_shares() -> None:
    sides = {
        name: draw_hemisphere(np.full(500, CLIMATE_NAMES.index(name)), np.random.default_rng(0)).mean()
        for name in ("temperate", "savanna", "southern temperate")
    }
    assert sides["temperate"] == 1
    assert abs(sides["savanna"]) < 0.15
    assert sides["southern temperate"] == -1


def test_europe_is_in_the_north() -> None:
    assert set(EUROPE) <= set(CLIMATE_NAMES)
    assert all(climate.southern == 0 for climate in climates.CLIMATES if climate.name in EUROPE)


def test_climates_go_by_their_names() -> None:
    assert check_climates(None) == CLIMATE_NAMES
    assert check_climates(["savanna", "savanna"]) == ("savanna",)
    with pytest.raises(ValueError, match=r"'savana'.*savanna"):
        check_climates(["savana"])
    with pytest.raises(ValueError, match="non-empty sequence of climate names"):
        check_climates("savanna")
