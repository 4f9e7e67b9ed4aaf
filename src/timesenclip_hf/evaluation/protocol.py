"""What is evaluated, on what, and how."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..classification import load_pipeline
from ..files import weights_hash
from ..models.timesenclip.compositing_timesenclip import MONTHS_PER_YEAR
from ..models.timesenclip.zero_shot_timesenclip import CENTRINGS
from .baselines import ImageModel
from .samples import Samples, parse_months
from .tasks import PROMPTS, Task
from .uncertainty import DEFAULT_RESAMPLING, Resampling

# What the sets are asked: the paper's scores; and what needs photos, damage, labels to learn from, or half of them.
SUITES = ("zero_shot", "retrieval", "robustness", "few_shot", "calibration")
NUM_LOOKS = (12, 4, 1)
Photos = Callable[[int], Sequence[Any]]


@dataclass(frozen=True)
class EvaluationSet:
    """Samples and what is asked of them.

    Attributes:
        samples: labelled series.
        tasks: label columns with their label sets; the first one is also that of the suites besides "zero_shot".
        notes: what the labels are, and what a reader must know of the set.
        photos: the ground photos of a sample, by its row; none where left out.
        images: RGB patches from above for image models, (samples, height, width, 3), pictures or reflectance; none
            where left out.
    """

    samples: Samples
    tasks: Sequence[Task]
    notes: Sequence[str] = ()
    photos: Photos | None = None
    images: np.ndarray | None = None


@dataclass(frozen=True)
class Protocol:
    """How samples are scored.

    Attributes:
        suites: of `SUITES`.
        num_looks: looks a year to merge the series to; a set with fewer looks is scored with what it has.
        missing: months to leave out, as [`parse_months`] reads them; each is scored by itself.
        prompts: of `PROMPTS`; all that every class of a task has when left out.
        centrings: of `CENTRINGS`; "none" gives raw scores, the others transductive ones.
        resampling: of the intervals.
        batch_size: series that the encoder takes at once; what suits it and the machine when None.
        most_samples: that the suites besides "zero_shot" take, drawn at random; for the time they take.
        image_models: CLIP models that score the sets with `images`, for baselines.

    Raises:
        ValueError: an option has another value than those named.
    """

    suites: Sequence[str] = ("zero_shot",)
    num_looks: Sequence[int] = NUM_LOOKS
    missing: Sequence[str | Sequence[int] | None] = (None,)
    prompts: Sequence[str] | None = None
    centrings: Sequence[str] = CENTRINGS
    resampling: Resampling = DEFAULT_RESAMPLING
    batch_size: int | None = None
    most_samples: int = 1_000
    image_models: Sequence[ImageModel] = ()

    def __post_init__(self) -> None:
        if not self.suites:
            raise ValueError(f"There is no suite to run: name one of {', '.join(SUITES)}.")
        allowed = {"suites": SUITES, "prompts": PROMPTS, "centrings": CENTRINGS}
        for name, values in allowed.items():
            wrong = next((one for one in getattr(self, name) or () if one not in values), None)
            if wrong is not None:
                raise ValueError(f"`{name}` must be of {', '.join(values)}, got {wrong!r}.")
        wrong = next((one for one in self.num_looks if one < 1 or MONTHS_PER_YEAR % one), None)
        if wrong is not None or not self.num_looks:
            raise ValueError(f"`num_looks` must be divisors of 12, such as 12, 4 and 1, got {wrong}.")
        for months in self.missing:
            parse_months(months)


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that is evaluated."""

    name: str
    model: Any
    processor: Any

    @classmethod
    def load(cls, name: str, device: str | torch.device | None = None) -> "Checkpoint":
        """Reads a folder or Hub id; a folder goes by its last name.

        Raises:
            OSError: there is no checkpoint there.
        """
        loaded = load_pipeline(name, device)
        shown = Path(name).resolve().name if Path(name).is_dir() else name
        return cls(shown, loaded.model.eval(), loaded.processor)

    def describe(self) -> dict[str, Any]:
        """Name, hash of the weights, kind and size of the encoder."""
        pixel = self.model.pixel_model
        return {
            "name": self.name,
            "weights_hash": weights_hash(self.model.state_dict()),
            # Checkpoints of before there were several kinds do not name theirs.
            "encoder_type": getattr(pixel.config, "encoder_type", "transformer"),
            "parameters": pixel.num_parameters(),
        }
