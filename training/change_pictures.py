"""Draw the picture of docs/change.md from the real Flanders series: `python -m training.change_pictures FOLDER`.

There is one real year, so that two halves of it stand for two: every other acquisition of 2018, and the rest. Land that
nobody touched was seen under other clouds then, on other days. Into some fields of the second half the series of the
largest field of another crop is laid, pixel by pixel, as if they had been sown anew; that change is known.
`timesenclip change` compares both halves from their stored embeddings, and the picture shows where the fields are.
"""

import argparse
import tempfile
from pathlib import Path
from typing import NamedTuple

import geopandas
import numpy as np
import rasterio
import xarray as xr
from rasterio.features import rasterize

from timesenclip_hf import SeriesOptions
from timesenclip_hf.files import read_json, whole_files
from timesenclip_hf.maps import MapOptions, MapRun, open_cube
from timesenclip_hf.maps.cubes.grids import grid_of
from timesenclip_hf.maps.files.pictures import read_overview
from timesenclip_hf.parcels.change_picture import draw_change
from training.examples_pictures import YEAR, run_command
from training.parcel_pictures import declared_fields, flanders_files

LABELS = ["maize", "grassland", "built-up"]
# Hectares of the largest field that is sown anew: the larger ones are what the others become.
LARGEST = 1.3
# Every other one of such fields.
STEP = 2


class Halves(NamedTuple):
    """Hold both halves of a year, as cubes of all bands, the fields that differ, and their pixels (y, x) bool."""

    first: xr.Dataset
    second: xr.Dataset
    fields: geopandas.GeoDataFrame
    changed: np.ndarray


def take_halves() -> Halves:
    """Make two halves of the real year; raise an OSError where there is no real data."""
    cube, fields = open_cube(flanders_files()[0]).compute(), declared_fields()
    crops = fields[fields["declared"].isin(LABELS[:2])]
    chosen = crops[crops["hectares"] <= LARGEST].iloc[::STEP]
    first, second = cube.isel(time=slice(None, None, 2)), cube.isel(time=slice(1, None, 2)).copy(deep=True)
    changed = np.zeros((cube.sizes["y"], cube.sizes["x"]), dtype=bool)
    for field in chosen.itertuples():
        others = crops[crops["declared"] != field.declared]
        ours = _pixels(field.geometry, cube)
        donors = np.argwhere(_pixels(others.loc[others["hectares"].idxmax()].geometry, cube))
        rows, columns = np.argwhere(ours).T
        given_rows, given_columns = donors[np.arange(len(rows)) % len(donors)].T
        for name in second.data_vars:
            values = second[name].values
            values[..., rows, columns] = values[..., given_rows, given_columns]
        changed |= ours
    return Halves(first, second, chosen, changed)


def _pixels(geometry: object, cube: xr.Dataset) -> np.ndarray:
    """Return the pixels (y, x) bool of a field."""
    shape = cube.sizes["y"], cube.sizes["x"]
    return np.asarray(rasterize([geometry], shape, transform=grid_of(cube).transform) == 1)


def map_halves(halves: Halves, folder: Path) -> tuple[Path, Path]:
    """Map both halves by words with their embeddings kept; return the folders of the runs."""
    runs = folder / "first.run", folder / "second.run"
    for cube, run in zip((halves.first, halves.second), runs, strict=True):
        reading, options = SeriesOptions(year=int(YEAR)), MapOptions(embeddings="int8")
        MapRun(cube, run, LABELS, options=options, reading=reading).execute(progress=False)
    return runs


def draw_picture(output: Path, *, overwrite: bool = False) -> None:
    """Run the command of the page, and write `change.png`.

    Args:
        output: folder, which may hold others.
        overwrite: replace a picture that is there.

    Raises:
        OSError: there is no real data, or the picture cannot be written.
        RuntimeError: the command failed.
    """
    with whole_files(output, overwrite=overwrite) as pictures, tempfile.TemporaryDirectory() as name:
        folder, halves = Path(name), take_halves()
        change = folder / "change.tif"
        run_command("change", *map_halves(halves, folder), "--labels", ",".join(LABELS), "--output", change)
        _print_hits(change, halves.changed)
        facts = read_json(change.with_suffix(".json"))
        figure = draw_change(_overview(change, halves.first, facts))
        for axes in figure.axes[:2]:
            for part in halves.fields.boundary.explode(index_parts=False):
                axes.plot(*(np.asarray(part.coords).T / 1000), color="black" if axes is figure.axes[0] else "white")
        figure.axes[0].set_title("Change between two halves of 2018", fontweight="bold")
        figure.savefig(pictures / "change.png")


def _overview(change: Path, grid: xr.Dataset, facts: dict[str, object]) -> xr.Dataset:
    """Read the files of a change as what its picture is drawn of."""
    with rasterio.open(change) as raster:
        codes, tags = raster.read(1), raster.tags()
    labels = [tags[f"CLASS_{code}"] for code in range(1, codes.max() + 1)]
    colours = {label: tags[f"COLOUR_{code}"] for code, label in enumerate(labels, start=1)}
    attributes = {**facts, "class_labels": facts["labels"], "labels": labels, "class_colours": colours}
    counts = np.bincount(codes.ravel(), minlength=256)
    scores = change.with_stem(f"{change.stem}_scores")
    return read_overview(change, scores, grid[["scl"]].assign_attrs(attributes), counts)


def _print_hits(change: Path, changed: np.ndarray) -> None:
    """Print which share of the changed pixels was found, and of the others that was taken for change."""
    with rasterio.open(change) as raster:
        found = raster.read(1) > 1
    print(f"changed pixels that are found: {found[changed].mean():.1%} of {changed.sum()}")
    print(f"others that are taken for change: {found[~changed].mean():.1%} of {(~changed).sum()}")


def parser() -> argparse.ArgumentParser:
    """Define the command line."""
    options = argparse.ArgumentParser(description="Draws the picture of docs/change.md.")
    options.add_argument("folder", type=Path, help="to write it to")
    options.add_argument("--overwrite", action="store_true", help="replace a picture that is there")
    return options


def main() -> None:
    """Draw the picture into the folder that is named."""
    arguments = parser().parse_args()
    try:
        draw_picture(arguments.folder, overwrite=arguments.overwrite)
    except (ValueError, OSError, ImportError) as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
