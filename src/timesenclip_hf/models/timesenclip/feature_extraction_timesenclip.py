"""Turn raw Sentinel-2 series into model inputs: bands by name, units, offset, clouds, months, scaling."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from transformers import BatchFeature, FeatureExtractionMixin

from .bands_timesenclip import BANDS, STAND_INS, canonical_band, distinct_bands
from .compositing_timesenclip import RECIPES, place_in_months
from .medians_timesenclip import masked_median
from .options_timesenclip import SeriesOptions, complete_options
from .radiometry_timesenclip import judge_units, to_digital_numbers
from .series_timesenclip import as_array, hidden_by_classes, merge_groups, separate_items, stack_items

# Scaling of TimeSenCLIP's released training loader, in digital numbers: (x - low) / scale, clamped to [0, 1]. It is not
# (x - low) / (high - low).
UPSTREAM_LOW = (67.0, 122.0, 93.27, 158.5, 160.77, 174.27, 162.27, 149.0, 84.5, 66.27)
UPSTREAM_SCALE = (2089.0, 2598.45, 3214.5, 3620.45, 4033.61, 4613.0, 4825.45, 4945.72, 5140.84, 4414.45)
# Saturated, cloud shadow, medium and high cloud, cirrus and no data of the L2A scene classification.
MASKED_SCL = (0, 1, 3, 8, 9, 10)


class TimeSenCLIPFeatureExtractor(FeatureExtractionMixin):
    """Turn Sentinel-2 surface reflectance into what the pixel tower reads.

    A call goes: bands by name into the checkpoint's order, no data and unit, offset, implausible values, scene
    classification, months, missing NIR, scaling. Every step works on all series at once.

    Args:
        band_names: bands the checkpoint was trained on, in its order.
        band_low: subtracted from each band, in digital numbers (reflectance times 10,000, offset removed).
        band_scale: divides each band after that; the result is clamped to [0, 1].
        masked_scl: scene classes that hide the ground.
        composite: how acquisitions become months when dates are given: "median" masks before the median, "timesenclip"
            is upstream's recipe, "none" keeps every acquisition at its own time of the year.
        missing_bands: "fill" takes B8A from B08, or B08 from B8A, where one is missing; "error" refuses.

    Raises:
        ValueError: lengths differ, a band is unknown, or an option has another value than those named.
    """

    model_input_names = ["pixel_series", "series_mask", "months"]

    def __init__(
        self,
        band_names: Sequence[str] = BANDS,
        band_low: Sequence[float] = UPSTREAM_LOW,
        band_scale: Sequence[float] = UPSTREAM_SCALE,
        masked_scl: Sequence[int] = MASKED_SCL,
        composite: str = "median",
        missing_bands: str = "fill",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.band_names = [canonical_band(name) for name in band_names]
        self.band_low = [float(value) for value in band_low]
        self.band_scale = [float(value) for value in band_scale]
        self.masked_scl = [int(value) for value in masked_scl]
        self.composite, self.missing_bands = composite, missing_bands
        lengths = [len(self.band_names), len(self.band_low), len(self.band_scale)]
        if len(set(lengths)) > 1:
            bands, low, scale = lengths
            raise ValueError(
                f"`band_names`, `band_low`, `band_scale` must be equally long, got {bands}, {low} and {scale}."
            )
        _check_method(composite, missing_bands)

    def __call__(
        self,
        series: Any,
        options: SeriesOptions | None = None,
        *,
        composite: str | None = None,
        missing_bands: str | None = None,
        allow_empty: bool = False,
        judge: bool = True,
        return_tensors: str | None = None,
        **settings: Any,
    ) -> BatchFeature:
        """Prepare one series, an array of series, or a list of arrays or of dictionaries.

        Args:
            series: (time, band), (series, time, band) or (series, time, band, height, width); a dictionary with
                "series", which may be flat, and any field of [`SeriesOptions`], which then holds for that series; or a
                list of either. NaN is missing.
            options: what the numbers mean: bands, dates or months, scene classes, unit, offset.
            composite: how acquisitions with dates become months; the checkpoint's way when left out.
            missing_bands: what to do about a band that is missing; the checkpoint's way when left out.
            allow_empty: let series without a single observation pass, all masked, instead of raising.
            judge: refuse values that cannot be reflectance and warn of likely mistakes; False for a part of what
                [`judge_units`] saw a sample of, whose answer is then `units`.
            return_tensors: "pt" or "np" (default).
            **settings: fields of [`SeriesOptions`] by name, such as `bands` and `dates`; they come first.

        Returns:
            `pixel_series` float32 (series, time, band[, height, width]), zero where missing; `series_mask` bool
            (series, time), True where observed; `months` float32 (series, time).

        Raises:
            ValueError: what is wrong with the input, in one sentence.
            TypeError: `settings` has a name that is none of [`SeriesOptions`].
        """
        options = complete_options(options, settings)
        recipe = self.composite if composite is None else composite
        missing_bands = self.missing_bands if missing_bands is None else missing_bands
        _check_method(recipe, missing_bands)
        extract = partial(self._extract, recipe=recipe, missing_bands=missing_bands, judge=judge)
        if items := separate_items(series, options):
            # Series that share their settings are one vectorised call.
            stacks = stack_items(items, len(self.band_names))
            features = merge_groups([(rows, extract(stack, reading)) for rows, stack, reading in stacks], len(items))
        else:
            features = extract(as_array(series), options)
        empty = np.flatnonzero(~features["series_mask"].any(axis=1))
        if len(empty) and not allow_empty:
            raise ValueError(
                f"{len(empty)} of {len(features['series_mask'])} series have no observed month, the first is number "
                f"{empty[0]}: everything is NaN, no data or cloud; leave them out, or pass `allow_empty=True`."
            )
        return BatchFeature(features, tensor_type=return_tensors)

    def _extract(
        self, values: np.ndarray, options: SeriesOptions, *, recipe: str, missing_bands: str, judge: bool
    ) -> dict[str, np.ndarray]:
        """Make the features of series of one shape, (time, band) or (series, time, band[, height, width])."""
        if values.ndim == 2:
            values = values[None]
        if values.ndim not in (3, 5):
            raise ValueError(
                "A series must be (time, band), (series, time, band) or (series, time, band, height, width), got "
                f"{values.shape}."
            )
        values = self._select_bands(values, options.bands, missing_bands)
        hidden = hidden_by_classes(values, options.scl, self.masked_scl)
        dn = to_digital_numbers(values, hidden, self.band_names, options, judge)
        if missing_bands == "fill":
            self._fill_bands(dn)
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

    def judge_units(self, series: np.ndarray, options: SeriesOptions | None = None, **settings: Any) -> str | None:
        """Return the unit that a call with these arguments reads: "dn", "reflectance", or None if all is missing.

        Args:
            series: (series, time, band[, height, width]).
            options: what the numbers mean; bands, scene classes and no data matter here.
            **settings: fields of [`SeriesOptions`] by name; they come first.

        Raises:
            ValueError: the bands do not fit, or the values cannot be reflectance.
        """
        options = complete_options(options, settings)
        values = self._select_bands(series, options.bands, self.missing_bands)
        return judge_units(values, hidden_by_classes(values, options.scl, self.masked_scl), options.nodata)

    def scale(self, dn: np.ndarray) -> np.ndarray:
        """Scale digital numbers without offset to the model's inputs, `(dn - band_low) / band_scale` clamped to [0, 1].

        Args:
            dn: float32 (series, time, band[, height, width]) in the checkpoint's band order; overwritten and returned.
        """
        shape = (1, 1, -1) + (1,) * (dn.ndim - 3)
        dn -= np.asarray(self.band_low, dtype=np.float32).reshape(shape)
        dn /= np.asarray(self.band_scale, dtype=np.float32).reshape(shape)
        return np.clip(dn, 0, 1, out=dn)

    def _select_bands(self, values: np.ndarray, bands: Sequence[str] | None, missing_bands: str) -> np.ndarray:
        """Reorder the band axis into the checkpoint's; a band that may be filled comes out as missing."""
        if bands is None:
            if values.shape[2] != len(self.band_names):
                raise ValueError(
                    f"The series has {values.shape[2]} bands, the checkpoint wants {len(self.band_names)} "
                    f"({' '.join(self.band_names)}): name yours with `bands=[...]`."
                )
            return values
        if len(bands) != values.shape[2]:
            raise ValueError(f"{len(bands)} band names were given for {values.shape[2]} bands: name each band once.")
        names = distinct_bands(bands)
        absent = [name for name in self.band_names if name not in names]
        if unfillable := [name for name in absent if missing_bands == "error" or STAND_INS.get(name) not in names]:
            advice = ", which nothing can stand in for: add it, or use a checkpoint trained without it."
            if missing_bands == "error":
                advice = ': add it, or pass `missing_bands="fill"`.'
            raise ValueError(f"The series lacks {', '.join(unfillable)}{advice}")
        if not absent:
            return values[:, :, [names.index(name) for name in self.band_names]]
        # Integers stay integers: that is what tells digital numbers from reflectance.
        missing = {"f": np.nan, "u": 65535, "i": -9999}[values.dtype.kind]
        gap = np.full_like(values[:, :, :1], missing)
        columns = [gap if name in absent else values[:, :, [names.index(name)]] for name in self.band_names]
        return np.concatenate(columns, axis=2)

    def _fill_bands(self, dn: np.ndarray) -> None:
        """Take the one NIR band where the other alone is missing, as `STAND_INS` pairs them."""
        for name, stand_in in STAND_INS.items():
            if {name, stand_in} <= set(self.band_names):
                band, other = dn[:, :, self.band_names.index(name)], dn[:, :, self.band_names.index(stand_in)]
                np.copyto(band, other, where=np.isnan(band))


def _check_method(composite: str, missing_bands: str) -> None:
    """Refuse ways to make months, and to treat missing bands, that there are not."""
    for name, value, allowed in (
        ("composite", composite, (*RECIPES, "none")),
        ("missing_bands", missing_bands, ("fill", "error")),
    ):
        if value not in allowed:
            raise ValueError(f"`{name}` must be one of {', '.join(allowed)}, got {value!r}.")
