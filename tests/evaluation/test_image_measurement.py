import json
from dataclasses import replace

import datasets
import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score
from typer.testing import CliRunner

from tests.support.image_files import random_pictures
from timesenclip_hf.cli import app
from timesenclip_hf.evaluation.baselines import embed_images, load_image_model, score_images
from timesenclip_hf.evaluation.entries import RAW
from timesenclip_hf.evaluation.harness import evaluate_images, summarise, write_record
from timesenclip_hf.evaluation.image_measurement import CENTRINGS, VIEWS, ImageProtocol
from timesenclip_hf.evaluation.prompts import select_prompts
from timesenclip_hf.evaluation.report import write_report
from timesenclip_hf.evaluation.sets import simulated_set
from timesenclip_hf.evaluation.sets.images import ImageSet
from timesenclip_hf.evaluation.tasks import Task
from timesenclip_hf.evaluation.uncertainty import Resampling
from timesenclip_hf.models.timesenclip.zero_shot_timesenclip import embed_classes
from timesenclip_hf.taxonomies import load_taxonomy

FEW = Resampling(20)
SCENES = Task("scene", "label", load_taxonomy("eurosat"))
COVERS = Task("covers", "labels", load_taxonomy("bigearthnet19"))


@pytest.fixture(scope="module")
def image_model(tiny_clip):
    return load_image_model(str(tiny_clip))


@pytest.fixture(scope="module")
def scenes():
    """30 pictures of chance with a class each, of which the last three are not known."""
    truth = np.arange(30) % 10
    truth[-3:] = -1
    return ImageSet("scenes", "all", random_pictures(30), [SCENES], {"scene": truth})


@pytest.fixture(scope="module")
def covers():
    """24 pictures of chance with several classes each; nobody has the last one."""
    truth = np.random.default_rng(1).random((24, 19)) < 0.3
    truth[:, -1] = False
    return ImageSet("covers", "all", random_pictures(24, seed=1), [COVERS], {"covers": truth})


@pytest.fixture(scope="module")
def results(image_model, scenes, covers):
    return evaluate_images([image_model], [scenes, covers], ImageProtocol(top_k=2, resampling=FEW))


def entry_of(run, view, scores=RAW):
    [entry] = [one for one in run["tasks"] if (one["prompts"], one["scores"]) == (view, scores)]
    return entry


@pytest.mark.parametrize("view", VIEWS)
def test_top_1_is_how_often_the_best_class_of_the_common_scorer_is_right(image_model, scenes, results, view):
    texts = SCENES.prompts(VIEWS[view], image_model.hypothesis_template)
    logits = score_images(image_model, embed_images(image_model, scenes.images), texts)
    truth = scenes.truth["scene"]
    right = [int(row.argmax()) == label for row, label in zip(logits, truth, strict=True) if label >= 0]
    entry = entry_of(results["runs"][0], view)
    assert entry["samples"] == 27
    assert entry["metrics"]["accuracy"]["value"] == pytest.approx(np.mean(right))
    assert entry["prompts_of"] == texts


def test_the_mixed_view_is_the_prompts_from_the_ground_and_from_above(results):
    texts = {view: entry_of(results["runs"][0], view)["prompts_of"] for view in VIEWS}
    for label, mixed in texts["mixed"].items():
        assert sorted(mixed) == sorted(texts["ground"][label] + texts["aerial"][label])


def test_the_debiased_score_is_the_mean_over_prompts_of_their_cosines_over_their_mean_cosine(image_model, covers):
    run = evaluate_images([image_model], [covers], ImageProtocol(views=("aerial",), resampling=FEW))["runs"][0]
    embeds, truth = embed_images(image_model, covers.images).double(), covers.truth["covers"]
    cosines = []  # of each class: prompts by images
    for prompts in COVERS.prompts("aerial", ["{}"]).values():
        texts = [
            embed_classes(image_model.model, image_model.tokenizer, {text: [text]})[0].double() for text in prompts
        ]
        cosines.append(np.array([[float(image @ text) for image in embeds] for text in texts]))
    means = [of_class.mean(axis=1, keepdims=True) for of_class in cosines]
    # Where a mean is not positive, a division by it would turn the order round.
    divides = min(mean.min() for mean in means) > 0
    pairs = list(zip(cosines, means, strict=True))
    columns = [(each / (mean + 1e-6) if divides else each - mean).mean(axis=0) for each, mean in pairs]
    expected = np.mean([average_precision_score(truth[:, place], columns[place]) for place in range(18)])
    entry = entry_of(run, "aerial", "transductive (prompt_mean)")
    assert entry["metrics"]["mean_average_precision"]["value"] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("view", VIEWS)
def test_mean_average_precision_is_scikit_learn_s_over_the_classes_that_occur(image_model, covers, results, view):
    texts = COVERS.prompts(VIEWS[view], image_model.hypothesis_template)
    logits = score_images(image_model, embed_images(image_model, covers.images), texts)
    truth = covers.truth["covers"]
    entry = entry_of(results["runs"][1], view)
    expected = average_precision_score(truth[:, :18], logits[:, :18].numpy(), average="macro")
    assert entry["metrics"]["mean_average_precision"]["value"] == pytest.approx(expected, abs=1e-12)
    assert entry["metrics"]["mean_average_precision"]["floor"] == pytest.approx(truth[:, :18].mean())
    assert entry["absent"] == [COVERS.labels[18]]
    assert list(entry["average_precision"]) == COVERS.labels[:18]


def test_raw_and_transductive_scores_are_entries_of_their_own(results):
    for run in results["runs"]:
        kinds = {entry["scores"] for entry in run["tasks"]}
        assert kinds == {RAW, "transductive (class_mean)", "transductive (prompt_mean)"}
        assert len(run["tasks"]) == len(VIEWS) * len(CENTRINGS)


def test_a_mean_cosine_that_is_not_positive_is_noted(image_model, scenes):
    """The text tower turned round: every cosine with a mean above zero has one below."""
    turned = replace(image_model, model=load_image_model(image_model.name).model)
    with torch.no_grad():
        turned.model.text_projection.weight.neg_()
    notes = [
        evaluate_images([model], [scenes], ImageProtocol(views=("generic",), resampling=FEW))["runs"][0]["notes"]
        for model in (image_model, turned)
    ]
    counted = [int(note.split(": ")[1].split()[0]) for found in notes for note in found if "class_mean" in note]
    assert sum(counted) == 10


def test_prompts_are_selected_on_half_of_the_images_and_judged_on_the_others(image_model, scenes, results):
    found = results["runs"][0]["prompt_selection"]
    assert set(found) == {f"scene, {view}" for view in VIEWS}
    assert sum(found["scene, aerial"]["samples"].values()) == 27
    texts = SCENES.prompts("aerial", ["{}"])
    chosen = select_prompts(image_model.model, image_model, texts, top_k=2, hypothesis_template="{}")
    assert found["scene, aerial"]["prompts"]["text"] == chosen
    # Several classes an image: balanced accuracy does not say which prompts are better.
    assert results["runs"][1]["prompt_selection"] == {}


def test_the_report_shows_top_1_and_mean_average_precision(results, tmp_path):
    page = write_report(results, tmp_path)
    text = (tmp_path / "report.md").read_text()
    value = entry_of(results["runs"][1], "generic")["metrics"]["mean_average_precision"]["value"]
    summary = text.split("## Summary")[1].split("\n## ")[0]
    assert f"{value:.3f}" in summary
    assert "scenes" in summary
    assert "Prompt selection" in text
    assert page.stat().st_size > 10_000
    write_record(results, tmp_path / "record.json")
    assert len(json.loads((tmp_path / "record.json").read_text())["runs"]) == 2
    assert "mean average precision" in summarise(results)


def test_the_points_of_a_set_of_series_are_asked_by_their_images(image_model):
    points = simulated_set(40, images=True)
    patches = ImageSet.of_points(points)
    assert len(patches.images) == len(points.samples)
    assert patches.truth["all_covers"].tolist() == points.tasks[1].truth(points.samples).tolist()
    report = evaluate_images([image_model], [patches], ImageProtocol(("generic",), ("none",), resampling=FEW))
    assert [entry["task"] for entry in report["runs"][0]["tasks"]] == [task.name for task in points.tasks]
    with pytest.raises(ValueError, match="simulated has no images: evaluate its series"):
        ImageSet.of_points(simulated_set(10))


def as_dataset(sides, label=None):
    columns = {"image": [random_pictures(1, seed, side)[0] for seed, side in enumerate(sides)]}
    features = datasets.Features({"image": datasets.Image()})
    if label is not None:
        columns["label"] = label
        features["label"] = datasets.ClassLabel(names=["bog", "fen"])
    return datasets.Dataset.from_dict(columns, features=features)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"views": ("descriptive",)}, "`views` must be of generic, aerial, ground, mixed, got 'descriptive'"),
        ({"centrings": ("mean",)}, "`centrings` must be of none, class_mean, prompt_mean, got 'mean'"),
        ({"centrings": ()}, "`centrings` must be of none, class_mean, prompt_mean, got None"),
    ],
)
def test_an_option_that_is_none_is_refused(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        ImageProtocol(**settings)


def test_a_set_without_a_known_label_is_refused(image_model):
    unknown = ImageSet("unknown", "all", random_pictures(2), [SCENES], {"scene": np.full(2, -1)})
    with pytest.raises(ValueError, match="No label of the task 'scene' of unknown is known"):
        evaluate_images([image_model], [unknown])


def test_the_command_evaluates_a_folder_and_writes_the_report(tiny_clip, tmp_path):
    as_dataset([8] * 6, label=[0, 1] * 3).save_to_disk(tmp_path / "images")
    words = ["evaluate-images", "--dataset", str(tmp_path / "images"), "--model", str(tiny_clip)]
    words += ["--output", str(tmp_path / "report"), "--prompts", "generic", "--scores", "none"]
    done = CliRunner().invoke(app, [*words, "--record", str(tmp_path / "record.json")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "report" / "report.html").exists()
    [run] = json.loads((tmp_path / "record.json").read_text())["runs"]
    assert run["dataset"]["samples"] == 6
