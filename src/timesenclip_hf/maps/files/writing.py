"""Write a map with all its companions: GeoTIFFs, a STAC item, a Zarr store of embeddings, a picture and a page."""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ...extras import needs_extra
from ...files import first_line, whole_file, whole_folder
from ..cubes.grids import grid_of, locate
from .geotiff import LARGEST_WINDOW, write_geotiffs
from .legend import facts_of, legend_of
from .pictures import read_overview, title_of, write_png
from .preview import write_html
from .stac_item import write_item

with needs_extra("map"):
    import xarray as xr
    from rasterio._err import CPLE_BaseError  # what some of GDAL's errors arrive as, named nowhere else
    from rasterio.errors import RasterioError


def write_map(
    mapped: xr.Dataset | Mapping[str, xr.Dataset],
    output: str | os.PathLike[str],
    *,
    png: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> list[Path]:
    """Write all files of a map; a lazy one is never in memory as a whole.

    Beside `map.tif` (classes with colours) there are `map_scores.tif` (probability, entropy, margin, clear months),
    `map_stac.json`, `map.png` and `map.html`; with coarse classes `map_coarse.tif`, and with embeddings
    `map_embeddings.zarr`. What lies under these names is replaced once everything is written.

    Args:
        mapped: what [`map_cube`] returned, or a store of it opened lazily; or several by the names of their label sets,
            which end the names of the files.
        output: GeoTIFF of the classes; the other files lie beside it.
        png: the picture, where it is to lie elsewhere.
        progress: show a progress bar.

    Returns:
        The files written.

    Raises:
        ValueError: the map has no CRS, is a single pixel of unknown size or names no classes, or the output is no
            `.tif`.
        IsADirectoryError: a folder lies where a file is to be written.
        OSError: the files cannot be written.
    """
    target = check_output(output, png)
    maps = {"": mapped} if isinstance(mapped, xr.Dataset) else dict(mapped)
    for each in maps.values():
        legend_of(each)
        if each.rio.crs is None:
            raise ValueError(
                'The map has no coordinate reference system: write it, `mapped.rio.write_crs("EPSG:...")`.'
            )
        grid_of(each).transform  # noqa: B018 (refuses a single pixel of unknown size)
    target.parent.mkdir(parents=True, exist_ok=True)
    overviews: dict[str, xr.Dataset] = {}
    elsewhere = {} if png is None else {set_output(target, name).stem: set_output(Path(png), name) for name in maps}
    # In the same folder, so that finished files need only be renamed.
    with TemporaryDirectory(dir=target.parent, prefix=f".{target.stem}-") as folder, _plain_errors(target.parent):
        for name, each in maps.items():
            overviews |= _write_set(each, Path(folder) / set_output(target, name).name, name, progress)
        write_html(overviews, Path(folder) / f"{target.stem}.html")
        finished = {path: target.parent / path.name for path in sorted(Path(folder).iterdir())}
        finished |= {path: elsewhere[path.stem] for path in finished if path.suffix == ".png" and elsewhere}
        with ExitStack() as replaced:  # all of them, or none where a folder is in the way
            for path, final in finished.items():
                _move(path, final, replaced)
        return list(finished.values())


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


def check_output(output: str | os.PathLike[str], png: str | os.PathLike[str] | None = None) -> Path:
    """Return the path of a map's GeoTIFF, with its picture at `png` where that is to lie elsewhere.

    Raises:
        ValueError: the output ends in something else than `.tif`.
        IsADirectoryError: a folder lies at one of the paths.
    """
    target = Path(output)
    if target.suffix.lower() not in (".tif", ".tiff"):
        raise ValueError(f"A map is written as GeoTIFF: give an output that ends in .tif, not {target.name!r}.")
    for path in (target, Path(png or target)):
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a folder: give the name of a file to write.")
    return target


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
    write_png(overviews[name], output.with_suffix(".png"), title_of(mapped, name))
    write_item(mapped, output, counts[output])
    return overviews


def _write_embeddings(mapped: xr.Dataset, path: Path) -> None:
    """Write a Zarr store with a grid: hundreds of bands in a GeoTIFF would be read by nothing that wants vectors."""
    names = [name for name in ("embeddings", "embedding_scale") if name in mapped]
    lazy = mapped[names].drop_encoding().drop_attrs().assign_attrs(facts_of(mapped))
    lazy = lazy.chunk({axis: mapped["embeddings"].chunksizes.get(axis, LARGEST_WINDOW // 4) for axis in ("y", "x")})
    locate(lazy, mapped.rio.crs, grid_of(mapped)).to_zarr(path, mode="w", consolidated=False)


def _move(path: Path, final: Path, replaced: ExitStack) -> None:
    """Move a file, or a Zarr store, beside where it shall lie; it is put there when `replaced` closes."""
    final.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        is_store = (final / "zarr.json").exists()  # another folder of this name is nobody's to delete
        partial = replaced.enter_context(whole_folder(final, replace=is_store))
        partial.rmdir()
    else:
        partial = replaced.enter_context(whole_file(final))
    shutil.move(path, partial)
