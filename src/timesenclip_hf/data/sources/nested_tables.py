"""Read tables that keep a series in a cell, and NPZ files."""

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...files import first_line
from ...gate import admit
from ...gate.kinds import NPZ
from ...models.timesenclip.bands_timesenclip import BANDS
from ...models.timesenclip.options_timesenclip import SERIES_KEYS
from .columns import DATE_COLUMNS, DOY_COLUMNS, ID_COLUMNS
from .frames import list_names, name_of

# Names of times that are not read, because nothing says in which year days of it are, or in which form times are.
_OTHER_TIMES = {*DATE_COLUMNS, *DOY_COLUMNS, "doys", "time", "times", "timestamps", "datetimes", "days"}


def read_nested(frame: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """Read a table with a series (time, band) in the column `series`, and any option of it beside it.

    A row that cannot be read becomes a series without an observation, and is named in the notes.

    Returns:
        What the feature extractor takes, one for each row, and what was understood.

    Raises:
        ValueError: no row can be read, or times have a name that is not read.
    """
    _refuse_other_times({name: frame[name].iloc[0] for name in frame.columns}, frame["series"].iloc[0], name_of(frame))
    present = [name for name in SERIES_KEYS if name in frame.columns]
    items: list[dict[str, Any]] = []
    faults: list[str] = []
    for index, row in enumerate(frame[present].to_dict("records")):
        try:
            items.append(_read_row(row))
        except ValueError as error:
            faults.append(f"Row {index + 1} of {name_of(frame)} {error}")
            items.append({"series": np.full((1, len(BANDS)), np.nan), "months": np.zeros(1)})
    if len(faults) == len(items):
        raise ValueError(f"{faults[0]}.")
    more = f", as have {len(faults) - 1} others" if len(faults) > 1 else ""
    return items, [f"{faults[0]}{more}: left without an observation."] if faults else []


def _read_row(row: dict[str, Any]) -> dict[str, Any]:
    # What is not equal to itself is NaN; an array has no single answer, and is there.
    item = {name: value for name, value in row.items() if value is not None and (np.ndim(value) or value == value)}
    if "series" not in item:
        raise ValueError("has no series")
    try:
        series = np.stack([np.asarray(values) for values in item["series"]])
        if series.ndim == 1:  # flat, as fixed-length lists are kept; the ten bands unless others are named
            series = series.reshape(-1, len(item.get("bands", BANDS)))
        if series.dtype.kind not in "iufb":
            series = series.astype(np.float64)  # None among the numbers
    except (ValueError, TypeError):
        raise ValueError("has a series that is not (time, band), as its time steps differ in length") from None
    arrays: dict[str, Any] = {name: np.asarray(item[name]) for name in ("dates", "months", "scl") if name in item}
    for name, values in arrays.items():
        if len(np.atleast_1d(values)) != len(series):
            raise ValueError(f"has {len(np.atleast_1d(values))} {name} for {len(series)} time steps")
    if "bands" in item:
        item["bands"] = np.asarray(item["bands"]).tolist()
    return {**item, "series": series, **arrays}


def _refuse_other_times(cells: Mapping[str, Any], series: Any, name: str) -> None:
    """Raise ValueError where a series has times, one a step, but by another name, as its steps would become months."""
    steps = len(series) if np.ndim(series) else 0
    other = next((key for key, cell in cells.items() if key.lower() in _OTHER_TIMES and steps in np.shape(cell)), None)
    if other is not None and not {"dates", "months"} & set(cells):
        raise ValueError(
            f"{name} has {other!r}, but neither 'dates' nor 'months': call it 'dates', written as YYYY-MM-DD, or give "
            "'months', 0 is January."
        )


def read_npz(path: Path) -> tuple[list[str], list[dict[str, Any]], list[str]]:
    """Read the ids and the series of an NPZ, `series` or `X` (series, time, band), with any option of a series.

    Returns:
        The ids, what the feature extractor takes, and what was left aside.

    Raises:
        ValueError: the file is damaged, its arrays do not fit together, or times have a name that is not read.
    """
    if (kind := admit(path)) != NPZ:
        raise ValueError(f"{path.name} cannot be read as NPZ, it is {kind}: save it with numpy.savez.")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (ValueError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path.name} cannot be read as NPZ: {first_line(error)}.") from None
    name = next((name for name in ("series", "X") if name in arrays), None)
    if name is None:
        raise ValueError(f"{path.name} has no array 'series' or 'X': its arrays are {list_names(arrays)}.")
    series = arrays[name]
    if series.ndim == 2:
        series = series[None]
    if series.ndim not in (3, 5) or len(series) == 0:
        raise ValueError(f"{name!r} of {path.name} must be (series, time, band), got {series.shape}.")
    _refuse_other_times(arrays, series[0], path.name)
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
    return texts, items, notes


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
