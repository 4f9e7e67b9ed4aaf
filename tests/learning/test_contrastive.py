import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from timesenclip_hf.learning import (
    CrossViewContrastiveLoss,
    EmbeddingMatchingLoss,
    MemoryBank,
    bank_keys,
    gather_rows,
)
from timesenclip_hf.models.senclip.modeling_senclip import PhotoPooling

# A thousand times what float64 loses on the way: float32 loses more on processors that sum in blocks.
ROUNDING = 1e-12


def written_out(anchors, targets, ids, bank=None, *, scale, soft=False, bidirectional=False) -> float:
    """The loss in float64, one row and one column at a time."""
    anchors, targets = (
        x.double().numpy() / np.linalg.norm(x.double(), axis=1, keepdims=True) for x in (anchors, targets)
    )
    keys = [] if bank is None else list(zip(bank.keys.double().numpy(), bank.ids.tolist(), strict=True))
    losses = []
    for i, anchor in enumerate(anchors):
        alike = [j for j in range(len(ids)) if ids[j] == ids[i]] if soft else [i]
        positives = [scale * anchor @ targets[j] for j in alike]
        negatives = [scale * anchor @ targets[j] for j in range(len(ids)) if ids[j] != ids[i]]
        negatives += [scale * anchor @ key for key, key_id in keys if key_id != ids[i]]
        partition = math.log(sum(math.exp(x) for x in positives + negatives))
        losses.append(partition - sum(positives) / len(positives))
    loss = sum(losses) / len(losses)
    if bidirectional:
        other = written_out(torch.tensor(targets), torch.tensor(anchors), ids, scale=scale, soft=soft)
        loss = (loss + other) / 2
    return loss


def a_bank(num_keys: int, dim: int, ids: torch.Tensor | None = None, size: int = 64) -> MemoryBank:
    bank = MemoryBank(size, dim)
    bank.enqueue(torch.randn(num_keys, dim), 1_000 + torch.arange(num_keys) if ids is None else ids)
    return bank


def test_embeddings_that_tell_nothing_apart_cost_the_logarithm_of_the_batch():
    same = torch.ones(7, 4)
    torch.testing.assert_close(CrossViewContrastiveLoss()(same, same), torch.tensor(math.log(7)))


def test_zero_embeddings_cost_the_logarithm_of_the_batch_and_the_bank():
    zeros, ids = torch.zeros(7, 4), torch.arange(7)
    torch.testing.assert_close(CrossViewContrastiveLoss()(zeros, zeros), torch.tensor(math.log(7)))
    loss = CrossViewContrastiveLoss()(zeros, zeros, ids, a_bank(12, 4))
    torch.testing.assert_close(loss, torch.tensor(math.log(7 + 12)))


@pytest.mark.parametrize("bidirectional", [False, True])
def test_orthogonal_identical_pairs_give_the_analytic_value(bidirectional):
    loss = CrossViewContrastiveLoss(bidirectional, logit_scale_init_value=math.log(5))
    pairs = 3 * torch.eye(6)
    # Each row: one cosine of 1 and five of 0 at inverse temperature 5.
    torch.testing.assert_close(loss(pairs, pairs), torch.tensor(math.log(1 + 5 * math.exp(-5))))


def test_two_by_two_by_hand():
    loss = CrossViewContrastiveLoss(logit_scale_init_value=math.log(2))
    anchors = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    targets = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    first = -math.log(math.exp(2 * 1.0) / (math.exp(2 * 1.0) + math.exp(2 * 0.6)))
    second = -math.log(math.exp(2 * 0.8) / (math.exp(2 * 0.0) + math.exp(2 * 0.8)))
    torch.testing.assert_close(loss(anchors, targets), torch.tensor((first + second) / 2))


def test_rows_that_share_an_id_are_left_out_or_share_the_weight_by_hand():
    # Cosines of the first row with the three targets: 1, 0 and 0.6; the first two rows are one place.
    anchors = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    targets = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    ids = torch.tensor([4, 4, 9])
    same, other, stranger = (math.exp(2 * cosine) for cosine in (1.0, 0.0, 0.6))
    everyone = same + other + stranger
    third = -math.log(stranger / everyone)
    left_out = [-math.log(same / (same + stranger)), -math.log(other / (other + stranger)), third]
    shared = [-(math.log(same / everyone) + math.log(other / everyone)) / 2] * 2 + [third]
    hard, soft = (
        CrossViewContrastiveLoss(logit_scale_init_value=math.log(2), soft_positives=soft) for soft in (False, True)
    )
    torch.testing.assert_close(hard(anchors, targets, ids), torch.tensor(sum(left_out) / 3))
    torch.testing.assert_close(soft(anchors, targets, ids), torch.tensor(sum(shared) / 3))


@given(
    ids=st.lists(st.integers(0, 5), min_size=1, max_size=8),
    bank_ids=st.lists(st.integers(0, 5), max_size=8),
    soft=st.booleans(),
    bidirectional=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_the_loss_is_what_its_definition_says_whichever_ids_are_shared(ids, bank_ids, soft, bidirectional, seed):
    torch.manual_seed(seed)
    anchors, targets, bank = (
        torch.randn(len(ids), 3),
        torch.randn(len(ids), 3),
        a_bank(len(bank_ids), 3, torch.tensor(bank_ids, dtype=torch.int64)),
    )
    objective = CrossViewContrastiveLoss(bidirectional, math.log(4), soft_positives=soft)
    expected = written_out(anchors, targets, ids, bank, scale=4, soft=soft, bidirectional=bidirectional)
    assert objective(anchors, targets, torch.tensor(ids), bank).item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_gradients_are_those_of_the_definition(soft, bidirectional):
    torch.manual_seed(0)
    objective = CrossViewContrastiveLoss(bidirectional, math.log(4), soft_positives=soft)
    ids, bank = [0, 0, 2, 3, 2], a_bank(4, 3, torch.tensor([2, 7, 7, 8]))
    anchors, targets = torch.randn(5, 3, requires_grad=True), torch.randn(5, 3, requires_grad=True)
    objective(anchors, targets, torch.tensor(ids), bank).backward()
    inputs = [anchors, targets, objective.logit_scale]

    def loss_at(step: float, direction: list[torch.Tensor]) -> float:
        at = [x.detach().double() + step * toward for x, toward in zip(inputs, direction, strict=True)]
        return written_out(at[0], at[1], ids, bank, scale=at[2].exp().item(), soft=soft, bidirectional=bidirectional)

    for moved in range(3):
        direction = [torch.randn_like(x) if number == moved else torch.zeros_like(x) for number, x in enumerate(inputs)]
        slope = (loss_at(1e-5, direction) - loss_at(-1e-5, direction)) / 2e-5
        assert (inputs[moved].grad * direction[moved]).sum().item() == pytest.approx(slope, abs=1e-5)


def test_a_key_of_the_row_s_own_place_is_never_a_negative():
    objective = CrossViewContrastiveLoss()
    anchors, targets, ids = torch.randn(4, 8), torch.randn(4, 8), torch.tensor([3, 5, 7, 9])
    without = objective(anchors, targets, ids)
    # Only keys of one place: what they hold makes no difference to its row.
    banks = [a_bank(6, 8, torch.full((6,), 5)) for _ in range(2)]
    rows = [slice(1, 2), slice(0, 1)]
    known, strange = ([objective(anchors[row], targets[row], ids[row], bank) for bank in banks] for row in rows)
    assert known[0] == known[1] == 0
    assert strange[0] != strange[1]
    assert objective(anchors, targets, ids, banks[0]) > without


def test_an_empty_bank_changes_nothing():
    objective, ids = CrossViewContrastiveLoss(), torch.arange(4)
    anchors, targets = torch.randn(4, 8), torch.randn(4, 8)
    assert torch.equal(objective(anchors, targets, ids, MemoryBank(9, 8)), objective(anchors, targets))


def test_the_inverse_temperature_stops_at_one_hundred():
    hot, limit = (CrossViewContrastiveLoss(logit_scale_init_value=math.log(value)) for value in (1e6, 100))
    anchors, targets = torch.randn(4, 8), torch.randn(4, 8)
    torch.testing.assert_close(hot(anchors, targets), limit(anchors, targets))


def test_a_clamped_temperature_learns_again_once_it_is_put_back():
    objective = CrossViewContrastiveLoss(logit_scale_init_value=math.log(1e6))
    anchors, targets = torch.randn(4, 8), torch.randn(4, 8)
    objective(anchors, targets).backward()
    assert objective.logit_scale.grad == 0
    objective.clamp_logit_scale()
    assert objective.logit_scale.exp().item() == pytest.approx(100)
    objective(anchors, targets).backward()
    assert objective.logit_scale.grad != 0


def test_a_fixed_temperature_is_saved_but_not_learnt():
    fixed, learnt = (CrossViewContrastiveLoss(learnable_temperature=learnable) for learnable in (False, True))
    anchors, targets = torch.randn(4, 8), torch.randn(4, 8)
    assert list(fixed.parameters()) == []
    assert fixed.state_dict().keys() == learnt.state_dict().keys()
    assert torch.equal(fixed(anchors, targets), learnt(anchors, targets))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_embeddings_are_compared_in_float32(dtype):
    objective = CrossViewContrastiveLoss(bidirectional=True)
    anchors, targets, ids = torch.randn(4, 8).to(dtype), torch.randn(4, 8).to(dtype), torch.arange(4)
    with torch.autocast("cpu", dtype=dtype):
        loss = objective(anchors, targets, ids, bank := a_bank(5, 8))
    assert loss.dtype == torch.float32
    assert torch.equal(loss, objective(anchors.float(), targets.float(), ids, bank))


def test_a_loss_without_the_ids_it_needs_or_of_unlike_shapes_is_an_error():
    rows = torch.randn(4, 8)
    with pytest.raises(ValueError, match="need `ids`"):
        CrossViewContrastiveLoss()(rows, rows, bank=a_bank(3, 8))
    with pytest.raises(ValueError, match="need `ids`"):
        CrossViewContrastiveLoss(soft_positives=True)(rows, rows)
    with pytest.raises(ValueError, match=r"alike .* got \[\(4, 8\), \(3, 8\)\]"):
        CrossViewContrastiveLoss()(rows, rows[:3])
    with pytest.raises(ValueError, match=r"\(5,\)"):
        CrossViewContrastiveLoss()(rows, rows, torch.arange(5))


class Task(nn.Module):
    """A pixel tower, the pooling of photos and the objective, as training puts them together."""

    def __init__(self, method: str, **options: bool) -> None:
        super().__init__()
        self.tower = nn.Linear(6, 8)
        self.pooling = PhotoPooling(method, 8)
        self.objective = CrossViewContrastiveLoss(**options)

    def forward(self, series, photos, photo_mask, ids, bank):
        return self.objective(self.tower(series), self.pooling(photos, photo_mask), ids, bank)


OVER_PROCESSES = {
    "in-batch negatives": (["average"], False, False, {}),
    "bidirectional": (["average"], False, False, {"bidirectional": True}),
    "ids": (["average"], True, False, {}),
    "ids, bank, bidirectional": (["attention_per_image"], True, True, {"bidirectional": True}),
    "soft positives, bank": (["attention_per_dimension"], True, True, {"soft_positives": True, "bidirectional": True}),
    "fixed temperature": (["attention_per_image"], True, True, {"learnable_temperature": False}),
}


def train_one_step(case: str, part: slice) -> tuple[nn.Module, torch.Tensor]:
    (method,), with_ids, with_bank, options = OVER_PROCESSES[case]
    torch.manual_seed(5)
    task: nn.Module = Task(method, **options).double()
    series, photos, mask = torch.randn(8, 6).double(), torch.randn(8, 3, 8).double(), torch.rand(8, 3) < 0.6
    mask[:, 0] = True
    # Places of two rows, within a process and across both, and keys of the bank.
    ids = torch.tensor([0, 0, 2, 3, 3, 5, 2, 7]) if with_ids else None
    bank = a_bank(10, 8, torch.arange(2, 12)) if with_bank else None
    if distributed.is_initialized():
        task = DistributedDataParallel(task)
    loss = task(series[part], photos[part], mask[part], ids if ids is None else ids[part], bank)
    loss.backward()
    return task, loss.detach()


def half_of_the_batch(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    distributed.init_process_group("gloo", f"file://{folder}/rendezvous", rank=rank, world_size=2)
    results = {}
    for case in OVER_PROCESSES:
        task, loss = train_one_step(case, slice(4 * rank, 4 * rank + 4))
        results[case] = loss, {name: parameter.grad for name, parameter in task.module.named_parameters()}
    rows = torch.arange(6.0).reshape(2, 3) + 10 * rank
    results["gathered"] = gather_rows(rows.T), gather_rows(torch.tensor([rank, 7])), bank_keys(rows, rows[:, 0].long())
    torch.save(results, folder / f"{rank}.pt")
    distributed.barrier()
    # Taking down gloo under a live DDP reducer joins a thread that may be waiting for the interpreter's lock.
    os._exit(0)


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """What each of two gloo processes computed."""
    folder = tmp_path_factory.mktemp("processes")
    torch.multiprocessing.start_processes(half_of_the_batch, (folder,), nprocs=2, start_method="fork")
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("case", OVER_PROCESSES)
def test_two_processes_with_half_the_batch_are_one_with_the_whole(two_processes, case):
    task, together = train_one_step(case, slice(None))
    (first, first_grads), (second, second_grads) = (results[case] for results in two_processes)
    torch.testing.assert_close((first + second) / 2, together, rtol=0, atol=ROUNDING)
    for name, parameter in task.named_parameters():
        torch.testing.assert_close(first_grads[name], parameter.grad, rtol=0, atol=ROUNDING)
        assert torch.equal(first_grads[name], second_grads[name])
    assert ("objective.logit_scale" in first_grads) == (case != "fixed temperature")


def test_rows_are_gathered_in_the_order_of_the_processes(two_processes):
    rows = [torch.arange(6.0).reshape(2, 3) + 10 * rank for rank in range(2)]
    for results in two_processes:
        columns, numbers, (keys, ids) = results["gathered"]
        assert torch.equal(columns, torch.cat([rows[0].T, rows[1].T]))
        assert numbers.tolist() == [0, 7, 1, 7]
        torch.testing.assert_close(keys, nn.functional.normalize(torch.cat(rows), dim=-1))
        assert ids.tolist() == [0, 3, 10, 13]


def test_one_process_gathers_nothing():
    rows = torch.randn(3, 2, requires_grad=True)
    assert gather_rows(rows) is rows


def test_matching_costs_two_minus_two_cosines_whatever_the_lengths():
    anchors = torch.tensor([[3.0, 0.0], [0.0, 2.0], [1.0, 1.0]], requires_grad=True)
    targets = torch.tensor([[0.5, 0.0], [4.0, 0.0], [-2.0, -2.0]])
    assert EmbeddingMatchingLoss()(anchors, targets).item() == pytest.approx((0 + 2 + 4) / 3)
    anchors, targets = torch.randn(16, 8), torch.randn(16, 8)
    cosines = torch.cosine_similarity(anchors, targets)
    assert EmbeddingMatchingLoss()(anchors, targets).item() == pytest.approx((2 - 2 * cosines).mean().item(), abs=1e-6)
