"""Train a small pixel tower to say what a trained one says, of series that nobody labelled.

What comes of it is a checkpoint as its teacher's, words, calibration and all, with a pixel tower of at most a tenth of
the work. The teacher is asked once, before the first step, of many series that augmentation made of those given; what
it says of them lies in the run's folder, so that a stopped run does not ask again.
"""

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import torch
from accelerate.utils import set_seed
from torch import nn

from timesenclip_hf import TimeSenCLIPModel, TimeSenCLIPPixelConfig, TimeSenCLIPPixelModel, TimeSenCLIPProcessor, encode
from timesenclip_hf.files import first_line
from timesenclip_hf.learning import EmbeddingMatchingLoss
from timesenclip_hf.learning.augmentation import SeriesPerturbation
from timesenclip_hf.models.timesenclip.encoders_timesenclip import TimeSenCLIPMLP, place_on_months
from training.batches import Batch, TensorRows, step_seed
from training.checkpoints import compute_once
from training.clips import UNREADABLE, read_teacher
from training.flops import count_flops
from training.loop import Evaluation
from training.measure import simulated
from training.simulated_rows import SERIES_SEED, VALIDATION_SEED, simulated_series
from training.sources import RowSource, dataset_source
from training.systems import Setting, System, build_augmentation, build_tower
from training.validation import build_zero_shot

# Of the teacher's work; a student that needs more is hardly worth its loss.
LARGEST_SHARE = 0.1
# Lessons of a file, some 20 MB of the embedded teacher's; and series that are augmented together.
LESSONS_AT_A_TIME, ROWS_AT_A_TIME = 32_768, 1_024
# Of a standardised input: 200 digital numbers of reflectance.
SMALLEST_SCALE = 0.02
SERIES = ("pixel_series", "series_mask", "months")
AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


class SeriesAndTeacher(nn.Module):
    """Give the student's view, and what the teacher says of the same series."""

    def __init__(self, pixel_model: TimeSenCLIPPixelModel) -> None:
        super().__init__()
        self.pixel_model = pixel_model

    def forward(self, teacher_embeds: torch.Tensor, **series: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return embeddings of series by the student and, as they come, by the teacher."""
        return self.pixel_model(**series, pooled_only=True).pooler_output, teacher_embeds


class StandardisedLinear(nn.Module):
    """Learn a linear layer with inputs of mean 0 and deviation 1, of whatever mean and scale they come.

    Reflectance lies close together, around a mean far from zero, where a gradient mostly moves what all series share.
    `weight` and `bias` are those of the plain layer that says the same of the inputs as they come, see [`fold`].

    Args:
        linear: the layer that learns; its inputs are the standardised ones.
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.linear, self.in_features = linear, linear.in_features
        self.register_buffer("mean", torch.zeros(linear.in_features))
        self.register_buffer("scale", torch.ones(linear.in_features))

    @property
    def weight(self) -> torch.Tensor:
        """Return the plain layer's weight (outputs, inputs)."""
        return self.linear.weight / self.scale

    @property
    def bias(self) -> torch.Tensor:
        """Return the plain layer's bias (outputs,)."""
        return self.linear.bias - self.weight @ self.mean

    def measure(self, inputs: torch.Tensor) -> None:
        """Take mean and deviation of (rows, inputs); what hardly varies is not enlarged."""
        self.mean.copy_(inputs.mean(dim=0))
        self.scale.copy_(inputs.std(dim=0).clamp(min=SMALLEST_SCALE))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (..., inputs) to (..., outputs)."""
        states: torch.Tensor = self.linear((x - self.mean) / self.scale)
        return states

    @torch.no_grad()
    def fold(self) -> nn.Linear:
        """Return the plain layer."""
        plain = deepcopy(self.linear)
        plain.weight.copy_(self.weight)
        plain.bias.copy_(self.bias)
        return plain


def teach(
    rows: TensorRows,
    teacher: TimeSenCLIPPixelModel,
    augmentations: Sequence[nn.Module],
    *,
    count: int,
    seed: int,
    dtype: torch.dtype | None = None,
) -> Batch:
    """Draw some series from all, augment them, and ask the teacher what it says of them.

    Args:
        rows: of series.
        teacher: a pixel tower.
        augmentations: one after the other.
        count: series.
        seed: of the draw and of the augmentations.
        dtype: of the teacher's matrix products; its own when left out.

    Returns:
        `count` rows of model inputs with `teacher_embeds`, and `source`, the row that each was made of.
        Numbers are in half precision, which keeps more digits than a satellite's.
    """
    torch.manual_seed(seed)
    chosen = torch.randint(len(rows), (count,))
    parts: list[Batch] = []
    for numbers in torch.split(chosen, ROWS_AT_A_TIME):
        batch = rows.__getitems__(numbers.tolist())
        num_times = batch["series_mask"].shape[1]
        batch = {name: batch[name] for name in SERIES}
        for augment in augmentations:
            batch = augment(batch)
        embeds = encode(teacher, batch, dtype=dtype)
        # The median of a year is a single time step: the others are not observed.
        padded = {name: _pad_times(column, num_times) for name, column in batch.items()}
        parts.append(padded | {"teacher_embeds": embeds})
    lesson = {name: torch.cat([part[name] for part in parts]) for name in parts[0]} | {"source": chosen}
    return {name: column.half() if column.is_floating_point() else column for name, column in lesson.items()}


def _pad_times(column: torch.Tensor, num_times: int) -> torch.Tensor:
    missing = column.new_zeros(len(column), num_times - column.shape[1], *column.shape[2:])
    return torch.cat([column, missing], dim=1)


class StudentSystem(System):
    """Train a student of the teacher that the setting has in the CLIP's place.

    Args:
        setting: what to build it from.
        processor: not needed; the student has its teacher's.
    """

    stage, description = "series_and_teacher", "series and teacher"

    def __init__(self, setting: Setting, processor: TimeSenCLIPProcessor | None) -> None:
        super().__init__(setting, processor)
        assert isinstance(setting.clip, TimeSenCLIPModel)
        self.teacher = setting.clip
        self.processor = _read_processor(setting.clip_folder)
        self.templates = self.processor.hypothesis_template
        set_seed(setting.training.seed)
        self.tower = build_tower(setting.model, self.teacher.config.projection_dim)
        check_student(self.tower.config, cast(TimeSenCLIPPixelConfig, self.teacher.config.pixel_config))
        fresh_mlp = setting.model.model_name_or_path is None and isinstance(self.tower.encoder, TimeSenCLIPMLP)
        self.first = StandardisedLinear(cast(nn.Linear, self._first_block[0])) if fresh_mlp else None
        if self.first is not None:
            self._first_block[0] = self.first
        self.views = SeriesAndTeacher(self.tower)
        training = setting.training
        perturb = SeriesPerturbation(
            training.blending,
            training.calendar_shift,
            training.gain_noise,
            training.value_noise,
            self.processor.feature_extractor.clamp_max,
        )
        self.augmentations = [perturb, build_augmentation(training)]
        self.augment = None

    @property
    def _first_block(self) -> nn.Sequential:
        """Return the block of an MLP that reads the inputs."""
        return cast(nn.Sequential, cast(TimeSenCLIPMLP, self.tower.encoder).layers[0])

    @staticmethod
    def read_clip(name_or_path: str) -> TimeSenCLIPModel:
        """Read the teacher, frozen."""
        return read_teacher(name_or_path)

    def read(self, *, held_out: bool) -> RowSource:
        """Return lessons to train on; to validate with, series as they are, whose labels serve the validation alone."""
        setting, extractor = self.setting, self.processor.feature_extractor
        if setting.data.shuffle_photos:
            raise ValueError("A student sees no photos: leave `shuffle_photos` out.")
        if setting.data.dataset_name_or_path is not None:
            places, patch_size = setting.places(held_out=held_out), setting.model.patch_size
            source = dataset_source(extractor=extractor, patch_size=patch_size, with_photos=False, **places)
        else:
            points = setting.data.validation_points if held_out else setting.data.series_points
            source = simulated_series(points, VALIDATION_SEED if held_out else SERIES_SEED, extractor)
        if held_out:
            return source
        lessons = self._teach(source.rows)
        if self.first is not None:
            some = lessons.__getitems__(list(range(min(len(lessons), LESSONS_AT_A_TIME))))
            series, mask, months = (some[name] for name in SERIES)
            composites = place_on_months(series, mask, months, self.tower.config.num_months)
            self.first.measure(composites.flatten(1).float())
        return RowSource(lessons, {})

    def _teach(self, rows: TensorRows) -> TensorRows:
        training, accelerator = self.setting.training, self.setting.accelerator
        folder, dtype = Path(training.output_dir) / "lessons", AUTOCAST.get(accelerator.mixed_precision)
        starts = range(0, training.lessons, LESSONS_AT_A_TIME)
        files = [folder / f"{start:08d}.safetensors" for start in starts]

        def compute(shard: int) -> Batch:
            count = min(LESSONS_AT_A_TIME, training.lessons - starts[shard])
            seed = step_seed(training.seed, shard)
            return teach(rows, self.teacher.pixel_model, self.augmentations, count=count, seed=seed, dtype=dtype)

        lessons = compute_once(files, compute, accelerator, "asking the teacher")
        return TensorRows([rows.name(row) for row in lessons.pop("source").tolist()], **lessons)

    def objective(self) -> EmbeddingMatchingLoss:
        """Return what measures how far the student's embeddings are from the teacher's."""
        return EmbeddingMatchingLoss()

    def validation(self) -> Evaluation:
        """Build what measures the cosine with the teacher on held-out series, and both by words of classes."""
        source = self.read(held_out=True)
        zero_shot = build_zero_shot(source, self.teacher, self.processor.tokenizer, self.templates)
        taught = _encode(self.teacher.pixel_model, source.rows)
        standard = {f"teacher_{name}": value for name, value in zero_shot(taught).items()}

        def evaluate(views: nn.Module) -> dict[str, float]:
            embeds = _encode(cast(SeriesAndTeacher, views).pixel_model, source.rows)
            cosine = (embeds * taught).sum(dim=-1).mean().item()
            return {"teacher_cosine": cosine, **zero_shot(embeds), **standard}

        return evaluate

    def finish(self, objective: nn.Module, rows: TensorRows) -> None:
        """Put the student in its teacher's place, beside the same words, calibration and novelty."""
        if self.first is not None:
            self._first_block[0] = self.first.fold()
        self.full = deepcopy(self.teacher.cpu())
        self.full.config.pixel_config = self.tower.config
        self.full.pixel_model = self.tower.to("cpu")
        self.full.eval()

    def save(self, folder: Path) -> None:
        """Write the finished checkpoint."""
        self.full.save_pretrained(folder)
        self.processor.save_pretrained(folder)

    def measure(self) -> dict[str, dict[str, Any]]:
        """Measure the student and its teacher on held-out simulated points."""
        reports, taught = (
            simulated(model, self.processor, self.setting.data.held_out_points) for model in (self.full, self.teacher)
        )
        return reports | {f"teacher, {name}": report for name, report in taught.items()}


def check_student(student: TimeSenCLIPPixelConfig, teacher: TimeSenCLIPPixelConfig) -> None:
    """Hold a student's tower against its teacher's.

    Raises:
        ValueError: it reads other series, or needs more than a tenth of the teacher's operations.
    """
    for name in ("num_bands", "num_months", "patch_shape"):
        if getattr(student, name) != getattr(teacher, name):
            raise ValueError(
                f"The student reads other series than its teacher: {name} {getattr(student, name)} where the teacher "
                f"has {getattr(teacher, name)}."
            )
    flops = {"student": count_flops(student), "teacher": count_flops(teacher)}
    if flops["student"] > LARGEST_SHARE * flops["teacher"]:
        raise ValueError(
            f"The student needs {flops['student']:,} floating-point operations a series, its teacher "
            f"{flops['teacher']:,}: lower `hidden_size` or `num_hidden_layers` until it is {LARGEST_SHARE:.0%} at most."
        )


def _read_processor(name_or_path: str) -> TimeSenCLIPProcessor:
    try:
        processor: TimeSenCLIPProcessor = TimeSenCLIPProcessor.from_pretrained(name_or_path)
    except UNREADABLE as error:
        raise ValueError(f"The teacher {name_or_path} has no processor ({first_line(error)}).") from None
    return processor


def _encode(tower: TimeSenCLIPPixelModel, rows: TensorRows) -> torch.Tensor:
    """Return unit embeddings of all rows, on the CPU, as a published model gives them."""
    return encode(tower, rows.__getitems__(list(range(len(rows)))))
