import logging

import numpy as np
import pytest
import rasterio
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from tests_mapping_cubes import CRS, MONTHS, grid, make_cube
from timesenclip_hf.mapping import open_cube
from timesenclip_hf.mapping.cubes import nearest_index
from timesenclip_hf.models.timesenclip.feature_extraction_timesenclip import BANDS
