"""Read STAC items into one cube, mosaicked by odc-stac, piece by piece."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from transformers.utils import logging

from ...extras import needs_extra
from ...gate.crs import read_crs
from ...gate.remote import GatedDriver
from ...models.timesenclip.bands_timesenclip import BANDS, SCENE_CLASSES
from ...words import damage_told
from .grids import Grid, grid_of
from .layers import StackWindow, dask_over
from .notes import with_notes
from .quality import quality_table
from .reading import assemble_cube, merge_layers
from .selection import Chunks, read_chunks
from .stac_items import UNKNOWN_SIZE, Scene, is_landsat, pixel_size, read_scene
from .stac_search import StacQuery, find_items
from .stac_storage import PatchUrl, with_storage
from .stac_zarr import has_zarr, zarr_layers

with needs_extra("map"):
    import odc.stac
    import pystac
    import xarray as xr

logger = logging.get_logger(__name__)

# Metres of Sentinel-2's finest pixels, where no item tells its own.
FINEST_PIXEL = 10.0
# Side of the pieces of a cube that is loaded at once: as many are read at the same time as there are processors.
EAGER_SIDE = 1024
# Degrees of longitude that the sun passes in an hour.
DEGREES_PER_HOUR = 15.0

EVERYTHING = StacQuery()


def open_stac(
    source: str | PathLike[str],
    query: StacQuery = EVERYTHING,
    *,
    chunks: Chunks | None = None,
    patch_url: PatchUrl = None,
) -> xr.Dataset:
    """Read Sentinel-2 L2A out of a STAC API, or a saved item collection, into a cube as [`open_cube`] returns it.

    The items of one day become one acquisition; where they overlap, the newest processing comes first. Assets are found
    by the names of any provider ("red", "B04", "B04_10m"). Each acquisition keeps its own offset, which its items tell
    by Earth Search's flag, their processing baseline or their `raster:bands`; items of one day with different offsets
    are brought to one. Pixels are taken by nearest neighbour. Items whose assets lie in Zarr stores of this machine are
    read as these products are, one tile a cube.

    Args:
        source: address of an API ("https://earth-search.aws.element84.com/v1"), or file of an item collection, an
            item, or a catalog.
        query: which items are wanted, and the grid of the cube.
        chunks: leave the values where they are, as dask arrays of this side in pixels, or `{"y": 512, "x": 512}`.
        patch_url: makes an address readable when it is read, such as `planetary_computer.sign`.

    Raises:
        FileNotFoundError: the file, or that of an asset, does not exist.
        ConnectionError: the API does not answer.
        ValueError: nothing is found, or the items do not make one cube; the sentence says why.
    """
    sides = read_chunks(EAGER_SIDE if chunks is None else chunks)
    with damage_told(source):
        items, base = find_items(str(source), query)
    notes = []
    if landsat := [item for item in items if is_landsat(item)]:
        notes.append(f"{len(landsat)} items of Landsat are left aside, {landsat[0].id} among them.")
        items = [item for item in items if not is_landsat(item)]
    if landsat and not items:
        raise ValueError(f"All {len(landsat)} items are of Landsat, whose bands are others: give Sentinel-2 L2A.")
    if any(has_zarr(item) for item in items):
        return _zarr_cube(items, base, query, None if chunks is None else sides)
    with damage_told(f"An item of {source}"):
        scenes = with_storage([read_scene(item, base) for item in items], patch_url)
        cube = _cube_of(scenes, query, sides, patch_url, notes)
    return cube.load() if chunks is None else cube


def _zarr_cube(
    items: list[pystac.Item], base: Path | str, query: StacQuery, sides: tuple[int, int] | None
) -> xr.Dataset:
    """Read items whose bands lie in Zarr stores, on their own grid."""
    cube = merge_layers(zarr_layers(items, base), query.crs, query.box, sides)
    if query.resolution is not None and query.resolution != grid_of(cube).across:
        raise ValueError(
            f"Zarr stores are read on their own grid, of {grid_of(cube).across:g}: leave `resolution` out."
        )
    return cube.load() if sides is None else cube


@dataclass(frozen=True)
class AcquisitionStack:
    """Stack the bands of scenes; a slice of it reads them, so that dask may hold it in place of an array.

    Attributes:
        scenes: in the order in which those of one acquisition are laid over each other.
        acquisitions: index of each scene along the cube's time axis.
        shifts: to add to a scene's numbers so that they have their acquisition's offset.
        shape: (time, band, y, x).
        geobox: of the cube.
    """

    scenes: Sequence[Scene]
    acquisitions: np.ndarray
    shifts: np.ndarray
    bands: Sequence[str]
    shape: tuple[int, int, int, int]
    dtype: np.dtype[Any]
    nodata: float
    geobox: Any
    patch_url: PatchUrl
    ndim = 4

    def __getitem__(self, window: StackWindow) -> np.ndarray:
        times, bands, rows, columns = window
        part = self.geobox[rows, columns]
        values = np.full((*self.shape[:2], *part.shape), self.nodata, dtype=self.dtype)
        # Scenes of one acquisition and one offset are merged by odc-stac; the first to fill a pixel keeps it.
        keys = list(zip(self.acquisitions.tolist(), self.shifts.tolist(), strict=True))
        groups = {key: index for index, key in enumerate(dict.fromkeys(keys))}
        indices = [groups[key] for key in keys]
        with damage_told("A raster of the items"):
            loaded: xr.Dataset = odc.stac.load(
                [scene.item for scene in self.scenes],
                bands=list(self.bands),
                geobox=part,
                groupby=lambda item, parsed, index: indices[index],
                preserve_original_order=True,
                resampling="nearest",
                dtype=str(self.dtype),
                nodata=self.nodata,
                patch_url=self.patch_url,
                driver=GatedDriver(),
            )
        for column, band in enumerate(self.bands):
            for (time, shift), group in groups.items():
                target, read = values[time, column], loaded[band].values[group]
                fresh = self._is_missing(target) & ~self._is_missing(read)
                target[fresh] = read[fresh] if shift == 0 else self._shifted(read[fresh], shift)
        return values[times, bands]

    def _is_missing(self, values: np.ndarray) -> np.ndarray:
        return np.isnan(values) if np.isnan(self.nodata) else np.asarray(values == self.nodata)

    def _shifted(self, values: np.ndarray, shift: float) -> np.ndarray:
        """Add a shift, never beyond the type's largest number, which saturated values come close to."""
        if self.dtype.kind == "f":
            return np.asarray(values + self.dtype.type(shift))
        highest = np.iinfo(self.dtype).max
        return np.asarray(np.minimum(values.astype(np.int64) + round(shift), highest), dtype=self.dtype)


def _cube_of(
    scenes: list[Scene], query: StacQuery, sides: tuple[int, int], patch_url: PatchUrl, notes: list[str]
) -> xr.Dataset:
    nodata, dtype = _nodata_and_dtype(scenes)
    geobox = _geobox(scenes, query)
    # The newest processing of a day comes first, so that it fills the pixels.
    scenes = sorted(scenes, key=lambda scene: scene.baseline.removeprefix("N").replace(".", ""), reverse=True)
    days, indices = np.unique(_solar_days(scenes), return_inverse=True)
    times = np.asarray([scene.time for scene in scenes])
    first = [times[indices == index].min() for index in range(len(days))]
    offsets, shifts = _common_offsets(np.asarray([scene.offset for scene in scenes]), indices)
    bands = [band for band in BANDS if any(band in scene.bands for scene in scenes)]
    if lacking := [scene.item.id for scene in scenes if not set(bands) <= scene.bands]:
        notes.append(f"{len(lacking)} items lack a band, {lacking[0]} among them: it counts as missing.")
        logger.warning(notes[-1])
    reasons = [
        "; ".join(dict.fromkeys(scenes[at].reason for at in np.flatnonzero(indices == day))) for day in range(len(days))
    ]

    def read(names: list[str], dtype: np.dtype[Any], nodata: float, shifts: np.ndarray) -> Any:
        shape = (len(days), len(names), *geobox.shape)
        stack = AcquisitionStack(scenes, indices, shifts, names, shape, dtype, nodata, geobox, patch_url)
        return dask_over(stack, sides)

    def read_classes() -> Any | None:
        masks = {scene.mask for scene in scenes if SCENE_CLASSES in scene.bands}
        if len(masks) > 1:
            raise ValueError("Some items have scene classes and others a mask: give items of one collection.")
        table = quality_table("".join(masks))
        fill = 0.0 if table is None else float(np.iinfo(np.uint8).max)  # a mask may say "clear" by 0
        classes = read([SCENE_CLASSES], np.dtype(np.uint8), fill, np.zeros(len(scenes)))[:, 0]
        return None if not masks else classes if table is None else classes.map_blocks(table.__getitem__, dtype="u1")

    y, x = (geobox.coordinates[name].values for name in geobox.dimensions)
    cube = assemble_cube(
        read(bands, dtype, nodata, shifts),
        read_classes(),
        {"time": np.asarray(first), "band": bands, "y": y, "x": x},
        offsets,
        nodata,
        f"EPSG:{geobox.crs.epsg}" if geobox.crs.epsg else geobox.crs.to_wkt(),
        Grid(y, x, (geobox.resolution.y, geobox.resolution.x)),
    )
    return with_notes(cube, notes, reasons)


def _geobox(scenes: Sequence[Scene], query: StacQuery) -> Any:
    """Return the grid of the cube: the items' own, or what was asked for."""
    crs, resolution = query.crs, query.resolution
    named = {scene.crs: scene.item.id for scene in scenes}
    if crs is None and None in named:
        raise ValueError(f'The item {named[None]} names no coordinate reference system: say which, crs="EPSG:32631".')
    systems = {read_crs(name) for name in named if name is not None}
    if crs is None and len(systems) > 1:
        listed = ", ".join(sorted(system.to_string()[:40] for system in systems))
        raise ValueError(f"The items lie in several coordinate reference systems ({listed}): choose one with `crs`.")
    wanted = None if crs is None else read_crs(crs)
    assets = [pair for scene in scenes for pair in scene.item.assets.items() if pair[0] != SCENE_CLASSES]
    band, asset = min(assets, key=lambda pair: pixel_size(*pair))
    if wanted is not None and resolution is None and systems != {wanted}:
        if not wanted.is_projected or wanted.linear_units_factor[1] != 1:
            raise ValueError(f"{crs} does not count in metres: say the size of a pixel in its units, `resolution`.")
        size = pixel_size(band, asset)
        resolution = FINEST_PIXEL if size == UNKNOWN_SIZE else size
    items = list(odc.stac.parse_items([scene.item for scene in scenes]))
    target = None if wanted is None else wanted.to_wkt()
    geobox = odc.stac.output_geobox(items, bands=[band], bbox=query.box, crs=target, resolution=resolution)
    if geobox is None:
        raise ValueError("The items do not tell the grid of their assets: say `crs` and `resolution`.")
    return geobox


def _solar_days(scenes: Sequence[Scene]) -> np.ndarray:
    """Return the day of each scene by the sun: by UTC, a pass near the date line would be two."""
    boxes = [scene.item.bbox for scene in scenes if scene.item.bbox]
    sides = [(box[0], box[len(box) // 2] + (360.0 if box[0] > box[len(box) // 2] else 0.0)) for box in boxes]
    middle = float(np.mean(sides)) if sides else 0.0
    times = np.asarray([scene.time for scene in scenes])
    return (times + np.timedelta64(round(middle / DEGREES_PER_HOUR * 3600), "s")).astype("datetime64[D]")


def _common_offsets(offsets: np.ndarray, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each acquisition the highest offset of its scenes, and for each scene what to add to its numbers.

    Numbers are raised, never lowered: below zero is nothing that an unsigned type can hold. An offset that nobody
    knows stays what it is.
    """
    highest = np.full(indices.max() + 1, np.nan)
    np.fmax.at(highest, indices, offsets)
    return highest, np.nan_to_num(highest[indices] - offsets)


def _nodata_and_dtype(scenes: Sequence[Scene]) -> tuple[float, np.dtype[Any]]:
    stored = {f"{scene.kind} with no data {scene.nodata}": scene for scene in scenes}
    if len(stored) > 1:
        listed = "; ".join(f"{scene.item.id}: {text}" for text, scene in stored.items())
        raise ValueError(f"The items are stored in several ways ({listed}): give items of one collection.")
    kind, nodata = scenes[0].kind, scenes[0].nodata
    assert kind is not None  # of both, `with_storage` leaves none
    assert nodata is not None
    dtype = np.dtype(kind)
    if dtype.kind not in "iuf" or dtype.itemsize == 1:
        raise ValueError(f"The items hold {kind} values, which cannot be reflectance.")
    return nodata, dtype
