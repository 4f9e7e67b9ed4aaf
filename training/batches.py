"""Hand out the rows of a training run: the same ones at every step, whatever ran before."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

Batch = dict[str, torch.Tensor]


class TensorRows(Dataset[Batch]):
    """Hand out whole batches of equally long tensors.

    Args:
        names: what to call a row where one has to be named, such as its point; its number when left out.
        **columns: tensors of the same length.

    Raises:
        ValueError: no column, or columns of different lengths.
    """

    def __init__(self, names: Sequence[str] | None = None, **columns: torch.Tensor) -> None:
        lengths = {name: len(column) for name, column in columns.items()}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"Every column must have the same number of rows, got {lengths}.")
        self.columns = columns
        self.names = names

    def __len__(self) -> int:
        """Count the rows."""
        return len(next(iter(self.columns.values())))

    def __getitems__(self, rows: list[int]) -> Batch:
        """Return rows as one batch, with their numbers as the column `row`."""
        index = torch.as_tensor(rows)
        return {name: column[index] for name, column in self.columns.items()} | {"row": index}

    def name(self, row: int) -> str:
        """Name a row, as an error does."""
        return str(self.names[row]) if self.names is not None else f"row {row}"


class StepBatches(Sampler[list[int]]):
    """Draw the rows of every step, from the seed and the step's number alone.

    Whatever ran before, in however many processes, step 7 sees the same rows: that is what makes a stopped run end as
    if it had never stopped, and two processes see what one would. An epoch is a fresh order of all rows; what does not
    fill a batch at its end is left out.

    Args:
        num_rows: of the dataset.
        batch_size: rows of a step, over all processes.
        seed: of the orders.
        steps: the steps to hand out; a run that goes on begins where it was.
        rank: number of this process, which gets its even share of each batch.
        num_ranks: processes.

    Raises:
        ValueError: fewer rows than a batch, or a batch that the processes cannot share evenly.
    """

    def __init__(
        self, num_rows: int, batch_size: int, *, seed: int, steps: range, rank: int = 0, num_ranks: int = 1
    ) -> None:
        if batch_size < 1 or batch_size > num_rows:
            raise ValueError(
                f"`batch_size` must lie between 1 and the number of rows, {num_rows}, got {batch_size}: choose a "
                "smaller batch, or bring more points."
            )
        if batch_size % num_ranks:
            raise ValueError(f"`batch_size` must divide over {num_ranks} processes, got {batch_size}.")
        self.num_rows = num_rows
        self.batch_size = batch_size
        self.seed = seed
        self.steps = steps
        share = batch_size // num_ranks
        self.share = slice(rank * share, (rank + 1) * share)

    def __len__(self) -> int:
        """Count the steps."""
        return len(self.steps)

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the rows of this process, step by step."""
        per_epoch, current, order = self.num_rows // self.batch_size, -1, np.empty(0, dtype=np.int64)
        for step in self.steps:
            epoch, position = divmod(step, per_epoch)
            if epoch != current:
                current, order = epoch, np.random.default_rng((self.seed, epoch)).permutation(self.num_rows)
            yield order[position * self.batch_size : (position + 1) * self.batch_size][self.share].tolist()


def step_seed(seed: int, step: int, rank: int = 0) -> int:
    """Return the seed of everything random in a step of a process: no state of a generator has to be kept."""
    return int(np.random.SeedSequence((seed, step, rank)).generate_state(1)[0])


def split_batch(batch: Batch, parts: int) -> list[Batch]:
    """Cut a batch into equal parts.

    Raises:
        ValueError: it does not divide.
    """
    rows = len(next(iter(batch.values())))
    if rows % parts:
        raise ValueError(f"`gradient_accumulation_steps` must divide the {rows} rows of a process, got {parts}.")
    pieces = {name: torch.split(column, rows // parts) for name, column in batch.items()}
    return [{name: piece[index] for name, piece in pieces.items()} for index in range(parts)]
