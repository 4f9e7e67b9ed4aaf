"""Write what changed between two years: GeoTIFFs of the transitions and of both classes, scores, tables, a picture."""

from collections.abc import Iterable
from os import PathLike
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..extras import needs_extra
from ..files import whole_files
from ..files.locks import unfinished
from ..files.outputs import check_file
from ..maps.making.model_source import Model
from ..maps.making.windows import windows_of
from ..models.timesenclip.label_set_timesenclip import Labels
from .change import DEFAULT_CHANGE, ChangeOptions, detect_change
from .change_table import TransitionTable

with needs_extra("map"):
    import rasterio
    import rasterio.shutil
    import xarray as xr
    from rasterio.windows import Window

    from ..maps.cubes.grids import grid_of, north_up
    from ..maps.files.geotiff import COG, GDAL_CACHE, LARGEST_WINDOW, PLAIN, write_geotiffs
    from ..maps.files.pictures import read_overview
    from ..maps.files.qgis import write_class_style, write_score_style
    from .change_picture import draw_change

# Of the file of scores, in this order. They are stored in steps of a ten thousandth from 1 on; 0 is no data.
SCORES = ("probability", "distance")
SCORE_STEP = 0.0001
# What is added to the name of the output.
_PARTS = ("{}.tif", "{}_from.tif", "{}_to.tif", "{}_scores.tif", "{}.csv", "{}.json", "{}.png")
_RASTERS = 4


def check_change_output(
    output: str | PathLike[str], *, overwrite: bool = False, inputs: Iterable[str | PathLike[str]] = ()
) -> Path:
    """Return the path of the GeoTIFF of change, once it is clear that all its files can be written.

    Args:
        output: GeoTIFF of the transitions.
        overwrite: replace what is there.
        inputs: what is read, which must not be replaced.

    Raises:
        ValueError: the output ends in something else than `.tif`.
        OSError: a file cannot be written, or is there already and not to be replaced.
    """
    target = Path(output)
    if target.suffix.lower() != ".tif":
        raise ValueError(f"Change is written as GeoTIFF: give an output that ends in .tif, not {target.name!r}.")
    names = [part.format(target.stem) for part in _PARTS]
    styles = [str(Path(name).with_suffix(".qml")) for name in names[:_RASTERS]]
    for name in (*names, *styles, *(f"{name}.aux.xml" for name in names[: _RASTERS - 1])):
        check_file(target.with_name(name), overwrite=overwrite, inputs=inputs)
    return target


def map_change(
    first: str | PathLike[str],
    second: str | PathLike[str],
    labels: Labels,
    output: str | PathLike[str],
    model: Model = None,
    *,
    options: ChangeOptions = DEFAULT_CHANGE,
    overwrite: bool = False,
    progress: bool = False,
) -> tuple[TransitionTable, list[Path]]:
    """Compare two years by [`detect_change`] and write its files, however large the land; all of them or none.

    Args:
        first: folder of the finished run of the earlier year, mapped with `embeddings`.
        second: of the later year, with the same checkpoint on the same grid.
        labels: a list of names, a string with commas, `{label: [phrases]}`, or a `LabelSet`.
        output: GeoTIFF of the transitions, `change.tif`. Beside it lie `change_from.tif` and `change_to.tif`, the
            classes of both years; `change_scores.tif`, the probability of change and the distance of the embeddings;
            `change.csv` and `change.json`, the hectares of each transition; `change.png`; and styles for QGIS.
        model: folder or Hub id of the runs' checkpoint, or a loaded pipeline; the embedded one when left out.
        options: threshold, prior and minimum area.
        overwrite: replace what is there.
        progress: show a progress bar.

    Returns:
        The hectares from each class to each, and the files written.

    Raises:
        ValueError: the years cannot be compared, as [`detect_change`] says, or the output is no `.tif`.
        OSError: a file cannot be written, or is there already and not to be replaced.
    """
    target = check_change_output(output, overwrite=overwrite, inputs=(first, second))
    with unfinished(target.parent) as folder:
        store = folder / "change.zarr"
        changes = detect_change(first, second, labels, model, options=options, store=store, progress=progress)
        return TransitionTable.of(changes.attrs), write_change(changes, target, overwrite=overwrite, progress=progress)


def write_change(
    changes: xr.Dataset, output: str | PathLike[str], *, overwrite: bool = False, progress: bool = False
) -> list[Path]:
    """Write all files of what [`detect_change`] returned, window by window; return their paths.

    Args:
        changes: the layers; lazy ones are read window by window.
        output: GeoTIFF of the transitions; the other files lie beside it.
        overwrite: replace what is there.
        progress: show a progress bar.

    Raises:
        ValueError: the output is no `.tif`.
        OSError: a file cannot be written, or is there already and not to be replaced.
    """
    target = check_change_output(output, overwrite=overwrite)
    changes = north_up(changes)
    table = TransitionTable.of(changes.attrs)
    classes, before, after, scores, numbers, facts, picture = (part.format(target.stem) for part in _PARTS)
    first, second = changes.attrs["years"]
    with whole_files(target.parent, overwrite=overwrite) as folder:
        transitions = changes[["class"]].assign_attrs(year=[first, second])
        counts = _write_classes(transitions, folder / classes, progress)
        for name, layer, year in ((before, "from", first), (after, "to", second)):
            mapped = changes[[layer]].rename({layer: "class"})
            _write_classes(mapped.assign_attrs(labels=table.labels, year=year), folder / name, progress)
        _write_scores(changes, folder / scores, progress)
        write_score_style(SCORES[0], (folder / scores).with_suffix(".qml"))
        table.write_csv(folder / numbers)
        table.write_json(folder / facts)
        overview = read_overview(folder / classes, folder / scores, changes, counts)
        draw_change(overview).savefig(folder / picture)
        written = sorted(path.name for path in folder.iterdir())
    return [target.with_name(name) for name in written]


def _write_classes(mapped: xr.Dataset, path: Path, progress: bool) -> np.ndarray:
    """Write classes with their names and style; return the pixels of each code, (256,)."""
    counts = write_geotiffs(mapped, {path: mapped}, path.with_suffix(".none"), progress=progress)  # it has no scores
    write_class_style(mapped, path.with_suffix(".qml"))
    return counts[path]


def _write_scores(changes: xr.Dataset, path: Path, progress: bool) -> None:
    """Write the scores as a cloud-optimised GeoTIFF, through a plain one."""
    shape = changes.sizes["y"], changes.sizes["x"]
    plain = path.with_suffix(".plain")
    grid = {"crs": changes.rio.crs, "transform": grid_of(changes).transform, "height": shape[0], "width": shape[1]}
    side = (LARGEST_WINDOW, LARGEST_WINDOW)
    with rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE):
        with rasterio.open(plain, "w", **{**PLAIN, "dtype": "uint16"}, count=len(SCORES), **grid) as raster:
            for window in tqdm(list(windows_of(shape, side)), unit=" windows", disable=not progress):
                piece = window.cut(changes[list(SCORES)]).compute(scheduler="synchronous")
                values = np.stack([piece[name].values for name in SCORES])
                steps = np.where(np.isnan(values), 0, np.rint(np.nan_to_num(values) / SCORE_STEP) + 1)
                raster.write(
                    steps.astype(np.uint16), window=Window(window.column, window.row, window.width, window.height)
                )
            raster.descriptions = SCORES
            raster.scales, raster.offsets = [SCORE_STEP] * len(SCORES), [-SCORE_STEP] * len(SCORES)
            raster.update_tags(1, COMMENT="probability that the class changed")
            raster.update_tags(2, COMMENT="1 less the cosine of the embeddings of both years, 0 to 2")
        rasterio.shutil.copy(plain, path, **COG, overview_resampling="average")
    plain.unlink()
