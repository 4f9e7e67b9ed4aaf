import json
import pickle
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.label_sets import FRANCE_CROPS, LABEL_SETS
from timesenclip_hf.taxonomies import VIEWS, list_taxonomies, load_taxonomy

SIZES = {
    "lucas_lc": 8,
    "lucas_lc1": 75,
    "lucas_lu": 16,
    "lucas_lu1": 40,
    "lucas_crops": 40,
    "eunis_level1": 10,
    "eunis_level2": 44,
    "bioregions": 12,
    "eurosat": 10,
    "bigearthnet19": 19,
}
FOLDER = Path(load_taxonomy.__code__.co_filename).parent
EVERY = [*list_taxonomies(), *sorted(LABEL_SETS.glob("*.json"))]

SMALL: dict[str, Any] = {
    "name": "small",
    "source": "this test",
    "licence": "MIT",
    "labels": [
        {"code": "1.1", "name": "wheat", "aliases": ["Common-Wheat"], "prompts": {"ground": ["ears"]}},
        {"code": "11", "name": "lake"},
    ],
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Any], str]:
    def write_json(content: Any) -> str:
        path = tmp_path / "small.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return str(path)

    return write_json


def changed(**fields: Any) -> dict[str, Any]:
    return {**SMALL, **fields}


def first_label(**fields: Any) -> dict[str, Any]:
    return changed(labels=[{**SMALL["labels"][0], **fields}, SMALL["labels"][1]])


@pytest.mark.parametrize("name", SIZES)
def test_every_published_class_has_five_ground_and_five_aerial_prompts_that_no_other_class_has(name: str):
    taxonomy = load_taxonomy(name)
    assert len(taxonomy.labels) == SIZES[name]
    for label in taxonomy.labels:
        counts = [len(label.prompts[view]) for view in VIEWS]
        assert all(count >= least for count, least in zip(counts, (5, 5, 2), strict=True)), label.code
    prompts = [prompt for texts in taxonomy.prompts_of(*VIEWS).values() for prompt in texts]
    assert [text for text, count in Counter(map(str.casefold, prompts)).items() if count > 1] == []


@pytest.mark.parametrize("name", ["eurosat", "bigearthnet19"])
def test_every_class_of_satellite_pictures_has_ten_prompts_of_each_view(name: str):
    taxonomy = load_taxonomy(name)
    fewest = min(len(label.prompts[view]) for label in taxonomy.labels for view in VIEWS)
    assert fewest >= 10
    mixed = taxonomy.prompts_of("aerial", "ground")
    assert min(len(set(prompts)) for prompts in mixed.values()) >= 20


@pytest.mark.parametrize("name", EVERY)
def test_every_file_is_clean_text_with_source_and_licence(name: str | Path):
    text = (FOLDER / f"{name}.json" if isinstance(name, str) else name).read_bytes().decode("utf-8")
    assert text.endswith("}\n")
    assert [line for line in text.splitlines() if line != line.rstrip()] == []
    taxonomy = load_taxonomy(name)
    assert taxonomy.source
    assert taxonomy.licence
    for texts in taxonomy.prompts.values():
        assert all(prompt.isprintable() and "  " not in prompt for prompt in texts)


@pytest.mark.parametrize("name", EVERY)
def test_every_code_name_and_alias_finds_its_own_class(name: str | Path):
    taxonomy = load_taxonomy(name)
    for label in taxonomy.labels:
        for text in (label.code, label.name, *label.aliases, label.name.upper(), f" {label.code.lower()} "):
            assert taxonomy.find(text) is label
    assert list(taxonomy.names) == list(taxonomy.indices)
    assert taxonomy.class_names == list(taxonomy.names.values()) == list(taxonomy.prompts)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("lucas_lc", "lucas_lc0"),
        ("lucas_lc1", "lucas_lc1"),
        ("lucas_lu", "lucas_lu0"),
        ("lucas_lu1", "lucas_lu1"),
        ("lucas_crops", "crops"),
        ("eunis_level2", "eunis_level2"),
        ("bioregions", "bioregions"),
    ],
)
def test_codes_names_and_order_are_those_of_the_nomenclature(name: str, key: str, real_data: Path):
    listed = json.loads((real_data / "nomenclatures" / "lucas_eunis.json").read_text(encoding="utf-8"))[key]
    taxonomy = load_taxonomy(name)
    if isinstance(listed, dict):
        assert list(taxonomy.names.items()) == list(listed.items())
    else:
        assert listed == (list(taxonomy.names) if name == "lucas_crops" else taxonomy.class_names)


@pytest.mark.parametrize(
    ("name", "child", "parent"),
    [
        ("lucas_lc1", "B16", "Cropland"),
        ("lucas_lc1", "corn", "Cropland"),
        ("lucas_lc1", "H23", "Wetlands"),
        ("lucas_crops", "vineyard", "Cropland"),
        ("lucas_lu1", "U113", "Agriculture"),
        ("lucas_lu1", "U420", "Semi-natural and natural areas not in use"),
        ("eunis_level2", "FB", "Heathland, scrub and tundra"),
    ],
)
def test_a_detailed_class_leads_to_the_one_above_it(name: str, child: str, parent: str):
    taxonomy = load_taxonomy(name)
    assert taxonomy.parents.find(taxonomy.find(child).parent).name == parent


@pytest.mark.parametrize("name", ["lucas_lc1", "lucas_lu1", "eunis_level2"])
def test_every_class_of_a_lower_level_has_a_parent_and_its_code_begins_with_the_parents(name: str):
    taxonomy = load_taxonomy(name)
    assert all(label.code.startswith(taxonomy.parents.find(label.parent).code) for label in taxonomy.labels)


def test_the_top_of_a_label_set_has_no_parent():
    taxonomy = load_taxonomy("lucas_lc")
    assert taxonomy.parents is None
    assert taxonomy.find("B").parent is None


@pytest.mark.parametrize(
    ("name", "spelling", "index"),
    [
        ("lucas_lc", "Bare Land", 5),
        ("lucas_lc", "bareland", 5),
        ("bioregions", "BlackSea", 4),
        ("bioregions", "Black Sea", 4),
        ("eunis_level2", "wooded pasture", 31),
        ("eurosat", "SeaLake", 9),
        ("bigearthnet19", "Peatbogs", 15),
        ("bigearthnet19", "212", 2),
    ],
)
def test_spellings_in_use_find_the_class_and_its_index(name: str, spelling: str, index: int):
    taxonomy = load_taxonomy(name)
    assert taxonomy.indices[taxonomy.find(spelling).code] == index


def test_an_unknown_class_is_refused_in_one_line_that_names_the_nearest():
    with pytest.raises(ValueError, match=r"no class 'Sunflowr' in 'LUCAS crops': the nearest is 'Sunflower'.*'B31'"):
        load_taxonomy("lucas_crops").find("Sunflowr")


def test_codes_that_differ_in_punctuation_alone_are_two_classes(write: Callable[[Any], str]):
    taxonomy = load_taxonomy(write(SMALL))
    assert (taxonomy.find("1.1").name, taxonomy.find("11").name) == ("wheat", "lake")
    assert taxonomy.find("common wheat").name == "wheat"


def test_crops_are_the_same_labels_as_in_the_land_cover():
    cover, crops = load_taxonomy("lucas_lc1"), load_taxonomy("lucas_crops")
    assert all(label == cover.find(label.code) for label in crops.labels)
    assert crops.indices["B11"] == 0
    assert "C10" not in crops.indices


def test_prompts_come_by_view_and_the_name_stands_in_where_there_are_none():
    crops = load_taxonomy("lucas_crops")
    maize = crops.find("maize")
    assert maize.phrases == maize.prompts["generic"]
    assert crops.prompts["Maize"] == crops.prompts_of("generic")["Maize"]
    assert crops.prompts_of("ground", "aerial")["Maize"] == [*maize.prompts["ground"], *maize.prompts["aerial"]]
    assert load_taxonomy("simulated_ten").prompts["water"] == ["water"]


@pytest.mark.parametrize("views", [(), ("side",)])
def test_a_view_that_is_none_is_refused(views: tuple[str, ...]):
    with pytest.raises(ValueError, match="views ground, aerial, generic, got"):
        load_taxonomy("lucas_lc").prompts_of(*views)


def test_a_class_without_prompts_of_the_view_is_named():
    with pytest.raises(ValueError, match=r"'wheat' of .* has no ground prompts"):
        load_taxonomy(FRANCE_CROPS).prompts_of("ground")


def test_a_label_set_reaches_another_process_unchanged():
    taxonomy = load_taxonomy("lucas_crops")
    assert pickle.loads(pickle.dumps(taxonomy)) == taxonomy


def test_an_unknown_label_set_lists_those_there_are():
    with pytest.raises(ValueError, match=r"There is no label set 'lucas': use bigearthnet19, .*lucas_lc1"):
        load_taxonomy("lucas")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "small.json cannot be used"),
        ("[]", "the file must be a JSON object"),
        ('{"name": "a", "name": "b"}', "the field 'name' is written twice"),
        ({"name": "small"}, "the file lacks the field 'source'"),
        (changed(source=""), "not empty"),
        (changed(labels=[]), "at least one label"),
        (changed(labels=["B16"]), "the label 'B16' must be a JSON object"),
        (changed(parents="lucas"), "There is no label set 'lucas'"),
        (changed(labels_of="lucas_lc1"), "each of the labels of a file with `labels_of` must be a text"),
        (changed(labels_of="lucas_lc1", labels=["B16", "Z99"]), "no class 'Z99'"),
        (changed(labels_of="lucas_lc1", labels=["B16", "corn"]), "'b16' is the code, name or alias of two labels"),
        (first_label(phrases=["wheat"]), "the label '1.1' has the unknown field 'phrases': use code, name, aliases"),
        (first_label(name=7), "the code or name of the label '1.1' must be a text"),
        (first_label(code="11"), "'11' is the code, name or alias of two labels"),
        (first_label(name="Lake"), "'lake' is the code, name or alias of two labels"),
        (first_label(aliases=["LAKE"]), "'lake' is the code, name or alias of two labels"),
        (first_label(aliases="wheat"), "each of the aliases of the label '1.1' must be a text"),
        (first_label(parent="B"), "'B', parent of '1.1', is not a code"),
        (first_label(prompts=["ears"]), "`prompts` of the label '1.1' must be a JSON object"),
        (first_label(prompts={"side": ["ears"]}), "`prompts` of the label '1.1' has the unknown field 'side'"),
        (first_label(prompts={"ground": ["ears "]}), "without outer spaces"),
        (first_label(prompts={"ground": ["ears"], "aerial": ["Ears"]}), "the prompt 'ears' is given twice"),
    ],
)
def test_a_file_that_breaks_the_schema_is_refused_in_one_line(
    content: Any, complaint: str, write: Callable[[Any], str]
):
    with pytest.raises(ValueError, match=r"The label set small\.json cannot be used") as error:
        load_taxonomy(write(content))
    assert complaint in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "codes", "phrases"),
    [
        (["maize", "water"], ["maize", "water"], ["maize"]),
        ({"maize": ["corn", "maize"], "water": "a lake"}, ["maize", "water"], ["corn", "maize"]),
        ({"maize": 1, "water": 60}, ["1", "60"], ["maize"]),
        ({"1": "maize", "60": "water"}, ["1", "60"], ["maize"]),
    ],
)
def test_labels_of_a_user_in_any_form_are_a_label_set(content, codes, phrases, write: Callable[[Any], str]):
    labels = load_taxonomy(write(content)).labels
    assert [label.name for label in labels] == ["maize", "water"]
    assert [label.code for label in labels] == codes
    assert list(labels[0].phrases) == phrases
