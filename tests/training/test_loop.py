import json
import math

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import nn

from timesenclip_hf.learning import CrossViewContrastiveLoss, MemoryBank
from training.batches import TensorRows
from training.checkpoints import RUN_FILE
from training.loop import BEST_FILE, Fit, FitSettings


class Align(nn.Module):
    """A linear map from one view to the other, which a linear map can learn exactly."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.map = nn.Sequential(nn.Linear(8, 8), nn.Dropout(dropout))
        self.other = nn.Linear(8, 8)
        self.seen: list[torch.Tensor] = []

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.seen.append(self.map(first))
        return self.seen[-1], self.other(second)


def views(num_rows: int = 320) -> TensorRows:
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(num_rows, 8, generator=generator)
    second = first @ torch.randn(8, 8, generator=generator)
    return TensorRows(
        [f"point {row}" for row in range(num_rows)], first=first, second=second, ids=torch.arange(num_rows)
    )


@pytest.fixture
def new_fit(tmp_path):
    """Builds a stage in a folder of its own name; settings are changes of a short run."""
    (tmp_path / RUN_FILE).write_text("{}")

    def build(name="stage", *, rows=None, align=None, objective=None, parts=None, **settings):
        defaults = {"steps": 60, "batch_size": 32, "learning_rate": 1e-2, "weight_decay": 0.01, "warmup_steps": 5}
        return Fit(
            Accelerator(cpu=True),
            align or Align(),
            objective or CrossViewContrastiveLoss(),
            rows or views(),
            FitSettings(**defaults | settings),
            folder=tmp_path / name,
            description="test",
            **parts or {},
        )

    return build


def gradients(fit: Fit) -> dict[str, torch.Tensor]:
    batch = fit.rows.__getitems__(list(range(32)))
    batch.pop("row")
    torch.manual_seed(3)
    fit._backward(batch, batch.pop("ids"))
    modules = (fit.views, fit.objective)
    return {name: parameter.grad for module in modules for name, parameter in module.named_parameters()}


def test_two_views_of_the_same_rows_are_brought_together(new_fit):
    progress = new_fit().run()
    assert progress.curve[0]["loss"] > 1.5
    assert progress.curve[-1]["loss"] < 0.5 * progress.curve[0]["loss"]
    assert [entry["step"] for entry in progress.curve] == [25, 50, 60]


def test_the_learning_rate_warms_up_and_falls_as_a_cosine(new_fit):
    curve = new_fit(steps=20, logging_steps=1, warmup_steps=0.25).run().curve
    rates = [entry["learning_rate"] for entry in curve]
    wanted = [
        0.01 * step / 5 if step < 5 else 0.005 * (1 + math.cos(math.pi * (step - 5) / 15)) for step in range(1, 21)
    ]
    assert rates == pytest.approx(wanted)


def test_the_same_seed_gives_the_same_weights(new_fit):
    fits = [new_fit(name, align=Align(dropout=0.2)) for name in "ab"]
    curves = [fit.run().curve for fit in fits]
    assert curves[0] == curves[1]
    assert torch.equal(fits[0].views.map[0].weight, fits[1].views.map[0].weight)


@pytest.mark.parametrize("parts", [2, 8])
def test_a_batch_in_parts_gives_the_gradients_of_the_whole(new_fit, parts):
    bank = MemoryBank(20, 8)
    bank.enqueue(torch.randn(20, 8), torch.arange(100, 120))
    objective = {"bidirectional": True}
    at_once = gradients(new_fit("whole", objective=CrossViewContrastiveLoss(**objective), parts={"bank": bank}))
    cut = gradients(
        new_fit(
            "cut",
            objective=CrossViewContrastiveLoss(**objective),
            parts={"bank": bank},
            gradient_accumulation_steps=parts,
        )
    )
    assert set(at_once) == set(cut)
    for name, gradient in at_once.items():
        torch.testing.assert_close(cut[name], gradient, rtol=0, atol=5e-6)


def test_a_part_is_embedded_again_with_the_same_dropout(new_fit):
    align = Align(dropout=0.5)
    gradients(new_fit(align=align, gradient_accumulation_steps=4))
    assert len(align.seen) == 8
    for first, again in zip(align.seen[:4], align.seen[4:], strict=True):
        assert torch.equal(first, again)


def test_a_stopped_stage_ends_as_if_it_had_never_stopped(new_fit):
    def build(name):
        align, bank = Align(dropout=0.2), MemoryBank(40, 8)
        parts = {"bank": bank, "evaluate": lambda views: {"weight": views.map[0].weight[0, 0].item()}}
        return new_fit(name, align=align, parts=parts, steps=20, save_steps=4, logging_steps=3, eval_steps=5)

    class Killed(BaseException):
        pass

    uninterrupted = build("whole")
    wanted = uninterrupted.run()
    for stop in (6, 15):  # between two checkpoints, then again
        fit = build("cut")
        step = fit._step

        def until(number, batch, step=step, stop=stop):
            if number == stop:
                raise Killed
            return step(number, batch)

        fit._step = until
        with pytest.raises(Killed):
            fit.run()
    fit = build("cut")
    got = fit.run()
    assert (got.curve, got.evaluations) == (wanted.curve, wanted.evaluations)
    assert torch.equal(fit.views.map[0].weight, uninterrupted.views.map[0].weight)
    assert torch.equal(fit.bank.keys, uninterrupted.bank.keys)


def test_a_finished_stage_is_not_trained_again(new_fit):
    wanted = new_fit(steps=6).run()
    fit = new_fit(steps=6)
    fit._step = None
    assert fit.run() == wanted


def test_the_bank_is_full_from_the_first_step_on_and_keeps_the_newest(new_fit):
    bank = MemoryBank(50, 8)
    fit = new_fit(parts={"bank": bank}, steps=1)
    fit._fill_bank()
    assert len(bank) == 50
    assert len(set(bank.ids.tolist())) == 50
    fit.run()
    assert len(bank) == 50


def test_a_bank_without_ids_is_an_error(new_fit):
    rows = views()
    del rows.columns["ids"]
    with pytest.raises(ValueError, match="A memory bank needs the column `ids`"):
        new_fit(rows=rows, parts={"bank": MemoryBank(50, 8)})


def test_the_best_weights_are_kept_and_training_stops_when_nothing_gets_better(new_fit, tmp_path):
    values = iter([0.1, 0.5, 0.4, 0.3, 0.2])
    weights = []

    def evaluate(module):
        weights.append(module.map[0].weight.detach().clone())
        return {"recall": next(values)}

    fit = new_fit(
        parts={"evaluate": evaluate},
        eval_steps=5,
        metric_for_best_model="recall",
        early_stopping_patience=2,
    )
    progress = fit.run()
    assert progress.step == 20
    assert progress.stopped == "no better recall in 2 evaluations"
    assert progress.best == {"step": 10, "recall": 0.5}
    assert torch.equal(fit.views.map[0].weight, weights[1])
    assert (tmp_path / "stage" / BEST_FILE).exists()


def test_a_loss_is_better_when_it_is_smaller(new_fit):
    values = iter([0.5, 0.1, 0.4])
    fit = new_fit(
        parts={"evaluate": lambda _: {"validation_loss": next(values)}},
        steps=15,
        eval_steps=5,
        metric_for_best_model="validation_loss",
    )
    assert fit.run().best == {"step": 10, "validation_loss": 0.1}


def test_a_metric_that_is_not_measured_is_an_error(new_fit):
    fit = new_fit(parts={"evaluate": lambda _: {"recall": 1.0}}, eval_steps=1, metric_for_best_model="f1")
    with pytest.raises(ValueError, match="`metric_for_best_model` must be one of recall, got 'f1'"):
        fit.run()


def test_a_loss_that_is_not_a_number_names_the_points_and_keeps_the_batch(new_fit, tmp_path):
    rows = views()
    rows.columns["second"][7, 3] = float("nan")
    fit = new_fit(rows=rows, steps=10)
    with pytest.raises(FloatingPointError, match=r"became nan at step \d+; the input of point 7 is not finite"):
        fit.run()
    assert list((tmp_path / "stage").glob("bad_batch-*-0.safetensors"))


def test_a_loss_that_diverges_with_good_input_says_so(new_fit):
    objective = CrossViewContrastiveLoss()
    with torch.no_grad():
        objective.logit_scale.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="every input is finite: lower `learning_rate`"):
        new_fit(objective=objective).run()


def test_norms_biases_and_the_temperature_are_not_decayed(new_fit):
    decayed, others = new_fit().optimizer.param_groups
    assert {parameter.ndim for parameter in decayed["params"]} == {2}
    assert len(others["params"]) == 3
    assert others["weight_decay"] == 0


def test_an_augmentation_sees_every_batch_of_training(new_fit):
    calls = []

    def augment(batch):
        calls.append(sorted(batch))
        return {name: column * 2 for name, column in batch.items()}

    new_fit(parts={"augment": augment}, steps=3).run()
    assert calls == 3 * [["first", "second"]]


def test_bfloat16_stays_near_float32(tmp_path):
    (tmp_path / RUN_FILE).write_text("{}")
    losses = {}
    for precision in ("no", "bf16"):
        # Accelerate keeps the precision of the first in a process.
        AcceleratorState._reset_state(reset_partial_state=True)
        settings = FitSettings(steps=5, batch_size=32, learning_rate=1e-2, weight_decay=0.0, logging_steps=5)
        accelerator = Accelerator(cpu=True, mixed_precision=precision)
        fit = Fit(
            accelerator,
            Align(),
            CrossViewContrastiveLoss(),
            views(),
            settings,
            folder=tmp_path / precision,
            description="test",
        )
        losses[precision] = fit.run().curve[-1]["loss"]
    AcceleratorState._reset_state(reset_partial_state=True)
    assert losses["bf16"] != losses["no"]
    assert losses["bf16"] == pytest.approx(losses["no"], rel=0.02)


def test_progress_is_plain_json(new_fit, tmp_path):
    new_fit(steps=3).run()
    (folder,) = (tmp_path / "stage").glob("checkpoint-*")
    assert json.loads((folder / "progress.json").read_text())["step"] == 3
