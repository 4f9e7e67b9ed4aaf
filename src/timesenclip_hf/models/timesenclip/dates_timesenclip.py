"""Read dates in any form that people write them in; no other module does."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from transformers.utils import logging

logger = logging.get_logger(__name__)

FIRST_YEAR, LAST_YEAR = 1970, 2099
_MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
# English names of the months, in full, by their first three letters, and the four of September.
MONTH_NAMES = {name[:length]: number for number, name in enumerate(_MONTHS, 1) for length in (3, len(name))}
MONTH_NAMES["sept"] = 9
# Units of time since 1970, with the numbers of them that lie between 1978 and 2100.
_EPOCHS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
_EPOCH_SECONDS = (250_000_000, 4_102_444_800)
# Days since 1900 of 1982 to 2064, as spreadsheets count them.
_SERIALS = (30_000, 60_000)

_TIME = r"(?:(?:T|\s+)(\d{1,2})(?::?(\d{2})(?::?(\d{2})(?:[.,]\d+)?)?)?\s*(?:Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?)?"
_YEAR_FIRST = re.compile(r"(\d{4})([-/._ ])(\d{1,2})(?:\2(\d{1,2}))?" + _TIME, re.IGNORECASE)
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})?" + _TIME, re.IGNORECASE)
_DAY_OF_YEAR = re.compile(r"(\d{4})[-/._ ]?(\d{3})" + _TIME, re.IGNORECASE)
_YEAR_LAST = re.compile(r"(\d{1,2})([-/._ ])(\d{1,2})\2(\d{4})" + _TIME, re.IGNORECASE)
_DAY_MONTH_NAME = re.compile(r"(?:(\d{1,2})[-/._ ]*)?([A-Za-z]{3,9})[-/._, ]*(\d{4})" + _TIME, re.IGNORECASE)
_MONTH_NAME_DAY = re.compile(r"([A-Za-z]{3,9})\.? (\d{1,2}),? (\d{4})" + _TIME, re.IGNORECASE)
_YEAR_MONTH_NAME = re.compile(r"(\d{4})[-/._ ]*([A-Za-z]{3,9})(?:[-/._ ]*(\d{1,2}))?" + _TIME, re.IGNORECASE)
_HOURS = slice(-3, None)


class Times(NamedTuple):
    """Hold times, `datetime64[ns]` in the shape of what was read, and sentences about what had to be decided."""

    times: np.ndarray
    notes: list[str]


def parse_dates(dates: Sequence[Any] | np.ndarray) -> np.ndarray:
    """Read dates as `datetime64[D]`, keeping the shape; what had to be decided is logged, see [`read_times`].

    Raises:
        ValueError: a value is not a date, or could be two.
    """
    times, notes = read_times(dates)
    for note in notes:
        logger.warning_once(note)
    return times.astype("datetime64[D]")


def read_times(dates: Sequence[Any] | np.ndarray) -> Times:
    """Read dates that belong together, such as a column: only together do they tell what a number means.

    Args:
        dates: texts ("2018-05-04", "2018/5/4", "20180504", "2018124" for the day of the year, "04.05.2018",
            "4 May 2018", with or without a time of day), texts of months ("2018-05", "201805", "May 2018"), which stand
            for the first of the month, the same as numbers, seconds to nanoseconds since 1970, `datetime`, `date`,
            `datetime64`, or the dates of pandas and cftime. A day is the one that is written, whatever its time zone.

    Returns:
        The times and what was decided: which of two numbers is the day, what numbers count, and that times at local
        midnight, such as 2016-12-31T23:00, are of the day that begins then.

    Raises:
        ValueError: a value is not a date, is empty, or could be two dates.
    """
    values = np.asarray(dates)
    if values.dtype.kind == "M":
        times, notes = values.astype("datetime64[ns]"), list[str]()
    elif values.dtype.kind in "iuf":
        times, notes = _from_numbers(values)
    else:
        texts, inverse = np.unique([_text(value) for value in values.ravel()], return_inverse=True)
        unique, notes = _from_texts(texts.tolist())
        times = unique[inverse].reshape(values.shape)
    if np.isnat(times).any():
        raise ValueError("A date is empty: give one date for each acquisition.")
    times, shifted = _without_local_midnight(times)
    return Times(times, notes + shifted)


def combine_dates(years: Any, months: Any = None, days: Any = None, *, days_of_year: Any = None) -> np.ndarray:
    """Make dates, `datetime64[D]`, of columns: years with months, with days or without, or with days of the year.

    Raises:
        ValueError: there is no such date, or neither months nor days of the year are given.
    """
    if months is None and days_of_year is None:
        raise ValueError("Years alone are no dates: give months, or days of the year, too.")
    columns = [years, days_of_year] if months is None else [years, months] + ([] if days is None else [days])
    try:
        counts = np.stack([np.asarray(column).astype(np.float64) for column in columns], axis=1)
        if (counts != np.rint(counts)).any():  # NaN is not equal to itself
            raise ValueError
    except (ValueError, TypeError):
        raise ValueError("Years, months and days must be whole numbers, and none may be empty.") from None
    unique, inverse = np.unique(counts.astype(np.int64), axis=0, return_inverse=True)
    dates = [_day(*row) if months is not None else _day_of_year(*row) for row in unique.tolist()]
    if None in dates:
        row = unique[dates.index(None)].tolist()
        raise ValueError(f"{'-'.join(map(str, row))} is not a date: check the columns of years, months and days.")
    return np.asarray(dates, dtype="datetime64[D]")[np.ravel(inverse)]


def _text(value: Any) -> str:
    """Write a value as a text that `_from_texts` reads, "" where it is empty."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip()
    if value is None or value != value:  # NaN and NaT
        return ""
    if isinstance(value, np.datetime64):
        return str(value)
    if all(hasattr(value, name) for name in ("year", "month", "day")):  # date, datetime, pandas, cftime
        clock = [int(getattr(value, name, 0)) for name in ("hour", "minute", "second")]
        return f"{value.year:04d}-{value.month:02d}-{value.day:02d}T{clock[0]:02d}:{clock[1]:02d}:{clock[2]:02d}"
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        value = int(value)
    text = str(value).strip()
    return "" if text.lower() in ("nat", "nan", "none", "null", "<na>") else text


def _from_numbers(values: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Read numbers: seconds since 1970 or finer, or digits as in 20180504, 201805 and 2018124."""
    if np.isnan(values.astype(np.float64)).any():
        raise ValueError("A date is empty: give one date for each acquisition.")
    if not values.size:
        return values.astype("datetime64[ns]"), []
    lowest, highest = values.min().item(), values.max().item()
    for unit, per_second in _EPOCHS.items():
        if _EPOCH_SECONDS[0] * per_second <= lowest and highest <= _EPOCH_SECONDS[1] * per_second:
            times = (values.astype(np.float64) if values.dtype.kind == "f" else values).astype(np.int64)
            times = (times * (10**9 // per_second)).astype("datetime64[ns]")
            day = str(times.ravel()[0])[:10]
            return times, [f"Numbers such as {int(values.flat[0])} are read as {unit} since 1970 ({day})."]
    if _SERIALS[0] <= lowest and highest <= _SERIALS[1]:
        raise ValueError(
            f"Dates such as {values.flat[0]:g} are a spreadsheet's count of days: format the column as YYYY-MM-DD."
        )
    integers = values.astype(np.int64)
    if (integers != values).any():
        odd = values[integers != values].flat[0]
        raise ValueError(f"Dates must be ISO strings or dates, got numbers such as {odd}.")
    unique, inverse = np.unique(integers, return_inverse=True)
    dates = [_parse(str(number)) for number in unique.tolist()]
    if None in dates:
        odd = unique[dates.index(None)]
        raise ValueError(f"Dates must be ISO strings or dates, got numbers such as {odd}: write them as YYYY-MM-DD.")
    return np.asarray(dates, dtype="datetime64[ns]")[inverse].reshape(values.shape), []


def _from_texts(texts: list[str]) -> tuple[np.ndarray, list[str]]:
    """Read texts, each different from the others."""
    written = [text for text in texts if text]
    if written and all(re.fullmatch(r"\d{9,}", text) for text in written):
        numbers, notes = _from_numbers(np.asarray(written, dtype=np.int64))
        times = dict(zip(written, numbers, strict=True))
        return np.asarray([times.get(text, np.datetime64("NaT")) for text in texts], dtype="datetime64[ns]"), notes
    year_last = {text: match for text in written if (match := _YEAR_LAST.fullmatch(text))}
    day_first, notes = _day_comes_first(year_last)
    times = {"": np.datetime64("NaT")}
    for text in written:
        if match := year_last.get(text):
            first, second = int(match[1]), int(match[3])
            day = _day(int(match[4]), *((second, first) if day_first else (first, second)))
            date = None if day is None else _with_time(day, match)
        else:
            date = _parse(text)
        if date is None:
            raise ValueError(_no_date(text))
        times[text] = date
    return np.asarray([times[text] for text in texts], dtype="datetime64[ns]"), notes


def _no_date(text: str) -> str:
    if re.fullmatch(r"\d{5}(\.\d+)?", text) and _SERIALS[0] <= float(text) <= _SERIALS[1]:
        return f"{text!r} is a spreadsheet's count of days: format the column as YYYY-MM-DD."
    return f"{text!r} is not a date: write dates as YYYY-MM-DD."


def _day_comes_first(texts: dict[str, re.Match[str]]) -> tuple[bool, list[str]]:
    """Tell whether the day stands before the month in dates that end in the year, by what numbers can be months."""
    if not texts:
        return True, []
    pairs = {(int(match[1]), int(match[3])) for match in texts.values()}
    first, second = max(pair[0] for pair in pairs) > 12, max(pair[1] for pair in pairs) > 12
    example = next(iter(texts))
    if first and second:
        raise ValueError(f"Dates such as {example!r} have now the day first, now the month: write them as YYYY-MM-DD.")
    dotted = all(match[2] == "." for match in texts.values())  # with dots, the day comes first in every country
    if not (first or second or dotted or all(pair[0] == pair[1] for pair in pairs)):
        unclear = next(text for text, match in texts.items() if match[1] != match[3])
        raise ValueError(
            f"{unclear!r} could have the day first or the month, and no date beside it tells: write dates as "
            "YYYY-MM-DD."
        )
    return not second, [f"Dates such as {example} are read with the {'month' if second else 'day'} first."]


def _parse(text: str) -> np.datetime64 | None:
    """Read a text whose form alone tells the date; None for what is none."""
    for day, match in _readings(text):
        if day is not None:
            return _with_time(day, match)
    return None


def _readings(text: str) -> Iterator[tuple[np.datetime64 | None, re.Match[str]]]:
    if match := _YEAR_FIRST.fullmatch(text):
        yield _day(int(match[1]), int(match[3]), int(match[4] or 1)), match
    if match := _COMPACT.fullmatch(text):
        yield _day(int(match[1]), int(match[2]), int(match[3] or 1)), match
    if match := _DAY_OF_YEAR.fullmatch(text):
        yield _day_of_year(int(match[1]), int(match[2])), match
    if match := _DAY_MONTH_NAME.fullmatch(text):
        yield _day(int(match[3]), MONTH_NAMES.get(match[2].lower(), 0), int(match[1] or 1)), match
    if match := _MONTH_NAME_DAY.fullmatch(text):
        yield _day(int(match[3]), MONTH_NAMES.get(match[1].lower(), 0), int(match[2])), match
    if match := _YEAR_MONTH_NAME.fullmatch(text):
        yield _day(int(match[1]), MONTH_NAMES.get(match[2].lower(), 0), int(match[3] or 1)), match


def _day(year: int, month: int, day: int = 1) -> np.datetime64 | None:
    try:
        date = np.datetime64(f"{year:04d}-{month:02d}-{day:02d}", "D")
    except ValueError:
        return None
    return date if FIRST_YEAR <= year <= LAST_YEAR else None


def _day_of_year(year: int, number: int) -> np.datetime64 | None:
    first = _day(year, 1)
    if first is None or not 1 <= number <= 366:
        return None
    date = first + np.timedelta64(number - 1, "D")
    return date if date.astype("datetime64[Y]") == first.astype("datetime64[Y]") else None


def _with_time(day: np.datetime64, match: re.Match[str]) -> np.datetime64 | None:
    """Add the time of day that ends a text to its day."""
    hour, minute, second = (int(part or 0) for part in match.groups()[_HOURS])
    if hour > 24 or minute > 59 or second > 60:
        return None
    seconds = np.timedelta64((hour * 60 + minute) * 60 + second, "s")
    return np.datetime64(str(day), "ns") + seconds


def _without_local_midnight(times: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Move times at local midnight, written in UTC, to the day that begins then.

    Composites of months or of ten days are often stamped so east of Greenwich: 2016-12-31T23:00 is January's. They are
    known by lying at a full or half hour after noon, the same for all but for the hour of summer time, on nothing but
    last days of a month or of its thirds.
    """
    unique = np.unique(times)
    days = unique.astype("datetime64[D]")
    minutes = (unique - days).astype("timedelta64[m]").astype(np.int64)
    exact = (unique == days + minutes.astype("timedelta64[m]")) & (minutes % 30 == 0)
    if not unique.size or not exact.all() or minutes.min() <= 12 * 60 or np.ptp(minutes) not in (0, 60):
        return times, []
    following = days + 1
    day = (following - following.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64) + 1
    if not np.isin(day, (1, 11, 21)).all():
        return times, []
    note = f"Times such as {str(unique[0])[:16]} are local midnight in UTC: they are read as {following[0]}."
    return (times.astype("datetime64[D]") + 1).astype("datetime64[ns]"), [note]
