"""Read tables that keep a series in a cell."""

from typing import Any

import numpy as np

from ...models.timesenclip.bands_timesenclip import BANDS
from ...models.timesenclip.options_timesenclip import SERIES_KEYS
from .frames import name_of
from .npz_tables import refuse_other_times


def read_nested(frame: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """Read a table with a series (time, band) in the column `series`, and any option of it beside it.

    A row that cannot be read becomes a series without an observation, and is named in the notes.

    Returns:
        What the feature extractor takes, one for each row, and what was understood.

    Raises:
        ValueError: no row can be read, or times have a name that is not read.
    """
    refuse_other_times({name: frame[name].iloc[0] for name in frame.columns}, frame["series"].iloc[0], name_of(frame))
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
