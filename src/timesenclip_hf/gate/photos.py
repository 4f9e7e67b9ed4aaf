"""Open photos and pictures of strangers: of the formats that people take them in, and of a size that a camera has."""

import io
import os

from PIL import Image

# Pillow knows some forty formats, and runs another program for some of them (EPS).
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP")


def open_photo(source: str | os.PathLike[str] | bytes) -> Image.Image:
    """Open a photo, a file or its bytes, without decoding it.

    Raises:
        OSError: it has another format, is damaged, or no plain file.
        ValueError: it has more pixels than Pillow reads, 179 million.
    """
    if not isinstance(source, bytes) and os.path.exists(source) and not os.path.isfile(source):
        raise OSError(f"{source} is no plain file: give a copy of its content.")  # a pipe would be waited for
    try:
        return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise ValueError(str(error)) from None
