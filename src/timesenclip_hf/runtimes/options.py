"""Say how to compute: one set of options for commands, tables, maps, search and evaluation."""

from dataclasses import dataclass
from os import PathLike

import torch

RUNTIMES = ("torch", "onnx", "openvino")
# Those that read what `timesenclip export` writes.
EXPORT_RUNTIMES = RUNTIMES[1:]
# Pixels a chunk: some tens of megabytes of reflectance for a year of native dates.
DEFAULT_CHUNK_SIZE = 8192


@dataclass(frozen=True)
class ComputeOptions:
    """Say on what, in which precision and in which pieces embeddings are computed.

    No result depends on `batch_size`, `chunk_size`, `threads` or `deduplicate`, but for rounding.

    Attributes:
        device: where to compute, such as "cuda"; the processor when left out.
        dtype: to compute in, such as "bfloat16" (see [`encode`]); the checkpoint's own when left out.
        runtime: what computes the embeddings: "torch", "onnx" or "openvino".
        exported: file of `timesenclip export` for the runtime; float32, made in memory, when left out.
        batch_size: series that the encoder takes at once; what suits it and the machine when left out.
        chunk_size: pixels of a map whose features are made at once.
        threads: of torch, or of the runtime, in each process; torch's number when left out.
        deduplicate: encode series whose features are equal to the last bit once.

    Raises:
        ValueError: a size is below 1, the runtime is unknown, or a file is given without a runtime that reads it.
    """

    device: str | torch.device | None = None
    dtype: torch.dtype | str | None = None
    runtime: str = "torch"
    exported: str | PathLike[str] | None = None
    batch_size: int | None = None
    chunk_size: int = DEFAULT_CHUNK_SIZE
    threads: int | None = None
    deduplicate: bool = False

    def __post_init__(self) -> None:
        for name in ("batch_size", "chunk_size", "threads"):
            size = getattr(self, name)
            if size is not None and size < 1:
                raise ValueError(f"`{name}` must be at least 1, got {size}.")
        if self.runtime not in RUNTIMES:
            raise ValueError(f"`runtime` must be {', '.join(RUNTIMES[:-1])} or {RUNTIMES[-1]}, got {self.runtime!r}.")
        if self.exported is not None and self.runtime == "torch":
            raise ValueError("An exported tower needs a runtime: name onnx or openvino, or leave the file out.")


DEFAULT_COMPUTE = ComputeOptions()
