import numpy as np
import pytest
import rasterio
from typer.testing import CliRunner

from tests.support.small_cubes import small_cube, write_raster
from timesenclip_hf.cli import app
from timesenclip_hf.maps import MapOptions, MapRun, open_cube

LABELS = "maize,meadow,water"


def run(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.fixture(scope="module")
def runs(tmp_path_factory, tiny_checkpoint):
    folder = tmp_path_factory.mktemp("runs")
    for seed, year in enumerate((2019, 2024)):
        cube = open_cube(small_cube(9, 7, seed=seed))
        options = MapOptions(embeddings="int8")
        MapRun(cube, folder / f"{year}.run", LABELS, tiny_checkpoint, options=options).execute(progress=False)
    return folder / "2019.run", folder / "2024.run"


def test_change_prints_its_table_and_writes_its_files(runs, tmp_path, tiny_checkpoint):
    output = tmp_path / "change.tif"
    command = ("change", *runs, "--labels", LABELS, "--model", tiny_checkpoint, "--output", output)
    result = run(*command, "--prior", 0.9, "--threshold", 0.5)
    assert result.exit_code == 0, result.output
    assert "changed from 2019 to 2024: " in result.stdout
    assert "share of the land that changed, as given: 90.0%" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("wrote ")
    with rasterio.open(output) as raster:
        assert raster.tags()["CLASS_1"] == "no change"
        assert raster.read(1).max() > 1
    again = run(*command)
    assert again.exit_code == 1
    assert "is there already" in again.stderr
    assert len(again.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (("--prior", "2"), "error: The prior is the share of the land that changed, from 0 to 1, got 2."),
        (("--minimum-area", "-1"), "error: The minimum area is in hectares, from 0 on, got -1."),
    ],
)
def test_a_wrong_number_is_refused_before_anything_is_read(tmp_path, wrong, told):
    result = run("change", tmp_path / "a", tmp_path / "b", "--labels", "a,b", "--output", tmp_path / "c.tif", *wrong)
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [told]


def test_what_is_no_run_is_refused_in_one_sentence(tmp_path):
    result = run("change", tmp_path, tmp_path, "--labels", "a,b", "--output", tmp_path / "c.tif")
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert "holds no map: give the folder of a run, such as map.run" in line


def test_a_map_becomes_polygons(tmp_path):
    values = np.random.default_rng(0).integers(1, 4, (1, 12, 9)).astype(np.uint8)
    write_raster(tmp_path / "map.tif", values, nodata=0)
    output = tmp_path / "map.gpkg"
    command = ("vectorise", tmp_path / "map.tif", "--minimum-area", 0.02, "--output", output)
    refused = run(*command)
    assert refused.exit_code == 1
    assert "does not name its classes: tell them, --codes" in refused.stderr
    result = run(*command, "--codes", "maize=1;water=2,3")
    assert result.exit_code == 0, result.output
    assert "polygons  maize" in result.stdout
    assert result.stdout.splitlines()[-1] == f"wrote {output}"
    shape = run("vectorise", tmp_path / "map.tif", "--output", tmp_path / "map.shp")
    assert shape.exit_code == 1
    assert "is not written as a Shapefile" in shape.stderr
