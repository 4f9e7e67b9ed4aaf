"""A student of the checkpoint inside the package."""

import json
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from transformers import AutoModel, AutoProcessor, pipeline

from tests.support.photo_places import write_places
from tests.support.training_runs import CONFIGS, SHORT_STUDENT, kill, outcome, refuse, train
from timesenclip_hf import (
    DEFAULT_CHECKPOINT,
    TimeSenCLIPFeatureExtractor,
    TimeSenCLIPModel,
    TimeSenCLIPPixelConfig,
    TimeSenCLIPProcessor,
    encode,
)
from timesenclip_hf.learning import EmbeddingMatchingLoss
from timesenclip_hf.learning.augmentation import SeriesPerturbation, TemporalAugmentation
from timesenclip_hf.models.timesenclip.encoders_timesenclip import place_on_months
from timesenclip_hf.simulator import simulate
from training.arguments import DataArguments, ModelArguments, RunArguments, parse_arguments
from training.batches import TensorRows
from training.checkpoints import RUN_FILE
from training.clips import read_teacher
from training.flops import count_flops
from training.loop import Fit, FitSettings
from training.simulated_rows import simulated_series
from training.sources import dataset_source
from training.students import SERIES, SeriesAndTeacher, StandardisedLinear, StudentSystem, check_student, teach
from training.systems import Setting, build_tower

EMBEDDED = CONFIGS / "distil_embedded.yaml"


@pytest.fixture(scope="module")
def rows():
    return simulated_series(64, 5, TimeSenCLIPFeatureExtractor()).rows


def lessons(rows: TensorRows, *augmentations: torch.nn.Module, count: int = 96) -> tuple[torch.nn.Module, dict]:
    """The embedded tower, and what it says of series; `count` of them."""
    teacher = TimeSenCLIPModel.from_pretrained(DEFAULT_CHECKPOINT).eval().pixel_model
    return teacher, teach(rows, teacher, augmentations, count=count, seed=0)


def test_a_student_with_its_teacher_s_own_weights_has_nothing_to_learn(rows):
    teacher, batch = lessons(rows)
    del batch["source"]
    loss = EmbeddingMatchingLoss()(*SeriesAndTeacher(teacher)(**batch))
    assert loss.item() < 1e-5  # what half precision leaves


def test_a_lesson_is_what_the_teacher_says_of_the_augmented_series(rows):
    augmentations = (SeriesPerturbation(0.5, 0.5, 0.1, 0.02), TemporalAugmentation(0.0, month_dropout=0.4))
    teacher, batch = lessons(rows, *augmentations)
    assert {len(column) for column in batch.values()} == {96}
    assert batch["source"].max() < len(rows)
    drawn = rows.columns["pixel_series"][batch["source"]]
    assert not torch.allclose(drawn, batch["pixel_series"].float(), atol=1e-2)
    with torch.no_grad():
        embeds = teacher(batch["pixel_series"].float(), batch["series_mask"], batch["months"].float()).pooler_output
    cosines = torch.cosine_similarity(embeds, batch["teacher_embeds"].float())
    assert cosines.min() > 0.9999


def test_the_median_of_a_year_is_a_lesson_among_whole_years(rows):
    median = TemporalAugmentation(1.0, drop_quarter=0.0, random_subset=0.0)
    teacher, batch = lessons(rows, median)
    assert batch["pixel_series"].shape == (96, 12, 10)
    assert batch["series_mask"].sum(dim=1).tolist() == [1] * 96
    with torch.no_grad():
        embeds = teacher(batch["pixel_series"][:, :1].float(), months=batch["months"][:, :1].float()).pooler_output
    assert torch.cosine_similarity(embeds, batch["teacher_embeds"].float()).min() > 0.9999


def test_the_same_seed_gives_the_same_lessons_whatever_was_drawn_before(rows):
    (_, first), _, (_, again) = (
        lessons(rows, SeriesPerturbation(0.5, 0.5, 0.1, 0.02)),
        torch.rand(7),
        lessons(rows, SeriesPerturbation(0.5, 0.5, 0.1, 0.02)),
    )
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_a_first_layer_learns_on_standardised_inputs_and_folds_into_a_plain_one_that_says_the_same():
    torch.manual_seed(0)
    plain = torch.nn.Linear(6, 4)
    layer = StandardisedLinear(plain)
    inputs = torch.randn(500, 6) * torch.tensor([0.05, 0.1, 1.0, 3.0, 0.2, 0.0]) + torch.linspace(0.1, 2.0, 6)
    assert torch.equal(layer(inputs), plain(inputs))
    layer.measure(inputs)
    seen = (inputs - layer.mean) / layer.scale
    assert torch.allclose(layer(inputs), plain(seen))
    assert torch.allclose(seen.mean(dim=0), torch.zeros(6), atol=1e-4)
    assert torch.allclose(seen.std(dim=0), torch.tensor([1.0, 1.0, 1.0, 1.0, 1.0, 0.0]), atol=1e-4)
    assert torch.allclose(layer.fold()(inputs), layer(inputs), atol=3e-5)
    assert torch.allclose(inputs @ layer.weight.T + layer.bias, layer(inputs), atol=3e-5)


def test_an_mlp_from_nothing_standardises_what_its_lessons_vary_in_and_ends_with_plain_layers(tmp_path):
    sizes = {"encoder_type": "mlp", "hidden_size": 8, "num_hidden_layers": 2}
    data = DataArguments(series_points=200, held_out_points=300)
    training = RunArguments(output_dir=str(tmp_path), lessons=600)
    system = student(DEFAULT_CHECKPOINT, data, training, **sizes)
    lessons_read = system.read(held_out=False).rows.columns
    composites = place_on_months(*(lessons_read[name] for name in SERIES), 12).flatten(1)
    assert torch.allclose(system.first.mean, composites.mean(dim=0))
    series = simulate(8, seed=1).series
    features = system.processor.feature_extractor(series, allow_empty=True, return_tensors="pt")
    before = encode(system.tower, features)
    system.finish(system.objective(), TensorRows(x=torch.empty(0)))
    assert type(system.full.pixel_model.encoder.layers[0][0]) is torch.nn.Linear
    assert torch.allclose(encode(system.full, features), before, atol=1e-5)


def test_a_tower_to_go_on_from_keeps_its_layers(student_run):
    system = student(DEFAULT_CHECKPOINT, model_name_or_path=str(student_run / "model"))
    assert system.first is None


def test_the_one_loop_brings_a_student_to_its_teacher(rows, tmp_path):
    (tmp_path / RUN_FILE).write_text("{}")
    model = ModelArguments(system="student", encoder_type="mlp", hidden_size=64, num_hidden_layers=2, dropout=0.0)
    torch.manual_seed(0)
    views = SeriesAndTeacher(build_tower(model, 128))
    _, batch = lessons(rows)
    del batch["source"]
    settings = FitSettings(60, 32, 3e-3, 0.0, logging_steps=20)
    fit = Fit(
        Accelerator(cpu=True),
        views,
        EmbeddingMatchingLoss(),
        TensorRows(**batch),
        settings,
        folder=tmp_path / "stage",
        description="",
    )
    curve = fit.run().curve
    assert set(curve[0]) == {"step", "loss", "learning_rate"}
    assert curve[-1]["loss"] < 0.5 * curve[0]["loss"]


def test_a_trained_student_is_its_teacher_s_checkpoint_with_a_smaller_tower(student_run):
    student, teacher = (AutoModel.from_pretrained(folder) for folder in (student_run / "model", DEFAULT_CHECKPOINT))
    assert student.config.pixel_config.encoder_type == "mlp"
    state, theirs = student.state_dict(), teacher.state_dict()
    others = {name for name in theirs if not name.startswith("pixel_model.")}
    assert others == {name for name in state if not name.startswith("pixel_model.")}
    assert all(torch.equal(state[name], theirs[name]) for name in others)
    for name in ("calibration_temperature", "reject_threshold", "projection_dim"):
        assert getattr(student.config, name) == getattr(teacher.config, name)
    kept, wanted = (
        AutoProcessor.from_pretrained(folder).to_dict() for folder in (student_run / "model", DEFAULT_CHECKPOINT)
    )
    assert kept == wanted
    classify = pipeline("zero-shot-pixel-classification", model=str(student_run / "model"), device="cpu")
    assert len(classify(simulate(2, seed=0).series, candidate_labels=["maize", "water"])) == 2


def test_a_run_says_how_near_the_student_is_and_how_good_both_are(student_run):
    results = json.loads((student_run / "results.json").read_text())
    measured = results["evaluations"]["series_and_teacher"]
    assert [entry["step"] for entry in measured] == [4, 8, 9]
    assert set(measured[0]) == {"step", "teacher_cosine", "zero_shot_cover", "teacher_zero_shot_cover"}
    assert measured[0]["teacher_zero_shot_cover"] == measured[-1]["teacher_zero_shot_cover"] > 0.4
    assert measured[-1]["teacher_cosine"] > measured[0]["teacher_cosine"]
    assert {"ten_covers", "teacher, ten_covers"} <= set(results["zero_shot"])
    assert results["zero_shot"]["teacher, ten_covers"]["balanced_accuracy"] > 0.8
    assert (student_run / "curves_series_and_teacher.png").exists()


@pytest.mark.slow
def test_a_student_whose_training_was_killed_ends_as_if_it_had_never_stopped(tmp_path):
    uninterrupted, cut = tmp_path / "uninterrupted", tmp_path / "cut"
    train(uninterrupted, *SHORT_STUDENT, config=EMBEDDED)
    kill(cut, *SHORT_STUDENT, checkpoint=cut / "series_and_teacher" / "checkpoint-00000003", config=EMBEDDED)
    train(cut, *SHORT_STUDENT, config=EMBEDDED)
    assert outcome(cut) == outcome(uninterrupted)


def test_the_calibration_of_a_teacher_is_its_student_s(tiny_checkpoint, tmp_path):
    teacher = TimeSenCLIPModel.from_pretrained(tiny_checkpoint)
    teacher.config.calibration_temperature, teacher.config.reject_threshold = 2.5, 0.25
    teacher.save_pretrained(tmp_path / "teacher")
    TimeSenCLIPProcessor.from_pretrained(tiny_checkpoint).save_pretrained(tmp_path / "teacher")
    sizes = {"encoder_type": "mlp", "hidden_size": 4, "num_hidden_layers": 1}
    system = student(str(tmp_path / "teacher"), DataArguments(held_out_points=300), **sizes)
    system.finish(system.objective(), TensorRows(x=torch.empty(0)))
    system.save(tmp_path / "model")
    saved = TimeSenCLIPModel.from_pretrained(tmp_path / "model").config
    assert (saved.calibration_temperature, saved.reject_threshold) == (2.5, 0.25)
    assert saved.pixel_config.hidden_size == 4


def student(
    teacher: str, data: DataArguments | None = None, training: RunArguments | None = None, **model: object
) -> StudentSystem:
    arguments = ModelArguments(system="student", **model)
    setting = Setting(
        data or DataArguments(),
        arguments,
        training or RunArguments(),
        Accelerator(cpu=True),
        read_teacher(teacher),
        teacher,
    )
    return StudentSystem(setting, None)


def test_a_student_of_more_than_a_tenth_of_the_work_is_refused_with_both_figures():
    with pytest.raises(ValueError, match=r"needs 2,629,632 floating-point operations a series, its teacher 12,592,000"):
        student(DEFAULT_CHECKPOINT, encoder_type="mlp", hidden_size=1024, num_hidden_layers=2)


def test_a_student_that_ends_in_another_space_is_refused(tiny_checkpoint):
    with pytest.raises(ValueError, match="ends in 32 dimensions, the CLIP or teacher in 128"):
        student(DEFAULT_CHECKPOINT, model_name_or_path=str(tiny_checkpoint))


def test_a_student_reads_what_its_teacher_reads():
    with pytest.raises(ValueError, match=r"patch_shape \(3, 3\) where the teacher has \(1, 1\)"):
        check_student(TimeSenCLIPPixelConfig(patch_size=3), TimeSenCLIPPixelConfig())


def test_a_teacher_is_a_checkpoint_of_this_package(tiny_clip, tmp_path):
    with pytest.raises(ValueError, match="No checkpoint can be read from"):
        read_teacher(str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="is a CLIP, which reads no series"):
        read_teacher(str(tiny_clip))


def test_a_teacher_without_a_processor_is_refused(tiny_checkpoint, tmp_path):
    TimeSenCLIPModel.from_pretrained(tiny_checkpoint).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="has no processor"):
        student(str(tmp_path), encoder_type="mlp", hidden_size=4, num_hidden_layers=1)


def test_series_of_a_dataset_need_no_photos_to_be_learned_from(tmp_path):
    folder = write_places(tmp_path / "places", 12, size=8, validation=4)
    source = dataset_source(str(folder), "train", TimeSenCLIPFeatureExtractor(), with_photos=False)
    assert len(source.rows) == 8
    assert set(source.rows.__getitems__([0, 3])) == {"pixel_series", "series_mask", "months", "ids", "row"}


@pytest.mark.slow
def test_what_a_student_cannot_be_trained_with_is_refused_in_one_line(tmp_path):
    cases = {
        ("--teacher_name_or_path", "/nowhere"): "error: No checkpoint can be read from /nowhere",
        ("--encoder_type", "mlp", "--hidden_size", "2048"): "error: The student needs",
        ("--shuffle_photos", "true"): "error: A student sees no photos",
    }
    for number, (settings, message) in enumerate(cases.items()):
        sizes = ("--hidden_size", "16", "--num_hidden_layers", "1", "--encoder_type", "mlp")
        assert refuse(tmp_path / str(number), "--system", "student", *sizes, *settings).startswith(message)


@pytest.mark.parametrize(
    ("config", "teacher"),
    [
        ("distil_embedded", TimeSenCLIPPixelConfig.from_pretrained(DEFAULT_CHECKPOINT)),
        ("distil_vitb32", TimeSenCLIPPixelConfig()),
    ],
)
def test_the_students_of_the_recipes_need_a_tenth_of_their_teachers_work_at_most(config, teacher):
    _, model, training = parse_arguments([str(CONFIGS / f"{config}.yaml")])
    tower = build_tower(model, teacher.projection_dim)
    check_student(tower.config, teacher)
    assert count_flops(tower.config) <= 0.1 * count_flops(teacher)
    assert Path(training.output_dir).name == config
