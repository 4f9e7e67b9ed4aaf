import json
import random

import numpy as np
import pytest

from timesenclip_hf.maps.files.colour_distances import seen, smallest_distances
from timesenclip_hf.maps.files.colours import (
    FEW_CLASSES,
    LEAST_DISTANCE,
    NO_DATA_COLOUR,
    UNCERTAIN_COLOUR,
    class_colours,
    core_colours,
    meaning_of,
    read_colours,
)
from timesenclip_hf.maps.files.legend import MOST_CLASSES
from timesenclip_hf.taxonomies import load_taxonomy

MEANT = {
    "water": ["permanent water bodies", "Surface running waters", "Sea or Lake", "rivers", "marine waters"],
    "conifer": ["spruce woodland", "Coniferous forest", "needle-leaved trees", "forest of pine"],
    "broadleaf": ["broad-leaved woodland", "Broadleaved deciduous woodland", "forest of oak", "beech"],
    "grass": ["Mesic grasslands", "grass field", "herbaceous_vegetation", "grass with trees"],
    "built": ["Low density buildings", "houses among spruce trees", "Urban fabric", "built-up"],
    "bare": ["bare soil after maize", "sparsely vegetated", "bare ground"],
    "snow": ["Snow or ice-dominated habitats", "glaciers"],
    "wheat": ["winter wheat", "Common wheat"],
    "maize": ["fields of maize", "grain maize", "corn"],
    "vineyard": ["vineyards", "grapes"],
}


def distances(colours):
    views = seen(np.asarray(colours))
    apart = smallest_distances(views, views)
    return apart[np.triu_indices(len(colours), 1)]


@pytest.mark.parametrize("meaning", MEANT)
def test_a_label_has_the_colour_of_what_its_words_mean(meaning):
    expected = {**core_colours(), **{"conifer": meaning_of("spruce").colour, "broadleaf": meaning_of("oak").colour}}
    assert {label: meaning_of(label).colour for label in MEANT[meaning]} == dict.fromkeys(
        MEANT[meaning], expected[meaning]
    )


def test_water_is_blue_forest_green_and_houses_are_reddish():
    (_, _, blue), forest, house = (meaning_of(label).colour for label in ("lake", "forest", "houses"))
    assert blue == max(meaning_of("lake").colour)
    assert forest[1] == max(forest)
    assert house[0] == max(house)
    assert meaning_of("broadleaved forest").colour != meaning_of("coniferous forest").colour


def test_the_twelve_colours_are_told_apart_with_each_deficiency():
    colours = [*core_colours().values(), NO_DATA_COLOUR, UNCERTAIN_COLOUR]
    assert len(core_colours()) == FEW_CLASSES
    assert distances(colours).min() >= LEAST_DISTANCE
    assert not any(each.moved_from for each in class_colours(list(core_colours())))


def test_a_label_has_one_colour_whatever_the_others_are():
    draw, labels = random.Random(0), list(core_colours())
    for _ in range(10):
        chosen = draw.sample(labels, 6)
        assert [each.colour for each in class_colours(chosen)] == [core_colours()[label] for label in chosen]


@pytest.mark.parametrize("seed", range(4))
def test_any_twelve_classes_are_told_apart_and_what_moves_says_from_what(seed):
    labels = random.Random(seed).sample(["made-up", *load_taxonomy("eunis_level2").class_names], FEW_CLASSES)
    given = class_colours(labels)
    assert distances([each.colour for each in given]).min() >= LEAST_DISTANCE
    for index, each in enumerate(given):
        assert each.moved_from in ("", "no data", "uncertain", *labels)
        assert each.moved_from or each.colour == meaning_of(labels[index]).colour
    assert class_colours(labels) == given


def test_the_twelve_keep_their_colours_beside_any_other_labels():
    others = ["tree cover", "cropland", "barley", "potatoes", "kohlrabi"]
    for label, colour in core_colours().items():
        for place in (0, len(others)):
            labels = [*others[:place], label, *others[place:]]
            assert class_colours(labels)[place].colour == colour


def test_of_two_labels_of_one_colour_the_later_moves():
    first, second = class_colours(["corn", "maize"])
    assert (first.colour, first.moved_from) == (core_colours()["maize"], "")
    assert (second.colour != first.colour, second.moved_from) == (True, "corn")


def test_what_moves_stays_in_its_family_while_that_has_room():
    first, second, third = (each.colour for each in class_colours(["oak forest", "beech forest", "birch forest"]))
    for red, green, blue in (first, second, third):
        assert green >= max(red, blue)


def test_any_number_of_classes_has_as_many_colours():
    given = [each.colour for each in class_colours([f"kind {number}" for number in range(MOST_CLASSES)])]
    assert len({*given, UNCERTAIN_COLOUR, NO_DATA_COLOUR}) == MOST_CLASSES + 2


def test_chosen_colours_stay_and_others_keep_away_from_them():
    maize = core_colours()["maize"]
    given = class_colours(["maize", "my crop"], {"my crop": f"#{bytes(maize).hex()}", "elsewhere": "#000000"})
    assert given[1].colour == maize
    assert (given[0].colour != maize, given[0].moved_from) == (True, "my crop")
    assert distances([each.colour for each in given]).min() >= LEAST_DISTANCE


def test_colours_are_read_from_json(tmp_path):
    path = tmp_path / "colours.json"
    path.write_text(json.dumps({"maize": "#EAB500"}))
    assert read_colours(path) == {"maize": "#eab500"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", r"colours\.json is no JSON of colours \(.*\): write"),
        ("[]", r"colours\.json holds no colours by label: write"),
        ("{}", r"colours\.json holds no colours by label: write"),
        ('{"a": "red"}', r"colours\.json: the colour of 'a' must be written as \"#rrggbb\", such as .* got 'red'\."),
        ('{"a": 3}', r"the colour of 'a' must be .* got 3\."),
        ('{"a": "#fff", "b": "#ffffff"}', r"got '#fff'"),
        ('{"a": "#ffffff", "a": "#000000"}', r"the field 'a' is written twice"),
    ],
)
def test_a_bad_file_of_colours_is_refused_in_one_sentence(tmp_path, text, sentence):
    path = tmp_path / "colours.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=sentence) as refused:
        read_colours(path)
    assert "\n" not in str(refused.value)


def test_a_file_of_colours_that_is_not_there_or_no_text_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No such file of colours: .*none\.json"):
        read_colours(tmp_path / "none.json")
    (tmp_path / "colours.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="is no JSON of colours"):
        read_colours(tmp_path / "colours.json")
