"""Share the encoding of many series among the processes that `accelerate launch` started."""

from collections.abc import Mapping
from typing import Any

import torch

from ..extras import needs_extra
from ..models.timesenclip.encoding_timesenclip import encode
from ..runtimes.plan import plan_of

with needs_extra("eval"):
    from accelerate import PartialState
    from accelerate.utils import reduce


def encode_together(model: Any, features: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Return the unit embeddings of all series (float32, CPU) in every process, each of which encodes its share.

    The batches are those of one process, dealt out in turn, so that every series meets the same others in the same
    matrix products and the result does not depend on the number of processes. Features are the same in every process.
    """
    state = _state()
    batch_size = plan_of(getattr(model, "pixel_model", model)).chunk_size
    total = len(features["pixel_series"])
    batches = torch.split(torch.arange(total), batch_size)[state.process_index :: state.num_processes]
    rows = torch.cat([torch.arange(0), *batches])
    share = encode(model, {name: tensor[rows] for name, tensor in features.items()}, batch_size=batch_size)
    if state.num_processes == 1:
        return share
    # Rows of the others are zero, and a sum with zero is exact.
    every = torch.zeros(total, share.shape[1]).index_copy(0, rows, share)
    summed: torch.Tensor = reduce(every.to(state.device), reduction="sum")
    return summed.cpu()


def own_device() -> torch.device:
    """Return where this process computes: its graphics card where `accelerate launch` gave it one, else the CPU."""
    state = _state()
    return torch.device(state.device) if state.num_processes > 1 else torch.device("cpu")


def is_main_process() -> bool:
    """Tell whether this process writes what all have computed."""
    return bool(_state().is_main_process)


def _state() -> PartialState:
    # Without a graphics card processes only find each other when they are told that there is none.
    return PartialState(cpu=not torch.accelerator.is_available())
