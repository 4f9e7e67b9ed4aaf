"""Write classes and scores as cloud-optimised GeoTIFFs, window by window, with the names of the classes beside them."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

import numpy as np
from tqdm import tqdm

from ...extras import needs_extra
from ..cubes.grids import grid_of
from .legend import NO_CLASS, UNCERTAIN, LegendEntry, as_text, facts_of, legend_of

with needs_extra("map"):
    import rasterio
    import rasterio.shutil
    import xarray as xr
    from rasterio.io import DatasetWriter
    from rasterio.windows import Window

# Bands of the file of scores in this order, those that the map has.
SCORES = ("probability", "entropy", "margin", "clear_months", "novelty", "probability_coarse")
# Scores from 0 to 1 are stored in steps of 0.004 from 1 to 251; 0 is no data. Months are stored as they are: 0 of them
# is no data as well. Novelty has no bounds; from 0 to 5 it is stored in steps of 0.02.
SCORE_STEP, NOVELTY_STEP, MOST_NOVELTY = 0.004, 0.02, 5.0
# Pixels along the side of what is in memory at once: some tens of megabytes for all layers.
LARGEST_WINDOW = 1024
# Pixels along the side of a tile in the files, what GDAL's COG driver takes by itself.
TILE = 512
# Megabytes; by itself GDAL takes a share of the machine's memory.
GDAL_CACHE = 128
# Uncompressed: windows need not end where tiles end, and a compressed tile would be written again and again.
TILES = {"tiled": True, "blockxsize": TILE, "blockysize": TILE}
PLAIN = {"driver": "GTiff", "dtype": "uint8", "nodata": NO_CLASS, **TILES, "bigtiff": "if_safer"}
COG = {"driver": "COG", "blocksize": TILE, "compress": "deflate", "bigtiff": "if_safer", "num_threads": "all_cpus"}
# What GDAL calls the columns of a table of classes and what they are to it: type (0 integer, 2 text) and usage.
TABLE_COLUMNS = (("Value", 0, 5), ("Class", 2, 2), ("Count", 0, 1), ("Red", 0, 6), ("Green", 0, 7), ("Blue", 0, 8))


def scale_and_offset(name: str) -> tuple[float, float]:
    """Return the numbers by which a score is `stored * scale + offset`; a GeoTIFF has one data type for all bands."""
    step = NOVELTY_STEP if name == "novelty" else SCORE_STEP
    return (1.0, 0.0) if name == "clear_months" else (step, -step)


def write_geotiffs(
    mapped: xr.Dataset, maps: Mapping[Path, xr.Dataset], scores: Path, *, progress: bool = False
) -> dict[Path, np.ndarray]:
    """Write the classes and scores of a map; return for each file of classes the pixels of each code, (256,).

    They go through plain GeoTIFFs: the overviews of cloud-optimised ones are made of all pixels.

    Args:
        mapped: with all layers; a lazy one is read window by window.
        maps: by the file to write the map whose classes go into it; the first has the layer `class` of `mapped`, the
            second `class_coarse`.
        scores: file to write of the scores that the map has.
        progress: show a progress bar.
    """
    layers = dict(zip(maps, ("class", "class_coarse"), strict=False))
    bands = [name for name in SCORES if name in mapped]
    needed = mapped[[*layers.values(), *bands]].transpose("y", "x")
    counts = {path: np.zeros(256, dtype=np.int64) for path in maps}
    with TemporaryDirectory(dir=scores.parent) as folder, rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE):
        plain = {path: Path(folder) / path.name for path in (*maps, scores)}
        with ExitStack() as opened:
            files = {path: opened.enter_context(_open_plain(mapped, plain[path], 1)) for path in maps}
            scored = opened.enter_context(_open_plain(mapped, plain[scores], len(bands))) if bands else None
            chunks = mapped["class"].chunksizes
            windows = list(product(*(_cuts(chunks.get(axis, (mapped.sizes[axis],))) for axis in ("y", "x"))))
            for rows, columns in tqdm(windows, unit=" windows", disable=not progress):
                piece = needed.isel(y=rows, x=columns).compute()
                window = Window.from_slices(rows, columns)
                for path, layer in layers.items():
                    files[path].write(piece[layer].values, 1, window=window)
                    counts[path] += np.bincount(piece[layer].values.ravel(), minlength=256)
                if scored is not None:
                    scored.write(np.stack([_to_bytes(name, piece[name].values) for name in bands]), window=window)
            for path, each in maps.items():
                _describe_classes(files[path], each, counts[path])
            if scored is not None:
                scored.descriptions = tuple(bands)
                scored.scales, scored.offsets = zip(*map(scale_and_offset, bands), strict=True)
                for index, name in enumerate(bands, start=1):
                    if "comment" in mapped[name].attrs:  # says what smoothing made of a score
                        scored.update_tags(index, COMMENT=mapped[name].attrs["comment"])
        for path, each in maps.items():
            rasterio.shutil.copy(plain[path], path, **COG, overview_resampling="mode")
            _write_table(each, counts[path], path)
        if bands:
            rasterio.shutil.copy(plain[scores], scores, **COG, overview_resampling="average")
    return counts


def _open_plain(mapped: xr.Dataset, path: Path, count: int) -> DatasetWriter:
    shape = {"height": mapped.sizes["y"], "width": mapped.sizes["x"], "count": count}
    grid = {"crs": mapped.rio.crs, "transform": grid_of(mapped).transform}
    return rasterio.open(path, "w", **PLAIN, **shape, **grid, photometric="palette" if count == 1 else "minisblack")


def _cuts(lengths: Sequence[int]) -> list[slice]:
    """Cut an axis into pieces that cut no chunk of a lazy map, unless a chunk is larger than a piece may be."""
    cuts, start, end = [], 0, 0
    for length in lengths:
        if end > start and end + length - start > LARGEST_WINDOW:
            cuts.append(slice(start, end))
            start = end
        end += length
        while end - start > LARGEST_WINDOW:
            cuts.append(slice(start, start + LARGEST_WINDOW))
            start += LARGEST_WINDOW
    return [*cuts, slice(start, end)]


def _describe_classes(raster: DatasetWriter, mapped: xr.Dataset, counts: np.ndarray) -> None:
    entries = legend_of(mapped)
    raster.descriptions = ("class",)
    raster.write_colormap(1, {NO_CLASS: (0, 0, 0, 0), **{entry.code: (*entry.colour, 255) for entry in entries}})
    names = {f"CLASS_{entry.code}": entry.label for entry in entries}
    colours = {f"COLOUR_{entry.code}": entry.hex_colour for entry in entries}
    raster.update_tags(**_tags(mapped), **names, **colours, PIXELS_WITHOUT_DATA=int(counts[NO_CLASS]))


def _tags(mapped: xr.Dataset) -> dict[str, str]:
    return {name.upper(): as_text(fact) for name, fact in facts_of(mapped).items()}


def _write_table(mapped: xr.Dataset, counts: np.ndarray, path: Path) -> None:
    """Write the names of the classes where GDAL and QGIS read them: beside the file, for TIFF cannot hold them.

    How the map was made stands here too. The names are written twice: as a list from code 0 on, which older programs
    read, and as a table, which leaps to the last code.
    """
    root = ElementTree.Element("PAMDataset")
    metadata = ElementTree.SubElement(root, "Metadata")
    for key, text in _tags(mapped).items():
        ElementTree.SubElement(metadata, "MDI", key=key).text = text
    band = ElementTree.SubElement(root, "PAMRasterBand", band="1")
    categories = ElementTree.SubElement(band, "CategoryNames")
    for label in ("no data", *(entry.label for entry in legend_of(mapped) if entry.code != UNCERTAIN)):
        ElementTree.SubElement(categories, "Category").text = label
    table = ElementTree.SubElement(band, "GDALRasterAttributeTable", tableType="thematic")
    for index, (name, kind, usage) in enumerate(TABLE_COLUMNS):
        column = ElementTree.SubElement(table, "FieldDefn", index=str(index))
        for tag, value in (("Name", name), ("Type", kind), ("Usage", usage)):
            ElementTree.SubElement(column, tag).text = str(value)
    for index, entry in enumerate([LegendEntry(NO_CLASS, "no data", (0, 0, 0)), *legend_of(mapped)]):
        row = ElementTree.SubElement(table, "Row", index=str(index))
        for value in (entry.code, entry.label, counts[entry.code], *entry.colour):
            ElementTree.SubElement(row, "F").text = str(value)
    ElementTree.ElementTree(root).write(path.with_name(f"{path.name}.aux.xml"), encoding="utf-8")


def _to_bytes(name: str, values: np.ndarray) -> np.ndarray:
    scale, offset = scale_and_offset(name)
    values = values.clip(0, MOST_NOVELTY) if name == "novelty" else values
    steps = np.rint((np.nan_to_num(values) - offset) / scale)
    return np.where(np.isnan(values), NO_CLASS, steps).astype(np.uint8)
