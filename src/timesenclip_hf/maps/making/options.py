"""Say what a map shows, and where a run computes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...models.timesenclip.label_set_timesenclip import Labels
from ...models.timesenclip.options_timesenclip import SeriesOptions
from ...models.timesenclip.zero_shot_timesenclip import CandidateLabels
from .smoothing import Smoothing

Hierarchy = Mapping[str, CandidateLabels]
EMBEDDING_TYPES = ("float16", "int8")
LOCAL_SCHEDULERS = ("threads", "processes")


@dataclass(frozen=True)
class MapOptions:
    """Say what a map shows beside its labels, and how their names become prompts.

    Attributes:
        label_sets: labels by the name of their set, instead of one set: several maps in one pass.
        hierarchy: `{group: [labels]}`: a group's probability is the sum of its labels'; alone, it names the labels too.
        hypothesis_template: one template or several; the checkpoint's own when left out.
        smoothing: "majority:3" (side of a square in pixels) or "potts:1.0" (strength); none when left out.
        embeddings: keep each pixel's, as "float16" or "int8".

    Raises:
        ValueError: the smoothing or the type of the embeddings is unknown.
    """

    label_sets: Mapping[str, Labels] | None = None
    hierarchy: Hierarchy | None = None
    hypothesis_template: str | Sequence[str] | None = None
    smoothing: str | None = None
    embeddings: str | None = None

    def __post_init__(self) -> None:
        if self.embeddings is not None and self.embeddings not in EMBEDDING_TYPES:
            raise ValueError(f"`embeddings` must be one of {', '.join(EMBEDDING_TYPES)}, got {self.embeddings!r}.")
        if self.smoothing is not None:
            Smoothing.parse(self.smoothing)


@dataclass(frozen=True)
class RunOptions:
    """Say where a run computes and in which pieces.

    Attributes:
        scheduler: "threads" or "processes" of this machine, or the address of a Dask scheduler such as
            "tcp://10.0.0.1:8786".
        workers: threads or processes of this machine.
        chunk: side in pixels of what is mapped at once; the cube's own chunks when left out.
        inputs: what the cube was read from, so that another cube is not taken for it.
        overwrite: replace another run in the folder, in place of refusing it.

    Raises:
        ValueError: there is no such scheduler, or a number is below 1.
    """

    scheduler: str = "threads"
    workers: int = 1
    chunk: int | None = None
    inputs: Sequence[str] = ()
    overwrite: bool = False

    def __post_init__(self) -> None:
        if not self.is_local and "://" not in self.scheduler:
            raise ValueError(f'`scheduler` must be threads, processes or tcp://HOST:PORT, got "{self.scheduler}".')
        if self.workers < 1:
            raise ValueError(f"`workers` must be at least 1, got {self.workers}.")
        if self.chunk is not None and self.chunk < 1:
            raise ValueError(f"A chunk must have at least 1 pixel a side, got {self.chunk}.")

    @property
    def is_local(self) -> bool:
        """Tell whether the workers are of this machine."""
        return self.scheduler in LOCAL_SCHEDULERS


DEFAULT_OPTIONS, DEFAULT_READING, DEFAULT_RUN = MapOptions(), SeriesOptions(), RunOptions()
