"""Read series from NPZ files, which needs nothing but numpy, and hold what tables of any form give."""

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...files import first_line
from ...gate import admit
from ...gate.kinds import NPZ
from ...models.timesenclip.options_timesenclip import SERIES_KEYS
from ...models.timesenclip.steps_timesenclip import Steps
from .spellings import DATE_COLUMNS, DOY_COLUMNS, ID_COLUMNS, list_names

# Names of times that are not read, because nothing says in which year days of it are, or in which form times are.
_OTHER_TIMES = {*DATE_COLUMNS, *DOY_COLUMNS, "doys", "time", "times", "timestamps", "datetimes", "days"}


@dataclass(frozen=True)
class SeriesTable:
    """Hold the series of a table with their ids: dictionaries as the feature extractor and the pipeline take them.

    Attributes:
        ids: of the series.
        series: one dictionary a series.
        notes: sentences about how the table was read.
        row_ids: id of the series that each row of the table is of, where a series has several.
        kept: a `pandas.DataFrame` of a row a series with the other columns of the table, as coordinates and notes; of a
            series of several rows those in which its rows agree. None where the table has no others.
    """

    ids: list[str]
    series: list[dict[str, Any]]
    notes: list[str] = field(default_factory=list)
    row_ids: list[str] | None = None
    kept: Any = None

    def __len__(self) -> int:
        return len(self.ids)


def read_npz(path: Path, steps: Steps | None = None) -> SeriesTable:
    """Read the ids and the series of an NPZ, `series` or `X` (series, time, band), with any option of a series.

    Args:
        path: of the file.
        steps: when numbered steps were.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is damaged, its arrays do not fit together, or times have a name that is not read.
    """
    arrays = read_arrays(path)
    name = next((name for name in ("series", "X") if name in arrays), None)
    if name is None:
        raise ValueError(f"{path.name} has no array 'series' or 'X': its arrays are {list_names(arrays)}.")
    series = arrays[name]
    if series.ndim == 2:
        series = series[None]
    if series.ndim not in (3, 5) or len(series) == 0:
        raise ValueError(f"{name!r} of {path.name} must be (series, time, band), got {series.shape}.")
    refuse_other_times(arrays, series[0], path.name)
    items: list[dict[str, Any]] = [{"series": values} for values in series]
    for key in SERIES_KEYS[1:]:
        if key in arrays:
            for item, value in zip(items, _for_each(arrays[key], key, len(items)), strict=True):
                item[key] = value
    id_key = next((key for key in (*ID_COLUMNS, "ids") if key in arrays), None)
    ids = np.arange(len(items)) if id_key is None else arrays[id_key]
    if ids.shape != (len(items),):
        raise ValueError(f"{path.name} has {ids.size} ids for {len(items)} series: give one for each.")
    aside = sorted(set(arrays) - {name, id_key, *SERIES_KEYS[1:]})
    notes = [f"Left aside of {path.name}: the arrays {list_names(aside)}."] if aside else []
    texts = [str(int(name) if isinstance(name, float) and name.is_integer() else name) for name in ids.tolist()]
    items, untimed = date_items(items, steps, path.name)
    return SeriesTable(texts, items, [*notes, *untimed])


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of an NPZ by their names.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is damaged, or no NPZ.
    """
    if not path.exists():
        raise FileNotFoundError(f"No such file: {path}.")
    if (kind := admit(path)) != NPZ:
        raise ValueError(f"{path.name} cannot be read as NPZ, it is {kind}: save it with numpy.savez.")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path.name} cannot be read as NPZ: {first_line(error)}.") from None


def refuse_other_times(cells: Mapping[str, Any], series: Any, name: str) -> None:
    """Raise ValueError where a series has times, one a step, but by another name, as its steps would become months."""
    steps = len(series) if np.ndim(series) else 0
    other = next((key for key, cell in cells.items() if key.lower() in _OTHER_TIMES and steps in np.shape(cell)), None)
    if other is not None and not {"dates", "months"} & set(cells):
        raise ValueError(
            f"{name} has {other!r}, but neither 'dates' nor 'months': call it 'dates', written as YYYY-MM-DD, or give "
            "'months', 0 is January."
        )


def date_items(items: list[dict[str, Any]], steps: Steps | None, name: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Give series without a time their dates from the first step and the next; say what they are read as without."""
    timed = any(key in item for item in items for key in ("dates", "months"))
    if steps is None or steps == Steps():
        months = ["Nothing says when the time steps were: twelve are read as the months January to December."]
        return items, [] if timed else months
    if timed:
        refuse_steps(steps, name)
    return [{**item, "dates": steps.dates(np.arange(len(item["series"])))} for item in items], []


def refuse_steps(steps: Steps | None, name: str) -> None:
    """Raise ValueError where times are given already, and steps besides."""
    if steps is not None and steps != Steps():
        raise ValueError(f"{name} has times already: leave the start and the step out.")


def _for_each(value: np.ndarray, key: str, count: int) -> Sequence[Any]:
    """Give one value for each series: shared ones are repeated."""
    if key == "bands":
        return [value.tolist()] * count
    per_series = value.ndim > 1 if key == "scl" else value.ndim == (2 if key in ("dates", "months") else 1)
    if not per_series:
        return [value if value.ndim else value.item()] * count
    if len(value) != count:
        raise ValueError(f"{key!r} has {len(value)} entries for {count} series: give one for all, or one for each.")
    return list(value) if value.ndim > 1 else list(value.tolist())
