"""`timesenclip evaluate`, and `training/measure.py` on one process and on two."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.conftest import ROOT
from tests.support.label_sets import FLANDERS_COVERS
from timesenclip_hf.cli import app
from timesenclip_hf.data.sources.arrays import dataset_from_series, write_dataset
from timesenclip_hf.maps.cubes import open_cube, parse_codes, read_reference
from timesenclip_hf.maps.making.mapping import map_cube
from timesenclip_hf.models.timesenclip.options_timesenclip import SeriesOptions
from timesenclip_hf.simulator import simulate
from timesenclip_hf.taxonomies import load_taxonomy
from training.measure import describe, largest_difference, real, simulated

COVERS = ("Cropland", "Grassland", "Water", "Woodland")


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An import with land cover, land use, country and a column that the schema does not know."""
    count, folder = 32, tmp_path_factory.mktemp("places") / "import"
    points = simulate(count, seed=3)
    columns = {
        "land_cover": [COVERS[place % 4] for place in range(count)],
        "land_use": ["Agriculture" if place % 2 else "Forestry" for place in range(count)],
        "country": ["FR" if place % 2 else "BE" for place in range(count)],
        "soil": ["clay" if place % 3 else "sand" for place in range(count)],
        "latitude": (45 + points.latitude % 5).tolist(),
        "longitude": points.longitude.tolist(),
    }
    write_dataset(dataset_from_series(points.series, columns, problems=[]), folder, identity={"kind": "test"})
    return folder


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["evaluate", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def fails(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["evaluate", *arguments])
    assert result.exit_code == 1
    lines = result.output.strip().splitlines()
    assert len(lines) == 1, result.output
    return lines[0]


def test_a_folder_is_evaluated_by_its_class_columns_and_the_report_is_written(
    places: Path, tiny_checkpoint: Path, tmp_path: Path
):
    record = tmp_path / "kept" / "figures.json"
    shared = ("--dataset", str(places), "--split", "train", "--model", str(tiny_checkpoint), "--composites", "12")
    output = run(*shared, "--output", str(tmp_path / "out"), "--record", str(record), "--prompts", "C,generic")
    assert "land_cover" in output
    assert "majority 0.250, chance 0.125" in output
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    entries = results["runs"][0]["tasks"]
    assert {entry["task"] for entry in entries} == {"land_cover", "land_use", "country"}
    assert {entry["prompts"] for entry in entries} == {"class_name", "generic"}
    for name in ("report.html", "report.md"):
        assert "land cover" in (tmp_path / "out" / name).read_text()
    count, difference = largest_difference(results, json.loads(record.read_text()))
    assert count > 3 * 2 * 3
    assert difference <= 1e-6


def test_any_column_is_a_task_with_its_own_names_or_a_label_set_of_a_file(
    places: Path, tiny_checkpoint: Path, tmp_path: Path
):
    soils = {"name": "soils", "source": "test", "licence": "MIT"}
    labels = [
        {"code": one, "name": f"{one}y soil", "prompts": {"generic": [f"{one} soil"]}} for one in ("clay", "sand")
    ]
    (tmp_path / "soils.json").write_text(json.dumps({**soils, "labels": labels}))
    shared = ("--dataset", str(places), "--split", "all", "--model", str(tiny_checkpoint), "--looks", "1")
    for given, names in (
        ((), ["clay", "sand"]),
        (("--taxonomy", f"soil={tmp_path / 'soils.json'}"), ["clayy soil", "sandy soil"]),
    ):
        report = ("--output", str(tmp_path / "out"), "--overwrite")
        run(*shared, "--task", "soil", *report, *given)
        entries = json.loads((tmp_path / "out" / "results.json").read_text())["runs"][0]["tasks"]
        assert {tuple(entry["labels"]) for entry in entries} == {tuple(names)}


def test_simulated_points_take_no_labels_of_datasets(tmp_path: Path):
    shared = ("--dataset", "simulated", "--output", str(tmp_path / "out"))
    for option, text in (("--taxonomy", "lc1=crops.labels"), ("--task", "lc1"), ("--split", "test")):
        assert f"{option} is for a folder or Hub id, and simulated points" in fails(*shared, option, text)


def test_the_same_command_replaces_its_report_and_another_is_refused_before_the_work(
    places: Path, tiny_checkpoint: Path, tmp_path: Path
):
    record = tmp_path / "record.json"
    shared = ("--dataset", str(places), "--split", "train", "--model", str(tiny_checkpoint), "--composites", "1")
    call = (*shared, "--task", "soil", "--output", str(tmp_path / "out"), "--record", str(record))
    run(*call)
    run(*call)
    assert "results.json is there already: give another name, or overwrite it" in fails(*call, "--seed", "1")
    (tmp_path / "new").write_text("mine")
    elsewhere = (*shared, "--task", "soil", "--output", str(tmp_path / "other"))
    assert "new is there already" in fails(*elsewhere, "--record", str(tmp_path / "new"))
    assert "new is there already and is no folder" in fails(*shared, "--output", str(tmp_path / "new"))
    assert not (tmp_path / "other").exists()
    assert (tmp_path / "new").read_text() == "mine"


def test_two_checkpoints_are_averaged(places: Path, tiny_checkpoint: Path, tmp_path: Path):
    twice = ("--model", str(tiny_checkpoint)) * 2
    run("--dataset", str(places), "--split", "train", "--task", "land_use", *twice, "--output", str(tmp_path))
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["runs"][0]["model"]["seeds"] == 2
    assert results["runs"][0]["tasks"][0]["metrics"]["accuracy"]["spread"] == 0


def test_bad_input_is_one_line(places: Path, tiny_checkpoint: Path, tmp_path: Path):
    shared = ("--dataset", str(places), "--model", str(tiny_checkpoint), "--output", str(tmp_path))
    train = (*shared, "--split", "train")
    assert "has no split 'test': its splits are train" in fails(*shared, "--split", "test")
    assert "no label column 'cover': its label columns are" in fails(*train, "--task", "cover")
    assert "is no class of 'LUCAS land cover'" in fails(*train, "--taxonomy", "land_use=lucas_lc")
    assert "must be COLUMN=LABEL_SET" in fails(*train, "--taxonomy", "lucas_lc")
    assert "has no ground prompts" in fails(*train, "--task", "country", "--prompts", "ground")
    assert "`suites` must be of" in fails(*train, "--suite", "zero")
    assert "must be divisors of 12" in fails(*train, "--composites", "7")
    assert "Missing months must be" in fails(*train, "--missing", "holidays")
    assert "No checkpoint can be read from" in fails(*train, "--model", "nobody/nothing")
    assert "--calibrated needs the suite" in fails(*train, "--calibrated", str(tmp_path / "kept"))
    assert "run `python -m training.measure --dataset real`" in fails(*shared, "--dataset", "real")
    assert list(tmp_path.iterdir()) == []


def test_the_figures_of_a_training_are_those_of_the_harness(tiny_checkpoint: Path):
    from timesenclip_hf.evaluation.protocol import Checkpoint

    checkpoint = Checkpoint.load(str(tiny_checkpoint))
    reports = simulated(checkpoint.model, checkpoint.processor, 200)
    assert set(reports) == {"ten_covers", "all_covers", "land_cover"}
    text = describe("ten covers", reports["ten_covers"])
    assert "majority 0.1" in text
    assert "wheat" in text


@pytest.mark.slow
def test_one_process_and_two_write_the_same_bytes(tmp_path: Path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    for processes, launch_file in ((1, "cpu"), (2, "cpu_two_processes")):
        call = [sys.executable, "-m", "accelerate.commands.launch"]
        call += ["--config_file", f"training/accelerate/{launch_file}.yaml"]
        call += ["-m", "training.measure", "--dataset", "simulated", "--points", "600", "--prompts", "generic"]
        call += ["--output", str(tmp_path / str(processes))]
        done = subprocess.run(call, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "1" / "results.json").read_bytes() == (tmp_path / "2" / "results.json").read_bytes()


@pytest.mark.real_data
@pytest.mark.slow
def test_every_real_set_is_read_and_the_map_of_flanders_says_the_same(real_data: Path):
    reports = real()
    assert {name: reports[name]["samples"] for name in ("France 2023", "LUCAS 2018")} == {
        "France 2023": 183,
        "LUCAS 2018": 25,
    }
    assert len(reports) == 11

    files = real_data / "worldcereal_flanders_2018" / "raw_nc"
    labels = load_taxonomy(FLANDERS_COVERS).labels
    cube = open_cube(sorted(files.glob("S2_L2A_*.nc")))
    codes = parse_codes(";".join(f"{label.name}={label.code}" for label in labels))
    reference = read_reference(next(files.glob("OUTPUT_*.nc")), codes, cube).values
    names = [label.name for label in labels]
    mapped = map_cube(cube, names, reading=SeriesOptions(year=2018), progress=False)["class"].values
    labelled = (reference >= 0) & (mapped > 0)
    right = mapped[labelled] - 1 == reference[labelled]
    assert reports["Flanders 2018"]["accuracy"] == pytest.approx(right.mean())
