"""Open labelled satellite images: EuroSAT, BigEarthNet, or any dataset with a column of them."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...data.engine.reports import Problem, count_reasons
from ...data.opening import read_dataset
from ...data.sources.bigearthnet import read_bigearthnet
from ...data.sources.eurosat import read_eurosat
from ...data.splits import block_of
from ...taxonomies import Label, Taxonomy, load_taxonomy
from ..images import ImageColumn, ImageSet
from ..samples import BLOCK_KM
from ..tasks import Task
from .simulated import NUM_POINTS, simulated_set

# Fewer blocks give intervals that are too narrow.
ENOUGH_BLOCKS = 20


def open_image_sets(
    names: Sequence[str], *, split: str = "all", column: str | None = None, num_images: int | None = None
) -> Iterator[ImageSet]:
    """Open the image sets that names stand for, one after the other as they are asked for.

    Args:
        names: "simulated"; "eurosat:SOURCE" or "bigearthnet:FOLDER", as their readers take it; or folder or Hub id of
            a dataset with the columns `image` and one of classes.
        split: of a dataset.
        column: of its classes; "label" when left out.
        num_images: at most so many, the first; of EuroSAT, whose files lie class by class, a sample that is drawn.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: a folder or dataset that cannot be used, which the sentence names.
    """
    for name in names:
        kind, _, source = name.partition(":")
        if name == "simulated":
            points = simulated_set(NUM_POINTS if num_images is None else num_images, images=True)
            yield ImageSet.of_points(points)
        elif kind == "eurosat" and source:
            yield eurosat_set(source, num_images=num_images)
        elif kind == "bigearthnet" and source:
            yield bigearthnet_set(source, num_images=num_images)
        else:
            rows = read_dataset(name, split)
            if num_images is not None:
                rows = rows.select(range(min(num_images, len(rows))))
            yield dataset_images(rows, name, split, column or "label")


def eurosat_set(source: str, *, num_images: int | None = None, seed: int = 0) -> ImageSet:
    """Open EuroSAT.

    Args:
        source: folder, archive or Hub id, as [`read_eurosat`] takes it.
        num_images: at most so many, drawn at random; all when left out.
        seed: of the draw.
    """
    rows = read_eurosat(source)
    if num_images is not None and num_images < len(rows):
        rows = rows.shuffle(seed=seed).select(range(num_images))
    task = Task("scene", "label", load_taxonomy("eurosat"))
    notes = ["An image has one class of ten; the papers report top-1 accuracy over all 27,000 images."]
    return ImageSet("EuroSAT", "all", ImageColumn(rows), [task], {"scene": _indices(rows, task)}, notes, _blocks(rows))


def bigearthnet_set(folder: str, *, num_images: int | None = None) -> ImageSet:
    """Open BigEarthNet with its 19 classes.

    Args:
        folder: of the archive, as [`read_bigearthnet`] takes it.
        num_images: at most so many, the first; all when left out.
    """
    problems: list[Problem] = []
    rows = read_bigearthnet(folder, problems=problems)
    if num_images is not None:
        rows = rows.select(range(min(num_images, len(rows))))
    task = Task("land_cover_19", "labels", load_taxonomy("bigearthnet19"))
    truth = np.asarray(rows["labels"], dtype=bool)
    notes = ["An image has several of 19 classes; the figure is mean average precision over the classes that occur."]
    if left_out := count_reasons(problem for problem in problems if problem.skipped):
        counted = ", ".join(f"{reason}: {count}" for reason, count in left_out.items())
        notes.append(f"Patches that cannot be used are left out ({counted}).")
    return ImageSet("BigEarthNet", "all", ImageColumn(rows), [task], {task.name: truth}, notes, _blocks(rows))


def dataset_images(rows: Any, name: str, split: str, column: str) -> ImageSet:
    """Open a dataset with the column `image` and one of classes.

    Raises:
        ValueError: one of the columns is not there, or the second holds no classes.
    """
    absent = next((wanted for wanted in ("image", column) if wanted not in rows.column_names), None)
    if absent is not None:
        raise ValueError(f"{name} has no column {absent!r}: its columns are {', '.join(rows.column_names)}.")
    names = getattr(rows.features[column], "names", None)
    if names is None:
        raise ValueError(f"The column {column!r} of {name} holds no classes: name one of a ClassLabel.")
    taxonomy = Taxonomy(f"the column {column!r}", name, "", tuple(Label(label, label) for label in names))
    task = Task(column, column, taxonomy)
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
    if np.isnan(longitude + latitude).any():
        return None
    blocks = block_of(longitude, latitude, BLOCK_KM)
    return blocks if len(np.unique(blocks)) >= ENOUGH_BLOCKS else None
