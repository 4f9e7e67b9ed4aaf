from timesenclip_hf.simulator.classes import CLASS_NAMES, SIMULATED_CLASSES
from timesenclip_hf.taxonomies import load_taxonomy


def test_every_cover_has_at_least_four_names() -> None:
    assert len(set(CLASS_NAMES)) == len(SIMULATED_CLASSES) == 61
    for cover in SIMULATED_CLASSES:
        assert len({*cover.plain, *cover.other}) >= 4
        names = [*cover.plain, *cover.other, *cover.group]
        assert all(name == name.strip().lower() and name and "*" not in name for name in names)


def test_every_lc1_code_of_the_survey_is_of_one_cover() -> None:
    codes = [code for cover in SIMULATED_CLASSES for code in cover.lc1]
    assert len(codes) == len(set(codes))
    assert set(codes) == set(load_taxonomy("lucas_lc1").names)


def test_a_cover_that_the_survey_has_no_code_of_writes_none_on_its_points() -> None:
    codes = {cover.name: cover.code for cover in SIMULATED_CLASSES}
    assert (codes["wheat"], codes["savanna"]) == ("B11", "")
    assert sum(code == "" for code in codes.values()) == 19


def test_group_words_of_a_wider_group_come_first_and_stand_as_often_as_written() -> None:
    wheat = next(cover for cover in SIMULATED_CLASSES if cover.name == "wheat")
    assert wheat.group[:2] == ("cropland", "temporary crops")
    assert wheat.group.count("cereals") == 2
