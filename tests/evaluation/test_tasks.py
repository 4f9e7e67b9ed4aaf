from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from tests.support.label_sets import FRANCE_CROPS
from timesenclip_hf.data.schema import CLASS_TAXONOMIES
from timesenclip_hf.evaluation.samples import Samples
from timesenclip_hf.evaluation.tasks import PROMPTS, Task, tasks_of
from timesenclip_hf.taxonomies import Label, Taxonomy, load_taxonomy


def labelled(**columns: tuple[list[str], list[int]]) -> Samples:
    """Samples of nothing but labels: of each column its class names and indices."""
    count = len(next(iter(columns.values()))[1])
    return Samples(
        name="places",
        split="test",
        series=np.zeros((count, 12, 10), dtype=np.float32),
        months=np.zeros((count, 12), dtype=np.float32),
        point_ids=[str(place) for place in range(count)],
        labels={column: np.asarray(indices) for column, (_, indices) in columns.items()},
        class_names={column: names for column, (names, _) in columns.items()},
    )


def test_labels_are_matched_by_name_whatever_their_order_in_the_column():
    covers = load_taxonomy("lucas_lc")
    names = covers.class_names[::-1]
    samples = labelled(cover=(names, [0, 7, -1, 3]))
    truth = Task("land_cover", "cover", covers).truth(samples)
    assert [covers.class_names[place] if place >= 0 else None for place in truth] == [
        names[0],
        names[7],
        None,
        names[3],
    ]


def test_codes_and_aliases_are_names_too():
    truth = Task("crop", "crop", load_taxonomy("lucas_crops")).truth(labelled(crop=(["B16", "Vineyard"], [0, 1])))
    assert [load_taxonomy("lucas_crops").labels[place].code for place in truth] == ["B16", "B82"]


@pytest.mark.parametrize(("column", "other"), list(permutations(CLASS_TAXONOMIES, 2)))
def test_a_column_scored_with_the_label_set_of_another_is_an_error(column: str, other: str):
    names = load_taxonomy(CLASS_TAXONOMIES[column]).class_names
    samples = labelled(**{column: (names, list(range(len(names))))})
    with pytest.raises(ValueError, match=rf"of the column '{column}' is no class of .*label set of its own labels"):
        tasks_of(samples, taxonomies={column: CLASS_TAXONOMIES[other]})[0].truth(samples)


def test_crops_scored_with_land_covers_as_upstream_does_are_an_error():
    samples = labelled(crop=(load_taxonomy("lucas_crops").class_names, [0, 5]))
    wrong = Task("crop", "crop", load_taxonomy("lucas_lc"))
    with pytest.raises(
        ValueError, match="The label 'Common wheat' of the column 'crop' is no class of 'LUCAS land cover'"
    ):
        wrong.truth(samples)


def test_class_names_that_fit_no_label_are_an_error():
    candidates = Taxonomy("fruit", "", "", (Label("banana", "banana"), Label("mango", "mango")))
    with pytest.raises(ValueError, match="The label 'maize' of the column 'crop' is no class of 'fruit'"):
        Task("crop", "crop", candidates).truth(labelled(crop=(["maize"], [0])))


def test_a_class_that_does_not_occur_need_not_be_a_candidate():
    truth = Task("t", "t", load_taxonomy(FRANCE_CROPS)).truth(labelled(t=(["maize", "quinoa"], [0, -1, 0])))
    assert truth.tolist() == [1, -1, 1]


def test_labels_without_a_name_are_an_error():
    with pytest.raises(ValueError, match="has 2 classes and the label 2"):
        Task("t", "t", load_taxonomy(FRANCE_CROPS)).truth(labelled(t=(["maize", "wheat"], [0, 2])))


def test_a_column_without_known_labels_is_an_error():
    with pytest.raises(ValueError, match="No label of the column 't' is known in the split 'test' of places"):
        Task("t", "t", load_taxonomy(FRANCE_CROPS)).truth(labelled(t=(["maize"], [-1, -1])))


def test_an_absent_column_is_an_error_that_lists_those_present():
    samples = labelled(crop=(["maize"], [0]))
    for call in (Task("t", "habitat", load_taxonomy("lucas_lc")).truth, lambda s: tasks_of(s, ["habitat"])):
        with pytest.raises(ValueError, match="no label column 'habitat': its label columns are crop"):
            call(samples)


def test_every_class_column_with_a_known_label_is_a_task_and_codes_are_not():
    samples = labelled(
        land_cover=(load_taxonomy("lucas_lc").class_names, [0]),
        land_use=(load_taxonomy("lucas_lu").class_names, [-1]),
        country=(["FR", "UK"], [1]),
        lc1=(["B16"], [0]),
        soil=(["clay", "sand"], [1]),
    )
    tasks = {task.name: task for task in tasks_of(samples)}
    assert list(tasks) == ["land_cover", "soil", "country"]
    assert tasks["country"].labels[tasks["country"].truth(samples)[0]] == "United Kingdom"
    assert tasks["soil"].labels == ["clay", "sand"]
    assert [task.taxonomy.name for task in tasks_of(samples, ["lc1"])] == ["LUCAS land cover, LC1"]


def test_samples_without_any_known_label_are_an_error():
    with pytest.raises(ValueError, match="No label of places is known in the split 'test'"):
        tasks_of(labelled(land_cover=(["Cropland"], [-1])))


def test_columns_that_might_be_labels_are_listed_where_no_label_is_known():
    samples = replace(labelled(land_cover=(["Cropland"], [-1])), other_columns=["crop", "plot"])
    with pytest.raises(ValueError, match="name the one with labels, of crop, plot, by --task"):
        tasks_of(samples)
    with pytest.raises(ValueError, match=r"no label column 'soil'.*of crop, plot"):
        tasks_of(samples, ["soil"])


def test_an_unknown_label_set_is_an_error():
    with pytest.raises(ValueError, match="no label set 'lucas'"):
        tasks_of(labelled(land_cover=(["Cropland"], [0])), taxonomies={"land_cover": "lucas"})


def test_each_view_has_its_own_prompts():
    covers = load_taxonomy("lucas_lc")
    task = Task("land_cover", "land_cover", covers)
    assert task.views == PROMPTS
    prompts = {view: task.prompts(view, "a photo of {}")["Cropland"] for view in PROMPTS}
    cropland = covers.find("Cropland")
    assert prompts["class_name"] == ["Cropland"]
    assert prompts["generic"] == [f"a photo of {phrase}" for phrase in cropland.prompts["generic"]]
    assert prompts["ground"] == list(cropland.prompts["ground"])
    assert prompts["aerial"] == list(cropland.prompts["aerial"])
    assert prompts["descriptive"] == prompts["ground"] + prompts["aerial"]


def test_a_class_without_prompts_of_a_view_is_named():
    task = Task("crops", "crops", load_taxonomy(FRANCE_CROPS))
    assert task.views == ("generic", "class_name")
    for view in ("ground", "aerial", "descriptive"):
        with pytest.raises(ValueError, match=f"The class 'wheat' of .* has no {view} prompts: use generic, class_name"):
            task.prompts(view, "{}")


def test_unknown_prompts_are_an_error():
    with pytest.raises(ValueError, match=r"Prompts are generic, class_name, .*got 'poetic'"):
        Task("t", "t", load_taxonomy("lucas_lc")).prompts("poetic", "{}")
