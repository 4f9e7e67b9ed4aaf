"""Read a STAC item of any provider: which asset is which band, the offset of its numbers, its CRS and its day."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np

from ...extras import needs_extra
from ...models.timesenclip.bands_timesenclip import SCENE_CLASSES, read_name
from ...models.timesenclip.radiometry_timesenclip import DN_PER_REFLECTANCE, baseline_offset
from .rasters import one_offset

with needs_extra("map"):
    import pystac

# How providers who subtract the offset themselves tell it: Earth Search, version 1 and 0.
OFFSET_APPLIED = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied")
# Planetary Computer and Earth Search; Copernicus Data Space; Earth Search, version 0.
BASELINES = ("s2:processing_baseline", "processing:version", "sentinel:processing_baseline")
PRODUCT_NAMES = ("s2:product_uri", "sentinel:product_id", "title")
_BASELINE = re.compile(r"N?\d\d\.\d\d|N\d{4}")
_NAMED_BASELINE = re.compile(r"_(N\d{4})_")
_METRES = re.compile(r"(?<!\d)(\d0)m$", re.IGNORECASE)
# Rank of a size of pixels that an asset does not tell: behind those that do.
UNKNOWN_SIZE = 1e9
# What Sentinel-2 L2A holds, where an item does not tell it.
DEFAULT_KIND, DEFAULT_NODATA = "uint16", 0.0


@dataclass(frozen=True)
class Scene:
    """Hold an item whose assets are called B02 ... B12 and SCL.

    Attributes:
        item: with those assets only, and without links.
        time: of the acquisition, UTC.
        baseline: of the processing, "" where it is not known.
        offset: to subtract from the numbers, NaN where it is not known.
        kind: data type of the reflectance.
    """

    item: pystac.Item
    time: np.datetime64
    baseline: str
    offset: float
    nodata: float
    kind: str

    @property
    def bands(self) -> set[str]:
        """Return the names of the assets."""
        return set(self.item.assets)

    @property
    def crs(self) -> str | None:
        """Return the CRS that the item or its assets name."""
        owners = [self.item.properties, *(asset.extra_fields for asset in self.item.assets.values())]
        spellings = {"proj:code": "{}", "proj:epsg": "EPSG:{}", "proj:wkt2": "{}"}
        named = (text.format(owner[key]) for owner in owners for key, text in spellings.items() if owner.get(key))
        return next(named, None)


def read_scene(item: pystac.Item, folder: Path | None) -> Scene:
    """Read an item of any provider of Sentinel-2 L2A, whose relative addresses begin at a folder.

    Raises:
        FileNotFoundError: an asset is a file that does not exist.
        ValueError: no asset is a Sentinel-2 band, the item has no date, or its bands have different offsets.
    """
    assets = _assets_by_band(item)
    if not set(assets) - {SCENE_CLASSES}:
        names = ", ".join(item.assets) or "none"
        raise ValueError(f"The item {item.id} has no asset of a Sentinel-2 band, only {names}: give L2A reflectance.")
    time = item.datetime or item.common_metadata.start_datetime
    if time is None:
        raise ValueError(f"The item {item.id} has no date: give each item its `datetime`.")
    grid = {key: value for key, value in item.properties.items() if key.startswith("proj:")}
    copy = pystac.Item(item.id, item.geometry, item.bbox, time, grid, stac_extensions=item.stac_extensions)
    for band, asset in assets.items():
        grid = {key: value for key, value in asset.extra_fields.items() if key.startswith("proj:") or key == "gsd"}
        address = _address(item, asset, folder)
        copy.add_asset(band, pystac.Asset(address, media_type=asset.media_type, roles=["data"], extra_fields=grid))
    stored = [_stored(asset) for band, asset in assets.items() if band != SCENE_CLASSES]
    nodata = [fields.get("nodata") for fields in stored]  # STAC allows "nan" too
    return Scene(
        item=copy,
        time=np.datetime64(time.replace(tzinfo=None), "ns"),
        baseline=_baseline(item),
        offset=_offset(item, stored),
        nodata=next((float(value) for value in nodata if isinstance(value, (int, float))), DEFAULT_NODATA),
        kind=next((str(fields["data_type"]) for fields in stored if fields.get("data_type")), DEFAULT_KIND),
    )


def _assets_by_band(item: pystac.Item) -> dict[str, pystac.Asset]:
    """Choose for each band the asset whose own name tells it rather than its description, and the finest of several."""
    ranked: dict[str, tuple[tuple[bool, float], pystac.Asset]] = {}
    for key, asset in item.assets.items():
        named = read_name(key).band
        band = named or _described_band(asset)
        rank = (named is None, pixel_size(key, asset))
        if band is not None and (band not in ranked or rank < ranked[band][0]):
            ranked[band] = rank, asset
    return {band: asset for band, (_, asset) in ranked.items()}


def _described_band(asset: pystac.Asset) -> str | None:
    """Return the only band that an asset describes, by `bands` of STAC 1.1 or `eo:bands` of the extension before."""
    described = asset.extra_fields.get("bands") or asset.extra_fields.get("eo:bands") or []
    if len(described) != 1:
        return None
    # Names first: "rededge" is the common name of three bands.
    names = [described[0].get(key) for key in ("name", "common_name", "eo:common_name")]
    return next((band for name in names if name and (band := read_name(str(name)).band)), None)


def _stored(asset: pystac.Asset) -> dict[str, Any]:
    """Read how the numbers are stored: `scale`, `offset`, `nodata` and `data_type`, of any version of STAC."""
    fields = asset.extra_fields
    stored: dict[str, Any] = {}
    for source in (fields, *fields.get("bands", [])[:1], *fields.get("raster:bands", [])[:1]):
        told = {key: source.get(key, source.get(f"raster:{key}")) for key in ("scale", "offset", "nodata", "data_type")}
        stored |= {key: value for key, value in told.items() if value is not None}
    return stored


def _offset(item: pystac.Item, stored: list[dict[str, Any]]) -> float:
    """Return what to subtract from the numbers of an item.

    Earth Search describes an offset of -0.1 in every item, also of products that never had one, and where it has
    subtracted it; so its own flag comes first, then the baseline, and what the assets describe last.
    """
    if any(item.properties.get(key) is True for key in OFFSET_APPLIED):
        return 0.0
    by_baseline = baseline_offset(_baseline(item) or None)
    if by_baseline == 0:
        return 0.0
    described = []
    for fields in stored:
        if isinstance(fields.get("offset"), (int, float)):
            scale = float(fields.get("scale", 1 / DN_PER_REFLECTANCE))
            if not np.isclose(scale * DN_PER_REFLECTANCE, 1):
                steps = f"{scale:g} instead of {1 / DN_PER_REFLECTANCE:g}"
                raise ValueError(f"The item {item.id} holds reflectance in steps of {steps}: rescale it.")
            described.append(round(-float(fields["offset"]) / scale, 6) + 0.0)  # no negative zero
    offset = one_offset(described, item.id)
    return by_baseline if offset is None else offset


def _baseline(item: pystac.Item) -> str:
    versions = [str(item.properties.get(key) or "") for key in BASELINES]
    told = [version for version in versions if _BASELINE.fullmatch(version)]  # other software has versions too
    names = [str(item.properties.get(key) or "") for key in PRODUCT_NAMES]
    told += [match[1] for name in (*names, item.id) if (match := _NAMED_BASELINE.search(name))]
    return told[0] if told else ""


def pixel_size(name: str, asset: pystac.Asset) -> float:
    """Return the metres of a pixel of an asset, `UNKNOWN_SIZE` where neither its fields nor its name tell."""
    fields = asset.extra_fields
    sizes = [fields.get("gsd"), fields.get("raster:spatial_resolution"), *(fields.get("proj:transform") or [])[:1]]
    sizes += [band.get("spatial_resolution") for band in (fields.get("raster:bands") or [])[:1]]
    if match := _METRES.search(name):
        sizes.append(float(match[1]))
    return next((abs(float(size)) for size in sizes if size), UNKNOWN_SIZE)


def _address(item: pystac.Item, asset: pystac.Asset, folder: Path | None) -> str:
    """Return where an asset lies; a file must exist, so that a gap is told before hours of work."""
    address = asset.get_absolute_href() or asset.href
    parts = urlsplit(address)
    if parts.scheme not in ("", "file") and not (len(parts.scheme) == 1 and parts.scheme.isalpha()):
        return address
    path = (folder or Path()) / (unquote(parts.path) if parts.scheme == "file" else address)
    if not path.is_file():
        raise FileNotFoundError(f"An asset of the item {item.id} is missing, there is no file {path}: fetch it again.")
    return str(path.absolute())
