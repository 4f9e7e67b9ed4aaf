import re
from dataclasses import asdict

import pytest
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.utils import DistributedType
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ROOT
from training.arguments import DataArguments, ModelArguments, RunArguments, parse_arguments

CONFIGS = sorted((ROOT / "training" / "configs").glob("*.yaml"))
LAUNCHES = sorted((ROOT / "training" / "accelerate").glob("*.yaml"))


def read(*argv: str) -> dict[str, object]:
    return {name: value for group in parse_arguments(list(argv)) for name, value in asdict(group).items()}


def config_of(name: str) -> dict[str, object]:
    return read(str(ROOT / "training" / "configs" / f"{name}.yaml"))


@pytest.fixture
def config(tmp_path):
    """Writes a configuration; its path."""

    def write(text: str) -> str:
        file = tmp_path / "config.yaml"
        file.write_text(text)
        return str(file)

    return write


@pytest.mark.parametrize("file", CONFIGS, ids=lambda path: path.stem)
def test_every_config_of_the_repository_is_read_and_says_how_it_is_run(file):
    settings = read(str(file))
    assert settings["output_dir"].startswith("runs/")
    comment = file.read_text()
    assert "accelerate launch --config_file training/accelerate/" in comment
    assert f"training/configs/{file.name}" in comment


def test_the_embedded_default_writes_the_defaults_out_but_for_its_tower_and_what_it_does_to_words_and_inputs():
    defaults = {name: value for group in parse_arguments([]) for name, value in asdict(group).items()}
    settings = config_of("embedded_default")
    differing = {name for name, value in settings.items() if value != defaults[name]}
    sizes = {"hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "dropout"}
    words_and_inputs = {"clip_text_steps", "clamp_max", "mixed_precision", "augmentation_probability"}
    words_and_inputs |= {"augment_median", "augment_drop_quarter"}
    assert differing == sizes | words_and_inputs | {"results_file", "overwrite"}


def test_the_paper_recipe_has_the_numbers_of_the_paper():
    settings = config_of("timesenclip_vitb32")
    paper = {
        "learning_rate": 1e-4,
        "weight_decay": 1e-6,
        "adam_beta1": 0.9,
        "adam_beta2": 0.999,
        "num_train_epochs": 200,
        "warmup_steps": 10 / 200,
        "batch_size": 1_024,
        "memory_bank_size": 2_048,
        "augmentation_probability": 0.5,
        "photo_pooling": "average",
    }
    assert {name: settings[name] for name in paper} == paper
    assert settings["metric_for_best_model"] == "retrieval_recall_at_1"


@pytest.mark.parametrize("side", [5, 9])
def test_a_config_of_patches_is_the_paper_recipe_with_another_patch_size(side):
    name = f"timesenclip_vitb32_{side}x{side}"
    changes = {"patch_size": side, "output_dir": f"runs/{name}"}
    assert config_of(name) == config_of("timesenclip_vitb32") | changes


def test_the_recipe_of_senclip_has_the_numbers_of_its_paper():
    settings = config_of("senclip_vitb32")
    paper = {
        "system": "senclip",
        "learning_rate": 1e-4,
        "num_train_epochs": 20,
        "batch_size": 32,
        "trainable_blocks": 1,
        "projection_head": True,
        "crop": 32,
        "stretch": "per_image",
        "photo_pooling": "average",
    }
    assert {name: settings[name] for name in paper} == paper


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["--system", "clip"], "`system` must be one of timesenclip, senclip, student, got 'clip'"),
        (
            ["--system", "senclip", "--model_name_or_path", "x"],
            "A senclip starts from a CLIP: name it in",
        ),
        (["--clamp_max", "4", "--model_name_or_path", "x"], "`clamp_max` is for a tower of series that starts from"),
        (["--clamp_max", "4", "--system", "student"], "`clamp_max` is for a tower of series that starts from nothing"),
    ],
)
def test_a_system_that_is_none_or_starts_elsewhere_is_refused(argv, sentence):
    with pytest.raises(ValueError, match=sentence):
        parse_arguments(argv)


def test_the_epochs_of_the_paper_are_so_many_steps():
    training = parse_arguments([str(ROOT / "training" / "configs" / "timesenclip_vitb32.yaml")])[2]
    settings = training.tower_stage(num_rows=140_000)
    assert settings.steps == 200 * (140_000 // 1_024) == 27_200
    assert settings.adam_betas == (0.9, 0.999)


def test_the_small_clip_is_neither_validated_nor_computed_in_parts():
    training = RunArguments(
        eval_steps=5, metric_for_best_model="loss", early_stopping_patience=2, gradient_accumulation_steps=4
    )
    settings = training.clip_stage()
    assert (settings.eval_steps, settings.early_stopping_patience, settings.gradient_accumulation_steps) == (0, 0, 1)
    assert settings.metric_for_best_model is None
    assert settings.batch_size == training.clip_batch_size


@pytest.mark.parametrize("file", LAUNCHES, ids=lambda path: path.stem)
def test_accelerate_reads_every_example_of_a_launch(file):
    launch = load_config_from_file(str(file))
    assert launch.num_processes >= launch.num_machines
    assert f"--config_file training/accelerate/{file.name}" in file.read_text()
    # MULTI_CPU would start one process; see the file.
    several = launch.num_processes > 1
    assert launch.distributed_type == (DistributedType.MULTI_GPU if several else DistributedType.NO)
    assert launch.use_cpu == file.stem.startswith("cpu")


def test_files_and_options_that_the_documentation_names_exist():
    text = (ROOT / "docs" / "training.md").read_text()
    files = set(re.findall(r"training/[\w/]+\.(?:yaml|py)", text)) | {
        f"training/{folder}/{name}.yaml"
        for folder, names in (("configs", CONFIGS), ("accelerate", LAUNCHES))
        for name in {path.stem for path in names}
        if f"`{name}.yaml`" in text
    }
    assert len(files) > len(CONFIGS) + len(LAUNCHES)
    assert [name for name in files if not (ROOT / name).is_file()] == []
    of_accelerate = {"config_file", "machine_rank", "num_processes"}
    options = set(re.findall(r"--([a-z]+_[a-z_]+)", text)) - of_accelerate
    assert options <= set(read())


def test_the_command_line_goes_before_the_file(config):
    settings = read(config("seed: 5\nsteps: 7\nlabel_columns: [crop]\n"), "--steps", "9", "--label_columns", "a", "b")
    assert (settings["seed"], settings["steps"], settings["label_columns"]) == (5, 9, ["a", "b"])


def test_what_yaml_reads_its_own_way_means_what_was_written(config):
    text = "learning_rate: 1e-4\nmixed_precision: no\ncpu: yes\nreport_to: tensorboard\nlabel_columns: []\nsteps:\n"
    settings = read(config(text))
    assert settings["learning_rate"] == 1e-4
    assert settings["mixed_precision"] == "no"
    assert settings["cpu"] is True
    assert settings["report_to"] == ["tensorboard"]
    assert settings["label_columns"] == []
    assert settings["steps"] == RunArguments.steps


def test_an_empty_file_leaves_every_default(config):
    assert read(config("")) == asdict(DataArguments()) | asdict(ModelArguments()) | asdict(RunArguments())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("learning_rat: 1", "Unknown key 'learning_rat' in the configuration: use adam_beta1, "),
        ("steps: many", r"Argument --steps: invalid int value: 'many'\.$"),
        ("steps: 4.5", r"Argument --steps: invalid int value: '4\.5'\.$"),
        ("steps: [4, 5]", "not used by the HfArgumentParser"),
        ("steps: 0", "`steps` must be at least 1, got 0"),
        ("cpu: maybe", r"Argument --cpu: .*got maybe.*[^.]\.$"),
        ("mixed_precision: bf32", "`mixed_precision` must be one of no, bf16, fp16, got 'bf32'"),
        ("metric_for_best_model: loss", "`metric_for_best_model` needs `eval_steps`"),
        ("eval_steps: 5\nearly_stopping_patience: 1", "`early_stopping_patience` needs `metric_for_best_model`"),
        ("push_to_hub: true", "`push_to_hub` needs `hub_model_id`"),
        ("- steps", "must hold lines of `key: value`, got a list"),
        ("steps: [", "is not YAML"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused_in_one_sentence(config, text, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        read(config(text))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["absent.yaml"], r"There is no configuration absent\.yaml: those of the package are in training/configs"),
        (["--learning_rat", "1"], "not used by the HfArgumentParser: .*learning_rat"),
        (["--steps", "many"], "invalid int value: 'many'"),
    ],
)
def test_a_command_line_that_cannot_be_meant_is_refused_in_one_sentence(argv, sentence):
    with pytest.raises(ValueError, match=sentence):
        read(*argv)


@given(
    learning_rate=st.floats(1e-9, 1),
    steps=st.integers(1, 10**9),
    cpu=st.booleans(),
    columns=st.lists(st.sampled_from(["crop", "land_use"]), max_size=3),
)
def test_a_file_says_what_its_values_are(tmp_path_factory, learning_rate, steps, cpu, columns):
    file = tmp_path_factory.mktemp("config") / "any.yml"
    listed = ", ".join(columns)
    file.write_text(f"learning_rate: {learning_rate!r}\nsteps: {steps}\ncpu: {cpu}\nlabel_columns: [{listed}]\n")
    settings = read(str(file))
    assert (settings["learning_rate"], settings["steps"], settings["cpu"]) == (learning_rate, steps, cpu)
    assert settings["label_columns"] == columns
