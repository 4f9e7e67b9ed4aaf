import pytest
import torch
from accelerate import Accelerator
from torch import nn

from timesenclip_hf.objectives import CrossViewContrastiveLoss
from training.loop import TensorRows, fit

SETTINGS = {
    "description": "test",
    "steps": 60,
    "batch_size": 32,
    "learning_rate": 1e-2,
    "weight_decay": 0.01,
    "warmup_steps": 5,
    "max_grad_norm": 1.0,
    "seed": 0,
}


class Align(nn.Module):
    """A linear map from one view to the other, which a linear map can learn exactly."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(8, 8)
        self.objective = CrossViewContrastiveLoss()

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return self.objective(self.map(first), second)


def views(num_rows: int = 320) -> TensorRows:
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(num_rows, 8, generator=generator)
    return TensorRows(first=first, second=first @ torch.randn(8, 8, generator=generator))


def train(seed: int = 0) -> tuple[list[dict[str, float]], torch.Tensor]:
    torch.manual_seed(seed)
    task = Align()
    curve = fit(Accelerator(cpu=True), task, views(), **SETTINGS)
    return curve, task.map.weight.detach()


def test_two_views_of_the_same_rows_are_brought_together():
    curve, _ = train()
    assert curve[0]["loss"] > 1.5
    assert curve[-1]["loss"] < 0.5 * curve[0]["loss"]
    assert [entry["step"] for entry in curve] == [25, 50, 60]


def test_the_same_seed_gives_the_same_weights():
    assert torch.equal(train()[1], train()[1])


def test_a_loss_that_is_not_a_number_stops_the_run():
    rows = views()
    rows.columns["second"][:] = float("nan")
    with pytest.raises(FloatingPointError, match="The loss became nan by step 25: lower the learning rate"):
        fit(Accelerator(cpu=True), Align(), rows, **SETTINGS)


def test_rows_are_handed_out_as_batches():
    batch = views().__getitems__([3, 1])
    assert torch.equal(batch["first"], views().columns["first"][[3, 1]])
