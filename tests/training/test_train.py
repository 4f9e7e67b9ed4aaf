"""The script: what it leaves, in this process; that it can be killed and launched, in processes of their own."""

import json
import os
import runpy
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch
from accelerate.commands import launch as accelerate_launch
from accelerate.utils.launch import prepare_simple_launcher_cmd_env
from PIL import Image
from transformers import AutoModel, CLIPModel, pipeline

from tests.conftest import ROOT
from tests.support.training_runs import FEW_PLACES, command_line, kill, newest_step, outcome, refuse, train, train_here
from timesenclip_hf import DEFAULT_CHECKPOINT, TimeSenCLIPFeatureExtractor
from timesenclip_hf.learning import EmbeddingMatchingLoss
from timesenclip_hf.simulator import simulate
from timesenclip_hf.simulator.patches import simulate_patches
from training.small_clip import build_small_clip, tokenize, train_tokenizer
from training.train import CaptionsAndTheirPhotos

# Aligned with the embedded checkpoint's own CLIP, so that only the tower is trained.
TOWER_ALONE = ("--clip_name_or_path", DEFAULT_CHECKPOINT)
SENCLIP = ROOT / "training" / "configs" / "senclip_smoke.yaml"
# Everything that has a state: dropout, a bank, augmentation, a curve entry across a checkpoint, validation.
EVENTFUL = (
    *("--steps", "12", "--clip_steps", "6", "--save_steps", "3", "--logging_steps", "5", "--eval_steps", "4"),
    *("--memory_bank_size", "48", "--augmentation_probability", "0.5", "--dropout", "0.2"),
)


LAUNCHES = [("-m", "training.train"), ("training/train.py",)]


@pytest.mark.parametrize("launch", LAUNCHES)
def test_the_documented_commands_start_the_script(launch, tmp_path, monkeypatch):
    commands = []
    monkeypatch.setattr(
        accelerate_launch, "simple_launcher", lambda args: commands.append(prepare_simple_launcher_cmd_env(args)[0])
    )
    options = ["--config_file", str(ROOT / "training" / "accelerate" / "cpu.yaml")]
    parser = accelerate_launch.launch_command_parser()
    accelerate_launch.launch_command(parser.parse_args([*options, *launch, str(tmp_path / "absent.yaml")]))
    (command,) = commands
    assert command[0] == sys.executable
    *script, config = command[1:]
    assert tuple(script) == launch
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", sys.path[:])
    # As in a process of its own, where nothing has imported it yet.
    monkeypatch.delitem(sys.modules, "training.train", raising=False)
    run = partial(runpy.run_module, alter_sys=True) if script[0] == "-m" else runpy.run_path
    with command_line(config), pytest.raises(SystemExit, match=r"^error: There is no configuration .*absent\.yaml"):
        run(script[-1], run_name="__main__")


@pytest.mark.slow
@pytest.mark.parametrize("launch", LAUNCHES)
def test_the_documented_commands_train(launch, tmp_path):
    command = [sys.executable, "-m", "accelerate.commands.launch", *launch, "training/configs/smoke.yaml"]
    done = subprocess.run(
        [*command, "--output_dir", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "model" / "model.safetensors").exists()


def test_a_few_steps_of_every_stage_leave_a_checkpoint_that_the_pipeline_loads(trained):
    results = json.loads((trained / "results.json").read_text())
    assert set(results["curves"]) == {"photos_and_captions", "captions_and_their_photos", "series_and_photos"}
    assert results["zero_shot"]["ten_covers"]["samples"] > 100
    assert results["arguments"]["steps"] == 4
    assert [entry["step"] for entry in results["evaluations"]["series_and_photos"]] == [2, 4]

    classify = pipeline("zero-shot-pixel-classification", model=str(trained / "model"), device="cpu")
    assert len(classify(simulate(3, seed=0).series, candidate_labels=["maize", "water"])) == 3
    # Trained series-to-photo temperature, not CLIP's.
    clip = AutoModel.from_pretrained(trained / "clip")
    assert classify.model.logit_scale.item() != clip.logit_scale.item()


def test_captions_learn_the_mean_embedding_of_their_photos_and_photos_stay_where_they_are():
    torch.manual_seed(0)
    tokenizer = train_tokenizer(["a field of maize", "a lake"] * 9)
    clip = build_small_clip(tokenizer)
    vision = {name: weight.clone() for name, weight in clip.state_dict().items() if not name.startswith("text_")}
    views, tokens = (
        CaptionsAndTheirPhotos(clip),
        tokenize(tokenizer, ["a field of maize", "a field of maize", "a lake"]),
    )
    photos = torch.nn.functional.normalize(torch.randn(3, 128), dim=-1)
    learner = torch.optim.Adam([weight for weight in clip.parameters() if weight.requires_grad], lr=1e-3)
    for _ in range(60):
        loss = EmbeddingMatchingLoss()(*views(photos, **tokens))
        learner.zero_grad()
        loss.backward()
        learner.step()
    maize, _, lake = torch.nn.functional.normalize(views(photos, **tokens)[0], dim=-1)
    assert maize @ torch.nn.functional.normalize(photos[:2].sum(dim=0), dim=-1) > 0.95
    assert lake @ photos[2] > 0.95
    assert all(torch.equal(clip.state_dict()[name], weight) for name, weight in vision.items())


def test_settings_and_versions_lie_beside_every_checkpoint(trained):
    for file in (
        trained / "run.json",
        trained / "model" / "training_arguments.json",
        trained / "series_and_photos" / "checkpoint-00000004" / "run.json",
    ):
        kept = json.loads(file.read_text())
        assert kept["arguments"]["learning_rate"] == 0.0015
        assert kept["code"]["torch"] == torch.__version__


def test_a_checkpoint_knows_what_it_was_trained_on(trained):
    model = AutoModel.from_pretrained(trained / "model")
    assert model.novelty is not None
    assert model.novelty.spread.min() > 0
    assert (model.novelty.centre != 0).all()


def test_the_clamp_that_was_asked_for_is_the_checkpoint_s(trained):
    extractor = TimeSenCLIPFeatureExtractor.from_pretrained(trained / "model")
    assert extractor.clamp_max == 4
    bright = extractor(np.full((12, 10), 0.6))["pixel_series"]
    assert bright.min() > 1  # B12, the dimmest


def test_the_tracker_has_the_losses_of_both_stages(trained):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    tags = set()
    for file in (trained / "logs").rglob("events.*"):
        tags |= set(EventAccumulator(str(file)).Reload().Tags()["scalars"])
    assert {"photos_and_captions/loss", "series_and_photos/loss", "series_and_photos/zero_shot_cover"} <= tags


def test_training_goes_on_from_a_checkpoint_with_the_checkpoint_s_own_clip(trained, tmp_path):
    settings = ("--model_name_or_path", str(trained / "model"), "--steps", "1", "--learning_rate", "0", "--seed", "1")
    train_here(tmp_path, *settings, *FEW_PLACES, "--weight_decay", "0")
    before, after = (AutoModel.from_pretrained(folder / "model") for folder in (trained, tmp_path))
    for name, weight in before.pixel_model.state_dict().items():
        assert torch.equal(after.pixel_model.state_dict()[name], weight), name
    clip, copy = (CLIPModel.from_pretrained(folder / "clip") for folder in (trained, tmp_path))
    for name, weight in clip.state_dict().items():
        if name != "logit_scale":
            assert torch.equal(copy.state_dict()[name], weight), name


def test_a_trained_senclip_is_a_stock_clip_that_classifies_pictures(senclip):
    results = json.loads((senclip / "results.json").read_text())
    assert set(results["curves"]) == {"images_and_photos"}
    assert {"retrieval_recall_at_1", "zero_shot_cover"} <= set(results["evaluations"]["images_and_photos"][-1])
    assert set(results["zero_shot"]) == {"ten_covers", "all_covers", "land_cover"}

    classify = pipeline("zero-shot-image-classification", model=str(senclip / "model"), device="cpu")
    assert type(classify.model) is CLIPModel
    pictures = [Image.fromarray(patch) for patch in simulate_patches(simulate(2, seed=0), seed=0)]
    scores = classify(pictures, candidate_labels=["maize", "water"])
    assert [len(scores_of_picture) for scores_of_picture in scores] == [2, 2]


def test_of_a_senclip_the_image_tower_has_moved_and_the_words_have_not(senclip):
    before, after = (CLIPModel.from_pretrained(senclip / name).state_dict() for name in ("clip", "model"))
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert any(name.startswith("vision_model.encoder") for name in moved)
    assert all(name.startswith(("vision_model", "visual_projection")) for name in moved)


@pytest.mark.slow
def test_a_senclip_that_was_killed_ends_as_if_it_had_never_stopped(tmp_path):
    settings = (*TOWER_ALONE, "--steps", "9", "--save_steps", "3", "--eval_steps", "4", "--memory_bank_size", "48")
    settings = (*settings, "--projection_head", "true", "--photo_pooling", "attention_per_image")
    uninterrupted, cut = tmp_path / "uninterrupted", tmp_path / "cut"
    train(uninterrupted, *settings, config=SENCLIP)
    kill(cut, *settings, checkpoint=cut / "images_and_photos" / "checkpoint-00000003", config=SENCLIP)
    train(cut, *settings, config=SENCLIP)
    assert outcome(cut) == outcome(uninterrupted)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("--learning_rat", "1"), "learning_rat"),
        (("--model_name_or_path", "/nowhere"), "No pixel tower can be read from /nowhere"),
        (("--memory_bank_size", "-1"), "`memory_bank_size` must be at least 0, got -1"),
        (("--batch_size", "4096"), "`batch_size` must lie between 1 and the number of rows"),
        (("--dataset_name_or_path", "/nowhere"), "No dataset can be read from /nowhere"),
        (("--system", "senclip", "--trainable_blocks", "9"), "`trainable_blocks` must lie in 0 to 4"),
        (("--push_to_hub", "true", "--hub_model_id", "a/b"), "`push_to_hub` needs a valid token"),
    ],
)
@pytest.mark.slow
def test_what_cannot_be_trained_is_refused_in_one_line(settings, message, tmp_path):
    line = refuse(tmp_path, *TOWER_ALONE, *settings)
    assert line.startswith("error: ")
    assert message in line


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_a_run_that_was_killed_in_both_stages_ends_as_if_it_had_never_stopped(processes, tmp_path):
    uninterrupted, cut = tmp_path / "uninterrupted", tmp_path / "cut"
    train(uninterrupted, *EVENTFUL, processes=processes)
    for stage, step in (("photos_and_captions", 3), ("series_and_photos", 6)):
        kill(cut, *EVENTFUL, checkpoint=cut / stage / f"checkpoint-{step:08d}", processes=processes)
        assert newest_step(cut / stage) >= step
    train(cut, *EVENTFUL, processes=processes)
    assert outcome(cut) == outcome(uninterrupted)


@pytest.mark.slow
def test_the_model_is_pushed_to_the_hub_at_the_end(hub, tmp_path):
    settings = (*TOWER_ALONE, "--push_to_hub", "true", "--hub_model_id", "tester/trained")
    train(tmp_path / "run", *settings, **{**hub.environment(tmp_path / "home"), "HF_HUB_OFFLINE": "0"})
    names = os.listdir(tmp_path / "run" / "model")
    assert set(names) <= set(hub.files("models", "tester/trained"))
