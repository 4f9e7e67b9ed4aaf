import pytest

from timesenclip_hf.simulator import covers
from timesenclip_hf.simulator.classes import CLASS_NAMES
from timesenclip_hf.simulator.covers import COVERS, QUANTITIES


def test_every_class_has_a_way_of_life() -> None:
    assert set(COVERS) == set(CLASS_NAMES)


def test_a_way_of_life_is_its_ancestor_s_but_for_what_it_says_itself() -> None:
    winter, spring = (cover for _, cover in COVERS["wheat"])
    assert [share for share, _ in COVERS["wheat"]] == [0.93, 0.07]
    assert (winter.ranges["leaf_on"], spring.ranges["leaf_on"]) == ((84, 100), (112, 128))
    assert winter.ranges["leaf_water"] == spring.ranges["leaf_water"] == (0.02, 0.036)
    assert (winter.delay, winter.petals) == (4.0, "white")
    assert set(winter.ranges) == set(QUANTITIES)


@pytest.mark.parametrize(
    ("way", "message"),
    [
        ({"share": 1.0, "lai": [3, 2]}, r"`lai` of 'reed' must be the lowest and the highest value, got 3, 2"),
        ({"share": 1.0, "petals": "green"}, "'reed' has petals 'green'"),
        ({"share": 1.0, "leaves": [3, 4]}, "'reed' cannot be used: .* 'leaves'"),
        ({"share": 0.5}, "shares of 'reed' in the table odd must sum to one"),
    ],
)
def test_ways_of_life_that_cannot_be_are_refused(monkeypatch, way, message) -> None:
    monkeypatch.setattr(covers, "read_table", lambda name: {"ancestors": {}, "covers": {"reed": [way]}})
    with pytest.raises(ValueError, match=message):
        covers._read_covers("odd")
