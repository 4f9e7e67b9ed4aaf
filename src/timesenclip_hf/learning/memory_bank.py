"""Keep keys of earlier batches as further negatives."""

from collections.abc import Mapping

import torch
from torch import nn

from .gathering import gather_rows


class MemoryBank:
    """Keep targets of earlier batches as further negatives: first in, first out (MoCo, arXiv 1911.05722).

    No module on purpose: `DistributedDataParallel` overwrites a module's buffers with those of the first process at
    every forward. Filled alike on every process (with [`bank_keys`]), it is the same everywhere, and
    `Accelerator.register_for_checkpointing` saves it.

    Args:
        size: keys at most.
        dim: of a key.

    Attributes:
        keys: unit float32 keys (held, dim), the oldest first.
        ids: int64 ids (held,) of the places that the keys are of.

    Raises:
        ValueError: `size` or `dim` is not positive.
    """

    def __init__(self, size: int, dim: int) -> None:
        if size < 1 or dim < 1:
            raise ValueError(f"`size` and `dim` must be positive, got {size} and {dim}; for no bank, make none.")
        self.size = size
        self.keys = torch.empty(0, dim)
        self.ids = torch.empty(0, dtype=torch.int64)

    def __len__(self) -> int:
        """Count the keys held, `size` at most."""
        return len(self.ids)

    @torch.no_grad()
    def enqueue(self, keys: torch.Tensor, ids: torch.Tensor) -> None:
        """Add keys; the oldest leave. Of more keys than the bank holds, the last stay.

        Args:
            keys: embeddings (batch, dim) of any precision; made unit here.
            ids: (batch,) of their places.

        Raises:
            ValueError: a shape is another.
        """
        dim = self.keys.shape[1]
        if keys.ndim != 2 or keys.shape[1] != dim or ids.shape != keys.shape[:1]:
            raise ValueError(
                f"The bank takes keys (batch, {dim}) with ids (batch,), got {tuple(keys.shape)} and {tuple(ids.shape)}."
            )
        leaving = max(len(self) + len(ids) - self.size, 0)
        newest = unit(keys[-self.size :]).to(self.keys)
        self.keys = torch.cat([self.keys[leaving:], newest])
        self.ids = torch.cat([self.ids[leaving:], ids[-self.size :].to(self.ids)])

    def to(self, device: torch.device | str) -> "MemoryBank":
        """Move the keys to a device; return the bank."""
        self.keys, self.ids = self.keys.to(device), self.ids.to(device)
        return self

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return keys and ids."""
        return {"keys": self.keys, "ids": self.ids}

    def load_state_dict(self, state_dict: Mapping[str, torch.Tensor]) -> None:
        """Take keys and ids, bit by bit, onto its own device.

        Raises:
            ValueError: they are of a bank of another size or dimension.
        """
        keys, ids = state_dict["keys"], state_dict["ids"]
        if len(keys) > self.size or keys.shape[1:] != self.keys.shape[1:]:
            raise ValueError(
                f"The saved bank has {len(keys)} keys of {keys.shape[1]} values, this one takes up to {self.size} of "
                f"{self.keys.shape[1]}: continue with the size that the run was started with."
            )
        self.keys, self.ids = keys.to(self.keys), ids.to(self.ids)


@torch.no_grad()
def bank_keys(targets: torch.Tensor, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Gather the unit targets (rows, dim) and ids (rows,) of all processes, as every process's bank takes them."""
    return gather_rows(unit(targets)), gather_rows(ids)


def unit(embeds: torch.Tensor) -> torch.Tensor:
    """Scale rows to length one, in float32 at least."""
    return nn.functional.normalize(embeds.to(torch.promote_types(embeds.dtype, torch.float32)), dim=-1)
