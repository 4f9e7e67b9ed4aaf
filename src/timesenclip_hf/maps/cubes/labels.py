"""Lay rasters of label codes on the grid of a cube or map."""

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

import numpy as np

from ...extras import needs_extra
from ...files import first_line, read_json
from ...gate.rasters import raster_driver
from .datasets import named_axes, open_dataset
from .grids import dataset_crs, grid_of
from .rasters import RASTER_SUFFIXES

with needs_extra("map"):
    import rioxarray
    import xarray as xr

# Codes of a label: of the variable named, or of the reference's only one.
Codes: TypeAlias = Mapping[str, Sequence[tuple[str | None, int]]]
UNLABELLED = -1


def parse_codes(text: str) -> dict[str, list[tuple[str | None, int]]]:
    """Read the codes of labels, each with the variable it belongs to.

    Args:
        text: "maize=1200;grassland=13,9120", or with variables "maize=CT:1200,1210" (a variable holds for the codes
            behind it); or a JSON file of a legend, `{name: code}`, `{name: [code, ...]}` or `{code: name}`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it has another form, or no code.
    """
    if text.strip().lower().endswith(".json"):
        return _codes_of_legend(Path(text.strip()))
    codes: dict[str, list[tuple[str | None, int]]] = {}
    for entry in filter(None, map(str.strip, text.split(";"))):
        label, _, values = (part.strip() for part in entry.partition("="))
        matches = [re.fullmatch(r"(?:(.+):)?(-?\d+)", value.strip()) for value in values.split(",")]
        if not label or label in codes or not all(matches):
            raise ValueError(f'{entry!r} is no code of a label: write "maize=1200;grassland=13,9120", each label once.')
        variable, codes[label] = None, []
        for match in filter(None, matches):
            variable = match[1] or variable
            codes[label].append((variable, int(match[2])))
    if not codes:
        raise ValueError('There are no codes: write "maize=1200;grassland=13".')
    return codes


def _codes_of_legend(path: Path) -> dict[str, list[tuple[str | None, int]]]:
    if not path.is_file():
        raise FileNotFoundError(f"No such file of codes: {path}.")
    try:
        legend = read_json(path)
    except ValueError as error:
        raise ValueError(f"The legend {path.name} cannot be read: {first_line(error)}.") from None
    codes: dict[str, list[tuple[str | None, int]]] = {}
    for key, value in legend.items() if isinstance(legend, dict) else ():
        if isinstance(value, str):
            key, value = value, key  # {code: name}
        for code in value if isinstance(value, list) else [value]:
            if not re.fullmatch(r"-?\d+", str(code)):
                raise ValueError(f"{code!r} is no code in the legend {path.name}: give whole numbers.")
            codes.setdefault(str(key), []).append((None, int(code)))
    if not codes:
        raise ValueError(f"The legend {path.name} must be such as {{'maize': 1200, 'grassland': [13, 9120]}}.")
    return codes


def read_reference(
    source: str | os.PathLike[str], codes: Codes, grid: xr.Dataset, *, variable: str | None = None
) -> xr.DataArray:
    """Read labels on the grid of a cube or map, by nearest neighbour.

    Args:
        source: NetCDF, Zarr or GeoTIFF with integer codes.
        codes: for each label its codes, each with the variable it belongs to, or None for `variable`.
        grid: with `y`, `x` and a CRS.
        variable: of a file with several.

    Returns:
        (y, x), the index of each pixel's label in `labels`, an attribute; -1 where no code applies.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the variable is missing, the areas or CRS differ, or no pixel has one of the codes.
    """
    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(f"No such file: {path}.")
    indices = np.full((grid.sizes["y"], grid.sizes["x"]), UNLABELLED, dtype=np.int64)
    rasters: dict[str | None, np.ndarray] = {}
    with closing(_open(path)) as dataset:
        for index, (label, wanted) in enumerate(codes.items()):
            for name, code in ((name or variable, code) for name, code in wanted):
                if name not in rasters:
                    rasters[name] = _on_grid(_variable(dataset, name, path), dataset, grid, path)
                covered = rasters[name] == code
                if (covered & (indices != UNLABELLED) & (indices != index)).any():
                    text = f"The code {code} of {label!r} covers pixels of another label: give disjoint codes."
                    raise ValueError(text)
                indices[covered] = index
    if not (indices != UNLABELLED).any():
        raise ValueError(f"No pixel of {path.name} has one of the codes of {', '.join(codes)}.")
    return xr.DataArray(indices, dims=("y", "x"), attrs={"labels": list(codes)})


def _open(path: Path) -> xr.Dataset:
    if path.suffix.lower() not in RASTER_SUFFIXES:
        return named_axes(open_dataset(path))
    raster = rioxarray.open_rasterio(path, driver=raster_driver(path), band_as_variable=True)
    if not isinstance(raster, xr.Dataset):
        raise ValueError(f"{path.name} is no plain raster: give a GeoTIFF of codes.")
    return named_axes(raster)


def _variable(dataset: xr.Dataset, name: str | None, path: Path) -> xr.DataArray:
    names = [str(key) for key, array in dataset.data_vars.items() if {"y", "x"} <= set(array.dims)]
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


def _on_grid(array: xr.DataArray, dataset: xr.Dataset, grid: xr.Dataset, path: Path) -> np.ndarray:
    crs = dataset_crs(dataset)
    if crs is not None and grid.rio.crs is not None and crs != grid.rio.crs:
        raise ValueError(f"{path.name} is in another coordinate reference system than the map: warp it first.")
    down, across = grid_of(dataset).pixels_at(grid["y"].values, grid["x"].values)
    if (down < 0).all() or (across < 0).all():
        raise ValueError(f"{path.name} does not overlap the map.")
    values: np.ndarray = array.values[down[:, None], across].astype(np.float64)
    values[(down < 0)[:, None] | (across < 0)] = np.nan
    return values
