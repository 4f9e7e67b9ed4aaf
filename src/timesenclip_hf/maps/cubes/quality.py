"""Turn the quality masks of products other than ESA's into scene classes: of HLS, FORCE, MAJA and Digital Earth."""

import re
from collections.abc import Callable

import numpy as np

# Scene classes of Sentinel-2 L2A that the masks have too.
NO_DATA, SHADOW, PLANTS, WATER, MEDIUM_CLOUD, CLOUD, CIRRUS, SNOW = 0, 3, 4, 6, 8, 9, 10, 11


def quality_table(name: str) -> np.ndarray | None:
    """Return the scene class of each value that a mask may have, uint8 (256,) or (65536,); None for no mask.

    Args:
        name: of a file without suffix, of a variable or of an asset.
    """
    return next((make() for pattern, make in _MASKS if pattern.search(name)), None)


def _bits(size: int, *classes: tuple[int, int, int]) -> np.ndarray:
    """Give each value the class of the last entry (first bit, value of the two bits from there on, class) it meets.

    A value of 0 stands for any, of which the bit alone is tested.
    """
    values = np.arange(size)
    table = np.full(size, PLANTS, dtype=np.uint8)
    for bit, wanted, scene_class in classes:
        met = (values >> bit) & 1 == 1 if wanted == 0 else (values >> bit) & 3 == wanted
        table[met] = scene_class
    return table


def _hls() -> np.ndarray:
    """Read Fmask of HLS 2.0: bits 1 cloud, 2 beside a cloud, 3 shadow, 4 snow, 5 water; 255 no data."""
    table = _bits(256, (5, 0, WATER), (4, 0, SNOW), (2, 0, MEDIUM_CLOUD), (3, 0, SHADOW), (1, 0, CLOUD))
    table[255] = NO_DATA
    return table


def _force() -> np.ndarray:
    """Read QAI of FORCE: bits 0 no data, 1 and 2 cloud (less confident, opaque, cirrus), 3 shadow, 4 snow, 5 water."""
    clouds = ((1, 1, MEDIUM_CLOUD), (1, 2, CLOUD), (1, 3, CIRRUS))
    return _bits(65536, (5, 0, WATER), (4, 0, SNOW), (3, 0, SHADOW), *clouds, (0, 0, NO_DATA))


def _maja_clouds() -> np.ndarray:
    """Read CLM of MAJA, in which every bit is a kind of cloud or of its shadow."""
    table = np.full(256, CLOUD, dtype=np.uint8)
    table[0] = PLANTS
    return table


def _maja_geophysical() -> np.ndarray:
    """Read MG2 of MAJA: bits 0 water, 1 cloud, 2 snow, 3 shadow of a cloud, 4 of the relief."""
    return _bits(256, (0, 0, WATER), (2, 0, SNOW), (4, 0, SHADOW), (3, 0, SHADOW), (1, 0, CLOUD))


def _digital_earth() -> np.ndarray:
    """Read fmask of Digital Earth: 0 no data, 1 clear, 2 cloud, 3 shadow, 4 snow, 5 water."""
    table = np.zeros(256, dtype=np.uint8)
    table[1:6] = PLANTS, CLOUD, SHADOW, SNOW, WATER
    return table


_MASKS: tuple[tuple[re.Pattern[str], Callable[[], np.ndarray]], ...] = (
    (re.compile(r"^(?:oa_)?fmask$|[_.]oa_fmask$"), _digital_earth),
    (re.compile(r"(?:^|\.)Fmask$"), _hls),
    (re.compile(r"_QAI$"), _force),
    (re.compile(r"_CLM_R[12]$"), _maja_clouds),
    (re.compile(r"_MG2_R[12]$"), _maja_geophysical),
)
