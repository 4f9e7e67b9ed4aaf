"""Quantise an ONNX model to 8 bits, calibrated on series: the same file for ONNX Runtime and for OpenVINO."""

import io
import logging
import os
from contextlib import redirect_stdout
from typing import Any

import numpy as np

from ..extras import needs_extra
from ..models.timesenclip.bands_timesenclip import BANDS
from ..models.timesenclip.options_timesenclip import SeriesOptions

CALIBRATION_SERIES = 1200
CALIBRATION_BATCH = 32
# What is quantised; all else, the arithmetic of months first of all, stays in float32.
PRODUCTS = {"MatMul", "Gemm", "Conv"}


def calibration_features(feature_extractor: Any, config: Any, series: Any | None = None) -> dict[str, np.ndarray]:
    """Make features of series to calibrate on.

    Args:
        feature_extractor: of the checkpoint.
        config: of the pixel tower.
        series: many, as the feature extractor takes them; simulated ones when left out, for a tower of patches each as
            a patch of equal pixels.

    Raises:
        ValueError: simulated series have not the checkpoint's bands, or there are too few series.
    """
    options = SeriesOptions()
    if series is None:
        from ..simulator.points import simulate

        if lost := set(feature_extractor.band_names) - set(BANDS):
            raise ValueError(
                f"Simulated series have no band {', '.join(sorted(lost))}: give a table of series to calibrate on."
            )
        series, options = simulate(CALIBRATION_SERIES, seed=0).series, SeriesOptions(bands=BANDS)
        if config.patch_shape != (1, 1):
            series = np.broadcast_to(series[..., None, None], (*series.shape, *config.patch_shape))
    features = feature_extractor(series[:CALIBRATION_SERIES], options, allow_empty=True)
    observed = features["series_mask"].any(axis=1)
    if observed.sum() < 2 * CALIBRATION_BATCH:
        raise ValueError(
            f"Only {observed.sum()} series have an observation, too few to calibrate on: give at least "
            f"{2 * CALIBRATION_BATCH}."
        )
    return {name: np.asarray(values)[observed] for name, values in features.items()}


def quantise_onnx(exported: Any, features: dict[str, np.ndarray]) -> Any:
    """Quantise the matrix products of an ONNX model to int8.

    Args:
        exported: the float32 model; it is not to be used after that.
        features: to calibrate on, by the names of its inputs.
    """
    os.environ.setdefault("NNCF_CI", "1")  # without it the library reports each use to its makers
    with needs_extra("export"), redirect_stdout(io.StringIO()):
        import nncf

    nncf.set_log_level(logging.ERROR)
    rows = len(features["pixel_series"])
    batches = [
        {name: values[start : start + CALIBRATION_BATCH] for name, values in features.items()}
        for start in range(0, rows, CALIBRATION_BATCH)
    ]
    types = sorted({node.op_type for node in exported.graph.node} - PRODUCTS)
    with redirect_stdout(io.StringIO()):  # where it shows its steps
        return nncf.quantize(
            exported,
            nncf.Dataset(batches),
            subset_size=len(batches),
            model_type=nncf.ModelType.TRANSFORMER,
            ignored_scope=nncf.IgnoredScope(names=_left_alone(exported), types=types),
        )


def _left_alone(exported: Any) -> list[str]:
    """List products that stay in float32, hundredths of the work each.

    The first sees bands and months, which 8 bits are too few for; ONNX Runtime has no product in 8 bits with a weight
    of three axes.
    """
    axes = {weight.name: len(weight.dims) for weight in exported.graph.initializer}
    products = [
        (node, axes[name])
        for node in exported.graph.node
        if node.op_type in PRODUCTS
        for name in node.input[:2]
        if name in axes
    ]
    first, *others = products
    return [first[0].name, *(node.name for node, count in others if node.op_type == "MatMul" and count == 3)]
