from collections import Counter

import pytest

from timesenclip_hf.simulator import covers
from timesenclip_hf.simulator.classes import CLASS_NAMES
from timesenclip_hf.simulator.climates import CLIMATE_NAMES
from timesenclip_hf.simulator.covers import COVERS, QUANTITIES, latitude_range


def test_every_class_has_a_way_of_life() -> None:
    assert set(COVERS) == set(CLASS_NAMES)


def test_a_way_of_life_is_its_ancestor_s_but_for_what_it_says_itself() -> None:
    winter, spring = (cover for _, cover in COVERS["wheat"][:2])
    assert [share for share, _ in COVERS["wheat"][:2]] == [0.62, 0.05]
    assert (winter.ranges["leaf_on"], spring.ranges["leaf_on"]) == ((84, 100), (112, 128))
    assert winter.ranges["leaf_water"] == spring.ranges["leaf_water"] == (0.02, 0.036)
    assert (winter.delay, winter.petals) == (4.0, "white")
    assert set(winter.ranges) == set(QUANTITIES)


def test_every_way_of_life_has_a_climate_within_its_latitudes() -> None:
    for ways in COVERS.values():
        for _, cover in ways:
            assert cover.climates
            for climate in cover.climates:
                low, high = latitude_range(cover, climate)
                assert low < high


def test_every_climate_holds_many_covers() -> None:
    held = Counter(
        name for ways in COVERS.values() for name in {climate for _, cover in ways for climate in cover.climates}
    )
    assert set(held) == set(CLIMATE_NAMES)
    assert min(count for name, count in held.items() if name != "tundra") >= 5


def test_climates_beyond_a_cover_s_latitudes_are_left_out() -> None:
    assert "mediterranean" in COVERS["wheat"][0][1].climates
    assert "mediterranean" not in COVERS["flax"][0][1].climates


@pytest.mark.parametrize(
    ("way", "message"),
    [
        ({"share": 1.0, "lai": [3, 2]}, r"`lai` of 'reed' must be the lowest and the highest value, got 3, 2"),
        ({"share": 1.0, "petals": "green"}, "'reed' has petals 'green'"),
        ({"share": 1.0, "leaves": [3, 4]}, "'reed' cannot be used: .* 'leaves'"),
        ({"share": 1.0, "clock": "moon"}, "`clock` of 'reed' must be one of date, season, twice, got 'moon'"),
        ({"share": 1.0, "climates": {"wet": 1}}, "'reed' lives in 'wet': name climates"),
        ({"share": 1.0, "climates": {"tundra": 1}, "latitude": [0, 9]}, "'reed' lives in none of its climates"),
        ({"share": 0.5, "climates": {"tundra": 1}}, "shares of 'reed' in the table odd must sum to one"),
    ],
)
def test_ways_of_life_that_cannot_be_are_refused(monkeypatch, way, message) -> None:
    monkeypatch.setattr(covers, "read_table", lambda name: {"ancestors": {}, "covers": {"reed": [way]}})
    with pytest.raises(ValueError, match=message):
        covers._read_covers("odd")
