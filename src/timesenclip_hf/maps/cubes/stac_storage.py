"""Tell in which type and with which value for no data the assets of STAC items are stored."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from ...extras import needs_extra
from ...files import first_line
from ...gate.rasters import open_address, open_raster
from ...models.timesenclip.bands_timesenclip import SCENE_CLASSES
from .stac_items import Scene, Storage

with needs_extra("map"):
    from rasterio.errors import RasterioIOError

PatchUrl: TypeAlias = Callable[[str], str] | None
# Collections of ESA's L2A products in any place: 0 is no data of their uint16, as ESA writes it.
SENTINEL_2_L2A = ("sentinel-2-l2a", "sentinel-2-c1-l2a", "sentinel-2-pre-c1-l2a", "sentinel-s2-l2a-cogs", "sentinel-2")
ESA_STORAGE = ("uint16", 0.0)


def with_storage(scenes: Sequence[Scene], patch_url: PatchUrl) -> list[Scene]:
    """Give each scene the type of its numbers and its no data: as its item tells, as its file tells, or as ESA writes.

    Files of this machine are opened all; of a collection elsewhere one is.

    Raises:
        ConnectionError: a file elsewhere cannot be read.
        ValueError: a file of this machine cannot be read as a raster.
    """
    known: dict[str | None, Storage] = {}
    completed = []
    for scene in scenes:
        told = Storage(scene.kind, scene.nodata)
        if told.kind is None or told.nodata is None:
            stored = _storage_of(scene, known, patch_url)
            told = Storage(told.kind or stored.kind, stored.nodata if told.nodata is None else told.nodata)
        told = told.complete
        completed.append(replace(scene, kind=told.kind, nodata=told.nodata))
    return completed


def _storage_of(scene: Scene, known: dict[str | None, Storage], patch_url: PatchUrl) -> Storage:
    address = next(asset.href for band, asset in scene.item.assets.items() if band != SCENE_CLASSES)
    if "://" not in address:
        with open_raster(address) as raster:
            return Storage(raster.dtypes[0], raster.nodatavals[0])
    collection = scene.collection
    if (collection or "").lower() in SENTINEL_2_L2A or scene.baseline:
        return Storage(*ESA_STORAGE)
    if collection not in known:
        try:
            with open_address(address if patch_url is None else patch_url(address)) as raster:
                known[collection] = Storage(raster.dtypes[0], raster.nodatavals[0])
        except RasterioIOError as error:
            raise ConnectionError(
                f"The item {scene.item.id} does not tell how its numbers are stored, and {address[:80]} cannot be read "
                f"({first_line(error)[:80]}): check the address, or add `raster:bands` to the items."
            ) from None
    return known[collection]
