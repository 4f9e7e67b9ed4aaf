"""Tell the unit of values: reflectance, reflectance times 10,000, per cent, or what is none of these."""

from collections.abc import Sequence

import numpy as np

# Digital numbers (reflectance times 10,000) in 1 of each unit.
DN_PER_UNIT = {"dn": 1.0, "reflectance": 10_000.0, "percent": 100.0}
DN_PER_REFLECTANCE = DN_PER_UNIT["reflectance"]
# Reflectance outside this range is not a surface; what is left of a product's noise stays inside it.
PLAUSIBLE_REFLECTANCE = (-0.05, 2.0)
# Per cent may pass 100 over cloud and glint; a digital number as low everywhere would be darker than deep water.
HIGHEST_PER_CENT = 150.0
# Per cent of land passes this in the infrared.
HIGHEST_TENTHS = 10.0
HIGHEST_OF_EIGHT_BITS = 255.0
# Land is brighter than 0.1 in some band and month, so that digital numbers which never pass this are of water.
DARKEST_LAND_DN = 1000.0
# Reflectance that never passes this is darker than any land: it was divided twice.
DARKEST_LAND = 0.01
# Median over a set of water after atmospheric correction, at the darkest.
DARKEST_WATER_DN = -100.0
# Acquisitions that are enough to tell the unit of a band.
MOST_PER_BAND = 20_000
INFRARED = ("B08", "B8A", "B11", "B12")
_INDEX = "they seem to be decibels or a normalised index, give surface reflectance 0 to 1, or times 10,000."


def check_unit(units: str) -> None:
    """Raise a ValueError where a unit is none of "auto", "dn", "reflectance" and "percent"."""
    if units not in ("auto", *DN_PER_UNIT):
        raise ValueError(f"`units` must be one of auto, {', '.join(DN_PER_UNIT)}, got {units!r}.")


def tell_unit(values: np.ndarray, units: str, integers: bool, band_names: Sequence[str]) -> tuple[str, list[str]]:
    """Return the unit of a set of values, "dn", "reflectance" or "percent", and what the user should know of it.

    Args:
        values: (series, time, band[, height, width]) float32 or rows of such, NaN where missing, some present.
        units: what the user says: a unit, or "auto".
        integers: the values came as integers.
        band_names: of the band axis.

    Raises:
        ValueError: they cannot be reflectance, or not in the unit that the user says; the likely unit is named.
    """
    present = values[~np.isnan(values)]
    # Whatever type they are kept in: a table of empty cells has no integers.
    integers = integers or bool((present == np.rint(present)).all())
    typical, highest = float(np.median(present)), float(np.quantile(present, 0.99))
    lowest = float(np.quantile(present, 0.01))
    if units != "auto":
        _check_told(units, typical, lowest, highest)
        return units, []
    if not integers:
        _check_alike(values, band_names)
    dark_water = typical >= DARKEST_WATER_DN and highest >= -typical and PLAUSIBLE_REFLECTANCE[0] * 100 > lowest >= -500
    if typical < 0 and not dark_water and typical < PLAUSIBLE_REFLECTANCE[0] / 5:
        raise ValueError(f"Values around {typical:.4g} cannot be reflectance: {_INDEX}")
    if not integers and typical <= PLAUSIBLE_REFLECTANCE[1] and not (dark_water and highest > PLAUSIBLE_REFLECTANCE[1]):
        _check_scaled_once(values, lowest, highest, band_names)
        return "reflectance", []
    # Without an infrared band a dark forest is as dark as any of these.
    is_judged = not integers or bool(set(INFRARED) & set(band_names))
    if is_judged and not dark_water and highest <= DARKEST_LAND_DN and not _is_water(values, band_names):
        _check_not_dark(highest, integers)
        return "dn", [
            f"Values up to {highest:.4g} are darker than land in digital numbers: multiply by 10 if they are "
            'reflectance times 1,000, or pass `units="dn"` to silence this.'
        ]
    if integers:
        return "dn", []
    return "dn", [
        "Fractional values far above 1 are read as digital numbers (reflectance times 10,000): pass "
        '`units="dn"` if that is right, or divide them and pass `units="reflectance"`.'
    ]


def likely_unit(dn: np.ndarray, typical: float, unit: str) -> str:
    """Say what values are likely that cannot be reflectance in the unit they were read in.

    Args:
        dn: as they were read, in digital numbers.
        typical: median of the values as they came.
        unit: that they were read in.
    """
    if unit == "dn":
        if np.nanmedian(dn) < 0:
            return "the offset seems to be subtracted already, pass `offset=0`"
        return "they seem to be radiances or another scale, give surface reflectance times 10,000"
    if typical > HIGHEST_PER_CENT:
        return 'they seem to be digital numbers, pass `units="dn"`'
    if typical > PLAUSIBLE_REFLECTANCE[1] and unit == "reflectance":
        return 'they seem to be per cent, divide by 100 or pass `units="percent"`'
    return "they seem to be in another scale, or in several, give surface reflectance 0 to 1, or times 10,000"


def _check_told(units: str, typical: float, lowest: float, highest: float) -> None:
    """Refuse a unit that values contradict."""
    low, high = PLAUSIBLE_REFLECTANCE
    if units != "reflectance" and low <= lowest and highest <= high:
        raise ValueError(
            f'Values up to {highest:.4g} were passed with `units="{units}"` but seem to be reflectance: pass '
            '`units="reflectance"`.'
        )
    if typical < low * DN_PER_REFLECTANCE / DN_PER_UNIT[units] and units != "dn":
        raise ValueError(f"Values around {typical:.4g} cannot be reflectance: {_INDEX}")
    if units == "reflectance" and lowest >= 0 and highest <= DARKEST_LAND / 10:
        raise ValueError(
            f"Values up to {highest:.4g} cannot be reflectance: they seem to be scaled twice, multiply by 10,000."
        )


def _check_alike(values: np.ndarray, band_names: Sequence[str]) -> None:
    """Refuse bands of which some are reflectance and others digital numbers."""
    small, large = [], []
    flat = np.moveaxis(values, 2, -1).reshape(-1, len(band_names))
    flat = flat[:: max(1, len(flat) // MOST_PER_BAND)]
    for name, column in zip(band_names, flat.T, strict=True):
        present = column[~np.isnan(column)]
        if len(present) and 0 < np.quantile(present, 0.99) <= PLAUSIBLE_REFLECTANCE[1]:
            small.append(name)
        elif len(present) and np.median(present) > HIGHEST_PER_CENT:
            large.append(name)
    if small and large:
        raise ValueError(
            f"The values of {', '.join(small)} are as small as reflectance and those of {', '.join(large)} as large as "
            "digital numbers: give all bands in one unit."
        )


def _check_scaled_once(values: np.ndarray, lowest: float, highest: float, band_names: Sequence[str]) -> None:
    """Refuse reflectance that was divided by 100 or 10,000 once more."""
    if lowest >= 0 and highest <= DARKEST_LAND and (highest <= DARKEST_LAND / 10 or not _is_water(values, band_names)):
        factor = "10,000" if highest <= DARKEST_LAND / 10 else "100"
        raise ValueError(
            f"Values up to {highest:.4g} are darker than any land: they seem to be scaled twice, multiply by {factor}, "
            'or pass `units="reflectance"` if they are of dark water.'
        )


def _check_not_dark(highest: float, integers: bool) -> None:
    """Refuse what is too dark for digital numbers of land."""
    if highest <= PLAUSIBLE_REFLECTANCE[1]:
        raise ValueError(
            f"Whole numbers up to {highest:.4g} cannot be reflectance: they seem to be classes, a mask, or reflectance "
            "that lost its decimals."
        )
    if highest <= HIGHEST_TENTHS:
        raise ValueError(
            f"Values up to {highest:.4g} seem to be reflectance times 10, or per cent of dark ground: give surface "
            "reflectance 0 to 1, or times 10,000."
        )
    if highest <= HIGHEST_PER_CENT:
        raise ValueError(
            f"Values up to {highest:.4g} seem to be per cent: divide by 100, or pass "
            '`units="percent"`; `units="dn"` if they are reflectance times 10,000.'
        )
    if integers and highest <= HIGHEST_OF_EIGHT_BITS:
        raise ValueError(
            f"Whole numbers up to {highest:.4g} seem to be 8-bit colours: give reflectance 0 to 1, or times 10,000; "
            'pass `units="dn"` if they are.'
        )


def _is_water(values: np.ndarray, band_names: Sequence[str]) -> bool:
    """Tell water by its spectrum, which falls from green to the infrared."""
    levels = []
    for names in (("B03",), ("B08", "B8A"), ("B11",)):
        columns = values[:, :, [index for index, name in enumerate(band_names) if name in names]]
        if np.isnan(columns).all():
            return False
        levels.append(float(np.nanmedian(columns)))
    green, near, short = levels
    return near < 0.7 * green and short < 0.7 * green
