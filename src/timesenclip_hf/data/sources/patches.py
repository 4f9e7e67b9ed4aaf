"""Cut Sentinel-2 RGB patches around points out of a cube: one picture a point, of its clearest acquisition."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...extras import needs_extra
from ...maps.cubes.reading import open_cube
from ...maps.cubes.sources import CubeSource
from ...models.senclip.image_processing_senclip import SenCLIPImageProcessor
from ...models.timesenclip.dates_timesenclip import parse_dates
from ...models.timesenclip.feature_extraction_timesenclip import MASKED_SCL
from ...models.timesenclip.options_timesenclip import SeriesOptions
from ...models.timesenclip.radiometry_timesenclip import NO_DATA_VALUES
from ..engine.reports import ImportReport, Problem, UnusableError
from ..schema import build_image_features
from .arrays import dataset_from_columns, describe_reading, write_dataset
from .cubes import OUTSIDE, options_of, pixels_at
from .images import RGB_BANDS, encode_picture
from .point_tables import Points, read_points

with needs_extra("data"):
    from datasets import Dataset

with needs_extra("map"):
    import xarray as xr

NO_DATA = "no data in the window"
CLOUDED = "clouds in the window"
# SenCLIP's images are of the month of the photo, give or take two.
MONTHS_AROUND = 2
PATCH_SIZE = 64
_PROCESSOR = SenCLIPImageProcessor()


@dataclass(frozen=True)
class PatchOptions:
    """Say which window and acquisition become the picture of a point; an option out of range raises `ValueError`.

    Attributes:
        size: side of a picture in pixels of the cube; the point lies in the pixel right below the middle.
        months: calendar months, 1 to 12, from which acquisitions are taken; all when left out.
        min_clear: share of the window that must be clear, 0 to 1.
    """

    size: int = PATCH_SIZE
    months: Sequence[int] = ()
    min_clear: float = 0.9

    def __post_init__(self) -> None:
        if self.size < 1 or not 0 <= self.min_clear <= 1 or any(not 1 <= month <= 12 for month in self.months):
            values = f"{self.size}, {self.min_clear} and {list(self.months)}"
            raise ValueError(f"`size` must be positive, `min_clear` 0 to 1 and `months` 1 to 12, got {values}.")


def patches_from_cube(
    cube: xr.Dataset,
    points: Points,
    options: PatchOptions = PatchOptions(),
    reading: SeriesOptions | None = None,
    *,
    problems: list[Problem] | None = None,
) -> Dataset:
    """Cut pictures of the windows around points, as a dataset of [`build_image_features`].

    Of each point's acquisitions the clearest is taken, by the scene classification where the cube has one, and by
    what has data; of equally clear ones the first. `timesenclip import lucas --series` adds the ground photos.

    Args:
        cube: from [`open_cube`], with B04, B03 and B02.
        points: table, or columns, with `longitude` and `latitude`, and any of `point_id` and the other columns of the
            schema. With a `date`, such as the photos', only acquisitions of its month, give or take two, are taken.
        options: the window, and what counts as clear.
        reading: `offset`, `processing_baseline`, `nodata` or `units`, where the cube does not tell.
        problems: takes the points that are left out, and why, and codes that are not known.

    Raises:
        FileNotFoundError: no such file of points.
        ValueError: the points have no coordinates, the cube lacks a colour or dates, or no point has a picture.
    """
    lacking = [band for band in RGB_BANDS if band not in cube["band"].values]
    if lacking:
        raise ValueError(f"The cube has no {lacking[0]}: a picture needs {', '.join(RGB_BANDS)}.")
    if cube["time"].dtype.kind != "M":
        raise ValueError("The time steps of the cube have months but no dates, which a picture needs: give them dates.")
    columns = read_points(points).columns
    longitude, latitude = columns["longitude"], columns["latitude"]
    remarks: list[Problem] = [] if problems is None else problems
    reading = options_of(cube, reading or SeriesOptions())
    wanted = columns.get("date", [""] * len(longitude))
    kept: list[int] = []
    images, dates = [], []
    for index, pixel in enumerate(zip(*pixels_at(cube, longitude, latitude), strict=True)):
        try:
            window = _cut(cube, *pixel, options.size)
            time = _clearest(window, _times_near(cube, wanted[index], options.months), options.min_clear)
        except UnusableError as error:
            detail = error.detail or f"{longitude[index]:g}, {latitude[index]:g}"
            remarks.append(Problem(error.reason, str(columns["point_id"][index]), detail=detail))
            continue
        kept.append(index)
        images.append(_draw(window, time, reading))
        dates.append(str(cube["time"].values[time])[:10])
    if not kept:
        first = f", the first because of: {remarks[0].text}" if remarks else ""
        raise ValueError(f"None of the {len(longitude)} points has a picture{first}.")
    table = {name: [column[index] for index in kept] for name, column in columns.items() if name != "date"}
    table |= {"image": images, "date": dates, "point_id": [str(name) for name in table["point_id"]]}
    # A year in the table is the survey's, by which ground photos are found.
    table.setdefault("year", [int(date[:4]) for date in dates])
    return dataset_from_columns(table, build_image_features(), remarks)


def import_patches(
    sources: CubeSource | Sequence[CubeSource],
    output: str | os.PathLike[str],
    points: str | os.PathLike[str],
    options: PatchOptions = PatchOptions(),
    reading: SeriesOptions | None = None,
    *,
    crs: str | None = None,
) -> ImportReport:
    """Write the patches of a cube as a dataset that `load_dataset(output)` reads.

    Args:
        sources: files, folders or datasets of one place, as [`open_cube`] takes them.
        output: folder to write.
        points: table with `longitude` and `latitude`, and perhaps `point_id`, `date` and labels.
        options: the window, and what counts as clear.
        reading: how the numbers are read, where the files do not tell; `bands` names those that they leave unnamed.
        crs: coordinate reference system where the files name none.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the files are no cube with a georeference, a colour or dates are missing, or no point has a
            picture.
    """
    reading = reading or SeriesOptions()
    cube = open_cube(sources, bands=reading.bands, crs=crs, start=reading.start, step=reading.step)
    problems: list[Problem] = []
    dataset = patches_from_cube(cube, points, options, reading, problems=problems)
    identity = {"kind": "patches", "shape": list(cube["reflectance"].shape), "points": os.path.basename(points)}
    identity |= {"patches": repr(options), **describe_reading(reading)}
    return write_dataset(dataset, output, identity=identity, problems=problems)


def _draw(window: xr.Dataset, time: int, reading: SeriesOptions) -> dict[str, Any]:
    """Encode one acquisition of a window as a picture."""
    values = window["reflectance"].sel(band=list(RGB_BANDS)).values[time]
    settings = {name: getattr(reading, name) for name in ("units", "nodata", "processing_baseline", "offset")}
    if isinstance(reading.offset, np.ndarray):
        settings["offset"] = reading.offset[time]
    [picture] = _PROCESSOR.to_pictures(values, bands=RGB_BANDS, input_data_format="channels_first", **settings)
    return encode_picture(picture)


def _cut(cube: xr.Dataset, row: int, column: int, size: int) -> xr.Dataset:
    """Cut the window around a pixel, all its acquisitions."""
    if row < 0 or column < 0:
        raise UnusableError(OUTSIDE)
    height, width = cube["reflectance"].shape[2:]
    top, left = int(row) - size // 2, int(column) - size // 2
    if top < 0 or left < 0 or top + size > height or left + size > width:
        where = f"row {row} and column {column} of {height} x {width}"
        raise UnusableError("window beyond the edge", f"{where}, {size} are needed around it")
    return cube.isel({"y": slice(top, top + size), "x": slice(left, left + size)})


def _clearest(window: xr.Dataset, times: np.ndarray, min_clear: float) -> int:
    """Find the clearest of some acquisitions; return its index."""
    if not len(times):
        raise UnusableError("no acquisition in the months wanted", "widen the months, or give the cube of another time")
    present, clear = _shares(window.isel({"time": times}))
    best = int(np.argmax(clear))
    if present.max() < min_clear:
        raise UnusableError(NO_DATA, f"at most {present.max():.0%} of the window in {len(times)} acquisitions")
    if clear[best] < min_clear:
        day = str(window["time"].values[times[best]])[:10]
        raise UnusableError(CLOUDED, f"the clearest of {len(times)} acquisitions, {day}, is {clear[best]:.0%} clear")
    return int(times[best])


def _times_near(cube: xr.Dataset, date: Any, months: Sequence[int]) -> np.ndarray:
    """List the indices of the acquisitions in the months wanted, and near the date where it is known."""
    calendar = cube["time"].values.astype("datetime64[M]").astype(np.int64)
    wanted = np.isin(calendar % 12 + 1, list(months)) if months else np.ones(len(calendar), dtype=bool)
    if date not in ("", None):
        month = parse_dates([date])[0].astype("datetime64[M]").astype(np.int64)
        wanted &= np.abs(calendar - month) <= MONTHS_AROUND
    return np.flatnonzero(wanted)


def _shares(cube: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Measure the shares of a window with data, and clear of clouds, for each acquisition."""
    values = cube["reflectance"].sel(band=list(RGB_BANDS)).values
    missing = ~np.isfinite(values) | np.isin(values, [*NO_DATA_VALUES, cube.attrs.get("nodata", np.nan)])
    present = ~missing.any(axis=1) & (values != 0).any(axis=1)
    clear = present & ~np.isin(cube["scl"].values, MASKED_SCL) if "scl" in cube else present
    return present.mean(axis=(1, 2)), clear.mean(axis=(1, 2))
