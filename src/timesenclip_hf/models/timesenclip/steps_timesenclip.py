"""Give numbered time steps their dates, from the date of the first and the step."""

import re
from typing import NamedTuple

import numpy as np

from .dates_timesenclip import parse_dates

MONTH, HALF_MONTH, DEKAD, WEEK = "month", "half-month", "dekad", "week"
_SPELLINGS = {
    MONTH: ("month", "months", "monthly"),
    HALF_MONTH: ("halfmonth", "halfmonths", "halfmonthly", "semimonth", "semimonthly"),
    DEKAD: ("dekad", "dekads", "dekadal", "dekadly", "decade", "decadal"),
    WEEK: ("week", "weeks", "weekly"),
}
_DAYS = re.compile(r"(\d+)(?:d|day|days|daily)")
# Steps of a calendar month begin on these days.
_FIRST_DAYS = {MONTH: (1,), HALF_MONTH: (1, 16), DEKAD: (1, 11, 21)}
# The step that so many steps in a year are likely to be.
_LIKELY = {12: MONTH, 24: HALF_MONTH, 36: DEKAD, 37: "10days", 52: WEEK, 53: WEEK}
_LIKELY |= {23: "16days", 45: "8days", 46: "8days", 73: "5days", 365: "1day", 366: "1day"}
STEPS_IN_WORDS = "month, half-month, dekad, week, or days such as 16days"


class Steps(NamedTuple):
    """Say when numbered time steps were: the date of the first, and from one to the next.

    Attributes:
        start: "2018-01-01", "2018-01" or "2018"; None where nobody said.
        step: "month", "half-month", "dekad" (days 1, 11 and 21 of a month), "week" or days, "16days"; or None.
    """

    start: str | None = None
    step: str | None = None

    def dates(self, numbers: np.ndarray) -> np.ndarray:
        """Return the first day, `datetime64[D]`, of steps by their number, 0 for the first.

        Raises:
            ValueError: the start or the step is missing or cannot be read.
        """
        if self.start is None or self.step is None:
            named, missing = ("start", "step") if self.step is None else ("step", "start")
            raise ValueError(f"A {named} without a {missing} dates no step: give both, {ask_for_steps(len(numbers))}.")
        first, step = read_start(self.start), read_step(self.step)
        if isinstance(step, int):
            return np.asarray(first + np.asarray(numbers) * np.timedelta64(step, "D"))
        days = np.asarray(_FIRST_DAYS[step])
        month = first.astype("datetime64[M]")
        within = np.searchsorted(days, (first - month.astype("datetime64[D]")).astype(np.int64) + 1, side="right") - 1
        months, parts = np.divmod(within + np.asarray(numbers), len(days))
        return np.asarray((month + months).astype("datetime64[D]") + (days[parts] - 1))


def read_start(start: str) -> np.datetime64:
    """Read the date of the first step, a month or a year standing for its first day; raise ValueError for others."""
    text = str(start).strip()
    try:
        first: np.datetime64 = parse_dates([f"{text}-01" if re.fullmatch(r"\d{4}", text) else text])[0]
    except ValueError:
        raise ValueError(f"The start must be a date such as 2018-01-01, got {start!r}.") from None
    return first


def read_step(step: str) -> str | int:
    """Read "month", "half-month" or "dekad", or a number of days; raise ValueError for anything else."""
    compact = re.sub(r"[\s_-]", "", str(step).lower())
    name = next((name for name, spellings in _SPELLINGS.items() if compact in spellings), None)
    if name is not None:
        return 7 if name == WEEK else name
    if compact in ("day", "daily"):
        return 1
    match = _DAYS.fullmatch(compact)
    if match is None or int(match[1]) == 0:
        raise ValueError(f"The step must be {STEPS_IN_WORDS}, got {step!r}.")
    return int(match[1])


def likely_step(count: int) -> str:
    """Return the step that so many time steps are likely to have, of a year or of several."""
    years = [count // years for years in range(1, 8) if count % years == 0]
    return next((_LIKELY[number] for number in years if number in _LIKELY), MONTH)


def ask_for_steps(count: int, step: str | None = None, start: str = "2018-01-01") -> str:
    """Write the options that date so many steps, as they are given on the command line and in Python."""
    step = step or likely_step(count)
    return f'such as --start {start} --step {step} (in Python start="{start}", step="{step}")'
