"""Hold labelled satellite images and read them where they are sliced."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .protocol import EvaluationSet
from .tasks import Task


@dataclass(frozen=True)
class ImageSet:
    """Hold labelled images and what is asked of them.

    Attributes:
        name: of the data set.
        split: of it.
        images: (samples, height, width, 3) red, green and blue, pictures or reflectance; anything that is sliced like
            an array, such as [`ImageColumn`].
        tasks: label sets with their prompts.
        truth: by the name of the task, class indices (samples,), -1 where not known; or booleans (samples, classes).
        notes: what a reader must know of the set.
        blocks: spatial block of each image, for the intervals; single images are drawn without.

    Raises:
        ValueError: no images, or a truth of another shape.
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
    def of_points(cls, points: EvaluationSet, tasks: Sequence[str] | None = None) -> "ImageSet":
        """Take the images of a set of series, with its labels.

        Args:
            points: with images.
            tasks: names of those to ask; all when left out.

        Raises:
            ValueError: the set has no images.
        """
        if points.images is None:
            raise ValueError(f"{points.samples.name} has no images: evaluate its series.")
        asked = [task for task in points.tasks if tasks is None or task.name in tasks]
        truth = {task.name: task.truth(points.samples) for task in asked}
        return cls(points.samples.name, points.samples.split, points.images, asked, truth, points.notes)


class ImageColumn:
    """Read the images of a dataset where they are sliced, as those of an array.

    Args:
        dataset: a `datasets.Dataset`.
        column: of images, all of one size.
    """

    def __init__(self, dataset: Any, column: str = "image") -> None:
        self._images = dataset.select_columns(column)
        self._column = column
        self.shape = (len(dataset), *self._read(0).shape) if len(dataset) else (0, 0, 0, 3)

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Read some images (rows, height, width, 3).

        Raises:
            ValueError: one has another size than the first.
        """
        numbers = range(*rows.indices(len(self)))
        images = [self._read(row) for row in numbers]
        odd = next((row for row, image in zip(numbers, images, strict=True) if image.shape != self.shape[1:]), None)
        if odd is not None:
            raise ValueError(
                f"Image {odd} is {images[numbers.index(odd)].shape}, the first is {self.shape[1:]}: "
                "bring images of one size together, and crop or leave out the others."
            )
        return np.stack(images)

    def _read(self, row: int) -> np.ndarray:
        image = self._images[row][self._column]
        return np.asarray(image.convert("RGB") if hasattr(image, "convert") else image)
