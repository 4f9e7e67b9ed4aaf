"""The documented command, with a few steps of every stage."""

import json
import subprocess
import sys

from transformers import AutoModel, pipeline

from tests.conftest import ROOT
from timesenclip_hf.data.simulated import simulate


def test_a_few_steps_of_every_stage_leave_a_checkpoint_that_the_pipeline_loads(tmp_path):
    command = [sys.executable, "-m", "accelerate.commands.launch", "training/train.py", "training/configs/smoke.yaml"]
    done = subprocess.run(
        [*command, "--output_dir", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    results = json.loads((tmp_path / "results.json").read_text())
    assert set(results["curves"]) == {"photos_and_captions", "series_and_photos"}
    assert results["zero_shot"]["ten_covers"]["samples"] > 100
    assert results["arguments"]["steps"] == 4

    classify = pipeline("zero-shot-pixel-classification", model=str(tmp_path / "model"), device="cpu")
    assert len(classify(simulate(3, seed=0).series, candidate_labels=["maize", "water"])) == 3
    # Trained series-to-photo temperature, not CLIP's.
    clip = AutoModel.from_pretrained(tmp_path / "clip")
    assert classify.model.logit_scale.item() != clip.logit_scale.item()
