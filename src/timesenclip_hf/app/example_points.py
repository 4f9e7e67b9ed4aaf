"""Simulate the pixels that the demonstrations name: one of each cover, seen in most months."""

from functools import cache

import numpy as np

from ..simulator import CLASS_NAMES, SimulatedPoints, simulate
from ..simulator.climates import EUROPE
from ..taxonomies import load_taxonomy

# Points that nothing was trained on have a seed of their own (training/train.py uses 1 to 3).
SEED = 2018
POINTS_A_COVER = 60
# Months with a clear observation that a pixel must have to be shown.
WELL_SEEN = 10


@cache
def example_points() -> tuple[SimulatedPoints, list[str], dict[str, int]]:
    """Simulate points of the ten covers, the same each time.

    Returns:
        The points, the class name of each, and by class name the row of its first point that was seen in most months.
    """
    covers = load_taxonomy("simulated_ten").names
    points = simulate(POINTS_A_COVER * len(covers), seed=SEED, classes=list(covers), climates=EUROPE)
    labels = np.asarray([covers[CLASS_NAMES[index]] for index in points.class_index])
    well_seen = (~np.isnan(points.series[:, :, 0])).sum(axis=1) >= WELL_SEEN
    rows = {label: int(np.flatnonzero((labels == label) & well_seen)[0]) for label in covers.values()}
    return points, labels.tolist(), rows
