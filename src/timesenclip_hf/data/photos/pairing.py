"""Pair points with the ground photos of the same place and year: any importer's series, the LUCAS survey, photos.

A photo is a reference first: its direction, its address and its licence. Where a copy of it is on disk the file, or
its bytes, are added. A photo that cannot be read stays a reference, and is counted.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ...extras import needs_extra
from ...files.locks import Hold
from ..engine.reports import ImportReport, Problem
from ..engine.shards import ImportPart, Row, check_import_folder, import_parts
from ..schema import DIRECTIONS, SERIES_COLUMNS, UNKNOWN, build_features, classes_of_codes, photo_feature
from ..sources.countries import nuts0
from ..sources.lucas import (
    LANDSCAPE,
    LICENCE,
    PHOTOS_URL,
    Survey,
    SurveyPoint,
    find_photo,
    has_photos,
    photo_path,
    photo_requests,
)
from .download import download_photos
from .fetching import photo_fault

with needs_extra("data"):
    from datasets import Dataset, Features

# Rows of a part, which is lost when the program is killed; each photo of a row takes some 15 ms to be checked.
ROWS_PER_PART = 500
# With their bytes, photos of a megabyte each: a part stays near 100 MB.
ROWS_PER_PART_WITH_BYTES = 25


@dataclass(frozen=True)
class PhotoOptions:
    """Say which photos are paired with points and how they are kept; what cannot be so raises `ValueError`.

    Attributes:
        folder: of photos in the survey's layout; without it photos are references only.
        directions: the photos to pair, of `schema.DIRECTIONS`.
        embed_bytes: keep the bytes of the photos in the dataset, not their paths.
        require_photos: leave out points without a photo that can be read.
        download: fetch what is not in the folder first, politely.
        base_url: server of the photos.
    """

    folder: str | os.PathLike[str] | None = None
    directions: Sequence[str] = LANDSCAPE
    embed_bytes: bool = False
    require_photos: bool = False
    download: bool = False
    base_url: str = PHOTOS_URL

    def __post_init__(self) -> None:
        unknown = [direction for direction in self.directions if direction not in DIRECTIONS]
        if unknown or not self.directions:
            raise ValueError(f"`directions` must be some of {', '.join(DIRECTIONS)}, got {list(self.directions)}.")
        if self.folder is None and (self.embed_bytes or self.require_photos or self.download):
            raise ValueError("Give the folder of photos, for their bytes, to require them, or to download them.")
        object.__setattr__(self, "directions", tuple(dict.fromkeys(self.directions)))
        object.__setattr__(self, "folder", None if self.folder is None else os.path.abspath(self.folder))


def pair_lucas(
    output: str | os.PathLike[str],
    *,
    series: Dataset | None = None,
    survey: Survey | None = None,
    photos: PhotoOptions = PhotoOptions(),
    workers: int = 2,
    progress: bool = True,
) -> ImportReport:
    """Write a dataset of points with their photos; it can be stopped and continued.

    What the series' own source does not know of a point in a year (place, country, codes) is taken from the survey.

    Args:
        output: folder to write.
        series: points with series, as the importers write them; without it the points are the survey's, and have
            photos only.
        survey: as [`lucas.read_survey`] reads it; without it the series' own country and year lead to the photos.
        photos: which photos are paired, and how they are kept.
        workers: processes.
        progress: show bars.

    Raises:
        OSError: the folder cannot be written, or another process writes to it.
        ValueError: neither series nor survey, or points without id and year.
        FileNotFoundError: no such folder of photos.
    """
    if series is None and survey is None:
        raise ValueError("Give series, a survey, or both.")
    if series is not None and not {"point_id", "year"} <= set(series.column_names):
        raise ValueError(f"The series need the columns point_id and year, got {', '.join(series.column_names)}.")
    if photos.folder is not None and not photos.download and not os.path.isdir(photos.folder):
        raise FileNotFoundError(f"No such folder of photos: {photos.folder}.")
    check_import_folder(output)
    with Hold(output):  # photos are downloaded first
        points, problems = _points_of(series, survey)
        if photos.download:
            requests = photo_requests(points, photos.directions, base_url=photos.base_url)
            failed = download_photos(requests, photos.folder or "", progress=progress).failed
            missing = [(reason, name) for reason, names in failed.items() for name in names]
            problems += [
                Problem("photo not downloaded", source=name, detail=why, skipped=False) for why, name in missing
            ]
        identity = _identity(series, len(points), photos)
        features = build_features(photos=False) if series is None else series.features
        if series is None:
            features = {name: feature for name, feature in features.items() if name not in SERIES_COLUMNS}
        size = ROWS_PER_PART_WITH_BYTES if photos.embed_bytes else ROWS_PER_PART
        tasks = [(start, points[start : start + size]) for start in range(0, len(points), size)]
        return import_parts(
            output,
            [ImportPart(task, len(task[1])) for task in tasks],
            partial(_read_part, series, photos),
            Features({**features, "photos": photo_feature()}),
            identity=identity,
            problems=problems,
            workers=workers,
            progress=progress,
        )


def _identity(series: Dataset | None, points: int, photos: PhotoOptions) -> dict[str, Any]:
    """Collect what must be the same for an import to go on."""
    fingerprint = None if series is None else series._fingerprint
    identity = {"kind": "lucas", "series": fingerprint, "points": points, "photos": photos.folder}
    identity |= {"directions": "".join(photos.directions)}
    return identity | {name: getattr(photos, name) for name in ("embed_bytes", "require_photos", "base_url")}


def _points_of(series: Dataset | None, survey: Survey | None) -> tuple[list[SurveyPoint], list[Problem]]:
    """Gather what is known of each row: the survey's own points, or the rows with what the survey adds."""
    problems = [] if survey is None else list(survey.problems)
    known = {} if survey is None else survey.points
    if series is None:
        return list(known.values()), problems
    columns = [name for name in SurveyPoint._fields if name in series.column_names]
    points = []
    for rows in series.select_columns(columns).with_format("arrow").iter(10_000):
        for row in rows.to_pylist():
            surveyed = known.get((row["point_id"], row["year"]))
            if survey is not None and surveyed is None:
                problems.append(Problem("point not in the survey", row["point_id"], skipped=False))
            points.append(_merge(row, surveyed, problems))
    return points, problems


def _merge(row: Mapping[str, Any], surveyed: SurveyPoint | None, problems: list[Problem]) -> SurveyPoint:
    blank = SurveyPoint(row["point_id"], row["year"], "", float("nan"), float("nan"), "", "")
    merged = (surveyed or blank)._replace(**{name: value for name, value in row.items() if _is_known(value)})
    if surveyed is not None and surveyed.lc1 and merged.lc1 != surveyed.lc1:
        detail = f"{merged.lc1}, in the survey {surveyed.lc1}; the first is kept"
        problems.append(Problem("land cover differs from the survey", merged.point_id, detail=detail, skipped=False))
    return merged._replace(country=nuts0(merged.country))


def _is_known(value: Any) -> bool:
    return value is not None and value != "" and value == value  # NaN is not itself


def _read_part(
    series: Dataset | None, options: PhotoOptions, task: tuple[int, Sequence[SurveyPoint]]
) -> Iterator[Row | Problem]:
    """Yield the rows of a part with their photos, in a worker."""
    start, points = task
    rows = map(_survey_row, points) if series is None else _series_rows(series, start, points)
    for row, point in zip(rows, points, strict=True):
        photos, problems = _pair_photos(point, options)
        seen = any(photo["image"] for photo in photos)
        left_out = options.require_photos and not seen
        if options.folder is not None and not seen:
            problems.append(Problem("point without photos", point.point_id, detail=str(point.year), skipped=left_out))
        yield from problems
        if not left_out:
            yield {**row, "photos": photos}


def _pair_photos(point: SurveyPoint, options: PhotoOptions) -> tuple[list[dict[str, Any]], list[Problem]]:
    """Find the photos of one point, as the column `photos` holds them, and what is wrong with some."""
    photos: list[dict[str, Any]] = []
    remarks: list[tuple[str, str]] = []
    missing = []
    directions = [direction for direction in options.directions if direction not in point.not_taken]
    if not has_photos(point):
        remarks = [("no survey photos of this year and country", f"year {point.year}, country {point.country!r}")]
        directions = []
    for direction in directions:
        file = None if options.folder is None else find_photo(options.folder, point, direction)
        image: dict[str, Any] | None = None
        if file is not None:
            content = file.read_bytes() if options.embed_bytes else None
            fault = photo_fault(file if content is None else content)
            if fault is None:
                image = {"bytes": content, "path": file.name if options.embed_bytes else str(file)}
            else:
                remarks.append((fault, file.name))
        elif options.folder is not None:
            missing.append(direction)
        url = f"{options.base_url}/{photo_path(point.point_id, point.year, point.country, direction)}"
        photos.append({"direction": direction, "url": url, "image": image, "licence": LICENCE})
    if missing and len(missing) < len(photos):
        remarks.append(("point with some photos only", f"not in the folder: {', '.join(missing)}"))
    return photos, [Problem(reason, point.point_id, detail=detail, skipped=False) for reason, detail in remarks]


def _survey_row(point: SurveyPoint) -> dict[str, Any]:
    row = {name: value for name, value in point._asdict().items() if name != "not_taken"}
    return {**row, **classes_of_codes(point.lc1, point.lu1), "habitat": UNKNOWN, "bioregion": UNKNOWN}


def _series_rows(series: Dataset, start: int, points: Sequence[SurveyPoint]) -> Iterator[dict[str, Any]]:
    table = series.with_format("arrow")[start : start + len(points)]
    lists = [name for name in ("series", "photos") if name in table.column_names]
    # As arrays: lists of numbers would take a hundred times their memory.
    arrays = table["series"] if "series" in lists else None
    for index, (row, point) in enumerate(zip(table.drop_columns(lists).to_pylist(), points, strict=True)):
        if arrays is not None:
            row["series"] = np.asarray(arrays[index].values.to_numpy())
        filled = {name: getattr(point, name) for name in SurveyPoint._fields if name in row}
        if any(not _is_known(row.get(code)) and getattr(point, code) for code in ("lc1", "lu1")):
            classes = classes_of_codes(point.lc1, point.lu1)
            filled |= {name: number for name, number in classes.items() if row.get(name, 0) in (None, UNKNOWN)}
        yield {**row, **filled}
