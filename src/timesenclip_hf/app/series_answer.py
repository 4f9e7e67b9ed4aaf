"""Answer for one series: where it comes from, and what the words typed say of it."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..data.sources.tables import SeriesTable, read_table
from ..extras import needs_extra
from ..search import Hit, SearchIndex
from .example_points import example_points
from .limits import MOST_SERIES, SERIES_SUFFIXES, check_files, readable
from .page_model import EncodedSeries, PageModel, Words

with needs_extra("map"):
    import xarray as xr

    from ..maps.cubes import open_cube
    from ..maps.cubes.datasets import named_axes, open_dataset
    from ..maps.cubes.reading import acquisition_offsets

CLOUDED, CLOUDED_MONTHS = "maize, half the year in cloud", [0, 1, 3, 5, 10, 11]
NUM_PHOTOS = 6
Series = dict[str, Any]  # what the feature extractor takes: "series" and fields of `SeriesOptions`


class SeriesAnswer(NamedTuple):
    """Hold what the page says of one series."""

    words: Words
    probabilities: np.ndarray  # (classes,)
    series: EncodedSeries  # this one alone
    nearest: Sequence[Hit]  # points of the index whose year is most like it

    @property
    def best(self) -> str:
        """Say in a sentence which name fits best."""
        best = int(self.probabilities.argmax())
        return f"“{self.words.labels[best]}” fits best, with a probability of {self.probabilities[best]:.0%}."


@cache
def example_series() -> dict[str, Series]:
    """Simulate a series of each cover and one under much cloud: by name what the feature extractor takes."""
    points, _, rows = example_points()
    clouded = points.series[rows["maize"]].copy()
    clouded[CLOUDED_MONTHS] = np.nan
    return {label: {"series": points.series[row]} for label, row in rows.items()} | {CLOUDED: {"series": clouded}}


def read_series(path: str | Path) -> SeriesTable:
    """Read the series of an uploaded table, or the pixels of an uploaded NetCDF.

    Raises:
        ValueError: the file cannot be used; the sentence says why.
    """
    (file,) = check_files([path], SERIES_SUFFIXES)
    with readable([file]):
        table = _read_netcdf(file) if file.suffix.lower() == ".nc" else read_table(file)
    if len(table) > MOST_SERIES:
        raise ValueError(f"{file.name} has {len(table):,} series, at most {MOST_SERIES:,} are read: upload fewer rows.")
    return table


def answer_series(
    model: PageModel, series: Series, text: str, *, index: SearchIndex | None = None, offset: float | None = None
) -> SeriesAnswer:
    """Name a series in the words typed.

    Args:
        model: the checkpoint.
        series: "series" (time, band), and what it says of itself.
        text: class names between commas.
        index: of the same checkpoint, whose nearest points are shown; none when left out.
        offset: to subtract from digital numbers, where the series does not say itself.

    Raises:
        ValueError: the words or the series cannot be used.
    """
    words = model.words(text)
    if offset and "offset" not in series and "processing_baseline" not in series:
        series = {**series, "offset": offset}
    encoded = model.read([series])
    if not encoded.observed.any():
        raise ValueError("The series has no clear observation: all are empty, no data or cloud. Choose another one.")
    embeds = model.embed(encoded)
    nearest = [] if index is None else index.nearest(embeds[0], top_k=NUM_PHOTOS)
    return SeriesAnswer(words, model.probabilities(embeds, words)[0], encoded, nearest)


def pixel_series(cube: xr.Dataset) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
    """Take a cube apart into series (pixels, time, band), row by row, and scene classes (pixels, time) if it has them.

    Returned third are the fields of [`SeriesOptions`] that the pixels share, as far as the cube says them.
    """
    values, times = cube["reflectance"].values, "dates" if cube["time"].dtype.kind == "M" else "months"
    options = {"bands": cube["band"].values.tolist(), times: cube["time"].values}
    options |= {"nodata": cube.attrs.get("nodata"), "offset": acquisition_offsets(cube)}
    classes = cube["scl"].values.reshape(len(values), -1).T if "scl" in cube else None
    series = values.reshape(*values.shape[:2], -1).transpose(2, 0, 1)
    return series, classes, {name: option for name, option in options.items() if option is not None}


def _read_netcdf(file: Path) -> SeriesTable:
    """Read the pixels of a small cube as series; a file without axes in space is one series."""
    with open_dataset(file) as opened:
        dataset = named_axes(opened)
        absent = {axis: [0.0] for axis in ("y", "x") if axis not in dataset.sizes}
        # Where a series lies makes no difference to its answer, so any reference system does.
        cube = open_cube(dataset.expand_dims(absent), crs="EPSG:4326") if absent else open_cube(file)
    series, classes, options = pixel_series(cube)
    items = [{"series": pixel, **options} for pixel in series]
    if classes is not None:
        items = [{**item, "scl": pixel} for item, pixel in zip(items, classes, strict=True)]
    rows_and_columns = np.ndindex(cube.sizes["y"], cube.sizes["x"])
    names = ["the series"] if absent else [f"row {row}, column {column}" for row, column in rows_and_columns]
    return SeriesTable(names, items)
