import pytest
import torch

from timesenclip_hf.files import first_line, read_tensors, weights_hash


def test_tensors_are_read_from_the_file_or_from_under_its_state_dict(tmp_path):
    tensors = {"a": torch.arange(3), "b": torch.zeros(1, 2)}
    for name, content in {"bare": tensors, "nested": {"state_dict": tensors, "epoch": 3}}.items():
        torch.save(content, tmp_path / name)
        read = read_tensors(tmp_path / name)
        assert list(read) == ["a", "b"]
        assert torch.equal(read["a"], tensors["a"])


@pytest.mark.parametrize("content", [{}, [1], {"a": 1}, {1: torch.zeros(1)}])
def test_what_is_no_dictionary_of_tensors_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "file")
    with pytest.raises(ValueError, match="is refused"):
        read_tensors(tmp_path / "file")


def test_an_error_is_told_in_one_line():
    assert first_line(ValueError("what is wrong.\nand a lot more")) == "what is wrong"
    assert first_line(KeyError()) == "KeyError"


def test_a_hash_of_weights_knows_names_and_values_but_neither_order_nor_precision():
    weights = {"a": torch.tensor([0.5, 2.0]), "b": torch.zeros(2, 3)}
    same = [dict(reversed(weights.items())), {name: tensor.bfloat16() for name, tensor in weights.items()}]
    assert {weights_hash(one) for one in same} == {weights_hash(weights)}
    others = [{"a": weights["a"]}, {"c": weights["a"], "b": weights["b"]}, {**weights, "a": torch.tensor([0.5, 2.1])}]
    assert len({weights_hash(one) for one in [weights, *others]}) == 4
