"""Find Sentinel-2 rasters in folders, and read the offset that the product around a raster tells."""

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
    """Tell whether a folder is a Zarr store."""
    return path.suffix.lower() == ".zarr" or any((path / name).exists() for name in ZARR_FILES)


def find_rasters(folder: Path) -> list[Path]:
    """Find the rasters of a folder, or of a SAFE product, that may hold a Sentinel-2 band.

    Raises:
        ValueError: there is none.
    """
    rasters = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in RASTER_SUFFIXES
        and not set(NO_IMAGES) & set(path.relative_to(folder).parts)
        and _may_hold_a_band(path)
    )
    if not rasters:
        raise ValueError(
            f"The folder {folder.name} holds no Sentinel-2 band: give a Zarr store, a SAFE product (L2A, unpacked), or "
            f"rasters ending in {', '.join(RASTER_SUFFIXES)} named after band and date."
        )
    return rasters


def product_offset(path: Path) -> float | None:
    """Read what to subtract from the digital numbers of a raster inside a product.

    The metadata tell it (BOA_ADD_OFFSET); without them, the processing baseline in the name of the product.

    Returns:
        The offset, NaN where the product does not tell it, None where no product is around the raster.

    Raises:
        ValueError: the product is not L2A, or its metadata cannot be used.
    """
    for folder in path.absolute().parents:
        if (folder / METADATA).is_file():
            return _metadata_offset(folder / METADATA, (folder / METADATA).stat().st_mtime_ns)
        if (folder / METADATA.replace("2A", "1C")).is_file() or _LEVEL_1.search(folder.name):
            raise ValueError(f"{folder.name} is reflectance at the top of the atmosphere (L1C): give the L2A product.")
        if match := _PRODUCT.search(folder.name):
            return baseline_offset(match[1])
    match = _PRODUCT.search(path.name)
    return baseline_offset(match[1]) if match else None


def one_offset(offsets: Iterable[float], source: str) -> float | None:
    """Return the offset that all bands of a product share; None without any.

    Raises:
        ValueError: they have several.
    """
    different = sorted(set(offsets))
    if len(different) > 1:
        listed = ", ".join(f"{offset:g}" for offset in different)
        raise ValueError(f"The bands of {source} have different offsets ({listed}): subtract them first.")
    return different[0] if different else None


def _may_hold_a_band(path: Path) -> bool:
    """Judge by the name: JPEG 2000 has one band, named by the file; bands of other formats may have their own names."""
    return path.suffix.lower() != ".jp2" or read_name(path.stem).band is not None


@lru_cache(maxsize=1024)
def _metadata_offset(path: Path, changed: int) -> float:
    """Read the metadata once for all rasters of a product, and again when the file was `changed`."""
    product = path.parent.name
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise ValueError(
            f"The metadata {product}/{path.name} cannot be read ({error}): unpack the product again."
        ) from None
    texts: dict[str, list[str]] = {}
    for element in root.iter():
        texts.setdefault(element.tag.rpartition("}")[2], []).append((element.text or "").strip())
    scale = next((float(text) for text in texts.get("BOA_QUANTIFICATION_VALUE", [])), DN_PER_REFLECTANCE)
    if scale != DN_PER_REFLECTANCE:
        raise ValueError(f"{product} holds reflectance times {scale:g} instead of {DN_PER_REFLECTANCE:g}: rescale it.")
    offset = one_offset((-float(text) for text in texts.get("BOA_ADD_OFFSET", [])), product)
    if offset is not None:
        return offset
    return baseline_offset(next(iter(texts.get("PROCESSING_BASELINE", [])), None))
