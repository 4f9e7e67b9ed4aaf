import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoProcessor, CLIPModel, CLIPProcessor, pipeline

from tests.hub.conftest import last_line
from timesenclip_hf import DEFAULT_CHECKPOINT, TimeSenCLIPPixelModel, ZeroShotPixelClassificationPipeline
from timesenclip_hf.models.timesenclip.weights_timesenclip import weights_hash

REPO = "tester/thing"
LICENCES = ("--licence", "cc-by-4.0", "--clip-licence", "mit", "--data-licence", "Copernicus, LUCAS terms")
ORIGIN = ("--origin", "Converted from somebody's checkpoint.")
STAGED = Path("runs/push/thing")
LABELS = ["maize", "grassland", "houses"]
# Runs where the package cannot be imported.
WITHOUT_THE_PACKAGE = """
import sys
sys.modules["timesenclip_hf"] = None
import numpy as np
from transformers import AutoProcessor, pipeline
series = np.load({series!r})
classify = pipeline(model={repo!r}, trust_remote_code=True)
processor = AutoProcessor.from_pretrained({repo!r}, trust_remote_code=True)
print(json.dumps([
    classify(series, candidate_labels={labels!r}),
    np.asarray(processor(series)["pixel_series"]).tolist(),
    type(classify).__module__.split(".")[0],
]))
"""


def card(tmp_path: Path) -> str:
    return (tmp_path / STAGED / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def trained(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """Write a checkpoint with its run's results beside it, as training leaves them."""
    folder = tmp_path / "run" / "model"
    shutil.copytree(tiny_checkpoint, folder)
    run = {"arguments": {"steps": 7, "dataset_name_or_path": "/home/me/paired", "seed": None}, "code": {"torch": "2"}}
    (folder / "training_arguments.json").write_text(json.dumps(run))
    (folder.parent / "results.json").write_text(json.dumps({**run, "minutes": 90.0}))
    return folder


def evaluation(folder: Path, path: Path) -> Path:
    """Write results of an evaluation of these weights, and of others."""
    metric = {"value": 0.5, "low": 0.4, "high": 0.6}
    entry = {
        "task": "covers", "prompts": "generic", "composites": 12, "missing": "none", "scores": "raw", "samples": 9,
        "metrics": {"balanced_accuracy": metric}, "recall": {"maize": 0.5}, "absent": [], "blocks": None,
        "baselines": {"majority": {"balanced_accuracy": 0.3}, "chance": 0.2},
    }  # fmt: skip
    hashes = [weights_hash(AutoModel.from_pretrained(folder).state_dict()), "0" * 16]
    runs = [
        {"model": {"name": f"model {index}", "weights_hash": weights}, "dataset": {"name": "Fields"}, "tasks": [entry]}
        for index, weights in enumerate(hashes)
    ]
    path.write_text(json.dumps({"runs": runs}))
    return path


def test_the_embedded_checkpoint_needs_nothing_but_a_name(command, tmp_path, hub):
    done = command("push_model", DEFAULT_CHECKPOINT, REPO, "--dry-run")
    assert done.exit_code == 0, done.output
    assert "dry run: nothing was pushed" in done.stdout
    assert re.search(r"model\.safetensors  \d\.\d\d MB", done.stdout)
    names = {path.name for path in (tmp_path / STAGED).iterdir()}
    assert {"README.md", "LICENSE", "model.safetensors", "tokenizer.json", "pipeline_timesenclip.py"} <= names
    assert "# thing\n" in card(tmp_path)
    assert f'pipeline("zero-shot-pixel-classification", model="{REPO}", trust_remote_code=True)' in card(tmp_path)
    for section in ("Intended use", "Known limits", "Licences", "Carbon", "Citation", "Results"):
        assert f"## {section}\n" in card(tmp_path)
    assert "model-index:" in card(tmp_path)


def test_a_card_says_how_the_weights_were_made_what_it_cost_and_how_good_they_are(command, trained, tmp_path):
    results = evaluation(trained, tmp_path / "evaluation.json")
    done = command("push_model", trained, REPO, *LICENCES, "--hardware", "a toaster", "--results", results)
    assert done.exit_code == 0, done.output
    for sentence in (
        "license: cc-by-4.0",
        "| weights | cc-by-4.0 |",
        "| code in this repository | mit |",
        "| data that they were trained on | Copernicus, LUCAS terms |",
        "| `steps` | 7 |",
        "| `dataset_name_or_path` | paired |",
        "Trained for 1.5 hours on a toaster",
        "| Fields | covers | 1, 1 | 9 | **0.500 (0.400–0.600)** | 0.300 | 0.200 |",
        "value: 0.5",
        "@article{jain2026timesenclip,",
    ):
        assert sentence in card(tmp_path)
    assert card(tmp_path).count("| Fields |") == 1
    assert "seed" not in card(tmp_path)
    staged = json.loads((tmp_path / STAGED / "training_arguments.json").read_text())
    assert staged["arguments"]["dataset_name_or_path"] == "paired"


def test_a_model_that_was_not_evaluated_says_so(command, tiny_checkpoint, tmp_path):
    assert command("push_model", tiny_checkpoint, REPO, *LICENCES, *ORIGIN).exit_code == 0
    assert "**It was not evaluated with this package**" in card(tmp_path)
    assert "Converted from somebody's checkpoint." in card(tmp_path)
    assert "Nothing was trained for this repository" in card(tmp_path)


def test_a_senclip_goes_as_the_stock_clip_that_it_is(command, tiny_clip, tmp_path):
    assert command("push_model", tiny_clip, REPO, *LICENCES, *ORIGIN).exit_code == 0
    assert not list((tmp_path / STAGED).glob("*.py"))
    assert "pipeline_tag: zero-shot-image-classification" in card(tmp_path)
    stock = CLIPModel.from_pretrained(tmp_path / STAGED)
    assert weights_hash(stock.state_dict()) == weights_hash(CLIPModel.from_pretrained(tiny_clip).state_dict())
    assert isinstance(AutoProcessor.from_pretrained(tmp_path / STAGED), CLIPProcessor)
    classify = pipeline("zero-shot-image-classification", model=str(tmp_path / STAGED))
    picture = torch.zeros(3, 32, 32).numpy().transpose(1, 2, 0).astype(np.uint8)
    from PIL import Image

    assert len(classify(Image.fromarray(picture), candidate_labels=LABELS)) == 3


def test_what_is_published_classifies_alike_where_the_package_is_not_installed(
    command, logged_in, hub, tiny_checkpoint, tmp_path
):
    done = command("push_model", tiny_checkpoint, REPO, *LICENCES, *ORIGIN, "--push")
    assert f"pushed: {hub.url}/{REPO}/commit/" in done.stdout
    series = np.random.default_rng(0).integers(200, 4_000, (3, 12, 10))
    np.save(tmp_path / "series.npy", series)
    without, arrays, module = hub.run(
        tmp_path / "home",
        WITHOUT_THE_PACKAGE.format(series=str(tmp_path / "series.npy"), repo=REPO, labels=LABELS),
    )
    model, processor = (auto.from_pretrained(tiny_checkpoint) for auto in (AutoModel, AutoProcessor))
    with_it = ZeroShotPixelClassificationPipeline(model=model, processor=processor)(series, candidate_labels=LABELS)
    assert module == "transformers_modules"
    labels, scores = (
        [[[entry[key] for entry in rows] for rows in results] for results in (without, with_it)]
        for key in ("label", "score")
    )
    assert labels[0] == labels[1]
    np.testing.assert_allclose(*scores, rtol=1e-5)
    np.testing.assert_array_equal(np.float32(arrays), processor(series)["pixel_series"])
    again = command("push_model", tiny_checkpoint, REPO, *LICENCES, *ORIGIN, "--push")
    assert f"nothing to push: {REPO} has it all" in again.stdout
    assert len(hub.repository("models", REPO).log("main")) == 2


def test_whatever_is_missing_or_wrong_is_said_in_one_line_and_nothing_is_asked_of_the_hub(
    command, trained, tiny_clip, tmp_path, hub
):
    pickled, secret, tower = (tmp_path / name for name in ("pickled", "secret", "tower"))
    for folder in (pickled, secret):
        shutil.copytree(trained, folder)
    (pickled / "optimizer.bin").write_bytes(b"")
    (secret / "notes.txt").write_text("hf_" + "a" * 34)
    TimeSenCLIPPixelModel(AutoModel.from_pretrained(trained).config.pixel_config).save_pretrained(tower)
    others = evaluation(tiny_clip, tmp_path / "others.json")
    text = tmp_path / "text.json"
    text.write_text("no JSON")
    (tmp_path / "empty").mkdir()
    complete = (*LICENCES, "--hardware", "a toaster")
    for arguments, sentence in (
        ((tmp_path / "nowhere", *complete), "No such folder of a checkpoint"),
        ((tmp_path / "empty", *complete, *ORIGIN), "No model can be read from"),
        ((trained, "--hardware", "a toaster"), "A licence is missing: name it with --licence"),
        ((trained, *complete, "--clip-licence", ""), "name it with --clip-licence"),
        ((trained, *complete, "--licence", "other"), "give its text with --licence-link"),
        ((trained, *LICENCES), "name the machine with --hardware"),
        ((tiny_clip, *LICENCES), "say it with --origin"),
        ((trained, *complete, "--results", others), "The results are of other weights"),
        ((trained, *complete, "--results", text), "cannot be read as JSON"),
        ((trained, *complete, "--training-results", others), "is of another run"),
        ((pickled, *complete, *ORIGIN), "optimizer.bin is a pickle"),
        ((secret, *complete, *ORIGIN), "notes.txt holds a token of Hugging Face"),
        ((tower, *complete, *ORIGIN), "holds a TimeSenCLIPPixelModel"),
        ((trained, *complete, "--limit-gb", "0.00001"), "save it in parts"),
        ((trained, *complete, "--staging", tmp_path), "name another folder to stage in"),
        ((trained, *complete, "--note", "It reads $more"), "empty slots: `$more`"),
    ):
        checkpoint, *options = arguments
        assert sentence in last_line(command("push_model", checkpoint, REPO, *options)), sentence
    assert "must be user/name" in last_line(command("push_model", trained, "thing"))
    assert not hub.requests
