"""Import labelled satellite pictures: what EuroSAT, BigEarthNet and their like share."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from transformers.utils import logging

from ...extras import needs_extra
from ...models.timesenclip.bands_timesenclip import canonical_band
from ..engine.reports import Problem, UnusableError
from ..engine.shards import ImportPart, Row

with needs_extra("data"):
    from datasets import Dataset, Features, List, Value


class Picture(NamedTuple):
    """Name a picture by its file or the folder of its bands, with its label and split where they are known."""

    path: Path
    label: Any = None
    split: str = ""


@dataclass(frozen=True)
class PictureReader(ABC):
    """Turn pictures into rows; a subclass says how one is read.

    Attributes:
        bands: kept as digital numbers in a column `reflectance`; any common spelling, then as the source has them.
        located: every picture must have a georeference.
        known_bands: that the source has.
        side: pixels along a side of a picture.
        pictures_per_part: that a process takes at a time.

    Raises:
        ValueError: the source has no such band.
    """

    bands: Sequence[str] = ()
    located: bool = False

    known_bands: ClassVar[tuple[str, ...]]
    side: ClassVar[int]
    pictures_per_part: ClassVar[int]

    def __post_init__(self) -> None:
        wanted = []
        for name in self.bands:
            try:
                wanted.append(name if name in self.known_bands else canonical_band(name))
            except ValueError:
                wanted.append(name)
            if wanted[-1] not in self.known_bands:
                raise ValueError(f"There is no band {name!r}: the patches have {', '.join(self.known_bands)}.")
        object.__setattr__(self, "bands", tuple(wanted))

    @property
    @abstractmethod
    def columns(self) -> dict[str, Any]:
        """Give the features of a row, but for its place and its bands."""

    @abstractmethod
    def read(self, picture: Picture) -> Iterator[Row | Problem]:
        """Yield a picture's row, after what is wrong with it though it can be used; raise `UnusableError` if not."""

    @property
    def features(self) -> Features:
        """Build the features of a row."""
        features = {**self.columns, "longitude": Value("float64"), "latitude": Value("float64")}
        if self.bands:
            features["reflectance"] = List(Value("int16"), length=len(self.bands) * self.side**2)
        return Features(features)

    def rows(self, pictures: Iterable[Picture]) -> Iterator[Row | Problem]:
        """Yield the rows of pictures, and what is wrong with some."""
        for picture in pictures:
            try:
                yield from self.read(picture)
            except UnusableError as error:
                path = picture.path
                yield Problem(error.reason, path.name if path.is_dir() else path.stem, path.name, error.detail)

    def parts(self, pictures: Sequence[Picture]) -> list[ImportPart]:
        """Cut pictures into the parts of an import."""
        starts = range(0, len(pictures), self.pictures_per_part)
        chunks = [pictures[start : start + self.pictures_per_part] for start in starts]
        return [ImportPart(chunk, len(chunk)) for chunk in chunks]

    def load(self, pictures: Sequence[Picture], problems: list[Problem] | None, progress: bool) -> Dataset:
        """Read pictures into a dataset in memory; what is wrong goes to `problems`.

        Raises:
            ValueError: a picture must be left out and `problems` is None, or nothing is left.
        """
        kept: list[Row] = []
        for row in self.rows(logging.tqdm(pictures, unit=" images", disable=not progress)):
            if not isinstance(row, Problem):
                kept.append(row)
            elif problems is not None:
                problems.append(row)
            elif row.skipped:
                raise ValueError(
                    f"{row.source}: {row.text}: mend or remove it, or pass `problems=[]` to leave out what cannot be "
                    "used and to list it there."
                )
        if not kept:
            raise ValueError("No image is left that can be used: see `problems`.")
        return Dataset.from_list(kept, features=self.features).select_columns(list(self.features))


def existing_folder(folder: str | os.PathLike[str]) -> Path:
    """Return the path of a folder; raise `FileNotFoundError` where there is none."""
    path = Path(folder)
    if not path.is_dir():
        raise FileNotFoundError(f"No such folder: {path}.")
    return path
