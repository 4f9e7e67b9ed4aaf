"""An exported folder in a process that cannot import the package, against the same model in this one."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoProcessor

from timesenclip_hf import (
    TimeSenCLIPFeatureExtractor,
    TimeSenCLIPModel,
    TimeSenCLIPPixelConfig,
    TimeSenCLIPProcessor,
    ZeroShotPixelClassificationPipeline,
)
from timesenclip_hf.conversion.remote_code import save_with_remote_code

LABELS = ["maize", "grassland", "houses"]
# Runs with the package blocked, whether it is installed in site-packages or from the source tree.
SCRIPT = """
import json, sys
sys.modules["timesenclip_hf"] = None
import numpy as np, torch
from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, AutoProcessor, pipeline
from transformers.dynamic_module_utils import get_class_from_dynamic_module

folder, other_folder, series_file, *labels = sys.argv[1:]
series = np.load(series_file)
remote = {"trust_remote_code": True}
task = "zero-shot-pixel-classification"
model = AutoModel.from_pretrained(folder, **remote)
extractor = AutoFeatureExtractor.from_pretrained(folder, **remote)
processor = AutoProcessor.from_pretrained(folder, **remote)
tower = get_class_from_dynamic_module("modeling_timesenclip.TimeSenCLIPPixelModel", folder).from_pretrained(folder)
batch = processor(series, text=labels, return_tensors="pt")
with torch.no_grad():
    logits = model(**batch).logits_per_series
    embeds = tower(**extractor(series, return_tensors="pt")).pooler_output
    other = AutoModel.from_pretrained(other_folder, **remote)
    other_embeds = other.get_series_features(**extractor(series, return_tensors="pt")).pooler_output
print(json.dumps({
    "model_type": AutoConfig.from_pretrained(folder, **remote).model_type,
    "modules": sorted({type(part).__module__.split(".")[0] for part in (model, processor, extractor, tower)}),
    "logits": logits.tolist(),
    "embeds": embeds.tolist(),
    "other_encoder": [type(other.pixel_model.encoder).__name__, type(other).__module__.split(".")[0]],
    "other_embeds": other_embeds.tolist(),
    "with_task": pipeline(task, model=folder, **remote)(series, candidate_labels=labels),
    "without_task": pipeline(model=folder, **remote)(series, candidate_labels=labels),
}))
"""


def export(folder: Path, tiny_clip: Path, **kwargs: Any) -> Path:
    torch.manual_seed(0)
    config = TimeSenCLIPPixelConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=4, intermediate_size=16, projection_dim=32, **kwargs
    )
    model = TimeSenCLIPModel.from_clip(config, str(tiny_clip))
    for parameter in model.pixel_model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    with torch.no_grad():
        model.train().get_series_features(torch.rand(64, 12, 10))  # running statistics, where the encoder keeps any
    clip = AutoProcessor.from_pretrained(tiny_clip)
    processor = TimeSenCLIPProcessor(TimeSenCLIPFeatureExtractor(), clip.image_processor, clip.tokenizer)
    model.config.calibration_temperature = 0.5
    save_with_remote_code(model, processor, folder)
    return folder


@pytest.fixture(scope="module")
def exported(tiny_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(tmp_path_factory.mktemp("exported"), tiny_clip)


@pytest.fixture(scope="module")
def other_exported(tiny_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(tmp_path_factory.mktemp("other_exported"), tiny_clip, encoder_type="tempcnn")


@pytest.fixture(scope="module")
def series() -> np.ndarray:
    return np.random.default_rng(0).integers(200, 4000, (4, 12, 10))


@pytest.fixture(scope="module")
def elsewhere(
    exported: Path, other_exported: Path, series: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Run the script in another process and return what it prints."""
    folder = tmp_path_factory.mktemp("elsewhere")
    np.save(folder / "series.npy", series)
    # -I keeps the working folder, PYTHONPATH and the user's site-packages out of the module search.
    finished = subprocess.run(
        [sys.executable, "-I", "-c", SCRIPT, *map(str, (exported, other_exported, folder / "series.npy")), *LABELS],
        cwd=folder,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_MODULES_CACHE": str(folder / "modules")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout.splitlines()[-1])


def test_the_exported_classes_come_from_the_folder_and_not_from_the_package(elsewhere):
    assert elsewhere["modules"] == ["transformers_modules"]
    assert elsewhere["model_type"] == "timesenclip"


@torch.no_grad()
def test_model_and_processor_agree_with_those_of_the_package(elsewhere, exported, series):
    model, processor = AutoModel.from_pretrained(exported), AutoProcessor.from_pretrained(exported)
    batch = processor(series, text=LABELS, return_tensors="pt")
    torch.testing.assert_close(torch.tensor(elsewhere["logits"]), model(**batch).logits_per_series)
    embeds = model.get_series_features(**processor(series, return_tensors="pt")).pooler_output
    torch.testing.assert_close(torch.tensor(elsewhere["embeds"]), embeds)


@torch.no_grad()
def test_an_encoder_with_running_statistics_travels_alike(elsewhere, other_exported, series):
    model, processor = AutoModel.from_pretrained(other_exported), AutoProcessor.from_pretrained(other_exported)
    assert elsewhere["other_encoder"] == ["TimeSenCLIPTempCNN", "transformers_modules"]
    embeds = model.get_series_features(**processor(series, return_tensors="pt")).pooler_output
    torch.testing.assert_close(torch.tensor(elsewhere["other_embeds"]), embeds)


@pytest.mark.parametrize("name", ["with_task", "without_task"])
def test_the_pipeline_agrees_with_that_of_the_package(name, elsewhere, exported, series):
    classify = ZeroShotPixelClassificationPipeline(
        model=AutoModel.from_pretrained(exported), processor=AutoProcessor.from_pretrained(exported)
    )
    here = classify(series, candidate_labels=LABELS)
    remote = elsewhere[name]
    assert [[r["label"] for r in rows] for rows in remote] == [[r["label"] for r in rows] for rows in here]
    scores = [[[r["score"] for r in rows] for rows in results] for results in (remote, here)]
    np.testing.assert_allclose(*scores, rtol=1e-4, atol=1e-6)


def test_every_sibling_that_the_exported_code_imports_is_there_and_no_more(exported):
    files = {file.stem: file.read_text() for file in exported.glob("*.py")}
    wanted = {
        node.module
        for text in files.values()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom) and node.level
    }
    entries = {
        "modeling_timesenclip",
        "pipeline_timesenclip",
        "processing_timesenclip",
        "feature_extraction_timesenclip",
    }
    assert files.keys() == wanted | entries


def test_exporting_leaves_no_mark_on_what_is_saved_later(exported, tmp_path):
    model, processor = AutoModel.from_pretrained(exported), AutoProcessor.from_pretrained(exported)
    save_with_remote_code(model, processor, tmp_path / "export")
    TimeSenCLIPModel(model.config).save_pretrained(tmp_path / "fresh")
    TimeSenCLIPFeatureExtractor().save_pretrained(tmp_path / "fresh")
    assert not list((tmp_path / "fresh").glob("*.py"))


def test_an_export_over_an_earlier_one_changes_nothing(exported, tmp_path):
    model, processor = AutoModel.from_pretrained(exported), AutoProcessor.from_pretrained(exported)
    contents = []
    for _ in range(2):
        save_with_remote_code(model, processor, tmp_path)
        contents.append({file.name: file.read_bytes() for file in tmp_path.iterdir()})
    assert contents[0] == contents[1]
    assert contents[0].keys() == {file.name for file in exported.iterdir()}
