"""Compare a map with a raster of labels: confusion table, recalls, and what guessing would have scored."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...extras import needs_extra
from ..cubes.labels import UNLABELLED
from .legend import NO_CLASS, UNCERTAIN

with needs_extra("map"):
    import xarray as xr


@dataclass(frozen=True)
class Comparison:
    """Count how a map agrees with reference labels.

    Attributes:
        reference_labels: rows of the table.
        labels: of the map, columns of the table.
        table: pixels (reference, mapped).
        unlabelled: pixels whose reference code stands for none of the labels; left out.
        without_data: labelled pixels that the map leaves empty for want of a clear month; left out.
        uncertain: labelled pixels whose class [`reject`] took away; left out.
    """

    reference_labels: list[str]
    labels: list[str]
    table: np.ndarray
    unlabelled: int
    without_data: int
    uncertain: int = 0

    @property
    def _hits(self) -> np.ndarray:
        columns = [self.labels.index(label) for label in self.reference_labels]
        return np.asarray(self.table[np.arange(len(columns)), columns])

    @property
    def recalls(self) -> dict[str, float]:
        """Return for each reference label the share of its pixels that the map names so."""
        return dict(zip(self.reference_labels, (self._hits / self.table.sum(axis=1)).tolist(), strict=True))

    @property
    def balanced_accuracy(self) -> float:
        """Return the mean of the recalls."""
        return float(np.mean(list(self.recalls.values())))

    @property
    def accuracy(self) -> float:
        """Return the share of the labelled pixels that the map names as the reference does."""
        return float(self._hits.sum() / self.table.sum())

    @property
    def majority(self) -> float:
        """Return the accuracy of naming every pixel after the most frequent reference label."""
        return float(self.table.sum(axis=1).max() / self.table.sum())

    def __str__(self) -> str:
        width = max(9, *(len(label) for label in (*self.reference_labels, *self.labels))) + 2
        lines = ["reference".ljust(width) + "".join(label.rjust(width) for label in (*self.labels, "recall"))]
        for label, row in zip(self.reference_labels, self.table, strict=True):
            cells = "".join(str(count).rjust(width) for count in row)
            lines.append(label.ljust(width) + cells + f"{self.recalls[label]:.3f}".rjust(width))
        # Guessing one class always, or any class evenly, has this balanced accuracy.
        chance = f"majority {1 / len(self.reference_labels):.3f}, chance {1 / len(self.labels):.3f}"
        lines += [
            f"balanced accuracy {self.balanced_accuracy:.3f} ({chance})",
            f"accuracy {self.accuracy:.3f} (majority {self.majority:.3f}, chance {1 / len(self.labels):.3f})",
            f"{int(self.table.sum())} pixels compared; left out: {self.unlabelled} without one of these labels, "
            f"{self.without_data} without a clear month" + (f", {self.uncertain} uncertain" if self.uncertain else ""),
        ]
        return "\n".join(lines)


def compare(mapped: xr.Dataset, reference: xr.DataArray) -> Comparison:
    """Count the agreement of a map with labels from [`read_reference`].

    Raises:
        ValueError: the grids differ, a label of the reference is none of the map's, or nothing can be compared.
    """
    labels, expected = list(mapped.attrs["labels"]), list(reference.attrs["labels"])
    check_labels(labels, expected)
    codes, indices = mapped["class"].values, reference.values
    if codes.shape != indices.shape:
        raise ValueError(f"The map has {codes.shape} pixels, the reference {indices.shape}: read it on the map's grid.")
    labelled = indices != UNLABELLED
    compared = labelled & (codes != NO_CLASS) & (codes != UNCERTAIN)
    table = np.zeros((len(expected), len(labels)), dtype=np.int64)
    np.add.at(table, (indices[compared], codes[compared].astype(np.int64) - 1), 1)
    present = table.sum(axis=1) > 0
    if not present.any():
        raise ValueError("No labelled pixel has a class on the map: there is nothing to compare.")
    return Comparison(
        reference_labels=[label for label, occurs in zip(expected, present, strict=True) if occurs],
        labels=labels,
        table=table[present],
        unlabelled=int((~labelled).sum()),
        without_data=int((labelled & (codes == NO_CLASS)).sum()),
        uncertain=int((labelled & (codes == UNCERTAIN)).sum()),
    )


def check_labels(labels: Sequence[str], expected: Sequence[str]) -> None:
    """Raise ValueError where a reference label is none of the map's."""
    if (stranger := next((label for label in expected if label not in labels), None)) is not None:
        raise ValueError(f"The reference label {stranger!r} is none of the map's: use {', '.join(labels)}.")
