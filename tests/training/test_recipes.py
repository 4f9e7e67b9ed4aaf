"""The configurations of the paper's recipe, for a few steps on small datasets of the right layout."""

import json
import shutil

import datasets
import numpy as np
import PIL.Image
import pytest
import torch
from datasets import Dataset, concatenate_datasets, load_from_disk
from transformers import AutoModel, CLIPModel, pipeline

from tests.conftest import ROOT
from tests.support.photo_places import write_places
from tests.support.training_runs import make_once, run_here
from timesenclip_hf import TimeSenCLIPProcessor
from timesenclip_hf.simulator import simulate
from training.arguments import parse_arguments
from training.systems import build_tower

SMALL = {
    "num_train_epochs": "1",
    "batch_size": "8",
    "memory_bank_size": "16",
    "hidden_size": "32",
    "num_hidden_layers": "1",
    "num_attention_heads": "4",
    "intermediate_size": "16",
    "eval_steps": "2",
    "logging_steps": "1",
    "dataloader_num_workers": "0",
    "novelty_steps": "2",
}


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Folders of 36 places, 12 of them for the validation, by the pixels along a side."""
    made = {}

    def make(side):
        if side not in made:
            made[side] = write_places(tmp_path_factory.mktemp(f"places{side}"), 36, size=32, crop=side, validation=12)
        return str(made[side])

    return make


def arguments(config, dataset, clip, output, **settings):
    """The command line: a configuration, and what makes it small."""
    folders = {"dataset_name_or_path": dataset, "clip_name_or_path": str(clip), "output_dir": str(output)}
    words = [word for name, value in {**SMALL, **folders, **settings}.items() for word in (f"--{name}", value)]
    return [str(ROOT / "training" / "configs" / f"{config}.yaml"), *words]


@pytest.fixture(scope="module")
def recipe_run(places, tiny_clip, tmp_path_factory):
    """The folder of a run of the paper's recipe, by the pixels along a side."""
    configs = {1: "timesenclip_vitb32", 5: "timesenclip_vitb32_5x5", 9: "timesenclip_vitb32_9x9"}

    def make(side):
        return make_once(
            tmp_path_factory,
            configs[side],
            lambda folder: run_here(*arguments(configs[side], places(side), tiny_clip, folder)),
        )

    return make


@pytest.mark.parametrize("side", [1, 5, pytest.param(9, marks=pytest.mark.slow)])
def test_the_recipe_trains_validates_and_leaves_a_model_with_its_curves(side, recipe_run):
    folder = recipe_run(side)
    results = json.loads((folder / "results.json").read_text())
    # 24 places are three batches of 8.
    assert [entry["step"] for entry in results["curves"]["series_and_photos"]] == [1, 2, 3]
    measured = results["evaluations"]["series_and_photos"]
    assert [entry["step"] for entry in measured] == [2, 3]
    assert {"retrieval_recall_at_1", "retrieval_recall_at_10", "zero_shot_land_cover"} <= set(measured[0])
    assert results["best"]["series_and_photos"] in measured
    assert (folder / "curves_series_and_photos.png").exists()
    model = AutoModel.from_pretrained(folder / "model")
    assert model.config.pixel_config.patch_size == side
    assert model.config.pixel_config.hidden_dropout_prob == 0.2
    assert model.vision_model is not None
    if side == 1:
        classify = pipeline("zero-shot-pixel-classification", model=str(folder / "model"), device="cpu")
        assert len(classify(simulate(2, seed=0).series, candidate_labels=["maize", "water"])) == 2


@pytest.fixture(scope="module")
def image_places(places, tmp_path_factory):
    """The same places by an image of 40 pixels in place of their series."""
    folder, splits = tmp_path_factory.mktemp("images"), load_from_disk(places(1))
    for name, split in splits.items():
        pictures = np.random.default_rng(0).integers(0, 256, (len(split), 40, 40, 3), dtype=np.uint8)
        images = Dataset.from_dict({"image": [PIL.Image.fromarray(picture) for picture in pictures]})
        rows = split.remove_columns(["series", "observed", "months"])
        splits[name] = concatenate_datasets([rows, images.cast_column("image", datasets.Image())], axis=1)
    splits.save_to_disk(folder)
    return str(folder)


@pytest.mark.parametrize("pooling", ["average", "attention_per_image"])
def test_the_recipe_of_senclip_moves_the_last_block_the_norm_and_the_projection(
    pooling, image_places, tiny_clip, tmp_path
):
    run_here(*arguments("senclip_vitb32", image_places, tiny_clip, tmp_path, photo_pooling=pooling))
    results = json.loads((tmp_path / "results.json").read_text())
    assert [entry["step"] for entry in results["curves"]["images_and_photos"]] == [1, 2, 3]
    measured = results["evaluations"]["images_and_photos"]
    assert {"retrieval_recall_at_1", "zero_shot_land_cover"} <= set(measured[0])
    before, after = (CLIPModel.from_pretrained(folder).state_dict() for folder in (tiny_clip, tmp_path / "model"))
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    last = max(int(name.split(".")[3]) for name in before if name.startswith("vision_model.encoder.layers"))
    learning = (f"vision_model.encoder.layers.{last}.", "vision_model.post_layernorm.", "visual_projection.")
    assert moved
    assert all(name.startswith(learning) for name in moved)


@pytest.mark.parametrize(
    ("encoder", "sizes"),
    [("transformer", (512, 6, 256, 0.2)), ("mlp", (500, 3, 500, 0.2)), ("tempcnn", (64, 3, 256, 0.5))],
)
def test_the_recipe_has_the_published_towers(encoder, sizes):
    config = str(ROOT / "training" / "configs" / "timesenclip_vitb32.yaml")
    tower = build_tower(parse_arguments([config, "--encoder_type", encoder])[1], 512)
    published = tower.config
    assert (
        published.hidden_size,
        published.num_hidden_layers,
        published.intermediate_size,
        published.hidden_dropout_prob,
    ) == sizes
    if encoder == "transformer":
        # What the released weights hold.
        assert (tower.num_parameters(), published.num_attention_heads) == (8_169_472, 8)


def test_training_goes_on_from_a_checkpoint_with_its_own_scaling(places, tiny_clip, recipe_run, tmp_path):
    checkpoint = shutil.copytree(recipe_run(1) / "model", tmp_path / "first" / "model")
    processor = TimeSenCLIPProcessor.from_pretrained(checkpoint)
    processor.feature_extractor.band_low = [0.0] * 10
    processor.save_pretrained(checkpoint)
    # At no learning rate nothing changes.
    changes = {"learning_rate": "0", "model_name_or_path": str(checkpoint), "band_dropout": "0.1"}
    run_here(*arguments("timesenclip_vitb32", places(1), tiny_clip, tmp_path / "second", **changes))
    first, second = (AutoModel.from_pretrained(tmp_path / name / "model").state_dict() for name in ("first", "second"))
    differing = [name for name in first if not first[name].equal(second[name])]
    # What it was trained on is scaled otherwise.
    assert {name for name in differing if not name.startswith("novelty.")} <= {"logit_scale"}
    processor = TimeSenCLIPProcessor.from_pretrained(tmp_path / "second" / "model")
    assert processor.feature_extractor.band_low == [0.0] * 10
    assert processor.feature_extractor.band_dropout == 0.1  # which lets a missing band be masked


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"patch_size": "5"}, "are 1 x 1 pixels, `patch_size` is 5"),
        ({"train_split": "all"}, "has no split 'all', but train, validation"),
        ({"batch_size": "1000"}, "`batch_size` must lie between 1 and the number of rows, 24, got 1000"),
        ({"gradient_accumulation_steps": "3"}, "`gradient_accumulation_steps` must divide the 8 rows"),
        ({"metric_for_best_model": "recall"}, "`metric_for_best_model` must be one of retrieval_recall_at_1, "),
        ({"photo_pooling": "max"}, "`photo_pooling` must be one of average, attention_per_image"),
        ({"learning_rat": "1"}, "not used by the HfArgumentParser"),
    ],
)
def test_what_does_not_fit_ends_in_one_line(settings, sentence, places, tiny_clip, tmp_path):
    with pytest.raises(SystemExit, match=rf"^error: .*{sentence}") as caught:
        run_here(*arguments("timesenclip_vitb32", places(1), tiny_clip, tmp_path, **settings))
    assert "\n" not in str(caught.value)
