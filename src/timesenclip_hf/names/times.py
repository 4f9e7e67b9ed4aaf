"""Find what a single name says of its time: a date, a month, or the number of a step."""

import re
from collections.abc import Callable
from typing import NamedTuple

from ..models.timesenclip.dates_timesenclip import MONTH_NAMES
from ..models.timesenclip.steps_timesenclip import DEKAD, MONTH, WEEK

DAY_OF_YEAR, STEP = "day of year", "step"
# Words before the number of a step: of Earth Engine users, presto and WorldCereal (ts), FORCE and others.
_UNITS = {
    MONTH: re.compile(r"month|mon|mth|m"),
    DEKAD: re.compile(r"dekad|dek|decade"),
    WEEK: re.compile(r"week|wk|w"),
    DAY_OF_YEAR: re.compile(r"doy|yday|julian"),
    STEP: re.compile(
        r"ts|t|tp|(?:time)?step|time(?:stamp)?|date|d|img|image|scene|comp(?:osite)?|period|frame|obs|acq|index|idx|slice"
    ),
}
_UNIT = "|".join(pattern.pattern for pattern in _UNITS.values())

_YEAR = r"(?<!\d)(?P<year>(?:19|20)\d\d)"
# A time of day behind a date, with what follows it of a fraction or zone.
_CLOCK = r"(?:(?:T|[ _-])\d\d:?\d\d:?\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?(?!\d)|T\d\d:\d\d(?:Z|[+-]\d\d:?\d\d)?)?"
_YEAR_FIRST = re.compile(_YEAR + r"(?P<gap>[-_./ ])(?P<month>\d{1,2})(?P=gap)(?P<day>\d{1,2})(?!\d)" + _CLOCK)
_COMPACT = re.compile(_YEAR + r"(?P<month>0[1-9]|1[0-2])(?P<day>0[1-9]|[12]\d|3[01])(?:\d{4}|\d{6})?(?!\d)" + _CLOCK)
_YEAR_LAST = re.compile(r"(?<![A-Za-z0-9])\d{1,2}(?P<gap>[-_./])\d{1,2}(?P=gap)(?:19|20)\d\d(?!\d)" + _CLOCK)
_COMPACT_LAST = re.compile(r"(?<!\d)(?P<day>[0-3]\d)(?P<month>[01]\d)(?P<year>(?:19|20)\d\d)(?!\d)" + _CLOCK)
_OF_YEAR = re.compile(_YEAR + r"[-_./ ]?(?P<number>[0-3]\d\d)(?:(?![A-Za-z0-9])|(?=T\d))" + _CLOCK)
_AND_NUMBER = re.compile(_YEAR + r"(?:[-_./ ](?P<number>\d{1,2})(?![A-Za-z])|(?P<month>0[1-9]|1[0-2]))(?!\d)")
_MONTH_AND_YEAR = re.compile(r"(?<![A-Za-z0-9])(?P<month>0?[1-9]|1[0-2])[-_./](?P<year>(?:19|20)\d\d)(?!\d)")
_NAME = "|".join(sorted(MONTH_NAMES, key=len, reverse=True))
_DAY_NAME_YEAR = re.compile(
    rf"(?<![A-Za-z0-9])(?:(?P<day>\d{{1,2}})[-_./ ]?)?(?P<name>{_NAME})[-_./, ]*(?P<year>(?:19|20)\d\d)(?!\d)", re.I
)
_YEAR_NAME = re.compile(
    _YEAR + rf"[-_./ ]*(?P<name>{_NAME})(?:[-_./ ]?(?P<day>\d{{1,2}})(?!\d))?(?![A-Za-z])", re.IGNORECASE
)
_MONTH_NAME = re.compile(rf"(?<![A-Za-z])(?P<name>{_NAME})(?![A-Za-z0-9])", re.IGNORECASE)
_WORD = re.compile(
    rf"(?<![A-Za-z0-9])(?P<word>{_UNIT})[-_ ]?(?P<number>\d{{1,3}})"
    r"(?![A-Za-z0-9])",
    re.IGNORECASE,
)
# Milliseconds since 1970, from 2001 on.
_EPOCH = re.compile(r"(?<![A-Za-z0-9])1\d{12}(?![A-Za-z0-9])")
# What R puts before a name that begins with a number.
_PREFIX_OF_R = re.compile(r"^X(?=\d)")
_LONE_YEAR = re.compile(r"(?<![A-Za-z0-9])(?P<year>(?:19|20)\d\d)(?![A-Za-z0-9])")


class TimeName(NamedTuple):
    """Hold what a name says of its time.

    Attributes:
        rest: the name without it.
        date: text that `read_times` reads, or None.
        year: of a number that counts within the year, or None.
        unit: of the number: "month", "dekad", "week", "day of year" or "step"; None where there is no number.
        number: of the step or month.
    """

    rest: str
    date: str | None = None
    year: int | None = None
    unit: str | None = None
    number: int | None = None


def read_time(name: str) -> TimeName:
    """Read the time of a name: the most exact form that is there, and the first of several dates."""
    name = _PREFIX_OF_R.sub("", name)
    if match := _EPOCH.search(name):
        return TimeName(_EPOCH.sub(" ", name), match[0])
    if re.search(r"(?:19|20)\d\d", name):
        for pattern, text_of in _DATES:
            if match := pattern.search(name):
                return TimeName(pattern.sub(" ", name), text_of(match))
        if match := _AND_NUMBER.search(name):
            number = int(match["number"] or match["month"])
            return TimeName(_AND_NUMBER.sub(" ", name), None, int(match["year"]), STEP, number)
        if match := _MONTH_AND_YEAR.search(name):
            return TimeName(_MONTH_AND_YEAR.sub(" ", name), f"{match['year']}-{match['month']}")
    year, rest = None, name
    if match := _LONE_YEAR.search(name):
        year, rest = int(match["year"]), _LONE_YEAR.sub(" ", name)
    if match := _WORD.search(rest):
        word = match["word"].lower()
        unit = next(unit for unit, words in _UNITS.items() if words.fullmatch(word))
        return TimeName(_WORD.sub(" ", rest), None, year, unit, int(match["number"]))
    if match := _MONTH_NAME.search(rest):
        month = MONTH_NAMES[match["name"].lower()]
        rest = _MONTH_NAME.sub(" ", rest)
        return TimeName(rest, f"{year}-{month:02d}") if year else TimeName(rest, None, None, MONTH, month)
    return TimeName(rest, None, year)


def _of_name(match: re.Match[str]) -> str:
    month = MONTH_NAMES[match["name"].lower()]
    return f"{match['year']}-{month:02d}" + (f"-{match['day']}" if match["day"] else "")


def _text(match: re.Match[str]) -> str:
    return re.sub(_CLOCK + "$", "", match[0])


_DATES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (_YEAR_FIRST, lambda match: f"{match['year']}-{match['month']}-{match['day']}"),
    (_COMPACT, lambda match: f"{match['year']}-{match['month']}-{match['day']}"),
    (_DAY_NAME_YEAR, _of_name),
    (_YEAR_NAME, _of_name),
    (_YEAR_LAST, _text),
    (_COMPACT_LAST, lambda match: f"{match['year']}-{match['month']}-{match['day']}"),
    (_OF_YEAR, lambda match: match["year"] + match["number"]),
)
