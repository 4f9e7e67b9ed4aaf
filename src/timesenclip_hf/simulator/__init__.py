"""Simulated LUCAS-like points: reflectance, what a visitor sees, drawn photos and captions. No real pixel enters.

`points.simulate` makes the points from `classes` (what there is), `phenology` with its tables `crops` and
`landscapes` (when), `surfaces` and `canopy` (what it looks like from above) and `observation` (what a satellite gets
of it). `photos` draws what stands there with `scenes`, `crop_scenes` and `tree_scenes` on a `canvas`; `captions` says
it in the words of `names`. `patches` draws what a satellite sees of the same places, in `patterns`.
"""

from .classes import CLASS_NAMES
from .points import GroundState, SimulatedPoints, simulate

__all__ = ["CLASS_NAMES", "GroundState", "SimulatedPoints", "simulate"]
