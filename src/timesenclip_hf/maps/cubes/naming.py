"""Tell which band and time the layers of files are, by their names and those of their files, all read together."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...models.timesenclip.dates_timesenclip import MONTH_NAMES, read_times
from ...models.timesenclip.steps_timesenclip import STEPS_IN_WORDS, Steps, ask_for_steps
from ...names.numbers import Number, read_numbers
from ...names.reading import NameParts, NamesRead, read_names
from ...names.times import read_time


class NoBandError(ValueError):
    """Say that a source can be read, but holds no band of Sentinel-2."""


@dataclass(frozen=True)
class Naming:
    """Hold what the caller says of names.

    Attributes:
        bands: names of bands that files leave unnamed, in order, or None.
        steps: when numbered steps were.
    """

    bands: Sequence[str] | None = None
    steps: Steps = field(default_factory=Steps)


class Label(NamedTuple):
    """Hold what a layer goes by.

    Attributes:
        name: description of a raster's band, or name of a variable; "" for none.
        source: name of the file.
        alone: whether it is the only band of its file.
        folder: that the file lies in, whose name may be its date.
    """

    name: str
    source: str
    alone: bool
    folder: str = ""

    @property
    def stem(self) -> str:
        """Return the name of the file without its suffix."""
        return Path(self.source).stem


def have_bands(names: Sequence[str], named: Sequence[str] | None) -> bool:
    """Tell whether any of the names of a file is a band's; what could be several is none where the caller named it."""
    try:
        return any(part.band is not None for part in read_names(names, noun="bands", times_of="none").parts)
    except ValueError:
        if named is None:
            raise
        return False


def check_bands(bands: Sequence[str] | None, names: Sequence[str], source: str) -> None:
    """Raise ValueError where the caller names bands that a file names itself, and names them otherwise."""
    if bands is None or not have_bands(names, bands):
        return
    named = [part.band for part in read_names(names, noun="bands", times_of="none").parts]
    if None in named or len(named) != len(bands) or len(set(named)) < len(named):
        return
    if named != [part.band for part in read_names(list(bands), noun="bands", times_of="none").parts]:
        raise ValueError(
            f"{source} names its bands itself, {', '.join(names)}, which is not {', '.join(bands)}: leave `bands` out."
        )


def name_layers(labels: Sequence[Label], steps: Steps) -> NamesRead:
    """Read band and time of layers without a time axis; what their names leave open, those of their files tell.

    Raises:
        ValueError: names cannot be told apart, or a band has no time.
    """
    if not labels:
        return NamesRead([], [])
    parts, notes = read_names([label.name for label in labels], steps, noun="bands")
    of_files = _bands_of_files(labels, parts)
    for index, band in of_files.items():
        parts[index] = NameParts(band)
    if stacked := [index for index in of_files if not labels[index].alone]:
        # A file a band, whose bands are its dates.
        names = [labels[index].name or f"step {labels[: index + 1].count(labels[index])}" for index in stacked]
        dated = read_names(names, steps, noun="bands", times_of="all")
        notes += dated.notes
        for index, time in zip(stacked, dated.parts, strict=True):
            parts[index] = time._replace(band=of_files[index])
    untimed = [index for index, part in enumerate(parts) if part.band is not None and not part.timed]
    if untimed:
        stems = sorted({labels[index].stem for index in untimed})
        used = any(part.timed for part in parts)
        read = read_names(stems, None if used else steps, noun="files", times_of="all")
        notes += read.notes
        time_of = dict(zip(stems, read.parts, strict=True))
        for index in untimed:
            parts[index] = time_of[labels[index].stem]._replace(band=parts[index].band)
            if not parts[index].timed and (text := read_time(labels[index].folder).date):
                parts[index] = parts[index]._replace(date=read_times([text]).times[0].astype("datetime64[D]"))
            if not parts[index].timed:
                raise ValueError(
                    f"{labels[index].source} has no time axis: give each acquisition its date, along a time axis, in "
                    "the band names (B02_2018-05-14), or in the name of the file or of its folder."
                )
    return NamesRead(parts, notes)


def _bands_of_files(labels: Sequence[Label], parts: Sequence[NameParts]) -> dict[int, str]:
    """Return by index the band of layers that only the file's name tells."""
    named = {label.stem for label, part in zip(labels, parts, strict=True) if part.band is not None}
    unnamed = [index for index, part in enumerate(parts) if part.band is None and labels[index].stem not in named]
    stems = sorted({labels[index].stem for index in unnamed})
    if not stems:
        return {}
    bands = dict(zip(stems, read_names(stems, noun="files", times_of="none").parts, strict=True))
    return {index: band for index in unnamed if (band := bands[labels[index].stem].band) is not None}


def times_of_name(name: NameParts) -> np.ndarray:
    """Return the times (1,) of a name: `datetime64[ns]`, or an integer month with 0 = January."""
    if name.date is not None:
        return np.asarray([name.date], dtype="datetime64[ns]")
    return np.asarray([(name.month or 1) - 1], dtype=np.int64)


def read_time_axis(values: np.ndarray | None, count: int, steps: Steps, source: str) -> tuple[np.ndarray, list[str]]:
    """Read the coordinates of a time axis: dates, or the numbers of months or steps.

    Args:
        values: coordinates (time,), or None for an axis without any.
        count: length of the axis.
        steps: when numbered steps were.
        source: what messages call the file.

    Returns:
        `datetime64[ns]`, or integer months with 0 = January; and sentences about how they were read.

    Raises:
        ValueError: the axis has no coordinates, or ones that cannot be read.
    """
    if values is None:
        if steps == Steps():
            raise ValueError(
                f"The time axis of {source} has no coordinates: give each acquisition its date, or the date of the "
                f"first and the step, {ask_for_steps(count)}; a step is {STEPS_IN_WORDS}."
            )
        dates = steps.dates(np.arange(count))
        return dates.astype("datetime64[ns]"), [f"The {count} times of {source} go from {dates[0]} to {dates[-1]}."]
    values = _numbered(values)
    if values.dtype.kind in "iu" and values.size and values.min() >= 0 and values.max() <= 999:
        numbers = [Number(str(value), None, None, value) for value in values.tolist()]
        times, note = read_numbers(numbers, steps, f"times of {source},")
        if isinstance(times[0], int):
            return np.asarray(times, dtype=np.int64) - 1, [note]
        return np.asarray(times, dtype="datetime64[ns]"), [note]
    if steps != Steps():
        raise ValueError(f"The time axis of {source} has dates already: leave the start and the step out.")
    return read_times(values)


def _numbered(values: np.ndarray) -> np.ndarray:
    """Return names of months ("Jan"), and numbers of months or steps that are text or fractions, as integers."""
    if values.dtype.kind == "f" and values.size and (values == np.rint(values)).all() and np.abs(values).max() <= 999:
        return values.astype(np.int64)
    if values.dtype.kind not in "OU" or not all(isinstance(value, str) for value in values.tolist()):
        return values
    texts = [text.strip().lower().rstrip(".") for text in values.tolist()]
    if texts and all(text in MONTH_NAMES for text in texts):
        return np.asarray([MONTH_NAMES[text] for text in texts])
    if texts and all(re.fullmatch(r"\d{1,3}", text) for text in texts):
        return np.asarray(texts, dtype=np.int64)
    return values
