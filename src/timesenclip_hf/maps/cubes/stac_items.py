"""Read a STAC item of any provider: which asset is which band, the offset of its numbers, its CRS and its day."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...extras import needs_extra
from ...gate.addresses import admit_asset
from ...gate.crs import read_crs
from ...models.timesenclip.bands_timesenclip import SCENE_CLASSES, read_bands
from ...models.timesenclip.offsets_timesenclip import baseline_offset
from ...models.timesenclip.units_timesenclip import DN_PER_REFLECTANCE
from .layers import FILLS
from .products import one_offset
from .quality import quality_table

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
CRS_FIELDS = {"proj:code", "proj:epsg", "proj:wkt2", "proj:projjson"}
# Rank of a size of pixels that an asset does not tell: behind those that do.
UNKNOWN_SIZE = 1e9
# Collections and products of Landsat, whose band numbers mean other bands.
_LANDSAT = re.compile(r"landsat|L30\b|\bL[COET]0[45789]_", re.IGNORECASE)


class Storage(NamedTuple):
    """Hold the type of numbers and the value for no data, None where nothing tells it."""

    kind: str | None
    nodata: float | None

    @property
    def complete(self) -> "Storage":
        """Fill in no data: 0 of unsigned numbers, as ESA has it, never of signed ones, whose 0 is dark water."""
        if self.kind is None or self.nodata is not None:
            return self
        letter = np.dtype(self.kind).kind
        return self._replace(nodata=0.0 if letter == "u" else float(FILLS.get(letter, np.nan)))


def described_storage(stored: Sequence[dict[str, Any]]) -> Storage:
    """Read what the descriptions of an item's bands tell."""
    kind = next((str(fields["data_type"]) for fields in stored if fields.get("data_type")), None)
    told = (fields.get("nodata") for fields in stored)
    nodata = next((float(value) for value in told if isinstance(value, (int, float)) or value == "nan"), None)
    return Storage(kind, nodata)


@dataclass(frozen=True)
class Scene:
    """Hold an item whose assets are called B02 ... B12 and SCL.

    Attributes:
        item: with those assets only, and without links.
        time: of the acquisition, UTC.
        baseline: of the processing, "" where it is not known.
        offset: to subtract from the numbers, NaN where it is not known.
        reason: what tells the offset, "" where nothing does.
        nodata: value that means "missing", None where the item does not tell it.
        kind: data type of the reflectance, None where the item does not tell it.
        collection: of the item.
        mask: name of the quality mask that stands for the scene classes, "" where they are there.
    """

    item: pystac.Item
    time: np.datetime64
    baseline: str
    offset: float
    reason: str
    nodata: float | None
    kind: str | None
    collection: str | None
    mask: str

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


def read_scene(item: pystac.Item, base: Path | str | None) -> Scene:
    """Read an item of any provider of Sentinel-2 L2A, whose relative addresses begin at `base`, a folder or a server.

    Raises:
        FileNotFoundError: an asset is a file that does not exist.
        ValueError: no asset is a Sentinel-2 band, the item has no date, its bands have different offsets, or an
            asset is none that may be read.
    """
    assets = _assets_by_band(item)
    if not set(assets) - {SCENE_CLASSES}:
        names = ", ".join(item.assets) or "none"
        raise ValueError(f"The item {item.id} has no asset of a Sentinel-2 band, only {names}: give L2A reflectance.")
    time = item.datetime or item.common_metadata.start_datetime
    if time is None:
        raise ValueError(f"The item {item.id} has no date: give each item its `datetime`.")
    grid = _grid_fields(item.properties)
    copy = pystac.Item(item.id, item.geometry, item.bbox, time, grid, stac_extensions=item.stac_extensions)
    for band, asset in assets.items():
        grid = _grid_fields(asset.extra_fields)
        address = admit_asset(asset.get_absolute_href() or asset.href, item.id, base)
        copy.add_asset(band, pystac.Asset(address, media_type=asset.media_type, roles=["data"], extra_fields=grid))
    stored = [_stored(asset) for band, asset in assets.items() if band != SCENE_CLASSES]
    described, (offset, reason) = described_storage(stored), _offset(item, stored)
    return Scene(
        item=copy,
        time=np.datetime64(time.replace(tzinfo=None), "ns"),
        baseline=_baseline(item),
        offset=offset,
        reason=reason,
        nodata=described.nodata,
        kind=described.kind,
        collection=item.collection_id,
        mask=_mask_of(item) if assets.get(SCENE_CLASSES) is item.assets.get(_mask_of(item)) else "",
    )


def _grid_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """Take the fields that tell a grid; raise ValueError where its CRS is none that is read."""
    for key in CRS_FIELDS & fields.keys():
        if fields[key]:
            read_crs(json.dumps(fields[key]) if isinstance(fields[key], dict) else fields[key])
    return {key: value for key, value in fields.items() if key.startswith("proj:") or key == "gsd"}


def is_landsat(item: pystac.Item) -> bool:
    """Tell whether an item is of Landsat: B05 of its names is near infrared."""
    platform = item.properties.get("platform") or item.properties.get("constellation")
    return any(_LANDSAT.search(str(text or "")) for text in (item.id, item.collection_id, platform))


def _assets_by_band(item: pystac.Item) -> dict[str, pystac.Asset]:
    """Choose for each band the asset whose own name tells it rather than its description, and the finest of several."""
    ranked: dict[str, tuple[tuple[bool, float], pystac.Asset]] = {}
    names = read_bands(list(item.assets))
    for (key, asset), named in zip(item.assets.items(), names, strict=True):
        band = named or _described_band(asset)
        rank = (named is None, pixel_size(key, asset))
        if band is not None and (band not in ranked or rank < ranked[band][0]):
            ranked[band] = rank, asset
    assets = {band: asset for band, (_, asset) in ranked.items()}
    if SCENE_CLASSES not in assets and (mask := _mask_of(item)):
        assets[SCENE_CLASSES] = item.assets[mask]
    return assets


def _mask_of(item: pystac.Item) -> str:
    """Return the name of the asset that is a quality mask, "" where there is none."""
    return next((key for key in item.assets if quality_table(key) is not None), "")


def _described_band(asset: pystac.Asset) -> str | None:
    """Return the only band that an asset describes, by `bands` of STAC 1.1 or `eo:bands` of the extension before."""
    described = asset.extra_fields.get("bands") or asset.extra_fields.get("eo:bands") or []
    if len(described) != 1:
        return None
    # Names first: "rededge" is the common name of three bands.
    names = [described[0].get(key) for key in ("name", "common_name", "eo:common_name")]
    return next((band for name in names if name and (band := read_bands([str(name)])[0])), None)


def _stored(asset: pystac.Asset) -> dict[str, Any]:
    """Read how the numbers are stored: `scale`, `offset`, `nodata` and `data_type`, of any version of STAC."""
    fields = asset.extra_fields
    stored: dict[str, Any] = {}
    for source in (fields, *fields.get("bands", [])[:1], *fields.get("raster:bands", [])[:1]):
        told = {key: source.get(key, source.get(f"raster:{key}")) for key in ("scale", "offset", "nodata", "data_type")}
        stored |= {key: value for key, value in told.items() if value is not None}
    return stored


def _offset(item: pystac.Item, stored: list[dict[str, Any]]) -> tuple[float, str]:
    """Return what to subtract from the numbers of an item, and what tells it.

    Earth Search describes an offset of -0.1 in every item, also of products that never had one, and where it has
    subtracted it; so its own flag comes first, then the baseline, and what the assets describe last.
    """
    if flag := next((key for key in OFFSET_APPLIED if item.properties.get(key) is True), None):
        return 0.0, f"{flag} is true, processing baseline {_baseline(item) or 'unknown'}"
    by_baseline, reason = baseline_offset(_baseline(item) or None), f"processing baseline {_baseline(item)}"
    if by_baseline == 0:
        return 0.0, reason
    described = []
    for fields in stored:
        if isinstance(fields.get("offset"), (int, float)):
            scale = float(fields.get("scale", 1 / DN_PER_REFLECTANCE))
            if not np.isclose(scale * DN_PER_REFLECTANCE, 1):
                steps = f"{scale:g} instead of {1 / DN_PER_REFLECTANCE:g}"
                raise ValueError(f"The item {item.id} holds reflectance in steps of {steps}: rescale it.")
            described.append(round(-float(fields["offset"]) / scale, 6) + 0.0)  # no negative zero
    offset = one_offset(described, item.id)
    if offset is not None:
        return offset, "offset of its bands"
    return by_baseline, "" if np.isnan(by_baseline) else reason


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
