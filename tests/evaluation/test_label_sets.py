from dataclasses import replace

import numpy as np
import pytest

from tests.evaluation.test_harness import FEW, small_set
from tests.support.fitted_sets import fitted_from, left_as_words
from timesenclip_hf import encode
from timesenclip_hf.evaluation.harness import evaluate, summarise
from timesenclip_hf.evaluation.protocol import SUITES, Checkpoint, EvaluationSet, Protocol
from timesenclip_hf.evaluation.report import write_report
from timesenclip_hf.evaluation.tasks import tasks_of
from timesenclip_hf.labelling.label_set_files import write_label_set
from timesenclip_hf.models.timesenclip.label_set_timesenclip import label_set_from_words

NAMES = ["maize", "wheat", "rapeseed"]
TRUTH = [0, 1, 2, 0, 1] * 4


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint):
    return Checkpoint.load(str(tiny_checkpoint))


@pytest.fixture(scope="module")
def words(checkpoint):
    return label_set_from_words(checkpoint.model, checkpoint.processor, NAMES)


def asked_of(label_set, tmp_path) -> EvaluationSet:
    """Ask a small set by a label set in a file."""
    write_label_set(label_set, tmp_path / "crops.labels")
    given = small_set(NAMES, TRUTH)
    return EvaluationSet(given.samples, tasks_of(given.samples, taxonomies={"crop": str(tmp_path / "crops.labels")}))


def test_a_fitted_set_is_scored_by_its_own_vectors_and_says_so_in_every_entry(checkpoint, words, tmp_path):
    fitted = fitted_from(words)
    asked = asked_of(fitted, tmp_path)
    results = evaluate([checkpoint], [asked], Protocol(suites=SUITES, missing=("winter",), resampling=FEW)).results
    (run,) = results["runs"]
    assert {(entry["prompts"], entry["scores"]) for entry in run["tasks"]} == {("fitted", "raw, fitted to examples")}
    counts = "Classes were fitted to examples (maize 3, wheat 4, rapeseed 5): where"
    assert sum(note.startswith(counts) for note in run["notes"]) == 1
    assert "has a label set instead" in run["not_run"]["few_shot"]
    assert "has a label set instead" in run["not_run"]["calibration"]
    samples = asked.samples
    embeds = encode(checkpoint.model, samples.features(checkpoint.processor.feature_extractor, 12, range(0)))
    right = fitted.logits(embeds).argmax(dim=1).numpy() == np.array(TRUTH)
    (whole,) = evaluate([checkpoint], [asked], Protocol(composites=(12,), resampling=FEW)).results["runs"][0]["tasks"]
    assert whole["metrics"]["accuracy"]["value"] == pytest.approx(right.mean())
    assert "fitted to examples" in summarise(results)
    write_report(results, tmp_path / "report")
    page = next((tmp_path / "report").glob("*.html")).read_text()
    assert "fitted to examples" in page


def test_a_set_without_an_example_scores_as_its_words(checkpoint, words, tmp_path):
    plain = small_set(NAMES, TRUTH)
    asked = asked_of(left_as_words(words), tmp_path)
    by_name = EvaluationSet(plain.samples, tasks_of(plain.samples, taxonomies={"crop": str(_names(tmp_path))}))
    entries = [
        evaluate([checkpoint], [given], Protocol(composites=(12,), resampling=FEW)).results["runs"][0]["tasks"]
        for given in (asked, by_name)
    ]
    words_entry = next(entry for entry in entries[1] if (entry["prompts"], entry["scores"]) == ("generic", "raw"))
    assert entries[0][0]["confusion"] == words_entry["confusion"]
    assert entries[0][0]["metrics"] == words_entry["metrics"]


def _names(folder):
    path = folder / "names.json"
    path.write_text('["maize", "wheat", "rapeseed"]')
    return path


def test_a_set_that_reads_values_or_is_of_other_weights_is_refused_in_one_sentence(checkpoint, words, tmp_path):
    with pytest.raises(ValueError, match="reads monthly values, which an evaluation does not hand on"):
        asked_of(fitted_from(words, with_values=10), tmp_path)
    (tmp_path / "crops.labels").unlink()
    asked = asked_of(replace(fitted_from(words), weights_hash="0" * 16), tmp_path)
    with pytest.raises(ValueError, match="a checkpoint with other weights"):
        evaluate([checkpoint], [asked], Protocol(resampling=FEW))
