"""One series: where it comes from, and what is answered about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ..data.sources.tables import SeriesTable, read_table
from ..extras import needs_extra
from ..models.timesenclip.compositing_timesenclip import MONTHS_PER_YEAR
from ..search import Hit, SearchIndex
from ..simulator import CLASS_NAMES, simulate
from ..taxonomies import load_taxonomy
from .limits import MOST_SERIES, SERIES_SUFFIXES, check_files, whole
from .reader import Looks, PageModel, Words

with needs_extra("demo"):
    from ..maps.cubes import open_cube
    from ..maps.cubes.reading import look_offsets
    from ..maps.cubes.sources import named_axes, open_dataset

# Points that nothing was trained on have a seed of their own (training/train.py uses 1 to 3).
SEED = 2018
SIMULATED = 600
WELL_SEEN = 10
CLOUDED, CLOUDED_MONTHS = "maize, half the year in cloud", [0, 1, 3, 5, 10, 11]
NUM_PHOTOS = 6


@dataclass(frozen=True)
class SeriesAnswer:
    """What the page says of one series.

    Attributes:
        words: the class names.
        probabilities: (classes,).
        looks: the one series as the checkpoint reads it.
        nearest: points of the index whose year is most like this one's.
    """

    words: Words
    probabilities: np.ndarray
    looks: Looks
    nearest: Sequence[Hit]

    @property
    def missing(self) -> list[int]:
        """Calendar months without a clear look, 0 = January."""
        seen = np.rint(self.looks.months[0][self.looks.observed[0]]).astype(int) % MONTHS_PER_YEAR
        return sorted(set(range(MONTHS_PER_YEAR)) - set(seen.tolist()))


@cache
def example_series() -> dict[str, dict[str, Any]]:
    """Simulated series by the names of their covers, and one under much cloud, as the feature extractor takes them."""
    covers = load_taxonomy("simulated_ten").names
    points = simulate(SIMULATED, seed=SEED, classes=list(covers))
    clear = (~np.isnan(points.series[:, :, 0])).sum(axis=1)
    names = np.asarray(CLASS_NAMES)[points.class_index]
    rows = {covers[cover]: np.flatnonzero((names == cover) & (clear >= WELL_SEEN))[0] for cover in covers}
    examples = {name: points.series[row] for name, row in rows.items()}
    examples[CLOUDED] = examples["maize"].copy()
    examples[CLOUDED][CLOUDED_MONTHS] = np.nan
    return {name: {"series": series} for name, series in examples.items()}


def read_series(path: str | Path) -> SeriesTable:
    """The series of an uploaded table, or the pixels of an uploaded NetCDF.

    Raises:
        ValueError: the file cannot be used; the sentence says why.
    """
    (file,) = check_files([path], SERIES_SUFFIXES)
    with whole([file]):
        table = _read_netcdf(file) if file.suffix.lower() == ".nc" else read_table(file)
    if len(table) > MOST_SERIES:
        raise ValueError(f"{file.name} has {len(table):,} series, at most {MOST_SERIES:,} are read: upload fewer rows.")
    return table


def choose_series(table: SeriesTable, number: float | None) -> tuple[str, dict[str, Any]]:
    """A series of a table by its number, the first is 1; its name and what the feature extractor takes.

    Raises:
        ValueError: the table has none of this number.
    """
    place = 1 if number is None else int(number)
    if not 1 <= place <= len(table):
        raise ValueError(f"There is no series {place}: the file has {len(table)}, numbered from 1.")
    return table.ids[place - 1], table.series[place - 1]


def answer_series(
    reader: PageModel,
    series: dict[str, Any],
    text: str,
    *,
    index: SearchIndex | None = None,
    offset: float | None = None,
) -> SeriesAnswer:
    """Names a series in the words typed.

    Args:
        reader: the checkpoint.
        series: as the feature extractor takes it.
        text: class names between commas.
        index: of the same checkpoint, whose photos are shown; no photos when left out.
        offset: to subtract from digital numbers, where the series does not say itself.

    Raises:
        ValueError: the words or the series cannot be used.
    """
    words = reader.words(text)
    if offset and "offset" not in series and "processing_baseline" not in series:
        series = {**series, "offset": offset}
    looks = reader.look([series])
    if not looks.observed.any():
        raise ValueError("The series has no clear look: all are empty, no data or cloud. Choose another one.")
    embeds = reader.embed(looks)
    nearest = [] if index is None else index.nearest(embeds[0], top_k=NUM_PHOTOS)
    return SeriesAnswer(words, reader.probabilities(embeds, words)[0], looks, nearest)


def _read_netcdf(file: Path) -> SeriesTable:
    """The pixels of a small cube as series; a file without axes in space is one series."""
    with open_dataset(file) as opened:
        dataset = named_axes(opened)
        absent = {axis: [0.0] for axis in ("y", "x") if axis not in dataset.sizes}
        # Where a series lies makes no difference to its answer, so any reference system does.
        cube = open_cube(dataset.expand_dims(absent), crs="EPSG:4326") if absent else open_cube(file)
    values = cube["reflectance"].values
    count = values.shape[2] * values.shape[3]
    shared = {
        "bands": cube["band"].values.tolist(),
        "dates" if cube["time"].dtype.kind == "M" else "months": cube["time"].values,
        **({"nodata": cube.attrs["nodata"]} if "nodata" in cube.attrs else {}),
        **({} if (offsets := look_offsets(cube)) is None else {"offset": offsets}),
    }
    series = values.reshape(*values.shape[:2], count).transpose(2, 0, 1)
    items = [{"series": one, **shared} for one in series]
    if "scl" in cube:
        classes = cube["scl"].values.reshape(len(values), count).T
        items = [{**item, "scl": one} for item, one in zip(items, classes, strict=True)]
    names = ["the series"] if absent else [f"row {row}, column {x}" for row, x in np.ndindex(*values.shape[2:])]
    return SeriesTable(names, items)
