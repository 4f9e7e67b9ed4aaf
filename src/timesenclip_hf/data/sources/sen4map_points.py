"""Read the points of a Sen4Map file into rows of the schema, and say what is wrong with some.

Raw entries are a group of datasets or one dataset of compound type, with the fields B2 ... B12 and SCL,
(time, 64, 64) each, digital numbers without offset, and the dates in `Image_ID`. Derived entries are a group with
`image`, (12, 10, height, width), January to December.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ...extras import needs_extra
from ...files import first_line
from ...gate import PLAIN
from ...gate.watching import check_entries
from ...models.timesenclip.bands_timesenclip import BANDS, SCENE_CLASSES, canonical_band
from ...models.timesenclip.compositing_timesenclip import MONTHS_PER_YEAR, composite, month_of, place_in_year, year_of
from ...models.timesenclip.feature_extraction_timesenclip import MASKED_SCL
from ...models.timesenclip.options_timesenclip import SeriesOptions
from ...models.timesenclip.radiometry_timesenclip import NO_DATA_VALUES, NumberStack
from ...models.timesenclip.units_timesenclip import DN_PER_REFLECTANCE, PLAUSIBLE_REFLECTANCE, tell_unit
from ..engine.reports import Problem, UnusableError
from ..engine.shards import Row
from ..schema import UNKNOWN, class_index, classes_of_codes, code_of, is_code, month_places, pack_series
from .arrays import NO_CLEAR_OBSERVATION, UNKNOWN_CODE
from .countries import check_place

with needs_extra("data"):
    import h5py

# Upstream keeps the classes below 9; see RECIPES.
UPSTREAM_FIRST_MASKED = 9
DERIVED_IMAGE = "image"
# What codes are given as where there is no class.
_NO_CLASS = ("", "-1", "nan", "none")
_DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)(\d\d)(\d\d)(?!\d)")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
# A reason, and what the file holds instead.
_Remark: TypeAlias = tuple[str, str]


class PointSettings(NamedTuple):
    """Say how points are read: pixels along a side in the middle, the recipe or "none", the year of the series."""

    crop: int
    composite: str
    year: int


def read_points(settings: PointSettings, task: tuple[str, np.ndarray, np.ndarray]) -> Iterator[Row | Problem]:
    """Yield rows of some points of one file, and what is wrong with others.

    The task is the path, the keys, and which of them are points that an earlier entry holds.
    """
    path, keys, repeated = task
    source, names = Path(path).name, [key.decode() for key in keys]
    faults = check_entries(Path(path), names, PLAIN)
    with h5py.File(path, "r") if len(faults) < len(names) else nullcontext() as file:
        for name, again in zip(names, repeated, strict=True):
            point_id = point_id_of(name)
            remarks: list[_Remark] = []
            try:
                if again:
                    raise UnusableError("duplicate point id", name)
                if name in faults:
                    raise UnusableError("unreadable point", faults[name].rstrip("."))
                row = _read_point(file, name, settings, remarks)
            except UnusableError as error:
                yield Problem(error.reason, point_id, source, error.detail)
                continue
            yield from (Problem(reason, point_id, source, detail, skipped=False) for reason, detail in remarks)
            yield {"point_id": point_id, "year": settings.year, **row}


def point_id_of(key: str) -> str:
    """Read the survey's number of a point from its key: what follows the last underscore."""
    return key.rpartition("_")[2] or key


def _read_point(file: Any, key: str, settings: PointSettings, remarks: list[_Remark]) -> dict[str, Any]:
    try:
        entry = file[key]
        attributes = dict(entry.attrs)
        names = (entry.dtype.names if isinstance(entry, h5py.Dataset) else tuple(entry)) or ()
        derived = DERIVED_IMAGE in names
        if derived:
            values = _middle(np.asarray(entry[DERIVED_IMAGE]), settings.crop)
        else:
            values, classes = _read_bands(entry, names, settings.crop)
    except UnusableError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        # What HDF5 raises on damaged chunks, links and types.
        raise UnusableError("unreadable point", first_line(error)) from None
    if derived:
        series = _derived(values, settings)
    else:
        series = _raw(values, classes, _dates(attributes, len(values)), settings, remarks)
    labels = _labels(attributes, remarks)
    return {**series, **_location(attributes, remarks), **labels}


def _read_bands(entry: Any, names: Sequence[str], crop: int) -> tuple[np.ndarray, np.ndarray]:
    """Read digital numbers (time, band, crop, crop) and scene classes (time, crop, crop)."""
    fields = {_band(name): name for name in names}
    absent = [band for band in BANDS if band not in fields]
    if absent:
        raise UnusableError("band missing", ", ".join(absent))
    if SCENE_CLASSES not in fields:
        raise UnusableError("no scene classification")
    if isinstance(entry, h5py.Dataset):
        # Fields of (time, 64, 64) each, whether the shape is the dataset's or the fields'.
        table: Any = _middle(entry, crop) if entry.ndim == 3 else entry[()]
        layers = {band: np.asarray(table[fields[band]]) for band in (*BANDS, SCENE_CLASSES)}
        if entry.ndim != 3:
            layers = {band: _middle(layer.reshape(layer.shape[-3:]), crop) for band, layer in layers.items()}
    else:
        layers = {band: _middle(entry[fields[band]], crop) for band in (*BANDS, SCENE_CLASSES)}
    shapes = {layer.shape for layer in layers.values()}
    if len(shapes) > 1:
        raise UnusableError("bands differ in shape", ", ".join(map(str, sorted(shapes))))
    return _digital_numbers(np.stack([layers[band] for band in BANDS], axis=1)), layers[SCENE_CLASSES]


def _digital_numbers(values: np.ndarray) -> np.ndarray:
    """Read digital numbers, or reflectance 0 to 1, as reflectance times 10,000, float32."""
    scale = DN_PER_REFLECTANCE if _is_reflectance(values) else 1
    return np.asarray(values, dtype=np.float32) * np.float32(scale)


def _is_reflectance(values: np.ndarray) -> bool:
    """Tell reflectance 0 to 1 from digital numbers, (time, band, ...)."""
    present = values[np.isfinite(values)]
    if (present == np.rint(present)).all() and (present > PLAUSIBLE_REFLECTANCE[1]).any():
        return False  # whole numbers, whatever type they are kept in
    stack = NumberStack.read(values[None], None, SeriesOptions())
    if np.isnan(stack.values).all():
        return False
    try:
        return tell_unit(stack.values, "auto", stack.integers, BANDS)[0] == "reflectance"
    except ValueError as error:
        raise UnusableError("no reflectance", first_line(error)) from None


def _band(name: str) -> str:
    try:
        return canonical_band(name)
    except ValueError:
        return name.upper()


def _middle(layer: Any, crop: int) -> np.ndarray:
    """Read the pixels in the middle, no further than needed; where the middle is a corner, as upstream's crop."""
    shape: tuple[int, ...] = getattr(layer, "shape", ())  # a group has none
    if len(shape) < 3:
        raise UnusableError("wrong shape", str(shape))
    height, width = shape[-2:]
    if min(height, width) < crop:
        raise UnusableError("patch smaller than the crop", f"{height} x {width}")
    top, left = (height - crop + 1) // 2, (width - crop + 1) // 2
    return np.asarray(layer[..., top : top + crop, left : left + crop])


def _raw(
    values: np.ndarray, classes: np.ndarray, dates: np.ndarray, settings: PointSettings, remarks: list[_Remark]
) -> dict[str, Any]:
    """Make the columns of a series from its acquisitions."""
    order = np.argsort(dates, kind="stable")
    order = order[year_of(dates[order]) == settings.year]
    strays = dates[year_of(dates) != settings.year]
    remarks += [("date outside the year", str(date)) for date in strays]
    if not len(order):
        raise UnusableError("date outside the year", f"all {len(strays)} acquisitions")
    values, classes, dates = values[order], classes[order], dates[order]
    if settings.composite == "timesenclip":
        # Upstream takes no data for black ground, and every other class below 9 for clear.
        clear = classes < UPSTREAM_FIRST_MASKED
    else:
        clear = ~np.isin(classes, MASKED_SCL) & _present(values)
    if not clear.any():
        raise UnusableError(NO_CLEAR_OBSERVATION)
    if settings.composite == "none":
        series = pack_series(np.where(clear[:, None], values, np.nan)).ravel()
        columns = {"series": series, "observed": _mostly(clear), "months": place_in_year(dates)}
        return {**columns, "dates": [str(date) for date in dates]}
    medians, _ = composite(values[None], clear[None], month_of(dates), recipe=settings.composite)
    return _monthly(medians[0])


def _derived(values: np.ndarray, settings: PointSettings) -> dict[str, Any]:
    """Make the columns of a series that is composited already."""
    if values.shape[:2] != (MONTHS_PER_YEAR, len(BANDS)):
        raise UnusableError("wrong shape", str(values.shape))
    if settings.composite == "none":
        raise UnusableError("composited already", "its acquisitions are not in the file")
    if _is_reflectance(values):
        raise UnusableError("reflectance 0 to 1", "derived entries hold digital numbers, with 1 added to them")
    values = values.astype(np.float32)
    # Upstream adds 1 to everything, so that a month without any value is 1 in every band.
    seen = _present(values) & (values > 1).any(axis=1)
    values = np.where(seen[:, None], values, np.nan)
    if np.isnan(values).all():
        raise UnusableError(NO_CLEAR_OBSERVATION)
    return _monthly(values)


def _monthly(values: np.ndarray) -> dict[str, Any]:
    return {
        "series": pack_series(values).ravel(),
        "observed": _mostly(~np.isnan(values).any(axis=1)),
        "months": np.asarray(month_places(), dtype=np.float32),
    }


def _present(values: np.ndarray) -> np.ndarray:
    """Tell where a surface is seen in every band: no value means no data, not all are zero, none is too bright."""
    known = ~np.isnan(values) & ~np.isin(values, np.asarray(NO_DATA_VALUES, dtype=np.float32))
    low, high = (limit * DN_PER_REFLECTANCE for limit in PLAUSIBLE_REFLECTANCE)
    with np.errstate(invalid="ignore"):
        known &= (values >= low) & (values <= high)
    return np.asarray(known.all(axis=1) & (values != 0).any(axis=1))


def _mostly(clear: np.ndarray) -> np.ndarray:
    """Count a time step of a patch as observed where half of it is, as the feature extractor has it."""
    return np.asarray(clear.reshape(len(clear), -1).mean(axis=1) >= 0.5)


def _dates(attributes: Mapping[str, Any], num_times: int) -> np.ndarray:
    if "Image_ID" not in attributes:
        raise UnusableError("no dates", "the attribute Image_ID is missing")
    names = np.ravel(attributes["Image_ID"]).tolist()
    if len(names) != num_times:
        detail = f"{len(names)} dates, {num_times} acquisitions"
        raise UnusableError("dates and acquisitions differ in number", detail)
    matches = [_DATE.search(_text(name)) for name in names]
    if not all(matches):
        raise UnusableError("no dates", f"{_text(names[matches.index(None)])!r} holds none")
    try:
        return np.asarray(["-".join(match.groups()) for match in matches if match], dtype="datetime64[D]")
    except ValueError as error:
        raise UnusableError("no dates", first_line(error)) from None


def _labels(attributes: Mapping[str, Any], remarks: list[_Remark]) -> dict[str, Any]:
    codes = {name: code_of(_text(attributes.get(name, ""))) for name in ("lc1", "lu1")}
    labels: dict[str, Any] = {**codes, **classes_of_codes(**codes)}
    remarks += [(UNKNOWN_CODE, f"{name}={code}") for name, code in codes.items() if code and not is_code(name, code)]
    for column, attribute in (("habitat", "EUNIS_L2"), ("bioregion", "bioregion_class_code")):
        code = _text(attributes.get(attribute, "")).strip()
        labels[column] = UNKNOWN if code.lower() in _NO_CLASS else class_index(column, code)
        if code.lower() not in _NO_CLASS and labels[column] == UNKNOWN:
            remarks.append((UNKNOWN_CODE, f"{attribute}={code}"))
    return labels


def _location(attributes: Mapping[str, Any], remarks: list[_Remark]) -> dict[str, Any]:
    """Read longitude, latitude and country."""
    country = _text(attributes.get("nuts0", "")).strip()
    coordinates = np.ravel(attributes.get("Coordinates", ()))
    if coordinates.dtype.kind in "iuf":
        numbers = [float(value) for value in coordinates]
    else:  # text such as "(4.35, 50.85)"
        numbers = [float(number) for value in coordinates.tolist() for number in _NUMBER.findall(_text(value))]
    longitude, latitude, wrong = check_place(country, *(numbers if len(numbers) == 2 else (np.nan, np.nan)))
    if wrong:
        detail = f"{', '.join(f'{number:g}' for number in numbers) or 'none'} in {country or 'no country'}"
        remarks.append((wrong, detail))
    return {"longitude": longitude, "latitude": latitude, "country": country}


def _text(value: Any) -> str:
    """Read an attribute as text: HDF5 keeps strings as str, bytes or arrays of one."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(int(value)) if isinstance(value, (float, np.floating)) and float(value).is_integer() else str(value)
