"""Read wide tables: a row for each series, with a column for each band and time step."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...extras import needs_extra
from ...models.timesenclip.bands_timesenclip import BANDS, SCENE_CLASSES
from ...models.timesenclip.steps_timesenclip import Steps
from ...names.reading import NameParts, read_names, refuse_twice
from .frames import name_of, number_cells
from .long_tables import as_integers

with needs_extra("data"):
    import pandas


class WideTable(NamedTuple):
    """Hold the series of a wide table, as the feature extractor takes them, and what was understood."""

    items: list[dict[str, Any]]
    notes: list[str]
    columns: list[str]  # that the series are from


def read_wide(frame: Any, steps: Steps | None = None) -> WideTable | None:
    """Read a table with a row for each series.

    Args:
        frame: from [`read_frame`], without the column that names the rows.
        steps: when numbered steps were.

    Returns:
        The series in the order of the rows; None where no column has a band and a time.

    Raises:
        ValueError: columns cannot be told apart, or cells are no numbers.
    """
    names = list(frame.columns)
    read = read_names(names, steps)
    timed = {column: part for column, part in zip(names, read.parts, strict=True) if part.band and part.timed}
    if not timed:
        return None
    columns, parts = list(timed), list(timed.values())
    refuse_twice(columns, parts, name_of(frame))
    is_dated = any(part.date is not None for part in parts)
    present = {part.band for part in parts}
    bands = [band for band in BANDS if band in present]
    time_of = [_time(part, is_dated) for part in parts]
    times = {time: index for index, time in enumerate(sorted(set(time_of)))}
    cells = _number_columns(frame, columns)
    values = np.full((len(frame), len(times), len(bands)), np.nan, dtype=np.float64)
    classes = np.zeros((len(frame), len(times)), dtype=np.uint8)  # 0 is "no data" of the scene classification
    at = np.asarray([times[time] for time in time_of])
    held = np.asarray([-1 if part.band == SCENE_CLASSES else bands.index(str(part.band)) for part in parts])
    of_classes = held < 0
    values[:, at[~of_classes], held[~of_classes]] = cells[:, ~of_classes]
    classes[:, at[of_classes]] = np.nan_to_num(cells[:, of_classes])
    shared: dict[str, Any] = {"bands": bands}
    shared |= {"dates": np.asarray(list(times))} if is_dated else {"months": [month - 1 for month in times]}
    items = [{"series": series, **shared} for series in as_integers(values)]
    if SCENE_CLASSES in present:
        items = [{**item, "scl": scl} for item, scl in zip(items, classes, strict=True)]
    return WideTable(items, read.notes, columns)


def _time(part: NameParts, is_dated: bool) -> Any:
    return part.date if is_dated else part.month


def _number_columns(frame: Any, columns: Sequence[str]) -> np.ndarray:
    """Return columns as numbers (rows, columns), all at once, because a table may have many thousands of them."""
    block = frame[columns].to_numpy()
    flat = pandas.DataFrame({"cells": block.ravel()})
    flat.attrs = dict(frame.attrs)
    try:
        return number_cells(flat, "cells").reshape(block.shape)
    except ValueError:
        for column in columns:
            number_cells(frame, column)  # names the column that is wrong
        raise
