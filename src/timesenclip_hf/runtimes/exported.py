"""Write the pixel tower as an ONNX file, held against PyTorch first; open such files and tell them apart."""

import hashlib
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from ..extras import needs_extra
from ..files import whole_file
from ..files.outputs import check_file
from ..gate.onnx_files import parse_onnx
from ..models.timesenclip.encoding_timesenclip import check_precision, encode, precision_name
from ..models.timesenclip.weights_timesenclip import weights_hash
from .engines import RuntimeTower
from .int8 import calibration_features, quantise_onnx
from .onnx_model import make_onnx
from .options import EXPORT_RUNTIMES, ComputeOptions

PRECISIONS = ("float32", "int8")
FORMAT_VERSION = "1"
# Of unit embeddings to PyTorch's: what other orders of summation come to, and what rounding to 8 bits may cost.
LARGEST_DIFFERENCE = 1e-5
LEAST_MEAN_COSINE = 0.999
CHECKED_SERIES = 64


class ExportReport(NamedTuple):
    """Say what was written, and how near it is to PyTorch in each runtime."""

    path: Path
    precision: str
    figures: dict[str, float]  # the largest difference of a number of the unit embeddings, or the mean cosine

    def __str__(self) -> str:
        measure = "largest difference" if self.precision == "float32" else "mean cosine"
        shown = ", ".join(f"{runtime} {figure:.5g}" for runtime, figure in self.figures.items())
        return f"wrote {self.path} ({self.precision}; {measure} to PyTorch: {shown})"


def export_tower(
    model: Any,
    feature_extractor: Any,
    output: str | PathLike[str],
    *,
    quantize: str | None = None,
    calibration: Any | None = None,
    overwrite: bool = False,
) -> ExportReport:
    """Write the pixel tower of a checkpoint as an ONNX file that ONNX Runtime and OpenVINO read.

    Args:
        model: a [`TimeSenCLIPModel`] or [`TimeSenCLIPPixelModel`].
        feature_extractor: of the checkpoint.
        output: ends in .onnx.
        quantize: "int8", or float32 when left out.
        calibration: series that int8 is calibrated on, as the feature extractor takes many; or else simulated ones.
        overwrite: replace a file that is there, once the new one is finished.

    Raises:
        ValueError: an argument cannot be used, or the result is not near enough to PyTorch's; nothing is written then.
        OSError: the output cannot be written, or is there already and not to be replaced.
        ImportError: the extra is not installed.
    """
    path, precision = Path(output), quantize or "float32"
    if path.suffix != ".onnx":
        raise ValueError(f"The output must end in .onnx, got {path.name!r}.")
    if precision not in PRECISIONS:
        raise ValueError(f"`quantize` must be int8 or left out, got {quantize!r}.")
    if calibration is not None and quantize is None:
        raise ValueError("`calibration` is for int8: ask for quantize int8, or leave it out.")
    check_file(path, overwrite=overwrite)
    tower = getattr(model, "pixel_model", model)
    exported = make_onnx(tower)
    with needs_extra("export"):
        import onnx
    features = _random_features(tower.config)
    if precision == "int8":
        seen = calibration_features(feature_extractor, tower.config, calibration)
        # What it is judged on it was not calibrated on.
        features = {name: values[::4] for name, values in seen.items()}
        calibrated = {name: np.delete(values, np.s_[::4], axis=0) for name, values in seen.items()}
        exported = quantise_onnx(exported, calibrated)
    metadata = {
        "package": "timesenclip_hf",
        "format_version": FORMAT_VERSION,
        "precision": precision,
        "weights_sha256": weights_hash(tower.state_dict()),
        "projection_dim": str(tower.config.projection_dim),
        "band_names": ",".join(feature_extractor.band_names),
    }
    onnx.helper.set_model_props(exported, metadata)
    content = exported.SerializeToString()
    figures = {runtime: _check(tower, content, runtime, precision, features) for runtime in EXPORT_RUNTIMES}
    with whole_file(path, overwrite=overwrite) as partial:
        partial.write_bytes(content)
    return ExportReport(path, precision, figures)


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
    exported = compute.exported
    content = make_onnx(tower).SerializeToString() if exported is None else read_exported(exported, tower)
    return RuntimeTower(tower.config, content, runtime, precision, compute.threads)


def read_exported(path: str | PathLike[str], tower: Any) -> bytes:
    """Read the bytes of an exported file, held against the checkpoint's weights.

    Args:
        path: of the file.
        tower: the [`TimeSenCLIPPixelModel`] whose weights it must have.

    Raises:
        ValueError: the file is of another checkpoint, none of ours, or keeps numbers in another file.
        FileNotFoundError: there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No such exported tower: {path}; timesenclip export --output {path} writes one.")
    content = path.read_bytes()
    metadata, expected = read_metadata(content, path), weights_hash(tower.state_dict())
    if metadata.get("package") != "timesenclip_hf" or metadata.get("format_version") != FORMAT_VERSION:
        how = f"write it again with timesenclip export --output {path}"
        raise ValueError(f"{path} was not written by this version's timesenclip export: {how}.")
    if metadata["weights_sha256"] != expected:
        raise ValueError(
            f"{path} was exported from another checkpoint: expected weights {expected}, got "
            f"{metadata['weights_sha256']}; export this one with timesenclip export --model CHECKPOINT --output "
            "FILE.onnx."
        )
    return content


def read_metadata(content: bytes, path: Path) -> dict[str, str]:
    """Read what an exported file says about itself.

    Raises:
        ValueError: it is no ONNX file, or keeps numbers in another file.
    """
    return {entry.key: entry.value for entry in parse_onnx(content, path).metadata_props}


def name_of_exported(path: str | PathLike[str]) -> str:
    """Tell an exported file from others, whatever folder it lies in, by its precision and a hash."""
    content = Path(path).read_bytes()
    precision = read_metadata(content, Path(path)).get("precision", "")
    return f"{precision} {hashlib.sha256(content).hexdigest()[:16]}"


def _check(tower: Any, content: bytes, runtime: str, precision: str, features: dict[str, np.ndarray]) -> float:
    """Measure how far a runtime's embeddings are from PyTorch's, of series and of the same with time steps missing."""
    mask = features["series_mask"]
    holed = mask & (np.random.default_rng(1).random(mask.shape) < 0.7)
    compute = RuntimeTower(tower.config, content, runtime)
    both = [features | {"series_mask": observed} for observed in (mask, holed)]
    expected = torch.cat([encode(tower, inputs, dtype="float32", device="cpu") for inputs in both])
    embeds = torch.cat([encode(tower, inputs, tower=compute) for inputs in both])
    if precision == "float32":
        figure = float((expected - embeds).abs().max())
        if not figure <= LARGEST_DIFFERENCE:
            raise ValueError(
                f"The exported tower differs from PyTorch's by {figure:.2g} in {runtime}, more than "
                f"{LARGEST_DIFFERENCE:g}: nothing was written; report it with the checkpoint's config."
            )
        return figure
    figure = float((expected * embeds).sum(dim=1).mean())
    if not figure >= LEAST_MEAN_COSINE:
        raise ValueError(
            f"In int8 the mean cosine to PyTorch's embeddings is {figure:.5f} in {runtime}, less than "
            f"{LEAST_MEAN_COSINE}: nothing was written; calibrate on a table of your own series, or export float32."
        )
    return figure


def _random_features(config: Any) -> dict[str, np.ndarray]:
    """Draw inputs of a tower at any times of the year."""
    random, time = np.random.default_rng(0), 2 * config.num_months - 1
    patch = () if config.patch_shape == (1, 1) else config.patch_shape
    return {
        "pixel_series": random.random((CHECKED_SERIES, time, config.num_bands, *patch), dtype=np.float32),
        "series_mask": random.random((CHECKED_SERIES, time)) < 0.9,
        "months": (random.random((CHECKED_SERIES, time)) * config.num_months).astype(np.float32),
    }
