"""Bring series in any form that people have them in into arrays with options: stacks, lists, dictionaries."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .compositing_timesenclip import MONTHS_PER_YEAR
from .options_timesenclip import SERIES_KEYS, SeriesOptions

# A series as it was passed, and what its numbers mean.
SeriesItem = tuple[Any, SeriesOptions]

# Options that may differ from one time step, or from one series, to the next; the others hold for a stack of series.
_PER_TIME = ("dates", "months", "scl", "processing_baseline", "offset")
_PER_SERIES = ("nodata", "units", "start", "step", "year", "season", "minimum_months", "missing_bands", "screen")


def separate_items(series: Any, options: SeriesOptions) -> list[SeriesItem]:
    """Return series that have to be read apart, each with its options; none where `series` is one array.

    Args:
        series: what the feature extractor was called with.
        options: for all series; what a dictionary says of its own series comes first.

    Raises:
        ValueError: the list is empty, or a dictionary has an unknown key or no "series".
    """
    if isinstance(series, (list, tuple)) and not series:
        raise ValueError("There is no series: give at least one.")
    items = series if isinstance(series, (list, tuple)) else [series]
    if any(isinstance(item, Mapping) for item in items):
        return [_with_options(item, options) for item in items]
    return [(item, options) for item in items] if items is series and _is_stack(items[0]) else []


def stack_items(
    items: Sequence[SeriesItem], num_bands: int, first: int = 0
) -> Iterator[tuple[list[int], np.ndarray, SeriesOptions]]:
    """Stack series of one shape with equal settings.

    Args:
        items: series with their options.
        num_bands: of the checkpoint, for flat series that do not name theirs.
        first: number of the first series in messages.

    Yields:
        The indices of the series of a stack, the stack (series, time, band[, height, width]), and its options.

    Raises:
        ValueError: a series cannot be read as numbers; the sentence says which one.
    """
    groups: dict[Any, list[int]] = {}
    arrays = []
    for index, (series, options) in enumerate(items):
        try:
            array = _unflattened(as_array(series), options, num_bands)
        except ValueError as error:
            raise ValueError(f"Series {index + first}: {error}") from None
        arrays.append(array)
        # Lengths belong to the key so that a list of dates that does not fit is named, not stacked.
        fields = vars(options)
        lengths = [None if fields[name] is None else np.shape(fields[name]) for name in _PER_TIME]
        bands = None if options.bands is None else tuple(options.bands)
        settings = (bands, *(fields[name] for name in _PER_SERIES))
        groups.setdefault((array.shape, array.dtype.kind, *lengths, *settings), []).append(index)
    for indices in groups.values():
        shared = items[indices[0]][1]
        stacked: dict[str, Any] = {}
        for name in _PER_TIME:
            if getattr(shared, name) is not None:
                # A number that holds for all time steps is (series, 1) here.
                stacked[name] = np.stack([np.atleast_1d(getattr(items[index][1], name)) for index in indices])
        yield indices, np.stack([arrays[index] for index in indices]), replace(shared, **stacked)


def merge_groups(groups: Sequence[tuple[Sequence[int], dict[str, np.ndarray]]], total: int) -> dict[str, np.ndarray]:
    """Put the features of stacks back in the order of all series; shorter series end in unobserved time steps.

    Args:
        groups: for each stack the indices of its series, and its features.
        total: number of series.
    """
    length = max(features["series_mask"].shape[1] for _, features in groups)
    merged: dict[str, np.ndarray] = {}
    for name, sample in groups[0][1].items():
        merged[name] = np.zeros((total, length, *sample.shape[2:]), dtype=sample.dtype)
        for indices, features in groups:
            merged[name][indices, : features[name].shape[1]] = features[name]
    return merged


def as_array(series: Any) -> np.ndarray:
    """Return an array, a tensor or nested lists as an array of numbers.

    Raises:
        ValueError: it holds no numbers that can be reflectance, none at all, or rows of different lengths.
    """
    if hasattr(series, "detach"):
        series = series.detach().cpu().numpy()
    try:
        values = np.asarray(series)
    except ValueError:
        raise ValueError("The rows of a series have different numbers of bands: make it (time, band).") from None
    if values.dtype.itemsize == 1 and values.dtype.kind in "iub":
        raise ValueError("8-bit values cannot be reflectance: give reflectance 0 to 1, or times 10,000.")
    if values.dtype.kind not in "iuf":
        raise ValueError(f"A series must be numbers, got {values.dtype} values such as {values.ravel()[:1].tolist()}.")
    if values.size == 0:
        raise ValueError(f"The series is empty, of shape {values.shape}: give at least one acquisition.")
    return values


def hidden_by_classes(values: np.ndarray, scl: Any, masked_scl: Sequence[int]) -> np.ndarray | None:
    """Return where the scene classification sees no ground, bool (series, time[, height, width]); `None` without one.

    Args:
        values: (series, time, band[, height, width]).
        scl: scene classes (time,), (series, time), or one value a pixel.
        masked_scl: classes that hide the ground.

    Raises:
        ValueError: the scene classes have another shape.
    """
    if scl is None:
        return None
    classes = np.asarray(scl)
    times, pixels = values.shape[:2], values.shape[:2] + values.shape[3:]
    if classes.shape in (times[1:], times):
        classes = classes.reshape(-1, times[1], *(1,) * (len(pixels) - 2))
    elif classes.shape != pixels:
        raise ValueError(
            f"`scl` must have one value for each of the {times[1]} acquisitions, got the shape {classes.shape}."
        )
    return np.broadcast_to(np.isin(classes, masked_scl), pixels)


def _with_options(item: Any, options: SeriesOptions) -> SeriesItem:
    if not isinstance(item, Mapping):
        return item, options
    unknown = set(item) - set(SERIES_KEYS)
    if unknown:
        raise ValueError(f"Unknown key {sorted(unknown)[0]!r} in a series: use {', '.join(SERIES_KEYS)}.")
    if "series" not in item:
        raise ValueError(f"A series dictionary must have the key 'series', got {', '.join(map(str, item)) or 'none'}.")
    settings = {name: value for name, value in item.items() if name != "series" and value is not None}
    return item["series"], replace(options, **settings)


def _is_stack(first: Any) -> bool:
    """Tell a list of series (time, band) from the rows of one series, by its first item."""
    return first.ndim >= 2 if hasattr(first, "ndim") else isinstance(first[0], (list, tuple, np.ndarray))


def _unflattened(values: np.ndarray, options: SeriesOptions, num_bands: int) -> np.ndarray:
    """Give a flat series, as datasets keep it in lists of fixed length, its shape (time, band[, side, side])."""
    if values.ndim != 1:
        return values
    bands = num_bands if options.bands is None else len(options.bands)
    times = options.months if options.dates is None else options.dates
    num_times = MONTHS_PER_YEAR if times is None else len(times)
    side = math.isqrt(values.size // max(num_times * bands, 1))
    if side == 0 or num_times * bands * side**2 != values.size:
        raise ValueError(
            f"{values.size} values in a row are not {num_times} times {bands} bands: make it (time, band)."
        )
    return values.reshape((num_times, bands) if side == 1 else (num_times, bands, side, side))
