"""Keys of earlier batches as further negatives."""

from collections.abc import Mapping

import torch
from torch import nn

from .gathering import gather_rows


class MemoryBank:
    """Targets of earlier batches as further negatives: first in, first out (MoCo, arXiv 1911.05722).

    No module on purpose: `DistributedDataParallel` overwrites a module's buffers with those of the first process at
    every forward. Filled alike on every process (with [`bank_keys`]), it is the same everywhere, and
    `Accelerator.register_for_checkpointing` saves it.

    Args:
        size: keys at most.
        dim: of a key.

    Raises:
        ValueError: `size` or `dim` is not positive.
    """

    def __init__(self, size: int, dim: int) -> None:
        if size < 1 or dim < 1:
            raise ValueError(f"`size` and `dim` must be positive, got {size} and {dim}; for no bank, make none.")
        self.size = size
        self._keys = torch.empty(0, dim)
        self._ids = torch.empty(0, dtype=torch.int64)

    def __len__(self) -> int:
        """Keys held, `size` at most."""
        return len(self._ids)

    @property
    def keys(self) -> torch.Tensor:
        """Unit float32 keys (held, dim), the oldest first."""
        return self._keys

    @property
    def ids(self) -> torch.Tensor:
        """int64 ids (held,) of the places that the keys are of."""
        return self._ids

    @torch.no_grad()
    def enqueue(self, keys: torch.Tensor, ids: torch.Tensor) -> None:
        """Adds keys; the oldest leave. Of more keys than the bank holds, the last stay.

        Args:
            keys: embeddings (batch, dim) of any precision; made unit here.
            ids: (batch,) of their places.

        Raises:
            ValueError: a shape is another.
        """
        dim = self._keys.shape[1]
        if keys.ndim != 2 or keys.shape[1] != dim or ids.shape != keys.shape[:1]:
            raise ValueError(
                f"The bank takes keys (batch, {dim}) with ids (batch,), got {tuple(keys.shape)} and {tuple(ids.shape)}."
            )
        leaving = max(len(self) + len(ids) - self.size, 0)
        newest = unit(keys[-self.size :]).to(self._keys.device)
        self._keys = torch.cat([self._keys[leaving:], newest])
        self._ids = torch.cat([self._ids[leaving:], ids[-self.size :].to(self._ids)])

    def fill(self, keys: torch.Tensor, ids: torch.Tensor) -> None:
        """Replaces whatever is held; with fewer keys than `size` the bank is partly full. Else as [`enqueue`]."""
        self._keys, self._ids = self._keys[:0], self._ids[:0]
        self.enqueue(keys, ids)

    def to(self, device: torch.device | str) -> "MemoryBank":
        """Moves the keys to a device; returns itself."""
        self._keys, self._ids = self._keys.to(device), self._ids.to(device)
        return self

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Keys and ids."""
        return {"keys": self._keys, "ids": self._ids}

    def load_state_dict(self, state_dict: Mapping[str, torch.Tensor]) -> None:
        """Takes keys and ids, bit by bit, onto its own device.

        Raises:
            ValueError: they are of a bank of another size or dimension.
        """
        keys, ids = state_dict["keys"], state_dict["ids"]
        if len(keys) > self.size or keys.shape[1:] != self._keys.shape[1:]:
            raise ValueError(
                f"The saved bank has {len(keys)} keys of {keys.shape[1]} values, this one takes up to {self.size} of "
                f"{self._keys.shape[1]}: continue with the size that the run was started with."
            )
        self._keys, self._ids = keys.to(self._keys), ids.to(self._ids)


@torch.no_grad()
def bank_keys(targets: torch.Tensor, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The unit targets (rows, dim) and ids (rows,) of all processes, as every process's bank takes them."""
    return gather_rows(unit(targets)), gather_rows(ids)


def unit(embeds: torch.Tensor) -> torch.Tensor:
    """Rows of length one, in float32."""
    return nn.functional.normalize(embeds.float(), dim=-1)
