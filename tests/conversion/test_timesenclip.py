"""Upstream's encoder, written here with PyTorch's own transformer, against what the converter makes of it."""

import argparse
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel, AutoProcessor

from tests.support.reference import KEY_FORMS, UpstreamEncoder, random_upstream_encoder, under
from timesenclip_hf import TimeSenCLIPPixelConfig
from timesenclip_hf.conversion import ConversionReport, convert_timesenclip, read_upstream_encoder
from timesenclip_hf.conversion.upstream import read_upstream


@pytest.fixture
def convert(tmp_path: Path, tiny_clip: Path) -> Callable[..., ConversionReport]:
    """Saves what is given with torch.save, or takes a file, and converts it to `tmp_path / "converted"`."""

    def _convert(content: Any, **options: Any) -> ConversionReport:
        file = content if isinstance(content, Path) else tmp_path / "upstream.ckpt"
        if file is not content:
            torch.save(content, file)
        options = {"clip": tiny_clip, "num_attention_heads": 4, **options}
        return convert_timesenclip(file, output=tmp_path / "converted", overwrite=True, **options)

    return _convert


@torch.no_grad()
def assert_same_embeddings(folder: Path, encoder: UpstreamEncoder, *shape: int) -> None:
    torch.manual_seed(2)
    series = torch.rand(5, *shape)
    observed = torch.rand(5, shape[0]) > 0.4
    observed[:, 0] = True
    model = AutoModel.from_pretrained(folder)
    for mask in (None, observed):
        ours = model.get_series_features(series, mask).pooler_output
        torch.testing.assert_close(ours, encoder(series, mask), atol=3e-5, rtol=0)


@pytest.mark.parametrize("form", KEY_FORMS)
def test_every_key_form_gives_the_embeddings_of_the_upstream_encoder(form, convert, tmp_path):
    encoder = random_upstream_encoder()
    report = convert(KEY_FORMS[form](encoder.state_dict()))
    assert_same_embeddings(tmp_path / "converted", encoder, 12, 10)
    assert len(report.converted) == len(encoder.state_dict())
    assert not report.left_out


@torch.no_grad()
def test_the_released_size_is_the_default_config_with_8169472_parameters_and_the_same_embeddings(tmp_path):
    encoder = random_upstream_encoder(dim=512, depth=6, heads=8, mlp_dim=256, joint=512)
    torch.save(encoder.state_dict(), tmp_path / "TimeSenCLIP_1x1.ckpt")
    pixel_model = read_upstream_encoder(tmp_path / "TimeSenCLIP_1x1.ckpt").pixel_model
    assert pixel_model.config.to_diff_dict() == TimeSenCLIPPixelConfig().to_diff_dict()
    assert pixel_model.num_parameters() == 8_169_472
    series, observed = torch.rand(5, 12, 10), torch.rand(5, 12) > 0.4
    for mask in (None, observed):
        ours = pixel_model(series, mask).pooler_output
        torch.testing.assert_close(ours, encoder(series, mask), atol=3e-5, rtol=0)


@pytest.mark.parametrize(
    ("sizes", "shape"),
    [
        ({"side": 5}, (12, 10, 5, 5)),
        ({"months": 4}, (4, 10)),
        ({"dim": 24, "depth": 1, "mlp_dim": 40}, (12, 10)),
    ],
)
def test_sizes_are_read_from_the_shapes(sizes, shape, convert, tmp_path):
    encoder = random_upstream_encoder(**sizes)
    convert(encoder.state_dict())
    assert_same_embeddings(tmp_path / "converted", encoder, *shape)


def test_a_lightning_file_converts_and_its_other_keys_are_listed_with_reasons(convert, tmp_path):
    encoder = random_upstream_encoder()
    trained = under("learner.ts_encoder.", encoder.state_dict())
    others = {
        "logit_scale": torch.tensor(2.6),
        "learner.queue": torch.rand(32, 8),
        "learner.queue_ptr": torch.zeros(1, dtype=torch.long),
        "learner.pooling_layer.linear.weight": torch.rand(1, 32),
        "clip_model.visual.proj": torch.rand(4, 4),
        "criterion.weight": torch.rand(2),
    }
    copy = {key: tensor + 1 for key, tensor in under("TS_ViT.", encoder.state_dict()).items()}
    report = convert(
        {
            "state_dict": trained | others | copy,
            "hyper_parameters": {"args": argparse.Namespace(LR=1e-4, ARCH="ViT-B/32")},
            "optimizer_states": [{"state": {}, "param_groups": [{"lr": 1e-4}]}],
        }
    )
    assert_same_embeddings(tmp_path / "converted", encoder, 12, 10)
    assert report.left_out.keys() == others.keys() | copy.keys()
    assert "photos" in report.left_out["learner.pooling_layer.linear.weight"]
    assert "differ" in report.left_out["TS_ViT.time_pos_encoding"]
    assert report.left_out["criterion.weight"] == "outside the encoder"
    for key in trained | others | copy:
        assert key in str(report)


def test_half_precision_weights_are_stored_as_float32(convert, tmp_path):
    convert({key: tensor.half() for key, tensor in random_upstream_encoder().state_dict().items()})
    assert AutoModel.from_pretrained(tmp_path / "converted").dtype == torch.float32


def test_the_band_order_and_its_scaling_are_kept_in_the_saved_processor(convert, tmp_path):
    default = convert(random_upstream_encoder().state_dict())
    assert "cannot be settled" in str(default)
    order = ["B4", "B3", "B2", "B5", "B6", "B7", "B8", "B8A", "B11", "B12"]
    report = convert(random_upstream_encoder().state_dict(), band_order=order)
    assert "cannot be settled" not in str(report)
    extractor = AutoProcessor.from_pretrained(tmp_path / "converted").feature_extractor
    assert extractor.band_names[:4] == ["B04", "B03", "B02", "B05"]
    assert "band order: B04 B03 B02 B05 " in str(report)
    assert extractor.band_low[0] == 93.27
    assert extractor.band_scale[2] == 2089


def test_a_band_named_twice_is_refused(convert):
    with pytest.raises(ValueError, match="each band once"):
        convert(
            random_upstream_encoder().state_dict(),
            band_order=["B02", "B2", *(f"B0{i}" for i in range(3, 9)), "B11", "B12"],
        )


def test_the_vision_tower_can_be_left_out(convert, tmp_path):
    convert(random_upstream_encoder().state_dict(), vision_tower=False)
    assert AutoModel.from_pretrained(tmp_path / "converted").vision_model is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s: s | {"transformer.layers.0.norm3.weight": torch.ones(32)},
            r"no .*has: transformer\.layers\.0\.norm3",
        ),
        (lambda s: s | {"queue": torch.ones(2), "extra": torch.ones(2)}, r"has: extra\."),
        (
            lambda s: {k: v for k, v in s.items() if "norm1.bias" not in k},
            r"lacks .*layers\.0\.norm1\.bias, .*layers\.1",
        ),
        (
            lambda s: {k: v for k, v in s.items() if k != "time_token"},
            r"lacks keys of the encoder: time_token\.",
        ),
        (lambda s: s | {"class_token": s["time_token"]}, "two class tokens"),
        (
            lambda s: s | {"mlp_head.0.bias": torch.ones(31)},
            r"mlp_head\.0\.bias must have the shape \(32,\), got \(31,\)",
        ),
        (lambda s: s | {"time_pos_encoding": torch.ones(12, 32)}, "time_pos_encoding must have 3 axes"),
        (lambda s: s | {"spectral_embedding.1.weight": torch.ones(32, 13)}, "13 values a month.*band_order"),
        (lambda s: {"conv.weight": torch.ones(2)}, "holds no TimeSenCLIP encoder.*conv.weight"),
        (lambda s: {}, "holds a dict, not a state dict of tensors"),
        (lambda s: [1, 2], "holds a list, not a state dict"),
        (lambda s: torch.ones(3), "holds a Tensor, not a state dict"),
        (lambda s: s | {"epoch": 3}, "entry 'epoch' is a int, not a tensor"),
        (lambda s: {"state_dict": s | {"names": ["a"]}}, "entry 'names' is a list"),
        (lambda s: torch.nn.Linear(2, 2), r"refused: it holds torch\.nn\.modules\.linear\.Linear,"),
    ],
)
def test_what_does_not_fit_is_named_in_one_line(change, message, convert):
    with pytest.raises(ValueError, match=message) as caught:
        convert(change(random_upstream_encoder().state_dict()))
    assert "\n" not in str(caught.value)


class RunsWhenOpened:
    def __reduce__(self):
        return os.system, ("echo run > $TIMESENCLIP_TRACE",)


@pytest.mark.parametrize("save", ["torch.save", "legacy torch.save", "pickle"])
def test_a_file_that_would_run_code_is_refused_by_name_and_nothing_runs(save, convert, tmp_path, monkeypatch):
    monkeypatch.setenv("TIMESENCLIP_TRACE", str(tmp_path / "trace"))
    file = tmp_path / "evil.ckpt"
    content = {"state_dict": random_upstream_encoder().state_dict(), "other": RunsWhenOpened()}
    if save == "pickle":
        file.write_bytes(pickle.dumps(RunsWhenOpened()))
    else:
        torch.save(content, file, _use_new_zipfile_serialization=save == "torch.save")
    with pytest.raises(ValueError, match=r"refused: it holds (posix|nt)\.system,") as caught:
        convert(file)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "trace").exists()
    assert not (tmp_path / "converted").exists()


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.999])
def test_a_truncated_file_is_named_in_one_line(share, zipped, convert, tmp_path):
    whole, cut = tmp_path / "whole.ckpt", tmp_path / "cut.ckpt"
    torch.save(random_upstream_encoder().state_dict(), whole, _use_new_zipfile_serialization=zipped)
    cut.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * share)])
    with pytest.raises(ValueError, match=r"cut\.ckpt is (truncated|refused)") as caught:
        convert(cut)
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_a_torchscript_program_is_refused(convert, tmp_path):
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "program.pt"))
    with pytest.raises(ValueError, match="refused: it holds a TorchScript program"):
        convert(tmp_path / "program.pt")


def test_text_that_is_no_checkpoint_is_refused(convert, tmp_path):
    (tmp_path / "page.ckpt").write_text("<html>404</html>")
    with pytest.raises(ValueError, match=r"page\.ckpt is (truncated|refused)"):
        convert(tmp_path / "page.ckpt")


@pytest.mark.parametrize("name", ["absent.ckpt", "some/folder/absent.ckpt", "folder/absent.ckpt"])
def test_a_missing_file_is_said_to_be_missing(name, tiny_clip, tmp_path):
    with pytest.raises(FileNotFoundError, match=f"No such checkpoint: {name}"):
        convert_timesenclip(name, tiny_clip, tmp_path / "converted")


def test_a_clip_checkpoint_that_cannot_be_read_is_named(convert, tmp_path):
    with pytest.raises(ValueError, match=r"No CLIP checkpoint can be read from .*absent") as caught:
        convert(random_upstream_encoder().state_dict(), clip=tmp_path / "absent")
    assert "\n" not in str(caught.value)


def test_a_joint_space_of_another_width_than_clip_is_refused(convert):
    with pytest.raises(ValueError, match="48 dimensions"):
        convert(random_upstream_encoder(joint=48).state_dict())


def test_a_hub_id_is_downloaded_and_its_only_checkpoint_found(convert, tmp_path, tiny_clip, monkeypatch):
    torch.save(random_upstream_encoder().state_dict(), tmp_path / "upstream.ckpt")
    asked = []
    monkeypatch.setattr(
        "timesenclip_hf.conversion.upstream.list_repo_files",
        lambda repo, revision: ["README.md", "TimeSenCLIP_1x1.ckpt"],
    )
    monkeypatch.setattr(
        "timesenclip_hf.conversion.upstream.hf_hub_download",
        lambda repo, file, revision: asked.append((repo, file, revision)) or str(tmp_path / "upstream.ckpt"),
    )
    for name in ("someone/TimeSenCLIP", "someone/TimeSenCLIP:TimeSenCLIP_1x1.ckpt"):
        report = convert_timesenclip(
            read_upstream(name, "main"), tiny_clip, tmp_path / str(len(asked)), num_attention_heads=4
        )
        assert report.checkpoint == name
    assert asked == [("someone/TimeSenCLIP", "TimeSenCLIP_1x1.ckpt", "main")] * 2


def test_a_hub_repository_with_several_checkpoints_asks_which(tiny_clip, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "timesenclip_hf.conversion.upstream.list_repo_files", lambda repo, revision: ["a.ckpt", "b.ckpt"]
    )
    with pytest.raises(ValueError, match=r"found a\.ckpt, b\.ckpt: name one as some/one:FILE"):
        convert_timesenclip("some/one", tiny_clip, tmp_path / "converted")


def test_without_a_network_the_hub_error_is_one_line(tiny_clip, tmp_path):
    with pytest.raises(ValueError, match="some/one cannot be fetched from the Hub") as caught:
        convert_timesenclip("some/one", tiny_clip, tmp_path / "converted")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("settings", [{"heads": 4}, argparse.Namespace(heads=4, learning_rate=1e-4)])
def test_the_number_of_heads_is_what_the_files_hyper_parameters_say(settings, convert, tmp_path):
    encoder = random_upstream_encoder(heads=4)
    content = {"state_dict": under("learner.ts_encoder.", encoder.state_dict()), "hyper_parameters": settings}
    report = convert(content, num_attention_heads=None)
    assert_same_embeddings(tmp_path / "converted", encoder, 12, 10)
    assert "4 attention heads, as the file's hyper_parameters say (heads)" in str(report)


def test_the_released_number_of_heads_is_named_as_an_assumption_where_nothing_tells_it(convert):
    report = convert(random_upstream_encoder(heads=8).state_dict(), num_attention_heads=None)
    assert "8 attention heads are assumed" in str(report)
    assert "assumed" not in str(convert(random_upstream_encoder(heads=8).state_dict(), num_attention_heads=8))


def test_hyper_parameters_that_disagree_about_the_heads_and_heads_that_do_not_divide_are_refused(convert):
    state = random_upstream_encoder().state_dict()
    with pytest.raises(ValueError, match="several numbers of heads"):
        convert({"state_dict": state, "hyper_parameters": {"heads": 4, "nhead": 8}}, num_attention_heads=None)
    with pytest.raises(ValueError, match="cannot have 5 attention heads: give a divisor by --heads"):
        convert(state, num_attention_heads=5)


@pytest.mark.parametrize("wrapper", ["module.", "_orig_mod.", "module._orig_mod."])
def test_keys_of_parallel_and_compiled_modules_lose_the_name_of_their_wrapper(wrapper, convert, tmp_path):
    encoder = random_upstream_encoder()
    convert(under(wrapper, encoder.state_dict()))
    assert_same_embeddings(tmp_path / "converted", encoder, 12, 10)
    with pytest.raises(ValueError, match="with and without a wrapper"):
        convert({**encoder.state_dict(), **under(wrapper, encoder.state_dict())})
