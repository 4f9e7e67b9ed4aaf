"""Points with the ground photos of the same place and year: series from any importer, the LUCAS survey, and photos.

A photo is a reference first: its direction, its address and its licence. Where a copy of it is on disk the file, or
its bytes, are added. A photo that cannot be read stays a reference, and is counted.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ...extras import needs_extra
from ..engine.reports import ImportReport, Problem
from ..engine.shards import ImportPart, Row, import_parts
from ..schema import DIRECTIONS, build_features, classes_of_codes, photo_feature
from ..sources.countries import nuts0
from ..sources.lucas import (
    LANDSCAPE,
    LICENCE,
    PHOTOS_URL,
    Survey,
    SurveyPoint,
    find_photo,
    has_photos,
    photo_requests,
    photo_url,
)
from .download import download_photos, photo_fault

with needs_extra("data"):
    from datasets import Dataset, Features

# Rows of a part, which is lost when the program is killed; each photo of a row takes some 15 ms to be checked.
ROWS_PER_PART = 500
# With their bytes, photos of a megabyte each: a part stays near 100 MB.
ROWS_PER_PART_WITH_BYTES = 25
SERIES_COLUMNS = ("series", "observed", "months")


def pair_lucas(
    output: str | os.PathLike[str],
    *,
    series: Dataset | None = None,
    survey: Survey | None = None,
    photos: str | os.PathLike[str] | None = None,
    directions: Sequence[str] = LANDSCAPE,
    embed_bytes: bool = False,
    require_photos: bool = False,
    download: bool = False,
    base_url: str = PHOTOS_URL,
    workers: int = 2,
    progress: bool = True,
) -> ImportReport:
    """Writes a dataset of points with their photos; it can be stopped and continued.

    Points go by id and year. What the series' own source does not know of a point (place, country, codes) is taken
    from the survey.

    Args:
        output: folder to write.
        series: points with series, as the importers write them; without it the points are the survey's, and have
            photos only.
        survey: as [`lucas.read_survey`] reads it; without it the series' own country and year lead to the photos.
        photos: folder of photos in the survey's layout; without it photos are references only.
        directions: the photos to pair, of `schema.DIRECTIONS`.
        embed_bytes: keep the bytes of the photos in the dataset, not their paths.
        require_photos: leave out points without a photo that can be read.
        download: fetch what is not in the folder first, politely; see [`photos.download_photos`].
        base_url: server of the photos.
        workers: processes.
        progress: show bars.

    Returns:
        The report; problems name each point and photo.

    Raises:
        ValueError: neither series nor survey, no folder of photos where one is needed, an unknown direction, or
            points without id and year.
        FileNotFoundError: no such folder of photos.
    """
    directions = _check(series, survey, photos, directions, embed_bytes or require_photos or download)
    if photos is not None:
        photos = os.path.abspath(photos)
        if not download and not os.path.isdir(photos):
            raise FileNotFoundError(f"No such folder of photos: {photos}.")
    points, problems = _points_of(series, survey)
    if download and photos is not None:
        report = download_photos(list(photo_requests(points, directions, base_url=base_url)), photos, progress=progress)
        for reason, names in report.failed.items():
            problems += [Problem("photo not downloaded", source=name, detail=reason, skipped=False) for name in names]
    rows = ROWS_PER_PART_WITH_BYTES if embed_bytes else ROWS_PER_PART
    parts = [
        ImportPart(_Task(start, tuple(points[start : start + rows])), len(points[start : start + rows]))
        for start in range(0, len(points), rows)
    ]
    options = _Options(photos, directions, embed_bytes, require_photos, base_url)
    return import_parts(
        output,
        parts,
        partial(_read_part, series, options),
        _features_of(series),
        identity={
            "kind": "lucas",
            "series": None if series is None else series._fingerprint,
            "points": len(points),
            "photos": photos,
            "directions": "".join(directions),
            "embed_bytes": embed_bytes,
            "require_photos": require_photos,
            "base_url": base_url,
        },
        problems=problems,
        workers=workers,
        progress=progress,
    )


class _Task(NamedTuple):
    start: int
    points: tuple[SurveyPoint, ...]


@dataclass(frozen=True)
class _Options:
    photos: str | None
    directions: Sequence[str]
    embed_bytes: bool
    require_photos: bool
    base_url: str


def _check(
    series: Dataset | None, survey: Survey | None, photos: Any, directions: Sequence[str], needs_folder: bool
) -> list[str]:
    if series is None and survey is None:
        raise ValueError("Give series, a survey, or both.")
    if series is not None and not {"point_id", "year"} <= set(series.column_names):
        raise ValueError(f"The series need the columns point_id and year, got {', '.join(series.column_names)}.")
    unknown = [one for one in directions if one not in DIRECTIONS]
    if unknown or not directions:
        raise ValueError(f"`directions` must be some of {', '.join(DIRECTIONS)}, got {list(directions)}.")
    if needs_folder and photos is None:
        raise ValueError("Give `photos`, the folder of photos, for their bytes, to require them, or to download them.")
    return list(dict.fromkeys(directions))


def _points_of(series: Dataset | None, survey: Survey | None) -> tuple[list[SurveyPoint], list[Problem]]:
    """What is known of each row: the survey's own points, or the rows with what the survey adds."""
    problems = [] if survey is None else list(survey.problems)
    known = {} if survey is None else survey.points
    if series is None:
        return list(known.values()), problems
    columns = [name for name in SurveyPoint._fields if name in series.column_names]
    points = []
    for row in series.select_columns(columns).with_format("arrow").iter(10_000):
        for item in row.to_pylist():
            found = known.get((item["point_id"], item["year"]))
            if survey is not None and found is None:
                problems.append(Problem("point not in the survey", item["point_id"], skipped=False))
            points.append(_merge(item, found, problems))
    return points, problems


def _merge(item: Mapping[str, Any], found: SurveyPoint | None, problems: list[Problem]) -> SurveyPoint:
    blank = SurveyPoint(item["point_id"], item["year"], "", float("nan"), float("nan"), "", "")
    merged = (found or blank)._replace(**{name: value for name, value in item.items() if _is_known(value)})
    if found is not None and found.lc1 and merged.lc1 != found.lc1:
        detail = f"{merged.lc1}, in the survey {found.lc1}; the first is kept"
        problems.append(Problem("land cover differs from the survey", merged.point_id, detail=detail, skipped=False))
    return merged._replace(country=nuts0(merged.country))


def _is_known(value: Any) -> bool:
    return value is not None and value != "" and value == value  # NaN is not itself


def _features_of(series: Dataset | None) -> Features:
    features = dict(build_features(photos=False) if series is None else series.features)
    if series is None:
        features = {name: feature for name, feature in features.items() if name not in SERIES_COLUMNS}
    return Features({**features, "photos": photo_feature()})


def _read_part(series: Dataset | None, options: _Options, task: _Task) -> Iterator[Row | Problem]:
    """Runs in a worker: the rows of a part with their photos."""
    rows = _survey_rows(task) if series is None else _series_rows(series, task)
    for row, point in zip(rows, task.points, strict=True):
        photos, problems = pair_photos(
            point, options.photos, options.directions, embed_bytes=options.embed_bytes, base_url=options.base_url
        )
        seen = any(photo["image"] for photo in photos)
        left_out = options.require_photos and not seen
        if options.photos is not None and not seen:
            problems.append(Problem("point without photos", point.point_id, detail=str(point.year), skipped=left_out))
        yield from problems
        if not left_out:
            yield {**row, "photos": photos}


def pair_photos(
    point: SurveyPoint,
    folder: str | os.PathLike[str] | None = None,
    directions: Sequence[str] = LANDSCAPE,
    *,
    embed_bytes: bool = False,
    base_url: str = PHOTOS_URL,
) -> tuple[list[dict[str, Any]], list[Problem]]:
    """The photos of one point, as the column `photos` holds them, and what is wrong with some.

    Args:
        point: of the survey, or a row's id, year and country as one.
        folder: of photos in the survey's layout; without it photos are references only.
        directions: the photos to pair.
        embed_bytes: read the files; else their paths are kept.
        base_url: server of the photos.
    """

    def problem(reason: str, detail: str) -> Problem:
        return Problem(reason, point.point_id, detail=detail, skipped=False)

    if not has_photos(point):
        detail = f"year {point.year}, country {point.country!r}"
        return [], [problem("no survey photos of this year and country", detail)]
    photos, problems, missing = [], [], []
    for direction in directions:
        if direction in point.not_taken:
            continue
        file = None if folder is None else find_photo(folder, point, direction)
        image: dict[str, Any] | None = None
        if file is not None:
            content = file.read_bytes() if embed_bytes else None
            fault = photo_fault(file if content is None else content)
            if fault is not None:
                problems.append(problem(fault, file.name))
            else:
                image = {"bytes": content, "path": file.name if embed_bytes else str(file)}
        elif folder is not None:
            missing.append(direction)
        url = photo_url(point.point_id, point.year, point.country, direction).replace(PHOTOS_URL, base_url, 1)
        photos.append({"direction": direction, "url": url, "image": image, "licence": LICENCE})
    if missing and len(missing) < len(photos):
        problems.append(problem("point with some photos only", f"not in the folder: {', '.join(missing)}"))
    return photos, problems


def _survey_rows(task: _Task) -> Iterator[dict[str, Any]]:
    unknown = {"habitat": -1, "bioregion": -1}
    for point in task.points:
        row = point._asdict()
        del row["not_taken"]
        yield {**row, **classes_of_codes(point.lc1, point.lu1), **unknown}


def _series_rows(series: Dataset, task: _Task) -> Iterator[dict[str, Any]]:
    table = series.with_format("arrow")[task.start : task.start + len(task.points)]
    lists = [name for name in ("series", "photos") if name in table.column_names]
    # As arrays: lists of numbers would take a hundred times their memory.
    arrays = table["series"] if "series" in lists else None
    for place, (row, point) in enumerate(zip(table.drop_columns(lists).to_pylist(), task.points, strict=True)):
        if arrays is not None:
            row["series"] = np.asarray(arrays[place].values.to_numpy())
        filled = {name: getattr(point, name) for name in SurveyPoint._fields if name in row}
        if any(not _is_known(row.get(code)) and getattr(point, code) for code in ("lc1", "lu1")):
            classes = classes_of_codes(point.lc1, point.lu1)
            filled |= {name: index for name, index in classes.items() if row.get(name, 0) in (None, -1)}
        yield {**row, **filled}
