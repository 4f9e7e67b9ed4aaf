"""The one training loop: batches in, loss of a task down, under Accelerate."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

LOG_EVERY = 25


class TensorRows(Dataset[dict[str, torch.Tensor]]):
    """Equally long tensors as a dataset that hands out whole batches."""

    def __init__(self, **columns: torch.Tensor) -> None:
        self.columns = columns

    def __len__(self) -> int:
        """Rows."""
        return len(next(iter(self.columns.values())))

    def __getitems__(self, rows: list[int]) -> dict[str, torch.Tensor]:
        """Rows as one batch."""
        index = torch.as_tensor(rows)
        return {name: column[index] for name, column in self.columns.items()}


def fit(
    accelerator: Accelerator,
    task: nn.Module,
    rows: TensorRows,
    *,
    description: str,
    steps: int,
    batch_size: int,
    learning_rate: float,
    weight_decay: float,
    warmup_steps: int,
    max_grad_norm: float,
    seed: int,
) -> list[dict[str, float]]:
    """Trains a task, a module that turns a batch into its loss.

    AdamW with cosine decay after a linear warm-up; norms, biases and scalars are not decayed.

    Returns:
        The learning curve: `step`, `loss` (mean since the last entry) and `logit_scale`.

    Raises:
        FloatingPointError: the loss is not a number.
    """
    decayed = [parameter for parameter in task.parameters() if parameter.requires_grad and parameter.ndim > 1]
    others = [parameter for parameter in task.parameters() if parameter.requires_grad and parameter.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}],
        lr=learning_rate,
        betas=(0.9, 0.98),
    )
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _cosine(step, warmup_steps, steps))
    loader = DataLoader(
        rows,
        batch_size=batch_size,
        shuffle=True,
        drop_last=True,
        collate_fn=lambda batch: batch,
        generator=torch.Generator().manual_seed(seed),
    )
    prepared: Any = accelerator.prepare(task, optimizer, loader, scheduler)
    task, optimizer, loader, scheduler = prepared
    task.train()
    curve: list[dict[str, float]] = []
    losses: list[torch.Tensor] = []
    bar = tqdm(total=steps, desc=description, unit="step", disable=not accelerator.is_main_process)
    for step, batch in enumerate(_endless(loader, steps), start=1):
        with accelerator.autocast():
            loss = task(**batch)
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(task.parameters(), max_grad_norm)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
        losses.append(loss.detach())
        bar.update()
        if step % LOG_EVERY == 0 or step == steps:
            mean = torch.stack(losses).mean().item()
            if not math.isfinite(mean):
                raise FloatingPointError(f"The loss became {mean} by step {step}: lower the learning rate.")
            scale = accelerator.unwrap_model(task).objective.logit_scale.exp().item()
            curve.append({"step": step, "loss": mean, "logit_scale": scale})
            bar.set_postfix(loss=f"{mean:.3f}")
            losses.clear()
    bar.close()
    return curve


def _cosine(step: int, warmup_steps: int, steps: int) -> float:
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    return 0.5 * (1 + math.cos(math.pi * (step - warmup_steps) / max(steps - warmup_steps, 1)))


def _endless(loader: Any, steps: int) -> Iterator[dict[str, torch.Tensor]]:
    done = epoch = 0
    while done < steps:
        if hasattr(loader, "set_epoch"):
            loader.set_epoch(epoch)
        for batch in loader:
            if done == steps:
                return
            done += 1
            yield batch
        epoch += 1
