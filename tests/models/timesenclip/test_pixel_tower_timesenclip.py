import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModel, CLIPTextConfig

from timesenclip_hf import TimeSenCLIPConfig, TimeSenCLIPModel, TimeSenCLIPPixelConfig, TimeSenCLIPPixelModel

TEXT = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "vocab_size": 100,
    "bos_token_id": 98,
    "eos_token_id": 99,
    "pad_token_id": 0,
}


def small_tower(**kwargs) -> TimeSenCLIPPixelModel:
    torch.manual_seed(0)
    model = TimeSenCLIPPixelModel(
        TimeSenCLIPPixelConfig(
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=16,
            projection_dim=8,
            **kwargs,
        )
    )
    # Positions and class token start at zero, which would hide mistakes in their use.
    torch.nn.init.normal_(model.embeddings.position_embedding)
    torch.nn.init.normal_(model.embeddings.class_embedding)
    return model.eval()


@pytest.fixture(scope="module")
def tower() -> TimeSenCLIPPixelModel:
    return small_tower()


def embed(tower, *args, **kwargs) -> torch.Tensor:
    with torch.no_grad():
        return tower(*args, **kwargs).pooler_output


def test_the_base_configuration_has_the_published_number_of_parameters():
    with torch.device("meta"):
        model = TimeSenCLIPPixelModel(TimeSenCLIPPixelConfig())
    assert model.num_parameters() == 8_169_472


def test_sdpa_and_eager_attention_agree_under_a_mask(tower):
    eager = small_tower()
    eager.load_state_dict(tower.state_dict())
    eager.set_attn_implementation("eager")
    series = torch.rand(4, 12, 10)
    mask = torch.rand(4, 12) > 0.4
    torch.testing.assert_close(embed(tower, series, mask), embed(eager, series, mask), atol=5e-6, rtol=0)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), num_times=st.integers(2, 15))
def test_a_masked_time_step_is_the_same_as_none(tower, seed, num_times):
    generator = torch.Generator().manual_seed(seed)
    series = torch.rand(3, num_times, 10, generator=generator)
    months = 12 * torch.rand(3, num_times, generator=generator)
    hidden = int(torch.randint(num_times, (1,), generator=generator))
    mask = torch.ones(3, num_times, dtype=torch.bool)
    mask[:, hidden] = False
    keep = [time for time in range(num_times) if time != hidden]
    torch.testing.assert_close(
        embed(tower, series, mask, months),
        embed(tower, series[:, keep], None, months[:, keep]),
        atol=1e-5,
        rtol=0,
    )


def test_what_is_masked_may_be_nan(tower):
    series = torch.rand(2, 12, 10)
    mask = torch.ones(2, 12, dtype=torch.bool)
    mask[:, 3:6] = False
    holed = series.masked_fill(~mask[:, :, None], float("nan"))
    assert torch.equal(embed(tower, holed, mask), embed(tower, series, mask))


def test_the_order_of_time_steps_does_not_matter_when_their_months_go_along(tower):
    series, months = torch.rand(2, 7, 10), 12 * torch.rand(2, 7)
    order = torch.randperm(7)
    torch.testing.assert_close(
        embed(tower, series[:, order], None, months[:, order]),
        embed(tower, series, None, months),
        atol=5e-6,
        rtol=0,
    )


def test_integer_months_are_the_learned_positions_to_the_bit(tower):
    series = torch.rand(2, 12, 10)
    assert torch.equal(embed(tower, series, None, torch.arange(12)), embed(tower, series))
    assert torch.equal(tower.embeddings._positions(torch.arange(12)), tower.embeddings.position_embedding)


def test_months_go_round_the_year(tower):
    learned = tower.embeddings.position_embedding
    torch.testing.assert_close(tower.embeddings._positions(torch.tensor([11.5]))[0], (learned[11] + learned[0]) / 2)
    torch.testing.assert_close(tower.embeddings._positions(torch.tensor([12.0]))[0], learned[0])
    torch.testing.assert_close(tower.embeddings._positions(torch.tensor([-0.5]))[0], (learned[11] + learned[0]) / 2)


@pytest.mark.parametrize("num_times", [1, 4, 12, 40])
def test_any_number_of_time_steps_is_read(tower, num_times):
    months = torch.linspace(0, 11.9, num_times)
    assert embed(tower, torch.rand(2, num_times, 10), None, months).shape == (2, 8)


def test_a_patch_is_read_band_by_band_row_by_row():
    tower = small_tower(patch_size=[3, 2])
    patch = torch.rand(2, 12, 10, 3, 2)
    flat = small_tower(num_bands=60)
    flat.load_state_dict(tower.state_dict())
    torch.testing.assert_close(embed(tower, patch), embed(flat, patch.flatten(2)), atol=0, rtol=0)


def test_a_single_pixel_may_come_with_or_without_its_two_last_axes(tower):
    series = torch.rand(2, 12, 10)
    assert torch.equal(embed(tower, series), embed(tower, series[..., None, None]))


@pytest.mark.parametrize(
    ("shape", "kwargs", "message"),
    [
        ((2, 12, 9), {}, r"`pixel_series` must be \(batch, time, 10\), got \(2, 12, 9\)"),
        ((12, 10), {}, r"`pixel_series` must be"),
        ((2, 5, 10), {}, "A series of 5 time steps needs `months`"),
        (
            (2, 12, 10),
            {"series_mask": torch.ones(2, 11, dtype=torch.bool)},
            r"`series_mask` must be \(batch, time\)",
        ),
        ((2, 12, 10), {"months": torch.arange(5)}, r"`months` must be \(time,\)"),
    ],
)
def test_a_shape_that_does_not_fit_is_named(tower, shape, kwargs, message):
    with pytest.raises(ValueError, match=message):
        tower(torch.rand(*shape), **kwargs)


def test_hidden_states_and_attentions_can_be_asked_for(tower):
    eager = small_tower()
    eager.set_attn_implementation("eager")
    output = eager(torch.rand(2, 12, 10), output_hidden_states=True, output_attentions=True)
    assert [tuple(state.shape) for state in output.hidden_states] == [(2, 13, 32)] * 3
    assert [tuple(weights.shape) for weights in output.attentions] == [(2, 4, 13, 13)] * 2


@pytest.mark.parametrize("attn_implementation", ["sdpa", "eager"])
@pytest.mark.parametrize("share_seen", [1.0, 0.6])
def test_asked_for_the_pooled_output_only_it_gives_the_same_output_and_gradients(attn_implementation, share_seen):
    towers = small_tower(), small_tower()
    series = torch.rand(8, 12, 10)
    mask = None if share_seen == 1 else torch.rand(8, 12) < share_seen
    outputs = []
    for tower, pooled_only in zip(towers, (False, True), strict=True):
        tower.set_attn_implementation(attn_implementation)
        outputs.append(tower(series, mask, pooled_only=pooled_only))
        outputs[-1].pooler_output.square().sum().backward()
    assert outputs[0].last_hidden_state.shape == (8, 13, 32)
    assert outputs[1].last_hidden_state is None
    torch.testing.assert_close(outputs[1].pooler_output, outputs[0].pooler_output, atol=5e-6, rtol=0)
    for plain, other in zip(*(tower.parameters() for tower in towers), strict=True):
        torch.testing.assert_close(other.grad, plain.grad, atol=1e-5, rtol=1e-4)


def test_asked_for_the_pooled_output_only_it_records_the_class_token_of_the_last_layer():
    eager = small_tower()
    eager.set_attn_implementation("eager")
    series, mask = torch.rand(2, 12, 10), torch.rand(2, 12) > 0.4
    asked = {"output_hidden_states": True, "output_attentions": True}
    complete, pooled = eager(series, mask, **asked), eager(series, mask, pooled_only=True, **asked)
    assert [tuple(state.shape) for state in pooled.hidden_states] == [(2, 13, 32), (2, 13, 32), (2, 1, 32)]
    torch.testing.assert_close(pooled.hidden_states[-1][:, 0], complete.hidden_states[-1][:, 0], atol=5e-6, rtol=0)
    torch.testing.assert_close(pooled.attentions[-1], complete.attentions[-1][:, :, :1], atol=5e-6, rtol=0)


def test_activation_checkpointing_changes_no_gradient():
    towers = [small_tower(attention_dropout=0.0, hidden_dropout_prob=0.0).train() for _ in range(2)]
    towers[1].activation_checkpointing_enable()
    series, mask = torch.rand(4, 12, 10), torch.rand(4, 12) > 0.4
    for tower in towers:
        tower(series, mask, pooled_only=True).pooler_output.square().sum().backward()
    for plain, checkpointed in zip(*(tower.parameters() for tower in towers), strict=True):
        torch.testing.assert_close(checkpointed.grad, plain.grad)


def test_saved_and_loaded_it_gives_the_same(tower, tmp_path):
    tower.save_pretrained(tmp_path)
    loaded = AutoModel.from_pretrained(tmp_path)
    assert type(loaded) is TimeSenCLIPPixelModel
    series = torch.rand(2, 12, 10)
    assert torch.equal(embed(loaded, series), embed(tower, series))


def test_a_truncated_safetensors_file_is_refused(tower, tmp_path):
    tower.save_pretrained(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(OSError, match="are damaged or incomplete") as error:
        TimeSenCLIPPixelModel.from_pretrained(tmp_path)
    assert "\n" not in str(error.value)


def assert_uniform(values: torch.Tensor, bound: float) -> None:
    """Hold values against U(-bound, bound): none beyond, the farthest near it, and its standard deviation."""
    assert values.abs().max() <= bound
    assert values.abs().max() > 0.98 * bound
    assert values.std().item() == pytest.approx(bound / 3**0.5, rel=0.03)


def assert_starts_as_documented(tower: TimeSenCLIPPixelModel) -> None:
    width, inner = tower.config.hidden_size, tower.config.intermediate_size
    for layer in tower.layers:
        attention = layer.self_attn
        for projection in (attention.q_proj, attention.k_proj, attention.v_proj):
            assert_uniform(projection.weight, (6 / (4 * width)) ** 0.5)
            assert not projection.bias.any()
        assert_uniform(attention.out_proj.weight, width**-0.5)
        assert not attention.out_proj.bias.any()
        for linear, inputs in ((layer.fc1, width), (layer.fc2, inner)):
            assert_uniform(linear.weight, inputs**-0.5)
            assert linear.bias.abs().max() <= inputs**-0.5
            assert linear.bias.std() > 0.5 * inputs**-0.5
        for norm in (layer.layer_norm1, layer.layer_norm2):
            assert (norm.weight == 1).all()
            assert not norm.bias.any()
    assert_uniform(tower.projection.weight, width**-0.5)
    assert_uniform(tower.embeddings.band_projection.weight, tower.config.num_bands**-0.5)
    assert not tower.embeddings.position_embedding.any()
    assert not tower.embeddings.class_embedding.any()


SIZES = {"hidden_size": 256, "num_hidden_layers": 2, "intermediate_size": 128, "projection_dim": 128}


def test_a_fresh_tower_starts_as_upstream_however_it_is_made():
    torch.manual_seed(0)
    config = TimeSenCLIPPixelConfig(**SIZES)
    assert_starts_as_documented(TimeSenCLIPPixelModel(config))
    assert_starts_as_documented(AutoModel.from_config(config))
    clip = TimeSenCLIPConfig(pixel_config=config, text_config=CLIPTextConfig(**TEXT), projection_dim=128)
    assert_starts_as_documented(TimeSenCLIPModel(clip).pixel_model)


@pytest.mark.parametrize("encoder_type", ["mlp", "tempcnn"])
def test_encoders_without_attention_start_as_he_has_it(encoder_type):
    torch.manual_seed(0)
    tower = TimeSenCLIPPixelModel(TimeSenCLIPPixelConfig(encoder_type=encoder_type))
    parts = [part for part in tower.encoder.modules() if isinstance(part, torch.nn.Linear | torch.nn.Conv1d)]
    assert len(parts) in (3, 4)
    for part in parts:
        inputs = part.weight[0].numel()
        assert part.weight.std().item() == pytest.approx((2 / inputs) ** 0.5, rel=0.05)
        assert not part.bias.any()
    assert_uniform(tower.projection.weight, tower.encoder.output_size**-0.5)


def test_weights_that_a_checkpoint_lacks_start_as_in_a_fresh_tower_and_the_others_are_loaded(tmp_path):
    tower = TimeSenCLIPPixelModel(TimeSenCLIPPixelConfig(**SIZES))
    with torch.no_grad():
        for parameter in tower.parameters():
            parameter.fill_(7)
    lacking = ("layers.1.self_attn.q_proj.", "layers.0.fc1.", "projection.")
    kept = {name: values for name, values in tower.state_dict().items() if not name.startswith(lacking)}
    tower.save_pretrained(tmp_path, state_dict=kept)
    loaded = TimeSenCLIPPixelModel.from_pretrained(tmp_path)
    assert all((loaded.state_dict()[name] == 7).all() for name in kept)
    assert_uniform(loaded.layers[1].self_attn.q_proj.weight, (6 / (4 * 256)) ** 0.5)
    assert_uniform(loaded.layers[0].fc1.weight, 256**-0.5)
    assert_uniform(loaded.projection.weight, 256**-0.5)
