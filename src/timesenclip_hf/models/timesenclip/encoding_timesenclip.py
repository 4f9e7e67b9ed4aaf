"""Any number of series to embeddings, in chunks: the one road from model inputs to the pixel tower's output."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from transformers.utils import logging

from .inference_timesenclip import plan_of
from .products_timesenclip import PROBED_SHAPES, is_exact

# Series a chunk where nothing better is known.
DEFAULT_BATCH_SIZE = 256

PixelTower = Callable[[torch.Tensor, torch.Tensor | None, torch.Tensor | None], torch.Tensor]


@torch.no_grad()
def encode(
    model: Any,
    features: Mapping[str, Any],
    *,
    batch_size: int | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | str | None = None,
    tower: PixelTower | None = None,
    progress: bool = False,
) -> torch.Tensor:
    """Unit embeddings of series.

    Args:
        model: [`TimeSenCLIPModel`] or [`TimeSenCLIPPixelModel`]; it is left as it was found.
        features: the feature extractor's output, arrays or tensors: `pixel_series` (series, time, band[, height,
            width]) and, optionally, `series_mask` and `months` (series, time).
        batch_size: series a chunk; what suits the tower and the machine when left out.
        device: where to compute; the model's own device when left out.
        dtype: computes in this type, the model's own when left out: "bfloat16" in matrix products, with residual sums
            and norms in float32, as autocast has it; "pure_bfloat16" throughout; "float16" on graphics cards.
        tower: computes the pooled output in the model's place, such as an exported one; the model's own folded plan
            (see [`InferencePlan`]) when left out.
        progress: show a progress bar.

    Returns:
        (series, projection_dim) float32 on the CPU.

    Raises:
        ValueError: `batch_size` is not positive, or the device does not compute in `dtype`.
    """
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1, got {batch_size}.")
    pixel_model = getattr(model, "pixel_model", model)
    device = torch.device(device) if device is not None else pixel_model.device
    compute: PixelTower = plan_of(pixel_model, dtype, device) if tower is None else tower
    size = batch_size or int(getattr(compute, "chunk_size", DEFAULT_BATCH_SIZE))
    inputs = tuple(
        None if features.get(name) is None else torch.as_tensor(features[name])
        for name in ("pixel_series", "series_mask", "months")
    )
    total = len(features["pixel_series"])
    embeds = torch.empty(total, pixel_model.config.projection_dim)
    with logging.tqdm(total=total, unit=" series", disable=not progress) as bar:
        for start, chunk in _chunks(inputs, total, size, device):
            output = compute(*chunk)
            embeds[start : start + size] = torch.nn.functional.normalize(output.float(), dim=-1)
            bar.update(len(output))
    return embeds


def _chunks(
    inputs: Sequence[torch.Tensor | None], total: int, size: int, device: torch.device
) -> Iterator[tuple[int, list[Any]]]:
    """First row and inputs of each chunk; a graphics card is given the next while it computes the one before."""
    starts = range(0, total, size)
    if device.type != "cuda":
        for start in starts:
            yield start, [None if one is None else one[start : start + size].to(device) for one in inputs]
        return
    copying: Any = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def copy(start: int) -> list[Any]:
        chunk = [None if one is None else one[start : start + size] for one in inputs]
        with torch.cuda.stream(copying):
            return [None if one is None else one.pin_memory().to(device, non_blocking=True) for one in chunk]

    following = copy(0) if total else []
    for start in starts:
        chunk, current = following, torch.cuda.current_stream(device)
        current.wait_stream(copying)
        for one in chunk:
            if one is not None:
                one.record_stream(current)
        if start + size < total:
            following = copy(start + size)
        yield start, chunk


def use_onednn_matmul() -> bool:
    """Lets oneDNN compute the process's float32 matrix products on the CPU, where none loses precision by it.

    PyTorch leaves them to MKL, which on AMD's processors is far from the fastest way. The switch to oneDNN is the
    permission to round (`torch.set_float32_matmul_precision("medium")`), which oneDNN uses only where a processor has
    matrix units for bfloat16, such as AMX. Such a processor is known by a product that does not survive rounding,
    and is left as it was; so is a process with a GPU, whose products the same permission would round to TF32.

    Results differ from MKL's by the order of summation. The switch is the whole process's: for a program to set at
    its start, as a training script does; not for a library, nor between runs that are compared to the last bit.

    Returns:
        Whether oneDNN was switched to.
    """
    if torch.cuda.is_available() or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    if all(is_exact(shape) for shape in PROBED_SHAPES):
        return True
    torch.set_float32_matmul_precision(before)
    return False
