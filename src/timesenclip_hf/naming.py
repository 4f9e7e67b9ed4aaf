"""Band and time from the names that variables, raster bands, files and columns go by."""

import re
from typing import NamedTuple

import numpy as np

from .models.timesenclip.feature_extraction_timesenclip import canonical_band

# Scene classification of Sentinel-2 L2A, which lies beside the ten bands.
SCENE_CLASSES = "SCL"

_DATE = re.compile(
    r"(?<!\d)(?P<year>(?:19|20)\d\d)(?P<gap>[-_.]?)(?P<month>0[1-9]|1[0-2])(?P=gap)(?P<day>0[1-9]|[12]\d|3[01])(?!\d)"
)
_YEAR_AND_MONTH = re.compile(r"(?<!\d)(?P<year>(?:19|20)\d\d)[-_.](?P<month>0[1-9]|1[0-2])(?!\d)")
_BAND = re.compile(r"B\d{1,2}A?|SCL", re.IGNORECASE)


class LookName(NamedTuple):
    """What a name says: a band ("B02", or "SCL"), and its date or its calendar month (1 = January)."""

    band: str | None
    date: np.datetime64 | None
    month: int | None


def read_name(name: str) -> LookName:
    """Reads names such as "S2-L2A-B02", "B02_2018-05-14", "20180514T105031_T31UDS_B2", "red_05" or "swir_1".

    A year with a month ("B02_2018-05") stands for the first of that month, as monthly composites are dated. A
    lone number from 1 to 12 at either end is a month, unless the whole name is a band ("swir_1").

    Raises:
        ValueError: the name holds a date that no calendar has.
    """
    for pattern in (_DATE, _YEAR_AND_MONTH):
        if found := pattern.search(name):
            parts = found.groupdict()
            try:
                date = np.datetime64(f"{parts['year']}-{parts['month']}-{parts.get('day', '01')}", "D")
            except ValueError:
                raise ValueError(f"{name!r} holds {found.group(0)}, which is not a date.") from None
            return LookName(_band(pattern.sub(" ", name)), date, None)
    if band := _whole_band(name):
        return LookName(band, None, None)
    words = re.findall(r"[A-Za-z0-9]+", name)
    for number, others in ((words[-1:], words[:-1]), (words[:1], words[1:])):
        if number and re.fullmatch(r"0?[1-9]|1[0-2]", number[0]) and (band := _band(" ".join(others))):
            return LookName(band, None, int(number[0]))
    return LookName(_band(name), None, None)


def _band(text: str) -> str | None:
    """The band that a text is, or the only one that it has as a word."""
    if band := _whole_band(text):
        return band
    words = [word for word in re.findall(r"[A-Za-z0-9]+", text) if _BAND.fullmatch(word)]
    bands = {band for word in words if (band := _whole_band(word))}
    return bands.pop() if len(bands) == 1 else None


def _whole_band(text: str) -> str | None:
    if text.strip(" _-.").upper() == SCENE_CLASSES:
        return SCENE_CLASSES
    try:
        return canonical_band(text)
    except ValueError:
        return None
