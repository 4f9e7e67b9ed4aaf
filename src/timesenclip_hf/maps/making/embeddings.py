"""Store embeddings in a quarter of their size: a signed byte for each number and a scale for each vector."""

import numpy as np

# -127 to 127: with -128 the codes of a vector and of its opposite would differ.
LARGEST_CODE = 127


def embeddings_to_int8(embeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Round each vector to 255 steps between its largest number and the opposite of that.

    Args:
        embeds: (..., feature), any float type; a vector with NaN counts as no data.

    Returns:
        Codes (..., feature) int8 and scales (...) float32. `codes * scale` is off by half the scale at most, which is
        1/254 of the largest number of the vector; no data has the scale 0.
    """
    values = np.asarray(embeds, dtype=np.float32)
    scale = np.abs(values).max(axis=-1) / np.float32(LARGEST_CODE)
    scale = np.where(np.isfinite(scale), scale, np.float32(0))
    codes = np.zeros(values.shape, dtype=np.float32)
    np.divide(values, scale[..., None], out=codes, where=scale[..., None] > 0)
    return np.rint(codes).clip(-LARGEST_CODE, LARGEST_CODE).astype(np.int8), scale


def embeddings_from_int8(codes: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Turn what [`embeddings_to_int8`] returned into embeddings (..., feature) float32, NaN where there is no data."""
    return np.asarray(codes * np.where(scale > 0, scale, np.nan).astype(np.float32)[..., None])
