"""Cut series out of a cube, at sampling points or under a raster of labels, into a dataset of the schema."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np

from ...extras import needs_extra
from ...maps.cubes.grids import DEGREES_AROUND, grid_of
from ...maps.cubes.labels import Codes, read_reference
from ...maps.cubes.reading import acquisition_offsets, open_cube
from ...maps.cubes.sources import CubeSource
from ...models.timesenclip.options_timesenclip import SeriesOptions, complete_options
from ...words import damage_told
from ..engine.reports import ImportReport, Problem
from .arrays import dataset_from_series, describe_reading, write_dataset
from .countries import NO_PLACE
from .point_tables import GEOMETRY, Points, PointTable, read_points

with needs_extra("data"):
    import shapely
    from datasets import ClassLabel, Dataset, concatenate_datasets

with needs_extra("map"):
    import xarray as xr
    from rasterio.warp import transform, transform_bounds

WGS84 = "EPSG:4326"
OUTSIDE = "outside the cube"
# Pixels that a polygon gives: those of a field are much alike, and a lake would outweigh everything else.
MOST_PIXELS = 100
# Pixels whose series are in memory at once as 32-bit floats: 200 MB for two years of acquisitions.
PIXELS_AT_ONCE = 20_000


@dataclass(frozen=True)
class LabelRaster:
    """Describe a raster of label codes over a cube, and how its pixels are drawn.

    Attributes:
        path: NetCDF or GeoTIFF on the cube's grid.
        codes: of each label, as [`parse_codes`] reads them.
        variable: of a raster with several.
        per_label: at most so many pixels of each label, drawn at random; all when left out.
        seed: of the draw.
    """

    path: str | os.PathLike[str]
    codes: Codes
    variable: str | None = None
    per_label: int | None = None
    seed: int = 0


def dataset_from_points(
    cube: xr.Dataset,
    points: Points | PointTable,
    reading: SeriesOptions | None = None,
    *,
    composite: str = "median",
    problems: list[Problem] | None = None,
    **settings: Any,
) -> Dataset:
    """Read the series of the pixels that points lie in.

    Args:
        cube: from [`open_cube`].
        points: table, or columns, with `longitude` and `latitude` (WGS84) in any common spelling, and any others. A
            polygon stands for the pixels whose centres lie in it, 100 evenly spread at most, with its id each.
        reading: how the series are read, where the cube does not tell; with the year where the dates span several.
        composite: "median" or "timesenclip" for months, "none" to keep every acquisition with its date.
        problems: takes what was wrong, points outside the cube included.
        **settings: fields of `reading` by name.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the points have no coordinates, or none lies in the cube under a clear observation.
    """
    columns = (points if isinstance(points, PointTable) else read_points(points, geometries=True)).columns
    if GEOMETRY in columns:
        columns = _places_within(cube, columns)
    longitude, latitude = columns["longitude"], columns["latitude"]
    rows, across = pixels_at(cube, longitude, latitude)
    inside = (rows >= 0) & (across >= 0)
    remarks: list[Problem] = [] if problems is None else problems
    for index in np.flatnonzero(~inside).tolist():
        has_place = np.isfinite([longitude[index], latitude[index]]).all()
        detail = f"{longitude[index]:g}, {latitude[index]:g}" if has_place else ""
        remarks.append(Problem(OUTSIDE if has_place else NO_PLACE, str(columns["point_id"][index]), detail=detail))
    if not inside.any():
        raise ValueError(f"None of the {len(inside)} points lies in the cube{_whereabouts(cube, longitude, latitude)}.")
    kept = {name: list(compress(column, inside)) for name, column in columns.items()}
    pixels = rows[inside], across[inside]
    return _dataset(cube, pixels, kept, complete_options(reading, settings), composite, remarks)


def dataset_from_labels(
    cube: xr.Dataset,
    reference: xr.DataArray,
    reading: SeriesOptions | None = None,
    *,
    per_label: int | None = None,
    seed: int = 0,
    composite: str = "median",
    problems: list[Problem] | None = None,
    **settings: Any,
) -> Dataset:
    """Read the series of the labelled pixels of a cube, with their column `label`.

    Args:
        cube: from [`open_cube`].
        reference: from [`read_reference`], on the cube's grid.
        reading: how the series are read, where the cube does not tell.
        per_label: at most so many pixels of each label, drawn at random.
        seed: of the draw.
        composite: "median" or "timesenclip" for months, "none" to keep every acquisition with its date.
        problems: takes what was wrong.
        **settings: fields of `reading` by name.

    Raises:
        ValueError: the grids differ, or no labelled pixel has a clear observation.
    """
    shape = cube["reflectance"].shape[2:]
    if reference.shape != shape:
        raise ValueError(f"The labels have {reference.shape} pixels, the cube {shape}: read them on the cube's grid.")
    names = list(reference.attrs["labels"])
    random = np.random.default_rng(seed)
    chosen = []
    for index in range(len(names)):
        pixels = np.flatnonzero(reference.values.ravel() == index)
        drawn = per_label is not None and len(pixels) > per_label
        chosen.append(random.choice(pixels, per_label, replace=False) if drawn else pixels)
    rows, across = np.unravel_index(np.sort(np.concatenate(chosen)), shape)
    longitude, latitude = transform(cube.rio.crs, WGS84, cube["x"].values[across], cube["y"].values[rows])
    columns = {
        "point_id": [f"{row}_{column}" for row, column in zip(rows, across, strict=True)],
        "longitude": longitude,
        "latitude": latitude,
        "label": [names[index] for index in reference.values[rows, across]],
    }
    remarks: list[Problem] = [] if problems is None else problems
    dataset = _dataset(cube, (rows, across), columns, complete_options(reading, settings), composite, remarks)
    return dataset.cast_column("label", ClassLabel(names=names))


def import_cube(
    sources: CubeSource | Sequence[CubeSource],
    output: str | os.PathLike[str],
    reading: SeriesOptions | None = None,
    *,
    points: str | os.PathLike[str] | None = None,
    labels: LabelRaster | None = None,
    crs: str | None = None,
    points_crs: str | None = None,
    composite: str = "median",
    **settings: Any,
) -> ImportReport:
    """Import series of a cube as a dataset that `load_dataset(output)` reads: at points, or under labels.

    Args:
        sources: files, folders or datasets of one place, as [`open_cube`] takes them.
        output: folder to write.
        reading: how the series are read, where the files do not tell; `bands` names those that they leave unnamed.
        points: table of sampling points with `longitude` and `latitude`, or of polygons, as [`dataset_from_points`]
            takes them; or
        labels: a raster of label codes.
        crs: coordinate reference system where the files name none.
        points_crs: of the points, where their coordinates are not longitude and latitude.
        composite: "median" or "timesenclip" for months, "none" to keep every acquisition with its date.
        **settings: fields of `reading` by name.

    Raises:
        FileNotFoundError: no such file.
        ValueError: neither points nor labels are given, or both; or they cannot be used.
    """
    if (points is None) == (labels is None):
        raise ValueError("Give `points` or `labels`, one of the two.")
    reading = complete_options(reading, settings)
    cube = open_cube(sources, bands=reading.bands, crs=crs, start=reading.start, step=reading.step)
    problems: list[Problem] = []
    notes = list(cube.attrs.get("notes", ()))
    if labels is None:
        table = read_points(points or "", points_crs, geometries=True)
        notes += table.notes
        dataset = dataset_from_points(cube, table, reading, composite=composite, problems=problems)
    else:
        reference = read_reference(str(labels.path), labels.codes, cube, variable=labels.variable)
        draw: dict[str, Any] = {"per_label": labels.per_label, "seed": labels.seed}
        dataset = dataset_from_labels(cube, reference, reading, **draw, composite=composite, problems=problems)
    identity = {
        "kind": "cube",
        "shape": list(cube["reflectance"].shape),
        "at": Path(str(points if labels is None else labels.path)).name,
        "labels": None if labels is None else repr(replace(labels, path="")),
        "composite": composite,
        **describe_reading(reading),
    }
    return write_dataset(dataset, output, identity=identity, problems=problems, notes=notes)


def _whereabouts(cube: xr.Dataset, longitude: np.ndarray, latitude: np.ndarray) -> str:
    """Say where cube and points lie, and whether the points' coordinates are exchanged."""
    rows, across = pixels_at(cube, latitude, longitude)
    if ((rows >= 0) & (across >= 0)).any():
        return ": their longitude and latitude are exchanged"
    known = np.isfinite(longitude) & np.isfinite(latitude)
    if not known.any():
        return ": they have no coordinates"
    places = longitude[known].min(), latitude[known].min(), longitude[known].max(), latitude[known].max()
    boxes = (", ".join(f"{edge:.4f}" for edge in box) for box in (_bounds(cube), places))
    return " (west, south, east, north: {}), they lie in {}".format(*boxes)


def _bounds(cube: xr.Dataset) -> tuple[float, float, float, float]:
    bounds: tuple[float, float, float, float] = transform_bounds(cube.rio.crs, WGS84, *cube.rio.bounds())
    return bounds


def pixels_at(cube: xr.Dataset, longitude: np.ndarray, latitude: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find row and column of places; -1 outside, and for what is no place."""
    west, south, east, north = _bounds(cube)
    # Places far away lie outside of what a projection can do at all. A cube across 180° has its west above its east.
    within = (longitude - west) % DEGREES_AROUND <= ((east - west) % DEGREES_AROUND or DEGREES_AROUND)
    near = within & (latitude >= south) & (latitude <= north)
    rows, across = np.full((2, len(near)), -1)
    if near.any():
        x, y = _onto_grid(cube, longitude[near], latitude[near])
        rows[near], across[near] = grid_of(cube).pixels_at(y, x)
    return rows, across


def _places_within(cube: xr.Dataset, columns: Mapping[str, Any]) -> dict[str, Any]:
    """Give the pixels of geometries as points, with the other columns of each; a small one gives a point within it."""
    places = []
    for name, shape in zip(columns["point_id"], columns[GEOMETRY], strict=True):
        with damage_told(f"The geometry of {name!r}"):  # GEOS meets coordinates that are no numbers with errors
            places.append(_centres_within(cube, shape))
    rows = np.repeat(np.arange(len(places)), [len(within) for within in places])
    longitude, latitude = np.concatenate(places).T
    others = {name: [column[row] for row in rows] for name, column in columns.items() if name != GEOMETRY}
    return {**others, "longitude": longitude, "latitude": latitude}


def _centres_within(cube: xr.Dataset, shape: Any) -> np.ndarray:
    """Return longitude and latitude (pixels, 2) of the pixels whose centres lie in a geometry in degrees."""
    if shape is None or shape.is_empty:
        return np.full((1, 2), np.nan)
    grid, bounds = grid_of(cube), _bounds(cube)
    middle = shape.representative_point()
    near = shapely.make_valid(shape)
    if bounds[0] < bounds[2]:  # a projection says nothing of places far away
        near = shapely.clip_by_rect(near, *bounds)
    if near.is_empty:
        return np.asarray([[middle.x, middle.y]])
    near = shapely.transform(near, lambda *degrees: _onto_grid(cube, *degrees), interleaved=False)
    rows, across = grid.touched_by(*near.bounds)
    x, y = (axis.ravel() for axis in np.meshgrid(grid.x[across], grid.y[rows]))
    chosen = np.flatnonzero(shapely.contains_xy(near, x, y))
    if not len(chosen):
        return np.asarray([[middle.x, middle.y]])
    step = -(-len(chosen) // MOST_PIXELS)
    chosen = chosen[step // 2 :: step]
    return np.stack(transform(cube.rio.crs, WGS84, x[chosen], y[chosen]), axis=1)


def _onto_grid(cube: xr.Dataset, longitude: np.ndarray, latitude: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y of places in the cube's reference system; a grid of degrees may count to 360."""
    x, y = (np.asarray(axis) for axis in transform(WGS84, cube.rio.crs, longitude, latitude))
    if cube.rio.crs.is_geographic:
        x = x + DEGREES_AROUND * np.round((float(cube["x"].mean()) - x) / DEGREES_AROUND)
    return x, y


def options_of(cube: xr.Dataset, reading: SeriesOptions) -> SeriesOptions:
    """Fill in what a cube tells of its numbers, `nodata`, `units` and `offset`, where the options leave it open.

    The steps that dated the cube are left out of the options.
    """
    nodata, units, offset = reading.nodata, reading.units, reading.offset
    if units == "auto" and cube["reflectance"].dtype.kind in "iu":
        units = "dn"
    if offset is None and reading.processing_baseline is None:
        offset = acquisition_offsets(cube)
    nodata = cube.attrs.get("nodata") if nodata is None else nodata
    return replace(reading, nodata=nodata, units=units, offset=offset, start=None, step=None)


def _dataset(
    cube: xr.Dataset,
    pixels: tuple[np.ndarray, np.ndarray],
    columns: Mapping[str, Sequence[Any]],
    reading: SeriesOptions,
    composite: str,
    problems: list[Problem],
) -> Dataset:
    values, times = cube["reflectance"].values, cube["time"].values
    dates: dict[str, Any] = {"dates" if times.dtype.kind == "M" else "months": times}
    reading = replace(options_of(cube, reading), bands=cube["band"].values.tolist(), **dates)
    parts = []
    for start in range(0, len(pixels[0]), PIXELS_AT_ONCE):
        chosen = slice(start, start + PIXELS_AT_ONCE)
        rows, across = (axis[chosen] for axis in pixels)
        series = np.ascontiguousarray(values[:, :, rows, across].transpose(2, 0, 1))
        if "scl" in cube:
            reading = replace(reading, scl=cube["scl"].values[:, rows, across].T)
        held = {name: column[chosen] for name, column in columns.items()}
        parts.append(dataset_from_series(series, held, reading, composite=composite, problems=problems))
    return concatenate_datasets(parts)
