"""Open what `timesenclip evaluate` evaluates on: simulated points, or any dataset of the schema."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...data.opening import read_dataset
from ...models.timesenclip.bands_timesenclip import BANDS
from ...models.timesenclip.compositing_timesenclip import composite
from ...models.timesenclip.radiometry_timesenclip import DN_PER_REFLECTANCE
from ..protocol import EvaluationSet
from ..samples import TEXTS, Samples
from ..tasks import tasks_of
from .simulated import NUM_POINTS, simulated_set

# The split that nothing is trained on, by the usual name.
TEST = "test"

__all__ = ["SetOptions", "dataset_set", "open_sets", "simulated_set"]


@dataclass(frozen=True)
class SetOptions:
    """Say what is read of the data sets.

    Attributes:
        split: of a folder or Hub id; "all" for every split.
        columns: label columns of a folder or Hub id; all that have a label set when left out.
        taxonomies: label set of a column of a folder or Hub id, where it is not the schema's.
        num_points: of the simulated ones; of a folder or Hub id, at most so many rows, the first.
        images: with the patch around each simulated point, for image models.
    """

    split: str = TEST
    columns: Sequence[str] | None = None
    taxonomies: Mapping[str, str] | None = None
    num_points: int | None = None
    images: bool = False


def open_sets(datasets: Sequence[str], options: SetOptions = SetOptions()) -> Iterator[EvaluationSet]:
    """Open the data sets that names stand for, one after the other as they are asked for.

    Args:
        datasets: "simulated", or folders or Hub ids of datasets of the schema.
        options: what is read of them.

    Raises:
        FileNotFoundError: no such dataset.
        ValueError: no such split, or labels that cannot be used.
    """
    for name in datasets:
        if name == "simulated":
            points = NUM_POINTS if options.num_points is None else options.num_points
            yield simulated_set(points, images=options.images)
        else:
            yield dataset_set(name, options)


def dataset_set(name: str, options: SetOptions = SetOptions()) -> EvaluationSet:
    """Open a dataset of the schema from a folder or the Hub.

    Args:
        name: folder of an import or of `save_to_disk`, any folder that `load_dataset` reads, or Hub id.
        options: what is read of it.

    Raises:
        FileNotFoundError: no such dataset.
        ValueError: no such split, or labels that cannot be used.
    """
    rows = read_dataset(name, options.split)
    if options.num_points is not None:
        rows = rows.select(range(min(options.num_points, len(rows))))
    texts = (*TEXTS, *(options.columns or ()), *(options.taxonomies or {}))
    shown = Path(name).resolve().name if Path(name).is_dir() else name
    samples = Samples.from_dataset(rows, name=shown, split=options.split, texts=texts)
    images = _rgb(samples.series) if samples.series.ndim == 5 else None
    return EvaluationSet(samples, tasks_of(samples, options.columns, options.taxonomies), images=images)


def _rgb(series: np.ndarray) -> np.ndarray:
    """Take the median of the year in red, green and blue, as reflectance (samples, height, width, 3)."""
    colours = [BANDS.index(name) for name in ("B04", "B03", "B02")]
    patches, _ = composite(series, ~np.isnan(series), np.zeros(series.shape[1], dtype=np.int64), num_periods=1)
    return np.moveaxis(patches[:, 0, colours], 1, -1) / np.float32(DN_PER_REFLECTANCE)
