"""What `timesenclip evaluate` and `training/measure.py` evaluate on: simulated points, real samples, any dataset."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ...data.opening import read_dataset
from ...extras import needs_extra
from ...models.timesenclip.bands_timesenclip import BANDS
from ...models.timesenclip.compositing_timesenclip import composite
from ...models.timesenclip.radiometry_timesenclip import DN_PER_REFLECTANCE
from ..protocol import EvaluationSet
from ..samples import TEXTS, Samples
from ..tasks import tasks_of
from .simulated import NUM_POINTS, simulated_set

# The split that nothing is trained on, by the usual name.
TEST = "test"

__all__ = ["dataset_set", "left_out", "open_sets", "simulated_set"]


def open_sets(
    datasets: Sequence[str],
    *,
    split: str = TEST,
    columns: Sequence[str] | None = None,
    taxonomies: Mapping[str, str] | None = None,
    num_points: int | None = None,
    real_data: str | os.PathLike[str] | None = None,
    images: bool = False,
) -> Iterator[EvaluationSet]:
    """The data sets that names stand for, made one after the other as they are asked for.

    Args:
        datasets: "simulated", "real", or folders or Hub ids of datasets of the schema.
        split: of a folder or Hub id.
        columns: label columns of a folder or Hub id; all that have a label set when left out.
        taxonomies: label set of a column of a folder or Hub id, where it is not the schema's.
        num_points: of the simulated ones; of a folder or Hub id, at most so many rows, the first.
        real_data: folder of the real samples; what TIMESENCLIP_REAL_DATA says when left out.
        images: with the patch around each simulated point, for image models.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: no such split, or labels that cannot be used.
    """
    for name in datasets:
        if name == "simulated":
            yield simulated_set(NUM_POINTS if num_points is None else num_points, images=images)
        elif name == "real":
            with needs_extra("map"):  # cubes and rasters are read
                from training.real_sets import real_sets
            folder = real_data or os.environ.get("TIMESENCLIP_REAL_DATA")
            if folder is None:
                raise FileNotFoundError("Set TIMESENCLIP_REAL_DATA to the folder that holds the real samples.")
            yield from real_sets(folder)
        else:
            yield dataset_set(name, split=split, columns=columns, taxonomies=taxonomies, num_rows=num_points)


def left_out(datasets: Sequence[str]) -> dict[str, str]:
    """Folders of the real samples that are not evaluated on, and why; nothing for other data sets."""
    if "real" not in datasets:
        return {}
    from training.real_sets import LEFT_OUT

    return LEFT_OUT


def dataset_set(
    name: str,
    *,
    split: str = TEST,
    columns: Sequence[str] | None = None,
    taxonomies: Mapping[str, str] | None = None,
    num_rows: int | None = None,
) -> EvaluationSet:
    """A dataset of the schema from a folder or the Hub.

    Args:
        name: as for [`read_dataset`].
        split: as for [`read_dataset`].
        columns: as for [`tasks_of`].
        taxonomies: as for [`tasks_of`].
        num_rows: at most so many, the first.

    Raises:
        FileNotFoundError: no such dataset.
        ValueError: no such split, or labels that cannot be used.
    """
    rows = read_dataset(name, split)
    if num_rows is not None:
        rows = rows.select(range(min(num_rows, len(rows))))
    texts = (*TEXTS, *(columns or ()), *(taxonomies or {}))
    shown = Path(name).resolve().name if Path(name).is_dir() else name
    samples = Samples.from_dataset(rows, name=shown, split=split, texts=texts)
    images = _rgb(samples.series) if samples.series.ndim == 5 else None
    return EvaluationSet(samples, tasks_of(samples, columns, taxonomies), images=images)


def _rgb(series: np.ndarray) -> np.ndarray:
    """The median of the year in red, green and blue, as reflectance (samples, height, width, 3)."""
    colours = [BANDS.index(name) for name in ("B04", "B03", "B02")]
    patches, _ = composite(series, ~np.isnan(series), np.zeros(series.shape[1], dtype=np.int64), num_periods=1)
    return np.moveaxis(patches[:, 0, colours], 1, -1) / np.float32(DN_PER_REFLECTANCE)
