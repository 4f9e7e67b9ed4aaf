"""Draw the pictures of docs/examples.md from the real Flanders series: `python -m training.examples_pictures FOLDER`.

It runs the commands of that page, on points drawn from farmers' declarations in place of points from the field, and
prints what they print: `examples_words.png` and `examples_fitted.png` are the maps before and after,
`examples_change.png` is the first picture of the report.
"""

import argparse
import base64
import csv
import json
import re
import tempfile
from pathlib import Path

from typer.testing import CliRunner

from timesenclip_hf.cli import app
from timesenclip_hf.data.sources.cubes import dataset_from_labels
from timesenclip_hf.files import whole_files
from timesenclip_hf.maps.cubes import open_cube, parse_codes, read_reference
from training.real_sets import real_data_folder

YEAR = "2018"
CODES = "maize=CT:1200;grassland=LC:13;beans=CT:7900;vegetables=CT:2130,CT:5100;built-up=LC:60"
WORDS = {
    "maize": ["maize", "corn"],
    "grassland": ["grassland", "meadow"],
    "beans": ["beans", "peas"],
    "vegetables": ["cabbages", "vegetables", "potatoes"],
    "built-up": ["houses", "built-up"],
}
# Points of each class, drawn by lot.
POINTS = 40


def draw_pictures(output: Path, *, overwrite: bool = False) -> None:
    """Run the commands of the page on the real series, and write their pictures.

    Args:
        output: folder, which may hold others.
        overwrite: replace pictures that are there.

    Raises:
        OSError: there is no real data, or a picture cannot be written.
        RuntimeError: a command failed.
    """
    files = real_data_folder() / "worldcereal_flanders_2018" / "raw_nc"
    cube, reference = sorted(files.glob("S2_L2A_*.nc")), next(files.glob("OUTPUT_*.nc"))
    with whole_files(output, overwrite=overwrite) as pictures, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words, points, label_set, page = (
            folder / file for file in ("words.json", "fields.csv", "crops.labels", "crops.html")
        )
        words.write_text(json.dumps(WORDS), encoding="utf-8")
        _write_points(cube, reference, points)
        known = ["--year", YEAR, "--reference", reference, "--reference-codes", CODES]
        drawn = {file: pictures / f"examples_{file}.png" for file in ("words", "fitted", "change")}
        run_command("map", *cube, "--labels", words, *known, "--output", folder / "words.tif", "--png", drawn["words"])
        asked = ["--labels", words, "--label-column", "crop", "--year", YEAR]
        cubes = [word for file in cube for word in ("--cube", file)]
        run_command("fit", *cubes, "--points", points, *asked, "--output", label_set, "--report", page)
        run_command(
            "map", *cube, "--labels", label_set, *known, "--output", folder / "fitted.tif", "--png", drawn["fitted"]
        )
        first = re.search(r"data:image/png;base64,([^\"]+)", page.read_text(encoding="utf-8"))
        assert first is not None, "the report has no picture"
        drawn["change"].write_bytes(base64.b64decode(first[1]))


def _write_points(cube: list[Path], reference: Path, path: Path) -> None:
    """Draw points of each class from the declarations, and write them as a table."""
    opened = open_cube(cube)
    declared = read_reference(reference, parse_codes(CODES), opened)
    points = dataset_from_labels(opened, declared, per_label=POINTS, year=int(YEAR))
    names = points.features["label"].names
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = zip(points["longitude"][:], points["latitude"][:], points["label"][:], strict=True)
        places = [(f"{longitude:.6f}", f"{latitude:.6f}", names[label]) for longitude, latitude, label in rows]
        csv.writer(file).writerows([("longitude", "latitude", "crop"), *places])


def run_command(*words: object) -> None:
    """Run a command in this process, and print it with what it prints; raise where it fails."""
    arguments = [str(word) for word in words]
    print("$ timesenclip", *(Path(word).name for word in arguments))
    ended = CliRunner().invoke(app, arguments)
    print(ended.output)
    if ended.exit_code:
        raise RuntimeError(f"`timesenclip {arguments[0]}` failed: {ended.output[-500:]}")


def parser() -> argparse.ArgumentParser:
    """Define the command line."""
    options = argparse.ArgumentParser(description="Draws the pictures of docs/examples.md.")
    options.add_argument("folder", type=Path, help="to write them to")
    options.add_argument("--overwrite", action="store_true", help="replace pictures that are there")
    return options


def main() -> None:
    """Draw the pictures into the folder that is named."""
    arguments = parser().parse_args()
    try:
        draw_pictures(arguments.folder, overwrite=arguments.overwrite)
    except (ValueError, OSError, ImportError) as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
