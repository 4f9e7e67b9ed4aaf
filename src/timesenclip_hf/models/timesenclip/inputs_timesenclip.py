"""Tell what a pipeline was given: one series, many of them, a table, or a cube."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from itertools import islice
from typing import Any

import numpy as np
import torch

from .options_timesenclip import SERIES_KEYS

# What a dictionary of many series may hold once for each of them.
_EACH = ("dates", "months", "scl")


def as_input(inputs: Any, num_bands: int) -> Any:
    """Make array-likes arrays, dictionaries of many series lists, and cut rows of a `datasets.Dataset` to their series.

    Args:
        inputs: what the pipeline was called with.
        num_bands: of the checkpoint.

    Raises:
        ValueError: a dataset has no column "series".
    """
    if isinstance(inputs, torch.Tensor):
        return inputs.detach().cpu().numpy()
    if isinstance(inputs, Mapping) and "series" in inputs:
        return _separate(inputs)
    if isinstance(inputs, (list, tuple)) and inputs and _is_time_step(inputs[0], num_bands):
        return np.asarray(inputs)
    if hasattr(inputs, "select_columns") and (columns := inputs.column_names) is not None:
        return inputs.select_columns(_series_columns(columns))
    return inputs


def as_batch(inputs: Any) -> Any:
    """Make many series in one dictionary a list, one dictionary each; rows of `Dataset.map` are cut to their series.

    Args:
        inputs: what a processor was called with, a series or many in any form.

    Raises:
        ValueError: the rows of a dataset have no column "series".
    """
    if hasattr(inputs, "keys_to_format"):  # what `Dataset.map` calls with
        columns = _series_columns(list(inputs))
        if type(inputs).__name__ == "LazyRow":
            return {name: inputs[name] for name in columns}
        return [dict(zip(columns, row, strict=True)) for row in zip(*(inputs[name] for name in columns), strict=True)]
    if isinstance(inputs, Mapping) and "series" in inputs:
        return _separate(inputs)
    return inputs


def _series_columns(columns: Sequence[str]) -> list[str]:
    """Choose the columns of a dataset that describe a series.

    Raises:
        ValueError: there is no column "series".
    """
    if "series" not in columns:
        raise ValueError(
            f"The dataset has no column 'series' but {', '.join(columns)}: rename yours, or pass one column, "
            'such as `dataset["reflectance"]`.'
        )
    # A year chooses among dates, and months are what dates come down to; a row of a dataset may hold all three.
    surplus = "months" if "dates" in columns else "year"
    return [name for name in columns if name in SERIES_KEYS and name != surplus]


def is_frame(inputs: Any) -> bool:
    """Tell a `pandas.DataFrame`, without importing pandas."""
    return hasattr(inputs, "iloc") and hasattr(inputs, "columns")


def is_cube(inputs: Any) -> bool:
    """Tell a Dataset or DataArray of xarray, without importing xarray."""
    return hasattr(inputs, "coords") and hasattr(inputs, "dims") and hasattr(inputs, "sizes")


def is_named(inputs: Any) -> bool:
    """Tell a dictionary of series by their names, `{"field 7": series, ...}`, from the dictionary of one series."""
    if not isinstance(inputs, Mapping) or not inputs or not set(SERIES_KEYS).isdisjoint(inputs):
        return False
    return all(isinstance(value, Mapping) or _depth(value) == 2 for value in inputs.values())


def in_chunks(inputs: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Yield lists of so many series, each as a dictionary, as they are asked for."""
    # A torch Dataset has length and items but need not stop iterating by itself.
    if isinstance(inputs, Sized) and hasattr(inputs, "__getitem__"):
        stream: Iterator[Any] = (inputs[index] for index in range(len(inputs)))
    else:
        stream = iter(inputs)
    # As a dictionary a series may be flat, as the lists of fixed length in datasets are.
    items = (item if isinstance(item, Mapping) else {"series": item} for item in stream)
    while chunk := list(islice(items, size)):
        yield chunk


def _separate(inputs: Mapping[str, Any]) -> Any:
    """Return the series of a dictionary that holds many of them, each with its own dates; one series as it is."""
    series = inputs["series"]
    # One series is (time, band[, height, width]) or flat; one more axis is of series, which may differ in length.
    if _depth(series) not in (3, 5):
        return inputs
    shared = {name: value for name, value in inputs.items() if name != "series" and name not in _EACH}
    each = {name: inputs[name] for name in _EACH if inputs.get(name) is not None}
    own = {name for name, value in each.items() if _depth(value) > 1 and len(value) == len(series)}
    return [
        {"series": one, **shared, **{name: value[index] if name in own else value for name, value in each.items()}}
        for index, one in enumerate(series)
    ]


def _depth(values: Any) -> int:
    """Count the axes of an array or of nested lists, whose inner lengths may differ; text is no axis."""
    if isinstance(values, (list, tuple)):
        return 1 + (_depth(values[0]) if values else 0)
    return int(getattr(values, "ndim", 0))


def _is_time_step(item: Any, num_bands: int) -> bool:
    """Tell a time step from a series: it has a plain number for each band."""
    return isinstance(item, (list, tuple)) and len(item) == num_bands and not any(map(np.ndim, item))
