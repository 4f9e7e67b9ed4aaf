"""Report what became of every point of an import: rows written, problems counted by name and listed."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...files import write_json

REPORT_FILE = "import_report.json"


@dataclass(frozen=True)
class Problem:
    """Name one thing that is wrong with the input.

    Attributes:
        reason: what it is counted as, such as "no scene classification".
        point_id: empty where a whole file is meant.
        source: name of the file.
        detail: what the source holds instead.
        skipped: the point is left out; False where it was kept, mended or with the class unknown.
    """

    reason: str
    point_id: str = ""
    source: str = ""
    detail: str = ""
    skipped: bool = True

    @property
    def text(self) -> str:
        """Say the reason, and what the source holds in brackets."""
        return f"{self.reason} ({self.detail})" if self.detail else self.reason


class UnusableError(ValueError):
    """Leave out a point or a picture: the reason it is counted by, and what the source holds instead."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason} {detail}".rstrip())
        self.reason, self.detail = reason, detail


@dataclass(frozen=True)
class ImportReport:
    """Tell what an import read and wrote; `str()` is the text for people.

    Attributes:
        output: folder of the dataset.
        points: that the sources hold.
        rows: points that were written.
        problems: in the order of the sources.
        content_hash: of the rows; equal for equal input, however often the import was interrupted.
        identity: what was imported, and how; another import does not go into the same folder.
        notes: how the sources were read, in short sentences.
    """

    output: str
    points: int
    rows: int
    problems: list[Problem]
    content_hash: str
    identity: dict[str, Any] = field(repr=False)
    notes: list[str] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """Count how often each reason came up."""
        return count_reasons(self.problems)

    @property
    def skipped(self) -> list[Problem]:
        """List the points that were left out, and why."""
        return [problem for problem in self.problems if problem.skipped and problem.point_id]

    def write(self) -> None:
        """Write the report beside the dataset."""
        write_json(Path(self.output) / REPORT_FILE, {**asdict(self), "counts": self.counts})

    @classmethod
    def read(cls, output: str | os.PathLike[str]) -> "ImportReport":
        """Read the report of a finished import from its folder."""
        content = json.loads((Path(output) / REPORT_FILE).read_text(encoding="utf-8"))
        content.pop("counts")
        problems = [Problem(**problem) for problem in content["problems"]]
        return cls(**{**content, "output": str(output), "problems": problems})  # the folder may have been moved since

    def __str__(self) -> str:
        lines = [f"{self.rows} of {self.points} points written to {self.output}, {len(self.skipped)} left out"]
        lines += [f"  {reason}: {count}" for reason, count in self.counts.items()]
        return "\n".join([*lines, *self.notes])


def count_reasons(problems: Iterable[Problem]) -> dict[str, int]:
    """Count how often each reason comes up, by name."""
    return dict(sorted(Counter(problem.reason for problem in problems).items()))


def check_identity(folder: Path, present: Mapping[str, Any], wanted: Mapping[str, Any], kind: str) -> None:
    """Raise `ValueError` where the work present in a folder is not the work wanted.

    Args:
        folder: for the sentence.
        present: what it holds, by name.
        wanted: what it is to hold.
        kind: the words before the name of what differs, such as "an import with another".
    """
    for key in sorted({*present, *wanted}):
        if present.get(key) != wanted.get(key):
            values = f"{present.get(key)!r:.80}, now {wanted.get(key)!r:.80}"
            raise ValueError(f"{folder} holds {kind} {key} ({values}): choose another folder, or delete it.")
