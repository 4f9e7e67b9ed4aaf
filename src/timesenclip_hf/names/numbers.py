"""Tell whether the numbers of a set of names are calendar months or steps, and give steps their dates."""

from calendar import month_name
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..models.timesenclip.steps_timesenclip import (
    DEKAD,
    MONTH,
    STEPS_IN_WORDS,
    WEEK,
    Steps,
    ask_for_steps,
    likely_step,
    read_start,
    read_step,
)
from .times import DAY_OF_YEAR

MONTHS_PER_YEAR = 12


class Number(NamedTuple):
    """Hold the number in a name.

    Attributes:
        name: all of it.
        band: of the name, or None.
        unit: what a word beside the number says that it counts, or None.
        value: of the number.
        year: that it counts within, or None.
        padded: whether it has a leading zero.
        added: whether there is none, because the first of several images has none.
    """

    name: str
    band: str | None
    unit: str | None
    value: int
    year: int | None = None
    padded: bool = False
    added: bool = False


def read_numbers(numbers: Sequence[Number], steps: Steps, noun: str) -> tuple[Sequence[np.datetime64 | int], str]:
    """Return the date of each number, or its calendar month (1 = January), and how they were read.

    Args:
        numbers: of a set of names.
        steps: when steps were.
        noun: what messages call the names.

    Raises:
        ValueError: nothing says when the steps were, or it contradicts the names.
    """
    ordered = sorted(numbers, key=lambda number: (number.year or 0, number.value, number.band or "", number.name))
    first, end = ordered[0], ordered[-1]
    last = next(number for number in ordered if (number.year, number.value) == (end.year, end.value))
    several = f"The {noun} {first.name} to {last.name} are"
    subject = several if first != last else f"The {noun.removesuffix('s')} {first.name} is"
    units = {number.unit for number in numbers}
    in_years = {number.year is not None for number in numbers}
    if len(units) > 1 or len(in_years) > 1:
        raise ValueError(f"{subject} numbered in several ways: name all of them with a date, such as B02_2018-01-05.")
    counted = _Counted(subject, units.pop(), list(numbers), steps)
    return counted.within_years() if in_years.pop() else counted.over_all()


class _Counted(NamedTuple):
    """Hold the numbers of a set, what a word beside them says that they count, and what they are read by."""

    subject: str
    unit: str | None
    numbers: list[Number]
    steps: Steps

    @property
    def values(self) -> np.ndarray:
        """Return the numbers."""
        return np.asarray([number.value for number in self.numbers])

    def over_all(self) -> tuple[Sequence[np.datetime64 | int], str]:
        """Read numbers that count from the first step on, or calendar months."""
        if self.unit == DAY_OF_YEAR:
            return self._days_of_year()
        start, step = self.steps.start, self._step()
        if start is None and step in (None, MONTH) and self._are_months():
            return self._months()
        if start is None or step is None:
            raise ValueError(self._question(step))
        values = self.values
        lowest = values.min()
        if read_step(step) == MONTH and lowest > 1 and values.max() <= MONTHS_PER_YEAR:
            # Months of the growing season, whether the start is January or the first of them.
            month = read_start(start).astype("datetime64[M]").astype(np.int64) % MONTHS_PER_YEAR + 1
            if month not in (1, lowest):
                raise ValueError(
                    f"{self.subject} numbered from {lowest} on, but the start {start} is neither January nor the month "
                    f"{lowest}: give the date of the first."
                )
            start = str(read_start(start).astype("datetime64[Y]"))
        dates = Steps(start, step).dates(values - (lowest > 0))
        count = f"{len(np.unique(values))} steps of {'' if step[0].isdigit() else 'one '}{step}"
        return list(dates), f"{self.subject} read as {count}, {dates.min()} to {dates.max()}."

    def within_years(self) -> tuple[Sequence[np.datetime64], str]:
        """Read numbers that count within the year that stands beside them: months, unless the step says otherwise."""
        if self.steps.start is not None:
            raise ValueError(f"{self.subject} numbered within years, which date them: leave the start out.")
        step = self._step()
        lowest, highest = self.values.min(), self.values.max()
        if step is None and not 1 <= lowest <= highest <= MONTHS_PER_YEAR:
            likely = likely_step(highest + (lowest == 0))
            raise ValueError(
                f"{self.subject} numbered up to {highest} in a year, and nothing says what is counted: give the step, "
                f'such as --step {likely} (in Python step="{likely}"); a step is {STEPS_IN_WORDS}.'
            )
        step = step or MONTH
        firsts = [Steps(str(number.year), step) for number in self.numbers]
        indices = (self.values - (lowest > 0))[:, None]
        dates = np.concatenate([first.dates(index) for first, index in zip(firsts, indices, strict=True)])
        words = "months" if step == MONTH else f"steps of a {step} in their years"
        return list(dates), f"{self.subject} read as {words}, {dates.min()} to {dates.max()}."

    def _step(self) -> str | None:
        """Return the step that the caller gives, or that a word in the names tells."""
        told = "1day" if self.unit == DAY_OF_YEAR else self.unit if self.unit in (MONTH, DEKAD, WEEK) else None
        if told and self.steps.step and read_step(told) != read_step(self.steps.step):
            raise ValueError(f"{self.subject} numbered by {told}, but the step is {self.steps.step}: leave it out.")
        return told or self.steps.step

    def _are_months(self) -> bool:
        """Tell whether the numbers can be nothing but calendar months."""
        values = set(self.values.tolist())
        if not values <= set(range(1, MONTHS_PER_YEAR + 1)) or any(number.added for number in self.numbers):
            return False
        if self.unit is not None:
            return self.unit == MONTH
        # 1, 2, 3 may count anything; 01, 02, 03 are how months are written, and 4 to 9 begin with a month.
        only_count = values == set(range(1, len(values) + 1)) and len(values) < MONTHS_PER_YEAR
        return not only_count or any(number.padded for number in self.numbers)

    def _months(self) -> tuple[Sequence[int], str]:
        first, last = month_name[self.values.min()], month_name[self.values.max()]
        words = f"the months {first} to {last}" if first != last else f"the month {first}"
        return self.values.tolist(), f"{self.subject} read as {words}."

    def _days_of_year(self) -> tuple[Sequence[np.datetime64], str]:
        if self.steps.start is None:
            raise ValueError(
                f"{self.subject} numbered by days of a year that nobody names: give it, such as --start 2018-01-01 (in "
                'Python start="2018-01-01").'
            )
        if self.steps.step is not None:
            raise ValueError(f"{self.subject} numbered by days of the year: leave the step out.")
        if not 1 <= self.values.min() <= self.values.max() <= 366:
            raise ValueError(f"{self.subject} numbered beyond the days of a year, which go from 1 to 366.")
        january = str(read_start(self.steps.start).astype("datetime64[Y]"))
        dates = Steps(january, "1day").dates(self.values - 1)
        return list(dates), f"{self.subject} read as days of the year, {dates.min()} to {dates.max()}."

    def _question(self, step: str | None) -> str:
        count = len(np.unique(self.values))
        options = ask_for_steps(count, step, self.steps.start or "2018-01-01")
        when = "the step was" if count == 1 else f"the {count} steps were"
        return (
            f"{self.subject} numbered, and nothing says when {when}: give the date of the first and the step, "
            f"{options}; a step is {STEPS_IN_WORDS}."
        )
