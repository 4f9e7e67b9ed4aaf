"""Open labelled satellite images: EuroSAT, BigEarthNet, or any dataset with a column of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...data.engine.reports import Problem, count_reasons
from ...data.opening import read_dataset
from ...data.sources.bigearthnet import read_bigearthnet
from ...data.sources.eurosat import read_eurosat
from ...labelling.blocks import ENOUGH_BLOCKS
from ...taxonomies import load_taxonomy
from ..protocol import EvaluationSet
from ..samples import blocks_of
from ..tasks import Task, named_taxonomy
from . import NUM_POINTS, first_rows, simulated_set


@dataclass(frozen=True)
class ImageSet:
    """Hold labelled RGB images (samples, height, width, 3), pictures or reflectance, and what is asked of them.

    Images are sliced like an array. The truth, by the name of a task, is class indices (samples,), -1 where not known,
    or booleans (samples, classes); notes are for a reader. Intervals are drawn by the spatial blocks, or by single
    images.
    """

    name: str
    split: str
    images: Any
    tasks: Sequence[Task]
    truth: Mapping[str, np.ndarray]
    notes: Sequence[str] = ()
    blocks: np.ndarray | None = None

    def __post_init__(self) -> None:
        if not len(self.images):
            raise ValueError(f"{self.name} has no images: there is nothing to evaluate.")
        for task in self.tasks:
            truth = self.truth[task.name]
            wanted = (len(self.images), len(task.labels))
            if truth.shape not in (wanted[:1], wanted):
                raise ValueError(
                    f"The truth of the task {task.name!r} must be {wanted[:1]} class indices or {wanted} booleans, got "
                    f"{truth.shape}."
                )

    @classmethod
    def of_points(cls, points: EvaluationSet) -> "ImageSet":
        """Take the images of a set of series, with its labels; a set without images is a ValueError."""
        if points.images is None:
            raise ValueError(f"{points.samples.name} has no images: evaluate its series.")
        truth = {task.name: task.truth(points.samples) for task in points.tasks}
        return cls(points.samples.name, points.samples.split, points.images, points.tasks, truth, points.notes)


class ImageColumn:
    """Read the column `image` of a `datasets.Dataset` where it is sliced, as an array (rows, height, width, 3) is."""

    def __init__(self, dataset: Any) -> None:
        self._images = dataset.select_columns("image")
        self.shape = (len(dataset), *self._read(0).shape) if len(dataset) else (0, 0, 0, 3)

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Read some images (rows, height, width, 3); one of another size than the first is a ValueError."""
        images = {row: self._read(row) for row in range(*rows.indices(len(self)))}
        for row, image in images.items():
            if image.shape != self.shape[1:]:
                raise ValueError(
                    f"Image {row} is {image.shape}, the first is {self.shape[1:]}: bring images of one size together, "
                    "and crop or leave out the others."
                )
        return np.stack(list(images.values()))

    def _read(self, row: int) -> np.ndarray:
        image = self._images[row]["image"]
        return np.asarray(image.convert("RGB") if hasattr(image, "convert") else image)


def open_image_sets(
    names: Sequence[str], *, split: str = "all", column: str | None = None, num_images: int | None = None
) -> Iterator[ImageSet]:
    """Open the image sets that names stand for, one after the other as they are asked for.

    A name is "simulated"; "eurosat:SOURCE" or "bigearthnet:FOLDER", as their readers take it; or folder or Hub id of a
    dataset with the columns `image` and one of classes, "label" if no other is named. At most so many images are read,
    the first; of EuroSAT, whose files lie class by class, a sample that is drawn. FileNotFoundError says that there is
    no such folder, ValueError that it cannot be used.
    """
    for name in names:
        kind, _, source = name.partition(":")
        if name == "simulated":
            yield ImageSet.of_points(simulated_set(NUM_POINTS if num_images is None else num_images, images=True))
        elif kind == "eurosat" and source:
            yield eurosat_set(source, num_images=num_images)
        elif kind == "bigearthnet" and source:
            yield bigearthnet_set(source, num_images=num_images)
        else:
            yield dataset_images(first_rows(read_dataset(name, split), num_images), name, split, column or "label")


def eurosat_set(source: str, *, num_images: int | None = None) -> ImageSet:
    """Open EuroSAT from a folder, archive or Hub id; at most so many images, drawn at random."""
    rows = read_eurosat(source)
    if num_images is not None and num_images < len(rows):
        rows = rows.shuffle(seed=0).select(range(num_images))
    task = Task("scene", "label", load_taxonomy("eurosat"))
    notes = ["An image has one class of ten; the papers report top-1 accuracy over all 27,000 images."]
    return ImageSet("EuroSAT", "all", ImageColumn(rows), [task], {"scene": _indices(rows, task)}, notes, _blocks(rows))


def bigearthnet_set(folder: str, *, num_images: int | None = None) -> ImageSet:
    """Open BigEarthNet with its 19 classes from the folder of its archive; at most so many images, the first."""
    problems: list[Problem] = []
    rows = first_rows(read_bigearthnet(folder, problems=problems), num_images)
    task = Task("land_cover_19", "labels", load_taxonomy("bigearthnet19"))
    truth = np.asarray(rows["labels"], dtype=bool)
    notes = ["An image has several of 19 classes; the figure is mean average precision over the classes that occur."]
    if left_out := count_reasons(problem for problem in problems if problem.skipped):
        counted = ", ".join(f"{reason}: {count}" for reason, count in left_out.items())
        notes.append(f"Patches that cannot be used are left out ({counted}).")
    return ImageSet("BigEarthNet", "all", ImageColumn(rows), [task], {task.name: truth}, notes, _blocks(rows))


def dataset_images(rows: Any, name: str, split: str, column: str) -> ImageSet:
    """Take a dataset's column `image` and the given one of classes; a ValueError names what is not there."""
    absent = next((wanted for wanted in ("image", column) if wanted not in rows.column_names), None)
    if absent is not None:
        raise ValueError(f"{name} has no column {absent!r}: its columns are {', '.join(rows.column_names)}.")
    names = getattr(rows.features[column], "names", None)
    if names is None:
        raise ValueError(f"The column {column!r} of {name} holds no classes: name one of a ClassLabel.")
    task = Task(column, column, named_taxonomy(f"the column {column!r}", name, names))
    return ImageSet(name, split, ImageColumn(rows), [task], {column: _indices(rows, task)}, (), _blocks(rows))


def _indices(rows: Any, task: Task) -> np.ndarray:
    """Return class indices, which count the classes of the task in its order."""
    names = rows.features[task.column].names
    if names != task.labels:
        raise ValueError(f"The classes of the column {task.column!r} are {', '.join(names)}, not those of its task.")
    return np.asarray(rows[task.column], dtype=np.int64)


def _blocks(rows: Any) -> np.ndarray | None:
    """Find the block of land of each image, where all have coordinates and there are blocks enough."""
    if not {"longitude", "latitude"} <= set(rows.column_names):
        return None
    longitude, latitude = (np.asarray(rows[name], dtype=np.float64) for name in ("longitude", "latitude"))
    blocks = blocks_of(longitude, latitude)
    return None if blocks is None or len(np.unique(blocks)) < ENOUGH_BLOCKS else blocks
