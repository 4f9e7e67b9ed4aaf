"""OpenAI's CLIP, written here with PyTorch's own layers, against what the converter makes of its weights."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer, CLIPModel
from typer.testing import CliRunner

from tests.support.openai_clip import KEY_FORMS, OpenAICLIP, beside, random_openai_clip, random_texts
from tests.support.reference import random_upstream_encoder, under
from timesenclip_hf.cli import app
from timesenclip_hf.conversion import ConversionReport, convert, convert_senclip, upstream
from timesenclip_hf.files import read_checkpoint
from timesenclip_hf.models.timesenclip.zero_shot_timesenclip import embed_classes, expand_prompts


@pytest.fixture
def converted(tmp_path: Path, tiny_clip: Path) -> Callable[..., ConversionReport]:
    """Saves a state dict and converts it to `tmp_path / "converted"`."""

    def _convert(content: Any, clip: Path = tiny_clip) -> ConversionReport:
        torch.save(content, tmp_path / "upstream.ckpt")
        return convert_senclip(tmp_path / "upstream.ckpt", clip, tmp_path / "converted", overwrite=True)

    return _convert


@torch.no_grad()
def assert_same_features(folder: Path, clip: OpenAICLIP) -> None:
    model = AutoModel.from_pretrained(folder)
    assert type(model) is CLIPModel
    torch.manual_seed(2)
    side = model.config.vision_config.image_size
    images, texts = torch.randn(5, 3, side, side), random_texts(6, clip)
    ours = model.get_image_features(images).pooler_output
    torch.testing.assert_close(ours, clip.encode_image(images), atol=3e-5, rtol=0)
    ours = model.get_text_features(texts).pooler_output
    torch.testing.assert_close(ours, clip.encode_text(texts), atol=3e-5, rtol=0)
    assert model.logit_scale == clip.logit_scale


@pytest.mark.parametrize("form", KEY_FORMS)
def test_every_key_form_gives_the_features_of_openais_clip(form, converted, tmp_path):
    clip = random_openai_clip()
    report = converted(KEY_FORMS[form](clip.state_dict()))
    assert_same_features(tmp_path / "converted", clip)
    assert len(report.converted) == len(clip.state_dict())
    assert report.description[1].startswith("text tower: its own;")


@pytest.mark.parametrize(
    "sizes",
    [
        {"size": 48, "patch": 8, "joint": 32},
        {"vision_width": 64, "vision_layers": 1, "text_width": 128, "text_layers": 4, "length": 40},
        {"vision_layers": 11, "text_layers": 12},
    ],
)
def test_sizes_are_read_from_the_shapes(sizes, converted, tmp_path):
    clip = random_openai_clip(**sizes)
    converted(clip.state_dict())
    assert_same_features(tmp_path / "converted", clip)


def test_what_training_added_is_listed_with_its_reason(converted):
    clip = random_openai_clip()
    report = converted(KEY_FORMS["learner.encoder.model nested"](clip.state_dict()))
    others = beside(clip.state_dict())
    assert report.left_out.keys() == others.keys()
    assert "projection head" in report.left_out["learner.projection_head.fc.weight"]
    assert "temperature against photos" in report.left_out["logit_scale"]
    assert (
        "read from the shapes"
        in converted(clip.state_dict() | {"context_length": torch.tensor(77)}).left_out["context_length"]
    )
    for key in [*report.converted, *others]:
        assert key in str(report)
    assert "under learner.encoder.model." in str(report)
    assert "quick_gelu" in str(report)


@torch.no_grad()
def test_without_a_text_tower_that_of_the_clip_is_taken(converted, tmp_path, tiny_clip):
    clip = random_openai_clip(joint=32)
    report = converted({key: tensor for key, tensor in clip.state_dict().items() if key.startswith("visual.")})
    assert report.description[1].startswith(f"text tower: {tiny_clip};")
    model, tiny = CLIPModel.from_pretrained(tmp_path / "converted"), CLIPModel.from_pretrained(tiny_clip)
    texts, images = torch.randint(500, (4, 9)), torch.randn(2, 3, 32, 32)
    texts[:, -1] = 513
    assert torch.equal(model.get_text_features(texts).pooler_output, tiny.get_text_features(texts).pooler_output)
    assert model.logit_scale == tiny.logit_scale
    ours = model.get_image_features(images).pooler_output
    torch.testing.assert_close(ours, clip.encode_image(images), atol=3e-5, rtol=0)


def test_half_precision_weights_are_stored_as_float32(converted, tmp_path):
    converted({key: tensor.half() for key, tensor in random_openai_clip().state_dict().items()})
    assert CLIPModel.from_pretrained(tmp_path / "converted").dtype == torch.float32


def test_the_folder_needs_no_code_of_ours_and_reads_pictures_and_words(converted, tmp_path):
    converted(random_openai_clip().state_dict())
    folder = tmp_path / "converted"
    processor, tokenizer = AutoImageProcessor.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert type(processor).__module__.startswith("transformers.")
    assert "auto_map" not in (folder / "config.json").read_text()
    values = processor(np.full((64, 64, 3), 255, dtype=np.uint8), return_tensors="pt")["pixel_values"]
    expected = [(1 - mean) / std for mean, std in ((0.347, 0.269), (0.376, 0.261), (0.296, 0.276))]
    assert values.shape == (1, 3, 32, 32)
    torch.testing.assert_close(values[0].mean(dim=(1, 2)), torch.tensor(expected), atol=1e-4, rtol=0)
    classes = embed_classes(CLIPModel.from_pretrained(folder), tokenizer, expand_prompts(["a lake", "maize"]))
    assert classes.shape == (2, 48)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s: {k: v for k, v in s.items() if "ln_1.bias" not in k},
            r"lacks keys.*visual\.transformer\.resblocks\.0\.ln_1\.bias",
        ),
        (lambda s: {k: v for k, v in s.items() if k != "ln_final.bias"}, r"lacks keys of the CLIP: ln_final\.bias\."),
        (lambda s: s | {"visual.extra": torch.ones(1)}, r"no CLIP of OpenAI's has: visual\.extra"),
        (lambda s: s | {"transformer.resblocks.0.ln_3.bias": torch.ones(1)}, r"has: transformer\.resblocks\.0\.ln_3"),
        (
            lambda s: s | {"visual.ln_post.bias": torch.ones(7)},
            r"ln_post\.bias must have the shape \(128,\), got",
        ),
        (lambda s: s | {"visual.proj": torch.ones(7)}, r"visual\.proj must have 2 axes"),
        (lambda s: s | {"visual.positional_embedding": torch.ones(6, 128)}, "5 patches.*square"),
        (lambda s: {"visual.layer1.0.conv1.weight": torch.ones(1), **s}, "ResNet tower.*ViT-B/32"),
        (lambda s: {"ln_final.bias": torch.ones(1)}, r"no CLIP in OpenAI's layout.*ln_final\.bias"),
        (lambda s: under("a.", s) | under("b.", s), r"holds 2 CLIPs, under a\., b\."),
        (lambda s: {k: v for k, v in s.items() if k.startswith("visual.")}, "48 dimensions.*32"),
        (lambda s: s | {"token_embedding.weight": torch.ones(600, 64)}, "514 tokens, the text tower 600"),
    ],
)
def test_a_file_that_is_no_such_clip_is_refused_in_one_sentence(change, message, converted, tmp_path):
    with pytest.raises(ValueError, match=message) as error:
        converted(change(random_openai_clip().state_dict()))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "converted").exists()


def test_of_a_trained_and_a_frozen_clip_the_trained_one_is_taken(converted, tmp_path):
    clip = random_openai_clip()
    frozen = {key: tensor + 1 for key, tensor in under("clip_model.", clip.state_dict()).items()}
    report = converted(frozen | under("learner.encoder.model.", clip.state_dict()))
    assert_same_features(tmp_path / "converted", clip)
    assert report.left_out.keys() == frozen.keys()


def test_a_clip_that_cannot_be_read_and_an_output_that_is_a_file_are_named(converted, tmp_path):
    with pytest.raises(ValueError, match=r"No CLIP checkpoint can be read from .*absent"):
        converted(random_openai_clip().state_dict(), clip=tmp_path / "absent")
    (tmp_path / "converted").write_text("")
    with pytest.raises(FileExistsError, match="is there already and is no folder"):
        converted(random_openai_clip().state_dict())


def test_the_command_tells_either_paper_by_the_keys(tmp_path, tiny_clip):
    torch.save(random_openai_clip().state_dict(), tmp_path / "senclip.ckpt")
    torch.save(random_upstream_encoder(heads=8).state_dict(), tmp_path / "timesenclip.ckpt")
    for name, model_type in (("senclip", "clip"), ("timesenclip", "timesenclip")):
        arguments = ["convert", str(tmp_path / f"{name}.ckpt"), "--clip", str(tiny_clip)]
        result = CliRunner().invoke(app, [*arguments, "--output", str(tmp_path / name)])
        assert result.exit_code == 0, result.output
        assert "keys converted" in result.stdout
        assert AutoModel.from_pretrained(tmp_path / name).config.model_type == model_type


def test_a_checkpoint_is_read_once(tmp_path, tiny_clip, monkeypatch):
    torch.save(random_openai_clip().state_dict(), tmp_path / "senclip.ckpt")
    torch.save(random_upstream_encoder(heads=8).state_dict(), tmp_path / "timesenclip.ckpt")
    reads = []
    monkeypatch.setattr(upstream, "read_checkpoint", lambda path: reads.append(path) or read_checkpoint(path))
    for name in ("senclip", "timesenclip"):
        report = convert(tmp_path / f"{name}.ckpt", tiny_clip, tmp_path / name)
        assert report.checkpoint == str(tmp_path / f"{name}.ckpt")
    assert reads == [tmp_path / "senclip.ckpt", tmp_path / "timesenclip.ckpt"]


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ({"weight": torch.ones(1)}, {}, "neither a TimeSenCLIP encoder nor a CLIP.*first key is weight"),
        ({"visual.layer1.0.conv1.weight": torch.ones(1)}, {}, "ResNet"),
        ({"visual.conv1.weight": torch.ones(1)}, {"band_order": ["B02"]}, "drop the band order"),
        ({"visual.conv1.weight": torch.ones(1)}, {"vision_tower": False}, "drop the choice of towers"),
    ],
)
def test_what_is_neither_and_options_without_use_are_refused(content, options, message, tmp_path, tiny_clip):
    torch.save(content, tmp_path / "some.ckpt")
    with pytest.raises(ValueError, match=message):
        convert(tmp_path / "some.ckpt", tiny_clip, tmp_path / "converted", **options)
