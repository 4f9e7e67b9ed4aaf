"""Tell how many hectares went from which class to which, as text, CSV and JSON."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..files import write_json
from ..words import as_cell, on_one_line
from .change_probability import LEAST_PRIOR

# Characters of a class's name in the printed table, and classes of which it has room.
LONGEST_NAME, MOST_PRINTED = 24, 8
# Of more classes than can be printed as a table these changes are listed, the largest first.
LISTED_CHANGES = 12


@dataclass(frozen=True, eq=False)
class TransitionTable:
    """Hold how much land had which class in the first year and which in the second.

    Attributes:
        labels: of the classes, rows (first year) and columns (second year) of the tables.
        hectares: (from, to).
        pixels: (from, to).
        hectares_without_data: of pixels that a year does not see.
        facts: how it was found: years, prior, threshold and so on, in types that JSON has.
    """

    labels: list[str]
    hectares: np.ndarray
    pixels: np.ndarray
    hectares_without_data: float
    facts: Mapping[str, Any]

    @classmethod
    def of(cls, attributes: Mapping[str, Any]) -> "TransitionTable":
        """Make the table of what [`detect_change`] returned, from its attributes."""
        known = ("class_labels", "class_colours", "hectares", "pixels", "hectares_without_data", "labels")
        return cls(
            list(attributes["class_labels"]),
            np.asarray(attributes["hectares"], dtype=np.float64),
            np.asarray(attributes["pixels"], dtype=np.int64),
            float(attributes["hectares_without_data"]),
            {name: value for name, value in attributes.items() if name not in known},
        )

    @property
    def changed_hectares(self) -> float:
        """Return the hectares whose class changed."""
        return float(self.hectares.sum() - np.trace(self.hectares))

    def transitions(self) -> list[tuple[str, str, float, int]]:
        """List the changes that occur, from, to, hectares and pixels, the largest first."""
        changed = self.hectares * (1 - np.eye(len(self.labels)))
        order = [divmod(int(index), len(self.labels)) for index in np.argsort(-changed.ravel(), kind="stable")]
        rows = ((self.labels[j], self.labels[k], float(changed[j, k]), int(self.pixels[j, k])) for j, k in order)
        return [row for row in rows if row[3] and row[0] != row[1]]

    def __str__(self) -> str:
        seen = self.hectares.sum()
        first, second = (on_one_line(year) for year in self.facts["years"])
        lines = self._matrix() if len(self.labels) <= MOST_PRINTED else self._list()
        share = self.changed_hectares / seen if seen else 0.0
        area = f"{written(self.changed_hectares)} of {written(seen)} ha"
        lines.append(f"changed from {first} to {second}: {area} ({share:.1%})")
        prior = self.facts["prior"]
        told = "as given" if self.facts["prior_is_given"] else "by the probabilities of both years"
        least = "" if self.facts["prior_is_given"] or prior > LEAST_PRIOR else "at most "
        lines.append(f"share of the land that changed, {told}: {least}{prior:.1%}")
        if self.hectares_without_data > 0:
            lines.append(f"without data in one of the years: {written(self.hectares_without_data)} ha")
        return "\n".join(lines)

    def _matrix(self) -> list[str]:
        """Write the table with totals, each column as wide as it needs."""
        names = [*map(_short, self.labels), "total"]
        totals = np.append(self.hectares.sum(axis=0), self.hectares.sum())
        rows = [*np.column_stack([self.hectares, self.hectares.sum(axis=1)]), totals]
        cells = [["from \\ to, ha", *names]]
        cells += [[name, *map(written, row)] for name, row in zip(names, rows, strict=True)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        return [
            "  ".join(cell.rjust(width) if index else cell.ljust(width) for index, (cell, width) in enumerate(row))
            for row in (list(zip(line, widths, strict=True)) for line in cells)
        ]

    def _list(self) -> list[str]:
        changes = self.transitions()
        lines = [f"{written(area):>12} ha  {_short(j)} to {_short(k)}" for j, k, area, _ in changes[:LISTED_CHANGES]]
        left = changes[LISTED_CHANGES:]
        if left:
            lines.append(f"{written(sum(row[2] for row in left)):>12} ha  in {len(left)} smaller changes")
        return lines

    def write_csv(self, path: Path) -> None:
        """Write the hectares, a row for each class of the first year and a column for each of the second."""
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["from \\ to (hectares)", *map(as_cell, self.labels)])
            for label, row in zip(self.labels, self.hectares.tolist(), strict=True):
                writer.writerow([as_cell(label), *(f"{value:.4f}" for value in row)])

    def write_json(self, path: Path) -> None:
        """Write both tables and how they were found."""
        content = {
            "labels": self.labels,
            "hectares": self.hectares.tolist(),
            "pixels": self.pixels.tolist(),
            "hectares_without_data": self.hectares_without_data,
            **self.facts,
        }
        write_json(path, content)


def _short(label: str) -> str:
    text = on_one_line(label)
    return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 1]}…"


def written(hectares: float) -> str:
    """Write hectares with the decimals that a pixel of ten metres needs, fewer where there are many."""
    return f"{hectares:,.0f}" if hectares >= 10_000 else f"{hectares:,.2f}"
