"""Find the offset of each acquisition: what metadata tells, and whether the values of one date contradict it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

# Sentinel-2 L2A, processing baseline 04.00 and later (ESA, January 2022): DN = reflectance * 10000 + 1000.
BASELINE_WITH_OFFSET = 4.0
BASELINE_OFFSET = 1000.0
# What Sen2Cor writes (99.99, N9999) where it was not run by ESA; its products may have the offset or not.
USER_BASELINE = 99.99
# Series of a date that make its values certain; with fewer, metadata must tell the date apart too.
MANY_SERIES = 20
# Series of a stack that are judged.
MOST_SERIES = 1000
# An offset lies on a date where its step from the neighbouring dates is off the offset by no more than such a share, in
# every band and in the middle one: where metadata tells the date apart, where many series do, and where few do.
TOLD_APART, SHOWN_BY_MANY, SHOWN_BY_FEW = (0.9, 0.5), (0.5, 0.3), (0.3, 0.15)
# Digital numbers: how far that step may spread over many series in the visible bands, and where all bands step alike.
# Clouds that seem an offset spread by 170 to 850, clear dates by 12 to 180.
SPREAD, SPREAD_IF_ALIKE, ALIKE = 150.0, 200.0, 0.15
# The darkest band is at least this bright in 19 of 20 series with an offset left in, and darker than the second in half
# of them where it was subtracted twice.
FLOOR_WITH_OFFSET, FLOOR_BELOW_ZERO = 900.0, -100.0


class DatedNumbers(NamedTuple):
    """Hold digital numbers (series, time, band), NaN where missing, with times and offsets of the acquisitions.

    Attributes:
        times: (series, time), numbers that grow with time.
        offsets: (series, time), as subtracted, NaN where unknown.
    """

    dn: np.ndarray
    times: np.ndarray
    offsets: np.ndarray


class Stray(NamedTuple):
    """Say of a time that its values lie an offset too high (1) or too low (-1), and whether that is certain."""

    time: float
    sign: int
    certain: bool


def acquisition_offsets(processing_baseline: Any, offset: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return what to subtract from the digital numbers of each acquisition, NaN where nobody knows.

    Args:
        processing_baseline: of the products, such as "04.00", one for all acquisitions, (time,) or (series, time).
        offset: to subtract, instead of baselines; one for all acquisitions, (time,) or (series, time).
        shape: (series, time), which the result broadcasts to.

    Raises:
        ValueError: there is another number of them, or one is no baseline.
    """
    name = "processing_baseline" if offset is None else "offset"
    entries = np.asarray(processing_baseline if offset is None else offset, dtype=object)
    if entries.shape not in ((), (1,), shape, shape[1:], (shape[0], 1)):
        raise ValueError(
            f"`{name}` must be one for all acquisitions or one for each of {shape[1]}, got the shape {entries.shape}."
        )
    # Products write offsets as 1000 or as -1000 (BOA_ADD_OFFSET).
    values = [baseline_offset(entry) if offset is None else abs(_number(entry)) for entry in entries.ravel()]
    return np.asarray(values, dtype=np.float32).reshape((1,) * (2 - entries.ndim) + entries.shape)


def baseline_offset(processing_baseline: Any) -> float:
    """Return the offset that Sentinel-2 L2A products of a processing baseline have, 1000 or 0.

    It is NaN for `None`, NaN and 99.99, which says that a user has run the processor.

    Raises:
        ValueError: it is no baseline.
    """
    if processing_baseline is None or processing_baseline != processing_baseline:
        return np.nan
    text = str(processing_baseline).strip().upper().removeprefix("N")
    try:
        baseline = float(text) / (100 if "." not in text and len(text) == 4 else 1)
    except ValueError:
        raise ValueError(
            f'`processing_baseline` must be written like "04.00" or "N0400", got {processing_baseline!r}.'
        ) from None
    if baseline == USER_BASELINE:
        return np.nan
    return BASELINE_OFFSET if baseline >= BASELINE_WITH_OFFSET else 0.0


def _number(value: Any) -> float:
    try:
        return np.nan if value is None else float(value)
    except (TypeError, ValueError):
        raise ValueError(f"`offset` must be a number such as 1000, got {value!r}.") from None


def find_strays(stacks: Sequence[DatedNumbers], visible: Sequence[int]) -> list[Stray]:
    """Find the times whose values lie an offset of 1000 above or below those before and after, in every band.

    Each acquisition is held against the nearest ones of its own series that are not under suspicion themselves; those
    of one time are judged together. What many series show with a small spread is certain, and so is what few show
    where the offsets as they were subtracted differ just there. Where half of the times or more are under suspicion,
    none is told apart.

    Args:
        stacks: of any number of series; those of equal times count together.
        visible: indices of the visible bands.
    """
    stacks = [_thinned(stack) for stack in stacks]
    floors = [_lowest(stack.dn) for stack in stacks]
    seen = [~np.isnan(floor) for floor in floors]
    times = np.concatenate([stack.times[known] for stack, known in zip(stacks, seen, strict=True)])
    floor = np.concatenate([values[known] for values, known in zip(floors, seen, strict=True)])
    suspects = _suspects(times, floor) if len(times) else {}
    if not suspects:
        return []
    entries = [_steps(stack, np.isin(stack.times, list(suspects))) for stack in stacks]
    steps, jumps, when = (np.concatenate(parts) for parts in zip(*entries, strict=True))
    strays = []
    for time, sign in suspects.items():
        chosen = when == time
        if (stray := _judged(time, sign, steps[chosen], jumps[chosen], visible)) is not None:
            strays.append(stray)
    return strays


def _thinned(stack: DatedNumbers) -> DatedNumbers:
    every = -(-len(stack.dn) // MOST_SERIES)
    return DatedNumbers(*(values[::every] for values in stack))


def _lowest(dn: np.ndarray) -> np.ndarray:
    """Return the darkest band of each acquisition, (series, time), NaN where all are missing."""
    return np.asarray(np.fmin.reduce(dn, axis=2))


def _suspects(times: np.ndarray, floor: np.ndarray) -> dict[float, int]:
    """Return the times whose darkest bands are as an offset would make them, with its sign; none where half are."""
    order = np.argsort(times, kind="stable")
    distinct, first = np.unique(times[order], return_index=True)
    suspects = {}
    for time, values in zip(distinct, np.split(floor[order], first[1:]), strict=True):
        if np.quantile(values, 0.05) >= FLOOR_WITH_OFFSET:
            suspects[float(time)] = 1
        elif np.median(values) < FLOOR_BELOW_ZERO:
            suspects[float(time)] = -1
    return suspects if 2 * len(suspects) < len(distinct) else {}


def _steps(stack: DatedNumbers, suspected: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return of suspected acquisitions the step from their neighbours (n, band), that of their offsets, and times."""
    dn, times, offsets = stack
    offsets = np.nan_to_num(offsets)
    order = np.argsort(times, axis=1, kind="stable")
    rows = np.arange(len(dn))[:, None]
    dn, times, offsets, suspected = dn[rows, order], times[rows, order], offsets[rows, order], suspected[rows, order]
    usable = ~suspected & ~np.isnan(_lowest(dn))
    index = np.where(usable, np.arange(dn.shape[1]), -1)
    before = np.maximum.accumulate(index, axis=1)
    after = dn.shape[1] - 1 - np.maximum.accumulate(np.where(usable, np.arange(dn.shape[1])[::-1], -1)[:, ::-1], axis=1)
    after = after[:, ::-1]
    has_before, has_after = before >= 0, after < dn.shape[1]
    before = np.where(has_before, before, after)
    after = np.where(has_after, after, before)
    chosen = suspected & ~np.isnan(_lowest(dn)) & (has_before | has_after)
    row, column = np.nonzero(chosen)
    neighbours = [side[row, column] for side in (before, after)]
    reference = np.mean([dn[row, other] for other in neighbours], axis=0)
    expected = np.mean([offsets[row, other] for other in neighbours], axis=0)
    return dn[row, column] - reference, offsets[row, column] - expected, times[row, column]


def _judged(time: float, sign: int, steps: np.ndarray, jumps: np.ndarray, visible: Sequence[int]) -> Stray | None:
    """Judge the steps (n, band) of one time from its neighbours; `jumps` (n,) are those of the offsets subtracted."""
    present = ~np.isnan(steps).all(axis=0)
    if not present.any():
        return None
    visible = [index for index in visible if present[index]]
    step = np.full(steps.shape[1], np.nan)
    step[present] = np.nanmedian(steps[:, present], axis=0)
    apart = np.abs(sign * step[present] / BASELINE_OFFSET - 1)
    spread = np.nanmedian(np.abs(steps - step)[:, visible or present])

    def shown(by: tuple[float, float]) -> bool:
        return bool(apart.max() <= by[0] and np.median(apart) <= by[1])

    # An offset that was not subtracted raises the values: metadata made the step where the two are opposite.
    told_apart = bool(np.median(jumps) * sign < -BASELINE_OFFSET / 2) and shown(TOLD_APART)
    is_tight = bool(spread <= (SPREAD_IF_ALIKE if apart.max() <= ALIKE else SPREAD))
    if told_apart or (len(steps) >= MANY_SERIES and is_tight and shown(SHOWN_BY_MANY)):
        return Stray(time, sign, certain=True)
    return Stray(time, sign, certain=False) if shown(SHOWN_BY_FEW) else None
