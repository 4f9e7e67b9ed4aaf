"""The pixel tower to one ONNX file, held against PyTorch before it is written."""

import copy
import logging
import os
import warnings
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from ..extras import needs_extra
from ..files import weights_hash
from ..models.timesenclip.encoding_timesenclip import encode
from .engines import FORMAT_VERSION, INPUTS, RUNTIMES, RuntimeTower
from .graph import FoldedGraph, MonthsGraph
from .int8 import calibration_features, quantise_onnx

with needs_extra("export"):
    import onnx
    import onnxscript  # noqa: F401 (torch's exporter needs it and says so over many lines)

PRECISIONS = ("float32", "int8")
# Of unit embeddings to PyTorch's: what other orders of summation come to, and what rounding to 8 bits may cost.
LARGEST_DIFFERENCE = 1e-5
LEAST_MEAN_COSINE = 0.999
CHECKED_SERIES = 64


class Exported(NamedTuple):
    """What was written, and how near it is to PyTorch.

    Attributes:
        path: of the file.
        precision: "float32" or "int8".
        figures: for each runtime the largest difference of a number of the unit embeddings, or the mean cosine.
    """

    path: Path
    precision: str
    figures: dict[str, float]

    def __str__(self) -> str:
        what = "largest difference" if self.precision == "float32" else "mean cosine"
        shown = ", ".join(f"{runtime} {figure:.5g}" for runtime, figure in self.figures.items())
        return f"wrote {self.path} ({self.precision}; {what} to PyTorch: {shown})"


def make_onnx(model: Any) -> Any:
    """The pixel tower as a float32 ONNX model in memory, for any number of series and looks.

    Args:
        model: a [`TimeSenCLIPModel`] or [`TimeSenCLIPPixelModel`]; it is left as it was found.
    """
    tower = copy.deepcopy(getattr(model, "pixel_model", model)).cpu().float().eval()
    graph = (FoldedGraph if tower.encoder is None else MonthsGraph)(tower).eval().requires_grad_(False)
    bands = tower.config.num_bands
    patch = () if tower.config.patch_shape == (1, 1) else tower.config.patch_shape
    example = (torch.zeros(2, 3, bands, *patch), torch.ones(2, 3, dtype=torch.bool), torch.zeros(2, 3))
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("time")}
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    try:
        logger.setLevel(logging.ERROR)  # about torchvision, which nothing here needs
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that axes which must be equal get one name
            program = torch.onnx.export(
                graph,
                example,
                dynamo=True,
                input_names=list(INPUTS),
                output_names=["pooler_output"],
                dynamic_shapes=(axes, axes, axes),
                verbose=False,
            )
    finally:
        logger.setLevel(level)
    assert program is not None
    exported = program.model_proto
    for part in (*exported.graph.node, *exported.graph.value_info, *exported.graph.input, *exported.graph.output):
        part.ClearField("metadata_props")  # where in whose source files it comes from
    return exported


def export_tower(
    model: Any,
    feature_extractor: Any,
    output: str | PathLike[str],
    *,
    quantize: str | None = None,
    calibration: str | PathLike[str] | None = None,
) -> Exported:
    """Writes the pixel tower of a checkpoint as an ONNX file that ONNX Runtime and OpenVINO read.

    Args:
        model: a [`TimeSenCLIPModel`] or [`TimeSenCLIPPixelModel`].
        feature_extractor: of the checkpoint.
        output: ends in .onnx; a file there is replaced once the new one is finished.
        quantize: "int8", or float32 when left out.
        calibration: table of series (CSV, Parquet, NPZ) that int8 is calibrated on; simulated ones when left out.

    Raises:
        ValueError: an argument cannot be used, or the result is not near enough to PyTorch's; nothing is written then.
        ImportError: the extra is not installed.
    """
    path, precision = Path(output), quantize or "float32"
    if path.suffix != ".onnx":
        raise ValueError(f"The output must end in .onnx, got {path.name!r}.")
    if precision not in PRECISIONS:
        raise ValueError(f"`quantize` must be int8 or left out, got {quantize!r}.")
    if calibration is not None and quantize is None:
        raise ValueError("`calibration` is for int8: ask for quantize int8, or leave it out.")
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"No such folder: {path.absolute().parent}.")
    tower = getattr(model, "pixel_model", model)
    exported = make_onnx(tower)
    features = _random_features(tower.config)
    if precision == "int8":
        seen = calibration_features(feature_extractor, tower.config, calibration)
        # What it is judged on it was not calibrated on.
        features = {name: values[::4] for name, values in seen.items()}
        exported = quantise_onnx(
            exported, {name: np.delete(values, np.s_[::4], axis=0) for name, values in seen.items()}
        )
    metadata = {
        "package": "timesenclip_hf",
        "format_version": FORMAT_VERSION,
        "precision": precision,
        "weights_sha256": weights_hash(tower.state_dict()),
        "projection_dim": str(tower.config.projection_dim),
        "band_names": ",".join(feature_extractor.band_names),
    }
    onnx.helper.set_model_props(exported, metadata)
    figures = {runtime: _check(tower, exported, runtime, precision, features) for runtime in RUNTIMES}
    partial = path.with_suffix(".onnx.partial")
    try:
        partial.write_bytes(exported.SerializeToString())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return Exported(path, precision, figures)


def _check(tower: Any, exported: Any, runtime: str, precision: str, features: Any) -> float:
    """How far a runtime's embeddings are from PyTorch's, of whole series and of the same with looks missing."""
    whole = features["series_mask"]
    holed = whole & (np.random.default_rng(1).random(whole.shape) < 0.7)
    compute = RuntimeTower(tower.config, exported.SerializeToString(), runtime)
    given = [features | {"series_mask": mask} for mask in (whole, holed)]
    pairs = [(encode(tower, one, dtype="float32", device="cpu"), encode(tower, one, tower=compute)) for one in given]
    expected, found = (torch.cat(one) for one in zip(*pairs, strict=True))
    if precision == "float32":
        figure = float((expected - found).abs().max())
        if not figure <= LARGEST_DIFFERENCE:
            raise ValueError(
                f"The exported tower differs from PyTorch's by {figure:.2g} in {runtime}, more than "
                f"{LARGEST_DIFFERENCE:g}: nothing was written; report it with the checkpoint's config."
            )
        return figure
    figure = float((expected * found).sum(dim=1).mean())
    if not figure >= LEAST_MEAN_COSINE:
        raise ValueError(
            f"In int8 the mean cosine to PyTorch's embeddings is {figure:.5f} in {runtime}, less than "
            f"{LEAST_MEAN_COSINE}: nothing was written; calibrate on a table of your own series, or export float32."
        )
    return figure


def _random_features(config: Any) -> dict[str, np.ndarray]:
    random, time = np.random.default_rng(0), 2 * config.num_months - 1
    patch = () if config.patch_shape == (1, 1) else config.patch_shape
    return {
        "pixel_series": random.random((CHECKED_SERIES, time, config.num_bands, *patch), dtype=np.float32),
        "series_mask": random.random((CHECKED_SERIES, time)) < 0.9,
        "months": (random.random((CHECKED_SERIES, time)) * config.num_months).astype(np.float32),
    }
