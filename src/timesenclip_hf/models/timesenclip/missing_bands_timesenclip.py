"""Put bands into a checkpoint's order, and treat those that are missing: stand-ins, estimates, or nothing at all."""

from collections.abc import Sequence

import numpy as np

from .bands_timesenclip import STAND_INS, distinct_bands
from .units_timesenclip import DN_PER_REFLECTANCE

MISSING_BANDS = ("fill", "estimate", "mask", "error")
# Bands that the red edge is estimated from.
PREDICTORS = ("B02", "B03", "B04", "B8A", "B11", "B12")
# Linear regression of reflectance on (1, *PREDICTORS), fitted on clear simulated observations by
# `python -m training.fit_red_edge`. R2 on real pixels of B05, B06, B07: France .91, .88, .94; East Africa .96, .91,
# .97; Flanders .96, .96, .99.
RED_EDGE: dict[str, tuple[float, ...]] = {
    "B05": (0.0017, -0.0491, 0.5692, 0.3225, 0.0745, 0.1236, 0.0392),
    "B06": (0.0029, 0.0061, 0.5137, -0.1348, 0.5942, 0.1755, -0.1497),
    "B07": (0.0050, 0.0656, 0.2131, -0.1401, 0.8807, 0.0746, -0.1374),
}


def absent_bands(bands: Sequence[str] | None, band_names: Sequence[str]) -> list[str]:
    """List the bands of a checkpoint that are not among those given by name.

    Raises:
        ValueError: a band is unknown, or named twice.
    """
    names = band_names if bands is None else distinct_bands(bands)
    return [name for name in band_names if name not in names]


def estimated_bands(bands: Sequence[str] | None, band_names: Sequence[str]) -> list[str]:
    """List the bands of a checkpoint that `missing_bands="estimate"` takes from the regression."""
    return [name for name in absent_bands(bands, band_names) if name in RED_EDGE]


def select_bands(
    values: np.ndarray, bands: Sequence[str] | None, band_names: Sequence[str], missing_bands: str
) -> np.ndarray:
    """Reorder the band axis into a checkpoint's; a band that is to be filled comes out as missing.

    Args:
        values: (series, time, band[, height, width]).
        bands: names of the band axis; the checkpoint's own when left out.
        band_names: of the checkpoint.
        missing_bands: one of `MISSING_BANDS`.

    Raises:
        ValueError: the names do not fit the values, or a band is missing that nothing can stand in for.
    """
    if bands is None:
        if values.shape[2] != len(band_names):
            raise ValueError(
                f"The series has {values.shape[2]} bands, the checkpoint wants {len(band_names)} "
                f"({' '.join(band_names)}): name yours with `bands=[...]`."
            )
        return values
    if len(bands) != values.shape[2]:
        raise ValueError(f"{len(bands)} band names were given for {values.shape[2]} bands: name each band once.")
    names, absent = distinct_bands(bands), absent_bands(bands, band_names)
    _check_absent(absent, names, missing_bands)
    if not absent:
        return values[:, :, [names.index(name) for name in band_names]]
    # Integers stay integers: that is what tells digital numbers from reflectance.
    missing = {"f": np.nan, "u": 65535, "i": -9999}[values.dtype.kind]
    gap = np.full_like(values[:, :, :1], missing)
    columns = [gap if name in absent else values[:, :, [names.index(name)]] for name in band_names]
    return np.concatenate(columns, axis=2)


def _check_absent(absent: Sequence[str], names: Sequence[str], missing_bands: str) -> None:
    """Refuse bands that are missing and cannot be had in the way that was chosen."""
    if missing_bands == "mask":
        if 2 * len(absent) > len(absent) + len(names):
            raise ValueError(f"The series lacks {', '.join(absent)}, more than half of the bands: add some of them.")
        return
    if missing_bands == "error":
        if absent:
            raise ValueError(f'The series lacks {", ".join(absent)}: add it, or pass `missing_bands="fill"`.')
        return
    unfilled = [name for name in absent if STAND_INS.get(name) not in names]
    known = {*names, *(name for name in STAND_INS if STAND_INS[name] in names)}
    edge = [name for name in unfilled if name in RED_EDGE] if set(PREDICTORS) <= known else []
    if missing_bands == "estimate":
        unfilled = [name for name in unfilled if name not in edge]
    elif unfilled and unfilled == edge:
        raise ValueError(
            f"The series lacks {', '.join(edge)}: add what is missing, or pass "
            '`missing_bands="estimate"` for a regression on the other bands.'
        )
    if unfilled:
        raise ValueError(
            f"The series lacks {', '.join(unfilled)}, which nothing can stand in for: add it, or use a checkpoint "
            "trained without it."
        )


def fill_bands(dn: np.ndarray, band_names: Sequence[str]) -> None:
    """Take the one NIR band where the other alone is missing, as `STAND_INS` pairs them, in digital numbers `dn`."""
    for name, stand_in in STAND_INS.items():
        if {name, stand_in} <= set(band_names):
            band, other = dn[:, :, band_names.index(name)], dn[:, :, band_names.index(stand_in)]
            np.copyto(band, other, where=np.isnan(band))


def estimate_bands(dn: np.ndarray, band_names: Sequence[str]) -> None:
    """Estimate the bands of the red edge where they are missing in digital numbers `dn` and the other bands are not.

    Args:
        dn: (series, time, band[, height, width]) without offset; written to.
        band_names: of the band axis, with all of `PREDICTORS`.
    """
    columns = [dn[:, :, band_names.index(name)] for name in PREDICTORS]
    for name, (constant, *weights) in RED_EDGE.items():
        if name not in band_names:
            continue
        band = dn[:, :, band_names.index(name)]
        if (missing := np.isnan(band)).any():
            estimate = np.full_like(band, constant * DN_PER_REFLECTANCE)
            for weight, column in zip(weights, columns, strict=True):
                estimate += np.float32(weight) * column
            np.copyto(band, estimate, where=missing)
