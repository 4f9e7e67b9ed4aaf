"""Whatever a pixel tower computes besides its weights, the pipeline's answer is that of the model."""

import subprocess
import sys
import types

import numpy as np
import pytest
import torch
from torch.nn.utils import prune
from transformers import AttentionInterface, pipeline

from tests.conftest import ROOT
from tests.support.small_towers import make_tower
from timesenclip_hf import encode
from timesenclip_hf.models.timesenclip.encoding_timesenclip import PlainTower
from timesenclip_hf.models.timesenclip.pipeline_timesenclip import TASK
from timesenclip_hf.models.timesenclip.transformer_timesenclip import eager_attention_forward
from timesenclip_hf.runtimes.plainness import is_plain
from timesenclip_hf.runtimes.plan import MLPPlan, TransformerPlan, plan_of

LABELS = ["maize", "grassland", "water"]
SERIES = np.random.default_rng(0).uniform(0.02, 0.4, (9, 12, 10)).astype(np.float32)


@pytest.fixture
def classify(tiny_checkpoint):
    return pipeline(TASK, model=str(tiny_checkpoint), device="cpu")


def largest_difference(classify, before=None):
    """Between the pipeline's probabilities and those of one call of its model."""
    inputs = classify.processor(
        SERIES, text=[f"a photo of {label}" for label in LABELS], return_tensors="pt", units="reflectance"
    )
    with torch.no_grad():
        expected = classify.model(**inputs).logits_per_series.softmax(dim=-1)
    template = "a photo of {}"
    results = classify(SERIES, LABELS, hypothesis_template=template, units="reflectance")
    scores = torch.tensor([[{r["label"]: r["score"] for r in row}[label] for label in LABELS] for row in results])
    if before is not None:
        assert (expected - before).abs().max() > 1e-3, "the change changed nothing"
    return float((scores - expected).abs().max()), expected


def lora(classify):
    peft = pytest.importorskip("peft", reason="peft is not installed: pip install -c constraints.txt peft")
    config = peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj", "fc1"], init_lora_weights=False)
    classify.model.pixel_model.add_adapter(config)


def peft_model(classify):
    peft = pytest.importorskip("peft", reason="peft is not installed: pip install -c constraints.txt peft")
    config = peft.LoraConfig(r=4, target_modules=r"pixel_model\..*\.(k_proj|out_proj|fc2)", init_lora_weights=False)
    classify.model = peft.get_peft_model(classify.model, config).eval()


def hook_of_a_layer(classify):
    classify.model.pixel_model.layers[0].register_forward_hook(lambda module, args, output: -output)


def hook_before_a_layer(classify):
    classify.model.pixel_model.layers[1].fc1.register_forward_pre_hook(lambda module, args: (-args[0],))


def hook_of_all(classify):
    def turned(module, args, output):
        return -output if isinstance(module, torch.nn.LayerNorm) else None

    classify.handle = torch.nn.modules.module.register_module_forward_hook(turned)


def forward_of_an_object(classify):
    layer = classify.model.pixel_model.layers[0]
    layer.forward = types.MethodType(lambda self, states, *args, **kwargs: -type(self).forward(self, states), layer)


def subclass(classify):
    class Mirrored(type(classify.model.pixel_model)):
        def forward(self, pixel_series, *args, **kwargs):
            return super().forward(1 - pixel_series, *args, **kwargs)

    classify.model.pixel_model.__class__ = Mirrored


def parametrised(classify):
    class Turned(torch.nn.Module):
        def forward(self, weight):
            return -weight

    torch.nn.utils.parametrize.register_parametrization(
        classify.model.pixel_model.layers[0].fc2, "weight", Turned(), unsafe=True
    )


def pruned(classify):
    prune.random_unstructured(classify.model.pixel_model.layers[0].fc1, "weight", 0.9)


def another_activation(classify):
    classify.model.pixel_model.layers[0].activation_fn = torch.nn.Tanh()


def another_epsilon(classify):
    classify.model.pixel_model.post_layernorm.eps = 5.0


def a_layer_of_two(classify):
    layer = classify.model.pixel_model.layers[0]
    layer.fc2 = torch.nn.Sequential(layer.fc2, torch.nn.Linear(32, 32))


def no_bias(classify):
    classify.model.pixel_model.layers[0].fc1.bias = None


def shared_layers(classify):
    classify.model.pixel_model.layers[1] = classify.model.pixel_model.layers[0]


def attention_of_ones_own(classify):
    def turned(*args, **kwargs):
        mixed, weights = eager_attention_forward(*args, **kwargs)
        return -mixed, weights

    AttentionInterface.register("turned", turned)
    classify.model.pixel_model.config._attn_implementation = "turned"


CHANGES = [
    lora,
    peft_model,
    hook_of_a_layer,
    hook_before_a_layer,
    hook_of_all,
    forward_of_an_object,
    subclass,
    parametrised,
    pruned,
    another_activation,
    another_epsilon,
    a_layer_of_two,
    no_bias,
    shared_layers,
    attention_of_ones_own,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_a_tower_computes_besides_its_weights_is_in_the_answer(classify, change):
    difference, before = largest_difference(classify)
    assert difference < 1e-5
    assert isinstance(plan_of(classify.model.pixel_model), TransformerPlan)
    change(classify)
    try:
        assert largest_difference(classify, before)[0] < 1e-5
        assert isinstance(plan_of(classify.model.pixel_model), PlainTower)
    finally:
        if hasattr(classify, "handle"):
            classify.handle.remove()


def test_an_adapter_that_is_taken_off_gives_the_plan_back(classify):
    peft = pytest.importorskip("peft", reason="peft is not installed: pip install -c constraints.txt peft")
    _, before = largest_difference(classify)
    model = peft.get_peft_model(
        classify.model, peft.LoraConfig(target_modules=["fc1", "q_proj"], init_lora_weights=False)
    )
    classify.model = model.eval()
    assert largest_difference(classify, before)[0] < 1e-5  # the text tower has an adapter, too
    with model.disable_adapter():
        assert largest_difference(classify)[0] < 1e-5
        torch.testing.assert_close(largest_difference(classify)[1], before)
    merged = largest_difference(classify)[1]
    classify.model = model.merge_and_unload()
    assert isinstance(plan_of(classify.model.pixel_model), TransformerPlan)
    difference, expected = largest_difference(classify, before)
    assert difference < 1e-5
    torch.testing.assert_close(expected, merged, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["transformer", "mlp"])
def test_what_only_looks_on_leaves_the_plan(kind):
    tower = make_tower(encoder_type=kind)
    tower(torch.rand(2, 12, 10), output_hidden_states=True)  # transformers leaves its recording hooks
    tower.gradient_checkpointing_enable() if kind == "transformer" else None
    tower.requires_grad_(False).train()
    assert is_plain(tower)
    assert isinstance(plan_of(tower), (TransformerPlan, MLPPlan))
    assert is_plain(tower.bfloat16())


def test_modes_of_modules_are_left_as_they_were_one_by_one():
    tower = make_tower(encoder_type="tempcnn").train()
    tower.encoder.layers[0].eval()  # frozen statistics
    modes = [module.training for module in tower.modules()]
    encode(tower, {"pixel_series": SERIES})
    assert [module.training for module in tower.modules()] == modes


@pytest.mark.parametrize("kind", ["transformer", "mlp", "tempcnn"])
def test_an_autocast_around_it_changes_nothing(kind):
    tower = make_tower(encoder_type=kind)
    expected = encode(tower, {"pixel_series": SERIES})
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(encode(tower, {"pixel_series": SERIES}), expected, atol=1e-6, rtol=0)


QUANTISED = """
import sys, torch
from torchao.quantization import Int8WeightOnlyConfig, quantize_
from transformers import pipeline
import timesenclip_hf
from tests.runtimes.test_plainness import LABELS, PlainTower, largest_difference, plan_of

classify = pipeline("zero-shot-pixel-classification", model=sys.argv[1], device="cpu")
_, before = largest_difference(classify)
quantize_(classify.model.pixel_model, Int8WeightOnlyConfig())
assert isinstance(plan_of(classify.model.pixel_model), PlainTower)
difference, after = largest_difference(classify)
assert difference < 1e-5, difference
assert not torch.equal(before, after)
quantize_(classify.model.text_model, Int8WeightOnlyConfig())
difference, both = largest_difference(classify)
assert difference < 1e-5, difference
assert not torch.equal(both, after)
print("equal", difference)
"""


@pytest.mark.slow
def test_layers_quantised_by_torchao_are_computed_by_torchao(tiny_checkpoint):
    # In a folder of its own and another process: where it is installed, transformers imports it every time.
    folder = ROOT / "build" / "torchao"
    if not folder.is_dir():
        pytest.skip("torchao is not installed: make build/torchao")
    environment = {"PYTHONPATH": f"{ROOT}:{folder}", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    run = subprocess.run(
        [sys.executable, "-c", QUANTISED, str(tiny_checkpoint)], capture_output=True, text=True, env=environment
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout.startswith("equal")
