"""A map to files, window by window: cloud-optimised GeoTIFFs, a STAC item, and previews drawn from their overviews."""

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

import numpy as np
from tqdm import tqdm

from ...extras import needs_extra
from ...files import first_line
from .codes import NO_CLASS
from .georeference import grid_transform
from .legend import LegendEntry, as_text, facts_of, legend_of
from .preview import read_preview, title_of, write_html, write_png
from .scores import SCORES, scale_and_offset, to_bytes
from .stac_item import write_item

with needs_extra("map"):
    import rasterio
    import rasterio.shutil
    import rioxarray  # noqa: F401 (gives xarray its `.rio`)
    import xarray as xr
    from rasterio._err import CPLE_BaseError  # what some of GDAL's errors arrive as, named nowhere else
    from rasterio.errors import RasterioError
    from rasterio.io import DatasetWriter
    from rasterio.windows import Window

SUFFIXES = (".tif", ".tiff")
# Pixels along the side of what is in memory at once: some tens of megabytes for all layers.
LARGEST_WINDOW = 1024
# Pixels along the side of a tile in the files, what GDAL's COG driver takes by itself.
TILE = 512
# Megabytes; by itself GDAL takes a share of the machine's memory.
GDAL_CACHE = 128
# What GDAL calls the columns of a table of classes and what they are to it: type (0 integer, 2 text) and usage.
TABLE_COLUMNS = (
    ("Value", 0, 5),
    ("Class", 2, 2),
    ("Count", 0, 1),
    ("Red", 0, 6),
    ("Green", 0, 7),
    ("Blue", 0, 8),
)


def write_map(
    mapped: xr.Dataset | Mapping[str, xr.Dataset],
    output: str | os.PathLike[str],
    *,
    png: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> list[Path]:
    """Writes all files of a map; a lazy one is never in memory as a whole.

    Beside `map.tif` (classes with colours) there are `map_scores.tif` (probability, entropy, margin, clear months),
    `map_stac.json`, `map.png` and `map.html`; with coarse classes `map_coarse.tif`, and with embeddings
    `map_embeddings.zarr`. What was there under these names is replaced once everything is written.

    Args:
        mapped: what [`map_cube`] returned, or a store of it opened lazily; or several by the names of their label sets,
            which end the names of the files.
        output: GeoTIFF of the classes; the other files lie beside it.
        png: the picture, where it is to lie elsewhere.
        progress: show a progress bar.

    Returns:
        The files written.

    Raises:
        ValueError: the map has no CRS or names no classes, or the output is no `.tif`.
        OSError: the files cannot be written.
    """
    target = check_output(output)
    maps = {"": mapped} if isinstance(mapped, xr.Dataset) else dict(mapped)
    for one in maps.values():
        legend_of(one)
        if one.rio.crs is None:
            raise ValueError(
                'The map has no coordinate reference system: write one with `mapped.rio.write_crs("EPSG:...")`.'
            )
    target.parent.mkdir(parents=True, exist_ok=True)
    previews: dict[str, xr.Dataset] = {}
    places: dict[Path, Path] = {}
    # In the same folder, so that finished files need only be renamed.
    with TemporaryDirectory(dir=target.parent, prefix=f".{target.stem}-") as folder, _said_plainly(target.parent):
        for name, one in maps.items():
            made = Path(folder) / set_output(target, name).name
            previews |= _export_one(one, made, name, progress)
            if png is not None:
                places[made.with_suffix(".png")] = set_output(Path(png), name)
        write_html(previews, Path(folder) / f"{target.stem}.html")
        return [_move(made, places.get(made, target.parent / made.name)) for made in sorted(Path(folder).iterdir())]


@contextmanager
def _said_plainly(folder: Path) -> Iterator[None]:
    """GDAL's "Write failed. See previous exception for details." as a sentence with the details."""
    try:
        yield
    except (RasterioError, CPLE_BaseError) as error:
        reason: BaseException = error
        while reason.__cause__ is not None:
            reason = reason.__cause__
        free = shutil.disk_usage(folder).free / 1e6
        raise OSError(
            f"The files of the map cannot be written to {folder}, which has {free:,.0f} MB left "
            f"({first_line(reason)}): nothing in it was changed; make room and give the same command."
        ) from None


def check_output(output: str | os.PathLike[str]) -> Path:
    """The path of a map's GeoTIFF.

    Raises:
        ValueError: it ends in something else.
    """
    target = Path(output)
    if target.suffix.lower() not in SUFFIXES:
        raise ValueError(f"A map is written as GeoTIFF: give an output that ends in .tif, not {target.name!r}.")
    return target


def set_output(output: Path, name: str) -> Path:
    """The output of one of several label sets: `map.tif` becomes `map_crops.tif`; as it is without a name."""
    safe = re.sub(r"[^\w-]+", "_", name)
    return output.with_stem(f"{output.stem}_{safe}") if name else output


def _export_one(mapped: xr.Dataset, output: Path, name: str, progress: bool) -> dict[str, xr.Dataset]:
    """The files of one label set; returns what is drawn of it, small, by title."""
    maps = {output: mapped}
    if "class_coarse" in mapped:
        maps[output.with_stem(f"{output.stem}_coarse")] = _coarse(mapped)
    scores = output.with_stem(f"{output.stem}_scores")
    counts = _write_rasters(mapped, maps, scores, progress)
    if "embeddings" in mapped:
        _write_embeddings(mapped, output.with_name(f"{output.stem}_embeddings.zarr"))
    for path, one in maps.items():
        _write_table(one, counts[path], path)
    previews = {
        f"{name} (coarse)".strip() if path != output else name: read_preview(
            path, scores if path == output and scores.exists() else None, one, counts[path]
        )
        for path, one in maps.items()
    }
    write_png(previews[name], output.with_suffix(".png"), title_of(mapped, name))
    write_item(mapped, output, counts[output])
    return previews


def _coarse(mapped: xr.Dataset) -> xr.Dataset:
    """The coarse classes as a map of their own, without scores."""
    coarse = mapped[["class_coarse"]].rename(class_coarse="class")
    return coarse.assign_attrs(labels=mapped.attrs["coarse_labels"])


def _write_rasters(
    mapped: xr.Dataset, maps: Mapping[Path, xr.Dataset], scores: Path, progress: bool
) -> dict[Path, np.ndarray]:
    """Classes and scores through plain GeoTIFFs to cloud-optimised ones, whose overviews need the whole.

    Returns:
        For each file of classes the pixels of each code, (256,).
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
            for rows, columns in tqdm(list(_windows(mapped)), unit=" windows", disable=not progress):
                piece = needed.isel(y=rows, x=columns).compute()
                window = Window.from_slices(rows, columns)
                for path, layer in layers.items():
                    files[path].write(piece[layer].values, 1, window=window)
                    counts[path] += np.bincount(piece[layer].values.ravel(), minlength=256)
                if scored is not None:
                    scored.write(np.stack([to_bytes(name, piece[name].values) for name in bands]), window=window)
            for path, one in maps.items():
                _describe_classes(files[path], one, counts[path])
            if scored is not None:
                _describe_scores(scored, bands)
        for path in maps:
            _write_cog(plain[path], path, "mode")
        if bands:
            _write_cog(plain[scores], scores, "average")
    return counts


def _open_plain(mapped: xr.Dataset, path: Path, count: int) -> DatasetWriter:
    # Uncompressed: windows need not end where tiles end, and a compressed tile would be written again and again.
    return rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=mapped.sizes["y"],
        width=mapped.sizes["x"],
        count=count,
        dtype="uint8",
        crs=mapped.rio.crs,
        transform=grid_transform(mapped),
        nodata=NO_CLASS,
        tiled=True,
        blockxsize=TILE,
        blockysize=TILE,
        bigtiff="if_safer",
        photometric="palette" if count == 1 else "minisblack",
    )


def _write_cog(plain: Path, path: Path, resampling: str) -> None:
    rasterio.shutil.copy(
        plain,
        path,
        driver="COG",
        blocksize=TILE,
        compress="deflate",
        overview_resampling=resampling,
        bigtiff="if_safer",
        num_threads="all_cpus",
    )


def _windows(mapped: xr.Dataset) -> Iterator[tuple[slice, slice]]:
    """Pieces of the grid that cut no chunk of a lazy map, unless a chunk is larger than a piece may be."""
    chunks = mapped["class"].chunksizes
    yield from product(*(_cuts(chunks.get(axis, (mapped.sizes[axis],))) for axis in ("y", "x")))


def _cuts(lengths: Sequence[int]) -> list[slice]:
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
    facts = {name.upper(): as_text(fact) for name, fact in facts_of(mapped).items()}
    names = {f"CLASS_{entry.code}": entry.label for entry in entries}
    colours = {f"COLOUR_{entry.code}": entry.hex_colour for entry in entries}
    raster.update_tags(**facts, **names, **colours, PIXELS_WITHOUT_DATA=int(counts[NO_CLASS]))


def _describe_scores(raster: DatasetWriter, bands: Sequence[str]) -> None:
    raster.descriptions = tuple(bands)
    raster.scales, raster.offsets = zip(*map(scale_and_offset, bands), strict=True)


def _write_table(mapped: xr.Dataset, counts: np.ndarray, path: Path) -> None:
    """Names of the classes where GDAL and QGIS look for them: beside the file, for TIFF has no place for them.

    Twice: a list from code 0 on, which older programs read, and a table, which leaps to the last code.
    """
    entries = legend_of(mapped)
    root = ElementTree.Element("PAMDataset")
    band = ElementTree.SubElement(root, "PAMRasterBand", band="1")
    categories = ElementTree.SubElement(band, "CategoryNames")
    for label in ("no data", *mapped.attrs["labels"]):
        ElementTree.SubElement(categories, "Category").text = label
    table = ElementTree.SubElement(band, "GDALRasterAttributeTable", tableType="thematic")
    for index, (name, kind, usage) in enumerate(TABLE_COLUMNS):
        column = ElementTree.SubElement(table, "FieldDefn", index=str(index))
        for tag, value in (("Name", name), ("Type", kind), ("Usage", usage)):
            ElementTree.SubElement(column, tag).text = str(value)
    for index, entry in enumerate([LegendEntry(NO_CLASS, "no data", (0, 0, 0)), *entries]):
        row = ElementTree.SubElement(table, "Row", index=str(index))
        for value in (entry.code, entry.label, counts[entry.code], *entry.colour):
            ElementTree.SubElement(row, "F").text = str(value)
    ElementTree.ElementTree(root).write(path.with_name(f"{path.name}.aux.xml"), encoding="utf-8")


def _write_embeddings(mapped: xr.Dataset, path: Path) -> None:
    """A Zarr store with a place: hundreds of bands in a GeoTIFF would be read by nothing that wants vectors."""
    names = [name for name in ("embeddings", "embedding_scale") if name in mapped]
    lazy = mapped[names].drop_encoding().drop_attrs().assign_attrs(facts_of(mapped))
    lazy = lazy.chunk({axis: mapped["embeddings"].chunksizes.get(axis, LARGEST_WINDOW // 4) for axis in ("y", "x")})
    lazy.rio.write_crs(mapped.rio.crs).to_zarr(path, mode="w", consolidated=False)


def _move(made: Path, place: Path) -> Path:
    if place.is_dir():
        shutil.rmtree(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(made, place)
    return place
