"""Import labelled satellite pictures: what EuroSAT, BigEarthNet and their like share."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from transformers.utils import logging

from ...extras import needs_extra
from ...models.timesenclip.bands_timesenclip import canonical_band
from ..engine.reports import ImportReport, Problem
from ..engine.shards import ImportPart, Row, import_parts
from .images import BadImageError, Raster, pack_bands

with needs_extra("data"):
    from datasets import Dataset, Features, List, Value

Item = TypeVar("Item")


@dataclass(frozen=True)
class PictureReader(ABC, Generic[Item]):
    """Turn items, files or folders of files, into rows; a subclass says how one item becomes a row.

    Attributes:
        bands: kept as digital numbers in a column `reflectance`, by the names that the source has.
        located: every picture must have a georeference.
    """

    bands: tuple[str, ...] = ()
    located: bool = False

    side: ClassVar[int]
    """Pixels along a side of a picture."""
    unit: ClassVar[str]
    """The word for the items, for the bar."""
    items_per_part: ClassVar[int]
    """Items that a process takes at a time."""

    @property
    @abstractmethod
    def columns(self) -> dict[str, Any]:
        """Give the columns of a row, but for its place and its bands."""

    @abstractmethod
    def name_of(self, item: Item) -> tuple[str, str]:
        """Name an item in a report: the point, and the file or folder."""

    @abstractmethod
    def read_item(self, item: Item) -> Iterator[Row | Problem]:
        """Yield the row of an item, after what is wrong with it though it can be used.

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

    def locate(self, raster: Raster, bands: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Return the columns of a row's place and of its bands.

        Args:
            raster: that tells the place.
            bands: digital numbers (y, x) by name.
        """
        kept = {"reflectance": pack_bands(bands, self.bands, self.side)} if self.bands else {}
        return {"longitude": raster.longitude, "latitude": raster.latitude, **kept}

    def rows(self, items: Sequence[Item]) -> Iterator[Row | Problem]:
        """Yield the rows of items, and what is wrong with some."""
        for item in items:
            try:
                yield from self.read_item(item)
            except BadImageError as error:
                yield Problem(error.reason, *self.name_of(item), error.detail)

    def load(self, items: Sequence[Item], problems: list[Problem] | None, progress: bool) -> Dataset:
        """Read items into a dataset in memory.

        Args:
            items: to read.
            problems: takes what is wrong; where it is None, the first item that must be left out ends the reading.
            progress: show a bar.

        Raises:
            ValueError: an item must be left out and `problems` is None, or nothing is left.
        """
        kept: list[Row] = []
        for item in logging.tqdm(items, unit=f" {self.unit}", disable=not progress):
            for row in self.rows([item]):
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
        items: Sequence[Item],
        output: str | os.PathLike[str],
        *,
        identity: Mapping[str, Any],
        workers: int,
        progress: bool,
    ) -> ImportReport:
        """Write items as a dataset that `load_dataset(output)` reads; what was stopped goes on where it was.

        Args:
            items: to read.
            output: folder to write.
            identity: what is imported, and how.
            workers: processes.
            progress: show a bar.

        Raises:
            ValueError: no item can be used, or the folder holds another import.
        """
        size = self.items_per_part
        chunks = [items[start : start + size] for start in range(0, len(items), size)]
        parts = [ImportPart(chunk, len(chunk)) for chunk in chunks]
        return import_parts(
            output, parts, self.rows, self.features, identity=identity, workers=workers, progress=progress
        )


def check_bands(names: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """Give names of bands in any common spelling as a source has them.

    Args:
        names: wanted.
        known: that the source has.

    Raises:
        ValueError: the source has no such band.
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
