"""Tell whether a photo can be read."""

import os
from io import BytesIO

from PIL import Image

NO_BYTES, UNREADABLE = "photo of zero bytes", "photo unreadable"


def photo_fault(photo: str | os.PathLike[str] | bytes) -> str | None:
    """Say why a photo, a file or its bytes, cannot be used; None where it can.

    The whole file is decoded, JPEGs at an eighth of their size, so that a truncated photo is found out.
    """
    try:
        if not (len(photo) if isinstance(photo, bytes) else os.path.getsize(photo)):
            return NO_BYTES
        with Image.open(BytesIO(photo) if isinstance(photo, bytes) else photo) as image:
            image.draft("RGB", (image.width // 8, image.height // 8))
            image.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # Pillow's errors for damaged files
        return UNREADABLE
    return None
