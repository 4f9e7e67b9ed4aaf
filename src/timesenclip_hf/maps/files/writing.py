"""Write a map with all its companions: GeoTIFFs, a STAC item, a Zarr store of embeddings, a picture and a page."""

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ...extras import needs_extra
from ...files import first_line, whole_file, whole_folder
from ...files.locks import unfinished
from ...files.outputs import OwnFiles, check_file
from ..cubes.grids import grid_of, locate, north_up
from .colours import check_colours
from .geotiff import LARGEST_WINDOW, SCORES, write_geotiffs
from .legend import facts_of, legend_of
from .pictures import read_overview, title_of, write_png
from .preview import write_html
from .qgis import write_class_style, write_score_style
from .stac_item import write_item

with needs_extra("map"):
    import xarray as xr
    from rasterio._err import CPLE_BaseError  # what some of GDAL's errors arrive as, named nowhere else
    from rasterio.errors import RasterioError

# Of a Zarr store of embeddings: a folder that holds anything else is not replaced.
STORE_FILES = ("zarr.json", "*/zarr.json", "*/c", "*/c/*")


def write_map(
    mapped: xr.Dataset | Mapping[str, xr.Dataset],
    output: str | os.PathLike[str],
    *,
    png: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    run_files: OwnFiles | None = None,
    colours: Mapping[str, str] | None = None,
    progress: bool = False,
) -> list[Path]:
    """Write all files of a map; a lazy one is never in memory as a whole.

    Beside `map.tif` (classes with colours) there are `map_scores.tif` (probability, entropy, margin, clear months),
    `map_stac.json`, `map.png`, `map.html` and, for QGIS, `map.qml` and `map_scores.qml`; with coarse classes
    `map_coarse.tif` and its `.qml`, and with embeddings `map_embeddings.zarr`. North is up in all of them, however the
    rows of the map run. All are written, or none.

    Args:
        mapped: what [`map_cube`] returned, or a store of it opened lazily; or several by the names of their label sets,
            which end the names of the files.
        output: GeoTIFF of the classes; the other files lie beside it.
        png: the picture, where it is to lie elsewhere.
        overwrite: replace what lies under these names.
        run_files: the files of the run that the map is of, which it may replace in any case.
        colours: "#rrggbb" by label, in place of those that the words of a label have.
        progress: show a progress bar.

    Returns:
        The files written.

    Raises:
        ValueError: the map has no CRS, is a single pixel of unknown size or names no classes, a colour is none, or the
            output is no `.tif`.
        OSError: a file cannot be written, or is there already and not to be replaced.
    """
    maps = {"": mapped} if isinstance(mapped, xr.Dataset) else dict(mapped)
    if colours is not None:
        chosen = check_colours(colours)
        maps = {name: each.assign_attrs(class_colours=chosen) for name, each in maps.items()}
    is_coarse = any("class_coarse" in each for each in maps.values())
    target = check_output(output, png, names=list(maps), is_coarse=is_coarse, overwrite=overwrite, run_files=run_files)
    for each in maps.values():
        _check_map(each)
    maps = {name: north_up(each) for name, each in maps.items()}
    overviews: dict[str, xr.Dataset] = {}
    elsewhere = {} if png is None else {set_output(target, name).stem: set_output(Path(png), name) for name in maps}
    # In the same folder, so that finished files need only be renamed.
    with unfinished(target.parent) as unnamed, _plain_errors(target.parent):
        folder = unnamed / "map"
        folder.mkdir()
        for name, each in maps.items():
            overviews |= _write_set(each, folder / set_output(target, name).name, name, progress)
        write_html(overviews, folder / f"{target.stem}.html")
        finished = {target.parent / path.name: path for path in sorted(folder.iterdir())}
        finished = {_picture_path(path, elsewhere): file for path, file in finished.items()}
        _put_in_place(finished, overwrite, run_files)
        return list(finished)


def _check_map(mapped: xr.Dataset) -> None:
    """Raise a ValueError for a map that cannot be written, as [`write_map`] says."""
    legend_of(mapped)
    if mapped.rio.crs is None:
        raise ValueError('The map has no coordinate reference system: write it, `mapped.rio.write_crs("EPSG:...")`.')
    grid_of(mapped).transform  # noqa: B018 (refuses a single pixel of unknown size)


def _put_in_place(finished: Mapping[Path, Path], overwrite: bool, run_files: OwnFiles | None) -> None:
    """Give finished files their names, all of them, or none where something is in the way."""
    with ExitStack() as replaced:
        moved = {
            path: replaced.enter_context(_moved(file, path, overwrite=overwrite or path in (run_files or ())))
            for path, file in finished.items()
        }
        if run_files is not None:
            run_files.note(moved)


def _picture_path(path: Path, elsewhere: Mapping[str, Path]) -> Path:
    return elsewhere.get(path.stem, path) if path.suffix == ".png" else path


@contextmanager
def _plain_errors(folder: Path) -> Iterator[None]:
    """Put GDAL's "Write failed. See previous exception for details." into a sentence with the details."""
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


def check_output(
    output: str | os.PathLike[str],
    png: str | os.PathLike[str] | None = None,
    *,
    names: Sequence[str] = ("",),
    is_coarse: bool = False,
    overwrite: bool = False,
    run_files: OwnFiles | None = None,
    inputs: Iterable[str | os.PathLike[str]] = (),
) -> Path:
    """Return the path of a map's GeoTIFF, once it is clear that all its files can be written.

    Args:
        output: GeoTIFF of the classes.
        png: the picture, where it is to lie elsewhere.
        names: of the label sets.
        is_coarse: there are coarse classes.
        overwrite: replace what is there.
        run_files: files of the run, which it may replace in any case.
        inputs: what is read for the map, which it must not replace.

    Raises:
        ValueError: the output ends in something else than `.tif`.
        OSError: a file cannot be written, or is there already and not to be replaced.
    """
    target = Path(output)
    if target.suffix.lower() not in (".tif", ".tiff"):
        raise ValueError(f"A map is written as GeoTIFF: give an output that ends in .tif, not {target.name!r}.")
    for path in _files_of(target, Path(png) if png is not None else target.with_suffix(".png"), names, is_coarse):
        check_file(path, overwrite=overwrite or path in (run_files or ()), inputs=inputs)
    return target


def _files_of(target: Path, png: Path, names: Sequence[str], is_coarse: bool) -> Iterator[Path]:
    """List the files that are written for a map, but for the Zarr store of embeddings."""
    yield target.with_suffix(".html")
    for name in names:
        classes = set_output(target, name)
        yield set_output(png, name)
        for path in (classes, classes.with_stem(f"{classes.stem}_coarse"))[: 1 + is_coarse]:
            yield from (path, path.with_name(f"{path.name}.aux.xml"), path.with_suffix(".qml"))
        scores = classes.with_stem(f"{classes.stem}_scores")
        yield from (scores, scores.with_suffix(".qml"))
        yield classes.with_name(f"{classes.stem}_stac.json")


def set_output(output: Path, name: str) -> Path:
    """Return the output of one of several label sets: `map.tif` becomes `map_crops.tif`; unchanged without a name."""
    safe = re.sub(r"[^\w-]+", "_", name)
    return output.with_stem(f"{output.stem}_{safe}") if name else output


def _write_set(mapped: xr.Dataset, output: Path, name: str, progress: bool) -> dict[str, xr.Dataset]:
    """Write the files of one label set; return the small maps that are drawn of it, by title."""
    maps = {output: mapped}
    if "class_coarse" in mapped:
        coarse = mapped[["class_coarse"]].rename(class_coarse="class")
        maps[output.with_stem(f"{output.stem}_coarse")] = coarse.assign_attrs(labels=mapped.attrs["coarse_labels"])
    scores = output.with_stem(f"{output.stem}_scores")
    counts = write_geotiffs(mapped, maps, scores, progress=progress)
    if "embeddings" in mapped:
        _write_embeddings(mapped, output.with_name(f"{output.stem}_embeddings.zarr"))
    overviews = {name: read_overview(output, scores if scores.exists() else None, mapped, counts[output])}
    for path, each in list(maps.items())[1:]:
        overviews[f"{name} (coarse)".strip()] = read_overview(path, None, each, counts[path])
    for path, each in maps.items():
        write_class_style(each, path.with_suffix(".qml"))
    if scores.exists():
        write_score_style(next(band for band in SCORES if band in mapped), scores.with_suffix(".qml"))
    write_png(overviews[name], output.with_suffix(".png"), title_of(mapped, name))
    write_item(mapped, output, counts[output])
    return overviews


def _write_embeddings(mapped: xr.Dataset, path: Path) -> None:
    """Write a Zarr store with a grid: hundreds of bands in a GeoTIFF would be read by nothing that wants vectors."""
    names = [name for name in ("embeddings", "embedding_scale") if name in mapped]
    lazy = mapped[names].drop_encoding().drop_attrs().assign_attrs(facts_of(mapped))
    lazy = lazy.chunk({axis: mapped["embeddings"].chunksizes.get(axis, LARGEST_WINDOW // 4) for axis in ("y", "x")})
    locate(lazy, mapped.rio.crs, grid_of(mapped)).to_zarr(path, mode="w", consolidated=False)


@contextmanager
def _moved(file: Path, path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Move a file, or a Zarr store, beside where it shall lie; it gets its name when the block ends."""
    if file.is_dir():
        with whole_folder(path, overwrite=overwrite, names=STORE_FILES) as partial:
            partial.rmdir()
            shutil.move(file, partial)
            yield partial
    else:
        with whole_file(path, overwrite=overwrite) as partial:
            shutil.move(file, partial)
            yield partial
