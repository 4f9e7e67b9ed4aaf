import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from timesenclip_hf.learning import MemoryBank


def a_bank(num_keys: int, dim: int, size: int = 64) -> MemoryBank:
    bank = MemoryBank(size, dim)
    bank.enqueue(torch.randn(num_keys, dim), torch.arange(num_keys))
    return bank


@given(size=st.integers(1, 9), batches=st.lists(st.integers(0, 12), max_size=6), first=st.integers(0, 12))
def test_when_the_bank_is_full_then_the_oldest_keys_leave(size, batches, first):
    bank, expected, count = MemoryBank(size, 2), [], 0
    for num_keys in [first, *batches]:
        ids = torch.arange(count, count + num_keys)
        # An angle for a key, so that each tells its id.
        bank.enqueue(5 * torch.stack([ids.cos(), ids.sin()], dim=1), ids)
        expected, count = [*expected, *ids.tolist()][-size:], count + num_keys
        assert bank.ids.tolist() == expected
        assert len(bank) == len(expected)
        torch.testing.assert_close(bank.keys, torch.stack([bank.ids.cos(), bank.ids.sin()], dim=1))


def test_keys_are_unit_float32_and_without_gradient():
    bank, keys = MemoryBank(4, 8), torch.randn(3, 8, dtype=torch.bfloat16, requires_grad=True)
    bank.enqueue(keys, torch.tensor([1, 2, 3], dtype=torch.int32))
    assert (bank.keys.dtype, bank.ids.dtype, bank.keys.requires_grad) == (torch.float32, torch.int64, False)
    torch.testing.assert_close(bank.keys.norm(dim=1), torch.ones(3))


@pytest.mark.parametrize("num_keys", [0, 3, 6])
def test_a_bank_is_saved_and_read_bit_by_bit(tmp_path, num_keys):
    bank, again = a_bank(num_keys, 8, size=6), MemoryBank(6, 8)
    torch.save(bank.state_dict(), tmp_path / "bank.pt")
    again.load_state_dict(torch.load(tmp_path / "bank.pt", weights_only=True))
    assert torch.equal(again.keys, bank.keys)
    assert torch.equal(again.ids, bank.ids)


def test_a_bank_of_another_shape_or_with_unlike_keys_is_an_error():
    with pytest.raises(ValueError, match="must be positive, got 0 and 8"):
        MemoryBank(0, 8)
    with pytest.raises(ValueError, match=r"keys \(batch, 8\).* got \(3, 7\) and \(3,\)"):
        MemoryBank(4, 8).enqueue(torch.randn(3, 7), torch.arange(3))
    with pytest.raises(ValueError, match=r"got .* and \(2,\)"):
        MemoryBank(4, 8).enqueue(torch.randn(3, 8), torch.arange(2))
    for size, dim in [(4, 8), (6, 7)]:
        with pytest.raises(ValueError, match="continue with the size"):
            MemoryBank(size, dim).load_state_dict(a_bank(6, 8, size=6).state_dict())
