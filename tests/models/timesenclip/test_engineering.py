"""What engineers do next to an `AutoModel`: export, compile, adapters with checkpoints, types, attention."""

import numpy as np
import pytest
import torch
from transformers import AutoModel, CLIPModel

from tests.support.small_towers import make_tower, tower_inputs
from timesenclip_hf import TimeSenCLIPModel, encode

KINDS = ["transformer", "mlp", "tempcnn"]


class Pooled(torch.nn.Module):
    def __init__(self, tower):
        super().__init__()
        self.tower = tower

    def forward(self, pixel_series, series_mask, months):
        return self.tower(pixel_series, series_mask, months).pooler_output


def inputs_of(tower, count, time):
    inputs = tower_inputs(tower, count, time)
    series, mask = torch.from_numpy(inputs["pixel_series"]).nan_to_num(), torch.from_numpy(inputs["series_mask"])
    return series, mask, torch.from_numpy(inputs["months"]).float() % 12


@pytest.mark.parametrize("kind", KINDS)
def test_a_tower_is_exported_once_for_any_number_of_series_and_time_steps(kind):
    model = Pooled(make_tower(encoder_type=kind))
    batch, time = torch.export.Dim("batch"), torch.export.Dim("time")
    axes = {0: batch, 1: time}
    exported = torch.export.export(
        model,
        inputs_of(model.tower, 3, 9),
        dynamic_shapes=dict.fromkeys(("pixel_series", "series_mask", "months"), axes),
    ).module()
    with torch.no_grad():
        for count, steps in ((2, 5), (7, 12), (1, 40)):
            inputs = inputs_of(model.tower, count, steps)
            torch.testing.assert_close(exported(*inputs), model(*inputs), atol=1e-5, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_compiled_tower_is_equal(kind):
    model = Pooled(make_tower(encoder_type=kind))
    compiled = torch.compile(model, fullgraph=True, dynamic=True)
    with torch.no_grad():
        for count, steps in ((3, 9), (5, 12)):
            inputs = inputs_of(model.tower, count, steps)
            torch.testing.assert_close(compiled(*inputs), model(*inputs), atol=1e-5, rtol=0)


@pytest.mark.parametrize("reentrant", [True, False])
def test_lora_learns_the_same_with_activation_checkpoints(reentrant):
    peft = pytest.importorskip("peft", reason="peft is not installed: pip install -c constraints.txt peft")
    gradients = []
    for checkpoints in (False, True):
        tower = make_tower(hidden_dropout_prob=0.0, attention_dropout=0.0)
        torch.manual_seed(0)
        if checkpoints:
            tower.gradient_checkpointing_enable({"use_reentrant": reentrant})
        model = peft.get_peft_model(tower, peft.LoraConfig(target_modules=["fc1", "q_proj"], init_lora_weights=False))
        if checkpoints:
            model.enable_input_require_grads()
        model.train()
        model(*inputs_of(tower, 4, 12)).pooler_output.square().sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters() if parameter.requires_grad])
    assert gradients[0]
    assert all(gradient is not None for gradient in gradients[1])
    for plain, checkpointed in zip(*gradients, strict=True):
        torch.testing.assert_close(checkpointed, plain)


@pytest.fixture
def half_clip(tiny_clip, tmp_path):
    clip = CLIPModel.from_pretrained(tiny_clip).half()
    clip.save_pretrained(tmp_path)
    return str(tmp_path)


def types_of(model):
    return {parameter.dtype for parameter in model.parameters()}


def test_a_clip_saved_in_float16_makes_a_model_of_one_type(half_clip):
    tower = make_tower(projection_dim=32)
    series, mask, months = inputs_of(tower, 2, 12)
    inputs = {"pixel_series": series, "series_mask": mask, "months": months, "input_ids": torch.tensor([[5, 6, 513]])}
    for given in (tower, tower.config):
        model = TimeSenCLIPModel.from_clip(given, half_clip)
        assert types_of(model) == {torch.float32}
        assert model(**inputs).logits_per_series.shape == (2, 1)
    assert types_of(TimeSenCLIPModel.from_clip(tower.config, half_clip, dtype="bfloat16")) == {torch.bfloat16}
    narrow = TimeSenCLIPModel.from_clip(make_tower(projection_dim=32).bfloat16(), half_clip)
    assert types_of(narrow) == {torch.bfloat16}


def test_the_attention_that_is_asked_for_is_that_of_all_towers(tiny_clip, tmp_path):
    model = TimeSenCLIPModel.from_clip(make_tower(projection_dim=32), str(tiny_clip), attn_implementation="eager")
    towers = (model, model.pixel_model, model.text_model, model.vision_model)
    assert {tower.config._attn_implementation for tower in towers} == {"eager"}
    model.save_pretrained(tmp_path)
    loaded = AutoModel.from_pretrained(tmp_path, attn_implementation={"pixel_config": "eager", "text_config": "sdpa"})
    assert loaded.pixel_model.config._attn_implementation == "eager"
    assert loaded.text_model.config._attn_implementation == "sdpa"


def test_an_encoder_in_training_mode_inside_an_autocast_gives_what_it_gives_alone(tiny_checkpoint):
    model = AutoModel.from_pretrained(tiny_checkpoint)
    features = {"pixel_series": np.random.default_rng(0).random((5, 12, 10), dtype=np.float32)}
    expected = encode(model, features)
    model.train()
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(encode(model, features), expected)
    assert model.training
