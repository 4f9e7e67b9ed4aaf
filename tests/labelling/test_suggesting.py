import json
from dataclasses import asdict

import numpy as np
import pyproj
import pytest
import xarray as xr
from typer.testing import CliRunner

from tests.support.small_cubes import CRS, grid, small_cube
from timesenclip_hf.classification import PixelClassifier
from timesenclip_hf.cli import app
from timesenclip_hf.data.sources.point_tables import read_points
from timesenclip_hf.labelling import suggesting
from timesenclip_hf.labelling.suggesting import Suggestion, choose_places, suggest_places, write_suggestions
from timesenclip_hf.maps import MapOptions, MapRun, RunOptions, open_cube
from timesenclip_hf.maps.making.store import MapStore
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS

LABELS = ["maize", "broad-leaved woodland", "water"]
HEIGHT, WIDTH = 9, 12
NAMES = ["id", "pixel", "longitude", "latitude", "predicted", "second", "probability", "margin", "why", "label"]


def make_run(folder, checkpoint, embeddings="float16", execute=True, **sets):
    cube = small_cube(HEIGHT, WIDTH)
    for band in BANDS:
        cube[band].values[:, 0, 0] = 0  # no data
    options = MapOptions(embeddings=embeddings, label_sets=sets or None)
    names = None if sets else LABELS
    run = MapRun(open_cube(cube, chunks=5), folder, names, checkpoint, options=options, run=RunOptions(chunk=5))
    if execute:
        run.execute(progress=False)
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_checkpoint):
    folder = tmp_path_factory.mktemp("suggest") / "map.run"
    make_run(folder, tiny_checkpoint)
    return folder


def three_kinds(rng, sizes=(40, 5, 15)):
    middles = np.eye(3)[np.repeat(range(3), sizes)]
    return middles + 0.01 * rng.standard_normal(middles.shape), np.repeat(range(3), sizes)


def test_places_are_unlike_each_other_however_common_each_kind_is():
    rng = np.random.default_rng(0)
    features, kinds = three_kinds(rng)
    yx = rng.integers(0, 50, (60, 2))
    chosen, shares = choose_places(features, np.ones(60), yx, 3)
    assert kinds[chosen].tolist() == [0, 2, 1]  # who stands for most doubt comes first
    assert shares == pytest.approx([40 / 60, 15 / 60, 5 / 60])


def test_a_single_place_is_the_nearest_to_the_mean_weighed_by_doubt():
    rng = np.random.default_rng(1)
    features, doubt = rng.standard_normal((50, 4)), rng.uniform(0.1, 1, 50)
    chosen, shares = choose_places(features, doubt, np.zeros((50, 2)), 1)
    mean = (features * doubt[:, None]).sum(axis=0) / doubt.sum()
    assert chosen.tolist() == [((features - mean) ** 2).sum(axis=1).argmin()]
    assert shares == pytest.approx([1])


def test_pixels_that_are_sure_ask_for_no_place():
    features, kinds = three_kinds(np.random.default_rng(2), (50, 50, 50))
    features[kinds == 1] += np.linspace(0, 1, 50)[:, None]  # the widest kind, but nobody doubts it
    chosen, _ = choose_places(features, (kinds != 1).astype(float), np.zeros((150, 2)), 2)
    assert sorted(kinds[chosen]) == [0, 2]


def test_where_all_pixels_are_alike_the_places_spread_over_the_map():
    yx = np.indices((20, 20)).reshape(2, -1).T
    chosen, _ = choose_places(np.ones((400, 3)), np.ones(400), yx, 4)
    distances = np.linalg.norm(yx[chosen][:, None] - yx[chosen][None], axis=-1)
    assert distances[np.triu_indices(4, 1)].min() > 8  # of 10 between the middles of four quarters


def test_as_many_places_as_pixels_are_all_pixels():
    rng = np.random.default_rng(3)
    chosen, _ = choose_places(np.ones((12, 3)), np.zeros(12), rng.permutation(100)[:24].reshape(12, 2), 12)
    assert sorted(chosen) == list(range(12))


@pytest.mark.parametrize("embeddings", ["float16", "int8"])
def test_a_place_lies_in_its_pixel_and_says_what_the_map_and_the_words_say_of_it(tmp_path, tiny_checkpoint, embeddings):
    make_run(tmp_path / "map.run", tiny_checkpoint, embeddings)
    places = suggest_places(tmp_path / "map.run", 7, model=tiny_checkpoint)
    assert len({suggestion.pixel for suggestion in places}) == 7
    cube = open_cube(small_cube(HEIGHT, WIDTH))
    to_map = pyproj.Transformer.from_crs("EPSG:4326", CRS, always_xy=True)
    classifier = PixelClassifier(LABELS, tiny_checkpoint)
    for suggestion in places:
        row, column = (int(word) for word in suggestion.pixel.replace(",", "").split() if word.isdigit())
        x, y = to_map.transform(suggestion.longitude, suggestion.latitude)
        assert [y, x] == pytest.approx([grid(HEIGHT, WIDTH)["y"][row], grid(HEIGHT, WIDTH)["x"][column]], abs=0.05)
        series = cube["reflectance"].values[:, :, row, column][None]
        probabilities, _ = classifier.probabilities(series, dates=cube["time"].values, units="dn")
        best, second = np.argsort(-probabilities[0])[:2]
        assert (suggestion.predicted, suggestion.second) == (LABELS[best], LABELS[second])
        assert suggestion.probability == pytest.approx(probabilities[0, best], abs=1e-3)
        assert suggestion.margin == pytest.approx(probabilities[0, best] - probabilities[0, second], abs=1e-3)
        assert suggestion.label == ""
        assert suggestion.why.startswith(f"{LABELS[best]} or {LABELS[second]}, ")


def test_the_same_seed_gives_the_same_places_and_another_others(run, tiny_checkpoint):
    first, again, other = (suggest_places(run, 6, model=tiny_checkpoint, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_map_without_embeddings_has_places_too_without_second_classes(tmp_path, tiny_checkpoint):
    make_run(tmp_path / "map.run", tiny_checkpoint, None)
    places = suggest_places(tmp_path / "map.run", 5)
    assert len({suggestion.pixel for suggestion in places}) == 5
    assert {suggestion.second for suggestion in places} == {""}
    assert "or another class" in places[0].why


def test_of_a_large_map_one_pixel_in_each_cell_is_compared(run, tiny_checkpoint, monkeypatch):
    monkeypatch.setattr(suggesting, "MOST_CANDIDATES", 12)
    places = suggest_places(run, 12, model=tiny_checkpoint, seed=3)
    cells = {
        tuple(int(word) // 3 for word in suggestion.pixel.replace(",", "").split() if word.isdigit())
        for suggestion in places
    }
    assert len(cells) == 12
    with pytest.raises(ValueError, match=r"from 1 to the 12 pixels of .* that have a class and are compared, got 13"):
        suggest_places(run, 13, model=tiny_checkpoint)


def test_a_run_with_several_label_sets_is_asked_by_name(tmp_path, tiny_checkpoint):
    make_run(tmp_path / "map.run", tiny_checkpoint, crops=["maize", "wheat"], covers=LABELS)
    places = suggest_places(tmp_path / "map.run", 4, label_set="crops", model=tiny_checkpoint)
    assert {suggestion.predicted for suggestion in places} | {suggestion.second for suggestion in places} == {
        "maize",
        "wheat",
    }
    with pytest.raises(ValueError, match="has no label set '': it has crops, covers"):
        suggest_places(tmp_path / "map.run", 4)


def test_a_fitted_map_names_second_classes_by_its_label_set(tmp_path, run, tiny_checkpoint):
    words = PixelClassifier(LABELS, tiny_checkpoint).label_set
    assert suggest_places(run, 4, labels=words, model=tiny_checkpoint) == suggest_places(run, 4, model=tiny_checkpoint)
    others = PixelClassifier(["maize", "water"], tiny_checkpoint).label_set
    with pytest.raises(ValueError, match=r"has the classes maize, .*, `labels` has maize, water: give those of it"):
        suggest_places(run, 4, labels=others, model=tiny_checkpoint)


def test_a_map_of_another_checkpoint_asks_for_it(run):
    with pytest.raises(ValueError, match=r"The map is of the checkpoint .*: name it as `model`"):
        suggest_places(run, 4)


@pytest.mark.parametrize("count", [0, HEIGHT * WIDTH])
def test_more_places_than_pixels_with_a_class_are_refused(run, tiny_checkpoint, count):
    with pytest.raises(ValueError, match=f"from 1 to the {HEIGHT * WIDTH - 1} pixels of .*, got {count}"):
        suggest_places(run, count, model=tiny_checkpoint)


def test_what_is_no_finished_map_is_refused(tmp_path, tiny_checkpoint):
    with pytest.raises(ValueError, match="holds no map: give the folder of a run"):
        suggest_places(tmp_path)
    run = make_run(tmp_path / "map.run", tiny_checkpoint, execute=False)
    MapStore.create(run.store, run.identity, run.recipe, run.cube, run.side)
    with pytest.raises(ValueError, match="holds no finished map: run its command to the end first"):
        suggest_places(tmp_path / "map.run")


def test_a_map_without_a_reference_system_is_refused(run, monkeypatch):
    bare = xr.Dataset({"class": (("y", "x"), np.ones((3, 3), np.uint8))}, attrs={"labels": LABELS})
    monkeypatch.setattr(suggesting, "open_map", lambda *_: bare)
    with pytest.raises(ValueError, match="has no coordinate reference system"):
        suggest_places(run)


@pytest.fixture
def places(run, tiny_checkpoint):
    return suggest_places(run, 5, model=tiny_checkpoint)


@pytest.mark.parametrize("suffix", [".geojson", ".gpkg", ".csv"])
def test_a_written_file_is_read_back_as_points_with_an_empty_label(tmp_path, places, suffix):
    path = tmp_path / f"visit{suffix}"
    write_suggestions(places, path)
    columns = read_points(path, None).columns
    assert columns["longitude"] == pytest.approx([suggestion.longitude for suggestion in places])
    assert columns["latitude"] == pytest.approx([suggestion.latitude for suggestion in places])
    assert columns["label"] == [""] * 5
    assert columns["predicted"] == [suggestion.predicted for suggestion in places]
    assert columns["point_id"] == ["1", "2", "3", "4", "5"]
    with pytest.raises(OSError, match="is there already"):
        write_suggestions(places, path)
    write_suggestions(places, path, overwrite=True)


def test_words_that_a_spreadsheet_would_compute_are_no_formula(tmp_path):
    suggestion = Suggestion(1, "row 0, column 0", 3.0, 50.0, "=1+1", "@x", 0.5, 0.1, "=1+1 or @x")
    write_suggestions([suggestion], tmp_path / "visit.csv")
    header, row = (tmp_path / "visit.csv").read_text().splitlines()
    assert header.split(",") == list(asdict(suggestion)) == NAMES
    assert "'=1+1,'@x" in row


def test_a_file_of_another_kind_is_refused(tmp_path, places):
    with pytest.raises(ValueError, match=r"ends in .geojson, .gpkg, .csv, got 'visit.shp'"):
        write_suggestions(places, tmp_path / "visit.shp")


def test_the_command_writes_places_and_says_why(tmp_path, run, tiny_checkpoint):
    arguments = ["suggest", str(run), "--count", "3", "--model", str(tiny_checkpoint)]
    result = CliRunner().invoke(app, [*arguments, "--output", str(tmp_path / "visit.geojson")])
    assert result.exit_code == 0, result.output
    content = json.loads((tmp_path / "visit.geojson").read_text())
    assert [feature["properties"]["id"] for feature in content["features"]] == [1, 2, 3]
    assert "of the map's doubt" in result.stdout
    for wrong, sentence in (
        (["--output", str(tmp_path / "visit.geojson")], "is there already"),
        (["--output", str(tmp_path / "visit.txt")], "ends in .geojson"),
        (["--output", str(tmp_path / "v.csv"), "--count", "999"], "got 999"),
    ):
        result = CliRunner().invoke(app, [*arguments, *wrong])
        assert result.exit_code == 1
        assert sentence in result.stderr
        assert len(result.stderr.splitlines()) == 1
