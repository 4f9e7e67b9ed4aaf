"""Everything a run can be told: dataclasses, filled from a YAML file and overridden on the command line."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from transformers import HfArgumentParser


@dataclass
class DataArguments:
    """Simulated points, and how many of them."""

    photo_points: int = field(default=12_000, metadata={"help": "points whose photos and captions train the CLIP"})
    series_points: int = field(default=30_000, metadata={"help": "points whose series and photos train the tower"})
    held_out_points: int = field(default=6_000, metadata={"help": "points that nothing is trained on"})
    workers: int = field(default=2, metadata={"help": "processes that draw photos"})


@dataclass
class ModelArguments:
    """The CLIP to align with, and the pixel tower."""

    clip_name_or_path: str | None = field(
        default=None, metadata={"help": "a CLIP checkpoint; without it a small one is trained first"}
    )
    hidden_size: int = 128
    num_hidden_layers: int = 3
    num_attention_heads: int = 4
    intermediate_size: int = 256
    dropout: float = 0.1


@dataclass
class TrainingArguments:
    """Optimisation of both stages; `clip_` fields are for the small CLIP."""

    output_dir: str = "runs/embedded"
    results_file: str | None = field(default=None, metadata={"help": "where the measured results go, as JSON"})
    seed: int = 0
    mixed_precision: str = field(default="no", metadata={"help": "no, bf16 or fp16"})
    clip_steps: int = 600
    clip_batch_size: int = 256
    clip_learning_rate: float = 2e-3
    clip_patch_share: float = field(default=0.5, metadata={"help": "share of a photo's patches seen at a step"})
    clip_weight_decay: float = 0.05
    steps: int = 900
    batch_size: int = 512
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.02
    warmup_steps: int = 50
    max_grad_norm: float = 1.0
    month_dropout: float = field(
        default=0.3, metadata={"help": "half of the series lose up to twice this share of their months"}
    )

    def stage(self, prefix: str = "") -> dict[str, Any]:
        """The settings of one stage, as `loop.fit` takes them."""
        own = ("steps", "batch_size", "learning_rate", "weight_decay")
        shared = ("warmup_steps", "max_grad_norm", "seed")
        return {name: getattr(self, prefix + name) for name in own} | {name: getattr(self, name) for name in shared}


def parse_arguments(argv: list[str] | None = None) -> tuple[DataArguments, ModelArguments, TrainingArguments]:
    """Reads `[CONFIG.yaml] [--key value ...]`.

    Raises:
        ValueError: the file has a key that no dataclass has.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = HfArgumentParser((DataArguments, ModelArguments, TrainingArguments))
    if argv and argv[0].endswith((".yaml", ".yml")):
        config: dict[str, Any] = yaml.safe_load(Path(argv.pop(0)).read_text(encoding="utf-8")) or {}
        known = {action.dest for action in parser._actions}
        unknown = sorted(set(config) - known)
        if unknown:
            raise ValueError(
                f"Unknown key {unknown[0]!r} in the configuration: use {', '.join(sorted(known - {'help'}))}."
            )
        parser.set_defaults(**config)
    return parser.parse_args_into_dataclasses(args=argv)
