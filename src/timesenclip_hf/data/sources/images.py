"""Satellite pictures from files: GeoTIFFs to RGB by the one stretch, what is wrong with some, rows to a dataset."""

import io
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from ...extras import needs_extra
from ...files import first_line
from ...models.senclip.stretch_senclip import to_eight_bit
from ...models.timesenclip.bands_timesenclip import canonical_band
from ...models.timesenclip.radiometry_timesenclip import DN_PER_REFLECTANCE
from ..engine.reports import Problem
from ..schema import pack_series

with needs_extra("data"):
    from datasets import Dataset, Features

RGB_BANDS = ("B04", "B03", "B02")
"""Red, green and blue."""

ANOTHER_SIZE = "image of another size"
UNREADABLE = "image cannot be read"
NO_GEOREFERENCE = "no georeference"


class BadImageError(ValueError):
    """What is wrong with one file: the name that it is counted by, and what was found."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason} {detail}".rstrip())
        self.reason, self.detail = reason, detail


@dataclass(frozen=True)
class Raster:
    """A GeoTIFF in memory.

    Attributes:
        values: (band, y, x) as they are in the file.
        longitude: of its middle, WGS84; NaN without a georeference.
        latitude: of its middle.
    """

    values: np.ndarray
    longitude: float
    latitude: float


def read_raster(path: Path, *, located: bool = False) -> Raster:
    """Reads all bands of a GeoTIFF.

    Args:
        path: of the file.
        located: it must have a georeference.

    Raises:
        BadImageError: it cannot be read, or has no georeference where one is needed.
    """
    # Only here: who reads pictures alone needs no rasterio.
    with needs_extra("map"):
        import rasterio
        from rasterio.errors import NotGeoreferencedWarning, RasterioError
        from rasterio.warp import transform
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path) as raster:
                values, crs = raster.read(), raster.crs
                x, y = raster.xy(raster.height / 2 - 0.5, raster.width / 2 - 0.5)
                placed = crs is not None and not raster.transform.is_identity
    except RasterioError as error:
        raise BadImageError(UNREADABLE, first_line(error)) from None
    if not placed:
        if located:
            raise BadImageError(NO_GEOREFERENCE, "give a GeoTIFF with a coordinate reference system and a transform")
        return Raster(values, np.nan, np.nan)
    longitude, latitude = transform(crs, "EPSG:4326", [x], [y])
    return Raster(values, float(longitude[0]), float(latitude[0]))


def check_size(width: int, height: int, side: int, what: str) -> None:
    """Refuses an image that is not `side` pixels square; `what` says whose size that is.

    Raises:
        BadImageError: it is not.
    """
    if (width, height) != (side, side):
        raise BadImageError(ANOTHER_SIZE, f"{width} x {height} pixels, {what} are {side} x {side}")


def check_picture(source: Path | bytes, side: int, what: str) -> None:
    """Refuses a JPEG or PNG that is damaged, no RGB, or of another size; its pixels are read, for damage hides there.

    Raises:
        BadImageError: it is.
    """
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as picture:
            check_size(*picture.size, side, what)
            picture.load()
            if picture.mode != "RGB":
                raise BadImageError("image is not RGB", f"its mode is {picture.mode}")
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise BadImageError(UNREADABLE, first_line(error)) from None


def encode_rgb(bands: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Digital numbers of B04, B03 and B02 (y, x), without offset, as the stretched PNG of a column `image`."""
    return encode_picture(to_eight_bit(np.stack([bands[name] for name in RGB_BANDS], axis=-1) / DN_PER_REFLECTANCE))


def encode_picture(picture: np.ndarray) -> dict[str, Any]:
    """An 8-bit RGB picture (y, x, 3) as a PNG of a column `image`: no pixel is changed."""
    buffer = io.BytesIO()
    # 1: the larger levels take ten times as long for a tenth less.
    Image.fromarray(picture).save(buffer, format="PNG", compress_level=1)
    return {"bytes": buffer.getvalue(), "path": None}


def pack_bands(bands: Mapping[str, np.ndarray], names: Sequence[str], side: int) -> np.ndarray:
    """Some bands as a flat column `reflectance`, times 10,000: (band, side, side), coarser ones by nearest neighbour.

    [`as_series`] makes arrays of it again, with one look.
    """
    planes = [bands[name].astype(np.float32) for name in names]
    return pack_series(
        np.stack([plane.repeat(side // len(plane), 0).repeat(side // len(plane), 1) for plane in planes])
    )


def check_bands(names: Sequence[str], known: Sequence[str]) -> list[str]:
    """Names of bands in any common spelling as a source has them.

    Raises:
        ValueError: the source has no such band.
    """
    wanted = []
    for name in names:
        try:
            wanted.append(name if name in known else canonical_band(name))
        except ValueError:
            wanted.append(name)
        if wanted[-1] not in known:
            raise ValueError(f"There is no band {name!r}: the patches have {', '.join(known)}.")
    return wanted


def gather(rows: Iterable[Mapping[str, Any] | Problem], features: Features, problems: list[Problem] | None) -> Dataset:
    """Rows as a dataset in memory.

    Args:
        rows: and what is wrong with others.
        features: of the rows.
        problems: takes what is wrong; where it is None, the first file that must be left out ends the reading.

    Raises:
        ValueError: a file must be left out and `problems` is None, or nothing is left.
    """
    kept: list[Mapping[str, Any]] = []
    for row in rows:
        if not isinstance(row, Problem):
            kept.append(row)
        elif problems is not None:
            problems.append(row)
        elif row.skipped:
            raise ValueError(
                f"{row.source}: {row.reason}{f' ({row.detail})' if row.detail else ''}: mend or remove it, or pass "
                "`problems=[]` to leave out what cannot be used and to list it there."
            )
    if not kept:
        raise ValueError("No image is left that can be used: see `problems`.")
    return Dataset.from_list(kept, features=features).select_columns(list(features))


def existing_folder(folder: str | os.PathLike[str]) -> Path:
    """A folder that is there.

    Raises:
        FileNotFoundError: it is not.
    """
    path = Path(folder)
    if not path.is_dir():
        raise FileNotFoundError(f"No such folder: {path}.")
    return path
