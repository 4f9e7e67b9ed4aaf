"""Tell which product a raster belongs to, and with it the offset, no data, version and time of its numbers."""

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...gate.markup import parse_xml
from ...models.timesenclip.offsets_timesenclip import baseline_offset
from ...models.timesenclip.units_timesenclip import DN_PER_REFLECTANCE

METADATA, METADATA_L1C = "MTD_MSIL2A.xml", "MTD_MSIL1C.xml"
# "No data" of ESA's products, which JPEG 2000 cannot tell; of MAJA's, which its GeoTIFFs do not; of FORCE and HLS.
ESA_NODATA, MAJA_NODATA, OTHER_NODATA = 0.0, -10000.0, -9999.0
_ESA = re.compile(r"MSIL2A.*_(N\d{4})(?!\d)")
_TIME = re.compile(r"(?<!\d)(\d{4})(\d\d)(\d\d)[T-](\d\d)(\d\d)(\d\d)(?!\d)")
# Names of Theia's MAJA (the scene; its version), of FORCE ARD, and of HLS (the scene; its version). None has an offset.
_OTHERS = (
    ("MAJA", MAJA_NODATA, re.compile(r"SENTINEL2[ABC]_\d{8}-\d{6}-\d+_L2A_T\w{5}_[CD]_V(\d+-\d+)")),
    ("FORCE", OTHER_NODATA, re.compile(r"\d{8}_LEVEL2_SEN2[ABC]_(?:BOA|QAI)()")),
    ("HLS", OTHER_NODATA, re.compile(r"HLS\.S30\.T\w{5}\.\d{7}T\d{6}\.v(\d+\.\d+)")),
)
# Products of Landsat, whose bands are others, in the same folders: of FORCE, HLS and USGS.
_LANDSAT = re.compile(r"_LND0[4-9]_|HLS\.L30\.|L[COET]0[4-9]_L[12]")


class Product(NamedTuple):
    """Say what is known of a product.

    Attributes:
        name: of its folder, or of what its files share.
        offset: to subtract from its numbers, NaN where it does not tell it.
        reason: what tells the offset.
        nodata: value that means "missing" where its files do not tell it.
        version: of its processing, such as "05.10": of several of one acquisition, the highest is the newest.
        time: of the acquisition, None where the name does not tell it.
    """

    name: str
    offset: float
    reason: str
    nodata: float
    version: str
    time: np.datetime64 | None


def is_landsat(path: Path) -> bool:
    """Tell whether a raster is of Landsat."""
    return _LANDSAT.search(path.name) is not None


def product_of(path: Path) -> Product | None:
    """Find the product that a raster lies in, or is one of; None where there is none that is known.

    Raises:
        ValueError: it is of the top of the atmosphere, or its metadata cannot be used.
    """
    for folder in path.absolute().parents:
        if (folder / METADATA).is_file():
            return _with_metadata(folder / METADATA, (folder / METADATA).stat().st_mtime_ns)
        if (folder / METADATA_L1C).is_file() or "MSIL1C" in folder.name.upper():
            raise ValueError(f"{folder.name} is reflectance at the top of the atmosphere (L1C): give the L2A product.")
        if _ESA.search(folder.name):
            return _named(folder.name)
    if _ESA.search(path.name):
        return _named(path.name)
    for sensor, nodata, pattern in _OTHERS:
        if match := pattern.search(path.name):
            return Product(match[0], 0.0, f"{sensor} has none", nodata, match[1], _time_of(path.name))
    return None


def _named(name: str) -> Product:
    """Describe a product of ESA by its name."""
    match = _ESA.search(name)
    baseline = match[1] if match else None
    offset = baseline_offset(baseline)
    reason = "" if np.isnan(offset) else f"processing baseline {baseline} in the name"
    return Product(name, offset, reason, ESA_NODATA, baseline or "", _time_of(name))


@lru_cache(maxsize=1024)
def _with_metadata(path: Path, changed: int) -> Product:
    """Read the metadata once for all rasters of a product, and again when the file was `changed`."""
    name, root = path.parent.name, parse_xml(path)
    texts: dict[str, list[str]] = {}
    for element in root.iter():
        texts.setdefault(element.tag.rpartition("}")[2], []).append((element.text or "").strip())
    scale = next((float(text) for text in texts.get("BOA_QUANTIFICATION_VALUE", [])), DN_PER_REFLECTANCE)
    if scale != DN_PER_REFLECTANCE:
        raise ValueError(f"{name} holds reflectance times {scale:g} instead of {DN_PER_REFLECTANCE:g}: rescale it.")
    offset = one_offset((-float(text) for text in texts.get("BOA_ADD_OFFSET", [])), name)
    baseline = next(iter(texts.get("PROCESSING_BASELINE", [])), None)
    reason = f"BOA_ADD_OFFSET of the product, processing baseline {baseline or 'unknown'}"
    if offset is None:
        offset = baseline_offset(baseline)
        reason = "" if np.isnan(offset) else f"processing baseline {baseline} of the product"
    return Product(name, offset, reason, ESA_NODATA, baseline or "", _time_of(name))


def _time_of(name: str) -> np.datetime64 | None:
    match = _TIME.search(name)
    if match is None:
        return None
    year, month, day, hour, minute, second = match.groups()
    try:
        return np.datetime64(f"{year}-{month}-{day}T{hour}:{minute}:{second}", "ns")
    except ValueError:
        return None


def one_offset(offsets: Iterable[float], source: str) -> float | None:
    """Return the offset that all bands of a product share, None without any; raise ValueError for several."""
    different = sorted(set(offsets))
    if len(different) > 1:
        listed = ", ".join(f"{offset:g}" for offset in different)
        raise ValueError(f"The bands of {source} have different offsets ({listed}): subtract them first.")
    return different[0] if different else None
