"""Simulate points that nothing was trained on, with their photos and patches."""

from typing import Any

import numpy as np

from ...data.sources.arrays import dataset_from_series
from ...simulator import CLASS_NAMES, SimulatedPoints, simulate
from ...simulator.classes import SIMULATED_CLASSES
from ...simulator.patches import simulate_patches
from ...simulator.photos.drawing import draw_photos, visit_states
from ...taxonomies import Label, Taxonomy, load_taxonomy
from ..protocol import EvaluationSet
from ..samples import Samples
from ..tasks import Task

# Seeds 1 and 2 are those of training/train.py.
HELD_OUT_SEED = 3
NUM_POINTS = 6_000
NOTES = (
    "The points are simulated, by the simulator that the embedded default was trained on, with a seed of their own: "
    "they say that it learned, and little about real pixels.",
    "Their longitude carries no information and each point is drawn by itself, so that intervals are drawn by points.",
)


def simulated_set(num_points: int = NUM_POINTS, *, seed: int = HELD_OUT_SEED, images: bool = False) -> EvaluationSet:
    """Simulate held-out points with three tasks.

    Ten covers in plain words, all covers by their names, and the LUCAS land cover.

    Args:
        num_points: to simulate; those without a clear observation are left out.
        seed: of the simulation.
        images: draw the patch around each point too, for image models.
    """
    points = simulate(num_points, seed=seed)
    covers = np.asarray(CLASS_NAMES)[points.class_index]
    ten, plain = load_taxonomy("simulated_ten"), [Label(name, name) for name in CLASS_NAMES]
    columns = {
        "point_id": [str(row) for row in range(num_points)],
        "lc1": [SIMULATED_CLASSES[index].lc1[0] for index in points.class_index],
        "cover": covers.tolist(),
        "ten": [cover if cover in ten.names else "" for cover in covers],
    }
    dataset = dataset_from_series(points.series, columns, problems=[])
    samples = Samples.from_dataset(dataset, name="simulated", split="held out", texts=("cover", "ten"))
    source = "timesenclip_hf.simulator.classes"
    tasks = [
        Task("ten_covers", "ten", ten),
        Task("all_covers", "cover", Taxonomy("Covers of the simulator", source, "MIT", tuple(plain))),
        Task("land_cover", "land_cover", load_taxonomy("lucas_lc")),
    ]
    kept = np.asarray([int(name) for name in samples.point_ids])
    patches = simulate_patches(points, seed=seed)[kept] if images else None
    return EvaluationSet(samples, tasks, NOTES, photos=_Photos(points, kept, seed), images=patches)


class _Photos:
    """Draw the four photos of a sample, as arrays (4, side, side, 3)."""

    def __init__(self, points: SimulatedPoints, kept: np.ndarray, seed: int) -> None:
        self._points, self._kept, self._seed = points, kept, seed
        self._states = visit_states(points.ground)

    def __call__(self, row: int) -> Any:
        index = int(self._kept[row])
        point = slice(index, index + 1)
        classes, states = self._points.class_index[point], self._states[point]
        return draw_photos(classes, states, seed=self._seed, first=index, workers=1)[0]
