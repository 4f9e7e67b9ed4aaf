"""Scores as bytes, since a GeoTIFF has one data type for all its bands; scale and offset in the file undo it."""

import numpy as np

from .codes import NO_CLASS

# Bands of the file of scores in this order, those that the map has.
SCORES = ("probability", "entropy", "margin", "clear_months", "probability_coarse")
# Of these the ones from 0 to 1, stored in steps of 0.004 from 1 to 251; 0 is no data. Months are stored as they are:
# 0 of them is no data as well.
UNIT_SCORES = ("probability", "entropy", "margin", "probability_coarse")
SCORE_STEP = 0.004


def scale_and_offset(name: str) -> tuple[float, float]:
    """Numbers such that a score is `stored * scale + offset`."""
    return (SCORE_STEP, -SCORE_STEP) if name in UNIT_SCORES else (1.0, 0.0)


def to_bytes(name: str, values: np.ndarray) -> np.ndarray:
    """A score as uint8."""
    scale, offset = scale_and_offset(name)
    steps = np.rint((np.nan_to_num(values) - offset) / scale)
    return np.where(np.isnan(values), NO_CLASS, steps).astype(np.uint8)
