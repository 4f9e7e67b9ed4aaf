"""Read the columns that say which acquisitions of a long table are clear: flags, probabilities and bits."""

from typing import Any, NamedTuple

import numpy as np

from .frames import find_column, name_of, number_cells, text_cells
from .spellings import list_names

CLEAR_COLUMNS = ("clear", "is_clear", "valid", "is_valid", "usable", "cloud_free", "cloudfree")
CLOUD_COLUMNS = ("cloud", "clouds", "cloudy", "is_cloud", "is_cloudy", "cloud_mask", "cloudmask", "cloud_flag")
PROBABILITY_COLUMNS = (
    "cloud_probability",
    "cloud_prob",
    "cloudprobability",
    "cld_prb",
    "cldprb",
    "msk_cldprb",
    "cld",
    "clp",
    "s2cloudless",
    "probability",
)
SCORE_COLUMNS = ("cs_cdf", "cs")
BIT_COLUMNS = ("qa60",)
FLAG_COLUMNS = (*CLEAR_COLUMNS, *CLOUD_COLUMNS, *PROBABILITY_COLUMNS, *SCORE_COLUMNS, *BIT_COLUMNS)
# Half, as Earth Engine's tutorial of s2cloudless has it; for Cloud Score+ what its authors recommend.
HIGHEST_PROBABILITY, LOWEST_SCORE = 0.5, 0.6
# Opaque clouds and cirrus of Sentinel-2's QA60.
QA60_CLOUDS = 1 << 10 | 1 << 11
_TRUE, _FALSE = ("true", "t", "yes", "y", "1", "1.0"), ("false", "f", "no", "n", "0", "0.0")


class Clouds(NamedTuple):
    """Hold where an acquisition is hidden, (rows,), and what was understood."""

    hidden: np.ndarray
    notes: list[str]


def find_clouds(frame: Any) -> Clouds:
    """Read which rows of a long table clouds hide, by any column that says so.

    Raises:
        ValueError: a column has other values than its name says.
    """
    hidden, notes = np.zeros(len(frame), dtype=bool), []
    for names, read in (
        (CLEAR_COLUMNS, _not_clear),
        (CLOUD_COLUMNS, _cloudy),
        (PROBABILITY_COLUMNS, _probably_cloudy),
        (SCORE_COLUMNS, _low_score),
        (BIT_COLUMNS, _cloud_bits),
    ):
        if (column := find_column(frame, names)) is not None:
            clouds = read(frame, column)
            hidden |= clouds
            notes.append(f"{int(clouds.sum())} of {len(frame)} rows are cloudy by the column {column}.")
    return Clouds(hidden, notes)


def _not_clear(frame: Any, column: str) -> np.ndarray:
    return ~_flags(frame, column, missing=False)


def _cloudy(frame: Any, column: str) -> np.ndarray:
    texts = {text.lower() for text in text_cells(frame, column) if text is not None}
    if texts <= {*_TRUE, *_FALSE}:
        return _flags(frame, column, missing=False)
    numbers = number_cells(frame, column)
    if (numbers[~np.isnan(numbers)] % 1 == 0).all() and np.nanmax(numbers) <= 11:
        raise ValueError(
            f"The column {column!r} of {name_of(frame)} could hold scene classes or per cent: call it SCL or "
            "cloud_probability."
        )
    return _probably_cloudy(frame, column)


def _probably_cloudy(frame: Any, column: str) -> np.ndarray:
    numbers = number_cells(frame, column)
    low, high = np.nanmin(numbers, initial=0), np.nanmax(numbers, initial=0)
    if low < 0 or high > 100:
        raise ValueError(
            f"The cloud probability in the column {column!r} of {name_of(frame)} must be 0 to 1 or to 100, got {low:g} "
            f"to {high:g}."
        )
    return np.asarray(numbers > HIGHEST_PROBABILITY * (100 if high > 1 else 1))


def _low_score(frame: Any, column: str) -> np.ndarray:
    return np.asarray(number_cells(frame, column) < LOWEST_SCORE)


def _cloud_bits(frame: Any, column: str) -> np.ndarray:
    bits = np.nan_to_num(number_cells(frame, column)).astype(np.int64)
    return np.asarray(bits & QA60_CLOUDS != 0)


def _flags(frame: Any, column: str, *, missing: bool) -> np.ndarray:
    texts = [None if text is None else text.lower() for text in text_cells(frame, column)]
    other = {text for text in texts if text is not None} - {*_TRUE, *_FALSE}
    if other:
        raise ValueError(
            f"The column {column!r} of {name_of(frame)} must hold 0 and 1, or true and false, got {list_names(other)}."
        )
    return np.asarray([missing if text is None else text in _TRUE for text in texts])
