import torch

from timesenclip_hf.models.timesenclip.weights_timesenclip import weights_hash


def test_a_hash_of_weights_knows_names_and_values_but_neither_order_nor_precision():
    weights = {"a": torch.tensor([0.5, 2.0]), "b": torch.zeros(2, 3)}
    same = [dict(reversed(weights.items())), {name: tensor.bfloat16() for name, tensor in weights.items()}]
    assert {weights_hash(other) for other in same} == {weights_hash(weights)}
    others = [{"a": weights["a"]}, {"c": weights["a"], "b": weights["b"]}, {**weights, "a": torch.tensor([0.5, 2.1])}]
    assert len({weights_hash(other) for other in [weights, *others]}) == 4
