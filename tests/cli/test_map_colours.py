import json

import pytest
import rasterio
from typer.testing import CliRunner

from tests.support.small_cubes import small_cube
from timesenclip_hf.cli import app

LABELS = "maize,corn,water"


@pytest.fixture
def command(tmp_path, tiny_checkpoint):
    small_cube(6, 5).to_netcdf(tmp_path / "cube.nc", engine="h5netcdf")
    shared = ["map", tmp_path / "cube.nc", "--labels", LABELS, "--model", tiny_checkpoint]
    return [*map(str, shared), "--output", str(tmp_path / "map.tif")]


def write_colours(tmp_path, colours):
    (tmp_path / "colours.json").write_text(json.dumps(colours))
    return ["--colors", str(tmp_path / "colours.json")]


def test_chosen_colours_are_in_the_files_and_a_name_the_map_has_not_is_said(tmp_path, command):
    chosen = write_colours(tmp_path, {"corn": "#33111F", "rice": "#00ff00"})
    result = CliRunner().invoke(app, [*command, *chosen])
    assert result.exit_code == 0, result.output
    assert "note: --colors names what the map has not: rice" in result.stdout
    with rasterio.open(tmp_path / "map.tif") as raster:
        assert [raster.tags()[f"COLOUR_{code}"] for code in (1, 2, 3)] == ["#eab500", "#33111f", "#2f6fb5"]
    for name in ("map.html", "map.qml"):
        assert "#33111f" in (tmp_path / name).read_text()


def test_a_class_whose_colour_moved_is_named(command):
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "note: corn: in another colour than elsewhere, as its own cannot be told from that of maize" in result.stdout


def test_a_bad_file_of_colours_is_refused_before_the_work(tmp_path, command):
    result = CliRunner().invoke(app, [*command, *write_colours(tmp_path, {"corn": "orange"})])
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert "colours.json: the colour of 'corn' must be written as \"#rrggbb\"" in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["colours.json", "cube.nc"]


def test_the_file_of_colours_is_never_replaced(tmp_path, command):
    chosen = write_colours(tmp_path, {"corn": "#ff8800"})
    result = CliRunner().invoke(app, [*command, *chosen, "--png", str(tmp_path / "colours.json"), "--overwrite"])
    assert result.exit_code == 1
    assert "colours.json is read by the same command" in result.stderr
    assert json.loads((tmp_path / "colours.json").read_text()) == {"corn": "#ff8800"}
