import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from typer.testing import CliRunner

from tests.support.small_cubes import MONTHS, grid
from timesenclip_hf.classification import PixelClassifier
from timesenclip_hf.cli import app
from timesenclip_hf.labelling.label_set_files import read_label_set
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS
from timesenclip_hf.simulator import CLASS_NAMES, simulate

COVERS = ["maize", "rapeseed", "lake"]
LABELS = "maize,rapeseed,lake,houses"
ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: object, status: int = 0):
    result = CliRunner().invoke(app, ["fit", *map(str, arguments)])
    assert result.exit_code == status, result.output
    return result


@pytest.fixture(scope="module")
def places():
    """Simulated series of three covers, their names, longitudes and latitudes."""
    points = simulate(60, seed=5, classes=COVERS)
    names = np.asarray([CLASS_NAMES[index] for index in points.class_index])
    return points.series, names, points.longitude, points.latitude


@pytest.fixture
def table(places, tmp_path):
    series, crop, longitude, latitude = places
    columns = {
        f"{band}_{month + 1:02d}": series[:, month, index] for month in range(12) for index, band in enumerate(BANDS)
    }
    frame = pd.DataFrame({"id": range(len(crop)), "crop": crop, "lon": longitude, "lat": latitude, **columns})
    frame.to_csv(tmp_path / "fields.csv", index=False)
    return tmp_path / "fields.csv"


@pytest.fixture
def cube(places, tmp_path):
    """The same series as the pixels of a cube, and points at their centres."""
    series, crop, *_ = places
    values = np.where(np.isnan(series), 0, series * 10_000).astype(np.uint16).reshape(6, 10, 12, len(BANDS))
    variables = {band: (("time", "y", "x"), values[..., index].transpose(2, 0, 1)) for index, band in enumerate(BANDS)}
    made = xr.Dataset(variables, coords={"time": MONTHS, **grid(6, 10)})
    made.to_netcdf(tmp_path / "bare.nc", engine="h5netcdf")
    made = made.rio.write_crs("EPSG:32631")
    made.to_netcdf(tmp_path / "cube.nc", engine="h5netcdf")
    x, y = np.meshgrid(made["x"].values, made["y"].values)
    points = pd.DataFrame({"easting": x.ravel(), "northing": y.ravel(), "crop": crop})
    points.loc[60] = [0.0, 0.0, "maize"]
    points.to_csv(tmp_path / "points.csv", index=False)
    return tmp_path / "cube.nc"


def test_a_table_is_fitted_told_written_and_classifies(table, places, tmp_path):
    output, page = tmp_path / "crops.labels", tmp_path / "crops.html"
    told = run(table, "--labels", LABELS, "--label-column", "crop", "--output", output, "--report", page)
    assert "60 examples of 3 of 4 classes." in told.stdout
    assert "note: houses has no example, and stays as the words describe." in told.stderr
    label_set = read_label_set(output)
    assert label_set.labels == LABELS.split(",")
    assert "What is taken for what" in page.read_text(encoding="utf-8")
    named = PixelClassifier(label_set).probabilities(places[0])[0].argmax(axis=1)
    assert (np.asarray(LABELS.split(","))[named] == places[1]).mean() > 0.9
    with pytest.raises(AssertionError, match="is there already"):
        run(table, "--labels", LABELS, "--label-column", "crop", "--output", output)


def test_points_over_a_cube_give_what_its_pixels_give(cube, tmp_path):
    asked = ["--labels", LABELS, "--label-column", "crop", "--points-crs", "EPSG:32631", "--cube", cube]
    told = run("--points", tmp_path / "points.csv", *asked, "--output", tmp_path / "a.labels")
    assert "60 examples of 3 of 4 classes; left out: 1 outside the cube." in told.stdout
    run(tmp_path / "points.csv", *asked, "--output", tmp_path / "b.labels")
    assert (tmp_path / "a.labels").read_bytes() == (tmp_path / "b.labels").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["fields.csv", "--label-column", "corp"], "fields.csv has no column 'corp': the nearest is 'crop'"),
        (["fields.csv", "--label-column", "crop", "--labels", "rye,oats"], "is of one of the classes rye, oats"),
        (["fields.csv", "--label-column", "crop", "--labels", "maize,oats"], "of the class 'maize'"),
        (["fields.csv", "--label-column", "crop", "--output", "crops.txt"], "ends in .labels, got 'crops.txt'"),
        (["fields.csv", "--label-column", "crop", "--points", "points.csv"], "--points is for --cube"),
        (["--label-column", "crop"], "There are no examples: give POINTS"),
        (["--cube", "cube.nc", "--label-column", "crop"], "Points over --cube are one file"),
        (["points.csv", "--cube", "bare.nc", "--label-column", "crop"], "--crs"),
        (["points.csv", "--cube", "cube.nc", "--label-column", "crop"], "--points-crs"),
        (["outside.csv", "--cube", "cube.nc", "--label-column", "crop"], "None of the 2 points lies in the cube"),
        (["absent.csv", "--label-column", "crop"], "No such file: absent.csv"),
    ],
)
def test_bad_input_ends_in_one_sentence(table, cube, tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    pd.DataFrame({"lon": [10, 11], "lat": [3, 4], "crop": ["maize", "lake"]}).to_csv("outside.csv", index=False)
    defaults = {"--labels": LABELS, "--output": "crops.labels"}
    others = [word for pair in defaults.items() if pair[0] not in arguments for word in pair]
    told = run(*arguments, *others, status=1).stderr.strip().splitlines()
    assert [line for line in told if line.startswith("error:")] == [told[-1]]
    assert sentence in told[-1]
    assert not Path("crops.labels").exists()


# Kills the process at the so-manieth call of a function, which leaves half of a file where it is to write one.
KILLING = """
import os, signal, sys
from pathlib import Path
import timesenclip_hf.{module} as module
function, left = module.{function}, [{call}]
def killing(*arguments, **options):
    left[0] -= 1
    if not left[0]:
        for path in arguments[1:2]:
            if isinstance(path, Path) and not path.exists():
                path.write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)
    return function(*arguments, **options)
module.{function} = killing
from timesenclip_hf.cli import app
app(sys.argv[1:])
"""
# While it embeds, fits, writes the label set, gives it its name, and then the page.
MOMENTS = [
    ("classification", "encode", 1),
    ("labelling.fit_labels", "fit_label_set", 1),
    ("labelling.label_set_files", "save_file", 1),
    ("files", "_put", 1),
    ("files", "_put", 2),
]


@pytest.mark.slow
def test_a_fit_that_is_killed_at_any_moment_leaves_the_old_file_or_the_new_one(table, tmp_path):
    files = tmp_path / "out" / "crops.labels", tmp_path / "out" / "crops.html"
    asked = [
        str(table),
        "--labels",
        LABELS,
        "--label-column",
        "crop",
        "--output",
        str(files[0]),
        "--report",
        str(files[1]),
    ]
    run(*asked)
    new = [file.read_bytes() for file in files]
    run(*asked, "--template", "a field of {}", "--overwrite")
    old = [file.read_bytes() for file in files]
    assert all(before != after for before, after in zip(old, new, strict=True))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    found, statuses = [], []
    for module, function, call in [*MOMENTS, ("files", "_put", 0)]:  # at last never
        code = KILLING.format(module=module, function=function, call=call)
        words = [sys.executable, "-c", code, "fit", *asked, "--overwrite"]
        statuses.append(subprocess.run(words, env=environment, capture_output=True, check=False).returncode)
        contents = zip(files, old, new, strict=True)
        found.append([[before, after].index(file.read_bytes()) for file, before, after in contents])
    assert statuses == [-signal.SIGKILL] * len(MOMENTS) + [0]
    assert found == [[0, 0], [0, 0], [0, 0], [0, 0], [1, 0], [1, 1]]
    assert sorted(path.name for path in files[0].parent.iterdir()) == ["crops.html", "crops.labels"]
