"""Read the numbers of series as reflectance times 10,000: no data, unit, offset, judged on all series together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from transformers.utils import logging

from .compositing_timesenclip import times_of
from .offsets_timesenclip import BASELINE_OFFSET, DatedNumbers, Stray, acquisition_offsets, find_strays
from .options_timesenclip import SeriesOptions
from .units_timesenclip import (
    DN_PER_REFLECTANCE,
    DN_PER_UNIT,
    PLAUSIBLE_REFLECTANCE,
    check_unit,
    likely_unit,
    tell_unit,
)

logger = logging.get_logger(__name__)

# Values that products commonly write for "no data" and that no reflectance can take.
NO_DATA_VALUES = (65535.0, -9999.0, -32768.0, -10000.0)
# Of reflectance in 32 bits, a product's digital number is within this share of 1 (0.005 at the brightest): it is read
# as that number, so that every form of a product gives the same.
ROUNDING_OF_DN = 0.01
# Of a set, a larger share that is implausible, and the unit is wrong rather than an acquisition; so few may be of any
# share below a half, and so may what is too bright, which clouds are.
COMMON_SHARE, FEW_IMPLAUSIBLE, MOST_CLOUDY = 0.2, 2, 0.5
VISIBLE = ("B02", "B03", "B04")
# Below all days that satellites saw: where places in the year begin that stand for dates.
PLACES = -100
# Series or dates that a message names; the others are counted.
MOST_NAMED = 5
# How a caller says it; no option of a command does.
_EACH_OFFSET = "a column offset of a table or offset=[...] in Python"


@dataclass
class NumberStack:
    """Hold series of one shape with what their numbers mean.

    Attributes:
        values: (series, time, band[, height, width]) float32, NaN where missing.
        integers: they came as integers.
        options: shared by the series.
        rows: index of each series among all.
    """

    values: np.ndarray
    integers: bool
    options: SeriesOptions
    rows: Sequence[int]

    @classmethod
    def read(
        cls, values: np.ndarray, hidden: np.ndarray | None, options: SeriesOptions, rows: Sequence[int] | None = None
    ) -> "NumberStack":
        """Put NaN where values are missing.

        Args:
            values: (series, time, band[, height, width]), integers or floats, NaN where missing.
            hidden: (series, time[, height, width]), True where a cloud hides the ground.
            options: with a value for no data.
            rows: index of each series among all; counted when left out.

        Raises:
            ValueError: there is no such unit.
        """
        check_unit(options.units)
        integers, rows = values.dtype.kind in "iu", range(len(values)) if rows is None else rows
        return cls(_without_missing(values, hidden, options.nodata), integers, options, rows)

    @property
    def in_numbers(self) -> bool:
        """Tell whether offsets belong to the values."""
        return self.options.units == "dn"

    @property
    def dn_per_unit(self) -> np.float32:
        """Return the digital numbers in 1 of the unit, which is reflectance where it could not be told."""
        return np.float32(DN_PER_UNIT.get(self.options.units, DN_PER_REFLECTANCE))

    @property
    def offsets(self) -> np.ndarray:
        """Return what is subtracted from each acquisition, (series or 1, time or 1), NaN where nobody knows."""
        return acquisition_offsets(self.options.processing_baseline, self.options.offset, self.values.shape[:2])

    def to_dn(self) -> np.ndarray:
        """Return the values in digital numbers without offset, those that no surface can have among them."""
        if not self.in_numbers:
            with np.errstate(over="ignore", invalid="ignore"):
                dn = self.values * self.dn_per_unit
                nearest = np.rint(dn)
                return np.where(np.abs(dn - nearest) <= ROUNDING_OF_DN, nearest, dn)
        subtracted = np.nan_to_num(self.offsets)
        return np.asarray(self.values - subtracted.reshape(*subtracted.shape, *(1,) * (self.values.ndim - 2)))

    def implausible(self, dn: np.ndarray) -> np.ndarray:
        """Return the acquisitions, (series, time[, height, width]), that no surface can have.

        Among digital numbers these are also fractions as small as reflectance.
        """
        low, high = PLAUSIBLE_REFLECTANCE
        with np.errstate(invalid="ignore"):
            outside = ((dn < low * DN_PER_REFLECTANCE) | (dn > high * DN_PER_REFLECTANCE)).any(axis=2)
            if self.in_numbers and not self.integers:
                small = (self.values >= low) & (self.values <= high)
                fractional = small & (self.values != np.rint(self.values))
                outside |= (small | np.isnan(self.values)).all(axis=2) & fractional.any(axis=2)
        return np.asarray(outside)


def to_digital_numbers(
    values: np.ndarray, hidden: np.ndarray | None, band_names: list[str], options: SeriesOptions, judge: bool = True
) -> np.ndarray:
    """Read any product's values as reflectance times 10,000 without offset, NaN where missing, hidden or implausible.

    Args:
        values: (series, time, band[, height, width]), integers or floats, NaN where missing.
        hidden: (series, time[, height, width]), True where a cloud hides the ground.
        band_names: of the band axis.
        options: with no data, unit, and offset or processing baseline.
        judge: refuse what cannot be reflectance, and warn of likely mistakes; False where a larger sample was judged
            already and `units` says what it is. Implausible time steps are masked either way.

    Raises:
        ValueError: the values cannot be reflectance; the sentence names the likely unit.
    """
    stacks = [NumberStack.read(values, hidden, options)]
    if judge:
        stacks, notes = judge_stacks(stacks, band_names)
        for note in notes:
            logger.warning_once(note)
    return masked_dn(stacks[0])


def masked_dn(stack: NumberStack) -> np.ndarray:
    """Return digital numbers without offset, NaN where missing or where no surface can be as dark or as bright."""
    dn = stack.to_dn()
    implausible = stack.implausible(dn)
    if implausible.any():
        dn[np.broadcast_to(np.expand_dims(implausible, 2), dn.shape)] = np.nan
    return dn


def judge_stacks(
    stacks: Sequence[NumberStack], band_names: Sequence[str], first: int = 0, *, refuse: bool = True
) -> tuple[list[NumberStack], list[str]]:
    """Settle what the numbers of a set of series mean: a unit for all that say the same of it, an offset for each date.

    Args:
        stacks: all series of the set.
        band_names: of their band axis.
        first: number of the first series in messages.
        refuse: raise where most cannot be reflectance; False for a part of a set whose unit was told.

    Returns:
        The stacks, their options with the unit and, where values contradict metadata, with another offset; and what
        the user should know, in sentences.

    Raises:
        ValueError: the values cannot be reflectance; the sentence names the likely unit.
    """
    settled, notes = list(stacks), []
    groups: dict[tuple[str, bool], list[int]] = {}
    for index, stack in enumerate(stacks):
        if not np.isnan(stack.values).all():
            groups.setdefault((stack.options.units, stack.integers), []).append(index)
    typical: dict[int, float] = {}
    for (units, integers), indices in groups.items():
        together = _pooled([stacks[index].values for index in indices])
        unit, remarks = (units, []) if not refuse else tell_unit(together, units, integers, band_names)
        notes += remarks
        for index in indices:
            settled[index] = replace(stacks[index], options=replace(stacks[index].options, units=unit))
            typical[index] = float(np.nanmedian(together))
    notes += _settle_offsets(settled, band_names)
    for indices in groups.values():
        notes += _judge_plausibility([settled[index] for index in indices], typical[indices[0]], first, refuse)
    notes += _judge_empty_bands(settled, band_names)
    notes += _judge_dark_visible(settled, band_names)
    notes += _judge_swapped_bands(settled, band_names)
    return settled, notes


def _without_missing(values: np.ndarray, hidden: np.ndarray | None, nodata: float | None) -> np.ndarray:
    """Return a float32 copy with NaN for what is missing."""
    values = np.array(values, dtype=np.float32)
    missing = np.isnan(values) | np.isin(values, np.asarray(NO_DATA_VALUES, dtype=np.float32))
    if nodata is not None:
        missing |= values == np.float32(nodata)
    # A band filled later is NaN here, so it must not keep an empty acquisition from being seen as empty.
    missing |= ((values == 0) | np.isnan(values)).all(axis=2, keepdims=True)
    # Nor can a surface be the same below zero in all bands: it is a number for no data that nobody names, such as -1.
    first = values[:, :, :1]
    if (first < 0).any():
        alike = ((values == first) | np.isnan(values)).all(axis=2, keepdims=True)
        missing |= (first < 0) & alike & ((values == first).sum(axis=2, keepdims=True) > 1)
    if hidden is not None:
        missing |= np.expand_dims(hidden, 2)
    values[missing] = np.nan
    return values


def _pooled(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Lay acquisitions of several shapes in a row, (1, acquisition, band)."""
    flat = [np.moveaxis(values, 2, -1).reshape(1, -1, values.shape[2]) for values in arrays]
    return flat[0] if len(flat) == 1 else np.concatenate(flat, axis=1)


def _settle_offsets(stacks: list[NumberStack], band_names: Sequence[str]) -> list[str]:
    """Set the offset of dates anew whose values contradict it for certain; say so, and of what is not certain too."""
    dated = [_dated(stack) for stack in stacks]
    visible = [index for index, name in enumerate(band_names) if name in VISIBLE]
    notes = []
    for stray in find_strays(dated, visible):
        told, settled = set(), True
        for index, (stack, numbers) in enumerate(zip(stacks, dated, strict=True)):
            strayed = numbers.times == stray.time
            if not strayed.any():
                continue
            told |= set(np.unique(np.nan_to_num(numbers.offsets[strayed])).tolist())
            settled &= stray.certain and _may_change(stack)
            if settled:
                stacks[index] = _with_offset(stack, strayed, stray.sign)
        notes.append(_describe(stray, told, settled))
    return notes


def _dated(stack: NumberStack) -> DatedNumbers:
    """Return digital numbers of pixels, or of the middle of patches, with their days, or places in the year below 0."""
    dn, shape = stack.to_dn(), stack.values.shape[:2]
    if dn.ndim == 5:
        dn = dn[..., dn.shape[3] // 2, dn.shape[4] // 2]
    dn = np.where(np.isfinite(dn), dn, np.nan)  # infinities have no steps between them
    options = stack.options
    if options.dates is None and options.months is None:
        times = np.arange(shape[1]) + PLACES
    else:
        dates, places = times_of(replace(options, year=None, season=None), shape)
        times = places + PLACES if dates is None else dates.astype("datetime64[D]").astype(np.int64)
    return DatedNumbers(dn, np.broadcast_to(times, shape), np.broadcast_to(stack.offsets, shape))


def _may_change(stack: NumberStack) -> bool:
    """Tell whether an offset is metadata of the acquisitions: a number for all is the user's word."""
    return stack.in_numbers and (stack.options.offset is None or np.ndim(stack.options.offset) > 0)


def _with_offset(stack: NumberStack, strayed: np.ndarray, sign: int) -> NumberStack:
    """Return the stack with an offset more (1) or less (-1) at some acquisitions.

    What lies below zero without any subtraction lost its dark values: an infinite offset leaves it out.
    """
    offsets = np.broadcast_to(stack.offsets, strayed.shape).copy()
    changed = np.nan_to_num(offsets[strayed]) + sign * BASELINE_OFFSET
    offsets[strayed] = np.where(changed < 0, np.inf, changed)
    stack.values[strayed & np.isinf(offsets)] = np.nan
    are_shared = (strayed == strayed[0]).all() and len(stack.offsets) == 1
    options = replace(stack.options, processing_baseline=None, offset=offsets[0] if are_shared else offsets)
    return replace(stack, options=options)


def _describe(stray: Stray, told: set[float], settled: bool) -> str:
    """Say what the values of a date show against its metadata, and what was done."""
    when = f"at {stray.time - PLACES:g} (0 = January)"
    if stray.time >= 0:
        when = f"of {np.datetime64(int(stray.time), 'D')}"
    side, offsets = "above" if stray.sign > 0 else "below", ", ".join(f"{value:g}" for value in sorted(told))
    text = (
        f"The values {when} lie {BASELINE_OFFSET:.0f} {side} those before and after in every band, read with the "
        f"offset {offsets}"
    )
    if not settled:
        return f"{text}: if this is wrong, give the offset of each acquisition, {_EACH_OFFSET}."
    right = min(told) + stray.sign * BASELINE_OFFSET
    done = f"the offset {right:g} is taken instead" if right >= 0 else "they are left out"
    return f"{text}; {done}: to decide it yourself, give the offset of each acquisition, {_EACH_OFFSET}."


def _judge_plausibility(stacks: Sequence[NumberStack], typical: float, first: int, refuse: bool) -> list[str]:
    """Refuse a set of which too much can be no surface; count what else is masked, and name series that are lost.

    Args:
        stacks: of one unit.
        typical: median of the values as they came.
        first: number of the first series in messages.
        refuse: raise where too much is.
    """
    few, dark, present, lost, numbers = 0, 0, 0, [], []
    for stack in stacks:
        dn = stack.to_dn()
        known, implausible = ~np.isnan(dn).all(axis=2), stack.implausible(dn)
        with np.errstate(invalid="ignore"):
            cloudy = (dn > PLAUSIBLE_REFLECTANCE[1] * DN_PER_REFLECTANCE).any(axis=2) & stack.in_numbers
        few, dark = few + int(implausible.sum()), dark + int((implausible & ~cloudy).sum())
        present += int(known.sum())
        numbers.append(dn)
        axes = tuple(range(1, known.ndim))
        gone = implausible.any(axis=axes) & ~(known & ~implausible).any(axis=axes)
        lost += [stack.rows[index] + first for index in np.flatnonzero(gone).tolist()]
    if not few:
        return []
    low, high = PLAUSIBLE_REFLECTANCE
    if refuse and (few >= MOST_CLOUDY * present or (dark > COMMON_SHARE * present and dark > FEW_IMPLAUSIBLE)):
        unit = stacks[0].options.units
        name = {"dn": "digital numbers", "percent": "per cent"}.get(unit, "reflectance")
        raise ValueError(
            f"{few / present:.0%} of the acquisitions cannot be reflectance ({low} to {high}): values around "
            f"{typical:.4g} read as {name}; {likely_unit(_pooled(numbers), typical, unit)}."
        )
    notes = [f"{few} of {present} acquisitions are masked: their reflectance lies outside {low} to {high}."]
    if lost:
        named = ", ".join(map(str, sorted(lost)[:MOST_NAMED])) + (", ..." if len(lost) > MOST_NAMED else "")
        notes.append(
            f"{len(lost)} series (number {named}, counted from 0) cannot be reflectance in the unit of the others: "
            "left without an observation."
        )
    return notes


def _judge_empty_bands(stacks: Sequence[NumberStack], band_names: Sequence[str]) -> list[str]:
    """Warn of bands that are 0 everywhere, as tools fill those that they do not have."""
    empty = np.ones(len(band_names), dtype=bool)
    seen = np.zeros(len(band_names), dtype=bool)
    for stack in stacks:
        values = np.moveaxis(stack.values, 2, -1).reshape(-1, len(band_names))
        empty &= ((values == 0) | np.isnan(values)).all(axis=0)
        seen |= (values == 0).any(axis=0)
    names = [name for name, is_empty in zip(band_names, empty & seen, strict=True) if is_empty]
    return [f"{', '.join(names)}: 0 in every acquisition, leave out what is missing."] if names else []


def _judge_dark_visible(stacks: Sequence[NumberStack], band_names: Sequence[str]) -> list[str]:
    """Warn where 1000 was never subtracted: every surface is dark in some visible band in some month."""
    columns = [index for index, name in enumerate(band_names) if name in VISIBLE]
    values: dict[bool, list[np.ndarray]] = {True: [], False: []}
    for stack in stacks:
        # Of reflectance, metadata does not tell whether an offset went into it.
        unknown = np.isnan(stack.offsets) if stack.in_numbers else np.ones((1, 1), dtype=bool)
        unknown = np.broadcast_to(unknown, stack.values.shape[:2])
        values[stack.in_numbers].append(stack.values[unknown][:, columns].ravel() * stack.dn_per_unit)
    notes = []
    for in_numbers, parts in values.items():
        visible = np.concatenate([np.empty(0, dtype=np.float32), *parts])
        visible = visible[~np.isnan(visible)]
        # Twice the offset and more is snow or cloud, not a dark surface with an offset.
        if visible.size >= 10 and BASELINE_OFFSET < np.quantile(visible, 0.05) < 2 * BASELINE_OFFSET:
            low, remedy = f"{BASELINE_OFFSET:.0f}", "pass `offset=1000`, or `offset=0` to silence this"
            if not in_numbers:
                low, remedy = f"{BASELINE_OFFSET / DN_PER_REFLECTANCE:g}", "subtract 0.1 from the reflectance"
            notes.append(
                f"Hardly any visible value lies below {low}: the offset of processing baseline 04.00 seems not to be "
                f"removed, {remedy}."
            )
    return notes


def _judge_swapped_bands(stacks: Sequence[NumberStack], band_names: Sequence[str]) -> list[str]:
    """Warn where two bands are swapped: dry soil and straw are brighter in red than in blue."""
    if not {"B02", "B04", "B08", "B11"} <= set(band_names):
        return []
    dn = _pooled([masked_dn(stack) for stack in stacks])
    blue, red, near, short = (dn[:, :, list(band_names).index(name)] for name in ("B02", "B04", "B08", "B11"))
    with np.errstate(invalid="ignore"):
        brighter = np.maximum(blue, red)
        # Bright in the short-wave infrared, little green leaf (under either order), and no cloud.
        soil = (short > 1500) & (near < 2.2 * brighter) & (short > near) & (brighter < 3000)
    if soil.sum() >= 4 and np.median(blue[soil] / np.maximum(red[soil], 1.0)) > 1.15:
        return [
            "Bare soil comes out bluer than red: B02 and B04 seem to be swapped, check the order of the bands or "
            "name them with `bands=[...]`."
        ]
    return []
