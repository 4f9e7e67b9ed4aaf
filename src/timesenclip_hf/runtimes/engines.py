"""Compute an exported pixel tower in ONNX Runtime or OpenVINO, in place of PyTorch."""

from collections.abc import Callable
from threading import local
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..extras import needs_extra
from ..models.timesenclip.transformer_timesenclip import check_series
from .onnx_model import INPUTS

# Arrays of the inputs, in the order of `INPUTS`, to the pooled output.
Run = Callable[[list[np.ndarray]], np.ndarray]

# Series that a thread computes together: at the published size on two cores 32 to 128 were within noise of each other.
SERIES_OF_THREAD = 64


class RuntimeTower:
    """Compute pooled outputs with an exported tower, for [`encode`].

    Args:
        config: of the tower.
        exported: the ONNX file's bytes.
        runtime: "onnx" or "openvino".
        precision: "float32" or "bfloat16": of what is not in int8.
        threads: to compute with; torch's number when left out.
    """

    def __init__(
        self, config: Any, exported: bytes, runtime: str, precision: str = "float32", threads: int | None = None
    ) -> None:
        self.config, self.exported, self.runtime, self.precision = config, exported, runtime, precision
        self.threads = torch.get_num_threads() if threads is None else threads
        self.chunk_size = SERIES_OF_THREAD * self.threads
        self._of_thread = local()
        self._open = _open_onnx if runtime == "onnx" else _open_openvino

    def __call__(self, pixel_series: Tensor, series_mask: Tensor | None = None, months: Tensor | None = None) -> Tensor:
        """Return the pooled output, as [`PixelTower`] describes it."""
        check_series(self.config, pixel_series, series_mask, months)
        shape = pixel_series.shape[:2]
        if self.config.patch_shape == (1, 1):
            pixel_series = pixel_series.flatten(2)
        if series_mask is None:
            series_mask = torch.ones(shape, dtype=torch.bool)
        if months is None:
            months = torch.arange(shape[1])
        inputs = (pixel_series.float(), series_mask.bool(), months.float().expand(shape))
        if not hasattr(self._of_thread, "run"):  # each thread has its own, so that none waits for another
            self._of_thread.run = self._open(self.exported, self.precision, self.threads)
        return torch.from_numpy(self._of_thread.run([np.ascontiguousarray(values.numpy()) for values in inputs]))


def _open_onnx(exported: bytes, precision: str, threads: int) -> Run:
    with needs_extra("export"):
        import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(exported, options, providers=["CPUExecutionProvider"])
    return lambda inputs: np.asarray(session.run(None, dict(zip(INPUTS, inputs, strict=True)))[0])


def _open_openvino(exported: bytes, precision: str, threads: int) -> Run:
    with needs_extra("export"):
        import openvino
    # A stream each: threads that share a stream wait for each other at every layer, a fifth of the time where one core
    # is slower than the other for a while.
    settings = {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": threads,
    }
    core = openvino.Core()
    source = core.read_model(exported, b"")
    requests: dict[tuple[int, int], list[Any]] = {}

    def run(inputs: list[np.ndarray]) -> np.ndarray:
        # OpenVINO fuses more where it knows the shapes, a tenth to a third of the time; it prepares one within a
        # second. Each stream's series are filled up to a power of two, so that there are few.
        count = len(inputs[0])
        size = 1 << (-(-count // threads) - 1).bit_length()
        shapes = {name: [size, *values.shape[1:]] for name, values in zip(INPUTS, inputs, strict=True)}
        key = (size, inputs[0].shape[1])
        if key not in requests:
            model = source.clone()
            model.reshape(shapes)
            compiled = core.compile_model(model, "CPU", settings)
            requests[key] = [compiled.create_infer_request() for _ in range(threads)]
        starts = range(0, count, size)
        started = requests[key][: len(starts)]
        for start, request in zip(starts, started, strict=True):
            parts = [values[start : start + size] for values in inputs]
            filled = [np.pad(part, [(0, size - len(part)), *[(0, 0)] * (part.ndim - 1)]) for part in parts]
            request.start_async(dict(zip(INPUTS, filled, strict=True)))
        for request in started:
            request.wait()
        return np.concatenate([request.get_tensor("pooler_output").data for request in started])[:count]

    return run
