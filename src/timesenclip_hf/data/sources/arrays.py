"""Turn series at hand, as arrays or from tables, into a dataset of the schema."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import compress
from typing import Any

import numpy as np
from transformers.utils import logging

from ...extras import needs_extra
from ...models.timesenclip.bands_timesenclip import BANDS
from ...models.timesenclip.compositing_timesenclip import in_window, year_of_window
from ...models.timesenclip.dates_timesenclip import parse_dates
from ...models.timesenclip.feature_extraction_timesenclip import TimeSenCLIPFeatureExtractor
from ...models.timesenclip.options_timesenclip import SERIES_OPTIONS, SeriesOptions, complete_options, take_steps
from ...models.timesenclip.units_timesenclip import DN_PER_REFLECTANCE, PLAUSIBLE_REFLECTANCE
from ...models.windows import windows_of
from ..engine.reports import ImportReport, Problem
from ..engine.shards import ImportPart, import_parts
from ..schema import (
    CLASS_TAXONOMIES,
    UNKNOWN,
    build_features,
    class_index,
    classes_of_codes,
    code_of,
    is_code,
    pack_series,
)
from .countries import check_place
from .frames import TableSource, list_files
from .point_tables import read_labels
from .tables import SeriesTable, read_table

with needs_extra("data"):
    import pyarrow as pa
    from datasets import Dataset, Features

logger = logging.get_logger(__name__)

NO_CLEAR_OBSERVATION = "no clear observation"
UNKNOWN_CODE = "unknown class code"
# An extractor that only reads: the scaling divides by the brightest that counts as a surface, and is undone below.
_BRIGHTEST = PLAUSIBLE_REFLECTANCE[1] * DN_PER_REFLECTANCE
_READER = TimeSenCLIPFeatureExtractor(band_low=[0.0] * len(BANDS), band_scale=[_BRIGHTEST] * len(BANDS))


def dataset_from_series(
    series: Any,
    columns: Mapping[str, Sequence[Any]] | None = None,
    reading: SeriesOptions | None = None,
    *,
    composite: str = "median",
    problems: list[Problem] | None = None,
    **settings: Any,
) -> Dataset:
    """Make a dataset of series in any form that the feature extractor reads.

    Bands, units, clouds and dates are read by the very code that prepares the input of the model. Twelve time steps
    without dates, and acquisitions with dates, become months; time steps with other months are kept as they are.

    Args:
        series: a `SeriesTable`, an array (series, time, band) or (series, time, band, side, side), or a list of
            arrays or of dictionaries.
        columns: other columns of the schema, one value for each series, classes by index, code or name; columns that
            the schema does not have are kept as they are.
        reading: how the series are read; of several years the twelve months with the most observations, if none are
            asked for.
        composite: "median" or "timesenclip" for months, "none" to keep every acquisition with its date.
        problems: takes series without a clear observation, which are left out, unknown class codes, and coordinates
            that do not fit the country.
        **settings: fields of `reading` by name.

    Raises:
        ValueError: the series cannot be read, a column differs in length, or none has a clear observation.
    """
    items, ids = (series.series, series.ids) if isinstance(series, SeriesTable) else (series, None)
    read = _read(items, composite, complete_options(reading, settings))
    count = len(read["observed"])
    columns = dict(columns or {})
    wrong = next((name for name, column in columns.items() if len(column) != count), None)
    if wrong is not None:
        values = len(columns[wrong])
        raise ValueError(f"The column {wrong!r} has {values} values for {count} series: give one for each.")
    points = [str(point) for point in columns.get("point_id", ids if ids is not None else range(count))]
    columns = {"year": read.pop("year"), **columns, "point_id": points}
    remarks: list[Problem] = [] if problems is None else problems
    clear = [bool(observed.any()) for observed in read["observed"]]
    remarks += [Problem(NO_CLEAR_OBSERVATION, point) for point, seen in zip(points, clear, strict=True) if not seen]
    if not any(clear):
        raise ValueError(f"None of the {count} series has a clear observation: all are NaN, no data or cloud.")
    if problems is None and not all(clear):
        logger.warning(f"{clear.count(False)} of {count} series are left out: they have no clear observation.")
    rows = {name: list(compress(column, clear)) for name, column in (columns | read).items()}
    lengths, times = {len(values) for values in rows["series"]}, len(rows["observed"][0])
    ragged = len(lengths) > 1
    native = composite == "none" and "dates" in read
    crop = 1 if native and ragged else int(np.sqrt(len(rows["series"][0]) // (times * len(BANDS))))
    features = build_features(times, native=native or ragged, crop=crop, photos=False)
    if "dates" not in rows:
        features.pop("dates", None)
    return dataset_from_columns(rows, features, remarks)


def import_table(
    path: TableSource,
    output: str | os.PathLike[str],
    reading: SeriesOptions | None = None,
    *,
    labels: str | os.PathLike[str] | None = None,
    id_column: str | None = None,
    composite: str = "median",
    **settings: Any,
) -> ImportReport:
    """Import a table of series, in any layout of [`read_table`], as a dataset that `load_dataset(output)` reads.

    Args:
        path: of a table, or of several with the same columns, as [`read_table`] takes them.
        output: folder to write.
        reading: how the series are read; of several years the twelve months with the most observations, if none are
            asked for.
        labels: table with a row a series, matched by its id, or by its position where the series have none: columns
            of the schema such as `longitude`, `latitude`, `lc1`, in any common spelling, and any other labels.
        id_column: column that names the series, where it is none of the usual ones.
        composite: "median" or "timesenclip" for months, "none" to keep every acquisition with its date.
        **settings: fields of `reading` by name.

    Raises:
        FileNotFoundError: no such file.
        ValueError: table or labels cannot be read or do not fit together, or `output` holds another dataset.
    """
    reading = complete_options(reading, settings)
    steps, rest = take_steps(reading)
    table = read_table(path, id_column=id_column, steps=steps)
    columns, notes = ({}, []) if labels is None else read_labels(labels, table.ids)
    notes = [*getattr(table, "notes", ()), *notes]
    problems: list[Problem] = []
    dataset = dataset_from_series(table, columns, rest, composite=composite, problems=problems)
    files = [list(file) for source in (path, labels) if source is not None for file in list_files(source)]
    identity = {"kind": "table", "files": files, "composite": composite, **describe_reading(reading)}
    return write_dataset(dataset, output, identity=identity, problems=problems, notes=notes)


def describe_reading(reading: SeriesOptions) -> dict[str, Any]:
    """Return the year and, as text, the other options that are set, for the identity of an import."""
    values = {name: getattr(reading, name) for name in SERIES_OPTIONS if name != "year"}
    if reading.minimum_months == 1:
        del values["minimum_months"]  # which imports were made without
    return {"year": reading.year, "options": repr({name: value for name, value in values.items() if value is not None})}


def write_dataset(
    dataset: Dataset,
    output: str | os.PathLike[str],
    *,
    identity: Mapping[str, Any],
    problems: Sequence[Problem] = (),
    notes: Sequence[str] = (),
) -> ImportReport:
    """Write a dataset at hand as every import is written: shards and a report.

    Args:
        dataset: to write.
        output: folder.
        identity: what it was made from, and how.
        problems: met while it was made; the points that were left out are counted by them.
        notes: how the sources were read.
    """
    table = dataset.with_format("arrow")[:]
    part = ImportPart(None, len(dataset) + sum(problem.skipped for problem in problems))
    options: dict[str, Any] = {"problems": problems, "notes": notes, "workers": 1, "progress": False}
    return import_parts(output, [part], lambda _: iter([table]), dataset.features, identity=identity, **options)


def _read(items: Any, composite: str, reading: SeriesOptions) -> dict[str, list[Any]]:
    """Read series into the columns `series`, `observed`, `months`, `year`, and `dates` where they are kept."""
    items = list(items) if not isinstance(items, np.ndarray) else items
    year, dates, windows = reading.year, _dates(items, reading.dates), []
    if dates is None:
        reading = replace(reading, year=None)  # it says of which year the months are, and chooses among nothing
    else:
        windows = windows_of(_READER, items, dates, reading)
        season = str(windows[0]) if len(set(windows)) == 1 else None  # else each series names its own
        reading = replace(reading, year=None, season=season) if season else reading
    features = _READER(items, reading, composite=composite, allow_empty=True)
    keep = [np.ones(len(mask), dtype=bool) for mask in features["series_mask"]]
    if dates is not None and composite == "none":
        # Padding, and acquisitions of other years, are none of this series.
        in_year = [in_window(days, start) for days, start in zip(dates, windows, strict=True)]
        keep = [np.pad(mask, (0, len(padded) - len(mask))) for mask, padded in zip(in_year, keep, strict=True)]
    columns: dict[str, list[Any]] = {"series": [], "observed": [], "months": []}
    for values, mask, months, chosen in zip(
        features["pixel_series"], features["series_mask"], features["months"], keep, strict=True
    ):
        present = mask.reshape(-1, *(1,) * (values.ndim - 1))
        columns["series"].append(pack_series(np.where(present, values * _BRIGHTEST, np.nan))[chosen].ravel())
        columns["observed"].append(mask[chosen])
        columns["months"].append(months[chosen])
    if dates is None:
        return {**columns, "year": [year] * len(keep)}
    columns["year"] = [year_of_window(start) for start in windows]
    if composite == "none":
        pairs = zip(dates, keep, strict=True)
        columns["dates"] = [[str(day) for day in days[chosen[: len(days)]]] for days, chosen in pairs]
    return columns


def _dates(items: Any, shared: Any) -> list[np.ndarray] | None:
    """Read the dates of each series, or None where there are none."""
    each = [item.get("dates", shared) if isinstance(item, Mapping) else shared for item in items]
    if shared is not None and np.ndim(shared) == 2:
        each = list(shared)
    dated = [parse_dates(dates) for dates in each if dates is not None]
    if 0 < len(dated) < len(each):
        raise ValueError("Some series have dates and others none: give all of them dates.")
    return dated or None


def dataset_from_columns(rows: dict[str, list[Any]], features: Features, problems: list[Problem]) -> Dataset:
    """Make a dataset of the schema from its columns: coordinates are mended, classes filled, other columns kept.

    Args:
        rows: values by column, `point_id` among them; taken apart.
        features: of the schema; a column that is absent is empty or unknown.
        problems: takes places outside the country and unknown class codes.
    """
    count = len(rows["point_id"])
    _mend_places(rows, problems)
    _fill_classes(rows, problems)
    defaults = {"country": "", "lc1": "", "lu1": "", "longitude": np.nan, "latitude": np.nan}
    columns = {name: rows.pop(name, [defaults.get(name)] * count) for name in features}
    for name in ("year", "longitude", "latitude"):
        columns[name] = [None if value in (None, "") else float(value) for value in columns[name]]
    table = {name: pa.array(column, type=features.arrow_schema.field(name).type) for name, column in columns.items()}
    others = Dataset.from_dict(rows)
    table |= {name: others.data.column(name).combine_chunks() for name in rows}
    return Dataset(pa.table(table, schema=Features({**features, **others.features}).arrow_schema))


def _mend_places(rows: dict[str, list[Any]], problems: list[Problem]) -> None:
    if not {"longitude", "latitude", "country"} <= set(rows):
        return
    for index, point_id in enumerate(rows["point_id"]):
        longitude, latitude = (float(rows[name][index] or "nan") for name in ("longitude", "latitude"))
        east, north, wrong = check_place(str(rows["country"][index]), longitude, latitude)
        rows["longitude"][index], rows["latitude"][index] = east, north
        if wrong:
            problems.append(Problem(wrong, point_id, detail=f"{longitude:g}, {latitude:g}", skipped=False))


def _fill_classes(rows: dict[str, list[Any]], problems: list[Problem]) -> None:
    """Turn classes by name or code into indices, and fill in those that LUCAS codes tell."""
    points = rows["point_id"]
    strange: list[tuple[str, str]] = []
    for name in ("lc1", "lu1"):
        rows[name] = [code_of(str(code or "")) for code in rows.get(name, [""] * len(points))]
        coded = zip(points, rows[name], strict=True)
        strange += [(point, f"{name}={code}") for point, code in coded if code and not is_code(name, code)]
    implied = [classes_of_codes(*codes) for codes in zip(rows["lc1"], rows["lu1"], strict=True)]
    for column in CLASS_TAXONOMIES:
        if column not in rows:
            rows[column] = [classes.get(column, UNKNOWN) for classes in implied]
            continue
        texts = ["" if value is None else str(value).strip() for value in rows[column]]
        texts = ["" if text == "-1" else text for text in texts]
        indices = {text: class_index(column, text) if text else UNKNOWN for text in set(texts)}
        rows[column] = [indices[text] for text in texts]
        named = zip(points, texts, strict=True)
        strange += [(point, f"{column}={text}") for point, text in named if text and indices[text] == UNKNOWN]
    problems += [Problem(UNKNOWN_CODE, point, detail=detail, skipped=False) for point, detail in strange]
