"""Read tables that keep a series in a cell, and NPZ files."""

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...files import first_line
from ...gate import admit
from ...gate.kinds import NPZ
from ...models.timesenclip.bands_timesenclip import BANDS
from ...models.timesenclip.options_timesenclip import SERIES_KEYS
from .columns import ID_COLUMNS
from .frames import list_names, name_of


def read_nested(frame: Any) -> list[dict[str, Any]]:
    """Read a table with a series (time, band) in the column `series`, and any option of it beside it.

    Raises:
        ValueError: a row has no series, or one whose time steps differ in length.
    """
    present = [name for name in SERIES_KEYS if name in frame.columns]
    items = []
    for index, row in enumerate(frame[present].to_dict("records")):
        # What is not equal to itself is NaN; an array has no single answer, and is there.
        item = {name: value for name, value in row.items() if value is not None and (np.ndim(value) or value == value)}
        if "series" not in item:
            raise ValueError(f"Row {index + 1} of {name_of(frame)} has no series.")
        try:
            series = np.stack([np.asarray(values) for values in item["series"]])
            if series.ndim == 1:  # flat, as fixed-length lists are kept; the ten bands unless others are named
                series = series.reshape(-1, len(item.get("bands", BANDS)))
        except ValueError:
            where = f"row {index + 1} of {name_of(frame)}"
            raise ValueError(f"The series in {where} is not (time, band): its time steps differ in length.") from None
        arrays = {name: np.asarray(item[name]) for name in ("dates", "months", "scl") if name in item}
        if "bands" in item:
            item["bands"] = np.asarray(item["bands"]).tolist()
        items.append({**item, "series": series, **arrays})
    return items


def read_npz(path: Path) -> tuple[list[str], list[dict[str, Any]]]:
    """Read the ids and the series of an NPZ, `series` or `X` (series, time, band), with any option of a series.

    Raises:
        ValueError: the file is damaged, or its arrays do not fit together.
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
    items: list[dict[str, Any]] = [{"series": values} for values in series]
    for key in SERIES_KEYS[1:]:
        if key in arrays:
            for item, value in zip(items, _for_each(arrays[key], key, len(items)), strict=True):
                item[key] = value
    ids = next((arrays[key] for key in (*ID_COLUMNS, "ids") if key in arrays), np.arange(len(items)))
    if ids.shape != (len(items),):
        raise ValueError(f"{path.name} has {ids.size} ids for {len(items)} series: give one for each.")
    return [str(name) for name in ids], items


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
