import json
import os
import resource
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from accelerate import Accelerator
from torch import nn

from timesenclip_hf.files.locks import UNFINISHED
from training.checkpoints import (
    RECIPE,
    RUN_FILE,
    Checkpoints,
    Progress,
    compute_once,
    list_checkpoints,
    open_run,
    read_progress,
)


@pytest.fixture
def kept(tmp_path):
    """A stage's checkpoints of a linear layer, and the layer."""
    (tmp_path / RUN_FILE).write_text("{}")
    accelerator = Accelerator(cpu=True)
    layer = accelerator.prepare(nn.Linear(300, 300))
    return Checkpoints(accelerator, tmp_path / "stage"), layer


def test_the_newest_checkpoint_is_restored_with_its_progress(kept):
    checkpoints, layer = kept
    for step in (3, 6, 9):
        with torch.no_grad():
            layer.bias.fill_(step)
        checkpoints.save(Progress(step=step, curve=[{"step": step, "loss": 0.5}]))
    with torch.no_grad():
        layer.bias.zero_()
    progress = checkpoints.restore()
    assert progress == Progress(step=9, curve=[{"step": 9, "loss": 0.5}])
    assert layer.bias.unique().tolist() == [9.0]
    assert [path.name for path in list_checkpoints(checkpoints.folder)] == [
        "checkpoint-00000006",
        "checkpoint-00000009",
    ]


def test_a_stage_that_has_not_begun_is_at_its_beginning(kept):
    assert kept[0].restore() == Progress()


def test_a_checkpoint_that_was_cut_off_while_it_was_written_does_not_count(kept):
    checkpoints, _ = kept
    checkpoints.save(Progress(step=3))
    half = checkpoints.folder / f"{UNFINISHED}killed" / "checkpoint-00000006"
    half.mkdir(parents=True)
    (half / "progress.json").write_text("{")
    assert checkpoints.restore().step == 3


def test_when_the_disk_is_full_then_the_former_checkpoint_is_as_it_was(kept):
    checkpoints, _ = kept
    checkpoints.save(Progress(step=3))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(OSError, match=r"step 6 could not be written .* it goes on from checkpoint-00000003\."):
            checkpoints.save(Progress(step=6))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert checkpoints.restore().step == 3
    assert [path.name for path in checkpoints.folder.iterdir()] == ["checkpoint-00000003"]


def test_a_damaged_checkpoint_is_named(kept):
    checkpoints, _ = kept
    checkpoints.save(Progress(step=3))
    checkpoint = list_checkpoints(checkpoints.folder)[0]
    (checkpoint / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(OSError, match=r"checkpoint-00000003 cannot be read .*: delete it"):
        checkpoints.restore()
    (checkpoint / "progress.json").write_text("{")
    with pytest.raises(OSError, match=r"checkpoint-00000003 cannot be read .*: delete it"):
        read_progress(checkpoints.folder)


def test_a_folder_belongs_to_one_run_at_a_time(tmp_path):
    lock = open_run(tmp_path, {"seed": 0})
    with ThreadPoolExecutor(1) as other, pytest.raises(OSError, match=rf"is being written to by process {os.getpid()}"):
        other.submit(open_run, tmp_path, {"seed": 0}).result()
    lock.release()
    open_run(tmp_path, {"seed": 0}).release()


def test_a_folder_is_gone_on_in_with_the_same_settings_only(tmp_path):
    open_run(tmp_path, {"seed": 0, "workers": 2}).release()
    open_run(tmp_path, {"seed": 0, "workers": 1}).release()
    with pytest.raises(ValueError, match=r"holds a run with another seed \(0, now 1\): choose another folder"):
        open_run(tmp_path, {"seed": 1, "workers": 2})


def test_a_run_that_another_recipe_began_is_refused_in_one_sentence(tmp_path):
    """What the commit before wrote says nothing of its recipe."""
    settings = {"seed": 0, "workers": 2}
    for recipe in ({}, {"recipe": RECIPE + 1}):
        (tmp_path / RUN_FILE).write_text(json.dumps({"arguments": settings, "code": {}, **recipe}))
        with pytest.raises(ValueError, match="holds a run of another version of the training code") as caught:
            open_run(tmp_path, settings)
        assert "\n" not in str(caught.value)
        assert json.loads((tmp_path / RUN_FILE).read_text()) == {"arguments": settings, "code": {}, **recipe}


def test_tensors_that_an_earlier_start_computed_are_not_computed_again(tmp_path):
    files = [tmp_path / "shards" / f"{shard}.safetensors" for shard in range(3)]
    computed = []

    def compute(shard):
        computed.append(shard)
        if len(computed) == 3:
            raise KeyboardInterrupt
        return {"x": torch.full((2,), float(shard))}

    with pytest.raises(KeyboardInterrupt):
        compute_once(files, compute, Accelerator(cpu=True), "")
    assert compute_once(files, compute, Accelerator(cpu=True), "")["x"].tolist() == [0, 0, 1, 1, 2, 2]
    assert computed == [0, 1, 2, 2]
    assert sorted(tmp_path.rglob("*.*")) == files


def test_settings_and_versions_are_kept(tmp_path):
    open_run(tmp_path, {"seed": 0}).release()
    kept = json.loads((tmp_path / RUN_FILE).read_text())
    assert kept["arguments"] == {"seed": 0}
    assert kept["code"]["torch"] == torch.__version__
    assert len(kept["code"]["commit"].rstrip("+")) == 40
