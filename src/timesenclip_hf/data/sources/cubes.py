"""Series at sampling points, or under a raster of labels, of a cube, as a dataset of the schema."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...extras import needs_extra
from ...maps.cubes.labels import Codes, read_reference
from ...maps.cubes.reading import CubeSource, look_offsets, nearest_index, open_cube
from ...maps.cubes.sources import spacing
from ..engine.reports import ImportReport, Problem
from .arrays import dataset_from_series, read_labels, write_dataset

with needs_extra("data"):
    from datasets import ClassLabel, Dataset, concatenate_datasets

with needs_extra("map"):
    import xarray as xr
    from rasterio.warp import transform, transform_bounds

WGS84 = "EPSG:4326"
OUTSIDE = "outside the cube"
# Pixels whose series are in memory at once as 32-bit floats: 200 MB for two years of looks.
PIXELS_AT_ONCE = 20_000


def dataset_from_points(
    cube: xr.Dataset,
    points: str | os.PathLike[str] | Mapping[str, Sequence[Any]],
    *,
    composite: str = "median",
    year: int | None = None,
    problems: list[Problem] | None = None,
    **options: Any,
) -> Dataset:
    """The series of the pixels that points lie in.

    Args:
        cube: from [`open_cube`].
        points: CSV, or columns, with `longitude` and `latitude` (WGS84) in any common spelling, and any of
            `point_id`, `label` and the other columns of the schema.
        composite: "median" or "timesenclip" for months, "none" to keep every look with its date.
        year: calendar year of dated looks; needed where the dates span several.
        problems: takes what was wrong, points outside the cube included.
        **options: of the feature extractor, such as `offset`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the points have no coordinates, or none lies in the cube under a clear look.
    """
    columns, longitude, latitude = read_points(points)
    rows, across = pixels_at(cube, longitude, latitude)
    inside = (rows >= 0) & (across >= 0)
    found: list[Problem] = [] if problems is None else problems
    found += [
        Problem(OUTSIDE, str(columns["point_id"][place]), detail=f"{longitude[place]:g}, {latitude[place]:g}")
        for place in np.flatnonzero(~inside).tolist()
    ]
    if not inside.any():
        raise ValueError(f"None of the {len(inside)} points lies in the cube.")
    kept = {name: [column[place] for place in np.flatnonzero(inside).tolist()] for name, column in columns.items()}
    return _dataset(cube, rows[inside], across[inside], kept, composite, year, found, options)


def dataset_from_labels(
    cube: xr.Dataset,
    reference: xr.DataArray,
    *,
    per_label: int | None = None,
    seed: int = 0,
    composite: str = "median",
    year: int | None = None,
    problems: list[Problem] | None = None,
    **options: Any,
) -> Dataset:
    """The series of the labelled pixels of a cube, with their column `label`.

    Args:
        cube: from [`open_cube`].
        reference: from [`read_reference`], on the cube's grid.
        per_label: at most so many pixels of each label, drawn at random.
        seed: of the draw.
        composite: as for [`dataset_from_points`].
        year: as for [`dataset_from_points`].
        problems: as for [`dataset_from_points`].
        **options: as for [`dataset_from_points`].

    Raises:
        ValueError: the grids differ, or no labelled pixel has a clear look.
    """
    if reference.shape != cube["reflectance"].shape[2:]:
        raise ValueError(
            f"The labels have {reference.shape} pixels, the cube {cube['reflectance'].shape[2:]}: read them on the "
            "cube's grid."
        )
    names = list(reference.attrs["labels"])
    random = np.random.default_rng(seed)
    chosen = []
    for place in range(len(names)):
        pixels = np.flatnonzero(reference.values.ravel() == place)
        if per_label is not None and len(pixels) > per_label:
            pixels = random.choice(pixels, per_label, replace=False)
        chosen.append(pixels)
    pixels = np.sort(np.concatenate(chosen))
    rows, across = np.unravel_index(pixels, reference.shape)
    longitude, latitude = transform(cube.rio.crs, WGS84, cube["x"].values[across], cube["y"].values[rows])
    columns = {
        "point_id": [f"{row}_{column}" for row, column in zip(rows, across, strict=True)],
        "longitude": longitude,
        "latitude": latitude,
        "label": [names[place] for place in reference.values[rows, across]],
    }
    found: list[Problem] = [] if problems is None else problems
    dataset = _dataset(cube, rows, across, columns, composite, year, found, options)
    return dataset.cast_column("label", ClassLabel(names=names))


def import_cube(
    sources: CubeSource | Sequence[CubeSource],
    output: str | os.PathLike[str],
    *,
    points: str | os.PathLike[str] | None = None,
    labels: str | os.PathLike[str] | None = None,
    codes: Codes | None = None,
    variable: str | None = None,
    per_label: int | None = None,
    seed: int = 0,
    bands: Sequence[str] | None = None,
    crs: str | None = None,
    composite: str = "median",
    year: int | None = None,
    **options: Any,
) -> ImportReport:
    """Imports series of a cube as a dataset that `load_dataset(output)` reads: at points, or under labels.

    Args:
        sources: as for [`open_cube`].
        output: folder to write.
        points: CSV of sampling points, as for [`dataset_from_points`]; or
        labels: a raster of label codes,
        codes: and for each label its codes, as [`parse_codes`] reads them,
        variable: of a raster with several,
        per_label: as for [`dataset_from_labels`],
        seed: as for [`dataset_from_labels`].
        bands: as for [`open_cube`].
        crs: as for [`open_cube`].
        composite: as for [`dataset_from_points`].
        year: as for [`dataset_from_points`].
        **options: as for [`dataset_from_points`].

    Raises:
        FileNotFoundError: no such file.
        ValueError: neither points nor labels are given, or both; or they cannot be used.
    """
    if (points is None) == (labels is None):
        raise ValueError("Give `points` or `labels`, one of the two.")
    if labels is not None and codes is None:
        raise ValueError('Labels need their `codes`, such as "maize=1200;grassland=13".')
    cube = open_cube(sources, bands=bands, crs=crs)
    problems: list[Problem] = []
    settings: dict[str, Any] = {"composite": composite, "year": year, "problems": problems, **options}
    if points is not None:
        dataset = dataset_from_points(cube, points, **settings)
    else:
        reference = read_reference(str(labels), codes or {}, cube, variable=variable)
        dataset = dataset_from_labels(cube, reference, per_label=per_label, seed=seed, **settings)
    identity = {
        "kind": "cube",
        "shape": list(cube["reflectance"].shape),
        "at": Path(str(points or labels)).name,
        "codes": {label: [list(code) for code in wanted] for label, wanted in (codes or {}).items()},
        "settings": repr((variable, per_label, seed, composite, year, options)),
    }
    skipped = sum(problem.skipped for problem in problems)
    return write_dataset(dataset, output, identity=identity, problems=problems, points=len(dataset) + skipped)


def read_points(
    points: str | os.PathLike[str] | Mapping[str, Sequence[Any]],
) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """Columns of sampling points, a `point_id` among them, and their longitudes and latitudes.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the points have no coordinates.
    """
    columns = dict(points) if isinstance(points, Mapping) else read_labels(points)
    absent = next((name for name in ("longitude", "latitude") if name not in columns), None)
    if absent is not None:
        raise ValueError(f"The points have no column {absent!r}: their columns are {', '.join(columns) or 'none'}.")
    columns.setdefault("point_id", [str(place) for place in range(len(columns["longitude"]))])
    longitude, latitude = (np.asarray(columns[name], dtype=np.float64) for name in ("longitude", "latitude"))
    return columns, longitude, latitude


def pixels_at(cube: xr.Dataset, longitude: np.ndarray, latitude: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of places; -1 outside, and for what is no place."""
    west, south, east, north = transform_bounds(cube.rio.crs, WGS84, *cube.rio.bounds())
    # Places far away lie outside of what a projection can do at all.
    near = (longitude >= west) & (longitude <= east) & (latitude >= south) & (latitude <= north)
    rows, across = np.full((2, len(near)), -1)
    if near.any():
        x, y = (np.asarray(axis) for axis in transform(WGS84, cube.rio.crs, longitude[near], latitude[near]))
        rows[near] = nearest_index(cube["y"].values, y, spacing(cube["y"].values, cube["x"].values))
        across[near] = nearest_index(cube["x"].values, x, spacing(cube["x"].values, cube["y"].values))
    return rows, across


def _dataset(
    cube: xr.Dataset,
    rows: np.ndarray,
    across: np.ndarray,
    columns: Mapping[str, Sequence[Any]],
    composite: str,
    year: int | None,
    problems: list[Problem],
    options: Mapping[str, Any],
) -> Dataset:
    values, times = cube["reflectance"].values, cube["time"].values
    settings = {"bands": cube["band"].values.tolist(), "nodata": cube.attrs.get("nodata"), **options}
    settings |= {"dates" if times.dtype.kind == "M" else "months": times}
    if "processing_baseline" not in options:
        settings.setdefault("offset", look_offsets(cube))
    if values.dtype.kind in "iu":
        settings.setdefault("units", "dn")
    parts = []
    for start in range(0, len(rows), PIXELS_AT_ONCE):
        chosen = slice(start, start + PIXELS_AT_ONCE)
        series = np.ascontiguousarray(values[:, :, rows[chosen], across[chosen]].transpose(2, 0, 1))
        if "scl" in cube:
            settings["scl"] = cube["scl"].values[:, rows[chosen], across[chosen]].T
        held = {name: column[chosen] for name, column in columns.items()}
        parts.append(dataset_from_series(series, held, composite=composite, year=year, problems=problems, **settings))
    return concatenate_datasets(parts)
