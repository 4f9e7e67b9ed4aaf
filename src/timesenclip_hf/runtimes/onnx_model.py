"""Make an ONNX model of a pixel tower, in memory."""

import copy
import logging
import warnings
from typing import Any

import torch

from ..extras import needs_extra
from .onnx_graph import FoldedGraph, MonthsGraph

INPUTS = ("pixel_series", "series_mask", "months")


def make_onnx(model: Any) -> Any:
    """Turn the pixel tower into a float32 ONNX model for any number of series and time steps.

    Args:
        model: a [`TimeSenCLIPModel`] or [`TimeSenCLIPPixelModel`]; it is left as it was.

    Raises:
        ImportError: the extra is not installed.
    """
    with needs_extra("export"):
        import onnx  # noqa: F401 (torch's exporter needs both and says so over many lines)
        import onnxscript  # noqa: F401
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
            warnings.simplefilter("ignore")  # that axes which must be equal get the same name
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
