import gc
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from timesenclip_hf import TimeSenCLIPPixelConfig, TimeSenCLIPPixelModel, encode
from timesenclip_hf.models.timesenclip import encoding_timesenclip
from timesenclip_hf.models.timesenclip.encoding_timesenclip import PlainTower
from timesenclip_hf.runtimes import products
from timesenclip_hf.runtimes.plan import MLPPlan, TransformerPlan, plan_of

SMALL = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 24, "projection_dim": 16}
needs_bfloat16 = pytest.mark.skipif(
    not encoding_timesenclip._has_bfloat16(), reason="this processor does not compute in bfloat16"
)


def tower_of(**fields) -> TimeSenCLIPPixelModel:
    torch.manual_seed(0)
    tower = TimeSenCLIPPixelModel(TimeSenCLIPPixelConfig(**{**SMALL, "num_hidden_layers": 3, **fields})).eval()
    with torch.no_grad():
        for parameter in tower.parameters():
            # Biases start at 0 and norms at 1, positions at 0: a fold that forgets one would not be noticed.
            parameter.add_(torch.randn_like(parameter), alpha=0.2)
    return tower


def inputs_of(count=37, time=12, patch=(), seed=0):
    generator = torch.Generator().manual_seed(seed)
    series = torch.rand(count, time, 10, *patch, generator=generator)
    mask = torch.rand(count, time, generator=generator) > 0.3
    series[~mask] = torch.nan
    return {
        "pixel_series": series,
        "series_mask": mask,
        "months": torch.rand(count, time, generator=generator) * 30 - 9,
    }


@torch.no_grad()
def plain(tower, inputs):
    return tower(**inputs, pooled_only=True).pooler_output


ENCODERS = {
    "the published shape": {},
    "one layer": {"num_hidden_layers": 1},
    "two layers": {"num_hidden_layers": 2},
    "GELU": {"hidden_act": "gelu"},
    "a small patch": {"patch_size": [1, 3]},
    "a patch of more numbers than the width": {"patch_size": 3},
    "an MLP": {"encoder_type": "mlp", "hidden_act": "gelu"},
    "TempCNN": {"encoder_type": "tempcnn"},
}


@pytest.mark.parametrize("fields", ENCODERS.values(), ids=ENCODERS)
@pytest.mark.parametrize("packs", [True, False], ids=["the fastest engine", "PyTorch's products"])
def test_the_plan_equals_the_model(fields, packs, monkeypatch):
    if not packs:
        monkeypatch.setattr(products, "_packs", lambda dtype: False)
    tower = tower_of(**fields)
    height, width = tower.config.patch_shape
    inputs = inputs_of(patch=() if (height, width) == (1, 1) else (height, width))
    torch.testing.assert_close(plan_of(tower)(**inputs), plain(tower, inputs), atol=3e-5, rtol=0)


@given(
    count=st.integers(1, 9),
    time=st.integers(1, 30),
    masked=st.booleans(),
    placed=st.sampled_from(["", "each", "all"]),
    seed=st.integers(0, 100),
)
@settings(max_examples=60)
def test_the_plan_equals_the_model_for_any_time_steps(count, time, masked, placed, seed):
    inputs = inputs_of(count, time, seed=seed)
    if not masked:
        inputs |= {"series_mask": None, "pixel_series": inputs["pixel_series"].nan_to_num()}
    if placed == "all":
        inputs["months"] = inputs["months"][0]
    elif not placed and time == 12:
        inputs["months"] = None
    torch.testing.assert_close(plan_of(TOWER)(**inputs), plain(TOWER, inputs), atol=3e-5, rtol=0)


TOWER = tower_of()


def test_the_published_size_is_equal_too():
    torch.manual_seed(0)
    tower = TimeSenCLIPPixelModel(TimeSenCLIPPixelConfig()).eval()
    inputs = inputs_of(40)
    torch.testing.assert_close(plan_of(tower)(**inputs), plain(tower, inputs), atol=3e-5, rtol=0)


def test_a_series_without_an_observation_gives_what_the_model_gives():
    inputs = inputs_of(4)
    inputs["series_mask"][2] = False
    torch.testing.assert_close(plan_of(TOWER)(**inputs), plain(TOWER, inputs), atol=3e-5, rtol=0)


@needs_bfloat16
@pytest.mark.parametrize("name", ["bfloat16", "pure_bfloat16"])
@pytest.mark.parametrize("fields", [{}, {"encoder_type": "mlp"}, {"encoder_type": "tempcnn"}], ids=str)
def test_bfloat16_is_near(name, fields):
    tower, inputs = tower_of(**fields), inputs_of()
    near = plan_of(tower, name)(**inputs)
    assert near.dtype == torch.float32
    assert torch.cosine_similarity(near, plain(tower, inputs)).min() > 0.995


@needs_bfloat16
def test_reflectance_is_not_rounded_to_bfloat16():
    inputs = inputs_of()
    rows = plan_of(TOWER, "bfloat16")._rows(**inputs).double()
    exact = plan_of(TOWER)._rows(**inputs).double()
    numbers = exact.shape[2] - 1
    together = rows[..., :numbers] + rows[..., numbers:-1]
    assert (together - exact[..., :-1]).abs().max() < 2**-15  # bfloat16 by itself errs by 2^-9


def test_the_kind_of_encoder_chooses_the_plan():
    kinds = [type(plan_of(tower_of(encoder_type=kind))) for kind in ("transformer", "mlp", "tempcnn")]
    assert kinds == [TransformerPlan, MLPPlan, PlainTower]


def test_a_wider_tower_gets_smaller_chunks():
    sizes = [plan_of(tower_of(hidden_size=width)).chunk_size for width in (32, 128, 512)]
    assert sizes == [2048, 512, 128]


def test_a_plan_is_made_once():
    tower = tower_of()
    assert plan_of(tower) is plan_of(tower, torch.float32)


def test_when_a_weight_changes_then_the_plan_is_made_again():
    tower, inputs = tower_of(), inputs_of()
    before = plan_of(tower)(**inputs)
    with torch.no_grad():
        tower.projection.bias.add_(1)
    torch.testing.assert_close(plan_of(tower)(**inputs), before + 1)
    tower.load_state_dict(TOWER.state_dict())
    torch.testing.assert_close(plan_of(tower)(**inputs), plan_of(TOWER)(**inputs))


def test_an_optimiser_step_is_noticed():
    tower, inputs = tower_of(), inputs_of()
    plan_of(tower)
    optimizer = torch.optim.AdamW(tower.parameters(), lr=0.1, fused=True)
    tower(**inputs).pooler_output.square().sum().backward()
    optimizer.step()
    torch.testing.assert_close(plan_of(tower)(**inputs), plain(tower, inputs), atol=3e-5, rtol=0)


def test_bands_that_change_places_are_noticed():
    tower, inputs = tower_of(), inputs_of()
    plan_of(tower)
    with torch.no_grad():
        tower.embeddings.band_projection.weight.copy_(tower.embeddings.band_projection.weight.flip(1))
    torch.testing.assert_close(plan_of(tower)(**inputs), plain(tower, inputs), atol=3e-5, rtol=0)


def test_a_plan_lives_no_longer_than_its_tower():
    tower = tower_of()
    plan = weakref.ref(plan_of(tower))
    del tower
    gc.collect()
    assert plan() is None


def test_many_threads_use_one_plan_and_get_what_one_gets():
    inputs = inputs_of(200)
    expected = encode(TOWER, inputs, batch_size=50)
    with ThreadPoolExecutor(4) as threads:
        for embeds in threads.map(lambda _: encode(TOWER, inputs, batch_size=50), range(8)):
            assert torch.equal(embeds, expected)


@pytest.mark.slow
@needs_bfloat16
def test_a_compiled_plan_is_near():
    tower, inputs = tower_of(), inputs_of(300)
    plan = plan_of(tower, "bfloat16")
    before = plan(**inputs)
    plan.compile()
    assert torch.cosine_similarity(plan(**inputs), before).min() > 0.999


@pytest.mark.parametrize("own", [torch.float16, torch.float64])
def test_a_checkpoint_in_a_type_of_other_machines_is_computed_in_float32(own):
    tower, inputs = tower_of().to(own), inputs_of()
    assert plan_of(tower).product_type == torch.float32
    torch.testing.assert_close(plan_of(tower)(**inputs), plain(tower.float(), inputs), atol=3e-5, rtol=0)


def test_a_shape_that_does_not_fit_is_refused_as_by_the_model():
    with pytest.raises(ValueError, match="`pixel_series` must be"):
        plan_of(TOWER)(torch.rand(2, 12, 9))
