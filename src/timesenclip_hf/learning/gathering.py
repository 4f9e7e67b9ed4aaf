"""Gather the rows of every process as one batch, with gradient."""

from typing import Any

import torch
from torch import distributed


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor) -> torch.Tensor:
        ctx.num_rows = len(rows)
        gathered = [torch.empty_like(rows) for _ in range(distributed.get_world_size())]
        distributed.all_gather(gathered, rows)
        return torch.cat(gathered)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        # Every process's loss depends on these rows, so their gradient is the sum over the processes.
        total = grad.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total.narrow(0, distributed.get_rank() * ctx.num_rows, ctx.num_rows)


def gather_rows(tensor: torch.Tensor) -> torch.Tensor:
    """Gather the rows of all processes in the order of their ranks, with gradient.

    Backward sums the gradients of all processes, so every process must call both directions alike.

    Args:
        tensor: (rows, ...), floating or integer; the same number of rows on every process, which is not checked.

    Returns:
        (processes * rows, ...); the tensor itself where there is one process.
    """
    if num_processes() == 1:
        return tensor
    gathered: torch.Tensor = _GatherRows.apply(tensor.contiguous())  # type: ignore[no-untyped-call]
    return gathered


def num_processes() -> int:
    """Count the processes that train together; 1 where `torch.distributed` is not initialised."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def rank() -> int:
    """Return the index of this process among those that train together."""
    return distributed.get_rank() if num_processes() > 1 else 0
