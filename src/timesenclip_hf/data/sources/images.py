"""Read satellite pictures from files: GeoTIFFs to RGB by the one stretch, and what is wrong with some."""

import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ...extras import needs_extra
from ...files import first_line
from ...gate import PLAIN
from ...gate.photos import open_photo
from ...models.senclip.image_processing_senclip import to_eight_bit
from ...models.timesenclip.units_timesenclip import DN_PER_REFLECTANCE
from ..engine.reports import UnusableError
from ..schema import pack_series

RGB_BANDS = ("B04", "B03", "B02")
UNREADABLE = "image cannot be read"
# All bands of a picture are read at once: some thousand pixels along a side are no picture any more.
PICTURE = replace(PLAIN, values=50_000_000)
# The columns of a place without a georeference.
NOWHERE = {"longitude": np.nan, "latitude": np.nan}


def read_raster(path: Path, *, located: bool = False) -> tuple[np.ndarray, dict[str, float]]:
    """Read all bands of a GeoTIFF (band, y, x), and `longitude` and `latitude` of its middle, WGS84.

    Raises:
        UnusableError: it cannot be read, or has no georeference though `located`; else both are NaN without one.
    """
    # Only here: who reads pictures alone needs no rasterio.
    with needs_extra("map"):
        from rasterio.errors import NotGeoreferencedWarning, RasterioError
        from rasterio.warp import transform

        from ...gate.rasters import open_raster
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with open_raster(path, PICTURE) as raster:
                values, crs = raster.read(), raster.crs
                x, y = raster.xy(raster.height / 2 - 0.5, raster.width / 2 - 0.5)
                placed = crs is not None and not raster.transform.is_identity
    except (RasterioError, ValueError) as error:
        raise UnusableError(UNREADABLE, first_line(error)) from None
    if not placed:
        if located:
            raise UnusableError("no georeference", "give a GeoTIFF with a coordinate reference system and a transform")
        return values, dict(NOWHERE)
    longitude, latitude = transform(crs, "EPSG:4326", [x], [y])
    return values, {"longitude": float(longitude[0]), "latitude": float(latitude[0])}


def check_size(width: int, height: int, side: int, owner: str) -> None:
    """Refuse an image that is not square with the side of its `owner` (for the sentence) by a `UnusableError`."""
    if (width, height) != (side, side):
        raise UnusableError("image of another size", f"{width} x {height} pixels, {owner} are {side} x {side}")


def check_picture(source: Path | bytes, side: int, owner: str) -> None:
    """Refuse a JPEG or PNG, file or bytes, that is damaged, no RGB, or of another size, by an `UnusableError`.

    All pixels are read, for damage hides there. `owner` names who has pictures of that size.
    """
    try:
        with open_photo(source) as picture:
            check_size(*picture.size, side, owner)
            picture.load()
            if picture.mode != "RGB":
                raise UnusableError("image is not RGB", f"its mode is {picture.mode}")
    except UnusableError:
        raise
    except (OSError, ValueError, SyntaxError) as error:
        raise UnusableError(UNREADABLE, first_line(error)) from None


def encode_bands(bands: Mapping[str, np.ndarray], kept: Sequence[str], side: int) -> dict[str, Any]:
    """Make the columns of a picture from digital numbers without offset.

    Args:
        bands: (y, x) each, by name; B04, B03 and B02 are stretched to the PNG of the column `image`.
        kept: bands for a flat column `reflectance`, times 10,000, of which [`as_series`] makes one time step; coarser
            ones are laid on the finest grid by nearest neighbour. Without any there is no such column.
        side: of the finest grid.
    """
    rgb = np.stack([bands[name] for name in RGB_BANDS], axis=-1)
    columns: dict[str, Any] = {"image": encode_picture(to_eight_bit(rgb / DN_PER_REFLECTANCE))}
    if kept:
        planes = [bands[name].astype(np.float32) for name in kept]
        planes = [plane.repeat(side // len(plane), 0).repeat(side // len(plane), 1) for plane in planes]
        columns["reflectance"] = pack_series(np.stack(planes)).ravel()
    return columns


def encode_picture(picture: np.ndarray) -> dict[str, Any]:
    """Encode an 8-bit RGB picture (y, x, 3) as the PNG of a column `image`: no pixel is changed."""
    buffer = io.BytesIO()
    # 1: the larger levels take ten times as long for a tenth less.
    Image.fromarray(picture).save(buffer, format="PNG", compress_level=1)
    return {"bytes": buffer.getvalue(), "path": None}
