"""An exported pixel tower in ONNX Runtime or OpenVINO, in the place of PyTorch's."""

import hashlib
from os import PathLike
from pathlib import Path
from threading import local
from typing import Any

import numpy as np
import torch

from ..extras import needs_extra
from ..files import weights_hash
from ..models.timesenclip.precision_timesenclip import check_precision, precision_name
from .options import ComputeOptions
from .tower import PooledTower

RUNTIMES = ("onnx", "openvino")
INPUTS = ("pixel_series", "series_mask", "months")
FORMAT_VERSION = "1"
# Series that a thread computes together: at the published size on two cores 32 to 128 were within noise of each other.
SERIES_OF_THREAD = 64


class RuntimeTower(PooledTower):
    """An exported tower that computes what [`encode`] asks it for.

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
        self._own = local()
        self._open = _open_onnx if runtime == "onnx" else _open_openvino

    def _run(
        self, pixel_series: torch.Tensor, series_mask: torch.Tensor | None, months: torch.Tensor | None
    ) -> torch.Tensor:
        looks = pixel_series.shape[:2]
        if self.config.patch_shape == (1, 1):
            pixel_series = pixel_series.flatten(2)
        if series_mask is None:
            series_mask = torch.ones(looks, dtype=torch.bool)
        if months is None:
            months = torch.arange(looks[1])
        given = (pixel_series.float(), series_mask.bool(), months.float().expand(looks))
        if not hasattr(self._own, "run"):  # a thread's own, so that none waits for another
            self._own.run = self._open(self.exported, self.precision, self.threads)
        return torch.from_numpy(self._own.run([np.ascontiguousarray(one.numpy()) for one in given]))


def load_tower(model: Any, compute: ComputeOptions) -> RuntimeTower | None:
    """Open a model's pixel tower in the runtime that is asked for, to be passed as `encode(..., tower=...)`.

    Args:
        model: the [`TimeSenCLIPModel`] or [`TimeSenCLIPPixelModel`] whose weights it has.
        compute: names the runtime, and its file, type and threads. OpenVINO computes what is not in int8 in bfloat16
            where that is the type; else it is float32.

    Returns:
        The tower; `None` for torch, where [`encode`] finds the fastest by itself and again when weights have changed.

    Raises:
        ValueError: the file is of another checkpoint or none of ours, or runtime and type do not go together.
        FileNotFoundError: there is no such file.
        ImportError: the extra is not installed.
    """
    runtime = compute.runtime
    if runtime == "torch":
        return None
    tower = getattr(model, "pixel_model", model)
    if tower.device.type != "cpu":
        raise ValueError(f"The runtime {runtime} computes on the processor: leave the device {tower.device} out.")
    precision = precision_name(compute.dtype)
    if precision not in ("float32", "bfloat16") or (precision == "bfloat16" and runtime == "onnx"):
        raise ValueError(
            f"The runtime {runtime} does not compute in {precision}: use float32, or bfloat16 in openvino."
        )
    check_precision(precision, tower.device)
    if compute.exported is not None:
        content = read_exported(compute.exported, tower)
    else:
        from .onnx_file import make_onnx

        content = make_onnx(tower).SerializeToString()
    return RuntimeTower(tower.config, content, runtime, precision, compute.threads)


def read_exported(path: str | PathLike[str], tower: Any) -> bytes:
    """The bytes of an exported file, held against the checkpoint's weights.

    Raises:
        ValueError: the file is of another checkpoint or none of ours.
        FileNotFoundError: there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No such exported tower: {path}; timesenclip export --output {path} writes one.")
    content = path.read_bytes()
    found, expected = read_metadata(content, path), weights_hash(tower.state_dict())
    if found.get("package") != "timesenclip_hf" or found.get("format_version") != FORMAT_VERSION:
        raise ValueError(
            f"{path} was not written by this version's timesenclip export: write it again with "
            f"timesenclip export --output {path}."
        )
    if found["weights_sha256"] != expected:
        raise ValueError(
            f"{path} was exported from another checkpoint: expected weights {expected}, got "
            f"{found['weights_sha256']}; export this one with timesenclip export --model CHECKPOINT --output FILE.onnx."
        )
    return content


def read_metadata(content: bytes, path: Path) -> dict[str, str]:
    """What an exported file says about itself.

    Raises:
        ValueError: it is no ONNX file.
    """
    with needs_extra("export"):
        import onnx
    try:
        parsed = onnx.load_model_from_string(content)
    except Exception:  # protobuf's own errors, which are not public
        raise ValueError(f"{path} is damaged, or no ONNX file: write it again with timesenclip export.") from None
    return {entry.key: entry.value for entry in parsed.metadata_props}


def name_of_exported(path: str | PathLike[str]) -> str:
    """What tells an exported file from others, whatever folder it lies in: precision and a hash."""
    content = Path(path).read_bytes()
    precision = read_metadata(content, Path(path)).get("precision", "")
    return f"{precision} {hashlib.sha256(content).hexdigest()[:16]}"


def _open_onnx(exported: bytes, precision: str, threads: int) -> Any:
    with needs_extra("export"):
        import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(exported, options, providers=["CPUExecutionProvider"])
    return lambda given: session.run(None, dict(zip(INPUTS, given, strict=True)))[0]


def _open_openvino(exported: bytes, precision: str, threads: int) -> Any:
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

    def run(given: list[np.ndarray]) -> np.ndarray:
        # OpenVINO fuses more where it knows the shapes, a tenth to a third of the time; it prepares one within a
        # second. Each stream's series are filled up to a power of two, so that there are few.
        count = len(given[0])
        size = 1 << (-(-count // threads) - 1).bit_length()
        shapes = {name: [size, *one.shape[1:]] for name, one in zip(INPUTS, given, strict=True)}
        key = (size, given[0].shape[1])
        if key not in requests:
            model = source.clone()
            model.reshape(shapes)
            compiled = core.compile_model(model, "CPU", settings)
            requests[key] = [compiled.create_infer_request() for _ in range(threads)]
        starts = range(0, count, size)
        started = requests[key][: len(starts)]
        for start, request in zip(starts, started, strict=True):
            parts = [one[start : start + size] for one in given]
            filled = [np.concatenate([one, np.zeros((size - len(one), *one.shape[1:]), one.dtype)]) for one in parts]
            request.start_async(dict(zip(INPUTS, filled, strict=True)))
        for request in started:
            request.wait()
        return np.concatenate([request.get_tensor("pooler_output").data for request in started])[:count]

    return run
