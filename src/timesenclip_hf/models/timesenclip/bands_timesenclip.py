"""Read band and time from the names that variables, raster bands, files and columns go by."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
# Bands of 60 m that say more of the air than of the ground: no checkpoint reads them, most products have them.
UNUSED_BANDS = ("B01", "B09", "B10")
# Common spellings of the ten bands besides "B2" and "b02": the names of openEO, Earth Search and EuroSAT users.
COMMON_NAMES = {"BLUE": "B02", "GREEN": "B03", "RED": "B04", "REDEDGE1": "B05", "REDEDGE2": "B06", "REDEDGE3": "B07"}
COMMON_NAMES |= {"NIR": "B08", "NIR08": "B8A", "NIRNARROW": "B8A", "NARROWNIR": "B8A", "B08A": "B8A"}
COMMON_NAMES |= {"SWIR16": "B11", "SWIR1": "B11", "SWIR22": "B12", "SWIR2": "B12"}
COMMON_NAMES |= {"COASTAL": "B01", "NIR09": "B09", "CIRRUS": "B10"}
# The two NIR bands see the same plateau of the spectrum (833 and 865 nm), so either may stand in for the other; no
# other pair of bands is that close.
STAND_INS = {"B8A": "B08", "B08": "B8A"}
# Scene classification of Sentinel-2 L2A, which lies beside the ten bands.
SCENE_CLASSES = "SCL"

_DATE = re.compile(
    r"(?<!\d)(?P<year>(?:19|20)\d\d)(?P<gap>[-_.]?)(?P<month>0[1-9]|1[0-2])(?P=gap)(?P<day>0[1-9]|[12]\d|3[01])(?!\d)"
)
_YEAR_AND_MONTH = re.compile(r"(?<!\d)(?P<year>(?:19|20)\d\d)[-_.](?P<month>0[1-9]|1[0-2])(?!\d)")
_BAND = re.compile(r"B\d{1,2}A?|SCL", re.IGNORECASE)


def canonical_band(name: str, *, also: Sequence[str] = ()) -> str:
    """Return the Sentinel-2 name of one of the ten bands, or of those in `also`: "B2", "b02", "blue", "B08A", "nir08".

    Raises:
        ValueError: none of these bands.
    """
    compact = "".join(character for character in str(name).upper() if character.isalnum())
    compact = COMMON_NAMES.get(compact, compact)
    if compact.startswith("B") and compact[1:].isdigit():
        compact = f"B{int(compact[1:]):02d}"
    if compact not in (*BANDS, *also):
        raise ValueError(f"Unknown band {name!r}: use {' '.join(BANDS)}.")
    return compact


def distinct_bands(names: Sequence[str]) -> list[str]:
    """Return the Sentinel-2 names of bands, those that no checkpoint reads among them.

    Raises:
        ValueError: a band is unknown, or named twice.
    """
    bands = [canonical_band(name, also=UNUSED_BANDS) for name in names]
    if len(set(bands)) < len(bands):
        twice = next(band for band in bands if bands.count(band) > 1)
        raise ValueError(f"The band {twice} is named twice: name each band once.")
    return bands


class NameParts(NamedTuple):
    """Hold what a name says: a band ("B02", or "SCL"), and its date or its calendar month (1 = January)."""

    band: str | None
    date: np.datetime64 | None
    month: int | None


def read_name(name: str) -> NameParts:
    """Read a name such as "S2-L2A-B02", "B02_2018-05-14", "20180514T105031_T31UDS_B2", "red_05" or "swir_1".

    A year with a month ("B02_2018-05") stands for the first of that month, as monthly composites are dated. A lone
    number from 1 to 12 at either end is a month, unless all of the name is a band ("swir_1").

    Raises:
        ValueError: the name holds a date that no calendar has.
    """
    for pattern in (_DATE, _YEAR_AND_MONTH):
        if match := pattern.search(name):
            parts = match.groupdict()
            try:
                date = np.datetime64(f"{parts['year']}-{parts['month']}-{parts.get('day', '01')}", "D")
            except ValueError:
                raise ValueError(f"{name!r} holds {match.group(0)}, which is not a date.") from None
            return NameParts(_band(pattern.sub(" ", name)), date, None)
    if band := _band_of_all(name):
        return NameParts(band, None, None)
    words = re.findall(r"[A-Za-z0-9]+", name)
    for number, others in ((words[-1:], words[:-1]), (words[:1], words[1:])):
        if number and re.fullmatch(r"0?[1-9]|1[0-2]", number[0]) and (band := _band(" ".join(others))):
            return NameParts(band, None, int(number[0]))
    return NameParts(_band(name), None, None)


def _band(text: str) -> str | None:
    """Return the band that a text is, or the only one that it has as a word."""
    if band := _band_of_all(text):
        return band
    words = [word for word in re.findall(r"[A-Za-z0-9]+", text) if _BAND.fullmatch(word)]
    bands = {band for word in words if (band := _band_of_all(word))}
    return bands.pop() if len(bands) == 1 else None


def _band_of_all(text: str) -> str | None:
    """Return the band that a text is, all of it."""
    if text.strip(" _-.").upper() == SCENE_CLASSES:
        return SCENE_CLASSES
    try:
        return canonical_band(text)
    except ValueError:
        return None
