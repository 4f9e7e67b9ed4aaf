import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import rasterio
import xarray as xr
from typer.testing import CliRunner

from tests.support.small_cubes import small_cube
from tests.support.stac_places import save_items, write_item
from timesenclip_hf.cli import app
from timesenclip_hf.files.locks import Hold
from timesenclip_hf.maps import map_cube, open_cube, open_map

LABELS = "maize,woodland,water"


def run(*arguments):
    return CliRunner().invoke(app, ["map", *map(str, arguments)])


@pytest.fixture
def cube(tmp_path):
    path = tmp_path / "cube.nc"
    small_cube(12, 10).to_netcdf(path, engine="h5netcdf")
    return path


@pytest.fixture
def output(tmp_path):
    return tmp_path / "map.tif"


def test_a_dry_run_says_what_it_would_take_and_leaves_nothing(tmp_path, cube, output, tiny_checkpoint):
    result = run(cube, "--labels", LABELS, "--model", tiny_checkpoint, "--output", output, "--chunk", 6, "--dry-run")
    assert result.exit_code == 0, result.output
    (line,) = result.stdout.splitlines()
    assert line.startswith("120 pixels in 4 chunks of 6 x 6; less than a minute; output up to ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cube.nc"]


def test_the_same_command_goes_on_and_another_is_refused(cube, output, tiny_checkpoint):
    command = (cube, "--labels", LABELS, "--model", tiny_checkpoint, "--output", output, "--chunk", 6)
    assert run(*command).exit_code == 0
    with (output.with_suffix(".run") / "chunks.jsonl").open("r+") as journal:
        lines = journal.readlines()
        journal.seek(0)
        journal.truncate()
        journal.writelines(lines[:1])
    result = run(*command)
    assert "in 4 chunks of 6 x 6 (1 done)" in result.stdout
    refused = run(*command, "--smooth", "majority:3")
    assert refused.exit_code == 1
    assert "holds a run with another smoothing" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_saved_stac_items_are_mapped_as_the_cube_that_they_are_of(tmp_path, output, tiny_checkpoint):
    cube = open_cube(small_cube(12, 10))
    items = [write_item(tmp_path, cube, index, s2__processing_baseline="03.01") for index in range(12)]
    path = save_items(tmp_path, items)
    options = ["--dates", "2018", "--max-cloud-cover", 90]
    result = run("--stac", path, *options, "--labels", LABELS, "--model", tiny_checkpoint, "--output", output)
    assert result.exit_code == 0, result.output
    mapped = open_map(tmp_path / "map.run")
    expected = map_cube(cube, LABELS, tiny_checkpoint, progress=False)
    np.testing.assert_array_equal(mapped["class"], expected["class"])
    manifest = json.loads((tmp_path / "map.run" / "manifest.json").read_text())
    assert manifest["identity"]["inputs"] == [str(path), "dates 2018", "max_cloud_cover 90.0"]


def test_several_label_sets_become_several_maps(tmp_path, cube, output, tiny_checkpoint):
    words = tmp_path / "cover.json"
    words.write_text(json.dumps({"wood": ["a wood", "trees"], "sea": ["the sea"]}))
    sets = ["--label-set", f"crops={LABELS}", "--label-set", f"cover={words}"]
    result = run(cube, *sets, "--model", tiny_checkpoint, "--output", output)
    assert result.exit_code == 0, result.output
    assert "crops: 120 pixels: maize " in result.stdout
    with rasterio.open(tmp_path / "map_cover.tif") as raster:
        assert raster.tags()["CLASS_2"] == "sea"
    assert (tmp_path / "map_crops.tif").exists()
    assert open_map(tmp_path / "map.run", "cover").attrs["labels"] == ["wood", "sea"]


def test_stored_embeddings_are_relabelled_with_a_hierarchy(tmp_path, cube, output, tiny_checkpoint):
    common = ("--model", tiny_checkpoint)
    result = run(cube, "--labels", LABELS, *common, "--output", output, "--embeddings", "int8", "--chunk", 6)
    assert result.exit_code == 0, result.output
    groups = tmp_path / "groups.json"
    groups.write_text(json.dumps({"plants": ["oak", "wheat"], "rest": ["city"]}))
    other = tmp_path / "other.tif"
    result = run("--relabel", tmp_path / "map.run", "--hierarchy", groups, *common, "--output", other)
    assert result.exit_code == 0, result.output
    with xr.open_dataset(tmp_path / "other.run" / "map.zarr", engine="zarr", consolidated=False) as mapped:
        assert {"class", "class_coarse", "probability_coarse"} <= set(mapped)
        np.testing.assert_array_equal(mapped["clear_months"], 12)
    with rasterio.open(other) as raster:
        assert raster.tags()["CLASS_1"] == "oak"


def test_unsure_pixels_may_be_rejected_and_classes_smoothed(cube, output, tiny_checkpoint):
    options = ["--reject", 0.99, "--smooth", "potts:1.0", "--deduplicate"]
    result = run(cube, "--labels", LABELS, "--model", tiny_checkpoint, "--output", output, *options)
    assert result.exit_code == 0, result.output
    with rasterio.open(output) as raster:
        assert 255 in raster.read(1)


def test_the_files_of_a_smoothed_map_say_whose_the_scores_are(tmp_path, cube, output, tiny_checkpoint):
    result = run(cube, "--labels", LABELS, "--model", tiny_checkpoint, "--output", output, "--smooth", "majority:3")
    assert result.exit_code == 0, result.output
    told = "majority 3 x 3 (probability and margin of the class shown, after smoothing)"
    with rasterio.open(output) as raster:
        assert raster.tags()["SMOOTHING"] == told
    with rasterio.open(tmp_path / "map_scores.tif") as raster:
        comments = {name: raster.tags(index).get("COMMENT") for index, name in enumerate(raster.descriptions, 1)}
    shown = "of the class shown, after smoothing"
    assert comments == {"probability": shown, "entropy": None, "margin": shown, "clear_months": None}
    assert told in (tmp_path / "map.html").read_text()


def test_an_output_that_is_no_geotiff_is_refused_before_the_work(cube, tmp_path, tiny_checkpoint):
    result = run(cube, "--labels", LABELS, "--model", tiny_checkpoint, "--output", tmp_path / "map.png")
    assert "give an output that ends in .tif" in result.stderr
    assert not list(tmp_path.glob("map*"))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--labels", LABELS], "Give one of: files of a cube, --stac, or --relabel"),
        (["CUBE", "--relabel", "x.run", "--labels", LABELS], "Give one of: files of a cube"),
        (["CUBE"], "Give class names"),
        (["CUBE", "--label-set", "maize"], "must be NAME=LABELS"),
        (["CUBE", "--labels", LABELS, "--resolution", 10], "--resolution is for --stac"),
        (["CUBE", "--labels", LABELS, "--scheduler", "mpi"], "must be threads, processes or tcp"),
        (["CUBE", "--labels", LABELS, "--reference", "x.tif"], "--reference needs --reference-codes"),
        (["CUBE", "--labels", LABELS, "--reject", 1.5], "a probability between 0 and 1, got 1.5"),
        (["CUBE", "--label-set", "a=maize", "--label-set", "a=wheat"], "a name of its own, got a twice"),
        (["--relabel", "nowhere.run", "--labels", LABELS, "--bbox", "1,2,3,4"], "--bbox is for a cube"),
        (["--stac", "x.json", "--labels", LABELS, "--step", "month"], "--step is for numbered steps of files"),
        (["CUBE", "--labels", LABELS, "--start", "2018", "--step", "month"], "has dates already: leave the start"),
        (["CUBE", "--labels", LABELS, "--device", "cuda:77"], "PyTorch cannot compute on cuda:77 here"),
        (["CUBE", "--labels", LABELS, "--dtype", "float16"], "float16 is for graphics cards"),
        (["--relabel", "nowhere.run", "--labels", LABELS], "holds no map: give the folder of a run"),
    ],
)
def test_bad_calls_end_in_one_line(cube, output, tiny_checkpoint, options, sentence):
    arguments = [cube if option == "CUBE" else option for option in options]
    result = run(*arguments, "--model", tiny_checkpoint, "--output", output)
    assert result.exit_code == 1
    assert sentence in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_the_same_command_replaces_its_own_files_and_other_words_need_to_be_told(
    tmp_path, cube, output, tiny_checkpoint
):
    common = (cube, "--model", tiny_checkpoint, "--output", output)
    for words in (LABELS, LABELS):
        assert run(*common, "--labels", words).exit_code == 0
    other = run(*common, "--labels", "oak,sea")
    assert "map.run holds a run with another labels" in other.stderr
    replaced = run(*common, "--labels", "oak,sea", "--overwrite")
    assert replaced.exit_code == 0, replaced.output
    with rasterio.open(output) as raster:
        assert raster.tags()["CLASS_2"] == "sea"
    assert open_map(tmp_path / "map.run").attrs["labels"] == ["oak", "sea"]


@pytest.mark.parametrize("side", ["map.tif", "map.html", "map_scores.tif", "map_stac.json", "map.tif.aux.xml"])
def test_a_file_of_somebody_else_is_refused_before_the_work(tmp_path, cube, output, tiny_checkpoint, side):
    (tmp_path / side).write_text("mine")
    result = run(cube, "--labels", LABELS, "--model", tiny_checkpoint, "--output", output)
    assert (
        result.stderr
        == f"error: {tmp_path / side} is there already: give another name, or overwrite it (--overwrite).\n"
    )
    assert (tmp_path / side).read_text() == "mine"
    assert not (tmp_path / "map.run").exists()


def test_a_folder_named_as_the_picture_keeps_what_it_holds(tmp_path, cube, output, tiny_checkpoint):
    """It was once deleted with everything in it."""
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "photo.txt").write_text("mine")
    for options in ([], ["--overwrite"]):
        common = (cube, "--labels", LABELS, "--model", tiny_checkpoint, "--output", output)
        result = run(*common, "--png", tmp_path / "pictures", *options)
        assert "pictures is a folder: give the name of a file to write" in result.stderr
    assert (tmp_path / "pictures" / "photo.txt").read_text() == "mine"


def test_neither_the_cube_nor_the_run_that_is_read_is_replaced(tmp_path, cube, output, tiny_checkpoint):
    common = ("--labels", LABELS, "--model", tiny_checkpoint, "--output", output)
    assert run(cube, *common, "--embeddings", "int8").exit_code == 0
    again = run("--relabel", tmp_path / "map.run", *common, "--overwrite")
    assert "map.run is what --relabel reads: give another output" in again.stderr
    picture = run(cube, "--png", cube, *common, "--overwrite")
    assert "cube.nc is read by the same command: give another name" in picture.stderr


def test_a_map_that_another_process_makes_is_left_to_it(tmp_path, cube, output, tiny_checkpoint):
    with Hold(tmp_path / "map.run"), ThreadPoolExecutor(1) as other:
        call = (cube, "--labels", LABELS, "--model", tiny_checkpoint, "--output", output)
        result = other.submit(run, *call).result()
    assert "map.run is being written to by process" in result.stderr
