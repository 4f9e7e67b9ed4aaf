"""A map against a raster of labels: confusion table, recalls, and what guessing would have scored."""

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from ..extras import needs_extra
from .cubes import nearest_index
from .production import NO_CLASS
from .sources import RASTER_SUFFIXES, dataset_crs, named_axes, open_dataset, spacing

with needs_extra("map"):
    import rioxarray
    import xarray as xr

# Codes of a label: of the variable named, or of the reference's only one.
Codes: TypeAlias = Mapping[str, Sequence[tuple[str | None, int]]]
UNLABELLED = -1


@dataclass(frozen=True)
class Comparison:
    """How a map agrees with reference labels.

    Attributes:
        reference_labels: labels that the reference has, rows of the table.
        labels: labels of the map, columns of the table.
        table: pixels (reference, mapped).
        unlabelled: pixels whose reference code stands for none of the labels; left out.
        without_data: labelled pixels that the map leaves empty for want of a clear month; left out.
    """

    reference_labels: list[str]
    labels: list[str]
    table: np.ndarray
    unlabelled: int
    without_data: int

    @property
    def recalls(self) -> dict[str, float]:
        """For each reference label, the share of its pixels that the map names so."""
        columns = [self.labels.index(label) for label in self.reference_labels]
        hits = self.table[np.arange(len(columns)), columns]
        return dict(zip(self.reference_labels, (hits / self.table.sum(axis=1)).tolist(), strict=True))

    @property
    def balanced_accuracy(self) -> float:
        """Mean of the recalls."""
        return float(np.mean(list(self.recalls.values())))

    @property
    def accuracy(self) -> float:
        """Share of the labelled pixels that the map names as the reference does."""
        columns = [self.labels.index(label) for label in self.reference_labels]
        return float(self.table[np.arange(len(columns)), columns].sum() / self.table.sum())

    @property
    def majority(self) -> float:
        """Accuracy of naming every pixel after the most frequent reference label."""
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
            f"{self.without_data} without a clear month",
        ]
        return "\n".join(lines)


def parse_codes(text: str) -> dict[str, list[tuple[str | None, int]]]:
    """Reads "maize=1200;grassland=13,9120" or, with variables, "maize=CT:1200;built-up=LC:60".

    Raises:
        ValueError: another form.
    """
    codes: dict[str, list[tuple[str | None, int]]] = {}
    for entry in filter(None, (part.strip() for part in text.split(";"))):
        label, _, values = entry.partition("=")
        found = [re.fullmatch(r"(?:(.+):)?(-?\d+)", value.strip()) for value in values.split(",")]
        if not label.strip() or label.strip() in codes or not all(found):
            raise ValueError(f'{entry!r} is no code of a label: write "maize=1200;grassland=13,9120", each label once.')
        codes[label.strip()] = [(match.group(1), int(match.group(2))) for match in found if match]
    if not codes:
        raise ValueError('There are no codes: write "maize=1200;grassland=13".')
    return codes


def read_reference(
    source: str | os.PathLike[str],
    codes: Codes,
    grid: xr.Dataset,
    *,
    variable: str | None = None,
) -> xr.DataArray:
    """Labels on the grid of a cube or map, by nearest neighbour.

    Args:
        source: NetCDF, Zarr or GeoTIFF with integer codes.
        codes: for each label its codes, each with the variable it belongs to, or `None` for `variable`.
        grid: with `y`, `x` and a CRS.
        variable: of a file with several.

    Returns:
        (y, x), the place of each pixel's label in `labels`, an attribute; -1 where no code applies.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the variable is missing, the places or CRS differ, or no pixel has one of the codes.
    """
    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(f"No such file: {path}.")
    indices = np.full((grid.sizes["y"], grid.sizes["x"]), UNLABELLED, dtype=np.int64)
    rasters: dict[str | None, np.ndarray] = {}
    with closing(_open(path)) as dataset:
        for place, (label, wanted) in enumerate(codes.items()):
            for name, code in wanted:
                name = name or variable
                if name not in rasters:
                    rasters[name] = _on_grid(_variable(dataset, name, path), dataset_crs(dataset), grid, path)
                here = rasters[name] == code
                if (here & (indices != UNLABELLED) & (indices != place)).any():
                    raise ValueError(
                        f"The code {code} of {label!r} covers pixels of another label: give disjoint codes."
                    )
                indices[here] = place
    if not (indices != UNLABELLED).any():
        raise ValueError(f"No pixel of {path.name} has one of the codes of {', '.join(codes)}.")
    return xr.DataArray(indices, dims=("y", "x"), attrs={"labels": list(codes)})


def compare(mapped: xr.Dataset, reference: xr.DataArray) -> Comparison:
    """Counts agreement of a map with labels from [`read_reference`].

    Raises:
        ValueError: the grids differ, a label of the reference is none of the map's, or nothing can be compared.
    """
    labels, expected = list(mapped.attrs["labels"]), list(reference.attrs["labels"])
    check_labels(labels, expected)
    codes, indices = mapped["class"].values, reference.values
    if codes.shape != indices.shape:
        raise ValueError(f"The map has {codes.shape} pixels, the reference {indices.shape}: read it on the map's grid.")
    labelled = indices != UNLABELLED
    compared = labelled & (codes != NO_CLASS)
    table = np.zeros((len(expected), len(labels)), dtype=np.int64)
    np.add.at(table, (indices[compared], codes[compared].astype(np.int64) - 1), 1)
    present = table.sum(axis=1) > 0
    if not present.any():
        raise ValueError("No labelled pixel has a class on the map: there is nothing to compare.")
    return Comparison(
        reference_labels=[label for label, here in zip(expected, present, strict=True) if here],
        labels=labels,
        table=table[present],
        unlabelled=int((~labelled).sum()),
        without_data=int((labelled & ~compared).sum()),
    )


def check_labels(labels: Sequence[str], expected: Sequence[str]) -> None:
    """Refuses reference labels that the map cannot show.

    Raises:
        ValueError: one is none of the map's.
    """
    stranger = next((label for label in expected if label not in labels), None)
    if stranger is not None:
        raise ValueError(f"The reference label {stranger!r} is none of the map's: use {', '.join(labels)}.")


def _open(path: Path) -> xr.Dataset:
    if path.suffix.lower() not in RASTER_SUFFIXES:
        return named_axes(open_dataset(path))
    raster = rioxarray.open_rasterio(path, band_as_variable=True)
    if not isinstance(raster, xr.Dataset):
        raise ValueError(f"{path.name} is no plain raster: give a GeoTIFF of codes.")
    return named_axes(raster)


def _variable(dataset: xr.Dataset, name: str | None, path: Path) -> xr.DataArray:
    names = [str(one) for one, array in dataset.data_vars.items() if {"y", "x"} <= set(array.dims)]
    if name is None and len(names) == 1:
        name = names[0]
    if name not in names:
        wanted = "has several variables" if name is None else f"has no variable {name!r}"
        raise ValueError(f"{path.name} {wanted}: name one of {', '.join(names) or 'none'}.")
    array = dataset[name]
    array = array.squeeze([dim for dim in array.dims if dim not in ("y", "x") and array.sizes[dim] == 1], drop=True)
    if set(array.dims) != {"y", "x"}:
        raise ValueError(f"The reference {name!r} of {path.name} must have the axes y and x only.")
    return array.transpose("y", "x")


def _on_grid(array: xr.DataArray, crs: object, grid: xr.Dataset, path: Path) -> np.ndarray:
    if crs is not None and grid.rio.crs is not None and crs != grid.rio.crs:
        raise ValueError(f"{path.name} is in another coordinate reference system than the map: warp it first.")
    y, x = array["y"].values, array["x"].values
    down = nearest_index(y, grid["y"].values, spacing(y, x))
    across = nearest_index(x, grid["x"].values, spacing(x, y))
    if (down < 0).all() or (across < 0).all():
        raise ValueError(f"{path.name} does not overlap the map.")
    values: np.ndarray = array.values[down[:, None], across].astype(np.float64)
    values[(down < 0)[:, None] | (across < 0)] = np.nan
    return values
