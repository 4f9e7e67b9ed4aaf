"""Folders of Sentinel-2 rasters: what lies in them, and the offset that the product around a raster tells."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from ...models.timesenclip.bands_timesenclip import read_name
from ...models.timesenclip.radiometry_timesenclip import DN_PER_REFLECTANCE, baseline_offset

RASTER_SUFFIXES = (".tif", ".tiff", ".jp2", ".vrt")
# Folders of a SAFE product beside its images: masks, and the weather that the atmosphere was corrected with.
NO_IMAGES = ("QI_DATA", "AUX_DATA")
METADATA = "MTD_MSIL2A.xml"
# Files that a Zarr store of either format has at its root.
ZARR_FILES = (".zgroup", ".zmetadata", ".zattrs", "zarr.json")
_PRODUCT = re.compile(r"MSIL2A.*_(N\d{4})(?!\d)")
_LEVEL_1 = re.compile(r"MSIL1C", re.IGNORECASE)


def is_zarr(path: Path) -> bool:
    """Whether a folder is a Zarr store."""
    return path.suffix.lower() == ".zarr" or any((path / name).exists() for name in ZARR_FILES)


def find_rasters(folder: Path) -> list[Path]:
    """The rasters of a folder, or of a SAFE product, that may hold a Sentinel-2 band.

    Raises:
        ValueError: there is none.
    """
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in RASTER_SUFFIXES
        and not set(NO_IMAGES) & set(path.relative_to(folder).parts)
        and _may_hold_a_band(path)
    )
    if not found:
        raise ValueError(
            f"The folder {folder.name} holds no Sentinel-2 band: give a Zarr store, a SAFE product (L2A, unpacked), or "
            f"rasters ending in {', '.join(RASTER_SUFFIXES)} named after band and date."
        )
    return found


def product_offset(path: Path) -> float | None:
    """What to subtract from the digital numbers of a raster inside a product; `None` where no product is around it.

    The metadata say it (BOA_ADD_OFFSET); without them, the processing baseline in the name of the product. NaN: the
    product does not tell.

    Raises:
        ValueError: the product is not L2A, or its metadata cannot be used.
    """
    for place in path.absolute().parents:
        if (place / METADATA).is_file():
            return _metadata_offset(place / METADATA, (place / METADATA).stat().st_mtime_ns)
        if (place / METADATA.replace("2A", "1C")).is_file() or _LEVEL_1.search(place.name):
            raise ValueError(f"{place.name} is reflectance at the top of the atmosphere (L1C): give the L2A product.")
        if said := _PRODUCT.search(place.name):
            return baseline_offset(said.group(1))
    said = _PRODUCT.search(path.name)
    return baseline_offset(said.group(1)) if said else None


def one_offset(offsets: Iterable[float], source: str) -> float | None:
    """The offset that all bands of a product share; `None` of none.

    Raises:
        ValueError: they have several.
    """
    different = sorted(set(offsets))
    if len(different) > 1:
        raise ValueError(
            f"The bands of {source} have different offsets ({', '.join(f'{one:g}' for one in different)}): subtract "
            "them first."
        )
    return different[0] if different else None


def _may_hold_a_band(path: Path) -> bool:
    """JPEG 2000 has one band, named by the file; the bands of other formats may have names of their own."""
    return path.suffix.lower() != ".jp2" or read_name(path.stem).band is not None


@lru_cache(maxsize=1024)
def _metadata_offset(path: Path, changed: int) -> float:
    """The same for all rasters of a product, unless the file has changed."""
    product = path.parent.name
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise ValueError(
            f"The metadata {product}/{path.name} cannot be read ({error}): unpack the product again."
        ) from None
    said: dict[str, list[str]] = {}
    for element in root.iter():
        said.setdefault(element.tag.rpartition("}")[2], []).append((element.text or "").strip())
    scale = next((float(text) for text in said.get("BOA_QUANTIFICATION_VALUE", [])), DN_PER_REFLECTANCE)
    if scale != DN_PER_REFLECTANCE:
        raise ValueError(f"{product} holds reflectance times {scale:g} instead of {DN_PER_REFLECTANCE:g}: rescale it.")
    offset = one_offset((-float(text) for text in said.get("BOA_ADD_OFFSET", [])), product)
    if offset is not None:
        return offset
    return baseline_offset(next(iter(said.get("PROCESSING_BASELINE", [])), None))
