"""STAC to one cube: a search of an API, or items that were saved, mosaicked by odc-stac, piece by piece."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from transformers.utils import logging

from ...extras import needs_extra
from ...models.timesenclip.bands_timesenclip import BANDS, SCENE_CLASSES
from .assembly import StackWindow
from .reading import assemble_cube
from .selection import Box, Chunks, read_box, read_chunks, read_period
from .sources import FINEST_PIXEL, read_crs
from .stac_items import UNKNOWN_RESOLUTION, Scene, read_scene

with needs_extra("map"):
    import dask.array as da
    import odc.stac
    import pystac
    import pystac_client
    import xarray as xr
    from pystac_client.exceptions import APIError
    from requests.exceptions import RequestException

logger = logging.get_logger(__name__)

# Name of the collection in Earth Search, in Planetary Computer and in the Copernicus Data Space.
DEFAULT_COLLECTION = "sentinel-2-l2a"
# What Sentinel-2 L2A holds, where an item does not say it.
DEFAULT_KIND = "uint16"
DEFAULT_NODATA = 0.0
# Side of the pieces of a cube that is loaded at once: as many are read at the same time as there are processors.
EAGER_SIDE = 1024
# Degrees of longitude that the sun passes in an hour.
DEGREES_PER_HOUR = 15.0


def open_stac(
    source: str | PathLike[str],
    *,
    collection: str | None = None,
    bbox: Box | str | None = None,
    dates: str | None = None,
    crs: str | None = None,
    resolution: float | None = None,
    chunks: Chunks | None = None,
    max_cloud_cover: float | None = None,
    patch_url: Callable[[str], str] | None = None,
) -> xr.Dataset:
    """Reads Sentinel-2 L2A out of a STAC API, or out of a saved item collection, into one cube.

    The items of one day become one look; where they overlap, the newest processing comes first. Assets are found by
    the names of any provider ("red", "B04", "B04_10m"). Each look keeps its own offset, which its items tell by
    Earth Search's flag, their processing baseline or their `raster:bands`; items of one day with different offsets
    are brought to one. Pixels are taken by nearest neighbour.

    Args:
        source: address of an API ("https://earth-search.aws.element84.com/v1"), or file of an item collection, an
            item, or a catalog.
        collection: to search, "sentinel-2-l2a" when left out; of a file, all.
        bbox: west, south, east, north in degrees; what the items cover when left out, which an API does not allow.
        dates: "2021", "2021-04/2021-09" or "2021-04-15/2021-09-30"; an API must be told.
        crs: of the cube; the items' when left out, which must then be the same.
        resolution: of the cube, in the units of the CRS; the items' finest when left out.
        chunks: as [`open_cube`] takes them.
        max_cloud_cover: leave out items with more per cent of cloud.
        patch_url: makes an address readable when it is read, such as `planetary_computer.sign`.

    Returns:
        What [`open_cube`] returns.

    Raises:
        FileNotFoundError: the file, or that of an asset, does not exist.
        ConnectionError: the API does not answer.
        ValueError: nothing is found, or the items do not make one cube; the sentence says why.
    """
    sides = read_chunks(EAGER_SIDE if chunks is None else chunks)
    box = None if bbox is None else read_box(bbox)
    items, folder = _find(str(source), collection, box, dates)
    chosen = [item for item in items if _is_wanted(item, collection, box, dates, max_cloud_cover)]
    if not chosen:
        asked = {"bbox": bbox, "dates": dates, "collection": collection, "max_cloud_cover": max_cloud_cover}
        said = ", ".join(f"{name} {value}" for name, value in asked.items() if value is not None)
        raise ValueError(f"{source} has no item for {said or 'anything'} ({len(items)} were found): widen the search.")
    scenes = [read_scene(item, folder) for item in chosen]
    cube = _cube_of(scenes, box, crs, resolution, sides, patch_url)
    return cube.load() if chunks is None else cube


@dataclass(frozen=True)
class Looks:
    """The bands of a cube that come from scenes; a slice of it reads them, so that dask may hold it for an array.

    Attributes:
        scenes: in the order in which they are laid over each other, of each look.
        looks: place of each scene along the cube's time axis.
        shifts: to add to a scene's numbers so that they have their look's offset.
        bands: names.
        shape: (time, band, y, x).
        dtype: of the bands.
        nodata: value that means "missing".
        grid: of the cube.
        patch_url: makes an address readable.
    """

    scenes: Sequence[Scene]
    looks: np.ndarray
    shifts: np.ndarray
    bands: Sequence[str]
    shape: tuple[int, int, int, int]
    dtype: np.dtype[Any]
    nodata: float
    grid: Any
    patch_url: Callable[[str], str] | None
    ndim = 4

    def __getitem__(self, window: StackWindow) -> np.ndarray:
        looks, bands, rows, columns = window
        part = self.grid[rows, columns]
        values = np.full((*self.shape[:2], *part.shape), self.nodata, dtype=self.dtype)
        # Scenes of one look and one offset are merged by odc-stac; the first to fill a pixel keeps it.
        keys = list(zip(self.looks.tolist(), self.shifts.tolist(), strict=True))
        groups = list(dict.fromkeys(keys))
        number = {group: place for place, group in enumerate(groups)}
        loaded = self._load([number[key] for key in keys], part)
        for position, band in enumerate(self.bands):
            for place, (look, shift) in enumerate(groups):
                target, found = values[look, position], loaded[band].values[place]
                fresh = (target == self.nodata) & (found != self.nodata)
                target[fresh] = found[fresh] if shift == 0 else self._shifted(found[fresh], shift)
        return values[looks, bands]

    def _load(self, groups: Sequence[int], part: Any) -> xr.Dataset:
        """Each band (group, y, x) of a part of the grid."""
        loaded: xr.Dataset = odc.stac.load(
            [scene.item for scene in self.scenes],
            bands=list(self.bands),
            geobox=part,
            groupby=lambda item, parsed, index: groups[index],
            preserve_original_order=True,
            resampling="nearest",
            dtype=str(self.dtype),
            nodata=self.nodata,
            patch_url=self.patch_url,
        )
        return loaded

    def _shifted(self, values: np.ndarray, shift: float) -> np.ndarray:
        """Never beyond the type's largest number, which saturated values come close to."""
        if self.dtype.kind == "f":
            return np.asarray(values + self.dtype.type(shift))
        highest = np.iinfo(self.dtype).max
        return np.asarray(np.minimum(values.astype(np.int64) + round(shift), highest), dtype=self.dtype)


def _find(
    source: str, collection: str | None, box: tuple[float, float, float, float] | None, dates: str | None
) -> tuple[list[pystac.Item], Path | None]:
    """Items, and the folder where their relative addresses begin."""
    if source.startswith(("http://", "https://")):
        return _search(source, collection or DEFAULT_COLLECTION, box, dates), None
    path = Path(source)
    if not path.is_file():
        raise FileNotFoundError(f"No such file: {path}.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["type"] == "FeatureCollection":
            items = list(pystac.ItemCollection.from_dict(content))
        elif content["type"] == "Feature":
            items = [pystac.Item.from_dict(content, href=str(path.absolute()))]
        else:
            items = list(pystac.Catalog.from_file(str(path.absolute())).get_items(recursive=True))
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        OSError,
        pystac.STACError,
        pystac.STACTypeError,
    ) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"{path.name} is no STAC item collection, item or catalog ({type(error).__name__}: {reason}): save the "
            "search with `ItemCollection.save_object`."
        ) from None
    return items, path.absolute().parent


def _search(
    url: str, collection: str, box: tuple[float, float, float, float] | None, dates: str | None
) -> list[pystac.Item]:
    if box is None or dates is None:
        raise ValueError(f"A search of {url} needs a place and a time: give `bbox` and `dates`.")
    first, last = read_period(dates)
    try:
        client = pystac_client.Client.open(url)
        period = f"{first}T00:00:00Z/{last}T23:59:59Z"
        return list(client.search(collections=[collection], bbox=box, datetime=period).items())
    except (APIError, RequestException, ValueError, LookupError, pystac.STACError, pystac.STACTypeError) as error:
        raise ConnectionError(f"{url} does not answer as a STAC API ({_reason(error)}): check the address.") from None


def _reason(error: Exception) -> str:
    """In a few words: what requests says of a lost connection is longer than a line."""
    if isinstance(error, (APIError, RequestException)):
        status = getattr(error, "status_code", None)
        return f"status {status}" if status else "no connection"
    return str(error).splitlines()[0][:100] if str(error) else type(error).__name__


def _is_wanted(
    item: pystac.Item,
    collection: str | None,
    box: tuple[float, float, float, float] | None,
    dates: str | None,
    max_cloud_cover: float | None,
) -> bool:
    """Whether a saved item is what was asked for; what an API has found is looked at again."""
    if collection is not None and item.collection_id != collection:
        return False
    if dates is not None and item.datetime is not None:
        first, last = read_period(dates)
        if not first <= np.datetime64(item.datetime.date(), "D") <= last:
            return False
    if box is not None and item.bbox is not None:
        west, south, east, north = item.bbox if len(item.bbox) == 4 else [*item.bbox[:2], *item.bbox[3:5]]
        if west > box[2] or east < box[0] or south > box[3] or north < box[1]:
            return False
    clouds = item.properties.get("eo:cloud_cover")
    return max_cloud_cover is None or clouds is None or float(clouds) <= max_cloud_cover


def _cube_of(
    scenes: list[Scene],
    box: tuple[float, float, float, float] | None,
    crs: str | None,
    resolution: float | None,
    sides: tuple[int, int],
    patch_url: Callable[[str], str] | None,
) -> xr.Dataset:
    nodata, dtype = _nodata_and_dtype(scenes)
    grid = _grid(scenes, box, crs, resolution)
    # The newest processing of a day comes first, so that it fills the pixels.
    scenes = sorted(scenes, key=lambda scene: scene.baseline.removeprefix("N").replace(".", ""), reverse=True)
    axis, looks = np.unique(_solar_days(scenes), return_inverse=True)
    times = [
        min(scene.time for scene, own in zip(scenes, looks, strict=True) if own == look) for look in range(len(axis))
    ]
    offsets, shifts = _common_offsets(np.asarray([scene.offset for scene in scenes]), looks)
    bands = [band for band in BANDS if any(band in scene.bands for scene in scenes)]
    lacking = [scene.item.id for scene in scenes if not set(bands) <= scene.bands]
    if lacking:
        logger.warning(f"{len(lacking)} items lack a band, {lacking[0]} among them: it counts as missing.")

    def read(names: list[str], dtype: np.dtype[Any], nodata: float, shifts: np.ndarray) -> Any:
        shape = (len(axis), len(names), *grid.shape)
        array = Looks(scenes, looks, shifts, names, shape, dtype, nodata, grid, patch_url)
        empty = np.empty((0,) * 4, dtype=dtype)
        whole = (*shape[:2], *sides)
        return da.from_array(array, chunks=whole, name=False, asarray=False, fancy=False, meta=empty)

    classified = any(SCENE_CLASSES in scene.bands for scene in scenes)
    down, across = (grid.coordinates[name].values for name in grid.dimensions)
    return assemble_cube(
        read(bands, dtype, nodata, shifts),
        read([SCENE_CLASSES], np.dtype(np.uint8), 0.0, np.zeros(len(scenes)))[:, 0] if classified else None,
        {"time": np.asarray(times), "band": bands, "y": down, "x": across},
        offsets,
        nodata,
        f"EPSG:{grid.crs.epsg}" if grid.crs.epsg else grid.crs.to_wkt(),
    )


def _grid(
    scenes: Sequence[Scene],
    box: tuple[float, float, float, float] | None,
    crs: str | None,
    resolution: float | None,
) -> Any:
    """Grid of the cube: the items' own, or what was asked for."""
    named = {scene.crs: scene.item.id for scene in scenes}
    if crs is None and None in named:
        raise ValueError(f'The item {named[None]} names no coordinate reference system: say which, crs="EPSG:32631".')
    own = {read_crs(name) for name in named if name is not None}
    if crs is None and len(own) > 1:
        listed = ", ".join(sorted(one.to_string()[:40] for one in own))
        raise ValueError(f"The items lie in several coordinate reference systems ({listed}): choose one with `crs`.")
    wanted = None if crs is None else read_crs(crs)
    finest = min(
        ((scene.resolution(band), band) for scene in scenes for band in scene.bands - {SCENE_CLASSES}),
        key=lambda pair: pair[0],
    )
    if wanted is not None and resolution is None and own != {wanted}:
        if not wanted.is_projected or wanted.linear_units_factor[1] != 1:
            raise ValueError(f"{crs} does not count in metres: say the size of a pixel in its units, `resolution`.")
        resolution = FINEST_PIXEL if finest[0] == UNKNOWN_RESOLUTION else finest[0]
    items = list(odc.stac.parse_items([scene.item for scene in scenes]))
    grid = odc.stac.output_geobox(
        items, bands=[finest[1]], bbox=box, crs=None if wanted is None else wanted.to_wkt(), resolution=resolution
    )
    if grid is None:
        raise ValueError("The items do not tell the grid of their assets: say `crs` and `resolution`.")
    return grid


def _solar_days(scenes: Sequence[Scene]) -> np.ndarray:
    """The day of each scene by the sun: by UTC, a pass near the date line would be two."""
    boxes = [scene.item.bbox for scene in scenes if scene.item.bbox]
    middle = float(np.mean([(box[0] + box[len(box) // 2]) / 2 for box in boxes])) if boxes else 0.0
    times = np.asarray([scene.time for scene in scenes])
    return (times + np.timedelta64(round(middle / DEGREES_PER_HOUR * 3600), "s")).astype("datetime64[D]")


def _common_offsets(offsets: np.ndarray, looks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each look the highest offset of its scenes, and for each scene what to add to its numbers.

    Numbers are raised, never lowered: below zero is nothing that an unsigned type can hold. An offset that nobody
    knows stays what it is.
    """
    highest = np.full(looks.max() + 1, np.nan)
    for look, offset in zip(looks, offsets, strict=True):
        highest[look] = np.fmax(highest[look], offset)
    return highest, np.nan_to_num(highest[looks] - offsets)


def _nodata_and_dtype(scenes: Sequence[Scene]) -> tuple[float, np.dtype[Any]]:
    stored = {
        (DEFAULT_NODATA if scene.nodata is None else scene.nodata, scene.kind or DEFAULT_KIND): scene.item.id
        for scene in scenes
    }
    if len(stored) > 1:
        listed = "; ".join(f"{name}: {kind} with no data {nodata:g}" for (nodata, kind), name in stored.items())
        raise ValueError(f"The items are stored in several ways ({listed}): give items of one collection.")
    ((nodata, kind),) = stored
    dtype = np.dtype(kind)
    if dtype.kind not in "iuf" or dtype.itemsize == 1:
        raise ValueError(f"The items hold {kind} values, which cannot be reflectance.")
    return nodata, dtype
