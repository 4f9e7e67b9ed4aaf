"""Check virtual rasters (VRT): plain mosaics and stacks of rasters below their own folder, and nothing else."""

from pathlib import Path
from xml.etree.ElementTree import Element

from .images import check_jpeg2000, check_side_files, check_tiff
from .kinds import JPEG2000, TIFF, kind_of
from .limits import Limits, check_count
from .markup import parse_xml

# What gdalbuildvrt writes. Left out is all by which a VRT reads raw bytes, runs code or opens what is named elsewhere.
ELEMENTS = {
    *("VRTDataset", "SRS", "GeoTransform", "Metadata", "MDI", "VRTRasterBand", "ColorInterp", "NoDataValue"),
    *("HideNoDataValue", "Description", "UnitType", "Offset", "Scale", "CategoryNames", "Category", "ColorTable"),
    *("Entry", "SimpleSource", "ComplexSource", "SourceFilename", "SourceBand", "SourceProperties", "SrcRect"),
    *("DstRect", "NODATA", "UseMaskBand", "ScaleOffset", "ScaleRatio", "LUT", "OverviewList", "BlockXSize"),
    "BlockYSize",
}
REBUILD = "build it in the folder of its rasters with gdalbuildvrt, or write its pixels with gdal_translate"


def check_vrt(path: Path, limits: Limits) -> None:
    """Check a VRT and the rasters that it names.

    Raises:
        ValueError: it is more than a mosaic or stack, or names anything but rasters below its folder.
    """
    root = parse_xml(path)
    for element in root.iter():
        if element.tag not in ELEMENTS or "subClass" in element.attrib:
            what = element.get("subClass", element.tag)
            raise ValueError(f"{path.name} is a virtual raster with {what[:40]!r}, which is not read: {REBUILD}.")
        if element.tag in ("MDI", "Metadata") and "OVERVIEW" in "".join([*element.attrib.values(), element.text or ""]):
            raise ValueError(f"{path.name} names overviews elsewhere: {REBUILD}.")
    check_count(path.name, len(root.findall("VRTRasterBand")), limits.bands, "bands")
    sides = [int(text) if (text := root.get(side, "")).isdigit() else 0 for side in ("rasterXSize", "rasterYSize")]
    check_count(path.name, max(sides), limits.axis, "numbers along an axis")
    for source in {_source(path, element) for element in root.iter("SourceFilename")}:
        kind = kind_of(source)
        if kind not in (TIFF, JPEG2000):
            raise ValueError(f"{path.name} names {source.name}, which is {kind}: {REBUILD}.")
        (check_tiff if kind == TIFF else check_jpeg2000)(source, limits)
    check_side_files(path, limits)


def _source(path: Path, element: Element) -> Path:
    """Find the file that a source names; raise `ValueError` unless it is a relative path below the VRT's folder."""
    name, folder = (element.text or "").strip(), path.absolute().parent
    source = folder / name
    inside = element.get("relativeToVRT") == "1" and ":" not in name and not Path(name).is_absolute()
    if not name or not inside or not source.resolve().is_relative_to(folder.resolve()) or not source.is_file():
        raise ValueError(f"{path.name} names {name[:60]!r}, which is no file below its folder: {REBUILD}.")
    return source
