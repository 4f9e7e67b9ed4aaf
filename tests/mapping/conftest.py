"""Small cubes with real places: 12 months or some dates of ten bands on a 10 m grid in UTM 31N."""

import numpy as np
import pytest
import xarray as xr
from transformers import pipeline

from timesenclip_hf.models.timesenclip.feature_extraction_timesenclip import BANDS

CRS = "EPSG:32631"
MONTHS = np.array([f"2018-{month:02d}-15" for month in range(1, 13)], dtype="datetime64[ns]")


def grid(height: int, width: int, size: float = 10.0) -> dict[str, np.ndarray]:
    return {"y": 5_600_000 - size * (np.arange(height) + 0.5), "x": 500_000 + size * (np.arange(width) + 0.5)}


def make_cube(
    height: int = 6, width: int = 5, times: np.ndarray = MONTHS, bands=BANDS, size: float = 10.0, seed: int = 0
) -> xr.Dataset:
    """Bands as variables (time, y, x), uint16, as most products keep them."""
    random = np.random.default_rng(seed)
    shape = (len(times), height, width)
    variables = {band: (("time", "y", "x"), random.integers(100, 4000, shape, dtype=np.uint16)) for band in bands}
    return xr.Dataset(variables, coords={"time": times, **grid(height, width, size)}).rio.write_crs(CRS)


@pytest.fixture(scope="session")
def tiny_pipeline(tiny_checkpoint):
    return pipeline("zero-shot-pixel-classification", model=str(tiny_checkpoint))
