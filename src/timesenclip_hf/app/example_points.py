"""Simulate the pixels that the demonstrations name: one of each cover, seen in most months."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from ..simulator import CLASS_NAMES, SimulatedPoints, simulate
from ..taxonomies import load_taxonomy

# Points that nothing was trained on have a seed of their own (training/train.py uses 1 to 3).
SEED = 2018
POINTS_A_COVER = 60
# Months with a clear observation that a pixel must have to be shown.
WELL_SEEN = 10


@dataclass(frozen=True)
class ExamplePoints:
    """Hold simulated points of the ten covers.

    Attributes:
        points: the points.
        labels: the class name of each.
        rows: by class name the row of its first point that was seen in most months.
    """

    points: SimulatedPoints
    labels: list[str]
    rows: dict[str, int]


@cache
def example_points() -> ExamplePoints:
    """Simulate the points; the same each time."""
    covers = load_taxonomy("simulated_ten").names
    points = simulate(POINTS_A_COVER * len(covers), seed=SEED, classes=list(covers))
    labels = np.asarray([covers[CLASS_NAMES[index]] for index in points.class_index])
    well_seen = (~np.isnan(points.series[:, :, 0])).sum(axis=1) >= WELL_SEEN
    rows = {label: int(np.flatnonzero((labels == label) & well_seen)[0]) for label in covers.values()}
    return ExamplePoints(points, labels.tolist(), rows)
