"""Draw the picture of docs/areas.md from the real Flanders series: `python -m training.areas_pictures FOLDER`.

It maps the patch by words, draws a sample of the map, visits it in farmers' declarations in place of the field, and
estimates areas, by the commands of that page, and prints what they print. Where nothing was declared the map has no
class: there the truth is not known. Elsewhere it is, so that the picture shows the true areas too.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import rasterio
import xarray as xr
from typer.testing import CliRunner

from timesenclip_hf.cli import app
from timesenclip_hf.files import whole_files
from timesenclip_hf.maps import open_cube, parse_codes, read_reference
from timesenclip_hf.maps.files.legend import NO_CLASS
from timesenclip_hf.parcels import ReferenceOptions, estimate_areas, read_class_map, read_layer, write_layer
from timesenclip_hf.parcels.area_figures import draw_areas
from timesenclip_hf.parcels.pixel_areas import HECTARE
from training.examples_pictures import CODES, WORDS, YEAR
from training.real_sets import real_data_folder

PER_CLASS = 50
# Okabe and Ito's (2008) vermillion.
TRUTH = "#D55E00"


def draw_pictures(output: Path, *, overwrite: bool = False) -> None:
    """Run the commands of the page on the real series, and write `areas.png`.

    Args:
        output: folder, which may hold others.
        overwrite: replace a picture that is there.

    Raises:
        OSError: there is no real data, or the picture cannot be written.
        RuntimeError: a command failed.
    """
    files = real_data_folder() / "worldcereal_flanders_2018" / "raw_nc"
    cube, reference = sorted(files.glob("S2_L2A_*.nc")), next(files.glob("OUTPUT_*.nc"))
    declared = read_reference(reference, parse_codes(CODES), open_cube(cube))
    with whole_files(output, overwrite=overwrite) as pictures, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        land, visit, visited = (folder / file for file in ("land.tif", "visit.gpkg", "visited.gpkg"))
        labels = ["--labels", folder / "words.json", "--year", YEAR]
        (folder / "words.json").write_text(str(WORDS).replace("'", '"'), encoding="utf-8")
        _run("map", *cube, *labels, "--output", land)
        _mask(land, declared)
        _run("areas", land)
        _run("sample", land, "--per-class", PER_CLASS, "--output", visit)
        _visit(visit, visited, declared)
        _run("areas", land, "--reference", visited, "--png", folder / "areas.png")
        _draw(land, visited, declared, pictures / "areas.png")


def _mask(path: Path, declared: xr.DataArray) -> None:
    """Take the class from pixels of a map for which nothing is declared."""
    with rasterio.open(path) as raster:
        codes, tags, profile = raster.read(1), raster.tags(), raster.profile
    codes[declared.values < 0] = NO_CLASS
    grid = {name: profile[name] for name in ("width", "height", "count", "dtype", "crs", "transform", "nodata")}
    with rasterio.open(path, "w", driver="GTiff", **grid) as raster:
        raster.write(codes, 1)
        raster.update_tags(**tags)


def _visit(visit: Path, visited: Path, declared: xr.DataArray) -> None:
    """Fill in the class of each point from the declarations."""
    sample = read_layer(visit)
    rows, columns = sample["pixel"].str.extract(r"row (\d+), column (\d+)").to_numpy(dtype=int).T
    names = np.asarray(declared.attrs["labels"], dtype=object)
    write_layer(sample.assign(**{"class": names[declared.values[rows, columns]]}), visited)


def _draw(land: Path, visited: Path, declared: xr.DataArray, path: Path) -> None:
    """Draw the picture of `timesenclip areas` with the true areas in it, and print these."""
    class_map = read_class_map(land)
    figure = draw_areas(estimate_areas(class_map, ReferenceOptions(visited)))
    names, pixel = list(declared.attrs["labels"]), class_map.row_areas[0] / HECTARE
    true = [float((declared.values == names.index(label)).sum() * pixel) for label in class_map.labels]
    print("declared:", ", ".join(f"{label} {area:.2f} ha" for label, area in zip(class_map.labels, true, strict=True)))
    places = np.arange(len(true))[::-1]
    handle = figure.axes[0].plot(true, places, "|", color=TRUTH, markersize=20, markeredgewidth=2, zorder=0)[0]
    handle.set_label("declared")
    figure.legends[0].remove()
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(path, metadata={"Software": None})


def _run(*words: object) -> None:
    """Run a command in this process, and print it with what it prints; raise where it fails."""
    arguments = [str(word) for word in words]
    print("$ timesenclip", *(Path(word).name for word in arguments))
    ended = CliRunner().invoke(app, arguments)
    print(ended.output)
    if ended.exit_code:
        raise RuntimeError(f"`timesenclip {arguments[0]}` failed: {ended.output[-500:]}")


def parser() -> argparse.ArgumentParser:
    """Define the command line."""
    options = argparse.ArgumentParser(description="Draws the picture of docs/areas.md.")
    options.add_argument("folder", type=Path, help="to write it to")
    options.add_argument("--overwrite", action="store_true", help="replace a picture that is there")
    return options


def main() -> None:
    """Draw the picture into the folder that is named."""
    arguments = parser().parse_args()
    try:
        draw_pictures(arguments.folder, overwrite=arguments.overwrite)
    except (ValueError, OSError, ImportError) as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
