"""Import labelled satellite pictures: what EuroSAT, BigEarthNet and their like share."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from transformers.utils import logging

from ...extras import needs_extra
from ...models.timesenclip.bands_timesenclip import canonical_band
from ..engine.reports import ImportReport, Problem
from ..engine.shards import ImportPart, Row, import_parts
from .images import BadImageError

with needs_extra("data"):
    from datasets import Dataset, Features, List, Value


class Picture(NamedTuple):
    """Name a picture by its file, or by the folder of its bands, with its label and split where they are known."""

    path: Path
    label: Any = None
    split: str = ""


@dataclass(frozen=True)
class PictureReader(ABC):
    """Turn pictures into rows; a subclass says how one is read.

    Attributes:
        bands: kept as digital numbers in a column `reflectance`, by the names that the source has.
        located: every picture must have a georeference.
        side: pixels along a side of a picture.
        pictures_per_part: that a process takes at a time.
    """

    bands: tuple[str, ...] = ()
    located: bool = False

    side: ClassVar[int]
    pictures_per_part: ClassVar[int]

    @property
    @abstractmethod
    def columns(self) -> dict[str, Any]:
        """Give the columns of a row, but for its place and its bands."""

    @abstractmethod
    def read(self, picture: Picture) -> Iterator[Row | Problem]:
        """Yield the row of a picture, after what is wrong with it though it can be used.

        Raises:
            BadImageError: it cannot be used.
        """

    @property
    def features(self) -> Features:
        """Build the features of a row."""
        features = {**self.columns, "longitude": Value("float64"), "latitude": Value("float64")}
        if self.bands:
            features["reflectance"] = List(Value("int16"), length=len(self.bands) * self.side**2)
        return Features(features)

    def rows(self, pictures: Sequence[Picture]) -> Iterator[Row | Problem]:
        """Yield the rows of pictures, and what is wrong with some."""
        for picture in pictures:
            try:
                yield from self.read(picture)
            except BadImageError as error:
                path = picture.path
                yield Problem(error.reason, path.name if path.is_dir() else path.stem, path.name, error.detail)

    def load(self, pictures: Sequence[Picture], problems: list[Problem] | None, progress: bool) -> Dataset:
        """Read pictures into a dataset in memory.

        Args:
            pictures: to read.
            problems: takes what is wrong; where it is None, the first picture that must be left out ends the reading.
            progress: show a bar.

        Raises:
            ValueError: a picture must be left out and `problems` is None, or nothing is left.
        """
        kept: list[Row] = []
        for picture in logging.tqdm(pictures, unit=" images", disable=not progress):
            for row in self.rows([picture]):
                if not isinstance(row, Problem):
                    kept.append(row)
                elif problems is not None:
                    problems.append(row)
                elif row.skipped:
                    raise ValueError(
                        f"{row.source}: {row.reason}{f' ({row.detail})' if row.detail else ''}: mend or remove it, or "
                        "pass `problems=[]` to leave out what cannot be used and to list it there."
                    )
        if not kept:
            raise ValueError("No image is left that can be used: see `problems`.")
        return Dataset.from_list(kept, features=self.features).select_columns(list(self.features))

    def write(
        self,
        pictures: Sequence[Picture],
        output: str | os.PathLike[str],
        identity: Mapping[str, Any],
        workers: int,
        progress: bool,
    ) -> ImportReport:
        """Write pictures as a dataset that `load_dataset(output)` reads; what was stopped goes on where it was.

        Args:
            pictures: to read.
            output: folder to write.
            identity: what is imported, and how.
            workers: processes.
            progress: show a bar.

        Raises:
            ValueError: no picture can be used, or the folder holds another import.
        """
        size = self.pictures_per_part
        chunks = [pictures[start : start + size] for start in range(0, len(pictures), size)]
        parts = [ImportPart(chunk, len(chunk)) for chunk in chunks]
        return import_parts(
            output, parts, self.rows, self.features, identity=identity, workers=workers, progress=progress
        )


def check_bands(names: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """Give names of bands in any common spelling as a source has them.

    Raises:
        ValueError: it is none of the bands that the source has, `known`.
    """
    wanted = []
    for name in names:
        try:
            wanted.append(name if name in known else canonical_band(name))
        except ValueError:
            wanted.append(name)
        if wanted[-1] not in known:
            raise ValueError(f"There is no band {name!r}: the patches have {', '.join(known)}.")
    return tuple(wanted)


def existing_folder(folder: str | os.PathLike[str]) -> Path:
    """Return the path of a folder.

    Raises:
        FileNotFoundError: there is none.
    """
    path = Path(folder)
    if not path.is_dir():
        raise FileNotFoundError(f"No such folder: {path}.")
    return path
