"""What every test may rely on: no network, and the folder of real data or a skip with its reason."""

import os

# Before anything of Hugging Face is imported: the libraries read these once.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("MPLBACKEND", "Agg")

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data, `../shared/data` unless TIMESENCLIP_REAL_DATA names another."""
    folder = Path(os.environ.get("TIMESENCLIP_REAL_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: set TIMESENCLIP_REAL_DATA to the folder that holds it")
    return folder
