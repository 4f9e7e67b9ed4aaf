"""Train by one loop under Accelerate: two views of the same places in, the loss of an objective down.

What is trained is a module that turns a batch into two views, `views(**batch) -> (anchors, targets)`, each (rows, dim),
and an objective that compares them. A step sees `batch_size` rows whatever the number of processes and of parts
that a batch is computed in: embeddings are gathered over the processes with their gradients, and a batch too large
for memory is embedded part by part, contrasted whole, and embedded again for the gradients (GradCache, Gao et al.
2021, arXiv 2101.06983), so that both give the loss and gradients of one process with the whole batch.
"""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, gather_object
from safetensors.torch import load_file, save_file
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm
from transformers import get_cosine_schedule_with_warmup

from timesenclip_hf.files import whole_file
from timesenclip_hf.learning import CrossViewContrastiveLoss, EmbeddingMatchingLoss, MemoryBank, bank_keys
from training.batches import Batch, StepBatches, TensorRows, split_batch, step_seed
from training.checkpoints import Checkpoints, Progress

BEST_FILE = "best.safetensors"
# Metrics of this name, or ending in it, are better when smaller.
LOSS = "loss"

Evaluation = Callable[[nn.Module], dict[str, float]]


@dataclass(frozen=True)
class FitSettings:
    """Say how a stage is optimised; [`RunArguments`] explains each."""

    steps: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    warmup_steps: float = 0
    adam_betas: tuple[float, float] = (0.9, 0.98)
    max_grad_norm: float = 1.0
    gradient_accumulation_steps: int = 1
    seed: int = 0
    logging_steps: int = 25
    save_steps: int = 0
    save_total_limit: int = 2
    eval_steps: int = 0
    metric_for_best_model: str | None = None
    early_stopping_patience: int = 0
    dataloader_num_workers: int = 0


class Fit:
    """Run one stage of training, from its last checkpoint to its end.

    Args:
        accelerator: new to this stage; it keeps what it has prepared.
        views: what is trained; see the module.
        objective: compares the views; what it has of parameters, such as a temperature, is trained too.
        rows: the training set, with a column `ids` where rows of one place must not be each other's negatives.
        settings: of the optimisation.
        folder: for checkpoints.
        description: beside the progress bar, and before the names of logged values.
        augment: applied to every batch on the device, in training only.
        evaluate: measures the views, in one process.
        bank: more negatives; filled by the targets of former steps.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        views: nn.Module,
        objective: CrossViewContrastiveLoss | EmbeddingMatchingLoss,
        rows: TensorRows,
        settings: FitSettings,
        *,
        folder: Path,
        description: str,
        augment: Callable[[Batch], Batch] | None = None,
        evaluate: Evaluation | None = None,
        bank: MemoryBank | None = None,
    ) -> None:
        self.accelerator = accelerator
        self.rows = rows
        self.settings = settings
        self.folder = folder
        self.description = description
        self.augment = augment
        self.evaluate = evaluate
        self.bank = bank
        if bank is not None and "ids" not in rows.columns:
            raise ValueError("A memory bank needs the column `ids`, to leave a place's own keys out.")
        warmup = settings.warmup_steps if settings.warmup_steps >= 1 else settings.warmup_steps * settings.steps
        optimizer = torch.optim.AdamW(
            _parameter_groups([views, objective], settings.weight_decay),
            lr=settings.learning_rate,
            betas=settings.adam_betas,
            fused=True,
        )
        self.scheduler = get_cosine_schedule_with_warmup(optimizer, round(warmup), settings.steps)
        self.views, self.objective, self.optimizer = accelerator.prepare(views, objective, optimizer)
        # Registered, not prepared: a prepared schedule steps once for every process.
        accelerator.register_for_checkpointing(self.scheduler)
        if bank is not None:
            accelerator.register_for_checkpointing(bank.to(accelerator.device))
        self.checkpoints = Checkpoints(accelerator, folder, settings.save_total_limit)

    def run(self) -> Progress:
        """Train to the last step, or until the validation says to stop; return how it went.

        Raises:
            ValueError: the batch does not fit the rows or the processes.
            FloatingPointError: the loss is not a number; the batch is kept.
            OSError: a checkpoint could not be written or read.
        """
        settings, accelerator = self.settings, self.accelerator
        progress = self.checkpoints.restore()
        if self.bank is not None and not progress.step:
            self._fill_bank()
        steps = range(progress.step, settings.steps if progress.stopped is None else progress.step)
        ranks = {"rank": accelerator.process_index, "num_ranks": accelerator.num_processes}
        loader = DataLoader(
            self.rows,
            batch_sampler=StepBatches(len(self.rows), settings.batch_size, seed=settings.seed, steps=steps, **ranks),
            collate_fn=cast(Any, _as_it_is),  # `__getitems__` makes the batch already
            num_workers=settings.dataloader_num_workers,
            pin_memory=accelerator.device.type == "cuda",
            # Its own generator: a loader draws from the global one otherwise, and dropout would differ.
            generator=torch.Generator(),
        )
        self.views.train()
        batches = iter(loader)
        with tqdm(
            total=settings.steps,
            initial=progress.step,
            desc=self.description,
            unit="step",
            disable=not accelerator.is_main_process,
        ) as bar:
            for step in steps:
                started = time.monotonic()
                batch = next(batches)
                loaded = time.monotonic()
                progress.losses.append(self._step(step, batch))
                progress.step = step + 1
                progress.loading_seconds += loaded - started
                progress.seconds += time.monotonic() - started
                bar.update()
                self._log(progress, bar)
                if self._evaluate(progress):
                    break
                if settings.save_steps and progress.step % settings.save_steps == 0 and progress.step < settings.steps:
                    self.checkpoints.save(progress)
        if steps:
            self.checkpoints.save(progress)
        self._load_best(progress)
        return progress

    def _step(self, step: int, batch: Batch) -> float:
        """Take one optimiser step; return the mean loss of its rows over all processes."""
        accelerator = self.accelerator
        numbers = batch["row"]
        torch.manual_seed(step_seed(self.settings.seed, step, accelerator.process_index))
        inputs = {name: column.to(accelerator.device, non_blocking=True) for name, column in batch.items()}
        del inputs["row"]
        ids = inputs.pop("ids", None)
        if self.augment is not None:
            inputs = self.augment(inputs)
        loss, targets = self._backward(inputs, ids)
        mean = accelerator.reduce(loss.detach(), "mean").item()
        if not math.isfinite(mean):
            self._stop_at(step, mean, numbers, inputs)
        accelerator.clip_grad_norm_(
            [*self.views.parameters(), *self.objective.parameters()], self.settings.max_grad_norm
        )
        self.optimizer.step()
        self.scheduler.step()
        self.optimizer.zero_grad()
        objective = self.accelerator.unwrap_model(self.objective)
        if isinstance(objective, CrossViewContrastiveLoss):
            objective.clamp_logit_scale()
        if self.bank is not None and ids is not None:
            self.bank.enqueue(*bank_keys(targets, ids))
        return float(mean)

    def _backward(self, inputs: Batch, ids: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the loss of this process's rows and the targets; leave the gradients behind."""
        if self.settings.gradient_accumulation_steps == 1:
            anchors, targets = self.views(**inputs)
            loss = self.objective(anchors, targets, ids, self.bank)
            self.accelerator.backward(loss)
            return loss, targets.detach()
        parts = split_batch(inputs, self.settings.gradient_accumulation_steps)
        states, embeds = [], []
        with torch.no_grad():
            for part in parts:
                states.append(_random_state(self.accelerator.device))
                embeds.append(self.views(**part))
        anchors, targets = (torch.cat(view).requires_grad_() for view in zip(*embeds, strict=True))
        loss = self.objective(anchors, targets, ids, self.bank)
        self.accelerator.backward(loss)
        gradients = zip(*(_gradient(view).chunk(len(parts)) for view in (anchors, targets)), strict=True)
        for part, state, gradient in zip(parts, states, gradients, strict=True):
            # Processes exchange gradients once, with the last part.
            with nullcontext() if part is parts[-1] else self.accelerator.no_sync(self.views):
                _restore_random_state(state, self.accelerator.device)
                trained = [pair for pair in zip(self.views(**part), gradient, strict=True) if pair[0].requires_grad]
                views, gradients_of_views = zip(*trained, strict=True)
                torch.autograd.backward(views, gradients_of_views)
        return loss, targets.detach()

    @torch.no_grad()
    def _fill_bank(self) -> None:
        """Enqueue the targets of the batches that come last in the first epoch: the bank is full from step one."""
        assert self.bank is not None
        views = self.accelerator.unwrap_model(self.views).eval()
        count = min(self.bank.size, len(self.rows))
        size = self.settings.batch_size
        order = next(iter(StepBatches(len(self.rows), len(self.rows), seed=self.settings.seed, steps=range(1))))
        for start in range(0, count, size):
            batch = self.rows.__getitems__(order[::-1][start : min(start + size, count)])
            inputs = {name: column.to(self.accelerator.device) for name, column in batch.items()}
            del inputs["row"]
            ids = inputs.pop("ids")
            self.bank.enqueue(views(**inputs)[1], ids)

    def _log(self, progress: Progress, bar: Any) -> None:
        if progress.step % self.settings.logging_steps and progress.step != self.settings.steps:
            return
        entry = {
            LOSS: sum(progress.losses) / len(progress.losses),
            "learning_rate": self.scheduler.get_last_lr()[0],
        }
        objective = self.accelerator.unwrap_model(self.objective)
        if isinstance(objective, CrossViewContrastiveLoss):
            entry["logit_scale"] = objective.logit_scale.exp().item()
        progress.losses.clear()
        progress.curve.append({"step": progress.step, **entry})
        self._track(entry, progress.step)
        bar.set_postfix(loss=f"{entry[LOSS]:.3f}")

    def _track(self, values: dict[str, float], step: int) -> None:
        prefix = self.description.replace(" ", "_")
        self.accelerator.log({f"{prefix}/{name}": value for name, value in values.items()}, step=step)

    def _evaluate(self, progress: Progress) -> bool:
        """Measure the views when it is time to; return whether training should stop."""
        settings = self.settings
        due = settings.eval_steps and (progress.step % settings.eval_steps == 0 or progress.step == settings.steps)
        if self.evaluate is None or not due:
            return False
        measured: list[Any] = [None]
        if self.accelerator.is_main_process:
            views = self.accelerator.unwrap_model(self.views).eval()
            measured = [self.evaluate(views)]
            views.train()
        broadcast_object_list(measured)
        entry = {"step": progress.step, **measured[0]}
        progress.evaluations.append(entry)
        self._track(measured[0], progress.step)
        metric = settings.metric_for_best_model
        if metric is None:
            return False
        if metric not in entry:
            raise ValueError(
                f"`metric_for_best_model` must be one of {', '.join(measured[0])}, got {metric!r}: name one of these."
            )
        if progress.best is None or _better(metric, entry[metric], progress.best[metric]):
            progress.best = entry
            if self.accelerator.is_main_process:
                self._keep_best()
        since = (progress.step - progress.best["step"]) // settings.eval_steps
        if 0 < settings.early_stopping_patience <= since:
            progress.stopped = f"no better {metric} in {since} evaluations"
        return progress.stopped is not None

    def _keep_best(self) -> None:
        state = self.accelerator.unwrap_model(self.views).state_dict()
        with whole_file(self.folder / BEST_FILE, overwrite=True) as partial:
            save_file({name: tensor.contiguous() for name, tensor in state.items()}, partial)

    def _load_best(self, progress: Progress) -> None:
        self.accelerator.wait_for_everyone()
        if progress.best is not None:
            self.accelerator.unwrap_model(self.views).load_state_dict(load_file(self.folder / BEST_FILE))

    def _stop_at(self, step: int, mean: float, numbers: torch.Tensor, inputs: Batch) -> None:
        """Keep the batch and say which rows are at fault.

        Raises:
            FloatingPointError: always.
        """
        faulty = torch.zeros(len(numbers), dtype=torch.bool)
        for column in inputs.values():
            if column.is_floating_point():
                faulty |= ~column.detach().cpu().flatten(1).isfinite().all(dim=1)
        file = self.folder / f"bad_batch-{step + 1:08d}-{self.accelerator.process_index}.safetensors"
        save_file({name: column.cpu().contiguous() for name, column in inputs.items()} | {"row": numbers}, file)
        names = gather_object([self.rows.name(row) for row in numbers[faulty].tolist()])
        cause = (
            f"the input of {', '.join(names[:10])}{f' and {len(names) - 10} more' * (len(names) > 10)} is not finite: "
            "mend or drop it"
            if names
            else "every input is finite: lower `learning_rate`, or train with mixed_precision bf16 instead of fp16"
        )
        raise FloatingPointError(f"The loss became {mean} at step {step + 1}; {cause}. The batch is kept in {file}.")


def _parameter_groups(modules: Sequence[nn.Module], weight_decay: float) -> list[dict[str, Any]]:
    """Part what is decayed, matrices, from what is not: norms, biases, scalars of positions, the temperature."""
    parameters = [parameter for module in modules for parameter in module.parameters() if parameter.requires_grad]
    return [
        {"params": [parameter for parameter in parameters if parameter.ndim > 1], "weight_decay": weight_decay},
        {"params": [parameter for parameter in parameters if parameter.ndim <= 1], "weight_decay": 0.0},
    ]


def _better(metric: str, value: float, best: float) -> bool:
    return value < best if metric.endswith(LOSS) else value > best


def _gradient(view: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(view) if view.grad is None else view.grad


def _random_state(device: torch.device) -> tuple[torch.Tensor, torch.Tensor | None]:
    return torch.get_rng_state(), torch.cuda.get_rng_state(device) if device.type == "cuda" else None


def _restore_random_state(state: tuple[torch.Tensor, torch.Tensor | None], device: torch.device) -> None:
    torch.set_rng_state(state[0])
    if state[1] is not None:
        torch.cuda.set_rng_state(state[1], device)


def _as_it_is(batch: Batch) -> Batch:
    return batch
