import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np
import pytest
import torch
from datasets import Dataset, Features, load_dataset
from transformers import AutoModel, AutoProcessor

from tests.support.fitted_sets import fitted_from
from timesenclip_hf import TimeSenCLIPModel, encode, search
from timesenclip_hf.data.schema import photo_feature
from timesenclip_hf.data.sources.arrays import NO_CLEAR_OBSERVATION, dataset_from_series
from timesenclip_hf.models.timesenclip.label_set_timesenclip import label_set_from_words
from timesenclip_hf.models.timesenclip.zero_shot_timesenclip import embed_labels, score
from timesenclip_hf.search import FAISS_FILE, INDEX_FILE, SearchIndex, as_geojson, as_table, build_index

ROOT = Path(__file__).resolve().parents[1]
POINTS = 30


def make_points(number=POINTS, seed=0, photos=True, **columns) -> Dataset:
    rng = np.random.default_rng(seed)
    places = {"longitude": rng.uniform(-9, 25, number).tolist(), "latitude": rng.uniform(36, 60, number).tolist()}
    columns = {"point_id": [f"p{row}" for row in range(number)], **places, "year": [2018] * number, **columns}
    dataset = dataset_from_series(rng.uniform(0.02, 0.5, (number, 12, 10)).astype(np.float32), columns)
    if not photos:
        return dataset
    shown = [
        [
            {"direction": "N", "url": f"https://photos.example/{row}N.jpg", "image": None, "licence": "reserved"},
            {"direction": "E", "url": "", "image": {"bytes": None, "path": f"/photos/{row}E.jpg"}, "licence": None},
            {"direction": "S", "url": None, "image": {"bytes": b"jpeg", "path": "S.jpg"}, "licence": None},
        ][: row % 4]
        for row in range(number)
    ]
    return dataset.add_column("photos", shown, feature=Features({"photos": photo_feature()})["photos"])


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint):
    return AutoModel.from_pretrained(tiny_checkpoint).eval(), AutoProcessor.from_pretrained(tiny_checkpoint)


@pytest.fixture(scope="module")
def other_checkpoint(checkpoint):
    torch.manual_seed(1)
    return TimeSenCLIPModel(checkpoint[0].config).eval(), checkpoint[1]


@pytest.fixture(scope="module")
def built(checkpoint, tmp_path_factory):
    folder = tmp_path_factory.mktemp("indexes") / "index"
    build_index(make_points(), folder, *checkpoint, progress=False)
    return folder


@pytest.fixture(scope="module")
def index(built, checkpoint):
    return SearchIndex.load(built, *checkpoint)


def files_of(folder):
    return {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("query", ["rice paddies", ["rice paddies", "flooded fields"]])
@pytest.mark.parametrize("template", [None, "a satellite pixel of {}"])
def test_a_search_is_a_plain_argsort_of_the_scores(index, checkpoint, query, template):
    phrases = [query] if isinstance(query, str) else query
    series = checkpoint[1].feature_extractor(
        np.asarray(make_points()["series"], dtype=np.float32).reshape(-1, 12, 10), units="dn", offset=0
    )
    _, words = embed_labels(*checkpoint, {"query": phrases}, template)
    cosines = score(encode(checkpoint[0], series), words)[:, 0].numpy()
    hits = index.search(query, top_k=7, hypothesis_template=template)
    order = np.argsort(-cosines)[:7]
    assert [hit["point_id"] for hit in hits] == [f"p{row}" for row in order]
    np.testing.assert_allclose([hit["score"] for hit in hits], cosines[order], atol=1e-6)
    assert [hit["rank"] for hit in hits] == list(range(1, 8))


def test_a_hit_has_its_place_its_year_and_links_to_its_photos(index):
    points = {row["point_id"]: row for row in make_points()}
    hits = index.search("rice", top_k=POINTS)
    assert {hit["point_id"] for hit in hits} == set(points)
    for hit in hits:
        row = points[hit["point_id"]]
        assert (hit["longitude"], hit["latitude"], hit["year"]) == (row["longitude"], row["latitude"], 2018)
        assert [photo["direction"] for photo in hit["photos"]] == ["N", "E", "S"][: len(row["photos"])]
    number = next(hit["point_id"] for hit in hits if len(hit["photos"]) == 3)[1:]
    links = [photo["link"] for hit in hits if hit["point_id"] == f"p{number}" for photo in hit["photos"]]
    # What lies in a dataset as bytes has no link.
    assert links == [f"https://photos.example/{number}N.jpg", f"/photos/{number}E.jpg", None]


def test_a_class_of_a_fitted_set_is_searched_by_its_vector_and_says_so(index, checkpoint):
    words = label_set_from_words(*checkpoint, ["rice", "water"])
    fitted = fitted_from(words)
    expected = [{**hit, "fitted": True} for hit in index.nearest(fitted.class_embeds[1], top_k=5)]
    assert index.search("water", top_k=5, label_set=fitted) == expected
    of_words, plain = index.search("water", label_set=words), index.search("water")
    assert [hit["point_id"] for hit in of_words] == [hit["point_id"] for hit in plain]
    assert "fitted" not in of_words[0]


def test_a_class_that_no_label_set_has_and_sets_that_cannot_search_get_one_sentence(index, checkpoint):
    fitted = fitted_from(label_set_from_words(*checkpoint, ["rice", "water"]))
    with pytest.raises(ValueError, match="'wheat' is no class of the label set, which has rice, water: name one"):
        index.search("wheat", label_set=fitted)
    with pytest.raises(ValueError, match="reads monthly values, which an index does not hold"):
        index.search("water", label_set=fitted_from(fitted, with_values=10))
    with pytest.raises(ValueError, match="a checkpoint with other weights"):
        index.search("water", label_set=replace(fitted, weights_hash="0" * 16))


def test_no_more_points_are_found_than_there_are(index):
    assert len(index.search("rice", top_k=POINTS + 5)) == POINTS


def test_a_series_finds_itself(index, checkpoint):
    series = np.asarray(make_points()[11]["series"], dtype=np.float32).reshape(12, 10)
    vector = encode(checkpoint[0], checkpoint[1].feature_extractor(series, units="dn", offset=0))[0]
    best = index.nearest(5 * vector, top_k=1)[0]
    assert best["point_id"] == "p11"
    assert best["score"] == pytest.approx(1, abs=1e-5)


def test_the_folder_of_an_index_is_a_dataset(built, checkpoint, tmp_path):
    dataset = load_dataset(str(built), split="train", cache_dir=str(tmp_path))
    assert len(dataset) == POINTS
    vectors = np.asarray(dataset["embedding"], dtype=np.float32)
    stored = faiss.read_index(str(built / FAISS_FILE))
    assert stored.metric_type == faiss.METRIC_INNER_PRODUCT
    np.testing.assert_array_equal(stored.reconstruct_n(0, POINTS), vectors)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_the_record_says_what_made_the_index(built, checkpoint, tiny_checkpoint):
    record = json.loads((built / INDEX_FILE).read_text())
    assert record["model"] == tiny_checkpoint.name
    assert (record["embedding_size"], record["points"]) == (32, POINTS)
    assert set(record) == {"model", "weights_hash", "embedding_size", "points", "content_hash", "package_version"}
    assert str(tiny_checkpoint.parent) not in (built / INDEX_FILE).read_text()


def test_an_index_of_another_checkpoint_is_refused_by_name(built, other_checkpoint, tiny_checkpoint):
    with pytest.raises(
        ValueError, match=f"built by another checkpoint, {tiny_checkpoint.name} \\(weights [0-9a-f]+\\), n"
    ):
        SearchIndex.load(built, *other_checkpoint)


def test_a_checkpoint_without_its_vision_tower_searches_the_same_index(built, index, checkpoint, tmp_path):
    model, processor = checkpoint
    small = TimeSenCLIPModel(model.config.__class__(**{**model.config.to_dict(), "vision_config": None})).eval()
    small.load_state_dict(model.state_dict(), strict=False)
    assert SearchIndex.load(built, small, processor).search("rice") == index.search("rice")


def test_points_without_any_observation_are_left_out_and_listed(checkpoint, tmp_path):
    dataset = make_points(9, photos=False)
    rows = [{**row, "observed": [row["point_id"] not in ("p2", "p5")] * 12} for row in dataset]
    report = build_index(Dataset.from_list(rows, dataset.features), tmp_path / "index", *checkpoint, progress=False)
    assert (report.points, report.rows, report.counts) == (9, 7, {NO_CLEAR_OBSERVATION: 2})
    hits = SearchIndex.load(tmp_path / "index", *checkpoint).search("rice", top_k=9)
    assert {hit["point_id"] for hit in hits} == {f"p{row}" for row in (0, 1, 3, 4, 6, 7, 8)}


def test_parts_of_any_size_give_one_index(built, checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(search, "PART_SIZE", 7)
    build_index(make_points(), tmp_path / "index", *checkpoint, progress=False)
    records = [json.loads((folder / INDEX_FILE).read_text()) for folder in (built, tmp_path / "index")]
    assert records[0]["points"] == records[1]["points"]
    parts, expected = (faiss.read_index(str(folder / FAISS_FILE)) for folder in (tmp_path / "index", built))
    np.testing.assert_allclose(parts.reconstruct_n(0, POINTS), expected.reconstruct_n(0, POINTS), atol=1e-6)


def test_a_build_that_was_stopped_is_no_index_and_goes_on(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(search, "PART_SIZE", 10)
    folder, calls = tmp_path / "index", []

    def fail_at_the_third(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return encode(*arguments, **options)

    monkeypatch.setattr(search, "encode", fail_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        build_index(make_points(), folder, *checkpoint, progress=False)
    with pytest.raises(FileNotFoundError, match="is not finished, or is no index: run the same command again"):
        SearchIndex.load(folder, *checkpoint)
    assert not (folder / "data").exists()
    build_index(make_points(), folder, *checkpoint, progress=False)
    assert len(calls) == 4, "only the part that was lost is embedded again"
    undisturbed = tmp_path / "undisturbed"
    build_index(make_points(), undisturbed, *checkpoint, progress=False)
    again, expected = files_of(folder), files_of(undisturbed)
    assert {name: data for name, data in again.items() if name.name != "import_report.json"} == {
        name: data for name, data in expected.items() if name.name != "import_report.json"
    }


def test_a_build_that_was_stopped_before_its_last_file_goes_on(checkpoint, tmp_path, monkeypatch):
    folder = tmp_path / "index"
    with monkeypatch.context() as patch:
        patch.setattr(faiss, "write_index", lambda *_: (_ for _ in ()).throw(OSError("the disk is full")))
        with pytest.raises(OSError, match="the disk is full"):
            build_index(make_points(), folder, *checkpoint, progress=False)
    with pytest.raises(FileNotFoundError, match="is not finished"):
        SearchIndex.load(folder, *checkpoint)
    build_index(make_points(), folder, *checkpoint, progress=False)
    assert len(SearchIndex.load(folder, *checkpoint).search("rice")) == 10
    assert sorted(file.name for file in folder.iterdir()) == ["data", FAISS_FILE, "import_report.json", INDEX_FILE]


def test_a_finished_index_is_not_built_again(built, checkpoint, monkeypatch):
    before = files_of(built)
    monkeypatch.setattr(search, "encode", lambda *_, **__: pytest.fail("embedded again"))
    assert build_index(make_points(), built, *checkpoint, progress=False).rows == POINTS
    assert files_of(built) == before


@pytest.mark.parametrize("what", ["points", "weights"])
def test_a_folder_with_another_index_is_left_alone(built, checkpoint, other_checkpoint, what):
    before = files_of(built)
    arguments = (
        (make_points(seed=1), built, *checkpoint) if what == "points" else (make_points(), built, *other_checkpoint)
    )
    with pytest.raises(ValueError, match=f"with another {what} .*choose another folder, or delete it"):
        build_index(*arguments, progress=False)
    assert files_of(built) == before


def test_points_of_unknown_place_are_found_without_geometry(checkpoint, tmp_path):
    places = {"longitude": [5.0, float("nan"), 7.0], "latitude": [50.0, float("nan"), float("nan")]}
    dataset = make_points(3, photos=False, **places)
    build_index(dataset, tmp_path / "index", *checkpoint, progress=False)
    hits = SearchIndex.load(tmp_path / "index", *checkpoint).search("rice")
    geometries = {feature["properties"]["point_id"]: feature["geometry"] for feature in as_geojson(hits)["features"]}
    assert geometries == {"p0": {"type": "Point", "coordinates": [5.0, 50.0]}, "p1": None, "p2": None}
    assert json.loads(json.dumps(as_geojson(hits), allow_nan=False)) == as_geojson(hits)
    assert as_table(hits).count(" - ") >= 3


def test_a_dataset_may_lack_years_and_photos(checkpoint, tmp_path):
    dataset = make_points(3, photos=False).remove_columns("year")
    build_index(dataset, tmp_path / "index", *checkpoint, progress=False)
    hits = SearchIndex.load(tmp_path / "index", *checkpoint).search("rice")
    assert [(hit["year"], hit["photos"]) for hit in hits] == [(None, [])] * 3
    assert len(as_table(hits).splitlines()) == 4


def test_geojson_has_a_point_with_all_that_is_known_for_each_hit(index):
    hits = index.search("rice", top_k=3)
    content = as_geojson(hits)
    assert content["type"] == "FeatureCollection"
    for feature, hit in zip(content["features"], hits, strict=True):
        assert feature["geometry"] == {"type": "Point", "coordinates": [hit["longitude"], hit["latitude"]]}
        assert {**feature["properties"], "longitude": hit["longitude"], "latitude": hit["latitude"]} == hit


def test_the_table_shows_places_scores_and_links(index):
    hits = index.search("rice", top_k=POINTS)
    lines = as_table(hits).splitlines()
    assert len(lines) == POINTS + 1
    for line, hit in zip(lines[1:], hits, strict=True):
        assert f"{hit['score']:.3f}" in line
        assert f"{hit['longitude']:.5f}" in line
        assert f"{hit['latitude']:.5f}" in line
        assert all(photo["link"] in line for photo in hit["photos"] if photo["link"])


def knowing(processor, *words):
    parts = (processor.feature_extractor, processor.image_processor, processor.tokenizer)
    return type(processor)(*parts, hypothesis_template=processor.hypothesis_template, known_words=words)


def test_a_query_of_unknown_words_is_refused_and_a_single_one_warned_of(built, checkpoint, caplog, monkeypatch):
    index = SearchIndex.load(built, checkpoint[0], knowing(checkpoint[1], "rice", "paddy", "a", "photo", "of"))
    with pytest.raises(
        ValueError, match=r"No word of 'rise puddy' occurs .* at random; the nearest it knows: rice, paddy"
    ):
        index.search("rise puddy")
    with pytest.raises(ValueError, match="it knows none that is similar"):
        index.search("zzzzzz")
    logger = logging.getLogger("timesenclip_hf.models.timesenclip.zero_shot_timesenclip")
    monkeypatch.setattr(logger, "propagate", True)
    with caplog.at_level(logging.WARNING, logger=logger.name):
        assert len(index.search("rice puddy", top_k=2)) == 2
    assert "'puddy' occurs in none of this checkpoint's training captions" in caplog.text


@pytest.mark.parametrize("query", ["", "  ", "123", []])
def test_a_query_without_words_is_refused(index, query):
    with pytest.raises(ValueError, match="has no words: say what to find"):
        index.search(query)


def test_top_k_and_embeddings_are_checked(index):
    with pytest.raises(ValueError, match="`top_k` must be at least 1, got 0"):
        index.search("rice", top_k=0)
    with pytest.raises(ValueError, match="must be 32 finite numbers, got \\(31,\\)"):
        index.nearest(np.ones(31))
    with pytest.raises(ValueError, match="must be 32 finite numbers"):
        index.nearest(np.full(32, np.nan))


@pytest.mark.parametrize(
    ("dataset", "sentence"),
    [
        (lambda: make_points(3).select([]), "The dataset is empty"),
        (lambda: make_points(3).remove_columns("longitude"), "no column 'longitude', but point_id"),
        (lambda: make_points(3, longitude=[float("nan")] * 3), "No point has coordinates"),
        (lambda: make_points(3).remove_columns("series"), "no column 'series'"),
    ],
)
def test_a_dataset_that_cannot_be_searched_gets_one_sentence(checkpoint, tmp_path, dataset, sentence):
    with pytest.raises(ValueError, match=sentence):
        build_index(dataset(), tmp_path / "index", *checkpoint, progress=False)
    assert not (tmp_path / "index" / INDEX_FILE).exists()


def test_damaged_weights_are_told_by_the_point(checkpoint, tmp_path):
    model = TimeSenCLIPModel(checkpoint[0].config).eval()
    model.pixel_model.projection.bias.data.fill_(torch.nan)
    with pytest.raises(ValueError, match="The embedding of the point p0 is not finite"):
        build_index(make_points(3), tmp_path / "index", model, checkpoint[1], progress=False)


def test_a_folder_without_an_index_is_told(checkpoint, tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist; `timesenclip index DATASET --output"):
        SearchIndex.load(tmp_path / "nowhere", *checkpoint)


@pytest.mark.parametrize("damage", ["cut", "missing", "fewer", "record", "empty"])
def test_a_damaged_index_is_told_in_one_sentence(built, checkpoint, tmp_path, damage):
    folder = tmp_path / "index"
    shutil.copytree(built, folder)
    file = folder / FAISS_FILE
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:200])
    elif damage == "missing":
        file.unlink()
    elif damage == "fewer":
        fewer = faiss.IndexFlatIP(32)
        fewer.add(np.eye(32, dtype=np.float32)[:3])
        faiss.write_index(fewer, str(file))
    elif damage == "record":
        (folder / INDEX_FILE).write_text("[1]")
    else:
        record = json.loads((folder / INDEX_FILE).read_text())
        (folder / INDEX_FILE).write_text(json.dumps({**record, "points": 0}))
    with pytest.raises(ValueError, match="build it again") as caught:
        SearchIndex.load(folder, *checkpoint)
    assert "\n" not in str(caught.value)


def test_without_faiss_the_extra_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, "timesenclip_hf.search")
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ImportError, match=r"This needs faiss, which is not installed: run pip install .*\[eval\]"):
        import timesenclip_hf.search  # noqa: F401


@pytest.mark.slow
def test_a_build_that_was_killed_is_no_index_and_goes_on(checkpoint, tiny_checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(search, "PART_SIZE", 10)
    folder = tmp_path / "index"
    code = (
        "import os, signal, sys\n"
        "from transformers import AutoModel, AutoProcessor\n"
        "from tests.test_search import make_points\n"
        "from timesenclip_hf import search\n"
        "search.PART_SIZE, calls, encode = 10, [], search.encode\n"
        "def kill_at_the_third(*arguments, **options):\n"
        "    calls.append(1)\n"
        "    if len(calls) == 3:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return encode(*arguments, **options)\n"
        "search.encode = kill_at_the_third\n"
        f"model, processor = (auto.from_pretrained({str(tiny_checkpoint)!r}) for auto in (AutoModel, AutoProcessor))\n"
        f"search.build_index(make_points(), {str(folder)!r}, model.eval(), processor, progress=False)\n"
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    killed = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    with pytest.raises(FileNotFoundError, match="is not finished"):
        SearchIndex.load(folder, *checkpoint)
    build_index(make_points(), folder, *checkpoint, progress=False)
    assert len(SearchIndex.load(folder, *checkpoint).points) == POINTS
