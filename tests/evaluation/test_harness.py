import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel

from tests.support.label_sets import FRANCE_CROPS
from timesenclip_hf import encode
from timesenclip_hf.evaluation.harness import Evaluation, average_runs, evaluate, save_calibrated
from timesenclip_hf.evaluation.protocol import SUITES, Checkpoint, EvaluationSet, Protocol
from timesenclip_hf.evaluation.samples import Samples
from timesenclip_hf.evaluation.sets import simulated_set
from timesenclip_hf.evaluation.tasks import Task
from timesenclip_hf.evaluation.uncertainty import Resampling
from timesenclip_hf.models.timesenclip.zero_shot_timesenclip import embed_classes, score
from timesenclip_hf.taxonomies import load_taxonomy

FEW = Resampling(resamples=20)


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint: Path) -> Checkpoint:
    return Checkpoint.load(str(tiny_checkpoint))


@pytest.fixture(scope="module")
def simulated() -> EvaluationSet:
    return simulated_set(240)


@pytest.fixture(scope="module")
def evaluation(checkpoint: Checkpoint, simulated: EvaluationSet) -> Evaluation:
    return evaluate([checkpoint], [simulated], Protocol(missing=(None, "winter"), resampling=FEW))


def entry_of(evaluation: Evaluation, **wanted) -> dict:
    entries = [
        entry
        for entry in evaluation.results["runs"][0]["tasks"]
        if all(entry[name] == value for name, value in wanted.items())
    ]
    assert len(entries) == 1
    return entries[0]


def small_set(names: list[str], truth: list[int], *, latitude: list[float] | None = None) -> EvaluationSet:
    """A set of flat series with one task over `france_crops`."""
    count = len(truth)
    series = np.full((count, 12, 10), 1_000, dtype=np.float32) + 100 * np.arange(count, dtype=np.float32)[:, None, None]
    samples = Samples(
        name="small",
        split="test",
        series=series,
        months=np.tile(np.arange(12, dtype=np.float32), (count, 1)),
        point_ids=[str(place) for place in range(count)],
        labels={"crop": np.asarray(truth)},
        class_names={"crop": names},
        longitude=None if latitude is None else np.zeros(count),
        latitude=None if latitude is None else np.asarray(latitude),
    )
    return EvaluationSet(samples, [Task("crop", "crop", load_taxonomy(FRANCE_CROPS))])


def test_every_task_has_an_entry_for_each_number_of_composites_missing_months_prompts_and_scores(
    evaluation: Evaluation,
):
    run = evaluation.results["runs"][0]
    counts = {task: sum(entry["task"] == task for entry in run["tasks"]) for task in ("ten_covers", "land_cover")}
    # 3 numbers of composites, 2 sets of months, 2 or 5 prompt views, 3 ways of scoring.
    assert counts == {"ten_covers": 3 * 2 * 2 * 3, "land_cover": 3 * 2 * 5 * 3}
    assert json.loads(json.dumps(evaluation.results)) == evaluation.results
    assert run["model"]["encoder_type"] == "transformer"
    assert len(run["model"]["weights_hash"]) == 16
    assert run["retrieval"] is run["robustness"] is run["few_shot"] is run["calibration"] is None


def test_an_entry_is_what_the_scorer_says_of_the_labelled_series(
    evaluation: Evaluation, checkpoint: Checkpoint, simulated: EvaluationSet
):
    task, samples = simulated.tasks[0], simulated.samples
    truth = task.truth(samples)
    embeds = encode(checkpoint.model, samples.features(checkpoint.processor.feature_extractor))[truth >= 0]
    prompts = task.prompts("generic", checkpoint.processor.hypothesis_template)
    class_embeds = embed_classes(checkpoint.model, checkpoint.processor.tokenizer, prompts)
    for scores, centring in (("raw", "none"), ("transductive (class_mean)", "class_mean")):
        predicted = score(embeds, class_embeds, centring=centring).argmax(dim=1).numpy()
        right = predicted == truth[truth >= 0]
        entry = entry_of(evaluation, task="ten_covers", prompts="generic", composites=12, missing=None, scores=scores)
        assert entry["samples"] == len(right)
        assert entry["metrics"]["accuracy"]["value"] == pytest.approx(right.mean())
        recalls = [right[truth[truth >= 0] == place].mean() for place in np.unique(truth[truth >= 0])]
        assert entry["metrics"]["balanced_accuracy"]["value"] == pytest.approx(np.mean(recalls))
        assert sum(map(sum, entry["confusion"])) == len(right)


def test_absent_classes_are_listed_and_left_out(checkpoint: Checkpoint):
    given = small_set(["maize", "wheat"], [0, 1] * 10)
    entry = evaluate([checkpoint], [given], Protocol(resampling=FEW)).results["runs"][0]["tasks"][0]
    assert entry["absent"] == ["rapeseed", "sunflower"]
    assert set(entry["recall"]) == {"maize", "wheat"}
    assert entry["baselines"]["chance"] == 0.25
    assert entry["baselines"]["majority"] == {"accuracy": 0.5, "balanced_accuracy": 0.5}


def test_only_raw_scores_are_probabilities_with_a_calibration_error(evaluation: Evaluation):
    for entry in evaluation.results["runs"][0]["tasks"]:
        assert ("expected_calibration_error" in entry["metrics"]) == (entry["scores"] == "raw")


def test_series_are_encoded_once_for_each_number_of_composites_and_set_of_months(
    checkpoint: Checkpoint, simulated: EvaluationSet
):
    shapes = []

    def counting(model, features, **options):
        shapes.append((tuple(features["pixel_series"].shape[:2]), int(features["series_mask"].sum())))
        return encode(model, features, **options)

    evaluate([checkpoint], [simulated], Protocol(missing=(None, [1]), resampling=FEW), encode=counting)
    assert [times for (_, times), _ in shapes] == [12, 12, 4, 4, 1, 1]
    assert shapes[1][1] < shapes[0][1]


def test_a_set_of_fewer_composites_is_scored_with_what_it_has(checkpoint: Checkpoint, simulated: EvaluationSet):
    halves = simulated.samples.select(range(60))
    halves = Samples(**{**vars(halves), "series": halves.series[:, [3, 8]], "months": halves.months[:, [2, 8]]})
    given = EvaluationSet(halves, simulated.tasks[2:])
    run = evaluate([checkpoint], [given], Protocol(missing=(None, "winter"), resampling=FEW)).results["runs"][0]
    assert {(entry["composites"], entry["missing"]) for entry in run["tasks"]} == {(2, None), (1, None)}


def test_intervals_are_drawn_by_blocks_of_the_largest_size_that_gives_enough_of_them(checkpoint: Checkpoint):
    # A hundredth of a degree is 1.1 km: 40 places lie in one block of 50 km, in five of 10 km and in 22 of 2 km.
    given = small_set(["maize", "wheat"], [0, 1] * 20, latitude=[45 + place / 100 for place in range(40)])
    run = evaluate([checkpoint], [given], Protocol(resampling=FEW)).results["runs"][0]
    assert run["dataset"]["block_km"] == 2.0
    assert 20 <= run["tasks"][0]["blocks"] <= 23
    without = evaluate([checkpoint], [small_set(["maize", "wheat"], [0, 1] * 20)], Protocol(resampling=FEW))
    assert without.results["runs"][0]["dataset"]["block_km"] is None
    assert without.results["runs"][0]["tasks"][0]["blocks"] is None


@pytest.mark.slow
def test_every_suite_runs(checkpoint: Checkpoint, simulated: EvaluationSet):
    protocol = Protocol(suites=SUITES, composites=(12,), prompts=("generic",), resampling=FEW, most_samples=120)
    run = evaluate([checkpoint], [simulated], protocol).results["runs"][0]
    assert {entry["perturbation"] for entry in run["robustness"]} >= {"missing_random", "haze", "month_shift"}
    assert {entry["method"] for entry in run["few_shot"]} == {"zero_shot", "knn", "linear_probe", "boosting"}
    assert run["retrieval"]["text_to_series"]["gallery"] <= 120
    # Random weights may be no better than chance, to which no temperature can be fitted.
    assert (run["calibration"] is None) == ("calibration" in run["not_run"])


def test_drawn_photos_are_retrieved_by_their_series(checkpoint: Checkpoint, simulated: EvaluationSet):
    protocol = Protocol(suites=("retrieval",), resampling=FEW, most_samples=30)
    run = evaluate([checkpoint], [simulated], protocol).results["runs"][0]
    assert run["tasks"] == []
    assert set(run["retrieval"]) == {"series_to_photo", "photo_to_series", "text_to_series"}
    assert run["retrieval"]["series_to_photo"]["queries"] == 30


def test_a_suite_that_a_set_does_not_allow_says_why(checkpoint: Checkpoint):
    given = small_set(["maize"], [0] * 30)
    run = evaluate([checkpoint], [given], Protocol(suites=("few_shot",), resampling=FEW)).results["runs"][0]
    assert run["few_shot"] is None
    assert "class" in run["not_run"]["few_shot"]


def test_several_seeds_give_their_mean_and_spread(checkpoint: Checkpoint, tiny_clip: Path, simulated: EvaluationSet):
    torch.manual_seed(7)
    other = AutoModel.from_config(checkpoint.model.config).eval()
    both = [checkpoint, Checkpoint("other", other, checkpoint.processor)]
    protocol = Protocol(composites=(12,), prompts=("generic",), resampling=FEW)
    runs = [evaluate([one], [simulated], protocol).results["runs"][0] for one in both]
    averaged = evaluate(both, [simulated], protocol).results["runs"][0]
    assert averaged == average_runs(runs)
    assert averaged["model"]["name"] == f"{checkpoint.name}, other"
    assert averaged["model"]["seeds"] == 2
    values = [run["tasks"][0]["metrics"]["accuracy"]["value"] for run in runs]
    accuracy = averaged["tasks"][0]["metrics"]["accuracy"]
    assert accuracy["value"] == pytest.approx(np.mean(values))
    assert accuracy["spread"] == pytest.approx(np.std(values, ddof=1))
    assert averaged["tasks"][0]["samples"] == runs[0]["tasks"][0]["samples"]
    assert isinstance(averaged["tasks"][0]["samples"], int)


def run_of(**others):
    return {"model": {"name": "a", "weights_hash": "0"}, "notes": ["a note"], **others}


def test_averages_are_of_the_numbers_that_differ_with_a_spread_beside_each_value():
    runs = [
        run_of(tasks=[{"samples": 7, "metrics": {"accuracy": {"value": value, "low": value / 2}}, "absent": ["x"]}])
        for value in (0.25, 0.5, 0.75)
    ]
    [entry] = average_runs(runs)["tasks"]
    assert entry == {
        "samples": 7,
        "metrics": {"accuracy": {"value": 0.5, "low": 0.25, "spread": pytest.approx(0.25)}},
        "absent": ["x"],
    }


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ({"accuracy": 0.5}, {"recall": 0.5}, "The runs differ in 'accuracy' of run/metrics"),
        ({"accuracy": [1, 2]}, {"accuracy": [1]}, "The runs differ in the length of run/metrics/accuracy"),
        ({"accuracy": 0.5}, {"accuracy": None}, "Some runs lack run/metrics/accuracy"),
    ],
)
def test_runs_that_hold_different_figures_are_not_averaged(first: dict, second: dict, message: str):
    with pytest.raises(ValueError, match=message):
        average_runs([run_of(metrics=first), run_of(metrics=second)])


def test_image_models_are_baselines_beside_the_same_prompts(checkpoint: Checkpoint, tiny_clip: Path):
    from timesenclip_hf.evaluation.baselines import load_image_model

    given = small_set(["maize", "wheat"], [0, 1] * 10)
    pictures = np.random.default_rng(0).integers(0, 255, (20, 32, 32, 3), dtype=np.uint8)
    given = EvaluationSet(given.samples, given.tasks, images=pictures)
    protocol = Protocol(
        prompts=("generic",), composites=(12, 1), image_models=[load_image_model(str(tiny_clip))], resampling=FEW
    )
    run = evaluate([checkpoint], [given], protocol).results["runs"][0]
    named = [str(tiny_clip) in entry["baselines"] for entry in run["tasks"]]
    assert named == [entry["composites"] == 12 for entry in run["tasks"]]
    assert 0 <= run["tasks"][0]["baselines"][str(tiny_clip)]["accuracy"] <= 1


def test_image_models_are_no_baselines_of_a_set_without_images(checkpoint: Checkpoint, tiny_clip: Path):
    from timesenclip_hf.evaluation.baselines import load_image_model

    protocol = Protocol(prompts=("generic",), image_models=[load_image_model(str(tiny_clip))], resampling=FEW)
    run = evaluate([checkpoint], [small_set(["maize", "wheat"], [0, 1] * 10)], protocol).results["runs"][0]
    assert not any(str(tiny_clip) in entry["baselines"] for entry in run["tasks"])


def test_the_nearest_class_mean_of_other_places_stands_beside(checkpoint: Checkpoint):
    # Bright series are maize and dark ones wheat, at every place: the mean spectra of one half name the other.
    truth = [0] * 20 + [1] * 20
    given = small_set(["maize", "wheat"], truth, latitude=[40.0 + place % 20 for place in range(40)])
    given.samples.series[:] = np.where(truth, 500, 3_000)[:, None, None]
    entry = evaluate([checkpoint], [given], Protocol(resampling=FEW)).results["runs"][0]["tasks"][0]
    assert entry["baselines"]["nearest class mean, of other places"]["accuracy"] == 1.0


def test_nan_from_a_checkpoint_is_an_error_that_names_it(checkpoint: Checkpoint, simulated: EvaluationSet):
    def broken(model, features, **options):
        embeds = encode(model, features, **options)
        embeds[3] = torch.nan
        return embeds

    for suite in ("zero_shot", "robustness"):
        with pytest.raises(ValueError, match=r"gives NaN for 1 of 240 series of simulated, the first at row 3"):
            evaluate([checkpoint], [simulated], Protocol(suites=(suite,), resampling=FEW), encode=broken)


def test_labels_of_other_classes_end_the_evaluation(checkpoint: Checkpoint):
    with pytest.raises(ValueError, match="The label 'quinoa' of the column 'crop' is no class of"):
        evaluate([checkpoint], [small_set(["maize", "quinoa"], [0, 1])], Protocol(resampling=FEW))


def test_a_class_without_prompts_ends_the_evaluation_where_they_are_asked_for(checkpoint: Checkpoint):
    with pytest.raises(ValueError, match=r"The class 'wheat' of .* has no aerial prompts"):
        evaluate([checkpoint], [small_set(["maize"], [0])], Protocol(prompts=("aerial",), resampling=FEW))


def test_samples_without_an_observation_are_left_out_and_a_task_without_any_is_an_error(checkpoint: Checkpoint):
    given = small_set(["maize", "wheat"], [0, 1] * 10)
    given.samples.series[0] = np.nan
    run = evaluate([checkpoint], [given], Protocol(resampling=FEW)).results["runs"][0]
    assert run["tasks"][0]["samples"] == 19
    given.samples.series[:] = np.nan
    with pytest.raises(ValueError, match="No labelled series of small has an observation left for the task 'crop'"):
        evaluate([checkpoint], [given], Protocol(resampling=FEW))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"suites": ("zero-shot",)}, "`suites` must be of zero_shot, .*got 'zero-shot'"),
        ({"suites": ()}, "`suites` must be of zero_shot, .*got None"),
        ({"prompts": ("C",)}, "`prompts` must be of generic, .*got 'C'"),
        ({"centrings": ("mean",)}, "`centrings` must be of none, .*got 'mean'"),
        ({"composites": (5,)}, "`composites` must be divisors of 12, .*got 5"),
        ({"composites": ()}, "`composites` must be divisors of 12"),
        ({"missing": ("autumnal",)}, "Missing months must be"),
    ],
)
def test_a_protocol_that_cannot_be_is_one_sentence(options: dict, message: str):
    with pytest.raises(ValueError, match=message):
        Protocol(**options)


def test_without_a_checkpoint_there_is_nothing_to_evaluate(simulated: EvaluationSet):
    with pytest.raises(ValueError, match="There is no checkpoint to evaluate"):
        evaluate([], [simulated])


def test_a_missing_checkpoint_is_one_line(tmp_path: Path):
    with pytest.raises(OSError, match="No checkpoint can be read from") as caught:
        Checkpoint.load(str(tmp_path / "none"))
    assert "\n" not in str(caught.value)


def test_a_calibration_is_kept_with_the_checkpoint(tmp_path: Path):
    from timesenclip_hf import DEFAULT_CHECKPOINT

    checkpoint = Checkpoint.load(DEFAULT_CHECKPOINT)
    plain = simulated_set(300)
    given = EvaluationSet(plain.samples, plain.tasks[2:])
    evaluation = evaluate([checkpoint], [given], Protocol(suites=("calibration",), resampling=FEW))
    report = evaluation.results["runs"][0]["calibration"]
    save_calibrated(checkpoint, evaluation, tmp_path)
    loaded = Checkpoint.load(str(tmp_path))
    assert loaded.model.config.calibration_temperature == pytest.approx(report["temperature"])
    # Fitting once more starts from the checkpoint as it was trained, and finds the same.
    again = evaluate([loaded], [given], Protocol(suites=("calibration",), resampling=FEW))
    assert again.results["runs"][0]["calibration"]["temperature"] == pytest.approx(report["temperature"], rel=1e-4)


def test_no_calibration_or_several_cannot_be_kept(checkpoint: Checkpoint, tmp_path: Path):
    with pytest.raises(ValueError, match="keeps the calibration of one data set, got none"):
        save_calibrated(checkpoint, Evaluation({"runs": []}), tmp_path)
