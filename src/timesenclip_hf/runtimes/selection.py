"""Choose what computes the pixel tower."""

from typing import Any

from ..models.timesenclip.precision_timesenclip import check_precision, precision_name
from .engines import RuntimeTower
from .exported import read_exported
from .onnx_model import make_onnx
from .options import ComputeOptions


def load_tower(model: Any, compute: ComputeOptions) -> RuntimeTower | None:
    """Open a model's pixel tower in the runtime that is asked for, to be passed as `encode(..., tower=...)`.

    Args:
        model: the [`TimeSenCLIPModel`] or [`TimeSenCLIPPixelModel`] whose weights it has.
        compute: names the runtime, and its file, type and threads. OpenVINO computes what is not in int8 in bfloat16
            where that is the type; else it is float32.

    Returns:
        The tower; `None` for torch, where [`encode`] finds the fastest by itself and again when weights have changed.

    Raises:
        ValueError: the file is of another checkpoint or none of ours, or runtime, device and type do not go together.
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
        content = make_onnx(tower).SerializeToString()
    return RuntimeTower(tower.config, content, runtime, precision, compute.threads)
