import torch

from timesenclip_hf import TimeSenCLIPPixelConfig, TimeSenCLIPPixelModel
from timesenclip_hf.runtimes.folding import affine_of, fold


def tower_of(**fields) -> TimeSenCLIPPixelModel:
    sizes = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 24, "projection_dim": 16}
    return TimeSenCLIPPixelModel(TimeSenCLIPPixelConfig(**{**sizes, "num_hidden_layers": 3, **fields})).eval()


def test_folding_leaves_the_weights_alone():
    tower = tower_of()
    before = {name: values.clone() for name, values in tower.state_dict().items()}
    fold(tower)
    assert all(torch.equal(before[name], values) for name, values in tower.state_dict().items())


def test_a_time_step_gives_hidden_state_queries_keys_and_values_of_the_first_layer_at_once():
    assert fold(tower_of()).inputs.shape == (10 + 12 + 1, 4 * 32)
    assert fold(tower_of(num_hidden_layers=1)).inputs.shape == (10 + 12 + 1, 32)
    assert fold(tower_of(patch_size=3)).inputs.shape == (90 + 12 + 1, 32)


def test_weights_are_folded_from_any_type_to_float32():
    linear = torch.nn.Linear(3, 2, dtype=torch.bfloat16)
    weight, bias = affine_of(linear)
    assert torch.equal(weight, linear.weight.float())
    assert (weight.dtype, bias.dtype, weight.requires_grad) == (torch.float32, torch.float32, False)
