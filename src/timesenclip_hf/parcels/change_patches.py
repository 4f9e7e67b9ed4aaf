"""Find patches of pixels and leave out the small ones."""

import numpy as np

from ..extras import needs_extra

with needs_extra("data"):
    import shapely
    from shapely.geometry import shape
with needs_extra("map"):
    from rasterio.features import rasterize, shapes


def large_patches(members: np.ndarray, least: int) -> np.ndarray:
    """Return the members (y, x) bool that lie in patches of at least `least` of them, connected by their sides.

    Args:
        members: pixels (y, x) bool.
        least: pixels of the smallest patch that stays.
    """
    if not members.any():
        return members
    # In units of pixels, so that the area of an outline is the number of its pixels.
    outlines = [shape(outline) for outline, _ in shapes(members.astype(np.uint8), mask=members, connectivity=4)]
    small = [outline for outline in outlines if shapely.area(outline) < least - 0.5]
    if not small:
        return members
    return np.asarray(members & (rasterize(small, members.shape, dtype="uint8") == 0))
