"""Embed any number of series in chunks: the one road from model inputs to the pixel tower's output."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers.utils import logging

from .transformer_timesenclip import check_series

# Series a chunk where nothing better is known.
DEFAULT_BATCH_SIZE = 256
# By name: the type of the matrix products, and that of residual sums and norms.
PRECISIONS: dict[str, tuple[torch.dtype, torch.dtype]] = {
    "float32": (torch.float32, torch.float32),
    "bfloat16": (torch.bfloat16, torch.float32),
    "pure_bfloat16": (torch.bfloat16, torch.bfloat16),
    "float16": (torch.float16, torch.float32),
}


def precision_name(dtype: torch.dtype | str | None, weights: torch.dtype = torch.float32) -> str:
    """Name a precision.

    Args:
        dtype: such as `torch.bfloat16`, or a name of `PRECISIONS`.
        weights: type of the model's weights, which stands in: bfloat16 is then computed purely, float64 in float32.

    Raises:
        ValueError: there is no such precision.
    """
    if dtype is None:
        return {torch.bfloat16: "pure_bfloat16", torch.float16: "float16"}.get(weights, "float32")
    name = str(dtype).removeprefix("torch.")
    if name not in PRECISIONS:
        raise ValueError(f"`dtype` must be {', '.join(PRECISIONS)}, got {name!r}.")
    return name


def check_precision(name: str, device: torch.device) -> None:
    """Raise ValueError where a device does not compute in a precision, or only by emulation."""
    product_type, _ = PRECISIONS[name]
    if device.type == "cpu" and product_type == torch.float16:
        raise ValueError("float16 is for graphics cards: use bfloat16 or float32 on a processor.")
    if device.type == "cpu" and product_type == torch.bfloat16 and not _has_bfloat16():
        raise ValueError("This processor does not compute in bfloat16: leave the dtype out, or use float32.")


@lru_cache
def _has_bfloat16() -> bool:
    # What autocast asks too; without the question the answer is no.
    asked = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return bool(asked is not None and asked())


class PixelTower(Protocol):
    """Compute the pooled outputs of series: the model's own tower, or any engine in its place."""

    chunk_size: int  # series to be computed together

    def __call__(self, pixel_series: Tensor, series_mask: Tensor | None = None, months: Tensor | None = None) -> Tensor:
        """Return the pooled output (batch, projection_dim) float32, not normalised.

        Args:
            pixel_series: scaled reflectance (batch, time, band[, height, width]).
            series_mask: (batch, time), True where observed; all observed when left out.
            months: (time,) or (batch, time), 0 = January; may be left out with twelve time steps, January first.

        Raises:
            ValueError: a shape does not fit, or `months` is missing for other than twelve time steps.
        """


class PlainTower:
    """Compute a pixel tower by its own modules, under autocast where a narrower type is asked for.

    Args:
        model: a [`TimeSenCLIPPixelModel`]; its device and mode are put back after every call.
        dtype: to compute in, by the names of `PRECISIONS`; the model's own when left out.
        device: where to compute; where the model is when left out.

    Raises:
        ValueError: there is no such precision, or the device does not compute in it.
    """

    chunk_size = DEFAULT_BATCH_SIZE

    def __init__(self, model: Any, dtype: torch.dtype | str | None = None, device: torch.device | None = None) -> None:
        self.model = model
        self.device = model.device if device is None else device
        precision = precision_name(dtype, model.dtype)
        if dtype is not None:  # weights as they are saved are computed as well as PyTorch can
            check_precision(precision, self.device)
        self.product_type, _ = PRECISIONS[precision]

    def __call__(self, pixel_series: Tensor, series_mask: Tensor | None = None, months: Tensor | None = None) -> Tensor:
        """Return the pooled output, as [`PixelTower`] describes it."""
        check_series(self.model.config, pixel_series, series_mask, months)
        home = self.model.device
        training = [module for module in self.model.modules() if module.training]
        halved = self.product_type != torch.float32
        try:
            if home != self.device:  # what is spread over devices, or quantised, need not take it
                self.model.to(self.device)
            self.model.eval()
            with torch.autocast(self.device.type, self.product_type if halved else None, halved):
                pooled: Tensor = self.model(pixel_series, series_mask, months, pooled_only=True).pooler_output
            return pooled.float()
        finally:
            for module in training:
                module.training = True
            if home != self.device:
                self.model.to(home)


def fastest_tower(model: Any, dtype: torch.dtype | str | None = None, device: torch.device | None = None) -> PixelTower:
    """Return the fastest tower that PyTorch has here for a model: the package's folded plan, or the model as it is.

    A repository with remote code carries this file but not the plan: where the package is not installed, the plain
    model computes the same embeddings.

    Args:
        model: a [`TimeSenCLIPPixelModel`].
        dtype: to compute in; the model's own when left out.
        device: where to compute; where the model is when left out.

    Raises:
        ValueError: there is no such precision, or the device does not compute in it.
    """
    try:
        plan = import_module("timesenclip_hf.runtimes.plan")  # by its name, as this file imports its siblings only
    except ImportError:
        return PlainTower(model, dtype, device)
    tower: PixelTower = plan.plan_of(model, dtype, device)
    return tower


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
) -> Tensor:
    """Embed series as unit vectors, in the type that is asked for, whatever `torch.autocast` stands around it.

    Args:
        model: [`TimeSenCLIPModel`] or [`TimeSenCLIPPixelModel`]; it is left as it was.
        features: the feature extractor's output, arrays or tensors: `pixel_series` (series, time, band[, height,
            width]) and, optionally, `series_mask` and `months` (series, time).
        batch_size: series a chunk; what suits the tower and the machine when left out.
        device: where to compute; the model's own device when left out.
        dtype: computes in this type, the model's own when left out: "bfloat16" in matrix products, with residual sums
            and norms in float32, as autocast has it; "pure_bfloat16" throughout; "float16" on graphics cards.
        tower: computes in the model's place, such as an exported one; [`fastest_tower`] when left out.
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
    compute = fastest_tower(pixel_model, dtype, device) if tower is None else tower
    size = batch_size or compute.chunk_size
    passed = [features.get(name) for name in ("pixel_series", "series_mask", "months")]
    inputs = [None if values is None else torch.as_tensor(values) for values in passed]
    total = len(features["pixel_series"])
    embeds = torch.empty(total, pixel_model.config.projection_dim)
    # A plan knows its types; under an autocast of the caller's it would mix them.
    own_types = torch.autocast(device.type, enabled=False)
    with own_types, logging.tqdm(total=total, unit=" series", disable=not progress) as bar:
        for start, chunk in _chunks(inputs, total, size, device):
            output = compute(*chunk)
            embeds[start : start + size] = torch.nn.functional.normalize(output.float(), dim=-1)
            bar.update(len(output))
    return embeds


def _chunks(
    inputs: Sequence[Tensor | None], total: int, size: int, device: torch.device
) -> Iterator[tuple[int, list[Any]]]:
    """Yield first row and inputs of each chunk; a graphics card gets the next while it computes the one before."""
    starts = range(0, total, size)
    if device.type != "cuda":
        for start in starts:
            yield start, [None if values is None else values[start : start + size].to(device) for values in inputs]
        return
    copying: Any = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def copy(start: int) -> list[Any]:
        chunk = [None if values is None else values[start : start + size] for values in inputs]
        with torch.cuda.stream(copying):
            return [None if values is None else values.pin_memory().to(device, non_blocking=True) for values in chunk]

    following = copy(0) if total else []
    for start in starts:
        chunk, current = following, torch.cuda.current_stream(device)
        current.wait_stream(copying)
        for values in chunk:
            if values is not None:
                values.record_stream(current)
        if start + size < total:
            following = copy(start + size)
        yield start, chunk
