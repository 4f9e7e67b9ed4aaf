"""Every folder of hub/metrics, loaded as `evaluate` loads it, against the plain function."""

import doctest
from pathlib import Path

import evaluate
import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import softmax

from timesenclip_hf.evaluation import metrics

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = sorted(folder.name for folder in (ROOT / "hub" / "metrics").iterdir())


@pytest.fixture(scope="module", autouse=True)
def _own_caches(tmp_path_factory):
    """Examples name a folder from the root of the checkout; caches are the tests' own."""
    folder = tmp_path_factory.mktemp("evaluate")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setattr(evaluate.config, "HF_MODULES_CACHE", folder / "modules")
        patch.setattr(evaluate.config, "HF_METRICS_CACHE", folder / "metrics")
        yield


def cases():
    """Arguments of each metric, and what the plain functions say of them."""
    rng = np.random.default_rng(0)
    scores, truth, predicted = rng.normal(size=(60, 5)), rng.integers(0, 4, 60), rng.integers(0, 5, 60)
    queries, gallery = rng.normal(size=(60, 3)), rng.normal(size=(80, 3))
    gallery_labels, ids = rng.integers(0, 4, 80), np.arange(60)
    targets = (rng.random((60, 5)) < 0.3).astype(int) * [1, 1, 1, 1, 0]
    probabilities, gallery_ids, votes = softmax(scores, axis=1), rng.permutation(80) % 60, rng.normal(size=60)
    searched = {"gallery": gallery, "k": 3}
    return {
        "top_k_accuracy": (
            {"predictions": scores, "references": truth, "k": 2},
            {"top_k_accuracy": metrics.top_k_accuracy(scores, truth, 2)},
        ),
        "balanced_accuracy": (
            {"predictions": predicted, "references": truth, "num_classes": 5},
            {"balanced_accuracy": metrics.balanced_accuracy(predicted, truth, 5), "absent_classes": [4]},
        ),
        "class_consistent_recall_at_k": (
            {"predictions": queries, "references": truth, "gallery_labels": gallery_labels, **searched},
            {"class_consistent_recall_at_k": metrics.recall_at_k(queries, gallery, truth, gallery_labels, 3)},
        ),
        "instance_recall_at_k": (
            {"predictions": queries, "references": ids, "gallery_ids": gallery_ids, **searched},
            {"instance_recall_at_k": metrics.instance_recall_at_k(queries, gallery, ids, gallery_ids, 3)},
        ),
        "mean_average_precision": (
            {"predictions": scores, "references": targets},
            {"mean_average_precision": metrics.mean_average_precision(scores, targets), "absent_classes": [4]},
        ),
        "expected_calibration_error": (
            {"predictions": probabilities, "references": truth, "bins": 10},
            {"expected_calibration_error": metrics.expected_calibration_error(probabilities, truth, 10)},
        ),
        "scenicness_correlation": (
            {"predictions": scores[:, 0], "references": votes},
            {
                "pearson_r": stats.pearsonr(scores[:, 0], votes).statistic,
                "kendall_tau": stats.kendalltau(scores[:, 0], votes).statistic,
            },
        ),
    }


def test_every_folder_is_compared():
    assert sorted(cases()) == FOLDERS


@pytest.mark.parametrize("name", FOLDERS)
def test_a_module_loaded_from_its_folder_says_what_the_plain_function_says(name):
    arguments, expected = cases()[name]
    module = evaluate.load(f"hub/metrics/{name}")
    assert module.name == name
    assert module.compute(**arguments) == expected
    tensors = {key: torch.from_numpy(value) for key, value in arguments.items() if isinstance(value, np.ndarray)}
    assert module.compute(**arguments | tensors) == expected


@pytest.mark.parametrize("name", FOLDERS)
def test_batches_that_are_added_count_as_one_set(name):
    arguments, expected = cases()[name]
    predictions, references = arguments.pop("predictions"), arguments.pop("references")
    module = evaluate.load(f"hub/metrics/{name}")
    for rows in (slice(0, 25), slice(25, None)):
        module.add_batch(predictions=predictions[rows], references=references[rows])
    assert module.compute(**arguments) == expected


@pytest.mark.parametrize("name", FOLDERS)
def test_the_example_of_a_card_prints_what_the_card_says(name):
    card = (ROOT / "hub" / "metrics" / name / "README.md").read_text(encoding="utf-8")
    example = doctest.DocTestParser().get_doctest(card.replace("```", ""), {}, name, name, 0)
    assert example.examples
    assert doctest.DocTestRunner().run(example).failed == 0


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_is_a_module_and_its_card_and_at_most_one_line_imports_the_package(name):
    folder = ROOT / "hub" / "metrics" / name
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == sorted(["README.md", f"{name}.py"])
    assert (folder / f"{name}.py").read_text().count("timesenclip_hf") <= 1
    # What reads a script's imports takes the first word after `import` for the one module of the line.
    lines = (folder / f"{name}.py").read_text().splitlines()
    assert not [line for line in lines if line.startswith("import ") and "," in line]


def test_points_of_string_ids_are_found():
    module = evaluate.load("hub/metrics/instance_recall_at_k")
    found = module.compute(
        predictions=np.eye(2), references=["a", "b"], gallery=np.eye(2)[[1, 0, 0]], gallery_ids=["b", "a", "a"]
    )
    assert found == {"instance_recall_at_k": 1.0}


def test_without_a_gallery_queries_are_searched_among_themselves_and_never_find_themselves():
    module = evaluate.load("hub/metrics/class_consistent_recall_at_k")
    labels = [0, 0, 1]
    assert module.compute(predictions=np.eye(3), references=labels) == {"class_consistent_recall_at_k": 2 / 3}


def test_modules_combine_into_one_call():
    names = ("expected_calibration_error", "top_k_accuracy")
    combined = evaluate.combine([evaluate.load(f"hub/metrics/{name}") for name in names])
    result = combined.compute(predictions=[[1.0, 0.0], [0.0, 1.0]], references=[0, 1])
    assert result == {"expected_calibration_error": 0, "top_k_accuracy": 1}


def test_f1_of_the_evaluate_library_over_the_classes_that_occur_is_the_macro_f1_of_our_reports():
    """The documentation says so in place of a module of ours; the definition is read from the installed library."""
    from sklearn.metrics import f1_score

    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 4, 60), rng.integers(0, 5, 60)
    occurring = sorted(set(truth.tolist()))
    assert metrics.macro_f1(predicted, truth, 5) == f1_score(truth, predicted, labels=occurring, average="macro")


def test_what_the_function_refuses_the_module_refuses():
    module = evaluate.load("hub/metrics/balanced_accuracy")
    with pytest.raises(ValueError, match="-1 at row 1, which is no class"):
        module.compute(predictions=[0, 1], references=[0, -1], num_classes=2)


@pytest.mark.parametrize(
    ("predictions", "references", "message"),
    [
        ([1.0], [2.0], "at least 2 samples, got 1"),
        ([1.0, 1.0], [1.0, 2.0], "`predictions` is 1 throughout"),
        ([1.0, 2.0], [1.0, np.nan], "`references` has nan"),
    ],
)
def test_values_that_correlate_with_nothing_are_refused(predictions, references, message):
    module = evaluate.load("hub/metrics/scenicness_correlation")
    with pytest.raises(ValueError, match=message):
        module.compute(predictions=predictions, references=references)


def test_correlations_with_ties_are_those_of_their_definitions():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 9, 40).astype(float)
    predicted = truth + rng.integers(0, 9, 40)
    found = evaluate.load("hub/metrics/scenicness_correlation").compute(predictions=predicted, references=truth)
    order = np.sign(np.subtract.outer(predicted, predicted)) * np.sign(np.subtract.outer(truth, truth))
    untied = [np.count_nonzero(np.subtract.outer(values, values)) for values in (predicted, truth)]
    assert found["kendall_tau"] == pytest.approx(order.sum() / np.sqrt(np.prod(untied)), abs=1e-12)
    assert found["pearson_r"] == pytest.approx(np.corrcoef(predicted, truth)[0, 1], abs=1e-12)
