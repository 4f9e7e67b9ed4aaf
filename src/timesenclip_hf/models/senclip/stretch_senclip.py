"""Stretch Sentinel-2 reflectance to the 8-bit pictures of image models, and tell whether red and blue are swapped."""

from collections.abc import Sequence

import numpy as np

from ..timesenclip.radiometry_timesenclip import PLAUSIBLE_REFLECTANCE

# Reflectance that becomes white: EuroSAT's own pictures are digital numbers clipped at 2750 (Helber et al. 2019).
WHITE_REFLECTANCE = 0.275
# Soil against leaf makes land vary more in red than in blue. Of 2,000 EuroSAT pictures 86 % vary in green by 4 grey
# levels and more, the others are open water and closed forest; of all, 0.3 % have less than exp(-0.3) times the
# variance of blue in red, and of those 86 %, 96 % have it once red and blue are exchanged. Of batches of eight, none
# and all. `python -m training.evidence.senclip swapped_bands` measures it.
_LEAST_VARIATION = 4.0
_SWAPPED_RATIO = float(np.exp(-0.3))


def to_eight_bit(reflectance: np.ndarray, white: float = WHITE_REFLECTANCE) -> np.ndarray:
    """Turn RGB reflectance into the 8-bit picture of image models: linear, black at 0, clipped at `white`.

    The same stretch for every image keeps water dark and sand bright, as EuroSAT's pictures do; SenCLIP's training
    stretched each image from its own minimum to its own maximum, as [`stretch_each`] does.

    Args:
        reflectance: (..., 3) red, green and blue (B04, B03, B02), surface reflectance 0 to 1; NaN becomes black.
        white: reflectance that becomes 255.

    Returns:
        uint8, same shape.

    Raises:
        ValueError: no three colours, or values that are not reflectance.
    """
    values = np.asarray(reflectance, dtype=np.float32)
    if values.ndim < 1 or values.shape[-1] != 3:
        raise ValueError(f"`reflectance` must end in red, green and blue, got the shape {values.shape}.")
    if values.size and np.median(np.nan_to_num(values)) > PLAUSIBLE_REFLECTANCE[1]:
        raise ValueError(
            f"Values around {np.nanmedian(values):.4g} are not reflectance of 0 to 1: divide digital numbers by 10,000."
        )
    return np.asarray(np.rint(np.clip(np.nan_to_num(values) / white, 0, 1) * 255), dtype=np.uint8)


def stretch_each(image: np.ndarray) -> np.ndarray:
    """Stretch an image from its darkest to its brightest value, over all bands together, as SenCLIP's training did.

    Args:
        image: (height, width, 3) in any unit; NaN becomes black and has no part in the limits.

    Returns:
        uint8, same shape; black where all values are equal.
    """
    known = np.isfinite(image)
    low, high = image[known].min(), image[known].max()
    share = (np.where(known, image, low) - low) / max(high - low, np.finfo(np.float32).tiny)
    return np.asarray(np.rint(share * 255), dtype=np.uint8)


def seems_bgr(pictures: Sequence[np.ndarray]) -> bool:
    """Tell whether the first channel of Sentinel-2 pictures seems to be blue and the third red.

    Means do not tell: red is darker than blue over leaf and water, and through air, brighter over soil. What varies
    more within an image does. Pictures without land in them say nothing, and are passed over.

    Args:
        pictures: uint8 (height, width, 3) each.
    """
    variances = np.array([picture.reshape(-1, 3).var(axis=0) for picture in pictures])
    first, _, third = variances[variances[:, 1] >= _LEAST_VARIATION**2].sum(axis=0)
    return bool(first < _SWAPPED_RATIO * third)
