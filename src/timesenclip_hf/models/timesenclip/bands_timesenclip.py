"""Read the bands that names stand for, alone and beside the other names of a set."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
# Bands of 60 m that say more of the air than of the ground: no checkpoint reads them, most products have them.
UNUSED_BANDS = ("B01", "B09", "B10")
# The two NIR bands see the same plateau of the spectrum (833 and 865 nm), so either may stand in for the other; no
# other pair of bands is that close.
STAND_INS = {"B8A": "B08", "B08": "B8A"}
# Scene classification of Sentinel-2 L2A, which lies beside the ten bands.
SCENE_CLASSES = "SCL"

# Spellings besides "B2" and "b02", without what is no letter or digit: of Sentinel-2's documents, STAC (Earth Search,
# Planetary Computer and the extension `eo`), openEO, FORCE, HLS and Prithvi, Digital Earth.
_SPELLINGS = {
    "B01": "COASTAL COASTALAEROSOL COASTALBLUE AEROSOL AEROSOLS ULTRABLUE",
    "B02": "BLUE BLU",
    "B03": "GREEN GRN",
    "B04": "RED",
    "B05": "REDEDGE1 RE1 REDEDGE071 VEGETATIONREDEDGE1 VRE1",
    "B06": "REDEDGE2 RE2 REDEDGE075 VEGETATIONREDEDGE2 VRE2",
    "B07": "REDEDGE3 RE3 REDEDGE078 VEGETATIONREDEDGE3 VRE3",
    "B08": "NIR1 NIRBROAD NIRWIDE WIDENIR BROADNIR BNR NEARINFRAREDBROAD NEARINFRAREDWIDE",
    "B8A": "B08A NIR2 NIR08 NIRNARROW NARROWNIR NEARINFRAREDNARROW NARROWNEARINFRARED REDEDGE4 RE4 VRE4",
    "B09": "NIR09 WATERVAPOUR WATERVAPOR",
    "B10": "CIRRUS SWIRCIRRUS",
    "B11": "SWIR1 SWIR16 SW1 SHORTWAVEINFRARED1 SWIR1610",
    "B12": "SWIR22 SW2 SHORTWAVEINFRARED2 SWIR2190 SWIR2200",
    # Their band depends on the names beside them: see `_in_context`.
    "NIR": "NIR NEARINFRARED",
    "REDEDGE": "REDEDGE VEGETATIONREDEDGE",
    "SWIR2": "SWIR2",
    "SWIR3": "SWIR3",
}
COMMON_NAMES = {name: band for band, names in _SPELLINGS.items() for name in names.split()}
# FORCE calls B08 BROADNIR and B8A, which Landsat has too, NIR; these short names are nobody else's.
_BROAD = {"BROADNIR", "BNR"}
_FORCE = _BROAD | {"BLU", "GRN", "SW1", "SW2", "SEN2A", "SEN2B", "SEN2C", "SEN2L", "SEN2H"}
# Digital Earth Australia's prefixes of surface reflectance; it calls B11 and B12 swir_2 and swir_3.
_DIGITAL_EARTH = {"NBART", "NBAR"}
# Centres of the bands in nm, as the names of ACOLITE and of descriptions have them (Sentinel-2A and 2B).
_WAVELENGTHS = {"B01": 443, "B02": 492, "B03": 560, "B04": 665, "B05": 704, "B06": 740, "B07": 782, "B08": 836}
_WAVELENGTHS |= {"B8A": 865, "B09": 944, "B10": 1375, "B11": 1612, "B12": 2195}
# Words that may stand beside a name such as "blue" without changing what it is: products, levels, tiles, versions.
_QUALIFIER = re.compile(
    r"S2[ABC]?|S30|SENTINEL(2[ABC]?)?|2[ABC]|MSI|HLS?|SEN2[ABCLH]|L2A?|LEVEL2A?|L3|TS[ASI]|MST|SLV\d*|C|T?\d\d[A-Z]{3}|[VR]\d+"
    r"|SR|BOA|TOC|REF|REFL|REFLECTANCE|RHOS?|SURFACE|SUR|OPTICAL|FRE|SRE|FLAT|NBART?|DN|VALUE|BANDS?|HARMONIZED"
    r"|MED|MEDIAN|MEAN|AVG|[PQ]50|COMPOSITE|MOSAIC|CENTRAL|WAVELENGTH|\d{1,3}M|\d{3,4}NM"
)
# Words that make of a band something else than its reflectance.
_STATISTIC = re.compile(
    r"STD|STDDEV|STDEV|SD|VAR|VARIANCE|MIN|MAX|MINIMUM|MAXIMUM|COUNT|NUM|RANGE|IQR|AMPLITUDE|SLOPE|TREND|DIFF|ANOMALY"
    r"|RATIO|QA|QC|MASK|CLOUD|FLAG|CLASS|PHASE|RMSE|ERROR|WEIGHT|P0?5|[PQ][12789][05]"
)
# Words of other sensors, whose B5 is another band.
_OTHER_SENSORS = re.compile(
    r"LANDSAT\d?|L[COET]0[45789]|L30|OLI|ETM|(?:M[OY]D|MCD)\d\d\w*|MODIS|VIIRS|SUR REFL B\d\d|S[RT] B\d\d?"
)
_CODE = re.compile(r"B\d{1,3}A?|SCL")
_NANOMETRES, _VERSION = re.compile(r"(?<!\d)(\d{3,4})[\s_]+NM\b"), re.compile(r"\bV(\d+)[-.]\d+")
_LONGEST = 4


class BandName(NamedTuple):
    """Hold what a name without its time says of its band.

    Attributes:
        band: "B02", "SCL", or a spelling whose band depends on the names beside it, such as "NIR"; None for no band.
        words: of the spelling, and those beside it that tell a convention ("NBART").
        numbers: before and behind the band, in order, such as "01" of "01_B02".
        other: another sensor or level, whose bands these are.
    """

    band: str | None
    words: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    other: str | None = None


@lru_cache(maxsize=2**17)
def read_band_name(text: str) -> tuple[BandName, ...]:
    """Read a name without its time; two readings where a number may belong to the band or not ("nir_1")."""
    words = re.findall(r"[A-Z0-9]+", _VERSION.sub(r"V\1", _NANOMETRES.sub(r"\1NM", text.upper())))
    readings = _read_codes(words) or _read_words(words)
    if readings and (other := _other_sensor(words)):
        return (BandName(None, other=other),)
    return readings or (BandName(None, numbers=_numbers(words, len(words))),)


def _other_sensor(words: Sequence[str]) -> str | None:
    """Return what tells that the bands of a name are not Sentinel-2's surface reflectance."""
    if level := {"TOA", "L1C", "MSIL1C"} & set(words):
        return level.pop()
    if {"S2", "S2A", "S2B", "S2C", "SENTINEL2", "S30", "MSIL2A"} & set(words):
        return None
    match = re.search(rf"(?<![^ ])(?:{_OTHER_SENSORS.pattern})(?![^ ])", " ".join(words))
    return match[0].replace(" ", "_") if match else None


def _read_codes(words: Sequence[str]) -> tuple[BandName, ...]:
    """Read the only word such as "B2" or "SCL" among any others."""
    indices = [index for index, word in enumerate(words) if _CODE.fullmatch(word) and _code(word)]
    if len({_code(words[index]) for index in indices}) != 1 or any(map(_STATISTIC.fullmatch, words)):
        return ()
    return (BandName(_code(words[indices[0]]), _convention(words), _numbers(words, *indices)),)


def _read_words(words: Sequence[str]) -> tuple[BandName, ...]:
    """Read a name in words, such as "red edge 1", with nothing else but qualifiers and numbers beside it."""
    for length in range(min(_LONGEST, len(words)), 0, -1):
        for start in range(len(words) - length + 1):
            spelling = "".join(words[start : start + length])
            band = COMMON_NAMES.get(spelling) or _of_wavelength(spelling)
            if band is None or not all(_is_no_word(word) for word in (*words[:start], *words[start + length :])):
                continue
            taken = range(start, start + length)
            reading = BandName(band, (spelling, *_convention(words)), _numbers(words, *taken))
            shorter = COMMON_NAMES.get("".join(words[start : start + length - 1]))
            if shorter is None or not words[start + length - 1].isdigit():
                return (reading,)
            less = BandName(shorter, (shorter, *_convention(words)), _numbers(words, *taken[:-1]))
            return (reading, less)
    return ()


def _code(word: str) -> str | None:
    """Return the band of a word such as "B2", "B08A" or "SCL"."""
    if word in (*BANDS, SCENE_CLASSES):
        return word
    number = f"B{int(word[1:]):02d}" if word[1:].isdigit() else COMMON_NAMES.get(word)
    return number if number in (*BANDS, *UNUSED_BANDS) else None


def _of_wavelength(word: str) -> str | None:
    """Return the band of a centre such as "492NM" or, of ACOLITE, "RHOS492"."""
    match = re.fullmatch(r"(?:RHOS)?(\d{3,4})NM|RHOS(\d{3,4})", word)
    if match is None:
        return None
    length = int(match[1] or match[2])
    band = min(_WAVELENGTHS, key=lambda name: abs(_WAVELENGTHS[name] - length))
    return band if abs(_WAVELENGTHS[band] - length) <= (10 if length < 1000 else 30) else None


def _is_no_word(word: str) -> bool:
    return word.isdigit() or _QUALIFIER.fullmatch(word) is not None


def _convention(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(word for word in words if word in _DIGITAL_EARTH | _FORCE)


def _numbers(words: Sequence[str], *taken: int) -> tuple[str, ...]:
    """Return the numbers at either end of the words that are no part of the band."""
    kept = [word for index, word in enumerate(words) if index not in taken]
    kept = [word for word in kept if word.isdigit() or not _is_no_word(word)]
    behind = next((index for index, word in enumerate(kept) if not word.isdigit()), len(kept))
    before = next((index for index, word in enumerate(reversed(kept)) if not word.isdigit()), len(kept))
    return tuple(kept) if behind == len(kept) else (*kept[:behind], *kept[len(kept) - before :])


def bands_beside(names: Iterable[BandName]) -> dict[str, str]:
    """Tell which bands the spellings of a set are whose band depends on the other names, such as NIR and SWIR2.

    Raises:
        ValueError: a name could be two bands.
    """
    names = list(names)
    words = set(chain.from_iterable(name.words for name in names))
    present = {name.band for name in names}
    if present >= {"B01", "B09", "B10"} and "B8A" not in present:
        raise ValueError(
            "b1, b2, ... to b10 and beyond only count the bands, as the ninth of Sentinel-2 is B8A: name each, such as "
            'bands="B01,B02,...".'
        )
    bands: dict[str, str] = {}
    if "NIR" in present:
        bands["NIR"] = "B8A" if words & _FORCE else "B08"
    swir = {"SWIR1" if name == "B11" and "SWIR1" in words else name for name in present} & {"SWIR1", "SWIR2", "SWIR3"}
    if swir > {"SWIR2", "SWIR1"} or (swir == {"SWIR1", "SWIR3"}):
        raise ValueError("SWIR 1, 2 and 3 could be several bands of Sentinel-2: name them B11 and B12.")
    if swir == {"SWIR2"} and {"NIR1", "NIR2"} <= words and not words & _DIGITAL_EARTH:
        raise ValueError("swir_2 could be B11 or B12, and no swir_1 or swir_3 beside it tells: name it so.")
    if "SWIR2" in swir:
        bands["SWIR2"] = "B11" if "SWIR3" in swir or (words & _DIGITAL_EARTH and "SWIR1" not in swir) else "B12"
    if "SWIR3" in swir:
        bands["SWIR3"] = "B12"
    return bands


def read_bands(names: Sequence[str], *, also: Sequence[str] = (SCENE_CLASSES,)) -> list[str | None]:
    """Return the Sentinel-2 names of names that belong together, None for what is none of the ten bands or of `also`.

    Raises:
        ValueError: a name could be two bands.
    """
    readings = [next((name for name in read_band_name(str(text)) if not name.numbers), None) for text in names]
    context = bands_beside(name for name in readings if name is not None)
    bands = [None if name is None or name.band is None else context.get(name.band, name.band) for name in readings]
    return [band if band in (*BANDS, *also) else None for band in bands]


def canonical_band(name: str, *, also: Sequence[str] = ()) -> str:
    """Return the Sentinel-2 name of one of the ten bands, or of those in `also`: "B2", "b02", "blue", "B08A", "nir08".

    Raises:
        ValueError: none of these bands.
    """
    (band,) = read_bands([name], also=also)
    if band is None:
        raise ValueError(f"Unknown band {name!r}: use {' '.join(BANDS)}.")
    return band


def distinct_bands(names: Sequence[str]) -> list[str]:
    """Return the Sentinel-2 names of bands, those that no checkpoint reads among them.

    Raises:
        ValueError: a band is unknown, could be two, or is named twice.
    """
    bands = []
    for name, band in zip(names, read_bands(names, also=UNUSED_BANDS), strict=True):
        if band is None:
            raise ValueError(f"Unknown band {name!r}: use {' '.join(BANDS)}.")
        bands.append(band)
    if len(set(bands)) < len(bands):
        twice = next(band for band in bands if bands.count(band) > 1)
        raise ValueError(f"The band {twice} is named twice: name each band once.")
    return bands
