"""Sentinel-2 RGB patches around points, cut from a cube: one picture a point, of its clearest look."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...extras import needs_extra
from ...maps.cubes.reading import CubeSource, look_offsets, open_cube
from ...models.senclip.image_processing_senclip import SenCLIPImageProcessor
from ...models.timesenclip.compositing_timesenclip import parse_dates
from ...models.timesenclip.feature_extraction_timesenclip import MASKED_SCL
from ...models.timesenclip.radiometry_timesenclip import NO_DATA_VALUES
from ..engine.reports import ImportReport, Problem
from ..schema import build_image_features
from .arrays import dataset_from_columns, write_dataset
from .cubes import OUTSIDE, pixels_at, read_points
from .images import RGB_BANDS, BadImageError, encode_picture

with needs_extra("data"):
    from datasets import Dataset

with needs_extra("map"):
    import xarray as xr

EDGE = "window beyond the edge"
NO_LOOK = "no look in the months wanted"
NO_DATA = "no data in the window"
CLOUDED = "clouds in the window"
# SenCLIP's images are of the month of the photo, give or take two.
MONTHS_AROUND = 2
PATCH_SIZE = 64


def patches_from_cube(
    cube: xr.Dataset,
    points: str | os.PathLike[str] | Mapping[str, Sequence[Any]],
    *,
    size: int = PATCH_SIZE,
    months: Sequence[int] = (),
    min_clear: float = 0.9,
    problems: list[Problem] | None = None,
    **options: Any,
) -> Dataset:
    """Pictures of the windows around points, as a dataset of [`build_image_features`] without photos.

    Of each point's looks the clearest is taken, by the scene classification where the cube has one, and by what has
    data; of equally clear ones the first. `timesenclip import lucas --series` adds the ground photos.

    Args:
        cube: from [`open_cube`], with B04, B03 and B02.
        points: CSV, or columns, with `longitude` and `latitude`, and any of `point_id` and the other columns of the
            schema. With a `date`, such as the photos', only looks of its month, give or take two, are taken.
        size: side of a picture in pixels of the cube; the point lies in the pixel right below the middle.
        months: calendar months, 1 to 12, from which looks are taken; all when left out.
        min_clear: share of the window that must be clear, 0 to 1.
        problems: takes the points that are left out, and why, and codes that are not known.
        **options: `offset`, `processing_baseline`, `nodata` or `units`, where the cube does not tell.

    Raises:
        FileNotFoundError: no such file of points.
        ValueError: the points have no coordinates, the cube lacks a colour or dates, an argument cannot be, or no
            point has a picture.
    """
    _check(cube, size, months, min_clear)
    columns, longitude, latitude = read_points(points)
    found: list[Problem] = [] if problems is None else problems
    processor, settings = SenCLIPImageProcessor(), _settings(cube, options)
    offsets = look_offsets(cube) if settings.get("offset") is None and "processing_baseline" not in options else None
    wanted = columns.get("date", [""] * len(longitude))
    kept: list[int] = []
    images, dates = [], []
    for place, pixel in enumerate(zip(*pixels_at(cube, longitude, latitude), strict=True)):
        try:
            window = _cut(cube, *pixel, size)
            look = _clearest(window, _looks_of(cube, wanted[place], months), min_clear)
        except BadImageError as error:
            where = f"{longitude[place]:g}, {latitude[place]:g}"
            found.append(Problem(error.reason, str(columns["point_id"][place]), detail=error.detail or where))
            continue
        values = window["reflectance"].sel(band=list(RGB_BANDS)).values[look]
        if offsets is not None:
            settings["offset"] = offsets[look]
        [picture] = processor.to_pictures(values, bands=RGB_BANDS, input_data_format="channels_first", **settings)
        kept.append(place)
        images.append(encode_picture(picture))
        dates.append(str(cube["time"].values[look])[:10])
    if not kept:
        first = f", the first because of: {found[0].reason} ({found[0].detail})" if found else ""
        raise ValueError(f"None of the {len(longitude)} points has a picture{first}.")
    table = {name: [column[place] for place in kept] for name, column in columns.items() if name != "date"}
    table |= {"image": images, "date": dates, "point_id": [str(name) for name in table["point_id"]]}
    # A year that is given is the survey's, by which ground photos are found.
    table.setdefault("year", [int(date[:4]) for date in dates])
    return dataset_from_columns(table, build_image_features(photos=False), found)


def import_patches(
    sources: CubeSource | Sequence[CubeSource],
    output: str | os.PathLike[str],
    *,
    points: str | os.PathLike[str],
    size: int = PATCH_SIZE,
    months: Sequence[int] = (),
    min_clear: float = 0.9,
    bands: Sequence[str] | None = None,
    crs: str | None = None,
    **options: Any,
) -> ImportReport:
    """Writes the patches of a cube as a dataset that `load_dataset(output)` reads.

    Args:
        sources: as for [`open_cube`].
        output: folder to write.
        points: CSV, as for [`patches_from_cube`].
        size: see there.
        months: see there.
        min_clear: see there.
        bands: as for [`open_cube`].
        crs: as for [`open_cube`].
        **options: as for [`patches_from_cube`].

    Raises:
        FileNotFoundError: no such file.
        ValueError: as for [`open_cube`] and [`patches_from_cube`]; a cube without georeference is refused.
    """
    cube = open_cube(sources, bands=bands, crs=crs)
    problems: list[Problem] = []
    dataset = patches_from_cube(
        cube, points, size=size, months=months, min_clear=min_clear, problems=problems, **options
    )
    identity = {
        "kind": "patches",
        "shape": list(cube["reflectance"].shape),
        "points": os.path.basename(points),
        "settings": repr((size, list(months), min_clear, options)),
    }
    skipped = sum(problem.skipped for problem in problems)
    return write_dataset(dataset, output, identity=identity, problems=problems, points=len(dataset) + skipped)


def _check(cube: xr.Dataset, size: int, months: Sequence[int], min_clear: float) -> None:
    lacking = [band for band in RGB_BANDS if band not in cube["band"].values]
    if lacking:
        raise ValueError(f"The cube has no {lacking[0]}: a picture needs {', '.join(RGB_BANDS)}.")
    if cube["time"].dtype.kind != "M":
        raise ValueError("The looks of the cube have months but no dates, which a picture needs: give them dates.")
    if size < 1 or not 0 <= min_clear <= 1 or any(not 1 <= month <= 12 for month in months):
        raise ValueError(
            f"`size` must be positive, `min_clear` 0 to 1 and `months` 1 to 12, got {size}, {min_clear} and "
            f"{list(months)}."
        )


def _settings(cube: xr.Dataset, options: Mapping[str, Any]) -> dict[str, Any]:
    settings = {"nodata": cube.attrs.get("nodata"), **options}
    if cube["reflectance"].dtype.kind in "iu":
        settings.setdefault("units", "dn")
    return settings


def _cut(cube: xr.Dataset, row: int, column: int, size: int) -> xr.Dataset:
    """The window around a pixel, all its looks."""
    if row < 0 or column < 0:
        raise BadImageError(OUTSIDE)
    height, width = cube["reflectance"].shape[2:]
    top, left = int(row) - size // 2, int(column) - size // 2
    if top < 0 or left < 0 or top + size > height or left + size > width:
        raise BadImageError(EDGE, f"row {row} and column {column} of {height} x {width}, {size} are needed around it")
    return cube.isel({"y": slice(top, top + size), "x": slice(left, left + size)})


def _clearest(window: xr.Dataset, looks: np.ndarray, min_clear: float) -> int:
    """Number of the clearest of some looks."""
    if not len(looks):
        raise BadImageError(NO_LOOK, "widen the months, or give the cube of another time")
    present, clear = _shares(window.isel({"time": looks}))
    best = int(np.argmax(clear))
    if present.max() < min_clear:
        raise BadImageError(NO_DATA, f"at most {present.max():.0%} of the window in {len(looks)} looks")
    if clear[best] < min_clear:
        day = str(window["time"].values[looks[best]])[:10]
        raise BadImageError(CLOUDED, f"the clearest of {len(looks)} looks, {day}, is {clear[best]:.0%} clear")
    return int(looks[best])


def _looks_of(cube: xr.Dataset, date: Any, months: Sequence[int]) -> np.ndarray:
    """Numbers of the looks in the months wanted, and near the date where there is one."""
    calendar = cube["time"].values.astype("datetime64[M]").astype(np.int64)
    wanted = np.isin(calendar % 12 + 1, list(months)) if months else np.ones(len(calendar), dtype=bool)
    if date not in ("", None):
        month = parse_dates([date])[0].astype("datetime64[M]").astype(np.int64)
        wanted &= np.abs(calendar - month) <= MONTHS_AROUND
    return np.flatnonzero(wanted)


def _shares(cube: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Shares of a window with data, and clear of clouds, for each look."""
    values = cube["reflectance"].sel(band=list(RGB_BANDS)).values
    missing = ~np.isfinite(values) | np.isin(values, [*NO_DATA_VALUES, cube.attrs.get("nodata", np.nan)])
    present = ~missing.any(axis=1) & (values != 0).any(axis=1)
    clear = present & ~np.isin(cube["scl"].values, MASKED_SCL) if "scl" in cube else present
    return present.mean(axis=(1, 2)), clear.mean(axis=(1, 2))
