"""Say which checkpoint is evaluated, on which samples, and how."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..classification import load_pipeline
from ..models.timesenclip.compositing_timesenclip import MONTHS_PER_YEAR
from ..models.timesenclip.weights_timesenclip import weights_hash
from ..models.timesenclip.zero_shot_timesenclip import CENTRINGS
from .baselines import ImageModel
from .samples import Samples, parse_months
from .tasks import PROMPTS, Task
from .uncertainty import DEFAULT_RESAMPLING, Resampling

# What the sets are asked: the paper's scores; and what needs photos, damage, labels to learn from, or half of them.
SUITES = ("zero_shot", "retrieval", "robustness", "few_shot", "calibration")
Photos = Callable[[int], Sequence[Any]]


@dataclass(frozen=True)
class EvaluationSet:
    """Hold samples and what is asked of them; the first task is also that of the suites besides "zero_shot".

    Beside them stand notes for a reader, the ground photos of a sample, by its row, and RGB patches from above for
    image models, (samples, height, width, 3), pictures or reflectance.
    """

    samples: Samples
    tasks: Sequence[Task]
    notes: Sequence[str] = ()
    photos: Photos | None = None
    images: np.ndarray | None = None


@dataclass(frozen=True)
class Protocol:
    """Say how series are scored.

    Attributes:
        suites: of `SUITES`.
        composites: how many a year to merge each series to (12 are months); a set with fewer keeps what it has.
        missing: months to leave out, as [`parse_months`] reads them; each is scored by itself.
        prompts: of `PROMPTS`; all that every class of a task has when left out.
        centrings: of `CENTRINGS`; "none" gives raw scores, the others transductive ones.
        resampling: of the intervals.
        most_samples: that the suites besides "zero_shot" take, drawn at random; for the time they take.
        image_models: CLIP models that score the sets with `images`, for baselines.
    """

    suites: Sequence[str] = ("zero_shot",)
    composites: Sequence[int] = (12, 4, 1)
    missing: Sequence[str | Sequence[int] | None] = (None,)
    prompts: Sequence[str] | None = None
    centrings: Sequence[str] = CENTRINGS
    resampling: Resampling = DEFAULT_RESAMPLING
    most_samples: int = 1_000
    image_models: Sequence[ImageModel] = ()

    def __post_init__(self) -> None:
        check_values("suites", self.suites, SUITES)
        check_values("centrings", self.centrings, CENTRINGS)
        check_values("prompts", self.prompts or PROMPTS, PROMPTS)
        wrong = next((number for number in self.composites if number < 1 or MONTHS_PER_YEAR % number), None)
        if wrong is not None or not self.composites:
            raise ValueError(f"`composites` must be divisors of 12, such as 12, 4 and 1, got {wrong}.")
        for months in self.missing:
            parse_months(months)


def check_values(name: str, values: Sequence[str], allowed: Sequence[str]) -> None:
    """Refuse an option that is empty or has a value that there is not, with a sentence of those that there are."""
    wrong = next((value for value in values if value not in allowed), None)
    if wrong is not None or not values:
        raise ValueError(f"`{name}` must be of {', '.join(allowed)}, got {wrong!r}.")


@dataclass(frozen=True)
class Checkpoint:
    """Hold a checkpoint that is evaluated: its model and processor, and what to call it."""

    name: str
    model: Any
    processor: Any

    @classmethod
    def load(cls, name: str, device: str | torch.device | None = None) -> "Checkpoint":
        """Read a folder or Hub id, or raise OSError; a folder goes by its last name."""
        loaded = load_pipeline(name, device)
        shown = Path(name).resolve().name if Path(name).is_dir() else name
        return cls(shown, loaded.model.eval(), loaded.processor)

    def describe(self) -> dict[str, Any]:
        """Return name, hash of the weights, kind and size of the encoder."""
        pixel = self.model.pixel_model
        return {
            "name": self.name,
            "weights_hash": weights_hash(self.model.state_dict()),
            # Checkpoints of before there were several kinds do not name theirs.
            "encoder_type": getattr(pixel.config, "encoder_type", "transformer"),
            "parameters": pixel.num_parameters(),
        }
