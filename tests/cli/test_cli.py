import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from typer.testing import CliRunner

from tests.support.small_cubes import grid, small_cube, write_raster
from tests.support.wide_layouts import wide_layouts
from timesenclip_hf.cli import app

ROOT = Path(__file__).resolve().parents[2]
LABELS = "maize,woodland,water"


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_help_names_the_commands():
    result = run("--help")
    assert result.exit_code == 0
    assert all(command in result.stdout for command in ("classify", "map", "convert", "import", "index", "search"))


def test_classify_prints_a_summary_and_writes_every_score(tmp_path, table, tiny_checkpoint):
    output = tmp_path / "out.csv"
    result = run("classify", table, "--labels", LABELS, "--model", tiny_checkpoint, "--output", output)
    assert result.exit_code == 0, result.output
    assert "8 series: maize " in result.stdout
    assert "no observation 1" in result.stdout
    assert "p3  no observation" in result.stdout
    frame = pd.read_csv(output)
    assert list(frame.columns) == ["id", "label", "score", "maize", "woodland", "water"]
    assert frame["id"].tolist() == [f"p{index}" for index in range(8)]
    seen = frame.drop(index=3)
    assert (seen[["maize", "woodland", "water"]].idxmax(axis=1) == seen["label"]).all()
    np.testing.assert_allclose(seen[["maize", "woodland", "water"]].sum(axis=1), 1, atol=2e-4)


def test_classify_dates_numbered_steps_by_start_and_step(tmp_path, tiny_checkpoint):
    layouts = {
        layout.name: layout for layout in wide_layouts(np.random.default_rng(0).integers(150, 4000, (4, 12, 10)))
    }
    scores = []
    for name in ("documented months", "Earth Engine, toBands of a list", "dekads"):
        layout = layouts[name]
        table, output = tmp_path / "table.csv", tmp_path / f"{name}.csv"
        layout.make().to_csv(table, index=False)
        call = ("classify", table, "--labels", LABELS, "--model", tiny_checkpoint, "--output", output)
        if layout.options:
            assert "such as --start 2018-01-01 --step" in run(*call).stderr
        result = run(*call, *(word for key, value in layout.options.items() for word in (f"--{key}", value)))
        assert result.exit_code == 0, result.output
        scores.append(pd.read_csv(output))
    for other in scores[1:]:
        pd.testing.assert_frame_equal(other, scores[0])


def test_classify_reads_a_season_six_bands_and_whole_per_cent_where_it_is_told_to(tmp_path, tiny_checkpoint):
    names = ["B2", "B3", "B4", "B8A", "B11", "B12"]
    values = np.random.default_rng(0).integers(2, 45, (4, 12, 6))
    months = [f"2019-{month:02d}" for month in range(7, 13)] + [f"2020-{month:02d}" for month in range(1, 7)]
    columns = {f"{name}_{month}": values[:, i, j] for i, month in enumerate(months) for j, name in enumerate(names)}
    pd.DataFrame({"id": list("abcd"), **columns}).to_csv(tmp_path / "percent.csv", index=False)
    call = ("classify", tmp_path / "percent.csv", "--labels", LABELS, "--model", tiny_checkpoint)
    refused = run(*call)
    assert "lacks B05, B06, B07: add what is missing, or pass --missing-bands estimate" in refused.stderr
    refused = run(*call, "--missing-bands", "estimate")
    assert "seem to be per cent: divide by 100, or pass --units percent" in refused.stderr
    told = ("--missing-bands", "estimate", "--units", "percent")
    assert "4 series: maize" in run(*call, *told, "--season", "2019-07", "--minimum-months", "12").stdout
    assert "no observation 4" in run(*call, *told, "--season", "2019-08", "--minimum-months", "12").stdout
    both = run(*call, *told, "--season", "2019-07", "--year", "2019")
    assert (both.exit_code, "Give --year or --season, not both" in both.stderr) == (1, True)


def test_classify_takes_labels_from_json_templates_and_the_best_few(tmp_path, table, tiny_checkpoint):
    labels = tmp_path / "labels.json"
    labels.write_text(json.dumps({"crop": ["maize", "corn"], "trees": ["a wood"]}))
    options = ["--template", "a photo of {}.", "--template", "{} from above", "--top-k", 2]
    output = tmp_path / "out.csv"
    result = run("classify", table, "--labels", labels, "--model", tiny_checkpoint, "--output", output, *options)
    assert result.exit_code == 0, result.output
    frame = pd.read_csv(output)
    assert list(frame.columns) == ["id", "label", "score", "label_2", "score_2"]
    assert set(frame["label"].dropna()) <= {"crop", "trees"}


def test_classify_keeps_the_other_columns_of_the_table(tmp_path, tiny_checkpoint):
    table, output = tmp_path / "fields.csv", tmp_path / "out.csv"
    template = run("classify", "--template").stdout
    assert template.splitlines()[2].startswith("id,longitude,latitude,date,B02")
    head, rows = template.splitlines()[2], template.splitlines()[3:]
    lines = [f"{row},{'=1+1' if row.startswith('f') else 'wood'},{number}" for number, row in enumerate(rows)]
    table.write_text("\n".join([f"{head.replace('id', 'farm', 1)},label,row", *lines]))
    call = ("classify", table, "--labels", LABELS, "--model", tiny_checkpoint, "--output", output)
    result = run(*call, "--id-column", "farm")
    assert result.exit_code == 0, result.output
    frame = pd.read_csv(output)
    columns = ["id", "farm", "longitude", "latitude", "label", "predicted_label", "score", "maize", "woodland", "water"]
    assert list(frame.columns) == columns
    assert frame[columns[1:5]].to_numpy().tolist() == [
        ["field-1", 3.2165, 51.0421, "'=1+1"],
        ["wood-1", 5.9873, 50.4688, "wood"],
    ]
    table.write_text(
        table.read_text().replace("3.2165", "").replace("5.9873", "").replace("farm,longitude", "farm,east")
    )
    refused = run(*call, "--overwrite")
    assert (refused.exit_code, "name the column of the series with --id-column, one of" in refused.stderr) == (1, True)


@pytest.mark.parametrize("labels", ["worldcover", "LABELS.txt", "LABELS.csv", "LABELS.json"])
def test_labels_are_a_set_of_the_package_or_a_file(tmp_path, labels, table, tiny_checkpoint):
    (tmp_path / "LABELS.txt").write_text("tree cover\ncropland\n")
    (tmp_path / "LABELS.csv").write_text("code,name\n10,tree cover\n40,cropland\n")
    (tmp_path / "LABELS.json").write_text('["tree cover", "cropland"]')
    named = labels if labels == "worldcover" else tmp_path / labels
    output = tmp_path / "out.csv"
    result = run("classify", table, "--labels", named, "--model", tiny_checkpoint, "--output", output)
    assert result.exit_code == 0, result.output
    assert {"tree cover", "cropland"} <= set(pd.read_csv(output).columns)


@pytest.mark.parametrize("labels", ["maize water", "maize;water", "world cover"])
def test_labels_that_may_be_one_class_or_several_are_asked_about(labels, table, tiny_checkpoint):
    result = run("classify", table, "--labels", labels, "--model", tiny_checkpoint)
    assert (result.exit_code, "comma" in result.stderr) == (1, True)


def test_map_writes_geotiff_and_picture_and_compares(tmp_path, cube, tiny_checkpoint):
    codes = np.full((1, 6, 5), 7, dtype=np.uint8)
    codes[0, :2] = 9
    reference = write_raster(tmp_path / "labels.tif", codes)
    output = tmp_path / "map.tif"
    options = ["--reference", reference, "--reference-codes", "maize=7;water=9"]
    result = run("map", cube, "--labels", LABELS, "--model", tiny_checkpoint, "--output", output, *options)
    assert result.exit_code == 0, result.output
    assert "30 pixels: maize " in result.stdout
    assert "0 without a clear month" in result.stdout
    assert "balanced accuracy" in result.stdout
    assert (tmp_path / "map.png").stat().st_size > 10_000
    with rasterio.open(output) as raster:
        assert raster.count == 1
        assert raster.tags()["CLASS_2"] == "woodland"


def test_map_reads_several_files_and_one_year(tmp_path, tiny_checkpoint):
    cube = small_cube(6, 4)
    cube[["B02", "B03", "B04", "B08"]].rio.write_crs("EPSG:32631").to_netcdf(tmp_path / "10m.nc", engine="h5netcdf")
    coarse = small_cube(3, 2, size=20.0).drop_vars(["B02", "B03", "B04", "B08"])
    coarse.to_netcdf(tmp_path / "20m.nc", engine="h5netcdf")
    options = ["--year", 2018, "--png", tmp_path / "picture.png"]
    result = run(
        "map", tmp_path / "10m.nc", tmp_path / "20m.nc", "--labels", LABELS, "--model", tiny_checkpoint,
        "--output", tmp_path / "map.tif", *options,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert (tmp_path / "picture.png").exists()
    with rasterio.open(tmp_path / "map.tif") as raster:
        assert raster.shape == (6, 4)
        assert raster.xy(0, 0) == (grid(1, 1)["x"][0], grid(1, 1)["y"][0])


def test_the_points_of_an_import_are_indexed_and_found_by_words(tmp_path, table, tiny_checkpoint):
    labels = tmp_path / "labels.csv"
    rows = [{"id": f"p{place}", "longitude": 5 + place, "latitude": 50} for place in range(8)]
    pd.DataFrame(rows).to_csv(labels, index=False)
    assert run("import", "table", table, "--output", tmp_path / "out", "--labels", labels).exit_code == 0
    options = ["--model", tiny_checkpoint]
    result = run("index", tmp_path / "out", "--output", tmp_path / "index", *options)
    assert result.exit_code == 0, result.output
    assert f"7 of 7 points written to {tmp_path / 'index'}" in result.stdout
    search = ["search", "flooded rice paddies", "--index", tmp_path / "index", *options]
    hits = json.loads(run(*search, "--top-k", 3, "--format", "json").stdout)
    assert [hit["rank"] for hit in hits] == [1, 2, 3]
    places = json.loads(run(*search, "--format", "geojson").stdout)["features"]
    assert [place["properties"]["point_id"] for place in places[:3]] == [hit["point_id"] for hit in hits]
    assert places[0]["geometry"]["coordinates"] == [hits[0]["longitude"], 50]
    lines = run(*search, "--top-k", 1).stdout.splitlines()
    assert len(lines) == 2
    assert hits[0]["point_id"] in lines[1]
    other = run(*search[:4])
    assert other.exit_code == 1
    assert f"built by another checkpoint, {tiny_checkpoint.name}" in other.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["index", "nowhere", "--output", "out"], "No dataset nowhere: there is no such folder"),
        (["search", "rice", "--index", "nowhere"], "The index in nowhere does not exist; `timesenclip index DATASET"),
        (["classify", "nowhere.csv", "--labels", "a"], "No such file: nowhere.csv."),
        (["classify", "TABLE", "--labels", "a,a"], "The label 'a' is given twice"),
        (["classify", "TABLE", "--labels", "none.json"], "No such file of labels"),
        (["classify", "TABLE", "--labels", "a", "--template", "photo"], "must contain {} once"),
        (["classify", "TABLE", "--labels", "a", "--top-k", "0"], "--top-k must be at least 1"),
        (["classify", "TABLE", "--labels", "a", "--year", "2018"], "--year chooses among `dates`"),
        (["classify", "TABLE", "--labels", "a", "--model", "no/such-model-here"], "no/such-model-here"),
        (["map", "nowhere.nc", "--labels", "a", "--output", "m.tif"], "No such file: nowhere.nc."),
        (["map", "CUBE", "--labels", "a", "--output", "m.tif", "--reference", "r.nc"], "needs --reference-codes"),
        (
            ["map", "CUBE", "--labels", "a", "--output", "m.tif", "--reference", "r.nc", "--reference-codes", "a=1"],
            "No such file: r.nc.",
        ),
        (
            ["map", "CUBE", "--labels", "a", "--output", "m.tif", "--reference", "CUBE", "--reference-codes", "b=1"],
            "The reference label 'b' is none of the map's",
        ),
        (["convert", "nowhere.ckpt", "--clip", "nowhere", "--output", "out"], "No such checkpoint: nowhere.ckpt"),
    ],
)
def test_bad_input_ends_in_one_line(tmp_path, table, cube, tiny_checkpoint, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    places = {"TABLE": table, "CUBE": cube}
    model = [] if "--model" in arguments or arguments[0] == "convert" else ["--model", tiny_checkpoint]
    result = run(*(places.get(argument, argument) for argument in arguments), *model)
    assert result.exit_code == 1
    lines = result.stderr.strip().splitlines()
    assert lines[-1].startswith("error: ")
    assert sentence in lines[-1]
    assert "Traceback" not in result.output


def test_debug_keeps_the_traceback():
    result = run("--debug", "classify", "nowhere.csv", "--labels", "a")
    assert isinstance(result.exception, FileNotFoundError)


def test_a_missing_extra_is_named_in_one_line(cube, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("timesenclip_hf.maps")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rasterio", None)
    result = run("map", cube, "--labels", LABELS, "--output", "map.tif")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: This needs rasterio, which is not installed: run pip install")


def test_the_command_runs_in_a_process_of_its_own(tmp_path):
    call = [sys.executable, "-m", "timesenclip_hf.cli", "classify", "nowhere.csv", "--labels", "maize"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    result = subprocess.run(call, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr == "error: No such file: nowhere.csv.\n"


@pytest.mark.real_data
def test_real_files_are_mapped_and_compared_by_the_command(tmp_path, real_data, tiny_checkpoint):
    folder = real_data / "worldcereal_flanders_2018" / "raw_nc"
    codes = "maize=CT:1200;grassland=LC:13;built-up=LC:60"
    result = run(
        "map", *sorted(folder.glob("S2_L2A_*.nc")), "--labels", "maize,grassland,built-up", "--year", 2018,
        "--reference", next(folder.glob("OUTPUT_*.nc")), "--reference-codes", codes,
        "--model", tiny_checkpoint, "--output", tmp_path / "map.tif",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "2191 pixels compared; left out: 1905 without one of these labels" in result.stdout
