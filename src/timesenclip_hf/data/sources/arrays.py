"""Series at hand, as arrays or from tables, to a dataset of the schema."""

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from transformers.utils import logging

from ...extras import needs_extra
from ...models.timesenclip.bands_timesenclip import BANDS
from ...models.timesenclip.compositing_timesenclip import parse_dates, year_of
from ...models.timesenclip.feature_extraction_timesenclip import TimeSenCLIPFeatureExtractor
from ...models.timesenclip.radiometry_timesenclip import DN_PER_REFLECTANCE, PLAUSIBLE_REFLECTANCE
from ..engine.reports import ImportReport, Problem
from ..engine.shards import ImportPart, import_parts
from ..schema import CLASS_TAXONOMIES, UNKNOWN, build_features, class_index, classes_of_codes, is_code, pack_series
from .countries import check_place
from .tables import ID_COLUMNS, SeriesTable, read_table

with needs_extra("data"):
    import pyarrow as pa
    from datasets import Dataset, Features

logger = logging.get_logger(__name__)

NO_CLEAR_LOOK = "no clear look"
UNKNOWN_CODE = "unknown class code"
# Spellings of the columns of the schema in tables of labels, lower case.
SPELLINGS = {
    "longitude": ("longitude", "lon", "long", "x", "th_long"),
    "latitude": ("latitude", "lat", "y", "th_lat"),
    "country": ("country", "nuts0"),
    "year": ("year",),
    "lc1": ("lc1",),
    "lu1": ("lu1",),
}
# An extractor that only reads: the scaling divides by the brightest that counts as a surface, and is undone below.
_BRIGHTEST = PLAUSIBLE_REFLECTANCE[1] * DN_PER_REFLECTANCE
_READER = TimeSenCLIPFeatureExtractor(band_low=[0.0] * len(BANDS), band_scale=[_BRIGHTEST] * len(BANDS))


def dataset_from_series(
    series: Any,
    columns: Mapping[str, Sequence[Any]] | None = None,
    *,
    composite: str = "median",
    year: int | None = None,
    problems: list[Problem] | None = None,
    **options: Any,
) -> Dataset:
    """A dataset from series in any form that the feature extractor reads.

    Bands, units, clouds and dates are read by the very code that prepares the input of the model. Twelve looks
    without dates, and looks with dates, become months; looks with other months are kept as they are.

    Args:
        series: a `SeriesTable`, an array (series, time, band) or (series, time, band, side, side), or a list of
            arrays or of dictionaries.
        columns: other columns of the schema, one value for each series: `point_id`, `longitude`, `latitude`,
            `country`, `lc1`, `lu1`, `year`, and classes by index, code or name. Columns that the schema does not
            have are kept as they are.
        composite: "median" or "timesenclip" for months, "none" to keep every look with its date.
        year: calendar year of dated looks; needed where the dates span several.
        problems: takes what was wrong: series without a clear look, which are left out, unknown class codes, and
            coordinates that do not fit the country.
        **options: of the feature extractor for all series, such as `bands`, `dates`, `months`, `nodata`, `offset`.

    Raises:
        ValueError: the series cannot be read, a column differs in length, or none has a clear look.
    """
    items, ids = (series.series, series.ids) if isinstance(series, SeriesTable) else (series, None)
    values, observed, months, dates, years = _read(items, composite, year, options)
    count = len(values)
    given = dict(columns or {})
    wrong = next((name for name, column in given.items() if len(column) != count), None)
    if wrong is not None:
        raise ValueError(f"The column {wrong!r} has {len(given[wrong])} values for {count} series: give one for each.")
    given.setdefault("point_id", ids if ids is not None else range(count))
    given["point_id"] = [str(one) for one in given["point_id"]]
    given.setdefault("year", years)
    found: list[Problem] = [] if problems is None else problems
    kept = [place for place in range(count) if observed[place].any()]
    found += [Problem(NO_CLEAR_LOOK, given["point_id"][place]) for place in range(count) if not observed[place].any()]
    if not kept:
        raise ValueError(f"None of the {count} series has a clear look: all are NaN, no data or cloud.")
    if problems is None and len(kept) < count:
        logger.warning(f"{count - len(kept)} of {count} series are left out: they have no clear look.")
    rows = {name: [column[place] for place in kept] for name, column in given.items()}
    rows |= {"series": [values[p] for p in kept], "observed": [observed[p] for p in kept]}
    rows |= {"months": [months[p] for p in kept]} | ({"dates": [dates[p] for p in kept]} if dates else {})
    return _as_dataset(rows, found, native=dates is not None and composite == "none")


def import_table(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    labels: str | os.PathLike[str] | None = None,
    id_column: str | None = None,
    composite: str = "median",
    year: int | None = None,
    **options: Any,
) -> ImportReport:
    """Imports a table of series, in any layout of [`read_table`], as a dataset that `load_dataset(output)` reads.

    Args:
        path: CSV, Parquet or NPZ.
        output: folder to write.
        labels: CSV with a row a series, matched by its id, or by its place where the series have none: columns of
            the schema such as `longitude`, `latitude`, `lc1`, in any common spelling, and any other labels.
        id_column: column that names the series, where it is none of the usual ones.
        composite: "median" or "timesenclip" for months, "none" to keep every look with its date.
        year: calendar year of dated looks; needed where the dates span several.
        **options: of the feature extractor, such as `offset`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: table or labels cannot be read or do not fit together, or `output` holds another dataset.
    """
    table = read_table(path, id_column=id_column)
    columns = {} if labels is None else read_labels(labels, table.ids)
    problems: list[Problem] = []
    dataset = dataset_from_series(table, columns, composite=composite, year=year, problems=problems, **options)
    files = [[Path(file).name, Path(file).stat().st_size] for file in (path, labels) if file is not None]
    identity = {"kind": "table", "files": files, "composite": composite, "year": year, "options": repr(options)}
    return write_dataset(dataset, output, identity=identity, problems=problems, points=len(table))


def write_dataset(
    dataset: Dataset,
    output: str | os.PathLike[str],
    *,
    identity: Mapping[str, Any],
    problems: Sequence[Problem] = (),
    points: int | None = None,
) -> ImportReport:
    """Writes a dataset at hand as every import is written: shards and a report.

    Args:
        dataset: to write.
        output: folder.
        identity: what it was made from, and how.
        problems: found while making it.
        points: in the source, where that is more than the rows.
    """
    table = dataset.with_format("arrow")[:]

    def read(_: Any) -> Iterator[pa.Table]:
        yield table

    part = ImportPart(None, len(dataset) if points is None else points)
    return import_parts(
        output, [part], read, dataset.features, identity=identity, problems=problems, workers=1, progress=False
    )


def read_labels(path: str | os.PathLike[str], ids: Sequence[str] | None = None) -> dict[str, list[Any]]:
    """Columns of a CSV of labels, in the order of the series, by the names of the schema.

    Args:
        path: CSV with a header.
        ids: of the series; where they only count the series, or are left out, the rows are taken in order.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the rows do not match the series.
    """
    file = Path(path)
    if not file.exists():
        raise FileNotFoundError(f"No such file: {file}.")
    with file.open(newline="", encoding="utf-8-sig") as opened:
        rows = list(csv.DictReader(opened))
    id_column = next((name for name in ID_COLUMNS if rows and name in rows[0]), None)
    counted = ids is not None and list(ids) == [str(place) for place in range(len(ids))]
    if ids is None or counted or id_column is None:
        if ids is not None and len(rows) != len(ids):
            raise ValueError(f"{file.name} has {len(rows)} rows for {len(ids)} series: give one for each, or ids.")
        ordered = rows
    else:
        by_id = {row[id_column]: row for row in rows}
        absent = next((one for one in ids if one not in by_id), None)
        if absent is not None:
            raise ValueError(f"{file.name} has no row for the series {absent!r} in its column {id_column!r}.")
        ordered = [by_id[one] for one in ids]
    columns: dict[str, list[Any]] = {}
    if id_column is not None:
        columns["point_id"] = [row[id_column] for row in ordered]
    for name in rows[0] if rows else ():
        wanted = next((known for known, spellings in SPELLINGS.items() if name.lower() in spellings), name)
        if name != id_column and wanted not in columns:
            columns[wanted] = [row[name] for row in ordered]
    return columns


def _read(
    items: Any, composite: str, year: int | None, options: dict[str, Any]
) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray], list[list[str]] | None, list[int | None]]:
    """For each series its values, packed, observed looks, months, dates where every look is kept, and year."""
    items = list(items) if not isinstance(items, np.ndarray) else items
    dates = _dates(items, options)
    if dates is not None and year is None:
        present = np.unique(np.concatenate([year_of(days) for days in dates]))
        if len(present) > 1:
            raise ValueError(f"The dates span {present[0]} to {present[-1]}: say which year, `year={present[-1]}`.")
    features = _READER(
        items, composite=composite, year=year if dates is not None else None, allow_empty=True, **options
    )
    looks: list[np.ndarray] = list(features["series_mask"])
    keep = [np.ones(len(mask), dtype=bool) for mask in looks]
    if dates is not None and composite == "none":
        # Padding, and looks of other years, are no looks of this series.
        keep = [np.zeros(len(mask), dtype=bool) for mask in looks]
        for mask, days in zip(keep, dates, strict=True):
            mask[: len(days)] = True if year is None else year_of(days) == year
    packed = [
        pack_series(np.where(_as_mask(mask, one), one * _BRIGHTEST, np.nan))[chosen].ravel()
        for one, mask, chosen in zip(features["pixel_series"], looks, keep, strict=True)
    ]
    observed = [mask[chosen] for mask, chosen in zip(looks, keep, strict=True)]
    months = [one[chosen] for one, chosen in zip(features["months"], keep, strict=True)]
    years: list[int | None] = (
        [year] * len(packed) if dates is None else [year or int(year_of(days)[0]) for days in dates]
    )
    if dates is None or composite != "none":
        return packed, observed, months, None, years
    kept = [days[chosen[: len(days)]] for days, chosen in zip(dates, keep, strict=True)]
    return packed, observed, months, [[str(day) for day in days] for days in kept], years


def _as_mask(mask: np.ndarray, series: np.ndarray) -> np.ndarray:
    return mask.reshape(-1, *(1,) * (series.ndim - 1))


def _dates(items: Any, options: Mapping[str, Any]) -> list[np.ndarray] | None:
    """The dates of each series, or None where there are none."""
    shared = options.get("dates")
    each = [item.get("dates", shared) if isinstance(item, Mapping) else shared for item in items]
    if shared is not None and np.ndim(shared) == 2:
        each = list(shared)
    dated = [parse_dates(one) for one in each if one is not None]
    if 0 < len(dated) < len(each):
        raise ValueError("Some series have dates and others none: give all of them dates.")
    return dated or None


def _as_dataset(rows: dict[str, list[Any]], problems: list[Problem], native: bool) -> Dataset:
    sizes = {len(one) for one in rows["series"]}
    looks = len(rows["observed"][0])
    crop = int(np.sqrt(len(rows["series"][0]) // (looks * len(BANDS)))) if not native or len(sizes) == 1 else 1
    features = build_features(looks, native=native or len(sizes) > 1, crop=crop, photos=False)
    if "dates" in features and "dates" not in rows:
        features.pop("dates")
    return dataset_from_columns(rows, features, problems)


def dataset_from_columns(rows: dict[str, list[Any]], features: Features, problems: list[Problem]) -> Dataset:
    """A dataset of the schema from its columns: places are mended, classes filled, other columns kept.

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
        columns[name] = [None if one in (None, "") else float(one) for one in columns[name]]
    table = {name: pa.array(column, type=features.arrow_schema.field(name).type) for name, column in columns.items()}
    others = Dataset.from_dict(rows)
    table |= {name: others.data.column(name).combine_chunks() for name in rows}
    whole = Features({**features, **others.features})
    return Dataset(pa.table(table, schema=whole.arrow_schema))


def _mend_places(rows: dict[str, list[Any]], problems: list[Problem]) -> None:
    if not {"longitude", "latitude", "country"} <= set(rows):
        return
    for place, point_id in enumerate(rows["point_id"]):
        longitude, latitude = (float(rows[name][place] or "nan") for name in ("longitude", "latitude"))
        across, up, wrong = check_place(str(rows["country"][place]), longitude, latitude)
        rows["longitude"][place], rows["latitude"][place] = across, up
        if wrong:
            problems.append(Problem(wrong, point_id, detail=f"{longitude:g}, {latitude:g}", skipped=False))


def _fill_classes(rows: dict[str, list[Any]], problems: list[Problem]) -> None:
    """Classes by name or code to indices, and those that LUCAS codes tell."""
    count = len(rows["point_id"])
    codes = {name: [str(code or "").strip() for code in rows.get(name, [""] * count)] for name in ("lc1", "lu1")}
    told = [classes_of_codes(*pair) for pair in zip(codes["lc1"], codes["lu1"], strict=True)]
    strange = [
        (place, f"{name}={code}")
        for name, column in codes.items()
        for place, code in enumerate(column)
        if code and not is_code(name, code)
    ]
    rows |= codes
    for column in CLASS_TAXONOMIES:
        if column not in rows:
            rows[column] = [one.get(column, UNKNOWN) for one in told]
            continue
        given = ["" if one is None else str(one).strip() for one in rows[column]]
        indices = {one: class_index(column, one) if one not in ("", "-1") else UNKNOWN for one in set(given)}
        rows[column] = [indices[one] for one in given]
        strange += [
            (place, f"{column}={one}")
            for place, one in enumerate(given)
            if one not in ("", "-1") and indices[one] == UNKNOWN
        ]
    problems += [Problem(UNKNOWN_CODE, rows["point_id"][place], detail=what, skipped=False) for place, what in strange]
