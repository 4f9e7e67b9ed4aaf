"""Open what `timesenclip evaluate` evaluates on: simulated points, or any dataset of the schema."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...data.opening import default_split, read_dataset
from ...data.sources.arrays import dataset_from_series
from ...models.timesenclip.bands_timesenclip import BANDS
from ...models.timesenclip.compositing_timesenclip import composite
from ...models.timesenclip.units_timesenclip import DN_PER_REFLECTANCE
from ...simulator import CLASS_NAMES, simulate
from ...simulator.classes import SIMULATED_CLASSES
from ...simulator.patches import simulate_patches
from ...simulator.photos.drawing import draw_photos, visit_states
from ...taxonomies import load_taxonomy
from ..protocol import EvaluationSet
from ..samples import TEXTS, Samples
from ..tasks import Task, named_taxonomy, tasks_of

# The seed of the points: 1 and 2 are those of training/train.py.
HELD_OUT_SEED = 3
NUM_POINTS = 6_000
NOTES = (
    "The points are simulated, by the simulator that the embedded default was trained on, with a seed of their own: "
    "they say that it learned, and little about real pixels.",
    "Their longitude carries no information and each point is drawn by itself, so that intervals are drawn by points.",
)


@dataclass(frozen=True)
class SetOptions:
    """Say what is read of the data sets: of a folder or Hub id the split, or "all", and label columns.

    Where no split is named, it is "test", on which nothing is trained by the usual name, or the only one. Columns are
    all that have a label set when none is named, and label sets are the schema's. So many points are simulated, or rows
    read, the first; with `images`, points have a patch.
    """

    split: str | None = None
    columns: Sequence[str] | None = None
    taxonomies: Mapping[str, str] | None = None
    num_points: int | None = None
    images: bool = False


def open_sets(datasets: Sequence[str], options: SetOptions = SetOptions()) -> Iterator[EvaluationSet]:
    """Open the data sets that names stand for, one after the other as they are asked for.

    A name is "simulated"; or a folder (of an import or of `save_to_disk`, or any that `load_dataset` reads) or Hub id
    of a dataset of the schema. FileNotFoundError says that there is none, ValueError that it cannot be used.
    """
    for name in datasets:
        if name == "simulated":
            points = NUM_POINTS if options.num_points is None else options.num_points
            yield simulated_set(points, images=options.images)
        else:
            yield _dataset_set(name, options)


def _dataset_set(name: str, options: SetOptions) -> EvaluationSet:
    split = default_split(name) if options.split is None else options.split
    rows = first_rows(read_dataset(name, split), options.num_points)
    texts = (*TEXTS, *(options.columns or ()), *(options.taxonomies or {}))
    shown = Path(name).resolve().name if Path(name).is_dir() else name
    samples = Samples.from_dataset(rows, name=shown, split=split, texts=texts)
    images = _rgb(samples.series) if samples.series.ndim == 5 else None
    return EvaluationSet(samples, tasks_of(samples, options.columns, options.taxonomies), images=images)


def first_rows(rows: Any, number: int | None) -> Any:
    """Take at most so many rows of a dataset, or all."""
    return rows if number is None else rows.select(range(min(number, len(rows))))


def _rgb(series: np.ndarray) -> np.ndarray:
    """Take the median of the year in red, green and blue, as reflectance (samples, height, width, 3)."""
    colours = [BANDS.index(name) for name in ("B04", "B03", "B02")]
    patches, _ = composite(series, ~np.isnan(series), np.zeros(series.shape[1], dtype=np.int64), num_periods=1)
    return np.moveaxis(patches[:, 0, colours], 1, -1) / np.float32(DN_PER_REFLECTANCE)


def simulated_set(num_points: int = NUM_POINTS, *, seed: int = HELD_OUT_SEED, images: bool = False) -> EvaluationSet:
    """Simulate held-out points: ten covers in plain words, all covers by their names, and the LUCAS land cover.

    Points without a clear observation are left out. With `images`, the patch around each is drawn too, for image
    models.
    """
    points = simulate(num_points, seed=seed)
    covers = np.asarray(CLASS_NAMES)[points.class_index].tolist()
    ten = load_taxonomy("simulated_ten")
    columns = {
        "point_id": [str(row) for row in range(num_points)],
        "lc1": [SIMULATED_CLASSES[index].code for index in points.class_index],
        "cover": covers,
        "ten": [cover if cover in ten.names else "" for cover in covers],
    }
    dataset = dataset_from_series(points.series, columns, problems=[])
    samples = Samples.from_dataset(dataset, name="simulated", split="held out", texts=("cover", "ten"))
    every = named_taxonomy("Covers of the simulator", "timesenclip_hf.simulator.classes", CLASS_NAMES, "MIT")
    tasks = [
        Task("ten_covers", "ten", ten),
        Task("all_covers", "cover", every),
        Task("land_cover", "land_cover", load_taxonomy("lucas_lc")),
    ]
    kept = np.asarray([int(name) for name in samples.point_ids])
    patches, states = simulate_patches(points, seed=seed)[kept] if images else None, visit_states(points.ground)

    def photos(row: int) -> Any:
        """Draw the four photos of a sample, as arrays (4, side, side, 3)."""
        index = int(kept[row])
        point = slice(index, index + 1)
        return draw_photos(points.class_index[point], states[point], seed=seed, first=index, workers=1)[0]

    return EvaluationSet(samples, tasks, NOTES, photos=photos, images=patches)
