"""`timesenclip sample` and `timesenclip areas`: from a map to points to hectares with their intervals."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("geopandas", reason="needs the extra data")
pytest.importorskip("rasterio", reason="needs the extra map")
from tests.support.class_rasters import NAMES, random_codes, visited, write_classes
from timesenclip_hf.cli import app
from timesenclip_hf.parcels import read_layer, write_layer


def run(*arguments: object, status: int = 0) -> str:
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exit_code == status, result.output
    return result.output


@pytest.fixture
def truth():
    return random_codes()


@pytest.fixture
def map_file(tmp_path, truth):
    codes = truth.copy()
    codes[:, :10] = 2
    return write_classes(tmp_path / "map.tif", codes)


def test_a_sample_is_drawn_visited_and_told_in_hectares(map_file, truth, tmp_path):
    visit, done = tmp_path / "visit.gpkg", tmp_path / "done.gpkg"
    drawn = run("sample", map_file, "--per-class", 40, "--output", visit)
    assert "120 points, equal" in drawn
    assert "fill in its column `class`" in drawn
    write_layer(visited(read_layer(visit), truth), done)
    written = {kind: tmp_path / f"areas.{kind}" for kind in ("json", "csv", "png")}
    told = run(
        "areas", map_file, "--reference", done, *(word for kind in written for word in (f"--{kind}", written[kind]))
    )
    assert "overall accuracy" in told
    assert "drawn by lot from map.tif" in told
    assert all(path.stat().st_size > 100 for path in written.values())
    content = json.loads(written["json"].read_text())
    for code, entry in enumerate(content["classes"], start=1):
        true = (truth == code).sum() / 100
        assert entry["area_hectares"]["low"] <= true <= entry["area_hectares"]["high"], entry


def test_without_points_counts_are_told_as_biased(map_file):
    told = run("areas", map_file)
    assert "Counts of pixels are biased" in told
    assert "probabilities are not there" in told


def test_a_map_of_another_maker_is_read_by_its_codes(tmp_path, truth):
    file = write_classes(tmp_path / "other.tif", truth * 10, names=())
    assert "--codes" in run("areas", file, status=1)
    assert "crops" in run("areas", file, "--codes", "crops=10,20;water=30")


def test_the_size_is_told_by_the_interval_that_is_wanted(map_file, tmp_path):
    asked = ("--half-width", 0.05, "--expected", "0.9", "--minimum", 2, "--allocation", "neyman")
    told = run("sample", map_file, *asked, "--output", tmp_path / "visit.geojson")
    assert "expected overall accuracy ±0.050" in told
    points = read_layer(tmp_path / "visit.geojson")
    # Equation 13 of Olofsson et al. (2014), and a point more in each of three strata.
    assert len(points) == pytest.approx((1.96 * np.sqrt(0.09) / 0.05) ** 2 + 3, abs=2)
    assert set(points["stratum"]) == set(NAMES)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--per-class", "5", "--points", "9"], "Give one of --per-class, --points and --half-width"),
        (["--of", "maize"], "--of names the class of --half-width"),
        (["--codes", "maize"], "is no code of a label"),
    ],
)
def test_wishes_that_contradict_each_other_end_in_one_line(map_file, tmp_path, words, sentence):
    told = run("sample", map_file, *words, "--output", tmp_path / "visit.gpkg", status=1)
    assert sentence in told
    assert len(told.strip().splitlines()) == 1
    assert not (tmp_path / "visit.gpkg").exists()


def test_nothing_is_replaced_unless_told_to(map_file, tmp_path):
    output = tmp_path / "visit.gpkg"
    run("sample", map_file, "--output", output)
    assert "is there already" in run("sample", map_file, "--output", output, status=1)
    run("sample", map_file, "--output", output, "--overwrite")
    (tmp_path / "areas.csv").write_text("mine")
    assert "is there already" in run("areas", map_file, "--csv", tmp_path / "areas.csv", status=1)
    assert (tmp_path / "areas.csv").read_text() == "mine"
    assert "is read by the same command" in run("areas", map_file, "--csv", map_file, "--overwrite", status=1)


def test_a_shapefile_is_refused_with_the_reason(map_file, tmp_path):
    assert "Shapefile" in run("sample", map_file, "--output", tmp_path / "visit.shp", status=1)
