"""Raw Sentinel-2 series to model inputs: bands by name, units, offset, clouds, months, scaling."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from transformers import BatchFeature, FeatureExtractionMixin
from transformers.utils import logging

from .bands_timesenclip import BANDS, STAND_INS, UNUSED_BANDS, canonical_band
from .compositing_timesenclip import (
    MONTHS_PER_YEAR,
    RECIPES,
    choose_year,
    composite,
    masked_median,
    month_of,
    parse_dates,
    place_in_year,
    year_of,
)
from .radiometry_timesenclip import judge_units, to_digital_numbers

logger = logging.get_logger(__name__)

# Scaling of TimeSenCLIP's released training loader, in digital numbers: (x - low) / scale, clamped to [0, 1].
# It is not (x - low) / (high - low).
UPSTREAM_LOW = (67.0, 122.0, 93.27, 158.5, 160.77, 174.27, 162.27, 149.0, 84.5, 66.27)
UPSTREAM_SCALE = (2089.0, 2598.45, 3214.5, 3620.45, 4033.61, 4613.0, 4825.45, 4945.72, 5140.84, 4414.45)
# Saturated, cloud shadow, medium and high cloud, cirrus and no data of the L2A scene classification.
MASKED_SCL = (0, 1, 3, 8, 9, 10)


class TimeSenCLIPFeatureExtractor(FeatureExtractionMixin):
    """Turns Sentinel-2 surface reflectance into what the pixel tower reads.

    A call goes: bands by name into the checkpoint's order, no data and unit, offset, implausible looks, scene
    classification, months, missing NIR, scaling. Every step works on all series at once.

    Args:
        band_names: bands the checkpoint was trained on, in its order.
        band_low: subtracted from each band, in digital numbers (reflectance times 10,000, offset removed).
        band_scale: divides each band after that; the result is clamped to [0, 1].
        masked_scl: scene classes that hide the ground.
        composite: how looks become months when dates are given: "median" masks before the median, "timesenclip"
            is upstream's recipe, "none" keeps every look at its own place in the year.
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
        self.composite = composite
        self.missing_bands = missing_bands
        if not len(self.band_names) == len(self.band_low) == len(self.band_scale):
            raise ValueError(
                "`band_names`, `band_low` and `band_scale` must be equally long, got "
                f"{len(self.band_names)}, {len(self.band_low)} and {len(self.band_scale)}."
            )
        _check_option("composite", composite, (*RECIPES, "none"))
        _check_option("missing_bands", missing_bands, ("fill", "error"))

    def __call__(
        self,
        series: Any,
        *,
        bands: Sequence[str] | None = None,
        dates: Sequence[Any] | np.ndarray | None = None,
        months: Sequence[float] | np.ndarray | None = None,
        scl: Any | None = None,
        nodata: float | None = None,
        units: str = "auto",
        processing_baseline: str | float | Sequence[str | float] | None = None,
        offset: float | Sequence[float] | np.ndarray | None = None,
        year: int | None = None,
        composite: str | None = None,
        missing_bands: str | None = None,
        allow_empty: bool = False,
        judge: bool = True,
        return_tensors: str | None = None,
    ) -> BatchFeature:
        """Prepares one series, an array of series, or a list of arrays or of dictionaries.

        Args:
            series: (time, band), (series, time, band) or (series, time, band, height, width); a dictionary with
                "series", which may be flat, and any of the arguments below; or a list of either. NaN is missing.
            bands: names of the bands given, in any order and spelling; the checkpoint's own when left out. B01,
                B09 and B10 may be among them and are left aside.
            dates: one for each look, (time,) or (series, time). Looks become monthly medians of one calendar year.
            months: places in the year instead of dates, 0 = January, below 12; looks are kept as they are.
            scl: scene classification (time,) or (series, time), or one value a pixel of the patch.
            nodata: value that means "missing". Always missing: NaN, 65535, -9999, -32768, and a look that is 0
                in every band.
            units: "dn" (reflectance times 10,000, plus the offset), "reflectance" (0 to 1), or "auto".
            processing_baseline: of the product, such as "04.00" or "N0400"; from 04.00 on 1000 is subtracted. One
                for all looks, or one for each, (time,) or (series, time).
            offset: subtracted from digital numbers; 1000 or 0 instead of a baseline, one for all looks or one for
                each, NaN where nobody knows.
            year: calendar year to composite; without it the year with the most observed months.
            composite: overrides the checkpoint's.
            missing_bands: overrides the checkpoint's.
            allow_empty: let series without a single clear look pass, all masked, instead of raising.
            judge: refuse values that cannot be reflectance and warn of likely mistakes; False for a part of what
                [`judge_units`] saw a sample of, whose answer is then `units`.
            return_tensors: "pt" or "np" (default).

        Returns:
            `pixel_series` float32 (series, time, band[, height, width]), zero where missing; `series_mask` bool
            (series, time), True where observed; `months` float32 (series, time).

        Raises:
            ValueError: what is wrong with the input, in one sentence.
        """
        given: dict[str, Any] = {
            "bands": bands,
            "dates": dates,
            "months": months,
            "scl": scl,
            "nodata": nodata,
            "units": units,
            "processing_baseline": processing_baseline,
            "offset": offset,
            "year": year,
        }
        options: dict[str, Any] = {
            "recipe": self.composite if composite is None else composite,
            "missing_bands": self.missing_bands if missing_bands is None else missing_bands,
            "allow_empty": allow_empty,
            "judge": judge,
        }
        _check_option("composite", options["recipe"], (*RECIPES, "none"))
        _check_option("missing_bands", options["missing_bands"], ("fill", "error"))
        items = series if isinstance(series, (list, tuple)) else [series]
        if any(isinstance(item, Mapping) for item in items):
            features = self._from_items([_with_defaults(item, given) for item in items], options)
        elif isinstance(series, (list, tuple)) and _is_stack(items):
            features = self._from_items([{**given, "series": item} for item in items], options)
        else:
            features = self._extract(_as_array(series), **given, **options)
        return BatchFeature(features, tensor_type=return_tensors)

    def _from_items(self, items: list[dict[str, Any]], options: dict[str, Any]) -> dict[str, np.ndarray]:
        """Stacks items that share their settings, so that each group is one vectorised call."""
        if not items:
            raise ValueError("There is no series: give at least one.")
        groups: dict[Any, list[int]] = {}
        arrays = []
        for index, item in enumerate(items):
            try:
                array = _unflattened(_as_array(item["series"]), item, len(self.band_names))
            except ValueError as error:
                raise ValueError(f"Series {index}: {error}") from None
            arrays.append(array)
            # Lengths belong to the key so that a list of dates that does not fit is named, not stacked.
            lengths = (None if item[name] is None else np.shape(item[name]) for name in _PER_LOOK)
            key = (array.shape, array.dtype.kind, *lengths, *(_setting(name, item) for name in _SETTINGS))
            groups.setdefault(key, []).append(index)
        parts: list[tuple[list[int], dict[str, np.ndarray]]] = []
        for indices in groups.values():
            first = items[indices[0]]
            stacked: dict[str, Any] = {name: first[name] for name in _SETTINGS}
            for name in _PER_LOOK:
                per_series = [items[index][name] for index in indices]
                # What one number says of all looks is (series, 1) here.
                stacked[name] = None if first[name] is None else np.stack([np.atleast_1d(one) for one in per_series])
            batch = np.stack([arrays[index] for index in indices])
            parts.append((indices, self._extract(batch, **stacked, **options, positions=indices)))
        return _merge(parts, len(items))

    def _extract(
        self,
        values: np.ndarray,
        *,
        bands: Sequence[str] | None,
        dates: Any,
        months: Any,
        scl: Any,
        nodata: float | None,
        units: str,
        processing_baseline: Any,
        offset: Any,
        year: int | None,
        recipe: str,
        missing_bands: str,
        allow_empty: bool,
        judge: bool,
        positions: list[int] | None = None,
    ) -> dict[str, np.ndarray]:
        if values.ndim == 2:
            values = values[None]
        if values.ndim not in (3, 5):
            raise ValueError(
                "A series must be (time, band), (series, time, band) or (series, time, band, height, width), got "
                f"{values.shape}."
            )
        values = self._select_bands(values, bands, missing_bands)
        hidden = _hidden(values, scl, self.masked_scl)
        dn = to_digital_numbers(values, hidden, self.band_names, nodata, units, processing_baseline, offset, judge)
        dn = self._fill_bands(dn, missing_bands)
        observed = ~np.isnan(dn).any(axis=2)
        dn, observed, places = _place_looks(dn, observed, dates, months, year, recipe)
        series_mask = observed.reshape(*observed.shape[:2], -1).mean(axis=2) >= 0.5
        if not allow_empty:
            _refuse_empty(series_mask, positions)
        if dn.ndim == 5:
            dn = _fill_pixels(dn, observed)
        scaled = self.scale(dn)
        scaled[~series_mask] = 0
        return {"pixel_series": scaled, "series_mask": series_mask, "months": places}

    def judge_units(
        self,
        series: np.ndarray,
        *,
        bands: Sequence[str] | None = None,
        scl: Any | None = None,
        nodata: float | None = None,
    ) -> str | None:
        """The unit that a call with these arguments reads: "dn", "reflectance", or None where nothing is observed.

        Raises:
            ValueError: the bands do not fit, or the values cannot be reflectance.
        """
        values = self._select_bands(series, bands, self.missing_bands)
        return judge_units(values, _hidden(values, scl, self.masked_scl), nodata)

    def scale(self, dn: np.ndarray) -> np.ndarray:
        """Scales digital numbers without offset to the model's inputs, in the memory that they are in.

        Args:
            dn: float32 (series, time, band[, height, width]) in the checkpoint's band order; overwritten.

        Returns:
            The same array, `(dn - band_low) / band_scale` clamped to [0, 1].
        """
        shape = (1, 1, -1) + (1,) * (dn.ndim - 3)
        dn -= np.asarray(self.band_low, dtype=np.float32).reshape(shape)
        dn /= np.asarray(self.band_scale, dtype=np.float32).reshape(shape)
        return np.clip(dn, 0, 1, out=dn)

    def _select_bands(self, values: np.ndarray, bands: Sequence[str] | None, missing_bands: str) -> np.ndarray:
        """Reorders the band axis into the checkpoint's; a band that may be filled comes out as missing."""
        if bands is None:
            if values.shape[2] != len(self.band_names):
                raise ValueError(
                    f"The series has {values.shape[2]} bands, the checkpoint wants {len(self.band_names)} "
                    f"({' '.join(self.band_names)}): name yours with `bands=[...]`."
                )
            return values
        names = [canonical_band(band, also=UNUSED_BANDS) for band in bands]
        if len(names) != values.shape[2]:
            raise ValueError(f"{len(names)} band names were given for {values.shape[2]} bands: name each band once.")
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"The band {twice} is named twice: name each band once.")
        absent = [name for name in self.band_names if name not in names]
        unfillable = [name for name in absent if missing_bands == "error" or STAND_INS.get(name) not in names]
        if unfillable:
            raise ValueError(
                f"The series lacks {', '.join(unfillable)}, which nothing can stand in for: add it, or use a "
                "checkpoint trained without it."
                if missing_bands == "fill"
                else f'The series lacks {", ".join(unfillable)}: add it, or pass `missing_bands="fill"`.'
            )
        if not absent:
            return values[:, :, [names.index(name) for name in self.band_names]]
        # Integers stay integers: that is what tells digital numbers from reflectance.
        missing = {"f": np.nan, "u": 65535, "i": -9999}[values.dtype.kind]
        gap = np.full_like(values[:, :, :1], missing)
        columns = [gap if name in absent else values[:, :, [names.index(name)]] for name in self.band_names]
        return np.concatenate(columns, axis=2)

    def _fill_bands(self, dn: np.ndarray, missing_bands: str) -> np.ndarray:
        """Where one NIR band alone is missing, takes the other; see `STAND_INS`."""
        for name, stand_in in STAND_INS.items():
            if missing_bands != "fill" or name not in self.band_names or stand_in not in self.band_names:
                continue
            band, other = dn[:, :, self.band_names.index(name)], dn[:, :, self.band_names.index(stand_in)]
            np.copyto(band, other, where=np.isnan(band))
        return dn


_SETTINGS = ("bands", "nodata", "units", "year")
_PER_LOOK = ("dates", "months", "scl", "processing_baseline", "offset")
SERIES_KEYS = ("series", *_PER_LOOK, *_SETTINGS)


def _check_option(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise ValueError(f"`{name}` must be one of {', '.join(allowed)}, got {value!r}.")


def _with_defaults(item: Any, given: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(item, Mapping):
        return {**given, "series": item}
    unknown = set(item) - set(SERIES_KEYS)
    if unknown:
        raise ValueError(f"Unknown key {sorted(unknown)[0]!r} in a series: use {', '.join(SERIES_KEYS)}.")
    if "series" not in item:
        raise ValueError(f"A series dictionary must have the key 'series', got {', '.join(map(str, item)) or 'none'}.")
    return {**given, **{name: value for name, value in item.items() if value is not None}}


def _setting(name: str, item: dict[str, Any]) -> Any:
    value = item[name]
    return tuple(value) if name == "bands" and value is not None else value


def _is_stack(items: Sequence[Any]) -> bool:
    """Whether a list holds series (time, band) rather than the looks of one series."""
    if not items:
        return True
    first = items[0]
    return first.ndim >= 2 if hasattr(first, "ndim") else isinstance(first[0], (list, tuple, np.ndarray))


def _as_array(series: Any) -> np.ndarray:
    if hasattr(series, "detach"):
        series = series.detach().cpu().numpy()
    try:
        values = np.asarray(series)
    except ValueError:
        raise ValueError("The looks of a series have different numbers of bands: make it (time, band).") from None
    if values.dtype.itemsize == 1 and values.dtype.kind in "iub":
        raise ValueError("8-bit values cannot be reflectance: give reflectance 0 to 1, or times 10,000.")
    if values.dtype.kind not in "iuf":
        raise ValueError(f"A series must be numbers, got {values.dtype} values such as {values.ravel()[:1].tolist()}.")
    if values.size == 0:
        raise ValueError(f"The series is empty, of shape {values.shape}: give at least one look.")
    return values


def _unflattened(values: np.ndarray, item: dict[str, Any], num_bands: int) -> np.ndarray:
    """A flat series of (time, band[, side, side]), as datasets keep it in lists of fixed length, in its shape."""
    if values.ndim != 1:
        return values
    bands = num_bands if item["bands"] is None else len(item["bands"])
    times = item["months"] if item["dates"] is None else item["dates"]
    looks = MONTHS_PER_YEAR if times is None else len(times)
    side = math.isqrt(values.size // max(looks * bands, 1))
    if side == 0 or looks * bands * side**2 != values.size:
        raise ValueError(f"{values.size} values in a row are not {looks} looks of {bands} bands: make it (time, band).")
    return values.reshape((looks, bands) if side == 1 else (looks, bands, side, side))


def _hidden(values: np.ndarray, scl: Any, masked_scl: list[int]) -> np.ndarray | None:
    """(series, time[, height, width]): True where the scene classification sees no ground."""
    if scl is None:
        return None
    classes = np.asarray(scl)
    looks, pixels = values.shape[:2], values.shape[:2] + values.shape[3:]
    if classes.shape in (looks[1:], looks):
        classes = classes.reshape(-1, looks[1], *(1,) * (len(pixels) - 2))
    elif classes.shape != pixels:
        raise ValueError(f"`scl` must have one value for each of the {looks[1]} looks, got the shape {classes.shape}.")
    return np.broadcast_to(np.isin(classes, masked_scl), pixels)


def _place_looks(
    dn: np.ndarray, observed: np.ndarray, dates: Any, months: Any, year: int | None, recipe: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gives every look its place in the year, and makes months of dated looks."""
    looks = dn.shape[:2]
    if dates is not None and months is not None:
        raise ValueError("Give `dates` or `months`, not both.")
    if dates is None:
        if year is not None:
            raise ValueError("`year` chooses among `dates`: give the dates too, or leave the year out.")
        return dn, observed, _given_months(months, looks)
    parsed = parse_dates(dates)
    if parsed.shape not in (looks, looks[1:]):
        raise ValueError(
            f"There are {parsed.shape[-1] if parsed.ndim else 1} dates for {looks[1]} looks: give one date a look."
        )
    clear = np.asarray(observed.reshape(*looks, -1).any(axis=2))
    inside = year_of(parsed) == _years(parsed, clear, year)
    if recipe == "none":
        keep = np.broadcast_to(inside, looks)
        places = np.broadcast_to(place_in_year(parsed), looks).copy()
        return dn, observed & keep.reshape(*looks, *(1,) * (observed.ndim - 2)), places
    periods = np.where(inside, month_of(parsed), -1)
    medians, _ = composite(dn, observed, periods, recipe=recipe)
    places = np.broadcast_to(np.arange(MONTHS_PER_YEAR, dtype=np.float32), medians.shape[:2]).copy()
    return medians, ~np.isnan(medians).any(axis=2), places


def _years(dates: np.ndarray, clear: np.ndarray, year: int | None) -> np.ndarray:
    """The year to composite, (1,) or (series, 1)."""
    present = np.unique(year_of(dates))
    if year is not None:
        if year not in present:
            raise ValueError(f"No look is of {year}: the dates are of {', '.join(map(str, present))}.")
        return np.asarray([year])
    if len(present) == 1:
        return present
    chosen = choose_year(dates, clear)
    logger.warning_once(
        f"The dates span {present[0]} to {present[-1]}; the year with the most observed months is used "
        f"({', '.join(map(str, np.unique(chosen)))}): pass `year=` to choose."
    )
    return chosen if dates.ndim == 1 else chosen[:, None]


def _given_months(months: Any, looks: tuple[int, ...]) -> np.ndarray:
    if months is None:
        if looks[1] != MONTHS_PER_YEAR:
            raise ValueError(
                f"A series of {looks[1]} looks needs `dates`, or `months` (0 = January): only twelve looks are taken "
                "to be January to December."
            )
        months = np.arange(MONTHS_PER_YEAR)
    places = np.asarray(months, dtype=np.float32)
    if places.shape not in (looks, looks[1:]):
        raise ValueError(f"`months` must give one place for each of {looks[1]} looks, got the shape {places.shape}.")
    if not ((places >= 0) & (places < MONTHS_PER_YEAR)).all():
        raise ValueError(
            f"`months` must lie in [0, 12) with 0 = January, got {places.min():g} to {places.max():g}: subtract 1 if "
            "your January is 1."
        )
    return np.broadcast_to(places, looks).copy()


def _refuse_empty(series_mask: np.ndarray, positions: list[int] | None) -> None:
    empty = np.flatnonzero(~series_mask.any(axis=1))
    if len(empty):
        first = positions[empty[0]] if positions else empty[0]
        raise ValueError(
            f"{len(empty)} of {len(series_mask)} series have no observed month, the first is number {first}: all "
            "looks are NaN, no data or cloud; leave them out, or pass `allow_empty=True`."
        )


def _fill_pixels(dn: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Hidden pixels of a patch take the median of its clear ones, so that one cloud does not lose the month."""
    clear = np.where(observed[:, :, None], dn, np.nan)
    middle = masked_median(clear.reshape(*clear.shape[:3], -1), axis=3)[..., None, None]
    return np.where(np.isnan(clear), middle, clear)


def _merge(parts: list[tuple[list[int], dict[str, np.ndarray]]], total: int) -> dict[str, np.ndarray]:
    """Puts groups back in order; shorter series are padded with unobserved looks."""
    length = max(part["series_mask"].shape[1] for _, part in parts)
    merged: dict[str, np.ndarray] = {}
    for name, sample in parts[0][1].items():
        merged[name] = np.zeros((total, length, *sample.shape[2:]), dtype=sample.dtype)
        for indices, part in parts:
            merged[name][indices, : part[name].shape[1]] = part[name]
    return merged
