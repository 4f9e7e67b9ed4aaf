import numpy as np
import pandas as pd
import pytest
from datasets import load_dataset, load_from_disk
from rasterio.warp import transform
from typer.testing import CliRunner

from tests.support.image_files import write_patch, write_picture
from tests.support.photo_places import write_paired
from tests.support.sen4map_files import write_derived
from tests.support.small_cubes import CRS, grid, write_raster
from timesenclip_hf.cli import app
from timesenclip_hf.data.splits import read_manifest
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS

COMMANDS = ("sen4map", "lucas", "join", "table", "cube", "patches", "eurosat", "bigearthnet")


def run(*arguments):
    return CliRunner().invoke(app, ["import", *map(str, arguments)])


def test_help_names_the_sources():
    assert all(command in run("--help").stdout for command in COMMANDS)


def imported(result, folder):
    assert result.exit_code == 0, result.output
    assert f"points written to {folder}" in result.stdout
    return load_dataset(str(folder), split="train", cache_dir=str(folder / "cache"))


def test_a_table_is_imported_with_its_labels(tmp_path, table):
    labels = tmp_path / "labels.csv"
    rows = [{"id": f"p{index}", "longitude": 5, "latitude": 50, "lc1": "B16"} for index in range(8)]
    pd.DataFrame(rows).to_csv(labels, index=False)
    result = run("table", table, "--output", tmp_path / "out", "--labels", labels)
    dataset = imported(result, tmp_path / "out")
    assert dataset["point_id"] == [f"p{index}" for index in range(8) if index != 3]
    assert {dataset.features["land_cover"].int2str(label) for label in dataset["land_cover"]} == {"Cropland"}
    assert "no clear observation: 1" in result.stdout


def test_a_cube_is_imported_under_a_raster_of_labels(tmp_path, cube):
    codes = np.full((1, 6, 5), 7, dtype=np.uint8)
    codes[0, :2] = 9
    reference = write_raster(tmp_path / "labels.tif", codes)
    options = ["--labels", reference, "--codes", "maize=7;water=9", "--per-label", 4]
    dataset = imported(run("cube", cube, "--output", tmp_path / "out", *options), tmp_path / "out")
    assert sorted(dataset["label"]) == [0] * 4 + [1] * 4


def test_tables_and_cubes_of_numbered_steps_are_imported_as_the_months_that_they_are(tmp_path):
    values = np.random.default_rng(0).integers(150, 4000, (12, 10, 2, 2), dtype=np.int16)
    points = pd.DataFrame({"id": ["a"], "longitude": [3.00005], "latitude": [50.5519]})
    points.to_csv(tmp_path / "points.csv", index=False)
    series = []
    for name_of in (lambda band, month: f"{band}_{month + 1:02d}", lambda band, month: f"{month}_{band}"):
        names = [name_of(band, month) for month in range(12) for band in BANDS]
        frame = pd.DataFrame([values[:, :, 0, 0].ravel()], columns=names).assign(id="a")
        frame.to_csv(tmp_path / "table.csv", index=False)
        raster = write_raster(tmp_path / "cube.tif", values.reshape(120, 2, 2), names)
        dated = [] if "B02_01" in names else ["--start", "2018-01", "--step", "month"]
        for kind, call in {
            "table": [tmp_path / "table.csv"],
            "cube": [raster, "--points", tmp_path / "points.csv"],
        }.items():
            folder = tmp_path / f"{kind}_{len(dated)}"
            series.append(imported(run(kind, *call, "--output", folder, *dated), folder)["series"][0])
    assert series[0] == series[2]
    assert series[1] == series[3]


def test_pictures_of_eurosat_of_bigearthnet_and_around_points_of_a_cube_are_imported(tmp_path, cube):
    write_picture(tmp_path / "eurosat" / "River" / "River_1.jpg")
    options = ["--output", tmp_path / "pictures", "--workers", 1]
    dataset = imported(run("eurosat", tmp_path / "eurosat", *options), tmp_path / "pictures")
    assert dataset.features["label"].int2str(dataset["label"][0]) == "River"
    write_patch(tmp_path / "bigearthnet", "S2A_1")
    options = ["--output", tmp_path / "patches", "--workers", 1, "--bands", "B08", "--located"]
    dataset = imported(run("bigearthnet", tmp_path / "bigearthnet", *options), tmp_path / "patches")
    assert dataset["point_id"][:] == ["S2A_1"]
    points = tmp_path / "points.csv"
    longitude, latitude = transform(CRS, "EPSG:4326", [grid(6, 5)["x"][2]], [grid(6, 5)["y"][3]])
    points.write_text(f"longitude,latitude\n{longitude[0]},{latitude[0]}\n3.1,50.5\n")
    options = ["--output", tmp_path / "windows", "--points", points, "--size", 2, "--month", 5, "--month", 7]
    result = run("patches", cube, *options)
    assert imported(result, tmp_path / "windows")["date"][:] == ["2018-05-15"]
    assert "outside the cube: 1" in result.stdout


def test_sen4map_files_are_imported_and_paired_with_references_to_photos(tmp_path):
    write_derived(tmp_path / "points.h5", 3)
    series = tmp_path / "series"
    dataset = imported(run("sen4map", tmp_path / "points.h5", "--output", series, "--workers", 1), series)
    assert len(dataset) == 3
    paired = tmp_path / "paired"
    options = ["--series", series, "--directions", "N,P", "--workers", 1]
    dataset = imported(run("lucas", "--output", paired, *options), paired)
    assert [[photo["direction"] for photo in photos] for photos in dataset["photos"]] == [["N", "P"]] * 3
    again = run("lucas", "--output", paired, *options)
    assert again.exit_code == 0, again.output


def test_points_are_joined_with_the_embeddings_of_their_photos_and_split(tmp_path):
    paired, embeddings = write_paired(tmp_path, 40, size=4)
    output = tmp_path / "places"
    join = ["join", paired, "--embeddings", embeddings, "--output"]
    result = run(*join, output, "--block-km", 20, "--shares", "train=0.5, test=0.5", "--seed", 3)
    assert result.exit_code == 0, result.output
    places = load_from_disk(output)
    sizes = {name: len(split) for name, split in places.items()}
    assert result.stdout.splitlines() == [
        f"40 points written to {output}",
        *(f"  {name}: {size}" for name, size in sizes.items()),
    ]
    assert set(sizes) == {"train", "test"}
    again = run(*join, tmp_path / "again", "--manifest", output / "splits.csv")
    assert again.exit_code == 0, again.output
    assert read_manifest(tmp_path / "again" / "splits.csv") == read_manifest(output / "splits.csv")
    single = run(*join, tmp_path / "single", "--block-km", 0)
    assert "train: 32" in single.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["sen4map", "nowhere.h5", "--output", "out"], "No such file: nowhere.h5."),
        (["table", "nowhere.csv", "--output", "out"], "No such file: nowhere.csv."),
        (["eurosat", ".", "--output", "out"], "holds no image in folders named AnnualCrop"),
        (["bigearthnet", "nowhere", "--output", "out"], "No such folder: nowhere."),
        (["patches", "CUBE", "--output", "out", "--points", "nowhere.csv"], "No such file: nowhere.csv."),
        (["cube", "CUBE", "--output", "out"], "Give `points` or `labels`"),
        (["lucas", "--output", "out"], "Give series, a survey, or both."),
        (["lucas", "--output", "out", "--series", "."], "No dataset in .: make one with `timesenclip"),
        (["cube", "CUBE", "--output", "out", "--labels", "b.tif"], "--labels needs --codes, such as"),
        (["join", "nowhere", "--embeddings", "e", "--output", "out"], "No dataset nowhere: there is no such folder"),
        (
            ["join", "nowhere", "--embeddings", "e", "--output", "out", "--manifest", "m.csv", "--seed", "1"],
            "leave out --block-km, --shares and --seed",
        ),
        (
            ["join", "nowhere", "--embeddings", "e", "--output", "out", "--shares", "0.8,0.2"],
            '--shares must be such as "train=0.8,validation=0.1,test=0.1", got',
        ),
        (["join", "nowhere", "--embeddings", "e", "--output", "."], ". is there already: give another name"),
    ],
)
def test_bad_input_ends_in_one_line(tmp_path, table, cube, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    files = {"TABLE": table, "CUBE": cube}
    result = run(*(files.get(argument, argument) for argument in arguments))
    assert result.exit_code == 1
    lines = result.stderr.strip().splitlines()
    assert lines[-1].startswith("error: ")
    assert sentence in lines[-1]
    assert "Traceback" not in result.output
