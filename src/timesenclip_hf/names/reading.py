"""Read the names of a set together, such as all columns of a table: only together do they tell what numbers mean."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from ..models.timesenclip.bands_timesenclip import BANDS, SCENE_CLASSES, BandName, bands_beside, read_band_name
from ..models.timesenclip.dates_timesenclip import read_times
from ..models.timesenclip.steps_timesenclip import Steps
from .numbers import Number, read_numbers
from .times import STEP, TimeName, read_time

_WITH_ADVICE = "name each with its date, such as B02_2018-01-05."


class NameParts(NamedTuple):
    """Hold what a name says: a band ("B02", or "SCL"), and its date or its calendar month (1 = January)."""

    band: str | None
    date: np.datetime64 | None = None
    month: int | None = None

    @property
    def timed(self) -> bool:
        """Tell whether the name has a time."""
        return self.date is not None or self.month is not None


class NamesRead(NamedTuple):
    """Hold what each name of a set says, and sentences about how they were read."""

    parts: list[NameParts]
    notes: list[str]


@dataclass(frozen=True)
class _Name:
    """Hold a name, what it says of its time, what the rest of it says of its band, and that band beside the others."""

    text: str
    time: TimeName
    reading: BandName
    band: str | None

    @property
    def numbers(self) -> tuple[str, ...]:
        """Return the numbers that might count the step, where nothing else in the name tells its time."""
        return () if _has_time(self.time) else self.reading.numbers


def read_names(
    names: Sequence[str],
    steps: Steps | None = None,
    *,
    noun: str = "columns",
    times_of: Literal["bands", "all", "none"] = "bands",
) -> NamesRead:
    """Read the bands and times of names that belong together, in any order.

    A time is a date ("B02_2018-05-14", "20180514T105031_T31UDS_B2", "B2_2018-4-3", "B2_2019182", "B2_05Jan2018"), a
    month with its year ("201907_B2", "B2_July_2019"), which stands for its first day, a calendar month ("B02_01" to
    "B02_12", "B2_month1", "B2_Jul"), or the number of a step ("0_B2", "B2_ts0", "B2_w01"; "B2", "B2_1", "B2_2"), which
    `steps` dates.

    Args:
        names: of all columns, bands, variables or files of one kind.
        steps: when numbered steps were.
        noun: what messages call the names.
        times_of: names whose times are read: those with a band, all, as files are named after their date, or none.

    Raises:
        ValueError: a name holds a date that no calendar has; a name could be two bands; times are of several kinds;
            steps are numbered and nothing says when they were; or all bands are another sensor's.
    """
    read = _read_bands(names, noun)
    notes = _say_bands(read) + _other_sensors(read, noun)
    if times_of == "none":
        return NamesRead([NameParts(name.band) for name in read], notes)
    chosen = {index: name for index, name in enumerate(read) if name.band is not None or times_of == "all"}
    dated, told = _read_times(chosen, steps or Steps(), noun)
    parts = [NameParts(name.band) for name in read]
    for index, time in dated.items():
        band = parts[index].band
        parts[index] = NameParts(band, month=time) if isinstance(time, int) else NameParts(band, time)
    if dated and (others := sorted(name.text for index, name in chosen.items() if index not in dated)):
        told.append(
            f"{_subject(noun, others, 'has', 'have')} no time and {'is' if len(others) < 2 else 'are'} left aside."
        )
    return NamesRead(parts, notes + told)


def refuse_twice(names: Sequence[str], parts: Sequence[NameParts], source: str) -> None:
    """Raise ValueError where two names of a source have the same band and time."""
    first: dict[NameParts, str] = {}
    for name, part in zip(names, parts, strict=True):
        if part.band is not None and (other := first.setdefault(part, name)) is not name:
            time = f" of {part.date}" if part.date is not None else f" of month {part.month}" if part.month else ""
            raise ValueError(f"{source} gives {part.band}{time} twice: {other} and {name}; keep one of them.")


def _read_bands(names: Sequence[str], noun: str) -> list[_Name]:
    times = [read_time(name) for name in names]
    readings = _choose([(time, read_band_name(time.rest)) for time in times])
    context = bands_beside(readings)
    unclear = sorted(name for name, reading in zip(names, readings, strict=True) if reading.band == "REDEDGE")
    if unclear:
        raise ValueError(f"The {noun.removesuffix('s')} {unclear[0]} could be B05, B06 or B07: name it so.")
    read = []
    for name, time, reading in zip(names, times, readings, strict=True):
        band = None if reading.band is None else context.get(reading.band, reading.band)
        read.append(_Name(name, time, reading, band if band in (*BANDS, SCENE_CLASSES) else None))
    return read


def _choose(names: Sequence[tuple[TimeName, tuple[BandName, ...]]]) -> list[BandName]:
    """Choose for "nir_1" between a band of that name and a step of NIR: as many numbers as the other names have."""
    alone = [readings[0] for time, readings in names if len(readings) == 1 and not _has_time(time)]
    counts = {len(name.numbers) for name in alone if name.band is not None}
    bare = {name.band for name in alone if not name.numbers}
    several = {readings[1] for time, readings in names if len(readings) > 1 and not _has_time(time)}
    if counts:
        # Where Earth Engine numbered all images but the first, the bands of the first tell which names are bands.
        numbered = {
            name
            for name in several
            if len(name.numbers) in counts and (len(name.numbers) - 1 not in counts or name.band in bare)
        }
    else:
        numbered = several if len({name.numbers for name in several}) > 2 else set()
    return [
        readings[-1] if readings[-1] in numbered and not _has_time(time) else readings[0] for time, readings in names
    ]


def _has_time(time: TimeName) -> bool:
    return time.date is not None or time.number is not None


def _say_bands(names: Sequence[_Name]) -> list[str]:
    """Say which bands were told by the other names."""
    usual = {"NIR": "B08", "SWIR2": "B12", "SWIR3": None}
    told = {
        name.reading.band: name
        for name in sorted(names, key=lambda name: name.text, reverse=True)
        if name.reading.band in usual and usual[name.reading.band] != name.band
    }
    return sorted(f"{name.text} is read as {name.band}, as the names beside it tell." for name in told.values())


def _other_sensors(names: Sequence[_Name], noun: str) -> list[str]:
    """Say which names are left aside because their bands are another sensor's; refuse a set of nothing else."""
    others = {name.text: name.reading.other for name in names if name.reading.other}
    if not others:
        return []
    mark = min(filter(None, others.values()))
    subject = _subject(noun, sorted(others), "is", "are")
    if any(name.band is not None for name in names):
        return [f"{subject} not of Sentinel-2's surface reflectance ({mark}) and left aside."]
    kind = "reflectance at the top of the atmosphere" if mark in ("TOA", "L1C", "MSIL1C") else "another sensor"
    raise ValueError(f"{subject} of {kind} ({mark}): give the surface reflectance of Sentinel-2.")


def _read_times(
    names: Mapping[int, _Name], steps: Steps, noun: str
) -> tuple[dict[int, np.datetime64 | int], list[str]]:
    """Return by index the date or the calendar month of each name that has a time."""
    dated = {index: name for index, name in names.items() if name.time.date is not None}
    counted = {index: name for index, name in names.items() if name.time.date is None and _has_time(name.time)}
    bare = {index: name for index, name in names.items() if not _has_time(name.time)}
    slots = _slots(bare, noun)
    if dated:
        if counted or slots:
            others = [name.text for name in counted.values()] + [names[index].text for index in slots]
            pair = f"{min(name.text for name in dated.values())}, {min(others)}"
            raise ValueError(f"Some {noun} have dates and others months or numbers ({pair}): use one of them.")
        return _read_dates(dated, steps, noun)
    numbers = {
        index: Number(name.text, name.band, name.time.unit or STEP, name.time.number or 0, name.time.year)
        for index, name in counted.items()
    }
    for index, text in slots.items():
        name, padded = bare[index], text.startswith("0") and len(text) > 1
        numbers[index] = Number(name.text, name.band, None, int(text or 0), name.time.year, padded, text == "")
    if not numbers:
        return {}, []
    times, note = read_numbers(list(numbers.values()), steps, noun)
    return dict(zip(numbers, times, strict=True)), [note]


def _read_dates(
    names: Mapping[int, _Name], steps: Steps, noun: str
) -> tuple[dict[int, np.datetime64 | int], list[str]]:
    if steps != Steps():
        example = min(name.text for name in names.values())
        raise ValueError(f"The {noun} have dates already, such as {example}: leave the start and the step out.")
    try:
        read, notes = read_times([name.time.date for name in names.values()])
    except ValueError as error:
        wrong = [name.text for name in names.values() if repr(name.time.date) in str(error)]
        raise ValueError(
            f"{_subject(noun, sorted(wrong)[:1], '', '').strip()}: {error}" if wrong else str(error)
        ) from None
    days = read.astype("datetime64[D]")
    first, last = days.min(), days.max()
    count = len(np.unique(days))
    notes.append(f"The {noun} have {count} dates, {first} to {last}." if count > 1 else f"The {noun} are of {first}.")
    return dict(zip(names, days, strict=True)), notes


def _slots(names: Mapping[int, _Name], noun: str) -> dict[int, str]:
    """Return by index the number that counts the step, "" for the first image, to whose bands none is added."""
    numbered = {index: name for index, name in names.items() if name.numbers}
    if not numbered:
        return {}
    counts = {len(name.numbers) for name in numbered.values()}
    example = max((name.text for name in numbered.values()), key=lambda text: (len(text), text))
    if len(counts) > 1:
        raise ValueError(f"Some {noun} have several numbers ({example}), so their order is unknown: {_WITH_ADVICE}")
    columns = list(zip(*(name.numbers for name in numbered.values()), strict=True))
    varying = [column for column in columns if len(set(map(int, column))) > 1] if len(columns) > 1 else columns
    if len(varying) != 1:
        raise ValueError(f"Any of several numbers could count the steps of the {noun} ({example}): {_WITH_ADVICE}")
    if long := next((text for text in varying[0] if len(text) > 3), None):
        raise ValueError(f"{long} in the {noun} ({example}) is no number of a step: {_WITH_ADVICE}")
    spelled = {name.reading._replace(numbers=()) for name in numbered.values()}
    first = {index: "" for index, name in names.items() if name.reading in spelled}
    return dict(zip(numbered, varying[0], strict=True)) | first


def _subject(noun: str, names: Iterable[str], singular: str, plural: str) -> str:
    """Begin a sentence about some names, with the verb that fits their number."""
    listed = list(names)
    if len(listed) == 1:
        return f"The {noun.removesuffix('s')} {listed[0]} {singular}"
    return f"The {noun} {', '.join(listed[:3])}{f' and {len(listed) - 3} more' if len(listed) > 3 else ''} {plural}"
