import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training.batches import StepBatches, TensorRows, split_batch, step_seed


def test_rows_are_handed_out_as_batches_with_their_numbers():
    rows = TensorRows(first=torch.arange(10.0), second=torch.arange(20).reshape(10, 2))
    batch = rows.__getitems__([3, 1])
    assert batch["first"].tolist() == [3.0, 1.0]
    assert batch["second"].tolist() == [[6, 7], [2, 3]]
    assert batch["row"].tolist() == [3, 1]
    assert (rows.name(3), TensorRows(["a", "b"], first=torch.zeros(2)).name(1)) == ("row 3", "b")


def test_columns_of_different_lengths_are_an_error():
    with pytest.raises(ValueError, match=r"the same number of rows, got \{'first': 2, 'second': 3\}"):
        TensorRows(first=torch.zeros(2), second=torch.zeros(3))


@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 9), st.integers(0, 30))
def test_a_run_that_goes_on_sees_what_it_would_have_seen(num_rows, batch_size, seed, start):
    batch_size = min(batch_size, num_rows)
    uninterrupted = list(StepBatches(num_rows, batch_size, seed=seed, steps=range(40)))
    rest = list(StepBatches(num_rows, batch_size, seed=seed, steps=range(start, 40)))
    assert rest == uninterrupted[start:]


@given(st.integers(4, 60), st.integers(1, 5), st.sampled_from([2, 4]))
def test_processes_share_the_rows_that_one_process_would_see(num_rows, share, num_ranks):
    batch_size = share * num_ranks
    if batch_size > num_rows:
        return
    alone = list(StepBatches(num_rows, batch_size, seed=1, steps=range(7)))
    shared = [
        StepBatches(num_rows, batch_size, seed=1, steps=range(7), rank=r, num_ranks=num_ranks) for r in range(num_ranks)
    ]
    assert [[row for part in parts for row in part] for parts in zip(*shared, strict=True)] == alone


def test_an_epoch_sees_no_row_twice_and_the_next_has_another_order():
    first, second = (
        [row for batch in StepBatches(32, 8, seed=0, steps=range(4 * epoch, 4 * epoch + 4)) for row in batch]
        for epoch in (0, 1)
    )
    assert sorted(first) == sorted(second) == list(range(32))
    assert first != second


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 11}, "`batch_size` must lie between 1 and the number of rows, 10, got 11"),
        ({"batch_size": 0}, "`batch_size` must lie between 1 and the number of rows, 10, got 0"),
        ({"batch_size": 5, "num_ranks": 2}, "`batch_size` must divide over 2 processes, got 5"),
    ],
)
def test_a_batch_that_cannot_be_is_an_error(settings, message):
    with pytest.raises(ValueError, match=message):
        StepBatches(10, **settings, seed=0, steps=range(1))


def test_every_step_and_process_has_a_seed_of_its_own():
    seeds = {step_seed(seed, step, rank) for seed in range(3) for step in range(50) for rank in range(4)}
    assert len(seeds) == 600


def test_a_batch_is_cut_into_equal_parts_in_order():
    parts = split_batch({"first": torch.arange(6)}, 3)
    assert [part["first"].tolist() for part in parts] == [[0, 1], [2, 3], [4, 5]]
    with pytest.raises(ValueError, match="`gradient_accumulation_steps` must divide the 6 rows of a process, got 4"):
        split_batch({"first": torch.arange(6)}, 4)
