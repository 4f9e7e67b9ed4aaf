"""Turn raw Sentinel-2 series into model inputs: bands by name, units, offset, clouds, months, scaling."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from transformers import BatchFeature, FeatureExtractionMixin
from transformers.utils import logging

from .bands_timesenclip import BANDS, canonical_band
from .compositing_timesenclip import MONTHS_PER_YEAR, RECIPES, count_months, place_in_months
from .medians_timesenclip import masked_median
from .missing_bands_timesenclip import (
    MISSING_BANDS,
    absent_bands,
    estimate_bands,
    estimated_bands,
    fill_bands,
    select_bands,
)
from .options_timesenclip import SeriesOptions, complete_options
from .radiometry_timesenclip import NumberStack, judge_stacks, masked_dn
from .screening_timesenclip import SCREENED_BY, SCREENS, cloud_like
from .series_timesenclip import as_array, hidden_by_classes, merge_groups, separate_items, stack_items

logger = logging.get_logger(__name__)

# Of so few clear months of the year little can be told: fewer than one a season.
FEW_MONTHS = 3
# Scaling of TimeSenCLIP's released training loader, in digital numbers: (x - low) / scale, clamped to [0, 1]. It is not
# (x - low) / (high - low).
UPSTREAM_LOW = (67.0, 122.0, 93.27, 158.5, 160.77, 174.27, 162.27, 149.0, 84.5, 66.27)
UPSTREAM_SCALE = (2089.0, 2598.45, 3214.5, 3620.45, 4033.61, 4613.0, 4825.45, 4945.72, 5140.84, 4414.45)
# Saturated, cloud shadow, medium and high cloud, cirrus and no data of the L2A scene classification.
MASKED_SCL = (0, 1, 3, 8, 9, 10)


class TimeSenCLIPFeatureExtractor(FeatureExtractionMixin):
    """Turn Sentinel-2 surface reflectance into what the pixel tower reads.

    A call goes: bands by name into the checkpoint's order, no data and unit, offset, implausible values, scene
    classification or a screen for clouds, months, missing NIR, scaling. Every step works on all series at once.

    Args:
        band_names: bands the checkpoint was trained on, in its order.
        band_low: subtracted from each band, in digital numbers (reflectance times 10,000, offset removed).
        band_scale: divides each band after that; the result is clamped to [0, clamp_max].
        clamp_max: largest value that the tower is given. 1 is upstream's, above which what is bright (B02 above 0.216)
            is all alike; with 4, B02 goes to 0.84.
        masked_scl: scene classes that hide the ground.
        composite: how acquisitions become months when dates are given: "median" masks before the median, "timesenclip"
            is upstream's recipe, "none" keeps every acquisition at its own time of the year.
        missing_bands: what to do about a band that is missing, one of the ways of [`SeriesOptions`].
        screen: what to do about clouds where no scene classes are given, "clouds" or "none" of [`SeriesOptions`].
        band_dropout: probability with which training put 0 in place of a band; above 0, "mask" may do so too.

    Raises:
        ValueError: lengths differ, a band is unknown, or an option has another value than those named.
    """

    model_input_names = ["pixel_series", "series_mask", "months"]

    def __init__(
        self,
        band_names: Sequence[str] = BANDS,
        band_low: Sequence[float] = UPSTREAM_LOW,
        band_scale: Sequence[float] = UPSTREAM_SCALE,
        clamp_max: float = 1.0,
        masked_scl: Sequence[int] = MASKED_SCL,
        composite: str = "median",
        missing_bands: str = "fill",
        screen: str = "none",
        band_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.band_names = [canonical_band(name) for name in band_names]
        self.band_low = [float(value) for value in band_low]
        self.band_scale = [float(value) for value in band_scale]
        self.clamp_max = float(clamp_max)
        self.masked_scl = [int(value) for value in masked_scl]
        self.composite, self.missing_bands, self.screen = composite, missing_bands, screen
        self.band_dropout = band_dropout
        lengths = [len(self.band_names), len(self.band_low), len(self.band_scale)]
        if len(set(lengths)) > 1:
            bands, low, scale = lengths
            raise ValueError(
                f"`band_names`, `band_low`, `band_scale` must be equally long, got {bands}, {low} and {scale}."
            )
        if not 0 < self.clamp_max < math.inf:
            raise ValueError(f"`clamp_max` must be a positive number, got {clamp_max}.")
        _check_choice("composite", composite, (*RECIPES, "none"))
        _check_choice("missing_bands", missing_bands, MISSING_BANDS)
        _check_choice("screen", screen, SCREENS)

    def __call__(
        self,
        series: Any,
        options: SeriesOptions | None = None,
        *,
        composite: str | None = None,
        allow_empty: bool = False,
        judge: bool | Literal["part"] = True,
        first: int = 0,
        return_tensors: str | None = None,
        **settings: Any,
    ) -> BatchFeature:
        """Prepare one series, an array of series, or a list of arrays or of dictionaries.

        What the numbers mean is judged on all series together, so that one strange series stops no other.

        Args:
            series: (time, band), (series, time, band) or (series, time, band, height, width); a dictionary with
                "series", which may be flat, and any field of [`SeriesOptions`], which then holds for that series; or a
                list of either. NaN is missing.
            options: what the numbers mean: bands, dates or months, scene classes, unit, offset.
            composite: how acquisitions with dates become months; the checkpoint's way when left out.
            allow_empty: let series without a single observation pass, all masked, instead of raising.
            judge: refuse values that cannot be reflectance and warn of likely mistakes; "part" to refuse nothing, for a
                part of series whose unit was told; False for a part of what [`settle`] saw a sample of, whose options
                are then passed.
            first: number of the first series in messages, where these are a part of more.
            return_tensors: "pt" or "np" (default).
            **settings: fields of [`SeriesOptions`] by name, such as `bands` and `dates`; they come first.

        Returns:
            `pixel_series` float32 (series, time, band[, height, width]), zero where missing; `series_mask` bool
            (series, time), True where observed; `months` float32 (series, time).

        Raises:
            ValueError: what is wrong with the input, in one sentence.
            TypeError: `settings` has a name that is none of [`SeriesOptions`].
        """
        recipe = self.composite if composite is None else composite
        _check_choice("composite", recipe, (*RECIPES, "none"))
        stacks = self._stacks(series, complete_options(options, settings), first)
        if judge:
            stacks, notes = judge_stacks(stacks, self.band_names, first, refuse=judge is True)
            for note in notes:
                logger.warning_once(note)
        groups = [(stack.rows, self._extract(stack, recipe)) for stack in stacks]
        features = groups[0][1] if len(groups) == 1 else merge_groups(groups, sum(len(rows) for rows, _ in groups))
        counts = count_months(features["months"], features["series_mask"])
        if judge:
            warn_of_few_months(counts)
        for rows, least in ((stack.rows, stack.options.minimum_months) for stack in stacks):
            features["series_mask"][rows] &= (counts[rows] >= least)[:, None]
        features["pixel_series"][~features["series_mask"]] = 0
        empty = np.flatnonzero(~features["series_mask"].any(axis=1))
        if len(empty) and not allow_empty:
            raise ValueError(
                f"{len(empty)} of {len(counts)} series have no observed month, the first is number "
                f"{empty[0] + first}: everything is NaN, no data or cloud; leave them out, or pass `allow_empty=True`."
            )
        return BatchFeature(features, tensor_type=return_tensors)

    def settle(
        self, series: Any, options: SeriesOptions | None = None, **settings: Any
    ) -> tuple[SeriesOptions, list[str]]:
        """Decide what the numbers of series mean, so that any part of them can be read alike with `judge=False`.

        Args:
            series: as a call takes them.
            options: what is known of their numbers.
            **settings: fields of [`SeriesOptions`] by name; they come first.

        Returns:
            The options with the unit, "auto" where nothing is observed or a list has several, and for an array with
            the offset of each acquisition where values contradict metadata; and what a user should know, in sentences.

        Raises:
            ValueError: the bands do not fit, or the values cannot be reflectance.
        """
        options = complete_options(options, settings)
        stacks, notes = judge_stacks(self._stacks(series, options, 0), self.band_names)
        if len(stacks) == 1:
            return stacks[0].options, notes
        units = {stack.options.units for stack in stacks}
        return replace(options, units=units.pop() if len(units) == 1 else "auto"), notes

    def _stacks(self, series: Any, options: SeriesOptions, first: int) -> list[NumberStack]:
        """Bring series in any form into stacks of one shape, in the checkpoint's bands, NaN where missing."""
        if items := separate_items(series, options):
            # Series that share their settings are one vectorised step.
            parts = list(stack_items(items, len(self.band_names), first))
        else:
            values = as_array(series)
            if values.ndim == 2:
                values = values[None]
            parts = [(list(range(len(values))), values, options)]
        stacks = []
        for rows, values, reading in parts:
            if values.ndim not in (3, 5):
                raise ValueError(
                    "A series must be (time, band), (series, time, band) or (series, time, band, height, width), got "
                    f"{values.shape}."
                )
            reading = self._with_own_ways(reading)
            values = select_bands(values, reading.bands, self.band_names, str(reading.missing_bands))
            hidden = hidden_by_classes(values, reading.scl, self.masked_scl)
            stacks.append(NumberStack.read(values, hidden, reading, rows))
        return stacks

    def _with_own_ways(self, options: SeriesOptions) -> SeriesOptions:
        """Fill in the checkpoint's ways to treat missing bands and clouds, and check the options that are choices."""
        way = self.missing_bands if options.missing_bands is None else options.missing_bands
        _check_choice("missing_bands", way, MISSING_BANDS)
        if way == "mask" and not self.band_dropout:
            raise ValueError(
                '`missing_bands="mask"` is for checkpoints trained with bands dropped, which this one was not: pass '
                '`missing_bands="estimate"`, or add the bands.'
            )
        if not 1 <= options.minimum_months <= MONTHS_PER_YEAR:
            raise ValueError(f"`minimum_months` must be 1 to {MONTHS_PER_YEAR}, got {options.minimum_months}.")
        screen = self.screen if options.screen is None else options.screen
        _check_choice("screen", screen, SCREENS)
        if screen == "clouds" and (absent := [name for name in SCREENED_BY if name not in self.band_names]):
            raise ValueError(
                f'`screen="clouds"` needs {", ".join(absent)}, which this checkpoint does not read: leave it out.'
            )
        return replace(options, missing_bands=way, screen=screen)

    def _extract(self, stack: NumberStack, recipe: str) -> dict[str, np.ndarray]:
        """Make the features of series of one shape."""
        dn, options = masked_dn(stack), stack.options
        self._complete_bands(dn, options)
        if options.screen == "clouds" and options.scl is None:
            np.copyto(dn, np.nan, where=cloud_like(dn, self.band_names)[:, :, None])
        observed = ~np.isnan(dn).any(axis=2)
        dn, observed, months = place_in_months(dn, observed, options, recipe)
        series_mask = observed.reshape(*observed.shape[:2], -1).mean(axis=2) >= 0.5
        if dn.ndim == 5:
            # Hidden pixels of a patch get the median of its clear ones, so that one cloud does not lose the month.
            clear = np.where(observed[:, :, None], dn, np.nan)
            middle = masked_median(clear.reshape(*clear.shape[:3], -1), axis=3)[..., None, None]
            dn = np.where(np.isnan(clear), middle, clear)
        scaled = self.scale(dn)
        scaled[~series_mask] = 0
        return {"pixel_series": scaled, "series_mask": series_mask, "months": months}

    def _complete_bands(self, dn: np.ndarray, options: SeriesOptions) -> None:
        """Put stand-ins, estimates or the input 0 in place of bands that are missing."""
        if options.missing_bands in ("fill", "estimate"):
            fill_bands(dn, self.band_names)
        if options.missing_bands == "estimate":
            estimate_bands(dn, self.band_names)
            if estimated := estimated_bands(options.bands, self.band_names):
                logger.warning_once(f"{', '.join(estimated)} are estimated from the other bands.")
        if options.missing_bands == "mask" and (absent := absent_bands(options.bands, self.band_names)):
            present = ~np.isnan(dn[:, :, [name not in absent for name in self.band_names]]).any(axis=2)
            for name in absent:
                index = self.band_names.index(name)
                dn[:, :, index] = np.where(present, np.float32(self.band_low[index]), np.nan)
            logger.warning_once(f"{', '.join(absent)} are missing and masked.")

    def scale(self, dn: np.ndarray) -> np.ndarray:
        """Scale digital numbers without offset to the model's inputs, `(dn - band_low) / band_scale`, clamped.

        Args:
            dn: float32 (series, time, band[, height, width]) in the checkpoint's band order; overwritten and returned.
        """
        shape = (1, 1, -1) + (1,) * (dn.ndim - 3)
        dn -= np.asarray(self.band_low, dtype=np.float32).reshape(shape)
        dn /= np.asarray(self.band_scale, dtype=np.float32).reshape(shape)
        return np.clip(dn, 0, self.clamp_max, out=dn)


def _check_choice(name: str, value: str, allowed: Sequence[str]) -> None:
    """Refuse a way that there is not."""
    if value not in allowed:
        raise ValueError(f"`{name}` must be one of {', '.join(allowed)}, got {value!r}.")


def warn_of_few_months(counts: np.ndarray) -> None:
    """Warn where most series show so few months of the year, (series,), that little can be told from them."""
    observed = counts[counts > 0]
    few = int((observed < FEW_MONTHS).sum())
    if 2 * few > len(observed):
        logger.warning_once(
            f"{few} of {len(counts)} series have fewer than {FEW_MONTHS} clear months of the year, from which little "
            f"can be told: pass `minimum_months={FEW_MONTHS}` to leave them without a class."
        )
