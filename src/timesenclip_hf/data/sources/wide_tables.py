"""Read wide tables: a row for each series, with a column for each band and time step."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...models.timesenclip.bands_timesenclip import BANDS, SCENE_CLASSES
from ...names.reading import read_names, refuse_twice
from .frames import name_of, number_cells
from .long_tables import as_integers


class WideTable(NamedTuple):
    """Hold the series of a wide table, as the feature extractor takes them, and what was understood."""

    items: list[dict[str, Any]]
    notes: list[str]


def read_wide(frame: Any) -> WideTable | None:
    """Read a table with a row for each series.

    Args:
        frame: from [`read_frame`], without the column that names the rows.

    Returns:
        The series in the order of the rows; None where no column has a band and a time.

    Raises:
        ValueError: columns cannot be told apart, or cells are no numbers.
    """
    columns = list(frame.columns)
    read = read_names(columns)
    refuse_twice(columns, read.parts, name_of(frame))
    timed = {column: part for column, part in zip(columns, read.parts, strict=True) if part.band and part.timed}
    if not timed:
        return None
    is_dated = any(part.date is not None for part in timed.values())
    time_of: dict[str, Any] = {column: part.date if is_dated else part.month for column, part in timed.items()}
    times: Sequence[Any] = sorted(set(time_of.values()))
    present = {part.band for part in timed.values()}
    bands = [band for band in BANDS if band in present]
    values = np.full((len(frame), len(times), len(bands)), np.nan, dtype=np.float64)
    classes = np.zeros((len(frame), len(times)), dtype=np.float64)  # 0 is "no data" of the scene classification
    for column, part in timed.items():
        cells = number_cells(frame, column)
        if part.band == SCENE_CLASSES:
            classes[:, times.index(time_of[column])] = np.nan_to_num(cells)
        else:
            values[:, times.index(time_of[column]), bands.index(str(part.band))] = cells
    shared: dict[str, Any] = {"bands": bands}
    shared |= {"dates": list(map(str, times))} if is_dated else {"months": [month - 1 for month in times]}
    items = [{"series": values, **shared} for values in as_integers(values)]
    if SCENE_CLASSES in present:
        items = [{**item, "scl": scl.astype(np.uint8)} for item, scl in zip(items, classes, strict=True)]
    return WideTable(items, read.notes)
