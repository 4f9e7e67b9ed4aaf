"""Files that point elsewhere, at another file or at an address; tests, fuzzing and evidence share them."""

from .aims import Aim, Hostile, aim_at
from .checkpoints import CHECKPOINTS
from .netcdf import CRS_FILES, HDF5_FILES
from .rasters import RASTER_FILES
from .stac import STAC_ITEMS
from .tables import CONFIGS, PRODUCTS, TABLES
from .zarr import ZARR_STORES

POINTING_ELSEWHERE = [
    *HDF5_FILES,
    *CRS_FILES,
    *RASTER_FILES,
    *ZARR_STORES,
    *STAC_ITEMS,
    *TABLES,
    *PRODUCTS,
    *CONFIGS,
    *CHECKPOINTS,
]

__all__ = ["POINTING_ELSEWHERE", "Aim", "Hostile", "aim_at"]
