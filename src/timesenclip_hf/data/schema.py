"""Define a row of every dataset of this package: the columns, their types, and the way back to arrays.

A row is one place in one year: its series, or one picture of it. Monthly composites are lists of fixed length, which
`datasets` reads several times as fast as nested or 2-D features; native acquisitions differ in number, so their lists
vary. Reflectance is kept as 16-bit integers, times 10,000 and without offset; -9999 is missing.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from ..extras import needs_extra
from ..models.timesenclip.bands_timesenclip import BANDS
from ..models.timesenclip.compositing_timesenclip import MONTHS_PER_YEAR
from ..taxonomies import Taxonomy, load_taxonomy

with needs_extra("data"):
    from datasets import ClassLabel, Features, Image, List, Value

# One of the values that the feature extractor always takes for missing.
MISSING = -9999
# Index of a class column where the class is not known; `ClassLabel` allows it.
UNKNOWN = -1
SERIES_COLUMNS = ("series", "observed", "months")
# Photos of a LUCAS point: the four directions, the point itself, and the crop from close by.
DIRECTIONS = ("N", "E", "S", "W", "P", "C")
_taxonomy = cache(load_taxonomy)
# LUCAS 2022's Copernicus table, and many exports, write a code with its label. A code has a digit.
_CODE_AND_LABEL = re.compile(r"((?=[A-Za-z]*\d)[A-Za-z0-9]{1,5})\s*[-–—:]\s+\S.*")
CLASS_TAXONOMIES = {
    "land_cover": "lucas_lc",
    "land_use": "lucas_lu",
    "crop": "lucas_crops",
    "habitat": "eunis_level2",
    "bioregion": "bioregions",
}


def build_features(
    num_times: int = MONTHS_PER_YEAR, *, native: bool = False, crop: int = 1, photos: bool = True
) -> Features:
    """Build the features of a dataset of series.

    Args:
        num_times: time steps, T, the same in every row, unless `native`.
        native: acquisitions as they were, each row with its own number of them and their dates.
        crop: pixels along a side; a patch is kept as (time, band, crop, crop), flattened.
        photos: with the column of ground photos.

    Raises:
        ValueError: a size is not positive.
    """
    if num_times < 1 or crop < 1:
        raise ValueError(f"`num_times` and `crop` must be positive, got {num_times} and {crop}.")
    times = -1 if native else num_times
    series = {
        "series": List(Value("int16"), length=-1 if native else num_times * len(BANDS) * crop**2),
        "observed": List(Value("bool"), length=times),
        "months": List(Value("float32"), length=times),
        **({"dates": List(Value("string"))} if native else {}),
    }
    return Features({**_row_features(series), **({"photos": photo_feature()} if photos else {})})


def build_image_features() -> Features:
    """Build the features of satellite pictures: an 8-bit RGB `image` of one place on one date, without photos."""
    return Features(_row_features({"date": Value("string"), "image": Image()}))


def _row_features(content: dict[str, Any]) -> dict[str, Any]:
    """Put the features of the place before those of what is seen there, and the classes behind."""
    return {
        "point_id": Value("string"),
        "year": Value("int32"),
        "longitude": Value("float64"),
        "latitude": Value("float64"),
        "country": Value("string"),
        **content,
        "lc1": Value("string"),
        "lu1": Value("string"),
        **{column: ClassLabel(names=taxonomy_of(column).class_names) for column in CLASS_TAXONOMIES},
    }


def photo_feature(embedding_size: int | None = None) -> List:
    """Build the column of photos: references are first-class, so `image` may hold a path, bytes, or nothing.

    With an `embedding_size` each photo has its frozen embedding beside it.
    """
    text = Value("string")
    photo: dict[str, Any] = {"direction": text, "url": text, "image": Image(decode=False), "licence": text}
    if embedding_size is not None:
        photo["embedding"] = List(Value("float32"), length=embedding_size)
    return List(photo)


def taxonomy_of(column: str) -> Taxonomy:
    """Load the label set of a class column; raise `ValueError` for any other column."""
    if column not in CLASS_TAXONOMIES:
        raise ValueError(f"{column!r} is no class column: use {', '.join(CLASS_TAXONOMIES)}.")
    return _taxonomy(CLASS_TAXONOMIES[column])


def classes_of_codes(lc1: str, lu1: str) -> dict[str, int]:
    """Derive land cover, land use and crop from LUCAS codes; `UNKNOWN` where a code is empty or strange.

    The letter of an LC1 code is its land cover, the first three characters of an LU1 code its land use; an LC1 code
    that names a crop is also the crop.
    """
    return {
        "land_cover": taxonomy_of("land_cover").indices.get(lc1[:1] if is_code("lc1", lc1) else "", UNKNOWN),
        "land_use": taxonomy_of("land_use").indices.get(lu1[:3] if is_code("lu1", lu1) else "", UNKNOWN),
        "crop": taxonomy_of("crop").indices.get(lc1, UNKNOWN),
    }


def is_code(column: str, code: str) -> bool:
    """Tell whether LUCAS has this code; `column` is `lc1` or `lu1`."""
    return code in _taxonomy(f"lucas_{column}").indices


def code_of(text: str) -> str:
    """Return the code of a cell that holds its label too, such as "B11 - Common wheat"; any other text as it is."""
    match = _CODE_AND_LABEL.fullmatch(text.strip())
    return match[1] if match else text.strip()


def class_index(column: str, value: Any) -> int:
    """Find a class by its index, code or name in any spelling; `UNKNOWN` where it is none of them."""
    text = code_of(str(value))
    taxonomy = taxonomy_of(column)
    if text.lstrip("+-").isdigit():
        return int(text) if 0 <= int(text) < len(taxonomy.labels) else UNKNOWN
    try:
        return taxonomy.indices[taxonomy.find(text).code]
    except ValueError:
        return UNKNOWN


def pack_series(values: np.ndarray) -> np.ndarray:
    """Pack reflectance times 10,000, NaN where missing, into the 16-bit integers of `series`, of the same shape."""
    # What 16 bits cannot hold is above three times full reflectance, and so no surface.
    present = ~np.isnan(values) & (np.abs(values) <= np.iinfo(np.int16).max)
    return np.where(present, np.rint(np.where(present, values, 0)), MISSING).astype(np.int16)


def as_series(column: Any, *, num_bands: int = len(BANDS), crop: int = 1) -> np.ndarray:
    """Reshape flat series into one array (N, T, C), or (N, T, C, crop, crop), without a copy where none is needed.

    Args:
        column: a batch's `series`, or the batch with it: an Arrow table, array or record batch, a numpy array, a
            tensor or lists.
        num_bands: C.
        crop: pixels along a side.

    Raises:
        ValueError: the series differ in length, or do not divide into bands.
    """
    values = as_array(column["series"] if isinstance(column, Mapping) or hasattr(column, "schema") else column)
    per_time = num_bands * crop**2
    if values.ndim != 2 or values.shape[1] % per_time:
        rule = f"must hold lists of one length, a multiple of {per_time}, got the shape {values.shape}"
        raise ValueError(
            f"The column `series` {rule}: native acquisitions go row by row through the feature extractor."
        )
    shape = (len(values), -1, num_bands) if crop == 1 else (len(values), -1, num_bands, crop, crop)
    return np.asarray(values.reshape(shape))


def as_array(column: Any) -> np.ndarray:
    """Read a column of numbers (N,) or of lists of one length (N, length); raise `ValueError` where lengths differ."""
    if hasattr(column, "combine_chunks"):
        column = column.combine_chunks()
    if not hasattr(column, "flatten") or not hasattr(column, "to_numpy") or isinstance(column, np.ndarray):
        return np.asarray(column)
    # `flatten`, not `values`, which would ignore where a slice begins.
    lists = column.flatten().to_numpy(zero_copy_only=False)
    if len(column) and len(lists) % len(column):
        raise ValueError("The series of the batch differ in length.")
    return np.asarray(lists).reshape(len(column), -1)


def month_places(num_times: int = MONTHS_PER_YEAR) -> Sequence[float]:
    """Place composites that divide the year evenly in the column `months`: the middle of each, 0 = January."""
    step = MONTHS_PER_YEAR / num_times
    return [index * step + (step - 1) / 2 for index in range(num_times)]
