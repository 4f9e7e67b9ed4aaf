"""Tell acquisitions that are probably cloud by their reflectance alone, for series without scene classes."""

from collections.abc import Sequence

import numpy as np

from .units_timesenclip import DN_PER_REFLECTANCE

SCREENS = ("clouds", "none")
SCREENED_BY = ("B02", "B03", "B04", "B08", "B11", "B12")
# Fmask's tests of what may be cloud, in reflectance (Zhu & Woodcock 2012, Remote Sens. Environ. 118:83): blue above
# half of red by more than that, the sum of departures from the visible mean as a share of it, NDVI, and B12.
HAZE, WHITENESS, GREENEST, DARKEST_B12 = 0.08, 0.7, 0.8, 0.03
# NDSI from which on it is snow (Dozier 1989, Remote Sens. Environ. 28:9; Hall et al. 1995, ibid. 54:127).
SNOW = 0.4
# Of Hagolle et al. 2010 (Remote Sens. Environ. 114:1747): blue rises under a cloud by more than 0.03 a month since the
# last clear acquisition, here two; red by less than 1.5 times as much, else it is soil laid bare.
RISE, RED_RISE = 0.06, 1.5
# Ours: how much of a series stands for its ground, the darkest in blue; by which share of its blue a cloud is brighter,
# as bright ground varies by more than plants do; and which share of a series may be hidden. What is bright more often
# is the ground itself: snow, salt, sand or a roof.
GROUND, BRIGHTER, MOST_HIDDEN = 0.25, 0.5, 0.5


def cloud_like(dn: np.ndarray, band_names: Sequence[str]) -> np.ndarray:
    """Tell which acquisitions are bright, flat, no snow, and much bluer than the series mostly is.

    Args:
        dn: digital numbers without offset (series, time, band[, height, width]), NaN where missing.
        band_names: of the band axis, with all of `SCREENED_BY`.

    Returns:
        Bool (series, time[, height, width]).
    """
    blue, red = (dn[:, :, band_names.index(name)] for name in ("B02", "B04"))
    with np.errstate(invalid="ignore"):
        hidden = blue - red / 2 > HAZE * DN_PER_REFLECTANCE
        # Few acquisitions are hazy, and few series have one: the others cost no more.
        hazy = np.moveaxis(dn, 2, -1)[hidden]
        hidden[hidden] = _is_flat(*(hazy[:, band_names.index(name)] for name in SCREENED_BY))
        rows = np.flatnonzero(hidden.reshape(len(hidden), -1).any(axis=1))
        hidden[rows] &= _stands_out(blue[rows], red[rows], hidden[rows])
    return np.asarray(hidden, dtype=bool)


def _is_flat(
    blue: np.ndarray, green: np.ndarray, red: np.ndarray, infrared: np.ndarray, b11: np.ndarray, b12: np.ndarray
) -> np.ndarray:
    """Tell white spectra that are neither snow nor plants nor shadow."""
    visible = (blue + green + red) / 3
    departure = np.abs(blue - visible) + np.abs(green - visible) + np.abs(red - visible)
    is_white = departure < WHITENESS * visible
    is_no_snow = green - b11 < SNOW * (green + b11)
    is_no_plant = infrared - red < GREENEST * (infrared + red)
    return np.asarray(is_white & is_no_snow & is_no_plant & (b12 > DARKEST_B12 * DN_PER_REFLECTANCE))


def _stands_out(blue: np.ndarray, red: np.ndarray, flat: np.ndarray) -> np.ndarray:
    """Tell acquisitions that rise from the ground of their series in blue, and less in red, where not most do."""
    counts = (~np.isnan(blue)).sum(axis=1, keepdims=True)
    rank = np.rint(GROUND * (np.maximum(counts, 1) - 1)).astype(np.int64)
    # NaN sorts last.
    blue_ground, red_ground = (np.take_along_axis(np.sort(band, axis=1), rank, axis=1) for band in (blue, red))
    rise = blue - blue_ground
    is_bright = rise > np.maximum(RISE * DN_PER_REFLECTANCE, BRIGHTER * blue_ground)
    rises = flat & is_bright & (red - red_ground < RED_RISE * rise)
    return np.asarray(rises & (rises.sum(axis=1, keepdims=True) <= MOST_HIDDEN * counts))
