"""Hold everything that a run can be told: dataclasses, filled from a YAML file and overridden on the command line.

Names are transformers' where it has one. Every field has its default; `training/configs/` holds the recipes.
"""

import sys
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, NoReturn, cast, get_args

import yaml
from transformers import HfArgumentParser

from timesenclip_hf.models.senclip.configuration_senclip import PoolingMethod
from training.loop import FitSettings

PRECISIONS = ("no", "bf16", "fp16")
SYSTEMS = ("timesenclip", "senclip", "student")


def described(default: Any, text: str) -> Any:
    """Return a field with its default and its help."""
    return field(default=default, metadata={"help": text})


@dataclass
class DataArguments:
    """Name a dataset of series, or images, with photo embeddings; without it, say how many points are simulated."""

    dataset_name_or_path: str | None = described(
        None, "Hub id or folder of a dataset with photo embeddings; without it places are simulated"
    )
    train_split: str = "train"
    validation_split: str = described("validation", "measured every `eval_steps`; left out where the dataset lacks it")
    label_columns: list[str] = field(
        default_factory=lambda: ["land_cover"], metadata={"help": "class columns of the zero-shot validation"}
    )
    shuffle_photos: bool = described(False, "give every row another place's photos: a control that must not learn")
    photo_points: int = described(11_000, "simulated points whose photos and captions train the small CLIP")
    series_points: int = described(50_000, "simulated points that train the tower")
    validation_points: int = described(2_000, "points of the validation, simulated or of the split, at most")
    held_out_points: int = described(6_000, "simulated points of the final evaluation, which nothing is trained on")
    workers: int = described(2, "processes that draw photos")


@dataclass
class ModelArguments:
    """Choose the CLIP to align with, and the tower: of series, or the CLIP's own for images."""

    system: str = described(
        "timesenclip", "timesenclip reads series of pixels, senclip images; a student matches a teacher"
    )
    clip_name_or_path: str | None = described(
        None, "a CLIP or TimeSenCLIP checkpoint; without it a small CLIP is trained first, on simulated photos"
    )
    model_name_or_path: str | None = described(
        None, "a TimeSenCLIP checkpoint to go on from, whose CLIP is taken too unless one is named"
    )
    teacher_name_or_path: str | None = described(
        None, "student: the TimeSenCLIP checkpoint to match; the one inside the package when left out"
    )
    encoder_type: str = described("transformer", "transformer, mlp or tempcnn")
    patch_size: int = described(1, "pixels along a side of what is seen at each time step")
    hidden_size: int | None = described(None, "width of the encoder; the published one's, as are the sizes below")
    num_hidden_layers: int | None = None
    num_attention_heads: int = 8
    intermediate_size: int | None = None
    hidden_act: str = described("relu", "activation, by its name in transformers")
    dropout: float | None = None
    clamp_max: float | None = described(
        None, "largest scaled value the tower is given; 1, upstream's, or that of the checkpoint to go on from"
    )
    photo_pooling: str = described("average", "average, attention_per_image or attention_per_dimension")
    trainable_blocks: int = described(1, "senclip: last blocks of the vision tower that learn; -1 for all of it")
    projection_head: bool = described(True, "senclip: a head on the images, in training only")
    stretch: str = described("fixed", "senclip: of reflectance to 8 bits, fixed or per_image")
    crop: int | None = described(None, "senclip: pixels along a side that are kept, in the middle of an image")

    def __post_init__(self) -> None:
        if self.system not in SYSTEMS:
            raise ValueError(f"`system` must be one of {', '.join(SYSTEMS)}, got {self.system!r}.")
        poolings = get_args(PoolingMethod)
        if self.photo_pooling not in poolings:
            raise ValueError(f"`photo_pooling` must be one of {', '.join(poolings)}, got {self.photo_pooling!r}.")
        if self.clamp_max is not None and (self.system != "timesenclip" or self.model_name_or_path is not None):
            raise ValueError(
                "`clamp_max` is for a tower of series that starts from nothing: leave it out, as a checkpoint or a "
                "teacher brings its own."
            )
        if self.system == "senclip" and self.model_name_or_path is not None:
            raise ValueError("A senclip starts from a CLIP: name it in `clip_name_or_path`, not `model_name_or_path`.")
        if self.system == "student" and self.clip_name_or_path is not None:
            raise ValueError(
                "A student takes its teacher's words: name `teacher_name_or_path`, not `clip_name_or_path`."
            )
        if self.system != "student" and self.teacher_name_or_path is not None:
            raise ValueError(f"A {self.system} has no teacher: set `system` to student.")


@dataclass
class RunArguments:
    """Set the optimisation of both stages; `clip_` fields are for the small CLIP."""

    output_dir: str = "runs/embedded"
    results_file: str | None = described(None, "where the measured results go, as JSON")
    overwrite: bool = described(False, "replace a `results_file` that another run wrote")
    seed: int = 0
    cpu: bool = described(False, "leave the GPU alone")
    mixed_precision: str | None = described(None, "no, bf16 or fp16; what `accelerate launch` was told when left out")
    clip_steps: int = 550
    clip_batch_size: int = 256
    clip_learning_rate: float = 2e-3
    clip_patch_share: float = described(0.5, "share of a photo's patches seen at a step")
    clip_weight_decay: float = 0.05
    clip_text_steps: int = described(
        0, "steps in which the small CLIP's text tower alone learns to say the embedding of a caption's photo"
    )
    clip_text_learning_rate: float = 5e-4
    steps: int = 3_500
    num_train_epochs: float | None = described(None, "passes over the points, in place of `steps`")
    batch_size: int = described(512, "points of an optimiser step, over all processes and accumulated parts")
    gradient_accumulation_steps: int = described(1, "parts a process computes its batch in, to save memory")
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.02
    adam_beta1: float = 0.9
    adam_beta2: float = 0.98
    warmup_steps: float = described(50.0, "optimiser steps, or a share of them where below 1")
    max_grad_norm: float = 1.0
    novelty_steps: int = described(
        4000, "timesenclip: steps that learn to tell other series from those trained on; 0: none"
    )
    bidirectional: bool = described(False, "contrast photos with series as well as series with photos")
    memory_bank_size: int = described(0, "keys of earlier batches that serve as negatives; 0 for none")
    logit_scale_init_value: float = described(2.6592, "log of the inverse temperature; 2.6592 is log(1 / 0.07)")
    learnable_temperature: bool = True
    soft_positives: bool = described(False, "points that share their photos are positives of each other")
    augmentation_probability: float = described(
        0.0, "share of batches to which one of the next three happens; the paper's is 0.5"
    )
    augment_median: float = described(1.0, "weight of showing the median of the year as the only observation")
    augment_drop_quarter: float = described(1.0, "weight of leaving out three months in a row")
    augment_random_subset: float = described(1.0, "weight of keeping a random part of the months")
    month_dropout: float = described(0.3, "half of the series lose up to twice this share of their months")
    band_dropout: float = described(0.0, "probability that a series loses a band")
    lessons: int = described(500_000, "student: augmented series that the teacher embeds before the first step")
    blending: float = described(0.0, "student: share of the series that are blended with another one")
    calendar_shift: float = described(0.0, "student: share of the series whose year begins in another month")
    gain_noise: float = described(0.0, "student: deviation of the log of a band's and of an observation's gain")
    value_noise: float = described(0.0, "student: deviation of what is added to scaled values")
    image_augmentation: bool = described(True, "senclip: images are mirrored and turned by quarters at random")
    logging_steps: int = 25
    save_steps: int = described(100, "steps between checkpoints; what is killed loses at most these")
    save_total_limit: int = described(2, "checkpoints kept")
    eval_steps: int = described(0, "steps between validations; 0 for none")
    metric_for_best_model: str | None = described(
        None, "metric of the validation whose best weights are kept, such as retrieval_recall_at_1"
    )
    early_stopping_patience: int = described(0, "validations without a better metric before training stops; 0: never")
    dataloader_num_workers: int = 0
    report_to: list[str] = field(default_factory=list, metadata={"help": "trackers: tensorboard, trackio"})
    push_to_hub: bool = described(False, "push the trained model to the Hub at the end")
    hub_model_id: str | None = described(None, "repository to push to, such as your-name/timesenclip-vitb32")

    def __post_init__(self) -> None:
        if self.mixed_precision not in (None, *PRECISIONS):
            raise ValueError(f"`mixed_precision` must be one of {', '.join(PRECISIONS)}, got {self.mixed_precision!r}.")
        if self.push_to_hub and not self.hub_model_id:
            raise ValueError("`push_to_hub` needs `hub_model_id`, the repository to push to.")
        if self.metric_for_best_model and not self.eval_steps:
            raise ValueError("`metric_for_best_model` needs `eval_steps`, the steps between validations.")
        if self.early_stopping_patience and not self.metric_for_best_model:
            raise ValueError("`early_stopping_patience` needs `metric_for_best_model`, the metric to wait for.")
        at_least_one = (
            "steps",
            "clip_steps",
            "logging_steps",
            "save_total_limit",
            "gradient_accumulation_steps",
            "lessons",
        )
        at_least_zero = (
            "clip_text_steps",
            "memory_bank_size",
            "save_steps",
            "eval_steps",
            "early_stopping_patience",
            "warmup_steps",
            "novelty_steps",
        )
        for name in (*at_least_one, *at_least_zero):
            least = int(name in at_least_one)
            if getattr(self, name) < least:
                raise ValueError(f"`{name}` must be at least {least}, got {getattr(self, name)}.")

    def clip_stage(self) -> FitSettings:
        """Return the settings of the first stage, which always runs whole batches and is not validated."""
        return self._settings(
            steps=self.clip_steps,
            batch_size=self.clip_batch_size,
            learning_rate=self.clip_learning_rate,
            weight_decay=self.clip_weight_decay,
            eval_steps=0,
            metric_for_best_model=None,
            early_stopping_patience=0,
            gradient_accumulation_steps=1,
        )

    def text_stage(self) -> FitSettings:
        """Return the settings of the end of the first stage, in which the text tower alone learns."""
        return replace(self.clip_stage(), steps=self.clip_text_steps, learning_rate=self.clip_text_learning_rate)

    def tower_stage(self, num_rows: int) -> FitSettings:
        """Return the settings of the second stage, over so many points."""
        if self.num_train_epochs is None:
            return self._settings()
        return self._settings(steps=max(round(self.num_train_epochs * (num_rows // self.batch_size)), 1))

    def _settings(self, **changes: Any) -> FitSettings:
        names = {entry.name for entry in fields(FitSettings)} - {"adam_betas"}
        shared = {name: getattr(self, name) for name in names} | {"adam_betas": (self.adam_beta1, self.adam_beta2)}
        return FitSettings(**shared | changes)


class _Parser(HfArgumentParser):  # type: ignore[misc]  # transformers counts as untyped
    """Raise what it would print with its usage, which is longer than a screen."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message[:1].upper()}{message[1:].rstrip('.')}.")


def parse_arguments(argv: list[str] | None = None) -> tuple[DataArguments, ModelArguments, RunArguments]:
    """Read `[CONFIG.yaml] [--key value ...]`.

    Raises:
        ValueError: the file cannot be read or has a key that no dataclass has, or a value does not fit.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = _Parser((DataArguments, ModelArguments, RunArguments), allow_abbrev=False)
    if argv and argv[0].endswith((".yaml", ".yml")):
        argv = _read_config(Path(argv.pop(0)), parser) + argv
    return cast(tuple[DataArguments, ModelArguments, RunArguments], parser.parse_args_into_dataclasses(args=argv))


def _read_config(file: Path, parser: HfArgumentParser) -> list[str]:
    """Turn a file into the command line that says the same, so that both are checked alike; `[]` is a default."""
    if not file.is_file():
        raise ValueError(f"There is no configuration {file}: those of the package are in training/configs.")
    try:
        config: Any = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} is not YAML ({' '.join(str(error).split())}).") from None
    if not isinstance(config, dict):
        raise ValueError(f"{file} must hold lines of `key: value`, got a {type(config).__name__}.")
    actions = {action.dest: action for action in parser._actions if action.dest != "help"}
    words = []
    for name, value in config.items():
        if name not in actions:
            raise ValueError(f"Unknown key {name!r} in the configuration: use {', '.join(sorted(actions))}.")
        if value == [] and actions[name].nargs == "+":
            parser.set_defaults(**{name: []})
        elif value is not None:
            # YAML reads a bare `no` as False, and `mixed_precision` means the word.
            written = {True: ["yes"], False: ["no"]}[value] if isinstance(value, bool) else value
            words += [f"--{name}", *map(str, written if isinstance(written, list) else [written])]
    return words
