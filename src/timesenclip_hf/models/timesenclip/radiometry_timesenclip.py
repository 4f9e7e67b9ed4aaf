"""Tell the numbers of a series: no data, unit, offset, and the mistakes that can be told from the values."""

from typing import Any

import numpy as np
from transformers.utils import logging

from .options_timesenclip import SeriesOptions

logger = logging.get_logger(__name__)

UNITS = ("auto", "dn", "reflectance")
DN_PER_REFLECTANCE = 10_000.0
# Sentinel-2 L2A, processing baseline 04.00 and later (ESA, January 2022): DN = reflectance * 10000 + 1000.
BASELINE_WITH_OFFSET = 4.0
BASELINE_OFFSET = 1000.0
# What Sen2Cor writes (99.99, N9999) where it was not run by ESA; its products may have the offset or not.
USER_BASELINE = 99.99
# Values that products commonly write for "no data" and that no reflectance can take.
NO_DATA_VALUES = (65535.0, -9999.0, -32768.0)
# Reflectance outside this range is not a surface; what is left of a product's noise stays inside it.
PLAUSIBLE_REFLECTANCE = (-0.05, 2.0)
# Per cent may pass 100 over cloud and glint; a digital number as low everywhere would be darker than deep water.
HIGHEST_PER_CENT = 150.0
# A larger share that is implausible, and the unit is wrong rather than an acquisition; one or two saturated ones in a
# single series must stay below it.
COMMON_SHARE = 0.2


def to_digital_numbers(
    values: np.ndarray, hidden: np.ndarray | None, band_names: list[str], options: SeriesOptions, judge: bool = True
) -> np.ndarray:
    """Read any product's values as reflectance times 10,000 without offset, NaN where missing, hidden or implausible.

    Args:
        values: (series, time, band[, height, width]), integers or floats, NaN where missing.
        hidden: (series, time[, height, width]), True where a cloud hides the ground.
        band_names: of the band axis.
        options: with no data, unit, and offset or processing baseline.
        judge: refuse what cannot be reflectance, and warn of an offset and of swapped bands; False where a larger
            sample was judged already and `units` says what it is. Implausible time steps are masked either way.

    Raises:
        ValueError: the values cannot be reflectance; the sentence names the likely unit.
    """
    units = options.units
    if units not in UNITS:
        raise ValueError(f"`units` must be one of {', '.join(UNITS)}, got {units!r}.")
    integers = values.dtype.kind in "iu"
    values, missing = _without_missing(values, hidden, options.nodata)
    if missing.all():
        return values
    present = values[~missing] if judge else None
    in_numbers = units == "dn" if present is None else _are_digital_numbers(present, units, integers)
    if in_numbers:
        subtracted = acquisition_offsets(options.processing_baseline, options.offset, values.shape[:2])
        unknown = np.broadcast_to(np.isnan(subtracted), values.shape[:2])
        if judge and unknown.any():
            _warn_of_offset(values[unknown][:, None], band_names)
        dn: np.ndarray = values - np.nan_to_num(subtracted).reshape(*subtracted.shape, *(1,) * (values.ndim - 2))
    else:
        dn = values * DN_PER_REFLECTANCE
    _mask_implausible(dn, None if present is None else float(np.median(present)), in_numbers)
    if judge:
        _warn_of_swapped_bands(dn, band_names)
    return np.asarray(dn)


def judge_units(values: np.ndarray, hidden: np.ndarray | None, nodata: float | None) -> str | None:
    """Return the unit that [`to_digital_numbers`] reads values in: "dn", "reflectance", or None if all are missing.

    Args:
        values: (series, time, band[, height, width]).
        hidden: (series, time[, height, width]), True where a cloud hides the ground.
        nodata: a further value that means "missing".

    Raises:
        ValueError: the values cannot be reflectance; the sentence names the likely unit.
    """
    integers = values.dtype.kind in "iu"
    values, missing = _without_missing(values, hidden, nodata)
    if missing.all():
        return None
    return "dn" if _are_digital_numbers(values[~missing], "auto", integers) else "reflectance"


def _without_missing(
    values: np.ndarray, hidden: np.ndarray | None, nodata: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return a float32 copy with NaN for what is missing, and where that is."""
    values = np.array(values, dtype=np.float32)
    missing = np.isnan(values) | np.isin(values, np.asarray(NO_DATA_VALUES, dtype=np.float32))
    if nodata is not None:
        missing |= values == np.float32(nodata)
    # A band filled later is NaN here, so it must not keep an empty acquisition from being seen as empty.
    missing |= ((values == 0) | np.isnan(values)).all(axis=2, keepdims=True)
    if hidden is not None:
        missing |= np.expand_dims(hidden, 2)
    values[missing] = np.nan
    return values, missing


def _are_digital_numbers(present: np.ndarray, units: str, integers: bool) -> bool:
    """Tell reflectance times 10,000 from reflectance, and both from what is neither."""
    typical = float(np.median(present))
    if typical < 0:
        raise ValueError(
            f"Values around {typical:.4g} cannot be reflectance: they seem to be decibels or a normalised index, give "
            "surface reflectance 0 to 1, or times 10,000."
        )
    if units == "auto" and integers:
        return True
    highest = float(np.quantile(present, 0.99))
    if units == "dn" and highest <= PLAUSIBLE_REFLECTANCE[1]:
        raise ValueError(
            f'Values up to {highest:.4g} were passed with `units="dn"` but seem to be reflectance: pass '
            '`units="reflectance"`.'
        )
    if units != "auto" or typical <= PLAUSIBLE_REFLECTANCE[1]:
        return units == "dn"
    if highest <= HIGHEST_PER_CENT:
        raise ValueError(
            f'Values up to {highest:.4g} seem to be per cent: divide by 100, or pass `units="dn"` if they are '
            "reflectance times 10,000."
        )
    logger.warning_once(
        "Fractional values far above 1 are read as digital numbers (reflectance times 10,000): pass "
        '`units="dn"` if that is right, or divide them and pass `units="reflectance"`.'
    )
    return True


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


def _mask_implausible(dn: np.ndarray, typical: float | None, in_numbers: bool) -> None:
    """Set time steps that no surface can have to NaN.

    Where `typical`, a value as it was passed, says that they are to be judged, many are refused and a few warned of.
    """
    low, high = PLAUSIBLE_REFLECTANCE
    with np.errstate(invalid="ignore"):
        implausible = np.asarray(((dn < low * DN_PER_REFLECTANCE) | (dn > high * DN_PER_REFLECTANCE)).any(axis=2))
    if not implausible.any():
        return
    if typical is not None:
        present = int((~np.isnan(dn).all(axis=2)).sum())
        share = implausible.sum() / max(present, 1)
        if share > COMMON_SHARE:
            likely = _likely_unit(dn, typical, in_numbers)
            raise ValueError(
                f"{share:.0%} of the acquisitions cannot be reflectance ({low} to {high}): values around {typical:.4g} "
                f"read as {'digital numbers' if in_numbers else 'reflectance'}; {likely}."
            )
        logger.warning(
            f"{int(implausible.sum())} of {present} acquisitions are masked: their reflectance lies outside {low} to "
            f"{high}."
        )
    dn[np.broadcast_to(np.expand_dims(implausible, 2), dn.shape)] = np.nan


def _likely_unit(dn: np.ndarray, typical: float, in_numbers: bool) -> str:
    if not in_numbers and typical > HIGHEST_PER_CENT:
        return 'they seem to be digital numbers, pass `units="dn"`'
    if not in_numbers:
        return "they seem to be per cent, divide by 100"
    if np.nanmedian(dn) < 0:
        return "the offset seems to be subtracted already, pass `offset=0`"
    return "they seem to be radiances or another scale, give surface reflectance times 10,000"


def _warn_of_offset(values: np.ndarray, band_names: list[str]) -> None:
    """Warn where 1000 was never subtracted: every surface is dark in some visible band in some month."""
    visible = values[:, :, [band_names.index(name) for name in ("B02", "B03", "B04") if name in band_names]]
    visible = visible[~np.isnan(visible)]
    # Twice the offset and more is snow or cloud, not a dark surface with an offset.
    if visible.size >= 10 and BASELINE_OFFSET < np.quantile(visible, 0.05) < 2 * BASELINE_OFFSET:
        logger.warning_once(
            f"Hardly any visible value lies below {BASELINE_OFFSET:.0f}: the offset of processing "
            "baseline 04.00 seems not to be removed, pass `offset=1000`, or `offset=0` to silence this."
        )


def _warn_of_swapped_bands(dn: np.ndarray, band_names: list[str]) -> None:
    """Warn where two bands are swapped: dry soil and straw are brighter in red than in blue."""
    if not {"B02", "B04", "B08", "B11"} <= set(band_names):
        return
    blue, red, near, short = (dn[:, :, band_names.index(name)] for name in ("B02", "B04", "B08", "B11"))
    with np.errstate(invalid="ignore"):
        brighter = np.maximum(blue, red)
        # Bright in the short-wave infrared, little green leaf (under either order), and no cloud.
        soil = (short > 1500) & (near < 2.2 * brighter) & (short > near) & (brighter < 3000)
    if soil.sum() >= 4 and np.median(blue[soil] / np.maximum(red[soil], 1.0)) > 1.15:
        logger.warning_once(
            "Bare soil comes out bluer than red: B02 and B04 seem to be swapped, check the order of the bands or "
            "name them with `bands=[...]`."
        )
