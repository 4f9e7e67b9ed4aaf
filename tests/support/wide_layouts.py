"""Write one set of series as wide tables under the names that people have, each to give what the control gives."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
import pandas as pd

from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS

YEAR = 2018
EARTH_ENGINE = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")
EARTH_SEARCH = ("blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "swir16", "swir22")
AFRICA = ("blue", "green", "red", "red_edge_1", "red_edge_2", "red_edge_3", "nir_1", "nir_2", "swir_1", "swir_2")
AUSTRALIA = tuple(f"nbart_{name}" for name in (*AFRICA[:8], "swir_2", "swir_3"))
FORCE = ("BLUE", "GREEN", "RED", "REDEDGE1", "REDEDGE2", "REDEDGE3", "BROADNIR", "NIR", "SWIR1", "SWIR2")
FORCE_SHORT = ("BLU", "GRN", "RED", "RE1", "RE2", "RE3", "BNR", "NIR", "SW1", "SW2")
IN_WORDS = ("Blue", "Green", "Red", "Red Edge 1", "Red Edge 2", "Red Edge 3", "Near Infrared", "Near Infrared narrow")
IN_WORDS += ("SWIR 1", "SWIR 2")
NANOMETRES = tuple(f"{length}nm" for length in (492, 560, 665, 704, 740, 783, 833, 865, 1614, 2202))
ACOLITE = tuple(f"rhos_{length}" for length in (492, 559, 665, 704, 739, 780, 833, 864, 1610, 2186))
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
IN_FULL = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November")
IN_FULL += ("December",)

Name = Callable[[str, date], str]
Numbered = Callable[[str, int], str]


class WideLayout(NamedTuple):
    """Describe a wide table.

    Attributes:
        name: source and form.
        make: returns the table, a row a series.
        options: of the reading, `start` and `step`; None where a refusal is the right outcome.
    """

    name: str
    make: Callable[[], pd.DataFrame]
    options: Mapping[str, str] | None


# Name, bands, and the name of a column by band and date.
DATED: tuple[tuple[str, Sequence[str], Name], ...] = (
    ("documented months", BANDS, lambda b, d: f"{b}_{d.month:02d}"),
    ("months without zeros", EARTH_ENGINE, lambda b, d: f"{b}_{d.month}"),
    ("months first", EARTH_ENGINE, lambda b, d: f"{d.month}_{b}"),
    ("month as a word", EARTH_ENGINE, lambda b, d: f"{b}_month{d.month}"),
    ("m01", EARTH_ENGINE, lambda b, d: f"{b}_m{d.month:02d}"),
    ("short names of months", EARTH_ENGINE, lambda b, d: f"{b}_{MONTHS[d.month - 1]}"),
    ("short names of months, small", EARTH_ENGINE, lambda b, d: f"{MONTHS[d.month - 1].lower()}_{b}"),
    ("names of months and year", EARTH_ENGINE, lambda b, d: f"{b}_{IN_FULL[d.month - 1]}_{d.year}"),
    ("ISO dates", BANDS, lambda b, d: f"{b}_{d}"),
    ("ISO dates first", BANDS, lambda b, d: f"{d}_{b}"),
    ("dates without zeros", EARTH_ENGINE, lambda b, d: f"{b}_{d.year}-{d.month}-{d.day}"),
    ("compact dates", BANDS, lambda b, d: f"{b}_{d:%Y%m%d}"),
    ("compact dates first", EARTH_ENGINE, lambda b, d: f"{d:%Y%m%d}_{b}"),
    ("slashes", BANDS, lambda b, d: f"{b}_{d:%Y/%m/%d}"),
    ("times of day", BANDS, lambda b, d: f"{b}_{d}T10:54:21.024Z"),
    ("German dates", BANDS, lambda b, d: f"{b}_{d:%d.%m.%Y}"),
    ("day first", BANDS, lambda b, d: f"{b}_{d:%d/%m/%Y}"),
    ("month first", BANDS, lambda b, d: f"{b}_{d:%m/%d/%Y}"),
    ("compact dates, day first", BANDS, lambda b, d: f"{b}_{d:%d%m%Y}"),
    ("days with names of months", EARTH_ENGINE, lambda b, d: f"{b}_mst_{d.day:02d}{MONTHS[d.month - 1]}{d.year}"),
    ("days of the year", EARTH_ENGINE, lambda b, d: f"{b}_{d:%Y%j}"),
    ("days of the year, apart", EARTH_ENGINE, lambda b, d: f"{d.year}_{d:%j}_{b}"),
    ("year and month", EARTH_ENGINE, lambda b, d: f"{b}_{d:%Y%m}"),
    ("year and month first", EARTH_ENGINE, lambda b, d: f"{d:%Y%m}_{b}"),
    ("year, month", EARTH_ENGINE, lambda b, d: f"{d:%Y_%m}_{b}"),
    ("year-month", EARTH_ENGINE, lambda b, d: f"{d:%Y-%m}-{b}"),
    ("sensor, year and month", EARTH_ENGINE, lambda b, d: f"S2_{d:%Y%m}_{b}"),
    ("month and year", BANDS, lambda b, d: f"{b}_{d:%m-%Y}"),
    ("Earth Engine, toBands", EARTH_ENGINE, lambda b, d: f"{d:%Y%m%d}T105421_{d:%Y%m%d}T105416_T31UDS_{b}"),
    ("sits", BANDS, lambda b, d: f"SENTINEL-2_MSI_20LKP_{b}_{d}"),
    ("openEO", BANDS, lambda b, d: f"S2-L2A-{b}_{d}"),
    ("openEO, long", BANDS, lambda b, d: f"SENTINEL2-L2A-{b}_{d}"),
    ("Theia", EARTH_ENGINE, lambda b, d: f"SENTINEL2A_{d:%Y%m%d}-105031-123_L2A_T31UES_C_V2-2_FRE_{b}"),
    ("HLS", BANDS, lambda b, d: f"HLS.S30.T31UDS.{d:%Y%j}T105421.v2.0.{b}"),
    ("Terrascope", BANDS, lambda b, d: f"S2A_{d:%Y%m%d}T105031_31UES_TOC-{b}_10M_V200"),
    ("Earth Search", EARTH_SEARCH, lambda b, d: f"{b}_{d}"),
    ("Earth Search, months", EARTH_SEARCH, lambda b, d: f"{b}_{d.month}"),
    ("Digital Earth Africa", AFRICA, lambda b, d: f"{b}_{d}"),
    ("Digital Earth Africa, months", AFRICA, lambda b, d: f"{b}_{d.month:02d}"),
    ("Digital Earth Australia", AUSTRALIA, lambda b, d: f"{b}_{d}"),
    ("Digital Earth Australia, months first", AUSTRALIA, lambda b, d: f"{d.month:02d}_{b}"),
    ("FORCE", FORCE, lambda b, d: f"{d:%Y%m%d}_LEVEL2_SEN2A_{b}"),
    ("FORCE, short", FORCE_SHORT, lambda b, d: f"{b}_{d:%Y%m%d}"),
    ("names in words", IN_WORDS, lambda b, d: f"{b} {d}"),
    ("wavelengths", NANOMETRES, lambda b, d: f"{b}_{d}"),
    ("ACOLITE", ACOLITE, lambda b, d: f"{b}_{d}"),
    ("reflectance of SNAP", EARTH_ENGINE, lambda b, d: f"reflectance_{b}_{d:%Y%m%d}"),
)

# Name, bands, the name of a column by band and index of the step, and how many of what step there are in a year.
NUMBERED: tuple[tuple[str, Sequence[str], Numbered, int, str], ...] = (
    ("Earth Engine, toBands of a list", EARTH_ENGINE, lambda b, i: f"{i}_{b}", 12, "month"),
    ("Earth Engine, toBands of merged lists", EARTH_ENGINE, lambda b, i: f"1_{i}_{b}", 12, "month"),
    ("Earth Engine, addBands", EARTH_ENGINE, lambda b, i: f"{b}_{i}" if i else b, 12, "month"),
    ("addBands, Earth Search", EARTH_SEARCH, lambda b, i: f"{b}_{i}" if i else b, 12, "month"),
    ("addBands, Digital Earth Africa", AFRICA, lambda b, i: f"{b}_{i}" if i else b, 12, "month"),
    ("presto", EARTH_ENGINE, lambda b, i: f"{b}_t{i}", 12, "month"),
    ("WorldCereal", BANDS, lambda b, i: f"OPTICAL-{b}-ts{i}-10m", 12, "month"),
    ("months from zero", EARTH_ENGINE, lambda b, i: f"{b}_month{i}", 12, "month"),
    ("half-months", BANDS, lambda b, i: f"{b}_{i + 1:02d}", 24, "half-month"),
    ("dekads", BANDS, lambda b, i: f"{b}_{i + 1}", 36, "dekad"),
    ("dekads as a word", BANDS, lambda b, i: f"{b}_dek{i + 1:02d}", 36, "dekad"),
    ("dekads of WorldCereal", BANDS, lambda b, i: f"OPTICAL-{b}-ts{i}-10m", 36, "dekad"),
    ("weeks", BANDS, lambda b, i: f"{b}_w{i + 1:02d}", 52, "week"),
    ("16 days", BANDS, lambda b, i: f"{i}_{b}", 23, "16days"),
    ("8 days", BANDS, lambda b, i: f"{b}_{i + 1}", 46, "8days"),
    ("5 days", BANDS, lambda b, i: f"{b}_step{i}", 73, "5 days"),
)

REFUSED: tuple[tuple[str, Sequence[str], Name], ...] = (
    ("days of a year that is not named", EARTH_ENGINE, lambda b, d: f"{b}_doy{d:%j}"),
    ("day or month first", BANDS, lambda b, d: f"{b}_{5:02d}/{d.month:02d}/{d.year}"),
    ("addBands the other way round", EARTH_ENGINE, lambda b, d: b + "_1" * (d.month - 1)),
    ("years of two digits", BANDS, lambda b, d: f"{b}_{d.month + 10}/{d:%m/%y}"),
    ("no date", BANDS, lambda b, d: f"{b}_{d.year}-{d.month + 12}-01"),
    ("dates and months", BANDS, lambda b, d: f"{b}_{d}" if d.month < 7 else f"{b}_{d.month:02d}"),
    ("Landsat", BANDS, lambda b, d: f"LC08_199024_{d:%Y%m%d}_SR_{b}"),
    ("Landsat of HLS", BANDS, lambda b, d: f"HLS.L30.T31UDS.{d:%Y%j}T105421.v2.0.{b}"),
    ("top of the atmosphere", BANDS, lambda b, d: f"S2-L1C-{b}_{d}"),
    ("red edge without a number", ("blue", "green", "red", "rededge", *EARTH_SEARCH[4:]), lambda b, d: f"{b}_{d}"),
)


def wide_layouts(values: np.ndarray) -> Iterator[WideLayout]:
    """Yield the layouts of series (series, 12, 10), the months of a year, whose values every table repeats."""
    months = [date(YEAR, month, 15) for month in range(1, 13)]

    def dated(names: Sequence[str], name_of: Name) -> Callable[[], pd.DataFrame]:
        return lambda: pd.DataFrame(
            {name_of(name, d): values[:, d.month - 1, band] for d in months for band, name in enumerate(names)}
        )

    def numbered(names: Sequence[str], name_of: Numbered, months_of: Sequence[int]) -> Callable[[], pd.DataFrame]:
        return lambda: pd.DataFrame(
            {
                name_of(name, index): values[:, month, band]
                for index, month in enumerate(months_of)
                for band, name in enumerate(names)
            }
        )

    for name, bands, name_of in DATED:
        yield WideLayout(name, dated(bands, name_of), {})
    for name, bands, number_of, count, step in NUMBERED:
        make = numbered(bands, number_of, _months_of_steps(count, step))
        yield WideLayout(f"{name}, without a start", make, None)
        word = any(unit in number_of("B02", 1) for unit in ("month", "dek", "w0"))
        steps = {"start": f"{YEAR}-01-01"} if word else {"start": f"{YEAR}-01-01", "step": step}
        yield WideLayout(name, make, steps)
    yearly = numbered(BANDS, lambda b, i: f"{b}_{YEAR}_{i + 1}", _months_of_steps(36, "dekad"))
    yield WideLayout("dekads of a year", yearly, {"step": "dekad"})
    yield WideLayout("dekads of a year, without a start", yearly, None)
    yield WideLayout("days of the year", dated(*REFUSED[0][1:]), {"start": str(YEAR)})
    for name, bands, name_of in REFUSED:
        yield WideLayout(name, dated(bands, name_of), None)


def _months_of_steps(count: int, step: str) -> list[int]:
    """Return the month, 0 = January, in which each step of a year begins."""
    if count % 12 == 0:
        return [index * 12 // count for index in range(count)]
    days = 7 if step == "week" else int(step.removesuffix("days"))
    begins = np.datetime64(f"{YEAR}-01-01") + np.arange(count) * days
    return [int(month) for month in begins.astype("datetime64[M]").astype(int) % 12]
