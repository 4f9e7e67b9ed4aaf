"""Simulate LUCAS-like points: reflectance, what a visitor sees, drawn photos and captions. No real pixel enters.

`points.simulate` makes the points from `classes` (what there is), `phenology` with its `covers` (when), `canopy` and
`optics` (what it reflects) and `observation` (what a satellite gets of it). `photos` draws what stands
there, `captions` says it. `patches` draws what a satellite sees of the same points, in `patterns`. Numbers and words
are in `tables`, with their sources.
"""

from .classes import CLASS_NAMES
from .points import GroundState, SimulatedPoints, simulate

__all__ = ["CLASS_NAMES", "GroundState", "SimulatedPoints", "simulate"]
