"""Classify the fields of the real Flanders series and draw them: `python -m training.parcel_pictures FOLDER`.

It runs the command of docs/parcels.md, prints what it prints, and writes `parcels.png`: the fields as they
were declared, and as words name them. A field is a connected parcel of the reference raster.
"""

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import rasterio.features
import shapely
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from timesenclip_hf.files import whole_files
from timesenclip_hf.maps.cubes import open_cube, parse_codes, read_reference
from timesenclip_hf.maps.cubes.grids import grid_of
from timesenclip_hf.maps.files.colours import class_colours
from timesenclip_hf.parcels import read_layer, write_layer
from training.examples_pictures import YEAR, run_command
from training.real_sets import real_data_folder

# As the README maps them; built-up is of a land cover map, the others are declarations.
CODES = "maize=CT:1200;grassland=LC:13;built-up=LC:60"
INCHES = (9.6, 5.4)
NOTHING = "#d0d0d0"
HECTARE = 10_000  # square metres


def flanders_files() -> tuple[list[Path], Path]:
    """Return the files of the cube of Flanders, and that of its reference; raise an OSError where they are absent."""
    files = real_data_folder() / "worldcereal_flanders_2018" / "raw_nc"
    return sorted(files.glob("S2_L2A_*.nc")), next(files.glob("OUTPUT_*.nc"))


def declared_fields() -> geopandas.GeoDataFrame:
    """Return the connected parcels of the reference raster: number, declared class, hectares of each."""
    files, reference = flanders_files()
    cube = open_cube(files)
    declared = read_reference(reference, parse_codes(CODES), cube)
    # Pixels that meet at a corner only are of two fields.
    transform, raster = grid_of(cube).transform, declared.values.astype(np.int32)
    found = rasterio.features.shapes(raster, mask=raster >= 0, connectivity=4, transform=transform)
    shapes, codes = zip(*found, strict=True)
    fields = geopandas.GeoDataFrame(
        geometry=[shapely.geometry.shape(shape) for shape in shapes], crs=cube.rio.crs.to_wkt()
    )
    fields.insert(0, "field", range(1, len(fields) + 1))
    fields.insert(1, "declared", [declared.attrs["labels"][int(code)] for code in codes])
    fields.insert(2, "hectares", fields.area / HECTARE)
    return fields


def classify_fields(folder: Path) -> geopandas.GeoDataFrame:
    """Write the fields into a folder, classify them by the command of the page, and read what it wrote."""
    cube = [word for file in flanders_files()[0] for word in ("--cube", file)]
    fields, classes = folder / "fields.gpkg", folder / "fields_classes.gpkg"
    write_layer(declared_fields(), fields)
    told = ["--labels", ",".join(parse_codes(CODES)), "--year", YEAR, "--id-column", "field"]
    run_command("classify", fields, *cube, *told, "--output", classes)
    return read_layer(classes)


def draw_picture(output: Path, *, overwrite: bool = False) -> None:
    """Run the command of the page on the real series, and write its picture.

    Args:
        output: folder, which may hold others.
        overwrite: replace a picture that is there.

    Raises:
        OSError: there is no real data, or the picture cannot be written.
        RuntimeError: the command failed.
    """
    with whole_files(output, overwrite=overwrite) as pictures, tempfile.TemporaryDirectory() as name:
        fields = classify_fields(Path(name))
        labels = list(parse_codes(CODES))
        colours = {
            label: f"#{bytes(each.colour).hex()}" for label, each in zip(labels, class_colours(labels), strict=True)
        }
        figure = Figure(figsize=INCHES, layout="constrained")
        declared, named = figure.subplots(1, 2, sharex=True, sharey=True)
        _draw(declared, fields, fields["declared"], colours, "as they were declared, 2018")
        _draw(named, fields, fields["class"], colours, "as words name them, from Sentinel-2 of 2018")
        wrong = fields[fields["class"] != fields["declared"]]
        if len(wrong):
            wrong.boundary.plot(ax=named, color="black", linewidth=1.5)
        entries = [Patch(facecolor=colour, label=label) for label, colour in colours.items()]
        entries.append(Patch(facecolor="none", edgecolor="black", linewidth=1.5, label="not as declared"))
        figure.legend(handles=entries, loc="outside lower center", ncols=len(entries), frameon=False)
        figure.savefig(pictures / "parcels.png", dpi=150)


def _draw(axes: Axes, fields: geopandas.GeoDataFrame, classes: Any, colours: Mapping[str, str], title: str) -> None:
    fields.plot(ax=axes, color=[colours.get(label, NOTHING) for label in classes], edgecolor="white", linewidth=0.6)
    left, bottom, _, _ = fields.total_bounds
    axes.plot([left + 20, left + 120], [bottom - 25] * 2, color="black", linewidth=2, solid_capstyle="butt")
    axes.text(left + 130, bottom - 25, "100 m", va="center", fontsize=8)
    axes.set_title(f"{len(fields)} fields {title}", fontsize=9, pad=12)
    axes.set_axis_off()


def parser() -> argparse.ArgumentParser:
    """Define the command line."""
    options = argparse.ArgumentParser(description="Draws the picture of docs/parcels.md.")
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
