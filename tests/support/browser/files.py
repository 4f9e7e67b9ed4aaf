"""Write simulated files that a visitor uploads."""

from pathlib import Path

import numpy as np
import rioxarray  # noqa: F401 (gives xarray its `.rio`)
import xarray as xr

from tests.support.small_cubes import CRS, MONTHS, grid
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS
from timesenclip_hf.simulator import simulate

NO_DATA = 65535


def write_series(path: Path, series: np.ndarray) -> Path:
    """Write an NPZ of series (series, time, band)."""
    np.savez(path, series=series)
    return path


def write_cube(path: Path, height: int, width: int, *, seed: int) -> Path:
    """Write a NetCDF of simulated pixels of any cover side by side, in digital numbers."""
    series = simulate(height * width, seed=seed).series
    numbers = np.where(np.isnan(series), NO_DATA, np.rint(series * 10_000)).astype(np.uint16)
    numbers = numbers.reshape(height, width, len(MONTHS), len(BANDS))
    bands = {
        band: (("time", "y", "x"), numbers[..., column].transpose(2, 0, 1), {"_FillValue": NO_DATA})
        for column, band in enumerate(BANDS)
    }
    cube = xr.Dataset(bands, coords={"time": MONTHS, **grid(height, width)}).rio.write_crs(CRS)
    cube.to_netcdf(path, engine="h5netcdf")
    return path
