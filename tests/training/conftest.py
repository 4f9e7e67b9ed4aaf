"""Share trained runs: each is made once in a session, for whoever needs one."""

from pathlib import Path

import pytest

from tests.support.training_runs import CONFIGS, FEW_PLACES, SHORT_STUDENT, make_once, train_here
from timesenclip_hf import DEFAULT_CHECKPOINT


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a few steps of every stage."""
    settings = (*FEW_PLACES, "--report_to", "tensorboard", "--clamp_max", "4", "--clip_text_steps", "3")
    return make_once(tmp_path_factory, "trained", lambda folder: train_here(folder, *settings))


@pytest.fixture(scope="session")
def senclip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a few steps of SenCLIP from the CLIP inside the embedded checkpoint."""
    settings = ("--clip_name_or_path", DEFAULT_CHECKPOINT, *FEW_PLACES, "--held_out_points", "120")
    return make_once(
        tmp_path_factory, "senclip", lambda folder: train_here(folder, *settings, config=CONFIGS / "senclip_smoke.yaml")
    )


@pytest.fixture(scope="session")
def student_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a few steps of the student of the checkpoint inside the package."""
    config = CONFIGS / "distil_embedded.yaml"
    return make_once(tmp_path_factory, "student", lambda folder: train_here(folder, *SHORT_STUDENT, config=config))
