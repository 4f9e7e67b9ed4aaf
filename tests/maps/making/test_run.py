import errno
import json

import numpy as np
import pytest
import xarray as xr

from tests.support.small_cubes import MONTHS, small_cube
from timesenclip_hf.maps import (
    MapOptions,
    MapRun,
    RunOptions,
    map_cube,
    open_cube,
    open_map,
    stored_embeddings,
)
from timesenclip_hf.maps.making import run as runs_module
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS
from timesenclip_hf.models.timesenclip.options_timesenclip import SeriesOptions
from timesenclip_hf.runtimes.options import ComputeOptions

LABELS = ["maize", "broad-leaved woodland", "water"]
LAYERS = ("class", "probability", "entropy", "margin", "clear_months")


@pytest.fixture
def cube():
    scl = np.random.default_rng(3).choice([4, 5, 8], (12, 14, 11)).astype(np.uint8)
    scl[:, 3, 4] = 9
    return open_cube(small_cube(14, 11).assign(SCL=(("time", "y", "x"), scl)), chunks=5)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(runs_module, "READ_PAUSE", 0.0)


def same(mapped: xr.Dataset, other: xr.Dataset) -> bool:
    return all(np.array_equal(mapped[name], other[name], equal_nan=True) for name in LAYERS)


def break_chunk(cube: xr.Dataset, row: int, column: int, times: int = 1000) -> xr.Dataset:
    """A cube one of whose chunks fails to be read so many times."""
    attempts = []

    def read(values: np.ndarray, block_info=None) -> np.ndarray:
        if block_info[0]["chunk-location"][2:] == (row, column):
            attempts.append(1)
            if len(attempts) <= times:
                raise OSError("TIFFReadEncodedTile failed")
        return values

    broken = cube["reflectance"].data.map_blocks(read, dtype=np.uint16, meta=np.empty((0,) * 4, np.uint16))
    return cube.assign(reflectance=(cube["reflectance"].dims, broken))


@pytest.mark.parametrize("workers", [1, 3])
def test_a_run_gives_the_map_of_the_cube_in_memory(tmp_path, cube, tiny_checkpoint, workers):
    whole = map_cube(cube.compute(), LABELS, tiny_checkpoint, progress=False)
    run = MapRun(cube, tmp_path / "run", LABELS, tiny_checkpoint, run=RunOptions(workers=workers))
    mapped = run.execute(progress=False)[""]
    assert mapped.chunksizes["y"] == (5, 5, 4)
    near = whole["margin"].fillna(1) < 1e-5
    assert (mapped["class"] == whole["class"]).where(~near, True).all()
    for name in ("probability", "entropy", "margin"):
        np.testing.assert_allclose(mapped[name], whole[name], atol=1e-5)
    np.testing.assert_array_equal(mapped["clear_months"], whole["clear_months"])
    assert mapped.rio.crs == "EPSG:32631"
    assert mapped.attrs["pixels_without_data"] == whole.attrs["pixels_without_data"] == 1
    assert sum(mapped.attrs["pixels_of_labels"]) == 14 * 11 - 1
    assert mapped.attrs["failed_chunks"] == []
    assert {name: mapped.attrs[name] for name in ("labels", "weights_sha256")} == {
        name: whole.attrs[name] for name in ("labels", "weights_sha256")
    }


def test_a_lazy_map_is_computed_when_asked_and_the_same(cube, tiny_pipeline):
    lazy = map_cube(cube, LABELS, tiny_pipeline, options=MapOptions(embeddings="int8"))
    assert set(lazy.chunks) == {"y", "x", "feature"}
    assert "pixels_without_data" not in lazy.attrs
    whole = map_cube(cube.compute(), LABELS, tiny_pipeline, progress=False, options=MapOptions(embeddings="int8"))
    computed = lazy.compute(scheduler="threads")
    np.testing.assert_allclose(computed["probability"], whole["probability"], atol=1e-5)
    np.testing.assert_array_equal(computed["class"], whole["class"])
    assert computed["embeddings"].dtype == np.int8
    assert abs(computed["embeddings"].astype(int) - whole["embeddings"].astype(int)).max() <= 1


def test_a_stopped_run_goes_on_and_ends_the_same(tmp_path, cube, tiny_checkpoint, monkeypatch):
    whole = MapRun(cube, tmp_path / "whole", LABELS, tiny_checkpoint).execute(progress=False)[""]
    record = runs_module.MapStore.record

    def stop_after_four(self, entry):
        record(self, entry)
        if len(self.done()) == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(runs_module.MapStore, "record", stop_after_four)
        with pytest.raises(KeyboardInterrupt):
            MapRun(cube, tmp_path / "run", LABELS, tiny_checkpoint).execute(progress=False)
    with (tmp_path / "run" / "chunks.jsonl").open("a") as journal:
        journal.write('{"chunk": [2,')  # as a kill leaves it
    run = MapRun(cube, tmp_path / "run", LABELS, tiny_checkpoint)
    assert len(run.left) == len(run.windows) - 4
    assert same(run.execute(progress=False)[""], whole)
    assert not MapRun(cube, tmp_path / "run", LABELS, tiny_checkpoint).left


def test_a_corrupt_chunk_is_named_read_again_and_left_without_data(tmp_path, tiny_checkpoint, monkeypatch):
    # Dask silences every handler of its logger, which can be the one that pytest listens with.
    warnings = []
    monkeypatch.setattr(runs_module.logger, "warning", warnings.append)
    cube = open_cube(small_cube(40, 25), chunks=10)
    whole = MapRun(cube, tmp_path / "whole", LABELS, tiny_checkpoint).execute(progress=False)[""]
    mapped = MapRun(break_chunk(cube, 1, 2), tmp_path / "run", LABELS, tiny_checkpoint).execute(progress=False)[""]
    (failure,) = mapped.attrs["failed_chunks"]
    assert failure == "row 1, column 2: OSError: TIFFReadEncodedTile failed"
    assert warnings[0].startswith("The chunk at row 1, column 2 cannot be read")
    hole = np.zeros((40, 25), dtype=bool)
    hole[10:20, 20:] = True
    assert (mapped["class"].values[hole] == 0).all()
    assert np.isnan(mapped["probability"].values[hole]).all()
    np.testing.assert_array_equal(mapped["class"].values[~hole], whole["class"].values[~hole])
    assert mapped.attrs["pixels_without_data"] == whole.attrs["pixels_without_data"] + hole.sum()
    # The same command, when the file is whole again.
    mended = MapRun(cube, tmp_path / "run", LABELS, tiny_checkpoint).execute(progress=False)[""]
    assert same(mended, whole)
    assert mended.attrs["failed_chunks"] == []


def test_a_chunk_that_is_read_the_third_time_is_not_lost(tmp_path, cube, tiny_checkpoint):
    run = MapRun(cube, tmp_path / "run", LABELS, tiny_checkpoint)
    run.cube = break_chunk(cube, 0, 1, times=2)
    assert run.execute(progress=False)[""].attrs["failed_chunks"] == []


def test_a_full_disk_ends_in_one_sentence_and_what_is_finished_is_kept(tmp_path, cube, tiny_checkpoint, monkeypatch):
    write = runs_module.write_layers

    def full(path, layers, window):
        if window.row == 10:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, layers, window)

    with monkeypatch.context() as patched:
        patched.setattr(runs_module, "write_layers", full)
        with pytest.raises(OSError, match=r"No space left on device.* of 9 chunks are finished and kept in .*run"):
            MapRun(cube, tmp_path / "run", LABELS, tiny_checkpoint).execute(progress=False)
    run = MapRun(cube, tmp_path / "run", LABELS, tiny_checkpoint)
    assert 0 < len(run.left) < 9
    whole = map_cube(cube.compute(), LABELS, tiny_checkpoint, progress=False)
    np.testing.assert_array_equal(run.execute(progress=False)[""]["class"], whole["class"])


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"labels": ["maize", "water"]}, "another labels"),
        ({"options": MapOptions(hypothesis_template="{} from above")}, "another hypothesis template"),
        ({"run": RunOptions(chunk=7, inputs=["one.nc"])}, "another chunk"),
        ({"options": MapOptions(embeddings="int8")}, "another embeddings"),
        ({"options": MapOptions(smoothing="majority:3")}, "another smoothing"),
        ({"reading": SeriesOptions(offset=100.0)}, "another reading"),
        ({"compute": ComputeOptions(dtype="float32")}, "another dtype"),
        ({"run": RunOptions(inputs=["other.nc"])}, "another inputs"),
    ],
)
def test_other_options_in_the_same_folder_are_refused(tmp_path, cube, tiny_checkpoint, changed, named):
    first = {"labels": LABELS, "model": tiny_checkpoint, "run": RunOptions(inputs=["one.nc"])}
    MapRun(cube.isel(y=slice(5), x=slice(5)), tmp_path / "run", **first).execute(progress=False)
    with pytest.raises(ValueError, match=rf"holds a run with {named} \((?!null)"):
        MapRun(cube.isel(y=slice(5), x=slice(5)), tmp_path / "run", **{**first, **changed})


def test_a_run_of_an_earlier_version_is_refused_and_can_still_be_opened(tmp_path, cube, tiny_checkpoint):
    MapRun(cube, tmp_path / "run", LABELS, tiny_checkpoint).execute(progress=False)
    path = tmp_path / "run" / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["identity"]["version"]
    path.write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match=r"holds a run with another version \(none there, 2 here\): choose another"):
        MapRun(cube, tmp_path / "run", LABELS, tiny_checkpoint)
    assert open_map(tmp_path / "run").attrs["labels"] == LABELS


def test_a_folder_of_something_else_is_refused(tmp_path, cube, tiny_checkpoint):
    (tmp_path / "thesis.tex").write_text("do not lose me")
    with pytest.raises(ValueError, match="is no run of this command"):
        MapRun(cube, tmp_path, LABELS, tiny_checkpoint)
    with pytest.raises(ValueError, match="holds no map"):
        open_map(tmp_path / "nothing")
    for opening in (open_map, stored_embeddings):  # whoever only reads is not told to remove it
        with pytest.raises(ValueError, match="holds no map: give the folder of a run"):
            opening(tmp_path)


def test_several_label_sets_cost_one_encoding_and_are_the_maps_of_each(tmp_path, cube, tiny_checkpoint, monkeypatch):
    sets = {"crops": ["maize", "wheat"], "cover": LABELS}
    encoded = []
    from timesenclip_hf import classification

    encode = classification.encode
    monkeypatch.setattr(
        classification, "encode", lambda *arguments, **options: encoded.append(1) or encode(*arguments, **options)
    )
    maps = MapRun(cube, tmp_path / "run", model=tiny_checkpoint, options=MapOptions(label_sets=sets)).execute(
        progress=False
    )
    assert len(encoded) == 9
    for name, labels in sets.items():
        alone = map_cube(cube.compute(), labels, tiny_checkpoint, progress=False)
        assert maps[name].attrs["labels"] == labels
        np.testing.assert_array_equal(maps[name]["class"], alone["class"])
        np.testing.assert_array_equal(maps[name]["clear_months"], alone["clear_months"])
    assert open_map(tmp_path / "run", "crops").attrs["labels"] == sets["crops"]
    with pytest.raises(ValueError, match=r"has no label set ''.*crops, cover"):
        open_map(tmp_path / "run")


@pytest.mark.parametrize(("kind", "tolerance"), [("float16", 2e-3), ("int8", 2e-2)])
def test_stored_embeddings_are_mapped_by_other_words_without_the_pixel_tower(
    tmp_path, cube, tiny_checkpoint, monkeypatch, kind, tolerance
):
    MapRun(cube, tmp_path / "run", LABELS, tiny_checkpoint, options=MapOptions(embeddings=kind)).execute(progress=False)
    words = ["barley", "sea", "a city"]
    expected = map_cube(cube.compute(), words, tiny_checkpoint, progress=False)
    monkeypatch.setattr("timesenclip_hf.classification.encode", lambda *arguments, **options: pytest.fail("encoded"))
    kept = stored_embeddings(tmp_path / "run")
    mapped = MapRun(kept, tmp_path / "other", words, tiny_checkpoint).execute(progress=False)[""]
    np.testing.assert_allclose(mapped["probability"], expected["probability"], atol=tolerance)
    near = expected["margin"].fillna(1) < 2 * tolerance
    assert (mapped["class"] == expected["class"]).where(~near, True).all()
    np.testing.assert_array_equal(mapped["clear_months"], expected["clear_months"])
    assert "embeddings" not in mapped


def test_embeddings_of_other_weights_or_of_no_run_are_refused(tmp_path, cube, tiny_checkpoint, tiny_pipeline):
    MapRun(cube, tmp_path / "plain", LABELS, tiny_checkpoint).execute(progress=False)
    with pytest.raises(ValueError, match="has no embeddings"):
        stored_embeddings(tmp_path / "plain")
    with pytest.raises(ValueError, match="holds no map"):
        stored_embeddings(tmp_path / "nothing")
    run = MapRun(cube, tmp_path / "run", LABELS, tiny_checkpoint, options=MapOptions(embeddings="int8"))
    run.store.create(run.identity, run.recipe, cube, run.side)
    with pytest.raises(ValueError, match="holds no finished map"):
        stored_embeddings(tmp_path / "run")
    run.execute(progress=False)
    with pytest.raises(ValueError, match="whose weights are not those of"):
        MapRun(stored_embeddings(tmp_path / "run"), tmp_path / "other", LABELS)  # the embedded checkpoint


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("embeddings", {"options": MapOptions(embeddings="int8")}),
        ("year", {"reading": SeriesOptions(year=2018)}),
        ("offset", {"reading": SeriesOptions(offset=0.0)}),
    ],
)
def test_what_was_decided_when_embeddings_were_stored_cannot_be_asked_again(
    tmp_path, cube, tiny_checkpoint, name, options
):
    kept = MapOptions(embeddings="float16")
    MapRun(cube, tmp_path / "run", LABELS, tiny_checkpoint, options=kept).execute(progress=False)
    with pytest.raises(ValueError, match=f"`{name}` was decided when the embeddings were stored"):
        MapRun(stored_embeddings(tmp_path / "run"), tmp_path / "other", LABELS, tiny_checkpoint, **options)


def test_equal_pixels_are_encoded_once_and_mapped_the_same(tmp_path, cube, tiny_checkpoint, monkeypatch):
    twins = cube.compute()
    twins["reflectance"][..., 1::2] = twins["reflectance"][..., :-1:2].values
    twins["scl"][..., 1::2] = twins["scl"][..., :-1:2].values
    plain = map_cube(twins, LABELS, tiny_checkpoint, progress=False)
    seen = []
    from timesenclip_hf import classification

    encode = classification.encode

    def counted(model, features, **options):
        seen.append(len(features["pixel_series"]))
        return encode(model, features, **options)

    monkeypatch.setattr(classification, "encode", counted)
    once = map_cube(twins, LABELS, tiny_checkpoint, progress=False, compute=ComputeOptions(deduplicate=True))
    assert sum(seen) == 14 * 6 - 1  # eleven columns, five of them copies, and one pixel under clouds
    np.testing.assert_array_equal(once["class"], plain["class"])
    np.testing.assert_allclose(once["probability"], plain["probability"], atol=1e-6)


@pytest.mark.parametrize("smoothing", ["majority:3", "potts:1.5"])
def test_smoothing_does_not_know_where_a_chunk_ends(tmp_path, cube, tiny_checkpoint, smoothing):
    plain = map_cube(cube.compute(), LABELS, tiny_checkpoint, progress=False)
    options = MapOptions(smoothing=smoothing)
    whole = map_cube(cube.compute(), LABELS, tiny_checkpoint, options=options, progress=False)
    chunked = MapRun(cube, tmp_path / "run", LABELS, tiny_checkpoint, options=options).execute(progress=False)[""]
    lazy = map_cube(cube, LABELS, tiny_checkpoint, options=options)
    assert (whole["class"] != plain["class"]).any()
    np.testing.assert_array_equal(chunked["class"], whole["class"])
    np.testing.assert_array_equal(lazy["class"], whole["class"])
    for name in ("probability", "margin", "entropy"):
        np.testing.assert_allclose(chunked[name], whole[name], atol=1e-5)
        np.testing.assert_allclose(lazy[name], whole[name], atol=1e-5)


def test_scores_after_a_majority_filter_are_of_the_class_shown_and_say_so(tmp_path, cube, tiny_checkpoint):
    hierarchy = {"land": ["maize", "broad-leaved woodland"], "sea": ["water"]}
    plain = map_cube(cube.compute(), None, tiny_checkpoint, options=MapOptions(hierarchy=hierarchy), progress=False)
    options = MapOptions(hierarchy=hierarchy, smoothing="majority:3")
    mapped = MapRun(cube, tmp_path / "run", None, tiny_checkpoint, options=options).execute(progress=False)[""].load()
    replaced = (mapped["class"] != plain["class"]).values
    assert replaced.any()
    for name in ("probability", "margin"):
        np.testing.assert_allclose(mapped[name].values[~replaced], plain[name].values[~replaced], atol=1e-6)
        assert mapped[name].attrs["comment"] == "of the class shown, after smoothing"
    assert (mapped["probability"] < plain["probability"]).values[replaced].all()
    assert (mapped["margin"].values[replaced] == 0).all()
    np.testing.assert_allclose(mapped["entropy"], plain["entropy"], atol=1e-6)
    changed = (mapped["class_coarse"] != plain["class_coarse"]).values
    np.testing.assert_allclose(
        mapped["probability_coarse"].values[changed], 1 - plain["probability_coarse"].values[changed], atol=1e-6
    )
    assert mapped.attrs["smoothing"] == "majority 3 x 3 (probability and margin of the class shown, after smoothing)"
    assert "comment" not in plain["probability"].attrs


def test_a_hierarchy_adds_up_its_labels(cube, tiny_checkpoint):
    hierarchy = {"crops": ["maize", "wheat"], "trees": ["oak"], "rest": ["water", "city"]}
    mapped = map_cube(cube.compute(), None, tiny_checkpoint, options=MapOptions(hierarchy=hierarchy), progress=False)
    assert mapped.attrs["labels"] == ["maize", "wheat", "oak", "water", "city"]
    assert mapped.attrs["coarse_labels"] == ["crops", "trees", "rest"]
    alone = map_cube(cube.compute(), mapped.attrs["labels"], tiny_checkpoint, progress=False)
    np.testing.assert_array_equal(mapped["class"], alone["class"])
    single = mapped.isel(y=0, x=0)
    assert float(single["probability_coarse"]) >= float(single["probability"]) - 1e-6
    assert (mapped["class_coarse"].where(mapped["class"] == 0, 0) == 0).all()
    assert mapped["class_coarse"].attrs["flag_meanings"] == "no_data crops trees rest"


def test_only_clouds_are_no_data_and_counted(tmp_path, cube, tiny_checkpoint):
    clouds = cube.assign(scl=xr.full_like(cube["scl"], 9))
    mapped = MapRun(clouds, tmp_path / "run", LABELS, tiny_checkpoint).execute(progress=False)[""]
    assert mapped.attrs["pixels_without_data"] == 14 * 11
    assert not mapped["class"].any()


def test_chunks_of_cloud_are_read_as_the_whole(tmp_path, tiny_checkpoint):
    """A chunk with little but haze would be refused, or taken for another unit, if it were judged by itself."""
    cube = small_cube(40, 40) / np.float32(10_000)
    for band in BANDS:
        cube[band][:, :5, :5] = 2.2
    cube = open_cube(cube.rio.write_crs("EPSG:32631"), chunks=5)
    mapped = MapRun(cube, tmp_path / "run", LABELS, tiny_checkpoint).execute(progress=False)[""]
    assert mapped.attrs["pixels_without_data"] == 25


def test_the_twelve_months_are_the_whole_cubes(tmp_path, tiny_checkpoint):
    times = np.concatenate([MONTHS[-4:] - np.timedelta64(365, "D"), MONTHS[:8]])
    cube = open_cube(small_cube(20, 20, times=times), chunks=5)
    lost = cube["reflectance"].where((cube["y"] < cube["y"][4]) | (cube["time"].dt.year == 2017), 0).astype(np.uint16)
    mapped = MapRun(cube.assign(reflectance=lost), tmp_path / "run", LABELS, tiny_checkpoint).execute(progress=False)[
        ""
    ]
    assert (mapped.attrs["season"], mapped.attrs["year"]) == ("2017-09", 2018)
    assert (mapped["clear_months"][:5] == 4).all()
    assert (mapped["clear_months"][5:] == 12).all()


def test_the_manifest_says_what_was_made_of_what(tmp_path, cube, tiny_checkpoint):
    MapRun(cube, tmp_path / "run", LABELS, tiny_checkpoint, run=RunOptions(inputs=["a.nc"])).execute(progress=False)
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["identity"]["inputs"] == ["a.nc"]
    assert manifest["identity"]["labels"] == {"": {label: [label] for label in LABELS}}
    assert (manifest["shape"], manifest["side"]) == ([14, 11], [5, 5])
    assert manifest["outcome"] == {"chunks": 9, "failed": {}}
    assert len(manifest["identity"]["weights"]) == 16


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"compute": ComputeOptions(dtype="int4")}, "`dtype` must be float32"),
        ({"labels": None}, "Give class names"),
        ({"options": MapOptions(label_sets={"a": ["maize"]})}, "not both"),
        ({"labels": None, "options": MapOptions(label_sets={"a/b": ["maize"]})}, "letters and digits"),
        ({"labels": None, "options": MapOptions(label_sets={})}, "is empty"),
        (
            {"labels": None, "options": MapOptions(hierarchy={"a": ["maize"], "b": ["maize"]})},
            "'maize' is in two groups",
        ),
        ({"options": MapOptions(hierarchy={"a": ["maize"]})}, "not in both"),
        ({"reading": SeriesOptions(bands=["B02"])}, "`bands` is what an open cube says by itself"),
    ],
)
def test_bad_options_are_refused_in_one_sentence(tmp_path, cube, tiny_checkpoint, arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        MapRun(cube, tmp_path / "run", **{"labels": LABELS, "model": tiny_checkpoint, **arguments})
    assert not (tmp_path / "run").exists()


def test_a_small_map_reads_and_encodes_every_pixel_once(tmp_path, tiny_checkpoint, monkeypatch):
    from timesenclip_hf import classification

    read, encoded, encode = [], [], classification.encode

    def count_reading(values: np.ndarray) -> np.ndarray:
        read.append(values.shape[2] * values.shape[3])
        return values

    def count_encoding(model, features, **options):
        encoded.append(len(features["pixel_series"]))
        return encode(model, features, **options)

    monkeypatch.setattr(classification, "encode", count_encoding)
    cube = open_cube(small_cube(75, 80), chunks=25)
    counted = cube["reflectance"].data.map_blocks(count_reading, dtype=np.uint16, meta=np.empty((0,) * 4, np.uint16))
    cube = cube.assign(reflectance=(cube["reflectance"].dims, counted))
    run = MapRun(cube, tmp_path / "run", LABELS, tiny_checkpoint)
    plan = run.plan()
    plan.check()
    assert (plan.seconds, encoded) == (None, [])
    assert "; less than a minute; output up to" in str(plan)
    mapped = run.execute(progress=False)[""]
    assert sum(read) == sum(encoded) == mapped["class"].size == plan.pixels == 6000
    assert len(encoded) == plan.chunks == 12


def test_a_scheduler_that_nobody_runs_is_named(tmp_path, cube, tiny_checkpoint, monkeypatch):
    monkeypatch.setattr("timesenclip_hf.maps.making.cluster.PATIENCE", 0.2)
    run = MapRun(cube, tmp_path / "run", LABELS, tiny_checkpoint, run=RunOptions("tcp://127.0.0.1:1"))
    with pytest.raises(OSError, match=r"The scheduler tcp://127.0.0.1:1 cannot be reached"):
        run.execute(progress=False)
