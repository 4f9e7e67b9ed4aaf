"""Set what every test may rely on: no network, small checkpoints, and a skip with its reason for what is not here."""

import os

# Before anything of Hugging Face is imported: the libraries read these once.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("MPLBACKEND", "Agg")

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.hub_stub import HubStub

with suppress(ModuleNotFoundError):  # tests of properties skip by the name of the extra
    from hypothesis import settings

    # Hypothesis allows an example 200 ms unless told otherwise: a timed test, which a busy machine fails by chance.
    settings.register_profile("untimed", deadline=None)
    settings.load_profile("ci" if os.environ.get("CI") else "untimed")

# A plugin rather than hooks here, which would not be asked about a folder whose own conftest cannot be imported.
pytest_plugins = ["tests.support.extras"]

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data, `../shared/data` unless TIMESENCLIP_REAL_DATA names another."""
    # Not at the head of the file: the environment must be set before transformers is imported.
    from training.real_sets import real_data_folder

    try:
        return real_data_folder()
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def hub_server() -> Iterator[HubStub]:
    """Run a Hub on loopback, with one client, for all tests."""
    with HubStub() as server:
        yield server


@pytest.fixture
def hub(hub_server: HubStub) -> HubStub:
    """Empty the Hub on loopback; `hub.run` talks to it from a process beside this one."""
    hub_server.empty()
    return hub_server


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP checkpoint of 32-dimensional towers with random weights: model, image processor and tokenizer."""
    folder = tmp_path_factory.mktemp("tiny_clip")
    write_tiny_clip(folder)
    return folder


def write_tiny_clip(folder: Path, projection_dim: int = 32) -> None:
    """Writes the checkpoint of `tiny_clip`, or one of another joint space."""
    # Not at the head of the file: the environment must be set before transformers is imported.
    import torch
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTextConfig, CLIPTokenizer, CLIPVisionConfig

    letters = sorted(ByteLevel.alphabet())
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    text = CLIPTextConfig(
        vocab_size=len(tokens),
        bos_token_id=len(tokens) - 2,
        eos_token_id=len(tokens) - 1,
        pad_token_id=0,
        **sizes,
    )
    vision = CLIPVisionConfig(image_size=32, patch_size=16, **sizes)
    torch.manual_seed(0)
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=projection_dim)).save_pretrained(folder)
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=32).save_pretrained(folder)
    vocab = {token: index for index, token in enumerate(tokens)}
    CLIPTokenizer(vocab=vocab, merges=[], model_max_length=77).save_pretrained(folder)


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole checkpoint with random weights: a small pixel tower on `tiny_clip`, and its processor."""
    import torch
    from transformers import AutoImageProcessor, AutoTokenizer

    from timesenclip_hf import (
        TimeSenCLIPFeatureExtractor,
        TimeSenCLIPModel,
        TimeSenCLIPPixelConfig,
        TimeSenCLIPProcessor,
    )

    torch.manual_seed(0)
    config = TimeSenCLIPPixelConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=16, projection_dim=32
    )
    folder = tmp_path_factory.mktemp("tiny_checkpoint")
    TimeSenCLIPModel.from_clip(config, str(tiny_clip)).save_pretrained(folder)
    TimeSenCLIPProcessor(
        TimeSenCLIPFeatureExtractor(),
        AutoImageProcessor.from_pretrained(tiny_clip),
        AutoTokenizer.from_pretrained(tiny_clip),
        hypothesis_template=["a photo of {}", "{}"],
    ).save_pretrained(folder)
    return folder
