import json
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import rasterio
from typer.testing import CliRunner

from tests.support.fitted_sets import fitted_from, left_as_words
from timesenclip_hf.classification import PixelClassifier, load_pipeline
from timesenclip_hf.cli import app
from timesenclip_hf.labelling.label_set_files import write_label_set
from timesenclip_hf.models.timesenclip.label_set_timesenclip import label_set_from_words

LABELS = ["maize", "woodland", "water"]


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def words(tiny_checkpoint):
    loaded = load_pipeline(tiny_checkpoint, None)
    return label_set_from_words(loaded.model, loaded.processor, LABELS)


@pytest.fixture
def crops(words, tmp_path):
    write_label_set(fitted_from(words), tmp_path / "crops.labels")
    return tmp_path / "crops.labels"


@pytest.fixture
def valued(words, tmp_path):
    write_label_set(fitted_from(words, with_values=10), tmp_path / "valued.labels")
    return tmp_path / "valued.labels"


def test_classify_reads_a_fitted_set_and_says_so_in_what_it_prints_and_writes(
    tmp_path, table, words, valued, tiny_checkpoint
):
    output, common = tmp_path / "out.csv", ("--model", tiny_checkpoint)
    result = run("classify", table, "--labels", valued, *common, "--output", output)
    assert result.exit_code == 0, result.output
    assert "note: fitted to examples: maize 3, woodland 4, water 5" in result.stderr
    frame = pd.read_csv(output)
    assert list(frame.columns) == ["id", "label", "score", "fitted", *LABELS]
    assert frame["fitted"].dropna().all()
    classifier = PixelClassifier(fitted_from(words, with_values=10), tiny_checkpoint)
    with np.load(table) as arrays:
        expected, _ = classifier.probabilities(arrays["X"])
    np.testing.assert_allclose(frame[LABELS], expected, atol=1e-4)
    best = run("classify", table, "--labels", valued, *common, "--output", tmp_path / "best.csv", "--top-k", 2)
    assert best.exit_code == 0
    columns = pd.read_csv(tmp_path / "best.csv").columns
    assert list(columns) == ["id", "label", "score", "label_2", "score_2", "fitted"]


def test_classify_without_an_example_writes_the_scores_of_the_words(tmp_path, table, words, tiny_checkpoint):
    write_label_set(left_as_words(words), tmp_path / "left.labels")
    scores = []
    for labels in (",".join(LABELS), tmp_path / "left.labels"):
        output = tmp_path / "out.csv"
        call = ("classify", table, "--labels", labels, "--model", tiny_checkpoint, "--output", output, "--overwrite")
        assert run(*call).exit_code == 0
        scores.append(pd.read_csv(output).drop(columns="fitted", errors="ignore"))
    pd.testing.assert_frame_equal(*scores)


def test_maps_of_a_fitted_set_say_so_in_every_file(tmp_path, cube, crops, valued, tiny_checkpoint):
    common, output = ("--model", tiny_checkpoint), tmp_path / "map.tif"
    result = run("map", cube, "--labels", crops, *common, "--output", output, "--embeddings", "float16")
    assert result.exit_code == 0, result.output
    counts = "maize 3, woodland 4, water 5"
    assert f"note: fitted to examples: {counts}" in result.stdout
    with rasterio.open(output) as raster:
        assert raster.tags()["FITTED_TO_EXAMPLES"] == counts
    described = ElementTree.parse(f"{output}.aux.xml").findtext("Metadata/MDI[@key='FITTED_TO_EXAMPLES']")
    assert described == counts
    item = json.loads((tmp_path / "map_stac.json").read_text())
    assert item["properties"]["mlm:hyperparameters"]["fitted_to_examples"] == counts.split(", ")
    page = (tmp_path / "map.html").read_text()
    assert "Fitted to examples" in page
    assert counts in page
    again = tmp_path / "again.tif"
    sets = ("--label-set", f"crops={crops}", "--label-set", "all=oak,sea")
    result = run("map", "--relabel", tmp_path / "map.run", *sets, *common, "--output", again)
    assert result.exit_code == 0, result.output
    assert f"crops: note: fitted to examples: {counts}" in result.stdout
    assert "all: note" not in result.stdout
    with rasterio.open(output) as first, rasterio.open(tmp_path / "again_crops.tif") as second:
        assert (first.read() == second.read()).mean() > 0.9
    refused = run("map", "--relabel", tmp_path / "map.run", "--labels", valued, *common, "--output", again)
    assert "reads monthly values, which a map does not store" in refused.stderr


def test_a_class_of_a_fitted_set_is_searched(tmp_path, table, crops, tiny_checkpoint):
    labels, common = tmp_path / "labels.csv", ("--model", tiny_checkpoint)
    rows = [{"id": f"p{place}", "longitude": 5 + place, "latitude": 50} for place in range(8)]
    pd.DataFrame(rows).to_csv(labels, index=False)
    assert run("import", "table", table, "--output", tmp_path / "out", "--labels", labels).exit_code == 0
    assert run("index", tmp_path / "out", "--output", tmp_path / "index", *common).exit_code == 0
    search = ("--index", tmp_path / "index", *common, "--labels", crops, "--format", "json")
    result = run("search", "water", *search)
    assert result.exit_code == 0, result.output
    assert f"searched by the vector of the class 'water' of {crops}, fitted to 5 examples" in result.stderr
    assert all(hit["fitted"] for hit in json.loads(result.stdout))
    assert "'wheat' is no class of the label set" in run("search", "wheat", *search).stderr


def test_what_cannot_be_read_or_used_ends_in_one_line(tmp_path, table, cube, words, crops, tiny_checkpoint):
    other = tmp_path / "other.labels"
    write_label_set(replace(fitted_from(words), weights_hash="f" * 16), other)
    (tmp_path / "odd.labels").write_bytes(b"maize\nwheat\n")
    cut, renamed = tmp_path / "cut.labels", tmp_path / "renamed.json"
    cut.write_bytes(crops.read_bytes()[:-100])
    renamed.write_bytes(crops.read_bytes())
    (tmp_path / "folder.labels").mkdir()
    groups = tmp_path / "n_stac.json"
    groups.write_text('{"farmland": ["maize"]}')
    classify, mapping = ("classify", table, "--labels"), ("map", cube, "--output", tmp_path / "m.tif")
    for call, sentence in [
        ((*classify, other), "of a checkpoint with other weights (ffffffffffffffff, here "),
        ((*mapping, "--labels", other), "of a checkpoint with other weights"),
        ((*classify, tmp_path / "odd.labels"), "odd.labels is cut short, or no safetensors"),
        ((*classify, tmp_path / "nowhere.labels"), "No such file: "),
        ((*classify, crops, "--template", "{}"), "--template is for words"),
        ((*mapping, "--label-set", f"a={crops}", "--labels", crops), "Give --label-set, or labels"),
        ((*classify, cut), "cut.labels is damaged or cut short: fetch it again"),
        ((*classify, renamed), "renamed.json is no text in UTF-8"),
        ((*classify, tmp_path / "folder.labels"), "folder.labels is a folder"),
        ((*classify, crops, "--output", crops, "--overwrite"), "crops.labels is read by the same command"),
        (("map", cube, "--output", tmp_path / "n.tif", "--hierarchy", groups, "--overwrite"), "is read by the same"),
        ((*mapping, "--labels", crops, "--hierarchy", crops), 'A hierarchy is {"group": ["label", ...]}'),
    ]:
        result = run(*call, "--model", tiny_checkpoint)
        assert result.exit_code == 1
        assert "Traceback" not in result.output
        lines = result.stderr.strip().splitlines()
        assert lines[-1].startswith("error: ")
        assert sentence in lines[-1]
