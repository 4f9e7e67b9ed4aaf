"""`timesenclip classify LAYER --cube`: layers in, layers out, and what is refused."""

import json

import numpy as np
import pytest
import shapely
from typer.testing import CliRunner

geopandas = pytest.importorskip("geopandas", reason="needs the extra data")

from tests.support.small_cubes import CRS, small_cube  # noqa: E402
from timesenclip_hf.cli import app  # noqa: E402
from timesenclip_hf.maps.making.run import Chunk  # noqa: E402
from timesenclip_hf.parcels import read_layer, write_layer  # noqa: E402
from timesenclip_hf.parcels.classification import COLUMNS  # noqa: E402

pytestmark = [pytest.mark.needs_extra("data"), pytest.mark.needs_extra("map")]
LABELS = "maize,woodland,water"


def run(*arguments):
    return CliRunner().invoke(app, ["classify", *map(str, arguments)])


@pytest.fixture
def cube(tmp_path):
    small_cube(12, 10).to_netcdf(tmp_path / "cube.nc", engine="h5netcdf")
    return tmp_path / "cube.nc"


@pytest.fixture
def parcels():
    west, north = 500_000, 5_600_000
    boxes = [(0, 0, 40, 40), (40, 20, 100, 120), (61, 61, 63, 63), (5_000, 0, 5_100, 50)]
    shapes = [shapely.box(west + a, north - d, west + c, north - b) for a, b, c, d in boxes]
    return geopandas.GeoDataFrame({"nr": ["a", "b", "c", "d"], "посев": [1.5, None, 2, 3]}, geometry=shapes, crs=CRS)


@pytest.mark.parametrize("ending", ["gpkg", "parquet", "geojson", "fgb"])
def test_a_layer_comes_back_with_its_columns_and_those_of_its_classes(tmp_path, cube, parcels, tiny_checkpoint, ending):
    fields, output = tmp_path / f"fields.{ending}", tmp_path / f"fields_classes.{ending}"
    write_layer(parcels.to_crs(4326), fields)
    command = (fields, "--cube", cube, "--labels", LABELS, "--model", tiny_checkpoint, "--id-column", "nr")
    result = run(*command, "--output", output, "--chunk", 6)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("4 parcels: ")
    assert "no observation 1; 1 without the centre of a pixel, by those that they touch\na  " in result.stdout
    assert "1 of 4 parcels lie outside the cube" in result.stderr
    before, after = read_layer(fields), read_layer(output)
    assert set(after.columns) == {*before.columns, *COLUMNS}
    assert after["nr"].tolist() == before["nr"].tolist()
    assert after.geometry.equals(before.geometry)
    assert after.crs == before.crs
    assert after["pixels"].tolist() == [16, 60, 1, 0]
    assert after["by_touched_pixels"].astype(bool).tolist() == [False, False, True, False]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([cube.name, fields.name, output.name])


def test_a_command_that_was_stopped_goes_on_and_ends_the_same(tmp_path, cube, parcels, tiny_checkpoint, monkeypatch):
    write_layer(parcels, tmp_path / "fields.gpkg")
    options = ("--cube", cube, "--labels", LABELS, "--model", tiny_checkpoint, "--chunk", 6)
    assert run(tmp_path / "fields.gpkg", *options, "--output", tmp_path / "whole.geojson").exit_code == 0
    read = []
    real = Chunk.read

    def stopped(self):
        read.append(self.index)
        if len(read) == 3:
            raise KeyboardInterrupt
        return real(self)

    monkeypatch.setattr(Chunk, "read", stopped)
    output = tmp_path / "classes.geojson"
    assert run(tmp_path / "fields.gpkg", *options, "--output", output).exit_code != 0
    assert len(list((tmp_path / "classes.run" / "sums").iterdir())) == 2
    assert not output.exists()
    assert run(tmp_path / "fields.gpkg", *options, "--output", output).exit_code == 0
    assert len(read) == len(set(read)) + 1
    one, other = (json.loads((tmp_path / f"{name}.geojson").read_text())["features"] for name in ("whole", "classes"))
    assert one == other
    assert not (tmp_path / "classes.run").exists()


def test_the_run_of_a_map_with_embeddings_gives_classes_by_other_words(tmp_path, cube, parcels, tiny_checkpoint):
    write_layer(parcels, tmp_path / "fields.gpkg")
    fields, stored = tmp_path / "fields.gpkg", tmp_path / "map.run"
    model = ("--model", tiny_checkpoint)
    mapped = ["map", cube, "--labels", LABELS, *model, "--output", tmp_path / "map.tif", "--embeddings", "float16"]
    assert CliRunner().invoke(app, list(map(str, mapped))).exit_code == 0
    scores = []
    for source, output in ((stored, tmp_path / "run.gpkg"), (cube, tmp_path / "cube.gpkg")):
        result = run(fields, "--cube", source, "--labels", "oats,rye", *model, "--output", output)
        assert result.exit_code == 0, result.output
        scores.append(read_layer(output)["probability"])
    np.testing.assert_allclose(*scores, atol=2e-3)
    (refused,) = run(fields, "--cube", stored, "--crs", CRS, "--labels", "a").stderr.splitlines()
    assert refused == "error: --crs is for files, not the run of a map: leave it out."


@pytest.mark.parametrize(
    ("change", "options", "sentence"),
    [
        (lambda frame: frame.iloc[:0], (), "fields.parquet has no features: give a layer that holds some."),
        (
            lambda frame: frame.set_crs(None, allow_override=True),
            (),
            "has no coordinate reference system that is known",
        ),
        (lambda frame: frame.iloc[3:], (), "No parcel overlaps the cube: the parcels lie at x 505000 to"),
        (lambda frame: frame.set_geometry(frame.boundary), (), "holds a LineString in row 1: give points or polygons"),
        (
            lambda frame: frame.set_geometry([frame.centroid.iloc[0], *frame.geometry.iloc[1:]]),
            (),
            "holds points and polygons together (row 2 is a Polygon): give them in two layers",
        ),
        (lambda frame: frame.assign(nr="a"), ("--id-column", "nr"), "'nr' holds 'a' twice (the second time in row 2)"),
        (lambda frame: frame.assign(probability=1.0), (), "has a column 'probability' already: put something before"),
        (
            lambda frame: frame,
            ("--output", "out.shp"),
            "which cuts the names of columns to ten letters: write out",
        ),
        (lambda frame: frame, ("--output", "out.tif"), "out.tif has no ending of a layer that is written: give .gpkg"),
        (lambda frame: frame, ("--top-k", "2"), "--top-k is for a table of series: leave it out."),
        (lambda frame: frame, ("--inset", "-1"), "is metres from 0, got -1.0"),
    ],
)
def test_bad_layers_end_in_one_line(tmp_path, cube, parcels, tiny_checkpoint, change, options, sentence, monkeypatch):
    monkeypatch.chdir(tmp_path)
    change(parcels).to_parquet("fields.parquet")
    model = ("--labels", LABELS, "--model", tiny_checkpoint)
    output = () if "--output" in options else ("--output", "out.gpkg")
    result = run("fields.parquet", "--cube", cube, *model, *output, *options)
    assert result.exit_code == 1, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert sentence in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cube.nc", "fields.parquet"]


def test_options_of_parcels_are_refused_for_a_table(table):
    (line,) = run(table, "--labels", "a", "--inset", "10").stderr.splitlines()
    assert line == "error: --inset is for points or polygons in a cube: name its files, --cube S2.nc."
